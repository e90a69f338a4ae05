/**
 * tcp-sack.ts — loss by what has been SACKED above: the older rule, for `net.inet.tcp.rack.enable=0`, and reneging.
 * Read first: RFC 6675 §4 (IsLost, NextSeg), §5; RFC 2018 §8.
 *
 * Theory of operation. A range is lost when three runs of SACKED bytes, or more than two segments' worth of them, are above it. One that was sent again is
 * not judged a second time (HighRxt): its loss is for the timer. When nothing is left to send in recovery, the highest range that is not SACKED is sent
 * again, once (NextSeg rule 4, the rescue): its acknowledgement shows whether the end of the flight was lost, too.
 *
 * @rfc 6675 4 yes
 * @rfc 6675 5 yes
 * @rfc 2018 8 yes
 */
import { SR_RETRANS, SR_SACKED } from './sendmap.js';
import type { SentRange } from './sendmap.js';
import type { TcpCb } from './tcpcb.js';

/** Duplicate acknowledgements, or segments above, that mean a loss. */
export const DUP_THRESH = 3;

/** IsLost for all ranges: marks those that are. Answers the bytes marked. */
export function sackDetect(tp: TcpCb): number {
  const { map } = tp;
  const before = map.lostBytes;
  const enough = (DUP_THRESH - 1) * tp.maxseg;
  let bytes = 0;
  let runs = 0;
  for (let r = map.tail; r !== null; r = r.prev) {
    if ((r.flags & SR_SACKED) !== 0) {
      bytes += r.length;
      runs++;
    } else if ((bytes > enough || runs >= DUP_THRESH) && (r.flags & SR_RETRANS) === 0) {
      map.markLost(r);
    }
  }
  return map.lostBytes - before;
}

/** The duplicate acknowledgements are three though too little is SACKED for IsLost: the first hole is lost (RFC 6675 §5 step 4). */
export function sackHeadLost(tp: TcpCb): number {
  const { map } = tp;
  const r = map.head;
  if (r === null || !r.inFlight || (r.flags & SR_RETRANS) !== 0) return 0;
  if (r.length > tp.maxseg) map.split(r, (r.seq + tp.maxseg) | 0);
  map.markLost(r);
  return r.length;
}

/** NextSeg rules 3 and 4: there is nothing to send again and nothing new, and the window is open. Marks a segment, or not. */
export function sackRescue(tp: TcpCb): boolean {
  const { map, rec } = tp;
  let r: SentRange | null = map.head;
  // rule 3: in order, what is below the highest SACKED byte and was not sent again
  for (let above = map.sackedRuns; above > 0 && r !== null; r = r.next) {
    if ((r.flags & SR_SACKED) !== 0) above--;
    else if (r.inFlight && (r.flags & SR_RETRANS) === 0) return mark(tp, r);
  }
  if (rec.rescued) return false;
  r = map.tail;
  while (r !== null && !r.inFlight) r = r.prev;
  if (r === null) return false;
  rec.rescued = true;
  const over = r.length - tp.maxseg;
  return mark(tp, over > 0 ? map.split(r, (r.seq + over) | 0) : r);
}

function mark(tp: TcpCb, r: SentRange): boolean {
  if (r.length > tp.maxseg) tp.map.split(r, (r.seq + tp.maxseg) | 0);
  tp.map.markLost(r);
  return true;
}

/** sndUna has reached a range that was SACKED: the peer has thrown away what it had, and its SACKs mean nothing (RFC 2018 §8). */
export function sackReneged(tp: TcpCb): boolean {
  const { head } = tp.map;
  return head !== null && (head.flags & SR_SACKED) !== 0;
}
