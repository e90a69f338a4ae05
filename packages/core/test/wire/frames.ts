/**
 * frames.ts — one frame for every way a packet can look that the dissector distinguishes: sound ones, and broken ones.
 *
 * The golden files hold what tcpdump says about them. Their order matters: TCP frames of one conversation follow each other.
 */
import { A, B, bpdu, concat, data, eth, hex, icmp, icmp6, ip4, ip6, ip6Summed, llc, patch, summed, t6, tcp, udp, udpNoSum, vlan } from './packets.js';
import { SERVICE_FRAMES } from './service-frames.js';

export type Frame = readonly [name: string, bytes: Uint8Array];

const IP = 0x0800;
const IP6 = 0x86dd;
const NONE = new Uint8Array(0);
const arp = (text: string): Uint8Array => eth(0x0806, hex(text));
const v4 = (proto: number, payload: Uint8Array, f?: Parameters<typeof ip4>[2]): Uint8Array => eth(IP, ip4(proto, payload, f));
const v6 = (nxt: number, payload: Uint8Array, f?: Parameters<typeof ip6>[2]): Uint8Array => eth(IP6, ip6(nxt, payload, f));
const digits = (b: Uint8Array): string => Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('');

const ARP: readonly Frame[] = [
  ['request', arp('0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202')],
  ['request that knows', arp('0001 0800 06 04 0001 020000000001 c0000201 020000000002 c0000202')],
  ['reply', arp('0001 0800 06 04 0002 020000000001 c0000201 020000000002 c0000202')],
  ['reply, padded', arp(`0001 0800 06 04 0002 020000000001 c0000201 020000000002 c0000202 ${'00'.repeat(18)}`)],
  ['reverse request', eth(0x8035, hex('0001 0800 06 04 0003 020000000001 c0000201 020000000002 c0000202'))],
  ['reverse reply', eth(0x8035, hex('0001 0800 06 04 0004 020000000001 c0000201 020000000002 c0000202'))],
  ['inverse request', arp('0001 0800 06 04 0008 020000000001 c0000201 020000000002 c0000202')],
  ['inverse reply', arp('0001 0800 06 04 0009 020000000001 c0000201 020000000002 c0000202')],
  ['unknown operation', arp('0001 0800 06 04 0033 020000000001 c0000201 020000000002 c0000202')],
  ['hln 5', arp('0001 0800 05 04 0001 0200000000 c0000201 0000000000 c0000202 0000')],
  ['hln 8', arp('0018 0800 08 04 0001 0200000000010203 c0000201 0000000000000001 c0000202 0000')],
  ['hln 0', arp('0001 0800 00 04 0002 c0000201 c0000202 0000')],
  ['pln 6', arp('0001 0800 06 06 0001 020000000001 c00002010000 000000000000 c00002020000')],
  ['protocol', arp('0001 86dd 06 04 0001 020000000001 c0000201 000000000000 c0000202')],
  ['hardware', arp('0077 1000 06 04 0001 020000000001 c0000201 000000000000 c0000202')],
];

const IP4: readonly Frame[] = [
  ['echo request', v4(1, icmp(8, 0, 0x00010000, data(56)))],
  ['echo reply, DF, CE', v4(1, icmp(0, 0, 0x0001ffff, data(56)), { off: 0x4000, tos: 3 })],
  ['wrong checksums', eth(IP, patch(ip4(1, icmp(8, 0, 0x10000, data(8)), { tos: 0x10 }), 8, 63, 30, 7))],
  ['udp', v4(17, udp(1234, 5001, data(10)))],
  ['udp without checksum', v4(17, udpNoSum(1234, 5001, data(10)))],
  ['udp wrong checksum', v4(17, patch(udp(1, 5001, data(10)), 12, 9))],
  ['udp length beyond', v4(17, patch(udp(1, 5001, data(10)), 5, 30))],
  ['udp length within', v4(17, patch(udp(1, 5001, data(10)), 5, 12))],
  ['udp length 7', v4(17, patch(udp(1, 5001, data(10)), 5, 7))],
  ['udp of five bytes', v4(17, hex('0001 1388 00'))],
  ['first fragment of udp', v4(17, concat(udp(7, 5001, data(8)), data(16)), { off: 0x2000 })],
  ['first fragment of tcp', v4(6, tcp(0x18, data(8), { sport: 1 }), { off: 0x2000 })],
  ['first fragment of icmp', v4(1, icmp(8, 0, 1, data(8)), { off: 0x2000 })],
  ['middle fragment', v4(17, data(16), { off: 0x2003 })],
  ['last fragment, evil bit', v4(1, data(16), { off: 0x8003 })],
  ['link padding', eth(IP, concat(ip4(17, udp(7, 5001, data(2))), new Uint8Array(16)))],
  ['ttl 0, ECT(1)', v4(17, udp(7, 5001, data(2)), { ttl: 0, tos: 1 })],
  ['length beyond, ECT(0)', v4(17, udp(7, 5001, data(2)), { len: 200, tos: 2 })],
  ['length below the header', v4(17, udp(7, 5001, data(2)), { len: 19 })],
  ['length 0', v4(17, udp(7, 5001, data(2)), { len: 0 })],
  ['header length 16', eth(IP, patch(ip4(17, data(10)), 0, 0x44))],
  ['version 5', eth(IP, patch(ip4(17, data(10)), 0, 0x55))],
  ['version 6', eth(IP, ip6(17, data(10)))],
  ['record route', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('01 07 0b 08 0a000001 0a000002') })],
  ['source route', v4(17, udp(9, 5001, data(4), A, 0x0a000002), { opts: hex('83 0b 04 0a000001 0a000002 00') })],
  ['timestamps', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('44 0c 09 50 00000001 00000002') })],
  ['timestamps with addresses', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('44 14 0d 01 0a000001 00000002 0a000002 00000000') })],
  ['timestamps prespecified', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('44 0c 05 23 0a000001 00000002') })],
  ['timestamps broken', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('44 0b 03 27 0a000001 000002 00') })],
  ['router alert', v4(2, summed('16 00 0000 e0010203'), { opts: hex('94 04 0000'), ttl: 1, dst: 0xe0010203 })],
  ['router alert 7', v4(2, summed('16 00 0000 e0010203'), { opts: hex('94 04 0007'), ttl: 1, dst: 0xe0010203 })],
  ['option of length 0', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('07 00 00 00') })],
  ['option beyond the header', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('07 20 00 00') })],
  ['other options', v4(1, icmp(8, 0, 1, data(4)), { opts: hex('82 03 00 99 04 0102 01 52 03 00 00') })],
  ['IPv4 in IPv4', v4(4, ip4(17, udp(1111, 2222, data(12))))],
  ['IPv6 in IPv4', v4(41, ip6(17, udp(1, 5001, data(3))))],
  ['ICMPv6 in IPv4', v4(58, data(8))],
  ['Ethernet in IPv4', v4(143, data(8))],
  ['no next header', v4(59, data(8))],
  ['EtherIP', v4(97, data(8))],
  ['unknown protocol', v4(200, data(8))],
];

const QUOTED = ip4(17, udp(1111, 2222, data(12)));
const LONG = ip4(17, udp(1111, 2222, data(100)));
const EXTENSION = summed('2000 0000 0008 01 01 00064f40 0009 02 03 0102030405 000000');

const ICMP: readonly Frame[] = [
  ...Array.from({ length: 17 }, (_, code): Frame => [`unreachable ${code}`, v4(1, icmp(3, code, code === 4 ? 1400 : 0, QUOTED))]),
  ['unreachable, needs fragmentation, no MTU', v4(1, icmp(3, 4, 0, QUOTED))],
  ['unreachable tcp port', v4(1, icmp(3, 3, 0, ip4(6, tcp(2, NONE))))],
  ['unreachable other port', v4(1, icmp(3, 3, 0, ip4(200, data(12))))],
  ['unreachable, 28 bytes quoted', v4(1, icmp(3, 3, 0, QUOTED.subarray(0, 28)))],
  ...[0, 1, 2, 3, 4].map((code): Frame => [`redirect ${code}`, v4(1, icmp(5, code, 0x0a000001, QUOTED.subarray(0, 28)))]),
  ...[0, 1, 2].map((code): Frame => [`time exceeded ${code}`, v4(1, icmp(11, code, 0, QUOTED.subarray(0, 28)))]),
  ['parameter problem', v4(1, icmp(12, 0, 0x14000000, QUOTED.subarray(0, 28)))],
  ['parameter problem 1', v4(1, icmp(12, 1, 0x14000000, QUOTED.subarray(0, 28)))],
  ['source quench', v4(1, icmp(4, 0, 0, QUOTED.subarray(0, 28)))],
  ['quoted length 2', v4(1, icmp(4, 0, 0, patch(QUOTED, 2, 0, 3, 2)))],
  ...[10, 15, 16, 17, 40, 99].map((type): Frame => [`type ${type}`, v4(1, icmp(type, 0, 0x00050006, data(4)))]),
  ['mask reply', v4(1, icmp(18, 0, 0x00050006, hex('ffffff00')))],
  ['timestamp', v4(1, icmp(13, 0, 0x00050006, hex('00000001 00000002 00000003')))],
  ['timestamp reply', v4(1, icmp(14, 0, 0x00050006, hex('02345678 01000002 00f00003')))],
  ['router advertisement', v4(1, icmp(9, 0, 0x02020708, hex('0a000001 00000000 0a000002 80000000')))],
  ['router advertisement, odd size', v4(1, icmp(9, 0, 0x01030008, hex('0a000001 00000000')))],
  ['router advertisement, an hour', v4(1, icmp(9, 0, 0x01020e20, hex('0a000001 00000001')))],
  ['extension', v4(1, icmp(11, 0, 0x00200000, concat(LONG, EXTENSION)))],
  ['extension without a length', v4(1, icmp(11, 0, 0, concat(LONG, EXTENSION)))],
  ['no extension', v4(1, icmp(11, 0, 0, concat(LONG, data(30))))],
  ['extension version 3', v4(1, icmp(3, 1, 0x00200000, concat(LONG, summed('3000 0000 0004 01 01'))))],
  ['extension, object too short', v4(1, icmp(3, 1, 0x00200000, concat(LONG, summed('2000 0000 0003 01 01 00000000'))))],
  ['extension, object too long', v4(1, icmp(12, 0, 0x00200000, concat(LONG, summed('2000 0000 0028 07 01 00000000'))))],
  ['extension, wrong checksum', v4(1, icmp(12, 0, 0x00200000, concat(LONG, hex('2000 1234 0008 01 02 00000000'))))],
];

const igmp = (name: string, text: string): Frame => [`igmp ${name}`, v4(2, summed(text), { dst: 0xe0010203, ttl: 1 })];
const IGMP: readonly Frame[] = [
  igmp('query 1', '11 00 0000 00000000'),
  igmp('query 2', '11 64 0000 00000000'),
  igmp('query 2 for a group', '11 32 0000 e0010203'),
  igmp('query of 10 bytes', '11 64 0000 e0010203 0000'),
  igmp('query 3', '11 64 0000 00000000 02 7d 0000'),
  igmp('query 3 with sources', '11 0a 0000 e0010203 02 7d 0002 0a000001 0a000002'),
  igmp('query 3, sources missing', '11 ff 0000 e0010203 02 7d 0002 0a000001'),
  igmp('query 3, long time', '11 c0 0000 e0010203 02 7d 0000'),
  igmp('report 1', '12 00 0000 e0010203'),
  igmp('report 1 of 9 bytes', '12 00 0000 e0010203 00'),
  igmp('report 2', '16 00 0000 e0010203'),
  igmp('leave', '17 00 0000 e0010203'),
  igmp('report 3', '22 00 0000 0000 0002 04 00 0000 e0010203 06 00 0002 e0010204 0a000001 0a000002'),
  igmp('report 3, group missing', '22 00 0000 0000 0003 09 00 0000 e0010203 06 00 0002 e0010204 0a000001 0a000002'),
  igmp('report 3, sources missing', '22 00 0000 0000 0001 01 00 0009 e0010203 0a000001'),
  igmp('report 3, too short', '22 00 0000 0000 0001 01 00'),
  igmp('type 0x99', '99 00 0000 00000000'),
  ['igmp wrong checksum', v4(2, hex('16 00 1234 e0010203'), { dst: 0xe0010203, ttl: 1 })],
];

const SYN = hex('02 04 05b4 01 03 03 06 04 02 08 0a 00000001 00000000');
const back = { src: B, dst: A } as const;
const TCP: readonly Frame[] = [
  ['syn', v4(6, tcp(2, NONE, { opts: SYN }))],
  ['syn ack', v4(6, tcp(0x12, NONE, { sport: 9999, dport: 1234, seq: 0xfffffff0, ack: 1001, opts: SYN }), back)],
  ['ack', v4(6, tcp(0x10, NONE, { seq: 1001, ack: 0xfffffff1 }))],
  ['push', v4(6, tcp(0x18, data(40), { seq: 1001, ack: 0xfffffff1 }))],
  ['sack', v4(6, tcp(0x10, NONE, { sport: 9999, dport: 1234, seq: 0xfffffff1, ack: 1001, opts: hex('01 01 05 12 000003f1 000003f9 00000401 00000411') }), back)],
  ['sack the other way', v4(6, tcp(0x10, NONE, { seq: 1041, ack: 0xfffffff1, opts: hex('01 01 05 0a fffffff5 00000011') }))],
  ['fin', v4(6, tcp(0x11, NONE, { seq: 1041, ack: 5 }))],
  ['rst', v4(6, tcp(4, NONE))],
  ['rst with a reason', v4(6, tcp(0x14, hex('676f206177617900ff7f')))],
  ['rst with a long reason', v4(6, tcp(0x14, data(50)))],
  ['urgent', v4(6, tcp(0x38, data(3), { urp: 2 }))],
  ['ecn setup', v4(6, tcp(0xc2, NONE))],
  ['no flags', v4(6, tcp(0, data(5)))],
  ['all flags', v4(6, tcp(0xff, NONE))],
  ['equal ports', v4(6, tcp(0x18, data(5), { sport: 7777, dport: 7777, seq: 10, ack: 20 }))],
  ['equal ports, reply', v4(6, tcp(0x18, data(5), { sport: 7777, dport: 7777, seq: 20, ack: 15 }), back)],
  ['data offset 16', v4(6, patch(tcp(0x10, data(4)), 12, 0x40))],
  ['data offset 60', v4(6, patch(tcp(0x10, data(4)), 12, 0xf0))],
  ['wrong checksum', v4(6, patch(tcp(0x10, data(4)), 21, 0xf0))],
  ...(
    [
      ['md5', `13 12 ${'ab'.repeat(16)} 01 00`],
      ['ao', '1d 06 01 02 aabb 01 01'],
      ['ao without keys', '1d 02 01 01'],
      ['ao of length 3', '1d 03 09 01'],
      ['fast open', '22 06 01020304 01 00'],
      ['fast open request', '22 02 01 01'],
      ['fast open, odd cookie', '22 05 010203 01'],
      ['experimental fast open request', 'fe 04 f989 01 01 01 01'],
      ['experimental fast open', 'fe 08 f989 01020304'],
      ['experimental', 'fe 04 1234'],
      ['experimental of length 3', 'fe 03 12 01'],
      ['user timeout in minutes', '1c 04 8001'],
      ['user timeout', '1c 04 0010'],
      ['unknown', 'aa 06 01020304 01 01'],
      ['unknown and empty', 'aa 02 01 01'],
      ['mss of length 5', '02 05 05b4 01 01 01 01'],
      ['mss of length 3', '02 03 05 01'],
      ['wscale of length 4', '03 04 0102'],
      ['length 0', '02 00 0000'],
      ['length 1', '02 01 0000'],
      ['length beyond', '02 09 0000'],
      ['cut after the kind', '01 01 01 02'],
      ['cut after the length', '01 01 02 02'],
      ['sack of length 9', '05 09 01020304050607 01 01 01'],
      ['timestamp of length 9', '08 09 01020304050607 01 01 01'],
      ['echo', '06 06 01020304 07 06 01020304'],
      ['transactions', '0b 06 00000001 0c 06 00000002 0d 06 00000003 00 00'],
      ['scps', '14 04 0102'],
      ['end in the middle', '01 00 01 01'],
      ['sackOK of length 3', '04 03 01 01'],
    ] as const
  ).map(([name, opts]): Frame => [`option ${name}`, v4(6, tcp(2, data(4), { opts: hex(opts) }))]),
];

const CONFIG = '8000 020000000001 00000000 8000 020000000001 8001 0000 1400 0200 0f00';
const MSTP = `0000 03 02 7c ${CONFIG} 00 0050 00 6e616d65${'00'.repeat(28)} 0007 ${'ab'.repeat(16)} 00000005 8000020000000003 13 7c 8001020000000004 00000006 80 80 12`;
const PLAIN = eth(IP, QUOTED, '020000000002');
const LINK: readonly Frame[] = [
  ['vlan', vlan(0x8100, 5, PLAIN)],
  ['vlan with priority and DEI', vlan(0x8100, 0xf005, PLAIN)],
  ['double tag', vlan(0x88a8, 100, vlan(0x8100, 5, PLAIN))],
  ['tag 0x9100', vlan(0x9100, 100, PLAIN)],
  ['stp', bpdu(`0000 00 00 00 ${CONFIG}`)],
  ['stp topology change', bpdu(`0000 00 00 81 ${CONFIG}`)],
  ['rstp', bpdu(`0000 02 02 7c ${CONFIG} 00`)],
  ['rstp too short', bpdu(`0000 02 02 7c ${CONFIG}`)],
  ['tcn', bpdu('0000 00 80')],
  ['stp protocol 1', bpdu('0001 00 80')],
  ['stp version 9', bpdu('0000 09 80')],
  ['stp type 0x55', bpdu('0000 00 55')],
  ['stp of three bytes', bpdu('0000 00')],
  ['config too short', bpdu('0000 00 00 00 0000')],
  ['tagged stp', vlan(0x8100, 9, bpdu(`0000 00 00 00 ${CONFIG}`))],
  ['mstp', bpdu(MSTP)],
  ['mstp too short', bpdu(MSTP.slice(0, 100))],
  ['mstp version 1 length', bpdu(MSTP.replace('00 0050', '01 0050'))],
  ['snap ip', llc(concat(hex('aaaa03000000 0800'), QUOTED))],
  ['snap unknown type', llc(hex('aaaa03000000 1234 01020304'))],
  ['snap unknown oui', llc(hex('aaaa03123456 1234 01020304'))],
  ['snap cisco', llc(hex('aaaa0300000c 2001 01020304'))],
  ['snap too short', llc(hex('aaaa0300'))],
  ['snap pvst', llc(hex(`aaaa0300000c 010b 0000 00 00 00 ${CONFIG}`))],
  ['llc ip', llc(concat(hex('060603'), QUOTED))],
  ['xid', llc(hex('0001af 81 01 02'))],
  ['xid poll', llc(hex('0401bf'))],
  ['xid cut', llc(hex('0401bf 81'))],
  ['test', llc(hex('0000e3 01 02'))],
  ['information', llc(hex('0404 0a0b 0102'))],
  ['supervisory', llc(hex('0405 0500'))],
  ['sabme', llc(hex('f0f07f'))],
  ['llc of one byte', llc(hex('f0'))],
  ['llc of three bytes', llc(hex('f0f0 00'))],
  ['two access points', llc(hex('121403 01'))],
  ['one access point', llc(hex('121203 01'))],
  ['802.3 length beyond', llc(hex('121203 01'), 40)],
  ['802.3 length within', llc(hex('121203 010203'), 4)],
  ['unknown type', eth(0x1234, data(20))],
  ['unknown type, odd length', eth(0x88cd, data(21))],
  ['type 1501', eth(1501, data(21))],
  ['five bytes', hex('0102030405')],
  ['header alone', eth(IP, NONE)],
  ['tag cut', eth(0x8100, hex('0005'))],
  ['arp of four bytes', eth(0x0806, data(4))],
];

const small = (n: number): Uint8Array => udp(1, 5001, data(n));
const mldReport = hex(`83 00 0000 0000 0000 ${t6('ff02::1:ff00:1')}`);
const IPV6: readonly Frame[] = [
  ['udp', eth(IP6, ip6Summed(17, udpNoSum(1234, 5001, data(10)), 6))],
  ['udp without checksum', v6(17, udpNoSum(1234, 5001, data(10)))],
  ['syn ack', eth(IP6, ip6Summed(6, tcp(0x12, NONE, { opts: SYN }), 16, { tclass: 0xb8, flow: 0x12345 }))],
  ['push', eth(IP6, ip6Summed(6, tcp(0x18, data(9), { seq: 1003, ack: 5003 }), 16))],
  ['link padding', eth(IP6, concat(ip6Summed(17, udpNoSum(1, 5001, data(1)), 6), data(3)))],
  ['length beyond', v6(17, small(10), { plen: 100 })],
  ['version 4, short', eth(IP6, QUOTED.subarray(0, 30))],
  ['version 4', eth(IP6, concat(QUOTED, QUOTED))],
  ['length 0', v6(17, small(10), { plen: 0 })],
  ['no next header', v6(59, NONE)],
  ['no next header, data', v6(59, data(4))],
  ['unknown protocol', v6(200, data(4))],
  ['igmp', v6(2, data(8))],
  ['icmp', v6(1, data(8))],
  ['Ethernet', v6(143, PLAIN)],
  ['IPv6 in IPv6', v6(41, ip6(17, small(3)))],
  ['IPv4 in IPv6', v6(4, QUOTED)],
  ['special addresses', v6(59, NONE, { src: '::ffff:1.2.3.4', dst: '::1' })],
  ['v4-compatible', v6(59, NONE, { src: '::1:2', dst: '::' })],
  ['hop-by-hop router alert', v6(0, concat(hex('3a 00 05 02 0000 01 00'), mldReport))],
  ['hop-by-hop padding', v6(0, concat(hex('11 00 00 01 03 000000'), small(2)))],
  ['hop-by-hop twice', v6(0, concat(hex('00 00 01 04 00000000 11 00 01 04 00000000'), small(2)))],
  ['destination options', v6(60, concat(hex('11 00 3e 02 0102 01 00'), small(2)))],
  ['hop-by-hop in second place', v6(60, concat(hex('00 00 01 04 00000000 11 00 01 04 00000000'), small(2)))],
  ['jumbo, too short', v6(0, concat(hex('11 00 c2 04 00000100'), small(2)))],
  ['jumbo, too short, length 0', v6(0, concat(hex('11 00 c2 04 00000100'), small(2)), { plen: 0 })],
  ['jumbo', v6(0, concat(hex('11 00 c2 04 00020000'), small(2)), { plen: 0 })],
  ['router alert of length 4', v6(0, concat(hex('11 00 05 04 00020000'), small(2)))],
  ['option beyond its header', v6(0, concat(hex('11 00 01 0a 00020000'), small(2)))],
  ['home address', v6(60, concat(hex(`11 02 c9 10 ${t6('2001:db8::99')} 01 02 0000`), small(2)))],
  ['first fragment', v6(44, concat(hex('11 00 0001 01020304'), small(16)))],
  ['last fragment', v6(44, concat(hex('11 00 0010 01020304'), data(16)))],
  ['atomic fragment', v6(44, concat(hex('3a 00 0000 01020304'), hex('80 00 0000 00010002')))],
  ['empty fragment', v6(44, hex('3a 00 0000 01020304'))],
  ['routing type 0', v6(43, concat(hex(`11 02 00 01 00000000 ${t6('2001:db8::77')}`), small(4)))],
  ['routing type 2', v6(43, concat(hex(`11 02 02 01 00000001 ${t6('2001:db8::77')}`), small(4)))],
  ['segment routing', v6(43, concat(hex(`11 04 04 01 01 80 0007 ${t6('2001:db8::77')} ${t6('2001:db8::78')}`), small(4)))],
  ['routing, odd length', v6(43, concat(hex(`11 01 00 01 00000000 ${'00'.repeat(8)}`), small(4)))],
  ['routing type 9', v6(43, concat(hex('11 00 09 01 00000000'), small(4)))],
];

const i6 = (name: string, text: string): Frame => [`icmp6 ${name}`, eth(IP6, icmp6(text, { hlim: 255 }))];
const q6 = digits(ip6(17, udp(1111, 2222, data(8))));
const q6tcp = digits(ip6(6, tcp(2, NONE)));
const q6frag = digits(ip6(44, concat(hex('11 00 0001 01020304'), small(6))));
const q6unknown = digits(ip6(99, data(9)));
const ICMP6: readonly Frame[] = [
  ...Array.from({ length: 7 }, (_, code) => i6(`unreachable ${code}`, `01 0${code} 0000 00000000 ${q6}`)),
  i6('unreachable tcp port', `01 04 0000 00000000 ${q6tcp}`),
  i6('unreachable behind a fragment header', `01 04 0000 00000000 ${q6frag}`),
  i6('unreachable other port', `01 04 0000 00000000 ${q6unknown}`),
  i6('packet too big', `02 00 0000 00000500 ${q6}`),
  ...[0, 1, 2].map((code) => i6(`time exceeded ${code}`, `03 0${code} 0000 00000000 ${q6}`)),
  ...[0, 1, 2, 3, 4].map((code) => i6(`parameter problem ${code}`, `04 0${code} 0000 00000028 ${q6}`)),
  i6('parameter problem, cut', '04 00 0000 00000028 01020304'),
  i6('echo request', '80 00 0000 0001 0002 61626364'),
  i6('echo reply', '81 00 0000 0001 0002 61626364'),
  ['icmp6 wrong checksum', v6(58, hex('80 00 1234 0001 0002 61626364'))],
  ['icmp6 empty', v6(58, NONE)],
  i6('listener query', `82 00 0000 2710 0000 ${t6('::')}`),
  i6('listener query of 25 bytes', `82 00 0000 2710 0000 ${t6('::')} 00`),
  i6('listener query 2', `82 00 0000 2710 0000 ${t6('::')} 0a 7d 0000`),
  i6('listener query 2 with sources', `82 00 0000 9710 0000 ${t6('ff02::5')} 02 fd 0002 ${t6('fe80::1')} ${t6('fe80::2')}`),
  i6('listener query 2, source missing', `82 00 0000 9710 0000 ${t6('ff02::5')} 02 fd 0002 ${t6('fe80::1')}`),
  i6('listener report', `83 00 0000 0000 0000 ${t6('ff02::5')}`),
  i6('listener done', `84 00 0000 0000 0000 ${t6('ff02::5')}`),
  i6('listener done, cut', '84 00 0000 0000 0000 ff02'),
  i6('listener report 2', `8f 00 0000 0000 0002 04 00 0000 ${t6('ff02::5')} 03 00 0001 ${t6('ff02::6')} ${t6('fe80::9')}`),
  i6('listener report 2, source missing', `8f 00 0000 0000 0003 09 00 0000 ${t6('ff02::5')} 03 00 0002 ${t6('ff02::6')} ${t6('fe80::9')}`),
  i6('listener report 2, group missing', `8f 00 0000 0000 0003 09 00 0000 ${t6('ff02::5')}`),
  i6('listener report 2 of four bytes', '8f 00 0000'),
  i6('router solicitation', '85 00 0000 00000000 01 01 020000000001'),
  i6('router solicitation, bare', '85 00 0000 00000000'),
  i6(
    'router advertisement',
    `86 00 0000 40 c8 0708 00000000 00000000 01 01 020000000001 05 01 0000 000005dc 03 04 40 c0 00278d00 ffffffff 00000000 ${t6('2001:db8::')}` +
      ` 19 03 0000 00000708 ${t6('2001:db8::53')} 1f 04 0000 00000708 03 6c6162 07 6578616d706c65 00 03 6c6162 00 000000000000` +
      ' 18 02 40 08 00000708 20010db800000000 07 01 0000 000003e8 08 01 0000 0005 0006',
  ),
  i6('router advertisement, unknown option', '86 00 0000 40 12 0708 00000000 00000000 0e 01 010203040506'),
  i6('router advertisement, routes', `86 00 0000 40 10 0708 00000000 00000000 18 01 00 18 ffffffff 18 03 80 10 00000001 ${t6('2001:db8:1::')} 18 04 80 10 00000001 ${t6('2001:db8:1::')} ${'00'.repeat(8)}`),
  i6('router advertisement, option of length 0', '86 00 0000 40 12 0708 00000000 00000000 01 00 010203040506'),
  i6('router advertisement, option beyond', '86 00 0000 40 12 0708 00000000 00000000 01 05 010203040506'),
  i6('router advertisement, odd lengths', `86 00 0000 40 12 0708 00000000 00000000 05 02 0000 000005dc ${'00'.repeat(8)} 03 05 40 c0 00278d00 ffffffff 00000000 ${t6('2001:db8::')} ${'00'.repeat(8)}`),
  i6('neighbour solicitation', `87 00 0000 00000000 ${t6('fe80::1')} 01 01 020000000001`),
  ['icmp6 duplicate address detection', eth(IP6, icmp6(`87 00 0000 00000000 ${t6('fe80::1')} 0e 01 010203040506`, { src: '::', dst: 'ff02::1:ff00:1' }))],
  i6('neighbour advertisement', `88 00 0000 e0000000 ${t6('fe80::1')} 02 01 020000000001`),
  i6('neighbour advertisement, bare', `88 00 0000 00000000 ${t6('fe80::1')}`),
  i6('redirect', `89 00 0000 00000000 ${t6('fe80::1')} ${t6('2001:db8::9')} 02 01 020000000001 04 02 000000000000 6000000000000000`),
  i6('neighbour solicitation, cut', '87 00 0000 00000000 fe80'),
  ...['8d', '8e', 'c7', 'ff', '64'].map((type) => i6(`type 0x${type}`, `${type} 00 0000 00010203 04050607`)),
];

/** Behind the Ethernet header of a slow protocol's frame. */
const slow = (text: string): Uint8Array => eth(0x8809, hex(text), '0180c2000002');
const END = `0000 ${'00'.repeat(50)}`;
const ACTOR_TLV = '0114 8000 020000000001 01cb 8000 0003 3d 000000';
const PARTNER_TLV = '0214 ffff 000000000000 0000 ffff 0000 c2 000000';
const COLLECTOR_TLV = `0310 8000 ${'00'.repeat(12)}`;
const MARKER_END = `0000 ${'00'.repeat(90)}`;

const SLOW: readonly Frame[] = [
  ['lacp', slow(`01 01 ${ACTOR_TLV} ${PARTNER_TLV} ${COLLECTOR_TLV} ${END}`)],
  ['lacp version 2', slow(`01 02 ${ACTOR_TLV} ${PARTNER_TLV} ${COLLECTOR_TLV} ${END}`)],
  ['lacp, no state', slow(`01 01 0114 8000 020000000001 01cb 8000 0003 00 000000 ${END}`)],
  ['lacp, unknown TLV', slow(`01 01 0906 01020304 ${ACTOR_TLV} ${END}`)],
  ['lacp, TLV of length 1', slow(`01 01 0301 ${END}`)],
  ['lacp, actor of length 19', slow(`01 01 0113 ${'00'.repeat(17)} ${END}`)],
  ['lacp, collector of length 15', slow(`01 01 030f ${'00'.repeat(13)} ${END}`)],
  ['lacp, TLV beyond', slow('01 01 0114 8000 02000000')],
  ['lacp, half a TLV header', slow('01 01 0303 00 02')],
  ['lacp, subtype alone', slow('01')],
  ['lacp, empty', slow('')],
  ['marker', slow(`02 01 0110 0003 020000000001 00000007 0000 ${MARKER_END}`)],
  ['marker response', slow(`02 01 0210 0003 020000000001 fffffff7 0000 ${MARKER_END}`)],
  ['marker of length 15', slow(`02 01 010f ${'00'.repeat(13)} ${MARKER_END}`)],
  ['marker version 3', slow(`02 03 0110 0003 020000000001 00000007 0000 ${MARKER_END}`)],
  ['unknown subtype', slow('0a 00 1234567890abcdef 0011223344556677 8899')],
];

const named = (group: string, frames: readonly Frame[]): readonly Frame[] => frames.map(([name, bytes]) => [`${group}: ${name}`, bytes] as const);

const VXLAN = hex('08000000 00002a00');
const INNER = eth(IP, ip4(1, icmp(8, 0, 1, data(8)), { src: 0x0a000001, dst: 0x0a000002 }), '020000000002');
const vxlan = (payload: Uint8Array, sport = 1234, dport = 4789): Uint8Array => v4(17, udpNoSum(sport, dport, payload));
const VXLANS: readonly Frame[] = [
  ['frame', vxlan(concat(VXLAN, INNER))],
  ['from the port', vxlan(concat(VXLAN, INNER), 4789, 1234)],
  ['over IPv6', v6(17, udp(1234, 4789, concat(VXLAN, INNER)))],
  ['tagged frame', vxlan(concat(VXLAN, vlan(0x8100, 5, INNER)))],
  ['unknown type', vxlan(concat(VXLAN, eth(0x1234, data(4))))],
  ['vxlan in vxlan', vxlan(concat(VXLAN, vxlan(concat(hex('08000000 ffffff00'), INNER))))],
  ['other flags', vxlan(concat(hex('0c000000 00002a00'), INNER))],
  ['no valid vni', vxlan(concat(hex('00000000 00002a00'), INNER))],
  ['reserved bits', vxlan(concat(hex('08010203 00002a09'), INNER))],
  ['header alone', vxlan(VXLAN)],
  ['five bytes', vxlan(VXLAN.subarray(0, 5))],
  ['no bytes', vxlan(NONE)],
  ['frame of ten bytes', vxlan(concat(VXLAN, INNER.subarray(0, 10)))],
  ['length within', eth(IP, patch(ip4(17, udpNoSum(1234, 4789, concat(VXLAN, INNER))), 25, 20))],
  ['length beyond', eth(IP, patch(ip4(17, udpNoSum(1234, 4789, concat(VXLAN, INNER))), 25, 200))],
  ['first fragment', v4(17, udpNoSum(1234, 4789, concat(VXLAN, INNER)), { off: 0x2000 })],
];

const GRE_INNER = digits(ip4(1, icmp(8, 0, 0x00010000, data(8))));
const gre = (text: string): Uint8Array => v4(47, hex(text));

const GRE: readonly Frame[] = [
  ['ipv4', gre(`0000 0800 ${GRE_INNER}`)],
  ['ipv6', gre(`0000 86dd ${digits(ip6(17, data(10)))}`)],
  ['with everything', gre(`b000 0800 1234 0000 0000000a 00000007 ${GRE_INNER}`)],
  ['key', gre(`2000 0800 ffffffff ${GRE_INNER}`)],
  ['frame', gre(`0000 6558 ${digits(eth(IP, ip4(17, udp(7, 5001, data(2)))))}`)],
  ['wccp', gre('0000 883e 00010203 45')],
  ['other protocol', gre('1000 88b5 00000001 00000002')],
  ['without payload', gre('0000 0800')],
  ['source route', gre(`4800 0800 0000 0004 0800 04 08 c0000201 c0000202 fffe 00 04 0001 0002 0001 00 02 0000 0000 00 00 ${GRE_INNER}`)],
  ['broken source routes', gre('4000 0800 0000 0000 0800 02 08 c0000201 c0000202 0800 00 03 000000 fffe 06 04 00010002 0000 00 00')],
  ['source route beyond', gre('4000 0800 0000 0000 0800 00 f0 c0000201')],
  ['pptp', gre('3081 880c 0010 0007 00000001 00000002 ff03c021')],
  ['pptp ack', gre('2081 880c 0000 0007 00000002')],
  ['version 2', gre('0002 0800')],
  ['in ipv6', v6(47, hex(`0000 0800 ${GRE_INNER}`))],
];

/** Ethernet frames. */
export const FRAMES: readonly Frame[] = [
  ...named('arp', ARP),
  ...named('ip', IP4),
  ...named('icmp', ICMP),
  ...named('igmp', IGMP),
  ...named('tcp', TCP),
  ...named('link', LINK),
  ...named('ip6', IPV6),
  ...named('ip6', ICMP6),
  ...named('vxlan', VXLANS),
  ...named('gre', GRE),
  ...named('slow', SLOW),
  ...SERVICE_FRAMES,
];

/** The IP packets among them, without their Ethernet header. */
export const RAW_FRAMES: readonly Frame[] = [
  ['raw: IPv4', QUOTED],
  ['raw: IPv6', ip6(17, udp(1111, 2222, data(8)))],
  ['raw: version 9', patch(QUOTED, 0, 0x95)],
];

/** LINKTYPE_NULL: families in either byte order. */
export const NULL_FRAMES: readonly Frame[] = [
  ['null: IPv4', concat(hex('02000000'), QUOTED)],
  ['null: IPv4, big-endian', concat(hex('00000002'), QUOTED)],
  ['null: IPv6 of FreeBSD', concat(hex('1c000000'), ip6(59, NONE, { src: '::1', dst: '::1' }))],
  ['null: unknown family', concat(hex('63000000'), data(20))],
  ['null: cut', hex('020000')],
];

