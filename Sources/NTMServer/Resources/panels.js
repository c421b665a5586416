import { signedScale, weightingScale } from './colors.js';
import { HeatPanel } from './heat-panel.js';
import { Limit } from './limit.js';
import { LinePanel } from './line-panel.js';
import { MatrixPanel } from './matrix-panel.js';
import { brief, short } from './numbers.js';

/** The paper's letters for a head's parameters. */
const SYMBOLS = { strength: 'β', gate: 'g', shift: 's', sharpening: 'γ', key: 'k' };

/** A vector of at most so many numbers is spelt out. */
const SPELT_OUT = 10;

/** On a large screen everything may be higher. */
const roomy = matchMedia('(min-width: 1900px) and (min-height: 1000px)');

/** Heights of plots of so many rows, in CSS pixels: rows that can be told apart where they fit. */
function heightOf(rows, { row, least, most }) {
  const scale = roomy.matches ? 1.6 : 1;
  const size = Math.max(1, Math.min(row * scale, Math.floor((most * scale) / rows)));
  return Math.min(512, Math.max(least, Math.round(rows * size)));
}
const vectorHeight = (rows) => heightOf(rows, { row: 7, least: 20, most: 240 });
const keyHeight = (rows) => heightOf(rows, { row: 7, least: 30, most: 200 });
const shiftHeight = (rows) => heightOf(rows, { row: 14, least: 42, most: 200 });
const locationsHeight = (rows) => heightOf(rows, { row: 12, least: 60, most: 240 });

/** The place of the greatest number. */
const peak = (vector) => vector.reduce((best, value, at) => (value > vector[best] ? at : best), 0);

/** Whether a bit came out on the wrong side. */
const isWrong = (output, target) => (output >= 0.5) !== (target >= 0.5);

/** What heads of a model there are: their types, in the order in which they act. */
function headsOf(model) {
  const counts = { read: 0, write: 0 };
  return model.heads.map((type, index) => ({
    type,
    index,
    read: type === 'write' ? null : counts.read++,
    write: type === 'read' ? null : counts.write++,
  }));
}

/** A head's name: `read head`, or `read head 2` where there are several. */
function headName(head, heads) {
  const alike = heads.filter((other) => other.type === head.type);
  const kind = { read: 'read', write: 'write', read_write: 'read-write' }[head.type];
  return alike.length > 1 ? `${kind} head ${alike.indexOf(head) + 1}` : `${kind} head`;
}

/** Makes the panels of one recording. */
class Builder {
  constructor(recording, timeline, locations, { side, targetTitle = 'Target' }) {
    Object.assign(this, { recording, timeline, locations, side, targetTitle });
    this.model = recording.model;
    this.heads = headsOf(this.model);
  }

  /** What every panel has. */
  frame(name, title, rowKind, rows) {
    const { timeline, side, recording } = this;
    return { name, title, rowKind, rows, timeline, side, recording };
  }

  /** Whether a step was taken that is not known. */
  isGap = (step) => step > this.recording.start && step <= this.recording.last
    && !this.recording.has(step);

  saying(step, say) {
    if (this.isGap(step)) return `Step ${step} was not seen`;
    return say() ?? `Step ${step}`;
  }

  /** Inputs, outputs and the like: numbers with a sign, mostly from 0 to 1. */
  vector(name, title, rowKind, rows, vector, extra = {}) {
    return new HeatPanel({
      ...this.frame(name, title, rowKind, rows),
      vector,
      isGap: this.isGap,
      scale: signedScale,
      limit: new Limit(),
      heightOf: vectorHeight,
      say: (step, row) => this.saying(step, () => {
        const numbers = vector(step);
        if (!numbers) return undefined;
        if (row !== null) return `Step ${step}, ${rowKind} ${row}: ${short(numbers[row])}`;
        return rows <= SPELT_OUT ? `Step ${step}: ${[...numbers].map(brief).join(' ')}` : undefined;
      }),
      ...extra,
    });
  }

  sequence() {
    const { recording } = this;
    const { input_size: inputs, output_size: outputs } = this.model;
    return [
      this.vector('input', 'Input', 'input', inputs, (step) => recording.get('input', step), {
        isGap: (step) => step > recording.start && step <= recording.last,
      }),
      this.vector('output', 'Output', 'output', outputs, (step) => recording.get('output', step)),
      this.vector('target', this.targetTitle, 'output', outputs, (step) => recording.get('target', step), {
        isGap: () => false,
      }),
      this.difference(outputs),
    ];
  }

  difference(rows) {
    const { recording } = this;
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
    return this.vector('difference', 'Difference', 'output', rows, difference, {
      isGap: (step) => recording.get('target', step) !== undefined && this.isGap(step),
      wrongRows,
      say: (step, row) => this.saying(step, () => {
        const numbers = difference(step);
        if (!numbers) return `Step ${step}: no target`;
        const wrong = wrongRows(step).length;
        const all = `Step ${step}: ${wrong} of ${rows} wrong`;
        return row === null ? all : `${all}; output ${row} is off by ${short(numbers[row])}`;
      }),
    });
  }

  /** A weighting for each head that writes, and for each that reads. */
  weightings(kind) {
    const { recording } = this;
    const rows = this.model.memory.rows;
    const heads = this.heads.filter((head) => head[kind] !== null);
    return heads.map((head) => {
      const index = head[kind];
      const title = kind === 'read' ? 'Read weighting' : 'Write weighting';
      const vector = (step) => recording.get(`${kind}_weightings/${index}`, step);
      return new HeatPanel({
        ...this.frame(
          `${kind}-${index}`, heads.length > 1 ? `${title} ${index + 1}` : title, 'location', rows),
        vector,
        isGap: this.isGap,
        scale: weightingScale,
        rowsInView: () => this.locations.shown(rows),
        heightOf: locationsHeight,
        say: (step, row) => this.saying(step, () => {
          const numbers = vector(step);
          if (!numbers) return undefined;
          const at = row ?? peak(numbers);
          const what = row === null ? 'peak at' : 'location';
          return `Step ${step}, ${what} ${at}: ${short(numbers[at])}`;
        }),
      });
    });
  }

  matrix(name, title, matrix, missing) {
    const { rows, columns } = this.model.memory;
    return new MatrixPanel({
      ...this.frame(name, title, 'location', rows),
      columns,
      matrix,
      missing,
      rowsInView: () => this.locations.shown(rows),
      heightOf: locationsHeight,
    });
  }

  memory() {
    const { recording } = this;
    return [
      this.matrix('memory', 'Memory', (step) => recording.memory(step),
        'not kept for this step: it was taken fast, or elsewhere'),
      this.matrix('written', 'Written by the step',
        (step) => this.written(step), 'this step was not seen'),
    ];
  }

  #written = { step: 0, recording: null, matrix: undefined };

  /** The sum over the heads that write of w ⊗ a, N × M: what the step added to the memory. */
  written(step) {
    if (this.#written.step === step && this.#written.matrix) return this.#written.matrix;
    const { rows, columns } = this.model.memory;
    const matrix = new Float32Array(rows * columns);
    for (const head of this.heads.filter(({ write }) => write !== null)) {
      const weighting = this.recording.get(`write_weightings/${head.write}`, step);
      const add = this.recording.get(`heads/${head.index}/add`, step);
      if (!weighting || !add) return undefined;
      for (let at = 0; at < matrix.length; at += 1) {
        matrix[at] += weighting[Math.floor(at / columns)] * add[at % columns];
      }
    }
    this.#written = { step, matrix };
    return matrix;
  }

  /** Single numbers of all heads that have them, in one panel. */
  lines(name, title, most, extra = {}) {
    const { recording, heads } = this;
    const lines = heads.map((head) => ({
      name: headName(head, heads).replace(' head', ''),
      type: head.type,
      value: (step) => recording.get(`heads/${head.index}/${name}`, step)?.[0],
    }));
    return new LinePanel({
      ...this.frame(extra.panel ?? name, `${title} ${SYMBOLS[name]}`),
      quantity: SYMBOLS[name],
      lines,
      most,
      height: 96,
      ...extra,
    });
  }

  /** A vector that a head was told, for each head. */
  headVectors(name, title, rowKind, rows, options = {}) {
    const { recording, heads } = this;
    return heads.map((head) => {
      const vector = (step) => recording.get(`heads/${head.index}/${name}`, step);
      const full = `${title} ${SYMBOLS[name]} of the ${headName(head, heads)}`;
      return this.vector(`${name}-${head.index}`, full, rowKind, rows, vector, {
        heightOf: keyHeight,
        ...options,
      });
    });
  }

  /** In the order in which addressing uses them: what a model does not have is left out. */
  parameters() {
    const { strength, gate, shift, sharpening } = this.model.configuration.dialect.addressing;
    const panels = this.headVectors('key', 'Key', 'column', this.model.memory.columns);
    if (strength !== null) panels.push(this.lines('strength', 'Key strength', 5));
    if (gate !== null) panels.push(this.lines('gate', 'Interpolation gate', 1));
    if (shift?.type === 'continuous') {
      panels.push(this.lines('shift', 'Shift', 1, { panel: 'shift-0', hasSign: true }));
    } else if (shift) panels.push(...this.shifts(shift.taps));
    if (sharpening !== null) panels.push(this.lines('sharpening', 'Sharpening', 5));
    return panels;
  }

  shifts(taps) {
    const label = (tap) => (tap > 0 ? `+${tap}` : String(tap).replace('-', '−'));
    return this.headVectors('shift', 'Shift', 'rows', taps.length, {
      scale: weightingScale,
      limit: undefined,
      rowNames: taps.map(label),
      heightOf: shiftHeight,
    });
  }
}

/**
 * The panels of a session, in groups. A model that has no gate, say, has no panel of it.
 *
 * @param {import('./recording.js').Recording} recording
 * @param {import('./timeline.js').Timeline} timeline
 * @param {import('./locations.js').Locations} locations
 * @param {{side?: string, targetTitle?: string}} [names] whose panels these are, where two sessions
 *   are compared, and what the targets are, if not the task's
 * @returns {{name: string, title: string, panels: import('./panel.js').Panel[]}[]}
 */
export function panelGroups(recording, timeline, locations, names = {}) {
  const builder = new Builder(recording, timeline, locations, names);
  return [
    { name: 'sequence', title: 'What goes in and what comes out', panels: builder.sequence() },
    {
      name: 'weightings',
      title: 'Where the heads write and read',
      panels: interleave(builder.weightings('write'), builder.weightings('read')),
    },
    { name: 'memory', title: 'The memory at the shown step', panels: builder.memory() },
    { name: 'heads', title: 'What each head was told', panels: builder.parameters() },
  ];
}

/** The first of each, the second of each, and so on, so that pairs stand side by side. */
function interleave(first, second) {
  return Array.from({ length: Math.max(first.length, second.length) }, (_, index) =>
    [first[index], second[index]]).flat().filter(Boolean);
}
