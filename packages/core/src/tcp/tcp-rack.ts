/**
 * tcp-rack.ts — RACK: what was sent sufficiently long before something that has arrived is lost.
 * Read first: RFC 8985 §3 (the idea), §6.2 (the steps, which are the functions here).
 *
 * Theory of operation. Of everything delivered, RACK remembers what was sent last: which transmission (`rackXmitNo`), its end, and its round-trip time. A range that
 * was sent before that and is not delivered a reordering window after it should have been, is lost; one for which that time has not come yet sets the
 * reordering timer. Sequence numbers play no part, so a retransmission that is lost is found as an original is.
 *
 *     sent        A    B    C    D'   (D' again)
 *     delivered                  ↑ rackXmitNo         A, B, C: lost at  xmitUs + rackRttUs + reoWnd
 *
 * The reordering window is nothing while no reordering was seen and three segments are SACKED (as three duplicate acknowledgements), else a quarter of
 * the smallest round-trip time, and a quarter more for each round in which the peer reports duplicates, up to the smoothed one.
 *
 * @rfc 8985 6.1 yes
 * @rfc 8985 6.2 yes
 * @rfc 8985 6.3 partial "a timeout marks all that is in flight, as RFC 6675 §5.1 does"
 */
import { seqGeq, seqGt, seqLt } from '../base/seqnum.js';
import type { Micros } from '../base/time.js';
import { NEVER } from '../base/time.js';
import { TOF_TS } from '../wire/tcp.js';
import type { Delivery } from './tcp-delivery.js';
import { SR_RETRANS } from './sendmap.js';
import type { SentRange } from './sendmap.js';
import { tcpTsAt } from './tcp-options.js';
import { DUP_THRESH } from './tcp-sack.js';
import type { Segment } from './tcp-segment.js';
import { tcpSetReorder } from './tcp-timer.js';
import { TF_RECOVERY, TF_TS } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** The smallest round-trip time is measured anew after this; paths change. */
const MIN_RTT_WINDOW_US: Micros = 300_000_000;
/** Recoveries for which an enlarged reordering window stays. */
const REO_WND_PERSIST = 16;

/** Was transmission `no` after `no2`? Of one super-segment, the ends decide. Numbers, not times: several are sent in a microsecond. */
const sentAfter = (no: number, end: number, no2: number, end2: number): boolean => seqGt(no, no2) || (no === no2 && seqGt(end, end2));

/** Step 1: a round-trip time was measured. */
export function rackMinRtt(tp: TcpCb, rttUs: Micros): void {
  const { rec, nowUs } = tp;
  if (rttUs > tp.rttMinUs && nowUs - rec.rttMinAtUs < MIN_RTT_WINDOW_US) return;
  tp.rttMinUs = rttUs;
  rec.rttMinAtUs = nowUs;
}

/** Steps 2 and 3: `r`, or what of it is before `end`, is delivered for the first time. */
export function rackDelivered(tp: TcpCb, seg: Segment, r: SentRange, end: number): void {
  const { rec } = tp;
  const rttUs = tp.nowUs - r.xmitUs;
  const again = (r.flags & SR_RETRANS) !== 0;
  if (!rec.rackFackSet || seqGt(end, rec.rackFack)) {
    rec.rackFack = end;
    rec.rackFackSet = true;
  } else if (seqLt(end, rec.rackFack) && !again) {
    rec.reorderingSeen = true;
  }
  // what was sent twice and is answered too early is the answer to the first; the echo of a segment behind a gap says nothing (RFC 7323 §4.3)
  if (again && (rttUs < tp.rttMinUs || (seqGt(seg.ack, tp.sndUna) && isEchoOlder(tp, seg, r.xmitUs)))) return;
  if (rec.rackRttUs >= 0 && !sentAfter(r.xmitNo, end, rec.rackXmitNo, rec.rackEnd)) return;
  rec.rackXmitNo = r.xmitNo;
  rec.rackEnd = end;
  rec.rackRttUs = rttUs;
}

/** Does the timestamp that `seg` echoes say that it answers a segment sent before `us`? Without timestamps: not known to. */
export function isEchoOlder(tp: TcpCb, seg: Segment, us: Micros): boolean {
  if ((tp.flags & TF_TS) === 0 || (seg.opts.flags & TOF_TS) === 0 || seg.opts.tsecr === 0) return false;
  return ((seg.opts.tsecr - tcpTsAt(tp, us)) | 0) < 0;
}

/** Step 4, the part that happens with D-SACKs: reordering was taken for loss, so the window should be larger. */
export function rackDsack(tp: TcpCb, d: Delivery): void {
  const { rec } = tp;
  if (rec.dsackRoundOn && seqGeq(tp.sndUna, rec.dsackRound)) rec.dsackRoundOn = false;
  if (rec.dsackRoundOn || d.dsackBytes === 0) return;
  rec.dsackRoundOn = true;
  rec.dsackRound = tp.sndNxt;
  rec.reoWndMult = Math.min(rec.reoWndMult + 1, 255);
  rec.reoWndPersist = REO_WND_PERSIST;
}

/** Step 4, the part that happens at the end of a recovery. */
export function rackRecoveryOver(tp: TcpCb): void {
  const { rec } = tp;
  if (rec.reoWndPersist > 0 && --rec.reoWndPersist === 0) rec.reoWndMult = 1;
}

/** Step 4: how long after its time a range is lost. */
export function rackReoWnd(tp: TcpCb): Micros {
  const { rec, map } = tp;
  if (!rec.reorderingSeen) {
    if ((tp.flags & TF_RECOVERY) !== 0) return 0;
    if (tp.dupacks >= DUP_THRESH || map.sackedRuns >= DUP_THRESH || map.sackedBytes > (DUP_THRESH - 1) * tp.maxseg) return 0;
  }
  return tp.rttMinUs === NEVER ? tp.srttUs : Math.min(Math.floor((rec.reoWndMult * tp.rttMinUs) / 4), tp.srttUs);
}

/** Step 5: marks what is lost now; the reordering timer is set for the rest. Answers the bytes marked. */
export function rackDetect(tp: TcpCb): number {
  const { rec, map, nowUs } = tp;
  if (rec.rackRttUs < 0) return 0;
  const due = nowUs - rec.rackRttUs - rackReoWnd(tp);
  const before = map.lostBytes;
  let last: Micros = NEVER;
  for (let r = map.oldest; r !== null && !seqGt(r.xmitNo, rec.rackXmitNo);) {
    const next: SentRange | null = r.newer;
    if (sentAfter(rec.rackXmitNo, rec.rackEnd, r.xmitNo, r.end)) {
      if (r.xmitUs <= due) {
        if ((r.flags & SR_RETRANS) !== 0) tp.tcp.stats.sack_lostrexmt++;
        map.markLost(r);
      } else {
        // at least one: the clock of a host may have fractions
        last = nowUs + Math.max(1, Math.ceil(r.xmitUs - due));
      }
    }
    r = next;
  }
  tcpSetReorder(tp, last);
  return map.lostBytes - before;
}
