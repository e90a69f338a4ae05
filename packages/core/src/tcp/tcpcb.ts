/**
 * tcpcb.ts — TcpCb `tp`: everything one connection knows.
 * Read first: RFC 9293 §3.3.1 (the variables) and §3.4 (sequence numbers); freebsd `sys/netinet/tcp_var.h` (struct tcpcb).
 *
 *      sndUna            sndNxt              sndUna+sndWnd        rcvNxt                    rcvAdv
 *   ──────┼─── map: sent ───┼── snd: to be sent ──┼──────       ──────┼── reass: beyond a gap ──┼──────
 *         │ acknowledged    │                     │ the peer's        │ rcv has what is          │ our window's edge,
 *         │ before          │                     │ window            │ before, until read       │ as announced
 *
 * Theory of operation. A TcpCb is made with its pcb, by a socket or by a SYN that found a listener, and lives until `tcpClose` (tcp-close.ts): the
 * program's close is not the end, the connection finishes on its own (`user` is null then). Sequence numbers are int32, compared by base/seqnum.ts,
 * so that they are small integers to the engine. Sizes are bytes; window fields are scaled already; times are microseconds.
 *
 * The SYN and the FIN take a sequence number each but no place in `snd`: while the SYN is not acknowledged the first byte of `snd` has number
 * sndUna + 1, from then on sndUna (`dataAt`).
 *
 * Work on a segment (`inInput`) and calls of the program can nest, because readers are called where the data is. Whatever wants output meanwhile
 * sets TF_OUTPUT, and the end of input sends once.
 *
 * Invariants (`checkTcpCb`): sndUna <= sndNxt; the sendmap covers them; rcvNxt <= rcvAdv, when all is acknowledged (room that the
 * buffer has and nobody was told of is used, too); cwnd >= 1; no timer is armed in CLOSED; while there is anything to
 * send, or to wait for, a timer runs.
 * Not here: any behaviour. tcp-input.ts, tcp-output.ts, tcp-timer.ts, tcp-usrreq.ts.
 */
import { assert } from '../base/assert.js';
import type { Errno } from '../base/errno.js';
import { seqDiff, seqLeq } from '../base/seqnum.js';
import type { Micros } from '../base/time.js';
import { NEVER } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { In6Pcb } from '../transport/in6-pcb.js';
import type { InPcb, PcbUser } from '../transport/inpcb.js';
import { TCP_MSS_DEFAULT } from '../wire/tcp.js';
import type { CcAlgorithm, CcConn, CcVars, CongestionControl } from './cc/cc.js';
import { SSTHRESH_INFINITE } from './cc/cc.js';
import { RecoveryState } from './recovery-state.js';
import { RecvBuffer } from './recv-buffer.js';
import { SendBuffer } from './send-buffer.js';
import { Sendmap, checkSendmap } from './sendmap.js';
import { TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_FIN_WAIT_2, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TCPS_TIME_WAIT } from './tcp-state.js';
import { checkReass } from './tcp-reass.js';
import type { TcpReass } from './tcp-reass.js';
import type { Tcp } from './tcp.js';

/** An acknowledgement is due now. */
export const TF_ACKNOW = 0x0000_0001;
/** One is due when the timer says, or with the next data. */
export const TF_DELACK = 0x0000_0002;
/** TCP_NODELAY: do not wait to fill segments. */
export const TF_NODELAY = 0x0000_0004;
/** TCP_NOPUSH: wait until segments are full. */
export const TF_NOPUSH = 0x0000_0008;
/** A FIN is to be sent behind the data; it has been. */
export const TF_NEEDFIN = 0x0000_0010;
export const TF_SENTFIN = 0x0000_0020;
/** Window scaling and timestamps are in use (RFC 7323). */
export const TF_WSCALE = 0x0000_0040;
export const TF_TS = 0x0000_0080;
/** The peer takes SACK. */
export const TF_SACK = 0x0000_0100;
/** Output was wanted while it could not be done. */
export const TF_OUTPUT = 0x0000_0200;
/** Send a byte into a closed window. */
export const TF_FORCE = 0x0000_0400;
/** The persist timer was set because the peer's window is closed. */
export const TF_RXWIN0SENT = 0x0000_0800;
/** The SYN has been acknowledged. */
export const TF_SYNACKED = 0x0000_1000;
/** A FIN was received, and everything before it. */
export const TF_RCVDFIN = 0x0000_2000;
/** TCP_NOOPT: send no options with a SYN. */
export const TF_NOOPT = 0x0000_4000;
/** TCP_MD5SIG: segments are signed. */
export const TF_SIGNATURE = 0x0000_8000;
/** The program will read no more (SHUT_RD). */
export const TF_CANTRCVMORE = 0x0001_0000;
/** Loss recovery is under way, until sndUna reaches `recover`. */
export const TF_FASTRECOVERY = 0x0002_0000;
/** All was given up as lost by a timeout, until sndUna reaches `recover`. */
export const TF_RTORECOVERY = 0x0004_0000;
export const TF_RECOVERY = TF_FASTRECOVERY | TF_RTORECOVERY;
/** The program has asked for space to write and got none. */
export const TF_WANTSPACE = 0x0008_0000;
/** The first retransmission of the SYN was a fault of ours: it says what window recovery begins with. */
export const TF_SYNREXMT = 0x0010_0000;
/** ECN is in use (RFC 3168); an ECE, a CWR is to be sent. */
export const TF_ECN = 0x0020_0000;
export const TF_SNDECE = 0x0040_0000;
export const TF_SNDCWR = 0x0080_0000;
/** The window was reduced for a mark, and sndUna has not reached `ecnRecover`. */
export const TF_CWR = 0x0100_0000;
/** DCTCP.CE: the last segment was marked (RFC 8257 §3.2). */
export const TF_DCTCPCE = 0x0200_0000;
/** TCP_FASTOPEN: data with the SYN (RFC 7413). */
export const TF_FASTOPEN = 0x0400_0000;
/** Segments are shorter because longer ones seem to vanish; and may be fragmented (tcp-pmtud.ts). */
export const TF_BLACKHOLE = 0x0800_0000;
export const TF_NODF = 0x1000_0000;
/** TCP_UTO: the user timeout is announced, and the peer's taken over. */
export const TF_UTO = 0x2000_0000;

/** What the program is to be told at the end of input: connected, something to read, room to write. */
export const TN_CONNECTED = 1;
export const TN_READ = 2;
export const TN_WRITE = 4;

/** Who uses a connection: a socket. Called on the packet path. */
export interface TcpUser {
  /** The handshake is done. */
  tcpConnected(): void;
  /** More to read, or the end of it. */
  tcpReadable(): void;
  /** Acknowledged bytes made room. */
  tcpWritable(): void;
  /** The connection is gone; `error` says why, 0 for the ordinary end. */
  tcpEnded(error: Errno): void;
  /** A listener: a connection is complete. Null: no room, it is reset. */
  tcpAccept(tp: TcpCb): TcpUser | null;
  /** A listener: how many connections may wait to be accepted. */
  readonly tcpAcceptLimit: number;
}

/** Of every connection's Callout. */
const timeout = (tp: unknown): void => (tp as TcpCb).tcp.timeout(tp as TcpCb);

export class TcpCb implements PcbUser, CcConn {
  readonly tcp: Tcp;
  /** Its ends. */
  inp!: InPcb;
  /** `inp`, when it is one of IPv6's. */
  in6p: In6Pcb | null = null;
  user: TcpUser | null;
  state = TCPS_CLOSED;
  flags = 0;
  inInput = false;
  /** TN_* */
  notify = 0;
  /** An error ICMP reported, which a timeout will report instead of its own. */
  softError: Errno = 0;

  // Sending
  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  /** The peer's window, and the segment that told us (RFC 9293 §3.10.7.4). */
  sndWnd = 0;
  sndWl1 = 0;
  sndWl2 = 0;
  maxSndWnd = 0;
  sndScale = 0;
  /** Urgent data ends here (RFC 6093), while it is after sndUna. */
  sndUp = 0;
  /** Payload of a full segment: the peer's MSS or the path's, without the timestamps. */
  maxseg = TCP_MSS_DEFAULT;
  /** MSS the peer announced, or the default. */
  peerMss = TCP_MSS_DEFAULT;
  readonly snd: SendBuffer;
  readonly map: Sendmap;

  // Receiving
  irs = 0;
  rcvNxt = 0;
  rcvAdv = 0;
  rcvScale = 0;
  /** Acknowledgement sent last. */
  lastAckSent = 0;
  /** Urgent data of the peer ends here. */
  rcvUp = 0;
  readonly rcv: RecvBuffer;
  reass: TcpReass | null = null;
  /** Segments since the last acknowledgement, in bytes. */
  unackedBytes = 0;
  /** The duplicate to report by D-SACK with the next acknowledgement (RFC 2883), [start, end); equal: none. */
  dsackStart = 0;
  dsackEnd = 0;

  // Congestion control and recovery
  cwnd = 0;
  ssthresh = SSTHRESH_INFINITE;
  cc!: CongestionControl;
  /** The algorithm chosen for it (TCP_CONGESTION); null: the vnet's. */
  ccAlgorithm: CcAlgorithm | null = null;
  cwndLimited = false;
  ackedBurst = 0;
  /** sndNxt when recovery began. */
  recover = 0;
  dupacks = 0;
  /** sndNxt when the window was reduced for a mark. */
  ecnRecover = 0;
  readonly rec = new RecoveryState();

  // Round-trip time; 0 before the first sample
  srttUs = 0;
  rttvarUs = 0;
  /** Measurements so far. */
  rttSamples = 0;
  rttMinUs: Micros = NEVER;
  rtoUs: Micros;
  /** Challenge ACKs sent until `challengeEndUs` (RFC 5961 §7). */
  challenges = 0;
  challengeEndUs: Micros = Number.NEGATIVE_INFINITY;
  /** Timeouts in a row. */
  rxtshift = 0;
  /** When the peer's last word came, and when we last sent data. */
  rcvTimeUs: Micros = 0;
  sndTimeUs: Micros = 0;
  /** Since when what is in flight has waited for an acknowledgement of anything new (RFC 5482). */
  progressUs: Micros = 0;
  /** When the neighbour on the way was confirmed last (tcp-progress.ts). */
  hintUs: Micros = Number.NEGATIVE_INFINITY;

  // Timestamps (RFC 7323)
  tsOffset = 0;
  tsRecent = 0;
  tsRecentAgeUs: Micros = 0;

  // Timers: deadlines, NEVER when not set (tcp-timer.ts)
  rexmtAt: Micros = NEVER;
  persistAt: Micros = NEVER;
  keepAt: Micros = NEVER;
  twAt: Micros = NEVER;
  /** Its place among those in TIME_WAIT (tcp-timewait.ts). */
  twNext: TcpCb | null = null;
  twPrev: TcpCb | null = null;
  inTimeWaits = false;
  delackAt: Micros = NEVER;
  /** Tail loss probe, and reordering timer (RFC 8985). */
  probeAt: Micros = NEVER;
  reorderAt: Micros = NEVER;
  readonly callout: Callout;
  /** TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_KEEPINIT, TCP_USER_TIMEOUT: 0 as the vnet has it. */
  keepidleUs: Micros = 0;
  keepintvlUs: Micros = 0;
  keepcnt = 0;
  keepinitUs: Micros = 0;
  userTimeoutUs: Micros = 0;
  /** The program chose it itself. */
  userTimeoutSet = false;
  soKeepalive = false;

  // Autotuning of the receive buffer: bytes read since
  rfbufStartUs: Micros = 0;
  /** Shortest round trip since then, as an end sees it that only receives: by the timestamps that come back. NEVER: none did. */
  rcvRttUs: Micros = NEVER;
  rfbufBytes = 0;

  /** maxseg before TF_BLACKHOLE. */
  blackholeSavedMaxseg = 0;

  // Fast Open (RFC 7413): a listener's connections that are not acknowledged yet; whose of them this is, until it is
  tfoPending = 0;
  tfoListener: TcpCb | null = null;
  tfoSettled = false;

  // For info()
  rexmits = 0;
  /** Segments that came out of order, and those in which we said that our window is closed. */
  rcvOoPack = 0;
  sndZeroWin = 0;
  bytesSent = 0;
  bytesAcked = 0;
  bytesReceived = 0;
  segsOut = 0;
  segsIn = 0;

  constructor(tcp: Tcp, user: TcpUser | null) {
    this.tcp = tcp;
    this.user = user;
    const { tun } = tcp;
    this.snd = new SendBuffer(tun.sendspace, tcp.kern.engine.chunks);
    this.rcv = new RecvBuffer(tun.recvspace, tcp.kern.sockmem);
    this.map = new Sendmap(tcp.ranges);
    this.rtoUs = tun.rexmitInitialMs * 1_000;
    this.callout = new Callout(tcp.kern, timeout, this);
  }

  /** Sequence number of the first byte of `snd`. */
  get dataAt(): number {
    return (this.flags & TF_SYNACKED) !== 0 ? this.sndUna : (this.sndUna + 1) | 0;
  }

  /** Is it IPv6's now? A socket of both families whose peer is v4-mapped is IPv4's. */
  get isV6(): boolean {
    return this.in6p !== null && this.in6p.v6;
  }

  get nowUs(): Micros {
    return this.tcp.kern.engine.now;
  }

  /** Bytes thought to be in the network. */
  get pipe(): number {
    return seqDiff(this.sndNxt, this.sndUna) - this.map.sackedBytes - this.map.lostBytes - this.rec.dupackBytes;
  }

  /** Bytes sent and not acknowledged. */
  get flight(): number {
    return seqDiff(this.sndNxt, this.sndUna);
  }

  get cwndMax(): number {
    return Math.max(65_535 << this.sndScale, 2 * this.maxseg);
  }

  get inRtoRecovery(): boolean {
    return (this.flags & TF_RTORECOVERY) !== 0;
  }

  get ccVars(): CcVars {
    return this.tcp.ccVars;
  }

  /** May data be exchanged, or have been? */
  get isSynchronized(): boolean {
    return this.state >= TCPS_ESTABLISHED;
  }

  /** PcbUser: TCP finds its connections itself and gives them segments by `tcpInput`. */
  pcbInput(m: PacketBuffer): boolean {
    m.free();
    return false;
  }

  /** PcbUser: ICMP errors come by Tcp.ctlinput. */
  pcbError(error: Errno): void {
    this.softError = error;
  }
}

/** Asserts the invariants, between turns; for simulations and tests. */
export function checkTcpCb(tp: TcpCb): void {
  assert(seqLeq(tp.sndUna, tp.sndNxt), 'sndUna is beyond sndNxt');
  if (tp.state === TCPS_CLOSED) {
    assert(!tp.callout.pending, 'a closed connection has a timer');
    assert(tp.map.count === 0 && tp.snd.bytes === 0 && (tp.reass === null || tp.reass.count === 0), 'a closed connection has something to send, or something that came out of order');
    return;
  }
  if (tp.state >= TCPS_SYN_SENT && tp.state < TCPS_TIME_WAIT) checkSending(tp);
  assert(tp.pipe >= 0, 'less than nothing is in the network');
  if (tp.state >= TCPS_SYN_RECEIVED) assert(seqLeq(tp.rcvNxt, tp.rcvAdv) || tp.lastAckSent !== tp.rcvNxt, 'rcvNxt is beyond the window');
  if (tp.reass !== null) checkReass(tp.reass, tp.rcvNxt);
  checkTimers(tp);
  if (tp.state < TCPS_ESTABLISHED) return;
  assert(tp.cwnd > 0 && Number.isFinite(tp.cwnd) && tp.ssthresh > 0, 'no congestion window');
  assert(tp.maxseg > 0 && tp.rtoUs > 0 && Number.isFinite(tp.rtoUs), 'no segment size or timeout');
}

function checkSending(tp: TcpCb): void {
  checkSendmap(tp.map, tp.sndUna, tp.sndNxt);
  const fin = (tp.flags & TF_SENTFIN) !== 0 ? 1 : 0;
  const sent = seqDiff(tp.sndNxt, tp.dataAt) - fin;
  if (tp.flight > 0) assert(sent <= tp.snd.bytes, 'bytes are in flight that the send buffer has not');
  const waiting = tp.flight > 0 || (tp.isSynchronized && (tp.snd.bytes > 0 || ((tp.flags & TF_NEEDFIN) !== 0 && fin === 0)));
  assert(!waiting || tp.rexmtAt !== NEVER || tp.persistAt !== NEVER || tp.probeAt !== NEVER, 'there is something to send, and no timer that would');
  assert(tp.persistAt === NEVER || tp.rexmtAt === NEVER, 'two timers would send');
  assert(tp.persistAt === NEVER || tp.flight === 0 || tp.flight > tp.sndWnd, 'what is in flight is left to the persist timer');
}

/** The Callout fires no later than the earliest deadline; what nobody will finish has one. That of TIME_WAIT has a timer elsewhere (tcp-timewait.ts). */
function checkTimers(tp: TcpCb): void {
  const next = Math.min(tp.delackAt, tp.state === TCPS_TIME_WAIT ? NEVER : tp.twAt, tp.rexmtAt, tp.persistAt, tp.keepAt, tp.probeAt, tp.reorderAt);
  assert(next === NEVER || (tp.callout.pending && tp.callout.deadline <= next), 'a deadline is before the timer');
  assert((tp.flags & TF_DELACK) === 0 || tp.delackAt !== NEVER, 'an acknowledgement is owed, and no timer runs');
  if (tp.state === TCPS_TIME_WAIT || (tp.state === TCPS_FIN_WAIT_2 && tp.user === null)) assert(tp.twAt !== NEVER, 'nothing ends the connection');
}
