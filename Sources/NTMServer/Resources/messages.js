import { useKey } from './api.js';

const byId = (id) => document.getElementById(id);

/**
 * Says what failed and what to do.
 *
 * @param {string} text
 * @param {string} [about] what it is about, so that it can be taken back when that is over
 */
export function showMessage(text, about = '') {
  byId('message-text').textContent = text;
  byId('message').dataset.about = about;
  byId('message').hidden = false;
}

/** @param {string} [about] hides only a message about this; without it any */
export function hideMessage(about = byId('message').dataset.about) {
  if (byId('message').dataset.about !== about) return;
  byId('message').hidden = true;
  byId('message-text').textContent = '';
}

/** Says what came of a sequence, and the like. */
export function showResult(text, isGood = null) {
  byId('result').textContent = text;
  byId('result').dataset.good = isGood ?? '';
}

let asking = null;

/**
 * Asks for the API key and keeps it for this tab.
 *
 * @param {string} why what the server said
 * @returns {Promise<boolean>} whether one was given
 */
export function askForKey(why) {
  const dialog = byId('key-dialog');
  byId('key-why').textContent = why;
  if (asking) return asking;
  byId('key').value = '';
  dialog.returnValue = '';
  dialog.showModal();
  asking = new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      asking = null;
      const isGiven = dialog.returnValue === 'use' && byId('key').value !== '';
      if (isGiven) useKey(byId('key').value);
      resolve(isGiven);
    }, { once: true });
  });
  return asking;
}

/**
 * What to do about an error, in words.
 *
 * @param {Error & {status?: number, type?: string}} error
 */
export function adviceFor(error) {
  const advice = {
    0: 'Is the server running? The page tries again by itself.',
    401: 'Give the key that the server\'s operator gave you.',
    403: 'Open the page by the address that the server was started with.',
    404: 'It may have ended, or it was kept in the memory of a server that was restarted. '
      + 'Make a new one.',
    421: 'Open the page by a name that the server knows, such as 127.0.0.1, or start it with '
      + '--allowed-host.',
    429: 'Close other pages of this server, then try again.',
    503: 'Try again in a moment.',
  }[error.status];
  const said = error.message.replace(/^./, (first) => first.toUpperCase()).replace(/\.$/, '');
  return advice ? `${said}. ${advice}` : `${said}.`;
}
