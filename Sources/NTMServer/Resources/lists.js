import * as api from './api.js';
import { element } from './elements.js';
import { bytes, count, duration } from './numbers.js';

/** How often the list of sessions is asked for, in milliseconds. */
const INTERVAL = 2000;

/** How well a model does, as its file says; `ntm eval` writes it this way. */
function figures(model) {
  const set = model.training?.evaluation?.sets?.[0];
  if (typeof set?.wrong_bits !== 'number' || typeof set.bits !== 'number') return [];
  return [`${count(set.wrong_bits)} of ${count(set.bits)} bits wrong in tests`];
}

function facts(model) {
  const { memory, controller, heads } = model;
  const kind = controller.type === 'lstm' ? 'LSTM' : 'feed-forward';
  const reads = heads.filter((head) => head !== 'write').length;
  const writes = heads.filter((head) => head !== 'read').length;
  return [
    `${model.input_size} in, ${model.output_size} out, memory ${memory.rows} × ${memory.columns}`,
    `${kind} of ${controller.units}, ${reads} read and ${writes} write ${
      reads + writes === 2 ? 'head' : 'heads'}`,
    `${count(model.parameters)} parameters`,
    ...figures(model),
  ];
}

/**
 * Lists the models, with a button for a new session of each.
 *
 * @param {HTMLElement} place
 * @param {object[]} models
 * @param {(model: object) => void} open
 */
export function showModels(place, models, open) {
  place.replaceChildren(...models.map((model) => element('li', {},
    element('button', {
      type: 'button', onclick: () => open(model),
    }, `New session of ${model.name}`),
    element('p.facts', {}, facts(model).join(' · ')))));
  if (!models.length) {
    place.replaceChildren(element('li', {},
      'The server has no models. Start it with --models and a folder that has some.'));
  }
}

/** The list of sessions, which is asked for again and again. */
export class SessionList {
  /**
   * @param {object} nodes `list`, `empty` (what is shown where there are none), `first` and `next` (buttons that turn pages)
   * @param {object} on
   * @param {(info: object) => void} on.open
   * @param {(error: Error) => void} on.failed
   * @param {() => void} on.succeeded
   */
  constructor(nodes, on) {
    this.#nodes = nodes;
    this.#on = on;
    nodes.first.addEventListener('click', () => this.#turn('/sessions'));
    nodes.next.addEventListener('click', () => this.#turn(this.#next));
    document.addEventListener('visibilitychange', () => this.refresh());
  }

  #nodes;
  #on;
  #page = '/sessions';
  #next = null;
  #timer = 0;
  #rows = new Map();
  current = null;

  #turn(page) {
    this.#page = page;
    this.refresh();
  }

  /** Asks now, and then every two seconds while the page is seen. */
  async refresh() {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    try {
      const { sessions, next } = await api.listSessions(this.#page);
      this.#show(sessions, next);
      this.#on.succeeded();
    } catch (error) {
      this.#on.failed(error);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), INTERVAL);
  }

  /** Rows that are there stay, so that the focus stays where it is. */
  #show(sessions, next) {
    this.#next = next;
    this.#nodes.next.hidden = !next;
    this.#nodes.first.hidden = this.#page === '/sessions';
    const ids = new Set(sessions.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (!ids.has(id)) {
        row.node.remove();
        this.#rows.delete(id);
      }
    }
    this.#nodes.empty.hidden = sessions.length > 0;
    sessions.forEach((info) => this.#showOne(info));
  }

  #showOne(info) {
    if (!this.#rows.has(info.id)) this.#addRow(info);
    const row = this.#rows.get(info.id);
    const idle = Date.now() - Date.parse(info.last_activity);
    row.text.textContent =
      `${info.model}, step ${count(info.step)}, idle ${duration(idle)}, ${bytes(info.state_bytes)}`;
    row.node.toggleAttribute('data-current', info.id === this.current);
    if (info.id === this.current) row.button.setAttribute('aria-current', 'true');
    else row.button.removeAttribute('aria-current');
  }

  #addRow(info) {
    const text = element('span.facts');
    const button = element('button.quiet', {
      type: 'button',
      'aria-label': `Open session ${info.id}`,
      onclick: () => this.#on.open(info.id),
    }, element('code', {}, info.id));
    const node = element('li', {}, button, text);
    this.#rows.set(info.id, { node, text, button });
    // They come in the order in which they were made: the newest is to be on top.
    this.#nodes.list.prepend(node);
  }
}
