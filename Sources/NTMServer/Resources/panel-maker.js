import { signedScale } from './colors.js';
import { HeatPanel } from './heat-panel.js';
import { headsOf } from './heads.js';
import { vectorHeight } from './heights.js';
import { Limit } from './limit.js';
import { brief, short } from './numbers.js';

/** A vector of at most so many numbers is spelt out. */
const SPELT_OUT = 10;

/** What the panels of one recording have in common. */
export class PanelMaker {
  /**
   * @param {object} parts
   * @param {import('./recording.js').Recording} parts.recording
   * @param {import('./timeline.js').Timeline} parts.timeline
   * @param {import('./locations.js').Locations} parts.locations
   * @param {string} [parts.side] whose panels these are, where two sessions are compared
   */
  constructor({ recording, timeline, locations, side }) {
    Object.assign(this, { recording, timeline, locations, side });
    this.model = recording.model;
    this.heads = headsOf(this.model);
  }

  /** What every panel has. */
  frame(name, title, rowKind, rows) {
    const { timeline, side, recording } = this;
    return { name, title, rowKind, rows, timeline, side, recording };
  }

  /** Whether a step was taken that is not known. */
  isGap = (step) => step > this.recording.start && step <= this.recording.last
    && !this.recording.has(step);

  /** What is said of a step: that it was not seen, or what `say` has to say of it. */
  saying(step, say) {
    if (this.isGap(step)) return `Step ${step} was not seen`;
    return say() ?? `Step ${step}`;
  }

  /** Inputs, outputs and the like: numbers with a sign, mostly from 0 to 1. */
  vector(name, title, rowKind, rows, vector, extra = {}) {
    return new HeatPanel({
      ...this.frame(name, title, rowKind, rows),
      vector,
      isGap: this.isGap,
      scale: signedScale,
      limit: new Limit(),
      heightOf: vectorHeight,
      say: (step, row) => this.saying(step, () => {
        const numbers = vector(step);
        if (!numbers) return undefined;
        if (row !== null) return `Step ${step}, ${rowKind} ${row}: ${short(numbers[row])}`;
        return rows <= SPELT_OUT ? `Step ${step}: ${[...numbers].map(brief).join(' ')}` : undefined;
      }),
      ...extra,
    });
  }
}
