/**
 * devctl.ts — the event stream: what happened to interfaces, vnets and jails, for whoever wants to react to it.
 * Read first: devctl(4), devd(8); docs/events.md for every event there is.
 *
 * Theory of operation. An event is a plain value (system, subsystem, type, data). A DevctlQueue keeps the newest of them, numbered from 1;
 * readers have a place in it and no queue of their own. Nobody waits for a reader: one that falls behind by more than the queue
 * holds is told how many it has lost, once, and goes on with the oldest that is left.
 * There are two kinds of queue. Each vnet has its own (VnetKern.devctl), with what FreeBSD's devctl tells of that vnet and nothing of any
 * other; it ends with the vnet. The engine has one for all (Engine.devctl), for the host: the same events, and those of the systems
 * VNET, JAIL, MOVE, VM, DATAPATH and PROTECT, which name what only the host may know.
 *
 * Invariants: a queue holds at most `limit` events; an event refers to nothing that dies. Numbers have no gaps.
 * Not here: who makes events (net/if-devctl.ts, vnet/kernel-events.ts), sockets and command lines (node, cli).
 */
import { LazySet } from '../base/lazy-map.js';
import type { Micros } from '../base/time.js';
import type { SysctlGroup } from './sysctl.js';
import { sysctlInt } from './sysctl.js';

/** Events a vnet keeps for its readers, unless `hw.bus.devctl_queue` says otherwise: FreeBSD's number. */
export const DEVCTL_DEFAULT_QUEUE_LEN = 1_000;
/** Events of all vnets that the engine keeps for the host's readers. */
export const DEVCTL_STREAM_MAX = 8_192;
/** Most a vnet may keep: its administrator sets it, and the memory is everybody's. */
const QUEUE_LEN_MAX = 16_384;

/** Systems of our own, which FreeBSD does not have; they are in the host's stream only. */
export type HostSystem = 'VNET' | 'JAIL' | 'MOVE' | 'VM' | 'DATAPATH' | 'PROTECT';

export type DevctlData = Readonly<Record<string, string>>;

const NO_DATA: DevctlData = Object.freeze({});

export interface DevctlEvent {
  readonly at: Micros;
  /** The vnet it happened in: its number, and its name then. */
  readonly vnetId: number;
  readonly vnet: string;
  readonly system: string;
  readonly subsystem: string;
  readonly type: string;
  /** In the order they are printed in. */
  readonly data: DevctlData;
}

/** What a reader is given: an event, or word of events it has lost. `seq` is the event's number; of lost ones, the last one's. */
export type DevctlItem = { readonly seq: number; readonly event: DevctlEvent } | { readonly seq: number; readonly event: null; readonly lost: number };

export class DevctlReader {
  /** Events lost so far. */
  lost = 0;
  /** The vnet is gone: what is left can be read, nothing more comes. */
  ended = false;
  /** Called when there is something to read again, and at the end. May be called on the packet path: note it, read later. */
  onReadable: (() => void) | null = null;
  private readonly queue: DevctlQueue;
  private at: number;

  /** Begins behind event `since`. */
  constructor(queue: DevctlQueue, since: number) {
    this.queue = queue;
    this.at = since + 1;
  }

  /** Number of the event it is given next, if it does not lose it. */
  get next(): number {
    return this.at;
  }

  /** The next event, or null when there is none yet. */
  read(): DevctlItem | null {
    if (this.at > this.queue.last) return null;
    const { first } = this.queue;
    if (this.at < first) {
      const lost = first - this.at;
      this.lost += lost;
      this.at = first;
      return { seq: first - 1, event: null, lost };
    }
    const seq = this.at++;
    const event = this.queue.get(seq);
    return event === null ? null : { seq, event };
  }

  close(): void {
    this.queue.forget(this);
  }
}

export class DevctlQueue {
  /** Events it keeps. May be changed at any time; the next event makes it so. */
  limit: number;
  private slots: (DevctlEvent | null)[] = [];
  /** `limit` as the slots are laid out for: event `seq` is in slot `seq % laidOut`. */
  private laidOut: number;
  private newest = 0;
  private oldest = 1;
  private readonly readers = new LazySet<DevctlReader>();
  private over = false;

  constructor(limit: number) {
    this.limit = limit;
    this.laidOut = limit;
  }

  /** Number of the newest event; 0 before the first. */
  get last(): number {
    return this.newest;
  }

  /** Number of the oldest event that is still here; one more than `last` when there is none. */
  get first(): number {
    return this.oldest;
  }

  /** Events that had to make room for newer ones. */
  get dropped(): number {
    return this.oldest - 1;
  }

  get readerCount(): number {
    return this.readers.size;
  }

  get(seq: number): DevctlEvent | null {
    return seq < this.oldest || seq > this.newest ? null : (this.slots[seq % this.laidOut] ?? null);
  }

  push(event: DevctlEvent): void {
    if (this.limit !== this.laidOut) this.layOut(this.limit);
    const seq = ++this.newest;
    if (this.laidOut > 0) this.slots[seq % this.laidOut] = event;
    if (seq - this.oldest >= this.laidOut) this.oldest = seq - this.laidOut + 1;
    if (this.readers.size === 0) return;
    for (const r of this.readers) if (r.next === seq) r.onReadable?.();
  }

  /** A reader that begins behind event `since`; left out: with what comes from now on. */
  open(since: number = this.newest): DevctlReader {
    const reader = new DevctlReader(this, Math.min(Math.max(since, 0), this.newest));
    reader.ended = this.over;
    if (!this.over) this.readers.add(reader);
    return reader;
  }

  /** The vnet goes: readers are told. */
  end(): void {
    this.over = true;
    const all = [...this.readers];
    this.readers.clear();
    for (const r of all) {
      r.ended = true;
      r.onReadable?.();
    }
  }

  forget(reader: DevctlReader): void {
    this.readers.delete(reader);
  }

  private layOut(limit: number): void {
    const from = Math.max(this.oldest, this.newest - limit + 1);
    const slots = new Array<DevctlEvent | null>(limit).fill(null);
    for (let seq = from; seq <= this.newest; seq++) slots[seq % limit] = this.get(seq);
    this.slots = slots;
    this.oldest = from;
    this.laidOut = limit;
  }
}

export const DEVCTL_SYSCTL: SysctlGroup<DevctlQueue> = {
  prefix: 'hw.bus',
  oids: [sysctlInt('devctl_queue', 'limit', 'events', 0, QUEUE_LEN_MAX, 'devctl queue length')],
};

/** Whose event it is, and when: part of a VnetKern. */
interface Origin {
  readonly id: number;
  readonly name: string;
  readonly devctl: DevctlQueue;
  readonly engine: { readonly now: Micros; readonly devctl: DevctlQueue };
}

/** devctl_notify(9): tells the readers of the vnet, and the host's. */
export function devctlNotify(origin: Origin, system: string, subsystem: string, type: string, data: DevctlData = NO_DATA): void {
  const event: DevctlEvent = { at: origin.engine.now, vnetId: origin.id, vnet: origin.name, system, subsystem, type, data };
  origin.devctl.push(event);
  origin.engine.devctl.push(event);
}

/** Tells the host's readers alone. */
export function devctlAnnounce(origin: Origin, system: HostSystem, subsystem: string, type: string, data: DevctlData = NO_DATA): void {
  origin.engine.devctl.push({ at: origin.engine.now, vnetId: origin.id, vnet: origin.name, system, subsystem, type, data });
}

/** The line that devd gives its clients, without its newline: `!system=IFNET subsystem=epair0a type=ATTACH`. */
export function devctlLine({ system, subsystem, type, data }: DevctlEvent): string {
  return `!system=${quoted(system)} subsystem=${quoted(subsystem)} type=${quoted(type)}${devctlDataText(data)}`;
}

/** ` key=value` for each piece of data. */
export function devctlDataText(data: DevctlData): string {
  let text = '';
  for (const [key, value] of Object.entries(data)) text += ` ${key}=${quoted(value)}`;
  return text;
}

/** A value with spaces or quotes is written as devctl(4) says: in quotes, with a backslash before quotes and backslashes. */
function quoted(value: string): string {
  return /^[^\s"\\]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
