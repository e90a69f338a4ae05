/**
 * wqinput.ts — class WqInput: packets whose handler may have to wait, from softint to thread context.
 * Read first: docs/contexts.md; NetBSD's `sys/netinet/wqinput.c`.
 *
 * Theory of operation. What changes addresses or routes waits for their readers, which softint never may. A protocol whose packets can
 * do that (ICMP's redirects, ICMPv6's advertisements, CARP's elections) takes them in softint with `input`, which puts them on a list; a
 * work empties it in thread context, at the end of the turn, and calls the handler with each in the order of arrival. There is a list for each processor
 * and no order between them; this Kernel has one. A full list drops the newest packet. The work is queued once however many packets wait, and it says so
 * before it begins to empty the list, so that a packet which arrives meanwhile is not left behind.
 *
 * A packet whose interface has left the vnet by the time it is looked at is freed and counted: nobody may act on where it came from.
 * The handler is called with no lock held. NetBSD holds softnet_lock around it, and then waits for readers who may want it
 * (PR kern/56844); here who needs `softnet` takes it, and not while it waits.
 *
 * What a protocol says of its queue (its name, its handler) is said once, for all vnets; the list and the work queue are made with the first
 * packet, because most vnets never have one.
 *
 * Invariants: `len` <= `maxlen`; a list owns the packets in it.
 */
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup, SysctlOid } from '../kern/sysctl.js';
import type { AuditRow } from '../kern/audit.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { Work, Workqueue } from '../kern/workqueue.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';

/** IFQ_MAXLEN */
export const WQINPUT_MAXLEN = 256;
const WQINPUT_MAXLEN_MAX = 65_536;

/** Takes `m`, which arrived on `ifp`, in thread context, for the protocol `owner`. Owns `m`; `off` and `proto` are what `input` was given. */
export type WqInputHandler<T> = (owner: T, ifp: Ifnet, m: PacketBuffer, off: number, proto: number) => void;

/** What the queues of one protocol in all vnets have in common. */
export interface WqInputSpec<T> {
  readonly name: string;
  handler(owner: T, ifp: Ifnet, m: PacketBuffer, off: number, proto: number): void;
  readonly sysctls: SysctlGroup<WqInput<unknown>>;
}

/** @param name of the protocol, as it is in the names of the sysctls. */
export function wqInputSpec<T>(name: string, handler: WqInputHandler<T>): WqInputSpec<T> {
  return { name, handler, sysctls: { prefix: `net.wqinput.${name}.inputq`, oids: WQINPUT_OIDS } };
}

/** The packets of one processor, oldest first, linked through `m.next`, with what their handler must be told; and who empties the list. */
class WqList {
  readonly wq: Workqueue;
  readonly work: Work;
  private readonly ifps: (Ifnet | null)[] = [];
  private readonly words: number[] = [];
  private head: PacketBuffer | null = null;
  private tail: PacketBuffer | null = null;
  private first = 0;
  length = 0;

  constructor(kern: VnetKern, name: string, drain: () => void) {
    this.wq = new Workqueue(kern, name);
    this.work = new Work(drain);
  }

  push(ifp: Ifnet, m: PacketBuffer, word: number): void {
    m.next = null;
    if (this.tail === null) this.head = m;
    else this.tail.next = m;
    this.tail = m;
    const at = this.first + this.length++;
    this.ifps[at] = ifp;
    this.words[at] = word;
  }

  /** The oldest packet; `ifp` and `word` are what came with it. */
  ifp: Ifnet | null = null;
  word = 0;
  shift(): PacketBuffer | null {
    const m = this.head;
    if (m === null) return null;
    this.head = m.next;
    m.next = null;
    const at = this.first++;
    this.ifp = this.ifps[at] ?? null;
    this.word = this.words[at] ?? 0;
    this.ifps[at] = null;
    if (--this.length === 0) {
      this.tail = null;
      this.first = 0;
    }
    return m;
  }
}

export class WqInput<T> {
  /** Packets a processor may have waiting. */
  maxlen = WQINPUT_MAXLEN;
  /** Packets refused because the list was full, or the work could not be queued. */
  drops = 0;
  /** Packets whose interface was gone when their turn came. */
  gone = 0;
  /** Packets handed to the handler. */
  processed = 0;
  private readonly kern: VnetKern;
  private readonly spec: WqInputSpec<T>;
  private readonly owner: T;
  private list: WqList | null = null;
  private active = false;

  constructor(kern: VnetKern, spec: WqInputSpec<T>, owner: T) {
    this.kern = kern;
    this.spec = spec;
    this.owner = owner;
    kern.audit.attach(WQINPUT_AUDIT, this);
    kern.sysctl.attach(spec.sysctls, this);
  }

  /** Packets that wait, on all processors. */
  get len(): number {
    return this.list?.length ?? 0;
  }

  /** A packet arrived. Softint; never waits. Owns `m`; `off` < 65536 and `proto` < 256 are for the handler. */
  input(ifp: Ifnet, m: PacketBuffer, off: number, proto: number): void {
    const list = (this.list ??= new WqList(this.kern, this.spec.name, () => this.drain()));
    if (list.length >= this.maxlen || (!this.active && !this.activate(list))) {
      this.drops++;
      m.free();
      return;
    }
    list.push(ifp, m, (off << 8) | proto);
  }

  /** Frees what waits and undoes the constructor. */
  destroy(): void {
    this.list?.wq.destroy();
    this.purge();
    this.kern.sysctl.detach(this);
  }

  private purge(): void {
    const { list } = this;
    if (list === null) return;
    for (let m = list.shift(); m !== null; m = list.shift()) m.free();
  }

  private activate(list: WqList): boolean {
    this.active = list.wq.enqueue(list.work);
    return this.active;
  }

  private drain(): void {
    const { list, kern } = this;
    this.active = false;
    if (list === null) return;
    for (let m = list.shift(); m !== null; m = list.shift()) {
      const { ifp, word } = list;
      if (ifp === null || ifp.net === null || ifp.net.kern !== kern) {
        this.gone++;
        m.free();
        continue;
      }
      this.processed++;
      this.spec.handler(this.owner, ifp, m, word >>> 8, word & 255);
    }
    list.ifp = null;
  }
}

const WQINPUT_AUDIT: readonly AuditRow<WqInput<unknown>>[] = [{ name: 'packets waiting for a thread', packets: true, count: (q) => q.len }];

const WQINPUT_OIDS: readonly SysctlOid<WqInput<unknown>>[] = [
  sysctlRead('len', 'int', 'packets', 'Packets waiting for a thread', (q) => q.len),
  sysctlInt<WqInput<unknown>, 'maxlen'>('maxlen', 'maxlen', 'packets', 1, WQINPUT_MAXLEN_MAX, 'Packets that may wait for a thread'),
  sysctlRead('drops', 'int', 'packets', 'Total packets dropped due to full input queue', (q) => q.drops),
  sysctlRead('gone', 'int', 'packets', 'Packets dropped because their interface was gone', (q) => q.gone),
];
