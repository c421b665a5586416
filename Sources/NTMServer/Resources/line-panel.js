import { stepTicks, valueTicks } from './axes.js';
import { element, svg } from './elements.js';
import { Limit } from './limit.js';
import { brief } from './numbers.js';
import { Panel } from './panel.js';

/** From this width of a column on, a dot marks each step of a head that writes. */
const DOT_WIDTH = 5;
/** How many colours of lines style.css has. */
const COLORS = 6;

/**
 * Single numbers of each head over time, as lines. A head that writes has dots or, where there is
 * no room for them, a thicker line, so that colour is not all that tells them apart.
 */
export class LinePanel extends Panel {
  /**
   * @param {object} options what `Panel` takes, and
   * @param {{name: string, type: string, value: (step: number) => number | undefined}[]}
   *   options.lines
   * @param {string} options.quantity
   * @param {number} options.most the axis' upper end, before anything greater is seen
   * @param {boolean} [options.hasSign] whether the lower end is its opposite, not zero
   * @param {number} options.height of the plot, in CSS pixels
   */
  constructor(options) {
    super({ ...options, rowKind: options.quantity, rows: 1 });
    this.lines = options.lines;
    this.quantity = options.quantity;
    this.#hasSign = options.hasSign ?? false;
    this.#limit = new Limit(options.most);
    this.plotHeight = options.height;
    this.readout.classList.toggle('many', this.lines.length > 2);
  }

  #hasSign;
  #limit;
  #layout;
  #context;
  #colors;

  get #least() {
    return this.#hasSign ? -this.#limit.value : 0;
  }

  /** The names of the lines, as a legend, with their numbers at a step. */
  #sayNumbers(step) {
    this.readout.replaceChildren(...this.lines.map(({ name, type, value }, index) =>
      element('span.line', {},
        element('span.mark', { dataset: { line: index % COLORS } }, type === 'read' ? '━' : '●━'),
        ` ${name} ${brief(value(step))} `)));
  }

  drawAll() {
    const { layout } = this.timeline;
    this.#layout = layout;
    const style = getComputedStyle(this.plot);
    this.#colors = this.lines.map((_, index) =>
      style.getPropertyValue(`--line-${index % COLORS}`).trim());
    this.setSize(layout.columns * layout.columnWidth, this.plotHeight);
    const ratio = devicePixelRatio;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.#context = this.canvas.getContext('2d');
    this.#context.scale(ratio, ratio);
    this.describeCells({
      columns: layout.columns,
      rows: 1,
      first: layout.first,
      cellWidth: layout.columnWidth,
      cellHeight: this.height,
      stepsPerColumn: layout.stepsPerColumn,
      rowsPerCell: 1,
    });
    this.#outgrows(layout.first, this.timeline.newest);
    this.drawAxes();
    this.#drawLines(layout.first, this.timeline.newest);
  }

  drawSteps(from, to) {
    if (this.#outgrows(from, to)) this.drawAll();
    else this.#drawLines(from, to);
  }

  #outgrows(from, to) {
    let hasGrown = false;
    for (const { value } of this.lines) {
      for (let step = from; step <= to; step += 1) {
        if (this.#limit.include([value(step) ?? 0])) hasGrown = true;
      }
    }
    return hasGrown;
  }

  #drawLines(from, to) {
    this.lines.forEach(({ type, value }, index) => {
      const path = new Path2D(this.#path(value, from, to));
      this.#context.strokeStyle = this.#colors[index];
      this.#context.lineJoin = 'round';
      this.#context.lineWidth = type === 'read' ? 1.5 : 2.5;
      this.#context.stroke(path);
      if (type !== 'read') this.#drawDots(value, from, to, this.#colors[index]);
    });
  }

  /** The line through some steps, from the one before; as SVG writes paths. */
  #path(value, from, to) {
    let path = '';
    let isDown = false;
    for (let step = Math.max(this.#layout.first, from - 1); step <= to; step += 1) {
      const number = value(step);
      if (number === undefined) {
        isDown = false;
        continue;
      }
      const place = `${this.#x(step).toFixed(2)} ${this.#y(number).toFixed(2)}`;
      path += isDown ? `L${place}` : `M${place}h0.01`;
      isDown = true;
    }
    return path;
  }

  #drawDots(value, from, to, color) {
    if (this.#layout.columnWidth < DOT_WIDTH) return;
    this.#context.fillStyle = color;
    for (let step = Math.max(this.#layout.first, from); step <= to; step += 1) {
      const number = value(step);
      if (number === undefined) continue;
      this.#context.beginPath();
      this.#context.arc(this.#x(step), this.#y(number), 3, 0, 2 * Math.PI);
      this.#context.fill();
    }
  }

  #x(step) {
    const { first, stepsPerColumn, columnWidth } = this.#layout;
    return ((step - first + 0.5) / stepsPerColumn) * columnWidth;
  }

  /** A margin keeps lines at the ends of the axis whole. */
  #y(value) {
    const part = (value - this.#least) / (this.#limit.value - this.#least);
    return 4 + (this.height - 8) * (1 - part);
  }

  showCursor() {
    const { timeline } = this;
    const step = timeline.shown;
    const size = Math.max(1, this.#layout.columnWidth / this.#layout.stepsPerColumn);
    this.drawCrosshair(step ? { from: this.#x(step) - size / 2, size } : null, null);
    this.#sayNumbers(step);
  }

  stepAt(x) {
    const { first, stepsPerColumn, columnWidth } = this.timeline.layout;
    const step = first + Math.floor((x / columnWidth) * stepsPerColumn);
    return step <= this.timeline.newest && step >= first ? step : null;
  }

  axes() {
    const ticks = valueTicks(this.#least, this.#limit.value, this.height - 8);
    return {
      x: { label: 'step', ticks: stepTicks(this.#layout) },
      y: { label: this.quantity, ticks: ticks.map(({ at, text }) => ({ at: at + 4, text })) },
    };
  }

  picture() {
    const { first } = this.#layout;
    const paths = this.lines.map(({ name, type, value }, index) => svg('path', {
      d: this.#path(value, first, this.timeline.newest),
      fill: 'none',
      stroke: this.#colors[index],
      'stroke-width': type === 'read' ? 1.5 : 2.5,
    }, svg('title', {}, name)));
    const names = this.lines.map(({ name, type }, index) => (
      { text: `${type === 'read' ? '━' : '●━'} ${name}`, color: this.#colors[index] }));
    return { panel: this, axes: this.axes(), shapes: paths, names };
  }
}
