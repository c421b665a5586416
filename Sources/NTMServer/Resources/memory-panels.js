import { weightingScale } from './colors.js';
import { HeatPanel } from './heat-panel.js';
import { locationsHeight } from './heights.js';
import { MatrixPanel } from './matrix-panel.js';
import { short } from './numbers.js';

/** The place of the greatest number. */
const peak = (vector) => vector.reduce((best, value, at) => (value > vector[best] ? at : best), 0);

/**
 * The weightings of all heads that write, or that read.
 *
 * @param {import('./panel-maker.js').PanelMaker} maker
 * @param {'read' | 'write'} kind
 */
export function weightingPanels(maker, kind) {
  const { recording } = maker;
  const rows = maker.model.memory.rows;
  const heads = maker.heads.filter((head) => head[kind] !== null);
  return heads.map((head) => {
    const index = head[kind];
    const title = kind === 'read' ? 'Read weighting' : 'Write weighting';
    const vector = (step) => recording.get(`${kind}_weightings/${index}`, step);
    return new HeatPanel({
      ...maker.frame(
        `${kind}-${index}`, heads.length > 1 ? `${title} ${index + 1}` : title, 'location', rows),
      vector,
      isGap: maker.isGap,
      scale: weightingScale,
      rowsInView: () => maker.locations.inView(rows),
      heightOf: locationsHeight,
      say: (step, row) => maker.saying(step, () => {
        const numbers = vector(step);
        if (!numbers) return undefined;
        const at = row ?? peak(numbers);
        const what = row === null ? 'peak at' : 'location';
        return `Step ${step}, ${what} ${at}: ${short(numbers[at])}`;
      }),
    });
  });
}

function matrixPanel(maker, name, title, matrix, missing) {
  const { rows, columns } = maker.model.memory;
  return new MatrixPanel({
    ...maker.frame(name, title, 'location', rows),
    columns,
    matrix,
    missing,
    rowsInView: () => maker.locations.inView(rows),
    heightOf: locationsHeight,
  });
}

/** The memory after the shown step, and what the step wrote to it. */
export function memoryPanels(maker) {
  const { recording } = maker;
  return [
    matrixPanel(maker, 'memory', 'Memory', (step) => recording.memory(step),
      'not kept for this step: it was taken fast, or elsewhere'),
    matrixPanel(maker, 'written', 'Written by the step',
      (step) => written(maker, step), 'this step was not seen'),
  ];
}

/** The sum over the heads that write of w ⊗ a, N × M: what the step added to the memory. */
function written(maker, step) {
  const { rows, columns } = maker.model.memory;
  const matrix = new Float32Array(rows * columns);
  for (const head of maker.heads.filter(({ write }) => write !== null)) {
    const weighting = maker.recording.get(`write_weightings/${head.write}`, step);
    const add = maker.recording.get(`heads/${head.index}/add`, step);
    if (!weighting || !add) return undefined;
    for (let at = 0; at < matrix.length; at += 1) {
      matrix[at] += weighting[Math.floor(at / columns)] * add[at % columns];
    }
  }
  return matrix;
}
