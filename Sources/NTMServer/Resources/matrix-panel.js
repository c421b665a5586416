import { rowTicks, wholeTicks } from './axes.js';
import { drawLegend } from './legend.js';
import { Limit } from './limit.js';
import { Panel } from './panel.js';
import { Raster } from './raster.js';
import { signedScale } from './colors.js';
import { short } from './numbers.js';

/**
 * A matrix of locations × columns as it was at the shown step.
 */
export class MatrixPanel extends Panel {
  /**
   * @param {object} options what `Panel` takes, and
   * @param {number} options.columns
   * @param {(step: number) => Float32Array | undefined} options.matrix N × M, row by row
   * @param {string} options.missing what to say where there is none
   * @param {() => {first: number, rows: number}} options.rowsInView
   * @param {(rows: number) => number} options.heightOf of the plot, in CSS pixels
   */
  constructor(options) {
    super(options);
    Object.assign(this, options);
    this.#raster = new Raster(this.canvas);
  }

  #raster;
  #limit = new Limit();
  #drawn = null;
  #column = null;

  drawAll() {
    const { layout } = this.timeline;
    const { first, rows } = this.rowsInView();
    this.firstRow = first;
    this.rows = rows;
    this.setSize(layout.columns * layout.columnWidth, this.heightOf(this.rows));
    this.#raster.resize(this.columns, this.rows, this.firstRow);
    this.describeCells({
      columns: this.columns,
      rows: this.#raster.cells,
      first: 0,
      cellWidth: this.width / this.columns,
      cellHeight: this.height / this.#raster.cells,
      stepsPerColumn: 1,
      rowsPerCell: this.#raster.rowsPerCell,
    });
    this.#drawn = null;
    this.drawAxes();
    this.#draw();
  }

  /** Whatever steps came, only the shown one is drawn. */
  drawSteps() {
    this.#draw();
  }

  #draw() {
    const matrix = this.matrix(this.timeline.shown);
    if (matrix && matrix === this.#drawn) return;
    this.#drawn = matrix;
    if (matrix) this.#limit.include(matrix);
    const scale = signedScale(this.#limit.value);
    drawLegend(this.legend, scale);
    const vector = new Float32Array(this.rowsOfData);
    for (let column = 0; column < this.columns; column += 1) {
      if (!matrix) this.#raster.drawGap(column);
      else {
        for (let row = 0; row < this.rowsOfData; row += 1) {
          vector[row] = matrix[row * this.columns + column];
        }
        this.#raster.drawColumn(column, [vector], scale);
      }
    }
  }

  showCursor() {
    this.#draw();
    this.drawCrosshair(null, this.rowBand());
    this.readout.textContent = this.#say(this.shownRow);
  }

  #say(row) {
    const step = this.timeline.shown;
    if (!this.#drawn) return step ? `Step ${step}: ${this.missing}` : '';
    const when = step ? `After step ${step}` : 'At the start';
    if (row === null) return when;
    if (this.#column === null) return `${when}, location ${row}`;
    const value = this.#drawn[row * this.columns + this.#column];
    return `${when}, location ${row}, column ${this.#column}: ${short(value)}`;
  }

  /** The pointer chooses a column of the matrix here, and no step. */
  stepAt(x) {
    const column = Math.floor((x / this.width) * this.columns);
    this.#column = Math.max(0, Math.min(this.columns - 1, column));
    return null;
  }

  axes() {
    const columns = wholeTicks(0, this.columns, this.width / 48);
    return {
      x: {
        label: 'column',
        ticks: columns.map((column) => (
          { at: ((column + 0.5) * this.width) / this.columns, text: String(column) })),
      },
      y: { label: 'location', ticks: rowTicks(this) },
    };
  }

  picture() {
    return {
      panel: this,
      axes: this.axes(),
      image: this.canvas,
      scale: signedScale(this.#limit.value),
      note: `after step ${this.timeline.shown}`,
    };
  }
}
