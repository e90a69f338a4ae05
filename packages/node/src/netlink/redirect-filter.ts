/**
 * redirect-filter.ts — filters at the ingress of an interface that take every packet and send it out of another one: `matchall` or `u32` with the action `mirred egress redirect`.
 * Read first: tc-matchall(8), tc-u32(8), tc-mirred(8); Linux include/uapi/linux/pkt_cls.h, tc_act/tc_mirred.h; qdisc.ts.
 *
 *     TCA_KIND "u32"
 *     TCA_OPTIONS ┬ TCA_U32_SEL: struct tc_u32_sel (terminal, one key), struct tc_u32_key (mask 0, value 0: everything)
 *                 └ TCA_U32_ACT ─ 1 ┬ TCA_ACT_KIND "mirred"
 *                                   └ TCA_ACT_OPTIONS ─ TCA_MIRRED_PARMS: struct tc_mirred (stolen, egress redirect, the interface)
 *
 * `matchall` has no selector, and its actions under another number. The protocol is all of them: with `ip`, ARP and IPv6 would go past.
 */
import { ENOENT } from '../tap/libc.js';
import { attribute, Attributes, nestedAttribute, textAttribute, words } from './attributes.js';
import type { LinkRef } from './link.js';
import { NLM_F_CREATE, NLM_F_EXCL, viewOf } from './message.js';
import type { NetlinkSocket } from './netlink-socket.js';
import { TCA_KIND, TCA_OPTIONS, tcmsg } from './qdisc.js';

export const RTM_NEWTFILTER = 44;
export const RTM_DELTFILTER = 45;
export const RTM_GETTFILTER = 46;
const TCA_U32_SEL = 5;
const TCA_U32_ACT = 7;
const TCA_MATCHALL_ACT = 2;
const TCA_ACT_KIND = 1;
const TCA_ACT_OPTIONS = 2;
const TCA_MIRRED_PARMS = 2;
/** The first action of a list. */
const FIRST_ACTION = 1;
const TC_U32_TERMINAL = 1;
const TC_ACT_STOLEN = 4;
const TCA_EGRESS_REDIR = 1;
/** struct tc_mirred: index, capabilities, action, two counts of references, what is done, the interface. */
const MIRRED_EACTION = 20;
const MIRRED_IFINDEX = 24;
const MIRRED_SIZE = 28;
const TCMSG_SIZE = 20;
/** ETH_P_ALL in network byte order, as the lower half of tcm_info has it. */
const PROTOCOL_ALL = 0x0300;
const INFO = 16;

export type Classifier = 'matchall' | 'u32';

/** Where a filter is: its number among those of the parent that it is tried in order of. */
export interface FilterPlace {
  readonly parent: number;
  readonly preference: number;
}

export interface Filter extends FilterPlace {
  readonly kind: string;
  /** 0 for what the kernel lists of a kind as a whole. */
  readonly handle: number;
  /** Number of the interface that packets are sent out of instead; null when it does something else. */
  readonly redirectIndex: number | null;
}

function mirredTo(to: LinkRef): Uint8Array {
  const parms = words(0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, to.index);
  return nestedAttribute(FIRST_ACTION, textAttribute(TCA_ACT_KIND, 'mirred'), nestedAttribute(TCA_ACT_OPTIONS, attribute(TCA_MIRRED_PARMS, parms)));
}

function optionsOf(classifier: Classifier, to: LinkRef): Uint8Array {
  if (classifier === 'matchall') return nestedAttribute(TCA_OPTIONS, nestedAttribute(TCA_MATCHALL_ACT, mirredTo(to)));
  // Flags, a shift, how many keys; all else is 0.
  const selector = new Uint8Array([TC_U32_TERMINAL, 0, 1, ...new Uint8Array(13), ...new Uint8Array(16)]);
  return nestedAttribute(TCA_OPTIONS, attribute(TCA_U32_SEL, selector), nestedAttribute(TCA_U32_ACT, mirredTo(to)));
}

/** Is it that the kernel has no such classifier? Kernels before 4.12 do not tell it from an action that is missing. */
export function lacksClassifier(errno: number, said: string): boolean {
  return errno === ENOENT && (said === '' || /classifier/i.test(said));
}

function moduleAdvice(classifier: Classifier): (errno: number, said: string) => string | null {
  return (errno, said) => {
    if (errno !== ENOENT) return null;
    if (said === '') return `Load the modules: sudo modprobe -a cls_${classifier} act_mirred`;
    if (/classifier/i.test(said)) return `Load the module: sudo modprobe cls_${classifier}`;
    return /action/i.test(said) ? 'Load the module: sudo modprobe act_mirred' : null;
  };
}

/** Everything that comes in by `from` leaves by `to` instead. @throws NetlinkError */
export function addRedirect(socket: NetlinkSocket, from: LinkRef, { parent, preference }: FilterPlace, to: LinkRef, classifier: Classifier): void {
  const asked = { doing: `redirect to ${to.name} (${classifier}, mirred) what comes in by`, device: from.name, advice: moduleAdvice(classifier) };
  const message = tcmsg(from.index, 0, parent, ((preference << INFO) | PROTOCOL_ALL) >>> 0);
  socket.request(asked, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, message, textAttribute(TCA_KIND, classifier), optionsOf(classifier, to));
}

/** Removes all filters of that place, for all protocols. @throws NetlinkError; ENOENT or EINVAL when there is none. */
export function deleteFilters(socket: NetlinkSocket, from: LinkRef, { parent, preference }: FilterPlace): void {
  socket.request({ doing: 'remove the redirect from', device: from.name }, RTM_DELTFILTER, 0, tcmsg(from.index, 0, parent, ((preference << INFO) | PROTOCOL_ALL) >>> 0));
}

/** The filters at a discipline of an interface. @throws NetlinkError */
export function listFilters(socket: NetlinkSocket, from: LinkRef, parent: number): Filter[] {
  return socket.dump({ doing: 'list the filters of', device: from.name }, RTM_GETTFILTER, tcmsg(from.index, 0, parent)).map(filterOf);
}

function filterOf(body: Uint8Array): Filter {
  const view = viewOf(body);
  const attributes = new Attributes(body.subarray(TCMSG_SIZE));
  const kind = attributes.text(TCA_KIND) ?? '';
  const actions = attributes.nested(TCA_OPTIONS).nested(kind === 'matchall' ? TCA_MATCHALL_ACT : TCA_U32_ACT);
  const action = actions.nested(FIRST_ACTION);
  const parms = action.text(TCA_ACT_KIND) === 'mirred' ? action.nested(TCA_ACT_OPTIONS).bytes(TCA_MIRRED_PARMS) : null;
  const redirects = parms !== null && parms.length >= MIRRED_SIZE && viewOf(parms).getInt32(MIRRED_EACTION, true) === TCA_EGRESS_REDIR;
  return {
    kind, handle: view.getUint32(8, true), parent: view.getUint32(12, true), preference: view.getUint32(16, true) >>> INFO,
    redirectIndex: redirects ? viewOf(parms).getUint32(MIRRED_IFINDEX, true) : null,
  };
}
