/**
 * prng.ts — the seeded generator every random choice of the stack comes from.
 * Read first: Blackman & Vigna, "Scrambled linear pseudorandom number generators" (xoshiro128**).
 *
 * The seed is an input like a packet is: the host draws it from its CSPRNG, a simulation prints it. `split(name)` gives
 * a child stream that depends on the seed and the name only, so that one part drawing more numbers never changes what
 * another part sees. It is not a cryptographic generator: what must be unpredictable to a peer (initial sequence numbers,
 * ports) is keyed with a hash over this stream's output where it is used.
 */

/** FNV-1a, 32 bits, over UTF-16 code units. Used to derive seeds and stable identifiers from names. */
export function fnv1a(text: string, seed = 0x811c9dc5): number {
  let h = seed >>> 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return h;
}

/** One step of splitmix32: spreads a 32-bit seed. */
function splitmix32(x: number): number {
  let z = (x + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

export class Prng {
  readonly seed: number;
  private s0: number;
  private s1: number;
  private s2: number;
  private s3: number;

  /** @param seed any 32-bit number; equal seeds give equal streams. */
  constructor(seed: number) {
    this.seed = seed >>> 0;
    // Signed, as `u32` leaves them: V8 keeps such numbers without a box.
    this.s0 = splitmix32(this.seed) | 0;
    this.s1 = splitmix32(this.s0) | 0;
    this.s2 = splitmix32(this.s1) | 0;
    this.s3 = splitmix32(this.s2) | 1;
  }

  /** Uniform unsigned 32-bit number. */
  u32(): number {
    const x = Math.imul(this.s1, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = this.s1 << 9;
    this.s2 ^= this.s0;
    this.s3 ^= this.s1;
    this.s1 ^= this.s2;
    this.s0 ^= this.s3;
    this.s2 ^= t;
    this.s3 = (this.s3 << 11) | (this.s3 >>> 21);
    return result;
  }

  /** Uniform integer in [0, n); n is 1..2^32. */
  below(n: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * n);
  }

  /** True with probability p (0..1). */
  chance(p: number): boolean {
    return p > 0 && this.u32() / 0x1_0000_0000 < p;
  }

  /** A child stream that depends on this stream's seed and `name` only. */
  split(name: string): Prng {
    return new Prng(fnv1a(name, splitmix32(this.seed)));
  }
}
