import * as api from './api.js';
import { element } from './elements.js';
import { LiveSession } from './live-session.js';
import { hideMessage, showMessage, showResult } from './messages.js';
import { plural } from './numbers.js';
import { toggled, toggles } from './own-inputs.js';

const byId = (id) => document.getElementById(id);
/** What stands over one of two sessions. */
const titleOf = (what, { id }) => [`${what} `, element('code', {}, id)];

/** Inputs of a request where a session is taken to a step again. */
const REPLAY = 500;

/**
 * "What if": from a step on, another input than the one that was given, in a session of its own
 * beside the first.
 */
export class WhatIf {
  /**
   * @param {object} parts
   * @param {import('./drive.js').Drive} parts.drive
   * @param {import('./stage.js').Stage} parts.stage
   * @param {import('./timeline.js').Timeline} parts.timeline
   * @param {(action: () => Promise<void>) => void} parts.attempt does what may fail
   */
  constructor(parts) {
    Object.assign(this, parts);
    byId('what-if').addEventListener('click', () => this.#ask());
    byId('close-comparison').addEventListener('click', () => this.close());
  }

  #live = null;
  #branch = null;

  /** Branches are made of this session from now on. */
  open(live) {
    this.#end();
    this.#live = live;
  }

  /** Goes back to the first session alone. */
  close() {
    if (!this.#branch) return;
    this.#end();
    this.drive.take(null);
    this.stage.show([{
      recording: this.#live.recording, hasTargets: this.drive.hasTask,
    }]);
  }

  #end() {
    byId('what-if-form').hidden = true;
    byId('close-comparison').hidden = true;
    this.#branch?.close();
    this.#branch = null;
  }

  /** Why no branch can be made at a step; empty where it can. */
  #hindrance(step) {
    const { recording } = this.#live;
    if (this.drive.player.isPlaying) return 'Press Pause first: the session is being stepped.';
    if (step === recording.last) {
      return this.#live.isOver ? 'The session is over: choose an earlier step to branch from.' : '';
    }
    for (let at = 1; at <= recording.last; at += 1) {
      if (!recording.get('input', at)) {
        return `The input of step ${at} is not known to this page, so it can only branch from the `
          + 'newest step: press Follow, then What if.';
      }
    }
    return '';
  }

  #ask() {
    hideMessage();
    this.close();
    const { recording } = this.#live;
    const step = this.timeline.shown;
    const hindrance = this.#hindrance(step);
    if (hindrance) {
      showMessage(hindrance);
      return;
    }
    const width = this.#live.model.input_size;
    const original = recording.get('input', step + 1);
    const switches = element('div.toggles', {
      role: 'group', 'aria-label': `Input of step ${step + 1}`,
    }, ...toggles(width, 'What-if input', [], original));
    const form = byId('what-if-form');
    form.replaceChildren(
      element('p', {}, `What if step ${step + 1} had another input? The steps before stay as they `
        + `were${original ? ', and the inputs after it, too' : ''}.`),
      switches,
      element('div.controls', {},
        element('button.primary', {
          type: 'button', onclick: () => this.attempt(() => this.#make(step, toggled(switches))),
        }, 'Branch'),
        element('button', { type: 'button', onclick: () => this.#cancel() }, 'Cancel')));
    form.hidden = false;
    switches.querySelector('button')?.focus();
  }

  #cancel() {
    byId('what-if-form').hidden = true;
    byId('what-if').focus();
  }

  async #make(step, input) {
    const live = this.#live;
    byId('what-if-form').hidden = true;
    const info = step === live.recording.last
      ? await api.forkSession(live.id) : await this.#replay(step);
    if (this.#live !== live) return;
    const recording = live.recording.branch(info.id, step);
    const following = this.#rest(step + 2);
    this.#compareWith(recording, step);
    this.#branch = new LiveSession(live.model, info, {
      state: (state, detail) => this.#sayState(state, detail),
      note: showMessage,
    }, recording);
    this.#show(live, step);
    this.#play(step, [input, ...following]);
  }

  /** A new session of the same model, taken to a step by the same inputs. */
  async #replay(step) {
    const { recording, model } = this.#live;
    let info = await api.createSession(model.name);
    if (info.model_version !== model.version) {
      showMessage(`Model ${model.name} was loaded anew since: the branch has other weights.`);
    }
    for (let from = 1; from <= step; from += REPLAY) {
      const to = Math.min(step, from + REPLAY - 1);
      await api.takeSteps(info.id, { inputs: this.#inputs(from, to), step: from, fields: [] });
      info = { ...info, step: to };
    }
    return info;
  }

  #inputs(from, to) {
    const { recording } = this.#live;
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) =>
      [...recording.get('input', from + index)]);
  }

  #rest(from) {
    return this.#inputs(from, this.#live.recording.last);
  }

  /** In the branch, what the original gave is what its outputs are compared with. */
  #compareWith(recording, step) {
    const original = this.#live.recording;
    const hasTargets = original.names.includes('target');
    const targets = [];
    for (let at = step + 1; at <= original.last; at += 1) {
      const matters = !hasTargets || original.get('target', at);
      targets.push(matters ? original.get('output', at) ?? null : null);
    }
    recording.expect(step + 1, targets);
  }

  #show(live, step) {
    this.stage.show([
      {
        recording: live.recording,
        name: 'original',
        title: titleOf('Original', live),
        hasTargets: true,
      },
      {
        recording: this.#branch.recording,
        name: 'branch',
        title: titleOf(`Branch after step ${step}`, this.#branch),
        targetTitle: 'Original\'s output',
        hasTargets: true,
      },
    ]);
    byId('close-comparison').hidden = false;
  }

  #play(step, inputs) {
    const branch = this.#branch;
    const player = this.drive.makePlayer(branch, () => this.#say(step));
    player.load(inputs);
    this.drive.take(player);
    this.timeline.setPlanned(step + inputs.length);
    showResult(`Branch: ${plural(inputs.length, 'step')} to take, the input of step ${step + 1} `
      + 'changed.');
    player.play();
  }

  /** Says how many bits came out differently. */
  #say(step) {
    const { recording } = this.#branch;
    let [bits, different] = [0, 0];
    for (let at = step + 1; at <= recording.last; at += 1) {
      const [output, original] = [recording.get('output', at), recording.get('target', at)];
      if (!output || !original) continue;
      bits += output.length;
      different += output.filter((value, row) => (value >= 0.5) !== (original[row] >= 0.5)).length;
    }
    showResult(bits
      ? `Branch: ${different} of ${bits} bits differ from the original`
      : 'Branch: the original has no steps to compare with.');
  }

  #sayState(state, { reason, error }) {
    if (state === 'ended') {
      showMessage(`The branch's session is over (${error?.message ?? reason}). Its picture stays.`);
    }
  }
}
