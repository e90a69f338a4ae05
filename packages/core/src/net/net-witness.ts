/**
 * net-witness.ts — which waits the interface layer and the routing tables promise to make, and under which lock.
 * Read first: kern/witness.ts; freebsd `sys/net/if.c` (ifnet_detach_sxlock).
 *
 * One object for all vnets of a Kernel, as the lock and the grace periods are global there.
 */
import type { Witness } from '../kern/witness.js';
import type { Engine } from '../kern/engine.js';
import { Pserialize } from '../kern/pserialize.js';
import { WitnessDrain, WitnessLock } from '../kern/witness-lock.js';

export class NetWitness {
  /** No two interfaces leave their vnets at a time: held over a destroy, a move, and the whole teardown of a vnet. */
  readonly detach: WitnessLock;
  /** Readers of the list of interfaces: an interface is taken apart after the last one that may have seen it there. */
  ifnets!: Pserialize;
  /** Readers of addresses. */
  ifaddrs!: Pserialize;
  /** Users of a route that is changed or freed. */
  readonly rtentry: WitnessDrain;

  constructor(witness: Witness) {
    this.detach = new WitnessLock(witness, 'ifnet_detach_sx', { recurses: true, noSoftint: true });
    this.rtentry = new WitnessDrain(witness, 'rtentry');
  }

  /** Readers run on the processors of `engine`: said by the first Net of a Kernel. */
  bind(engine: Engine): void {
    this.ifnets ??= new Pserialize(engine, 'ifnet');
    this.ifaddrs ??= new Pserialize(engine, 'ifaddr');
  }
}
