/**
 * The waiting times between attempts to connect. They double up to a limit, and begin anew only after
 * a connection that lasted: one that breaks at once counts as a failure. A part of each is random, so
 * that the pages of many people don't connect at the same moment.
 */
export class BackOff {
  #first;
  #longest;
  #lasting;
  #now;
  #random;
  #failures = 0;
  #openedAt = undefined;

  /**
   * @param {object} [options] times in milliseconds
   * @param {number} [options.first] the most of the first time
   * @param {number} [options.longest] the most of any
   * @param {number} [options.lasting] how long a connection must last to count as a success
   * @param {() => number} [options.now] the clock
   * @param {() => number} [options.random] a number from 0 to 1
   */
  constructor({
    first = 500, longest = 15_000, lasting = 5_000, now = () => performance.now(),
    random = Math.random,
  } = {}) {
    this.#first = first;
    this.#longest = longest;
    this.#lasting = lasting;
    this.#now = now;
    this.#random = random;
  }

  /** A connection has been opened. */
  opened() {
    this.#openedAt = this.#now();
  }

  /** @returns {number} the milliseconds to wait, after an attempt failed or a connection broke */
  next() {
    if (this.#openedAt !== undefined && this.#now() - this.#openedAt >= this.#lasting) {
      this.#failures = 0;
    }
    this.#openedAt = undefined;
    const most = Math.min(this.#longest, this.#first * 2 ** this.#failures);
    if (most < this.#longest) this.#failures += 1;
    return Math.round(most * (0.5 + 0.5 * this.#random()));
  }
}
