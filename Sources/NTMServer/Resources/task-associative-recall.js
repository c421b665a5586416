import { Episode, zeros } from './episode.js';
import { RandomGenerator } from './random.js';
import { bitLabels } from './task-copy.js';

/**
 * The associative recall task (Graves et al. 2014, section 4.3): items of some vectors each, then
 * one of them as a query; the answer is the item that came after it.
 *
 * @returns {import('./tasks.js').Task}
 */
export function associativeRecall({
  bits = 6, vectors_per_item: vectorsPerItem = 3, items = { least: 2, most: 6 },
}) {
  return {
    name: 'associative-recall',
    inputSize: bits + 2,
    outputSize: bits,
    inputLabels: [...bitLabels(bits), 'delimiter of items', 'delimiter of the query'],
    settings: [
      { name: 'items', label: 'Items', least: 2, most: items.most + 9, value: items.most },
    ],
    generate(values, seed) {
      const random = new RandomGenerator(seed);
      const episode = new Episode('Recalled', seed, bits + 2);
      const made = Array.from({ length: values.items }, () => random.vectors(vectorsPerItem, bits));
      const query = random.below(values.items - 1);
      for (const item of made) {
        episode.give([...zeros(bits), 1, 0]);
        for (const vector of item) episode.give([...vector, 0, 0]);
      }
      episode.give([...zeros(bits), 0, 1]);
      for (const vector of made[query]) episode.give([...vector, 0, 0]);
      episode.give([...zeros(bits), 0, 1]);
      for (const vector of made[query + 1]) episode.ask(vector);
      return episode;
    },
  };
}
