import * as api from './api.js';
import { Drive } from './drive.js';
import { guideFor } from './guide.js';
import { SessionList, showModels } from './lists.js';
import { LiveSession } from './live-session.js';
import { adviceFor, askForKey, hideMessage, showMessage } from './messages.js';
import { duration } from './numbers.js';
import { connectScrub, showScrub } from './scrub.js';
import { Stage } from './stage.js';
import { connectTakeAway } from './take-away.js';
import { Timeline } from './timeline.js';
import { WhatIf } from './what-if.js';

const byId = (id) => document.getElementById(id);

/** How a session can end, in words. */
const ENDINGS = {
  deleted: 'was deleted',
  expired: 'ended because nobody used it for its time',
};

const timeline = new Timeline();
const stage = new Stage(byId('stage'), timeline, () => showScrub(timeline));
let live = null;

const drive = new Drive({
  failed: fail,
  told: showMessage,
  planned: (step) => timeline.setPlanned(step),
  begins: () => whatIf.close(),
});
const whatIf = new WhatIf({ drive, stage, timeline, attempt });

const sessions = new SessionList(
  {
    list: byId('sessions'),
    empty: byId('sessions-empty'),
    first: byId('sessions-first'),
    next: byId('sessions-next'),
  },
  { open: (id) => attempt(() => openByID(id)), failed: lost, succeeded: found },
);

/** Says what failed; asks for a key where one is wanted. */
async function fail(error, session = live) {
  if (error.status === 401) {
    await askAndStart(error);
    return;
  }
  if (error.type === 'urn:ntm:problem:wrong-step' && session) {
    await tellOfOthers(error, session);
    return;
  }
  showMessage(adviceFor(error));
}

async function tellOfOthers(error, session) {
  const step = await session.resynchronize();
  drive.realign(session);
  showMessage(`Somebody else has stepped this session: it is at step ${step} now, and this page `
    + `expected step ${error.problem.got - 1}. Play goes on from there with the inputs that are `
    + 'left; New random sequence begins anew.');
}

/** Does something that may fail. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    await fail(error);
  }
}

async function askAndStart(error) {
  if (!await askForKey(error.message)) {
    showMessage('Without a key the server tells nothing. Reload the page to be asked again.');
    return;
  }
  hideMessage();
  await attempt(start);
  if (live?.isOver) live.followAgain();
}

let isLost = false;

/** The list of sessions could not be had: the server is gone, or wants a key. */
function lost(error) {
  if (error.status === 401) {
    fail(error);
    return;
  }
  isLost = true;
  showMessage(adviceFor(error), 'lost');
}

/** The server answers again. */
function found() {
  if (!isLost) return;
  isLost = false;
  hideMessage('lost');
  attempt(start);
}

async function openNew(model) {
  const info = await api.createSession(model.name);
  open(await api.getModel(model.name), info);
  sessions.refresh();
}

async function openByID(id) {
  const info = await api.getSession(id);
  open(await api.getModel(info.model), info);
}

function open(model, info) {
  hideMessage();
  live?.close();
  live = new LiveSession(model, info, { state: showState, note: showMessage });
  history.replaceState(null, '', `#${info.id}`);
  timeline.setPlanned(0);
  drive.open(live);
  whatIf.open(live);
  stage.show([{ recording: live.recording, hasTargets: drive.hasTask }]);
  for (const id of ['drive', 'panels', 'take-away']) byId(id).hidden = false;
  byId('welcome').hidden = true;
  byId('guide').textContent = guideFor(model);
  byId('session-line').textContent = describe(model, info);
  sessions.current = info.id;
  // On a narrow screen the lists are above.
  if (matchMedia('(max-width: 900px)').matches) byId('drive').scrollIntoView();
}

function describe(model, info) {
  const before = info.step
    ? ` Opened at step ${info.step}: what was before is not known to this page.` : '';
  return `Session ${info.id} of ${model.name}.${before}`;
}

/** Says how the line to the session's events stands. */
function showState(state, { wait, reason, error }) {
  const connection = byId('connection');
  connection.dataset.state = state;
  if (state === 'live') connection.textContent = 'live';
  if (state === 'broken') {
    connection.textContent = `no line to the server; trying again in ${duration(wait)}`;
  }
  if (state !== 'ended') return;
  connection.textContent = 'session over';
  drive.close();
  if (error?.status === 401) fail(error);
  else if (error) showMessage(adviceFor(error));
  else {
    showMessage(`This session ${ENDINGS[reason] ?? `ended (${reason})`}. What was seen of it stays `
      + 'on this page; make a new session to go on.');
  }
}

/** Asks what there is, and opens the session that the page's address names. */
async function start() {
  const models = await api.listModels();
  showModels(byId('models'), models, (model) => attempt(() => openNew(model)));
  sessions.refresh();
  const id = location.hash.slice(1);
  if (id && !live) await openByID(id);
}

connectScrub(timeline, stage);
connectTakeAway(() => live.recording);
byId('message-close').addEventListener('click', () => hideMessage());
byId('open-form').addEventListener('submit', (event) => {
  event.preventDefault();
  attempt(() => openByID(byId('open-id').value.trim()));
});
addEventListener('hashchange', () => attempt(() => openByID(location.hash.slice(1))));
attempt(start);
