import { element } from './elements.js';
import { plural } from './numbers.js';
import { Player, SPEEDS } from './player.js';
import { hideMessage, showResult } from './messages.js';
import { score, taskFor } from './tasks.js';
import { OwnInputs } from './own-inputs.js';

const byId = (id) => document.getElementById(id);
/** Whoever asks for less motion gets the whole picture at once. */
const calm = matchMedia('(prefers-reduced-motion: reduce)');

/**
 * What drives the open session: random sequences of its task, inputs of one's own, and the player.
 */
export class Drive {
  /**
   * @param {object} on
   * @param {(error: Error) => void} on.failed
   * @param {(text: string) => void} on.told
   * @param {(planned: number) => void} on.planned the last step that is going to be taken
   * @param {() => void} on.begins something else than what is compared is about to be driven
   */
  constructor(on) {
    this.#on = on;
    this.#own = new OwnInputs({
      send: (input) => this.#start([input], true),
      use: (inputs) => this.#start(inputs, false),
      failed: on.failed,
    });
    byId('new-sequence').addEventListener('click', () => this.#newSequence());
    byId('play').addEventListener('click', () => { hideMessage(); this.player.play(); });
    byId('pause').addEventListener('click', () => this.player.pause());
    byId('step').addEventListener('click', () => { hideMessage(); this.player.step(); });
    const speed = byId('speed');
    speed.max = SPEEDS.length - 1;
    speed.value = calm.matches ? SPEEDS.length - 1 : SPEEDS.indexOf(10);
    speed.addEventListener('input', () => this.#setSpeed());
  }

  #on;
  #own;
  #task;
  #episode = null;
  #ownPlayer = null;
  player = null;

  /** Whether the session's model has a task that is known, and so targets. */
  get hasTask() {
    return this.#task !== undefined;
  }

  /** Drives another session from now on. */
  open(live) {
    this.close();
    this.live = live;
    this.#episode = null;
    this.#task = taskFor(live.model);
    this.#ownPlayer = this.makePlayer(live, () => this.#finish());
    this.player = this.#ownPlayer;
    byId('task').hidden = !this.#task;
    byId('no-task').hidden = Boolean(this.#task);
    byId('by-hand').open = !this.#task;
    byId('settings').replaceChildren(...(this.#task?.settings ?? []).map((setting) =>
      element('label', {}, `${setting.label} `, element('input', {
        type: 'number', id: `setting-${setting.name}`, min: setting.least, max: setting.most,
        step: setting.step ?? 1, value: setting.value, required: true,
      }))));
    byId('seed').value = 1;
    this.#own.open(live.model, this.#task);
    this.#setSpeed();
    showResult('');
    this.#show();
  }

  close() {
    this.player?.pause();
  }

  /** Drives a branch by its own player, until it is given back by null. */
  take(player) {
    this.close();
    this.player = player ?? this.#ownPlayer;
    this.#setSpeed();
    this.#show();
  }

  /** A player that tells of its mishaps the way this bar does. */
  makePlayer(live, finished) {
    return new Player(live, {
      change: () => this.#show(),
      finished,
      failed: (error) => this.#on.failed(error, live),
      waiting: (error) => this.#on.told(`${error.message}; trying again…`),
    });
  }

  #setSpeed() {
    const speed = SPEEDS[Number(byId('speed').value)];
    const text = speed === Infinity ? 'as fast as it goes' : `${plural(speed, 'step')} a second`;
    byId('speed-text').textContent = text;
    byId('speed').setAttribute('aria-valuetext', text);
    if (this.player) this.player.speed = speed;
  }

  /** The settings as they are set; null where one is not as it should be. */
  #settings() {
    const values = {};
    for (const { name } of this.#task.settings) {
      const field = byId(`setting-${name}`);
      if (!field.reportValidity()) return null;
      values[name] = Number(field.value);
    }
    return byId('seed').reportValidity() ? values : null;
  }

  async #newSequence() {
    const values = this.#settings();
    if (!values) return;
    hideMessage();
    this.#on.begins();
    await this.player.halt();
    const seed = Number(byId('seed').value);
    try {
      const episode = this.#task.generate(values, seed, this.live.model);
      const hadSteps = this.live.recording.last > 0;
      if (hadSteps) await this.live.reset();
      this.#episode = episode;
      this.player.load(episode.inputs);
      this.expect(this.live, episode, 0);
      this.#on.planned(episode.inputs.length);
      showResult(`${hadSteps ? 'The session was reset. ' : ''}${episode.title}: ${
        plural(episode.inputs.length, 'step')} to take.`);
      byId('seed').value = (seed + 1) % 2 ** 32;
      this.player.play();
    } catch (error) {
      this.#on.failed(error, this.live);
    }
  }

  /** Tells a recording the targets of a sequence, from one of its inputs on. */
  expect(live, episode, from) {
    const targets = episode.targets.map((target, at) => (episode.mask[at] ? target : null));
    live.recording.expect(live.recording.last + 1, targets.slice(from));
  }

  async #start(inputs, isByHand) {
    hideMessage();
    this.#on.begins();
    await this.player.halt();
    this.#episode = null;
    const first = this.live.recording.last + 1;
    this.live.recording.expect(first, []);
    this.player.load(inputs);
    this.#on.planned(first + inputs.length - 1);
    showResult(isByHand ? '' : `${plural(inputs.length, 'input')} to take.`);
    await this.player.play();
  }

  /** Where somebody else stepped it: the inputs that are left go on from where the session is. */
  realign(live) {
    if (this.#episode && live === this.live) {
      this.expect(live, this.#episode, this.player.position);
    }
    this.#show();
  }

  #finish() {
    if (!this.#episode) {
      showResult(`${plural(this.player.total, 'input')} taken.`);
      return;
    }
    const outputs = this.player.steps.map((step) => this.live.recording.get('output', step));
    const { bits, wrong } = score(this.#episode, outputs);
    showResult(`${this.#episode.title}: ${wrong} of ${bits} bits wrong`, wrong === 0);
  }

  #show() {
    const { player } = this;
    if (!player) return;
    byId('play').disabled = player.isPlaying || player.isFinished;
    byId('pause').disabled = !player.isPlaying;
    byId('step').disabled = player.isPlaying || player.isFinished;
    byId('progress').textContent = player.total
      ? `input ${player.position} of ${player.total}` : 'no inputs yet';
  }
}
