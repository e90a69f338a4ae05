/**
 * client.ts — @netloom/node/client: what a program that talks to a daemon needs, without the daemon: calls, lab files, pictures.
 *
 * A door of its own, because the command line must start quickly and loads the daemon's libraries only when it is the daemon.
 */
export { DaemonClient, DaemonError, DaemonUnreachable } from './daemon/http-client.js';
export { probe, socketPath } from './daemon/socket-claim.js';
export type { LabState } from './daemon/labs.js';
export type { Attachment } from './daemon/attachments.js';
export { formatProblem, readLab } from './lab/lab-file.js';
export type { LabFile, LabProblem } from './lab/lab-file.js';
export { HOST_VNET } from './lab/lab-model.js';
export type { Lab, LabPath } from './lab/lab-model.js';
export { planLab, planScript } from './lab/lab-plan.js';
export { drawSvg } from './lab/picture-svg.js';
export { drawText } from './lab/picture-text.js';
export { labTopology } from './lab/topology.js';
export type { InterfaceRef, Topology, TopologyInterface, TopologyVnet } from './lab/topology.js';
