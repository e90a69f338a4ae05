/**
 * tcp-timer.ts — the timers of a connection: which there are, how they are set.
 * Read first: RFC 6298; RFC 9293 §3.8; RFC 1122 §4.2.2.17 (persist), §4.2.3.6 (keepalive); freebsd `sys/netinet/tcp_timer.c`.
 *
 *     REXMT    something sent is not acknowledged         PERSIST   data waits, and the peer's window is closed
 *     DELACK   an acknowledgement is owed                 KEEP      nothing was heard for long; or the handshake takes too long
 *     2MSL     TIME_WAIT; or FIN_WAIT_2 without a program
 *     PROBE    the tail may be lost (RFC 8985 §7)         REORDER   what seems lost may only be late (RFC 8985 §6.2)
 *
 * Theory of operation. A timer is a deadline in the TcpCb. One Callout serves all: it is armed for the earliest deadline, or earlier. Setting a timer
 * to later, and stopping one, touch only the deadline, so that the retransmission timer, which moves with every acknowledgement, costs nothing; the
 * Callout then fires early once, finds nothing due, and arms itself again.
 * Not here: what happens when they expire (tcp-timeout.ts).
 *
 * @rfc 6298 5 yes
 */
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_MS } from '../base/time.js';
import type { TcpCb } from './tcpcb.js';

/** Longest retransmission timeout, and the steps of the back-off. */
export const TCPTV_REXMTMAX: Micros = 64_000_000;
export const TCP_MAXRXTSHIFT = 12;
export const TCP_BACKOFF = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 512, 512] as const;
/** Their sum. */
export const TCP_TOTBACKOFF = 2_559;

/** Makes sure that the Callout fires at `at` at the latest. */
export function tcpArmBy(tp: TcpCb, at: Micros): void {
  const { callout } = tp;
  if (!callout.pending || at < callout.deadline) tp.tcp.kern.engine.calloutReset(callout, Math.max(0, at - tp.nowUs));
}

export function tcpSetRexmt(tp: TcpCb): void {
  const at = tp.nowUs + Math.min(tp.rtoUs * TCP_BACKOFF[Math.min(tp.rxtshift, TCP_MAXRXTSHIFT)]!, TCPTV_REXMTMAX);
  // A back-off does not go on beyond the time at which the connection is given up.
  tp.rexmtAt = tp.userTimeoutUs === 0 ? at : Math.min(at, Math.max(tp.nowUs, tp.progressUs + tp.userTimeoutUs));
  tp.persistAt = NEVER;
  tcpArmBy(tp, tp.rexmtAt);
}

/** RFC 8985 §7.2. */
export function tcpSetProbe(tp: TcpCb, at: Micros): void {
  tp.probeAt = at;
  tcpArmBy(tp, at);
}

/** RFC 8985 §6.2 step 5; NEVER: there is nothing to wait for. */
export function tcpSetReorder(tp: TcpCb, at: Micros): void {
  tp.reorderAt = at;
  if (at !== NEVER) tcpArmBy(tp, at);
}

export function tcpSetDelack(tp: TcpCb): void {
  tp.delackAt = tp.nowUs + tp.tcp.tun.delacktimeMs * US_PER_MS;
  tcpArmBy(tp, tp.delackAt);
}

export function tcpSetKeep(tp: TcpCb, afterUs: Micros): void {
  tp.keepAt = tp.nowUs + afterUs;
  tcpArmBy(tp, tp.keepAt);
}

export function tcpSet2msl(tp: TcpCb, afterUs: Micros): void {
  tp.twAt = tp.nowUs + afterUs;
  tcpArmBy(tp, tp.twAt);
}

/** The peer's window is closed: asks again after a while, longer each time. */
export function tcpSetPersist(tp: TcpCb): void {
  const { tun } = tp.tcp;
  const base = tp.srttUs === 0 ? tun.rexmitInitialMs * US_PER_MS : tp.srttUs + 4 * tp.rttvarUs;
  const after = Math.min(Math.max(base * TCP_BACKOFF[Math.min(tp.rxtshift, TCP_MAXRXTSHIFT)]!, tun.persminMs * US_PER_MS), tun.persmaxMs * US_PER_MS);
  tp.persistAt = tp.nowUs + after;
  tp.rexmtAt = NEVER;
  tcpArmBy(tp, tp.persistAt);
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

/** The timeout without back-off. */
export function tcpRto(tp: TcpCb): Micros {
  const min = tp.tcp.tun.rexmitMinMs * US_PER_MS;
  return Math.min(tp.srttUs + Math.max(4 * tp.rttvarUs, min), TCPTV_REXMTMAX);
}
