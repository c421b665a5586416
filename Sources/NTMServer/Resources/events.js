import { openEvents } from './api.js';
import { BackOff } from './back-off.js';

/** The server sends something at least every 15 seconds: after this long the line is dead. */
const SILENCE = 40_000;

/**
 * Takes server-sent events apart, however the bytes come.
 */
export class EventParser {
  #rest = '';
  #event = { name: 'message', data: [] };
  /** The id of the last event, which only the server can read. */
  lastID = undefined;

  /**
   * @param {string} text what came
   * @returns {{name: string, data: string, id: string | undefined}[]} the events that it completes
   */
  push(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      const event = this.#take(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (event) events.push(event);
    }
    return events;
  }

  #take(line) {
    if (line === '') {
      const { name, data, id } = this.#event;
      this.#event = { name: 'message', data: [] };
      return data.length ? { name, data: data.join('\n'), id } : undefined;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event.name = value;
    if (field === 'data') this.#event.data.push(value);
    if (field === 'id') {
      this.lastID = value;
      this.#event.id = value;
    }
    return undefined;
  }
}

/** Resolves after a time, or at once where it is given up. */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

/**
 * Follows a session's events until it ends, it is gone, or the caller leaves. A line that breaks is
 * taken up again where it broke, after the times of a `BackOff`.
 *
 * @param {string} id the session
 * @param {string[]} fields what a step's event is to say
 * @param {object} on
 * @param {(event: {name: string, data: string, id: string | undefined}) => void} on.event
 * @param {() => void} on.open the line stands
 * @param {(error: Error, milliseconds: number) => void} on.broken it is tried again after that time
 * @param {(error: import('./api.js').ApiError) => void} on.refused it is not tried again
 * @returns {() => void} leaves
 */
export function followEvents(id, fields, on) {
  const leaving = new AbortController();
  follow(id, fields, on, leaving.signal);
  return () => leaving.abort();
}

async function follow(id, fields, on, signal) {
  const parser = { current: new EventParser() };
  const backOff = new BackOff();
  while (!signal.aborted) {
    let error = new Error('the line broke');
    try {
      const after = parser.current.lastID;
      parser.current = new EventParser();
      parser.current.lastID = after;
      const hasEnded = await readOnce(id, fields, on, parser.current, signal, () => {
        backOff.opened();
      });
      if (hasEnded) return;
    } catch (failure) {
      if (signal.aborted) return;
      if (failure.status && !failure.isPassing) {
        on.refused(failure);
        return;
      }
      error = failure;
    }
    const wait = backOff.next();
    on.broken(error, wait);
    await pause(wait, signal);
  }
}

/** @returns {Promise<boolean>} whether the session ended; false where the line broke */
async function readOnce(id, fields, on, parser, signal, opened) {
  const line = new AbortController();
  const hangUp = () => line.abort();
  signal.addEventListener('abort', hangUp, { once: true });
  let watchdog = setTimeout(hangUp, SILENCE);
  try {
    const response = await openEvents(id, { fields, after: parser.lastID, signal: line.signal });
    opened();
    on.open();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      clearTimeout(watchdog);
      watchdog = setTimeout(hangUp, SILENCE);
      for (const event of parser.push(value)) {
        on.event(event);
        if (event.name === 'end') return JSON.parse(event.data).reason !== 'stopping';
      }
    }
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener('abort', hangUp);
    hangUp();
  }
}
