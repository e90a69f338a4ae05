/**
 * icmp.test.ts — ICMP: what is answered and how, what is refused, limits, errors told to protocols, redirects taken, options.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { ECONNREFUSED, EHOSTUNREACH, EINVAL, EMSGSIZE, ENOPROTOOPT } from '../base/errno.js';
import { snapshot } from '../kern/counters.js';
import { CSUM_L4, CSUM_L4_VALID } from '../mbuf/packet-buffer.js';
import { AF_INET } from '../net/ifnet.js';
import { RTF_DYNAMIC, RTF_GATEWAY, RTF_HOST, RTF_MODIFIED, RTF_STATIC, RTF_UP } from '../net/route/nexthop.js';
import { RTM_REDIRECT } from '../net/rtsock.js';
import { inCksum } from '../wire/checksum.js';
import {
  ICMP_ECHO, ICMP_ECHOREPLY, ICMP_MASKREQ, ICMP_PARAMPROB, ICMP_REDIRECT, ICMP_ROUTERADVERT, ICMP_SOURCEQUENCH, ICMP_TIMXCEED, ICMP_TSTAMP, ICMP_UNREACH,
  ICMP_UNREACH_PORT,
} from '../wire/icmp4.js';
import { IP_DF } from '../wire/ip4.js';
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';
import { inJoinGroup } from './in-mcast.js';
import { BANDLIM_RST_CLOSEDPORT } from './icmp-bandlim.js';
import { icmpErrmap } from './icmp-error.js';
import { IcmpStats } from './icmp-var.js';
import { IpBench, NOTHING_LEFT, addr, echoRequest, icmpBytes, ipBytes, ipFrame, ipLine, macN } from './test-ip.js';
import type { IpSpec, Wire } from './test-ip.js';

const ME = macN(1);
const PEER = macN(0x22);
const SEC = 1_000_000;

let bench: IpBench | null = null;
let raw: string[] = [];

function setup(): { b: IpBench; w: Wire } {
  const b = new IpBench();
  bench = b;
  raw = [];
  b.ip.registerRaw({
    deliver: (m) => {
      raw.push(ipLine(m.bytes()));
      m.free();
      return true;
    },
  });
  const w = b.wire('192.0.2.1/24');
  w.neighbour('192.0.2.2', PEER);
  return { b, w };
}

afterEach(() => {
  bench?.destroy();
  expect(bench?.leftovers() ?? NOTHING_LEFT).toEqual(NOTHING_LEFT);
  bench = null;
});

function expectStats(b: IpBench, want: Partial<IcmpStats>): void {
  expect(snapshot(b.icmp.stats)).toEqual({ ...new IcmpStats(), ...want });
}

const base: IpSpec = { src: '192.0.2.2', dst: '192.0.2.1', proto: IPPROTO_ICMP };
const message = (type: number, code: number, rest: number, payload: Uint8Array = new Uint8Array(0), more: Partial<IpSpec> = {}): IpSpec => ({
  ...base, ...more, payload: icmpBytes(type, code, rest, payload),
});
const inject = (w: Wire, s: IpSpec, to = ME): void => w.inject(ipFrame(to, PEER, s));

describe('echo', () => {
  it.each([0, 1, 55, 56, 1472])('of %i bytes comes back as it is, with the reply type', (len) => {
    const { b, w } = setup();
    const { payload } = echoRequest(7, len);
    inject(w, { ...base, payload, ttl: 9, tos: 0x20 });
    const f = w.take()[0]!;
    expect(ipLine(f.subarray(14))).toBe(`ip 192.0.2.1 > 192.0.2.2 icmp echo reply len ${28 + len} ttl 64`);
    expect(f[15]).toBe(0x20);
    expect([...f.subarray(38)]).toEqual([...payload.subarray(4)]);
    expectStats(b, { inhist: 1, in8: 1, reflect: 1, outhist: 1, out0: 1 });
    expect(raw).toEqual([]);
  });

  it('in fragments comes back in fragments', () => {
    const { b, w } = setup();
    const { payload } = echoRequest(1, 3000);
    inject(w, { ...base, off: 0x2000, payload: payload.subarray(0, 1480) });
    inject(w, { ...base, off: 0x2000 | 185, payload: payload.subarray(1480, 2960) });
    inject(w, { ...base, off: 370, payload: payload.subarray(2960) });
    expect(w.lines().map((l) => l.slice(0, 60))).toHaveLength(3);
    expect(b.icmp.stats.out0).toBe(1);
  });

  it('a checksum that was vouched for or still owed on the way in is neither on the way out', () => {
    const { b, w } = setup();
    const flags: number[] = [];
    for (const csumFlags of [CSUM_L4_VALID, CSUM_L4]) {
      const m = b.packet(ipBytes({ ...base, ...echoRequest(1) }));
      m.csumFlags = csumFlags;
      if (csumFlags === CSUM_L4) m.view.setUint16(m.off + 22, 0x1234);
      w.onSend = (n) => {
        flags.push(n.csumFlags);
        expect(inCksum(n.view, n.off + 34, n.len - 34)).toBe(0);
        n.free();
      };
      b.ip.input(w.ifp, m);
    }
    expect(flags).toEqual([0, 0]);
  });

  it('the DF bit of the request is kept', () => {
    const { w } = setup();
    inject(w, { ...base, off: IP_DF, ...echoRequest(1) });
    expect(w.lines()[0]).toContain('ttl 64 DF');
  });

  it('of nothing but zeros is answered with a checksum that is right', () => {
    const { w } = setup();
    inject(w, message(ICMP_ECHO, 0, 0));
    const reply = w.take().at(-1)!;
    expect(reply.subarray(34, 42)).toEqual(Uint8Array.of(0, 0, 255, 255, 0, 0, 0, 0));
  });

  it('broadcasts and multicasts are ignored, with bmcastecho answered from the interface\'s address', () => {
    const { b, w } = setup();
    inJoinGroup(b.inNet, w.ifp, addr('224.1.2.3'));
    inject(w, { ...base, dst: '192.0.2.255', ...echoRequest(1) }, 'ff:ff:ff:ff:ff:ff');
    inject(w, { ...base, dst: '224.1.2.3', ...echoRequest(1) }, '01:00:5e:01:02:03');
    inject(w, { ...base, dst: '255.255.255.255', ...echoRequest(1) });
    expect(w.lines()).toEqual([]);
    expectStats(b, { inhist: 3, in8: 3, bmcastecho: 3 });
    expect(raw).toHaveLength(3);
    b.sysctl('net.inet.icmp.bmcastecho', 1);
    inject(w, { ...base, dst: '192.0.2.255', ...echoRequest(1) }, 'ff:ff:ff:ff:ff:ff');
    inject(w, { ...base, dst: '224.1.2.3', ...echoRequest(1) }, '01:00:5e:01:02:03');
    expect(w.lines()).toEqual([1, 2].map(() => `ip 192.0.2.1 > 192.0.2.2 icmp echo reply len 84 ttl 64 > ${PEER}`));
  });

  it('is limited to icmplim a second, with a line in the log', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.icmp.icmplim', 10);
    b.sysctl('net.inet.icmp.icmplim_jitter', 0);
    b.turn(SEC);
    for (let i = 0; i < 25; i++) inject(w, { ...base, ...echoRequest(i) });
    expect(w.take()).toHaveLength(10);
    expectStats(b, { inhist: 25, in8: 25, reflect: 10, outhist: 10, out0: 10, limited: 15 });
    expect(b.log).toEqual([]);
    b.turn(SEC);
    inject(w, { ...base, ...echoRequest(1) });
    expect(w.take()).toHaveLength(1);
    expect(b.log).toEqual(['notice: Limiting icmp ping response from 25 to 10 packets/sec']);
    b.sysctl('net.inet.icmp.icmplim', 0);
    for (let i = 0; i < 500; i++) inject(w, { ...base, ...echoRequest(i) });
    expect(w.take()).toHaveLength(500);
  });

  it('the limit moves by the jitter after a second over it; other kinds count for themselves', () => {
    const { b } = setup();
    b.sysctl('net.inet.icmp.icmplim', 100);
    const allowed: number[] = [];
    for (let s = 0; s < 20; s++) {
      b.turn(SEC);
      let n = 0;
      for (let i = 0; i < 300; i++) if (b.icmp.bandlim(BANDLIM_RST_CLOSEDPORT) === 0) n++;
      allowed.push(n);
    }
    expect(new Set(allowed).size).toBeGreaterThan(3);
    for (const n of allowed) expect(Math.abs(n - 100)).toBeLessThanOrEqual(17);
    expect(b.log[0]).toMatch(/^notice: Limiting closed port RST response from 300 to \d+ packets\/sec$/);
  });

  it('a small limit never falls to nothing', () => {
    const { b } = setup();
    b.sysctl('net.inet.icmp.icmplim', 3);
    for (let s = 0; s < 50; s++) {
      b.turn(SEC);
      let n = 0;
      for (let i = 0; i < 100; i++) if (b.icmp.bandlim(BANDLIM_RST_CLOSEDPORT) === 0) n++;
      expect(n).toBeGreaterThan(0);
    }
  });

  it('no way back: counted', () => {
    const { b, w } = setup();
    inject(w, { ...base, src: '203.0.113.1', ...echoRequest(1) });
    expect(b.icmp.stats.noroute + b.ip.stats.noroute).toBeGreaterThan(0);
    inject(w, { ...base, src: '0.0.0.0', ...echoRequest(1) });
    expect(b.icmp.stats.badaddr).toBe(1);
    expect(w.lines()).toEqual([]);
  });
});

describe('refused messages', () => {
  const broken = (s: IpSpec): IpSpec => {
    const payload = s.payload!.slice();
    payload[payload.length - 1] = (payload[payload.length - 1] as number) ^ 1;
    return { ...s, payload };
  };
  const quote = ipBytes({ src: '192.0.2.1', dst: '203.0.113.9', proto: 200 });

  it.each<[string, IpSpec, Partial<IcmpStats>]>([
    ['seven bytes', { ...base, payload: new Uint8Array(7) }, { tooshort: 1 }],
    ['wrong checksum', broken({ ...base, ...echoRequest(1) }), { checksum: 1 }],
    ['unreachable without a quotation', message(ICMP_UNREACH, 1, 0), { inhist: 1, in3: 1, badlen: 1 }],
    ['quotation one byte short', message(ICMP_UNREACH, 1, 0, quote.subarray(0, 27)), { inhist: 1, in3: 1, badlen: 1 }],
    ['quoted header length 16', message(ICMP_UNREACH, 1, 0, Uint8Array.from(quote, (x, i) => (i === 0 ? 0x44 : x))), { inhist: 1, in3: 1, badlen: 1 }],
    ['quoted options that are not there', message(ICMP_UNREACH, 1, 0, Uint8Array.from(quote, (x, i) => (i === 0 ? 0x4f : x))), { inhist: 1, in3: 1, badlen: 1 }],
    ['quoted destination 0.0.0.0', message(ICMP_UNREACH, 1, 0, ipBytes({ src: '192.0.2.1', dst: '0.0.0.0' })), { inhist: 1, in3: 1 }],
  ])('%s', (_name, s, stats) => {
    const { b, w } = setup();
    inject(w, s);
    expectStats(b, stats);
    expect(raw).toEqual([]);
    expect(w.lines()).toEqual([]);
  });

  it.each<[string, IpSpec, Partial<IcmpStats>]>([
    ['unreachable code 16', message(ICMP_UNREACH, 16, 0, quote), { inhist: 1, in3: 1, badcode: 1 }],
    ['time exceeded code 2', message(ICMP_TIMXCEED, 2, 0, quote), { inhist: 1, in11: 1, badcode: 1 }],
    ['parameter problem code 3', message(ICMP_PARAMPROB, 3, 0, quote), { inhist: 1, in12: 1, badcode: 1 }],
    ['about a multicast', message(ICMP_UNREACH, 1, 0, ipBytes({ src: '192.0.2.1', dst: '224.0.0.9' })), { inhist: 1, in3: 1, badcode: 1 }],
    ['echo reply', message(ICMP_ECHOREPLY, 0, 1), { inhist: 1, in0: 1 }],
    ['source quench', message(ICMP_SOURCEQUENCH, 0, 0, quote), { inhist: 1, in4: 1 }],
    ['router advertisement', message(ICMP_ROUTERADVERT, 0, 0), { inhist: 1, in9: 1 }],
    ['type 40', message(40, 0, 0), { inhist: 1, in40: 1 }],
    ['type 200', message(200, 0, 0), {}],
  ])('%s: only raw sockets see it', (_name, s, stats) => {
    const { b, w } = setup();
    inject(w, s);
    expectStats(b, stats);
    expect(raw).toHaveLength(1);
    expect(w.lines()).toEqual([]);
  });
});

describe('errors told to protocols', () => {
  it('with the quoted header and what it means', () => {
    const { b, w } = setup();
    const told: string[] = [];
    b.ip.register(200, {
      input: (_i, m) => m.free(),
      ctlinput: (error, m, off, hlen) => told.push(`${error} ${m.view.getUint8(off + 9)} ${hlen} ${m.view.getUint32(off + hlen).toString(16)}`),
    });
    const payload = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const quote = ipBytes({ src: '192.0.2.1', dst: '203.0.113.9', proto: 200, payload });
    const withOptions = ipBytes({ src: '192.0.2.1', dst: '203.0.113.9', proto: 200, payload, options: Uint8Array.of(1, 1, 1, 0) });
    inject(w, message(ICMP_UNREACH, ICMP_UNREACH_PORT, 0, quote));
    inject(w, message(ICMP_UNREACH, 4, 576, withOptions));
    inject(w, message(ICMP_TIMXCEED, 0, 0, quote));
    expect(told).toEqual([`${ECONNREFUSED} 200 20 1020304`, `${EMSGSIZE} 200 24 1020304`, `${EHOSTUNREACH} 200 20 1020304`]);
    expect(raw).toHaveLength(3);
    b.ip.register(200, null);
  });

  it.each<[number, number[], number]>([
    [ICMP_UNREACH, [0, 1, 5, 6, 7, 8, 11, 12, 14, 15], EHOSTUNREACH],
    [ICMP_UNREACH, [2, 3, 9, 10, 13], ECONNREFUSED],
    [ICMP_UNREACH, [4], EMSGSIZE],
    [ICMP_UNREACH, [16], 0],
    [ICMP_TIMXCEED, [0], EHOSTUNREACH],
    [ICMP_TIMXCEED, [1], 0],
    [ICMP_PARAMPROB, [0, 1], ENOPROTOOPT],
    [ICMP_PARAMPROB, [2], 0],
    [ICMP_SOURCEQUENCH, [0], 0],
  ])('type %i codes %j mean errno %i', (type, codes, errno) => {
    for (const code of codes) expect(icmpErrmap(type, code)).toBe(errno);
  });
});

describe('error messages', () => {
  const portUnreach = (s: IpSpec, to = ME): { b: IpBench; w: Wire; line: string | undefined; frame: Uint8Array | undefined } => {
    const { b, w } = setup();
    b.ip.register(IPPROTO_UDP, { input: (ifp, m) => b.icmp.error(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PORT) });
    b.ip.register(IPPROTO_TCP, { input: (ifp, m) => b.icmp.error(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PORT) });
    inject(w, s, to);
    b.ip.register(IPPROTO_UDP, null);
    b.ip.register(IPPROTO_TCP, null);
    const frame = w.take()[0];
    return { b, w, frame, line: frame === undefined ? undefined : ipLine(frame.subarray(14)) };
  };
  const udp: IpSpec = { ...base, proto: IPPROTO_UDP };

  it('quote the packet, 576 bytes in all at most', () => {
    const small = portUnreach({ ...udp, payload: Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2, 1) });
    expect(small.line).toBe('ip 192.0.2.1 > 192.0.2.2 icmp unreachable 3 len 57 ttl 64');
    expect([...small.frame!.subarray(14 + 28 + 20)]).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1]);
    expectStats(small.b, { error: 1, outhist: 1, out3: 1 });
    small.b.destroy();
    expect(portUnreach({ ...udp, payload: new Uint8Array(1400) }).line).toBe('ip 192.0.2.1 > 192.0.2.2 icmp unreachable 3 len 576 ttl 64');
  });

  it('quotelen limits the quotation, but never below the header and 8 bytes, nor a TCP header', () => {
    const tcp = new Uint8Array(60);
    tcp[12] = 0xa0;
    const { b, w } = setup();
    b.sysctl('net.inet.icmp.quotelen', 28);
    for (const [proto, payload] of [[IPPROTO_UDP, new Uint8Array(100)], [IPPROTO_TCP, tcp]] as const) {
      b.ip.register(proto, { input: (ifp, m) => b.icmp.error(ifp, m, ICMP_UNREACH, ICMP_UNREACH_PORT) });
      inject(w, { ...base, proto, payload });
      b.ip.register(proto, null);
    }
    expect(w.lines()).toEqual([
      `ip 192.0.2.1 > 192.0.2.2 icmp unreachable 3 len 56 ttl 64 > ${PEER}`, `ip 192.0.2.1 > 192.0.2.2 icmp unreachable 3 len 88 ttl 64 > ${PEER}`,
    ]);
  });

  it.each<[string, IpSpec, string]>([
    ['a link broadcast', udp, 'ff:ff:ff:ff:ff:ff'],
    ['an IP broadcast', { ...udp, dst: '192.0.2.255' }, ME],
    ['the limited broadcast', { ...udp, dst: '255.255.255.255' }, ME],
    ['a source of 0.0.0.0', { ...udp, src: '0.0.0.0' }, ME],
    ['less than 8 bytes', { ...udp, payload: new Uint8Array(7) }, ME],
    ['a TCP header that lies', { ...base, proto: IPPROTO_TCP, payload: new Uint8Array(20) }, ME],
  ])('none about %s', (_name, s, to) => {
    const { line, b } = portUnreach(s, to);
    expect(line).toBeUndefined();
    expect(b.icmp.stats.error).toBe(1);
    expect(b.icmp.stats.outhist).toBe(0);
  });

  it('are limited in rate', () => {
    const { b, w } = setup();
    b.ip.registerRaw(null);
    b.sysctl('net.inet.icmp.icmplim_jitter', 0);
    for (let i = 0; i < 300; i++) inject(w, { ...base, proto: 99, src: `192.0.2.${i % 100 + 100}` });
    expect(b.icmp.stats.out3).toBe(200);
    expect(b.icmp.stats.limited).toBe(100);
  });

  it('go back by the routing table the packet came by', () => {
    const b = new IpBench();
    bench = b;
    b.routes.setFibs(2);
    const w = b.wire();
    w.ifp.fib = 1;
    b.addr(w.ifp, '192.0.2.1/24');
    w.neighbour('192.0.2.2', PEER);
    w.take();
    inject(w, { ...base, proto: 99 });
    expect(w.lines()).toHaveLength(1);
    inject(w, { ...base, ...echoRequest(1) });
    expect(w.lines()).toHaveLength(1);
  });

  it('come from the address that was asked, else by reply_src, reply_from_interface, or the way back', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    b.sysctl('net.inet.ip.forwarding', 1);
    const source = (): string => {
      w2.inject(ipFrame(macN(2), macN(9), { src: '192.0.2.2', dst: '203.0.113.1', ttl: 1 }));
      return w.lines()[0]!.split(' ')[1]!;
    };
    expect(source()).toBe('192.0.2.1');
    b.addr(b.lo0, '10.9.9.9/32');
    b.sysctl('net.inet.icmp.reply_src', 'lo0');
    expect(source()).toBe('10.9.9.9');
    b.sysctl('net.inet.icmp.reply_from_interface', 1);
    expect(source()).toBe('198.51.100.1');
  });
});

describe('timestamp and mask requests', () => {
  it('timestamps are answered in the engine\'s time, marked as not universal; tstamprepl=0 is silent', () => {
    const { b, w } = setup();
    b.turn(5 * SEC);
    inject(w, message(ICMP_TSTAMP, 0, 0x10001, new Uint8Array(12)));
    const f = w.take()[0]!;
    expect(ipLine(f.subarray(14))).toBe('ip 192.0.2.1 > 192.0.2.2 icmp timestamp reply len 40 ttl 64');
    const v = new DataView(f.buffer);
    expect([v.getUint32(14 + 32), v.getUint32(14 + 36)]).toEqual([0x80000000 + 5000, 0x80000000 + 5000]);
    inject(w, message(ICMP_TSTAMP, 0, 0x10001, new Uint8Array(11)));
    inject(w, message(ICMP_TSTAMP, 0, 1, new Uint8Array(12), { dst: '192.0.2.255' }), 'ff:ff:ff:ff:ff:ff');
    b.sysctl('net.inet.icmp.tstamprepl', 0);
    inject(w, message(ICMP_TSTAMP, 0, 1, new Uint8Array(12)));
    expect(w.lines()).toEqual([]);
    expect(raw).toHaveLength(3);
    expectStats(b, { inhist: 4, in13: 4, reflect: 1, outhist: 1, out14: 1, badlen: 1, bmcasttstamp: 1 });
  });

  it('timestamps are limited in rate', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.icmp.icmplim', 5);
    b.sysctl('net.inet.icmp.icmplim_jitter', 0);
    for (let i = 0; i < 9; i++) inject(w, message(ICMP_TSTAMP, 0, 1, new Uint8Array(12)));
    expect(w.take()).toHaveLength(5);
    expect(b.icmp.stats.limited).toBe(4);
  });

  it('masks only with maskrepl', () => {
    const { b, w } = setup();
    inject(w, message(ICMP_MASKREQ, 0, 1, new Uint8Array(4)));
    expect(w.lines()).toEqual([]);
    b.sysctl('net.inet.icmp.maskrepl', 1);
    inject(w, message(ICMP_MASKREQ, 0, 1, new Uint8Array(4)));
    const f = w.take()[0]!;
    expect(ipLine(f.subarray(14))).toBe('ip 192.0.2.1 > 192.0.2.2 icmp mask reply len 32 ttl 64');
    expect(new DataView(f.buffer).getUint32(14 + 28)).toBe(0xffffff00);
    b.sysctl('net.inet.icmp.maskfake', 0xfffffff0);
    inject(w, message(ICMP_MASKREQ, 0, 1, new Uint8Array(4)));
    expect(new DataView(w.take()[0]!.buffer).getUint32(14 + 28)).toBe(0xfffffff0);
  });
});

describe('redirects', () => {
  const quote = (dst: string): Uint8Array => ipBytes({ src: '192.0.2.1', dst });
  const redirect = (dst: string, gw: string, from = '192.0.2.254', code = 1): IpSpec => message(ICMP_REDIRECT, code, addr(gw), quote(dst), { src: from });
  const routed = (): { b: IpBench; w: Wire } => {
    const t = setup();
    t.b.route('0.0.0.0/0', '192.0.2.254');
    return t;
  };

  it('from the router in use become host routes that expire, announced as RTM_REDIRECT', () => {
    const { b, w } = routed();
    const l = b.net.rtsock!.open();
    inject(w, redirect('203.0.113.9', '192.0.2.253'));
    const rt = b.routes.find(0, AF_INET, addr('203.0.113.9'), 32);
    expect(rt!.nexthops[0]!.nh.gw4).toBe(addr('192.0.2.253'));
    expect(rt!.flags & (RTF_UP | RTF_GATEWAY | RTF_HOST | RTF_DYNAMIC)).toBe(RTF_UP | RTF_GATEWAY | RTF_HOST | RTF_DYNAMIC);
    expect(l.queue.map((m) => m.type)).toEqual([RTM_REDIRECT]);
    expectStats(b, { inhist: 1, in5: 1 });
    expect(raw).toHaveLength(1);
    b.turn(601 * SEC);
    expect(b.routes.find(0, AF_INET, addr('203.0.113.9'), 32)).toBeNull();
    l.close();
  });

  it.each<[string, IpSpec]>([
    ['not from the router in use', redirect('203.0.113.9', '192.0.2.253', '192.0.2.2')],
    ['to a gateway that is no neighbour', redirect('203.0.113.9', '198.51.100.1')],
    ['to ourselves', redirect('203.0.113.9', '192.0.2.1')],
    ['to the broadcast address', redirect('203.0.113.9', '192.0.2.255')],
    ['for a neighbour', redirect('192.0.2.77', '192.0.2.253')],
    ['for a multicast', redirect('224.0.0.9', '192.0.2.253')],
  ])('%s: ignored and counted', (_name, s) => {
    const { b, w } = routed();
    const before = b.routes.list(0, AF_INET).length;
    inject(w, s);
    expect(b.routes.list(0, AF_INET)).toHaveLength(before);
    expectStats(b, { inhist: 1, in5: 1, badredirect: 1 });
  });

  it('by another interface, to another network of the same: ignored and counted; a host route gets the new gateway', () => {
    const { b, w } = routed();
    const w2 = b.wire('10.0.0.1/8');
    w2.inject(ipFrame(macN(2), PEER, redirect('203.0.113.9', '192.0.2.253')));
    b.addr(w.ifp, '198.51.100.1/24');
    inject(w, redirect('203.0.113.9', '198.51.100.9'));
    expect(b.routes.find(0, AF_INET, addr('203.0.113.9'), 32)).toBeNull();
    b.route('203.0.113.9/32', '192.0.2.254');
    inject(w, redirect('203.0.113.9', '192.0.2.253'));
    const nh = b.routes.find(0, AF_INET, addr('203.0.113.9'), 32)!.nexthops[0]!.nh;
    expect([nh.gw4, nh.flags & (RTF_MODIFIED | RTF_STATIC)]).toEqual([addr('192.0.2.253'), RTF_MODIFIED | RTF_STATIC]);
    expect(b.icmp.stats.badredirect).toBe(2);
  });

  it('redirtimeout takes effect on routes that are there; rediraccept is the contrary of drop_redirect', () => {
    const { b, w } = routed();
    const there = (): boolean => b.routes.find(0, AF_INET, addr('203.0.113.9'), 32) !== null;
    inject(w, redirect('203.0.113.9', '192.0.2.253'));
    b.sysctl('net.inet.icmp.redirtimeout', 5);
    b.turn(5 * SEC);
    expect(there()).toBe(true);
    b.turn(2 * SEC);
    expect(there()).toBe(false);
    const { sysctl } = b.net.kern;
    expect([sysctl.set('net.inet.icmp.redirtimeout', -1), sysctl.set('net.inet.icmp.redirtimeout', 0), sysctl.find('net.inet.icmp.redirtimeout')?.get()]).toEqual([EINVAL, 0, 0]);
    inject(w, redirect('203.0.113.9', '192.0.2.253'));
    b.turn(100_000 * SEC);
    expect(there()).toBe(true);
    b.sysctl('net.inet.icmp.rediraccept', 0);
    inject(w, redirect('203.0.113.10', '192.0.2.253'));
    expect([b.routes.find(0, AF_INET, addr('203.0.113.10'), 32), sysctl.find('net.inet.icmp.drop_redirect')?.get()]).toEqual([null, 1]);
  });

  it('a storm of them leaves the routes a redirect may make, and nothing when they have expired', () => {
    const { b, w } = routed();
    b.sysctl('net.inet.icmp.redirtimeout', 2);
    for (let i = 0; i < 5_000; i++) inject(w, redirect(`203.${i >> 8}.${i & 255}.9`, '192.0.2.253'));
    expect([b.routes.dynamicCount, b.icmp.stats.badredirect]).toEqual([4_096, 904]);
    b.turn(3 * SEC);
    expect([b.routes.dynamicCount, b.routes.list(0, AF_INET).filter((rt) => rt.isHost && (rt.flags & RTF_DYNAMIC) !== 0).length]).toEqual([0, 0]);
  });

  it('bad code, bad length, drop_redirect, a router: ignored', () => {
    const { b, w } = routed();
    inject(w, redirect('203.0.113.9', '192.0.2.253', '192.0.2.254', 4));
    inject(w, message(ICMP_REDIRECT, 1, addr('192.0.2.253'), quote('203.0.113.9').subarray(0, 20), { src: '192.0.2.254' }));
    b.sysctl('net.inet.icmp.drop_redirect', 1);
    inject(w, redirect('203.0.113.9', '192.0.2.253'));
    b.sysctl('net.inet.icmp.drop_redirect', 0);
    b.sysctl('net.inet.ip.forwarding', 1);
    inject(w, redirect('203.0.113.9', '192.0.2.253'));
    expect(b.routes.find(0, AF_INET, addr('203.0.113.9'), 32)).toBeNull();
    expectStats(b, { inhist: 4, in5: 4, badcode: 1, badlen: 1 });
  });

  it('are logged on request', () => {
    const { b, w } = routed();
    b.sysctl('net.inet.icmp.log_redirect', 1);
    inject(w, redirect('203.0.113.9', '192.0.2.253'));
    expect(b.log).toEqual(['info: icmp redirect from 192.0.2.254: 203.0.113.9 => 192.0.2.253']);
  });
});

describe('options', () => {
  const withOptions = (...bytes: number[]): IpSpec => ({ ...base, ...echoRequest(1, 8), options: Uint8Array.from(bytes) });
  const optionsOf = (f: Uint8Array | undefined): number[] => [...f!.subarray(34, 14 + (f![14]! & 15) * 4)];

  it('record route: we enter ourselves, and the reply goes on recording', () => {
    const { w } = setup();
    inject(w, withOptions(7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    const f = w.take()[0]!;
    expect(ipLine(f.subarray(14))).toContain('echo reply');
    expect(optionsOf(f)).toEqual([7, 11, 8, 192, 0, 2, 1, 0, 0, 0, 0, 0]);
  });

  it('a full record is left alone', () => {
    const { w } = setup();
    inject(w, withOptions(7, 7, 8, 1, 2, 3, 4, 0));
    expect(optionsOf(w.take()[0])).toEqual([7, 7, 8, 1, 2, 3, 4, 0]);
  });

  it('timestamps: bare, with address, prespecified, and overflow', () => {
    const { b, w } = setup();
    b.turn(3 * SEC);
    const now = [0x80, 0, 0x0b, 0xb8];
    inject(w, withOptions(68, 8, 5, 0, 0, 0, 0, 0));
    inject(w, withOptions(68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0));
    inject(w, withOptions(68, 12, 5, 3, 192, 0, 2, 1, 0, 0, 0, 0));
    inject(w, withOptions(68, 12, 5, 3, 192, 0, 2, 9, 0, 0, 0, 0));
    inject(w, withOptions(68, 4, 5, 0x20));
    expect(w.take().map(optionsOf)).toEqual([
      [68, 8, 9, 0, ...now],
      [68, 12, 13, 1, 192, 0, 2, 1, ...now],
      [68, 12, 13, 3, 192, 0, 2, 1, ...now],
      [68, 12, 5, 3, 192, 0, 2, 9, 0, 0, 0, 0],
      [68, 4, 5, 0x30],
    ]);
  });

  it.each<[string, number[], number]>([
    ['length 0', [7, 0, 4, 0], 21],
    ['length beyond the header', [7, 9, 4, 0], 21],
    ['cut off', [1, 1, 1, 7], 24],
    ['record route pointer below 4', [7, 7, 3, 0, 0, 0, 0, 0], 22],
    ['record route without pointer', [7, 2, 0, 0], 22],
    ['timestamp pointer below 5', [68, 8, 4, 0, 0, 0, 0, 0], 22],
    ['timestamp flag nobody knows', [68, 8, 5, 2, 0, 0, 0, 0], 23],
    ['timestamp address does not fit', [68, 8, 5, 1, 0, 0, 0, 0], 22],
    ['timestamp overflow overflows', [68, 4, 5, 0xf0], 22],
    ['source route pointer below 4', [131, 7, 3, 1, 2, 3, 4, 0], 22],
  ])('%s: parameter problem at the octet', (_name, options, octet) => {
    const { b, w } = setup();
    inject(w, withOptions(...options));
    expect(w.lines()).toEqual([expect.stringContaining(`192.0.2.1 > 192.0.2.2 icmp parameter problem at ${octet} `)]);
    expect(b.ip.stats.badoptions).toBe(1);
  });

  it('process_options: 0 ignores them, 2 refuses them', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.process_options', 0);
    inject(w, withOptions(7, 7, 4, 0, 0, 0, 0, 0));
    expect(optionsOf(w.take()[0])).toEqual([7, 7, 4, 0, 0, 0, 0, 0]);
    b.sysctl('net.inet.ip.process_options', 2);
    inject(w, withOptions(1, 1, 1, 0));
    expect(w.lines()).toEqual([expect.stringContaining('icmp unreachable 13')]);
  });

  it('source routes are refused: silently by a host, with an answer by a router', () => {
    const { b, w } = setup();
    inject(w, withOptions(131, 7, 4, 198, 51, 100, 9, 0));
    expect(w.lines()).toEqual([]);
    expect(b.ip.stats.cantforward).toBe(1);
    b.sysctl('net.inet.ip.forwarding', 1);
    inject(w, withOptions(131, 7, 4, 198, 51, 100, 9, 0));
    inject(w, withOptions(131, 7, 8, 198, 51, 100, 9, 0));
    expect(w.lines()).toEqual([expect.stringContaining('icmp unreachable 5'), expect.stringContaining('icmp unreachable 5')]);
    expect(b.log).toEqual(['warning: attempted source route from 192.0.2.2 to 192.0.2.1']);
  });

  it('with sourceroute the packet goes its way and leaves our address behind', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    w2.neighbour('198.51.100.9', macN(0x99));
    b.sysctl('net.inet.ip.forwarding', 1);
    b.sysctl('net.inet.ip.sourceroute', 1);
    for (const type of [131, 137]) {
      inject(w, withOptions(type, 7, 4, 198, 51, 100, 9, 0));
      const f = w2.take()[0]!;
      expect(ipLine(f.subarray(14))).toBe('ip 192.0.2.2 > 198.51.100.9 icmp echo len 44 ttl 63');
      expect(optionsOf(f)).toEqual([type, 7, 8, 198, 51, 100, 1, 0]);
    }
    inject(w, withOptions(137, 7, 4, 203, 0, 113, 9, 0));
    expect(w.lines()).toEqual([expect.stringContaining('icmp unreachable 5')]);
  });

  it('a strict source route ends where it is not at the hop it names; a loose one goes on', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    w2.neighbour('198.51.100.9', macN(0x99));
    b.sysctl('net.inet.ip.forwarding', 1);
    b.sysctl('net.inet.ip.sourceroute', 1);
    const s = (type: number): IpSpec => ({ ...withOptions(type, 7, 4, 10, 0, 0, 1, 0), dst: '198.51.100.9' });
    inject(w, s(137));
    expect(w2.lines()).toEqual([]);
    expect(w.lines()).toEqual([expect.stringContaining('icmp unreachable 5')]);
    inject(w, s(131));
    expect(w2.lines()).toHaveLength(1);
  });

  it('with accept_sourceroute a completed route is turned round for the reply', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.accept_sourceroute', 1);
    w.neighbour('192.0.2.77', macN(0x77));
    inject(w, withOptions(131, 11, 12, 10, 0, 0, 1, 192, 0, 2, 77, 0));
    const f = w.take()[0]!;
    expect(ipLine(f.subarray(14))).toBe('ip 192.0.2.1 > 192.0.2.77 icmp echo reply len 48 ttl 64');
    expect(optionsOf(f)).toEqual([1, 131, 11, 4, 10, 0, 0, 1, 192, 0, 2, 2]);
  });

  it('what does not fit beside a reversed route is left out of the reply', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.accept_sourceroute', 1);
    w.neighbour('192.0.2.77', macN(0x77));
    inject(w, withOptions(131, 7, 8, 192, 0, 2, 77, 130, 33, ...new Array<number>(31).fill(9)));
    expect(optionsOf(w.take()[0])).toEqual([1, 131, 7, 4, 192, 0, 2, 2]);
  });

  it('the transport checksum of what is forwarded stays right although the header moved', () => {
    const { w } = setup();
    inject(w, withOptions(1, 1, 7, 7, 4, 0, 0, 0, 0, 0, 0, 0));
    const f = w.take()[0]!;
    const hl = (f[14]! & 15) * 4;
    expect(inCksum(new DataView(f.buffer), 14 + hl, f.length - 14 - hl)).toBe(0);
  });
});

describe('counter texts', () => {
  it('are netstat\'s, with the histograms', () => {
    const { b } = setup();
    b.icmp.stats.out3 = 2;
    const lines = b.net.kern.counters.find('icmp')!.lines();
    expect(lines[0]!.text).toBe('0 calls to icmp_error');
    expect(lines.find((l) => l.key === 'out3')).toMatchObject({ text: 'destination unreachable: 2', depth: 2 });
    expect(lines.find((l) => l.key === 'outhist')!.text).toBe('Output histogram:');
    expect(lines.at(-1)!.text).toBe('0 no return routes');
    expect(ICMP_ECHO).toBe(8);
  });
});
