/**
 * alias.property.test.ts — whatever goes out and comes back: checksums are right, both ways are inverse to each other, and nobody is taken for another.
 *
 * The model is a list of conversations with the alias port that was seen; a packet from outside that answers one must come to its host, and one that
 * answers none must be ignored (incoming packets are denied). Time passes between packets, and what has been silent too long is gone from the model too.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CSUM_L4 } from '../../mbuf/packet-buffer.js';
import { segment } from '../../net/offload.js';
import { ICMP_ECHOREPLY } from '../../wire/icmp4.js';
import { PKT_ALIAS_DENY_INCOMING, PKT_ALIAS_SAME_PORTS, UDP_EXPIRE_TIME } from './alias-var.js';
import { AliasBench, show } from './test-alias.js';

interface Conversation {
  readonly proto: 'udp' | 'icmp';
  readonly host: string;
  readonly port: number;
  readonly far: string;
  readonly alias: number;
  last: number;
}

const step = fc.record({
  kind: fc.constantFrom('out', 'in', 'stranger', 'wait'),
  proto: fc.constantFrom('udp' as const, 'icmp' as const),
  host: fc.integer({ min: 2, max: 5 }),
  port: fc.integer({ min: 1, max: 6 }),
  far: fc.integer({ min: 1, max: 3 }),
  farPort: fc.integer({ min: 1, max: 2 }),
  bytes: fc.uint8Array({ maxLength: 40 }),
  pending: fc.boolean(),
  optionBytes: fc.constantFrom(0, 4, 40),
  seconds: fc.integer({ min: 0, max: 70 }),
});
const numberAt = (line: string): number => Number(/^(?:udp|icmp) [\d.]+:(\d+) >/.exec(line)?.[1]);

it('is told from the model by nobody', () => {
  fc.assert(fc.property(fc.boolean(), fc.array(step, { maxLength: 120 }), (same, steps) => {
    const b = new AliasBench();
    b.la.setMode(PKT_ALIAS_DENY_INCOMING | (same ? PKT_ALIAS_SAME_PORTS : 0), PKT_ALIAS_DENY_INCOMING | PKT_ALIAS_SAME_PORTS);
    let model: Conversation[] = [];
    let now = 0;
    for (const s of steps) {
      if (s.kind === 'wait') {
        b.pass(s.seconds);
        now += s.seconds;
        model = model.filter((c) => now - c.last <= UDP_EXPIRE_TIME);
        continue;
      }
      const far = `192.0.2.${s.far}${s.proto === 'udp' ? `:${s.farPort}` : ''}`;
      const options = { data: s.bytes, pending: s.pending, optionBytes: s.optionBytes };
      if (s.kind === 'out') {
        const host = `10.0.0.${s.host}`;
        const known = model.find((c) => c.proto === s.proto && c.host === host && c.port === s.port && c.far === far);
        const line = b.out(`${s.proto} ${host}:${s.port} > ${far}`, options);
        const alias = numberAt(line);
        expect(line).toBe(`${s.proto} 198.51.100.1:${alias} > ${far}`);
        const taken = model.filter((c) => c.proto === s.proto && c.far === far && c !== known).map((c) => c.alias);
        expect(taken).not.toContain(alias);
        if (known !== undefined) expect(alias).toBe(known.alias);
        else if (same && !taken.includes(s.port)) expect(alias).toBe(s.port);
        if (known === undefined) model.push({ proto: s.proto, host, port: s.port, far, alias, last: now });
        else known.last = now;
        continue;
      }
      // An answer to somebody we know, or to nobody in particular.
      const known = s.kind === 'in' ? model[s.port % Math.max(model.length, 1)] : undefined;
      const [to, from, proto] = known === undefined ? [s.port, far, s.proto] : [known.alias, known.far, known.proto];
      const whose = model.find((c) => c.proto === proto && c.far === from && c.alias === to);
      const packet = proto === 'udp' ? `udp ${from} > 198.51.100.1:${to}` : `icmp ${from}:${to} > 198.51.100.1`;
      const line = b.in(packet, { ...options, type: ICMP_ECHOREPLY });
      if (whose === undefined) expect(line).toBe(`2 ${packet}`);
      else {
        expect(line).toBe(proto === 'udp' ? `udp ${from} > ${whose.host}:${whose.port}` : `icmp ${from}:${whose.port} > ${whose.host}`);
        whose.last = now;
      }
    }
    expect(b.pool.inUse).toBe(0);
  }), { numRuns: 150 });
});

it('in after out of the same ends is the identity, byte for byte', () => {
  fc.assert(fc.property(fc.constantFrom('udp', 'tcp'), fc.uint8Array({ maxLength: 60 }), fc.boolean(), fc.integer({ min: 1, max: 0xffff }), (proto, data, pending, port) => {
    const b = new AliasBench();
    const packet = b.packet(`${proto} 10.0.0.2:${port} > 192.0.2.1:7`, { data, pending });
    const before = packet.bytes().slice();
    expect(b.la.aliasOut(packet)).toBe(1);
    show(packet);
    packet.free();
    const back = b.packet(`${proto} 192.0.2.1:7 > 198.51.100.1:${port}`, { data, pending });
    expect(b.la.aliasIn(back)).toBe(1);
    const asSent = b.packet(`${proto} 192.0.2.1:7 > 10.0.0.2:${port}`, { data, pending });
    const sumAt = 20 + (proto === 'tcp' ? 16 : 6);
    // Zero has two representations in a sum; both are right.
    const plain = (bytes: Uint8Array): number[] => [...bytes].map((byte, i) => (i === sumAt || i === sumAt + 1 ? 0 : byte));
    expect(plain(back.bytes())).toEqual(plain(asSent.bytes()));
    show(back);
    expect(before.length).toBe(back.len);
    back.free();
    asSent.free();
  }), { numRuns: 200 });
});

it.each([['tcp', 536], ['udp', 100]] as const)('the pieces of a super-segment of %s are right after aliasing the whole', (proto, gso) => {
  const b = new AliasBench();
  b.out(`${proto} 10.0.0.9:1000 > 192.0.2.1:80`);
  const m = b.packet(`${proto} 10.0.0.2:1000 > 192.0.2.1:80`, { data: new Uint8Array(3000).map((_, i) => i), gso });
  expect(b.la.aliasOut(m)).toBe(1);
  const sources = new Set<string>();
  const n = segment(b.pool, m, (piece) => {
    expect(piece.csumFlags & CSUM_L4).toBe(CSUM_L4);
    sources.add(show(piece));
    piece.free();
  }, 0);
  expect(n).toBe(Math.ceil(3000 / gso));
  expect([...sources]).toEqual([expect.stringMatching(new RegExp(`^${proto} 198\\.51\\.100\\.1:\\d+ > 192\\.0\\.2\\.1:80$`))]);
  expect(b.pool.inUse).toBe(0);
});
