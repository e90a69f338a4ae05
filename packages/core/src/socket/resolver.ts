/**
 * resolver.ts — class Resolver: what a vnet has for resolving names: whom to ask, and the random numbers that make answers hard to forge.
 * Read first: resolv-conf.ts; stub-resolver.ts, which asks.
 */
import type { Prng } from '../base/prng.js';
import { ResolvConf } from './resolv-conf.js';
import type { SocketLayer } from './socket-layer.js';
import type { ResolverEnv } from './stub-resolver.js';

const ID_RANGE = 0x1_0000;

export class Resolver implements ResolverEnv {
  readonly layer: SocketLayer;
  readonly conf = new ResolvConf();
  readonly ifIndex: (name: string) => number;
  private rng: Prng | null = null;

  constructor(layer: SocketLayer, ifIndex: (name: string) => number) {
    this.layer = layer;
    this.ifIndex = ifIndex;
  }

  /** A number for a query. */
  queryId(): number {
    const { kern } = this.layer;
    this.rng ??= kern.engine.rng.split(`dns/${kern.id}/${kern.name}`);
    return this.rng.below(ID_RANGE);
  }
}
