/** What to look at, for each task: what its picture shows when the model has learned it. */
const GUIDES = {
  copy: 'While the vectors come in, the write weighting goes on by one location a step: a diagonal. '
    + 'The read weighting waits where it begins, and after the end mark goes along the same '
    + 'diagonal: the vectors come out in their order.',
  'repeat-copy': 'The vectors are written once, along a diagonal. Then the read weighting goes '
    + 'along that diagonal again for each repeat; where it jumps back to the beginning, the gate g '
    + 'of the read head opens: the place is found by its content.',
  'associative-recall': 'The items are written one behind the other. When the query has come, the '
    + 'read weighting becomes sharp: it stands where the item after the queried one was written, '
    + 'and goes along it.',
  'priority-sort': 'While the vectors come in, write heads put them to places that jump with the '
    + 'priority, the last but one input. Afterwards a read head goes from place to place, and the '
    + 'vectors come out by their priorities.',
  ngrams: 'The write weighting goes on by one location a step, around the whole memory. The read '
    + 'weighting is on several earlier places at once. Outputs are probabilities of the next bit: '
    + 'even the best possible estimator is wrong about many.',
};

const GENERAL = 'Each column is a step. A bright cell is a location that the head wrote to or read '
  + 'from at that step: compare where something was written with where it is read again.';

/** @returns {string} what to look at in the panels of a model */
export const guideFor = (model) => GUIDES[model.task] ?? GENERAL;
