/** What values may stand apart by: the first of these that a text has. */
const SEPARATORS = ['\t', ';', ',', ' '];

/** @returns {string} what the values of a line of CSV stand apart by */
export const separatorOf = (line) =>
  SEPARATORS.find((one) => (one === ' ' ? line.trim() : line).includes(one)) ?? ',';

/**
 * @param {string} line of CSV
 * @param {string} separator
 * @returns {string[] | null} its values; null where a quotation mark is not closed
 */
export function cellsOf(line, separator) {
  if (separator === ' ') return line.trim().split(/\s+/);
  const pieces = [];
  let open = null;
  for (const piece of line.split(separator)) {
    const whole = open === null ? piece : `${open}${separator}${piece}`;
    const isClosed = (whole.split('"').length - 1) % 2 === 0;
    open = isClosed ? null : whole;
    if (isClosed) pieces.push(whole);
  }
  if (open !== null) return null;
  return pieces.map((piece) => unquoted(piece.trim()));
}

const unquoted = (cell) => {
  const [, inner] = /^"((?:[^"]|"")*)"$/s.exec(cell) ?? [];
  return inner === undefined ? cell : inner.replaceAll('""', '"').trim();
};
