import { drawHorizontalAxis, drawVerticalAxis } from './axes.js';
import { element, svg } from './elements.js';
import { savePNG, saveSVG } from './export.js';

/** Steps that PageUp and PageDown go. */
const PAGE = 10;

/**
 * A panel's frame: title, what it says of the shown step, plot with axes and crosshair, legend, and
 * the buttons that take it away. What is in the plot is a subclass' matter.
 */
export class Panel {
  /**
   * @param {object} options
   * @param {string} options.name what `data-panel` says
   * @param {string} options.title
   * @param {string} options.rowKind what a row is: `location`, `input`, …
   * @param {number} options.rows that there are; those in view may be fewer
   * @param {import('./timeline.js').Timeline} options.timeline
   * @param {import('./recording.js').Recording} options.recording
   * @param {string} [options.side] whose panel it is, where two sessions are compared
   */
  constructor({ name, title, rowKind, rows, timeline, recording, side = '' }) {
    Object.assign(this, { name, title, rowKind, rows, timeline, recording, side });
    this.rowsOfData = rows;
    this.firstRow = 0;
    const fullTitle = side ? `${title}, ${side}` : title;
    this.fullTitle = fullTitle;
    this.canvas = element('canvas.cells', { role: 'img', 'aria-label': fullTitle });
    this.marks = element('canvas.marks', { 'aria-hidden': 'true' });
    this.readout = element('span.readout');
    this.legend = element('div.legend', { 'aria-hidden': 'true' });
    this.#vertical = svg('svg', { class: 'axis-y', 'aria-hidden': 'true' });
    this.#horizontal = svg('svg', { class: 'axis-x', 'aria-hidden': 'true' });
    this.#step = element('div.cross-step');
    this.#row = element('div.cross-row');
    this.plot = element('div.plot', {
      tabIndex: 0,
      role: 'group',
      'aria-label': `${fullTitle}: arrow keys move the crosshair`,
      onpointermove: (event) => this.#point(event, false),
      onpointerdown: (event) => this.#point(event, true),
      onpointerleave: () => timeline.hover(null, null),
      onkeydown: (event) => this.#press(event),
    }, this.canvas, this.marks, this.#step, this.#row);
    this.figure = element('figure.panel', { dataset: { panel: name } },
      element('figcaption', {},
        element('span.title', {}, title), this.readout, this.#buttons(fullTitle)),
      element('div.frame', {}, this.#vertical, this.plot, this.legend, this.#horizontal));
  }

  #vertical;
  #horizontal;
  #step;
  #row;

  #buttons(title) {
    const button = (kind, save) => element('button.quiet', {
      type: 'button', 'aria-label': `${kind} of ${title}`, onclick: () => save(this.picture()),
    }, kind);
    return element('span.buttons', {}, button('SVG', saveSVG), button('PNG', savePNG));
  }

  /** Gives the plot its size, in CSS pixels. */
  setSize(width, height) {
    this.width = width;
    this.height = height;
    for (const node of [this.plot, this.canvas, this.marks]) {
      node.style.width = `${width}px`;
      node.style.height = `${height}px`;
    }
    this.legend.style.height = `${height}px`;
  }

  /** What tests and tools need to find a cell on the canvas. */
  describeCells({ columns, rows, first, cellWidth, cellHeight, stepsPerColumn, rowsPerCell }) {
    const { firstRow } = this;
    Object.assign(this.canvas.dataset, {
      columns, rows, first, firstRow, cellWidth, cellHeight, stepsPerColumn, rowsPerCell,
    });
  }

  /** Draws the axes that `axes()` of the subclass tells of. */
  drawAxes() {
    const { x, y } = this.axes();
    drawVerticalAxis(this.#vertical, { ...y, height: this.height });
    drawHorizontalAxis(this.#horizontal, { ...x, width: this.width });
  }

  /**
   * Draws the crosshair around the shown column and row, so that both stay visible.
   *
   * @param {{from: number, size: number} | null} column in CSS pixels
   * @param {{from: number, size: number} | null} row
   */
  drawCrosshair(column, row) {
    const isInView = column !== null && column.from >= 0 && column.from < this.width;
    this.plot.classList.toggle('following', this.timeline.isFollowing);
    this.#step.hidden = !isInView;
    if (isInView) {
      this.#step.style.width = `${Math.max(3, column.size + 2)}px`;
      this.#step.style.transform = `translateX(${column.from - 1}px)`;
    }
    this.#row.hidden = row === null;
    if (row !== null) {
      this.#row.style.height = `${Math.max(3, row.size + 2)}px`;
      this.#row.style.transform = `translateY(${row.from - 1}px)`;
    }
  }

  /** Where the shown row stands, if it is in view. */
  rowBand() {
    const row = this.shownRow;
    if (row === null || this.#placeOf(row) >= this.rows) return null;
    const size = this.height / this.rows;
    return { from: this.#placeOf(row) * size, size };
  }

  /** The place of a row, counted from the first in view. */
  #placeOf(row) {
    return (row - this.firstRow + this.rowsOfData) % this.rowsOfData;
  }

  /** The row at a place; beyond the ends, that at the end. */
  #rowAt(place) {
    const within = Math.max(0, Math.min(this.rows - 1, place));
    return (this.firstRow + within) % this.rowsOfData;
  }

  /** The shown row, where it is one of this panel's. */
  get shownRow() {
    const { row } = this.timeline;
    return row && row.kind === this.rowKind && row.index < this.rowsOfData ? row.index : null;
  }

  #point(event, pins) {
    const box = this.plot.getBoundingClientRect();
    const index = this.#rowAt(Math.floor(((event.clientY - box.top) / box.height) * this.rows));
    const step = this.stepAt(event.clientX - box.left);
    const shownRow = { kind: this.rowKind, index };
    if (pins && step !== null) this.timeline.show(step);
    this.timeline.hover(step, shownRow);
  }

  #press(event) {
    const { timeline } = this;
    const moves = {
      ArrowLeft: () => timeline.move(-1),
      ArrowRight: () => timeline.move(1),
      PageUp: () => timeline.move(-PAGE),
      PageDown: () => timeline.move(PAGE),
      Home: () => timeline.show(timeline.start + 1),
      End: () => timeline.show(timeline.newest),
      ArrowUp: () => this.#moveRow(-1),
      ArrowDown: () => this.#moveRow(1),
      Escape: () => timeline.showRow(null),
    };
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    moves[event.key]();
  }

  #moveRow(by) {
    const outside = by > 0 ? -1 : this.rows;
    const now = this.shownRow === null ? outside : this.#placeOf(this.shownRow);
    this.timeline.showRow({ kind: this.rowKind, index: this.#rowAt(now + by) });
  }
}
