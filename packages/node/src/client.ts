/**
 * client.ts — @netloom/node/client: what a program that talks to a daemon needs, without the daemon: calls and pictures.
 *
 * A door of its own, because the command line must start quickly and loads the daemon's libraries only when it is the daemon.
 * Lab files are behind another, `@netloom/node/lab`, for the same reason: their libraries take as long to load as Node itself.
 */
export { DaemonClient, DaemonError, DaemonUnreachable } from './daemon/http-client.js';
export { EVENT_SYSTEMS } from './daemon/event-records.js';
export type { EventRecord, GapRecord } from './daemon/event-records.js';
export type { MoveView } from './daemon/move-records.js';
export { probe, socketPath } from './daemon/socket-claim.js';
export type { DyingJail } from './daemon/http-routes.js';
export type { LabState } from './daemon/labs.js';
export type { AuditAnswer, SysinitAnswer, SysinitRow } from './daemon/kernel-instruments.js';
export type { TeardownStep, TeardownTrace } from './daemon/teardown-traces.js';
export { WORKERS_MAX } from './datapath/datapath-shared.js';
export type { DatapathView, PortView, WorkerView } from './datapath/datapath-view.js';
export type { Attachment } from './daemon/attachments.js';
export type { FlowView, GatewayView } from './gateway/gateways.js';
export { absoluteFileDevice } from './daemon/file-device.js';
export { absoluteGuestDevice } from './port/guest-device.js';
export { HOST_VNET } from './lab/lab-model.js';
export { drawSvg } from './lab/picture-svg.js';
export { drawText } from './lab/picture-text.js';
export type { InterfaceRef, Topology, TopologyInterface, TopologyVnet } from './lab/topology.js';
export type { EpochFigure } from './protect/epoch-figures.js';
export type { ProtectRequest } from './protect/protect-request.js';
export type { ProtectionView } from './protect/protect-view.js';
export { CONSOLE_UPGRADE } from './vm/console-upgrade.js';
export { diskOf } from './vm/disk-words.js';
export type { VmDiskRequest, VmRequest } from './vm/vm-request.js';
export type { VmNicView, VmView } from './vm/vm-routes.js';
export { VM_TOOLS } from './vm/vm-tools.js';
