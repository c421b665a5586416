/** What the API refused, or why it could not be asked. */
export class ApiError extends Error {
  /**
   * @param {string} message what was wrong and what would be right
   * @param {{status?: number, type?: string, problem?: object}} [details] status 0: no reply came
   */
  constructor(message, { status = 0, type = '', problem = {} } = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.type = type;
    this.problem = problem;
  }

  /** Whether the same request may well succeed a little later. */
  get isPassing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 502;
  }
}

/** Where the key is kept: for this tab, until it is closed. */
const KEY = 'ntm-api-key';

/** @returns {string} the API key in use; empty for none */
export function apiKey() {
  return sessionStorage.getItem(KEY) ?? '';
}

/** @param {string} key */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** The error that a reply tells of: a problem (RFC 9457), or another server's page. */
async function errorOf(response) {
  const text = await response.text();
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // Not a problem of this server: what stands between answers in HTML.
  }
  const message = problem.detail ?? `the server answered ${response.status}`;
  return new ApiError(message, { status: response.status, type: problem.type, problem });
}

/**
 * Sends a request.
 *
 * @returns {Promise<Response>} one that succeeded
 * @throws {ApiError} where it was refused or no reply came
 */
export async function request(path, { method = 'GET', body, headers = {}, signal } = {}) {
  const key = apiKey();
  const all = { ...headers };
  if (key) all.Authorization = `Bearer ${key}`;
  if (body !== undefined) all['Content-Type'] = 'application/json';
  let response;
  try {
    const text = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, body: text, headers: all, signal, cache: 'no-store' });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError('the server does not answer');
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

/** Sends a request whose reply is JSON. */
async function json(path, options) {
  const response = await request(path, options);
  try {
    return await response.json();
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new ApiError('the reply broke off');
  }
}

const sessionPath = (id) => `/sessions/${encodeURIComponent(id)}`;

/** @returns {Promise<object[]>} all models */
export const listModels = async () => (await json('/models')).models;

/** @returns {Promise<object>} one model */
export const getModel = (name) => json(`/models/${encodeURIComponent(name)}`);

/**
 * @param {string} [page] the address of a page, as `next` of another has it
 * @returns {Promise<{sessions: object[], next: string | null}>}
 */
export const listSessions = (page = '/sessions') => json(page);

/** @returns {Promise<object>} a new session of a model */
export const createSession = (model) => json('/sessions', { method: 'POST', body: { model } });

/** @returns {Promise<object>} the session */
export const getSession = (id) => json(sessionPath(id));

/** @returns {Promise<object>} a new session with the state of this one */
export const forkSession = (id) => json(`${sessionPath(id)}/fork`, { method: 'POST' });

/** @returns {Promise<object>} the session, back at its start state */
export const resetSession = (id) => json(`${sessionPath(id)}/reset`, { method: 'POST' });

/** @returns {Promise<{step: number, memory: number[][]}>} */
export const getMemory = (id) => json(`${sessionPath(id)}/memory`);

/**
 * Takes steps. The number of the first keeps a repeated request from being taken twice.
 *
 * @param {string} id
 * @param {{inputs: number[][], step: number, fields: string[], signal?: AbortSignal}} request
 * @returns {Promise<object[]>} a result for each input
 */
export async function takeSteps(id, { inputs, step, fields, signal }) {
  const body = { inputs, step, return: fields };
  return (await json(`${sessionPath(id)}/step`, { method: 'POST', body, signal })).steps;
}

/**
 * @param {string} id
 * @param {{fields: string[], after?: string, signal: AbortSignal}} options after: the number of
 *   the last event that is known
 * @returns {Promise<Response>} server-sent events
 */
export function openEvents(id, { fields, after, signal }) {
  const headers = { Accept: 'text/event-stream' };
  if (after !== undefined) headers['Last-Event-ID'] = after;
  return request(`${sessionPath(id)}/events?return=${fields.join(',')}`, { headers, signal });
}
