import { onThemeChange } from './colors.js';
import { element } from './elements.js';
import { GUTTER } from './axes.js';
import { panelGroups } from './panels.js';

/**
 * Shows recordings as panels, side by side where there are two, and redraws what changed, at most
 * once for each frame: of new steps their columns, of a moved view everything.
 */
export class Stage {
  /**
   * @param {HTMLElement} place where the panels go
   * @param {import('./timeline.js').Timeline} timeline
   */
  constructor(place, timeline) {
    this.#place = place;
    this.#timeline = timeline;
    timeline.subscribe(() => this.#schedule());
    onThemeChange(() => this.redraw());
    new ResizeObserver(() => this.#measure()).observe(place);
  }

  #place;
  #timeline;
  #sides = [];
  #frame = 0;
  #layout = null;

  /**
   * @param {{recording: import('./recording.js').Recording, title?: string, name?: string}[]} sides
   *   title: over the panels, where there are several; name: said with each panel's title
   */
  show(sides) {
    for (const side of this.#sides) side.leave();
    this.#sides = sides.map((side) => this.#makeSide(side));
    this.#place.classList.toggle('compared', sides.length > 1);
    this.#place.replaceChildren(...this.#sides.map(({ node }) => node));
    this.#timeline.follow(sides.map(({ recording }) => recording));
    this.redraw();
    this.#measure();
  }

  #makeSide({ recording, title, name }) {
    const groups = panelGroups(recording, this.#timeline, name);
    const node = element('div.side', { dataset: { side: name ?? 'only' } },
      ...(title ? [element('h3.side-title', {}, title)] : []),
      ...groups.filter(({ panels }) => panels.length).map((group) =>
        element('section.group', { dataset: { group: group.name }, 'aria-label': group.title },
          element('h3', {}, group.title),
          element('div.grid', {}, ...group.panels.map(({ figure }) => figure)))));
    const side = {
      node,
      recording,
      panels: groups.flatMap(({ panels }) => panels),
      dirty: null,
    };
    side.leave = recording.subscribe((change) => this.#note(side, change));
    return side;
  }

  #note(side, change) {
    if (change.kind === 'cut') this.#layout = null;
    else {
      const { from, to } = side.dirty ?? change;
      side.dirty = { from: Math.min(from, change.from), to: Math.max(to, change.to) };
    }
    this.#schedule();
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
    if (frame) this.#timeline.setWidth(Math.floor(frame.clientWidth - GUTTER - 1));
  }

  #draw() {
    this.#frame = 0;
    const { layout } = this.#timeline;
    const hasMoved = layout !== this.#layout;
    this.#layout = layout;
    for (const side of this.#sides) {
      for (const panel of side.panels) {
        if (hasMoved) panel.drawAll();
        else if (side.dirty) panel.drawSteps(side.dirty.from, side.dirty.to);
        panel.showCursor();
      }
      side.dirty = null;
    }
  }
}
