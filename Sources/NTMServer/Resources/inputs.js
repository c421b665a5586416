import { cellsOf, separatorOf } from './cells.js';

/** What is wrong with a text of inputs, and where. */
export class InputError extends Error {
  /**
   * @param {number | string} place a line, from 1, or what else tells the place
   * @param {string} message what is wrong there and what would be right
   */
  constructor(place, message) {
    super(typeof place === 'number' ? `Line ${place}: ${message}` : `${place}: ${message}`);
    this.name = 'InputError';
    /** @type {number | undefined} */
    this.line = typeof place === 'number' ? place : undefined;
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
 * object that has one as `input`). Lines without anything are passed over. A list of inputs in
 * JSON, or the body of a request that has one as `inputs`, will do, too.
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
  if (!isJSON) return parseCSV(lines, width);
  return listOfInputs(text, width) ?? parseNDJSON(lines, width);
}

/** The inputs of a text that is one list of lists; undefined for any other. */
function listOfInputs(text, width) {
  const value = parsed(text.replace(/^\uFEFF/, ''));
  const list = value?.inputs ?? value;
  if (!Array.isArray(list) || !Array.isArray(list[0])) return undefined;
  return list.map((input, index) => checked(input, width, `Input ${index + 1}`));
}

/** The value of a text in JSON; undefined for what is not. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseNDJSON(lines, width) {
  const wanted = `each line is one input: a list of ${values(width)}, or {"input": such a list}`;
  return lines.map(({ content, number }) => {
    const value = parsed(content);
    if (value === undefined) {
      throw new InputError(number, `${quoted(content.trim())} is not JSON; ${wanted}`);
    }
    return checked(Array.isArray(value) ? value : value?.input, width, number, wanted);
  });
}

/** An input of JSON, if it is one. */
function checked(input, width, place, wanted = `an input is a list of ${values(width)}`) {
  if (!Array.isArray(input)) {
    throw new InputError(place, `there is no list of numbers; ${wanted}`);
  }
  if (Array.isArray(input[0])) {
    throw new InputError(place, `there are lists within the list; ${wanted}`);
  }
  checkWidth(input.length, width, place);
  input.forEach((element, index) => {
    if (typeof element !== 'number') {
      throw new InputError(place, `value ${index + 1} is ${quoted(JSON.stringify(element))}; it `
        + 'must be a number, without quotes');
    }
    checkSize(element, String(element), index, place);
  });
  return input;
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
  throw new InputError(line, `there ${count === 1 ? 'is' : 'are'} ${values(count)}${ending}; `
    + `the model takes ${width}`);
}
