import { Episode } from './episode.js';
import { RandomGenerator } from './random.js';

/**
 * The dynamic n-grams task (Graves et al. 2014, section 4.4): bits of which each depends on some
 * before it, by a table of probabilities that is new for every sequence; the next bit is to be
 * predicted. Even the best guess is often wrong.
 *
 * @returns {import('./tasks.js').Task}
 */
export function ngrams({ context = 5, length = 200 }) {
  return {
    name: 'ngrams',
    inputSize: 1,
    outputSize: 1,
    inputLabels: ['the bit before'],
    settings: [
      { name: 'length', label: 'Length', least: context + 1, most: 5 * length, value: length },
    ],
    generate(values, seed) {
      const random = new RandomGenerator(seed);
      const episode = new Episode('Predicted', seed, 1);
      // Beta(½, ½) is the arcsine distribution, whose quantile is sin²(πu/2).
      const table = Array.from({ length: 2 ** context }, () =>
        Math.sin((Math.PI / 2) * random.uniform()) ** 2);
      let before = 0;
      let last = 0;
      for (let step = 0; step < values.length; step += 1) {
        const hasContext = step >= context;
        const bit = random.uniform() < (hasContext ? table[before] : 0.5) ? 1 : 0;
        episode.give([last], hasContext ? [bit] : null);
        before = (2 * before + bit) % table.length;
        last = bit;
      }
      return episode;
    },
  };
}
