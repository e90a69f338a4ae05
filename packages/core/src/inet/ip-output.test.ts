/**
 * ip-output.test.ts — sending: routes, sources, broadcast, multicast, sizes, offload, errors, identification, options.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { EACCES, EADDRNOTAVAIL, EHOSTUNREACH, EINVAL, EMSGSIZE, ENETDOWN, ENETUNREACH, ENOBUFS } from '../base/errno.js';
import { snapshot } from '../kern/counters.js';
import { CSUM_L4, GSO_UDP_L4, M_BCAST, M_LOOP } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ifAttach, ifDown } from '../net/if.js';
import { ifDetach } from '../net/if-detach.js';
import { IFCAP_TXCSUM, IFF_MULTICAST, IFF_POINTOPOINT, IFF_RUNNING, IFF_SIMPLEX, IFT_TUNNEL, Ifnet } from '../net/ifnet.js';
import { PFIL_PASS } from '../net/pfil.js';
import type { PfilHook } from '../net/pfil.js';
import { RTF_BLACKHOLE, RTF_REJECT } from '../net/route/nexthop.js';
import { cksumPseudo4, inCksum4 } from '../wire/checksum.js';
import { IP_DF } from '../wire/ip4.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { inAifaddr } from './in-control.js';
import { inJoinGroup } from './in-mcast.js';
import { IpId } from './ip-id.js';
import { IpOptions, ipParseOptions } from './ip-options.js';
import { IP_ALLOWBROADCAST, IP_RAWOUTPUT, IP_ROUTETOIF, IP_SENDONES, IpOutputOpts, flowOf } from './ip-output.js';
import { IpStats } from './ip-var.js';
import { IpBench, NOTHING_LEFT, addr, ipBytes, ipLine, macN } from './test-ip.js';
import type { IpSpec, Wire } from './test-ip.js';

const PEER = macN(0x22);
const PROTO = 200;

let bench: IpBench | null = null;
let delivered: string[] = [];

function setup(): { b: IpBench; w: Wire } {
  const b = new IpBench();
  bench = b;
  delivered = [];
  b.addr(b.lo0, '127.0.0.1/8');
  b.ip.register(PROTO, {
    input: (ifp, m) => {
      delivered.push(`${ifp.xname}${(m.flags & M_LOOP) !== 0 ? ' loop' : ''}: ${ipLine(m.bytes())}`);
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

const packet = (b: IpBench, s: Partial<IpSpec> & { readonly dst: string }): PacketBuffer => b.packet(ipBytes({ src: '0.0.0.0', proto: PROTO, ...s }));

function send(b: IpBench, s: Partial<IpSpec> & { readonly dst: string }, flags = 0, opts: IpOutputOpts | null = null): number {
  const error = b.ip.output(packet(b, s), flags, opts);
  b.turn();
  return error;
}

describe('routes and sources', () => {
  it('source, length, identification and checksum are filled in', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '192.0.2.2', id: 0 })).toBe(0);
    expect(send(b, { dst: '192.0.2.2', id: 0 })).toBe(0);
    const [first, second] = w.take();
    const id = (f: Uint8Array | undefined): number => new DataView(f!.buffer).getUint16(18);
    expect((id(second) - id(first)) & 0xffff).toBe(1);
    expect(ipLine(first!.subarray(14))).toBe(`ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 28 ttl 64`);
    expectStats(b, { localout: 2 });
  });

  it('a given source is kept; behind a router its link address is used', () => {
    const { b, w } = setup();
    b.route('0.0.0.0/0', '192.0.2.2');
    expect(send(b, { src: '192.0.2.1', dst: '203.0.113.9' })).toBe(0);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 203.0.113.9 proto ${PROTO} len 28 ttl 64 > ${PEER}`]);
  });

  it('a packet that a filter sends does not lead the filtered one astray', () => {
    const { b, w } = setup();
    const far = b.wire('198.51.100.1/24');
    far.neighbour('198.51.100.2', PEER);
    let left = 1;
    const hook: PfilHook = {
      name: 'teller',
      check: () => {
        if (left-- > 0) b.ip.output(packet(b, { dst: '198.51.100.2' }));
        return PFIL_PASS;
      },
    };
    b.ip.pfil.link(hook);
    expect(send(b, { dst: '192.0.2.2' })).toBe(0);
    b.ip.pfil.unlink(hook);
    expect([w.lines(), far.lines()]).toEqual([
      [`ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 28 ttl 64 > ${PEER}`], [`ip 198.51.100.1 > 198.51.100.2 proto ${PROTO} len 28 ttl 64 > ${PEER}`],
    ]);
  });

  it('no route, reject, blackhole, interface down', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '203.0.113.1' })).toBe(EHOSTUNREACH);
    b.route('203.0.113.0/24', null, { flags: RTF_REJECT });
    b.route('198.51.100.0/24', null, { flags: RTF_BLACKHOLE });
    expect(send(b, { dst: '203.0.113.1' })).toBe(EHOSTUNREACH);
    expect(send(b, { dst: '198.51.100.1' })).toBe(0);
    expectStats(b, { localout: 3, noroute: 1 });
    w.ifp.flags &= ~0x40;
    expect(send(b, { dst: '192.0.2.2' })).toBe(ENETDOWN);
    w.ifp.flags |= 0x40;
    ifDown(w.ifp);
    expect(send(b, { dst: '192.0.2.2' })).toBe(EHOSTUNREACH);
    expect(w.lines()).toEqual([]);
  });

  it('an error of the driver comes back', () => {
    const { b, w } = setup();
    w.error = ENOBUFS;
    expect(send(b, { dst: '192.0.2.2' })).toBe(ENOBUFS);
    expect(w.ifp.data.oerrors).toBe(1);
  });

  it('own addresses go through loopback', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '192.0.2.1' })).toBe(0);
    expect(send(b, { dst: '127.0.0.1' })).toBe(0);
    expect(delivered).toEqual([`lo0 loop: ip 192.0.2.1 > 192.0.2.1 proto ${PROTO} len 28 ttl 64`, `lo0 loop: ip 127.0.0.1 > 127.0.0.1 proto ${PROTO} len 28 ttl 64`]);
    expect(w.lines()).toEqual([]);
  });

  it('even when sent to the link by force', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '192.0.2.1' }, IP_ROUTETOIF)).toBe(0);
    expect(delivered).toEqual([`em0 loop: ip 192.0.2.1 > 192.0.2.1 proto ${PROTO} len 28 ttl 1`]);
    expect(w.lines()).toEqual([]);
  });

  it('a link without addresses gets the bare packet, while it is running', () => {
    const { b } = setup();
    const got: string[] = [];
    const tun = new Ifnet({ transmit: (_ifp, m) => (got.push(ipLine(m.bytes())), m.free(), 0) }, 'tun', 0, 'tun0', IFT_TUNNEL, IFF_POINTOPOINT | IFF_RUNNING, 1500);
    ifAttach(tun, b.net);
    expect(inAifaddr(b.inNet, tun, { addr: addr('10.0.0.1'), plen: 32, dstaddr: addr('10.0.0.2') })).toBe(0);
    expect(send(b, { dst: '10.0.0.2' })).toBe(0);
    expect(got).toEqual([`ip 10.0.0.1 > 10.0.0.2 proto ${PROTO} len 28 ttl 64`]);
    tun.flags &= ~IFF_RUNNING;
    expect(send(b, { dst: '10.0.0.2' })).toBe(ENETDOWN);
    expect(got).toHaveLength(1);
    ifDetach(tun);
  });

  it('flags left from the link a packet came by do not decide how it leaves', () => {
    const { b, w } = setup();
    const m = packet(b, { dst: '192.0.2.2' });
    m.flags = M_BCAST;
    b.ip.output(m);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 28 ttl 64 > ${PEER}`]);
  });

  it('all fragments of a datagram are one flow, ports or not', () => {
    const { b } = setup();
    const flow = (s: Partial<IpSpec>): number => {
      const m = packet(b, { src: '192.0.2.1', dst: '203.0.113.1', proto: IPPROTO_UDP, ...s });
      const f = flowOf(b.ip, m);
      m.free();
      return f;
    };
    const ports = (n: number): Uint8Array => Uint8Array.of(n, n, n, n, 0, 0, 0, 0);
    expect(flow({ payload: ports(1), off: 0x2000 })).toBe(flow({ payload: ports(2), off: 5 }));
    expect(flow({ payload: ports(1) })).not.toBe(flow({ payload: ports(2) }));
  });

  it('loopback addresses never leave', () => {
    const { b, w } = setup();
    expect(send(b, { src: '127.0.0.1', dst: '192.0.2.2' })).toBe(EADDRNOTAVAIL);
    expectStats(b, { localout: 1, badaddr: 1 });
    expect(w.lines()).toEqual([]);
  });

  it('the FIB of the packet is used', () => {
    const { b, w } = setup();
    b.routes.setFibs(2);
    b.route('203.0.113.0/24', '192.0.2.2', { fib: 1, ifp: w.ifp });
    const m = packet(b, { src: '192.0.2.1', dst: '203.0.113.1' });
    expect(b.ip.output(m)).toBe(EHOSTUNREACH);
    const n = packet(b, { src: '192.0.2.1', dst: '203.0.113.1' });
    n.fib = 1;
    expect(b.ip.output(n)).toBe(0);
    expect(w.lines()).toHaveLength(1);
  });

  it('a multipath route spreads flows and keeps each on its path', () => {
    const { b, w } = setup();
    w.neighbour('192.0.2.3', macN(0x33));
    b.route('203.0.113.0/24', '192.0.2.2');
    b.route('203.0.113.0/24', '192.0.2.3');
    const via = new Map<string, number>();
    for (let i = 0; i < 64; i++) {
      const macs = [0, 1].map(() => {
        send(b, { dst: `203.0.113.${i}` });
        return w.lines()[0]!.split(' > ').at(-1)!;
      });
      expect(macs[0]).toBe(macs[1]);
      via.set(macs[0]!, (via.get(macs[0]!) ?? 0) + 1);
    }
    expect([...via.keys()].sort()).toEqual([PEER, macN(0x33)]);
    expect(Math.min(...via.values())).toBeGreaterThan(16);
  });

  it('sourceFor and mayBind', () => {
    const { b } = setup();
    expect({ ...b.ip.sourceFor(addr('192.0.2.9'), 0) }).toEqual({ error: 0, addr: addr('192.0.2.1') });
    expect(b.ip.sourceFor(addr('203.0.113.9'), 0).error).toBe(ENETUNREACH);
    for (const yes of ['0.0.0.0', '192.0.2.1', '127.0.0.1', '192.0.2.255', '224.1.1.1']) expect(b.ip.mayBind(addr(yes)), yes).toBe(true);
    for (const no of ['192.0.2.2', '203.0.113.1', '192.0.3.255']) expect(b.ip.mayBind(addr(no)), no).toBe(false);
  });

  it('SO_DONTROUTE goes straight to the network, one hop far', () => {
    const { b, w } = setup();
    b.route('203.0.113.0/24', '192.0.2.2');
    expect(send(b, { dst: '203.0.113.1' }, IP_ROUTETOIF)).toBe(ENETUNREACH);
    expect(send(b, { dst: '192.0.2.2' }, IP_ROUTETOIF)).toBe(0);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 28 ttl 1 > ${PEER}`]);
  });
});

describe('broadcast', () => {
  it('needs permission; a copy comes back to us', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '192.0.2.255' })).toBe(EACCES);
    expect(send(b, { dst: '192.0.2.255' }, IP_ALLOWBROADCAST)).toBe(0);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.255 proto ${PROTO} len 28 ttl 64 > broadcast`]);
    expect(delivered).toEqual([`em0 loop: ip 192.0.2.1 > 192.0.2.255 proto ${PROTO} len 28 ttl 64`]);
  });

  it('255.255.255.255 goes out by the default route as a broadcast', () => {
    const { b, w } = setup();
    b.route('0.0.0.0/0', '192.0.2.2');
    expect(send(b, { dst: '255.255.255.255' }, IP_ALLOWBROADCAST)).toBe(0);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 255.255.255.255 proto ${PROTO} len 28 ttl 64 > broadcast`]);
  });

  it('IP_ONESBCAST turns a directed broadcast into 255.255.255.255', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '192.0.2.255' }, IP_SENDONES | IP_ALLOWBROADCAST)).toBe(0);
    expect(send(b, { dst: '198.51.100.255' }, IP_SENDONES | IP_ALLOWBROADCAST)).toBe(ENETUNREACH);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 255.255.255.255 proto ${PROTO} len 28 ttl 1 > broadcast`]);
  });

  it('the copy is forgotten when its interface has gone, or has gone to another vnet, before it was taken up', () => {
    const { b, w } = setup();
    b.ip.output(packet(b, { dst: '192.0.2.255' }), IP_ALLOWBROADCAST);
    const { net } = w.ifp;
    w.ifp.net = new IpBench().net;
    b.turn();
    w.ifp.net = net;
    expect(delivered).toEqual([]);
    b.ip.output(packet(b, { dst: '192.0.2.255' }), IP_ALLOWBROADCAST);
    ifDetach(w.ifp);
    b.turn();
    expect(delivered).toEqual([]);
    expect(b.engine.pool.inUse).toBe(0);
  });

  it('no copy where the link brings it back by itself (no IFF_SIMPLEX)', () => {
    const { b, w } = setup();
    w.ifp.flags &= ~IFF_SIMPLEX;
    send(b, { dst: '192.0.2.255' }, IP_ALLOWBROADCAST);
    expect(w.lines()).toHaveLength(1);
    expect(delivered).toEqual([]);
  });

  it('is never fragmented', () => {
    const { b } = setup();
    expect(send(b, { dst: '192.0.2.255', payload: new Uint8Array(1600) }, IP_ALLOWBROADCAST)).toBe(EMSGSIZE);
  });
});

describe('multicast', () => {
  it('goes to the group\'s link address with TTL 1, by the interface given or by route; a member hears itself', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '224.9.8.7' })).toBe(EHOSTUNREACH);
    const opts = new IpOutputOpts();
    opts.mcastIfp = w.ifp;
    expect(send(b, { dst: '224.9.8.7' }, 0, opts)).toBe(0);
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 224.9.8.7 proto ${PROTO} len 28 ttl 1 > 01:00:5e:09:08:07`]);
    expect(delivered).toEqual([]);
    expect(b.ip.stats.total).toBe(0);
    inJoinGroup(b.inNet, w.ifp, addr('224.9.8.7'));
    opts.mcastTtl = 9;
    expect(send(b, { dst: '224.9.8.7' }, 0, opts)).toBe(0);
    expect(delivered).toEqual([`em0 loop: ip 192.0.2.1 > 224.9.8.7 proto ${PROTO} len 28 ttl 9`]);
    opts.mcastLoop = false;
    expect(send(b, { dst: '224.9.8.7' }, 0, opts)).toBe(0);
    expect(delivered).toHaveLength(1);
    w.take();
    opts.mcastLoop = true;
    opts.mcastTtl = 0;
    expect(send(b, { dst: '224.9.8.7' }, 0, opts)).toBe(0);
    expect(delivered).toHaveLength(2);
    expect(w.lines()).toEqual([]);
    w.ifp.flags &= ~IFF_MULTICAST;
    expect(send(b, { dst: '224.9.8.7' }, 0, opts)).toBe(ENETUNREACH);
  });

  it('to a group on loopback comes back to members only', () => {
    const { b } = setup();
    const opts = new IpOutputOpts();
    opts.mcastIfp = b.lo0;
    expect(send(b, { dst: '224.9.8.7' }, 0, opts)).toBe(0);
    expect(delivered).toEqual([]);
    inJoinGroup(b.inNet, b.lo0, addr('224.9.8.7'));
    expect(send(b, { dst: '224.9.8.7' }, 0, opts)).toBe(0);
    expect(delivered).toEqual([`lo0 loop: ip 127.0.0.1 > 224.9.8.7 proto ${PROTO} len 28 ttl 1`]);
  });
});

describe('sizes', () => {
  it('too large for the link: in fragments, or EMSGSIZE with DF', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '192.0.2.2', payload: new Uint8Array(3000) })).toBe(0);
    expect(w.lines()).toEqual([
      `ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 1500 ttl 64 MF > ${PEER}`,
      `ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 1500 ttl 64 MF off 1480 > ${PEER}`,
      `ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 60 ttl 64 off 2960 > ${PEER}`,
    ]);
    expectStats(b, { localout: 1, fragmented: 1, ofragments: 3 });
    expect(send(b, { dst: '192.0.2.2', payload: new Uint8Array(3000), off: IP_DF })).toBe(EMSGSIZE);
    expect(b.ip.stats.cantfrag).toBe(1);
  });

  it('the route\'s MTU counts', () => {
    const { b, w } = setup();
    b.route('203.0.113.0/24', '192.0.2.2', { mtu: 600 });
    send(b, { dst: '203.0.113.1', payload: new Uint8Array(700) });
    expect(w.take().map((f) => f.length - 14)).toEqual([596, 144]);
  });

  it('when a fragment cannot be sent the rest is freed and the error told', () => {
    const { b, w } = setup();
    w.error = ENOBUFS;
    expect(send(b, { dst: '192.0.2.2', payload: new Uint8Array(9000) })).toBe(ENOBUFS);
    expect(b.engine.pool.inUse).toBe(0);
    expect(b.ip.stats.fragmented).toBe(0);
  });

  const superSegment = (b: IpBench, size: number, gso: number, off = 0): PacketBuffer => {
    const udp = new Uint8Array(8 + size);
    const m = packet(b, { src: '192.0.2.1', dst: '192.0.2.2', proto: IPPROTO_UDP, payload: udp, off });
    m.view.setUint16(m.off + 24, udp.length);
    const sum = cksumPseudo4(addr('192.0.2.1'), addr('192.0.2.2'), IPPROTO_UDP, udp.length);
    m.view.setUint16(m.off + 26, (sum & 0xffff) + (sum >>> 16));
    m.csumFlags = CSUM_L4;
    m.csumStart = m.off + 20;
    m.csumOffset = 6;
    m.gsoType = GSO_UDP_L4;
    m.gsoSize = gso;
    return m;
  };

  it('a super-segment whose segments fit goes out uncut', () => {
    const { b, w } = setup();
    expect(b.ip.output(superSegment(b, 60_000, 1472, IP_DF))).toBe(0);
    expect([w.sent.length, w.sent[0]!.length, w.lastGso]).toEqual([1, 60_042, 1472]);
  });

  it('where the administrator turned offload off it is cut here', () => {
    const { b, w } = setup();
    w.ifp.capabilities = IFCAP_TXCSUM;
    w.ifp.capenable = 0;
    expect(b.ip.output(superSegment(b, 5000, 1400))).toBe(0);
    const frames = w.take();
    expect(frames.map((f) => f.length - 42)).toEqual([1400, 1400, 1400, 800]);
    for (const f of frames) expect(inCksum4(new DataView(f.buffer), 34, f.length - 34, addr('192.0.2.1'), addr('192.0.2.2'), IPPROTO_UDP)).toBe(0);
  });

  it('segments that do not fit are fragmented, or refused with DF', () => {
    const { b, w } = setup();
    expect(b.ip.output(superSegment(b, 4000, 2000, IP_DF))).toBe(EMSGSIZE);
    expect(b.ip.output(superSegment(b, 4000, 2000))).toBe(0);
    expect(w.take().map((f) => f.length - 34)).toEqual([1480, 528, 1480, 528]);
  });

  it('a checksum that is owed stays owed, unless the interface may not', () => {
    const { b, w } = setup();
    const m = superSegment(b, 100, 1472);
    m.gsoSize = 0;
    w.onSend = (n) => {
      expect(n.csumFlags & CSUM_L4).toBe(CSUM_L4);
      n.free();
    };
    b.ip.output(m);
    w.onSend = null;
    w.ifp.capabilities = IFCAP_TXCSUM;
    const n = superSegment(b, 100, 1472);
    n.gsoSize = 0;
    b.ip.output(n);
    const f = w.take()[0]!;
    expect(inCksum4(new DataView(f.buffer), 34, 108, addr('192.0.2.1'), addr('192.0.2.2'), IPPROTO_UDP)).toBe(0);
  });
});

describe('identification', () => {
  const idOf = (f: Uint8Array | undefined): number => new DataView(f!.buffer).getUint16(18);

  it('0 for atomic datagrams unless rfc6864 is 0', () => {
    const { b, w } = setup();
    send(b, { dst: '192.0.2.2', off: IP_DF });
    expect(idOf(w.take()[0])).toBe(0);
    b.sysctl('net.inet.ip.rfc6864', 0);
    send(b, { dst: '192.0.2.2', off: IP_DF });
    send(b, { dst: '192.0.2.2', off: IP_DF });
    const [x, y] = w.take().map(idOf);
    expect((y! - x!) & 0xffff).toBe(1);
  });

  it('a raw packet keeps its own, 0 is filled in', () => {
    const { b, w } = setup();
    send(b, { dst: '192.0.2.2', src: '192.0.2.1', id: 4242 }, IP_RAWOUTPUT);
    send(b, { dst: '192.0.2.2', src: '192.0.2.1', id: 0 }, IP_RAWOUTPUT);
    const [x, y] = w.take().map(idOf);
    expect(x).toBe(4242);
    expect(y).not.toBe(0);
    expect(b.ip.stats.rawout).toBe(2);
  });

  it('random ones do not come back within the period', () => {
    const { b } = setup();
    const id = new IpId(b.engine.rng.split('test'));
    id.randomId = 1;
    id.randomIdPeriod = 512;
    const recent: number[] = [];
    const inRecent = new Set<number>();
    let repeats = 0;
    for (let i = 0; i < 140_000; i++) {
      const n = id.next(0);
      if (n === 0 || inRecent.has(n)) repeats++;
      recent.push(n);
      inRecent.add(n);
      if (recent.length > 511) inRecent.delete(recent[recent.length - 512]!);
    }
    expect(repeats).toBe(0);
    expect(id.total).toBe(140_000);
  });

  it('starts at random', () => {
    const first = (seed: number): number => new IpId(new IpBench(seed).engine.rng.split('x')).next(0);
    expect(new Set([1, 2, 3, 4].map(first)).size).toBe(4);
  });
});

describe('options', () => {
  const options = (...bytes: number[]): IpOutputOpts => {
    const opts = new IpOutputOpts();
    opts.options = new IpOptions();
    expect(ipParseOptions(Uint8Array.from(bytes), opts.options)).toBe(0);
    return opts;
  };

  it('are inserted, and a source route goes to its first hop', () => {
    const { b, w } = setup();
    expect(send(b, { dst: '203.0.113.9' }, 0, options(131, 11, 4, 192, 0, 2, 2, 203, 0, 113, 9, 1))).toBe(0);
    const f = w.take()[0]!;
    expect(ipLine(f.subarray(14))).toBe(`ip 192.0.2.1 > 192.0.2.2 proto ${PROTO} len 36 ttl 64`);
    expect([...f.subarray(34, 42)]).toEqual([131, 7, 4, 203, 0, 113, 9, 1]);
  });

  it.each<[string, number[]]>([
    ['length no multiple of 4', [1, 1, 1]],
    ['more than 40 bytes', new Array<number>(48).fill(1)],
    ['option length 1', [7, 1, 0, 0]],
    ['option beyond the end', [7, 9, 4, 0]],
    ['source route without a hop', [131, 3, 4, 0]],
    ['two source routes', [131, 7, 4, 1, 1, 1, 1, 1, 137, 7, 4, 1, 1, 1, 1, 1]],
  ])('refused: %s', (_name, bytes) => {
    expect(ipParseOptions(Uint8Array.from(bytes), new IpOptions())).toBe(EINVAL);
  });

  it('that make the datagram too long: EMSGSIZE; without headroom: ENOBUFS', () => {
    const { b } = setup();
    const opts = options(1, 1, 1, 0);
    expect(send(b, { dst: '192.0.2.2', payload: new Uint8Array(65_515) }, 0, opts)).toBe(EMSGSIZE);
    const m = b.engine.pool.alloc(28, 0)!;
    m.buf.set(ipBytes({ src: '0.0.0.0', dst: '192.0.2.2' }), 0);
    expect(b.ip.output(m, 0, opts)).toBe(ENOBUFS);
  });
});
