import { element } from './elements.js';
import { parseInputs } from './inputs.js';

const byId = (id) => document.getElementById(id);
/** A vector of more numbers is no longer set by hand. */
const MOST_TOGGLES = 64;

/** Inputs that the reader makes: a vector by hand, or pasted and dropped text. */
export class OwnInputs {
  /**
   * @param {object} on
   * @param {(input: number[]) => void} on.send
   * @param {(inputs: number[][]) => void} on.use
   * @param {(error: Error) => void} on.failed
   */
  constructor(on) {
    this.#on = on;
    byId('send').addEventListener('click', () => on.send(toggled(byId('toggles'))));
    byId('use-inputs').addEventListener('click', () => this.#use());
    const area = byId('own-inputs');
    area.addEventListener('dragover', (event) => {
      event.preventDefault();
      area.classList.add('dropping');
    });
    area.addEventListener('dragleave', () => area.classList.remove('dropping'));
    area.addEventListener('drop', (event) => this.#drop(event));
  }

  #on;
  #width;

  /** Takes inputs for another model from now on. */
  open(model, task) {
    this.#width = model.input_size;
    byId('hand').hidden = this.#width > MOST_TOGGLES;
    byId('toggles').replaceChildren(
      ...(this.#width > MOST_TOGGLES ? [] : toggles(this.#width, 'Input', task?.inputLabels)));
  }

  #use() {
    try {
      this.#on.use(parseInputs(byId('own-inputs').value, this.#width));
    } catch (error) {
      this.#on.failed(error);
    }
  }

  async #drop(event) {
    const area = byId('own-inputs');
    area.classList.remove('dropping');
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    area.value = await file.text();
    this.#use();
  }
}

/**
 * Buttons that set the numbers of a vector to 0 or 1.
 *
 * @param {number} count
 * @param {string} name of each, before its index
 * @param {string[]} [labels] what each means
 * @param {ArrayLike<number>} [values] what they are at first
 */
export function toggles(count, name, labels = [], values = []) {
  return Array.from({ length: count }, (_, index) => element('button', {
    type: 'button',
    title: labels[index] ?? '',
    'aria-label': `${name} ${index}`,
    'aria-pressed': String((values[index] ?? 0) >= 0.5),
    dataset: { value: values[index] ?? 0 },
    onclick: ({ currentTarget: button }) => {
      const value = button.getAttribute('aria-pressed') === 'true' ? 0 : 1;
      button.setAttribute('aria-pressed', String(value === 1));
      button.dataset.value = value;
    },
  }, String(index)));
}

/** @returns {number[]} the vector that toggles are set to */
export const toggled = (place) =>
  [...place.querySelectorAll('button[aria-pressed]')].map(({ dataset }) => Number(dataset.value));
