/**
 * sha1.ts — SHA-1, for protocols whose bytes are defined with it: CARP's message authentication.
 * Read first: FIPS 180-4 §5, §6.1; RFC 2104 for what HMAC makes of it.
 *
 * Theory of operation. A Sha1 is a hash under way: `update` takes bytes, `digest` writes the result and leaves it where it was before
 * the padding only in so far as `copyFrom` has kept another. Whoever hashes the same beginning again and again hashes it once, and copies.
 * Nothing here allocates but the constructor.
 *
 * Not here: other hashes. Nothing new should be built on this one.
 */

export const SHA1_LEN = 20;
export const SHA1_BLOCK = 64;
const LENGTH_AT = SHA1_BLOCK - 8;
const ROUNDS = 80;

export class Sha1 {
  private readonly h = new Int32Array(5);
  private readonly w = new Int32Array(ROUNDS);
  private readonly block = new Uint8Array(SHA1_BLOCK);
  /** Bytes so far; messages here are far shorter than 2^29 bytes. */
  private length = 0;

  constructor() {
    this.init();
  }

  /** Begins anew. */
  init(): this {
    const { h } = this;
    h[0] = 0x67452301;
    h[1] = 0xefcdab89;
    h[2] = 0x98badcfe;
    h[3] = 0x10325476;
    h[4] = 0xc3d2e1f0;
    this.length = 0;
    return this;
  }

  /** Goes on where `from` is. */
  copyFrom(from: Sha1): this {
    for (let i = 0; i < 5; i++) this.h[i] = from.h[i]!;
    for (let i = 0; i < SHA1_BLOCK; i++) this.block[i] = from.block[i]!;
    this.length = from.length;
    return this;
  }

  byte(b: number): this {
    this.block[this.length % SHA1_BLOCK] = b;
    if (++this.length % SHA1_BLOCK === 0) this.compress();
    return this;
  }

  /** A 32-bit word, most significant byte first. */
  word(x: number): this {
    return this.byte((x >>> 24) & 255).byte((x >>> 16) & 255).byte((x >>> 8) & 255).byte(x & 255);
  }

  update(bytes: Uint8Array): this {
    for (let i = 0; i < bytes.length; i++) this.byte(bytes[i]!);
    return this;
  }

  /** Writes the 20 bytes of the result to `out`; the hash has to begin anew afterwards. */
  digest(out: Uint8Array): void {
    const bits = this.length * 8;
    this.byte(0x80);
    while (this.length % SHA1_BLOCK !== LENGTH_AT) this.byte(0);
    this.word(0).word(bits);
    for (let i = 0; i < 5; i++) {
      const x = this.h[i]!;
      out[4 * i] = x >>> 24;
      out[4 * i + 1] = x >>> 16;
      out[4 * i + 2] = x >>> 8;
      out[4 * i + 3] = x;
    }
  }

  private compress(): void {
    const { w, block, h } = this;
    for (let t = 0; t < 16; t++) w[t] = (block[4 * t]! << 24) | (block[4 * t + 1]! << 16) | (block[4 * t + 2]! << 8) | block[4 * t + 3]!;
    for (let t = 16; t < ROUNDS; t++) w[t] = rotl(w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!, 1);
    let a = h[0]!;
    let b = h[1]!;
    let c = h[2]!;
    let d = h[3]!;
    let e = h[4]!;
    for (let t = 0; t < ROUNDS; t++) {
      const next = (rotl(a, 5) + round(t, b, c, d) + e + w[t]!) | 0;
      e = d;
      d = c;
      c = rotl(b, 30);
      b = a;
      a = next;
    }
    h[0] = h[0]! + a;
    h[1] = h[1]! + b;
    h[2] = h[2]! + c;
    h[3] = h[3]! + d;
    h[4] = h[4]! + e;
  }
}

function rotl(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}

/** The function and the constant of round `t`. */
function round(t: number, b: number, c: number, d: number): number {
  if (t < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}
