/**
 * tc-filter.ts — requests about filters: add, change, replace and delete, as Linux's kernel decides and answers them.
 * Read first: tc-ingress.ts; Linux's `net/sched/cls_api.c`.
 *
 * A filter is put into the list of its priority, which is made with its first filter and is gone with its last. Filters of u32 are numbered `800::800` and up, matchall's is 1.
 * Everything here runs in thread context.
 */
import { EEXIST, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP } from '../../base/errno.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { TcAction } from './tc-action.js';
import type { TcActionSpec } from './tc-action.js';
import { TC_OK, tcRefuse } from './tc-answer.js';
import type { TcAnswer } from './tc-answer.js';
import { TC_H_INGRESS_FILTERS, TC_H_UNSPEC, tcMinor } from './tc-handle.js';
import { TcIngress } from './tc-ingress.js';
import type { TcFilter, TcFilterKind, TcProto } from './tc-ingress.js';
import { NLM_F_CREATE, NLM_F_EXCL, qdiscLookup } from './tc-qdisc.js';
import { TcState } from './tc-state.js';
import { U32Match } from './u32.js';
import type { U32Key } from './u32.js';

/** Filters on an interface. */
export const TC_FILTERS_MAX = 1_024;
/** Actions of a filter: TCA_ACT_MAX_PRIO. */
export const TC_ACTIONS_MAX = 32;
/** The default table of u32, its first filter, and the last. */
export const U32_TABLE = 0x8000_0000;
const U32_FIRST = 0x8000_0800;
const U32_LAST = 0x8000_0fff;
const MATCHALL_HANDLE = 1;
/** Priorities that are made up begin below this one. */
const AUTO_PRIO = 0xc000;

export interface FilterRequest {
  readonly ifp: Ifnet;
  readonly parent: number;
  /** 0: none was given; likewise the handle. */
  readonly prio: number;
  readonly protocol: number;
  readonly handle: number;
  readonly kind: string | null;
  /** u32: what it looks at; null: nothing was said. */
  readonly keys: readonly U32Key[] | null;
  readonly actions: readonly TcActionSpec[];
  readonly classid: number;
}

/** The discipline filters are put on, or why there is none. */
function place(ifp: Ifnet, parent: number): { readonly ingress: TcIngress; readonly answer: null } | { readonly ingress: null; readonly answer: TcAnswer } {
  const { ingress } = ifp;
  const none = (answer: TcAnswer): { readonly ingress: null; readonly answer: TcAnswer } => ({ ingress: null, answer });
  if (parent === TC_H_UNSPEC) return none(tcRefuse(EINVAL, 'Qdisc not classful'));
  const there = qdiscLookup(ifp, parent);
  if (there === null) return none(tcRefuse(EINVAL, "Parent Qdisc doesn't exists"));
  if (there.kind !== 'ingress' || !(ingress instanceof TcIngress)) return none(tcRefuse(EINVAL, 'Qdisc not classful'));
  if (tcMinor(parent) !== 0 && parent !== TC_H_INGRESS_FILTERS) return none(tcRefuse(ENOENT, "Specified class doesn't exist"));
  return { ingress, answer: null };
}

/** The lists of `ifp`, by priority; none where there is no ingress discipline. */
export function filterList(ifp: Ifnet, parent: number): readonly TcProto[] {
  return place(ifp, parent).ingress?.protos ?? [];
}

/** RTM_NEWTFILTER */
export function filterModify(net: Net, request: FilterRequest, flags: number): TcAnswer {
  net.kern.engine.assertThread();
  const { ifp, protocol, kind, handle } = request;
  const create = (flags & NLM_F_CREATE) !== 0;
  if (request.prio === 0 && !create) return tcRefuse(ENOENT, 'Invalid filter command with priority of zero');
  const { ingress, answer } = place(ifp, request.parent);
  if (ingress === null) return answer;
  const prio = request.prio === 0 ? (ingress.protos[0]?.prio ?? AUTO_PRIO + 1) - 1 : request.prio;
  const proto = ingress.protos.find((p) => p.prio === prio) ?? null;
  if (proto !== null && proto.protocol !== protocol && protocol !== 0) return tcRefuse(EINVAL, 'Filter with specified priority/protocol not found');
  if (proto === null && (kind === null || protocol === 0)) return tcRefuse(EINVAL, 'Filter kind and protocol must be specified');
  if (proto === null && !create) return tcRefuse(ENOENT, 'Need both RTM_NEWTFILTER and NLM_F_CREATE to create a new filter');
  if (proto !== null && kind !== null && kind !== proto.kind) return tcRefuse(EINVAL, 'Specified filter kind does not match existing one');
  const of = proto?.kind ?? kindOf(kind);
  if (of === null) return tcRefuse(ENOENT, 'TC classifier not found');
  const there = handle === 0 ? undefined : proto?.filters.find((f) => f.handle === handle);
  if (there !== undefined && (flags & NLM_F_EXCL) !== 0) return tcRefuse(EEXIST, 'Filter already exists');
  if (there === undefined && !create) return tcRefuse(ENOENT, 'Need both RTM_NEWTFILTER and NLM_F_CREATE to create a new filter');
  if (of === 'u32' && request.keys === null) return tcRefuse(EINVAL, 'cls_u32: Selector not specified');
  if (request.actions.length > TC_ACTIONS_MAX) return tcRefuse(EINVAL, `Only ${TC_ACTIONS_MAX} actions supported per filter`);
  const at = there?.handle ?? newHandle(of, handle, proto?.filters ?? []);
  if (typeof at !== 'number') return at;
  if (there === undefined && ingress.protos.reduce((n, p) => n + p.filters.length, 0) >= TC_FILTERS_MAX) return tcRefuse(ENOSPC);
  put(ingress, proto ?? { prio, protocol, kind: of, filters: [] }, make(net, request, of, at));
  return TC_OK;
}

function kindOf(kind: string | null): TcFilterKind | null {
  return kind === 'u32' || kind === 'matchall' ? kind : null;
}

function newHandle(kind: TcFilterKind, asked: number, filters: readonly TcFilter[]): number | TcAnswer {
  if (kind === 'matchall') return filters.length > 0 ? tcRefuse(EEXIST) : asked === 0 ? MATCHALL_HANDLE : asked;
  const node = asked & 0xfff;
  if (asked !== 0 && asked - node !== U32_TABLE && asked !== node) return tcRefuse(EOPNOTSUPP, 'Hash tables are not built in: filters are in 800:');
  if (node !== 0) return filters.some((f) => f.handle === U32_TABLE + node) ? tcRefuse(EEXIST, 'Filter already exists') : U32_TABLE + node;
  for (let at = U32_FIRST; at <= U32_LAST; at++) if (!filters.some((f) => f.handle === at)) return at;
  return tcRefuse(ENOSPC);
}

function make(net: Net, { keys, actions, classid }: FilterRequest, kind: TcFilterKind, handle: number): TcFilter {
  const tc = TcState.of(net);
  return { handle, match: kind === 'u32' ? new U32Match(keys ?? []) : null, actions: actions.map((spec) => new TcAction(spec, tc.nextAction(), net.kern.engine.now)), classid };
}

/** u32 tries its filters in the order of their numbers. */
function put(ingress: TcIngress, proto: TcProto, filter: TcFilter): void {
  proto.filters = proto.filters.filter((f) => f.handle !== filter.handle).concat(filter).sort((a, b) => a.handle - b.handle);
  if (!ingress.protos.includes(proto)) ingress.protos = ingress.protos.concat(proto).sort((a, b) => a.prio - b.prio);
}

/** RTM_DELTFILTER */
export function filterDelete(net: Net, { ifp, parent, prio, protocol, kind, handle }: FilterRequest): TcAnswer {
  net.kern.engine.assertThread();
  if (prio === 0 && (protocol !== 0 || handle !== 0 || kind !== null)) return tcRefuse(ENOENT, 'Cannot flush filters with protocol, handle or kind set');
  const { ingress, answer } = place(ifp, parent);
  if (ingress === null) return answer;
  if (prio === 0) {
    ingress.protos = [];
    return TC_OK;
  }
  const proto = ingress.protos.find((p) => p.prio === prio && (protocol === 0 || p.protocol === protocol));
  if (proto === undefined) return tcRefuse(ENOENT, 'Filter with specified priority/protocol not found');
  if (kind !== null && kind !== proto.kind) return tcRefuse(EINVAL, 'Specified filter kind does not match existing one');
  if (handle !== 0 && !proto.filters.some((f) => f.handle === handle)) return tcRefuse(ENOENT, 'Specified filter handle not found');
  proto.filters = handle === 0 ? [] : proto.filters.filter((f) => f.handle !== handle);
  if (proto.filters.length === 0) ingress.protos = ingress.protos.filter((p) => p !== proto);
  return TC_OK;
}
