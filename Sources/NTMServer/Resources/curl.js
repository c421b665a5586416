import { decimal } from './float32.js';

/** A text as a word of a shell. */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * The lines that do the same from a terminal: a session of the model, and these inputs.
 *
 * @param {object} what
 * @param {string} what.base the server's address
 * @param {string} what.model
 * @param {number[][]} what.inputs
 * @param {number} what.from the step that the first of them was
 * @param {boolean} what.keyed whether the server wants a key
 * @returns {string}
 */
export function curlLines({ base, model, inputs, from, keyed }) {
  const lines = [`URL=${quoted(base)}`];
  const header = keyed ? '-H "Authorization: Bearer $NTM_KEY" ' : '';
  if (keyed) lines.push('# NTM_KEY is your API key; it is not written here.');
  if (from > 1) {
    lines.push(
      `# The session had taken ${from - 1} steps before these, which the page does not know.`);
  }
  const body = quoted(JSON.stringify({ model }));
  lines.push(
    `ID=$(curl -sS ${header}"$URL/sessions" -d ${body} | sed 's/.*"id":"\\([^"]*\\)".*/\\1/')`);
  if (inputs.length > 0) {
    lines.push(
      `curl -sS ${header}"$URL/sessions/$ID/step" -H 'Content-Type: application/x-ndjson' `
        + "--data-binary @- <<'EOF'",
      ...inputs.map((input) => `[${Array.from(input, decimal).join(',')}]`),
      'EOF');
  }
  return `${lines.join('\n')}\n`;
}
