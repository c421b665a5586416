/**
 * What can be set about a sequence: a whole number.
 *
 * @typedef {object} Setting
 * @property {string} name
 * @property {string} label
 * @property {number} least
 * @property {number} most
 * @property {number} step
 * @property {number} value what it is at first
 */

/** @returns {Setting} */
export const setting = (name, label, least, most, value) => ({
  name, label, least, most, step: 1, value: Math.min(Math.max(value, least), most),
});

/** @returns {number} a size of a task's settings, where a model's training says a valid one */
export const sizeOf = (value, otherwise) =>
  (Number.isInteger(value) && value >= 1 ? value : otherwise);

/**
 * A range of sizes of a task's settings, where a model's training says a valid one.
 *
 * @param {{least: number, most: number} | undefined} range
 * @param {{least: number, most: number}} otherwise
 */
export function rangeOf(range, otherwise) {
  const { least, most } = range ?? {};
  const isRange = Number.isInteger(least) && Number.isInteger(most) && 1 <= least && least <= most;
  return isRange ? { least, most } : otherwise;
}

/**
 * Throws where a sequence can't be drawn with these values.
 *
 * @param {Setting[]} settings
 * @param {Record<string, number>} values
 * @param {number} seed
 */
export function check(settings, values, seed) {
  const all = [...settings, { name: 'seed', label: 'Seed', least: 0, most: 2 ** 32 - 1 }];
  for (const { name, label, least, most } of all) {
    const value = name === 'seed' ? seed : values[name];
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RangeError(`${label} is ${value}; it must be a whole number from ${least} to `
        + `${most}.`);
    }
  }
}
