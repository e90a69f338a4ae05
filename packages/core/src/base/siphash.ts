/**
 * siphash.ts — SipHash-2-4: a short message under a key, as 64 bits that whoever does not know the key cannot foretell.
 * Read first: Aumasson & Bernstein, "SipHash: a fast short-input PRF".
 *
 * Theory of operation. What is hashed here are addresses, ports and sequence numbers, so a message is whole 32-bit words: they are put
 * into `msg`, `run(n)` hashes the first n, and the result is in `lo` and `hi`. Arithmetic of 64 bits is done in halves. A SipHash is
 * its key: one object for each secret, and nothing is allocated but by the constructor.
 *
 * Words are taken as little-endian, as the reference takes bytes. Not here: messages that are not whole words.
 */
import type { Prng } from './prng.js';

/** Words a message may have. */
export const SIPHASH_MSG_MAX = 16;
const MID_ROUNDS = 2;
const END_ROUNDS = 4;

export class SipHash {
  readonly msg = new Int32Array(SIPHASH_MSG_MAX);
  /** The result: its low and high halves, as int32. */
  lo = 0;
  hi = 0;
  private readonly key = new Int32Array(4);

  /** The key as two 64-bit numbers, low half first. */
  setKey(k0lo: number, k0hi: number, k1lo: number, k1hi: number): this {
    this.key[0] = k0lo;
    this.key[1] = k0hi;
    this.key[2] = k1lo;
    this.key[3] = k1hi;
    return this;
  }

  /** A key from `rng`. */
  setRandomKey(rng: Prng): this {
    return this.setKey(rng.u32(), rng.u32(), rng.u32(), rng.u32());
  }

  /** Hashes the first `n` words of `msg`; returns the low half. */
  run(n: number): number {
    const { key, msg } = this;
    let v0l = key[0]! ^ 0x70736575, v0h = key[1]! ^ 0x736f6d65;
    let v1l = key[2]! ^ 0x6e646f6d, v1h = key[3]! ^ 0x646f7261;
    let v2l = key[0]! ^ 0x6e657261, v2h = key[1]! ^ 0x6c796765;
    let v3l = key[2]! ^ 0x79746573, v3h = key[3]! ^ 0x74656462;
    // The last block has the length in bytes as its top byte, and a word that is left over below.
    const last = n >>> 1;
    const middle = MID_ROUNDS * (last + 1);
    let ml = 0, mh = 0;
    for (let r = 0; r < middle + END_ROUNDS; r++) {
      if (r < middle && r % MID_ROUNDS === 0) {
        const i = r / MID_ROUNDS;
        ml = 2 * i < n ? msg[2 * i]! : 0;
        mh = i === last ? n << 26 : msg[2 * i + 1]!;
        v3l ^= ml;
        v3h ^= mh;
      } else if (r === middle) {
        v2l ^= 0xff;
      }
      // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
      let lo = (v0l + v1l) | 0;
      let hi = (v0h + v1h + carry(lo, v0l)) | 0;
      let t = ((v1l << 13) | (v1h >>> 19)) ^ lo;
      v1h = ((v1h << 13) | (v1l >>> 19)) ^ hi;
      v1l = t;
      v0l = hi;
      v0h = lo;
      // v2 += v3; v3 = rotl(v3, 16) ^ v2
      lo = (v2l + v3l) | 0;
      hi = (v2h + v3h + carry(lo, v2l)) | 0;
      t = ((v3l << 16) | (v3h >>> 16)) ^ lo;
      v3h = ((v3h << 16) | (v3l >>> 16)) ^ hi;
      v3l = t;
      v2l = lo;
      v2h = hi;
      // v0 += v3; v3 = rotl(v3, 21) ^ v0
      lo = (v0l + v3l) | 0;
      hi = (v0h + v3h + carry(lo, v0l)) | 0;
      t = ((v3l << 21) | (v3h >>> 11)) ^ lo;
      v3h = ((v3h << 21) | (v3l >>> 11)) ^ hi;
      v3l = t;
      v0l = lo;
      v0h = hi;
      // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
      lo = (v2l + v1l) | 0;
      hi = (v2h + v1h + carry(lo, v2l)) | 0;
      t = ((v1l << 17) | (v1h >>> 15)) ^ lo;
      v1h = ((v1h << 17) | (v1l >>> 15)) ^ hi;
      v1l = t;
      v2l = hi;
      v2h = lo;
      if (r < middle && r % MID_ROUNDS === MID_ROUNDS - 1) {
        v0l ^= ml;
        v0h ^= mh;
      }
    }
    this.lo = v0l ^ v1l ^ v2l ^ v3l;
    this.hi = v0h ^ v1h ^ v2h ^ v3h;
    return this.lo;
  }
}

/** 1 when `sum`, the low half of an addition, wrapped past the summand `a`. */
const carry = (sum: number, a: number): number => (sum >>> 0 < a >>> 0 ? 1 : 0);
