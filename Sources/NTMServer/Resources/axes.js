import { svg } from './elements.js';

/** Room for the labels of the vertical axis, in CSS pixels; style.css has it too. */
export const GUTTER = 46;
/** Room for the labels of the time axis. */
export const FOOT = 18;

/**
 * A mark on an axis.
 *
 * @typedef {{at: number, text: string}} Tick at: CSS pixels from the plot's left or upper edge
 */

/** The steps 1, 2, 5, 10, 20, 50, … that are even enough to count by. */
function niceStride(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * power).find((stride) => stride >= least * 0.999);
}

/**
 * Whole numbers to put on an axis.
 *
 * @param {number} first
 * @param {number} count how many numbers the axis has
 * @param {number} room how many labels there is room for
 * @returns {number[]}
 */
export function wholeTicks(first, count, room) {
  const stride = Math.max(1, niceStride(count / Math.max(1, room)));
  const ticks = [];
  for (let at = Math.ceil(first / stride) * stride; at < first + count; at += stride) {
    ticks.push(at);
  }
  return ticks;
}

/** @returns {Tick[]} the time axis' marks, in the middle of their columns */
export function stepTicks({ first, columns, stepsPerColumn, columnWidth }) {
  const count = columns * stepsPerColumn;
  const ticks = wholeTicks(first, count, (columns * columnWidth) / 48);
  return ticks.map((step) => ({
    at: (Math.floor((step - first) / stepsPerColumn) + 0.5) * columnWidth,
    text: String(step),
  }));
}

/**
 * Marks in the middle of rows, which are counted from 0 or have names.
 *
 * @param {object} panel
 * @param {number} panel.rows in view
 * @param {number} panel.firstRow the first of them
 * @param {number} panel.rowsOfData how many there are; behind the last comes the first
 * @param {number} panel.height of all that are in view, in CSS pixels
 * @param {string[]} [names]
 * @returns {Tick[]}
 */
export function rowTicks({ rows, firstRow, rowsOfData, height }, names) {
  const stride = Math.max(1, niceStride(rows / Math.max(1, height / (names ? 12 : 26))));
  const places = Array.from({ length: rows }, (_, place) => place);
  return places
    .map((place) => ({ place, row: (firstRow + place) % rowsOfData }))
    .filter(({ row }) => row % stride === 0)
    .map(({ place, row }) => (
      { at: ((place + 0.5) * height) / rows, text: names?.[row] ?? String(row) }));
}

/** @returns {Tick[]} marks of numbers between two, the greater above */
export function valueTicks(least, most, height) {
  const stride = niceStride((most - least) / Math.max(1, height / 26));
  const digits = Math.max(0, -Math.floor(Math.log10(stride)));
  const ticks = [];
  for (let index = Math.ceil(least / stride); index * stride <= most * 1.0001; index += 1) {
    const value = index * stride;
    ticks.push({
      at: height * (1 - (value - least) / (most - least)),
      text: value >= 10_000 ? `${value / 1000}k` : value.toFixed(digits),
    });
  }
  return ticks;
}

/** Draws a vertical axis, left of a plot: marks, and what they count. */
export function drawVerticalAxis(node, { ticks, label, height }) {
  node.setAttribute('width', GUTTER);
  node.setAttribute('height', height);
  const marks = ticks.flatMap(({ at, text }) => [
    svg('line', { x1: GUTTER - 4, x2: GUTTER, y1: at, y2: at, class: 'tick' }),
    svg('text', { x: GUTTER - 7, y: at, class: 'tick-label end' }, text),
  ]);
  const name = svg('text', {
    transform: `translate(9 ${height / 2}) rotate(-90)`, class: 'axis-label middle',
  }, label);
  node.replaceChildren(...marks, name);
}

/** Draws a horizontal axis, under a plot: marks, and at its left what they count. */
export function drawHorizontalAxis(node, { ticks, label, width }) {
  node.setAttribute('width', GUTTER + width);
  node.setAttribute('height', FOOT);
  const marks = ticks.flatMap(({ at, text }) => [
    svg('line', { x1: GUTTER + at, x2: GUTTER + at, y1: 0, y2: 4, class: 'tick' }),
    svg('text', { x: GUTTER + at, y: 12, class: 'tick-label middle' }, text),
  ]);
  const name = svg('text', { x: GUTTER - 7, y: 12, class: 'axis-label end' }, label);
  node.replaceChildren(name, ...marks);
}
