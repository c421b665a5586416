/** Figures that any float32 can be told by. */
const MOST_FIGURES = 9;
/** Rounding to so many figures takes away what float32 adds to a decimal of as many or fewer. */
const FEWEST_FIGURES = 6;
/** Below this float32 has fewer figures the smaller a number is. */
const SMALLEST_NORMAL = 2 ** -126;

/**
 * @param {number} value of float32
 * @returns {string} the shortest decimal that gives back the same float32
 */
export function decimal(value) {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const fewest = Math.abs(value) < SMALLEST_NORMAL ? 1 : FEWEST_FIGURES;
  for (let figures = fewest; figures < MOST_FIGURES; figures += 1) {
    const rounded = Number(value.toPrecision(figures));
    if (Math.fround(rounded) === value) return String(rounded);
  }
  return String(Number(value.toPrecision(MOST_FIGURES)));
}
