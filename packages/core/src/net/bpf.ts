/**
 * bpf.ts — capture taps on interfaces: who listens, through which filter, into which buffer.
 * Read first: bpf(4), bpf(9).
 *
 * Theory of operation. An interface somebody listens on has a BpfIf with its listeners. `tap` shows a packet to each: the
 * filter runs over the frame as it would look on a wire (an out-of-band VLAN tag is put back first), accepted bytes are
 * copied into the listener's queue, which is bounded in bytes. A checksum that was left for later is finished in the copy,
 * so that captures do not show false errors. The tap never changes the packet and never keeps it.
 * When the interface leaves its vnet every listener is detached and told: nobody keeps listening into another vnet.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENXIO } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { CSUM_IP, CSUM_L4, M_VLANTAG } from '../mbuf/packet-buffer.js';
import { inCksum } from '../wire/checksum.js';
import type { BpfProgram } from './bpf-filter.js';
import { bpfFilter, bpfValidate } from './bpf-filter.js';
import { ifPromisc } from './if.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';

/** Directions, as bits of `BpfListener.direction`. */
export const BPF_D_IN = 1;
export const BPF_D_OUT = 2;
export const BPF_D_INOUT = 3;

/** Link types, the numbers of pcap files. */
export const DLT_NULL = 0;
export const DLT_EN10MB = 1;
export const DLT_RAW = 12;

/** Bytes of captured packets a listener may have waiting (`net.bpf.maxbufsize`). */
const BPF_BUFFER_BYTES = 4 * 1024 * 1024;
const BPF_SNAPLEN = 262_144;
const ETHER_ADDRS = 12;

/** One captured packet. */
export interface BpfRecord {
  readonly time: Micros;
  /** BPF_D_IN or BPF_D_OUT. */
  readonly direction: number;
  /** Length on the wire; `bytes` may be shorter (snaplen). */
  readonly wireLen: number;
  readonly bytes: Uint8Array;
}

export interface BpfOptions {
  readonly program?: BpfProgram | null;
  readonly snaplen?: number;
  readonly promisc?: boolean;
  readonly direction?: number;
  readonly bufferBytes?: number;
}

export class BpfListener {
  readonly ifname: string;
  readonly program: BpfProgram | null;
  readonly snaplen: number;
  readonly promisc: boolean;
  readonly direction: number;
  readonly bufferBytesMax: number;
  readonly queue: BpfRecord[] = [];
  /** Packets seen by the filter, accepted by it, and dropped because the buffer was full. */
  received = 0;
  captured = 0;
  dropped = 0;
  /** Set when the interface went away; nothing more will come. */
  detached = false;
  onReadable: (() => void) | null = null;
  private queuedBytes = 0;
  private bif: BpfIf | null;

  constructor(bif: BpfIf, ifp: Ifnet, options: BpfOptions) {
    this.bif = bif;
    this.ifname = ifp.xname;
    this.program = options.program ?? null;
    this.snaplen = options.snaplen ?? BPF_SNAPLEN;
    this.promisc = options.promisc ?? false;
    this.direction = options.direction ?? BPF_D_INOUT;
    this.bufferBytesMax = options.bufferBytes ?? BPF_BUFFER_BYTES;
  }

  /** Takes the oldest captured packet, or null. */
  read(): BpfRecord | null {
    const r = this.queue.shift() ?? null;
    if (r !== null) this.queuedBytes -= r.bytes.length;
    return r;
  }

  /** Stops listening. */
  close(): void {
    this.bif?.remove(this);
    this.bif = null;
  }

  /** Called by BpfIf: the interface is gone. */
  detach(): void {
    this.detached = true;
    this.bif = null;
    this.onReadable?.();
  }

  /** Called by BpfIf: keeps `bytes` when there is room. */
  push(record: BpfRecord): void {
    if (this.queuedBytes + record.bytes.length > this.bufferBytesMax) {
      this.dropped++;
      return;
    }
    this.queuedBytes += record.bytes.length;
    this.captured++;
    this.queue.push(record);
    if (this.queue.length === 1) this.onReadable?.();
  }
}

export class BpfIf {
  readonly ifp: Ifnet;
  readonly dlt: number;
  private listeners: readonly BpfListener[] = [];

  constructor(ifp: Ifnet, dlt: number) {
    this.ifp = ifp;
    this.dlt = dlt;
  }

  get count(): number {
    return this.listeners.length;
  }

  add(options: BpfOptions): BpfListener {
    const l = new BpfListener(this, this.ifp, options);
    this.listeners = [...this.listeners, l];
    if (l.promisc) ifPromisc(this.ifp, true);
    return l;
  }

  remove(l: BpfListener): void {
    this.listeners = this.listeners.filter((x) => x !== l);
    if (l.promisc) ifPromisc(this.ifp, false);
    if (this.listeners.length === 0) this.ifp.bpf = null;
  }

  /** The interface leaves its vnet: every listener ends and is told. */
  detachAll(): void {
    const all = this.listeners;
    this.listeners = [];
    for (const l of all) {
      if (l.promisc) ifPromisc(this.ifp, false);
      l.detach();
    }
  }

  /** Shows `m` to every listener of direction `dir`. */
  tap(ifp: Ifnet, m: PacketBuffer, dir: number): void {
    let frame: Uint8Array | null = null;
    for (const l of this.listeners) {
      if ((l.direction & dir) === 0) continue;
      l.received++;
      frame ??= wireImage(m);
      const take = l.program === null ? l.snaplen : bpfFilter(l.program, new DataView(frame.buffer, frame.byteOffset, frame.length), 0, frame.length, frame.length);
      if (take === 0) continue;
      const len = Math.min(take, l.snaplen, frame.length);
      const time = ifp.net?.kern.engine.now ?? 0;
      l.push({ time, direction: dir, wireLen: frame.length, bytes: len === frame.length ? frame : frame.slice(0, len) });
    }
  }
}

/** The frame as it would look on a wire: tag in place, checksums finished. A copy; only made when somebody listens. */
function wireImage(m: PacketBuffer): Uint8Array {
  const tagged = (m.flags & M_VLANTAG) !== 0 && m.len >= ETHER_ADDRS;
  const out = new Uint8Array(m.len + (tagged ? 4 : 0));
  const src = m.buf.subarray(m.off, m.off + m.len);
  const shift = tagged ? 4 : 0;
  if (tagged) {
    out.set(src.subarray(0, ETHER_ADDRS));
    out[12] = m.vproto >> 8;
    out[13] = m.vproto & 255;
    out[14] = m.vtag >> 8;
    out[15] = m.vtag & 255;
    out.set(src.subarray(ETHER_ADDRS), ETHER_ADDRS + 4);
  } else {
    out.set(src);
  }
  const view = new DataView(out.buffer);
  if ((m.csumFlags & CSUM_L4) !== 0) finishL4(view, m.csumStart - m.off + shift, m.csumOffset);
  if ((m.csumFlags & CSUM_IP) !== 0) finishIp(view, m.csumStart, m.off, shift);
  return out;
}

function finishL4(view: DataView, start: number, offset: number): void {
  if (start < 0 || start + offset + 2 > view.byteLength) return;
  view.setUint16(start + offset, inCksum(view, start, view.byteLength - start) || 0xffff);
}

/** CSUM_IP: the IPv4 header starts 14 bytes in (behind the tag) on Ethernet, at once elsewhere. */
function finishIp(view: DataView, _csumStart: number, _off: number, shift: number): void {
  for (const at of [14 + shift, 0]) {
    if (at + 20 > view.byteLength || view.getUint8(at) >> 4 !== 4) continue;
    const hlen = (view.getUint8(at) & 15) * 4;
    if (at + hlen > view.byteLength) return;
    view.setUint16(at + 10, 0);
    view.setUint16(at + 10, inCksum(view, at, hlen));
    return;
  }
}

/** The link type captures of `ifp` have. */
export function bpfDlt(ifp: Ifnet): number {
  return ifp.lladdr.length === 6 ? DLT_EN10MB : DLT_RAW;
}

/** Opens a capture on `xname`. ENXIO: no such interface; EINVAL: the program is not valid. */
export function bpfOpen(net: Net, xname: string, options: BpfOptions): { readonly error: Errno; readonly listener: BpfListener | null } {
  const ifp = net.ifunit(xname);
  if (ifp === null) return { error: ENXIO, listener: null };
  if (options.program !== undefined && options.program !== null && !bpfValidate(options.program)) return { error: EINVAL, listener: null };
  ifp.bpf ??= new BpfIf(ifp, bpfDlt(ifp));
  return { error: 0, listener: ifp.bpf.add(options) };
}
