/**
 * ether.test.ts — frames in and out: addresses, tags, hooks, who gets what, and what is counted.
 */
import { describe, expect, it } from 'vitest';
import { ENETDOWN, ENOBUFS } from '../base/errno.js';
import { HEADROOM, M_BCAST, M_MCAST, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_QINQ, ETHERTYPE_VLAN } from '../wire/ether.js';
import { etherIfattach, etherInsertTag, etherLocalInput, etherOutput, etherOutputFrame } from './ether.js';
import { ifSetFlags, ifUp } from './if.js';
import { ifDetach } from './if-detach.js';
import { ifInput } from './if-transmit.js';
import { IFF_BROADCAST, IFF_MONITOR, IFF_MULTICAST, IFF_PPROMISC, IFF_RUNNING, IFF_UP, IFT_ETHER, IFT_L2VLAN, Ifnet } from './ifnet.js';
import { PFIL_CONSUMED, PFIL_DROPPED, PFIL_IN, PFIL_OUT, PFIL_PASS } from './pfil.js';
import type { PfilVerdict } from './pfil.js';
import type { Net } from './net.js';
import { BROADCAST, TEST_ETHERTYPE, TestLab, hexOf, mac, tagged, testFrame } from './test-net.js';

const MINE = mac('02:00:00:00:00:01');
const PEER = mac('02:00:00:00:00:02');
const OTHER = mac('02:00:00:00:00:03');
const GROUP = mac('01:00:5e:00:00:05');

/** An Ethernet interface whose link is an array. */
class Bench {
  readonly lab = new TestLab();
  readonly net: Net;
  readonly ifp: Ifnet;
  readonly sent: { bytes: number[]; flags: number; vtag: number; vproto: number }[] = [];

  constructor() {
    this.net = this.lab.net('v', []);
    const transmit = (_ifp: Ifnet, m: PacketBuffer): number => {
      this.sent.push({ bytes: [...m.bytes()], flags: m.flags, vtag: m.vtag, vproto: m.vproto });
      m.free();
      return 0;
    };
    this.ifp = new Ifnet({ transmit }, 'e', 0, 'e0', IFT_ETHER, IFF_RUNNING, 1_500);
    etherIfattach(this.ifp, this.net, MINE);
    ifUp(this.ifp);
  }

  in(frame: Uint8Array): string[] {
    ifInput(this.ifp, this.lab.packet(frame));
    return this.lab.arrived(this.net);
  }

  /** What of the interface's counters is not zero, received packets and bytes aside. */
  counted(): Record<string, number> {
    const { ipackets: _p, ibytes: _b, ...rest } = this.ifp.data;
    return Object.fromEntries(Object.entries(rest).filter(([, v]) => v !== 0));
  }

  get inUse(): number {
    return this.lab.engine.pool.inUse;
  }
}

const frame = (dst: Uint8Array, text = 'hi', type = TEST_ETHERTYPE): Uint8Array => testFrame(dst, PEER, text, 0, type);
const HI = `e0:${hexOf('hi')}`;
const tag = (tci: number, proto = ETHERTYPE_VLAN) => (f: Uint8Array): Uint8Array => tagged(f, tci, proto);
const VID5 = tag(5);

describe('input', () => {
  it.each<[string, Uint8Array, string[], Record<string, number>]>([
    ['for us', frame(MINE), [HI], {}],
    ['for another host', frame(OTHER), [], {}],
    ['broadcast', frame(BROADCAST), [HI], { imcasts: 1 }],
    ['multicast', frame(GROUP), [HI], { imcasts: 1 }],
    ['of a type nobody knows', frame(MINE, 'hi', 0x1234), [], { noproto: 1 }],
    ['IPv4 without IPv4', frame(MINE, 'hi', ETHERTYPE_IP), [], { noproto: 1 }],
    ['ARP without ARP', frame(BROADCAST, 'hi', ETHERTYPE_ARP), [], { noproto: 1, imcasts: 1 }],
    ['with a length instead of a type', frame(MINE, 'hi', 2), [], { noproto: 1 }],
    ['empty', new Uint8Array(0), [], { ierrors: 1 }],
    ['of 13 bytes', frame(MINE).slice(0, 13), [], { ierrors: 1 }],
    ['of 14 bytes', frame(MINE, ''), ['e0:'], {}],
    ['tagged, cut in the tag', VID5(frame(MINE, '')).slice(0, 17), [], { ierrors: 1 }],
    ['tagged, without a vlan', VID5(frame(MINE)), [], { noproto: 1 }],
    ['tagged for another host, without a vlan', VID5(frame(OTHER)), [], { noproto: 1 }],
    ['802.1ad-tagged, without a vlan', tag(5, ETHERTYPE_QINQ)(frame(MINE)), [], { noproto: 1 }],
    ['priority-tagged', tag(0xe000)(frame(MINE)), [HI], {}],
    ['priority-tagged for another host', tag(0xe000)(frame(OTHER)), [], {}],
    ['priority-tagged around a tag', tag(0)(VID5(frame(MINE))), [], { noproto: 1 }],
  ])('a frame %s', (_what, bytes, arrived, counted) => {
    const b = new Bench();
    expect(b.in(bytes)).toEqual(arrived);
    expect([b.counted(), b.inUse]).toEqual([counted, 0]);
  });

  it('marks broadcasts and multicasts, and strips one tag, metadata kept', () => {
    const b = new Bench();
    const seen: number[][] = [];
    b.ifp.trunk = {
      input: (_ifp, m) => {
        seen.push([m.vtag, m.vproto, m.flags, m.len, m.view.getUint16(m.off + 12)]);
        m.free();
        return true;
      },
    };
    b.in(tag(0x6005)(tag(7, ETHERTYPE_QINQ)(frame(BROADCAST))));
    b.in(tag(9, ETHERTYPE_QINQ)(frame(OTHER)));
    b.in(VID5(frame(GROUP)));
    expect(seen).toEqual([
      [0x6005, ETHERTYPE_VLAN, M_BCAST | M_VLANTAG, 20, ETHERTYPE_QINQ],
      [9, ETHERTYPE_QINQ, M_PROMISC | M_VLANTAG, 16, TEST_ETHERTYPE],
      [5, ETHERTYPE_VLAN, M_MCAST | M_VLANTAG, 16, TEST_ETHERTYPE],
    ]);
    expect(b.inUse).toBe(0);
  });

  it('hands vlans first what they want; what they do not is nobody\'s', () => {
    const b = new Bench();
    b.ifp.trunk = { input: () => false };
    expect(b.in(VID5(frame(MINE)))).toEqual([]);
    expect(b.in(tag(0)(frame(MINE)))).toEqual([HI]);
    expect([b.counted(), b.inUse]).toEqual([{ noproto: 1 }, 0]);
  });

  it('keeps a tag that came out of band, and looks at the bytes behind it as they are', () => {
    const b = new Bench();
    const seen: number[][] = [];
    b.ifp.trunk = {
      input: (_ifp, m) => {
        seen.push([m.vtag, m.vproto, m.view.getUint16(m.off + 12)]);
        return false;
      },
    };
    const m = b.lab.packet(VID5(frame(MINE)));
    Object.assign(m, { flags: M_VLANTAG, vtag: 9, vproto: ETHERTYPE_QINQ });
    ifInput(b.ifp, m);
    expect([seen, b.counted(), b.inUse]).toEqual([[[9, ETHERTYPE_QINQ, ETHERTYPE_VLAN]], { noproto: 1 }, 0]);
  });

  it('forgets a priority tag once it is off', () => {
    const b = new Bench();
    ifInput(b.ifp, b.lab.packet(tag(0xe000)(frame(MINE))));
    expect(b.lab.arrivals.get(b.net)?.map((a) => a.flags)).toEqual([0]);
  });

  it.each([['ff:ff:00:00:00:01', M_MCAST], ['ff:00:ff:ff:ff:ff', M_MCAST], ['ff:ff:ff:ff:ff:ff', M_BCAST], ['02:00:00:00:00:01', 0]])('to %s has flags %i', (dst, flags) => {
    const b = new Bench();
    ifInput(b.ifp, b.lab.packet(frame(mac(dst))));
    expect(b.lab.arrivals.get(b.net)?.map((a) => a.flags)).toEqual([flags]);
  });

  it.each(['06:00:00:00:00:01', '02:01:00:00:00:01', '02:00:01:00:00:01', '02:00:00:00:00:02'])('to %s is not for us', (dst) => {
    expect(new Bench().in(frame(mac(dst)))).toEqual([]);
  });

  it('shows frames for other hosts to protocols when the administrator wants it so', () => {
    const b = new Bench();
    ifSetFlags(b.ifp, IFF_UP | IFF_PPROMISC);
    expect(b.in(frame(OTHER))).toEqual([HI]);
    expect(b.lab.arrivals.get(b.net)).toEqual([]);
    ifSetFlags(b.ifp, IFF_UP);
    expect(b.in(frame(OTHER))).toEqual([]);
  });

  it('follows a changed link address', () => {
    const b = new Bench();
    b.ifp.storeLladdr(OTHER);
    expect([b.in(frame(MINE)), b.in(frame(OTHER))]).toEqual([[], [HI]]);
    b.ifp.storeLladdr(mac('fe:dc:ba:98:76:54'));
    expect(b.in(frame(mac('fe:dc:ba:98:76:54')))).toEqual([HI]);
  });

  it('asks the bridge before anybody else; what it returns goes on', () => {
    const b = new Bench();
    let answer = true;
    b.ifp.bridge = {
      input: (_ifp, m) => {
        if (answer) return m;
        m.free();
        return null;
      },
      output: () => false,
    };
    expect(b.in(frame(MINE))).toEqual([HI]);
    answer = false;
    expect([b.in(frame(MINE)), b.inUse]).toEqual([[], 0]);
    const m = b.lab.packet(frame(MINE));
    etherLocalInput(b.ifp, m);
    expect(b.lab.arrived(b.net)).toEqual([HI]);
  });

  it.each<[string, PfilVerdict, number, string[]]>([['passes', PFIL_PASS, 1, [HI]], ['drops', PFIL_DROPPED, 1, []], ['takes', PFIL_CONSUMED, 1, []]])(
    'shows frames for us to the link filter, which %s them', (_what, verdict, times, arrived) => {
      const b = new Bench();
      let asked = 0;
      b.net.linkPfil.link({
        name: 'test',
        check: (m, ifp, dir) => {
          asked++;
          expect([ifp, dir]).toEqual([b.ifp, PFIL_IN]);
          if (verdict === PFIL_CONSUMED) m.free();
          return verdict;
        },
      });
      expect(b.in(frame(MINE))).toEqual(arrived);
      b.in(frame(OTHER));
      expect([asked, b.inUse]).toEqual([times, 0]);
    },
  );

  it('drops what comes in after the interface has gone', () => {
    const b = new Bench();
    const m = b.lab.packet(frame(MINE));
    ifDetach(b.ifp);
    b.ifp.input(b.ifp, m);
    etherLocalInput(b.ifp, b.lab.packet(frame(MINE)));
    expect([b.counted(), b.inUse]).toEqual([{ ierrors: 1 }, 0]);
  });
});

describe('output', () => {
  const payload = Uint8Array.of(1, 2, 3);

  it.each([
    ['a host', 0x0200, 3, 0], ['everybody', 0xffff, 0xffff_ffff, M_BCAST], ['a group', 0x0100, 0x5e00_0005, M_MCAST], ['almost everybody', 0xffff, 0xffff_fffe, M_MCAST],
  ])('to %s', (_what, hi, lo, flags) => {
    const b = new Bench();
    const m = b.lab.packet(payload);
    m.flags = M_BCAST | M_MCAST;
    expect(etherOutput(b.ifp, m, hi, lo, ETHERTYPE_IP)).toBe(0);
    const dst = [hi >> 8, hi & 255, lo >>> 24, (lo >>> 16) & 255, (lo >>> 8) & 255, lo & 255];
    expect(b.sent).toEqual([{ bytes: [...dst, ...MINE, 8, 0, 1, 2, 3], flags, vtag: 0, vproto: 0 }]);
    expect([b.ifp.data.opackets, b.ifp.data.obytes, b.ifp.data.omcasts]).toEqual([1, 17, flags === 0 ? 0 : 1]);
  });

  it.each([['down', 0, IFF_RUNNING], ['not running', IFF_UP, 0], ['only listening', IFF_UP | IFF_MONITOR, IFF_RUNNING]])('is refused when %s', (_what, flags, running) => {
    const b = new Bench();
    b.ifp.flags = IFF_BROADCAST | IFF_MULTICAST | running | flags;
    expect([etherOutput(b.ifp, b.lab.packet(payload), 0x200, 3, ETHERTYPE_IP), b.sent, b.inUse]).toEqual([ENETDOWN, [], 0]);
  });

  it('is refused without headroom', () => {
    const b = new Bench();
    const m = b.lab.packet(payload);
    m.prepend(HEADROOM - 13);
    expect([etherOutput(b.ifp, m, 0x200, 3, ETHERTYPE_IP), b.sent, b.inUse]).toEqual([ENOBUFS, [], 0]);
  });

  it.each([
    ['nobody asked for a priority', -1, -1, IFT_ETHER, 0, 0], ['the interface has one', 5, -1, IFT_ETHER, M_VLANTAG, 5 << 13], ['the packet has one', 5, 0, IFT_ETHER, M_VLANTAG, 0],
    ['the packet has one, too', -1, 7, IFT_ETHER, M_VLANTAG, 7 << 13], ['it is a vlan, which tags itself', 5, 3, IFT_L2VLAN, 0, 0],
  ])('priority tag when %s', (_what, ifPcp, mPcp, type, flags, vtag) => {
    const b = new Bench();
    b.ifp.pcp = ifPcp;
    b.ifp.type = type;
    const m = b.lab.packet(payload);
    m.pcp = mPcp;
    etherOutput(b.ifp, m, 0x200, 3, ETHERTYPE_IP);
    expect(b.sent[0]).toMatchObject({ flags, vtag, vproto: flags === 0 ? 0 : ETHERTYPE_VLAN });
  });

  it('leaves a tag that is there, and gives a bridge the frame before the interface tags it', () => {
    const b = new Bench();
    b.ifp.pcp = 5;
    const own = b.lab.packet(frame(OTHER));
    Object.assign(own, { flags: M_VLANTAG, vtag: 9, vproto: ETHERTYPE_QINQ });
    etherOutputFrame(b.ifp, own);
    expect(b.sent[0]).toMatchObject({ vtag: 9, vproto: ETHERTYPE_QINQ });
    const bridged: number[] = [];
    b.ifp.bridge = {
      input: (_ifp, m) => m,
      output: (_ifp, m) => {
        bridged.push(m.flags);
        m.free();
        return true;
      },
    };
    expect(etherOutputFrame(b.ifp, b.lab.packet(frame(OTHER)))).toBe(0);
    expect([bridged, b.sent.length, b.inUse]).toEqual([[0], 1, 0]);
  });

  it.each<[string, PfilVerdict, number]>([['passes', PFIL_PASS, 1], ['drops', PFIL_DROPPED, 0], ['takes', PFIL_CONSUMED, 0]])('shows frames to the link filter, which %s them', (_what, verdict, sent) => {
    const b = new Bench();
    b.net.linkPfil.link({
      name: 'test',
      check: (m, _ifp, dir) => {
        expect(dir).toBe(PFIL_OUT);
        if (verdict === PFIL_CONSUMED) m.free();
        return verdict;
      },
    });
    expect([etherOutputFrame(b.ifp, b.lab.packet(frame(OTHER))), b.sent.length, b.inUse]).toEqual([0, sent, 0]);
  });

  it('puts tags back into the bytes, one inside the other', () => {
    const b = new Bench();
    const m = b.lab.packet(frame(OTHER));
    expect(etherInsertTag(m)).toBe(true);
    expect([...m.bytes()]).toEqual([...frame(OTHER)]);
    Object.assign(m, { flags: M_VLANTAG, vtag: 0x6007, vproto: ETHERTYPE_VLAN });
    expect(etherInsertTag(m)).toBe(true);
    expect(m.flags).toBe(0);
    Object.assign(m, { flags: M_VLANTAG | M_MCAST, vtag: 9, vproto: ETHERTYPE_QINQ });
    expect(etherInsertTag(m)).toBe(true);
    expect([m.flags, [...m.bytes()]]).toEqual([M_MCAST, [...tag(9, ETHERTYPE_QINQ)(tag(0x6007)(frame(OTHER)))]]);
    Object.assign(m, { flags: M_VLANTAG, off: 3 });
    expect(etherInsertTag(m)).toBe(false);
    expect(m.off).toBe(3);
  });
});
