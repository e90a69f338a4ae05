/**
 * netbuf-steps.ts — the steps that lead a machine's output through a plug, and those that undo them.
 * Read first: docs/netbuf.md ("Steps"); Linux net/sched/sch_plug.c, act_mirred.c.
 *
 *              up            plug          ingress       redirect
 *     install  ifb up    →   plug on it →  qdisc at    → everything it
 *                                          the VIF       receives to the ifb
 *     undo     2 ifb down ← 3 no plug      1 no qdisc  ← 0 no redirect             in the order of the numbers
 *
 * Theory of operation. What a machine sends arrives at the ingress of its interface here. A filter there sends it to an ifb, whose qdisc holds it; what the plug lets go comes back to where it would
 * have been. The filter comes last and goes first: as long as it is there, there is an ifb behind it that is up and plugged, so no frame is ever lost to a device that is down, or gets past an ifb that is not
 * plugged yet. An ifb goes down before it loses its plug, because the kernel would give one that is up another qdisc, which stays.
 *
 * Each undoing step looks first, and takes away only what is ours: a filter that leads to this ifb (or to one that is no more), an ingress qdisc that we made and that nobody else uses, a plug of our number. Interfaces that have gone have
 * taken theirs along. Undoing stops at the first step that the kernel refuses, so that what is left is safe, and may be done again.
 */
import { EINVAL, ENODEV, ENOENT } from '../tap/libc.js';
import {
  addQdisc, addRedirect, deleteFilters, deleteQdisc, getLink, INGRESS_HANDLE, isErrno, lacksClassifier, listFilters, listQdiscs, plugOptions, setLink, TC_H_INGRESS, TC_H_ROOT, TCQ_PLUG_BUFFER,
} from '../netlink/index.js';
import type { FilterPlace, NetlinkSocket, Qdisc, QdiscSpec } from '../netlink/index.js';
import type { NetbufRecord } from './netbuf-record.js';

export const STEPS = ['up', 'plug', 'ingress', 'redirect'] as const;
export type Step = (typeof STEPS)[number];

/** Numbers of our plugs, "NL" and the next: kernels number theirs from 8000 on. One that takes another's place has the other number. */
export const PLUG_HANDLES: readonly [number, number] = [0x4e4c_0000, 0x4e4d_0000];
const INGRESS: QdiscSpec = { kind: 'ingress', parent: TC_H_INGRESS, handle: INGRESS_HANDLE };
/** The filters of a clsact's ingress. */
const CLSACT_INGRESS = 0xffff_fff2;
export const PREFERENCE = 10;

export type Progress = (text: string) => void;

export function filterPlace({ ingress }: Pick<NetbufRecord, 'ingress'>): FilterPlace {
  return { parent: ingress === 'clsact' ? CLSACT_INGRESS : INGRESS_HANDLE, preference: PREFERENCE };
}

/** Does the steps in order, and notes each in `done`. @throws NetlinkError from the one that the kernel refuses. */
export function build(socket: NetlinkSocket, record: NetbufRecord, done: Set<Step>, progress: Progress): void {
  const { vif, ifb, limitBytes, madeIngress } = record;
  setLink(socket, ifb, { up: true });
  done.add('up');
  progress(`${ifb.name} is up`);
  addQdisc(socket, ifb, { ...plugSpec(PLUG_HANDLES[0]), options: plugOptions(TCQ_PLUG_BUFFER, limitBytes) });
  done.add('plug');
  progress(`${ifb.name} is plugged, and holds up to ${limitBytes} bytes`);
  if (madeIngress) {
    addQdisc(socket, vif, INGRESS);
    done.add('ingress');
    progress(`${vif.name} has an ingress qdisc`);
  }
  const classifier = redirect(socket, record);
  done.add('redirect');
  progress(`all that ${vif.name} receives goes to ${ifb.name} (${classifier}, mirred)`);
}

/** By matchall where the kernel has it, else by u32. */
function redirect(socket: NetlinkSocket, record: NetbufRecord): string {
  const place = filterPlace(record);
  try {
    addRedirect(socket, record.vif, place, record.ifb, 'matchall');
    return 'matchall';
  } catch (error) {
    if (!isErrno(error, ENOENT) || !lacksClassifier(error.errno, error.said)) throw error;
    addRedirect(socket, record.vif, place, record.ifb, 'u32');
    return 'u32';
  }
}

/** Undoes `steps`, or all of them, in their order; what is not there counts as undone. @throws NetlinkError from the one that the kernel refuses. */
export function undo(socket: NetlinkSocket, record: NetbufRecord, progress: Progress, steps: ReadonlySet<Step> = new Set(STEPS)): void {
  if (steps.has('redirect') && undoRedirect(socket, record)) progress(`${record.vif.name} is no longer redirected`);
  if (steps.has('ingress') && undoIngress(socket, record)) progress(`${record.vif.name} has no ingress qdisc any more`);
  undoIfb(socket, record, progress, steps);
}

function undoRedirect(socket: NetlinkSocket, record: NetbufRecord): boolean {
  const { vif, ifb } = record;
  const place = filterPlace(record);
  // The kernel shows 0 for an interface that has gone; such a filter swallows what it gets.
  const isOurs = (index: number | null): boolean => index === ifb.index || index === 0;
  return unlessGone(() => {
    if (getLink(socket, vif.index) === null) return false;
    if (!listFilters(socket, vif, place.parent).some((filter) => filter.preference === place.preference && isOurs(filter.redirectIndex))) return false;
    deleteFilters(socket, vif, place);
    return true;
  });
}

function undoIngress(socket: NetlinkSocket, record: NetbufRecord): boolean {
  const { vif, madeIngress } = record;
  return unlessGone(() => {
    if (!madeIngress || getLink(socket, vif.index) === null || ingressOf(listQdiscs(socket, vif)) !== 'ingress') return false;
    if (listFilters(socket, vif, INGRESS_HANDLE).length > 0) return false;
    deleteQdisc(socket, vif, INGRESS);
    return true;
  });
}

/** Down first, then without a plug. An ifb that somebody has given another qdisc is theirs by now. */
function undoIfb(socket: NetlinkSocket, { ifb }: NetbufRecord, progress: Progress, steps: ReadonlySet<Step>): void {
  const link = getLink(socket, ifb.index);
  if (link === null) return;
  const root = listQdiscs(socket, ifb).find((qdisc) => qdisc.parent === TC_H_ROOT && qdisc.handle !== 0);
  if (root !== undefined && !isOurPlug(root)) return;
  if (steps.has('up') && link.isUp && unlessGone(() => { setLink(socket, ifb, { up: false }); return true; })) progress(`${ifb.name} is down`);
  if (steps.has('plug') && root !== undefined && unlessGone(() => { deleteQdisc(socket, ifb, plugSpec(root.handle)); return true; })) progress(`${ifb.name} has no plug any more`);
}

/** What is at an interface's ingress. */
export function ingressOf(qdiscs: readonly Qdisc[]): 'ingress' | 'clsact' | null {
  const kind = qdiscs.find(({ parent }) => parent === TC_H_INGRESS)?.kind;
  return kind === 'ingress' || kind === 'clsact' ? kind : null;
}

export function plugSpec(handle: number): QdiscSpec {
  return { kind: 'plug', parent: TC_H_ROOT, handle };
}

export function isOurPlug({ kind, handle, parent }: Qdisc): boolean {
  return kind === 'plug' && PLUG_HANDLES.includes(handle) && parent === TC_H_ROOT;
}

/** false when what it is about has gone meanwhile, with its interface or before it. */
function unlessGone(act: () => boolean): boolean {
  try {
    return act();
  } catch (error) {
    if (isErrno(error, ENODEV, ENOENT, EINVAL)) return false;
    throw error;
  }
}

/** What of a buffer is not there; null when all of it is. */
export function whatIsMissing(socket: NetlinkSocket, record: NetbufRecord): string | null {
  const { vif, ifb } = record;
  const link = getLink(socket, ifb.index);
  if (getLink(socket, vif.index) === null) return `${vif.name} has gone`;
  if (link === null) return `${ifb.name} has gone`;
  if (!link.isUp) return `${ifb.name} is down`;
  if (!listQdiscs(socket, ifb).some(isOurPlug)) return `${ifb.name} has no plug`;
  const place = filterPlace(record);
  const leads = listFilters(socket, vif, place.parent).some(({ preference, redirectIndex }) => preference === place.preference && redirectIndex === ifb.index);
  return leads ? null : `${vif.name} is not redirected`;
}
