/** @returns {string[]} what the numbers of a vector of bits mean, and those behind them */
export const bitLabels = (bits, ...others) =>
  [...Array.from({ length: bits }, (_, index) => `bit ${index}`), ...others];
