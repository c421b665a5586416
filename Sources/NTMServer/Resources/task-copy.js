import { Episode, zeros } from './episode.js';
import { bitLabels } from './labels.js';
import { Random } from './random.js';
import { rangeOf, setting } from './settings.js';

/** More vectors than any memory of use holds, few enough to be drawn at once. */
const LONGEST = 5000;

/**
 * The copy task (paper, section 4.1): vectors of random bits, a delimiter, then the same again.
 *
 * Inputs: the bits, then the delimiter's channel. Outputs: the bits.
 *
 * @returns {import('./tasks.js').Task | undefined}
 */
export function copy(model) {
  const bits = model.output_size;
  if (model.input_size !== bits + 1) return undefined;
  const length = rangeOf(model.training?.task_settings?.length, { least: 1, most: 20 });
  return {
    settings: [setting('length', 'Length', 1, LONGEST, length.most)],
    inputLabels: bitLabels(bits, 'delimiter'),
    generate(values, seed) {
      const vectors = new Random(seed).vectors(values.length, bits);
      const episode = new Episode('Copied', seed);
      for (const vector of vectors) episode.show([...vector, 0]);
      episode.show([...zeros(bits), 1]);
      for (const vector of vectors) episode.ask(vector, zeros(bits + 1));
      return episode;
    },
  };
}
