/** How many bytes of memory matrices a recording keeps. */
const BYTE_LIMIT = 64 * 1024 * 1024;

/** Memory matrices by step: the newest that fit into the limit. */
export class Snapshots {
  #matrices = new Map();
  #bytes = 0;

  /**
   * @param {number} step
   * @param {number[][]} rows N rows of M numbers
   */
  put(step, rows) {
    if (!this.#matrices.has(step)) this.adopt(step, Float32Array.from(rows.flat()));
  }

  /** Keeps a matrix that another recording has too. */
  adopt(step, matrix) {
    this.#matrices.set(step, matrix);
    this.#bytes += matrix.byteLength;
    for (const old of this.#matrices.keys()) {
      if (this.#bytes <= BYTE_LIMIT || old === step) break;
      this.#forget(old);
    }
  }

  /** @returns {Float32Array | undefined} N × M numbers, row by row */
  get(step) {
    return this.#matrices.get(step);
  }

  /** The steps that have a matrix, in the order in which they came. */
  get steps() {
    return [...this.#matrices.keys()];
  }

  /** Forgets the steps after this one. */
  cut(step) {
    for (const other of this.steps) if (other > step) this.#forget(other);
  }

  #forget(step) {
    this.#bytes -= this.#matrices.get(step).byteLength;
    this.#matrices.delete(step);
  }
}
