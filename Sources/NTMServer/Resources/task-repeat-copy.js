import { Episode, zeros } from './episode.js';
import { RandomGenerator } from './random.js';
import { bitLabels } from './task-copy.js';

/** A count as a number of mean 0 and variance 1 over the range of the training. */
function normalised(count, { least, most }) {
  const deviation = Math.sqrt(((most - least + 1) ** 2 - 1) / 12);
  return deviation === 0 ? 0 : (count - (least + most) / 2) / deviation;
}

/**
 * The repeat copy task (Graves et al. 2014, section 4.2): vectors of random bits, a delimiter, how
 * often to repeat them; then the repeats and an end marker.
 *
 * @returns {import('./tasks.js').Task}
 */
export function repeatCopy({
  bits = 8, length = { least: 1, most: 10 }, repeats = { least: 1, most: 10 },
}) {
  return {
    name: 'repeat-copy',
    inputSize: bits + 2,
    outputSize: bits + 1,
    inputLabels: [...bitLabels(bits), 'delimiter', 'number of repeats'],
    settings: [
      { name: 'length', label: 'Length', least: 1, most: 2 * length.most, value: length.most },
      { name: 'repeats', label: 'Repeats', least: 1, most: 2 * repeats.most, value: 5 },
    ],
    generate(values, seed) {
      const episode = new Episode('Repeated', seed, bits + 2);
      const vectors = new RandomGenerator(seed).vectors(values.length, bits);
      for (const vector of vectors) episode.give([...vector, 0, 0]);
      episode.give([...zeros(bits), 1, 0]);
      episode.give([...zeros(bits), 0, normalised(values.repeats, repeats)]);
      for (let count = 0; count < values.repeats; count += 1) {
        for (const vector of vectors) episode.ask([...vector, 0]);
      }
      episode.ask([...zeros(bits), 1]);
      return episode;
    },
  };
}
