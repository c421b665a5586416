import { Episode, zeros } from './episode.js';
import { bitLabels } from './labels.js';
import { Random } from './random.js';
import { rangeOf, setting, sizeOf } from './settings.js';

const MOST_ITEMS = 1000;

/**
 * The associative recall task (paper, section 4.3): items of three vectors each, then one of them
 * as a query; the answer is the item that came after it.
 *
 * Inputs: the bits, the channel of the delimiter before each item, the channel of the delimiter
 * before and after the query. Outputs: the bits.
 *
 * @returns {import('./tasks.js').Task | undefined}
 */
export function associativeRecall(model) {
  const bits = model.output_size;
  if (model.input_size !== bits + 2) return undefined;
  const trained = model.training?.task_settings;
  const items = rangeOf(trained?.items, { least: 2, most: 6 });
  const vectorsPerItem = sizeOf(trained?.vectors_per_item, 3);
  return {
    // The item after the query is asked for, so that there are two at least.
    settings: [setting('items', 'Items', 2, MOST_ITEMS, items.most)],
    inputLabels: bitLabels(bits, 'delimiter of items', 'delimiter of the query'),
    generate(values, seed) {
      const random = new Random(seed);
      const all = Array.from({ length: values.items }, () => random.vectors(vectorsPerItem, bits));
      const query = random.below(values.items - 1);
      const episode = new Episode('Recalled', seed);
      const show = (vectors) => vectors.forEach((vector) => episode.show([...vector, 0, 0]));
      for (const item of all) {
        episode.show([...zeros(bits), 1, 0]);
        show(item);
      }
      episode.show([...zeros(bits), 0, 1]);
      show(all[query]);
      episode.show([...zeros(bits), 0, 1]);
      for (const vector of all[query + 1]) episode.ask(vector, zeros(bits + 2));
      return episode;
    },
  };
}
