import { cellsOf, separatorOf } from './cells.js';

/** What is wrong with a text of inputs, and where. */
export class InputError extends Error {
  /**
   * @param {number} line from 1
   * @param {string} message what is wrong there and what would be right
   */
  constructor(line, message) {
    super(`Line ${line}: ${message}`);
    this.name = 'InputError';
    this.line = line;
  }
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const DECIMAL_COMMA = /^[+-]?\d*,\d+$/;
const GREATEST = '3.4e38';
/** So much of what is wrong is told. */
const LONGEST_QUOTATION = 30;

const quoted = (text) =>
  `“${text.length > LONGEST_QUOTATION ? `${text.slice(0, LONGEST_QUOTATION)}…` : text}”`;
const values = (count) => `${count} ${count === 1 ? 'value' : 'values'}`;

/**
 * Reads inputs: a line for each step, as CSV (with commas, semicolons, tabs or spaces; with or
 * without a header; a first column `step` is left out), or as NDJSON (a list of numbers, or an
 * object that has one as `input`). Lines without anything are passed over.
 *
 * @param {string} text
 * @param {number} width how many numbers the model takes
 * @returns {number[][]}
 * @throws {InputError} at the first line that is not as it should be
 */
export function parseInputs(text, width) {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
    .map((content, index) => ({ content: content.trim() === '' ? '' : content, number: index + 1 }))
    .filter(({ content }) => content !== '');
  if (lines.length === 0) {
    throw new InputError(1, `there are no inputs. Write a line for each step, ${values(width)} in `
      + `each, such as ${new Array(Math.min(width, 3)).fill(0)}${width > 3 ? ',…' : ''}`);
  }
  const isJSON = /^\s*[[{]/.test(lines[0].content);
  return isJSON ? parseNDJSON(lines, width) : parseCSV(lines, width);
}

function parseNDJSON(lines, width) {
  return lines.map(({ content, number }) => {
    const wanted = `each line is one input: a list of ${values(width)}, or {"input": such a list}`;
    let value;
    try {
      value = JSON.parse(content);
    } catch {
      throw new InputError(number, `${quoted(content.trim())} is not JSON; ${wanted}`);
    }
    const input = Array.isArray(value) ? value : value?.input;
    if (!Array.isArray(input)) {
      throw new InputError(number, `there is no list of numbers; ${wanted}`);
    }
    if (Array.isArray(input[0])) {
      throw new InputError(number, `there are lists within the list; ${wanted}`);
    }
    checkWidth(input.length, width, number);
    input.forEach((element, index) => {
      if (typeof element !== 'number') {
        throw new InputError(number, `value ${index + 1} is ${JSON.stringify(element)}; it must be `
          + 'a number without quotes');
      }
      checkSize(element, String(element), index, number);
    });
    return input;
  });
}

function parseCSV(lines, width) {
  const separator = separatorOf(lines[0].content);
  const rows = lines.map(({ content, number }) => {
    const cells = cellsOf(content, separator);
    if (!cells) throw new InputError(number, 'a quotation mark is not closed on this line');
    return { cells, number };
  });
  const hasHeader = rows[0].cells.every((cell) => /^[a-z_]/i.test(cell) && !isSpecial(cell));
  const header = hasHeader ? rows.shift().cells : [];
  if (rows.length === 0) {
    throw new InputError(lines[0].number, 'there are no inputs below the header');
  }
  const skipped = header[0]?.toLowerCase() === 'step' ? 1 : 0;
  return rows.map(({ cells, number }) => {
    const input = cells.slice(skipped);
    checkWidth(input.length, width, number, input.at(-1) === '');
    return input.map((cell, index) => numberOf(cell, index + skipped, number));
  });
}

/** A number that is not finite is no name of a column. */
const isSpecial = (cell) => /^(nan|inf|infinity|null|true|false)$/i.test(cell);

function numberOf(cell, index, line) {
  if (cell === '') {
    throw new InputError(line, `value ${index + 1} is empty; write 0 for nothing`);
  }
  if (!NUMBER.test(cell)) {
    const advice = DECIMAL_COMMA.test(cell)
      ? `write it with a point: ${cell.replace(',', '.')}`
      : 'it must be a number, such as 1 or 0.5';
    throw new InputError(line, `value ${index + 1} is ${quoted(cell)}; ${advice}`);
  }
  const value = Number(cell);
  checkSize(value, cell, index, line);
  return value;
}

function checkSize(value, text, index, line) {
  if (Number.isFinite(Math.fround(value))) return;
  throw new InputError(line, `value ${index + 1} is ${quoted(text)}, more than float32 holds; it `
    + `must be from -${GREATEST} to ${GREATEST}`);
}

function checkWidth(count, width, line, endsEmpty = false) {
  if (count === width) return;
  const ending = endsEmpty ? ', the last one empty' : '';
  throw new InputError(line, `there are ${values(count)}${ending}; the model takes ${width}`);
}
