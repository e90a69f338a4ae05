/**
 * headers.test.ts — the header files together: emit ∘ parse is the identity, checks answer their reasons in order, option
 * iterators end on any bytes.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as arp from './arp.js';
import { inCksum } from './checksum.js';
import * as ether from './ether.js';
import * as etherip from './etherip.js';
import * as icmp4 from './icmp4.js';
import * as icmp6 from './icmp6.js';
import * as igmp from './igmp.js';
import * as ip4 from './ip4.js';
import * as ip6 from './ip6.js';
import { IPPROTO_AH, IPPROTO_FRAGMENT, IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_UDP } from './ipproto.js';
import * as llc from './llc.js';
import * as stp from './stp.js';
import * as tcp from './tcp.js';
import * as udp from './udp.js';
import * as vxlan from './vxlan.js';

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], (h) => parseInt(h, 16));
const bytes = (n: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: n, maxLength: n });
const OFF = 3;

/** Reads a header at OFF with `copy`, which writes it again at OFF of another view, and compares the bytes. */
function identity(n: number, copy: (from: DataView, to: DataView) => void, fix: (b: DataView) => void = () => {}): void {
  fc.assert(
    fc.property(bytes(n), (b) => {
      const from = new Uint8Array(OFF + n + 5);
      from.set(b, OFF);
      fix(viewOf(from));
      const to = new Uint8Array(from.length);
      copy(viewOf(from), viewOf(to));
      expect(to).toEqual(from);
    }),
    { numRuns: 300 },
  );
}

describe('emit after parse is the identity', () => {
  it('Ethernet', () => {
    identity(14, (v, to) => {
      ether.etherEmit(to, OFF, ether.etherDhostHi(v, OFF), ether.etherDhostLo(v, OFF), ether.etherShostHi(v, OFF), ether.etherShostLo(v, OFF), ether.etherType(v, OFF));
    });
  });

  it('ARP', () => {
    identity(
      28,
      (v, to) => {
        arp.arpEmit(to, OFF, arp.arpOp(v, OFF), arp.arpShaHi(v, OFF), arp.arpShaLo(v, OFF), arp.arpSpa(v, OFF), arp.arpThaHi(v, OFF), arp.arpThaLo(v, OFF), arp.arpTpa(v, OFF));
      },
      (v) => {
        v.setUint32(OFF, 0x00010800);
        v.setUint16(OFF + 4, 0x0604);
      },
    );
  });

  it('IPv4', () => {
    identity(
      20,
      (v, to) => {
        ip4.ip4Emit(to, OFF, 20, ip4.ip4Tos(v, OFF), ip4.ip4Len(v, OFF), ip4.ip4Id(v, OFF), ip4.ip4Off(v, OFF), ip4.ip4Ttl(v, OFF), ip4.ip4P(v, OFF), ip4.ip4Src(v, OFF), ip4.ip4Dst(v, OFF));
      },
      (v) => {
        v.setUint8(OFF, 0x45);
        ip4.ip4PutSum(v, OFF, 20);
      },
    );
  });

  it('UDP', () => {
    identity(8, (v, to) => {
      udp.udpEmit(to, OFF, udp.udpSport(v, OFF), udp.udpDport(v, OFF), udp.udpUlen(v, OFF), udp.udpSum(v, OFF));
    });
  });

  it('TCP', () => {
    identity(
      20,
      (v, to) => {
        tcp.tcpEmit(to, OFF, tcp.tcpSport(v, OFF), tcp.tcpDport(v, OFF), tcp.tcpSeq(v, OFF), tcp.tcpAck(v, OFF), tcp.tcpOff(v, OFF), tcp.tcpFlags(v, OFF), tcp.tcpWin(v, OFF), tcp.tcpUrp(v, OFF));
      },
      (v) => {
        v.setUint8(OFF + 12, 0x50);
        v.setUint16(OFF + 16, 0);
      },
    );
  });

  it('ICMP', () => {
    identity(
      8,
      (v, to) => {
        icmp4.icmp4Emit(to, OFF, 8, icmp4.icmp4Type(v, OFF), icmp4.icmp4Code(v, OFF), v.getUint32(OFF + 4));
      },
      (v) => {
        icmp4.icmp4PutSum(v, OFF, 8);
      },
    );
  });

  it('IGMP', () => {
    identity(
      8,
      (v, to) => {
        igmp.igmpEmit(to, OFF, igmp.igmpType(v, OFF), igmp.igmpCode(v, OFF), igmp.igmpGroup(v, OFF));
      },
      (v) => {
        v.setUint16(OFF + 2, 0);
        v.setUint16(OFF + 2, inCksum(v, OFF, 8));
      },
    );
  });

  it('IPv6', () => {
    identity(
      40,
      (v, to) => {
        ip6.ip6Emit(to, OFF, ip6.ip6Class(v, OFF), ip6.ip6Flow(v, OFF), ip6.ip6Plen(v, OFF), ip6.ip6Nxt(v, OFF), ip6.ip6Hlim(v, OFF));
        ip6.ip6CopyAddr(to, OFF + ip6.IP6_SRC, v, OFF + ip6.IP6_SRC);
        ip6.ip6CopyAddr(to, OFF + ip6.IP6_DST, v, OFF + ip6.IP6_DST);
        expect(ip6.ip6AddrEq(to, OFF + ip6.IP6_DST, v, OFF + ip6.IP6_DST)).toBe(true);
      },
      (v) => {
        v.setUint8(OFF, 0x60 | (v.getUint8(OFF) & 15));
      },
    );
  });

  it('LLC, SNAP, EtherIP', () => {
    const v = viewOf(new Uint8Array(8));
    llc.llcEmitUi(v, 0, llc.LLC_8021D_LSAP);
    expect(llc.llcIsBpdu(v, 0, 3)).toBe(true);
    expect(llc.llcIsBpdu(v, 0, 2)).toBe(false);
    llc.llcEmitSnap(v, 0, 0x0800);
    expect([llc.llcIsSnap(v, 0, 8), llc.llcIsSnap(v, 0, 7), llc.llcIsBpdu(v, 0, 8)]).toEqual([true, false, false]);
    expect([llc.llcSnapOui(v, 0), llc.llcSnapType(v, 0)]).toEqual([0, 0x0800]);
    const e = viewOf(new Uint8Array(16));
    etherip.etheripEmit(e, 0);
    expect([etherip.etheripCheck(e, 0, 16), etherip.etheripCheck(e, 0, 15)]).toEqual([0, etherip.ETHERIP_BAD_SHORT]);
    e.setUint16(0, 0x0300);
    expect(etherip.etheripCheck(e, 0, 16)).toBe(etherip.ETHERIP_BAD_VERSION);
    e.setUint16(0, 0x3001);
    expect(etherip.etheripCheck(e, 0, 16)).toBe(etherip.ETHERIP_BAD_RESERVED);
  });

  it('VXLAN', () => {
    const v = viewOf(new Uint8Array(23).fill(0xff));
    for (const vni of [0, 42, 0xff_ffff]) {
      vxlan.vxlanEmit(v, 1, vni);
      expect([vxlan.vxlanCheck(v, 1, 22), vxlan.vxlanVni(v, 1)]).toEqual([0, vni]);
    }
    expect([v.getUint32(1), v.getUint32(5)]).toEqual([0x0800_0000, 0xffff_ff00]);
    expect(vxlan.vxlanCheck(v, 1, 21)).toBe(vxlan.VXLAN_BAD_SHORT);
    for (const word of [0, 0x0c00_0000, 0x8800_0000, 0x0800_0001]) {
      v.setUint32(1, word);
      expect(vxlan.vxlanCheck(v, 1, 22)).toBe(vxlan.VXLAN_BAD_FLAGS);
    }
    vxlan.vxlanEmit(v, 1, 42);
    v.setUint8(8, 1);
    expect(vxlan.vxlanCheck(v, 1, 22)).toBe(vxlan.VXLAN_BAD_RESERVED);
  });
});

describe('VLAN tags', () => {
  it('push and pop are inverse and leave the rest alone', () => {
    fc.assert(
      fc.property(bytes(30), fc.nat(4095), fc.nat(7), fc.nat(1), (b, vid, pri, cfi) => {
        const buf = new Uint8Array(40);
        buf.set(b, 8);
        const v = viewOf(buf);
        const tci = ether.evlMakeTag(vid, pri, cfi);
        ether.etherTagPush(v, 8, ether.ETHERTYPE_VLAN, tci);
        expect(buf.subarray(4, 16)).toEqual(b.subarray(0, 12));
        expect(ether.etherType(v, 4)).toBe(ether.ETHERTYPE_VLAN);
        expect([ether.evlVlanOfTag, ether.evlPriOfTag, ether.evlCfiOfTag].map((f) => f(ether.etherTci(v, 4)))).toEqual([vid, pri, cfi]);
        expect(ether.etherVlanType(v, 4)).toBe(v.getUint16(8 + 12));
        ether.etherTagPop(v, 4);
        expect(buf.subarray(8, 38)).toEqual(b);
      }),
    );
  });
});

describe('checks', () => {
  it('Ethernet', () => {
    const v = viewOf(new Uint8Array(20));
    const check = (type: number, len: number): number => {
      v.setUint16(12, type);
      return ether.etherCheck(v, 0, len);
    };
    expect(check(0x0800, 13)).toBe(ether.ETHER_BAD_SHORT);
    expect(check(0x0800, 14)).toBe(0);
    expect(check(1500, 14)).toBe(0);
    expect(check(1501, 14)).toBe(ether.ETHER_BAD_TYPE);
    expect(check(1536, 14)).toBe(0);
    expect(check(0x8100, 17)).toBe(ether.ETHER_BAD_TAG_SHORT);
    expect(check(0x88a8, 18)).toBe(0);
  });

  const ARP = hex('0001 0800 06 04 0001 020000000001 c0000201 000000000000 c0000202');
  it.each<[string, number, number[], number]>([
    ['whole', 28, [], 0],
    ['padded', 46, [], 0],
    ['seven bytes', 7, [], arp.ARP_BAD_SHORT],
    ['one byte short', 27, [], arp.ARP_BAD_LEN],
    ['IEEE 1394', 46, [1, 24], arp.ARP_BAD_HRD],
    ['trailers', 28, [2, 0x10], 0],
    ['IPv6', 28, [2, 0x86, 3, 0xdd], arp.ARP_BAD_PRO],
    ['hln 0 pln 0', 46, [4, 0, 5, 0], arp.ARP_BAD_PLN],
    ['hln 0 pln 4', 46, [4, 0], arp.ARP_BAD_HLN],
    ['hln 6 pln 0', 46, [5, 0], arp.ARP_BAD_PLN],
    ['hln 255 pln 255', 46, [4, 255, 5, 255], arp.ARP_BAD_LEN],
    ['hln 8 with room', 46, [4, 8], arp.ARP_BAD_HLN],
    ['hln 5', 46, [4, 5], arp.ARP_BAD_HLN],
    ['hln 7', 46, [4, 7], arp.ARP_BAD_HLN],
  ])('ARP %s', (_name, len, patch, reason) => {
    const b = new Uint8Array(46);
    b.set(ARP);
    for (let i = 0; i < patch.length; i += 2) b[patch[i]!] = patch[i + 1]!;
    expect(arp.arpCheck(viewOf(b), 0, len)).toBe(reason);
  });

  it.each<[string, number, number[], boolean, number]>([
    ['whole', 28, [], false, 0],
    ['padded', 40, [], false, 0],
    ['short', 19, [], false, ip4.IP4_BAD_SHORT],
    ['version', 28, [0, 0x65], false, ip4.IP4_BAD_VERSION],
    ['hl below 20', 28, [0, 0x44], false, ip4.IP4_BAD_HL],
    ['hl beyond the bytes', 28, [0, 0x4f], false, ip4.IP4_BAD_HL],
    ['sum', 28, [8, 63], false, ip4.IP4_BAD_SUM],
    ['sum verified by hardware', 28, [8, 63], true, 0],
    ['length below hl', 28, [3, 19], true, ip4.IP4_BAD_LEN],
    ['sum is tested before length', 28, [3, 19], false, ip4.IP4_BAD_SUM],
    ['truncated', 27, [], false, ip4.IP4_BAD_TRUNC],
  ])('IPv4 %s', (_name, len, patch, sumOk, reason) => {
    const b = new Uint8Array(60);
    const v = viewOf(b);
    ip4.ip4Emit(v, 0, 20, 0, 28, 7, ip4.IP_DF, 64, 17, 0xc0000201, 0xc0000202);
    for (let i = 0; i < patch.length; i += 2) b[patch[i]!] = patch[i + 1]!;
    expect(ip4.ip4Check(v, 0, len, sumOk)).toBe(reason);
  });

  it('IPv4 accessors', () => {
    const v = viewOf(new Uint8Array(24));
    v.setUint32(20, 0x01010100);
    ip4.ip4Emit(v, 0, 24, 3, 100, 7, ip4.IP_MF | 5, 64, 17, 0x80000001, 0xffffffff);
    expect(ip4.ip4Check(v, 0, 24)).toBe(ip4.IP4_BAD_TRUNC);
    expect([ip4.ip4Version, ip4.ip4Hl, ip4.ip4FragOff, ip4.ip4Src, ip4.ip4Dst].map((f) => f(v, 0))).toEqual([4, 24, 40, 0x80000001, 0xffffffff]);
    expect(ip4.ip4IsFragment(v, 0)).toBe(true);
    v.setUint16(6, ip4.IP_DF);
    expect(ip4.ip4IsFragment(v, 0)).toBe(false);
    expect(ip4.ip4Sum(v, 0)).not.toBe(0);
  });

  it('IPv4: the TTL goes down with its checksum', () => {
    fc.assert(
      fc.property(bytes(20), fc.integer({ min: 1, max: 255 }), (b, ttl) => {
        b[0] = 0x45;
        b[8] = ttl;
        const v = viewOf(b);
        ip4.ip4PutSum(v, 0, 20);
        ip4.ip4DecTtl(v, 0);
        expect(v.getUint8(8)).toBe(ttl - 1);
        expect(ip4.ip4Cksum(v, 0, 20)).toBe(0);
      }),
      { numRuns: 2000 },
    );
  });

  it('IPv4: the sum of five words is that of ten halves', () => {
    const word = fc.oneof(fc.constantFrom(0, -1, 0xffff, 0xffff0000 | 0, 1 << 31), fc.integer());
    fc.assert(
      fc.property(fc.tuple(word, word, word, word, word), (w) => {
        let sum = w.reduce((all, x) => all + (x >>> 16) + (x & 0xffff), 0);
        while (sum > 0xffff) sum = (sum >>> 16) + (sum & 0xffff);
        expect(ip4.ip4SumOfWords(...w)).toBe(sum);
      }),
      { numRuns: 2000 },
    );
  });

  it('IPv4: a plain header is one without options that passes the check', () => {
    fc.assert(
      fc.property(bytes(40), fc.constantFrom(0x45, 0x45, 0x45, 0x46, 0x44, 0x65), fc.integer({ min: 18, max: 42 }), fc.integer({ min: 0, max: 40 }), fc.boolean(), (b, vhl, total, len, sumOk) => {
        b[0] = vhl;
        const v = viewOf(b);
        v.setUint16(2, total);
        if (sumOk) ip4.ip4PutSum(v, 0, Math.max(20, (vhl & 15) << 2));
        expect(ip4.ip4PlainLen(v, 0, len)).toBe(ip4.ip4Check(v, 0, len) === 0 && vhl === 0x45 ? total : 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('ICMP', () => {
    const v = viewOf(new Uint8Array(64));
    const check = (type: number, len: number, vhl = 0x45): number => {
      v.setUint8(8, vhl);
      icmp4.icmp4Emit(v, 0, len, type, 0, 0);
      return icmp4.icmp4Check(v, 0, len);
    };
    expect(icmp4.icmp4Check(v, 0, 7)).toBe(icmp4.ICMP4_BAD_SHORT);
    expect(check(icmp4.ICMP_ECHO, 8)).toBe(0);
    expect(check(icmp4.ICMP_UNREACH, 36)).toBe(0);
    expect(check(icmp4.ICMP_UNREACH, 35)).toBe(icmp4.ICMP4_BAD_LEN);
    expect(check(icmp4.ICMP_UNREACH, 36, 0x46)).toBe(icmp4.ICMP4_BAD_LEN);
    expect(check(icmp4.ICMP_UNREACH, 40, 0x46)).toBe(0);
    expect(check(icmp4.ICMP_REDIRECT, 64, 0x44)).toBe(icmp4.ICMP4_BAD_LEN);
    expect(check(icmp4.ICMP_TIMXCEED, 64, 0x65)).toBe(icmp4.ICMP4_BAD_LEN);
    expect(check(icmp4.ICMP_TSTAMP, 19)).toBe(icmp4.ICMP4_BAD_LEN);
    expect(check(icmp4.ICMP_MASKREQ, 11)).toBe(icmp4.ICMP4_BAD_LEN);
    expect(check(99, 8)).toBe(0);
    v.setUint8(7, 1);
    expect(icmp4.icmp4Check(v, 0, 8)).toBe(icmp4.ICMP4_BAD_SUM);
    expect(icmp4.icmp4Check(v, 0, 8, true)).toBe(0);
    expect([icmp4.ICMP_UNREACH, icmp4.ICMP_SOURCEQUENCH, icmp4.ICMP_ECHO, icmp4.ICMP_ECHOREPLY].map(icmp4.icmp4IsError)).toEqual([true, true, false, false]);
  });

  it('IGMP', () => {
    const check = (text: string): number => igmp.igmpCheck(viewOf(hex(text)), 0, hex(text).length, true);
    expect(check('11 00 0000 e00000')).toBe(igmp.IGMP_BAD_SHORT);
    expect(check('11 00 0000 e0000001')).toBe(0);
    expect(check('11 64 0000 e0000001 00')).toBe(igmp.IGMP_BAD_SHORT);
    expect(check('11 64 0000 e0000001 02 7d 0001 0a000001')).toBe(0);
    expect(check('11 64 0000 e0000001 02 7d 0002 0a000001')).toBe(igmp.IGMP_BAD_LEN);
    expect(check('22 00 0000 0000 0001 04 00 0000 ef010203')).toBe(0);
    expect(check('22 00 0000 0000 0002 04 00 0000 ef010203')).toBe(igmp.IGMP_BAD_LEN);
    expect(check('22 00 0000 0000 0001 04 01 0001 ef010203 0a000001')).toBe(igmp.IGMP_BAD_LEN);
    expect(igmp.igmpCheck(viewOf(hex('16 00 0000 e0000001')), 0, 8)).toBe(igmp.IGMP_BAD_SUM);
    expect([0, 127, 128, 255].map(igmp.igmpCodeValue)).toEqual([0, 127, 128, 31744]);
  });

  it('UDP and TCP', () => {
    const u = viewOf(hex('0001 0002 0009 0000 aa'));
    expect([udp.udpCheck(u, 0, 7), udp.udpCheck(u, 0, 8), udp.udpCheck(u, 0, 9)]).toEqual([udp.UDP_BAD_SHORT, udp.UDP_BAD_LEN, 0]);
    u.setUint16(4, 7);
    expect(udp.udpCheck(u, 0, 9)).toBe(udp.UDP_BAD_LEN);
    expect([0, 1, 0xffff].map(udp.udpSumOf)).toEqual([0xffff, 1, 0xffff]);
    const t = viewOf(new Uint8Array(24));
    const check = (hl: number, len: number): number => {
      t.setUint8(12, (hl >>> 2) << 4);
      return tcp.tcpCheck(t, 0, len);
    };
    expect([check(20, 19), check(16, 24), check(20, 20), check(24, 20), check(24, 24)]).toEqual([tcp.TCP_BAD_SHORT, tcp.TCP_BAD_OFF, 0, tcp.TCP_BAD_OFF, 0]);
  });

  it('BPDU', () => {
    const cfg = (patch: (v: DataView) => void, len: number): number => {
      const v = viewOf(new Uint8Array(40));
      v.setUint16(stp.BPDU_MAX_AGE, 20 * 256);
      patch(v);
      return stp.stpCheck(v, 0, len);
    };
    expect(cfg(() => {}, 35)).toBe(0);
    expect(cfg(() => {}, 34)).toBe(stp.BPDU_BAD_SHORT);
    expect(cfg(() => {}, 3)).toBe(stp.BPDU_BAD_SHORT);
    expect(cfg((v) => v.setUint8(1, 1), 35)).toBe(stp.BPDU_BAD_PROTO);
    expect(cfg((v) => v.setUint8(3, 0x80), 4)).toBe(0);
    expect(cfg((v) => v.setUint8(3, 0x81), 35)).toBe(stp.BPDU_BAD_TYPE);
    expect(cfg((v) => v.setUint16(stp.BPDU_MESSAGE_AGE, 20 * 256), 35)).toBe(stp.BPDU_BAD_AGE);
    expect(cfg((v) => v.setUint16(2, 0x0202), 36)).toBe(0);
    expect(cfg((v) => v.setUint16(2, 0x0202), 35)).toBe(stp.BPDU_BAD_SHORT);
    expect(cfg((v) => v.setUint16(2, 0x0002), 36)).toBe(stp.BPDU_BAD_TYPE);
  });

  it('IPv6 and its upper layer', () => {
    const v = viewOf(new Uint8Array(100));
    ip6.ip6Emit(v, 0, 0xab, 0x12345, 60, IPPROTO_HOPOPTS, 64);
    expect([ip6.ip6Version(v, 0), ip6.ip6Class(v, 0), ip6.ip6Flow(v, 0)]).toEqual([6, 0xab, 0x12345]);
    expect([ip6.ip6Check(v, 0, 39), ip6.ip6Check(v, 0, 99), ip6.ip6Check(v, 0, 100)]).toEqual([ip6.IP6_BAD_SHORT, ip6.IP6_BAD_TRUNC, 0]);
    v.setUint16(40, (IPPROTO_ROUTING << 8) | 1); // 16 bytes
    v.setUint16(56, (IPPROTO_FRAGMENT << 8) | 0); // 8 bytes
    v.setUint16(64, (IPPROTO_AH << 8) | 0); // 8 bytes
    v.setUint16(72, (IPPROTO_UDP << 8) | 1); // 12 bytes
    let up = ip6.ip6Upper(v, 0);
    expect([ip6.ip6UpperOff(up), ip6.ip6UpperProto(up)]).toEqual([84, IPPROTO_UDP]);
    v.setUint16(64 + ip6.IP6F_OFFLG, 8);
    up = ip6.ip6Upper(v, 0);
    expect([ip6.ip6UpperOff(up), ip6.ip6UpperProto(up)]).toEqual([64, IPPROTO_FRAGMENT]);
    v.setUint8(41, 7); // 64 bytes: beyond the packet
    expect(ip6.ip6Upper(v, 0)).toBe(-1);
    v.setUint8(0, 0x45);
    expect(ip6.ip6Check(v, 0, 100)).toBe(ip6.IP6_BAD_VERSION);
  });

  it('ICMPv6', () => {
    const check = (text: string): number => icmp6.icmp6Check(viewOf(hex(text)), 0, hex(text).length);
    const ns = `87 00 0000 00000000 ${'00'.repeat(16)}`;
    expect(check('80 00 0000 000000')).toBe(icmp6.ICMP6_BAD_SHORT);
    expect(check('80 00 0000 00000000')).toBe(0);
    expect(check(ns)).toBe(0);
    expect(check(ns.slice(0, -2))).toBe(icmp6.ICMP6_BAD_SHORT);
    expect(check(`${ns} 01 01 020000000001`)).toBe(0);
    expect(check(`${ns} 01 00 020000000001`)).toBe(icmp6.ICMP6_BAD_OPT);
    expect(check(`${ns} 01 02 020000000001`)).toBe(icmp6.ICMP6_BAD_OPT);
    expect(check(`${ns} 01 01 0200000000`)).toBe(icmp6.ICMP6_BAD_OPT);
    expect(check(`82 00 0000 00000000 ${'00'.repeat(15)}`)).toBe(icmp6.ICMP6_BAD_SHORT);
    expect([1, 127, 128].map(icmp6.icmp6IsError)).toEqual([true, true, false]);
    expect([32767, 32768, 65535].map(icmp6.mldCodeValue)).toEqual([32767, 32768, 8191 << 10]);
  });
});

describe('IPv4 options', () => {
  const header = (options: string): DataView => {
    const opts = hex(options);
    const b = new Uint8Array(20 + opts.length);
    b.set(opts, 20);
    ip4.ip4Emit(viewOf(b), 0, b.length, 0, b.length, 0, 0, 64, 1, 1, 2);
    return viewOf(b);
  };

  it('finds what is there', () => {
    const v = header('01 07 07 04 00000000 94 04 0000 00 00 00 00');
    expect(ip4.ip4FindOpt(v, 0, ip4.IPOPT_RR)).toBe(21);
    expect(ip4.ip4FindOpt(v, 0, ip4.IPOPT_RA)).toBe(28);
    expect(ip4.ip4FindOpt(v, 0, ip4.IPOPT_TS)).toBe(0);
    expect(ip4.ip4Check(v, 0, v.byteLength)).toBe(0);
    expect([ip4.IPOPT_RR, ip4.IPOPT_LSRR].map(ip4.ipoptCopied)).toEqual([false, true]);
  });

  it.each(['07 00 00 00', '07 01 00 00', '07 05 00 00', '01 01 01 07'])('malformed %s', (options) => {
    expect(ip4.ip4FindOpt(header(options), 0, ip4.IPOPT_RA)).toBe(-1);
  });
});

describe('TCP options', () => {
  const parse = (options: string, flags = tcp.TH_SYN): tcp.TcpOptions => {
    const opts = hex(options);
    const b = new Uint8Array(20 + opts.length);
    b.set(opts, 20);
    tcp.tcpEmit(viewOf(b), 0, 1, 2, 3, 4, b.length, flags, 5, 0);
    const to = new tcp.TcpOptions();
    to.parse(viewOf(b), 0);
    return to;
  };

  it('a SYN of today', () => {
    expect(parse('02 04 05b4 01 03 03 06 04 02 08 0a 00000001 80000002')).toMatchObject({
      flags: tcp.TOF_MSS | tcp.TOF_SCALE | tcp.TOF_SACKPERM | tcp.TOF_TS,
      mss: 1460,
      wscale: 6,
      wscaleClamped: false,
      tsval: 1,
      tsecr: 0x80000002,
    });
  });

  it('what only a SYN may say', () => {
    expect(parse('02 04 05b4 01 03 03 06 04 02 01 01', tcp.TH_ACK)).toMatchObject({ flags: 0, mss: 0, wscale: 0 });
  });

  it('SACK blocks and a digest', () => {
    expect(parse('01 01 05 12 00000001 00000002 00000003 00000004', tcp.TH_ACK)).toMatchObject({ flags: tcp.TOF_SACK, sackOff: 24, nsacks: 2 });
    expect(parse('05 0a 00000001 00000002 01 01')).toMatchObject({ flags: 0 });
    expect(parse('05 09 00000001 000002 01 01 01', tcp.TH_ACK)).toMatchObject({ flags: 0 });
    expect(parse(`13 12 ${'ab'.repeat(16)} 01 01`)).toMatchObject({ flags: tcp.TOF_SIGNATURE, signatureOff: 22 });
  });

  it('a shift beyond 14 is clamped', () => {
    expect(parse('03 03 0f 00')).toMatchObject({ wscale: 14, wscaleClamped: true });
    expect(parse('03 03 0e 00')).toMatchObject({ wscale: 14, wscaleClamped: false });
  });

  it('a wrong length is as if absent, a bad one ends the list', () => {
    expect(parse('02 03 05 04 02 01 01 01')).toMatchObject({ flags: tcp.TOF_SACKPERM });
    expect(parse('02 00 05b4 04 02 01 01')).toMatchObject({ flags: 0 });
    expect(parse('02 09 05b4 04 02 01 01')).toMatchObject({ flags: 0 });
    expect(parse('00 00 00 00 04 02 01 01')).toMatchObject({ flags: 0 });
  });

  it('timestamps alone, and with something behind them', () => {
    const stamps = { flags: tcp.TOF_TS, tsval: 0x80000001, tsecr: 5 };
    expect(parse('01 01 08 0a 80000001 00000005', tcp.TH_ACK)).toMatchObject(stamps);
    expect(parse('01 01 08 0a 80000001 00000005 00 05 0a ff', tcp.TH_ACK)).toMatchObject(stamps);
    expect(parse('01 01 08 0a 80000001 00000005')).toMatchObject(stamps);
    expect(parse('01 01 08 0a 80000001 00000005 01 01 05 0a 00000001 00000002', tcp.TH_ACK)).toMatchObject({ ...stamps, flags: tcp.TOF_TS | tcp.TOF_SACK, nsacks: 1 });
  });

  it('a second digest that differs from the first', () => {
    const digest = (b: string): string => `13 12 ${b.repeat(16)}`;
    expect(parse(`${digest('ab')} ${digest('ab')}`)).toMatchObject({ flags: tcp.TOF_SIGNATURE, signatureOff: 40 });
    expect(parse(`${digest('ab')} 13 12 ${'ab'.repeat(15)} ac`)).toMatchObject({ flags: tcp.TOF_SIGNATURE | tcp.TOF_SIGNATURE_CLASH });
  });

  it('Fast Open, on a SYN only, with a cookie of a length it can have', () => {
    expect(parse('22 02 01 01')).toMatchObject({ flags: tcp.TOF_FASTOPEN, fastopenLen: 0, fastopenOff: 22 });
    expect(parse('22 0a 0102030405060708 01 01')).toMatchObject({ flags: tcp.TOF_FASTOPEN, fastopenLen: 8, fastopenOff: 22 });
    expect(parse(`22 12 ${'00'.repeat(16)} 01 01`)).toMatchObject({ flags: tcp.TOF_FASTOPEN, fastopenLen: 16 });
    expect([parse('22 04 0102').flags, parse('22 07 0102030405 01').flags, parse(`22 14 ${'00'.repeat(18)}`).flags, parse('22 02 01 01', tcp.TH_ACK).flags]).toEqual([0, 0, 0, 0]);
  });

  it('a user timeout', () => {
    expect(parse('1c 04 8005', tcp.TH_ACK)).toMatchObject({ flags: tcp.TOF_UTO, uto: 0x8005 });
  });

  it('is overwritten by the next segment', () => {
    const to = parse('02 04 05b4 1c 04 8005 22 04 0102 22 06 01020304');
    to.parse(viewOf(hex('0001 0002 00000000 00000000 5010 0000 0000 0000')), 0);
    expect(to).toEqual(new tcp.TcpOptions());
  });
});

describe('any bytes', () => {
  it('no check throws or reads outside', () => {
    const checks = [
      ether.etherCheck, arp.arpCheck, ip4.ip4Check, icmp4.icmp4Check, igmp.igmpCheck, udp.udpCheck, tcp.tcpCheck,
      ip6.ip6Check, icmp6.icmp6Check, stp.stpCheck, etherip.etheripCheck, vxlan.vxlanCheck,
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), (b) => {
        const v = viewOf(b);
        for (const check of checks) check(v, 0, b.length);
        llc.llcIsBpdu(v, 0, b.length);
        llc.llcIsSnap(v, 0, b.length);
        if (ip6.ip6Check(v, 0, b.length) === 0) ip6.ip6Upper(v, 0);
        if (ip4.ip4Check(v, 0, b.length, true) === 0) ip4.ip4FindOpt(v, 0, ip4.IPOPT_RA);
        if (tcp.tcpCheck(v, 0, b.length) === 0) new tcp.TcpOptions().parse(v, 0);
      }),
      { numRuns: 3000 },
    );
  });

  it('every option iterator moves forward and stays inside', () => {
    const iterators = [ip4.ip4OptLen, tcp.tcpOptLen, ip6.ip6OptLen, icmp6.ndOptLen];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 1, 2, 3, 4, 8, 40, 255), { maxLength: 60 }), (list) => {
        const v = viewOf(Uint8Array.from(list));
        for (const optLen of iterators) {
          let at = 0;
          for (;;) {
            const n = optLen(v, at, list.length);
            if (n <= 0) break;
            at += n;
            expect(at).toBeLessThanOrEqual(list.length);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
