const MASK = 2n ** 64n - 1n;

/**
 * SplitMix64 (Steele, Lea and Flood 2014): random numbers that a seed repeats on every machine, the
 * same ones that training draws.
 */
export class Random {
  /** @param {number} seed a whole number from 0 */
  constructor(seed) {
    this.#state = BigInt(seed);
  }

  #state;

  /** @returns {bigint} 64 random bits */
  next() {
    this.#state = (this.#state + 0x9E3779B97F4A7C15n) & MASK;
    let z = this.#state;
    z = ((z ^ (z >> 30n)) * 0xBF58476D1CE4E5B9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94D049BB133111EBn) & MASK;
    return z ^ (z >> 31n);
  }

  /** @returns {number} from 0 up to but without 1 */
  uniform() {
    return Number(this.next() >> 11n) * 2 ** -53;
  }

  /** @returns {number} 0 or 1 */
  bit() {
    return Number(this.next() >> 63n);
  }

  /** @returns {number} a whole number from 0 up to but without `bound`, at most 2^32 */
  below(bound) {
    return Math.floor(this.uniform() * bound);
  }

  /** @returns {number[][]} `count` vectors of random bits */
  vectors(count, bits) {
    return Array.from({ length: count }, () => Array.from({ length: bits }, () => this.bit()));
  }
}
