/**
 * nd6-nbr.ts — neighbour solicitations and advertisements, in and out.
 * Read first: RFC 4861 §7.1, §7.2; nd6.ts; FreeBSD's netinet6/nd6_nbr.c.
 *
 * A message is checked in this order; the first check that fails drops it and counts:
 *
 *    both   1 in no fragment     fragmented  solicitation  5 from :: only to a solicited-node group       baddst
 *           2 hop limit 255      invlhlim                  6 from a neighbour (nd6_onlink_ns_rfc4861: off) noneighbor
 *           3 options sound      badopt                    7 from :: without link address                 badopt
 *           4 target no group    badtarget   advertisement 5 solicited only to a unicast address          baddst
 *                                            both          8 link address of Ethernet, no group           badlladdr
 *
 * Code and length have been checked before (icmp6-input.ts).
 *
 * An advertisement about an entry that is resolved (`differs`: it names another link address than is known):
 *
 *   override  solicited  differs   what is done                override  solicited  differs   what is done
 *      0          0         no     router flag                    1          0         no     router flag
 *      0          0         yes    REACHABLE → STALE              1          0         yes    take it, STALE
 *      0          1         no     REACHABLE                      1          1         no     REACHABLE
 *      0          1         yes    REACHABLE → STALE              1          1         yes    take it, REACHABLE
 *
 * Static entries are never changed by what is heard. A solicitation that names its sender's link address makes or changes an entry (STALE).
 *
 * @rfc 6980 5 yes
 * @rfc 4861 7.1.1 yes
 * @rfc 4861 7.1.2 yes
 * @rfc 4861 7.2.2 yes
 * @rfc 4861 7.2.3 yes
 * @rfc 4861 7.2.4 yes
 * @rfc 4861 7.2.5 yes
 * @rfc 9131 6.1.1 partial "only on routers, with nd6_rfc9131"
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, ENOBUFS } from '../base/errno.js';
import { M_FRAGMENTED } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { LLE_PUB, LLE_STATIC } from '../net/llentry.js';
import { macFormatPair } from '../wire/addr.js';
import { ip6W0Zoned, IP6_W0_LINKLOCAL_GROUP, ip6PutWords } from '../wire/addr6.js';
import {
  ND_NA_FLAG_OVERRIDE, ND_NA_FLAG_ROUTER, ND_NA_FLAG_SOLICITED, ND_NA_LEN, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT, ND_NS_LEN, ND_OPT_SOURCE_LINKADDR,
  ND_OPT_TARGET_LINKADDR, ND_TARGET,
} from '../wire/icmp6.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC } from '../wire/ip6.js';
import { icmp6CountOut } from './icmp6-var.js';
import { IN6_IFF_ANYCAST, IN6_IFF_DUPLICATED } from './in6-ifaddr.js';
import type { In6Ifaddr } from './in6-ifaddr.js';
import type { NdLlEntry, NdLlTable } from './nd6-lltable.js';
import {
  ND_BAD_HLIM, ND_OK, ND_OPT_LLADDR_LEN, SOLICITED_W2, SOLICITED_W3, ndAlloc, ndCheck, ndFindOpt, ndPutLladdr,
  ndSend,
} from './nd6-msg.js';
import { wordsText } from './nd6-text.js';
import type { Nd6 } from './nd6.js';

/** Offset in the message of the byte with the flags of an advertisement, as one word. */
const NA_FLAGS = 4;

/** A neighbour solicitation. Owns `m`. */
export function nd6NsInput(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  nd.stats.nsreceived++;
  if ((m.flags & M_FRAGMENTED) !== 0) nd.stats.fragmented++;
  else if (isSound(nd, ifp, m, off) && isNsSound(nd, ifp, m, off)) nsAnswer(nd, ifp, m, off);
  else nd.icmp6.stats.badns++;
  m.free();
}

/** A neighbour advertisement. Owns `m`. */
export function nd6NaInput(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  nd.stats.nareceived++;
  if ((m.flags & M_FRAGMENTED) !== 0) nd.stats.fragmented++;
  else if (isSound(nd, ifp, m, off) && isNaSound(nd, ifp, m, off)) naLearn(nd, ifp, m, off);
  else nd.icmp6.stats.badna++;
  m.free();
}

/** Checks 2 to 4. */
function isSound(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): boolean {
  const { stats } = nd;
  const bad = ndCheck(m, off);
  if (bad !== ND_OK) {
    if (bad === ND_BAD_HLIM) nd.icmp6.stats.invlhlim++;
    else stats.badopt++;
    return false;
  }
  if (m.view.getUint8(m.off + off + ND_TARGET) === 0xff) {
    stats.badtarget++;
    nd.log('info', `bad target (multicast) on ${ifp.xname}`);
    return false;
  }
  return true;
}

function isNsSound(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): boolean {
  const { stats } = nd;
  const v = m.view;
  const s = m.off + IP6_SRC;
  const d = m.off + IP6_DST;
  const opts = m.off + off + ND_NS_LEN;
  const opt = ndFindOpt(v, opts, m.off + m.len, ND_OPT_SOURCE_LINKADDR);
  if (isUnspecified(v, s)) {
    if (!isSolicitedNode(v, d)) {
      stats.baddst++;
      nd.log('info', 'nd6_ns_input: bad DAD packet (wrong ip6 dst)');
      return false;
    }
    if (opt !== 0) {
      stats.badopt++;
      nd.log('info', 'nd6_ns_input: bad DAD packet (link-layer address option)');
      return false;
    }
  } else if (nd.tun.onlinkNsRfc4861 === 0 && !nd.isNeighbour(ifp, ip6W0Zoned(v, s, ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12))) {
    stats.noneighbor++;
    nd.log('info', 'nd6_ns_input: NS packet from non-neighbor');
    return false;
  }
  return opt === 0 || isLladdrSound(nd, ifp, v, opt);
}

function isNaSound(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): boolean {
  const v = m.view;
  const at = m.off + off;
  if (v.getUint8(m.off + IP6_DST) === 0xff && (v.getUint32(at + NA_FLAGS) & ND_NA_FLAG_SOLICITED) !== 0) {
    nd.stats.baddst++;
    nd.log('err', 'nd6_na_input: a solicited adv is multicasted');
    return false;
  }
  const opt = ndFindOpt(v, at + ND_NA_LEN, m.off + m.len, ND_OPT_TARGET_LINKADDR);
  return opt === 0 || isLladdrSound(nd, ifp, v, opt);
}

/** Check 8: the option has the length of Ethernet's, and names one station. */
function isLladdrSound(nd: Nd6, ifp: Ifnet, v: DataView, opt: number): boolean {
  if (v.getUint8(opt + 1) << 3 === ND_OPT_LLADDR_LEN && (v.getUint8(opt + 2) & 1) === 0) return true;
  nd.stats.badlladdr++;
  nd.log('info', `lladdrlen mismatch or group on ${ifp.xname} (if ${ifp.lladdr.length}, packet ${(v.getUint8(opt + 1) << 3) - 2})`);
  return false;
}

function isUnspecified(v: DataView, at: number): boolean {
  return v.getInt32(at) === 0 && v.getInt32(at + 4) === 0 && v.getInt32(at + 8) === 0 && v.getInt32(at + 12) === 0;
}

function isSolicitedNode(v: DataView, at: number): boolean {
  return v.getInt32(at) === IP6_W0_LINKLOCAL_GROUP && v.getInt32(at + 4) === 0 && v.getInt32(at + 8) === SOLICITED_W2 && v.getUint8(at + 12) === 0xff;
}

/** A sound solicitation: is it about an address of ours, or one we answer for? */
function nsAnswer(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  const v = m.view;
  const s = m.off + IP6_SRC;
  const t = m.off + off + ND_TARGET;
  const t0 = ip6W0Zoned(v, t, ifp.index);
  const t1 = v.getInt32(t + 4);
  const t2 = v.getInt32(t + 8);
  const t3 = v.getInt32(t + 12);
  const ia = nd.ownOn(ifp, t0, t1, t2, t3);
  const proxy = ia === null ? nd.published(ifp, t0, t1, t2, t3) : null;
  if (ia === null && proxy === null) {
    nd.stats.notours++;
    return;
  }
  const fromNobody = isUnspecified(v, s);
  if (ia !== null && !ia.isReady) {
    if ((ia.flags & IN6_IFF_DUPLICATED) === 0 && fromNobody) nd.dad.nsInput(ia, m, off);
    return;
  }
  const s0 = ip6W0Zoned(v, s, ifp.index);
  const s1 = v.getInt32(s + 4);
  const s2 = v.getInt32(s + 8);
  const s3 = v.getInt32(s + 12);
  if (s0 === t0 && s1 === t1 && s2 === t2 && s3 === t3) {
    nd.stats.dupips++;
    nd.log('info', `nd6_ns_input: duplicate IP6 address ${wordsText(s0, s1, s2, s3)}`);
    return;
  }
  const toGroup = v.getUint8(m.off + IP6_DST) === 0xff;
  const anycast = ia !== null && (ia.flags & IN6_IFF_ANYCAST) !== 0;
  const flags = nd.routerFlag(ifp) + (anycast || proxy !== null || !toGroup ? 0 : ND_NA_FLAG_OVERRIDE);
  if (fromNobody) {
    nd6NaOutput(nd, ifp, IP6_W0_LINKLOCAL_GROUP | ifp.index, 0, 0, 1, t0, t1, t2, t3, flags, toGroup, proxy);
    return;
  }
  const opt = ndFindOpt(v, m.off + off + ND_NS_LEN, m.off + m.len, ND_OPT_SOURCE_LINKADDR);
  if (opt !== 0) nd.cacheLladdr(ifp, s0, s1, s2, s3, v.getUint16(opt + 2), v.getUint32(opt + 4), ND_NEIGHBOR_SOLICIT, 0);
  if (anycast && nd.unsolicited.answerLater(ia, s0, s1, s2, s3, flags + ND_NA_FLAG_SOLICITED, toGroup)) return;
  nd6NaOutput(nd, ifp, s0, s1, s2, s3, t0, t1, t2, t3, flags + ND_NA_FLAG_SOLICITED, toGroup, proxy);
}

/** A sound advertisement: what it says goes into the table. */
function naLearn(nd: Nd6, ifp: Ifnet, m: PacketBuffer, off: number): void {
  const v = m.view;
  const at = m.off + off;
  const t = at + ND_TARGET;
  const t0 = ip6W0Zoned(v, t, ifp.index);
  const t1 = v.getInt32(t + 4);
  const t2 = v.getInt32(t + 8);
  const t3 = v.getInt32(t + 12);
  const own = nd.ownOn(ifp, t0, t1, t2, t3);
  if (own !== null) {
    ownAdvertised(nd, ifp, own);
    return;
  }
  const table = nd.tableOf(ifp);
  if (table === null) return;
  const lle = table.lookup(t0, t1, t2, t3) ?? newcomer(nd, ifp, table, m, off);
  if (lle === null) return;
  const flags = v.getUint32(at + NA_FLAGS);
  const opt = ndFindOpt(v, at + ND_NA_LEN, m.off + m.len, ND_OPT_TARGET_LINKADDR);
  if (opt === 0) naUpdate(nd, table, lle, flags, false, 0, 0);
  else naUpdate(nd, table, lle, flags, true, v.getUint16(opt + 2), v.getUint32(opt + 4));
}

/**
 * An unsolicited advertisement about a neighbour that is not known: an entry for it, with nd6_rfc9131 on a router (RFC 9131 §6.1.1). Only for what
 * is on a network of the link, and says its link address.
 */
function newcomer(nd: Nd6, ifp: Ifnet, table: NdLlTable, m: PacketBuffer, off: number): NdLlEntry | null {
  if (nd.tun.rfc9131 === 0 || nd.ip6.tun.forwarding === 0) return null;
  const v = m.view;
  const at = m.off + off;
  const t = at + ND_TARGET;
  const t0 = ip6W0Zoned(v, t, ifp.index);
  if ((v.getUint32(at + NA_FLAGS) & ND_NA_FLAG_SOLICITED) !== 0 || ndFindOpt(v, at + ND_NA_LEN, m.off + m.len, ND_OPT_TARGET_LINKADDR) === 0) return null;
  if (!nd.isNeighbour(ifp, t0, v.getInt32(t + 4), v.getInt32(t + 8), v.getInt32(t + 12))) return null;
  const lle = table.create(t0, v.getInt32(t + 4), v.getInt32(t + 8), v.getInt32(t + 12));
  if (lle === null) nd.stats.tablefull++;
  return lle;
}

/** Somebody advertises an address of ours. */
function ownAdvertised(nd: Nd6, ifp: Ifnet, ia: In6Ifaddr): void {
  if (ia.isTentative) {
    nd.dad.naInput(ia);
    return;
  }
  if ((ia.flags & IN6_IFF_DUPLICATED) !== 0) return;
  nd.stats.dupips++;
  nd.ip6.logLimited('err', `nd6_na_input: duplicate IP6 address ${wordsText(ia.k0, ia.k1, ia.k2, ia.k3)} on ${ifp.xname}`);
}

/** The table of the file header, and entries that are not resolved yet. */
function naUpdate(nd: Nd6, table: NdLlTable, lle: NdLlEntry, flags: number, has: boolean, macHi: number, macLo: number): void {
  const differs = has && lle.isValid && (lle.macHi !== macHi || lle.macLo !== macLo);
  if ((lle.flags & LLE_STATIC) !== 0) {
    if (differs) nd.stats.overperm++;
    return;
  }
  if (!lle.isValid && !has) return;
  if (differs && (flags & ND_NA_FLAG_OVERRIDE) === 0) {
    table.doubt(lle);
    return;
  }
  if (differs) moved(nd, lle, macHi, macLo);
  nd.setRouter(lle, (flags & ND_NA_FLAG_ROUTER) !== 0);
  table.confirm(lle, has ? macHi : lle.macHi, has ? macLo : lle.macLo, (flags & ND_NA_FLAG_SOLICITED) !== 0);
}

function moved(nd: Nd6, lle: NdLlEntry, macHi: number, macLo: number): void {
  nd.stats.moved++;
  nd.log('info', `${wordsText(lle.k0, lle.k1, lle.k2, lle.k3)} moved from ${macFormatPair(lle.macHi, lle.macLo)} to ${macFormatPair(macHi, macLo)} on ${lle.ifp.xname}`);
}

/** The link address of an own address: its interface's, or that of its virtual host, which then sends the message, too. */
function putOwnLladdr(m: PacketBuffer, at: number, type: number, ia: In6Ifaddr): void {
  const owner = ia.carp ?? ia.ifp;
  ndPutLladdr(m.view, at, type, owner.macHi, owner.macLo);
  if (ia.carp !== null) m.vhid = ia.carp.vhid;
}

/**
 * Asks for the link address of `lle`: everybody of its solicited-node group, or itself. The source is that of the first packet that waits when
 * it is one of the interface's. EADDRNOTAVAIL: no address to ask from.
 */
export function nd6NsOutput(nd: Nd6, lle: NdLlEntry, unicast: boolean): Errno {
  const { ifp } = lle;
  const src = nd.holdSource(lle) ?? nd.sourceOn(ifp, lle.k0, lle.k1, lle.k2, lle.k3);
  if (src === null) {
    nd.log('debug', `nd6_ns_output: source can't be determined: dst=${wordsText(lle.k0, lle.k1, lle.k2, lle.k3)}`);
    return EADDRNOTAVAIL;
  }
  const m = ndAlloc(nd.ip6, ifp, ND_NEIGHBOR_SOLICIT, ND_OPT_LLADDR_LEN);
  if (m === null) {
    nd.stats.txerrors++;
    return ENOBUFS;
  }
  const v = m.view;
  const at = m.off + IP6_HDR_LEN;
  ip6PutWords(v, m.off + IP6_SRC, src.k0, src.k1, src.k2, src.k3);
  if (unicast) ip6PutWords(v, m.off + IP6_DST, lle.k0, lle.k1, lle.k2, lle.k3);
  else ip6PutWords(v, m.off + IP6_DST, IP6_W0_LINKLOCAL_GROUP, 0, SOLICITED_W2, SOLICITED_W3 | lle.k3);
  ip6PutWords(v, at + ND_TARGET, lle.k0, lle.k1, lle.k2, lle.k3);
  putOwnLladdr(m, at + ND_NS_LEN, ND_OPT_SOURCE_LINKADDR, src);
  nd.stats.nssent++;
  icmp6CountOut(nd.icmp6.stats, ND_NEIGHBOR_SOLICIT);
  const error = ndSend(nd.ip6, ifp, m);
  if (error !== 0) nd.stats.txerrors++;
  return error;
}

/**
 * Advertises t0..t3 to d0..d3 (zoned): `flags` ND_NA_FLAG_*, with the link address when `lladdr`: the interface's, or that of `proxy`, for which
 * we answer.
 */
export function nd6NaOutput(
  nd: Nd6, ifp: Ifnet, d0: number, d1: number, d2: number, d3: number, t0: number, t1: number, t2: number, t3: number, flags: number, lladdr: boolean,
  proxy: NdLlEntry | null,
): Errno {
  const own = nd.ownOn(ifp, t0, t1, t2, t3);
  const src = own !== null && own.isReady && (own.flags & IN6_IFF_ANYCAST) === 0 ? own : nd.sourceOn(ifp, d0, d1, d2, d3);
  if (src === null) return EADDRNOTAVAIL;
  const m = ndAlloc(nd.ip6, ifp, ND_NEIGHBOR_ADVERT, lladdr ? ND_OPT_LLADDR_LEN : 0);
  if (m === null) {
    nd.stats.txerrors++;
    return ENOBUFS;
  }
  const v = m.view;
  const at = m.off + IP6_HDR_LEN;
  ip6PutWords(v, m.off + IP6_SRC, src.k0, src.k1, src.k2, src.k3);
  ip6PutWords(v, m.off + IP6_DST, d0, d1, d2, d3);
  v.setUint32(at + NA_FLAGS, flags);
  ip6PutWords(v, at + ND_TARGET, t0, t1, t2, t3);
  if (proxy !== null && lladdr) ndPutLladdr(v, at + ND_NA_LEN, ND_OPT_TARGET_LINKADDR, proxy.macHi, proxy.macLo);
  else if (lladdr) putOwnLladdr(m, at + ND_NA_LEN, ND_OPT_TARGET_LINKADDR, own ?? src);
  nd.stats.nasent++;
  icmp6CountOut(nd.icmp6.stats, ND_NEIGHBOR_ADVERT);
  const error = ndSend(nd.ip6, ifp, m);
  if (error !== 0) nd.stats.txerrors++;
  return error;
}

/** Is it an entry of ours for somebody else (`ndp -s ... proxy`)? */
export function isPublished(lle: NdLlEntry | null): lle is NdLlEntry {
  return lle !== null && lle.isValid && (lle.flags & LLE_PUB) !== 0;
}
