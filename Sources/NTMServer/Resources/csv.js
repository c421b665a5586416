import { decimal } from './decimals.js';
import { headsOf } from './heads.js';

/** A line of CSV: none of what is written here needs quotes. */
const line = (cells) => `${cells.join(',')}\n`;
const numbered = (name, count) => Array.from({ length: count }, (_, index) => `${name}_${index}`);

/** A vector that each step has: its quantity in a recording and the columns of its numbers. */
const vector = (quantity, width) => [{ quantity, names: numbered(quantity, width) }];

/** The weightings of the heads that read, or that write, by their index among those. */
function weightings({ heads, memory }, kind) {
  return headsOf({ heads }).map((head) => head[kind]).filter((index) => index !== null)
    .map((index) => ({
      quantity: `${kind}_weightings/${index}`,
      names: numbered(`${kind}_${index}_location`, memory.rows),
    }));
}

/** What each head is told, as far as the model has it. A read head erases and adds nothing. */
function parameters({ heads, memory, configuration }) {
  const { strength, gate, shift, sharpening } = configuration.dialect.addressing;
  const taps = shift?.taps?.map((tap) => `shift_${tap}`) ?? ['shift'];
  return heads.flatMap((type, index) => {
    const all = {
      key: numbered('key', memory.columns),
      strength: strength === null ? [] : ['strength'],
      gate: gate === null ? [] : ['gate'],
      shift: shift ? taps : [],
      sharpening: sharpening === null ? [] : ['sharpening'],
      erase: type === 'read' ? [] : numbered('erase', memory.columns),
      add: type === 'read' ? [] : numbered('add', memory.columns),
    };
    return Object.entries(all).map(([parameter, names]) => ({
      quantity: `heads/${index}/${parameter}`,
      names: names.map((name) => `head_${index}_${name}`),
    }));
  });
}

/** The columns of each table that has a line for each step. */
const COLUMNS = {
  inputs: (model) => vector('input', model.input_size),
  outputs: (model) => vector('output', model.output_size),
  targets: (model) => vector('target', model.output_size),
  read_weightings: (model) => weightings(model, 'read'),
  write_weightings: (model) => weightings(model, 'write'),
  heads: parameters,
};

/** A line for each step that has anything of it; what it does not have is left empty. */
function steps(recording, columns) {
  const lines = [line(['step', ...columns.flatMap(({ names }) => names)])];
  for (let step = recording.start + 1; step <= recording.last; step += 1) {
    const vectors = columns.map(({ quantity }) => recording.get(quantity, step));
    if (!vectors.some(Boolean)) continue;
    const cells = columns.flatMap(({ names }, at) =>
      (vectors[at] ? Array.from(vectors[at], decimal) : names.map(() => '')));
    lines.push(line([step, ...cells]));
  }
  return lines;
}

/** A line for each location of the memory after each step whose memory is kept. */
function memory(recording) {
  const width = recording.model.memory.columns;
  const lines = [line(['step', 'location', ...numbered('column', width)])];
  for (const step of [...recording.memorySteps].sort((one, other) => one - other)) {
    const matrix = recording.memory(step);
    for (let location = 0; location * width < matrix.length; location += 1) {
      const row = matrix.subarray(location * width, (location + 1) * width);
      lines.push(line([step, location, ...Array.from(row, decimal)]));
    }
  }
  return lines;
}

/**
 * What is known of a session as CSV (RFC 4180, but lines end with `\n`, as the API's do): a header,
 * then a line for each step, of the memory for each location of each step. Steps that are not known
 * are left out. Numbers are the shortest decimals that give back the same float32.
 *
 * @param {import('./recording.js').Recording} recording
 * @param {'inputs' | 'outputs' | 'targets' | 'read_weightings' | 'write_weightings' | 'heads'
 *   | 'memory'} what
 * @returns {string}
 */
export function csvOf(recording, what) {
  const lines = what === 'memory'
    ? memory(recording) : steps(recording, COLUMNS[what](recording.model));
  return lines.join('');
}
