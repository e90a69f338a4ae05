/**
 * icmp-input.ts — an ICMP message for this host.
 * Read first: RFC 792, RFC 1122 §3.2.2, RFC 1191, RFC 6918 (obsolete types); FreeBSD's netinet/ip_icmp.c, icmp_input.
 *
 * Echo and timestamp requests are answered in place. Errors are checked against the packet they quote and told to its protocol,
 * which looks for the socket. Redirects become host routes (net/route/rt-redirect.ts says which are believed); a router ignores them. Whatever is not answered here goes on to raw sockets:
 * ping(8) and traceroute(8) read it there.
 */
import { CSUM_L4, CSUM_L4_VALID, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_BROADCAST, IFF_POINTOPOINT } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ifaofIfpforaddr } from '../net/route/ifa-lookup.js';
import { RTF_GATEWAY } from '../net/route/nexthop.js';
import { INADDR_BROADCAST, ip4Format, ip4IsMulticast } from '../wire/addr.js';
import { cksumUpdate16, inCksum } from '../wire/checksum.js';
import {
  ICMP4_CKSUM, ICMP4_CODE, ICMP4_DATA, ICMP4_MASK, ICMP4_RTIME, ICMP4_TTIME, ICMP4_TYPE, ICMP_ADVLENMIN, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_MASKLEN,
  ICMP_MASKREPLY, ICMP_MASKREQ, ICMP_MAXTYPE, ICMP_MINLEN, ICMP_PARAMPROB, ICMP_PARAMPROB_LENGTH, ICMP_REDIRECT, ICMP_REDIRECT_TOSHOST,
  ICMP_TIMXCEED, ICMP_TIMXCEED_REASS, ICMP_TSLEN, ICMP_TSTAMP, ICMP_TSTAMPREPLY, ICMP_UNREACH, ICMP_UNREACH_PRECEDENCE_CUTOFF, icmp4Code,
  icmp4Gwaddr, icmp4PutSum, icmp4Type,
} from '../wire/icmp4.js';
import { IP4_HDR_LEN, IP4_SRC, ip4Dst, ip4Hl, ip4P, ip4Src } from '../wire/ip4.js';
import { BANDLIM_ICMP_ECHO, BANDLIM_ICMP_TSTAMP } from './icmp-bandlim.js';
import { icmpErrmap } from './icmp-error.js';
import { icmpReflect } from './icmp-reflect.js';
import type { Icmp } from './icmp.js';
import { IN_KEYS, OUT_KEYS } from './icmp-var.js';
import type { IcmpHistKey } from './icmp-var.js';
import { ipTime } from './ip-options.js';

/** An echo request is answered in softint: it changes nothing and is most of all ICMP. True: `m` has been taken. */
export function icmpInputShort(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, hlen: number): boolean {
  const at = m.off + hlen;
  const len = m.len - hlen;
  if (len < ICMP_MINLEN || m.view.getUint8(at + ICMP4_TYPE) !== ICMP_ECHO) return false;
  if (!sumOk(icmp, m, at, len)) return true;
  icmp.stats.in8++;
  icmp.stats.inhist++;
  if (ifp.takesAny) {
    if (icmp.foreign === null) m.free();
    else icmp.foreign.echo(ifp, m, false, hlen);
  } else echo(icmp, ifp, m, at);
  return true;
}

/** Any other message, in thread context; `m.off` at the IP header of `hlen` bytes. Owns `m`. */
export function icmpInput(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, hlen: number): void {
  const { stats } = icmp;
  const v = m.view;
  const len = m.len - hlen;
  const at = m.off + hlen;
  if (len < ICMP_MINLEN) {
    stats.tooshort++;
    m.free();
    return;
  }
  if (!sumOk(icmp, m, at, len)) return;
  const type = icmp4Type(v, at);
  if (type > ICMP_MAXTYPE) {
    icmp.toRaw(m);
    return;
  }
  stats[IN_KEYS[type] as IcmpHistKey]++;
  stats.inhist++;
  if (ifp.takesAny && !isError(type)) {
    m.free();
    return;
  }
  if (!dispatch(icmp, ifp, m, at, len, type)) icmp.toRaw(m);
}

/** Is the checksum right, or vouched for? Otherwise `m` is counted and freed. */
function sumOk(icmp: Icmp, m: PacketBuffer, at: number, len: number): boolean {
  if ((m.csumFlags & (CSUM_L4 | CSUM_L4_VALID)) !== 0 || inCksum(m.view, at, len) === 0) return true;
  icmp.stats.checksum++;
  m.free();
  return false;
}

/** Is it a report about a packet of ours? */
const isError = (type: number): boolean => type === ICMP_UNREACH || type === ICMP_TIMXCEED || type === ICMP_PARAMPROB;

/** True when `m` has been taken; otherwise raw sockets get it. */
function dispatch(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, at: number, len: number, type: number): boolean {
  switch (type) {
    case ICMP_UNREACH:
      return errorReport(icmp, m, at, len, type, ICMP_UNREACH_PRECEDENCE_CUTOFF);
    case ICMP_TIMXCEED:
      return errorReport(icmp, m, at, len, type, ICMP_TIMXCEED_REASS);
    case ICMP_PARAMPROB:
      return errorReport(icmp, m, at, len, type, ICMP_PARAMPROB_LENGTH);
    case ICMP_TSTAMP:
      return timestamp(icmp, ifp, m, at, len);
    case ICMP_MASKREQ:
      return maskRequest(icmp, ifp, m, at, len);
    case ICMP_REDIRECT:
      redirect(icmp, ifp, m, at, len);
      return false;
    default:
      return false;
  }
}

function isToMany(m: PacketBuffer): boolean {
  const dst = ip4Dst(m.view, m.off);
  return (m.flags & (M_BCAST | M_MCAST)) !== 0 || ip4IsMulticast(dst) || dst === INADDR_BROADCAST;
}

/** The most frequent request: its type changes, its checksum with it, the rest stays as it is. */
function echo(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, at: number): void {
  const { stats } = icmp;
  if (icmp.tun.bmcastecho === 0 && isToMany(m)) {
    stats.bmcastecho++;
    icmp.toRaw(m);
    return;
  }
  if (icmp.bandlim(BANDLIM_ICMP_ECHO) < 0) {
    m.free();
    return;
  }
  const v = m.view;
  v.setUint8(at + ICMP4_TYPE, ICMP_ECHOREPLY);
  const sum = (m.csumFlags & CSUM_L4) !== 0 ? 0 : cksumUpdate16(v.getUint16(at + ICMP4_CKSUM), ICMP_ECHO << 8, ICMP_ECHOREPLY << 8);
  // An update ends in 0 where a message of nothing but zeros has the other zero, 0xffff.
  if (sum === 0) icmp4PutSum(v, at, m.off + m.len - at);
  else v.setUint16(at + ICMP4_CKSUM, sum);
  stats.reflect++;
  stats.out0++;
  stats.outhist++;
  icmpReflect(icmp, ifp, m);
}

function reflectRewritten(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, at: number, len: number, type: number): void {
  m.view.setUint8(at + ICMP4_TYPE, type);
  icmp4PutSum(m.view, at, len);
  icmp.stats.reflect++;
  icmp.stats[OUT_KEYS[type] as IcmpHistKey]++;
  icmp.stats.outhist++;
  icmpReflect(icmp, ifp, m);
}

function timestamp(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, at: number, len: number): boolean {
  if (icmp.tun.tstamprepl === 0) return false;
  if (icmp.tun.bmcastecho === 0 && isToMany(m)) {
    icmp.stats.bmcasttstamp++;
    return false;
  }
  if (len < ICMP_TSLEN) {
    icmp.stats.badlen++;
    return false;
  }
  if (icmp.bandlim(BANDLIM_ICMP_TSTAMP) < 0) {
    m.free();
    return true;
  }
  const now = ipTime(icmp.ip);
  m.view.setUint32(at + ICMP4_RTIME, now);
  m.view.setUint32(at + ICMP4_TTIME, now);
  reflectRewritten(icmp, ifp, m, at, len, ICMP_TSTAMPREPLY);
  return true;
}

function maskRequest(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, at: number, len: number): boolean {
  if (icmp.tun.maskrepl === 0 || len < ICMP_MASKLEN) return false;
  const v = m.view;
  const dst = ip4Dst(v, m.off);
  const src = ip4Src(v, m.off);
  const ifa = ifaofIfpforaddr(ifp, dst === INADDR_BROADCAST ? src : dst);
  if (ifa === null) return false;
  v.setUint32(at + ICMP4_MASK, icmp.tun.maskfake === 0 ? ifa.mask : icmp.tun.maskfake);
  if (src === 0) {
    if ((ifp.flags & IFF_BROADCAST) !== 0) v.setUint32(m.off + IP4_SRC, ifa.broadcast ?? INADDR_BROADCAST);
    else if ((ifp.flags & IFF_POINTOPOINT) !== 0) v.setUint32(m.off + IP4_SRC, ifa.dstaddr ?? 0);
  }
  reflectRewritten(icmp, ifp, m, at, len, ICMP_MASKREPLY);
  return true;
}

/** The quoted header must be one, and be about something we could have sent; its protocol is told. */
function errorReport(icmp: Icmp, m: PacketBuffer, at: number, len: number, type: number, codeMax: number): boolean {
  const v = m.view;
  const code = v.getUint8(at + ICMP4_CODE);
  if (code > codeMax) {
    icmp.stats.badcode++;
    return false;
  }
  if (!quotationOk(v, at, len)) {
    icmp.stats.badlen++;
    m.free();
    return true;
  }
  const inner = at + ICMP4_DATA;
  const dst = ip4Dst(v, inner);
  if (ip4IsMulticast(dst)) {
    icmp.stats.badcode++;
    return false;
  }
  if (dst === 0 || ip4Src(v, inner) === 0) {
    m.free();
    return true;
  }
  icmp.ip.protos.get(ip4P(v, inner))?.ctlinput?.(icmpErrmap(type, code), m, inner, ip4Hl(v, inner));
  return false;
}

function quotationOk(v: DataView, at: number, len: number): boolean {
  if (len < ICMP_ADVLENMIN) return false;
  const hl = ip4Hl(v, at + ICMP4_DATA);
  return hl >= IP4_HDR_LEN && len >= ICMP4_DATA + hl + ICMP_MINLEN;
}

function redirect(icmp: Icmp, ifp: Ifnet, m: PacketBuffer, at: number, len: number): void {
  const { ip, tun, stats } = icmp;
  const v = m.view;
  const router = ip4Src(v, m.off);
  const gateway = icmp4Gwaddr(v, at);
  if (tun.logRedirect !== 0 && len >= ICMP_ADVLENMIN) {
    ip.logLimited('info', `icmp redirect from ${ip4Format(router)}: ${ip4Format(ip4Dst(v, at + ICMP4_DATA))} => ${ip4Format(gateway)}`);
  }
  if (tun.dropRedirect !== 0 || ip.tun.forwarding !== 0) return;
  if (icmp4Code(v, at) > ICMP_REDIRECT_TOSHOST) {
    stats.badcode++;
    return;
  }
  if (!quotationOk(v, at, len)) {
    stats.badlen++;
    return;
  }
  const dst = ip4Dst(v, at + ICMP4_DATA);
  if (!ip.inNet.canForward(gateway) || !ip.inNet.canForward(dst)) {
    stats.badredirect++;
    return;
  }
  // Whoever waits for the readers of a route must not hold what these want.
  const { softnet } = ip.net.kern.engine;
  softnet.release('icmp_redirect');
  const spec = { fib: m.fib, family: 'inet', dst, plen: 32, gateway, ifp, flags: RTF_GATEWAY } as const;
  const timed = { spec, author: router, ifp, get timeout() { return tun.redirtimeout; } };
  ip.routes.redirect(timed, (error) => {
    if (error !== 0) stats.badredirect++;
  });
  softnet.acquire('icmp_redirect');
}
