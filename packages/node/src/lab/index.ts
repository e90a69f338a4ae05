/**
 * index.ts — @netloom/node/lab: lab files read and checked, what they mean in commands, how they will look.
 */
export { formatProblem, readLab } from './lab-file.js';
export type { LabFile, LabProblem } from './lab-file.js';
export type { Lab, LabPath } from './lab-model.js';
export { withVmFiles } from './lab-vms.js';
export { planLab, planScript } from './lab-plan.js';
export { labTopology } from './topology.js';
