/**
 * equivalence-bench.ts — EquivalenceBench: a Kernel with short paths on open taps, and one frame through both paths, compared.
 * Read first: packages/core/src/fwd/forward-frame.ts; docs/datapath-punts.md.
 *
 * `offer` gives a copy of a frame to forwardFrame, then the frame itself to the Kernel, and throws unless
 *
 *     sent on    the complete path sends exactly one frame, to that port, with those bytes and that undone work
 *     dropped    it sends nothing
 *     punted     the copy, and what lies around it, is as it was
 *
 * and unless both count the same: what the short path counts is folded into the interfaces and the protocols in between, so that the counters of whole vnets are compared, as an
 * administrator would see them. A frame that a capture is shown is punted. Nothing outside the frame and the FWD_HEADROOM bytes before it may have been written.
 *
 * Ports with virtio-net headers are fed as a TapLink does it (packages/node/src/port/vnet-offload.ts).
 */
import type { BpfListener, FrameSink, Ifnet, PacketBuffer, Vnet } from '@netloom/core';
import { CSUM_L4, CSUM_L4_VALID, tapOf } from '@netloom/core';
import { FWD_HEADROOM, forwardFrame, fwdIsPunt, fwdReason, fwdViewOf } from '@netloom/core/fwd';
import type { FwdView } from '@netloom/core/fwd';
import { VIRTIO_NET_F_DATA_VALID, VIRTIO_NET_F_NEEDS_CSUM, VIRTIO_NET_HDR_LEN } from '@netloom/core/wire';
import { ToolLab } from '../test-proc.js';

const ROOM = 64;
const TAIL = 16;
const FRAME_MAX = 66_000;
const FILL = 0xa5;
const SENT = 0;
/** A segment that is still to be cut goes past the complete path's own short path when it is longer than a packet could be: `fastforward` says so. */
const FASTFORWARD = /fastforward$/;

/** A frame that left, with what is still to be done to it: needs a checksum, kind and size of segments, start and offset of the checksum. */
export interface Left {
  readonly port: number;
  readonly frame: Uint8Array;
  readonly undone: readonly number[];
}

/** Whoever has the tap of a port open. */
class Outside implements FrameSink {
  readonly offload: FrameSink['offload'];
  isGone = false;
  ifp: Ifnet;
  private readonly port: number;
  private readonly left: Left[];

  constructor(port: number, ifp: Ifnet, vnetHdr: boolean, left: Left[]) {
    this.port = port;
    this.ifp = ifp;
    this.offload = { csum: vnetHdr, gso: vnetHdr };
    this.left = left;
  }

  output(m: PacketBuffer): boolean {
    const needs = (m.csumFlags & CSUM_L4) !== 0;
    const gso = m.gsoSize > 0;
    const undone = this.offload.csum ? [needs ? 1 : 0, gso ? m.gsoType : 0, gso ? m.gsoSize : 0, needs ? m.csumStart - m.off : 0, needs ? m.csumOffset : 0] : [];
    this.left.push({ port: this.port, frame: m.bytes().slice(), undone });
    m.free();
    return true;
  }

  moved(ifp: Ifnet): void {
    this.ifp = ifp;
  }

  gone(): void {
    this.isGone = true;
  }
}

export interface Port {
  readonly name: string;
  readonly vnetHdr: boolean;
  readonly out: Outside;
}

export class EquivalenceBench {
  readonly lab: ToolLab;
  readonly ports: Port[] = [];
  /** Frames by what became of them: `sent`, the names of punts and drops. */
  readonly verdicts = new Map<string, number>();
  /** Of the frames that the complete path gave to one other port, those that came for the second time in a row and were not flooded: by what the short path made of them. */
  readonly carried = new Map<string, number>();
  /** Captures that are open. */
  readonly captures: BpfListener[] = [];
  /** What left by the complete path with the last frame. */
  left: Left[] = [];
  private last: Uint8Array | null = null;
  private readonly view: FwdView;
  private readonly buf = new Uint8Array(ROOM + FRAME_MAX + TAIL);
  private readonly dv = new DataView(this.buf.buffer);
  private readonly counts: [number[], number[], number[]] = [[], [], []];

  constructor(seed: number) {
    this.lab = new ToolLab({ datapath: true, seed });
    const started = this.datapath.start((message) => this.view.apply(message));
    this.view = fwdViewOf(started.memory, started.messages);
  }

  get kernel(): ToolLab['kernel'] {
    return this.lab.kernel;
  }

  private get datapath() {
    const { datapath } = this.kernel;
    if (datapath === null) throw new Error('no datapath');
    return datapath;
  }

  /** Opens a tap of vnet0, which exists, as the next port, or again as `port`. */
  open(name: string, vnetHdr: boolean, port = this.ports.length): boolean {
    const ifp = this.kernel.vnet0.net.ifunit(name);
    const tap = ifp === null ? null : tapOf(ifp);
    if (ifp === null || tap === null || tap.isOpen) return false;
    const out = new Outside(port, ifp, vnetHdr, this.left);
    this.kernel.call(this.kernel.now, () => tap.attach(out));
    this.kernel.call(this.kernel.now, () => this.datapath.attachPort(port, ifp, vnetHdr));
    this.ports[port] = { name, vnetHdr, out };
    return true;
  }

  /** The port's interface was destroyed: it is the short path's no more. */
  close(port: number): void {
    this.kernel.call(this.kernel.now, () => this.datapath.detachPort(port, () => undefined));
  }

  /** Both paths, one frame; the port's virtio-net header first, where it has one. What became of it. */
  offer(port: number, frame: Uint8Array): string {
    const { buf, view } = this;
    const { now } = this.kernel;
    this.kernel.settle();
    this.left.length = 0;
    buf.fill(FILL, 0, ROOM);
    buf.set(frame, ROOM);
    buf.fill(FILL, ROOM + frame.length, ROOM + frame.length + TAIL);
    this.datapath.fold();
    this.count(0);
    view.beginBatch();
    const verdict = forwardFrame(view, port, this.dv, ROOM, frame.length);
    this.datapath.fold();
    this.count(1);
    const captured = this.captured();
    this.feed(port, frame);
    this.kernel.settle();
    this.count(2);
    if (this.kernel.now !== now) throw new Error('time has passed');
    const name = verdict >= SENT ? 'sent' : fwdReason(verdict);
    this.verdicts.set(name, (this.verdicts.get(name) ?? 0) + 1);
    if (frame === this.last && name !== 'flood' && this.left.length === 1 && this.left[0]!.port !== port) this.carried.set(name, (this.carried.get(name) ?? 0) + 1);
    this.last = frame;
    const problem = !fwdIsPunt(verdict) && this.captured() !== captured ? 'the complete path shows it to a capture' : this.compare(verdict, frame);
    if (problem !== null) throw new Error(`port ${port}, ${name}${verdict >= SENT ? ` to ${verdict}` : ''}: ${problem}\n  frame ${hex(frame)}`);
    return name;
  }

  private feed(port: number, frame: Uint8Array): void {
    const { out, vnetHdr } = this.ports[port]!;
    if (out.isGone || frame.length < (vnetHdr ? VIRTIO_NET_HDR_LEN : 0)) return;
    const m = this.kernel.engine.pool.from(vnetHdr ? frame.subarray(VIRTIO_NET_HDR_LEN) : frame);
    if (m === null) throw new Error('no packet to be had');
    if (vnetHdr) takeOffload(m, new DataView(frame.buffer, frame.byteOffset, frame.byteLength));
    this.kernel.input(out.ifp, m, this.kernel.now);
  }

  private captured(): number {
    return this.captures.reduce((n, c) => n + c.received, 0);
  }

  private compare(verdict: number, frame: Uint8Array): string | null {
    const { left } = this;
    if (verdict < SENT) {
      const at = this.changed(ROOM, frame, 0);
      if (at >= 0) return `was changed at byte ${at}`;
    }
    if (verdict < SENT && fwdIsPunt(verdict)) return this.counted(true);
    if (verdict < SENT) return left.length > 0 ? `the complete path sends ${told(left)}` : this.counted(false);
    const { at, len } = this.view;
    if (at < ROOM - FWD_HEADROOM || at + len > ROOM + frame.length) return `lies at ${at}, ${len} bytes`;
    if (this.changed(ROOM + frame.length, new Uint8Array(0), ROOM - FWD_HEADROOM) >= 0) return 'has written where it must not';
    const [one] = left;
    const front = this.ports[verdict]!.vnetHdr ? VIRTIO_NET_HDR_LEN : 0;
    const sent: Left = { port: verdict, frame: this.buf.slice(at + front, at + len), undone: front === 0 ? [] : undoneOf(this.dv, at) };
    if (one === undefined || left.length > 1 || told([one]) !== told([sent])) return `sends   ${told([sent])}\n  the complete path ${told(left)}`;
    return this.counted(false);
  }

  /** First byte of the room before `until`, the frame and the tail that is not as it was; -1: none. */
  private changed(frameAt: number, frame: Uint8Array, front: number): number {
    const { buf } = this;
    for (let i = 0; i < (front === 0 ? ROOM : front); i++) if (buf[i] !== FILL) return i - ROOM;
    for (let i = 0; i < frame.length; i++) if (buf[frameAt + i] !== frame[i]) return i;
    for (let i = 0; i < TAIL; i++) if (buf[frameAt + frame.length + i] !== FILL) return frame.length + i;
    return -1;
  }

  /** Compares what the short path has counted (nothing, when it punted) with the complete path. */
  private counted(punted: boolean): string | null {
    const [before, short, after] = this.counts;
    const segment = !punted && this.left[0] !== undefined && (this.left[0].undone[1] ?? 0) !== 0;
    for (let i = 0; i < short.length; i++) {
      const by = short[i]! - before[i]!;
      const full = after[i]! - short[i]!;
      if (punted ? by !== 0 : by !== full && !(segment && FASTFORWARD.test(this.countName(i)))) return `counts ${by} of ${this.countName(i)}, the complete path ${full}`;
    }
    return null;
  }

  private count(when: 0 | 1 | 2): void {
    const to = this.counts[when];
    to.length = 0;
    for (const vnet of this.kernel.vnets) {
      for (const { data: d } of vnet.net.ifnets) to.push(d.ipackets, d.ibytes, d.opackets, d.obytes);
      for (const { total, forward, fastforward, cantforward } of [vnet.ip.stats, vnet.ip6.stats]) to.push(total, forward, fastforward, cantforward);
    }
  }

  private countName(i: number): string {
    const names = this.kernel.vnets.flatMap((vnet: Vnet) => [
      ...vnet.net.ifnets.flatMap((ifp) => ['ipackets', 'ibytes', 'opackets', 'obytes'].map((n) => `${ifp.xname} ${n}`)),
      ...['ip', 'ip6'].flatMap((af) => ['total', 'forward', 'fastforward', 'cantforward'].map((n) => `${vnet.name} ${af} ${n}`)),
    ]);
    return names[i] ?? '';
  }
}

/** What the virtio-net header at `at` leaves to be done. */
function undoneOf(v: DataView, at: number): number[] {
  const needs = v.getUint8(at) & VIRTIO_NET_F_NEEDS_CSUM;
  const gso = v.getUint8(at + 1);
  return [needs, gso, gso === 0 ? 0 : v.getUint16(at + 4, true), needs === 0 ? 0 : v.getUint16(at + 6, true), needs === 0 ? 0 : v.getUint16(at + 8, true)];
}

function takeOffload(m: PacketBuffer, v: DataView): void {
  const flags = v.getUint8(0);
  const [start, offset] = [v.getUint16(6, true), v.getUint16(8, true)];
  if ((flags & VIRTIO_NET_F_NEEDS_CSUM) !== 0 && start + offset + 2 <= m.len) {
    m.csumFlags = CSUM_L4;
    m.csumStart = m.off + start;
    m.csumOffset = offset;
    m.gsoType = v.getUint8(1) as typeof m.gsoType;
    m.gsoSize = v.getUint8(1) === 0 ? 0 : v.getUint16(4, true);
  } else if ((flags & VIRTIO_NET_F_DATA_VALID) !== 0) {
    m.csumFlags = CSUM_L4_VALID;
  }
}

const hex = (b: Uint8Array): string => (b.length > 200 ? `${Buffer.from(b.subarray(0, 200)).toString('hex')}… (${b.length})` : Buffer.from(b).toString('hex'));
const told = (left: readonly Left[]): string => (left.length === 0 ? 'nothing' : left.map((l) => `${l.port}: ${Buffer.from(l.frame).toString('hex').slice(0, 400)} (${l.frame.length}) [${l.undone.join(' ')}]`).join(' and '));
