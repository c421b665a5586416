import { gapPixels } from './colors.js';

/** More rows than this share cells. */
const MOST_ROWS = 512;

/**
 * A heat map on a canvas that has one pixel for each cell; CSS stretches it without smoothing. So a
 * new column costs as many pixels as there are rows, whatever is there already.
 *
 * Where several rows or steps share a cell, it has the value of the greatest magnitude.
 */
export class Raster {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.#context = canvas.getContext('2d', { willReadFrequently: true });
  }

  #context;
  #values;
  #image;
  #pixels;

  /**
   * Empties the canvas.
   *
   * @param {number} columns that it is to have
   * @param {number} rows of the data that it is to show
   * @param {number} [first] the first of them; behind the data's last comes its first
   */
  resize(columns, rows, first = 0) {
    this.rows = rows;
    this.first = first;
    this.rowsPerCell = Math.ceil(rows / MOST_ROWS);
    this.cells = Math.ceil(rows / this.rowsPerCell);
    this.#values = new Float32Array(this.cells);
    this.canvas.width = columns;
    this.canvas.height = this.cells;
    this.#image = this.#context.createImageData(1, this.cells);
    this.#pixels = new Uint32Array(this.#image.data.buffer);
  }

  /**
   * Draws a column.
   *
   * @param {number} column from 0
   * @param {(Float32Array | undefined)[]} vectors of the steps that share it; those that are not
   *   known are left out
   * @param {import('./colors.js').Scale} scale
   */
  drawColumn(column, vectors, scale) {
    this.#values.fill(0);
    for (const vector of vectors) if (vector) this.#gather(vector);
    for (let cell = 0; cell < this.cells; cell += 1) {
      this.#pixels[cell] = scale.pixel(this.#values[cell]);
    }
    this.#context.putImageData(this.#image, column, 0);
  }

  #gather(vector) {
    const values = this.#values;
    const { rows, rowsPerCell } = this;
    let at = this.first;
    let [cell, rowsInCell] = [0, 0];
    for (let row = 0; row < rows; row += 1) {
      const value = vector[at];
      if (Math.abs(value) > Math.abs(values[cell])) values[cell] = value;
      at += 1;
      if (at === vector.length) at = 0;
      rowsInCell += 1;
      if (rowsInCell === rowsPerCell) [cell, rowsInCell] = [cell + 1, 0];
    }
  }

  /** Draws a column whose steps are not known: chequered, so that nobody takes it for numbers. */
  drawGap(column) {
    const grays = gapPixels();
    for (let cell = 0; cell < this.cells; cell += 1) {
      this.#pixels[cell] = grays[(column + cell) % 2];
    }
    this.#context.putImageData(this.#image, column, 0);
  }

  /** Leaves a column empty. */
  clearColumn(column) {
    this.#context.clearRect(column, 0, 1, this.cells);
  }
}
