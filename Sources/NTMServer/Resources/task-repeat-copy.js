import { Episode, zeros } from './episode.js';
import { bitLabels } from './labels.js';
import { Random } from './random.js';
import { rangeOf, setting } from './settings.js';

/** Of vectors, and of repeats: their product is still drawn at once. */
const MOST = 100;

/**
 * The repeat copy task (paper, section 4.2): vectors of random bits, a delimiter, how often to
 * repeat them; then the repeats and an end marker.
 *
 * Inputs: the bits, the delimiter's channel, the channel of the number of repeats, normalised to
 * mean 0 and variance 1 over the training range. Outputs: the bits, then the end marker's channel.
 *
 * @returns {import('./tasks.js').Task | undefined}
 */
export function repeatCopy(model) {
  const bits = model.output_size - 1;
  if (bits < 1 || model.input_size !== bits + 2) return undefined;
  const trained = model.training?.task_settings;
  const length = rangeOf(trained?.length, { least: 1, most: 10 });
  const repeats = rangeOf(trained?.repeats, { least: 1, most: 10 });
  return {
    settings: [
      setting('length', 'Length', 1, MOST, length.most),
      setting('repeats', 'Repeats', 1, MOST, repeats.most),
    ],
    inputLabels: bitLabels(bits, 'delimiter', 'number of repeats, normalised'),
    generate(values, seed) {
      const vectors = new Random(seed).vectors(values.length, bits);
      const episode = new Episode('Repeated', seed);
      for (const vector of vectors) episode.show([...vector, 0, 0]);
      episode.show([...zeros(bits), 1, 0]);
      episode.show([...zeros(bits), 0, normalised(values.repeats, repeats)]);
      for (let repeat = 0; repeat < values.repeats; repeat += 1) {
        for (const vector of vectors) episode.ask([...vector, 0], zeros(bits + 2));
      }
      episode.ask([...zeros(bits), 1], zeros(bits + 2));
      return episode;
    },
  };
}

/** Mean and variance are those of a number uniform over the training range. */
function normalised(count, { least, most }) {
  const width = most - least + 1;
  const deviation = Math.sqrt((width * width - 1) / 12);
  return deviation === 0 ? 0 : Math.fround((count - (least + most) / 2) / deviation);
}
