/**
 * service-frames.ts — frames of DNS and DHCP for frames.ts: sound ones, and broken ones.
 */
import * as w from '../../src/wire/index.js';
import { concat, data, eth, hex, ip4, ip6Summed, patch, udp } from './packets.js';

type Frame = readonly [name: string, bytes: Uint8Array];

const ascii = (text: string): string => [...text].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join('');
const v4 = (sport: number, dport: number, payload: Uint8Array): Uint8Array => eth(0x0800, ip4(17, udp(sport, dport, payload)));
const v6 = (payload: Uint8Array): Uint8Array => {
  const head = new Uint8Array(8);
  w.udpEmit(new DataView(head.buffer), 0, 546, 547, 8 + payload.length, 0);
  return eth(0x86dd, ip6Summed(17, concat(head, payload), 6));
};

const question = (name: string, type = 1, cls = 1): w.DnsQuestion => ({ name, type, cls });
const record = (name: string, type: number, rdata: Uint8Array, ttl = 300): w.DnsRecord => ({ name, type, cls: 1, ttl, rdata });
const dns = (more: Partial<w.DnsMessage>): Uint8Array => w.dnsEmit({ id: 4660, flags: 0x8180, questions: [question('www.example.com')], answers: [], authority: [], additional: [], edns: null, ...more })!;
const EDNS = { udpSize: 1232, rcodeHi: 0, version: 0, flags: 0x8000, options: new Uint8Array(0) };
const name = (text: string): Uint8Array => w.dnsNameEncode(text)!;
const SOA = w.dnsSoa({ mname: 'ns.example.com', rname: 'root.example.com', serial: 7, refresh: 3600, retry: 600, expire: 86_400, minimum: 60 })!;

const ALL = [
  record('www.example.com', 5, name('web.example.com'), 694_861), record('web.example.com', 1, w.dnsA(0xc0000207), 0), record('web.example.com', 28, w.ip6Parse('2001:db8::7')!, 60),
  record('example.com', 15, concat(hex('000a'), name('mail.example.com'))), record('_s._tcp.example.com', 33, concat(hex('000100020050'), name('web.example.com'))),
  record('example.com', 16, hex(`05${ascii('hello')}03 01ff22`)), record('7.2.0.192.in-addr.arpa', 12, name('web.example.com')), record('example.com', 6, SOA), record('example.com', 257, hex('0102')),
  { ...record('example.com', 1, w.dnsA(1)), cls: 3 },
];

const DNS: readonly Frame[] = [
  ['query', v4(1234, 53, dns({ flags: 0x0100 }))],
  ['query with EDNS, checking disabled', v4(1234, 53, dns({ flags: 0x0110, edns: EDNS }))],
  ['query, odd bits, class CHAOS, any type', v4(1234, 53, dns({ flags: 0x0442, questions: [question('version.bind', 16, 3)] }))],
  ['two questions', v4(1234, 53, dns({ flags: 0, questions: [question('a'), question('.', 1234, 9)] }))],
  ['no question, records', v4(1234, 53, dns({ flags: 0x2800, questions: [], answers: ALL.slice(1, 2), authority: ALL.slice(2, 3), additional: ALL.slice(3, 4) }))],
  ['inverse query', v4(1234, 53, dns({ flags: 0x0800 }))],
  ['answer of all kinds', v4(53, 1234, dns({ answers: ALL, authority: ALL.slice(7, 8), additional: ALL.slice(1, 3), edns: EDNS }))],
  ['no such name', v4(53, 1234, dns({ flags: 0x8583, authority: ALL.slice(7, 8) }))],
  ['truncated, authentic, not recursive', v4(53, 1234, dns({ flags: 0x8320 }))],
  ['answers counted that are not there', v4(53, 1234, patch(dns({ answers: ALL.slice(0, 1) }), 7, 3))],
  ['answer with two questions', v4(53, 1234, dns({ questions: [question('a'), question('b')] }))],
  ['bad pointer', v4(53, 1234, hex('0001 8180 0001 0001 0000 0000 0161 00 0001 0001 c0ff 0001 0001 00000001 0004 01020304'))],
  ['pointer to itself', v4(1234, 53, hex('0001 0100 0001 0000 0000 0000 c00c 0001 0001'))],
  ['extended label', v4(1234, 53, hex('0001 0100 0001 0000 0000 0000 4561 0001 0001'))],
  ['strange characters', v4(1234, 53, hex('0001 0100 0001 0000 0000 0000 04 2e01ff5c 00 0001 0001'))],
  ['short', v4(1234, 53, data(9))],
  ['garbage', v4(1234, 53, data(40))],
  ['multicast query', v4(5353, 5353, dns({ flags: 0, questions: [question('web.local', 28, 0x8001)] }))],
  ['multicast answer', v4(5353, 5353, dns({ flags: 0x8400, questions: [], answers: [{ ...record('web.local', 1, w.dnsA(0xc0000207)), cls: 0x8001 }] }))],
];

const MAC = hex('020000000001');
const dhcp = (options: readonly (readonly [number, Uint8Array])[], more: Partial<w.Dhcp4Message> = {}): Uint8Array =>
  w.dhcp4Emit({ op: 1, htype: 1, hops: 0, xid: 0x1234abcd, secs: 0, flags: 0, ciaddr: 0, yiaddr: 0, siaddr: 0, giaddr: 0, chaddr: MAC, sname: '', file: '', options: new Map(options), ...more });
const text = (t: string): Uint8Array => hex(ascii(t));
const SETTINGS: readonly (readonly [number, Uint8Array])[] = [
  [53, w.dho8(5)], [54, w.dho32(0xc0000202)], [51, w.dho32(3600)], [1, w.dho32(0xffffff00)], [3, w.dhoAddrs([0xc0000202])], [6, w.dhoAddrs([0xc0000202, 0x08080808])], [2, w.dho32(-3600)], [15, text('lab')],
  [26, w.dho16(1400)], [19, hex('00')], [33, hex('0a000000 c0000201')], [43, hex('010203')], [119, w.dhoSearch(['a.b', 'c.b'])], [121, w.dhoRoutes([{ net: 0, plen: 0, router: 1 }, { net: 0x0a000000, plen: 8, router: 0xc0000202 }])],
  [200, hex('0102')], [201, hex('01020304')], [81, hex('05 00 ff 6162')], [77, hex('0161 0262')], [46, hex('08')], [61, hex('00 6162')],
];

const DHCP: readonly Frame[] = [
  ['discover', v4(68, 67, dhcp([[53, w.dho8(1)], [61, hex('01 020000000001')], [55, hex('01 79 03 06 0f 77 fc')], [60, text('udhcp 1')], [57, w.dho16(576)]], { flags: 0x8000, secs: 3 }))],
  ['offer, relayed, booting', v4(67, 68, dhcp([[53, w.dho8(2)], [82, w.dhoSubOptions([[1, text('em0')], [2, hex('00ff')], [5, w.dho32(0x0a000001)]])]], { op: 2, hops: 1, yiaddr: 0xc0000264, siaddr: 0xc0000202, giaddr: 0x0a000001, sname: 'srv', file: 'boot\u0001' }))],
  ['acknowledgement of everything', v4(67, 68, dhcp(SETTINGS, { op: 2, ciaddr: 0xc0000264, yiaddr: 0xc0000264 }))],
  ['inform, unknown type, long identifier', v4(68, 67, dhcp([[53, w.dho8(99)], [61, hex('ff 01020304 00030001 020000000001')], [52, hex('03')]]))],
  ['broken options', v4(68, 67, dhcp([[121, hex('21 00000000')], [82, hex('0105 61')], [81, hex('f0')], [61, hex('')], [77, hex('00 01')], [3, hex('0a0000')]]))],
  ['routes that are too short', v4(68, 67, dhcp([[121, hex('20 0a000001 00')], [77, hex('0561')]]))],
  ['an option beyond the end', v4(68, 67, patch(dhcp([[53, w.dho8(1)], [12, text('x')]]), 244, 200))],
  ['another cookie', v4(68, 67, patch(dhcp([]), 239, 0))],
  ['no cookie', v4(68, 67, patch(dhcp([]), 236, 0, 237, 0, 238, 0, 239, 0))],
  ['not Ethernet', v4(68, 67, patch(dhcp([[53, w.dho8(1)]]), 1, 32, 2, 8))],
  ['an address of seven bytes, neither request nor reply', v4(68, 67, patch(dhcp([[53, w.dho8(1)]]), 0, 7, 2, 7))],
];

const opt = (code: number, bytes: Uint8Array): w.Dhcp6Option => ({ code, data: bytes });
const dhcp6 = (type: number, ...options: w.Dhcp6Option[]): Uint8Array => v6(w.dhcp6Emit({ type, xid: 0xabcdef, options }));
const DUID = opt(1, w.duidLl(MAC));
const ADDR = opt(5, w.dhcp6IaAddr({ addr: w.ip6Parse('2001:db8::1000')!, preferred: 1800, valid: 3600, options: [] }));
const IA = opt(3, w.dhcp6Ia({ iaid: 1, t1: 900, t2: 1440, options: [ADDR, opt(13, w.dhcp6Status(0, 'ok'))] }));

const DHCP6: readonly Frame[] = [
  ['solicit', dhcp6(1, DUID, IA, opt(6, hex('0017 0018 00f6')), opt(8, hex('0000')), opt(14, new Uint8Array(0)))],
  ['reply', dhcp6(7, DUID, opt(2, hex('0001 0001 00000005 020000000002')), IA, opt(23, w.ip6Parse('2001:db8::53')!), opt(24, w.dhcp6Domains(['lab.example', 'b'])), opt(7, hex('ff')), opt(32, w.dhcp6U32(600)))],
  ['status of all kinds', dhcp6(7, opt(13, hex('0005')), opt(13, hex('0063')), opt(13, hex('00')), opt(2, hex('0002 00000001 01020304')), opt(2, hex('0004 01')), opt(2, hex('01')))],
  ['broken ones', dhcp6(11, opt(23, hex('01')), opt(6, hex('01')), opt(8, hex('01')), opt(3, hex('01')), opt(5, hex('01')), opt(7, hex('')), opt(32, hex('00')))],
  ['prefix, temporary, classes', dhcp6(3, opt(25, w.dhcp6Ia({ iaid: 2, t1: 0, t2: 0, options: [opt(26, hex(`00000001 00000002 38 20010db8${'00'.repeat(12)}`))] })), opt(4, hex('00000007')), opt(15, hex('0001 61')), opt(16, hex('00000009')), opt(18, hex('0102')), opt(39, hex('00')), opt(20, hex('')), opt(82, hex('00')))],
  ['relayed', v6(w.dhcp6EmitRelay({ type: 12, hops: 1, link: w.ip6Parse('2001:db8::1')!, peer: w.ip6Parse('fe80::1')!, options: [opt(9, w.dhcp6Emit({ type: 1, xid: 5, options: [DUID] })), opt(18, data(12))] }))],
  ['unknown type', dhcp6(200)],
  ['an option beyond the end', v6(concat(w.dhcp6Emit({ type: 1, xid: 5, options: [DUID] }), hex('0001 0008 00')))],
  ['half an option', v6(concat(w.dhcp6Emit({ type: 1, xid: 5, options: [] }), hex('0001 00')))],
];

export const SERVICE_FRAMES: readonly Frame[] = [
  ...DNS.map(([n, b]) => [`dns: ${n}`, b] as const), ...DHCP.map(([n, b]) => [`dhcp: ${n}`, b] as const), ...DHCP6.map(([n, b]) => [`dhcp6: ${n}`, b] as const),
];
