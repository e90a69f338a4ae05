/**
 * qdisc.ts — queueing disciplines of Linux's interfaces: which there are, added, changed, removed.
 * Read first: tc(8); Linux include/uapi/linux/rtnetlink.h ("struct tcmsg"), pkt_sched.h, net/sched/sch_api.c; netlink-socket.ts.
 *
 * Numbers of disciplines are `major:minor`, 16 bits each; a discipline's minor is 0. Their kinds' options are bytes here: plug-options.ts makes those of plug.
 */
import { ENOENT } from '../tap/libc.js';
import { attribute, Attributes, textAttribute } from './attributes.js';
import type { LinkRef } from './link.js';
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, viewOf } from './message.js';
import type { NetlinkSocket } from './netlink-socket.js';

export const RTM_NEWQDISC = 36;
export const RTM_DELQDISC = 37;
export const RTM_GETQDISC = 38;
export const TC_H_ROOT = 0xffff_ffff;
/** Parent of `ingress` and `clsact`, and the number that both have. */
export const TC_H_INGRESS = 0xffff_fff1;
export const INGRESS_HANDLE = 0xffff_0000;
export const TCA_KIND = 1;
export const TCA_OPTIONS = 2;
const TCA_STATS2 = 7;
const TCA_STATS_BASIC = 1;
const TCA_STATS_QUEUE = 3;
const TCMSG_SIZE = 20;

export interface Qdisc {
  readonly ifindex: number;
  readonly kind: string;
  /** 0 for one that the kernel put there of itself. */
  readonly handle: number;
  readonly parent: number;
  /** Sent so far. */
  readonly packets: number;
  readonly bytes: number;
  /** Waiting, and their bytes; not taken. */
  readonly queuedPackets: number;
  readonly queuedBytes: number;
  readonly drops: number;
}

export interface QdiscSpec {
  readonly kind: string;
  readonly parent: number;
  /** Left out: the kernel chooses one. */
  readonly handle?: number;
  readonly options?: Uint8Array;
}

/** struct tcmsg: family, index, handle, parent, info. */
export function tcmsg(ifindex: number, handle = 0, parent = 0, info = 0): Uint8Array {
  const bytes = new Uint8Array(TCMSG_SIZE);
  const view = viewOf(bytes);
  view.setInt32(4, ifindex, true);
  view.setUint32(8, handle, true);
  view.setUint32(12, parent, true);
  view.setUint32(16, info, true);
  return bytes;
}

function qdiscOf(body: Uint8Array): Qdisc {
  const view = viewOf(body);
  const attributes = new Attributes(body.subarray(TCMSG_SIZE));
  const stats = attributes.nested(TCA_STATS2);
  const basic = stats.bytes(TCA_STATS_BASIC);
  const queue = stats.bytes(TCA_STATS_QUEUE);
  const word = (bytes: Uint8Array | null, at: number): number => (bytes === null || bytes.length < at + 4 ? 0 : viewOf(bytes).getUint32(at, true));
  return {
    ifindex: view.getInt32(4, true), handle: view.getUint32(8, true), parent: view.getUint32(12, true), kind: attributes.text(TCA_KIND) ?? '',
    bytes: word(basic, 0) + word(basic, 4) * 2 ** 32, packets: word(basic, 8), queuedPackets: word(queue, 0), queuedBytes: word(queue, 4), drops: word(queue, 8),
  };
}

/** The disciplines of an interface, or of all. @throws NetlinkError */
export function listQdiscs(socket: NetlinkSocket, link: LinkRef | null = null): Qdisc[] {
  const list = socket.dump({ doing: 'list the qdiscs of', device: link?.name ?? 'all interfaces' }, RTM_GETQDISC, tcmsg(link?.index ?? 0)).map(qdiscOf);
  // Kernels differ in whether they look at the number.
  return link === null ? list : list.filter((qdisc) => qdisc.ifindex === link.index);
}

/** What a kind's absence looks like, and its cure. Kernels before 4.12 say no more than ENOENT. */
function moduleAdvice(kind: string): (errno: number, said: string) => string | null {
  return (errno, said) => (errno === ENOENT && (said === '' || /kind is unknown/i.test(said)) ? `Load the module: sudo modprobe sch_${kind === 'clsact' ? 'ingress' : kind}` : null);
}

function parts(link: LinkRef, { kind, parent, handle, options }: QdiscSpec): Uint8Array[] {
  return [tcmsg(link.index, handle ?? 0, parent), textAttribute(TCA_KIND, kind), ...(options === undefined ? [] : [attribute(TCA_OPTIONS, options)])];
}

/** Adds one where there is none but the kernel's own. @throws NetlinkError; EEXIST when there is another. */
export function addQdisc(socket: NetlinkSocket, link: LinkRef, spec: QdiscSpec): void {
  socket.request({ doing: `add the qdisc ${spec.kind} to`, device: link.name, advice: moduleAdvice(spec.kind) }, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ...parts(link, spec));
}

/** Puts one in the place of another, whose number is another one too; what that holds is lost. @throws NetlinkError */
export function replaceQdisc(socket: NetlinkSocket, link: LinkRef, spec: QdiscSpec): void {
  socket.request({ doing: `put the qdisc ${spec.kind} at`, device: link.name, advice: moduleAdvice(spec.kind) }, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, ...parts(link, spec));
}

/** Changes the one of that number and kind. @throws NetlinkError; ENOENT when there is none, EEXIST or EINVAL when there is another. */
export function changeQdisc(socket: NetlinkSocket, link: LinkRef, spec: QdiscSpec): void {
  socket.request({ doing: `change the qdisc ${spec.kind} of`, device: link.name }, RTM_NEWQDISC, 0, ...parts(link, spec));
}

/** Removes the one of that number, if it has one. @throws NetlinkError; ENOENT or EINVAL when there is none. */
export function deleteQdisc(socket: NetlinkSocket, link: LinkRef, spec: QdiscSpec): void {
  socket.request({ doing: `remove the qdisc ${spec.kind} from`, device: link.name }, RTM_DELQDISC, 0, ...parts(link, spec));
}
