import { Episode, zeros } from './episode.js';
import { RandomGenerator } from './random.js';
import { bitLabels } from './task-copy.js';

/**
 * The priority sort task (Graves et al. 2014, section 4.5): vectors of random bits, each with a
 * priority; then those of the highest priorities, the highest first.
 *
 * @returns {import('./tasks.js').Task}
 */
export function prioritySort({ bits = 8, vectors = 20, sorted = 16 }) {
  return {
    name: 'priority-sort',
    inputSize: bits + 2,
    outputSize: bits,
    inputLabels: [...bitLabels(bits), 'priority', 'delimiter'],
    settings: [
      {
        name: 'vectors', label: 'Vectors', least: 2, most: Math.floor(1.5 * vectors), value: vectors,
      },
    ],
    generate(values, seed) {
      const random = new RandomGenerator(seed);
      const episode = new Episode('Sorted', seed, bits + 2);
      const items = random.vectors(values.vectors, bits)
        .map((vector) => ({ vector, priority: 2 * random.uniform() - 1 }));
      for (const { vector, priority } of items) episode.give([...vector, priority, 0]);
      episode.give([...zeros(bits + 1), 1]);
      // As large a part as in training.
      const count = Math.max(1, Math.floor((values.vectors * sorted) / vectors));
      items.sort((a, b) => b.priority - a.priority);
      for (const { vector } of items.slice(0, count)) episode.ask(vector);
      return episode;
    },
  };
}
