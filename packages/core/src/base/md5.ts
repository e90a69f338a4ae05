/**
 * md5.ts — MD5, for protocols whose bytes are defined with it: signed TCP segments.
 * Read first: RFC 1321 §3; RFC 2385 §2 for what is signed.
 *
 * Theory of operation. An Md5 is a hash under way: `word`, `update` and `updateView` take bytes, `digest` writes the result. Whole blocks
 * of a packet are hashed where they lie. Nothing here allocates but the constructor.
 *
 * Not here: other hashes. Nothing new should be built on this one.
 */

export const MD5_LEN = 16;
export const MD5_BLOCK = 64;
const LENGTH_AT = MD5_BLOCK - 8;
const ROUNDS = 64;

/** The integer part of |sin(t + 1)| · 2^32 (RFC 1321 §3.4), written out, since sines differ between engines. */
const T = Int32Array.of(
  0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
  0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
  0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
  0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
  0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
  0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
  0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
  0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
);
/** Shifts: four for each sixteen steps. */
const SHIFT = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];

export class Md5 {
  private readonly h = new Int32Array(4);
  private readonly block = new Uint8Array(MD5_BLOCK);
  private readonly blockView = new DataView(this.block.buffer);
  private readonly w = new Int32Array(16);
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
    this.length = 0;
    return this;
  }

  byte(b: number): this {
    this.block[this.length % MD5_BLOCK] = b;
    if (++this.length % MD5_BLOCK === 0) this.compress(this.blockView, 0);
    return this;
  }

  /** A 32-bit word in network byte order. */
  word(x: number): this {
    return this.byte((x >>> 24) & 255).byte((x >>> 16) & 255).byte((x >>> 8) & 255).byte(x & 255);
  }

  update(bytes: Uint8Array): this {
    for (let i = 0; i < bytes.length; i++) this.byte(bytes[i]!);
    return this;
  }

  /** The `n` bytes of `view` at `at`. */
  updateView(view: DataView, at: number, n: number): this {
    const end = at + n;
    let p = at;
    while (p < end) {
      if (this.length % MD5_BLOCK === 0 && end - p >= MD5_BLOCK) {
        this.compress(view, p);
        this.length += MD5_BLOCK;
        p += MD5_BLOCK;
      } else {
        this.byte(view.getUint8(p++));
      }
    }
    return this;
  }

  /** Writes the 16 bytes of the result to `out`; the hash has to begin anew afterwards. */
  digest(out: Uint8Array): void {
    const bits = this.length * 8;
    this.byte(0x80);
    while (this.length % MD5_BLOCK !== LENGTH_AT) this.byte(0);
    this.blockView.setUint32(LENGTH_AT, bits, true);
    this.blockView.setUint32(LENGTH_AT + 4, 0);
    this.compress(this.blockView, 0);
    for (let i = 0; i < MD5_LEN; i++) out[i] = this.h[i >>> 2]! >>> (8 * (i & 3));
  }

  private compress(view: DataView, at: number): void {
    const { w, h } = this;
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i, true);
    let a = h[0]!;
    let b = h[1]!;
    let c = h[2]!;
    let d = h[3]!;
    for (let t = 0; t < ROUNDS; t++) {
      let f: number;
      let g: number;
      if (t < 16) {
        f = (b & c) | (~b & d);
        g = t;
      } else if (t < 32) {
        f = (d & b) | (~d & c);
        g = 5 * t + 1;
      } else if (t < 48) {
        f = b ^ c ^ d;
        g = 3 * t + 5;
      } else {
        f = c ^ (b | ~d);
        g = 7 * t;
      }
      const x = (a + f + T[t]! + w[g & 15]!) | 0;
      const s = SHIFT[((t >>> 4) << 2) | (t & 3)]!;
      a = d;
      d = c;
      c = b;
      b = (b + ((x << s) | (x >>> (32 - s)))) | 0;
    }
    h[0] = h[0]! + a;
    h[1] = h[1]! + b;
    h[2] = h[2]! + c;
    h[3] = h[3]! + d;
  }
}
