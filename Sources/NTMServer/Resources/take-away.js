import { apiKey } from './api.js';
import { csvOf } from './csv.js';
import { curlLines } from './curl.js';
import { element } from './elements.js';
import { save } from './export.js';
import { showMessage } from './messages.js';

const byId = (id) => document.getElementById(id);

/** What there is as CSV, and its name for people. */
const DATA = {
  inputs: 'inputs',
  outputs: 'outputs',
  targets: 'targets',
  read_weightings: 'read weightings',
  write_weightings: 'write weightings',
  heads: 'heads',
  memory: 'memory',
};

/**
 * The buttons that give the reader the data, and the requests that made them.
 *
 * @param {() => import('./recording.js').Recording} current the recording that is shown
 */
export function connectTakeAway(current) {
  byId('csv-what').append(...Object.entries(DATA).map(([value, text]) =>
    element('option', { value }, text)));
  byId('save-csv').addEventListener('click', () => saveCSV(current()));
  byId('show-curl').addEventListener('click', () => showCurl(current()));
  byId('copy-curl').addEventListener('click', () => copyCurl());
}

function saveCSV(recording) {
  const what = byId('csv-what').value;
  const name = `${recording.model.name}_${recording.session.slice(0, 8)}_${what}.csv`;
  save(new Blob([csvOf(recording, what)], { type: 'text/csv' }), name);
}

/** The inputs from the newest stretch that is known without a gap, to the newest step. */
function knownInputs(recording) {
  let from = recording.last + 1;
  while (recording.get('input', from - 1)) from -= 1;
  const inputs = Array.from({ length: recording.last + 1 - from }, (_, index) =>
    [...recording.get('input', from + index)]);
  return { inputs, from };
}

function showCurl(recording) {
  const { inputs, from } = knownInputs(recording);
  const box = byId('curl-box');
  byId('curl').value = curlLines({
    base: location.origin,
    model: recording.model.name,
    inputs,
    from,
    keyed: apiKey() !== '',
  });
  box.hidden = false;
  byId('curl').focus();
}

async function copyCurl() {
  const area = byId('curl');
  try {
    await navigator.clipboard.writeText(area.value);
    byId('copied').textContent = 'Copied to the clipboard.';
  } catch {
    // Only pages of this machine or of HTTPS may write to the clipboard.
    area.select();
    showMessage('The browser does not let this page write to the clipboard. The lines are '
      + 'selected: copy them by Ctrl+C.');
  }
}
