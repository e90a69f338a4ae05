/**
 * tcp-lro.ts — class TcpLro: segments of a connection that arrive in one batch go to TCP together (large receive offload, GRO).
 * Read first: tcp_lro(9); FreeBSD's netinet/tcp_lro.c for which segments may be joined; kern/netisr.ts for what a batch is.
 *
 * Theory of operation. IP has found the packet to be for this host when it comes here, so a router or a bridge never sees a joined one and
 * nothing has to be cut again; and no other protocol pays for it. A data segment with nothing unusual about it waits as a *run*: packets in sequence
 * order, linked through `m.next`. The next segment of its connection is put behind it if it continues it, else the run goes to TCP first; so a
 * connection's segments never overtake each other. A run ends with PSH, when it is as long as an IP packet may be, and when the netisr, where it was put
 * on the run queue with its first packet, comes to it: behind the batches that are already there, in the same turn. No time passes for a packet
 * that waits here.
 * Nothing is copied: TCP takes the data of all but the last packet as it is, and what the last one says about acknowledgements, window and
 * timestamps is true for all of them (tcp-input.ts). Copying into one large packet would cost 130 ns a segment and a slot of 65 KB where 10 are held.
 *
 * A segment may wait that has no IP options, was no fragment, has ACK and at most PSH, carries data, has no option but an aligned timestamp, and
 * whose checksum is right. It continues a run that has its addresses, ports, traffic class, TTL and header length, and sequence number, and from which neither
 * acknowledgement nor timestamp go back.
 *
 * Invariants: at most LRO_ENTRIES runs of one connection each. The packets of a run are on the run queue's account until it is served.
 * Not here: super-segments, which are joined already.
 */
import type { AuditRow } from '../kern/audit.js';
import type { NetisrSource } from '../kern/netisr.js';
import { sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { CSUM_L4, CSUM_L4_VALID, M_FRAGMENTED } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { inCksum4, inCksum6 } from '../wire/checksum.js';
import { IP4_DST, IP4_HDR_LEN, IP4_SRC, IP4_TTL, ip4Dst, ip4Src } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC } from '../wire/ip6.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { TCP_ACK, TCP_FLAGS, TCP_HDR_LEN, TCP_OFF, TCP_SEQ, TH_ACK, TH_PUSH } from '../wire/tcp.js';

/** Runs at a time. */
export const LRO_ENTRIES = 8;
/** Bytes of data in a run. */
export const LRO_BYTES_MAX = 65_535;

/** NOP, NOP, and the kind and length of a timestamp: the options of a data segment. */
const TS_WORD = 0x0101_080a;
const TS_HDR_LEN = TCP_HDR_LEN + 12;
const IP6_HLIM_AT = 7;

/** Takes what is not held back. */
export interface TcpLroUpper {
  /**
   * A run of at least one segment: `head` and what follows it at `next`, the TCP header of each `off` bytes behind its start, their checksums
   * right. Owns all of them.
   */
  lroInput(ifp: Ifnet, head: PacketBuffer, off: number): void;
}

class LroEntry {
  head: PacketBuffer | null = null;
  tail: PacketBuffer | null = null;
  ifp: Ifnet | null = null;
  /** From a packet's start to its TCP header. */
  off = 0;
  nextSeq = 0;
  bytes = 0;
  count = 0;
}

const LRO_AUDIT: readonly AuditRow<TcpLro>[] = [{ name: 'TCP segments waiting for their batch to end', packets: true, count: (l) => l.held }];

/** What there is to be read of it, also before it is made. */
export const TCP_LRO_SYSCTLS: SysctlGroup<{ readonly lro: TcpLro | null }> = {
  prefix: 'net.inet.tcp.lro',
  oids: [
    sysctlRead('entries', 'int', '', 'Connections whose segments may wait for the end of their batch', () => LRO_ENTRIES),
    sysctlRead('queued', 'int', 'segments', 'Segments that waited for the end of their batch', (t) => t.lro?.queued ?? 0),
    sysctlRead('flushed', 'int', '', 'Runs of segments they went up as', (t) => t.lro?.flushed ?? 0),
    sysctlRead('bad_csum', 'int', 'segments', 'Segments with a wrong checksum among those that came', (t) => t.lro?.badCsum ?? 0),
  ],
};

export class TcpLro implements NetisrSource {
  netisrQueued = false;
  readonly netisrOwner: VnetKern;
  /** Segments that were held, and runs they became: lro_queued, lro_flushed. */
  queued = 0;
  flushed = 0;
  /** Segments with a wrong checksum, left to TCP to refuse. */
  badCsum = 0;
  /** Packets held now. */
  held = 0;
  private readonly upper: TcpLroUpper;
  private readonly entries: LroEntry[] = [];

  constructor(kern: VnetKern, upper: TcpLroUpper) {
    this.netisrOwner = kern;
    this.upper = upper;
    kern.audit.attach(LRO_AUDIT, this);
  }

  /**
   * A segment arrived, `off` bytes behind the start of `m`, with a whole TCP header. True: it is held, `m` is not the caller's any more. False: it
   * is for the caller to take in now; what came before it has been taken in.
   */
  input(ifp: Ifnet, m: PacketBuffer, off: number): boolean {
    const e = this.held === 0 ? null : this.find(m, off);
    const may = this.mayWait(m, off);
    if (e !== null) {
      if (may && this.append(e, m)) return true;
      this.flush(e);
    }
    if (!may || (m.view.getUint8(m.off + off + TCP_FLAGS) & TH_PUSH) !== 0) return false;
    return this.begin(ifp, m, off);
  }

  /** The batch is over. */
  netisrRun(): number {
    for (const e of this.entries) if (e.count > 0) this.flush(e);
    return 0;
  }

  /** Frees what waits. */
  destroy(): void {
    for (const e of this.entries) this.drop(e);
  }

  private mayWait(m: PacketBuffer, off: number): boolean {
    const v = m.view;
    const th = m.off + off;
    const hl = (v.getUint8(th + TCP_OFF) >>> 4) << 2;
    if ((v.getUint8(th + TCP_FLAGS) | TH_PUSH) !== (TH_ACK | TH_PUSH) || m.len <= off + hl || m.gsoSize > 0 || (m.flags & M_FRAGMENTED) !== 0) return false;
    if (off !== IP4_HDR_LEN && off !== IP6_HDR_LEN) return false;
    if (hl !== TCP_HDR_LEN && (hl !== TS_HDR_LEN || v.getInt32(th + TCP_HDR_LEN) !== TS_WORD)) return false;
    if ((m.csumFlags & (CSUM_L4 | CSUM_L4_VALID)) !== 0) return true;
    const len = m.len - off;
    const sum = off === IP4_HDR_LEN
      ? inCksum4(v, th, len, ip4Src(v, m.off), ip4Dst(v, m.off), IPPROTO_TCP)
      : inCksum6(v, th, len, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_TCP);
    if (sum !== 0) {
      this.badCsum++;
      return false;
    }
    m.csumFlags |= CSUM_L4_VALID;
    return true;
  }

  /** The run of the segment's connection. */
  private find(m: PacketBuffer, off: number): LroEntry | null {
    const v = m.view;
    const ports = v.getInt32(m.off + off);
    const from = off === IP4_HDR_LEN ? IP4_SRC : IP6_SRC;
    const to = off === IP4_HDR_LEN ? IP4_DST + 4 : IP6_DST + 16;
    for (const e of this.entries) {
      const h = e.head;
      if (h === null || e.off !== off || h.view.getInt32(h.off + off) !== ports) continue;
      let at = from;
      while (at < to && h.view.getInt32(h.off + at) === v.getInt32(m.off + at)) at += 4;
      if (at === to) return e;
    }
    return null;
  }

  /** Puts `m` behind the run if it continues it. */
  private append(e: LroEntry, m: PacketBuffer): boolean {
    const { tail, off, head } = e;
    if (tail === null || head === null || !continues(e, tail, m)) return false;
    const v = m.view;
    const th = m.off + off;
    const len = m.len - off - ((v.getUint8(th + TCP_OFF) >>> 4) << 2);
    if (e.bytes + len > LRO_BYTES_MAX) return false;
    tail.next = m;
    m.next = null;
    e.tail = m;
    e.nextSeq = (e.nextSeq + len) | 0;
    e.bytes += len;
    e.count++;
    this.held++;
    this.queued++;
    if ((v.getUint8(th + TCP_FLAGS) & TH_PUSH) !== 0) this.flush(e);
    return true;
  }

  /** Begins a run; false when there are too many. */
  private begin(ifp: Ifnet, m: PacketBuffer, off: number): boolean {
    const e = this.freeEntry();
    if (e === null) return false;
    const th = m.off + off;
    const len = m.len - off - ((m.view.getUint8(th + TCP_OFF) >>> 4) << 2);
    m.next = null;
    e.head = m;
    e.tail = m;
    e.ifp = ifp;
    e.off = off;
    e.nextSeq = (m.view.getInt32(th + TCP_SEQ) + len) | 0;
    e.bytes = len;
    e.count = 1;
    this.held++;
    this.queued++;
    if (!this.netisrQueued) this.netisrOwner.engine.schedule(this);
    return true;
  }

  private freeEntry(): LroEntry | null {
    for (const e of this.entries) if (e.count === 0) return e;
    if (this.entries.length >= LRO_ENTRIES) return null;
    const made = new LroEntry();
    this.entries.push(made);
    return made;
  }

  private flush(e: LroEntry): void {
    const { head, ifp, off } = e;
    if (head === null || ifp === null) return;
    if (ifp.net === null || ifp.net.kern !== this.netisrOwner) {
      this.drop(e);
      return;
    }
    this.forget(e);
    this.flushed++;
    this.upper.lroInput(ifp, head, off);
  }

  private drop(e: LroEntry): void {
    let m = e.head;
    this.forget(e);
    while (m !== null) {
      const { next }: { next: PacketBuffer | null } = m;
      m.free();
      m = next;
    }
  }

  private forget(e: LroEntry): void {
    this.held -= e.count;
    e.head = null;
    e.tail = null;
    e.ifp = null;
    e.bytes = 0;
    e.count = 0;
  }
}

/** Is `m`, of the same connection, what comes next in every respect? */
function continues(e: LroEntry, tail: PacketBuffer, m: PacketBuffer): boolean {
  const v = m.view;
  const tv = tail.view;
  const th = m.off + e.off;
  const tth = tail.off + e.off;
  if (v.getInt32(th + TCP_SEQ) !== e.nextSeq || ((v.getInt32(th + TCP_ACK) - tv.getInt32(tth + TCP_ACK)) | 0) < 0) return false;
  const hl = v.getUint8(th + TCP_OFF);
  if (hl !== tv.getUint8(tth + TCP_OFF)) return false;
  if (hl >>> 2 !== TCP_HDR_LEN && ((v.getInt32(th + TCP_HDR_LEN + 4) - tv.getInt32(tth + TCP_HDR_LEN + 4)) | 0) < 0) return false;
  // Traffic class with ECN, and how far it may go: a socket may ask for both.
  if (e.off === IP4_HDR_LEN) return v.getUint16(m.off) === tv.getUint16(tail.off) && v.getUint8(m.off + IP4_TTL) === tv.getUint8(tail.off + IP4_TTL);
  return v.getInt32(m.off) === tv.getInt32(tail.off) && v.getUint8(m.off + IP6_HLIM_AT) === tv.getUint8(tail.off + IP6_HLIM_AT);
}
