import { short } from './numbers.js';

/** Whether a bit came out on the wrong side. */
const isWrong = (output, target) => (output >= 0.5) !== (target >= 0.5);

/**
 * What goes in and comes out, and where it is known, what should come out.
 *
 * @param {import('./panel-maker.js').PanelMaker} maker
 * @param {{hasTargets?: boolean, targetTitle?: string}} options
 */
export function sequencePanels(maker, { hasTargets, targetTitle }) {
  const { recording, model } = maker;
  const { input_size: inputs, output_size: outputs } = model;
  const vector = (name, title, kind, rows, extra) =>
    maker.vector(name, title, kind, rows, (step) => recording.get(name, step), extra);
  const panels = [
    vector('input', 'Input', 'input', inputs, {
      isGap: (step) => step > recording.start && step <= recording.last,
    }),
    vector('output', 'Output', 'output', outputs),
  ];
  if (hasTargets) {
    panels.push(
      vector('target', targetTitle ?? 'Target', 'output', outputs, { isGap: () => false }),
      difference(maker, outputs, targetTitle ? 'different' : 'wrong'));
  }
  return panels;
}

/** Outputs minus targets, with a cross at each bit that is on the wrong side. */
function difference(maker, rows, verdict) {
  const { recording } = maker;
  const both = (step) => [recording.get('output', step), recording.get('target', step)];
  const wrongRows = (step) => {
    const [output, target] = both(step);
    if (!output || !target) return [];
    return [...output.keys()].filter((row) => isWrong(output[row], target[row]));
  };
  const difference = (step) => {
    const [output, target] = both(step);
    return output && target ? output.map((value, row) => value - target[row]) : undefined;
  };
  return maker.vector('difference', 'Difference', 'output', rows, difference, {
    isGap: (step) => recording.get('target', step) !== undefined && maker.isGap(step),
    wrongRows,
    say: (step, row) => maker.saying(step, () => {
      const numbers = difference(step);
      if (!numbers) return `Step ${step}: no target`;
      const wrong = wrongRows(step).length;
      const all = `Step ${step}: ${wrong} of ${rows} ${verdict}`;
      return row === null ? all : `${all}; output ${row} is off by ${short(numbers[row])}`;
    }),
  });
}
