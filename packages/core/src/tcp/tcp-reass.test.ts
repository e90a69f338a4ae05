/**
 * tcp-reass.test.ts — whatever pieces come, in whatever order: the queue is sorted and without overlaps, and gives back the bytes that were sent.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SockMem, SockMemTotal } from '../kern/sock-mem.js';
import { PacketPool } from '../mbuf/packet-buffer.js';
import { RecvBuffer } from './recv-buffer.js';
import { TcpReass, checkReass } from './tcp-reass.js';

const START = 0x7fff_fff0;
const byteAt = (i: number): number => (i * 7 + (i >> 4)) & 255;

function queue(): { pool: PacketPool; reass: TcpReass; rcv: RecvBuffer; put: (from: number, to: number) => boolean } {
  const pool = new PacketPool();
  const mem = new SockMem(new SockMemTotal(pool));
  const reass = new TcpReass(mem);
  const put = (from: number, to: number): boolean => reass.insert(pool.from(Uint8Array.from({ length: to - from }, (_, i) => byteAt(from + i)))!, (START + from) | 0);
  return { pool, reass, rcv: new RecvBuffer(65_536, mem), put };
}

describe('the reassembly queue', () => {
  it('does not keep a packet of which nothing is left between its neighbours', () => {
    const { reass, put, pool } = queue();
    put(10, 20);
    put(20, 40);
    expect(put(15, 30)).toBe(false);
    checkReass(reass, START);
    expect([reass.count, reass.bytes, pool.inUse]).toEqual([2, 30, 2]);
  });

  it('gives back what was sent', () => {
    const piece = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 30 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const { reass, rcv, put, pool } = queue();
        let nxt = 0;
        const have = new Set<number>();
        for (const [from, len] of pieces) {
          if (from + len <= nxt) continue;
          put(from, from + len);
          for (let i = Math.max(from, nxt); i < from + len; i++) have.add(i);
          nxt += reass.drain((START + nxt) | 0, rcv);
          checkReass(reass, (START + nxt) | 0);
          for (let i = 0; i < nxt; i++) have.delete(i);
          expect(reass.bytes).toBe(have.size);
          expect(have.has(nxt)).toBe(false);
        }
        const into = new Uint8Array(256);
        expect(rcv.read(into)).toBe(nxt);
        expect([...into.subarray(0, nxt)]).toEqual(Array.from({ length: nxt }, (_, i) => byteAt(i)));
        reass.flush();
        rcv.flush();
        expect(pool.inUse).toBe(0);
      }),
    );
  });
});
