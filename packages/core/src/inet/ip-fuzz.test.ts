/**
 * ip-fuzz.test.ts — hostile frames: random bytes and mutated good messages into ARP, IP and ICMP of a host and of a router that
 * allows everything. Nothing may throw, no packet may be lost from the account, and every frame sent must be well formed.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { PacketPool } from '../mbuf/packet-buffer.js';
import { ip4PutSum } from '../wire/ip4.js';
import { IPPROTO_ICMP } from '../wire/ipproto.js';
import { inJoinGroup } from './in-mcast.js';
import { IpBench, NOTHING_LEFT, addr, arpFrame, echoRequest, frameLine, icmpBytes, ipBytes, ipFrame, macN } from './test-ip.js';

/** Frames per seed. Long runs are the fuzz runner's business. */
const FRAMES = 6_000;
const ME = macN(1);
const PEER = macN(0x22);

function corpus(): Uint8Array[] {
  const quote = ipBytes({ src: '192.0.2.1', dst: '203.0.113.9', proto: 17 });
  const base = { src: '192.0.2.2', dst: '192.0.2.1' } as const;
  return [
    arpFrame({ sha: PEER, spa: '192.0.2.2', tpa: '192.0.2.1' }),
    arpFrame({ op: 'reply', sha: PEER, spa: '192.0.2.2', tha: ME, tpa: '192.0.2.1' }),
    ipFrame(ME, PEER, { ...base, ...echoRequest(1) }),
    ipFrame(ME, PEER, { ...base, ...echoRequest(1), options: Uint8Array.of(7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0) }),
    ipFrame(ME, PEER, { ...base, ...echoRequest(1), options: Uint8Array.of(68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 131, 7, 4, 198, 51, 100, 9, 0, 0, 0, 0, 0) }),
    ipFrame(ME, PEER, { ...base, off: 0x2000, payload: new Uint8Array(64) }),
    ipFrame(ME, PEER, { ...base, off: 8, payload: new Uint8Array(64) }),
    ipFrame(ME, PEER, { src: '192.0.2.2', dst: '198.51.100.9', payload: new Uint8Array(1200) }),
    ipFrame(ME, PEER, { src: '192.0.2.2', dst: '192.0.2.255', proto: 99 }),
    ...[3, 4, 5, 11, 12].map((type) => ipFrame(ME, PEER, { ...base, proto: IPPROTO_ICMP, payload: icmpBytes(type, 1, addr('192.0.2.253'), quote) })),
    ipFrame(ME, PEER, { ...base, proto: IPPROTO_ICMP, payload: icmpBytes(13, 0, 1, new Uint8Array(12)) }),
    ipFrame('01:00:5e:01:02:03', PEER, { src: '192.0.2.2', dst: '224.1.2.3', ...echoRequest(1) }),
  ];
}

/** Changes a few bytes, lengths and ends; half of the time the IPv4 header checksum is made right again. */
function mutate(rng: Prng, seeds: readonly Uint8Array[]): Uint8Array {
  const seed = seeds[rng.below(seeds.length)]!;
  const f = seed.slice(0, rng.chance(0.2) ? rng.below(seed.length + 1) : seed.length);
  const n = rng.below(4);
  for (let i = 0; i < n && f.length > 14; i++) f[14 + rng.below(Math.min(60, f.length - 14))] = rng.chance(0.3) ? [0, 1, 0xff, 0x80][rng.below(4)]! : rng.below(256);
  if (f.length >= 34 && f[12] === 8 && f[13] === 0 && rng.chance(0.7)) {
    const hl = Math.min((f[14]! & 15) * 4, f.length - 14);
    if (hl >= 20) ip4PutSum(new DataView(f.buffer), 14, hl);
  }
  return f;
}

function random(rng: Prng): Uint8Array {
  const f = new Uint8Array(14 + rng.below(120));
  for (let i = 0; i < f.length; i++) f[i] = rng.below(256);
  f.set([2, 0, 0, 0, 0, 1]);
  f.set(rng.chance(0.5) ? [8, 6] : [8, 0], 12);
  if (rng.chance(0.5) && f.length > 14) f[14] = 0x45;
  return f;
}

describe.each([[1, 0], [2, 1], [3, 0], [4, 1]])('fuzz, seed %i, forwarding %i', (seed, forwarding) => {
  it('no frame throws, leaks a packet or makes us send a malformed one', () => {
    const rng = new Prng(seed);
    const b = new IpBench(seed, new PacketPool(4_096, 64));
    const w = b.wire('192.0.2.1/24');
    const w2 = b.wire('198.51.100.1/24');
    b.addr(b.lo0, '127.0.0.1/8');
    b.route('0.0.0.0/0', '192.0.2.254');
    inJoinGroup(b.inNet, w.ifp, addr('224.1.2.3'));
    for (const [name, value] of [
      ['ip.forwarding', forwarding], ['ip.sourceroute', 1], ['ip.accept_sourceroute', 1], ['icmp.maskrepl', 1], ['icmp.bmcastecho', 1], ['icmp.icmplim', 0],
      ['ip.source_address_validation', seed < 3 ? 1 : 0],
    ] as const) b.sysctl(`net.inet.${name}`, value);
    b.sysctl('net.link.ether.inet.proxyall', 1);
    b.sysctl('net.link.ether.inet.maxentries', 64);
    const seeds = corpus();
    for (let i = 0; i < FRAMES; i++) {
      const f = rng.chance(0.2) ? random(rng) : mutate(rng, seeds);
      w.inject(f);
      for (const sent of [...w.take(), ...w2.take()]) frameLine(sent, forwarding !== 0);
      if (i % 500 === 0) b.turn(rng.below(20_000_000));
    }
    expect(b.engine.pool.inUse).toBe(b.ip.reass.nfrags + b.arp.params.held);
    expect(b.ip.stats.total).toBeGreaterThan(FRAMES / 3);
    expect(b.ip.stats.forward > 0).toBe(forwarding !== 0);
    b.turn(100_000_000);
    expect(b.engine.pool.inUse).toBe(0);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT);
  });
});
