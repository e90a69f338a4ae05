/**
 * dissect.test.ts — the dissector's promises: it says something about any bytes, never throws, and its cost is bounded. What it
 * says is compared with tcpdump's own words in test/wire/golden.test.ts; a few lines stand here to be read.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAMES } from '../../test/wire/frames.js';
import { concat, data, eth, hex, icmp, ip4, ip6, patch, tcp, udp } from '../../test/wire/packets.js';
import { Prng } from '../base/prng.js';
import type { DissectOptions, HexStyle } from './dissect.js';
import { Dissector, TimestampPrinter, dissect } from './dissect.js';
import { NESTING_MAX } from './dissect/printer.js';
import { TcpSeqTable } from './dissect/tcp-seq-table.js';
import { LINKTYPE_ETHERNET, LINKTYPE_LOOP, LINKTYPE_NULL, LINKTYPE_RAW, LINKTYPE_RAW_BSD } from './linktype.js';

const frame = (name: string): Uint8Array => FRAMES.find(([n]) => n === name)![1];

describe('lines', () => {
  it.each<[string, DissectOptions, string]>([
    ['arp: request', {}, 'ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28'],
    ['ip: echo request', {}, 'IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 1, seq 0, length 64'],
    ['ip: udp', {}, 'IP 192.0.2.1.1234 > 192.0.2.2.5001: UDP, length 10'],
    ['ip: udp', { verbose: 2 }, 'IP (tos 0x0, ttl 64, id 1234, offset 0, flags [none], proto UDP (17), length 38)\n    192.0.2.1.1234 > 192.0.2.2.5001: [udp sum ok] UDP, length 10'],
    ['link: vlan', { ether: true }, '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q (0x8100), length 58: vlan 5, p 0, ethertype IPv4 (0x0800), 192.0.2.1.1111 > 192.0.2.2.2222: UDP, length 12'],
    ['tcp: syn', {}, 'IP 192.0.2.1.1234 > 192.0.2.2.9999: Flags [S], seq 1000, win 65535, options [mss 1460,nop,wscale 6,sackOK,TS val 1 ecr 0], length 0'],
    ['link: stp', {}, 'STP 802.1d, Config, Flags [none], bridge-id 8000.02:00:00:00:00:01.8001, length 35'],
  ])('%s %j', (name, options, line) => {
    expect(dissect(frame(name), options)).toBe(line);
  });

  it('a port of another well-known service is just a port', () => {
    expect(dissect(ip4(17, udp(1234, 69, data(10))), { linktype: LINKTYPE_RAW })).toBe('IP 192.0.2.1.1234 > 192.0.2.2.69: UDP, length 10');
  });

  it('protocol 112 is CARP or VRRP by its shape', () => {
    const adv = hex('21 01 32 07 00 01 9dd8 0000000000000011' + '00'.repeat(20));
    expect(dissect(ip4(112, adv, { ttl: 255 }), { linktype: LINKTYPE_RAW })).toBe('IP 192.0.2.1 > 192.0.2.2: CARPv2-advertise 36: vhid=1 advbase=1 advskew=50 authlen=7 counter=17');
    expect(dissect(ip4(112, adv, { ttl: 254 }), { linktype: LINKTYPE_RAW })).toContain(' 36: [ttl=254!] vhid=1 ');
    expect(dissect(ip4(112, patch(adv, 2, 51), { ttl: 255 }), { linktype: LINKTYPE_RAW, verbose: 1 })).toContain('authlen=7  (bad carp cksum 9dd8!)counter=17');
    expect(dissect(ip6(112, adv, { hlim: 255 }), { linktype: LINKTYPE_RAW })).toContain(': CARPv2-advertise 36: vhid=1 ');
    const vrrp = hex('21 0a 64 01 00 01 0000 c0000209 0000000000000000');
    expect(dissect(ip4(112, vrrp, { ttl: 255 }), { linktype: LINKTYPE_RAW })).toBe('IP 192.0.2.1 > 192.0.2.2: VRRPv2, Advertisement, vrid 10, prio 100, authtype none, intvl 1s, length 20');
    expect(dissect(ip4(112, vrrp, { ttl: 255 }), { linktype: LINKTYPE_RAW, verbose: 1 })).toContain(', addrs: 192.0.2.9');
    expect(dissect(ip6(112, hex('31 0a 64 01 0064 0000 ' + '20010db8' + '00'.repeat(11) + '09'), { hlim: 255 }), { linktype: LINKTYPE_RAW, verbose: 1 })).toContain('VRRPv3, Advertisement, vrid 10, prio 100, intvl 100cs, length 24, addrs: 2001:db8::9');
    expect(dissect(ip4(112, adv.subarray(0, 12), { ttl: 255 }), { linktype: LINKTYPE_RAW })).toContain('VRRPv2');
  });

  it('a snaplen cuts the line where the bytes end', () => {
    expect(dissect(frame('ip: udp').subarray(0, 36), {}, 52)).toBe('IP 192.0.2.1 > 192.0.2.2: [|udp]'.replace(': ', ':  '));
    expect(dissect(frame('tcp: syn').subarray(0, 40), {}, 74)).toBe('IP 192.0.2.1.1234 > 192.0.2.2.9999:  [|tcp]');
  });

  it('impossible lengths are named', () => {
    expect(dissect(new Uint8Array(0))).toBe('[Invalid header: caplen==0, len==0]');
    expect(dissect(new Uint8Array(4), {}, 3)).toBe('[Invalid header: len(3) < caplen(4)]');
  });

  it('checksums are not looked at with -K', () => {
    const bad = frame('ip: wrong checksums');
    expect(dissect(bad, { verbose: 1 })).toContain('bad cksum');
    expect(dissect(bad, { verbose: 1, noCksum: true })).not.toContain('bad cksum');
  });

  it('the bytes of the packet are not changed', () => {
    const bytes = frame('ip: echo request').slice();
    dissect(bytes, { verbose: 3, ether: true, hex: 'XX' });
    expect(bytes).toEqual(frame('ip: echo request'));
  });

  it('an unknown link type is said', () => {
    expect(dissect(data(4), { linktype: 147 })).toBe('[link type 147 is not known]');
  });
});

describe('sequence numbers', () => {
  const seg = (flags: number, seq: number, ack: number, n: number): Uint8Array => eth(0x0800, ip4(6, tcp(flags, data(n), { seq, ack })));

  it('are absolute for the first segment, relative after it, in one run', () => {
    const run = new Dissector();
    expect(run.print(seg(0x18, 7000, 50, 10))).toContain('seq 7000:7010, ack 50,');
    expect(run.print(seg(0x18, 7010, 50, 10))).toContain('seq 10:20, ack 1,');
    expect(new Dissector().print(seg(0x18, 7010, 50, 10))).toContain('seq 7010:7020, ack 50,');
    expect(new Dissector({ absoluteSeq: true }).print(seg(0x18, 7010, 50, 10))).toContain('seq 7010:7020');
  });

  it('wrap', () => {
    const run = new Dissector();
    run.print(seg(0x18, 0xfffffff0, 50, 10));
    expect(run.print(seg(0x18, 0xfffffffa, 50, 10))).toContain('seq 10:20');
    expect(run.print(seg(0x18, 4, 50, 10))).toContain('seq 20:30');
  });

  it('the table of conversations does not grow without bound', () => {
    const table = new TcpSeqTable();
    for (let i = 0; i < 10_000; i++) table.record(`c${i}`, i, 0);
    expect(table.size).toBe(4096);
    expect(table.find('c9999')).toEqual({ seq: 9999, ack: 0 });
    expect(table.find('c0')).toBeUndefined();
  });
});

describe('timestamps', () => {
  const at = (style: ConstructorParameters<typeof TimestampPrinter>[0], ...times: number[]): string[] => {
    const printer = new TimestampPrinter(style);
    return times.map((t) => printer.print(t));
  };

  it('the styles of tcpdump', () => {
    const t = Date.UTC(2024, 1, 29, 23, 59, 58) * 1000 + 7;
    expect(at('none', t)).toEqual(['']);
    expect(at('time', t)).toEqual(['23:59:58.000007 ']);
    expect(at('epoch', t)).toEqual(['1709251198.000007 ']);
    expect(at('date', t)).toEqual(['2024-02-29 23:59:58.000007 ']);
    expect(at('delta', t, t + 1_500_000, t + 1_000_000)).toEqual([' 00:00:00.000000 ', ' 00:00:01.500000 ', '-00:00:00.500000 ']);
    expect(at('elapsed', t, t + 1_500_000, t + 3_600_000_000)).toEqual([' 00:00:00.000000 ', ' 00:00:01.500000 ', ' 01:00:00.000000 ']);
    expect(new TimestampPrinter('date', -60).print(t + 3_600_000_000)).toBe('2024-02-29 23:59:58.000007 ');
  });

  it('dates agree with the calendar', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), (sec) => {
        expect(at('date', sec * 1_000_000)[0]).toBe(`${new Date(sec * 1000).toISOString().slice(0, 19).replace('T', ' ')}.000000 `);
      }),
    );
  });
});

describe('any bytes', () => {
  const linktypes = [LINKTYPE_ETHERNET, LINKTYPE_RAW, LINKTYPE_RAW_BSD, LINKTYPE_NULL, LINKTYPE_LOOP];
  const styles: HexStyle[] = ['', 'x', 'xx', 'X', 'XX', 'A', 'AA'];
  const options: fc.Arbitrary<DissectOptions> = fc.record({
    linktype: fc.constantFrom(...linktypes),
    verbose: fc.nat(3),
    ether: fc.boolean(),
    quiet: fc.boolean(),
    absoluteSeq: fc.boolean(),
    noCksum: fc.boolean(),
    hex: fc.constantFrom(...styles),
  });

  it('never throw (arbitrary bytes)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), options, fc.nat(100), (b, o, more) => {
        expect(dissect(b, o, b.length + more).length).toBeGreaterThan(0);
      }),
      { numRuns: 3000 },
    );
  });

  it('never throw (arbitrary IP payloads)', () => {
    const proto = fc.constantFrom(0, 1, 2, 4, 6, 17, 41, 43, 44, 58, 60, 143);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), proto, proto, options, (b, outer, inner, o) => {
        const packet = concat(Uint8Array.of(inner, 0, 0, 0, 0, 0, 0, 0), b);
        dissect(ip4(outer, packet), { ...o, linktype: LINKTYPE_RAW });
        dissect(ip6(outer, packet), { ...o, linktype: LINKTYPE_RAW });
      }),
      { numRuns: 2000 },
    );
  });

  it('never throw (mutations of every frame, seed 20240229)', () => {
    const rng = new Prng(20240229);
    const silent: string[] = [];
    const runs = [0, 1, 3].flatMap((verbose) => [new Dissector({ verbose }), new Dissector({ verbose, ether: true, hex: 'X' })]);
    for (const [name, bytes] of FRAMES) {
      for (let i = 0; i < 40; i++) {
        const b = bytes.slice();
        for (let k = rng.below(4); k >= 0; k--) b[rng.below(b.length)] = rng.chance(0.5) ? rng.below(256) : [0, 1, 0x7f, 0x80, 0xff][rng.below(5)]!;
        const cap = 1 + rng.below(b.length);
        for (const run of runs) if (run.print(b.subarray(0, cap), b.length) === '') silent.push(name);
      }
    }
    expect(silent).toEqual([]);
  });

  it('encapsulation has an end', () => {
    let packet = ip4(17, udp(1, 2, data(1)));
    for (let i = 0; i < 300; i++) packet = ip4(4, packet);
    const line = dissect(packet, { linktype: LINKTYPE_RAW });
    expect(line).toContain('[too many encapsulations]');
    expect(line.match(/192\.0\.2\.1 >/g)).toHaveLength(NESTING_MAX);
    let error = ip4(1, icmp(3, 1, 0, ip4(17, data(8))));
    for (let i = 0; i < 300; i++) error = ip4(1, icmp(3, 1, 0, error));
    expect(dissect(error, { linktype: LINKTYPE_RAW, verbose: 1 })).toContain('[too many encapsulations]');
  });

  it('a packet that announces much costs no more than it has', () => {
    const report = ip4(2, concat(hex('22000000 0000 ffff'), new Uint8Array(65_000)));
    expect(dissect(report, { linktype: LINKTYPE_RAW, verbose: 3 }).length).toBeLessThan(40 * 65_000);
    expect(dissect(patch(report, 9, 58), { linktype: LINKTYPE_RAW, verbose: 3 }).length).toBeLessThan(40 * 65_000);
  });
});
