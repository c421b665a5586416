import { LARGEST_FLOAT32 } from './float32.js';

/** What is wrong with a text of inputs, and in which line. */
export class InputError extends Error {
  constructor(message, line) {
    super(line ? `Line ${line}: ${message}` : message);
    this.line = line;
  }
}

/**
 * Reads inputs of CSV, of lines of JSON or of a list in JSON.
 *
 * CSV may have commas, semicolons, tabs or spaces between the numbers, a row of names above, and a
 * column `step`, as what this page saves has.
 *
 * @param {string} text
 * @param {number} width numbers of an input
 * @returns {number[][]} `width` finite numbers each
 * @throws {InputError} that names the line, and says what would be right
 */
export function parseInputs(text, width) {
  const whole = text.trim();
  if (whole === '') {
    throw new InputError(`there are no inputs; put one of ${width} numbers on each line`);
  }
  const inputs = whole.startsWith('[') || whole.startsWith('{')
    ? parseJSON(text, width) : parseCSV(text, width);
  if (inputs.length === 0) {
    throw new InputError(`there are no inputs below the names; each has ${width} numbers`);
  }
  return inputs;
}

/** The lines that are not blank, with their numbers. */
const numbered = (text) => text.split(/\r\n|\r|\n/)
  .map((line, index) => ({ line: line.trim(), number: index + 1 }))
  .filter(({ line }) => line !== '');

function checked(values, width, number) {
  if (values.length !== width) {
    throw new InputError(
      `there ${values.length === 1 ? 'is 1 number' : `are ${values.length} numbers`}; `
        + `the model takes ${width}`, number);
  }
  const wrong = values.find((value) => typeof value !== 'number'
    || !(Math.abs(value) <= LARGEST_FLOAT32));
  if (wrong !== undefined) {
    throw new InputError(
      `${JSON.stringify(wrong)} is no number that a float32 can have`, number);
  }
  return values;
}

function parseJSON(text, width) {
  const whole = attempt(() => JSON.parse(text));
  const list = whole?.inputs ?? whole;
  if (Array.isArray(list) && Array.isArray(list[0])) {
    return list.map((input, index) => {
      if (!Array.isArray(input)) throw new InputError(`input ${index + 1} is no list of numbers`);
      return checked(input, width);
    });
  }
  return numbered(text).map(({ line, number }) => {
    const value = attempt(() => JSON.parse(line));
    const input = value?.input ?? value;
    if (!Array.isArray(input)) {
      throw new InputError(
        `it is neither a list of numbers such as [0, 1] nor {"input": [0, 1]}`, number);
    }
    return checked(input, width, number);
  });
}

function attempt(parse) {
  try {
    return parse();
  } catch {
    return undefined;
  }
}

const isNumber = (cell) => cell !== '' && Number.isFinite(Number(cell));

function parseCSV(text, width) {
  const rows = numbered(text).map(({ line, number }) => ({ cells: cellsOf(line), number }));
  const names = rows[0].cells.some((cell) => /[a-z]/i.test(cell) && !isNumber(cell))
    && !rows[0].cells.some(isNumber) ? rows.shift().cells : [];
  const from = names[0]?.toLowerCase() === 'step' ? 1 : 0;
  return rows.map(({ cells, number }) => {
    const own = cells.slice(from);
    const wrong = own.findIndex((cell) => !isNumber(cell));
    if (wrong >= 0) {
      throw new InputError(
        own[wrong] === '' ? `value ${wrong + 1} is missing`
          : `"${own[wrong]}" is no number; ${width} numbers are expected`, number);
    }
    return checked(own.map(Number), width, number);
  });
}

/** What separates cells is the first of these that the line has. */
function cellsOf(line) {
  const separator = [',', ';', '\t'].find((mark) => line.includes(mark)) ?? /\s+/;
  return line.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1').trim());
}
