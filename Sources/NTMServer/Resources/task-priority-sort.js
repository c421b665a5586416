import { Episode, zeros } from './episode.js';
import { bitLabels } from './labels.js';
import { Random } from './random.js';
import { setting, sizeOf } from './settings.js';

const MOST_VECTORS = 1000;

/**
 * The priority sort task (paper, section 4.5): vectors of random bits, each with a priority; then
 * those of the highest priorities, the highest first.
 *
 * Inputs: the bits, the priority's channel, the delimiter's channel. Outputs: the bits.
 *
 * @returns {import('./tasks.js').Task | undefined}
 */
export function prioritySort(model) {
  const bits = model.output_size;
  if (model.input_size !== bits + 2) return undefined;
  const trained = model.training?.task_settings;
  const vectors = sizeOf(trained?.vectors, 20);
  const sorted = Math.min(sizeOf(trained?.sorted, 16), vectors);
  return {
    settings: [setting('vectors', 'Vectors', 1, MOST_VECTORS, vectors)],
    inputLabels: bitLabels(bits, 'priority, from −1 to 1', 'delimiter'),
    generate(values, seed) {
      const random = new Random(seed);
      const items = random.vectors(values.vectors, bits).map((vector) => (
        { vector, priority: Math.fround(2 * random.uniform() - 1) }));
      const episode = new Episode('Sorted', seed);
      for (const { vector, priority } of items) episode.show([...vector, priority, 0]);
      episode.show([...zeros(bits + 1), 1]);
      items.sort((one, other) => other.priority - one.priority);
      // As large a part of them as in training.
      const count = Math.max(1, Math.floor((values.vectors * sorted) / vectors));
      for (const { vector } of items.slice(0, count)) episode.ask(vector, zeros(bits + 2));
      return episode;
    },
  };
}
