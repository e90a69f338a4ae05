/**
 * arp-input.ts — an ARP message arrived: is it sound, whom is it from, what do we learn, do we answer?
 * Read first: RFC 826 "Packet Reception", RFC 5227 §2; wire/arp.ts; FreeBSD's netinet/if_ether.c, in_arpinput.
 *
 * The checks, in this order; the first that fails drops the message and counts, most log a line:
 *
 *    1 shorter than the fixed header             badlen       8 sender and target both 0.0.0.0        zeroboth
 *    2 hardware is not Ethernet                  badproto     9 link address length is not 6          badlen
 *    3 the announced addresses do not fit        badlen      10 the interface has no address          noint
 *    4 protocol is not IPv4                      badproto    11 link source is broadcast, multicast   bcastsha, mcastsha
 *    5 protocol address length is not 4          badpln      12 protocol source is no host            badspa
 *    6 from our own link address (or a vhid's)   localsha    13 somebody claims an address of ours    dupips (goes on)
 *    7 the interface does no ARP                 noarp       14 target is 0.0.0.0                     zerotpa
 *
 * A message with another link address length than ours is never answered and never learned from: every field behind the
 * lengths is somewhere else in it. Checks 8 and 9 read it where its own lengths say, which check 3 has made safe.
 *
 * Learning: who asks us or answers us gets an entry; of others only an entry that is there is updated. Static entries are never
 * overwritten. An entry is made only for a sender on the interface's own network.
 * Answering: for our addresses, for published entries, and with `proxyall` for whatever is routed through another interface.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherOutput } from '../net/ether.js';
import { IFF_NOARP, IFF_STATICARP, IFF_STICKYARP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { LLE_PUB, LLE_STATIC } from '../net/llentry.js';
import { isIfAddr4 } from '../net/route/ifa-lookup.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import { ip4Format, ip4IsLinkLocal, ip4IsLoopback, macFormatPair } from '../wire/addr.js';
import {
  ARPOP_REPLY, ARPOP_REQUEST, ARP_BAD_HLN, ARP_BAD_HRD, ARP_BAD_LEN, ARP_BAD_PLN, ARP_BAD_PRO, ARP_BAD_SHORT, ARP_HDR_LEN, ARP_LEN, arpCheck, arpEmit,
  arpHln, arpHrd, arpOp, arpShaHi, arpShaLo, arpSpa, arpTpa,
} from '../wire/arp.js';
import { ETHERTYPE_ARP } from '../wire/ether.js';
import type { ArpLlEntry, ArpLlTable } from './arp-lltable.js';
import type { Arp } from './arp.js';
import type { InIfaddr } from './in-ifaddr.js';

const FIRST_GROUP = 0xe000_0000;
const BROADCAST_LO = 0xffff_ffff;

/** `m.off` is at the ARP header. Owns `m`. */
export function arpInput(arp: Arp, ifp: Ifnet, m: PacketBuffer): void {
  if (!isSound(arp, ifp, m)) {
    m.free();
    return;
  }
  const v = m.view;
  const { off } = m;
  const op = arpOp(v, off);
  const tpa = arpTpa(v, off);
  if (op === ARPOP_REPLY) arp.stats.rxreplies++;
  const mine = ownAddress(arp, ifp, tpa, arpSpa(v, off));
  if (mine === null) {
    arp.stats.noint++;
    m.free();
    return;
  }
  if (isVirtualSelf(arp, mine, m) || !isSenderAllowed(arp, ifp, m)) {
    m.free();
    return;
  }
  const target = checkClaim(arp, ifp, m, mine);
  if (target === CLAIM_DROP) {
    m.free();
    return;
  }
  if (target !== CLAIM_OURS && (ifp.flags & IFF_STATICARP) === 0 && arpSpa(v, off) !== 0) learn(arp, ifp, m, mine);
  if (op !== ARPOP_REQUEST) {
    m.free();
    return;
  }
  arp.stats.rxrequests++;
  answer(arp, ifp, m, mine, target === CLAIM_OURS ? mine.addr : tpa);
}

/** Checks 1 to 9. */
function isSound(arp: Arp, ifp: Ifnet, m: PacketBuffer): boolean {
  const { stats } = arp;
  const v = m.view;
  const bad = arpCheck(v, m.off, m.len);
  if (bad !== 0 && bad !== ARP_BAD_HLN) {
    countMalformed(arp, ifp, m, bad);
    return false;
  }
  stats.received++;
  const hln = arpHln(v, m.off);
  if (bad === 0 && isOwnLink(ifp, arpShaHi(v, m.off), arpShaLo(v, m.off))) {
    stats.localsha++;
    return false;
  }
  if ((ifp.flags & IFF_NOARP) !== 0) {
    stats.noarp++;
    return false;
  }
  const spa = v.getUint32(m.off + ARP_HDR_LEN + hln);
  const tpa = v.getUint32(m.off + ARP_HDR_LEN + 2 * hln + 4);
  if (spa === 0 && tpa === 0) {
    stats.zeroboth++;
    return false;
  }
  if (bad === ARP_BAD_HLN) {
    stats.badlen++;
    arp.log('notice', `packet with invalid ethernet address length ${hln} received on ${ifp.xname}`);
    return false;
  }
  return true;
}

function countMalformed(arp: Arp, ifp: Ifnet, m: PacketBuffer, bad: number): void {
  const { stats } = arp;
  switch (bad) {
    case ARP_BAD_SHORT:
      stats.badlen++;
      arp.log('notice', `packet with short header received on ${ifp.xname}`);
      return;
    case ARP_BAD_HRD:
      stats.badproto++;
      arp.log('notice', `packet with unknown hardware format 0x${String(arpHrd(m.view, m.off)).padStart(2, '0')} received on ${ifp.xname}`);
      return;
    case ARP_BAD_LEN:
      stats.badlen++;
      arp.log('notice', `short packet received on ${ifp.xname}`);
      return;
    case ARP_BAD_PRO:
      stats.badproto++;
      return;
    case ARP_BAD_PLN:
      stats.badpln++;
      arp.log('notice', 'requested protocol length != 4');
      return;
    default:
      return;
  }
}

/**
 * Is it the link address of the interface the frame came in on? NetBSD asks this of every interface of the host; FreeBSD of the
 * receiving one, since two segments of one host may well carry the same link address.
 */
function isOwnLink(ifp: Ifnet, hi: number, lo: number): boolean {
  return ifp.macHi === hi && ifp.macLo === lo;
}

/** From the link address of a virtual host this host is the master of, about an address of it: ours come back, or another master's. */
function isVirtualSelf(arp: Arp, mine: InIfaddr, m: PacketBuffer): boolean {
  const { carp } = mine;
  if (carp === null || arpShaHi(m.view, m.off) !== carp.macHi || arpShaLo(m.view, m.off) !== carp.macLo) return false;
  arp.stats.localsha++;
  return true;
}

/**
 * The address of ours the message is about: the target when it is ours on this link, else the sender's when that is ours, else
 * any of the interface's. A member of a bridge answers for the other members and for the bridge. One of CARP's is ours while this host is its
 * master (else it is not in the hash).
 */
function ownAddress(arp: Arp, ifp: Ifnet, tpa: number, spa: number): InIfaddr | null {
  const exact = ownOnLink(arp, ifp, tpa) ?? ownOnLink(arp, ifp, spa);
  if (exact !== null) return exact;
  const any = arp.ip.inNet.bestAddr(ifp);
  if (any !== null) return any;
  return ifp.bridge === null ? null : (arp.ip.inNet.addrs[0] ?? null);
}

function ownOnLink(arp: Arp, ifp: Ifnet, addr: number): InIfaddr | null {
  const ia = arp.ip.inNet.addrOf(addr);
  if (ia === null) return null;
  for (let at: InIfaddr | null = ia; at !== null; at = at.hashNext) if (isOnLink(at, ifp)) return at;
  return null;
}

function isOnLink(ia: InIfaddr, ifp: Ifnet): boolean {
  return ia.ifp === ifp || (ifp.bridge !== null && ia.ifp.bridge === ifp.bridge);
}

/** Checks 11 and 12. */
function isSenderAllowed(arp: Arp, ifp: Ifnet, m: PacketBuffer): boolean {
  const { stats } = arp;
  const v = m.view;
  const hi = arpShaHi(v, m.off);
  const lo = arpShaLo(v, m.off);
  const spa = arpSpa(v, m.off);
  if ((hi & 0x100) !== 0) {
    if (hi === 0xffff && lo === BROADCAST_LO) {
      stats.bcastsha++;
      arp.log('notice', `link address is broadcast for IP address ${ip4Format(spa)}!`);
      return false;
    }
    if (arp.tun.allowMulticast === 0) {
      stats.mcastsha++;
      arp.log('notice', `${macFormatPair(hi, lo)} is multicast`);
      return false;
    }
  }
  if (spa === 0) stats.zerospa++;
  else if (spa >= FIRST_GROUP || ip4IsLoopback(spa) || arp.ip.inNet.isBroadcast(spa, ifp)) {
    stats.badspa++;
    return false;
  }
  return true;
}

const CLAIM_NONE = 0;
const CLAIM_OURS = 1;
const CLAIM_DROP = 2;

/** Check 13, duplicates of own addresses (RFC 5227 §2.1.1 and §2.4), and 14. */
function checkClaim(arp: Arp, ifp: Ifnet, m: PacketBuffer, mine: InIfaddr): number {
  const v = m.view;
  const spa = arpSpa(v, m.off);
  const tpa = arpTpa(v, m.off);
  const hi = arpShaHi(v, m.off);
  const lo = arpShaLo(v, m.off);
  if (arp.claims.isTentative(mine.addr)) {
    if (spa === mine.addr || (spa === 0 && tpa === mine.addr)) arp.claims.conflict(mine.addr, hi, lo);
    return CLAIM_DROP;
  }
  if (spa === mine.addr && ifp.bridge === null && mine.carp === null) {
    arp.stats.dupips++;
    arp.log('err', `${macFormatPair(hi, lo)} is using my IP address ${ip4Format(spa)} on ${ifp.xname}!`);
    arp.claims.defend(mine);
    return CLAIM_OURS;
  }
  if (tpa === 0) {
    arp.stats.zerotpa++;
    return CLAIM_DROP;
  }
  return CLAIM_NONE;
}

/** What the message says about its sender goes into the table. */
function learn(arp: Arp, ifp: Ifnet, m: PacketBuffer, mine: InIfaddr): void {
  const t = arp.tableOf(ifp);
  if (t === null) return;
  const v = m.view;
  const spa = arpSpa(v, m.off);
  const forUs = arpTpa(v, m.off) === mine.addr;
  let lle = t.lookup(spa);
  if (lle === null) {
    if (!forUs) return;
    if (!isNeighbour(arp, ifp, spa)) {
      wrongInterface(arp, ifp, m, spa);
      return;
    }
    lle = t.create(spa);
    if (lle === null) {
      arp.stats.tablefull++;
      return;
    }
  }
  update(arp, ifp, t, lle, m, forUs);
}

function update(arp: Arp, ifp: Ifnet, t: ArpLlTable, lle: ArpLlEntry, m: PacketBuffer, forUs: boolean): void {
  const v = m.view;
  const hi = arpShaHi(v, m.off);
  const lo = arpShaLo(v, m.off);
  if (lle.isValid && (lle.macHi !== hi || lle.macLo !== lo)) {
    if ((lle.flags & LLE_STATIC) !== 0) {
      arp.stats.overperm++;
      if (arp.tun.logPermanentModify !== 0) {
        arp.log('err', `${macFormatPair(hi, lo)} attempts to modify permanent entry for ${ip4Format(lle.addr)} on ${ifp.xname}`);
      }
      return;
    }
    arp.stats.moved++;
    if (arp.tun.logMovements !== 0) {
      arp.log('info', `${ip4Format(lle.addr)} moved from ${macFormatPair(lle.macHi, lle.macLo)} to ${macFormatPair(hi, lo)} on ${ifp.xname}`);
    }
  }
  if (lle.isStatic) return;
  const solicited = forUs && arpOp(v, m.off) === ARPOP_REPLY && lle.asked > 0;
  t.confirm(lle, hi, lo, solicited);
  if ((ifp.flags & IFF_STICKYARP) !== 0) t.setStatic(lle.addr, hi, lo, lle.flags & LLE_PUB);
}

/** Is `addr` reached directly through `ifp`: on one of its networks, or by a route to the link? */
function isNeighbour(arp: Arp, ifp: Ifnet, addr: number): boolean {
  for (const ifa of ifp.addrs) if (isIfAddr4(ifa) && (((ifa.addr ^ addr) & ifa.mask) === 0 || ifa.dstaddr === addr)) return true;
  if (ifp.bridge !== null) return true;
  const nh = arp.ip.routes.lookup4(ifp.fib, addr, 0);
  return nh !== null && nh.ifp === ifp && (nh.flags & RTF_GATEWAY) === 0;
}

function wrongInterface(arp: Arp, ifp: Ifnet, m: PacketBuffer, spa: number): void {
  arp.stats.wrongif++;
  if (arp.tun.logWrongIface === 0) return;
  const nh = arp.ip.routes.lookup4(ifp.fib, spa, 0);
  if (nh === null || (nh.flags & RTF_GATEWAY) !== 0) return;
  const sha = macFormatPair(arpShaHi(m.view, m.off), arpShaLo(m.view, m.off));
  arp.log('warning', `${ip4Format(spa)} is on ${nh.ifp.xname} but got reply from ${sha} on ${ifp.xname}`);
}

/** Answers the request `m` about `tpa` in place, or drops it. Owns `m`. */
function answer(arp: Arp, ifp: Ifnet, m: PacketBuffer, mine: InIfaddr, tpa: number): void {
  let hi = mine.carp === null ? ifp.macHi : mine.carp.macHi;
  let lo = mine.carp === null ? ifp.macLo : mine.carp.macLo;
  if (tpa !== mine.addr) {
    const lle = arp.tableOf(ifp)?.lookup(tpa) ?? null;
    if (lle !== null && lle.isValid && (lle.flags & LLE_PUB) !== 0) {
      hi = lle.macHi;
      lo = lle.macLo;
    } else if (arp.tun.proxyall === 0 || !mayProxy(arp, ifp, tpa, arpSpa(m.view, m.off))) {
      m.free();
      return;
    }
  }
  const v = m.view;
  const spa = arpSpa(v, m.off);
  const toHi = arpShaHi(v, m.off);
  const toLo = arpShaLo(v, m.off);
  m.reset(m.off, ARP_LEN);
  arpEmit(v, m.off, ARPOP_REPLY, hi, lo, tpa, toHi, toLo, spa);
  arp.stats.txreplies++;
  // RFC 3927 §2.5: replies about link-local addresses are broadcast, so that duplicates are found out.
  if (tpa === mine.addr && ip4IsLinkLocal(tpa)) etherOutput(ifp, m, 0xffff, BROADCAST_LO, ETHERTYPE_ARP);
  else etherOutput(ifp, m, toHi, toLo, ETHERTYPE_ARP);
}

/** `proxyall`: the target is behind another interface, and the asker is where it says it is. */
function mayProxy(arp: Arp, ifp: Ifnet, tpa: number, spa: number): boolean {
  const { routes } = arp.ip;
  const to = routes.lookup4(ifp.fib, tpa, 0);
  if (to === null || to.ifp === ifp) return false;
  const from = routes.lookup4(ifp.fib, spa, 0);
  if (from === null) return false;
  if (from.ifp === ifp) return true;
  arp.log('info', `proxy: ignoring request from ${ip4Format(spa)} via ${ifp.xname}`);
  return false;
}
