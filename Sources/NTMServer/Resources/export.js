import { FOOT, GUTTER } from './axes.js';
import { element, svg } from './elements.js';
import { LEGEND_WIDTH, legendPicture } from './legend.js';

/** Around the plot, in CSS pixels. */
const HEAD = 34;
const MARGIN = 12;
/** Pixels of a PNG for each CSS pixel. */
const PNG_SCALE = 2;

/** What the page says of text and lines, as a picture needs it by itself. */
function styleOf(node) {
  const style = getComputedStyle(node);
  return { ink: style.color, surface: style.getPropertyValue('--surface').trim() };
}

/** A canvas without its smoothing, stretched over the plot. */
function imageOf(canvas, width, height) {
  return svg('image', {
    href: canvas.toDataURL('image/png'), x: 0, y: 0, width, height,
    preserveAspectRatio: 'none', 'image-rendering': 'pixelated',
  });
}

function axisOf({ x, y }, width, height, ink) {
  const text = (attributes, content) =>
    svg('text', { fill: ink, 'font-size': 11, ...attributes }, content);
  const line = (attributes) => svg('line', { stroke: ink, 'stroke-width': 1, ...attributes });
  return svg('g', {},
    svg('rect', { width, height, fill: 'none', stroke: ink, 'stroke-width': 0.5 }),
    ...x.ticks.map((tick) => line({ x1: tick.at, x2: tick.at, y1: height, y2: height + 4 })),
    ...x.ticks.map((tick) =>
      text({ x: tick.at, y: height + 15, 'text-anchor': 'middle' }, tick.text)),
    text({ x: -7, y: height + 15, 'text-anchor': 'end' }, x.label),
    ...y.ticks.map((tick) => line({ x1: -4, x2: 0, y1: tick.at, y2: tick.at })),
    ...y.ticks.map((tick) => text({ x: -7, y: tick.at + 4, 'text-anchor': 'end' }, tick.text)),
    text({
      transform: `translate(${9 - GUTTER} ${height / 2}) rotate(-90)`, 'text-anchor': 'middle',
    }, y.label));
}

/**
 * A panel as a picture that stands by itself.
 *
 * @param {object} picture
 * @param {import('./panel.js').Panel} picture.panel
 * @param {{x: object, y: object}} picture.axes
 * @param {HTMLCanvasElement} [picture.image] cells, a pixel for each
 * @param {HTMLCanvasElement | null} [picture.marks] what is drawn over them
 * @param {import('./colors.js').Scale} [picture.scale] what the cells' colours stand for
 * @param {SVGElement[]} [picture.shapes] lines
 * @param {{text: string, color: string}[]} [picture.names] of the lines
 * @param {string} [picture.note] is put behind the title
 * @returns {SVGElement}
 */
export function svgOf({ panel, axes, image, marks, scale, shapes = [], names = [], note }) {
  const { width, height } = panel;
  const { ink, surface } = styleOf(panel.figure);
  const full = {
    width: GUTTER + width + LEGEND_WIDTH + 2 * MARGIN,
    height: HEAD + height + FOOT + 2 * MARGIN,
  };
  const title = note ? `${panel.fullTitle}, ${note}` : panel.fullTitle;
  return svg('svg', {
    xmlns: 'http://www.w3.org/2000/svg', ...full,
    viewBox: `0 0 ${full.width} ${full.height}`, 'font-family': 'system-ui, sans-serif',
  },
  svg('title', {}, title),
  svg('rect', { ...full, fill: surface }),
  svg('text', { x: MARGIN, y: MARGIN + 14, fill: ink, 'font-size': 15, 'font-weight': 600 }, title),
  svg('text', {
    x: MARGIN + GUTTER + width, y: MARGIN + 14, 'font-size': 12, 'text-anchor': 'end',
  }, ...names.map(({ text, color }) => svg('tspan', { fill: color, dx: 10 }, text))),
  svg('g', { transform: `translate(${MARGIN + GUTTER} ${MARGIN + HEAD - 8})` },
    ...(image ? [imageOf(image, width, height)] : []),
    ...(marks ? [imageOf(marks, width, height)] : []),
    ...shapes,
    ...(scale ? [legendPicture(scale, { left: width + 7, height, ink })] : []),
    axisOf(axes, width, height, ink)));
}

/** The name of a picture's file: model, session, panel and the steps that are in view. */
function fileName({ panel }, ending) {
  const { model, session } = panel.recording;
  const { newest, layout } = panel.timeline;
  const what = [model.name, session.slice(0, 8), panel.name, `steps-${layout.first}-${newest}`];
  return `${what.join('_')}.${ending}`;
}

/**
 * Gives the reader a file.
 *
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const link = element('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  // The browser reads it after this turn.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const blobOf = (picture) =>
  new Blob([new XMLSerializer().serializeToString(svgOf(picture))], { type: 'image/svg+xml' });

/** Gives the reader a panel as SVG. */
export function saveSVG(picture) {
  save(blobOf(picture), fileName(picture, 'svg'));
}

/** Gives the reader a panel as PNG, in twice the resolution of CSS pixels. */
export async function savePNG(picture) {
  const address = URL.createObjectURL(blobOf(picture));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = element('canvas', {
      width: image.width * PNG_SCALE, height: image.height * PNG_SCALE,
    });
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => { canvas.toBlob(resolve, 'image/png'); });
    save(blob, fileName(picture, 'png'));
  } finally {
    URL.revokeObjectURL(address);
  }
}
