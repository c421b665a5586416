/**
 * One sequence of a task: what goes in, what should come out, and where that counts.
 */
export class Episode {
  /**
   * @param {string} title what the model has done with it, as in "Copied: 0 of 160 bits wrong"
   * @param {number} seed that it was drawn by
   */
  constructor(title, seed) {
    this.title = title;
    this.seed = seed;
  }

  /** @type {number[][]} an input for each step */
  inputs = [];
  /** @type {(number[] | null)[]} what each output should be; null where it may be anything */
  targets = [];
  /** @type {boolean[]} whether each step's output counts */
  mask = [];

  /** Adds a step whose output may be anything. */
  show(input) {
    this.#add(input, null);
  }

  /** Adds a step whose output should be `target`. */
  ask(target, input) {
    this.#add(input, target);
  }

  #add(input, target) {
    this.inputs.push(input);
    this.targets.push(target);
    this.mask.push(target !== null);
  }
}

/** @returns {number[]} so many zeros */
export const zeros = (count) => new Array(count).fill(0);
