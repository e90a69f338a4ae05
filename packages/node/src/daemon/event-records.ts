/**
 * event-records.ts — events as the daemon's clients get them: one JSON object a line.
 *
 * Read first: packages/core/src/kern/devctl.ts; docs/events.md.
 *
 * The host's reader sees every vnet, and each record names its own: 'host' is what the core calls vnet0, a jail has its name from outside all
 * jails. A reader inside a jail sees the events of its vnet, numbered for it alone, and no names of vnets. The steps of teardowns, dozens
 * for each vnet that ends, are for who asks for them.
 */
import type { DevctlEvent, DevctlItem, DevctlQueue, Kernel, Prison } from '@netloom/core';
import { HOST_VNET } from '../lab/lab-model.js';

/** All there are: FreeBSD's, then our own. */
export const EVENT_SYSTEMS = ['IFNET', 'ETHERNET', 'CARP', 'VNET', 'JAIL', 'MOVE', 'VM', 'DATAPATH', 'PROTECT'] as const;

export interface EventRecord {
  readonly seq: number;
  /** When it happened: RFC 3339, UTC, with microseconds. */
  readonly time: string;
  /** Absent for a reader inside a jail. */
  readonly vnet?: string;
  readonly system: string;
  readonly subsystem: string;
  readonly type: string;
  readonly data: Readonly<Record<string, string>>;
}

/** The reader was too slow: `lost` events, up to number `seq`, were dropped. */
export interface GapRecord {
  readonly seq: number;
  readonly system: 'GAP';
  readonly lost: number;
}

export interface EventFilter {
  readonly vnet?: string;
  readonly system?: string;
  /** Steps of teardowns too; asking for the system VNET asks for them. */
  readonly steps?: boolean;
}

/** Types of the system VNET. */
const STEPS: ReadonlySet<string> = new Set(['STEP_BEGIN', 'STEP_END']);

/** Keys whose values are names of vnets. */
const VNET_KEYS: ReadonlySet<string> = new Set(['from', 'to', 'home']);

/** Makes records of what a reader is given; null for what the filter leaves out. A gap is never left out, a move is of both its vnets. */
export class EventRecords {
  private readonly bootWallUs: number;
  private readonly filter: EventFilter;
  private readonly inside: boolean;
  private readonly coreName: string;

  /** `bootWallUs` is the wall-clock time of stamp 0. */
  constructor(kernel: Kernel, bootWallUs: number, filter: EventFilter, inside: boolean) {
    this.coreName = kernel.vnet0.name;
    this.bootWallUs = bootWallUs;
    this.filter = filter;
    this.inside = inside;
  }

  of(item: DevctlItem): EventRecord | GapRecord | null {
    const { seq, event } = item;
    if (event === null) return { seq, system: 'GAP', lost: item.lost };
    const vnet = event.vnetId === 0 ? HOST_VNET : event.vnet;
    const data = this.data(event);
    const { system, type } = event;
    if (this.filter.vnet !== undefined && this.filter.vnet !== vnet && !(system === 'MOVE' && data.from === this.filter.vnet)) return null;
    if (this.filter.system !== undefined ? this.filter.system !== system : this.filter.steps !== true && system === 'VNET' && STEPS.has(type)) return null;
    return { seq, time: wallTime(this.bootWallUs + event.at), ...(this.inside ? {} : { vnet }), system, subsystem: this.subsystem(event), type, data };
  }

  private subsystem({ system, subsystem, vnetId }: DevctlEvent): string {
    return system === 'VNET' && vnetId === 0 ? HOST_VNET : subsystem;
  }

  private data({ system, data }: DevctlEvent): Readonly<Record<string, string>> {
    if (system !== 'MOVE') return data;
    return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, VNET_KEYS.has(key) && value === this.coreName ? HOST_VNET : value]));
  }
}

/** Is any event that `queue` keeps of the vnet with this name? */
export function hasEventOf(queue: DevctlQueue, name: string): boolean {
  for (let seq = queue.first; seq <= queue.last; seq++) {
    const event = queue.get(seq);
    if (event !== null && event.vnetId !== 0 && (event.vnet === name || (event.system === 'MOVE' && event.data.from === name))) return true;
  }
  return false;
}

/** RFC 3339 with microseconds. */
export function wallTime(us: number): string {
  return new Date(Math.floor(us / 1000)).toISOString().replace('Z', `${String(us % 1000).padStart(3, '0')}Z`);
}

/** The jail of that name, from outside all of them; '' and 'host' are the outside. */
export function prisonCalled(kernel: Kernel, name: string): Prison | null {
  const root = kernel.prisons.prison0;
  return name === '' || name === '0' || name === HOST_VNET ? root : kernel.prisons.find(root, name);
}
