/**
 * Colours of cells: viridis for weightings, and a diverging scale for numbers with a sign. Both
 * change evenly to the eye and stay readable for the colour-blind.
 */

/** Viridis at 33 even places from 0 to 1; what is between is at most two levels of 255 off. */
const VIRIDIS = `440154 470d60 48186a 482374 472d7b 453681 424086 3f4989 3b528b 375a8d 33638d
  2f6a8e 2c728e 297a8e 26818e 23898e 21908c 1f988b 1f9f88 21a685 28ae80 31b57b 3ebc74 4cc26c 5dc963
  6ece58 82d34c 96d83f abdc32 c0df24 d5e21a eae51a fde725`;

/** From negative over zero to positive: orange to blue, over what the page's surface is. */
const DIVERGING = {
  light: ['7a2e00', 'c9661a', 'f2b98a', 'fbfaf8', '9fb9ea', '3c62b8', '14296b'],
  dark: ['ffc08a', 'e07b2c', '94501b', '191c21', '2c52a0', '5b8ae6', 'b9d1ff'],
};

/** The two greys that a step nobody told of is chequered with. */
const GAP = { light: ['d9d7d2', 'b9b6af'], dark: ['3a3e45', '565b64'] };

/** How many colours a scale has. */
const SIZE = 256;

const parse = (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));

/** A colour as the four bytes of a pixel, in the order in which they lie in memory. */
const pixel = ([red, green, blue]) =>
  new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0];

/** Even places between colours, as RGB triples. */
function between(colors, count) {
  return Array.from({ length: count }, (_, index) => {
    const place = (index / (count - 1)) * (colors.length - 1);
    const low = Math.min(Math.floor(place), colors.length - 2);
    const part = place - low;
    return colors[low].map((from, channel) =>
      Math.round(from + part * (colors[low + 1][channel] - from)));
  });
}

/**
 * A scale from numbers to colours.
 *
 * @typedef {object} Scale
 * @property {number} least what the first colour stands for
 * @property {number} most what the last colour stands for
 * @property {number[][]} colors RGB, 0…255
 * @property {(value: number) => number} pixel the value's colour as a pixel's four bytes
 */

/** @returns {Scale} */
function scale(colors, least, most) {
  const pixels = Uint32Array.from(colors, pixel);
  const last = colors.length - 1;
  const factor = last / (most - least);
  return {
    least,
    most,
    colors,
    pixel: (value) => pixels[Math.max(0, Math.min(last, Math.round((value - least) * factor)))],
  };
}

const viridis = scale(between(VIRIDIS.split(/\s+/).map(parse), SIZE), 0, 1);
// An odd number of colours gives zero one of its own.
const diverging = Object.fromEntries(
  Object.entries(DIVERGING).map(([name, all]) => [name, between(all.map(parse), SIZE - 1)]));

/** Whether the reader's system asks for dark colours. */
const dark = matchMedia('(prefers-color-scheme: dark)');

/** @returns {'light' | 'dark'} */
export const theme = () => (dark.matches ? 'dark' : 'light');

/** @param {() => void} listener is called when the reader's system changes to dark or light */
export const onThemeChange = (listener) => dark.addEventListener('change', listener);

/** @returns {Scale} for weightings, 0 to 1 */
export const weightingScale = () => viridis;

/** @returns {Scale} for numbers with a sign, from -limit to limit */
export const signedScale = (limit) => scale(diverging[theme()], -limit, limit);

/** @returns {[number, number]} pixels of the two greys of a gap */
export const gapPixels = () => GAP[theme()].map((hex) => pixel(parse(hex)));

/** @returns {string} a colour for CSS and SVG */
export const cssColor = (rgb) => `rgb(${rgb.join(' ')})`;
