import { onThemeChange } from './colors.js';
import { element } from './elements.js';
import { GUTTER } from './axes.js';
import { LEGEND_WIDTH } from './legend.js';
import { Locations } from './locations.js';
import { panelGroups } from './panels.js';

/**
 * Shows recordings as panels, side by side where there are two, and redraws what changed, at most
 * once for each frame: of new steps their columns, of a moved view everything.
 */
export class Stage {
  /**
   * @param {HTMLElement} place where the panels go
   * @param {import('./timeline.js').Timeline} timeline
   * @param {() => void} drawn is called after each drawing
   */
  constructor(place, timeline, drawn) {
    this.#drawn = drawn;
    this.#place = place;
    this.#timeline = timeline;
    timeline.subscribe(() => this.#schedule());
    onThemeChange(() => this.redraw());
    new ResizeObserver(() => this.#measure()).observe(place);
  }

  #drawn;
  #place;
  #timeline;
  #locations = new Locations();
  #sides = [];
  #frame = 0;
  #layout = null;

  /**
   * @param {object[]} sides of each:
   *   `recording`; `hasTargets`, whether it is known what the outputs should be; and where there
   *   are several, `title` (nodes and texts over the panels), `name` (said with each panel's
   *   title) and `targetTitle` (what the targets are, if not the task's)
   */
  show(sides) {
    for (const side of this.#sides) side.leave();
    this.#locations.clear(sides[0].recording.model.memory.rows);
    this.#sides = sides.map((side) => this.#makeSide(side));
    this.#place.classList.toggle('compared', sides.length > 1);
    this.#place.replaceChildren(...this.#sides.map(({ node }) => node));
    this.#timeline.follow(sides.map(({ recording }) => recording));
    this.redraw();
    this.#measure();
  }

  #makeSide({ recording, title, name, hasTargets, targetTitle }) {
    const groups = panelGroups({
      recording,
      timeline: this.#timeline,
      locations: this.#locations,
      side: name,
      hasTargets,
      targetTitle,
    });
    const node = element('div.side', { dataset: { side: name ?? 'only' } },
      ...(title ? [element('h3.side-title', {}, ...title)] : []),
      element('div.part', {}, ...groups.slice(0, 2).map(groupNode)),
      element('div.part', {}, ...groups.slice(2).map(groupNode)));
    const side = {
      node,
      recording,
      panels: groups.flatMap(({ panels }) => panels),
      // Whatever is known already is new to the panels.
      dirty: { from: recording.start + 1, to: recording.last },
    };
    side.leave = recording.subscribe((change) => this.#note(side, change));
    return side;
  }

  #note(side, change) {
    if (change.kind === 'cut') {
      this.#locations.clear(side.recording.model.memory.rows);
      this.#layout = null;
    } else {
      const { from, to } = side.dirty ?? change;
      side.dirty = { from: Math.min(from, change.from), to: Math.max(to, change.to) };
    }
    this.#schedule();
  }

  /** @param {boolean} isAll whether all locations are in view, or those that heads have used */
  showAllLocations(isAll) {
    this.#locations.chooseAll(isAll);
    this.redraw();
  }

  /** Draws everything anew at the next frame. */
  redraw() {
    this.#layout = null;
    this.#schedule();
  }

  #schedule() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #measure() {
    const frame = this.#place.querySelector('.frame');
    if (frame) this.#timeline.setWidth(Math.floor(frame.clientWidth - GUTTER - LEGEND_WIDTH));
  }

  #draw() {
    this.#frame = 0;
    const { layout } = this.#timeline;
    const hasGrown = this.#sides.map(({ recording, dirty }) =>
      dirty && this.#locations.include(recording, dirty.from, dirty.to)).includes(true);
    const hasMoved = hasGrown || layout !== this.#layout;
    this.#layout = layout;
    for (const side of this.#sides) {
      for (const panel of side.panels) {
        if (hasMoved) panel.drawAll();
        else if (side.dirty) panel.drawSteps(side.dirty.from, side.dirty.to);
        panel.showCursor();
      }
      side.dirty = null;
    }
    this.#drawn();
  }
}

const groupNode = ({ name, title, panels }) =>
  element('div.group', { role: 'group', 'aria-label': title, dataset: { group: name } },
    element('h3', {}, title),
    element('div.grid', {}, ...panels.map(({ figure }) => figure)));
