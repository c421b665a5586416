import { Episode } from './episode.js';
import { plural } from './numbers.js';
import { Random } from './random.js';
import { setting, sizeOf } from './settings.js';

const LONGEST = 10000;
/** The table has 2^context probabilities. */
const LONGEST_CONTEXT = 16;

/**
 * The dynamic n-grams task (paper, section 4.4): bits of which each depends on the five before it,
 * by a table of probabilities that is new for every sequence; the next bit is to be predicted.
 *
 * Input: the bit before, 0 at first. Output: the next bit. The first bits, which have no whole
 * context before them, do not count.
 *
 * @returns {import('./tasks.js').Task | undefined}
 */
export function dynamicNGrams(model) {
  if (model.input_size !== 1 || model.output_size !== 1) return undefined;
  const trained = model.training?.task_settings;
  const context = contextOf(trained?.context);
  return {
    settings: [setting('length', 'Length', context + 1, LONGEST, sizeOf(trained?.length, 200))],
    inputLabels: ['the bit before'],
    generate(values, seed) {
      const random = new Random(seed);
      const bits = draw(values.length, context, random);
      const errors = optimalErrors(bits, context);
      const episode = new Episode(
        `Predicted (the best possible estimator is wrong ${plural(errors, 'time')})`, seed);
      bits.forEach((bit, step) => {
        const input = [step === 0 ? 0 : bits[step - 1]];
        if (step < context) episode.show(input);
        else episode.ask([bit], input);
      });
      return episode;
    },
  };
}

/** Bits that the next one depends on: n − 1. */
const contextOf = (value) =>
  (Number.isInteger(value) && value >= 0 && value <= LONGEST_CONTEXT ? value : 5);

const next = (contextBits, bit, context) => ((contextBits << 1) | bit) & ((1 << context) - 1);

function draw(length, context, random) {
  // Beta(½, ½) is the arcsine distribution, whose quantile is sin²(πu/2).
  const probabilities = Array.from({ length: 1 << context }, () =>
    Math.sin((Math.PI / 2) * random.uniform()) ** 2);
  let contextBits = 0;
  return Array.from({ length }, (_, step) => {
    const probability = step < context ? 0.5 : probabilities[contextBits];
    const bit = random.uniform() < probability ? 1 : 0;
    contextBits = next(contextBits, bit, context);
    return bit;
  });
}

/**
 * How many bits are wrong by the Bayesian estimator (N₁ + ½)/(N₀ + N₁ + 1), N₀ and N₁ being how
 * often the context was followed by a 0 and by a 1 (paper, equation 10; Murphy 2012).
 */
function optimalErrors(bits, context) {
  const counts = Array.from({ length: 1 << context }, () => [0, 0]);
  let contextBits = 0;
  let errors = 0;
  bits.forEach((bit, step) => {
    if (step >= context) {
      const seen = counts[contextBits];
      const predicted = (seen[1] + 0.5) / (seen[0] + seen[1] + 1) >= 0.5 ? 1 : 0;
      if (predicted !== bit) errors += 1;
      seen[bit] += 1;
    }
    contextBits = next(contextBits, bit, context);
  });
  return errors;
}
