/**
 * dhcp6.ts — prints DHCP for IPv6: ` dhcp6 solicit`, and with -v its options, each in parentheses.
 * Read first: RFC 8415 §8, §21; ../dhcp6.ts.
 *
 * Not here: what is inside options that no server of ours sends (authentication, lease queries).
 */
import * as dhcp from '../dhcp6.js';
import { dnsNameRead } from '../dns-name.js';
import type { Printer } from './printer.js';
import { hex } from './text.js';

const OPTION_HDR_LEN = 4;
const RELAY_HDR_LEN = 34;
const SHOWN_BYTES = 10;
const XID_MASK = 0xff_ffff;

const MESSAGES = [
  '', 'solicit', 'advertise', 'request', 'confirm', 'renew', 'rebind', 'reply', 'release', 'decline', 'reconfigure', 'inf-req', 'relay-fwd', 'relay-reply', 'leasequery', 'leasequery-reply',
];
const OPTIONS: ReadonlyMap<number, string> = new Map([
  [1, 'client-ID'], [2, 'server-ID'], [3, 'IA_NA'], [4, 'IA_TA'], [5, 'IA_ADDR'], [6, 'option-request'], [7, 'preference'], [8, 'elapsed-time'], [9, 'relay-message'],
  [11, 'authentication'], [12, 'server-unicast'], [13, 'status-code'], [14, 'rapid-commit'], [15, 'user-class'], [16, 'vendor-class'], [17, 'vendor-specific-info'],
  [18, 'interface-ID'], [19, 'reconfigure-message'], [20, 'reconfigure-accept'], [21, 'SIP-servers-domain'], [22, 'SIP-servers-address'], [23, 'DNS-server'],
  [24, 'DNS-search-list'], [25, 'IA_PD'], [26, 'IA_PD-prefix'], [27, 'NIS-server'], [28, 'NIS+-server'], [29, 'NIS-domain-name'], [30, 'NIS+-domain-name'], [31, 'SNTP-servers'],
  [32, 'lifetime'], [33, 'BCMCS-domain-name'], [34, 'BCMCS-server'], [36, 'Geoconf-Civic'], [37, 'remote-ID'], [38, 'subscriber-ID'], [39, 'Client-FQDN'], [40, 'PANA-agent'],
  [41, 'POSIX-timezone'], [42, 'POSIX-tz-database'], [43, 'Echo-request-option'], [44, 'Lease-query'], [45, 'LQ-client-data'], [46, 'Clt-time'], [47, 'LQ-relay-data'],
  [48, 'LQ-client-link'], [56, 'NTP-server'], [64, 'AFTR-Name'],
]);
const STATUS = ['Success', 'UnspecFail', 'NoAddrsAvail', 'NoBinding', 'NotOnLink', 'UseMulticast', 'NoPrefixAvail', 'UnknownQueryType', 'MalformedQuery', 'NotConfigured', 'NotAllowed'];
/** Options that are lists of addresses. */
const ADDRESSES: ReadonlySet<number> = new Set([12, 22, 23, 27, 28, 31, 34, 40, 48]);
const NAMES: ReadonlySet<number> = new Set([21, 24]);

/** Prints the payload of a UDP datagram at `at`, `length` bytes on the wire. */
export function dhcp6Print(p: Printer, at: number, length: number): void {
  p.proto = 'dhcp6';
  p.put('dhcp6');
  const end = Math.min(p.snapend, at + length);
  if (p.lacks(at, 4)) return;
  const type = p.u8(at);
  p.put(` ${MESSAGES[type] ?? `msgtype-${type}`}`);
  if (p.flags.verbose === 0) return;
  if (type === dhcp.DHCP6_RELAY_FORW || type === dhcp.DHCP6_RELAY_REPL) {
    p.put(' (');
    p.put(`linkaddr=${p.ip6(at + 2)}`);
    p.put(` peeraddr=${p.ip6(at + 18)}`);
    optionsPrint(p, at + RELAY_HDR_LEN, end);
  } else {
    p.put(' (');
    p.put(`xid=${hex(p.u32(at) & XID_MASK)}`);
    optionsPrint(p, at + 4, end);
  }
  p.put(')');
}

/** The options from `from` to `end`; one that goes beyond ends what is printed of them. */
function optionsPrint(p: Printer, from: number, end: number): void {
  for (let at = from; at < end; ) {
    if (at + OPTION_HDR_LEN > end) return p.trunc();
    const len = p.u16(at + 2);
    if (at + OPTION_HDR_LEN + len > end) return p.trunc();
    const type = p.u16(at);
    p.put(` (${OPTIONS.get(type) ?? `opt_${type}`}`);
    if (!p.enter()) return;
    optionPrint(p, type, at + OPTION_HDR_LEN, len);
    p.leave();
    at += OPTION_HDR_LEN + len;
  }
}

function optionPrint(p: Printer, type: number, at: number, len: number): void {
  const close = (good: boolean, text: () => string): void => p.put(good ? `${text()})` : ' ?)');
  const nested = (good: boolean, text: () => string, from: number): void => {
    if (!good) return p.put(' ?)');
    p.put(text());
    optionsPrint(p, at + from, at + len);
    p.put(')');
  };
  if (ADDRESSES.has(type)) return close(len % 16 === 0, () => Array.from({ length: len / 16 }, (_, i) => ` ${p.ip6(at + 16 * i)}`).join(''));
  if (NAMES.has(type)) return names(p, at, len);
  switch (type) {
    case dhcp.D6O_CLIENTID:
    case dhcp.D6O_SERVERID:
      return duid(p, at, len);
    case dhcp.D6O_IA_NA:
    case dhcp.D6O_IA_PD:
      return nested(len >= 12, () => ` IAID:${p.u32(at)} T1:${p.u32(at + 4)} T2:${p.u32(at + 8)}`, 12);
    case dhcp.D6O_IA_TA:
      return nested(len >= 4, () => ` IAID:${p.u32(at)}`, 4);
    case dhcp.D6O_IAADDR:
      return nested(len >= 24, () => ` ${p.ip6(at)} pltime:${p.u32(at + 16)} vltime:${p.u32(at + 20)}`, 24);
    case 26:
      return nested(len >= 25, () => ` ${p.ip6(at + 9)}/${p.u8(at + 8)} pltime:${p.u32(at)} vltime:${p.u32(at + 4)}`, 25);
    case dhcp.D6O_ORO:
    case 43:
      return close(len % 2 === 0, () => Array.from({ length: len / 2 }, (_, i) => ` ${OPTIONS.get(p.u16(at + 2 * i)) ?? `opt_${p.u16(at + 2 * i)}`}`).join(''));
    case dhcp.D6O_PREFERENCE:
      return close(len === 1, () => ` ${p.u8(at)}`);
    case dhcp.D6O_ELAPSED_TIME:
      return close(len === 2, () => ` ${p.u16(at)}`);
    case dhcp.D6O_INFORMATION_REFRESH_TIME:
    case 46:
      return close(len === 4, () => ` ${p.u32(at)}`);
    case dhcp.D6O_RELAY_MSG:
      p.put(' (');
      dhcp6Print(p, at, len);
      return p.put(')');
    case dhcp.D6O_STATUS_CODE:
      return close(len >= 2, () => ` ${STATUS[p.u16(at)] ?? `code${p.u16(at)}`}`);
    case dhcp.D6O_RAPID_COMMIT:
    case 20:
      return p.put(')');
    case dhcp.D6O_INTERFACE_ID:
    case 38:
      return p.put(` ${p.hexBytes(at, Math.min(len, SHOWN_BYTES))}...)`);
    default:
      return p.put(')');
  }
}

function duid(p: Printer, at: number, len: number): void {
  if (len < 2) return p.put(' ?)');
  const type = p.u16(at);
  if (type === dhcp.DUID_LLT) return p.put(len >= 8 ? ` hwaddr/time type ${p.u16(at + 2)} time ${p.u32(at + 4)} ${p.hexBytes(at + 8, len - 8)})` : ' ?)');
  if (type === dhcp.DUID_EN) return p.put(len >= 10 ? ` vid ${p.hexBytes(at + 2, 8)})` : ' ?)');
  if (type === dhcp.DUID_LL) return p.put(len >= 4 ? ` hwaddr type ${p.u16(at + 2)} ${p.hexBytes(at + 4, len - 4)})` : ' ?)');
  p.put(` type ${type})`);
}

function names(p: Printer, from: number, len: number): void {
  p.need(from, len);
  for (let at = from; at < from + len; ) {
    const name = dnsNameRead(p.bytes, at, from + len);
    if (name === null) return p.trunc();
    p.put(` ${name.name === '.' ? '' : name.name}.`);
    at = name.next;
  }
  p.put(')');
}
