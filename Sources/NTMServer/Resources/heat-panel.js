import { rowTicks, stepTicks } from './axes.js';
import { drawLegend } from './legend.js';
import { Panel } from './panel.js';
import { Raster } from './raster.js';

/**
 * A quantity's cells over time.
 */
export class HeatPanel extends Panel {
  /**
   * @param {object} options what `Panel` takes, and
   * @param {(step: number) => Float32Array | undefined} options.vector the column of a step
   * @param {(step: number) => boolean} options.isGap whether a step that was taken is not known
   * @param {(limit: number) => import('./colors.js').Scale} options.scale
   * @param {Limit} [options.limit] of the magnitudes so far, where it is not known before
   * @param {() => {first: number, rows: number}} [options.rowsInView] where not all rows are
   * @param {(rows: number) => number} options.heightOf of the plot, in CSS pixels
   * @param {(step: number, row: number | null) => string} options.say the numbers of a step
   * @param {string[]} [options.rowNames] what the axis says of rows that are more than numbers
   * @param {(step: number) => number[]} [options.wrongRows] rows to be marked by a cross
   */
  constructor(options) {
    super(options);
    Object.assign(this, options);
    this.#raster = new Raster(this.canvas);
  }

  #raster;
  #layout;
  #colors;

  /** Draws everything anew: after the view moved, or the colours changed. */
  drawAll() {
    const { layout } = this.timeline;
    this.#layout = layout;
    this.#setColors();
    this.#chooseRows();
    this.setSize(layout.columns * layout.columnWidth, this.heightOf(this.rows));
    this.#raster.resize(layout.columns, this.rows, this.firstRow);
    this.#resizeMarks();
    this.describeCells({
      columns: layout.columns,
      rows: this.#raster.cells,
      first: layout.first,
      cellWidth: layout.columnWidth,
      cellHeight: this.height / this.#raster.cells,
      stepsPerColumn: layout.stepsPerColumn,
      rowsPerCell: this.#raster.rowsPerCell,
    });
    this.drawAxes();
    this.drawSteps(layout.first, this.lastStep());
  }

  /** The last step that there is something to draw of. */
  lastStep() {
    return this.timeline.newest;
  }

  #chooseRows() {
    if (!this.rowsInView) return;
    const { first, rows } = this.rowsInView();
    this.firstRow = first;
    this.rows = rows;
  }

  #setColors() {
    this.#colors = this.scale(this.limit?.value);
    drawLegend(this.legend, this.#colors);
  }

  /** Draws the columns of some steps. */
  drawSteps(from, to) {
    if (this.#outgrows(from, to)) {
      this.#setColors();
      from = this.#layout.first;
      to = this.lastStep();
    }
    const { columns } = this.#layout;
    const last = Math.min(columns - 1, this.timeline.columnOf(to));
    for (let column = Math.max(0, this.timeline.columnOf(from)); column <= last; column += 1) {
      this.#drawColumn(column);
    }
  }

  #outgrows(from, to) {
    let hasGrown = false;
    if (!this.limit) return false;
    for (let step = from; step <= to; step += 1) {
      const vector = this.vector(step);
      if (vector && this.limit.include(vector)) hasGrown = true;
    }
    return hasGrown;
  }

  #drawColumn(column) {
    const { first, stepsPerColumn } = this.#layout;
    const begin = first + column * stepsPerColumn;
    const vectors = [];
    let hasGap = false;
    for (let step = begin; step < begin + stepsPerColumn; step += 1) {
      const vector = this.vector(step);
      if (vector) vectors.push(vector);
      else if (this.isGap(step)) hasGap = true;
    }
    if (vectors.length) this.#raster.drawColumn(column, vectors, this.#colors);
    else if (hasGap) this.#raster.drawGap(column);
    else this.#raster.clearColumn(column);
    if (this.wrongRows) this.#markColumn(column, begin, begin + stepsPerColumn - 1);
  }

  #resizeMarks() {
    if (!this.wrongRows) return;
    const ratio = devicePixelRatio;
    this.marks.width = Math.round(this.width * ratio);
    this.marks.height = Math.round(this.height * ratio);
    this.marks.getContext('2d').scale(ratio, ratio);
  }

  /** A cross in each cell that is wrong, so that colour is not all that tells. */
  #markColumn(column, from, to) {
    const context = this.marks.getContext('2d');
    const { columnWidth } = this.#layout;
    const rowHeight = this.height / this.rows;
    const left = column * columnWidth;
    context.clearRect(left, 0, columnWidth, this.height);
    context.strokeStyle = getComputedStyle(this.plot).getPropertyValue('--wrong');
    context.lineWidth = 2;
    context.beginPath();
    for (let step = from; step <= to; step += 1) {
      for (const row of this.wrongRows(step)) {
        this.#cross(context, left, row * rowHeight, rowHeight);
      }
    }
    context.stroke();
  }

  #cross(context, left, top, rowHeight) {
    const { columnWidth } = this.#layout;
    const size = Math.max(1.5, Math.min(columnWidth, rowHeight) / 2 - 1.5);
    const [x, y] = [left + columnWidth / 2, top + rowHeight / 2];
    context.moveTo(x - size, y - size);
    context.lineTo(x + size, y + size);
    context.moveTo(x - size, y + size);
    context.lineTo(x + size, y - size);
  }

  /** Moves the crosshair to the shown step and says its numbers. */
  showCursor() {
    const { timeline } = this;
    const step = timeline.shown;
    const { columnWidth } = timeline.layout;
    const column = step ? { from: timeline.columnOf(step) * columnWidth, size: columnWidth } : null;
    this.drawCrosshair(column, this.rowBand());
    this.readout.textContent = step ? this.say(step, this.shownRow) : '';
  }

  /** The step under a place of the plot; null where none was taken yet. */
  stepAt(x) {
    const { first, stepsPerColumn, columnWidth } = this.timeline.layout;
    const step = first + Math.floor(x / columnWidth) * stepsPerColumn;
    return step <= this.timeline.newest && step >= first ? step : null;
  }

  axes() {
    return {
      x: { label: 'step', ticks: stepTicks(this.#layout) },
      y: { label: this.rowKind, ticks: rowTicks(this, this.rowNames) },
    };
  }

  /** What `export.js` makes a file of. */
  picture() {
    return {
      panel: this,
      axes: this.axes(),
      image: this.canvas,
      marks: this.wrongRows ? this.marks : null,
      scale: this.#colors,
    };
  }
}
