/** The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, … that is not less. */
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((nice) => nice * power >= value * 0.9999);
  return Number((factor * power).toPrecision(2));
}

/**
 * The end of a scale that grows with what is seen, by even numbers, so that it seldom changes.
 */
export class Limit {
  /** @param {number} [least] what it is before anything is seen */
  constructor(least = 1) {
    this.value = least;
  }

  /**
   * @param {ArrayLike<number>} numbers
   * @returns {boolean} whether the scale had to grow for them
   */
  include(numbers) {
    let greatest = 0;
    for (let index = 0; index < numbers.length; index += 1) {
      greatest = Math.max(greatest, Math.abs(numbers[index]));
    }
    if (greatest <= this.value) return false;
    this.value = niceAbove(greatest);
    return true;
  }
}
