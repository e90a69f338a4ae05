/**
 * compile-filter.test.ts — whole expressions: their programs, their verdicts, and the messages of those that are none.
 * The listings and messages are tcpdump 4.99.3's with libpcap 1.10.3; pcap-filter.interop.test.ts asks a real one.
 */
import { BPF_MAXINSNS, bpfFilter, bpfValidate } from '@netloom/core';
import type { BpfProgram } from '@netloom/core';
import { describe, expect, test } from 'vitest';
import { compileFilter } from './compile-filter.js';
import type { FilterOptions } from './compile-filter.js';
import { dumpProgram } from './dump-program.js';

const ETHERNET = { linktype: 1 };
const RAW = { linktype: 12 };
const NULL = { linktype: 0 };

function program(text: string, options: FilterOptions = ETHERNET): BpfProgram {
  const result = compileFilter(text, options);
  if (!result.ok) throw new Error(`${text}: ${result.error}`);
  return result.program;
}

const listing = (text: string, options?: FilterOptions): string => dumpProgram(program(text, options)).trimEnd();
const error = (text: string, options: FilterOptions = ETHERNET): string => {
  const result = compileFilter(text, options);
  return result.ok ? 'no error' : result.error;
};

describe('programs', () => {
  test.each<[string, string[]]>([
    ['', ['(000) ret      #262144']],
    ['ip', ['(000) ldh      [12]', '(001) jeq      #0x800           jt 2\tjf 3', '(002) ret      #262144', '(003) ret      #0']],
    ['not ip', ['(000) ldh      [12]', '(001) jeq      #0x800           jt 2\tjf 3', '(002) ret      #0', '(003) ret      #262144']],
    [
      'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0',
      [
        '(000) ldh      [12]',
        '(001) jeq      #0x800           jt 2\tjf 10',
        '(002) ldb      [23]',
        '(003) jeq      #0x6             jt 4\tjf 10',
        '(004) ldh      [20]',
        '(005) jset     #0x1fff          jt 10\tjf 6',
        '(006) ldxb     4*([14]&0xf)',
        '(007) ldb      [x + 27]',
        '(008) jset     #0x3             jt 9\tjf 10',
        '(009) ret      #262144',
        '(010) ret      #0',
      ],
    ],
    [
      'tcp port 80 or 443',
      [
        '(000) ldh      [12]',
        '(001) jeq      #0x86dd          jt 2\tjf 9',
        '(002) ldb      [20]',
        '(003) jeq      #0x6             jt 4\tjf 22',
        '(004) ldh      [54]',
        '(005) jeq      #0x50            jt 21\tjf 6',
        '(006) jeq      #0x1bb           jt 21\tjf 7',
        '(007) ldh      [56]',
        '(008) jeq      #0x50            jt 21\tjf 20',
        '(009) jeq      #0x800           jt 10\tjf 22',
        '(010) ldb      [23]',
        '(011) jeq      #0x6             jt 12\tjf 22',
        '(012) ldh      [20]',
        '(013) jset     #0x1fff          jt 22\tjf 14',
        '(014) ldxb     4*([14]&0xf)',
        '(015) ldh      [x + 14]',
        '(016) jeq      #0x50            jt 21\tjf 17',
        '(017) jeq      #0x1bb           jt 21\tjf 18',
        '(018) ldh      [x + 16]',
        '(019) jeq      #0x50            jt 21\tjf 20',
        '(020) jeq      #0x1bb           jt 21\tjf 22',
        '(021) ret      #262144',
        '(022) ret      #0',
      ],
    ],
    [
      'ether host 02:00:00:00:00:01',
      [
        '(000) ld       [8]',
        '(001) jeq      #0x1             jt 2\tjf 4',
        '(002) ldh      [6]',
        '(003) jeq      #0x200           jt 8\tjf 4',
        '(004) ld       [2]',
        '(005) jeq      #0x1             jt 6\tjf 9',
        '(006) ldh      [0]',
        '(007) jeq      #0x200           jt 8\tjf 9',
        '(008) ret      #262144',
        '(009) ret      #0',
      ],
    ],
    [
      'vlan 5 and arp',
      [
        '(000) ldh      [12]',
        '(001) jeq      #0x8100          jt 4\tjf 2',
        '(002) jeq      #0x88a8          jt 4\tjf 3',
        '(003) jeq      #0x9100          jt 4\tjf 10',
        '(004) ldh      [14]',
        '(005) and      #0xfff',
        '(006) jeq      #0x5             jt 7\tjf 10',
        '(007) ldh      [16]',
        '(008) jeq      #0x806           jt 9\tjf 10',
        '(009) ret      #262144',
        '(010) ret      #0',
      ],
    ],
    [
      'ip[2:2] - ((ip[0] & 0xf) << 2) > 100',
      [
        '(000) ldh      [12]',
        '(001) jeq      #0x800           jt 2\tjf 10',
        '(002) ldb      [14]',
        '(003) and      #0xf',
        '(004) lsh      #2',
        '(005) tax      ',
        '(006) ldh      [16]',
        '(007) sub      x',
        '(008) jgt      #0x64            jt 9\tjf 10',
        '(009) ret      #262144',
        '(010) ret      #0',
      ],
    ],
  ])('%j', (text, lines) => {
    expect(listing(text).split('\n')).toEqual(lines);
  });

  test.each<[string, FilterOptions, string[]]>([
    ['ip6', RAW, ['(000) ldb      [0]', '(001) and      #0xf0', '(002) jeq      #0x60            jt 3\tjf 4', '(003) ret      #262144', '(004) ret      #0']],
    ['ip', NULL, ['(000) ld       [0]', '(001) jeq      #0x2000000       jt 2\tjf 3', '(002) ret      #262144', '(003) ret      #0']],
    ['ip', { ...ETHERNET, snaplen: 96 }, ['(000) ldh      [12]', '(001) jeq      #0x800           jt 2\tjf 3', '(002) ret      #96', '(003) ret      #0']],
  ])('%j with %j', (text, options, lines) => {
    expect(listing(text, options).split('\n')).toEqual(lines);
  });

  test.each([
    ['host 10.0.0.1 or 10.0.0.2', 'host 10.0.0.1 or host 10.0.0.2'],
    ['host (10.0.0.1 or 10.0.0.2)', 'host 10.0.0.1 or host 10.0.0.2'],
    ['host 10.0.0.1 and not 10.0.0.2', 'host 10.0.0.1 and not host 10.0.0.2'],
    ['tcp dst port 80 or 443 or (22 or 23)', 'tcp dst port 80 or tcp dst port 443 or (tcp dst port 22 or tcp dst port 23)'],
    ['port 80 or (tcp port 22) or 443', 'port 80 or (tcp port 22) or port 443'],
    ['src 10.0.0.1 && dst port 53', 'src host 10.0.0.1 and dst port 53'],
    ['net 10.1', 'net 10.1.0.0/16'],
    ['net 10', 'net 10.0.0.0/8'],
    ['net 10.0.0.0 mask 255.0.0.0', 'net 10.0.0.0/8'],
    ['host 10.1', 'net 10.1.0.0/16'],
    ['dst or src port 53', 'port 53'],
    ['portrange 20-10', 'portrange 10-20'],
    ['port domain', 'port 53'],
    ['udp port 0x35', 'udp port 53'],
    ['tcp or udp and ip', '(tcp or udp) and ip'],
    ['! ip and arp or rarp', '((not ip) and arp) or rarp'],
    ['ether proto \\ip', 'ip'],
    ['icmp[icmptype] = icmp-echo', 'icmp[0] == 8'],
    ['2 + 3 * 4 = ip[0]', 'ip[0] = 14'],
    ['10 - 4 - 3 = ip[0]', 'ip[0] = 3'],
    ['7 & 3 | 8 = ip[0]', 'ip[0] = 11'],
    ['1 + 7 % 4 = ip[0]', 'ip[0] = 4'],
    ['7 % 3 + 1 = ip[0]', 'ip[0] = 3'],
    ['-1 = ip[0:4]', 'ip[0:4] = 0xffffffff'],
    ['length >= 100', 'greater 100'],
    ['not (ip and tcp)', 'not ip or not tcp'],
  ])('%j is %j', (short, long) => {
    expect(listing(short)).toBe(listing(long));
  });

  test('a question is asked once on every way', () => {
    expect(listing('ip and ip and not arp')).toBe(listing('ip'));
    expect(listing('ip6 and tcp')).toBe(listing('ip6 proto 6'));
  });

  test('balanced arithmetic takes one memory word a level', () => {
    const sum = (depth: number, from = 0): string =>
      depth === 0 ? `ip[ip[${from}]]` : `(${sum(depth - 1, from)} + ${sum(depth - 1, from + 2 ** (depth - 1))})`;
    const { insns } = program(`${sum(7)} = 254`);
    const stored = insns.filter((_, i) => i % 4 === 3 && insns[i - 3] === 0x02);
    expect(Math.max(...stored)).toBe(6);
    // ip[0] is 2 and all else is 0: 127 indices lead to the 2, one to a 0.
    const frame = new DataView(new ArrayBuffer(150));
    frame.setUint16(12, 0x0800);
    frame.setUint8(14, 2);
    expect([254, 255].map((value) => bpfFilter(program(`${sum(7)} = ${value}`), frame, 0, 150, 150))).toEqual([262144, 0]);
  });

  test('jumps beyond 255 instructions', () => {
    const long = program(Array.from({ length: 110 }, (_, i) => `host 10.0.0.${i}`).join(' or '));
    expect(long.length).toBeGreaterThan(300);
    expect(long.length).toBeLessThanOrEqual(BPF_MAXINSNS);
    expect(bpfValidate(long)).toBe(true);
    const arp = new DataView(new ArrayBuffer(60));
    arp.setUint16(12, 0x0806);
    const verdicts = [0, 50, 109, 110].map((i) => {
      arp.setUint32(28, 0x0a000000 + i);
      return bpfFilter(long, arp, 0, 60, 60);
    });
    expect(verdicts).toEqual([262144, 262144, 262144, 0]);
  });
});

describe('verdicts', () => {
  const bytes = (hex: string): Uint8Array => Uint8Array.from(hex.replace(/[\s|]/g, '').match(/../g) ?? [], (octet) => parseInt(octet, 16));
  const ETHER = '020000000002 020000000001';
  const IP = '4500 0028 0001 0000 4011 0000 0a000001 0a000002';
  const UDP = '0035 1234 0014 0000 01020304 05060708 090a0b0c';
  const FRAMES = {
    udp: bytes(`${ETHER} 0800 | ${IP} | ${UDP}`),
    options: bytes(`${ETHER} 0800 | 4600 002c 0001 0000 4011 0000 0a000001 0a000002 01010101 | ${UDP}`),
    fragment: bytes(`${ETHER} 0800 | 4500 0028 0001 0010 4011 0000 0a000001 0a000002 | ${UDP}`),
    tagged: bytes(`${ETHER} 8100 2005 0800 | ${IP} | ${UDP}`),
    twice: bytes(`${ETHER} 88a8 0005 8100 0006 0800 | ${IP} | ${UDP}`),
    arp: bytes(`ffffffffffff 020000000001 0806 | 0001 0800 0604 0001 020000000001 0a000001 000000000000 0a000002`),
    udp6: bytes(`${ETHER} 86dd | 60000000 0014 1140 20010db8000000000000000000000001 20010db8000000000000000000000002 | ${UDP}`),
    fragment6: bytes(`${ETHER} 86dd | 60000000 001c 2c40 20010db8000000000000000000000001 20010db8000000000000000000000002 11000000 00000001 | ${UDP}`),
    stp: bytes(`0180c2000000 020000000001 0026 | 424203 0000 00 00 00 8000020000000001 00000000 8000020000000001 8001 0000 1400 0200 0f00`),
    mpls: bytes(`${ETHER} 8847 | 003e8040 007d0140 | ${IP} | ${UDP}`),
    pppoe: bytes(`${ETHER} 8864 | 1100 0007 002a 0021 | ${IP} | ${UDP}`),
  };
  const accepted = (text: string): string =>
    Object.entries(FRAMES)
      .filter(([, frame]) => bpfFilter(program(text), new DataView(frame.buffer), 0, frame.length, frame.length) !== 0)
      .map(([name]) => name)
      .join(' ');

  test.each([
    ['ip', 'udp options fragment'],
    ['udp', 'udp options fragment udp6 fragment6'],
    ['port 53', 'udp options udp6'],
    ['src port 53 and host 10.0.0.1', 'udp options'],
    ['dst port 53', ''],
    ['portrange 50-60', 'udp options udp6'],
    ['host 10.0.0.1', 'udp options fragment arp'],
    ['dst host 10.0.0.1', ''],
    ['arp host 10.0.0.2', 'arp'],
    ['host 2001:db8::1', 'udp6 fragment6'],
    ['src net 2001:db8::/33', 'udp6 fragment6'],
    ['ip6 proto 17', 'udp6 fragment6'],
    ['ether src 02:00:00:00:00:01', 'udp options fragment tagged twice arp udp6 fragment6 stp mpls pppoe'],
    ['broadcast', 'arp'],
    ['multicast', 'arp stp'],
    ['stp', 'stp'],
    // What follows `vlan` is about the frame inside the tag, also behind `or`.
    ['vlan', 'tagged twice'],
    ['vlan 5', 'tagged twice'],
    ['vlan 6', ''],
    ['vlan and ip', 'tagged'],
    ['vlan 5 and udp port 53', 'tagged'],
    ['vlan and vlan', 'twice'],
    ['vlan 5 and vlan 6 and src host 10.0.0.1', 'twice'],
    ['ip or vlan', 'udp options fragment tagged twice'],
    // An ARP packet has 0x0800 where a tagged frame has its type.
    ['vlan or ip', 'tagged twice arp'],
    ['vlan and ether src 02:00:00:00:00:01', 'tagged twice'],
    ['mpls 1000', 'mpls'],
    ['mpls 1000 and mpls 2000 and port 53', 'mpls'],
    ['mpls 1000 and ip', ''],
    ['pppoes 7 and udp port 53', 'pppoe'],
    ['pppoes 8', ''],
    ['less 54', 'udp fragment arp stp'],
    ['udp[8] = 1', 'udp options'],
    ['udp[8:4] = 0x01020304 and udp[udp[8] + 8] = 2', 'udp options'],
    ['ip[0] & 0xf > 5', 'options'],
    ['ip[6:2] & 0x1fff != 0', 'fragment'],
    ['ether[0] & 1 = 1', 'arp stp'],
    ['ether[100] = 0 or ether[100] > 0', ''],
    // A byte that cannot change the verdict need not be there.
    ['not ether[100] = 0 or ether[100] = 0', Object.keys(FRAMES).join(' ')],
    ['arp[6:2] = 1', 'arp'],
    ['byte 0 & 1 or arp', 'arp stp'],
    ['byte 1 | 0xff', Object.keys(FRAMES).join(' ')],
    ['ether[0:4] & 0xffffffff != 0', 'udp options fragment tagged twice arp udp6 fragment6 stp mpls pppoe'],
  ])('%j accepts %j', (text, names) => {
    expect(accepted(text)).toBe(names);
  });

  test('`ip broadcast` needs the netmask', () => {
    const frame = bytes(`ffffffffffff 020000000001 0800 | 4500 0028 0001 0000 4011 0000 0a000001 0a0000ff | ${UDP}`);
    const run = (netmask: number): number => bpfFilter(program('ip broadcast', { ...ETHERNET, netmask }), new DataView(frame.buffer), 0, frame.length, frame.length);
    expect([run(0xffffff00), run(0xffff0000)]).toEqual([262144, 0]);
    expect(error('ip broadcast', { ...ETHERNET, netmask: 0xffffffff })).toBe("netmask not known, so 'ip broadcast' not supported");
  });

  test('behind the loopback header, IPv6 under the numbers of every system', () => {
    const ip6 = program('ip6 and udp', NULL);
    const verdicts = [24, 28, 30, 10, 2].map((af) => {
      const frame = Uint8Array.of(af, 0, 0, 0, ...FRAMES.udp6.subarray(14));
      return bpfFilter(ip6, new DataView(frame.buffer), 0, frame.length, frame.length) !== 0;
    });
    expect(verdicts).toEqual([true, true, true, false, false]);
  });
});

describe('messages', () => {
  const SYNTAX = "can't parse filter expression: syntax error";
  test.each([
    ['foo', SYNTAX],
    ['tcp and', SYNTAX],
    ['(tcp', SYNTAX],
    ['tcp)', SYNTAX],
    ['not', SYNTAX],
    ['@', SYNTAX],
    ['ip[0', SYNTAX],
    ['ip[1] + 1', SYNTAX],
    ['ip 10.0.0.1', SYNTAX],
    ['net 10/8', SYNTAX],
    ['src proto 6', SYNTAX],
    ['host ((10.0.0.1))', SYNTAX],
    ['port (80 or tcp)', SYNTAX],
    ['tcp or 443', 'syntax error in filter expression'],
    ['(tcp port 80) or 443', 'syntax error in filter expression'],
    ['host x.invalid', "unknown host 'x.invalid'"],
    ['net foo', "unknown network 'foo'"],
    ['ether host foo', "unknown ether host 'foo'"],
    ['port foo', "unknown port 'foo'"],
    ['portrange foo-80', "unknown port in range 'foo-80'"],
    ['ip proto foo', "unknown ip proto 'foo'"],
    ['ether proto foo', "unknown ether proto 'foo'"],
    ['iso proto foo', "unknown osi proto 'foo'"],
    ['port 70000', 'illegal port number 70000 > 65535'],
    ['portrange 1-70000', 'illegal port number 70000 > 65535'],
    ['arp port 80', "illegal qualifier of 'port'"],
    ['udp port ssh or tcp port syslog', "port 'syslog' is udp"],
    ['udp portrange login-exec', "port in range 'login-exec' is tcp"],
    ['port 10.0.0.1', "'port' modifier applied to ip host"],
    ['host 10.0.0.256', "invalid IPv4 address '10.0.0.256'"],
    ['net 10.0.0.1/24', 'non-network bits set in "10.0.0.1/24"'],
    ['net 10.0.0.1 mask 255.255.255.0', 'non-network bits set in "10.0.0.1 mask 255.255.255.0"'],
    ['net 10.0.0.0/33', 'mask length must be <= 32'],
    ['net ::/129', 'mask length must be <= 128'],
    ['host 10.0.0.0/24', 'Mask syntax for networks only'],
    ['host fe80::/10', 'Mask syntax for networks only'],
    ['port ::1', 'invalid qualifier against IPv6 address'],
    ['ip host ::1', "'ip' modifier applied to ip6 host"],
    ['ip6 host 10.0.0.1', "'ip6' modifier applied to ip host"],
    ['tcp host 10.0.0.1', "'tcp' modifier applied to host"],
    ['tcp net 10', "'tcp' modifier applied to net"],
    ['ether host 10.0.0.1', 'illegal link layer address'],
    ['host 02:00:00:00:00:01', 'ethernet address used in non-ether expression'],
    ['ether', 'link layer applied in wrong context'],
    ['tcp proto 3', "'tcp proto' is bogus"],
    ['arp proto 3', 'arp does not encapsulate another protocol'],
    ['tcp broadcast', 'only link-layer/IP broadcast filters supported'],
    ['gateway foo', "'gateway' not supported in this configuration"],
    ['ip protochain 6', 'protochain not supported'],
    ['llc', "'llc' not supported in this configuration"],
    ['geneve', "'geneve' not supported in this configuration"],
    ['inbound', 'inbound/outbound not supported on Ethernet'],
    ['ifindex 3', 'ifindex not supported on Ethernet'],
    ['vlan 5000', 'VLAN tag 5000 greater than maximum 4095'],
    ['mpls 1048576', 'MPLS label 1048576 greater than maximum 1048575'],
    ['pppoes 65536', 'PPPoE session number 65536 greater than maximum 65535'],
    ['mpls and vlan', 'no VLAN match after MPLS'],
    ['mpls and arp', 'unsupported protocol over mpls'],
    ['pppoes and vlan', 'no VLAN support for PPP'],
    ['ip[0:3] = 1', 'data size must be 1, 2, or 4'],
    ['stp[0] = 1', 'unsupported index operation'],
    ['ip[0] / 0 = 1', 'division by zero'],
    ['ip[0] % 0 = 1', 'modulus by zero'],
    ['ip[0] << 32 = 1', 'shift by more than 31 bits'],
    ['ip and arp', 'expression rejects all packets'],
    ['1 = 2', 'expression rejects all packets'],
    ['lane', "'lane' supported only on raw ATM"],
    ['ifname em0', 'ifname supported only on PF linktype'],
    ['wlan type mgt', '802.11 link-layer types supported only on 802.11'],
    ['ra port 80', "'ra' is not a valid qualifier for ports"],
    ['addr1 10.0.0.1', "'addr1' and 'address1' are not valid qualifiers for addresses other than 802.11 MAC addresses"],
    ['99999999999', 'number 99999999999 overflows 32 bits'],
    ['host a:b:', 'bogus ethernet address a:b:'],
  ])('%j: %s', (text, message) => {
    expect(error(text)).toBe(message);
  });

  test.each([
    ['vlan', RAW, 'no VLAN support for Raw IP'],
    ['mpls', NULL, 'no MPLS support for BSD loopback'],
    ['broadcast', RAW, 'not a broadcast link'],
    ['arp', RAW, 'expression rejects all packets'],
    ['ether host 02:00:00:00:00:01', NULL, 'ethernet addresses supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel'],
    ['ip', { linktype: 105 }, 'unknown data link type 105'],
    ['', { linktype: 1, snaplen: 0 }, 'snaplen of 0 rejects all packets'],
  ])('%j with %j: %s', (text, options, message) => {
    expect(error(text, options)).toBe(message);
  });

  test.each<[string, string]>([
    ['parentheses', '('.repeat(100_000)],
    ['closed parentheses', `${'('.repeat(600)}tcp${')'.repeat(600)}`],
    ['negations', '!'.repeat(10_000)],
    ['signs', `${'-'.repeat(5000)}1 = 1`],
    ['sums', `${'len + '.repeat(1000)}1 = 1`],
    ['rests', `${'len % '.repeat(1000)}1 = 1`],
    ['terms', 'ip or '.repeat(5000)],
  ])('too many %s', (_what, text) => {
    expect(error(text)).toBe("can't parse filter expression: memory exhausted");
  });

  test('too many tests, too long a message', () => {
    expect(error(Array.from({ length: 1000 }, (_, i) => `port ${i}`).join(' or '))).toBe('filter is too complex to optimize');
    expect(error(`host ${'a'.repeat(1000)}`)).toHaveLength(255);
  });
});
