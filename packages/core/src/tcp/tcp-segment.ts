/**
 * tcp-segment.ts — a segment that has arrived, as input sees it: the header's fields, read once.
 * Read first: RFC 9293 §3.10.7; wire/tcp.ts.
 *
 * One object per vnet, refilled for each segment: nothing is allocated. `m` stands with `off` at the payload once `fill` has been called, and its
 * headers are before that. What is trimmed from either end is taken off here and in `m` together.
 */
import { seqAdd } from '../base/seqnum.js';
import type { Ifnet } from '../net/ifnet.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { TH_FIN, TH_SYN, TcpOptions, tcpAck, tcpDport, tcpFlags, tcpOff, tcpSeq, tcpSport, tcpUrp, tcpWin } from '../wire/tcp.js';

export class Segment {
  m!: PacketBuffer;
  ifp!: Ifnet;
  isV6 = false;
  /** Slot offset of the TCP header. */
  th = 0;
  sport = 0;
  dport = 0;
  /** int32 */
  seq = 0;
  ack = 0;
  flags = 0;
  /** As in the header, not scaled. */
  win = 0;
  urp = 0;
  /** Payload, bytes. */
  len = 0;
  /** ECN bits of the IP header. */
  ecn = 0;
  readonly opts = new TcpOptions();

  /** Reads the header at `th` (which tcpCheck passed) of `m`, whose `off` is at the IP header, and moves `m.off` to the payload. */
  fill(ifp: Ifnet, m: PacketBuffer, th: number, isV6: boolean, ecn: number): void {
    const v = m.view;
    this.m = m;
    this.ifp = ifp;
    this.isV6 = isV6;
    this.th = th;
    this.sport = tcpSport(v, th);
    this.dport = tcpDport(v, th);
    this.seq = tcpSeq(v, th) | 0;
    this.ack = tcpAck(v, th) | 0;
    this.flags = tcpFlags(v, th);
    this.win = tcpWin(v, th);
    this.urp = tcpUrp(v, th);
    this.ecn = ecn;
    this.opts.parse(v, th);
    m.nhoff = m.off;
    m.adj(th + tcpOff(v, th) - m.off);
    this.len = m.len;
  }

  /** One past the last sequence number it takes. */
  get end(): number {
    return seqAdd(this.seq, this.len + (this.flags & TH_SYN ? 1 : 0) + (this.flags & TH_FIN ? 1 : 0)) | 0;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Takes `n` bytes of payload off the front; the urgent pointer, which counts from there, with them. */
  trimFront(n: number): void {
    this.seq = (this.seq + n) | 0;
    this.urp = Math.max(0, this.urp - n);
    this.len -= n;
    this.m.adj(n);
  }

  /** Leaves `n` bytes of payload, and so no FIN. */
  trimBack(n: number): void {
    this.len = n;
    this.m.trim(n);
    this.flags &= ~TH_FIN;
  }
}
