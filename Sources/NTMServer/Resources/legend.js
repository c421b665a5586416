import { cssColor } from './colors.js';
import { element, svg } from './elements.js';

/** How many colours of a scale its legend names; what is between is mixed. */
const STOPS = 17;
/** Room for the legend at the right of a plot, in CSS pixels; style.css has it too. */
export const LEGEND_WIDTH = 34;

/** The colours of a scale, from its least number to its greatest. */
export function legendStops({ colors }) {
  return Array.from({ length: STOPS }, (_, index) =>
    cssColor(colors[Math.round((index / (STOPS - 1)) * (colors.length - 1))]));
}

/** A number as legends have it. */
export const legendNumber = (value) => String(value).replace('-', '−');

/**
 * Shows what colours stand for: a bar from the least number, below, to the greatest.
 *
 * @param {HTMLElement} node
 * @param {import('./colors.js').Scale} scale
 */
export function drawLegend(node, scale) {
  const bar = element('span.bar');
  bar.style.background = `linear-gradient(to top, ${legendStops(scale).join(', ')})`;
  node.replaceChildren(bar,
    element('span.most', {}, legendNumber(scale.most)),
    element('span.least', {}, legendNumber(scale.least)));
}

/**
 * The same for a picture that stands by itself.
 *
 * @param {import('./colors.js').Scale} scale
 * @param {{left: number, height: number, ink: string}} place right of a plot
 */
export function legendPicture(scale, { left, height, ink }) {
  const stops = legendStops(scale);
  const label = (y, value) =>
    svg('text', { x: left + 11, y, fill: ink, 'font-size': 10.5 }, legendNumber(value));
  return svg('g', {},
    svg('linearGradient', { id: 'scale', x1: 0, y1: 1, x2: 0, y2: 0 },
      ...stops.map((color, index) =>
        svg('stop', { offset: index / (stops.length - 1), 'stop-color': color }))),
    svg('rect', {
      x: left, width: 7, height, fill: 'url(#scale)', stroke: ink, 'stroke-width': 0.5,
    }),
    label(9, scale.most),
    label(height, scale.least));
}
