const MASK = (1n << 64n) - 1n;

/** SplitMix64 (Steele, Lea and Flood 2014): random numbers that a seed repeats everywhere. */
export class RandomGenerator {
  /** @param {number} seed a whole number from 0 on */
  constructor(seed) {
    this.#state = BigInt(seed);
  }

  #state;

  #next() {
    this.#state = (this.#state + 0x9E3779B97F4A7C15n) & MASK;
    let mixed = this.#state;
    mixed = ((mixed ^ (mixed >> 30n)) * 0xBF58476D1CE4E5B9n) & MASK;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94D049BB133111EBn) & MASK;
    return mixed ^ (mixed >> 31n);
  }

  /** From 0 up to but without 1. */
  uniform() {
    return Number(this.#next() >> 11n) * 2 ** -53;
  }

  /** 0 or 1. */
  bit() {
    return Number(this.#next() >> 63n);
  }

  /** A whole number from 0 up to but without `end`. */
  below(end) {
    return Math.floor(this.uniform() * end);
  }

  /** `count` vectors of random bits. */
  vectors(count, bits) {
    return Array.from({ length: count }, () => Array.from({ length: bits }, () => this.bit()));
  }
}
