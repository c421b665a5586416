/**
 * One quantity of a session over its steps: a vector of fixed width for each step that is known.
 *
 * Vectors stand one behind the other in an array that doubles when it is full, so that a step costs
 * its own numbers. A step that nobody told of has no vector, which is not the same as zeros.
 */
export class Series {
  /** @param {number} width numbers of a step */
  constructor(width) {
    this.width = width;
    /** The newest step that has a vector; 0 for none. */
    this.last = 0;
    this.#reserve(64);
  }

  #values = new Float32Array(0);
  #known = new Uint8Array(0);

  #reserve(steps) {
    if (steps <= this.#known.length) return;
    const size = Math.max(steps, 2 * this.#known.length);
    const values = new Float32Array(size * this.width);
    const known = new Uint8Array(size);
    values.set(this.#values);
    known.set(this.#known);
    this.#values = values;
    this.#known = known;
  }

  /**
   * @param {number} step from 1
   * @param {ArrayLike<number>} vector `width` numbers
   */
  put(step, vector) {
    if (vector.length !== this.width) {
      throw new RangeError(`a vector has ${vector.length} numbers; this series has ${this.width}`);
    }
    this.#reserve(step);
    this.#values.set(vector, (step - 1) * this.width);
    this.#known[step - 1] = 1;
    this.last = Math.max(this.last, step);
  }

  /** @returns {boolean} whether the step has a vector */
  has(step) {
    return step >= 1 && step <= this.last && this.#known[step - 1] === 1;
  }

  /** @returns {Float32Array | undefined} the step's vector: a view, not a copy */
  get(step) {
    if (!this.has(step)) return undefined;
    return this.#values.subarray((step - 1) * this.width, step * this.width);
  }

  /** Forgets the steps after this one. */
  cut(step) {
    this.#known.fill(0, step);
    this.last = Math.min(this.last, step);
  }
}
