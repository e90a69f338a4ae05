/**
 * bridge-control.ts — the requests ifconfig makes of a bridge (BRDG*), by member name.
 * Read first: ifconfig(8) "Bridge Interface Parameters".
 *
 * Every call answers EINVAL for an interface that is no bridge. Members are looked up by name in the bridge's vnet.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOENT } from '../base/errno.js';
import { bridgeOf } from './bridge.js';
import type { BridgeSoftc } from './bridge.js';
import {
  IFBIF_BSTP_ADMCOST, IFBIF_BSTP_ADMEDGE, IFBIF_BSTP_AUTOEDGE, IFBIF_BSTP_AUTOPTP, IFBIF_BSTP_EDGE, IFBIF_BSTP_PTP, IFBIF_DISCOVER, IFBIF_LEARNING, IFBIF_PRIVATE,
  IFBIF_SPAN, IFBIF_STICKY, IFBIF_STP,
} from './bridge-forward.js';
import type { BridgePort } from './bridge-forward.js';
import type { BstpOption } from './bridgestp/bstp.js';
import { BSTP_ROLE_NAMES, BSTP_STATE_NAMES } from './bridgestp/bstp-port.js';
import { BSTP_TICK_256THS } from './bridgestp/bstp-timer.js';
import { BSTP_PROTO_RSTP } from '../wire/stp.js';
import { IFBAF_DYNAMIC, IFBAF_STATIC, IFBAF_TYPEMASK } from './bridge-rtable.js';
import type { Ifnet } from './ifnet.js';

const US_PER_S = 1_000_000;
const VLAN_MAX = 4_094;
const U32_MAX = 0xffffffff;
const PORT_MASK = 0xfff;
const MAC_BYTES = 6;
/** Flags that are options of the spanning-tree port. */
const BSTP_OPTIONS: readonly (readonly [flag: number, option: BstpOption])[] = [
  [IFBIF_BSTP_EDGE, 'edge'], [IFBIF_BSTP_AUTOEDGE, 'autoedge'], [IFBIF_BSTP_PTP, 'ptp'], [IFBIF_BSTP_AUTOPTP, 'autoptp'],
];
/** Flags that are the bridge's own. */
const BRIDGE_FLAGS = IFBIF_LEARNING | IFBIF_DISCOVER | IFBIF_STICKY | IFBIF_PRIVATE;

/** A member, or a span port (IFBIF_SPAN), as `ifconfig bridgeN` shows it. */
export interface BridgeMember {
  readonly name: string;
  /** IFBIF_* */
  readonly flags: number;
  readonly addrMax: number;
  readonly addrCount: number;
  /** Addresses refused because of `addrMax`. */
  readonly addrExceeded: number;
  readonly port: number;
  readonly priority: number;
  readonly pathCost: number;
  /** What the spanning tree makes of it; null while it takes no part. */
  readonly stp: BridgeMemberStp | null;
}

/** A member's part in the spanning tree. */
export interface BridgeMemberStp {
  readonly proto: 'rstp' | 'stp';
  readonly role: string;
  readonly state: string;
}

/** An address in the table, as `ifconfig bridgeN addr` shows it. */
export interface BridgeAddr {
  readonly mac: Uint8Array;
  readonly vlan: number;
  readonly member: string;
  /** Seconds until a dynamic address is forgotten, 0 for others. */
  readonly expire: number;
  /** IFBAF_* */
  readonly flags: number;
}

/** Parameters of the bridge, as `ifconfig bridgeN` shows them; times in seconds. */
export interface BridgeParams {
  readonly id: Uint8Array;
  readonly priority: number;
  readonly helloTime: number;
  readonly fwdDelay: number;
  readonly maxAge: number;
  readonly holdCount: number;
  readonly proto: 'rstp' | 'stp';
  readonly maxAddr: number;
  readonly timeout: number;
  readonly rootId: Uint8Array;
  readonly rootPriority: number;
  readonly rootCost: number;
  readonly rootPort: number;
  /** Addresses not learned because the table was full. */
  readonly exceeded: number;
}

/** What `bridgeSetParam` sets, by ifconfig's words. */
export type BridgeParamName = 'maxaddr' | 'timeout' | 'priority' | 'hellotime' | 'fwddelay' | 'maxage' | 'holdcnt' | 'proto';

/** addm. ENOENT no such interface; EBUSY a span port or member elsewhere; EEXIST a member; EINVAL its kind or its MTU does not fit. */
export function bridgeAdd(ifp: Ifnet, member: string): Errno {
  return onInterface(ifp, member, (sc, other) => sc.add(other));
}

/** deletem. ENOENT: not a member. */
export function bridgeDelete(ifp: Ifnet, member: string): Errno {
  return onMember(ifp, member, (sc, port) => {
    sc.remove(port);
    return 0;
  });
}

/** span. ENOENT, EBUSY, EINVAL as `bridgeAdd`. */
export function bridgeAddSpan(ifp: Ifnet, name: string): Errno {
  return onInterface(ifp, name, (sc, other) => sc.addSpan(other));
}

/** -span. ENOENT: no such interface, or not a span port. */
export function bridgeDeleteSpan(ifp: Ifnet, name: string): Errno {
  return onInterface(ifp, name, (sc, other) => sc.removeSpan(other));
}

/** learn, discover, stp, edge, ptp … and their negations. ENOENT not a member; EINVAL the span flag, or stp on what is no Ethernet. */
export function bridgeSetFlags(ifp: Ifnet, member: string, set: number, clear: number): Errno {
  return onMember(ifp, member, (sc, port) => {
    if ((set & IFBIF_SPAN) !== 0) return EINVAL;
    const error = ((set | clear) & IFBIF_STP) === 0 ? 0 : sc.setStp(port, (set & IFBIF_STP) !== 0);
    if (error !== 0) return error;
    for (const [flag, option] of BSTP_OPTIONS) if (((set | clear) & flag) !== 0) sc.stp.setOption(port.stp, option, (set & flag) !== 0);
    port.flags = (port.flags & ~(clear & BRIDGE_FLAGS)) | (set & BRIDGE_FLAGS);
    return 0;
  });
}

/** ifmaxaddr, ifpriority, ifpathcost. ENOENT not a member; EINVAL out of range. */
export function bridgeSetMemberParam(ifp: Ifnet, member: string, name: 'ifmaxaddr' | 'ifpriority' | 'ifpathcost', value: number): Errno {
  return onMember(ifp, member, (sc, port) => {
    if (name === 'ifpriority') return sc.stp.setPortPriority(port.stp, value);
    if (name === 'ifpathcost') return sc.stp.setPathCost(port.stp, value);
    if (!isU32(value)) return EINVAL;
    port.addrMax = value;
    return 0;
  });
}

/** static. ENOENT not a member; EINVAL not an individual address, or no VLAN id; ENOSPC the table or the member's share is full. */
export function bridgeSetStatic(ifp: Ifnet, member: string, mac: Uint8Array, vlan = 0): Errno {
  return onMember(ifp, member, (sc, port) => {
    if (mac.length !== MAC_BYTES || vlan < 0 || vlan > VLAN_MAX) return EINVAL;
    const { rtable } = sc.fwd;
    const [hi, lo] = macParts(mac);
    const slot = rtable.find(hi, lo, vlan);
    if (slot < 0) return sc.fwd.addEntry(port, hi, lo, vlan, IFBAF_STATIC);
    if (rtable.typeAt(slot) === IFBAF_DYNAMIC) rtable.move(slot, port.index);
    rtable.setFlags(slot, IFBAF_STATIC);
    return 0;
  });
}

/** deladdr; VLAN 0 is every VLAN. ENOENT: not known. */
export function bridgeDeleteAddr(ifp: Ifnet, mac: Uint8Array, vlan = 0): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null || mac.length !== MAC_BYTES) return EINVAL;
  const [hi, lo] = macParts(mac);
  if (vlan === 0) return sc.fwd.rtable.removeAddress(hi, lo) > 0 ? 0 : ENOENT;
  const slot = sc.fwd.rtable.find(hi, lo, vlan);
  if (slot < 0) return ENOENT;
  sc.fwd.rtable.removeAt(slot);
  return 0;
}

/** flush: forgets what was learned; flushall: static and sticky addresses too. */
export function bridgeFlush(ifp: Ifnet, all: boolean): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null) return EINVAL;
  sc.fwd.rtable.flush(all);
  return 0;
}

/** maxaddr, timeout, priority … `proto` is 0 for stp, 2 for rstp. EINVAL out of range; EPERM hellotime with rstp. */
export function bridgeSetParam(ifp: Ifnet, name: BridgeParamName, value: number): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null || !isU32(value)) return EINVAL;
  switch (name) {
    case 'maxaddr':
      sc.fwd.rtable.setMax(value, sc.fwd.engine.now);
      return 0;
    case 'timeout':
      sc.setTimeout(value);
      return 0;
    case 'priority':
      return sc.stp.setPriority(value);
    case 'hellotime':
      return sc.stp.setHelloTime(value);
    case 'fwddelay':
      return sc.stp.setForwardDelay(value);
    case 'maxage':
      return sc.stp.setMaxAge(value);
    case 'holdcnt':
      return sc.stp.setHoldCount(value);
    case 'proto':
      return sc.stp.setProtocol(value);
  }
}

/** Members newest first, then span ports newest first; null when `ifp` is no bridge. */
export function bridgeMembers(ifp: Ifnet): BridgeMember[] | null {
  const sc = bridgeOf(ifp);
  if (sc === null) return null;
  const members = sc.fwd.order.map((p) => memberInfo(sc, p));
  const spans = sc.fwd.spans.map((s) => ({
    name: s.xname, flags: IFBIF_SPAN, addrMax: 0, addrCount: 0, addrExceeded: 0, port: s.index & PORT_MASK, priority: 0, pathCost: 0,
    stp: null,
  }));
  return [...members, ...spans];
}

function memberInfo(sc: BridgeSoftc, p: BridgePort): BridgeMember {
  const { stp: bp } = p;
  return {
    name: p.ifp.xname, flags: memberFlags(p), addrMax: p.addrMax, addrCount: sc.fwd.rtable.portCount[p.index] ?? 0, addrExceeded: p.addrExceeded,
    port: bp.number, priority: bp.priority, pathCost: bp.pathCost,
    stp: bp.active ? { proto: bp.rapid ? 'rstp' : 'stp', role: BSTP_ROLE_NAMES[bp.role] ?? '', state: BSTP_STATE_NAMES[bp.state] ?? '' } : null,
  };
}

/** The bridge's flags of a member, and how the spanning tree sees it. */
function memberFlags(p: BridgePort): number {
  const { stp: bp } = p;
  return p.flags | (bp.operEdge ? IFBIF_BSTP_EDGE : 0) | (bp.autoEdge ? IFBIF_BSTP_AUTOEDGE : 0) | (bp.ptpLink ? IFBIF_BSTP_PTP : 0)
    | (bp.autoPtp ? IFBIF_BSTP_AUTOPTP : 0) | (bp.admEdge ? IFBIF_BSTP_ADMEDGE : 0) | (bp.adminCost === 0 ? 0 : IFBIF_BSTP_ADMCOST);
}

/** Known addresses, newest first; null when `ifp` is no bridge. */
export function bridgeAddrs(ifp: Ifnet): BridgeAddr[] | null {
  const sc = bridgeOf(ifp);
  if (sc === null) return null;
  const { now } = sc.fwd.engine;
  sc.fwd.rtable.refreshSeen(sc.fwd.timeoutUs);
  return sc.fwd.rtable.list().map((e) => {
    const left = (e.flags & IFBAF_TYPEMASK) === IFBAF_DYNAMIC && e.expire !== Infinity ? Math.ceil((e.expire - now) / US_PER_S) : 0;
    return { mac: macOf(e.hi, e.lo), vlan: e.vlan, member: sc.fwd.ports[e.port]?.ifp.xname ?? '', expire: Math.max(0, left), flags: e.flags };
  });
}

/** Parameters; null when `ifp` is no bridge. */
export function bridgeParams(ifp: Ifnet): BridgeParams | null {
  const sc = bridgeOf(ifp);
  if (sc === null) return null;
  const { stp, fwd } = sc;
  const { bridgePv: own, rootPv: root, bridgeTimes: times } = stp;
  return {
    id: macOf(own.bridgeHi & 0xffff, own.bridgeLo), priority: stp.priority, helloTime: times.helloTime / BSTP_TICK_256THS,
    fwdDelay: times.forwardDelay / BSTP_TICK_256THS, maxAge: times.maxAge / BSTP_TICK_256THS, holdCount: stp.holdCount,
    proto: stp.proto === BSTP_PROTO_RSTP ? 'rstp' : 'stp', maxAddr: fwd.rtable.max, timeout: sc.timeoutS,
    rootId: macOf(root.rootHi & 0xffff, root.rootLo), rootPriority: root.rootHi >>> 16, rootCost: root.cost, rootPort: stp.rootPort?.number ?? 0,
    exceeded: fwd.stats.exceeded,
  };
}

function onInterface(ifp: Ifnet, name: string, fn: (sc: BridgeSoftc, other: Ifnet) => Errno): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null) return EINVAL;
  const other = ifp.net?.ifunit(name) ?? null;
  return other === null ? ENOENT : fn(sc, other);
}

function onMember(ifp: Ifnet, name: string, fn: (sc: BridgeSoftc, port: BridgePort) => Errno): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null) return EINVAL;
  const port = sc.fwd.order.find((p) => p.ifp.xname === name);
  return port === undefined ? ENOENT : fn(sc, port);
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= U32_MAX;
}

function macParts(mac: Uint8Array): [number, number] {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac;
  return [(a << 8) | b, ((c << 24) | (d << 16) | (e << 8) | f) >>> 0];
}

function macOf(hi: number, lo: number): Uint8Array {
  return Uint8Array.of(hi >> 8, hi & 255, lo >>> 24, (lo >>> 16) & 255, (lo >>> 8) & 255, lo & 255);
}
