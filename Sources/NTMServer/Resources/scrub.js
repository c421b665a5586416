import { plural } from './numbers.js';

const byId = (id) => document.getElementById(id);
/** Steps that PageUp and PageDown go. */
const PAGE = 10;

/**
 * The bar that chooses which step is shown, and how many are in view.
 *
 * @param {import('./timeline.js').Timeline} timeline
 * @param {import('./stage.js').Stage} stage
 */
export function connectScrub(timeline, stage) {
  const shown = byId('shown');
  shown.addEventListener('input', () => timeline.show(Number(shown.value)));
  // Browsers make a page a tenth of the whole.
  shown.addEventListener('keydown', (event) => {
    const by = { PageUp: -PAGE, PageDown: PAGE }[event.key];
    if (!by) return;
    event.preventDefault();
    timeline.move(by);
  });
  byId('follow').addEventListener('click', () => timeline.show(null));
  byId('window').addEventListener('change', ({ target }) => {
    timeline.setWindow(target.value === 'all' ? Infinity : Number(target.value));
  });
  byId('locations').addEventListener('change', ({ target }) => {
    stage.showAllLocations(target.value === 'all');
  });
}

/** Says which step is shown. */
export function showScrub(timeline) {
  const { start, newest, layout } = timeline;
  const shown = byId('shown');
  shown.min = Math.min(start + 1, newest);
  shown.max = newest;
  shown.value = timeline.shown;
  const share = layout.stepsPerColumn > 1
    ? `, ${plural(layout.stepsPerColumn, 'step')} to a column: the greatest is drawn` : '';
  const text = `${timeline.shown} of ${newest}${share}`;
  shown.setAttribute('aria-valuetext', text);
  byId('shown-text').textContent = text;
  byId('follow').disabled = timeline.isFollowing;
}
