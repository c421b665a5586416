export const zeros = (count) => new Array(count).fill(0);

/**
 * One sequence of a task: what goes in, what should come out, and where that counts.
 *
 * `inputs` has a vector for each step, `targets` one or null, and `mask` says whether the step's
 * output counts.
 */
export class Episode {
  /**
   * @param {string} title what was done with it, such as "Copied"
   * @param {number} seed that it was made of
   * @param {number} inputSize numbers of an input
   */
  constructor(title, seed, inputSize) {
    this.title = title;
    this.seed = seed;
    this.inputSize = inputSize;
  }

  inputs = [];
  targets = [];
  mask = [];

  /** A step that is given zeros and must say `target`. */
  ask(target) {
    this.give(zeros(this.inputSize), target);
  }

  /** A step that is given an input and must say `target`; its output does not count without one. */
  give(input, target = null) {
    this.inputs.push(input);
    this.targets.push(target);
    this.mask.push(target !== null);
  }
}
