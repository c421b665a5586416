import { Series } from './series.js';
import { Snapshots } from './snapshots.js';

/** A head's parameters, as results name them. */
const HEAD_PARAMETERS = ['key', 'strength', 'gate', 'shift', 'sharpening', 'erase', 'add'];

/**
 * What is known of a session's steps.
 *
 * The same step may be told twice, by the reply to a request and by an event: the second time
 * changes nothing. A step that nobody told of is unknown, which is not the same as zeros.
 *
 * Quantities have names: `input`, `output`, `target`; `read_weightings/0`, `write_weightings/0`
 * (N numbers) and `read_vectors/0` (M numbers), by the index among the heads that read or write;
 * `heads/0/key`, `…/strength`, `…/gate`, `…/shift`, `…/sharpening`, `…/erase` and `…/add`, by the
 * index among all heads. What the model does not have is not there.
 */
export class Recording {
  /**
   * @param {object} model as `GET /models/{name}` has it
   * @param {string} session the session's id
   * @param {number} start how many steps had been taken before anything was recorded
   */
  constructor(model, session, start = 0) {
    this.model = model;
    this.session = session;
    this.start = start;
    /** How many steps the session has taken, as far as is known. */
    this.last = start;
  }

  #series = new Map();
  #memory = new Snapshots();
  #listeners = new Set();

  /**
   * @param {(change: {kind: 'steps', from: number, to: number} | {kind: 'cut'}) => void} listener
   * @returns {() => void} ends the subscription
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(change) {
    for (const listener of this.#listeners) listener(change);
  }

  /** @returns {boolean} whether the step's result is known */
  has(step) {
    return this.#series.get('output')?.has(step) ?? false;
  }

  /** @returns {Float32Array | undefined} the numbers of a quantity at a step */
  get(name, step) {
    return this.#series.get(name)?.get(step);
  }

  /** The names of the quantities that some step has. */
  get names() {
    return [...this.#series.keys()];
  }

  /** @returns {Float32Array | undefined} N × M numbers, row by row: the memory after the step */
  memory(step) {
    return this.#memory.get(step);
  }

  /** The steps whose memory is kept. */
  get memorySteps() {
    return this.#memory.steps;
  }

  /**
   * @param {object} result a step's result, with or without `input`
   * @param {number[]} [input] where the result does not have it
   */
  put(result, input = result.input) {
    const { step } = result;
    if (input && !this.get('input', step)) this.#put('input', step, input);
    if (result.memory) this.#memory.put(step, result.memory);
    if (!this.has(step)) {
      for (const kind of ['read_weightings', 'write_weightings', 'read_vectors']) {
        result[kind]?.forEach((vector, index) => this.#put(`${kind}/${index}`, step, vector));
      }
      result.heads?.forEach((head, index) => this.#putHead(step, index, head));
      this.#put('output', step, result.output);
    }
    this.last = Math.max(this.last, step);
    this.#tell({ kind: 'steps', from: step, to: step });
  }

  /** The memory after a step, where it was asked for by itself. */
  putMemory(step, rows) {
    this.#memory.put(step, rows);
    this.#tell({ kind: 'steps', from: step, to: step });
  }

  #putHead(step, index, head) {
    for (const parameter of HEAD_PARAMETERS) {
      const value = head[parameter];
      if (value === undefined) continue;
      this.#put(`heads/${index}/${parameter}`, step, Array.isArray(value) ? value : [value]);
    }
  }

  #put(name, step, vector) {
    if (!this.#series.has(name)) this.#series.set(name, new Series(vector.length));
    this.#series.get(name).put(step, vector);
  }

  /**
   * What the outputs should be from a step on. Earlier targets stay, later ones go.
   *
   * @param {number} first the step of the first target
   * @param {(number[] | null)[]} targets null where any output will do
   */
  expect(first, targets) {
    this.#series.get('target')?.cut(first - 1);
    targets.forEach((target, index) => {
      if (target) this.#put('target', first + index, target);
    });
    const to = first + targets.length - 1;
    if (to >= first) this.#tell({ kind: 'steps', from: first, to });
  }

  /** The session has taken so many steps, some of which nobody told of. */
  reach(step) {
    if (step <= this.last) return;
    const from = this.last + 1;
    this.last = step;
    this.#tell({ kind: 'steps', from, to: step });
  }

  /** The session is at this step and what was recorded belongs to another state of it. */
  restart(step = 0) {
    this.#series.clear();
    this.#memory.cut(-1);
    this.start = step;
    this.last = step;
    this.#tell({ kind: 'cut' });
  }

  /**
   * A recording of another session that shares the steps up to one: those are the same in both.
   *
   * @param {string} session
   * @param {number} step
   * @returns {Recording}
   */
  branch(session, step) {
    const copy = new Recording(this.model, session, this.start);
    for (const [name, series] of this.#series) {
      for (let at = this.start + 1; at <= step; at += 1) {
        if (series.has(at)) copy.#put(name, at, series.get(at));
      }
    }
    for (const at of this.memorySteps) {
      if (at <= step) copy.#memory.adopt(at, this.#memory.get(at));
    }
    copy.last = Math.max(step, copy.start);
    return copy;
  }
}
