/**
 * pipe-queue.ts — the queues of a pipe: packets that wait for the link, by flow (PipeFlows), and packets on their way (DelayLine).
 * Read first: ng_pipe(4) "MODE OF OPERATION"; Demers, Keshav & Shenker 1989 (WFQ), Shreedhar & Varghese 1995 (DRR).
 *
 * Theory of operation. A flow is a FIFO of packets; FIFO mode has one flow. Flows with packets are in a list, served from its front. WFQ keeps it sorted
 * by the time at which a flow's first packet would be through if all flows shared the link; DRR sends a flow to the back when its deficit does not reach
 * for its first packet. Flows that run dry are kept for the next one, so that a packet allocates nothing.
 *
 * Invariant: a flow in the list has a packet; `frames` and `octets` are those of all flows.
 */
import type { Micros } from '../../base/time.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ngWireLen } from '../ng-offload.js';

const RING_MIN = 16;

/** A FIFO from which the newest can be taken too. It grows as it is filled; whoever fills it bounds it. */
class PacketRing {
  length = 0;
  private slots: (PacketBuffer | null)[] = [];
  private head = 0;

  first(): PacketBuffer | null {
    return this.length === 0 ? null : this.slots[this.head]!;
  }

  push(m: PacketBuffer): void {
    if (this.length === this.slots.length) this.grow();
    this.slots[(this.head + this.length++) & (this.slots.length - 1)] = m;
  }

  shift(): PacketBuffer | null {
    if (this.length === 0) return null;
    const m = this.slots[this.head]!;
    this.slots[this.head] = null;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.length--;
    return m;
  }

  pop(): PacketBuffer | null {
    if (this.length === 0) return null;
    const at = (this.head + --this.length) & (this.slots.length - 1);
    const m = this.slots[at]!;
    this.slots[at] = null;
    return m;
  }

  private grow(): void {
    const { slots, head, length } = this;
    this.slots = slots.slice(head).concat(slots.slice(0, head));
    while (this.slots.length < Math.max(RING_MIN, length * 2)) this.slots.push(null);
    this.head = 0;
  }
}

export class PipeFlow {
  readonly packets = new PacketRing();
  hash = 0;
  /** WFQ: when its first packet would be through. */
  vtime: Micros = 0;
  /** DRR: bytes it may still send. */
  deficit = 0;
  next: PipeFlow | null = null;
  prev: PipeFlow | null = null;
}

export class PipeFlows {
  /** Flows with packets, packets, bytes. */
  queues = 0;
  frames = 0;
  octets = 0;
  first: PipeFlow | null = null;
  private last: PipeFlow | null = null;
  private readonly idle: PipeFlow[] = [];

  /** The flow of that hash, or null when it has no packet. */
  find(hash: number): PipeFlow | null {
    for (let flow = this.first; flow !== null; flow = flow.next) if (flow.hash === hash) return flow;
    return null;
  }

  /** A flow for `m`; it is not in the list yet. */
  begin(hash: number, deficit: number): PipeFlow {
    const flow = this.idle.pop() ?? new PipeFlow();
    flow.hash = hash;
    flow.deficit = deficit;
    this.queues++;
    return flow;
  }

  push(flow: PipeFlow, m: PacketBuffer): void {
    flow.packets.push(m);
    this.frames++;
    this.octets += ngWireLen(m);
  }

  /** Takes the flow's oldest packet, or its newest; a flow that runs dry leaves the list. */
  take(flow: PipeFlow, newest = false): PacketBuffer {
    const m = (newest ? flow.packets.pop() : flow.packets.shift())!;
    this.frames--;
    this.octets -= ngWireLen(m);
    if (flow.packets.length === 0) {
      this.unlink(flow);
      this.queues--;
      this.idle.push(flow);
    }
    return m;
  }

  /** The flow with the most packets; of several the one that is served first. */
  longest(): PipeFlow | null {
    let longest: PipeFlow | null = null;
    for (let flow = this.first; flow !== null; flow = flow.next) if (longest === null || flow.packets.length > longest.packets.length) longest = flow;
    return longest;
  }

  append(flow: PipeFlow): void {
    this.insert(flow, null);
  }

  /** Puts a flow where its vtime belongs. */
  sort(flow: PipeFlow): void {
    let before = this.first;
    while (before !== null && before.vtime <= flow.vtime) before = before.next;
    this.insert(flow, before);
  }

  unlink(flow: PipeFlow): void {
    const { prev, next } = flow;
    if (prev === null) this.first = next;
    else prev.next = next;
    if (next === null) this.last = prev;
    else next.prev = prev;
    flow.prev = null;
    flow.next = null;
  }

  purge(): void {
    for (let flow = this.first; flow !== null; flow = this.first) this.take(flow).free();
    this.idle.length = 0;
  }

  private insert(flow: PipeFlow, before: PipeFlow | null): void {
    const prev = before === null ? this.last : before.prev;
    flow.prev = prev;
    flow.next = before;
    if (prev === null) this.first = flow;
    else prev.next = flow;
    if (before === null) this.last = flow;
    else before.prev = flow;
  }
}

/** Packets on their way, in the order in which they were sent. */
export class DelayLine {
  frames = 0;
  octets = 0;
  private readonly packets = new PacketRing();
  /** When each arrives; a ring beside that of the packets. */
  private due = new Float64Array(RING_MIN);
  private head = 0;

  /** When the first arrives; never when there is none. */
  get firstDue(): Micros {
    return this.frames === 0 ? Infinity : this.due[this.head]!;
  }

  push(m: PacketBuffer, due: Micros): void {
    if (this.frames === this.due.length) this.grow();
    this.due[(this.head + this.frames++) & (this.due.length - 1)] = due;
    this.packets.push(m);
    this.octets += ngWireLen(m);
  }

  shift(): PacketBuffer | null {
    const m = this.packets.shift();
    if (m === null) return null;
    this.head = (this.head + 1) & (this.due.length - 1);
    this.frames--;
    this.octets -= ngWireLen(m);
    return m;
  }

  purge(): void {
    for (let m = this.shift(); m !== null; m = this.shift()) m.free();
  }

  private grow(): void {
    const grown = new Float64Array(this.due.length * 2);
    for (let i = 0; i < this.frames; i++) grown[i] = this.due[(this.head + i) & (this.due.length - 1)]!;
    this.due = grown;
    this.head = 0;
  }
}
