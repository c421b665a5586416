import { weightingScale } from './colors.js';
import { headName } from './heads.js';
import { keyHeight, shiftHeight } from './heights.js';
import { LinePanel } from './line-panel.js';

/** The paper's letters for a head's parameters. */
const SYMBOLS = { strength: 'β', gate: 'g', shift: 's', sharpening: 'γ', key: 'k' };

/** Single numbers of all heads that have them, in one panel. */
function linePanel(maker, name, title, most, extra = {}) {
  const { recording, heads } = maker;
  const lines = heads.map((head) => ({
    name: headName(head, heads).replace(' head', ''),
    type: head.type,
    value: (step) => recording.get(`heads/${head.index}/${name}`, step)?.[0],
  }));
  return new LinePanel({
    ...maker.frame(extra.panel ?? name, `${title} ${SYMBOLS[name]}`),
    quantity: SYMBOLS[name],
    lines,
    most,
    height: 96,
    ...extra,
  });
}

/** A vector that a head was told, for each head. */
function vectorPanels(maker, name, title, rowKind, rows, options = {}) {
  const { recording, heads } = maker;
  return heads.map((head) => {
    const vector = (step) => recording.get(`heads/${head.index}/${name}`, step);
    const full = `${title} ${SYMBOLS[name]} of the ${headName(head, heads)}`;
    return maker.vector(`${name}-${head.index}`, full, rowKind, rows, vector, {
      heightOf: keyHeight,
      ...options,
    });
  });
}

/** In the order in which addressing uses them: what a model does not have is left out. */
export function headPanels(maker) {
  const { strength, gate, shift, sharpening } = maker.model.configuration.dialect.addressing;
  const panels = vectorPanels(maker, 'key', 'Key', 'column', maker.model.memory.columns);
  if (strength !== null) panels.push(linePanel(maker, 'strength', 'Key strength', 5));
  if (gate !== null) panels.push(linePanel(maker, 'gate', 'Interpolation gate', 1));
  if (shift?.type === 'continuous') {
    panels.push(linePanel(maker, 'shift', 'Shift', 1, { panel: 'shift-0', hasSign: true }));
  } else if (shift) panels.push(...shiftPanels(maker, shift.taps));
  if (sharpening !== null) panels.push(linePanel(maker, 'sharpening', 'Sharpening', 5));
  return panels;
}

function shiftPanels(maker, taps) {
  const label = (tap) => (tap > 0 ? `+${tap}` : String(tap).replace('-', '−'));
  return vectorPanels(maker, 'shift', 'Shift', 'rows', taps.length, {
    scale: weightingScale,
    limit: undefined,
    rowNames: taps.map(label),
    heightOf: shiftHeight,
  });
}
