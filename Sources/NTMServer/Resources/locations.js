/** From this share of a weighting on, a location counts as in use. */
const USE = 0.01;
/** Rows that are in view at least, and by how many the view grows, so that it grows seldom. */
const FEWEST = 16;
const STRIDE = 8;

/**
 * How many locations of the memory are in view, from the first on: all, or those that some head
 * has used so far. It is the same in all panels, so that a diagonal of writing and the same one of
 * reading look alike.
 */
export class Locations {
  #used = 0;
  #isAll = false;

  /** @param {boolean} isAll whether all are in view */
  chooseAll(isAll) {
    this.#isAll = isAll;
  }

  /** Forgets which were used. */
  clear() {
    this.#used = 0;
  }

  /**
   * Looks where heads were at some steps.
   *
   * @param {import('./recording.js').Recording} recording
   * @returns {boolean} whether more rows came into view
   */
  include(recording, from, to) {
    const before = this.shown(Infinity);
    for (const name of recording.names) {
      if (!/^(read|write)_weightings\//.test(name)) continue;
      for (let step = from; step <= to; step += 1) this.#look(recording.get(name, step));
    }
    return this.shown(Infinity) !== before;
  }

  #look(weighting) {
    if (!weighting) return;
    for (let at = weighting.length - 1; at >= this.#used; at -= 1) {
      if (weighting[at] > USE) this.#used = at + 1;
    }
  }

  /**
   * @param {number} rows of the memory
   * @returns {number} how many of them are in view
   */
  shown(rows) {
    if (this.#isAll) return rows;
    return Math.min(rows, Math.max(FEWEST, Math.ceil((this.#used + 1) / STRIDE) * STRIDE));
  }
}
