/**
 * icmp4.ts — prints ICMP for IPv4: `ICMP echo request, id 1, seq 0, length 64`; with -v also the packet an error quotes.
 * Read first: RFC 792, RFC 1256 (router discovery).
 */

import { inCksum } from '../checksum.js';
import * as icmp from '../icmp4.js';
import { IP4_DST, IP4_P, ip4Hl } from '../ip4.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../ipproto.js';
import { icmp4ExtPrint } from './icmp4-ext.js';
import type { IpPayload } from './ip-payload.js';
import { cksumShouldBe } from './ip-payload.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

/** Types that print their name alone. */
const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [icmp.ICMP_SOURCEQUENCH, 'source quench'],
  [icmp.ICMP_ROUTERSOLICIT, 'router solicitation'],
  [icmp.ICMP_IREQ, 'information request'],
  [icmp.ICMP_IREQREPLY, 'information reply'],
  [icmp.ICMP_MASKREQ, 'address mask request'],
]);

/** Unreachable codes: the words before and after the destination. */
const UNREACH_WORDS: ReadonlyMap<number, readonly [string, string]> = new Map([
  [icmp.ICMP_UNREACH_NET, ['net ', ' unreachable']],
  [icmp.ICMP_UNREACH_HOST, ['host ', ' unreachable']],
  [icmp.ICMP_UNREACH_SRCFAIL, ['', ' unreachable - source route failed']],
  [icmp.ICMP_UNREACH_NET_UNKNOWN, ['net ', ' unreachable - unknown']],
  [icmp.ICMP_UNREACH_HOST_UNKNOWN, ['host ', ' unreachable - unknown']],
  [icmp.ICMP_UNREACH_ISOLATED, ['', ' unreachable - source host isolated']],
  [icmp.ICMP_UNREACH_NET_PROHIB, ['net ', ' unreachable - admin prohibited']],
  [icmp.ICMP_UNREACH_HOST_PROHIB, ['host ', ' unreachable - admin prohibited']],
  [icmp.ICMP_UNREACH_TOSNET, ['net ', ' unreachable - tos prohibited']],
  [icmp.ICMP_UNREACH_TOSHOST, ['host ', ' unreachable - tos prohibited']],
  [icmp.ICMP_UNREACH_FILTER_PROHIB, ['host ', ' unreachable - admin prohibited filter']],
  [icmp.ICMP_UNREACH_HOST_PRECEDENCE, ['host ', ' unreachable - host precedence violation']],
  [icmp.ICMP_UNREACH_PRECEDENCE_CUTOFF, ['host ', ' unreachable - precedence cutoff']],
]);

export function icmp4Print(p: Printer, ip: IpPayload): void {
  p.proto = 'icmp';
  const at = ip.at;
  const type = p.u8(at);
  const code = p.u8(at + icmp.ICMP4_CODE);
  const text = messageText(p, at, type, code);
  if (text === null) {
    p.trunc();
    return;
  }
  p.put(`ICMP ${text}, length ${ip.length}`);
  if (p.flags.verbose === 0) return;
  if (!ip.fragmented && p.has(at, ip.length)) {
    const sum = inCksum(p.view, at, ip.length);
    if (sum !== 0) {
      const field = p.u16(at + icmp.ICMP4_CKSUM);
      p.put(` (wrong icmp cksum ${hex(field)} (->${hex(cksumShouldBe(field, sum))})!)`);
    }
  }
  if (icmp.icmp4IsError(type)) quotedPrint(p, at + icmp.ICMP4_DATA);
  if (type === icmp.ICMP_UNREACH || type === icmp.ICMP_TIMXCEED || type === icmp.ICMP_PARAMPROB) icmp4ExtPrint(p, at, ip.length);
}

/** The datagram an error is about. Its own length says where it would end, not how much of it was quoted. */
function quotedPrint(p: Printer, at: number): void {
  p.put('\n\t');
  const total = p.u16(at + 2);
  const was = p.cut(at, total);
  // A length that does not reach behind itself.
  p.need(at, 4);
  p.layers.ip4(p, at, total);
  p.snapend = was;
  p.proto = 'icmp';
}

/** The words for a message; null when it is cut off. */
function messageText(p: Printer, at: number, type: number, code: number): string | null {
  const idSeq = (sep: string): string => `id ${p.u16(at + icmp.ICMP4_ID)}${sep}seq ${p.u16(at + icmp.ICMP4_SEQ)}`;
  switch (type) {
    case icmp.ICMP_ECHO:
      return `echo request, ${idSeq(', ')}`;
    case icmp.ICMP_ECHOREPLY:
      return `echo reply, ${idSeq(', ')}`;
    case icmp.ICMP_UNREACH:
      return unreachText(p, at, code);
    case icmp.ICMP_REDIRECT:
      return redirectText(p, at, code);
    case icmp.ICMP_ROUTERADVERT:
      return routerAdvertText(p, at);
    case icmp.ICMP_TIMXCEED:
      if (!p.has(at + icmp.ICMP4_DATA + IP4_DST, 4)) return null;
      if (code === icmp.ICMP_TIMXCEED_INTRANS) return 'time exceeded in-transit';
      return code === icmp.ICMP_TIMXCEED_REASS ? 'ip reassembly time exceeded' : `time exceeded-#${code}`;
    case icmp.ICMP_PARAMPROB:
      return code !== 0 ? `parameter problem - code ${code}` : `parameter problem - octet ${p.u8(at + icmp.ICMP4_PPTR)}`;
    case icmp.ICMP_MASKREPLY:
      return `address mask is 0x${hex(p.u32(at + icmp.ICMP4_MASK), 8)}`;
    case icmp.ICMP_TSTAMP:
      return `time stamp query ${idSeq(' ')}`;
    case icmp.ICMP_TSTAMPREPLY:
      if (!p.has(at + icmp.ICMP4_TTIME, 4)) return null;
      return (
        `time stamp reply ${idSeq(' ')}: org ${dayTime(p.u32(at + icmp.ICMP4_OTIME))}` +
        `, recv ${dayTime(p.u32(at + icmp.ICMP4_RTIME))}, xmit ${dayTime(p.u32(at + icmp.ICMP4_TTIME))}`
      );
    default:
      return TYPE_NAMES.get(type) ?? `type-#${type}`;
  }
}

function unreachText(p: Printer, at: number, code: number): string | null {
  const quoted = at + icmp.ICMP4_DATA;
  if (code === icmp.ICMP_UNREACH_PORT) {
    if (!p.has(quoted + IP4_P, 1)) return null;
    const proto = p.u8(quoted + IP4_P);
    const port = p.u16(quoted + ip4Hl(p.view, quoted) + 2);
    const dst = p.ip4(quoted + IP4_DST);
    if (proto === IPPROTO_TCP) return `${dst} tcp port ${port} unreachable`;
    return proto === IPPROTO_UDP ? `${dst} udp port ${port} unreachable` : `${dst} protocol ${proto} port ${port} unreachable`;
  }
  if (code === icmp.ICMP_UNREACH_NEEDFRAG) {
    const mtu = p.u16(at + icmp.ICMP4_NEXTMTU);
    return `${p.ip4(quoted + IP4_DST)} unreachable - need to frag${mtu !== 0 ? ` (mtu ${mtu})` : ''}`;
  }
  const dst = p.ip4(quoted + IP4_DST);
  if (code === icmp.ICMP_UNREACH_PROTOCOL) return `${dst} protocol ${p.u8(quoted + IP4_P)} unreachable`;
  const words = UNREACH_WORDS.get(code);
  return words === undefined ? `${dst} unreachable - #${code}` : words[0] + dst + words[1];
}

function redirectText(p: Printer, at: number, code: number): string {
  const dst = p.ip4(at + icmp.ICMP4_DATA + IP4_DST);
  const gw = p.ip4(at + icmp.ICMP4_GWADDR);
  switch (code) {
    case icmp.ICMP_REDIRECT_NET:
      return `redirect ${dst} to net ${gw}`;
    case icmp.ICMP_REDIRECT_HOST:
      return `redirect ${dst} to host ${gw}`;
    case icmp.ICMP_REDIRECT_TOSNET:
      return `redirect-tos ${dst} to net ${gw}`;
    case icmp.ICMP_REDIRECT_TOSHOST:
      return `redirect-tos ${dst} to host ${gw}`;
    default:
      return `redirect-#${code} ${dst} to ${gw}`;
  }
}

/** RFC 1256 §3: how many addresses of how many words, how long they live, then the addresses. */
function routerAdvertText(p: Printer, at: number): string | null {
  if (!p.has(at + 4, 4)) return null;
  const num = p.u8(at + 4);
  const size = p.u8(at + 5);
  let s = `router advertisement lifetime ${lifetime(p.u16(at + 6))} ${num}:`;
  if (size !== 2) return `${s} [size ${size}]`;
  if (!p.has(at + 8, 8 * num)) return null;
  for (let i = 0; i < num; i++) s += ` {${p.ip4(at + 8 + 8 * i)} ${p.u32(at + 12 + 8 * i)}}`;
  return s;
}

const two = (n: number): string => String(n).padStart(2, '0');

function lifetime(secs: number): string {
  if (secs < 60) return String(secs);
  if (secs < 3600) return `${Math.floor(secs / 60)}:${two(secs % 60)}`;
  return `${Math.floor(secs / 3600)}:${two(Math.floor((secs % 3600) / 60))}:${two(secs % 60)}`;
}

/** Milliseconds since midnight. */
function dayTime(ms: number): string {
  const sec = Math.floor(ms / 1000);
  const min = Math.floor(sec / 60);
  return `${two(Math.floor(min / 60))}:${two(min % 60)}:${two(sec % 60)}.${String(ms % 1000).padStart(3, '0')}`;
}
