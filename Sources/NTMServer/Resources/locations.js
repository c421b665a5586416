/** A location counts as in use from this share of a weighting on … */
const USE = 0.02;
/** … and from so many times what an even weighting would give it. */
const TIMES_EVEN = 4;
/** Rows that are in view at least, and by how many the view grows, so that it grows seldom. */
const FEWEST = 16;
const STRIDE = 8;

/**
 * Which locations of the memory are in view: all, or those that some head has used so far, with
 * what lies between. Heads step from the last location to the first as if they were neighbours, so
 * the view may go over the end, too. It is the same in all panels, so that a diagonal of writing
 * and the same one of reading look alike.
 */
export class Locations {
  #isUsed = new Uint8Array(0);
  #isAll = false;
  #view = { first: 0, rows: 0 };

  /** @param {boolean} isAll whether all are in view */
  chooseAll(isAll) {
    this.#isAll = isAll;
  }

  /** Forgets which were used, for a memory of so many locations. */
  clear(count) {
    this.#isUsed = new Uint8Array(count);
    this.#view = { first: 0, rows: Math.min(count, FEWEST) };
  }

  /**
   * Looks where heads were at some steps.
   *
   * @param {import('./recording.js').Recording} recording
   * @returns {boolean} whether other rows came into view
   */
  include(recording, from, to) {
    let isNew = false;
    for (const name of recording.names) {
      if (!/^(read|write)_weightings\//.test(name)) continue;
      for (let step = from; step <= to; step += 1) {
        if (this.#look(recording.get(name, step))) isNew = true;
      }
    }
    if (!isNew) return false;
    const before = this.#view;
    this.#view = this.#around();
    return this.#view.first !== before.first || this.#view.rows !== before.rows;
  }

  #look(weighting) {
    if (!weighting) return false;
    const least = Math.max(USE, Math.min(0.5, TIMES_EVEN / weighting.length));
    let isNew = false;
    for (let at = 0; at < weighting.length; at += 1) {
      if (weighting[at] < least || this.#isUsed[at]) continue;
      this.#isUsed[at] = 1;
      isNew = true;
    }
    return isNew;
  }

  /** The rows around all that are used: what is left out is the longest stretch that is not. */
  #around() {
    const count = this.#isUsed.length;
    const used = [...this.#isUsed.keys()].filter((at) => this.#isUsed[at]);
    let [first, longest] = [used[0], 0];
    used.forEach((at, index) => {
      const before = index > 0 ? used[index - 1] : used.at(-1) - count;
      if (at - before > longest) [first, longest] = [at, at - before];
    });
    // A stretch over the end begins below zero.
    const length = count - longest + 1;
    const from = first + length > count ? first - count : first;
    const start = Math.floor(from / STRIDE) * STRIDE;
    const end = Math.ceil((from + length + 1) / STRIDE) * STRIDE;
    const rows = Math.max(FEWEST, end - start);
    if (rows >= count) return { first: 0, rows: count };
    return { first: (start + count) % count, rows };
  }

  /**
   * @param {number} count the locations that there are
   * @returns {{first: number, rows: number}} the first in view, and how many follow it
   */
  inView(count) {
    return this.#isAll ? { first: 0, rows: count } : this.#view;
  }
}
