/**
 * ip-forward.test.ts — a router between two wires: what passes, what is answered, what is dropped; short path and full path alike.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import { CSUM_IP_VALID, CSUM_L4, GSO_UDP_L4, M_BRIDGE_INPUT, M_VLANTAG } from '../mbuf/packet-buffer.js';
import { PFIL_DROPPED, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import type { PfilHook, PfilVerdict } from '../net/pfil.js';
import { RTF_BLACKHOLE, RTF_REJECT } from '../net/route/nexthop.js';
import { IP_DF, IP_MF, ip4PutSum } from '../wire/ip4.js';
import { IpStats } from './ip-var.js';
import { IpBench, NOTHING_LEFT, addr, echoRequest, icmpBytes, ipBytes, ipFrame, macN } from './test-ip.js';
import type { IpSpec, Wire } from './test-ip.js';

const R0 = macN(1);
const HOST = macN(0x22);
const NEXT = macN(0x33);
const ROUTER2 = macN(0x44);

let bench: IpBench | null = null;

/** em0 192.0.2.1/24 with host .2 and router .3; em1 198.51.100.1/24 with host .2; a default route by 192.0.2.3. */
function setup(): { b: IpBench; w0: Wire; w1: Wire } {
  const b = new IpBench();
  bench = b;
  const w0 = b.wire('192.0.2.1/24');
  const w1 = b.wire('198.51.100.1/24');
  w0.neighbour('192.0.2.2', HOST);
  w0.neighbour('192.0.2.3', ROUTER2);
  w1.neighbour('198.51.100.2', NEXT);
  b.route('0.0.0.0/0', '192.0.2.3');
  b.sysctl('net.inet.ip.forwarding', 1);
  Object.assign(b.ip.stats, new IpStats());
  return { b, w0, w1 };
}

afterEach(() => {
  bench?.destroy();
  expect(bench?.leftovers() ?? NOTHING_LEFT).toEqual(NOTHING_LEFT);
  bench = null;
});

function expectStats(b: IpBench, want: Partial<IpStats>): void {
  expect(snapshot(b.ip.stats)).toEqual({ ...new IpStats(), ...want });
}

const base: IpSpec = { src: '192.0.2.2', dst: '198.51.100.2' };
/** Takes the packet off the short path: a filter that passes everything. */
const passAll: PfilHook = { name: 'pass', check: () => PFIL_PASS };

describe.each([['short path', false], ['full path', true]])('%s', (_name, full) => {
  const go = (s: IpSpec, to = R0): { b: IpBench; w0: Wire; w1: Wire } => {
    const t = setup();
    if (full) t.b.ip.pfil.link(passAll);
    t.w0.inject(ipFrame(to, HOST, s));
    t.b.ip.pfil.unlink(passAll);
    return t;
  };

  it('passes a packet on with its TTL lowered', () => {
    const { b, w0, w1 } = go(base);
    expect(w1.lines()).toEqual([`ip 192.0.2.2 > 198.51.100.2 proto 17 len 28 ttl 63 > ${NEXT}`]);
    expect(w0.lines()).toEqual([]);
    expectStats(b, { total: 1, forward: 1, fastforward: full ? 0 : 1 });
  });

  it('passes fragments without reassembling them', () => {
    const { w1 } = go({ ...base, off: IP_MF | 10 });
    expect(w1.lines()).toEqual([`ip 192.0.2.2 > 198.51.100.2 proto 17 len 28 ttl 63 MF off 80 > ${NEXT}`]);
  });

  it.each([1, 0])('TTL %i: time exceeded, quoting the packet as it came', (ttl) => {
    const { b, w0, w1 } = go({ ...base, ttl });
    expect(w1.lines()).toEqual([]);
    const f = w0.take()[0]!;
    expect(f[14 + 20]).toBe(11);
    expect(f[14 + 28 + 8]).toBe(ttl);
    expectStats(b, { total: 1, localout: 1 });
  });

  it('too large: fragments, or need-frag with the next hop\'s MTU', () => {
    const { b, w0, w1 } = setup();
    if (full) b.ip.pfil.link(passAll);
    w1.ifp.mtu = 600;
    b.net.mtuEvent.invoke(w1.ifp);
    w0.inject(ipFrame(R0, HOST, { ...base, payload: new Uint8Array(1000) }));
    expect(w1.take().map((f) => f.length - 14)).toEqual([596, 444]);
    w0.inject(ipFrame(R0, HOST, { ...base, payload: new Uint8Array(1000), off: IP_DF }));
    expect(w1.lines()).toEqual([]);
    expect(w0.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 icmp unreachable 4 mtu 600 len 576 ttl 64 > ${HOST}`]);
    expectStats(b, { total: 2, forward: 1, fragmented: 1, ofragments: 2, cantfrag: 1, cantforward: 1, localout: 1 });
    b.ip.pfil.unlink(passAll);
  });

  it('a blackhole takes it, a reject route answers', () => {
    const { b, w0 } = setup();
    if (full) b.ip.pfil.link(passAll);
    b.addr(b.lo0, '127.0.0.1/8');
    b.route('10.0.0.0/8', null, { flags: RTF_BLACKHOLE });
    b.route('11.0.0.0/8', null, { flags: RTF_REJECT });
    w0.inject(ipFrame(R0, HOST, { ...base, dst: '10.1.1.1' }));
    expect(w0.lines()).toEqual([]);
    w0.inject(ipFrame(R0, HOST, { ...base, dst: '11.1.1.1' }));
    expect(w0.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 icmp unreachable 1 len 56 ttl 64 > ${HOST}`]);
    expectStats(b, { total: 2, cantforward: 2, localout: 1 });
    b.ip.pfil.unlink(passAll);
  });

  it.each<[string, Partial<IpSpec>, string]>([
    ['a link broadcast', {}, 'ff:ff:ff:ff:ff:ff'],
    ['to a link-local address', { dst: '169.254.1.1' }, R0],
    ['from a link-local address', { src: '169.254.1.1' }, R0],
    ['from 0.0.0.0', { src: '0.0.0.0' }, R0],
    ['to class E', { dst: '240.0.0.1' }, R0],
    ['to network 0', { dst: '0.1.2.3' }, R0],
    ['a directed broadcast', { dst: '198.51.100.255' }, R0],
    ['a network number', { dst: '198.51.100.0', ttl: 1 }, R0],
  ])('does not pass %s', (_what, more, to) => {
    const { b, w0, w1 } = go({ ...base, ...more }, to);
    expect(w1.lines()).toEqual([]);
    expect(b.ip.stats.forward).toBe(0);
    expect(w0.lines().filter((l) => !l.includes('icmp'))).toEqual([]);
  });
});

describe('forwarding', () => {
  it('does nothing while net.inet.ip.forwarding is 0', () => {
    const { b, w0, w1 } = setup();
    b.sysctl('net.inet.ip.forwarding', 0);
    w0.inject(ipFrame(R0, HOST, base));
    expect(w1.lines()).toEqual([]);
    expectStats(b, { total: 1, cantforward: 1 });
  });

  it('no route: host unreachable', () => {
    const { b, w1 } = setup();
    b.routes.delete({ fib: 0, family: 'inet', dst: 0, plen: 0, flags: 0 });
    w1.inject(ipFrame(macN(2), NEXT, { src: '198.51.100.2', dst: '203.0.113.1' }));
    expect(w1.lines()).toEqual([`ip 198.51.100.1 > 198.51.100.2 icmp unreachable 1 len 56 ttl 64 > ${NEXT}`]);
    expectStats(b, { total: 1, noroute: 1, cantforward: 1, localout: 1 });
  });

  it('the TTL checksum update is exact for every TTL', () => {
    const { w0, w1 } = setup();
    for (let ttl = 2; ttl < 256; ttl++) w0.inject(ipFrame(R0, HOST, { ...base, ttl, id: ttl * 257, tos: ttl & 0xfc }));
    expect(w1.lines().map((l) => Number(/ttl (\d+)/.exec(l)![1]))).toEqual(Array.from({ length: 254 }, (_, i) => i + 1));
  });

  it('a super-segment passes uncut when its segments fit, else it is answered, or without DF cut and fragmented', () => {
    const { b, w0, w1 } = setup();
    const inject = (gso: number, off: number): void => {
      const m = b.packet(ipBytes({ ...base, payload: new Uint8Array(4008), off }));
      m.gsoType = GSO_UDP_L4;
      m.gsoSize = gso;
      m.csumFlags = CSUM_L4;
      m.csumStart = m.off + 20;
      m.csumOffset = 6;
      m.rcvif = w0.ifp.index;
      b.ip.input(w0.ifp, m);
    };
    inject(1000, IP_DF);
    expect([w1.sent.length, w1.lastGso]).toEqual([1, 1000]);
    w1.take();
    inject(2000, IP_DF);
    expect(w0.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 icmp unreachable 4 mtu 1500 len 576 ttl 64 > ${HOST}`]);
    inject(1000, 0);
    expect(w1.take()).toHaveLength(1);
    inject(2000, 0);
    expect(w1.take().map((f) => f.length - 34)).toEqual([1480, 528, 1480, 528]);
  });

  it('what belongs to the link it came by is left behind: hop count, PCP, flags', () => {
    const { b, w0, w1 } = setup();
    const seen: number[][] = [];
    w1.onSend = (m) => {
      seen.push([m.hops, m.pcp, m.flags, m.csumFlags]);
      m.free();
    };
    for (const size of [8, 2000]) {
      const m = b.packet(ipBytes({ ...base, payload: new Uint8Array(size) }));
      m.rcvif = w0.ifp.index;
      m.hops = 60;
      m.pcp = 5;
      m.flags = M_VLANTAG | M_BRIDGE_INPUT;
      m.csumFlags = CSUM_IP_VALID;
      b.ip.input(w0.ifp, m);
    }
    expect(seen).toEqual([[0, -1, 0, 0], [0, -1, 0, 0], [0, -1, 0, 0]]);
  });

  it('is not done for packets of ours: they are delivered', () => {
    const { w0 } = setup();
    w0.inject(ipFrame(R0, HOST, { src: '192.0.2.2', dst: '198.51.100.1', ...echoRequest(3) }));
    expect(w0.lines()).toEqual([`ip 198.51.100.1 > 192.0.2.2 icmp echo reply len 84 ttl 64 > ${HOST}`]);
  });

  it('output filters may drop a packet, turn it to us, or to another destination', () => {
    const { b, w0, w1 } = setup();
    let to = '198.51.100.2';
    let verdict: PfilVerdict = PFIL_PASS;
    const nat: PfilHook = {
      name: 'nat',
      check: (m, _ifp, dir) => {
        if ((dir & PFIL_OUT) === 0 || m.rcvif !== w0.ifp.index) return PFIL_PASS;
        m.view.setUint32(m.off + 16, addr(to));
        ip4PutSum(m.view, m.off, 20);
        return verdict;
      },
    };
    b.ip.pfil.link(nat);
    const send = (): void => w0.inject(ipFrame(R0, HOST, { ...base, dst: '198.51.100.77', ...echoRequest(1) }));
    send();
    expect(w1.lines()).toEqual([`ip 192.0.2.2 > 198.51.100.2 icmp echo len 84 ttl 63 > ${NEXT}`]);
    to = '192.0.2.1';
    send();
    expect(w0.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 icmp echo reply len 84 ttl 64 > ${HOST}`]);
    verdict = PFIL_DROPPED;
    send();
    b.ip.pfil.unlink(nat);
    expect(w1.lines()).toEqual([]);
    expect(b.ip.stats.forward).toBe(1);
  });

  it('an interface in a FIB of its own routes by it', () => {
    const { b, w0, w1 } = setup();
    b.routes.setFibs(2);
    w0.ifp.fib = 1;
    b.route('198.51.100.0/24', '198.51.100.2', { fib: 1, ifp: w1.ifp });
    w0.inject(ipFrame(R0, HOST, { ...base, dst: '198.51.100.77' }));
    expect(w1.lines()).toEqual([`ip 192.0.2.2 > 198.51.100.77 proto 17 len 28 ttl 63 > ${NEXT}`]);
  });
});

describe('redirects', () => {
  const back = (b: IpBench, w0: Wire, dst: string, src = '192.0.2.2'): string[] => {
    w0.inject(ipFrame(R0, HOST, { src, dst }));
    void b;
    return w0.lines();
  };

  it('a shorter way over the same network is told, and the packet still passes', () => {
    const { b, w0 } = setup();
    b.route('203.0.113.0/24', '192.0.2.3');
    expect(back(b, w0, '203.0.113.1')).toEqual([
      `ip 192.0.2.1 > 192.0.2.2 icmp redirect 1 to 192.0.2.3 len 56 ttl 64 > ${HOST}`,
      `ip 192.0.2.2 > 203.0.113.1 proto 17 len 28 ttl 63 > ${ROUTER2}`,
    ]);
    expectStats(b, { total: 1, forward: 1, redirectsent: 1, localout: 1 });
  });

  it('a destination on the link itself is told as its own gateway', () => {
    const { b, w0 } = setup();
    expect(back(b, w0, '192.0.2.3')[0]).toBe(`ip 192.0.2.1 > 192.0.2.2 icmp redirect 1 to 192.0.2.3 len 56 ttl 64 > ${HOST}`);
    void b;
  });

  it('are sent about ICMP errors, too: they are no error themselves', () => {
    const { b, w0 } = setup();
    b.route('203.0.113.0/24', '192.0.2.3');
    const quote = ipBytes({ src: '203.0.113.1', dst: '192.0.2.2' });
    w0.inject(ipFrame(R0, HOST, { src: '192.0.2.2', dst: '203.0.113.1', proto: 1, payload: icmpBytes(3, 3, 0, quote) }));
    expect(w0.lines()[0]).toContain('icmp redirect 1 to 192.0.2.3');
    expect(b.icmp.stats.oldicmp).toBe(0);
  });

  it('not for the default route, not to strangers, not when switched off', () => {
    const { b, w0 } = setup();
    b.route('203.0.113.0/24', '192.0.2.3');
    expect(back(b, w0, '8.8.8.8')).toHaveLength(1);
    expect(back(b, w0, '203.0.113.1', '198.18.0.1')).toHaveLength(1);
    b.sysctl('net.inet.ip.redirect', 0);
    expect(back(b, w0, '203.0.113.1')).toHaveLength(1);
    expect(b.ip.stats.redirectsent).toBe(0);
  });

  it('are limited in rate; the packets pass all the same', () => {
    const { b, w0 } = setup();
    b.sysctl('net.inet.icmp.icmplim', 3);
    b.sysctl('net.inet.icmp.icmplim_jitter', 0);
    b.route('203.0.113.0/24', '192.0.2.3');
    let redirects = 0;
    for (let i = 0; i < 20; i++) redirects += back(b, w0, '203.0.113.1').filter((l) => l.includes('redirect')).length;
    expect(redirects).toBe(3);
    expect(b.ip.stats.forward).toBe(20);
  });
});

describe('errors about errors', () => {
  it('an ICMP error whose TTL ends is not answered', () => {
    const { b, w0 } = setup();
    const quote = ipBytes({ src: '198.51.100.2', dst: '192.0.2.2' });
    w0.inject(ipFrame(R0, HOST, { ...base, ttl: 1, proto: 1, payload: icmpBytes(3, 3, 0, quote) }));
    expect(w0.lines()).toEqual([]);
    expect(b.icmp.stats.oldicmp).toBe(1);
    w0.inject(ipFrame(R0, HOST, { ...base, ttl: 1, ...echoRequest(1) }));
    expect(w0.lines()).toHaveLength(1);
  });

  it('a later fragment whose TTL ends is not answered', () => {
    const { w0 } = setup();
    w0.inject(ipFrame(R0, HOST, { ...base, ttl: 1, off: 7 }));
    expect(w0.lines()).toEqual([]);
    w0.inject(ipFrame(R0, HOST, { ...base, ttl: 1, off: IP_MF }));
    expect(w0.lines()).toHaveLength(1);
  });
});
