/**
 * ipfw-match.ts — does a packet match an instruction?
 * Read first: ipfw-insn.ts, ipfw-args.ts; ipfw(8) "RULE OPTIONS (MATCH PATTERNS)".
 *
 * One function per family of instructions, and `insnMatches` in front of them. What an instruction needs of the vnet (own addresses, routes, chance) it gets
 * from IpfwWorld. A table that answers leaves its value in `world.tablearg`.
 * Nothing here is changed but that, and nothing is made.
 */
import type { Prng } from '../../base/prng.js';
import type { Ifnet } from '../../net/ifnet.js';
import { ETHER_TYPE } from '../../wire/ether.js';
import { ICMP_MAXTYPE, icmp4Type } from '../../wire/icmp4.js';
import { IP4_HDR_LEN, IPOPT_LSRR, IPOPT_RR, IPOPT_SSRR, IPOPT_TS, ip4Hl, ip4Id, ip4OptLen, ip4Off, ip4Tos, ip4Ttl, ip4Version } from '../../wire/ip4.js';
import { ip6Class, ip6Flow } from '../../wire/ip6.js';
import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP } from '../../wire/ipproto.js';
import {
  TCPOLEN_MAXSEG, TCPOLEN_SACK_BLOCK, TCPOLEN_SACK_PERMITTED, TCPOLEN_TIMESTAMP, TCPOLEN_WINDOW, TCPOPT_MAXSEG, TCPOPT_SACK, TCPOPT_SACK_PERMITTED, TCPOPT_TIMESTAMP, TCPOPT_WINDOW,
  TCP_HDR_LEN, TH_ACK, TH_RST, TH_SYN, tcpAck, tcpOff, tcpOptLen, tcpSeq, tcpWin,
} from '../../wire/tcp.js';
import type { IpfwArgs } from './ipfw-args.js';
import {
  IFACE_ADDR, IFACE_TABLE, IP_FW_IPOPT_LSRR, IP_FW_IPOPT_RR, IP_FW_IPOPT_SSRR, IP_FW_IPOPT_TS, IP_FW_TARG, IP_FW_TCPOPT_MSS, IP_FW_TCPOPT_SACK, IP_FW_TCPOPT_TS, IP_FW_TCPOPT_WINDOW,
  LOOKUP_DSCP, LOOKUP_DST_IP, LOOKUP_DST_MAC, LOOKUP_DST_PORT, LOOKUP_MARK, LOOKUP_SRC_IP, LOOKUP_SRC_MAC, LOOKUP_SRC_PORT, O_ANTISPOOF, O_DSCP, O_ESTAB, O_EXT_HDR, O_FIB, O_FLOW6ID,
  O_FRAG, O_ICMP6TYPE, O_ICMPTYPE, O_IN, O_IP4, O_IP6, O_IP6_DST, O_IP6_DST_MASK, O_IP6_DST_ME, O_IP6_SRC, O_IP6_SRC_MASK, O_IP6_SRC_ME, O_IPID, O_IPLEN, O_IPOPT, O_IPPRECEDENCE,
  O_IPTOS, O_IPTTL, O_IPVER, O_IP_DST, O_IP_DSTPORT, O_IP_DST_LOOKUP, O_IP_DST_MASK, O_IP_DST_ME, O_IP_DST_SET, O_IP_FLOW_LOOKUP, O_IP_SRC, O_IP_SRCPORT, O_IP_SRC_LOOKUP,
  O_IP_SRC_MASK, O_IP_SRC_ME, O_IP_SRC_SET, O_LAYER2, O_LOOKUP, O_MACADDR2, O_MAC_DST_LOOKUP, O_MAC_SRC_LOOKUP, O_MAC_TYPE, O_MARK, O_NOP, O_PROB, O_PROTO, O_RECV, O_TAGGED, O_TCPACK,
  O_TCPDATALEN, O_TCPFLAGS, O_TCPMSS, O_TCPOPTS, O_TCPSEQ, O_TCPWIN, O_VERREVPATH, O_VERSRCREACH, O_VIA, O_XMIT,
} from './ipfw-insn.js';
import type { IpfwInsn } from './ipfw-insn.js';
import type { IpfwTableEntry } from './ipfw-table.js';
import type { IpfwTableValue } from './ipfw-table-value.js';

/** Whose tags `tag` puts on. */
export const MTAG_IPFW = 1_148_380_143;

/** What instructions ask of the vnet. Addresses are signed words. */
export interface IpfwWorld {
  /** What the table that answered last has said. */
  tablearg: IpfwTableValue;
  readonly rng: Prng;
  isLocal4(addr: number): boolean;
  isLocal6(w0: number, w1: number, w2: number, w3: number): boolean;
  /** Is an address of `ifp` this one? */
  hasAddr4(ifp: Ifnet, addr: number): boolean;
  /** Is there a route to the packet's source, through `ifp` (null: through any, but not the default route or a reject)? */
  routeBack(args: IpfwArgs, ifp: Ifnet | null): boolean;
  /** Is the packet's source on a network of ours? */
  isOnLink(args: IpfwArgs): boolean;
  /** The interface it came in on, or null. */
  rcvif(args: IpfwArgs): Ifnet | null;
}

/** Without `not`. */
export function insnMatches(world: IpfwWorld, a: IpfwArgs, insn: IpfwInsn): boolean {
  const { op, arg1, d } = insn;
  switch (op) {
    case O_NOP:
      return true;
    case O_PROTO:
      return a.proto === arg1 && a.hlen > 0;
    case O_IP_SRC:
      return a.is4 && a.src === d[0];
    case O_IP_DST:
      return a.is4 && a.dst === d[0];
    case O_IP_SRC_MASK:
      return a.is4 && inMasks(d, a.src);
    case O_IP_DST_MASK:
      return a.is4 && inMasks(d, a.dst);
    case O_IP_SRCPORT:
      return a.offset === 0 && a.hasPorts() && inRanges(d, a.sport);
    case O_IP_DSTPORT:
      return a.offset === 0 && a.hasPorts() && inRanges(d, a.dport);
    case O_IN:
      return a.isIn;
    case O_VIA:
      return isInterface(world, a.ifp, insn);
    case O_RECV:
      return isInterface(world, world.rcvif(a), insn);
    case O_XMIT:
      return isInterface(world, a.isIn ? null : a.ifp, insn);
    case O_IP4:
      return a.is4;
    case O_IP6:
      return a.is6;
    case O_LAYER2:
      return a.ether;
    case O_PROB:
      return world.rng.u32() >>> 1 < d[0]!;
    case O_FIB:
      return a.fib === arg1;
    case O_TAGGED:
      return isTagged(world, a, insn);
    case O_MARK:
      return ((a.mark ^ (arg1 === IP_FW_TARG ? world.tablearg.mark : d[0]!)) & d[1]!) === 0;
    default:
      return op < O_LAYER2 || (op >= O_IP6_SRC && op <= O_IP6_DST_MASK) || op >= O_IP_FLOW_LOOKUP ? addressMatches(world, a, insn) : headerMatches(world, a, insn);
  }
}

/** Addresses that are ours, in sets, in tables; IPv6; link addresses. */
function addressMatches(world: IpfwWorld, a: IpfwArgs, insn: IpfwInsn): boolean {
  const { op, d } = insn;
  switch (op) {
    case O_IP_SRC_ME:
      return a.is4 ? world.isLocal4(a.src) : a.is6 && world.isLocal6(a.s0, a.s1, a.s2, a.s3);
    case O_IP_DST_ME:
      return a.is4 ? world.isLocal4(a.dst) : a.is6 && world.isLocal6(a.d0, a.d1, a.d2, a.d3);
    case O_IP6_SRC_ME:
      return a.is6 && world.isLocal6(a.s0, a.s1, a.s2, a.s3);
    case O_IP6_DST_ME:
      return a.is6 && world.isLocal6(a.d0, a.d1, a.d2, a.d3);
    case O_IP_SRC_SET:
      return a.is4 && inSet(insn, a.src);
    case O_IP_DST_SET:
      return a.is4 && inSet(insn, a.dst);
    case O_IP6_SRC:
      return a.is6 && d[3] === a.s3 && d[2] === a.s2 && d[1] === a.s1 && d[0] === a.s0;
    case O_IP6_DST:
      return a.is6 && d[3] === a.d3 && d[2] === a.d2 && d[1] === a.d1 && d[0] === a.d0;
    case O_IP6_SRC_MASK:
      return a.is6 && inMasks6(d, a.s0, a.s1, a.s2, a.s3);
    case O_IP6_DST_MASK:
      return a.is6 && inMasks6(d, a.d0, a.d1, a.d2, a.d3);
    case O_MACADDR2:
      return a.ether && isMac(a, d);
    case O_MAC_TYPE:
      return a.ether && inRanges(d, a.m.view.getUint16(a.m.off + ETHER_TYPE));
    default:
      return tableMatches(world, a, insn);
  }
}

/** Fields of IP headers and of what is behind them. */
function headerMatches(world: IpfwWorld, a: IpfwArgs, insn: IpfwInsn): boolean {
  const { op, arg1, d } = insn;
  const v = a.m.view;
  switch (op) {
    case O_FRAG:
      return a.is4 ? flagsMatch(arg1, ((ip4Off(v, a.l3) & 0xe000) >>> 8) | (a.offset !== 0 ? 1 : 0)) : arg1 === 1 && a.offset !== 0;
    case O_IPVER:
      return (a.is4 || a.is6) && arg1 === ip4Version(v, a.l3);
    case O_IPLEN:
      return a.hlen > 0 && isArgOrRange(insn, a.iplen);
    case O_IPTTL:
      return a.is4 && isArgOrRange(insn, ip4Ttl(v, a.l3));
    case O_IPID:
      return a.is4 && isArgOrRange(insn, ip4Id(v, a.l3));
    case O_IPTOS:
      return a.is4 && flagsMatch(arg1, ip4Tos(v, a.l3));
    case O_IPPRECEDENCE:
      return a.is4 && arg1 === (ip4Tos(v, a.l3) & 0xe0);
    case O_IPOPT:
      return a.is4 && flagsMatch(arg1, ipOptions(a));
    case O_DSCP: {
      const dscp = dscpOf(a);
      return dscp >= 0 && (d[dscp >>> 5]! & (1 << (dscp & 31))) !== 0;
    }
    case O_ICMPTYPE: {
      const type = a.ulp === 0 ? ICMP_MAXTYPE + 1 : icmp4Type(v, a.ulp);
      return a.is4 && a.proto === IPPROTO_ICMP && type < 32 && (d[0]! & (1 << type)) !== 0;
    }
    case O_ICMP6TYPE: {
      const type = a.ulp === 0 ? 0 : v.getUint8(a.ulp);
      return a.is6 && a.offset === 0 && a.proto === IPPROTO_ICMPV6 && a.ulp !== 0 && (d[type >>> 5]! & (1 << (type & 31))) !== 0;
    }
    case O_EXT_HDR:
      return a.is6 && (a.extHdr & arg1) !== 0;
    case O_FLOW6ID:
      return a.is6 && d.includes(ip6Flow(v, a.l3));
    case O_VERREVPATH:
      return !a.isIn || world.routeBack(a, a.ifp);
    case O_VERSRCREACH:
      return a.hlen > 0 && (!a.isIn || world.routeBack(a, null));
    case O_ANTISPOOF:
      return !a.isIn || a.hlen === 0 || !world.isOnLink(a) || world.routeBack(a, a.ifp);
    default:
      return a.proto === IPPROTO_TCP && a.ulp !== 0 && tcpMatches(a, insn);
  }
}

function tcpMatches(a: IpfwArgs, insn: IpfwInsn): boolean {
  const { op, arg1, d } = insn;
  const v = a.m.view;
  switch (op) {
    case O_ESTAB:
      return (a.tcpFlags & (TH_RST | TH_ACK | TH_SYN)) !== TH_SYN;
    case O_TCPFLAGS:
      return flagsMatch(arg1, a.tcpFlags);
    case O_TCPSEQ:
      return (tcpSeq(v, a.ulp) | 0) === d[0];
    case O_TCPACK:
      return (tcpAck(v, a.ulp) | 0) === d[0];
    case O_TCPWIN:
      return isArgOrRange(insn, tcpWin(v, a.ulp));
    case O_TCPDATALEN:
      return isArgOrRange(insn, a.iplen - a.hlen - tcpOff(v, a.ulp));
    case O_TCPOPTS:
      return flagsMatch(arg1, tcpOptions(a) & 0xff);
    case O_TCPMSS: {
      const found = (a.tcpFlags & TH_SYN) === 0 ? 0 : tcpOptions(a);
      return (found & IP_FW_TCPOPT_MSS) !== 0 && isArgOrRange(insn, found >>> 8);
    }
    default:
      return false;
  }
}

/** arg1: bits that must be set, and above them those that must not. */
function flagsMatch(arg1: number, bits: number): boolean {
  return (arg1 & 0xff & ~bits) === 0 && ((arg1 >>> 8) & bits) === 0;
}

function inMasks(d: Int32Array, addr: number): boolean {
  for (let i = 0; i < d.length; i += 2) if ((addr & d[i + 1]!) === d[i]) return true;
  return false;
}

function inMasks6(d: Int32Array, w0: number, w1: number, w2: number, w3: number): boolean {
  for (let i = 0; i < d.length; i += 8) {
    if ((w0 & d[i + 4]!) === d[i] && (w1 & d[i + 5]!) === d[i + 1] && (w2 & d[i + 6]!) === d[i + 2] && (w3 & d[i + 7]!) === d[i + 3]) return true;
  }
  return false;
}

function inRanges(d: Int32Array, n: number): boolean {
  for (let i = 0; i < d.length; i += 2) if (n >= d[i]! && n <= d[i + 1]!) return true;
  return false;
}

function isArgOrRange({ d, arg1 }: IpfwInsn, n: number): boolean {
  return d.length === 0 ? n === arg1 : inRanges(d, n);
}

/** d[0] is the first address, arg1 how many there are, then a bit for each. */
function inSet({ d, arg1 }: IpfwInsn, addr: number): boolean {
  const at = (addr >>> 0) - (d[0]! >>> 0);
  return at >= 0 && at < arg1 && (d[1 + (at >>> 5)]! & (1 << (at & 31))) !== 0;
}

/** Destination and source, as they are in the frame, against three words and their masks. */
function isMac(a: IpfwArgs, d: Int32Array): boolean {
  const v = a.m.view;
  const { off } = a.m;
  return (v.getInt32(off) & d[3]!) === d[0] && (v.getInt32(off + 4) & d[4]!) === d[1] && (v.getInt32(off + 8) & d[5]!) === d[2];
}

function isInterface(world: IpfwWorld, ifp: Ifnet | null, insn: IpfwInsn): boolean {
  if (ifp === null) return false;
  if (insn.arg1 === IFACE_ADDR) return world.hasAddr4(ifp, insn.d[0]!);
  if (insn.arg1 === IFACE_TABLE) return found(world, insn.table === null ? null : insn.table.findName(ifp.xname), null);
  return insn.pattern === null ? ifp.xname === insn.name : insn.pattern.test(ifp.xname);
}

function isTagged(world: IpfwWorld, a: IpfwArgs, { arg1, d }: IpfwInsn): boolean {
  const want = arg1 === IP_FW_TARG ? world.tablearg.tag : arg1;
  for (let tag = a.m.tags; tag !== null; tag = tag.next) {
    if (tag.cookie === MTAG_IPFW && (d.length === 0 ? tag.id === want : inRanges(d, tag.id))) return true;
  }
  return false;
}

function tableMatches(world: IpfwWorld, a: IpfwArgs, insn: IpfwInsn): boolean {
  const { table, op } = insn;
  if (table === null) return false;
  const v = a.m.view;
  const { off } = a.m;
  switch (op) {
    case O_IP_SRC_LOOKUP:
      return found(world, a.is4 ? table.find4(a.src) : a.is6 ? table.find6(a.s0, a.s1, a.s2, a.s3) : null, insn);
    case O_IP_DST_LOOKUP:
      return found(world, a.is4 ? table.find4(a.dst) : a.is6 ? table.find6(a.d0, a.d1, a.d2, a.d3) : null, insn);
    case O_IP_FLOW_LOOKUP:
      return found(world, a.is4 || a.is6 ? table.findFlow(a) : null, insn);
    case O_MAC_DST_LOOKUP:
      return found(world, a.ether ? table.findMac(v.getInt32(off), v.getUint16(off + 4)) : null, insn);
    case O_MAC_SRC_LOOKUP:
      return found(world, a.ether ? table.findMac(v.getInt32(off + 6), v.getUint16(off + 10)) : null, insn);
    case O_LOOKUP:
      return found(world, lookupBy(a, insn), null);
    default:
      return false;
  }
}

/** `lookup KEY TABLE` */
function lookupBy(a: IpfwArgs, { arg1, table }: IpfwInsn): IpfwTableEntry | null {
  if (table === null) return null;
  const v = a.m.view;
  const { off } = a.m;
  switch (arg1) {
    case LOOKUP_DST_IP:
      return a.is4 ? table.find4(a.dst) : a.is6 ? table.find6(a.d0, a.d1, a.d2, a.d3) : null;
    case LOOKUP_SRC_IP:
      return a.is4 ? table.find4(a.src) : a.is6 ? table.find6(a.s0, a.s1, a.s2, a.s3) : null;
    case LOOKUP_DST_PORT:
      return a.offset === 0 && a.hasPorts() ? table.findNumber(a.dport) : null;
    case LOOKUP_SRC_PORT:
      return a.offset === 0 && a.hasPorts() ? table.findNumber(a.sport) : null;
    case LOOKUP_DSCP:
      return a.is4 || a.is6 ? table.findNumber(dscpOf(a)) : null;
    case LOOKUP_DST_MAC:
      return a.ether ? table.findMac(v.getInt32(off), v.getUint16(off + 4)) : null;
    case LOOKUP_SRC_MAC:
      return a.ether ? table.findMac(v.getInt32(off + 6), v.getUint16(off + 10)) : null;
    case LOOKUP_MARK:
      return table.findNumber(a.mark >>> 0);
    default:
      return null;
  }
}

/** The table has an entry, with the value that the instruction asks for, if any. */
function found(world: IpfwWorld, entry: IpfwTableEntry | null, insn: IpfwInsn | null): boolean {
  if (entry === null || (insn !== null && insn.d.length > 0 && insn.d[0] !== (entry.value.tag | 0))) return false;
  world.tablearg = entry.value;
  return true;
}

/** -1: no IP packet. */
export function dscpOf(a: IpfwArgs): number {
  if (a.is4) return ip4Tos(a.m.view, a.l3) >>> 2;
  return a.is6 ? ip6Class(a.m.view, a.l3) >>> 2 : -1;
}

function ipOptions(a: IpfwArgs): number {
  const v = a.m.view;
  const end = a.l3 + ip4Hl(v, a.l3);
  let bits = 0;
  for (let at = a.l3 + IP4_HDR_LEN; ; ) {
    const n = ip4OptLen(v, at, end);
    if (n < 0) return 0;
    if (n === 0) return bits;
    const type = v.getUint8(at);
    if (type === IPOPT_LSRR) bits |= IP_FW_IPOPT_LSRR;
    else if (type === IPOPT_SSRR) bits |= IP_FW_IPOPT_SSRR;
    else if (type === IPOPT_RR) bits |= IP_FW_IPOPT_RR;
    else if (type === IPOPT_TS) bits |= IP_FW_IPOPT_TS;
    at += n;
  }
}

/** IP_FW_TCPOPT_* that are there, and above 8 bits the segment size. */
function tcpOptions(a: IpfwArgs): number {
  const v = a.m.view;
  const end = Math.min(a.ulp + tcpOff(v, a.ulp), a.m.off + a.m.len);
  let bits = 0;
  for (let at = a.ulp + TCP_HDR_LEN; ; ) {
    const n = tcpOptLen(v, at, end);
    if (n <= 0) return bits;
    const kind = v.getUint8(at);
    if (kind === TCPOPT_MAXSEG && n === TCPOLEN_MAXSEG) bits |= IP_FW_TCPOPT_MSS | (v.getUint16(at + 2) << 8);
    else if (kind === TCPOPT_WINDOW && n === TCPOLEN_WINDOW) bits |= IP_FW_TCPOPT_WINDOW;
    else if (kind === TCPOPT_SACK_PERMITTED && n === TCPOLEN_SACK_PERMITTED) bits |= IP_FW_TCPOPT_SACK;
    else if (kind === TCPOPT_SACK && n > 2 && (n - 2) % TCPOLEN_SACK_BLOCK === 0) bits |= IP_FW_TCPOPT_SACK;
    else if (kind === TCPOPT_TIMESTAMP && n === TCPOLEN_TIMESTAMP) bits |= IP_FW_TCPOPT_TS;
    at += n;
  }
}
