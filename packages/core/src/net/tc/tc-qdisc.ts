/**
 * tc-qdisc.ts — requests about disciplines: add, change, replace and delete, as Linux's kernel decides and answers them.
 * Read first: tc(8); Linux's `net/sched/sch_api.c` for what is asked in which order, which is what scripts see.
 *
 * Two places have a discipline: an interface's root, and its ingress. A request names a place (`parent`) and perhaps a handle and a kind. Whether a discipline that is there is changed, kept, or replaced
 * depends on these and on three flags, which the tool's commands set: add = CREATE and EXCL, replace = CREATE and REPLACE, change = none.
 *
 * Everything here runs in thread context.
 */
import { EEXIST, EINVAL, ENOENT } from '../../base/errno.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { IfQdisc, ifQdiscAttach, ifQdiscDetach } from './if-qdisc.js';
import type { QdiscOptions } from './if-qdisc.js';
import { TC_OK, tcRefuse } from './tc-answer.js';
import type { TcAnswer } from './tc-answer.js';
import { TC_H_INGRESS, TC_H_ROOT, TC_H_UNSPEC, TC_INGRESS_HANDLE, tcMajor, tcMinor } from './tc-handle.js';
import { TcIngress } from './tc-ingress.js';
import { TcState } from './tc-state.js';

export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

export interface QdiscRequest {
  readonly ifp: Ifnet;
  readonly parent: number;
  /** 0: none was given. */
  readonly handle: number;
  /** Null: none was given. */
  readonly kind: string | null;
  readonly options: QdiscOptions | null;
}

/** What is in a place. */
interface Placed {
  readonly handle: number;
  readonly kind: string;
}

/** What tc shows of an interface, the root first: `noqueue` is there when nothing else is. */
export interface QdiscView extends Placed {
  readonly parent: number;
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly dropPackets: number;
  readonly packets: number;
  readonly bytes: number;
}

const NOTHING = { sentPackets: 0, sentBytes: 0, dropPackets: 0, packets: 0, bytes: 0 };

function rootOf(ifp: Ifnet): Placed | null {
  const { qdisc } = ifp;
  return qdisc instanceof IfQdisc && qdisc.handle !== 0 ? qdisc : null;
}

function ingressOf(ifp: Ifnet): Placed | null {
  return ifp.ingress instanceof TcIngress ? { handle: TC_INGRESS_HANDLE, kind: 'ingress' } : null;
}

/** The discipline of that handle. */
export function qdiscLookup(ifp: Ifnet, handle: number): Placed | null {
  const major = tcMajor(handle);
  const root = rootOf(ifp);
  return root !== null && root.handle === major ? root : major === TC_INGRESS_HANDLE ? ingressOf(ifp) : null;
}

export function qdiscList(ifp: Ifnet): QdiscView[] {
  const { qdisc } = ifp;
  const list: QdiscView[] = [];
  if (qdisc instanceof IfQdisc) {
    const { stats, packets, bytes } = qdisc.qdisc;
    const { sentPackets, sentBytes, dropPackets } = stats;
    list.push({ handle: qdisc.handle, kind: qdisc.kind, parent: TC_H_ROOT, sentPackets, sentBytes, dropPackets, packets, bytes });
  } else list.push({ handle: 0, kind: 'noqueue', parent: TC_H_ROOT, ...NOTHING });
  if (ifp.ingress instanceof TcIngress) {
    const { sentPackets, sentBytes, dropPackets } = ifp.ingress;
    list.push({ ...NOTHING, handle: TC_INGRESS_HANDLE, kind: 'ingress', parent: TC_H_INGRESS, sentPackets, sentBytes, dropPackets });
  }
  return list;
}

/** RTM_NEWQDISC */
export function qdiscModify(net: Net, request: QdiscRequest, flags: number): TcAnswer {
  net.kern.engine.assertThread();
  const { ifp, parent, handle, kind } = request;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if (parent === TC_H_UNSPEC) {
    if (handle === 0) return tcRefuse(EINVAL, 'Handle cannot be zero');
    return change(request, qdiscLookup(ifp, handle), has(NLM_F_EXCL));
  }
  if (parent !== TC_H_ROOT && parent !== TC_H_INGRESS) {
    return qdiscLookup(ifp, parent) === null ? tcRefuse(ENOENT, 'Failed to find specified qdisc') : tcRefuse(EINVAL, 'Parent Qdisc is not classful');
  }
  const there = parent === TC_H_ROOT ? rootOf(ifp) : ingressOf(ifp);
  if (there !== null && there.handle === handle) return change(request, there, has(NLM_F_EXCL));
  if (handle === 0) {
    const other = kind !== null && there !== null && kind !== there.kind;
    if (there !== null && !(has(NLM_F_CREATE) && has(NLM_F_REPLACE) && other)) return change(request, there, has(NLM_F_EXCL));
    return create(net, request, flags);
  }
  if (there !== null && !has(NLM_F_REPLACE)) return tcRefuse(EEXIST, 'NLM_F_REPLACE needed to override');
  if (tcMinor(handle) !== 0) return tcRefuse(EINVAL, 'Invalid minor handle');
  if (qdiscLookup(ifp, handle) === null) return create(net, request, flags);
  return has(NLM_F_EXCL) ? tcRefuse(EEXIST, 'Exclusivity flag on, cannot override') : tcRefuse(EINVAL, 'Cannot regraft ingress or clsact Qdiscs');
}

function change({ ifp, kind, options }: QdiscRequest, there: Placed | null, exclusive: boolean): TcAnswer {
  if (there === null) return tcRefuse(ENOENT, 'Specified qdisc not found');
  if (exclusive) return tcRefuse(EEXIST, 'Exclusivity flag on, cannot modify');
  if (kind !== null && kind !== there.kind) return tcRefuse(EINVAL, 'Invalid qdisc name');
  if (options === null) return TC_OK;
  const of = ifp.net?.shared.qdiscKinds.get(there.kind);
  if (of === undefined || !(there instanceof IfQdisc)) return tcRefuse(EINVAL, 'Change operation not supported by specified qdisc');
  return of.change(there.qdisc, options);
}

function create(net: Net, { ifp, parent, handle, kind, options }: QdiscRequest, flags: number): TcAnswer {
  if ((flags & NLM_F_CREATE) === 0) return tcRefuse(ENOENT, 'Qdisc not found. To create specify NLM_F_CREATE flag');
  const tc = TcState.of(net);
  if (parent === TC_H_INGRESS) {
    if (kind !== 'ingress') return tcRefuse(ENOENT, 'Specified qdisc kind is unknown');
    // Somebody who is no discipline of tc's looks at its input.
    if (ifp.ingress !== null) return tcRefuse(EEXIST, 'Exclusivity flag on, cannot modify');
    ifp.ingress = new TcIngress(ifp, net);
    tc.ingressOnce.add(ifp);
    return TC_OK;
  }
  const of = kind === null ? undefined : net.shared.qdiscKinds.get(kind);
  if (of === undefined) return tcRefuse(kind === 'ingress' ? EINVAL : ENOENT, kind === 'ingress' ? '' : 'Specified qdisc kind is unknown');
  // Somebody who is no discipline of tc's holds its output.
  if (ifp.qdisc !== null && rootOf(ifp) === null) return tcRefuse(EEXIST, 'Exclusivity flag on, cannot modify');
  ifQdiscDetach(ifp);
  ifQdiscAttach(ifp, of.kind, (send) => of.create(net, ifp, send, options), handle === 0 ? tc.nextHandle() : handle);
  return TC_OK;
}

/** RTM_DELQDISC */
export function qdiscDelete(net: Net, { ifp, parent, handle, kind }: QdiscRequest): TcAnswer {
  net.kern.engine.assertThread();
  if (parent === TC_H_UNSPEC) {
    return qdiscLookup(ifp, handle) === null ? tcRefuse(ENOENT, 'Failed to find qdisc with specified handle') : tcRefuse(EINVAL, 'Classid cannot be zero');
  }
  const isIngress = tcMajor(parent) === TC_INGRESS_HANDLE && parent !== TC_H_ROOT;
  if (!isIngress && parent !== TC_H_ROOT) return tcRefuse(ENOENT, 'Failed to find qdisc with specified classid');
  const there = isIngress ? ingressOf(ifp) : rootOf(ifp);
  if (isIngress && there === null && net.tc?.ingressOnce.has(ifp) !== true) return tcRefuse(ENOENT, 'Cannot find specified qdisc on specified device');
  if (handle !== 0 && (there === null || there.handle !== handle)) return tcRefuse(EINVAL, 'Invalid handle');
  if (kind !== null && kind !== (there?.kind ?? 'noqueue')) return tcRefuse(EINVAL, 'Invalid qdisc name');
  if (there === null) return tcRefuse(ENOENT, 'Cannot delete qdisc with handle of zero');
  if (isIngress) {
    ifp.ingress?.destroy();
    ifp.ingress = null;
  } else ifQdiscDetach(ifp);
  return TC_OK;
}
