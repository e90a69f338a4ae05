/**
 * gre.test.ts — the GRE header against bytes written by hand from the RFCs, and against itself.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ETHERTYPE_IP, ETHERTYPE_IPV6 } from './ether.js';
import {
  GRE_BAD_FLAGS, GRE_BAD_RESERVED, GRE_BAD_SHORT, GRE_BAD_SUM, GRE_FLAGS_CP, GRE_FLAGS_KP, GRE_FLAGS_SP, GRE_HDR_LEN_MAX, greCheck, greEmit, greFlags, greHdrLen,
  greIpVersion, grePayload, greProto,
} from './gre.js';

const view = (...bytes: number[]): DataView => new DataView(Uint8Array.from(bytes).buffer);
const check = (...bytes: number[]): number => greCheck(view(...bytes), 0, bytes.length);

describe('gre', () => {
  it('writes the headers of RFC 2784 and RFC 2890', () => {
    const bytes = new Uint8Array(20);
    bytes.set([0x45, 0, 0, 1], 16);
    greEmit(new DataView(bytes.buffer), 0, 20, GRE_FLAGS_CP | GRE_FLAGS_KP | GRE_FLAGS_SP, ETHERTYPE_IP, 10, 7);
    // b000 + 0800 + 000a + 0007 + 4500 + 0001 = fd12, and its complement.
    expect([...bytes]).toEqual([0xb0, 0, 0x08, 0, 0x02, 0xed, 0, 0, 0, 0, 0, 10, 0, 0, 0, 7, 0x45, 0, 0, 1]);
    greEmit(new DataView(bytes.buffer), 12, 8, 0, ETHERTYPE_IPV6, 1, 2);
    expect([...bytes.subarray(12)]).toEqual([0, 0, 0x86, 0xdd, 0x45, 0, 0, 1]);
  });

  it('refuses what is not valid, with the reason', () => {
    expect([
      check(0, 0, 8), check(0x20, 0, 8, 0, 0, 0, 0), check(0, 1, 8, 0), check(0x40, 0, 8, 0), check(0, 0x80, 8, 0), check(0x80, 0, 8, 0, 0x77, 0xff, 0, 1),
      check(0x80, 0, 8, 0, 0x77, 0xfe, 0, 0), check(0x80, 0, 8, 0, 0x77, 0xff, 0, 0), check(0, 0, 8, 0),
    ]).toEqual([GRE_BAD_SHORT, GRE_BAD_SHORT, GRE_BAD_FLAGS, GRE_BAD_FLAGS, GRE_BAD_FLAGS, GRE_BAD_RESERVED, GRE_BAD_SUM, 0, 0]);
  });

  it('finds the payload, behind the redirect header of WCCP 2 too', () => {
    const at = (...bytes: number[]): number => grePayload(view(...bytes), 0, bytes.length);
    expect([at(0, 0, 8, 0, 0), at(0, 0, 0x88, 0x3e, 0x45), at(0, 0, 0x88, 0x3e, 0, 1, 2, 3, 0x45), at(0x30, 0, 0x88, 0x3e, 0, 0, 0, 0, 0, 0, 0, 0, 0)]).toEqual([4, 4, 8, 12]);
    expect([0x0800, 0x883e, 0x86dd, 0x6558].map((proto) => greIpVersion(view(0, 0, proto >> 8, proto & 255), 0))).toEqual([4, 4, 6, 0]);
  });

  it('takes what it writes, and nothing with a bit changed under the checksum', () => {
    fc.assert(fc.property(fc.nat(7), fc.nat(0xffff), fc.nat(), fc.nat(), fc.uint8Array({ maxLength: 64 }), fc.nat(), (bits, proto, key, seq, payload, flip) => {
      const flags = ((bits & 1) !== 0 ? GRE_FLAGS_CP : 0) | ((bits & 2) !== 0 ? GRE_FLAGS_KP : 0) | ((bits & 4) !== 0 ? GRE_FLAGS_SP : 0);
      const n = greHdrLen(flags) + payload.length;
      const bytes = new Uint8Array(n);
      bytes.set(payload, n - payload.length);
      const v = new DataView(bytes.buffer);
      greEmit(v, 0, n, flags, proto, key, seq);
      expect([greCheck(v, 0, n), greFlags(v, 0), greProto(v, 0)]).toEqual([0, flags, proto]);
      expect(greHdrLen(flags)).toBeLessThanOrEqual(GRE_HDR_LEN_MAX);
      if ((flags & GRE_FLAGS_CP) === 0) return;
      const at = flip % (n * 8);
      bytes[at >> 3]! ^= 1 << (at & 7);
      if ((greFlags(v, 0) & GRE_FLAGS_CP) !== 0) expect(greCheck(v, 0, n)).not.toBe(0);
    }));
  });
});
