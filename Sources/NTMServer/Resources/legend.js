import { cssColor } from './colors.js';
import { element } from './elements.js';

/** How many colours of a scale its legend names; between them the browser mixes. */
const STOPS = 17;

/** The colours of a scale, from left to right. */
export function legendStops({ colors }) {
  return Array.from({ length: STOPS }, (_, index) =>
    cssColor(colors[Math.round((index / (STOPS - 1)) * (colors.length - 1))]));
}

const short = (value) => String(value).replace('-', '−');

/**
 * Shows what colours stand for: the least number, the scale, the greatest number.
 *
 * @param {HTMLElement} node
 * @param {import('./colors.js').Scale} scale
 */
export function drawLegend(node, scale) {
  const bar = element('span.bar');
  bar.style.background = `linear-gradient(to right, ${legendStops(scale).join(', ')})`;
  node.replaceChildren(short(scale.least), bar, short(scale.most));
}
