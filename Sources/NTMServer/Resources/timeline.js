/** A step is never drawn wider than this, in CSS pixels. */
const WIDEST = 26;
/** How many steps there is room for at least. */
const FEWEST = 24;

/**
 * The time axis that all panels share: which steps are in view, how wide they are, and which step
 * is shown.
 *
 * All steps from the first known one are in view, or the newest so many. Where there are more than
 * pixels, a column stands for several steps, and panels draw the greatest of each cell's values.
 */
export class Timeline {
  #recordings = [];
  #cursor = null;
  #hovered = null;
  #row = null;
  #planned = 0;
  #width = 400;
  #window = Infinity;
  #layout = { first: 1, columns: FEWEST, stepsPerColumn: 1, columnWidth: 10 };
  #listeners = new Set();

  /** @param {() => void} listener is called after every change of the view or the shown step */
  subscribe(listener) {
    this.#listeners.add(listener);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }

  /** @param {import('./recording.js').Recording[]} recordings whose steps are to be in view */
  follow(recordings) {
    this.#recordings = recordings;
    this.#cursor = null;
    this.#tell();
  }

  /** @param {number} width of a panel's plot, in CSS pixels */
  setWidth(width) {
    if (width === this.#width || width <= 0) return;
    this.#width = width;
    this.#tell();
  }

  /** @param {number} step the last step that is going to be taken; room is kept for it */
  setPlanned(step) {
    this.#planned = step;
    this.#tell();
  }

  /** @param {number} steps how many of the newest are in view; Infinity for all */
  setWindow(steps) {
    this.#window = steps;
    this.#tell();
  }

  /** The window that was chosen. */
  get window() {
    return this.#window;
  }

  /** The step before the first that could be shown. */
  get start() {
    return Math.min(...this.#recordings.map((recording) => recording.start), this.newest);
  }

  /** The newest step of any recording. */
  get newest() {
    return Math.max(0, ...this.#recordings.map((recording) => recording.last));
  }

  /** The step that is shown: the one under the pointer, or one that was chosen, or the newest. */
  get shown() {
    return Math.min(this.#hovered ?? this.#cursor ?? this.newest, this.newest);
  }

  /** The row that is shown, as the panels of its kind (such as `location`) name it; or null. */
  get row() {
    return this.#row;
  }

  /** Whether the newest step is shown, whatever comes. */
  get isFollowing() {
    return this.#cursor === null;
  }

  /** @param {number | null} step null follows the newest */
  show(step) {
    this.#hovered = null;
    this.#cursor = step === null ? null : this.#within(step);
    this.#tell();
  }

  /**
   * What the pointer is over, for as long as it is there.
   *
   * @param {number | null} step
   * @param {{kind: string, index: number} | null} row
   */
  hover(step, row) {
    this.#hovered = step === null ? null : this.#within(step);
    this.showRow(row);
  }

  /** @param {{kind: string, index: number} | null} row */
  showRow(row) {
    this.#row = row;
    this.#tell();
  }

  #within(step) {
    return Math.max(Math.min(this.start + 1, this.newest), Math.min(this.newest, step));
  }

  /** Goes so many steps on or back from the shown one. */
  move(steps) {
    this.show(this.shown + steps);
  }

  /**
   * Where steps stand now.
   *
   * @returns {{first: number, columns: number, stepsPerColumn: number, columnWidth: number}} the
   *   same object as long as nothing moved
   */
  get layout() {
    const next = this.#place();
    const now = this.#layout;
    if (Object.keys(next).some((name) => next[name] !== now[name])) this.#layout = next;
    return this.#layout;
  }

  #place() {
    const first = this.#firstInView();
    const steps = this.#capacity(first);
    const stepsPerColumn = 2 ** Math.max(0, Math.ceil(Math.log2(steps / this.#width)));
    const columns = Math.ceil(steps / stepsPerColumn);
    return { first, columns, stepsPerColumn, columnWidth: Math.min(WIDEST, this.#width / columns) };
  }

  /** The window moves on by quarters, so that most steps move nothing. */
  #firstInView() {
    const { start, newest } = this;
    if (newest - start <= this.#window) return start + 1;
    const stride = Math.max(1, Math.floor(this.#window / 4));
    const latest = start + 1 + Math.ceil((newest - start - this.#window) / stride) * stride;
    const shown = this.shown;
    if (shown >= latest) return latest;
    return Math.max(start + 1, start + 1 + Math.floor((shown - start - 1) / stride) * stride);
  }

  /** How many steps there is room for: all that are planned, or a size that grows by halves. */
  #capacity(first) {
    if (this.#window !== Infinity && this.newest - this.start > this.#window) return this.#window;
    const needed = Math.max(this.newest, this.#planned) - first + 1;
    if (needed <= FEWEST) return FEWEST;
    if (this.#planned >= this.newest) return needed;
    let size = FEWEST;
    while (size < needed) size = Math.ceil(size * 1.5);
    return size;
  }

  /** @returns {number} the column of a step, from 0; it may be out of view */
  columnOf(step) {
    const { first, stepsPerColumn } = this.layout;
    return Math.floor((step - first) / stepsPerColumn);
  }

  /** @returns {{from: number, to: number}} the steps of a column */
  stepsOf(column) {
    const { first, stepsPerColumn } = this.layout;
    const from = first + column * stepsPerColumn;
    return { from, to: Math.min(from + stepsPerColumn - 1, this.newest) };
  }
}
