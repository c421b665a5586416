export const LARGEST_FLOAT32 = 3.4028234663852886e38;

/** The shortest decimal that gives back the same float32. */
export function decimal(value) {
  for (let digits = 1; digits < 9; digits += 1) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(Number(value.toPrecision(9)));
}
