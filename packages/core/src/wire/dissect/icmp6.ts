/**
 * icmp6.ts — prints ICMPv6 and neighbour discovery: `ICMP6, neighbor solicitation, who has fe80::1, length 32`.
 * Read first: RFC 4443, RFC 4861 §4; RFC 4191, RFC 8106 for the options.
 * Not here: node information, router renumbering, mobility and RPL messages, which print their name only.
 */

import * as icmp6 from '../icmp6.js';
import { IP6_DST, IP6_SRC, ip6ExtLen, ip6IsExt } from '../ip6.js';
import { IPPROTO_FRAGMENT, IPPROTO_TCP, IPPROTO_UDP } from '../ipproto.js';
import { hexPrint } from './hexdump.js';
import type { IpPayload } from './ip-payload.js';
import { cksumNote, payloadCksum } from './ip-payload.js';
import { mldPrint, mldv2QueryPrint, mldv2ReportPrint } from './mld.js';
import { ndOptionsPrint, routerPreference } from './nd-options.js';
import type { Printer } from './printer.js';
import { bitNames } from './text.js';

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [icmp6.ICMP6_DST_UNREACH, 'destination unreachable'],
  [icmp6.ICMP6_PACKET_TOO_BIG, 'packet too big'],
  [icmp6.ICMP6_TIME_EXCEEDED, 'time exceeded in-transit'],
  [icmp6.ICMP6_PARAM_PROB, 'parameter problem'],
  [icmp6.ICMP6_ECHO_REQUEST, 'echo request'],
  [icmp6.ICMP6_ECHO_REPLY, 'echo reply'],
  [icmp6.MLD_LISTENER_QUERY, 'multicast listener query'],
  [icmp6.MLD_LISTENER_REPORT, 'multicast listener report'],
  [icmp6.MLD_LISTENER_DONE, 'multicast listener done'],
  [icmp6.ND_ROUTER_SOLICIT, 'router solicitation'],
  [icmp6.ND_ROUTER_ADVERT, 'router advertisement'],
  [icmp6.ND_NEIGHBOR_SOLICIT, 'neighbor solicitation'],
  [icmp6.ND_NEIGHBOR_ADVERT, 'neighbor advertisement'],
  [icmp6.ND_REDIRECT, 'redirect'],
  [icmp6.ICMP6_ROUTER_RENUMBERING, 'router renumbering'],
  [icmp6.ICMP6_NI_QUERY, 'node information query'],
  [icmp6.ICMP6_NI_REPLY, 'node information reply'],
  [141, 'inverse neighbor solicitation'],
  [142, 'inverse neighbor advertisement'],
  [icmp6.MLDV2_LISTENER_REPORT, 'multicast listener report v2'],
  [144, 'ha discovery request'],
  [145, 'ha discovery reply'],
  [146, 'mobile router solicitation'],
  [147, 'mobile router advertisement'],
  [155, 'RPL'],
  [200, 'mtrace response'],
  [201, 'mtrace message'],
]);

const UNREACH_NAMES: ReadonlyMap<number, string> = new Map([
  [icmp6.ICMP6_DST_UNREACH_NOROUTE, 'unreachable route'],
  [icmp6.ICMP6_DST_UNREACH_ADMIN, ' unreachable prohibited'],
  [icmp6.ICMP6_DST_UNREACH_BEYONDSCOPE, 'beyond scope'],
  [icmp6.ICMP6_DST_UNREACH_ADDR, 'unreachable address'],
  [icmp6.ICMP6_DST_UNREACH_NOPORT, 'unreachable port'],
]);

const PARAMPROB_NAMES: ReadonlyMap<number, string> = new Map([
  [icmp6.ICMP6_PARAMPROB_HEADER, 'erroneous'],
  [icmp6.ICMP6_PARAMPROB_NEXTHEADER, 'next header'],
  [icmp6.ICMP6_PARAMPROB_OPTION, 'option'],
  [icmp6.ICMP6_PARAMPROB_FRAGHDRCHAIN, 'incomplete header chain'],
]);

const RA_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [icmp6.ND_RA_FLAG_MANAGED, 'managed'],
  [icmp6.ND_RA_FLAG_OTHER, 'other stateful'],
  [icmp6.ND_RA_FLAG_HOME_AGENT, 'home agent'],
  [icmp6.ND_RA_FLAG_IPV6ONLY, 'ipv6 only'],
];

const NA_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [icmp6.ND_NA_FLAG_ROUTER, 'router'],
  [icmp6.ND_NA_FLAG_SOLICITED, 'solicited'],
  [icmp6.ND_NA_FLAG_OVERRIDE, 'override'],
];

export function icmp6Print(p: Printer, ip: IpPayload): void {
  p.proto = 'icmp6';
  const { at, length } = ip;
  if (length === 0) {
    p.put('ICMP6, length 0');
    p.invalid();
    return;
  }
  const verbose = p.flags.verbose > 0;
  if (verbose && !ip.fragmented && p.has(at, length)) {
    p.put(cksumNote('icmp6', p.u16(at + icmp6.ICMP6_CKSUM), payloadCksum(p, ip, length)));
  }
  const type = p.u8(at);
  p.put(`ICMP6, ${TYPE_NAMES.get(type) ?? `unknown icmp6 type (${type})`}`);
  if (verbose && icmp6.ndFixedLen(type) !== 0) p.put(`, length ${length}`);
  const code = p.u8(at + icmp6.ICMP6_CODE);
  if (!bodyPrint(p, ip, type, code)) return;
  if (!verbose) p.put(`, length ${length}`);
}

/** What is behind type and code; false when nothing may follow on the line. */
function bodyPrint(p: Printer, ip: IpPayload, type: number, code: number): boolean {
  const { at, length } = ip;
  switch (type) {
    case icmp6.ICMP6_DST_UNREACH:
      return unreachPrint(p, ip, code);
    case icmp6.ICMP6_PACKET_TOO_BIG:
      p.put(`, mtu ${p.u32(at + icmp6.ICMP6_MTU)}`);
      return true;
    case icmp6.ICMP6_TIME_EXCEEDED:
      if (code === icmp6.ICMP6_TIME_EXCEED_TRANSIT) p.put(` for ${p.ip6(at + icmp6.ICMP6_DATA + IP6_DST)}`);
      else p.put(code === icmp6.ICMP6_TIME_EXCEED_REASSEMBLY ? ' (reassembly)' : `, unknown code (${code})`);
      return true;
    case icmp6.ICMP6_PARAM_PROB: {
      if (!p.has(at + icmp6.ICMP6_DATA + IP6_DST, 16)) return cutOff(p);
      const name = PARAMPROB_NAMES.get(code);
      p.put(name === undefined ? `, code-#${code}` : `, ${name} - octet ${p.u32(at + icmp6.ICMP6_PPTR)}`);
      return true;
    }
    case icmp6.ICMP6_ECHO_REQUEST:
    case icmp6.ICMP6_ECHO_REPLY:
      p.put(`, id ${p.u16(at + icmp6.ICMP6_ID)}, seq ${p.u16(at + icmp6.ICMP6_SEQ)}`);
      return true;
    case icmp6.MLD_LISTENER_QUERY:
      queryPrint(p, at, length);
      return true;
    case icmp6.MLD_LISTENER_REPORT:
    case icmp6.MLD_LISTENER_DONE:
      mldPrint(p, at);
      return true;
    case icmp6.MLDV2_LISTENER_REPORT:
      mldv2ReportPrint(p, at, length);
      return true;
    default:
      if (icmp6.ndFixedLen(type) !== 0) return ndPrint(p, at, length, type);
      if (TYPE_NAMES.has(type) && type < 200) return true;
      p.put(`, length ${length}`);
      if (p.flags.verbose <= 1) p.put(hexPrint(p.bytes, at, Math.min(length, p.left(at))));
      return false;
  }
}

function queryPrint(p: Printer, at: number, length: number): void {
  if (length === icmp6.MLD_MINLEN) {
    mldPrint(p, at);
  } else if (length >= icmp6.MLDV2_QUERY_MINLEN) {
    p.put(' v2');
    mldv2QueryPrint(p, at, length);
  } else {
    p.put(` unknown-version (len ${length}) `);
  }
}

function cutOff(p: Printer): boolean {
  p.trunc();
  return false;
}

function unreachPrint(p: Printer, ip: IpPayload, code: number): boolean {
  const quoted = ip.at + icmp6.ICMP6_DATA;
  const name = UNREACH_NAMES.get(code);
  p.put(`, ${name ?? `unknown unreach code (${code})`}`);
  if (name === undefined) {
    if (p.flags.verbose > 1) return true;
    p.put(hexPrint(p.bytes, ip.at, Math.min(ip.length, p.left(ip.at))));
    return false;
  }
  if (code === icmp6.ICMP6_DST_UNREACH_NOPORT) return portPrint(p, quoted);
  p.put(` ${p.ip6(quoted + IP6_DST)}`);
  if (code === icmp6.ICMP6_DST_UNREACH_BEYONDSCOPE) p.put(`, source address ${p.ip6(quoted + IP6_SRC)}`);
  return true;
}

/** The port of the quoted packet, behind its extension headers. */
function portPrint(p: Printer, quoted: number): boolean {
  if (!p.has(quoted + 6, 1)) return cutOff(p);
  let nxt = p.u8(quoted + 6);
  let at = quoted + 40;
  while (ip6IsExt(nxt)) {
    const n = ip6ExtLen(p.view, at, p.snapend, nxt);
    if (n < 0 || (nxt === IPPROTO_FRAGMENT && (p.u16(at + 2) & 0xfff8) !== 0)) return cutOff(p);
    nxt = p.u8(at);
    at += n;
  }
  if ((nxt !== IPPROTO_UDP && nxt !== IPPROTO_TCP) || !p.has(at, 4)) return cutOff(p);
  p.put(`, ${p.ip6(quoted + IP6_DST)} ${nxt === IPPROTO_TCP ? 'tcp' : 'udp'} port ${p.u16(at + 2)}`);
  return true;
}

/** Neighbour discovery: the target without -v, everything with it. */
function ndPrint(p: Printer, at: number, length: number, type: number): boolean {
  const verbose = p.flags.verbose > 0;
  switch (type) {
    case icmp6.ND_ROUTER_ADVERT:
      if (verbose) routerAdvertPrint(p, at);
      break;
    case icmp6.ND_NEIGHBOR_SOLICIT:
      p.put(`, who has ${p.ip6(at + icmp6.ND_TARGET)}`);
      break;
    case icmp6.ND_NEIGHBOR_ADVERT:
      p.put(`, tgt is ${p.ip6(at + icmp6.ND_TARGET)}`);
      if (verbose) p.put(`, Flags [${bitNames(NA_FLAG_NAMES, p.u32(at + 4), 'none')}]`);
      break;
    case icmp6.ND_REDIRECT:
      p.put(`, ${p.ip6(at + icmp6.ND_RD_DST)}`);
      p.put(` to ${p.ip6(at + icmp6.ND_TARGET)}`);
      break;
    default:
  }
  const fixed = icmp6.ndFixedLen(type);
  return !verbose || ndOptionsPrint(p, at + fixed, length - fixed) || cutOff(p);
}

function routerAdvertPrint(p: Printer, at: number): void {
  const flags = p.u8(at + icmp6.ND_RA_FLAGS);
  p.put(
    `\n\thop limit ${p.u8(at + icmp6.ND_RA_CURHOPLIMIT)}, Flags [${bitNames(RA_FLAG_NAMES, flags, 'none')}]` +
      `, pref ${routerPreference(flags)}, router lifetime ${p.u16(at + icmp6.ND_RA_ROUTER_LIFETIME)}s` +
      `, reachable time ${p.u32(at + icmp6.ND_RA_REACHABLE)}ms, retrans timer ${p.u32(at + icmp6.ND_RA_RETRANSMIT)}ms`,
  );
}
