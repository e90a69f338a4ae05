/**
 * sha256.ts — SHA-256, for identifiers that must not be guessed; a few per interface, so plain and small.
 * Read first: FIPS 180-4 §5, §6.2.
 *
 * The constants are worked out from their definition (fractional parts of roots of primes) when the first digest is made.
 */

/** The first `n` primes. */
function primes(n: number): number[] {
  const out: number[] = [];
  for (let p = 2; out.length < n; p++) if (out.every((q) => p % q !== 0)) out.push(p);
  return out;
}

/** The first 32 bits of the fraction of the `n`-th root of `p`, in whole numbers, so that every engine agrees. */
function rootFraction(p: number, n: 2 | 3): number {
  const target = BigInt(p) << BigInt(32 * n);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const mid = (low + high) >> 1n;
    if ((n === 2 ? mid * mid : mid * mid * mid) <= target) low = mid;
    else high = mid;
  }
  return Number(low & 0xffff_ffffn);
}

const rotr = (x: number, n: number): number => (x >>> n) | (x << (32 - n));

/** The message with its padding, a multiple of 64 bytes. */
function padded(message: Uint8Array): DataView {
  const out = new Uint8Array((message.length + 9 + 63) & ~63);
  out.set(message);
  out[message.length] = 0x80;
  const v = new DataView(out.buffer);
  v.setUint32(out.length - 8, Math.floor(message.length / 0x2000_0000));
  v.setUint32(out.length - 4, message.length << 3);
  return v;
}

function schedule(v: DataView, at: number, w: Uint32Array): void {
  for (let i = 0; i < 16; i++) w[i] = v.getUint32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const a = w[i - 15]!;
    const b = w[i - 2]!;
    const s0 = rotr(a, 7) ^ rotr(a, 18) ^ (a >>> 3);
    const s1 = rotr(b, 17) ^ rotr(b, 19) ^ (b >>> 10);
    w[i] = w[i - 16]! + s0 + w[i - 7]! + s1;
  }
}

function compress(state: Uint32Array, k: Uint32Array, w: Uint32Array): void {
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i++) {
    const t1 = (h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + k[i]! + w[i]!) | 0;
    const t2 = ((rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  [a, b, c, d, e, f, g, h].forEach((x, i) => void (state[i] = state[i]! + x));
}

/** The 32 bytes of the digest. */
export function sha256(message: Uint8Array): Uint8Array {
  const list = primes(64);
  const k = Uint32Array.from(list, (p) => rootFraction(p, 3));
  const state = Uint32Array.from(list.slice(0, 8), (p) => rootFraction(p, 2));
  const v = padded(message);
  const w = new Uint32Array(64);
  for (let at = 0; at < v.byteLength; at += 64) {
    schedule(v, at, w);
    compress(state, k, w);
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((x, i) => out.setUint32(4 * i, x));
  return new Uint8Array(out.buffer);
}
