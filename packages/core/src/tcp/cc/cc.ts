/**
 * cc.ts — congestion control: what an algorithm is given, what it must answer, and the pieces that all of them share.
 * Read first: RFC 5681; mod_cc(9), mod_cc(4); freebsd `sys/netinet/cc/cc.h`.
 *
 * Theory of operation. An algorithm decides one number, `cwnd`, and remembers `ssthresh`. It sees the connection through CcConn, which
 * TcpCb satisfies, and keeps what else it knows in fields of the object that `make` gives every connection. Who calls:
 *
 *     ackReceived    an acknowledgement moved sndUna outside of recovery
 *     rttSample      an unambiguous round-trip time was measured (before ackReceived of the same segment)
 *     congSignal     CC_NDUPACK: loss found, recovery begins; sets ssthresh, cwnd is then PRR's (tcp-prr.ts)
 *                    CC_ECN: the peer echoes a mark, at most once a window; sets both
 *                    CC_RTO: the timer fired, before all is marked lost; sets both
 *                    CC_RTO_ERR: the last reduction was a mistake; cwnd and ssthresh are restored by the caller, its own memory by the algorithm
 *     postRecovery   everything that was in flight when recovery began is acknowledged
 *     afterIdle      nothing was in flight for an RTO, and there is data to send again
 *
 * Sizes are whole bytes, times whole microseconds; no algorithm uses a fraction or reads a clock.
 * Invariants. cwnd is at least one segment and at most cwndMax; ssthresh is at least two segments.
 * Not here: what is lost (tcp-rack.ts, tcp-sack.ts), how much may be sent during recovery (tcp-prr.ts), who marks (tcp-ecn.ts).
 *
 * @rfc 6928 2 yes
 * @rfc 5681 4.1 yes
 */

/** Loss was found by acknowledgements. */
export const CC_NDUPACK = 1;
/** The peer echoed congestion that was experienced. */
export const CC_ECN = 2;
/** The retransmission timer fired. */
export const CC_RTO = 3;
/** The retransmission, or the whole recovery, was spurious. */
export const CC_RTO_ERR = 4;
export type CcSignal = typeof CC_NDUPACK | typeof CC_ECN | typeof CC_RTO | typeof CC_RTO_ERR;

/** ssthresh before anything is known about the path: without bound. */
export const SSTHRESH_INFINITE = 0x3fff_ffff;

/** What a vnet may tune: `net.inet.tcp.*` and `net.inet.tcp.cc.*`. */
export class CcVars {
  /** Algorithm of new connections. */
  algorithm = 'cubic';
  /** Count acknowledged bytes, not acknowledgements (RFC 3465). */
  rfc3465 = 1;
  /** Most segments by which slow start opens the window for one acknowledgement. */
  abcLVar = 2;
  /** RFC 6928. */
  initcwndSegments = 10;
  /** Alternative back-off with ECN (RFC 8511). */
  abe = 0;
  newrenoBeta = 50;
  newrenoBetaEcn = 80;
  /** HyStart++ (RFC 9406), for connections that begin from now on. */
  hystart = 0;
  hystartMinRttThreshUs = 4_000;
  hystartMaxRttThreshUs = 16_000;
  hystartRttSamples = 8;
  hystartCssGrowthDiv = 4;
  hystartCssRounds = 5;
  dctcpAlpha = 1024;
  /** Weight of a new observation is 2^-shiftG. */
  dctcpShiftG = 4;
  dctcpSlowstart = 0;
  /** How many connections use an algorithm; whoever has the connections says. */
  inUse: (name: string) => number = () => 0;
}

/** A connection as congestion control sees it; TcpCb is one. */
export interface CcConn {
  /** Congestion window, bytes. */
  cwnd: number;
  /** Slow start below, congestion avoidance above; bytes. */
  ssthresh: number;
  /** Payload of a full segment, bytes. */
  readonly maxseg: number;
  /** The largest window that the peer can offer, bytes: no use in a larger cwnd. */
  readonly cwndMax: number;
  /** Oldest sequence number not acknowledged; new already when ackReceived is called. */
  readonly sndUna: number;
  /** One past the newest sequence number sent. */
  readonly sndNxt: number;
  /** Bytes thought to be in the network (RFC 6675). */
  readonly pipe: number;
  /** Did cwnd keep us from sending since the last acknowledgement? */
  readonly cwndLimited: boolean;
  /** Bytes of the largest transmission that the acknowledgement being processed covers: a super-segment is answered by one. */
  readonly ackedBurst: number;
  /** Was this connection's window thrown away by a timeout that it has not recovered from? */
  readonly inRtoRecovery: boolean;
  /** Smoothed round-trip time, µs; 0 before the first sample. */
  readonly srttUs: number;
  readonly nowUs: number;
  readonly ccVars: CcVars;
}

/** The algorithm of one connection, with its state. */
export interface CongestionControl {
  readonly name: string;
  /** DCTCP: the receiver echoes marks one for one instead of until CWR (RFC 8257 §3.2). */
  readonly echoesEach: boolean;
  ackReceived(tp: CcConn, ackedBytes: number): void;
  congSignal(tp: CcConn, signal: CcSignal): void;
  postRecovery(tp: CcConn): void;
  afterIdle(tp: CcConn): void;
  rttSample?(tp: CcConn, rttUs: number): void;
  /** An acknowledgement of `ackedBytes` with or without ECE, before ackReceived; only for connections that negotiated ECN. */
  ecnAck?(tp: CcConn, ackedBytes: number, ece: boolean): void;
}

export interface CcAlgorithm {
  readonly name: string;
  /** Does it need ECN even when net.inet.tcp.ecn.enable says no? */
  readonly wantsEcn: boolean;
  make(tp: CcConn): CongestionControl;
}

/** `floor(a * b / c)` of non-negative integers; exact while a * b fits 53 bits, and rounded once beyond. */
export const mulDiv = (a: number, b: number, c: number): number => Math.floor((a * b) / c);

/** The window before anything is known. One segment if the SYN or the SYN-ACK had to be retransmitted, RFC 6928's otherwise. */
export function initialWindow(vars: CcVars, maxseg: number, synRetransmitted: boolean): number {
  if (synRetransmitted) return maxseg;
  return Math.min(vars.initcwndSegments * maxseg, Math.max(2 * maxseg, vars.initcwndSegments * 1460));
}

/** Opens the window by `bytes`. */
export function ccOpen(tp: CcConn, bytes: number): void {
  tp.cwnd = Math.min(tp.cwnd + bytes, tp.cwndMax);
}

/**
 * By how much slow start opens the window. RFC 3465: by what was acknowledged, but by two segments at most, because a peer that
 * acknowledges rarely would be answered with bursts. A super-segment was one burst already, so its acknowledgement counts whole. After a
 * timeout an acknowledgement may cover what arrived long ago: one segment.
 */
export function slowStartIncrement(tp: CcConn, ackedBytes: number): number {
  const { maxseg, ccVars } = tp;
  if (ccVars.rfc3465 === 0 || tp.inRtoRecovery) return Math.min(ackedBytes, maxseg);
  return Math.min(ackedBytes, Math.max(ccVars.abcLVar * maxseg, tp.ackedBurst));
}

/** Slow-start restart: the acknowledgement clock has stopped, and what was known about the path is only remembered in ssthresh. */
export function ccRestart(tp: CcConn): void {
  tp.ssthresh = Math.max(tp.ssthresh, tp.cwnd - (tp.cwnd >> 2), 2 * tp.maxseg);
  tp.cwnd = Math.min(tp.cwnd, initialWindow(tp.ccVars, tp.maxseg, false));
}

/** After recovery: ssthresh, but no burst when little is in flight (RFC 6582 §3.2 step 3, first choice). */
export function ccDeflate(tp: CcConn): void {
  tp.cwnd = Math.min(tp.ssthresh, Math.max(tp.pipe, tp.maxseg) + tp.maxseg);
}
