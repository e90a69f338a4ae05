/**
 * mbuf.test.ts — packets, their pool and their queues: room, ownership, accounting, bounds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../base/assert.js';
import { CSUM_L4, GSO_UDP_L4, HEADROOM, LARGE_SLOT, M_VLANTAG, PacketPool, SMALL_SLOT, copyBytes } from './packet-buffer.js';
import type { PacketBuffer } from './packet-buffer.js';
import { PacketQueue } from './packet-queue.js';

const SEED = 20260103;
const must = (m: PacketBuffer | null): PacketBuffer => {
  if (m === null) throw new Error('pool is empty');
  return m;
};

/** Everything but the bytes and the pool's own fields. */
function meta(m: PacketBuffer): Record<string, unknown> {
  const { pool: _p, buf: _b, view: _v, next: _n, inPool: _i, ...rest } = m;
  return rest;
}

describe('PacketBuffer', () => {
  it('moves its start and end, and says when there is no room', () => {
    const m = must(new PacketPool().alloc(100));
    expect([m.off, m.len, m.tailroom]).toEqual([HEADROOM, 100, SMALL_SLOT - HEADROOM - 100]);
    expect(m.prepend(14)).toBe(true);
    expect([m.off, m.len]).toEqual([HEADROOM - 14, 114]);
    m.adj(34);
    expect([m.off, m.len]).toEqual([HEADROOM + 20, 80]);
    m.trim(90);
    expect(m.len).toBe(80);
    m.trim(60);
    expect(m.len).toBe(60);
    expect(m.prepend(HEADROOM + 21)).toBe(false);
    expect([m.off, m.len]).toEqual([HEADROOM + 20, 60]);
    expect(m.prepend(HEADROOM + 20)).toBe(true);
    expect(m.off).toBe(0);
    expect(m.bytes().length).toBe(m.len);
  });

  it('comes out of the pool without anything of its former life', () => {
    const pool = new PacketPool();
    const fresh = meta(must(pool.alloc(10)));
    const m = must(pool.alloc(10));
    Object.assign(m, { rcvif: 3, flags: M_VLANTAG, vtag: 5, vproto: 0x8100, csumFlags: CSUM_L4, csumStart: 40, csumOffset: 6, gsoType: GSO_UDP_L4, gsoSize: 9, fib: 2, flowid: 7, hops: 8, nhoff: 9, pcp: 3, next: m });
    m.free();
    expect(meta(must(pool.alloc(10)))).toEqual(fresh);
  });

  it('keeps offsets in a copy pointing at the same bytes, and unknown ones unknown', () => {
    const pool = new PacketPool();
    const m = must(pool.alloc(64, 200));
    Object.assign(m, { csumStart: 220, nhoff: 206, csumFlags: CSUM_L4 });
    const plain = must(pool.alloc(64, 200));
    const into = must(pool.alloc(64, 50));
    into.copyMeta(m);
    expect([into.csumStart, into.nhoff]).toEqual([70, 56]);
    into.copyMeta(plain);
    expect([into.csumStart, into.nhoff]).toEqual([0, 0]);
  });
});

describe('PacketPool', () => {
  it('picks the slot by headroom and length', () => {
    const pool = new PacketPool();
    expect(must(pool.alloc(SMALL_SLOT - HEADROOM)).buf.length).toBe(SMALL_SLOT);
    expect(must(pool.alloc(SMALL_SLOT - HEADROOM + 1)).buf.length).toBe(LARGE_SLOT);
    expect(must(pool.alloc(65_535)).buf.length).toBe(LARGE_SLOT);
    expect([pool.smallInUse, pool.largeInUse, pool.inUse]).toEqual([1, 2, 3]);
    expect(pool.alloc(LARGE_SLOT)).toBeNull();
    expect(pool.denied).toBe(1);
  });

  it('hands out no more than its limits, counts refusals, and goes on when something comes back', () => {
    const pool = new PacketPool(40, 2);
    const small = Array.from({ length: 40 }, () => must(pool.alloc(1)));
    expect(new Set(small.map((m) => m.buf.buffer)).size).toBe(2);
    for (const buffer of new Set(small.map((m) => m.buf.buffer))) {
      const offsets = small.filter((m) => m.buf.buffer === buffer).map((m) => m.buf.byteOffset / SMALL_SLOT);
      expect(new Set(offsets).size).toBe(offsets.length);
      expect(offsets.every((o) => Number.isInteger(o))).toBe(true);
    }
    expect(pool.alloc(1)).toBeNull();
    const large = [must(pool.alloc(9_000)), must(pool.alloc(9_000))];
    expect(pool.alloc(9_000)).toBeNull();
    expect(pool.denied).toBe(2);
    must(small[0] ?? null).free();
    must(large[0] ?? null).free();
    expect(pool.alloc(1)).not.toBeNull();
    expect(pool.alloc(9_000)).not.toBeNull();
    pool.smallMax = 10;
    must(small[1] ?? null).free();
    expect(pool.alloc(1)).toBeNull();
  });

  it('notices a packet that is freed twice', () => {
    const m = must(new PacketPool().alloc(1));
    m.free();
    expect(() => m.free()).toThrow(InvariantError);
  });

  it('copies bytes and metadata, in a slot that fits', () => {
    const pool = new PacketPool();
    const m = must(pool.from(Uint8Array.from({ length: 5_000 }, (_, i) => i)));
    m.rcvif = 4;
    const whole = must(pool.copy(m));
    expect(whole.bytes()).toEqual(m.bytes());
    expect(meta(whole)).toEqual(meta(m));
    m.adj(4_900);
    const rest = must(pool.copy(m));
    expect(rest.buf.length).toBe(SMALL_SLOT);
    expect(rest.bytes()).toEqual(m.bytes());
    expect(pool.inUse).toBe(3);
  });

  it('takes a part of an array', () => {
    const pool = new PacketPool();
    expect([...must(pool.from(Uint8Array.of(1, 2, 3, 4), 1, 2)).bytes()]).toEqual([2, 3]);
    expect([...must(pool.from(Uint8Array.of(1, 2, 3, 4), 2)).bytes()]).toEqual([3, 4]);
    expect(must(pool.from(new Uint8Array(0))).len).toBe(0);
    expect(pool.from(new Uint8Array(LARGE_SLOT))).toBeNull();
  });

  it('copies ranges of any length and alignment, and nothing beside them', () => {
    const pool = new PacketPool();
    const src = must(pool.alloc(1_500));
    const dst = must(pool.alloc(1_500));
    for (let i = 0; i < SMALL_SLOT; i++) src.buf[i] = (i * 7 + 1) & 255;
    fc.assert(fc.property(fc.nat(700), fc.nat(700), fc.nat(700), (to, from, len) => {
      dst.buf.fill(0xee);
      copyBytes(dst, to, src, from, len);
      expect(dst.buf.subarray(to, to + len)).toEqual(src.buf.subarray(from, from + len));
      expect(dst.buf[to + len]).toBe(0xee);
      if (to > 0) expect(dst.buf[to - 1]).toBe(0xee);
    }), { seed: SEED, numRuns: 300 });
  });

  it('counts what is out, whatever is taken and given back in which order', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.record({ alloc: fc.nat(70_000) }), fc.record({ free: fc.nat() }), fc.record({ copy: fc.nat() })), { maxLength: 200 }), (ops) => {
      const pool = new PacketPool(20, 4);
      const out: PacketBuffer[] = [];
      let denied = 0;
      const add = (m: PacketBuffer | null): void => {
        if (m === null) denied++;
        else out.push(m);
      };
      for (const op of ops) {
        if ('alloc' in op) add(pool.alloc(op.alloc));
        else if (out.length === 0) continue;
        else if ('free' in op) out.splice(op.free % out.length, 1)[0]?.free();
        else add(pool.copy(must(out[op.copy % out.length] ?? null)));
        expect([pool.inUse, pool.denied]).toEqual([out.length, denied]);
        expect(pool.smallInUse).toBe(out.filter((m) => m.buf.length === SMALL_SLOT).length);
        expect(new Set(out.map((m) => m.buf)).size).toBe(out.length);
      }
      for (const m of out) m.free();
      expect(pool.inUse).toBe(0);
    }), { seed: SEED, numRuns: 100 });
  });
});

describe('PacketQueue', () => {
  it('is first in, first out, bounded, and owns what is in it', () => {
    fc.assert(fc.property(fc.nat(5), fc.array(fc.boolean(), { maxLength: 60 }), (limit, ops) => {
      const pool = new PacketPool();
      const q = new PacketQueue(limit);
      const model: PacketBuffer[] = [];
      let drops = 0;
      for (const put of ops) {
        if (put) {
          const m = must(pool.alloc(1));
          const fits = model.length < limit;
          expect(q.enqueue(m)).toBe(fits);
          if (fits) model.push(m);
          else drops++;
        } else {
          const m = q.dequeue();
          expect(m).toBe(model.shift() ?? null);
          expect(m?.next ?? null).toBeNull();
          m?.free();
        }
        expect([q.length, q.drops, pool.inUse]).toEqual([model.length, drops, model.length]);
      }
      q.purge();
      expect([q.length, q.drops, pool.inUse]).toEqual([0, drops, 0]);
    }), { seed: SEED, numRuns: 100 });
  });
});
