/**
 * vnet-sysinit.ts — which parts of a vnet are built in which order, and taken down in the reverse.
 * Read first: vnet(9); sys/kernel.h for the numbers (they are FreeBSD's).
 *
 * Theory of operation. Parts register a constructor and a destructor, each at a (subsystem, order). A vnet runs the
 * constructors ascending by (subsystem, order, registration) and the destructors in exactly the reverse of the same key.
 * Constructor and destructor of one part may sit at different places: a bridge is built after the protocols but dies
 * after them. `vnet.state` is the subsystem being run, so that code called from a constructor or destructor can see how
 * much of the stack stands.
 *
 * Invariant: only subsystems in (SI_SUB_VNET, SI_SUB_VNET_DONE] may register.
 */
import { assert } from '../base/assert.js';
import type { DevctlData } from './devctl.js';
import type { VnetKern } from './vnet-kern.js';

export const SI_SUB_VNET = 0x21e0000;
export const SI_SUB_INIT_IF = 0x3000000;
export const SI_SUB_NETGRAPH = 0x3010000;
export const SI_SUB_DRIVERS = 0x3100000;
export const SI_SUB_PSEUDO = 0x7000000;
export const SI_SUB_PROTO_BEGIN = 0x8000000;
export const SI_SUB_PROTO_PFIL = 0x8100000;
export const SI_SUB_PROTO_IF = 0x8400000;
export const SI_SUB_PROTO_DOMAININIT = 0x8600000;
export const SI_SUB_PROTO_MC = 0x8700000;
export const SI_SUB_PROTO_DOMAIN = 0x8800000;
export const SI_SUB_PROTO_FIREWALL = 0x8806000;
export const SI_SUB_PROTO_IFATTACHDOMAIN = 0x8808000;
export const SI_SUB_PROTO_END = 0x8ffffff;
export const SI_SUB_VNET_DONE = 0xdc00000;

export const SI_ORDER_FIRST = 0x0000000;
export const SI_ORDER_SECOND = 0x0000001;
export const SI_ORDER_THIRD = 0x0000002;
export const SI_ORDER_FOURTH = 0x0000003;
export const SI_ORDER_MIDDLE = 0x1000000;
export const SI_ORDER_ANY = 0xfffffff;

/** A constructor or a destructor of one part of a vnet. `V` is the composition root's Vnet. */
export interface VnetSysinit<V> {
  readonly name: string;
  readonly subsystem: number;
  readonly order: number;
  run(vnet: V): void;
}

/** Who is told of the steps. It must not throw. */
export type VnetSysinitObserver<V> = (vnet: V, step: VnetSysinit<V>, when: 'before' | 'after') => void;

/** The name of a subsystem number, for listings. */
export function subsystemName(subsystem: number): string {
  for (const [name, value] of SUBSYSTEM_NAMES) if (value === subsystem) return name;
  return `0x${subsystem.toString(16)}`;
}

/** The name of an order, for listings: `SI_ORDER_ANY`, `SI_ORDER_ANY-126`. */
export function orderName(order: number): string {
  for (const [name, value] of ORDER_NAMES) if (value === order) return name;
  return order > SI_ORDER_MIDDLE && order < SI_ORDER_ANY ? `SI_ORDER_ANY-${SI_ORDER_ANY - order}` : `0x${order.toString(16)}`;
}

const ORDER_NAMES: readonly (readonly [string, number])[] = [
  ['SI_ORDER_FIRST', SI_ORDER_FIRST],
  ['SI_ORDER_SECOND', SI_ORDER_SECOND],
  ['SI_ORDER_THIRD', SI_ORDER_THIRD],
  ['SI_ORDER_FOURTH', SI_ORDER_FOURTH],
  ['SI_ORDER_MIDDLE', SI_ORDER_MIDDLE],
  ['SI_ORDER_ANY', SI_ORDER_ANY],
];

const SUBSYSTEM_NAMES: readonly (readonly [string, number])[] = [
  ['SI_SUB_INIT_IF', SI_SUB_INIT_IF],
  ['SI_SUB_NETGRAPH', SI_SUB_NETGRAPH],
  ['SI_SUB_DRIVERS', SI_SUB_DRIVERS],
  ['SI_SUB_PSEUDO', SI_SUB_PSEUDO],
  ['SI_SUB_PROTO_BEGIN', SI_SUB_PROTO_BEGIN],
  ['SI_SUB_PROTO_PFIL', SI_SUB_PROTO_PFIL],
  ['SI_SUB_PROTO_IF', SI_SUB_PROTO_IF],
  ['SI_SUB_PROTO_DOMAININIT', SI_SUB_PROTO_DOMAININIT],
  ['SI_SUB_PROTO_MC', SI_SUB_PROTO_MC],
  ['SI_SUB_PROTO_DOMAIN', SI_SUB_PROTO_DOMAIN],
  ['SI_SUB_PROTO_FIREWALL', SI_SUB_PROTO_FIREWALL],
  ['SI_SUB_PROTO_IFATTACHDOMAIN', SI_SUB_PROTO_IFATTACHDOMAIN],
  ['SI_SUB_VNET_DONE', SI_SUB_VNET_DONE],
];

/** The data of the events that a step begins and ends. */
interface StepTold {
  readonly begin: DevctlData;
  readonly end: DevctlData;
}

/** The table of constructors and destructors of a Kernel's vnets. */
export class VnetSysinitTable<V extends { readonly kern: VnetKern }> {
  readonly constructors: readonly VnetSysinit<V>[];
  /** In the order they run. */
  readonly destructors: readonly VnetSysinit<V>[];
  private readonly stops: readonly VnetSysinit<V>[];
  private readonly ends: readonly VnetSysinit<V>[];
  private readonly told = new Map<VnetSysinit<V>, StepTold>();

  constructor(inits: readonly VnetSysinit<V>[], uninits: readonly VnetSysinit<V>[]) {
    for (const s of [...inits, ...uninits]) {
      assert(s.subsystem > SI_SUB_VNET && s.subsystem <= SI_SUB_VNET_DONE, 'vnet sysinit outside (SI_SUB_VNET, SI_SUB_VNET_DONE]');
    }
    this.constructors = sorted(inits);
    this.destructors = sorted(uninits).reverse();
    this.stops = this.destructors.filter((s) => s.subsystem === SI_SUB_VNET_DONE);
    this.ends = this.destructors.filter((s) => s.subsystem !== SI_SUB_VNET_DONE);
    for (const s of this.destructors) this.told.set(s, told(s));
  }

  /** What events tell of a destructor, the same for every vnet. */
  toldOf(step: VnetSysinit<V>): StepTold {
    return this.told.get(step) ?? told(step);
  }

  /** Runs every constructor on `vnet`; `seen` is told before and after each. */
  runConstructors(vnet: V, seen?: VnetSysinitObserver<V>): void {
    for (const s of this.constructors) {
      vnet.kern.state = s.subsystem;
      seen?.(vnet, s, 'before');
      s.run(vnet);
      seen?.(vnet, s, 'after');
    }
    vnet.kern.state = SI_SUB_VNET_DONE;
  }

  /** The destructors that stop a vnet that still stands whole: those at SI_SUB_VNET_DONE. It has been marked as shutting down. */
  runStop(vnet: V, seen?: VnetSysinitObserver<V>): void {
    this.run(vnet, this.stops, seen);
  }

  /** The other destructors, on a vnet that was stopped. */
  runDestructors(vnet: V, seen?: VnetSysinitObserver<V>): void {
    this.run(vnet, this.ends, seen);
  }

  /**
   * `seen` is told before and after each step. A step that throws does not keep the later ones from giving back what is theirs; the
   * first exception is thrown again at the end.
   */
  private run(vnet: V, steps: readonly VnetSysinit<V>[], seen?: VnetSysinitObserver<V>): void {
    const errors: unknown[] = [];
    for (const s of steps) {
      vnet.kern.state = s.subsystem;
      try {
        seen?.(vnet, s, 'before');
        s.run(vnet);
      } catch (error) {
        errors.push(error);
      } finally {
        seen?.(vnet, s, 'after');
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

function told<V>({ name, subsystem, order }: VnetSysinit<V>): StepTold {
  return { begin: { step: name, subsystem: subsystemName(subsystem), order: `0x${order.toString(16)}` }, end: { step: name } };
}

/** Array.prototype.sort is stable: ties stay in order of registration. */
function sorted<V>(list: readonly VnetSysinit<V>[]): VnetSysinit<V>[] {
  return [...list].sort((a, b) => a.subsystem - b.subsystem || a.order - b.order);
}
