/**
 * recovery-state.ts — what a connection knows about the losses of the path, beside the sendmap.
 * Read first: RFC 8985 §5.3, §7.1 (the variables' names); RFC 9937 §6; RFC 3522; RFC 5682.
 *
 * One object for each connection, all its fields plain numbers. Who writes what: tcp-rack.ts the first part, tcp-tlp.ts the second, and so on; nobody
 * else does. Not here: cwnd, ssthresh, srtt and the like, which many read (tcpcb.ts).
 */
import type { Micros } from '../base/time.js';

/** F-RTO: not in use; the head was sent again; new data is sent to see whether the peer had the old (RFC 5682 §2.1). */
export const FRTO_OFF = 0;
export const FRTO_HEAD = 1;
export const FRTO_NEW = 2;

export class RecoveryState {
  // RACK, RFC 8985 §5.3
  /** Of the range sent last among those delivered: which transmission it was, its end, and how long it took; -1: nothing was delivered. */
  rackRttUs: Micros = -1;
  rackXmitNo = 0;
  rackEnd = 0;
  /** Highest sequence number delivered. */
  rackFack = 0;
  rackFackSet = false;
  reorderingSeen = false;
  /** The reordering window, in quarters of the smallest round-trip time, and for how many recoveries it stays enlarged. */
  reoWndMult = 1;
  reoWndPersist = 0;
  /** A round begun by a D-SACK, until sndUna is beyond. */
  dsackRound = 0;
  dsackRoundOn = false;
  /** When rttMinUs was measured. */
  rttMinAtUs: Micros = 0;

  // Tail loss probe, RFC 8985 §7.1
  tlpOn = false;
  /** sndNxt when the probe was sent. */
  tlpEnd = 0;
  /** It was a retransmission. */
  tlpRetrans = false;
  /** A round-trip time was measured since the last probe. */
  tlpRttSeen = true;

  // Proportional rate reduction, RFC 9937 §6; bytes
  prrDelivered = 0;
  prrOut = 0;
  prrRecoverFs = 0;

  // Without SACK (RFC 5681): bytes that duplicate acknowledgements say have left the network
  dupackBytes = 0;
  /** RFC 6675 §4 (NextSeg 4): the rescue retransmission of this recovery was sent. */
  rescued = false;

  /** Timeouts since the peer acknowledged anything new. (`rxtshift`, the back-off, lasts until a time is measured.) */
  timeouts = 0;
  /** The retransmission timer came late, and waits a moment longer. */
  heldUp = false;

  // Undoing a reduction that was a mistake
  undoOn = false;
  /** cwnd and ssthresh before, bytes. */
  undoCwnd = 0;
  undoSsthresh = 0;
  /** Bytes sent again, less those that a D-SACK said had arrived before. */
  undoBytes = 0;
  /** When the first of them was sent again; negative: none was. */
  undoRexmtUs: Micros = -1;
  frto = FRTO_OFF;
  /** sndNxt at the timeout: what is before was sent before it. */
  frtoNxt = 0;
}
