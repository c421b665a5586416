import { Episode, zeros } from './episode.js';
import { RandomGenerator } from './random.js';

/** Names of the channels of a vector of bits. */
export const bitLabels = (bits) => Array.from({ length: bits }, (_, index) => `bit ${index}`);

/**
 * The copy task (Graves et al. 2014, section 4.1): vectors of random bits, a delimiter, then the same
 * again.
 *
 * @returns {import('./tasks.js').Task}
 */
export function copy({ bits = 8, length = { least: 1, most: 20 } }) {
  return {
    name: 'copy',
    inputSize: bits + 1,
    outputSize: bits,
    inputLabels: [...bitLabels(bits), 'delimiter'],
    settings: [
      { name: 'length', label: 'Length', least: 1, most: 6 * length.most, value: length.most },
    ],
    generate(values, seed) {
      const episode = new Episode('Copied', seed, bits + 1);
      const vectors = new RandomGenerator(seed).vectors(values.length, bits);
      for (const vector of vectors) episode.give([...vector, 0]);
      episode.give([...zeros(bits), 1]);
      for (const vector of vectors) episode.ask(vector);
      return episode;
    },
  };
}
