import { associativeRecall } from './task-associative-recall.js';
import { copy } from './task-copy.js';
import { dynamicNGrams } from './task-ngrams.js';
import { prioritySort } from './task-priority-sort.js';
import { repeatCopy } from './task-repeat-copy.js';
import { check } from './settings.js';

/**
 * A task as a certain model does it: the vectors are as wide as the model takes them, the settings
 * begin with what it was trained on.
 *
 * @typedef {object} Task
 * @property {import('./settings.js').Setting[]} settings
 * @property {string[]} inputLabels what each number of an input means
 * @property {(values: Record<string, number>, seed: number) => Episode} generate draws a sequence;
 *   the same values and seed give the same one
 * @typedef {import('./episode.js').Episode} Episode
 */

/**
 * The tasks that models are shipped for, by the name that a model has for its task. Each is a
 * function of a model that gives undefined where the model's sizes are not the task's.
 *
 * @type {Map<string, (model: object) => Task | undefined>}
 */
export const tasks = new Map([
  ['copy', copy],
  ['repeat-copy', repeatCopy],
  ['associative-recall', associativeRecall],
  ['ngrams', dynamicNGrams],
  ['priority-sort', prioritySort],
]);

/**
 * @param {object} model as `GET /models/{name}` has it
 * @returns {Task | undefined} its task; undefined for one that is unknown or has other sizes
 */
export function taskFor(model) {
  const task = tasks.get(model.task)?.(model);
  if (!task) return undefined;
  return {
    ...task,
    generate(values, seed) {
      check(task.settings, values, seed);
      return task.generate(values, seed);
    },
  };
}

/** A bit is what is nearer to 1. */
const bitOf = (value) => value >= 0.5;

/**
 * Counts the bits that a model got wrong, where its output counts and is known.
 *
 * @param {Episode} episode
 * @param {(ArrayLike<number> | undefined)[]} outputs one for each input
 * @returns {{bits: number, wrong: number, steps: number}} steps: how many were counted
 */
export function score(episode, outputs) {
  let [bits, wrong, steps] = [0, 0, 0];
  episode.targets.forEach((target, at) => {
    const output = outputs[at];
    if (!target || !output) return;
    steps += 1;
    bits += target.length;
    wrong += target.filter((value, index) => bitOf(value) !== bitOf(output[index])).length;
  });
  return { bits, wrong, steps };
}
