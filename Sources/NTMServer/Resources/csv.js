import { decimal } from './decimals.js';
import { headsOf } from './heads.js';

/** A line of CSV: none of what is written here needs quotes. */
const line = (cells) => `${cells.join(',')}\n`;
const numbers = (vector) => Array.from(vector ?? [], decimal);
const columns = (name, count) => Array.from({ length: count }, (_, index) => `${name}_${index}`);

/** The steps that a recording tells of, in their order. */
function* stepsOf(recording) {
  for (let step = recording.start + 1; step <= recording.last; step += 1) yield step;
}

/** A line for each step: one vector. */
function vectors(recording, quantity, width) {
  const lines = [line(['step', ...columns(quantity, width)])];
  for (const step of stepsOf(recording)) {
    const vector = recording.get(quantity, step);
    if (vector) lines.push(line([step, ...numbers(vector)]));
  }
  return lines;
}

/** A line for each step and head: a weighting. The head's index is that among all heads. */
function weightings(recording, kind) {
  const lines = [line(['step', 'head', ...columns('location', recording.model.memory.rows)])];
  const heads = headsOf(recording.model).filter((head) => head[kind] !== null);
  for (const step of stepsOf(recording)) {
    for (const head of heads) {
      const weighting = recording.get(`${kind}_weightings/${head[kind]}`, step);
      if (weighting) lines.push(line([step, head.index, ...numbers(weighting)]));
    }
  }
  return lines;
}

/** The columns of what heads are told, by parameter: those that the model has. */
function parameterColumns({ memory, heads, configuration }) {
  const { strength, gate, shift, sharpening } = configuration.dialect.addressing;
  const writes = heads.some((type) => type !== 'read');
  const taps = shift?.taps?.map((tap) => `shift_${tap}`) ?? ['shift'];
  const all = {
    key: columns('key', memory.columns),
    strength: strength === null ? [] : ['strength'],
    gate: gate === null ? [] : ['gate'],
    shift: shift ? taps : [],
    sharpening: sharpening === null ? [] : ['sharpening'],
    erase: writes ? columns('erase', memory.columns) : [],
    add: writes ? columns('add', memory.columns) : [],
  };
  return Object.entries(all).filter(([, names]) => names.length > 0);
}

/** A line for each step and head: what the head was told. Read heads erase and add nothing. */
function parameters(recording) {
  const all = parameterColumns(recording.model);
  const lines = [line(['step', 'head', 'type', ...all.flatMap(([, names]) => names)])];
  for (const step of stepsOf(recording)) {
    if (!recording.get('heads/0/key', step)) continue;
    for (const { index, type } of headsOf(recording.model)) {
      const cells = all.flatMap(([parameter, names]) => {
        const told = numbers(recording.get(`heads/${index}/${parameter}`, step));
        return names.map((_, at) => told[at] ?? '');
      });
      lines.push(line([step, index, type, ...cells]));
    }
  }
  return lines;
}

/** A line for each location of the memory after each step whose memory is kept. */
function memory(recording) {
  const width = recording.model.memory.columns;
  const lines = [line(['step', 'location', ...columns('column', width)])];
  for (const step of [...recording.memorySteps].sort((one, other) => one - other)) {
    const matrix = recording.memory(step);
    for (let location = 0; location * width < matrix.length; location += 1) {
      const row = matrix.subarray(location * width, (location + 1) * width);
      lines.push(line([step, location, ...numbers(row)]));
    }
  }
  return lines;
}

const TABLES = {
  inputs: (recording) => vectors(recording, 'input', recording.model.input_size),
  outputs: (recording) => vectors(recording, 'output', recording.model.output_size),
  targets: (recording) => vectors(recording, 'target', recording.model.output_size),
  read_weightings: (recording) => weightings(recording, 'read'),
  write_weightings: (recording) => weightings(recording, 'write'),
  heads: parameters,
  memory,
};

/**
 * What is known of a session as CSV (RFC 4180, but lines end with `\n`, as the API's do): a header,
 * then a line for each step, or for each head or location of it. Steps that are not known are left
 * out. Numbers are the shortest decimals that give back the same float32.
 *
 * @param {import('./recording.js').Recording} recording
 * @param {'inputs' | 'outputs' | 'targets' | 'read_weightings' | 'write_weightings' | 'heads'
 *   | 'memory'} what
 * @returns {string}
 */
export const csvOf = (recording, what) => TABLES[what](recording).join('');
