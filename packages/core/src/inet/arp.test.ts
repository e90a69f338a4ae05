/**
 * arp.test.ts — ARP end to end: every check of arp-input.ts, learning, resolving, proxies, own addresses, bounds.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { EADDRNOTAVAIL, EHOSTDOWN, EHOSTUNREACH, EINVAL, ENOBUFS, ENOENT, EPERM, ESRCH } from '../base/errno.js';
import { snapshot } from '../kern/counters.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_NOARP, IFF_STATICARP, IFF_STICKYARP } from '../net/ifnet.js';
import { ifDown, ifSetLladdr, ifUp } from '../net/if.js';
import { ARPOP_REVREQUEST } from '../wire/arp.js';
import { ETHER_HDR_LEN } from '../wire/ether.js';
import { ArpStats } from './arp-var.js';
import { IpBench, NOTHING_LEFT, addr, arpFrame, echoRequest, ipBytes, ipFrame, mac, macN } from './test-ip.js';
import type { Wire } from './test-ip.js';

const ME = macN(1);
const PEER = macN(0x22);
const SEC = 1_000_000;

let bench: IpBench | null = null;

function setup(prefix = '192.0.2.1/24'): { b: IpBench; w: Wire } {
  const b = new IpBench();
  bench = b;
  const w = b.wire(prefix);
  Object.assign(b.arp.stats, new ArpStats());
  return { b, w };
}

afterEach(() => {
  bench?.destroy();
  expect(bench?.leftovers() ?? NOTHING_LEFT).toEqual(NOTHING_LEFT);
  bench = null;
});

/** `addr state [lladdr]` of every neighbour that is not our own. */
function table(b: IpBench): string[] {
  const name = (a: number): string => `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;
  return b.arp.list().filter((e) => !e.own).map((e) => `${name(e.addr)} ${e.permanent ? 'permanent' : e.state}${e.lladdr === null ? '' : ` ${[...e.lladdr].map((x) => x.toString(16).padStart(2, '0')).join(':')}`}`);
}

function expectStats(b: IpBench, want: Partial<ArpStats>): void {
  expect(snapshot(b.arp.stats)).toEqual({ ...new ArpStats(), ...want });
}

const send = (b: IpBench, dst: string, size = 8): number => b.ip.output(b.packet(ipBytes({ src: '0.0.0.0', dst, payload: new Uint8Array(size) })));

describe('arpInput checks', () => {
  const good = (): Uint8Array => arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' });
  /** The good request with bytes of the ARP message replaced and cut (or padded) to `len` bytes behind the Ethernet header. */
  const patched = (patch: Record<number, number>, len = 46): Uint8Array => {
    const f = new Uint8Array(ETHER_HDR_LEN + len);
    f.set(good().subarray(0, f.length));
    for (const [at, value] of Object.entries(patch)) f[ETHER_HDR_LEN + Number(at)] = value;
    return f;
  };
  const lens = (hln: number, pln: number): Record<number, number> => ({ 4: hln, 5: pln });

  it.each<[string, Uint8Array, Partial<ArpStats>, string | null]>([
    ['1 nothing at all', patched({}, 0), { badlen: 1 }, 'notice: arp: packet with short header received on em0'],
    ['1 seven bytes', patched({}, 7), { badlen: 1 }, 'notice: arp: packet with short header received on em0'],
    ['3 eight bytes: the addresses are missing', patched({}, 8), { badlen: 1 }, 'notice: arp: short packet received on em0'],
    ['3 one byte too short', patched({}, 27), { badlen: 1 }, 'notice: arp: short packet received on em0'],
    ['2 ARCNET', patched({ 1: 7 }), { badproto: 1 }, 'notice: arp: packet with unknown hardware format 0x07 received on em0'],
    ['2 IEEE 1394', patched({ 1: 24 }), { badproto: 1 }, 'notice: arp: packet with unknown hardware format 0x24 received on em0'],
    ['3 hln=255 pln=255 in 60 bytes', patched(lens(255, 255)), { badlen: 1 }, 'notice: arp: short packet received on em0'],
    ['3 hln=20', patched(lens(20, 4)), { badlen: 1 }, 'notice: arp: short packet received on em0'],
    ['4 AppleTalk', patched({ 2: 0x80, 3: 0x9b }), { badproto: 1 }, null],
    ['5 hln=0 pln=0', patched(lens(0, 0)), { badpln: 1 }, 'notice: arp: requested protocol length != 4'],
    ['5 hln=6 pln=0', patched(lens(6, 0)), { badpln: 1 }, 'notice: arp: requested protocol length != 4'],
    ['5 pln=3', patched(lens(6, 3)), { badpln: 1 }, 'notice: arp: requested protocol length != 4'],
    ['5 pln=5', patched(lens(6, 5)), { badpln: 1 }, 'notice: arp: requested protocol length != 4'],
    ['5 pln=16', patched(lens(6, 16), 60), { badpln: 1 }, 'notice: arp: requested protocol length != 4'],
    ['6 our own request came back', arpFrame({ sha: ME, spa: '192.0.2.1', tpa: '192.0.2.2' }), { received: 1, localsha: 1 }, null],
    ['8 no addresses', arpFrame({ sha: PEER, spa: '0.0.0.0', tpa: '0.0.0.0' }), { received: 1, zeroboth: 1 }, null],
    ['9 hln=0', patched(lens(0, 4)), { received: 1, badlen: 1 }, 'notice: arp: packet with invalid ethernet address length 0 received on em0'],
    ['9 hln=5', patched(lens(5, 4)), { received: 1, badlen: 1 }, 'notice: arp: packet with invalid ethernet address length 5 received on em0'],
    ['9 hln=7', patched(lens(7, 4)), { received: 1, badlen: 1 }, 'notice: arp: packet with invalid ethernet address length 7 received on em0'],
    ['9 hln=8 with bytes enough', patched(lens(8, 4)), { received: 1, badlen: 1 }, 'notice: arp: packet with invalid ethernet address length 8 received on em0'],
    ['11 broadcast link source', arpFrame({ sha: 'ff:ff:ff:ff:ff:ff', spa: '192.0.2.2', tpa: '192.0.2.1' }), { received: 1, bcastsha: 1 },
      'notice: arp: link address is broadcast for IP address 192.0.2.2!'],
    ['11 reply with broadcast link source', arpFrame({ op: 'reply', sha: 'ff:ff:ff:ff:ff:ff', spa: '192.0.2.2', tha: ME, tpa: '192.0.2.1' }),
      { received: 1, rxreplies: 1, bcastsha: 1 }, 'notice: arp: link address is broadcast for IP address 192.0.2.2!'],
    ['11 multicast link source', arpFrame({ sha: '01:00:5e:00:00:01', spa: '192.0.2.2', tpa: '192.0.2.1' }), { received: 1, mcastsha: 1 },
      'notice: arp: 01:00:5e:00:00:01 is multicast'],
    ['12 multicast source', arpFrame({ sha: PEER, spa: '224.0.0.1', tpa: '192.0.2.1' }), { received: 1, badspa: 1 }, null],
    ['12 source 255.255.255.255', arpFrame({ sha: PEER, spa: '255.255.255.255', tpa: '192.0.2.1' }), { received: 1, badspa: 1 }, null],
    ['12 source is the broadcast address', arpFrame({ sha: PEER, spa: '192.0.2.255', tpa: '192.0.2.1' }), { received: 1, badspa: 1 }, null],
    ['12 loopback source', arpFrame({ sha: PEER, spa: '127.0.0.1', tpa: '192.0.2.1' }), { received: 1, badspa: 1 }, null],
    ['14 no target', arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '0.0.0.0' }), { received: 1, zerotpa: 1 }, null],
    ['an operation nobody knows', arpFrame({ op: ARPOP_REVREQUEST, sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.9' }), { received: 1 }, null],
  ])('%s: dropped, counted, nothing sent, nothing learned', (_name, frame, stats, line) => {
    const { b, w } = setup();
    w.inject(frame);
    expectStats(b, stats);
    expect(w.lines()).toEqual([]);
    expect(table(b)).toEqual([]);
    expect(b.log).toEqual(line === null ? [] : [line]);
    expect(b.engine.pool.inUse).toBe(0);
  });

  it('7 IFF_NOARP: not answered', () => {
    const { b, w } = setup();
    w.ifp.flags |= IFF_NOARP;
    w.inject(good());
    expectStats(b, { received: 1, noarp: 1 });
    expect(w.lines()).toEqual([]);
  });

  it('10 no address on the interface', () => {
    const b = new IpBench();
    bench = b;
    const w = b.wire();
    ifUp(w.ifp);
    w.inject(good());
    expectStats(b, { received: 1, noint: 1 });
  });

  it('13 somebody uses our address: logged, counted, answered and defended', () => {
    const { b, w } = setup();
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.1', tpa: '192.0.2.7' }));
    expect(b.log).toEqual([`err: arp: ${PEER} is using my IP address 192.0.2.1 on em0!`]);
    expect(w.lines()).toEqual([
      `arp request 192.0.2.1 is at ${ME} wants 192.0.2.1 > broadcast`,
      `arp reply 192.0.2.1 is at ${ME} for 192.0.2.1 > ${PEER}`,
    ]);
    expectStats(b, { received: 1, rxrequests: 1, dupips: 1, txreplies: 1, txrequests: 1 });
    b.turn(5 * SEC);
    w.inject(arpFrame({ op: 'reply', sha: PEER, spa: '192.0.2.1', tha: ME, tpa: '192.0.2.9' }));
    expect(w.lines()).toEqual([]);
    b.turn(5 * SEC);
    w.inject(arpFrame({ op: 'reply', sha: PEER, spa: '192.0.2.1', tha: ME, tpa: '192.0.2.9' }));
    expect(w.lines()).toEqual([`arp request 192.0.2.1 is at ${ME} wants 192.0.2.1 > broadcast`]);
    expect(table(b)).toEqual([]);
  });

  it('accepts IEEE 802 hardware, trailer protocol and padding, and answers as Ethernet', () => {
    const { b, w } = setup();
    w.inject(patched({ 1: 6, 2: 0x10 }, 100));
    expect(w.sent[0]).toHaveLength(ETHER_HDR_LEN + 28);
    expect(w.lines()).toEqual([`arp reply 192.0.2.1 is at ${ME} for 192.0.2.2 > ${PEER}`]);
    expectStats(b, { received: 1, rxrequests: 1, txreplies: 1 });
  });

  it('a probe (source 0.0.0.0) is answered, and nobody is learned', () => {
    const { b, w } = setup();
    w.inject(arpFrame({ sha: PEER, spa: '0.0.0.0', tpa: '192.0.2.1' }));
    expect(w.lines()).toEqual([`arp reply 192.0.2.1 is at ${ME} for 0.0.0.0 > ${PEER}`]);
    expectStats(b, { received: 1, rxrequests: 1, txreplies: 1, zerospa: 1 });
    expect(table(b)).toEqual([]);
  });

  it('logs one line a second', () => {
    const { b, w } = setup();
    for (let i = 0; i < 5; i++) w.inject(patched({}, 7));
    expect(b.log).toHaveLength(1);
    b.turn(SEC);
    w.inject(patched({}, 7));
    expect(b.log).toHaveLength(2);
    expectStats(b, { badlen: 6 });
  });
});

describe('learning', () => {
  it('a request to us makes a stale entry and is answered', () => {
    const { b, w } = setup();
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    expect(w.lines()).toEqual([`arp reply 192.0.2.1 is at ${ME} for 192.0.2.2 > ${PEER}`]);
    expect(table(b)).toEqual([`192.0.2.2 stale ${PEER}`]);
    expectStats(b, { received: 1, rxrequests: 1, txreplies: 1 });
  });

  it('a request to somebody else makes none, but updates one that is there', () => {
    const { b, w } = setup();
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.9' }));
    expect(table(b)).toEqual([]);
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    w.inject(arpFrame({ sha: macN(0x33), spa: '192.0.2.2', tpa: '192.0.2.9' }));
    expect(table(b)).toEqual([`192.0.2.2 stale ${macN(0x33)}`]);
    expect(b.log).toEqual([`info: arp: 192.0.2.2 moved from ${PEER} to ${macN(0x33)} on em0`]);
    expectStats(b, { received: 3, rxrequests: 3, txreplies: 1, moved: 1 });
  });

  it('a static entry is never overwritten', () => {
    const { b, w } = setup();
    w.neighbour('192.0.2.2', PEER);
    w.inject(arpFrame({ sha: macN(0x33), spa: '192.0.2.2', tpa: '192.0.2.1' }));
    expect(table(b)).toEqual([`192.0.2.2 permanent ${PEER}`]);
    expect(b.log).toEqual([`err: arp: ${macN(0x33)} attempts to modify permanent entry for 192.0.2.2 on em0`]);
    b.sysctl('net.inet.arp.nd_nud', 0);
    w.inject(arpFrame({ op: 'reply', sha: PEER, spa: '192.0.2.2', tha: ME, tpa: '192.0.2.1' }));
    expect(table(b)).toEqual([`192.0.2.2 permanent ${PEER}`]);
    expect(b.net.kern.calloutsArmed).toBe(0);
    expectStats(b, { received: 2, rxrequests: 1, rxreplies: 1, txreplies: 1, overperm: 1 });
  });

  it('nobody from another network is learned, though answered', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    Object.assign(b.arp.stats, new ArpStats());
    w.inject(arpFrame({ sha: PEER, spa: '198.51.100.9', tpa: '192.0.2.1' }));
    w.inject(arpFrame({ sha: PEER, spa: '203.0.113.9', tpa: '192.0.2.1' }));
    expect(table(b)).toEqual([]);
    expect(w.lines()).toEqual([`arp reply 192.0.2.1 is at ${ME} for 198.51.100.9 > ${PEER}`, `arp reply 192.0.2.1 is at ${ME} for 203.0.113.9 > ${PEER}`]);
    expect(b.log).toEqual([`warning: arp: 198.51.100.9 is on em1 but got reply from ${PEER} on em0`]);
    expectStats(b, { received: 2, rxrequests: 2, txreplies: 2, wrongif: 2 });
    expect(w2.lines()).toEqual([]);
  });

  it('IFF_STATICARP learns nothing and answers; IFF_STICKYARP keeps what it learns', () => {
    const { b, w } = setup();
    w.ifp.flags |= IFF_STATICARP;
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    expect(table(b)).toEqual([]);
    expect(w.lines()).toHaveLength(1);
    expect(send(b, '192.0.2.2')).toBe(EINVAL);
    w.ifp.flags = (w.ifp.flags & ~IFF_STATICARP) | IFF_STICKYARP;
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    expect(table(b)).toEqual([`192.0.2.2 permanent ${PEER}`]);
  });

  it('with nd_nud=0 whatever is heard of a neighbour counts, as in FreeBSD', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.arp.nd_nud', 0);
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    expect(table(b)).toEqual([`192.0.2.2 reachable ${PEER}`]);
  });
});

describe('resolving', () => {
  const reply = arpFrame({ op: 'reply', sha: PEER, spa: '192.0.2.2', tha: ME, tpa: '192.0.2.1' });
  const ASK = `arp request 192.0.2.1 is at ${ME} wants 192.0.2.2 > broadcast`;

  it('asks once, holds packets and sends them in order', () => {
    const { b, w } = setup();
    for (let i = 0; i < 4; i++) expect(send(b, '192.0.2.2', 8 + i)).toBe(0);
    expect(w.lines()).toEqual([ASK]);
    expect(b.arp.params.held).toBe(4);
    w.inject(reply);
    expect(w.lines()).toEqual([28, 29, 30, 31].map((n) => `ip 192.0.2.1 > 192.0.2.2 proto 17 len ${n} ttl 64 > ${PEER}`));
    expect(table(b)).toEqual([`192.0.2.2 reachable ${PEER}`]);
    expect(b.arp.params.held).toBe(0);
    expectStats(b, { txrequests: 1, received: 1, rxreplies: 1 });
  });

  it('holds at most maxhold packets, dropping the oldest', () => {
    const { b, w } = setup();
    for (let i = 0; i < 20; i++) send(b, '192.0.2.2', i);
    expectStats(b, { txrequests: 1, dropped: 4 });
    w.take();
    w.inject(reply);
    expect(w.take().map((f) => f.length - ETHER_HDR_LEN - 20)).toEqual(Array.from({ length: 16 }, (_, i) => i + 4));
  });

  it('holds at most maxheld packets in all', () => {
    const { b, w } = setup();
    b.sysctl('net.link.ether.inet.maxheld', 3);
    for (let i = 2; i < 12; i++) send(b, `192.0.2.${i}`);
    expect(b.arp.params.held).toBe(3);
    expect(b.engine.pool.inUse).toBe(3);
    expectStats(b, { txrequests: 10, dropped: 7 });
    w.take();
  });

  it('gives up after maxtries; then EHOSTDOWN at once and one question a second; forgets after wait', () => {
    const { b, w } = setup();
    send(b, '192.0.2.2');
    b.turn(4 * SEC);
    expect(w.lines()).toEqual([ASK, ASK, ASK, ASK, ASK]);
    expect(table(b)).toEqual(['192.0.2.2 incomplete']);
    b.turn(SEC);
    expect(w.lines()).toEqual([]);
    expect(table(b)).toEqual(['192.0.2.2 failed']);
    expectStats(b, { txrequests: 5, dropped: 1 });
    expect(send(b, '192.0.2.2')).toBe(EHOSTDOWN);
    expect(send(b, '192.0.2.2')).toBe(EHOSTDOWN);
    expect(w.lines()).toEqual([ASK]);
    b.turn(19 * SEC);
    expect(table(b)).toEqual(['192.0.2.2 failed']);
    b.turn(SEC);
    expect(table(b)).toEqual([]);
    expectStats(b, { txrequests: 6, dropped: 3, timeouts: 1 });
  });

  it('a failed entry somebody keeps asking for lives on; its age is that of the last question', () => {
    const { b } = setup();
    send(b, '192.0.2.2');
    b.turn(3.5 * SEC);
    expect(b.arp.list().find((e) => !e.own)?.expiresIn).toBe(0);
    b.turn(11.5 * SEC);
    expect(send(b, '192.0.2.2')).toBe(EHOSTDOWN);
    b.turn(19 * SEC);
    expect(b.arp.list().find((e) => !e.own)?.expiresIn).toBe(-19);
    b.turn(SEC);
    expect(table(b)).toEqual([]);
  });

  it('a failed neighbour that answers is reachable again', () => {
    const { b, w } = setup();
    send(b, '192.0.2.2');
    b.turn(6 * SEC);
    w.inject(reply);
    expect(table(b)).toEqual([`192.0.2.2 reachable ${PEER}`]);
    w.take();
    expect(send(b, '192.0.2.2')).toBe(0);
    expect(w.lines()).toHaveLength(1);
  });

  it('EHOSTUNREACH behind a router', () => {
    const { b } = setup();
    b.route('0.0.0.0/0', '192.0.2.254');
    send(b, '203.0.113.1');
    b.turn(6 * SEC);
    expect(send(b, '203.0.113.1')).toBe(EHOSTUNREACH);
    expect(table(b)).toEqual(['192.0.2.254 failed']);
  });

  it('a router tells the sender when the next hop does not answer', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    b.sysctl('net.inet.ip.forwarding', 1);
    w2.neighbour('198.51.100.9', macN(0x99));
    w2.inject(ipFrame(macN(2), macN(0x99), { src: '198.51.100.9', dst: '192.0.2.2' }));
    expect(w.lines()).toEqual([ASK]);
    b.turn(6 * SEC);
    expect(w2.lines()).toEqual([`ip 198.51.100.1 > 198.51.100.9 icmp unreachable 1 len 56 ttl 64 > ${macN(0x99)}`]);
    w2.inject(ipFrame(macN(2), macN(0x99), { src: '198.51.100.9', dst: '192.0.2.2' }));
    expect(w2.lines()).toEqual([`ip 198.51.100.1 > 198.51.100.9 icmp unreachable 1 len 56 ttl 64 > ${macN(0x99)}`]);
  });

  it('probes a neighbour in use: stale, delay, unicast questions, gone', () => {
    const { b, w } = setup();
    send(b, '192.0.2.2');
    w.inject(reply);
    w.take();
    b.turn(45 * SEC);
    expect(table(b)).toEqual([`192.0.2.2 stale ${PEER}`]);
    send(b, '192.0.2.2');
    expect(table(b)).toEqual([`192.0.2.2 delay ${PEER}`]);
    w.take();
    b.turn(5 * SEC);
    expect(table(b)).toEqual([`192.0.2.2 probe ${PEER}`]);
    b.turn(2 * SEC);
    const unicast = `arp request 192.0.2.1 is at ${ME} wants 192.0.2.2 > ${PEER}`;
    expect(w.lines()).toEqual([unicast, unicast, unicast]);
    b.turn(SEC);
    expect(table(b)).toEqual([]);
    expectStats(b, { txrequests: 4, received: 1, rxreplies: 1, timeouts: 1 });
  });

  it('a probed neighbour that answers stays; an idle one expires after max_age', () => {
    const { b, w } = setup();
    send(b, '192.0.2.2');
    w.inject(reply);
    b.turn(45 * SEC);
    send(b, '192.0.2.2');
    b.turn(5 * SEC);
    w.inject(reply);
    expect(table(b)).toEqual([`192.0.2.2 reachable ${PEER}`]);
    expect(b.arp.list(w.ifp).find((e) => !e.own)?.expiresIn).toBe(1200);
    b.turn(1199 * SEC);
    expect(table(b)).toEqual([`192.0.2.2 stale ${PEER}`]);
    b.turn(SEC);
    expect(table(b)).toEqual([]);
  });

  it('with nd_nud=0 an entry in use is refreshed by a broadcast before it expires', () => {
    const { b, w } = setup();
    b.sysctl('net.inet.arp.nd_nud', 0);
    send(b, '192.0.2.2');
    w.inject(reply);
    b.turn(1194 * SEC);
    expect(table(b)).toEqual([`192.0.2.2 reachable ${PEER}`]);
    b.turn(2 * SEC);
    w.take();
    send(b, '192.0.2.2');
    expect(w.lines()).toEqual([ASK, `ip 192.0.2.1 > 192.0.2.2 proto 17 len 28 ttl 64 > ${PEER}`]);
    w.inject(reply);
    expect(table(b)).toEqual([`192.0.2.2 reachable ${PEER}`]);
  });

  it('when the question cannot be sent the sender is told, and nothing is left', () => {
    const { b, w } = setup();
    w.error = ENOBUFS;
    expect(send(b, '192.0.2.2')).toBe(ENOBUFS);
    expect(table(b)).toEqual([]);
    expect(b.engine.pool.inUse).toBe(0);
    expectStats(b, { txrequests: 1, txerrors: 1, dropped: 1 });
  });

  it('an unsolicited reply does not make an entry reachable', () => {
    const { b, w } = setup();
    w.inject(reply);
    expect(table(b)).toEqual([`192.0.2.2 stale ${PEER}`]);
  });

  it('asks from the address of the network asked about', () => {
    const { b, w } = setup();
    b.addr(w.ifp, '198.51.100.1/24');
    w.take();
    send(b, '198.51.100.7');
    expect(w.lines()).toEqual([`arp request 198.51.100.1 is at ${ME} wants 198.51.100.7 > broadcast`]);
  });
});

describe('bounds', () => {
  it('a scan costs maxentries entries, and not one in use', () => {
    const { b, w } = setup('10.0.0.1/8');
    b.sysctl('net.link.ether.inet.maxentries', 64);
    send(b, '10.0.0.2');
    w.inject(arpFrame({ op: 'reply', sha: PEER, spa: '10.0.0.2', tha: ME, tpa: '10.0.0.1' }));
    for (let i = 0; i < 5000; i++) send(b, `10.9.${i >> 8}.${i & 255}`);
    expect(b.arp.list(w.ifp)).toHaveLength(65);
    expect(table(b)).toContain(`10.0.0.2 reachable ${PEER}`);
    expect(b.arp.params.held).toBe(63);
    expect(b.net.kern.calloutsArmed).toBe(64);
  });

  it('a flood of spoofed requests replaces stale entries and refuses when all are in use', () => {
    const { b, w } = setup('10.0.0.1/8');
    b.sysctl('net.link.ether.inet.maxentries', 4);
    for (let i = 2; i < 6; i++) {
      send(b, `10.0.0.${i}`);
      w.inject(arpFrame({ op: 'reply', sha: macN(i), spa: `10.0.0.${i}`, tha: ME, tpa: '10.0.0.1' }));
    }
    w.inject(arpFrame({ sha: PEER, spa: '10.9.9.9', tpa: '10.0.0.1' }));
    expect(b.arp.stats.tablefull).toBe(1);
    expect(table(b)).toHaveLength(4);
    b.turn(45 * SEC);
    w.inject(arpFrame({ sha: PEER, spa: '10.9.9.9', tpa: '10.0.0.1' }));
    expect(table(b)).toHaveLength(4);
    expect(table(b)).toContain(`10.9.9.9 stale ${PEER}`);
  });

  it('deleting the interface frees what waits on it', () => {
    const { b } = setup();
    for (let i = 2; i < 200; i++) send(b, `192.0.2.${i}`);
    expect(b.engine.pool.inUse).toBe(198);
  });
});

describe('own addresses', () => {
  it('are announced once when set, when the interface comes up and when its link address changes', () => {
    const b = new IpBench();
    bench = b;
    const w = b.wire();
    b.addr(w.ifp, '192.0.2.1/24');
    const announce = (at = ME): string => `arp request 192.0.2.1 is at ${at} wants 192.0.2.1 > broadcast`;
    expect(w.lines()).toEqual([announce()]);
    ifDown(w.ifp);
    ifUp(w.ifp);
    expect(w.lines()).toEqual([announce()]);
    ifSetLladdr(w.ifp, mac('02:00:00:00:00:77'));
    expect(w.lines()).toEqual([announce('02:00:00:00:00:77')]);
    expect(b.arp.list()).toEqual([
      expect.objectContaining({ addr: addr('192.0.2.1'), own: true, permanent: true, expiresIn: null, lladdr: mac('02:00:00:00:00:77') }),
    ]);
    b.delAddr(w.ifp, '192.0.2.1');
    expect(b.arp.list()).toEqual([]);
  });

  it('garp_rexmit_count repeats the announcement after 1, 2, 4 … seconds', () => {
    const b = new IpBench();
    bench = b;
    b.sysctl('net.link.ether.inet.garp_rexmit_count', 3);
    const w = b.wire();
    b.addr(w.ifp, '192.0.2.1/24');
    const at: number[] = [];
    for (let s = 0; s <= 20; s++) {
      for (const _ of w.lines()) at.push(s);
      b.turn(SEC);
    }
    expect(at).toEqual([0, 1, 3, 7]);
  });

  it('DAD: three probes, then the address is announced twice and works', () => {
    const b = new IpBench(7);
    bench = b;
    b.sysctl('net.inet.ip.dad_count', 3);
    const w = b.wire();
    b.addr(w.ifp, '192.0.2.1/24');
    expect(w.lines()).toEqual([]);
    expect(b.arp.claims.stateOf(addr('192.0.2.1'))).toBe('tentative');
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    w.inject(ipFrame(ME, PEER, { src: '192.0.2.2', dst: '192.0.2.1', ...echoRequest(1) }));
    expect(w.lines()).toEqual([]);
    expect(b.ip.stats.badaddr).toBe(1);
    b.turn(12 * SEC);
    const probe = `arp request 0.0.0.0 is at ${ME} wants 192.0.2.1 > broadcast`;
    const announce = `arp request 192.0.2.1 is at ${ME} wants 192.0.2.1 > broadcast`;
    expect(w.lines()).toEqual([probe, probe, probe, announce, announce]);
    expect(b.arp.claims.stateOf(addr('192.0.2.1'))).toBe('valid');
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    expect(w.lines()).toHaveLength(1);
  });

  it.each([
    ['an answer', arpFrame({ op: 'reply', sha: PEER, spa: '192.0.2.1', tha: ME, tpa: '0.0.0.0' })],
    ['the same probe from another', arpFrame({ sha: PEER, spa: '0.0.0.0', tpa: '192.0.2.1' })],
  ])('DAD: %s makes it a duplicate that is never used', (_name, frame) => {
    const b = new IpBench();
    bench = b;
    b.sysctl('net.inet.ip.dad_count', 3);
    const w = b.wire();
    b.addr(w.ifp, '192.0.2.1/24');
    b.turn(SEC);
    w.take();
    w.inject(frame);
    expect(b.log).toEqual([`err: arp: DAD: duplicate address 192.0.2.1 on em0: ${PEER} has it`]);
    b.turn(20 * SEC);
    w.inject(arpFrame({ sha: macN(9), spa: '192.0.2.9', tpa: '192.0.2.1' }));
    expect(w.lines()).toEqual([]);
    expect(b.arp.claims.stateOf(addr('192.0.2.1'))).toBe('duplicated');
    expect(b.arp.stats.probeconflict).toBe(1);
    b.delAddr(w.ifp, '192.0.2.1');
    expect(b.arp.claims.isTentative(addr('192.0.2.1'))).toBe(false);
  });

  it('DAD: begins again, once, when the link address changes; the last probe is followed by two seconds of silence', () => {
    const b = new IpBench(3);
    bench = b;
    b.sysctl('net.inet.ip.dad_count', 2);
    const w = b.wire();
    b.addr(w.ifp, '192.0.2.1/24');
    b.turn(SEC);
    ifSetLladdr(w.ifp, mac(macN(0x77)));
    expect(b.net.kern.calloutsArmed).toBe(1);
    w.take();
    expect(send(b, '192.0.2.2')).toBe(EADDRNOTAVAIL);
    const at: number[] = [];
    for (let ms = 0; ms < 12_000; ms += 10) {
      for (const l of w.lines()) at.push(l.startsWith('arp request 0.0.0.0') ? ms : -ms);
      b.turn(10_000);
    }
    expect(at.map(Math.sign)).toEqual([1, 1, -1, -1]);
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(990);
    expect(at[1]! - at[0]!).toBeLessThanOrEqual(2010);
    expect(-at[2]! - at[1]!).toBe(2000);
    expect(-at[3]! + at[2]!).toBe(2000);
  });

  it('link-local addresses are answered by broadcast', () => {
    const { w } = setup('169.254.1.1/16');
    w.inject(arpFrame({ sha: PEER, spa: '169.254.1.2', tpa: '169.254.1.1' }));
    expect(w.lines()).toEqual([`arp reply 169.254.1.1 is at ${ME} for 169.254.1.2 > broadcast`]);
  });
});

describe('proxies', () => {
  it('a published entry is answered with its own link address, for others only', () => {
    const { b, w } = setup();
    b.arp.set(addr('192.0.2.50'), mac(macN(0x50)), { ifp: w.ifp, published: true });
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.50' }));
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.51' }));
    expect(w.lines()).toEqual([`arp reply 192.0.2.50 is at ${macN(0x50)} for 192.0.2.2 > ${PEER}`]);
    expect(b.arp.list().find((e) => e.addr === addr('192.0.2.50'))).toMatchObject({ published: true, permanent: true });
  });

  it('proxyall answers for what is routed elsewhere, to askers who are where they belong', () => {
    const { b, w } = setup();
    const w2 = b.wire('198.51.100.1/24');
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '198.51.100.9' }));
    expect(w.lines()).toEqual([]);
    b.sysctl('net.link.ether.inet.proxyall', 1);
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '198.51.100.9' }));
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.77' }));
    w.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '203.0.113.9' }));
    expect(w.lines()).toEqual([`arp reply 198.51.100.9 is at ${ME} for 192.0.2.2 > ${PEER}`]);
    w2.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.9' }));
    expect(w2.lines()).toEqual([]);
    expect(b.log).toEqual([`info: arp: proxy: ignoring request from 192.0.2.2 via em1`]);
  });
});

describe('members of a bridge', () => {
  const hook = { input: (_ifp: unknown, m: PacketBuffer): PacketBuffer => m, output: (): boolean => false };

  it('answer for one another, learn anybody, and take an own address heard on the other side for no duplicate', () => {
    const { b, w } = setup();
    const w2 = b.wire();
    ifUp(w2.ifp);
    w.ifp.bridge = hook;
    w2.ifp.bridge = hook;
    w2.inject(arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }));
    expect(w2.lines()).toEqual([`arp reply 192.0.2.1 is at ${macN(2)} for 192.0.2.2 > ${PEER}`]);
    expect(table(b)).toEqual([`192.0.2.2 stale ${PEER}`]);
    w2.inject(arpFrame({ sha: PEER, spa: '192.0.2.1', tpa: '192.0.2.9' }));
    expect(b.arp.stats.dupips).toBe(0);
    expect(b.log).toEqual([]);
    w.ifp.bridge = null;
    w2.ifp.bridge = null;
  });
});

describe('entries by hand', () => {
  it('set, list, delete', () => {
    const { b, w } = setup();
    const a = addr('192.0.2.2');
    expect(b.arp.set(a, mac(PEER))).toBe(0);
    expect(b.arp.list(w.ifp)).toEqual([
      { ifp: w.ifp, addr: addr('192.0.2.1'), lladdr: mac(ME), state: 'reachable', permanent: true, published: false, own: true, expiresIn: null },
      { ifp: w.ifp, addr: a, lladdr: mac(PEER), state: 'reachable', permanent: true, published: false, own: false, expiresIn: null },
    ]);
    expect(b.arp.set(a, mac(macN(9)), { temporary: true })).toBe(0);
    expect(b.arp.list(w.ifp)[1]).toMatchObject({ lladdr: mac(macN(9)), permanent: false, expiresIn: 1200 });
    expect(b.arp.delete(a)).toBe(0);
    expect(b.arp.delete(a)).toBe(ENOENT);
  });

  it('refuses own addresses, bad link addresses and addresses that are not on a link', () => {
    const { b } = setup();
    expect(b.arp.set(addr('192.0.2.1'), mac(PEER))).toBe(EPERM);
    expect(b.arp.set(addr('192.0.2.1'), mac(PEER), { ifp: b.wires[0]!.ifp })).toBe(EPERM);
    expect(b.arp.delete(addr('192.0.2.1'))).toBe(EPERM);
    expect(b.arp.set(addr('192.0.2.2'), mac('01:00:00:00:00:01'))).toBe(EINVAL);
    expect(b.arp.set(addr('192.0.2.2'), Uint8Array.of(2, 0, 0))).toBe(EINVAL);
    expect(b.arp.set(addr('203.0.113.1'), mac(PEER))).toBe(ESRCH);
  });

  it('a static entry set while packets wait sends them; flushAll leaves own addresses', () => {
    const { b, w } = setup();
    send(b, '192.0.2.2');
    send(b, '192.0.2.3');
    w.take();
    b.arp.set(addr('192.0.2.2'), mac(PEER));
    expect(w.lines()).toEqual([`ip 192.0.2.1 > 192.0.2.2 proto 17 len 28 ttl 64 > ${PEER}`]);
    expect(b.arp.flushAll()).toBe(2);
    expect(b.arp.list()).toHaveLength(1);
    expect(b.engine.pool.inUse).toBe(0);
  });

  it('routing messages tell what happened to neighbours', () => {
    const { b, w } = setup();
    const l = b.net.rtsock!.open();
    send(b, '192.0.2.2');
    w.inject(arpFrame({ op: 'reply', sha: PEER, spa: '192.0.2.2', tha: ME, tpa: '192.0.2.1' }));
    w.inject(arpFrame({ sha: macN(9), spa: '192.0.2.2', tpa: '192.0.2.1' }));
    b.turn(1200 * SEC);
    send(b, '192.0.2.3');
    b.turn(30 * SEC);
    const names: Record<number, string> = { 1: 'ADD', 2: 'DELETE', 3: 'CHANGE', 7: 'MISS' };
    expect(l.queue.map((m) => `${names[m.type]} ${m.dst?.family === 'inet' ? m.dst.addr & 255 : '?'}`)).toEqual(['ADD 2', 'CHANGE 2', 'DELETE 2', 'MISS 3']);
    l.close();
  });
});

describe('counter texts', () => {
  it('are FreeBSD\'s for the first nine', () => {
    const { b } = setup();
    Object.assign(b.arp.stats, { txrequests: 1, txreplies: 1, rxreplies: 2 });
    expect(b.net.kern.counters.find('arp')?.lines().slice(0, 9).map((l) => l.text)).toEqual([
      '1 ARP request sent', '0 ARP requests failed to sent', '1 ARP reply sent', '0 ARP requests received', '2 ARP replies received',
      '0 ARP packets received', '0 total packets dropped due to no ARP entry', '0 ARP entrys timed out', '0 Duplicate IPs seen',
    ]);
  });
});
