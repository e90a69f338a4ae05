/**
 * fwd-verdict.ts — the words for what becomes of a frame on the short path: why it is punted to the complete path, or dropped.
 *
 * A verdict is a number: 0 and more say that the frame is sent on, negative ones why it is not. Those above FWD_DROP (forward.ts) are punts: the frame goes, as it
 * came, to the complete path. The first ten and the drops are IP's (forward.ts); here are Ethernet's. `fwdReason` is a verdict's name in `netloom top`.
 * Not here: who counts them (fwd-counters.ts).
 */
import { FWD_DROP } from './forward.js';

/** The port belongs to no interface, or to one that short paths know nothing of. */
export const FWD_PUNT_NOIF = -11;
/** The interface, or the bridge above it, is not up and running. */
export const FWD_PUNT_DOWN = -12;
/** Somebody captures on the interface. */
export const FWD_PUNT_BPF = -13;
/** Packet filters are hooked in. */
export const FWD_PUNT_FILTER = -14;
/** The interface belongs to something that takes whole frames: a lagg, a netgraph node, a monitor, a span port. */
export const FWD_PUNT_TAKEN = -15;
/** Shorter than its headers. */
export const FWD_PUNT_RUNT = -16;
/** Broadcast or multicast. */
export const FWD_PUNT_MULTICAST = -17;
/** To a link address that is not the interface's. */
export const FWD_PUNT_PROMISC = -18;
/** A tag that no vlan is configured for, or a stack of them; a vlan behind a bridge that is a member of a bridge. */
export const FWD_PUNT_VLAN = -19;
/** Neither IPv4 nor IPv6. */
export const FWD_PUNT_TYPE = -20;
/** The vnet is no router for the family on this interface. */
export const FWD_PUNT_HOST = -21;
/** A bridge does not know the source's address, knows it elsewhere, or as this host's. */
export const FWD_PUNT_SOURCE = -22;
/** A bridge does not know the destination's address. */
export const FWD_PUNT_FLOOD = -23;
/** The bridge's port may not forward, or not to that one. */
export const FWD_PUNT_BLOCKED = -24;
/** The next hop's link address is not known, or not confirmed. */
export const FWD_PUNT_NONEIGH = -25;
/** Leaves through an interface that is no port of the short path. */
export const FWD_PUNT_OUTPUT = -26;
/** Offloads that the interface it leaves by has not. */
export const FWD_PUNT_OFFLOAD = -27;
/** The interface has a limit or a property of its own that only the complete path knows. */
export const FWD_PUNT_SPECIAL_IF = -28;
/** A header of IP that is wrong. */
export const FWD_PUNT_HEADER = -29;

const REASONS: readonly string[] = [
  '', 'options', 'special', 'local', 'ttl', 'noroute', 'reject', 'broadcast', 'sameif', 'toobig', 'stale',
  'noif', 'down', 'bpf', 'filter', 'taken', 'runt', 'multicast', 'promisc', 'vlan', 'type', 'host', 'source', 'flood', 'blocked', 'noneigh', 'output', 'offload', 'special-if', 'header',
];
const DROPS: readonly string[] = ['blackhole'];

/** Names there are for punts; verdict -n is counted at place n of this many. */
export const FWD_REASONS = REASONS.length;

/** The name of a negative verdict: `noroute`, `blackhole` …; '' for one that has none. */
export function fwdReason(verdict: number): string {
  return verdict <= FWD_DROP ? (DROPS[FWD_DROP - verdict] ?? '') : (REASONS[-verdict] ?? '');
}
