import { takeSteps } from './api.js';
import { STEP_FIELDS } from './live-session.js';

/** Steps a second that can be chosen; Infinity is as fast as the server answers. */
export const SPEEDS = [1, 2, 5, 10, 20, 50, 100, Infinity];
/** Requests a second that are made at most, where the speed is bounded. */
const REQUEST_RATE = 20;
/** Steps of a request at top speed. */
const BULK = 100;
/** The memory comes with the steps of a list that has no more numbers of it than this … */
const MEMORY_OF_LIST = 1_000_000;
/** … or with those of a request; and no request asks for more of it. */
const MEMORY_OF_REQUEST = 20_000;
const MOST_MEMORY = 100_000;
/** How often a request that got no answer is repeated, and after how long. */
const RETRIES = [300, 700, 1500, 3000, 6000];

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/**
 * Steps a session through a list of inputs.
 *
 * Each request says which step its first input is to be, so that it can be repeated where its
 * answer was lost, and is refused where somebody else has stepped the session meanwhile.
 */
export class Player {
  /**
   * @param {import('./live-session.js').LiveSession} session
   * @param {object} on
   * @param {() => void} on.change something about it changed
   * @param {() => void} on.finished the last input was taken
   * @param {(error: Error) => void} on.failed it stopped for this
   * @param {(error: Error) => void} on.waiting it tries again after this
   */
  constructor(session, on) {
    this.session = session;
    this.#on = on;
  }

  #on;
  #inputs = [];
  /** Counts starts and pauses, so that a run knows whether it still is the one. */
  #run = 0;
  #request = Promise.resolve();
  /** Of each input that was taken, the step that it became. */
  steps = [];
  isPlaying = false;
  speed = 10;

  /** Takes these inputs, from where the session is, in place of what is left. */
  load(inputs) {
    this.pause();
    this.#inputs = inputs;
    this.steps = [];
    this.#on.change();
  }

  get total() {
    return this.#inputs.length;
  }

  get position() {
    return this.steps.length;
  }

  get isFinished() {
    return this.position >= this.total;
  }

  pause() {
    this.#run += 1;
    this.isPlaying = false;
    this.#on.change();
  }

  /** Pauses, and waits for the answer to a request that is under way. */
  async halt() {
    this.pause();
    await this.#request;
  }

  /** Takes one step. */
  async step() {
    await this.halt();
    if (!this.isFinished) await this.#take(1, this.session.recording.last + 1);
  }

  /** Takes the steps that are left, at the speed that is chosen, until it is paused. */
  async play() {
    if (this.isPlaying) return;
    await this.halt();
    if (this.isFinished) return;
    const run = this.#run;
    this.isPlaying = true;
    this.#on.change();
    // Counted here, not read off the recording: steps of somebody else are to be noticed.
    let next = this.session.recording.last + 1;
    let due = performance.now();
    while (run === this.#run && !this.isFinished) {
      const count = this.#batch();
      this.#request = this.#take(count, next);
      await this.#request;
      if (run !== this.#run) return;
      next = this.steps.at(-1) + 1;
      // What was late is made up for, but not for long.
      due = Math.max(performance.now() - 100, due + (1000 * count) / this.speed);
      await pause(Math.max(0, due - performance.now()));
    }
  }

  /** Numbers of the memory. */
  get #cells() {
    const { rows, columns } = this.session.model.memory;
    return rows * columns;
  }

  /** Whether the memory is to come with so many steps: it is many times what else is said. */
  #hasMemory(count) {
    const numbers = count * this.#cells;
    if (numbers > MOST_MEMORY) return false;
    return numbers <= MEMORY_OF_REQUEST || this.total * this.#cells <= MEMORY_OF_LIST;
  }

  #batch() {
    if (this.speed < Infinity) return Math.max(1, Math.round(this.speed / REQUEST_RATE));
    const isShort = this.total * this.#cells <= MEMORY_OF_LIST;
    return isShort ? Math.max(1, Math.min(BULK, Math.floor(MOST_MEMORY / this.#cells))) : BULK;
  }

  async #take(count, step) {
    const inputs = this.#inputs;
    const some = inputs.slice(this.position, this.position + count);
    try {
      const results = await this.#send(some, step);
      results.forEach((result, index) => this.session.recording.put(result, some[index]));
      this.steps.push(...results.map((result) => result.step));
    } catch (error) {
      this.pause();
      this.#on.failed(error);
      return;
    }
    if (this.isFinished) {
      this.pause();
      this.#on.finished();
    } else this.#on.change();
  }

  async #send(inputs, step) {
    const fields = this.#hasMemory(inputs.length) ? [...STEP_FIELDS, 'memory'] : STEP_FIELDS;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await takeSteps(this.session.id, { inputs, step, fields });
      } catch (error) {
        if (!error.isPassing || attempt >= RETRIES.length || this.session.isOver) throw error;
        this.#on.waiting(error);
        await pause(RETRIES[attempt]);
      }
    }
  }
}
