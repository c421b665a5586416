import { decimal } from './decimals.js';

/** A text as one word of a shell. */
const quoted = (text) => `'${text.replaceAll('\'', '\'\\\'\'')}'`;

/**
 * Lines for a shell that make a session of the same model and step it through the same inputs; they
 * print a result for each step. The API key is not among them: they read it from the environment.
 *
 * @param {object} request
 * @param {string} request.base the server's address
 * @param {string} request.model its name
 * @param {number[][]} request.inputs
 * @param {number} request.from the step of the first input
 * @param {boolean} request.keyed whether the server wants a key
 * @returns {string}
 */
export function curlLines({ base, model, inputs, from, keyed }) {
  const header = keyed ? ' -H "Authorization: Bearer $NTM_KEY"' : '';
  const lines = [...caveats(inputs, from)];
  if (keyed) lines.push(': "${NTM_KEY:?put the API key into it first: export NTM_KEY=…}"');
  lines.push(
    `URL=${quoted(base)}`,
    `ID=$(curl -sSf "$URL/sessions"${header} -d ${quoted(JSON.stringify({ model }))} |`,
    '  sed \'s/.*"id":"\\([^"]*\\)".*/\\1/\')',
  );
  if (inputs.length > 0) {
    lines.push(
      `curl -sSN "$URL/sessions/\${ID:?there is no session}/step?return=output"${header} \\`,
      '  -H \'Content-Type: application/x-ndjson\' --data-binary @- <<\'EOF\'',
      ...inputs.map((input) => `[${Array.from(input, decimal).join(',')}]`),
      'EOF',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** What the lines do not do, as comments. */
function caveats(inputs, from) {
  if (inputs.length === 0) return ['# The inputs of no step are known: this only makes a session.'];
  if (from === 1) return [];
  return [
    `# The inputs before step ${from} are not known. A new session begins at the start state, so`,
    '# these lines give other numbers than were shown.',
  ];
}
