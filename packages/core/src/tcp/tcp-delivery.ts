/**
 * tcp-delivery.ts — what an acknowledgement says has arrived: cumulatively, selectively, and twice.
 * Read first: RFC 2018 §5; RFC 2883 §4, §5; RFC 8985 §6.2 steps 2 and 3; RFC 6298 §3.
 *
 * Theory of operation. `tcpDeliver` is called with every acceptable acknowledgement, before loss is looked for. It takes what is acknowledged out of the
 * sendmap and marks what is SACKED, and on the way lets RACK see each range that is delivered for the first time. The totals are left in one object of
 * the vnet's, which is overwritten by the next acknowledgement.
 *
 *      ack 5000 sack 3000:4000  9000:9500 7000:8000
 *               └─ below the cumulative acknowledgement (or inside the second block): arrived twice, D-SACK
 *
 * Blocks outside of what is in flight, or empty, are ignored: the sequence numbers of a peer prove nothing.
 *
 * @rfc 2018 5 yes
 * @rfc 2883 4 yes
 * @rfc 2883 5 yes
 */
import { seqDiff, seqGeq, seqGt, seqLeq, seqLt, seqMin } from '../base/seqnum.js';
import type { Micros } from '../base/time.js';
import { TCPOLEN_SACK_BLOCK, TOF_SACK } from '../wire/tcp.js';
import { SR_LOST, SR_RETRANS, SR_SACKED, SR_SYN, SR_FIN } from './sendmap.js';
import type { SentRange } from './sendmap.js';
import { isEchoOlder, rackDelivered } from './tcp-rack.js';
import type { Segment } from './tcp-segment.js';
import { TF_SACK } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Blocks of an option whose edges are looked at. */
const BLOCKS_MAX = 4;

export class Delivery {
  /** Bytes by which sndUna moves, a SYN and a FIN among them. */
  acked = 0;
  /** Of them, data. */
  data = 0;
  /** Bytes that were SACKED for the first time. */
  sacked = 0;
  /** Bytes delivered that were not known to be: of `acked`, what was not SACKED before, and `sacked`. */
  delivered = 0;
  /** Bytes that arrived twice (D-SACK), and where the last of them ends. */
  dsackBytes = 0;
  dsackEnd = 0;
  /** The segment had SACK blocks that say something about what is in flight, or a D-SACK. */
  hasSack = false;
  /** Time of the oldest transmission that is acknowledged for the first time and was the only one; negative: there is none. */
  rttUs: Micros = -1;
  /** Something that was sent more than once is acknowledged: then its time means nothing (Karn). */
  ambiguous = false;
  /** What was sent a second time in this recovery is acknowledged with the echo of a time before that (Eifel). */
  echoOlder = false;
  /** Something that was sent only once, before the last timeout, is delivered. */
  original = false;
  /** Bytes of the largest part of one transmission that is acknowledged. */
  burst = 0;
  readonly blocks = new Int32Array(2 * BLOCKS_MAX);

  clear(): void {
    this.acked = this.data = this.sacked = this.delivered = this.dsackBytes = this.burst = 0;
    this.hasSack = this.ambiguous = this.echoOlder = this.original = false;
    this.rttUs = -1;
  }
}

/** Takes the acknowledgement of `seg`, which is between sndUna and sndNxt, to the sendmap; sndUna itself is moved by the caller, afterwards. */
export function tcpDeliver(tp: TcpCb, seg: Segment, d: Delivery): void {
  d.clear();
  const { ack } = seg;
  if (seqGt(ack, tp.sndUna)) cumulative(tp, seg, ack, d);
  if ((tp.flags & TF_SACK) !== 0 && (seg.opts.flags & TOF_SACK) !== 0) selective(tp, seg, ack, d);
}

function cumulative(tp: TcpCb, seg: Segment, ack: number, d: Delivery): void {
  const { map, rec } = tp;
  d.acked = seqDiff(ack, tp.sndUna);
  for (let r = map.head; r !== null && seqLt(r.seq, ack); r = r.next) {
    const end = seqMin(r.end, ack);
    const len = seqDiff(end, r.seq);
    // Of what is SACKED many transmissions may be one range.
    if ((r.flags & SR_SACKED) !== 0) continue;
    if (len > d.burst) d.burst = len;
    d.delivered += len;
    if ((r.flags & SR_RETRANS) !== 0) {
      d.ambiguous = true;
      if (r === map.head && r.sends === 2 && rec.undoRexmtUs >= 0 && r.xmitUs >= rec.undoRexmtUs) d.echoOlder = isEchoOlder(tp, seg, r.xmitUs);
    } else {
      if (d.rttUs < 0) d.rttUs = tp.nowUs - r.xmitUs;
      if (seqLeq(end, rec.frtoNxt)) d.original = true;
    }
    rackDelivered(tp, seg, r, end);
  }
  map.ackTo(ack);
}

function selective(tp: TcpCb, seg: Segment, ack: number, d: Delivery): void {
  const v = seg.m.view;
  const { stats, tun } = tp.tcp;
  const { map } = tp;
  const n = Math.min(seg.opts.nsacks, BLOCKS_MAX);
  stats.sack_rcv_blocks++;
  for (let i = 0; i < n; i++) {
    const at = seg.opts.sackOff + i * TCPOLEN_SACK_BLOCK;
    d.blocks[2 * i] = v.getInt32(at);
    d.blocks[2 * i + 1] = v.getInt32(at + 4);
  }
  for (let i = 0; i < n; i++) {
    const start = d.blocks[2 * i]!;
    const end = d.blocks[2 * i + 1]!;
    if (i === 0 && isDsack(d.blocks, n, ack)) {
      duplicate(tp, start, end, d);
      continue;
    }
    if (!seqLt(start, end) || seqLeq(end, ack) || seqLt(start, ack) || seqGt(end, tp.sndNxt)) continue;
    d.hasSack = true;
    if (map.sackedRuns >= tun.sackMaxholes) {
      stats.sack_sboverflow++;
      continue;
    }
    sack(tp, seg, start, end, d);
  }
}

/** RFC 2883 §4: the first block is a report of a duplicate when it is acknowledged already, or inside the second. */
function isDsack(b: Int32Array, n: number, ack: number): boolean {
  if (!seqLt(b[0]!, b[1]!)) return false;
  if (seqLeq(b[1]!, ack)) return true;
  return n > 1 && seqGeq(b[0]!, b[2]!) && seqLeq(b[1]!, b[3]!);
}

function duplicate(tp: TcpCb, start: number, end: number, d: Delivery): void {
  const len = seqDiff(end, start);
  // longer than a window, or of what was never sent: not a report that can be believed
  if (len > Math.max(tp.maxSndWnd, tp.maxseg) || seqGt(end, tp.sndNxt)) return;
  const { stats } = tp.tcp;
  d.hasSack = true;
  d.dsackBytes = len;
  d.dsackEnd = end;
  stats.dsack_count++;
  if (tp.rec.tlpOn && tp.rec.tlpRetrans && end === tp.rec.tlpEnd) stats.dsack_tlp_bytes += len;
  else stats.dsack_bytes += len;
}

/** The peer has [start, end). */
function sack(tp: TcpCb, seg: Segment, start: number, end: number, d: Delivery): void {
  const { map } = tp;
  let r: SentRange | null = map.head;
  while (r !== null && seqLeq(r.end, start)) r = r.next;
  while (r !== null && seqLt(r.seq, end)) {
    if ((r.flags & SR_SACKED) === 0) {
      if (seqLt(r.seq, start)) r = map.split(r, start);
      if (seqGt(r.end, end)) map.split(r, end);
      r = delivered(tp, seg, r, d);
    }
    r = r.next;
  }
}

/** `r` is SACKED from now on. Answers the range that it is part of then. */
function delivered(tp: TcpCb, seg: Segment, r: SentRange, d: Delivery): SentRange {
  const len = r.length;
  d.sacked += len;
  d.delivered += len;
  if (len > d.burst) d.burst = len;
  if ((r.flags & (SR_RETRANS | SR_SYN | SR_FIN)) === 0) {
    if (d.rttUs < 0) d.rttUs = tp.nowUs - r.xmitUs;
    if (seqLeq(r.end, tp.rec.frtoNxt)) d.original = true;
  }
  if ((r.flags & (SR_RETRANS | SR_LOST)) === (SR_RETRANS | SR_LOST)) d.ambiguous = true;
  rackDelivered(tp, seg, r, r.end);
  return tp.map.markSacked(r);
}
