/**
 * tcp-prr.ts — how much may be sent during fast recovery: in proportion to what arrives.
 * Read first: RFC 9937 §6 (6937bis).
 *
 * Theory of operation. The reduction that congestion control decided, from the flight at the beginning (RecoverFS) to ssthresh, is spread over the
 * recovery: for every RecoverFS bytes delivered, ssthresh bytes are sent. Once the flight is below ssthresh, what is delivered may be sent, and one
 * segment more per acknowledgement when recovery makes progress (slow start reduction bound), until ssthresh is in flight again. cwnd is set so that
 * output, which sends while pipe < cwnd, sends just that.
 * Invariants: prrOut counts every byte sent in this recovery.
 *
 * @rfc 9937 6 yes
 */
import type { TcpCb } from './tcpcb.js';

/** Recovery begins with an acknowledgement that delivered `delivered` bytes; ssthresh is set, what is lost is marked. */
export function prrBegin(tp: TcpCb, delivered: number): void {
  const { rec } = tp;
  rec.prrDelivered = 0;
  rec.prrOut = 0;
  rec.prrRecoverFs = Math.max(tp.flight - tp.map.sackedBytes + delivered, 1);
}

/** An acknowledgement in recovery: sets cwnd. `safe`: it moved sndUna and showed no further loss. */
export function prrAck(tp: TcpCb, delivered: number, safe: boolean): void {
  const { rec, pipe, ssthresh, maxseg } = tp;
  if (delivered === 0 && rec.prrOut > 0) return;
  rec.prrDelivered += delivered;
  let count: number;
  if (pipe > ssthresh) {
    count = Math.ceil((rec.prrDelivered * ssthresh) / rec.prrRecoverFs) - rec.prrOut;
  } else {
    count = Math.max(rec.prrDelivered - rec.prrOut, delivered);
    if (safe) count += maxseg;
    count = Math.min(ssthresh - pipe, count);
  }
  // the fast retransmission itself
  if (rec.prrOut === 0 && count < maxseg) count = maxseg;
  tp.cwnd = Math.max(pipe + Math.max(count, 0), maxseg);
}
