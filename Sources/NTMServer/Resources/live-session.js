import * as api from './api.js';
import { followEvents } from './events.js';
import { Recording } from './recording.js';

/** What a step's event is to say. */
export const STEP_FIELDS = ['input', 'output', 'read_weightings', 'write_weightings', 'heads'];
/** The memory of a session that others step is asked for at most this often, in milliseconds. */
const MEMORY_INTERVAL = 400;

/**
 * A session of the server and what is recorded of it, whoever steps it.
 */
export class LiveSession {
  /**
   * @param {object} model as `GET /models/{name}` has it
   * @param {object} info as `GET /sessions/{id}` has it
   * @param {object} on
   * @param {(state: 'live' | 'broken' | 'ended', detail: object) => void} on.state how it stands;
   *   of `broken`, when it is tried again, of `ended`, the reason or the error
   * @param {(text: string) => void} on.note what happened that its numbers don't show
   * @param {Recording} [recording] where the beginning is known already
   */
  constructor(model, info, on, recording = new Recording(model, info.id, info.step)) {
    this.id = info.id;
    this.model = model;
    this.recording = recording;
    this.#on = on;
    this.#follow();
    this.#askForMemory();
  }

  #on;
  #leave = () => {};
  #hasGreeted = false;
  /** The last step that an event told of. */
  #eventStep = 0;
  /** Resets of our own whose event has not come: steps that come before it are of the old run. */
  #resets = 0;
  #memoryTimer = 0;
  isOver = false;

  #follow() {
    this.#leave = followEvents(this.id, STEP_FIELDS, {
      event: (event) => this.#take(event),
      open: () => this.#on.state('live', {}),
      broken: (error, wait) => this.#on.state('broken', { error, wait }),
      refused: (error) => this.#refuse(error),
    });
  }

  /** Takes the line up again, with another key perhaps. */
  followAgain() {
    this.#leave();
    this.isOver = false;
    this.#follow();
    this.#askForMemory();
  }

  /** Stops watching. The session stays. */
  close() {
    this.#leave();
    clearTimeout(this.#memoryTimer);
  }

  #refuse(error) {
    this.isOver = true;
    this.#on.state('ended', { error });
  }

  #take({ name, data, id }) {
    if (name === 'step') {
      this.#takeStep(data);
      return;
    }
    const value = JSON.parse(data);
    const take = {
      session: () => this.#greet(value, id !== undefined),
      reset: () => this.#wasReset(),
      state: () => {
        this.#restart(value.step);
        this.#on.note(`The state was replaced: the session is at step ${value.step} now.`);
      },
      missed: () => this.#miss(value.missed),
      end: () => this.#end(value),
    };
    take[name]?.();
  }

  #takeStep(data) {
    if (this.#resets > 0) return;
    // Most of our own steps are known from the reply: then the rest need not be read.
    const known = /"step":(\d+)/.exec(data);
    const step = Number(known?.[1]);
    if (step <= this.#eventStep) this.recording.restart(0);
    this.#eventStep = step;
    if (!this.recording.has(step)) this.recording.put(JSON.parse(data));
    this.#askForMemory();
  }

  /** @param {boolean} isFresh whether the events before are lost */
  #greet({ step }, isFresh) {
    if (!isFresh) return;
    this.#resets = 0;
    this.#eventStep = step;
    if (this.#hasGreeted && step < this.recording.last) this.#restart(step);
    else this.recording.reach(step);
    this.#hasGreeted = true;
  }

  #wasReset() {
    this.#eventStep = 0;
    if (this.#resets > 0) {
      this.#resets -= 1;
      return;
    }
    this.recording.restart(0);
    this.#on.note('The session was reset.');
  }

  #restart(step) {
    this.#eventStep = step;
    this.recording.restart(step);
    this.#askForMemory();
  }

  #miss(count) {
    this.#resets = 0;
    this.#on.note(`${count} events came too fast to be seen; their steps are hatched.`);
  }

  #end({ reason, ended_at: at }) {
    if (reason === 'stopping') return;
    this.isOver = true;
    this.#on.state('ended', { reason, at });
  }

  /** Takes the session back to its start state. */
  async reset() {
    this.#resets += 1;
    try {
      await api.resetSession(this.id);
    } catch (error) {
      this.#resets -= 1;
      throw error;
    }
    this.recording.restart(0);
  }

  /** Finds out where the session is. */
  async resynchronize() {
    const { step } = await api.getSession(this.id);
    if (step < this.recording.last) this.#restart(step);
    else this.recording.reach(step);
    return step;
  }

  /** Asks for the memory of the newest step, soon, where it did not come with the step. */
  #askForMemory() {
    if (this.#memoryTimer) return;
    this.#memoryTimer = setTimeout(async () => {
      try {
        if (!this.isOver && !this.recording.memory(this.recording.last)) {
          const { step, memory } = await api.getMemory(this.id);
          if (step <= this.recording.last) this.recording.putMemory(step, memory);
        }
      } catch {
        // The line to the events tells what is wrong with the server or the session.
      }
      this.#memoryTimer = 0;
      if (!this.isOver && !this.recording.memory(this.recording.last)) this.#askForMemory();
    }, MEMORY_INTERVAL);
  }
}
