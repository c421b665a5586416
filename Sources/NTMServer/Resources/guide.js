/** What to look at, for each task: what its picture shows when the model has learned it. */
const GUIDES = {
  copy: 'While the vectors come in, the write weighting goes on by one location a step: a diagonal. '
    + 'The read weighting waits at the first of these locations; after the end mark it goes along '
    + 'the same diagonal, and the vectors come out in the order in which they were written.',
};

const GENERAL = 'Each column is a step. A bright cell is a location that the head wrote to or read '
  + 'from at that step: compare where something was written with where it is read again.';

/** @returns {string} what to look at in the panels of a model */
export const guideFor = (model) => GUIDES[model.task] ?? GENERAL;
