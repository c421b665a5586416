import { decimal } from './float32.js';

/** The columns of each table: quantities of the recording, and what their numbers are called. */
const COLUMNS = {
  inputs: [/^input$/, () => 'input'],
  outputs: [/^output$/, () => 'output'],
  targets: [/^target$/, () => 'target'],
  read_weightings: [/^read_weightings\/(\d+)$/, (head) => `read head ${head} location`],
  write_weightings: [/^write_weightings\/(\d+)$/, (head) => `write head ${head} location`],
  heads: [/^heads\/(\d+)\/(\w+)$/, (head, parameter) => `head ${head} ${parameter}`],
};

const table = (rows) => rows.map((row) => `${row.join(',')}\n`).join('');

/**
 * What is known of a session as CSV: a row of names, then a row for each step that is known.
 *
 * @param {import('./recording.js').Recording} recording
 * @param {string} what `inputs`, `outputs`, `targets`, `read_weightings`, `write_weightings`,
 *   `heads`, or `memory`, which has a row for each row of each memory that is kept
 * @returns {string}
 */
export function csvOf(recording, what) {
  return what === 'memory' ? memory(recording) : quantities(recording, ...COLUMNS[what]);
}

function quantities(recording, pattern, nameOf) {
  const names = recording.names.filter((name) => pattern.test(name)).sort();
  const steps = [];
  for (let step = recording.start + 1; step <= recording.last; step += 1) {
    if (names.length > 0 && names.every((name) => recording.get(name, step))) steps.push(step);
  }
  const titles = names.flatMap((name) => {
    const title = nameOf(...name.match(pattern).slice(1));
    const vector = steps.length > 0 ? recording.get(name, steps[0]) : [];
    // A vector's numbers are numbered; a single number of a head, such as its gate, is not.
    return name.startsWith('heads/') && vector.length === 1
      ? [title] : Array.from(vector, (_, index) => `${title} ${index}`);
  });
  return table([
    ['step', ...titles],
    ...steps.map((step) => [
      step, ...names.flatMap((name) => Array.from(recording.get(name, step), decimal)),
    ]),
  ]);
}

function memory(recording) {
  const { rows, columns } = recording.model.memory;
  const titles = Array.from({ length: columns }, (_, column) => `column ${column}`);
  return table([
    ['step', 'row', ...titles],
    ...recording.memorySteps.flatMap((step) => {
      const values = recording.memory(step);
      return Array.from({ length: rows }, (_, row) => [
        step, row, ...Array.from(values.subarray(row * columns, (row + 1) * columns), decimal),
      ]);
    }),
  ]);
}
