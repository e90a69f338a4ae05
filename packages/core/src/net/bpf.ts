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
import { ETHERTYPE_IP, ETHER_VLAN_ENCAP_LEN, etherIsTagType } from '../wire/ether.js';
import { IP4_HDR_LEN, IPVERSION, ip4Hl, ip4PutSum, ip4Version } from '../wire/ip4.js';
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
/** What each packet counts on top of its bytes: bpf(4)'s header. */
export const BPF_RECORD_BYTES = 32;
const BPF_SNAPLEN = 262_144;
/** Records taken before the array they were in is cut. */
const COMPACT_AT = 1_024;
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
  /** Packets seen by the filter, accepted by it, and dropped because the buffer was full. */
  received = 0;
  captured = 0;
  dropped = 0;
  /** Set when the interface went away; nothing more will come. */
  detached = false;
  /** Called when a packet waits where none did, and at the interface's end. May be called on the packet path. */
  onReadable: (() => void) | null = null;
  private queue: BpfRecord[] = [];
  private at = 0;
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

  /** Packets waiting to be read. */
  get waiting(): number {
    return this.queue.length - this.at;
  }

  /** Takes the oldest captured packet, or null. */
  read(): BpfRecord | null {
    const r = this.queue[this.at];
    if (r === undefined) return null;
    this.at++;
    this.queuedBytes -= r.bytes.length + BPF_RECORD_BYTES;
    if (this.at === this.queue.length || this.at >= COMPACT_AT) {
      this.queue = this.queue.slice(this.at);
      this.at = 0;
    }
    return r;
  }

  /** Stops listening. What waits can still be read. */
  close(): void {
    this.bif?.remove(this);
    this.bif = null;
    this.onReadable = null;
  }

  /** Called by BpfIf: the interface is gone. */
  detach(): void {
    this.detached = true;
    this.bif = null;
    this.onReadable?.();
  }

  /** Called by BpfIf: keeps `record` when there is room. */
  push(record: BpfRecord): void {
    const bytes = record.bytes.length + BPF_RECORD_BYTES;
    if (this.queuedBytes + bytes > this.bufferBytesMax) {
      this.dropped++;
      return;
    }
    this.queuedBytes += bytes;
    this.captured++;
    this.queue.push(record);
    if (this.waiting === 1) this.onReadable?.();
  }
}

export class BpfIf {
  readonly ifp: Ifnet;
  readonly dlt: number;
  private listeners: readonly BpfListener[] = [];
  private readonly net: Net | null;

  constructor(ifp: Ifnet, dlt: number) {
    this.ifp = ifp;
    this.dlt = dlt;
    this.net = ifp.net;
  }

  get count(): number {
    return this.listeners.length;
  }

  add(options: BpfOptions): BpfListener {
    const l = new BpfListener(this, this.ifp, options);
    this.listeners = [...this.listeners, l];
    this.account(1);
    if (l.promisc) ifPromisc(this.ifp, true);
    return l;
  }

  remove(l: BpfListener): void {
    this.account(-1);
    this.listeners = this.listeners.filter((x) => x !== l);
    if (l.promisc) ifPromisc(this.ifp, false);
    if (this.listeners.length === 0) this.ifp.bpf = null;
  }

  /** The interface leaves its vnet: every listener ends and is told. */
  detachAll(): void {
    const all = this.listeners;
    this.listeners = [];
    this.account(-all.length);
    for (const l of all) {
      if (l.promisc) ifPromisc(this.ifp, false);
      l.detach();
    }
  }

  private account(n: number): void {
    if (this.net !== null) this.net.captures += n;
  }

  /** Shows `m` to every listener of direction `dir`. */
  tap(ifp: Ifnet, m: PacketBuffer, dir: number): void {
    let frame: Uint8Array | null = null;
    for (const l of this.listeners) {
      if ((l.direction & dir) === 0) continue;
      l.received++;
      frame ??= wireImage(m, this.dlt);
      const take = l.program === null ? l.snaplen : bpfFilter(l.program, new DataView(frame.buffer, frame.byteOffset, frame.length), 0, frame.length, frame.length);
      if (take === 0) continue;
      const len = Math.min(take, l.snaplen, frame.length);
      const time = ifp.net?.kern.engine.now ?? 0;
      l.push({ time, direction: dir, wireLen: frame.length, bytes: len === frame.length ? frame : frame.slice(0, len) });
    }
  }
}

/** The frame as it would look on a wire: tag in place, checksums finished. A copy; only made when somebody listens. */
function wireImage(m: PacketBuffer, dlt: number): Uint8Array {
  const tagged = (m.flags & M_VLANTAG) !== 0 && m.len >= ETHER_ADDRS;
  const shift = tagged ? ETHER_VLAN_ENCAP_LEN : 0;
  const out = new Uint8Array(m.len + shift);
  const view = new DataView(out.buffer);
  const src = m.buf.subarray(m.off, m.off + m.len);
  if (tagged) {
    out.set(src.subarray(0, ETHER_ADDRS));
    view.setUint16(ETHER_ADDRS, m.vproto);
    view.setUint16(ETHER_ADDRS + 2, m.vtag);
    out.set(src.subarray(ETHER_ADDRS), ETHER_ADDRS + shift);
  } else {
    out.set(src);
  }
  if ((m.csumFlags & CSUM_L4) !== 0) finishL4(view, m.csumStart - m.off + shift, m.csumOffset);
  if ((m.csumFlags & CSUM_IP) !== 0) finishIp(view, dlt === DLT_EN10MB ? etherPayload(view) : 0);
  return out;
}

function finishL4(view: DataView, start: number, offset: number): void {
  if (start < 0 || start + offset + 2 > view.byteLength) return;
  view.setUint16(start + offset, inCksum(view, start, view.byteLength - start) || 0xffff);
}

/** Where the IPv4 header of an Ethernet frame is, behind any number of tags; the frame's length when it carries something else. */
function etherPayload(view: DataView): number {
  let at = ETHER_ADDRS;
  while (at + 2 <= view.byteLength && etherIsTagType(view.getUint16(at))) at += ETHER_VLAN_ENCAP_LEN;
  return at + 2 <= view.byteLength && view.getUint16(at) === ETHERTYPE_IP ? at + 2 : view.byteLength;
}

/** Puts the checksum into the IPv4 header at `at`, when there is a whole one. */
function finishIp(view: DataView, at: number): void {
  if (at + IP4_HDR_LEN > view.byteLength || ip4Version(view, at) !== IPVERSION) return;
  const hlen = ip4Hl(view, at);
  if (hlen >= IP4_HDR_LEN && at + hlen <= view.byteLength) ip4PutSum(view, at, hlen);
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
