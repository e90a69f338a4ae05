/**
 * tcp-timer.ts — the timers of a connection: which there are, how they are set, what happens when they expire.
 * Read first: RFC 6298; RFC 9293 §3.8; RFC 1122 §4.2.2.17 (persist), §4.2.3.6 (keepalive); freebsd `sys/netinet/tcp_timer.c`.
 *
 *     REXMT    something sent is not acknowledged         PERSIST   data waits, and the peer's window is closed
 *     DELACK   an acknowledgement is owed                 KEEP      nothing was heard for long; or the handshake takes too long
 *     2MSL     TIME_WAIT; or FIN_WAIT_2 without a program      PROBE, REORDER   RFC 8985 (tcp-tlp.ts, tcp-rack.ts)
 *
 * Theory of operation. A timer is a deadline in the TcpCb. One Callout serves all: it is armed for the earliest deadline, or earlier. Setting a timer
 * to later, and stopping one, touch only the deadline, so that the retransmission timer, which moves with every acknowledgement, costs nothing; the
 * Callout then fires early once, finds nothing due, and arms itself again.
 *
 * @rfc 6298 5 yes
 * @rfc 1122 4.2.3.1 yes
 * @rfc 1122 4.2.3.6 yes
 */
import { ETIMEDOUT } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_MS } from '../base/time.js';
import { TH_ACK } from '../wire/tcp.js';
import { tcpClose, tcpDrop } from './tcp-close.js';
import { tcpOutput } from './tcp-output.js';
import { tcpBlackholeRexmt } from './tcp-pmtud.js';
import { tcpReorderTimeout, tcpRexmtTimeout } from './tcp-recovery.js';
import { tcpSendProbe } from './tcp-respond.js';
import { tlpSend } from './tcp-tlp.js';
import { TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_FIN_WAIT_2, TCPS_SYN_RECEIVED, TCPS_TIME_WAIT } from './tcp-state.js';
import { TF_ACKNOW, TF_DELACK, TF_FORCE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Longest retransmission timeout, and the steps of the back-off. */
export const TCPTV_REXMTMAX: Micros = 64_000_000;
export const TCP_MAXRXTSHIFT = 12;
export const TCP_BACKOFF = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 512, 512] as const;

/** Makes sure that the Callout fires at `at` at the latest. */
function armBy(tp: TcpCb, at: Micros): void {
  const { callout } = tp;
  if (!callout.pending || at < callout.deadline) tp.tcp.kern.engine.calloutReset(callout, Math.max(0, at - tp.nowUs));
}

export function tcpSetRexmt(tp: TcpCb): void {
  tp.rexmtAt = tp.nowUs + Math.min(tp.rtoUs * TCP_BACKOFF[Math.min(tp.rxtshift, TCP_MAXRXTSHIFT)]!, TCPTV_REXMTMAX);
  tp.persistAt = NEVER;
  armBy(tp, tp.rexmtAt);
}

/** RFC 8985 §7.2. */
export function tcpSetProbe(tp: TcpCb, at: Micros): void {
  tp.probeAt = at;
  armBy(tp, at);
}

/** RFC 8985 §6.2 step 5; NEVER: there is nothing to wait for. */
export function tcpSetReorder(tp: TcpCb, at: Micros): void {
  tp.reorderAt = at;
  if (at !== NEVER) armBy(tp, at);
}

export function tcpSetDelack(tp: TcpCb): void {
  tp.delackAt = tp.nowUs + tp.tcp.tun.delacktimeMs * US_PER_MS;
  armBy(tp, tp.delackAt);
}

export function tcpSetKeep(tp: TcpCb, afterUs: Micros): void {
  tp.keepAt = tp.nowUs + afterUs;
  armBy(tp, tp.keepAt);
}

export function tcpSet2msl(tp: TcpCb, afterUs: Micros): void {
  tp.twAt = tp.nowUs + afterUs;
  armBy(tp, tp.twAt);
}

/** The peer's window is closed: asks again after a while, longer each time. */
export function tcpSetPersist(tp: TcpCb): void {
  const { tun } = tp.tcp;
  const base = tp.srttUs === 0 ? tun.rexmitInitialMs * US_PER_MS : tp.srttUs + 4 * tp.rttvarUs;
  const after = Math.min(Math.max(base * TCP_BACKOFF[Math.min(tp.rxtshift, TCP_MAXRXTSHIFT)]!, tun.persminMs * US_PER_MS), tun.persmaxMs * US_PER_MS);
  tp.persistAt = tp.nowUs + after;
  tp.rexmtAt = NEVER;
  armBy(tp, tp.persistAt);
  if (tp.rxtshift < TCP_MAXRXTSHIFT) tp.rxtshift++;
}

export function tcpStopTimers(tp: TcpCb): void {
  tp.rexmtAt = tp.persistAt = tp.keepAt = tp.twAt = tp.delackAt = tp.probeAt = tp.reorderAt = NEVER;
  tp.tcp.kern.engine.calloutStop(tp.callout);
}

export const tcpKeepidleUs = (tp: TcpCb): Micros => tp.keepidleUs || tp.tcp.tun.keepidleMs * US_PER_MS;
export const tcpKeepintvlUs = (tp: TcpCb): Micros => tp.keepintvlUs || tp.tcp.tun.keepintvlMs * US_PER_MS;
export const tcpKeepinitUs = (tp: TcpCb): Micros => tp.keepinitUs || tp.tcp.tun.keepinitMs * US_PER_MS;
/** How long a silent peer may be asked. */
export const tcpMaxidleUs = (tp: TcpCb): Micros => (tp.keepcnt || tp.tcp.tun.keepcnt) * tcpKeepintvlUs(tp);

/** The Callout fired: does what is due and arms it again. */
export function tcpTimersRun(tp: TcpCb): void {
  const now = tp.nowUs;
  if (tp.delackAt <= now) delack(tp);
  if (tp.twAt <= now) twoMsl(tp);
  if (tp.reorderAt <= now) reorder(tp);
  if (tp.probeAt <= now) probe(tp);
  if (tp.rexmtAt <= now) rexmt(tp);
  if (tp.persistAt <= now) persist(tp);
  if (tp.keepAt <= now) keep(tp);
  if (tp.state === TCPS_CLOSED) return;
  const next = Math.min(tp.delackAt, tp.twAt, tp.rexmtAt, tp.persistAt, tp.keepAt, tp.probeAt, tp.reorderAt);
  if (next !== NEVER) armBy(tp, next);
}

function delack(tp: TcpCb): void {
  tp.delackAt = NEVER;
  if ((tp.flags & TF_DELACK) === 0) return;
  tp.flags = (tp.flags & ~TF_DELACK) | TF_ACKNOW;
  tp.tcp.stats.delack++;
  tcpOutput(tp);
}

/** TIME_WAIT is over; or nobody came to finish a connection whose program has gone. */
function twoMsl(tp: TcpCb): void {
  tp.twAt = NEVER;
  if (tp.state === TCPS_FIN_WAIT_2) tp.tcp.stats.finwait2_drops++;
  if (tp.state === TCPS_TIME_WAIT || tp.state === TCPS_FIN_WAIT_2) tcpClose(tp, 0);
}

function reorder(tp: TcpCb): void {
  tp.reorderAt = NEVER;
  tcpReorderTimeout(tp);
}

/** In place of the retransmission timer, which begins anew. */
function probe(tp: TcpCb): void {
  tp.probeAt = NEVER;
  tlpSend(tp);
}

function rexmt(tp: TcpCb): void {
  tp.rexmtAt = NEVER;
  const { stats, tun } = tp.tcp;
  tp.rxtshift++;
  const silentFor = tp.nowUs - Math.max(tp.rcvTimeUs, tp.map.head?.xmitUs ?? 0);
  if (tp.rxtshift > tun.rexmitRetries || (tp.userTimeoutUs > 0 && silentFor >= tp.userTimeoutUs)) {
    stats.timeoutdrop++;
    tcpDrop(tp, tp.softError || ETIMEDOUT);
    return;
  }
  stats.rexmttimeo++;
  tcpBlackholeRexmt(tp);
  tcpRexmtTimeout(tp);
}

function persist(tp: TcpCb): void {
  tp.persistAt = NEVER;
  const { stats, tun } = tp.tcp;
  stats.persisttimeo++;
  const idle = tp.nowUs - tp.rcvTimeUs;
  if (tp.rxtshift >= TCP_MAXRXTSHIFT && (idle >= tcpKeepidleUs(tp) || idle >= tp.rtoUs * 512)) {
    stats.persistdrop++;
    tcpDrop(tp, ETIMEDOUT);
    return;
  }
  if (tp.user === null && tp.rxtshift >= TCP_MAXRXTSHIFT && idle >= tun.persmaxMs * US_PER_MS) {
    stats.persistdrop++;
    tcpDrop(tp, ETIMEDOUT);
    return;
  }
  tcpSetPersist(tp);
  tp.flags |= TF_FORCE;
  tcpOutput(tp);
  tp.flags &= ~TF_FORCE;
}

function keep(tp: TcpCb): void {
  tp.keepAt = NEVER;
  const { stats, tun } = tp.tcp;
  stats.keeptimeo++;
  if (tp.state < TCPS_ESTABLISHED) return keepDrop(tp);
  if ((!tp.soKeepalive && tun.alwaysKeepalive === 0) || tp.state > TCPS_FIN_WAIT_2) return tcpSetKeep(tp, tcpKeepidleUs(tp));
  const idle = tp.nowUs - tp.rcvTimeUs;
  if (idle < tcpKeepidleUs(tp)) return tcpSetKeep(tp, tcpKeepidleUs(tp) - idle);
  if (idle >= tcpKeepidleUs(tp) + tcpMaxidleUs(tp)) return keepDrop(tp);
  stats.keepprobe++;
  tcpSendProbe(tp, TH_ACK);
  tcpSetKeep(tp, tcpKeepintvlUs(tp));
}

function keepDrop(tp: TcpCb): void {
  tp.tcp.stats.keepdrops++;
  if (tp.state <= TCPS_SYN_RECEIVED) tp.tcp.stats.conndrops++;
  tcpDrop(tp, tp.softError || ETIMEDOUT);
}
