import { headPanels } from './head-panels.js';
import { memoryPanels, weightingPanels } from './memory-panels.js';
import { PanelMaker } from './panel-maker.js';
import { sequencePanels } from './sequence-panels.js';

/**
 * The panels of a session, in groups. What a model does not have, such as a gate, has no panel.
 *
 * @param {object} options what `PanelMaker` and `sequencePanels` take
 * @returns {{name: string, title: string, panels: import('./panel.js').Panel[]}[]}
 */
export function panelGroups(options) {
  const maker = new PanelMaker(options);
  return [
    {
      name: 'sequence',
      title: 'What goes in and what comes out',
      panels: sequencePanels(maker, options),
    },
    {
      name: 'weightings',
      title: 'Where the heads write and read',
      panels: interleave(weightingPanels(maker, 'write'), weightingPanels(maker, 'read')),
    },
    { name: 'memory', title: 'The memory at the shown step', panels: memoryPanels(maker) },
    { name: 'heads', title: 'What each head was told', panels: headPanels(maker) },
  ];
}

/** The first of each, the second of each, and so on, so that pairs stand side by side. */
function interleave(first, second) {
  return Array.from({ length: Math.max(first.length, second.length) }, (_, index) =>
    [first[index], second[index]]).flat().filter(Boolean);
}
