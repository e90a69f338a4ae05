/**
 * ip6-id.ts — the identification of datagrams that are sent in fragments.
 * Read first: RFC 7739 §5.3; FreeBSD's netinet6/ip6_id.c.
 *
 * Theory of operation. A counter goes through a secret permutation of 32 bits (four rounds of a Feistel network): nobody can tell the next value, and
 * none comes back before all have been used.
 *
 * @rfc 7739 5 yes
 */
import type { Prng } from '../base/prng.js';

export class Ip6Id {
  /** Of the rounds. */
  private readonly keys: readonly number[];
  private counter: number;

  constructor(rng: Prng) {
    this.keys = [rng.u32() | 0, rng.u32() | 0, rng.u32() | 0, rng.u32() | 0];
    this.counter = rng.u32() | 0;
  }

  /** The next one, never 0. */
  next(): number {
    let id = 0;
    while (id === 0) {
      this.counter = (this.counter + 1) | 0;
      id = this.permute(this.counter);
    }
    return id;
  }

  private permute(n: number): number {
    let left = n >>> 16;
    let right = n & 0xffff;
    for (const key of this.keys) {
      let f = Math.imul(right ^ key, 0x85ebca6b);
      f = Math.imul(f ^ (f >>> 13), 0xc2b2ae35);
      const next = left ^ ((f >>> 16) & 0xffff);
      left = right;
      right = next;
    }
    return (left << 16) | right;
  }
}
