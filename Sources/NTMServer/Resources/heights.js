/** On a large screen everything may be higher. */
const roomy = matchMedia('(min-width: 1900px) and (min-height: 1000px)');

/** Heights of plots of so many rows, in CSS pixels: rows that can be told apart where they fit. */
function heightOf(rows, { row, least, most }) {
  const scale = roomy.matches ? 1.6 : 1;
  const size = Math.max(1, Math.min(row * scale, Math.floor((most * scale) / rows)));
  return Math.min(512, Math.max(least, Math.round(rows * size)));
}

export const vectorHeight = (rows) => heightOf(rows, { row: 7, least: 34, most: 240 });
export const keyHeight = (rows) => heightOf(rows, { row: 7, least: 30, most: 200 });
export const shiftHeight = (rows) => heightOf(rows, { row: 14, least: 42, most: 200 });
export const locationsHeight = (rows) => heightOf(rows, { row: 12, least: 60, most: 240 });
