/**
 * tcp-timeout.ts — a timer of a connection has expired.
 * Read first: tcp-timer.ts for which there are; RFC 6298 §5; RFC 1122 §4.2.2.17, §4.2.3.1, §4.2.3.5, §4.2.3.6; freebsd `sys/netinet/tcp_timer.c`.
 *
 * @rfc 1122 4.2.3.1 yes
 * @rfc 1122 4.2.3.6 yes
 */
import { ETIMEDOUT } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_MS } from '../base/time.js';
import { TH_ACK } from '../wire/tcp.js';
import { tcpClose, tcpDrop } from './tcp-close.js';
import { tcpOutput, tcpProbeWindow } from './tcp-output.js';
import { tcpBlackholeRexmt } from './tcp-pmtud.js';
import { tcpReorderTimeout, tcpRexmtTimeout } from './tcp-recovery.js';
import { tcpSendProbe } from './tcp-respond.js';
import { TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_FIN_WAIT_2, TCPS_TIME_WAIT } from './tcp-state.js';
import { TCP_MAXRXTSHIFT, TCP_TOTBACKOFF, tcpArmBy, tcpKeepidleUs, tcpKeepintvlUs, tcpMaxidleUs, tcpSetKeep, tcpSetPersist } from './tcp-timer.js';
import { tlpSend } from './tcp-tlp-send.js';
import { TF_ACKNOW, TF_DELACK } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** A timer that is later than this was held up. */
const LATE_US: Micros = 2_000;
/** Probes of a closed window in a row without an answer, after which the peer is gone. */
const PERSIST_UNANSWERED = 4;

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
  if (next !== NEVER) tcpArmBy(tp, next);
}

function delack(tp: TcpCb): void {
  tp.delackAt = NEVER;
  if ((tp.flags & TF_DELACK) === 0) return;
  tp.flags = (tp.flags & ~TF_DELACK) | TF_ACKNOW;
  tp.tcp.stats.delack++;
  tcpOutput(tp);
}

/** Nobody came to finish a connection whose program has gone. */
function twoMsl(tp: TcpCb): void {
  if (tp.state === TCPS_TIME_WAIT) return; // the list of those sees to it
  tp.twAt = NEVER;
  if (tp.state !== TCPS_FIN_WAIT_2) return;
  tp.tcp.stats.finwait2_drops++;
  tcpClose(tp, 0);
}

function reorder(tp: TcpCb): void {
  tp.reorderAt = NEVER;
  tcpReorderTimeout(tp);
  tcpOutput(tp);
}

/** In place of the retransmission timer, which begins anew. */
function probe(tp: TcpCb): void {
  tp.probeAt = NEVER;
  tlpSend(tp);
}

function rexmt(tp: TcpCb): void {
  if (heldUp(tp)) return;
  tp.rexmtAt = NEVER;
  const { stats, tun } = tp.tcp;
  if (isShutOut(tp)) {
    tp.rxtshift = 0;
    persist(tp);
    return;
  }
  if (tp.rxtshift < TCP_MAXRXTSHIFT) tp.rxtshift++;
  tp.rec.timeouts++;
  const isOverdue = tp.userTimeoutUs > 0 && tp.nowUs - tp.progressUs >= tp.userTimeoutUs;
  if (isOverdue || tp.rec.timeouts > tun.rexmitRetries) {
    if (isOverdue) stats.progdrops++;
    else stats.timeoutdrop++;
    tcpDrop(tp, tp.softError || ETIMEDOUT);
    return;
  }
  stats.rexmttimeo++;
  tcpBlackholeRexmt(tp);
  tcpRexmtTimeout(tp);
  tcpOutput(tp);
}

/**
 * The timer comes late because the host was busy elsewhere: then so does what has arrived meanwhile, and is looked at first. Once for each timeout, so that
 * a host that is always late still retransmits.
 */
function heldUp(tp: TcpCb): boolean {
  const { rec } = tp;
  const late = tp.nowUs - tp.rexmtAt > LATE_US && !rec.heldUp;
  rec.heldUp = late;
  if (late) tp.rexmtAt = tp.nowUs + LATE_US;
  return late;
}

/**
 * Has the peer closed its window over what is in flight? It may drop that for as long as it likes: its window is asked for, and the connection is not given
 * up for it (RFC 9293 §3.8.6).
 */
function isShutOut(tp: TcpCb): boolean {
  return tp.sndWnd === 0 && tp.isSynchronized && tp.snd.bytes > 0;
}

function persist(tp: TcpCb): void {
  tp.persistAt = NEVER;
  const { stats, tun } = tp.tcp;
  stats.persisttimeo++;
  const idle = tp.nowUs - tp.rcvTimeUs;
  // A peer that answers was heard of one interval ago: then the connection stays, for however long its window is closed (RFC 9293 §3.8.6.1).
  const silent = Math.max(tp.rtoUs * TCP_TOTBACKOFF, PERSIST_UNANSWERED * tun.persmaxMs * US_PER_MS);
  if (tp.rxtshift >= TCP_MAXRXTSHIFT && (idle >= tcpKeepidleUs(tp) || idle >= silent)) {
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
  tcpProbeWindow(tp);
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
  tcpDrop(tp, tp.softError || ETIMEDOUT);
}
