/**
 * ip-input.test.ts — what IPv4 takes, refuses and passes to whom; every counter of the header checks.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { PFIL_CONSUMED, PFIL_DROPPED, PFIL_OUT, PFIL_PASS } from '../net/pfil.js';
import type { PfilVerdict } from '../net/pfil.js';
import { IP4_DST, ip4PutSum } from '../wire/ip4.js';
import { inJoinGroup, inLeaveGroup } from './in-mcast.js';
import { IpStats } from './ip-var.js';
import { IpBench, NOTHING_LEFT, addr, echoRequest, ipBytes, ipFrame, ipLine, macN } from './test-ip.js';
import type { IpSpec, Wire } from './test-ip.js';

const ME = macN(1);
const PEER = macN(0x22);
const BCAST = 'ff:ff:ff:ff:ff:ff';
/** A protocol of our own, to see what is delivered. */
const PROTO = 200;

let bench: IpBench | null = null;
let delivered: string[] = [];

function setup(): { b: IpBench; w: Wire } {
  const b = new IpBench();
  bench = b;
  delivered = [];
  b.ip.register(PROTO, {
    input: (ifp, m) => {
      delivered.push(`${ifp.xname}: ${ipLine(m.bytes())}`);
      m.free();
    },
  });
  const w = b.wire('192.0.2.1/24');
  w.neighbour('192.0.2.2', PEER);
  Object.assign(b.ip.stats, new IpStats());
  return { b, w };
}

afterEach(() => {
  bench?.ip.register(PROTO, null);
  bench?.destroy();
  expect(bench?.leftovers() ?? NOTHING_LEFT).toEqual(NOTHING_LEFT);
  bench = null;
});

function expectStats(b: IpBench, want: Partial<IpStats>): void {
  expect(snapshot(b.ip.stats)).toEqual({ ...new IpStats(), ...want });
}

const base: IpSpec = { src: '192.0.2.2', dst: '192.0.2.1', proto: PROTO };

/** The packet `s` with bytes replaced, and its checksum made right again unless `keepSum`. */
function patched(s: IpSpec, patch: Record<number, number>, keepSum = false): Uint8Array {
  const p = ipBytes(s);
  for (const [at, value] of Object.entries(patch)) p[Number(at)] = value;
  if (!keepSum) ip4PutSum(new DataView(p.buffer), 0, 20);
  return p;
}

describe('header checks', () => {
  it.each<[string, Uint8Array, Partial<IpStats>]>([
    ['19 bytes', ipBytes(base).subarray(0, 19), { total: 1, tooshort: 1 }],
    ['version 5', patched(base, { 0: 0x55 }), { total: 1, badvers: 1 }],
    ['version 6', patched(base, { 0: 0x65 }), { total: 1, badvers: 1 }],
    ['header length 16', patched(base, { 0: 0x44 }), { total: 1, badhlen: 1 }],
    ['header length beyond the packet', patched(base, { 0: 0x4f }), { total: 1, badhlen: 1 }],
    ['loopback source on a wire', ipBytes({ ...base, src: '127.0.0.1' }), { total: 1, badaddr: 1 }],
    ['loopback destination on a wire', ipBytes({ ...base, dst: '127.1.2.3' }), { total: 1, badaddr: 1 }],
    ['destination 0.0.0.0', ipBytes({ ...base, dst: '0.0.0.0' }), { total: 1, badaddr: 1 }],
    ['multicast source', ipBytes({ ...base, src: '224.0.0.5' }), { total: 1, badaddr: 1 }],
    ['class E source', ipBytes({ ...base, src: '240.0.0.1' }), { total: 1, badaddr: 1 }],
    ['broadcast source', ipBytes({ ...base, src: '255.255.255.255' }), { total: 1, badaddr: 1 }],
    ['source is the broadcast address of the network', ipBytes({ ...base, src: '192.0.2.255' }), { total: 1, badaddr: 1 }],
    ['source is ours', ipBytes({ ...base, src: '192.0.2.1' }), { total: 1, badaddr: 1 }],
    ['checksum wrong', patched(base, { 8: 63 }, true), { total: 1, badsum: 1 }],
    ['length below the header', patched(base, { 2: 0, 3: 19 }), { total: 1, badlen: 1 }],
    ['length beyond the packet', patched(base, { 2: 0, 3: 29 }), { total: 1, tooshort: 1 }],
    ['nobody\'s unicast, not a router', ipBytes({ ...base, dst: '203.0.113.1' }), { total: 1, cantforward: 1 }],
    ['a group nobody joined', ipBytes({ ...base, dst: '224.1.2.3' }), { total: 1, notmember: 1 }],
    ['somebody else\'s broadcast', ipBytes({ ...base, dst: '198.51.100.255' }), { total: 1, cantforward: 1 }],
    ['link-local destination', ipBytes({ ...base, dst: '169.254.1.1' }), { total: 1, cantforward: 1 }],
  ])('%s', (_name, packet, stats) => {
    const { b, w } = setup();
    const m = b.packet(packet);
    m.rcvif = w.ifp.index;
    b.ip.input(w.ifp, m);
    expectStats(b, stats);
    expect(delivered).toEqual([]);
    expect(w.lines()).toEqual([]);
    expect(b.engine.pool.inUse).toBe(0);
  });

  it('a good packet is delivered without its padding', () => {
    const { b, w } = setup();
    w.inject(ipFrame(ME, PEER, base));
    expect(delivered).toEqual([`em0: ip 192.0.2.2 > 192.0.2.1 proto ${PROTO} len 28 ttl 64`]);
    expectStats(b, { total: 1, delivered: 1 });
  });

  it('a vouched-for checksum is not verified', () => {
    const { b, w } = setup();
    const m = b.packet(patched(base, { 10: 0, 11: 0 }, true));
    m.csumFlags = 0x08;
    const seen: number[] = [];
    b.ip.register(PROTO, null);
    b.ip.register(PROTO, { input: (_ifp, n) => (seen.push(n.len), n.free()) });
    b.ip.input(w.ifp, m);
    expect(seen).toEqual([28]);
  });
});

describe('whose it is', () => {
  const arrives = (dst: string, more: Partial<IpSpec> = {}, to = ME): string[] => {
    const { w } = setup();
    w.inject(ipFrame(to, PEER, { ...base, dst, ...more }));
    return delivered;
  };

  it('limited and directed broadcasts of the receiving interface are ours', () => {
    expect(arrives('255.255.255.255', {}, BCAST)).toHaveLength(1);
    bench?.destroy();
    expect(arrives('192.0.2.255', {}, BCAST)).toHaveLength(1);
  });

  it('a source of 0.0.0.0 is accepted (a host that has no address yet)', () => {
    expect(arrives('255.255.255.255', { src: '0.0.0.0' }, BCAST)).toHaveLength(1);
  });

  it('a joined group is ours, a left one is not', () => {
    const { b, w } = setup();
    const to = '01:00:5e:01:02:03';
    inJoinGroup(b.inNet, w.ifp, addr('224.1.2.3'));
    w.inject(ipFrame(to, PEER, { ...base, dst: '224.1.2.3' }));
    inLeaveGroup(b.inNet, w.ifp, addr('224.1.2.3'));
    w.inject(ipFrame(to, PEER, { ...base, dst: '224.1.2.3' }));
    expect(delivered).toHaveLength(1);
    expectStats(b, { total: 2, delivered: 1, notmember: 1 });
  });

  it('the weak model takes an address on any interface, the strong one only on its own, a router on any again', () => {
    const { b } = setup();
    const w2 = b.wire('198.51.100.1/24');
    const f = ipFrame(macN(2), macN(9), { ...base, src: '198.51.100.9' });
    w2.inject(f);
    expect(delivered).toHaveLength(1);
    b.sysctl('net.inet.ip.rfc1122_strong_es', 1);
    w2.inject(f);
    expect(delivered).toHaveLength(1);
    expect(b.ip.stats.badaddr).toBe(1);
    w2.inject(ipFrame(macN(2), macN(9), { ...base, src: '198.51.100.9', dst: '198.51.100.1' }));
    expect(delivered).toHaveLength(2);
    b.sysctl('net.inet.ip.forwarding', 1);
    w2.inject(f);
    expect(delivered).toHaveLength(3);
  });

  it('the strong model knows an address that is on two interfaces on both', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    b.addr(w2.ifp, '192.0.2.1/24');
    b.sysctl('net.inet.ip.rfc1122_strong_es', 1);
    w.inject(ipFrame(ME, PEER, base));
    w2.inject(ipFrame(macN(2), PEER, base));
    expect(delivered.map((l) => l.split(':')[0])).toEqual(['em0', 'em1']);
  });

  it('source_address_validation=0 lets our own address in from outside', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.ip.source_address_validation', 0);
    w.inject(ipFrame(ME, PEER, { ...base, src: '192.0.2.1' }));
    expect(delivered).toHaveLength(1);
  });

  it('a vnet without addresses takes every unicast packet, so that it can be configured', () => {
    const b = new IpBench();
    bench = b;
    delivered = [];
    b.ip.register(PROTO, { input: (_ifp, m) => (delivered.push('x'), m.free()) });
    const w = b.wire();
    w.ifp.flags |= 1;
    w.inject(ipFrame(ME, PEER, { ...base, dst: '203.0.113.5' }));
    expect(delivered).toEqual(['x']);
  });

  it('an unknown protocol goes to raw sockets, else it is answered', () => {
    const { b, w } = setup();
    const raw: string[] = [];
    b.ip.registerRaw({ deliver: (m) => (ipLine(m.bytes()).includes('proto 99') ? (raw.push('99'), m.free(), true) : false) });
    w.inject(ipFrame(ME, PEER, { ...base, proto: 99 }));
    w.inject(ipFrame(ME, PEER, { ...base, proto: 98 }));
    expect(raw).toEqual(['99']);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 icmp unreachable 2 len 56 ttl 64 > ${PEER}`]);
    expectStats(b, { total: 2, delivered: 1, noproto: 1, localout: 1 });
  });
});

describe('filters', () => {
  const hook = (verdicts: PfilVerdict[], seen: string[], change: ((m: PacketBuffer) => void) | null = null) => ({
    name: 'test',
    check: (m: PacketBuffer, _ifp: unknown, dir: number): PfilVerdict => {
      seen.push(`${dir === PFIL_OUT ? 'out' : 'in'} ${m.len}`);
      const verdict = verdicts.shift() ?? PFIL_PASS;
      if (verdict === PFIL_CONSUMED) m.free();
      change?.(m);
      return verdict;
    },
  });

  it('input: pass, drop, consume', () => {
    const { b, w } = setup();
    const seen: string[] = [];
    const h = hook([PFIL_PASS, PFIL_DROPPED, PFIL_CONSUMED], seen);
    b.ip.pfil.link(h);
    for (let i = 0; i < 3; i++) w.inject(ipFrame(ME, PEER, base));
    b.ip.pfil.unlink(h);
    expect(seen).toEqual(['in 28', 'in 28', 'in 28']);
    expect(delivered).toHaveLength(1);
    expectStats(b, { total: 3, delivered: 1 });
  });

  it('delivery: the local head sees what is for us', () => {
    const { b, w } = setup();
    const seen: string[] = [];
    const h = hook([PFIL_DROPPED], seen);
    b.ip.localPfil.link(h);
    w.inject(ipFrame(ME, PEER, base));
    expect(seen).toEqual(['out 28']);
    expect(delivered).toEqual([]);
    b.ip.localPfil.unlink(h);
  });

  it('a filter may turn an outgoing packet to one of our addresses, or to another', () => {
    const { b, w } = setup();
    let target = '192.0.2.1';
    const h = hook([], [], (m) => m.view.setUint32(m.off + IP4_DST, addr(target)));
    b.ip.pfil.link(h);
    b.ip.output(b.packet(ipBytes({ src: '192.0.2.1', dst: '203.0.113.1', proto: PROTO })));
    b.route('203.0.113.0/24', '192.0.2.2');
    b.ip.output(b.packet(ipBytes({ src: '192.0.2.1', dst: '203.0.113.1', proto: PROTO })));
    b.turn();
    expect(delivered).toHaveLength(1);
    target = '192.0.2.2';
    b.ip.output(b.packet(ipBytes({ src: '192.0.2.1', dst: '203.0.113.1', proto: PROTO })));
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 28 ttl 64 > ${PEER}`]);
    b.ip.pfil.unlink(h);
  });
});

describe('registrations', () => {
  it('counters and tunables have FreeBSD\'s names', () => {
    const { b } = setup();
    const lines = b.net.kern.counters.find('ip')!.lines();
    expect(lines[0]!.text).toBe('0 total packets received');
    expect(lines.find((l) => l.key === 'fastforward')!.text).toBe(' (0 packets fast forwarded)');
    const names = b.net.kern.sysctl.list('net.inet.ip').map((n) => n.name.slice('net.inet.ip.'.length));
    for (const want of ['forwarding', 'redirect', 'ttl', 'sourceroute', 'accept_sourceroute', 'process_options', 'rfc6864', 'random_id', 'maxfragpackets', 'fragttl', 'maxfragsperpacket']) {
      expect(names).toContain(want);
    }
    expect(b.net.kern.sysctl.set('net.inet.ip.forwarding', 2)).not.toBe(0);
  });

  it('a protocol number is given once', () => {
    const { b } = setup();
    expect(b.ip.register(PROTO, { input: (_i, m) => m.free() })).not.toBe(0);
  });

  it('an echo to a vnet that has been taken down goes nowhere', () => {
    const b = new IpBench();
    const w = b.wire('192.0.2.1/24');
    b.ip.destroy();
    w.inject(ipFrame(ME, PEER, { src: '192.0.2.2', dst: '192.0.2.1', ...echoRequest(1) }));
    expect(w.ifp.data.noproto).toBe(1);
    expect(b.engine.pool.inUse).toBe(0);
  });
});
