import { associativeRecall } from './task-associative-recall.js';
import { copy } from './task-copy.js';
import { ngrams } from './task-ngrams.js';
import { prioritySort } from './task-priority-sort.js';
import { repeatCopy } from './task-repeat-copy.js';

/**
 * @typedef {object} Task
 * @property {string} name as models have it
 * @property {number} inputSize
 * @property {number} outputSize
 * @property {string[]} inputLabels what each number of an input means
 * @property {{name: string, label: string, least: number, most: number, value: number}[]} settings
 *   of a sequence, with what they may be and are at first
 * @property {(values: Object<string, number>, seed: number) => import('./episode.js').Episode}
 *   generate makes a sequence
 */

/** By the names that models have for them; each makes a task of the settings of a training. */
export const tasks = new Map([
  ['copy', copy],
  ['repeat-copy', repeatCopy],
  ['associative-recall', associativeRecall],
  ['ngrams', ngrams],
  ['priority-sort', prioritySort],
]);

/**
 * The task that a model was trained for.
 *
 * @param {object} model as `GET /models/{name}` has it
 * @returns {Task | undefined} undefined where the task is not known, or does not fit the sizes
 */
export function taskFor(model) {
  const task = tasks.get(model.task)?.(model.training?.task_settings ?? {});
  const fits = task?.inputSize === model.input_size && task?.outputSize === model.output_size;
  return fits ? task : undefined;
}

/**
 * How many bits came out wrong: an output of 0.5 and more says 1.
 *
 * @param {import('./episode.js').Episode} episode
 * @param {(ArrayLike<number> | undefined)[]} outputs one for each input; what is unknown is wrong
 * @returns {{bits: number, wrong: number, steps: number}} of the steps whose outputs count
 */
export function score(episode, outputs) {
  let bits = 0;
  let wrong = 0;
  let steps = 0;
  episode.targets.forEach((target, step) => {
    if (!episode.mask[step]) return;
    steps += 1;
    bits += target.length;
    const output = outputs[step];
    wrong += target.filter((bit, index) => !output || (output[index] >= 0.5) !== (bit >= 0.5))
      .length;
  });
  return { bits, wrong, steps };
}
