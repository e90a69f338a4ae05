/**
 * tcp-output.ts — what a connection should send now, and sending it.
 * Read first: RFC 9293 §3.8 (data communication), §3.7.4 (Nagle); RFC 6675 §5 (what is sent first in recovery); freebsd `tcp_output.c`.
 *
 * Theory of operation. `tcpOutput` sends until there is no reason to send more. Each round takes the first reason that holds:
 *
 *     1  a range is lost, and the congestion window has room      sendLost
 *     2  new data, a SYN or a FIN, and both windows have room     sendNew
 *     3  an acknowledgement or a window update is due             sendAck
 *
 * New data goes out in super-segments of many times `maxseg`, which are cut by whoever needs them cut (net/offload.ts). A segment that is not full
 * waits for an acknowledgement (Nagle), unless TCP_NODELAY; one that the peer's window cuts short waits for the window to open, with the persist timer.
 *
 * Invariants: what has been sent is in the sendmap before it leaves; the retransmission timer runs while anything is in flight.
 * Not here: what is lost (tcp-recovery.ts), what the windows are (tcp-window.ts, cc/).
 *
 * @rfc 9293 3.7.4 yes
 * @rfc 9293 3.8.6.2.1 yes
 */
import { EMSGSIZE } from '../base/errno.js';
import { seqDiff, seqGt, seqLt } from '../base/seqnum.js';
import { NEVER } from '../base/time.js';
import { GSO_TCPV4, GSO_TCPV6, HEADROOM } from '../mbuf/packet-buffer.js';
import { tcpPackOptions, tcpPackTimestamps } from '../wire/tcp-options.js';
import { TCP_HDR_LEN, TCP_MAXOLEN, TH_ACK, TH_FIN, TH_PUSH, TH_SYN, TH_URG, tcpEmit } from '../wire/tcp.js';
import { SR_FIN, SR_SYN } from './sendmap.js';
import type { SentRange } from './sendmap.js';
import { ecnCodepoint, ecnFlags, ecnSynFlags } from './tcp-ecn.js';
import { isUnreachable, tcpIpOutput } from './tcp-ip.js';
import { tcpFitMaxseg } from './tcp-mss.js';
import { tcpHasSackBlocks, tcpSackBlocks, tcpSynOptions, tcpTimestamps, tcpTsNow } from './tcp-options.js';
import { tcpRecoverySent } from './tcp-recovery.js';
import { TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_LISTEN, TCPS_SYN_RECEIVED, TCPS_SYN_SENT, TCPS_TIME_WAIT } from './tcp-state.js';
import { tcpSynDataLen } from './tcp-syn-data.js';
import { tcpSetPersist, tcpSetRexmt } from './tcp-timer.js';
import { tlpArm } from './tcp-tlp.js';
import { undoWantsNew } from './tcp-undo.js';
import { tcpRecvWindow, tcpWindowUpdateDue } from './tcp-window.js';
import { TF_ACKNOW, TF_DELACK, TF_FORCE, TF_NEEDFIN, TF_NODELAY, TF_NOPUSH, TF_OUTPUT, TF_RCVDFIN, TF_RXWIN0SENT, TF_SENTFIN, TF_SIGNATURE, TF_SNDCWR, TF_SYNACKED, TF_TS, TF_UTO } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import { tcpUtoOption } from './tcp-uto.js';

/** Room before a segment: what a packet has, and a tunnel's headers. */
const TCP_HEADROOM = HEADROOM + 64;

/** Sends what there is to send. During input the end of input does it. */
export function tcpOutput(tp: TcpCb): void {
  if (tp.inInput) {
    tp.flags |= TF_OUTPUT;
    return;
  }
  tp.flags &= ~TF_OUTPUT;
  if (tp.state === TCPS_CLOSED || tp.state === TCPS_LISTEN) return;
  restartIfIdle(tp);
  while (sendLost(tp) || sendNew(tp)) if (tp.state === TCPS_CLOSED) return;
  if (tp.state !== TCPS_SYN_SENT && ((tp.flags & TF_ACKNOW) !== 0 || (tp.state < TCPS_TIME_WAIT && tp.isSynchronized && (tp.flags & TF_RCVDFIN) === 0 && tcpWindowUpdateDue(tp)))) sendAck(tp);
}

/** RFC 5681 §4.1: after a pause the window says nothing about the path any more. */
function restartIfIdle(tp: TcpCb): void {
  if (tp.isSynchronized && tp.flight === 0 && tp.snd.bytes > 0 && tp.nowUs - tp.sndTimeUs >= tp.rtoUs && tp.sndTimeUs > 0) tp.cc.afterIdle(tp);
}

/** Sends a lost range again, or as much of it as the congestion window has room for. */
function sendLost(tp: TcpCb): boolean {
  const r = tp.map.firstLost();
  if (r === null || undoWantsNew(tp)) return false;
  if ((r.flags & SR_SYN) !== 0 && r.length > 1) tp.map.split(r, (r.seq + 1) | 0);
  // What went with the first SYN waits for it.
  if (tp.state === TCPS_SYN_SENT && (r.flags & SR_SYN) === 0) return false;
  tp.map.mergeLost(r, tp.maxseg);
  const room = tp.cwnd - tp.pipe;
  if (room < Math.min(r.length, tp.maxseg) && tp.pipe > 0) return false;
  const want = Math.min(r.length, Math.max(tp.maxseg, Math.floor(room / tp.maxseg) * tp.maxseg), longest(tp));
  if (r.length > want) tp.map.split(r, (r.seq + want) | 0);
  return tcpResend(tp, r);
}

/** Sends `r` again, whatever the windows say. */
export function tcpResend(tp: TcpCb, r: SentRange): boolean {
  const flags = ((r.flags & SR_SYN) !== 0 ? TH_SYN : 0) | ((r.flags & SR_FIN) !== 0 ? TH_FIN : 0);
  const len = r.length - ((r.flags & SR_SYN) !== 0 ? 1 : 0) - ((r.flags & SR_FIN) !== 0 ? 1 : 0);
  if (!tcpSendSegment(tp, r.seq, len, flags)) return false;
  tp.map.resent(r, tp.nowUs);
  tp.rexmits++;
  tp.tcp.stats.sndrexmitpack += segments(tp, len);
  tp.tcp.stats.sndrexmitbyte += len;
  tcpRecoverySent(tp, len, true);
  afterSend(tp);
  return true;
}

/** Sends what has not been sent yet. */
function sendNew(tp: TcpCb): boolean {
  if ((tp.flags & TF_SENTFIN) !== 0) return false;
  if (tp.flight === 0 && (tp.flags & TF_SYNACKED) === 0) return sendSyn(tp);
  if (!tp.isSynchronized && tp.state !== TCPS_SYN_RECEIVED) return false;
  if ((tp.flags & TF_SYNACKED) === 0 && tp.state !== TCPS_ESTABLISHED && tp.tfoListener === null) return false;
  const off = seqDiff(tp.sndNxt, tp.dataAt);
  const avail = tp.snd.bytes - off;
  const fin = (tp.flags & TF_NEEDFIN) !== 0;
  if (avail <= 0) return fin && avail === 0 && sendData(tp, 0, true);
  const wnd = tp.sndWnd - off;
  const room = tp.cwnd - tp.pipe;
  const usable = Math.min(wnd, room);
  tp.cwndLimited = tp.cwndLimited || room < Math.min(avail, wnd);
  let len = Math.min(avail, usable, longest(tp));
  if (len > tp.maxseg && len < avail) len -= len % tp.maxseg;
  if (len >= tp.maxseg || (len > 0 && isWorthIt(tp, len, len === avail, fin))) return sendData(tp, len, fin && len === avail);
  if ((tp.flags & TF_FORCE) !== 0) {
    if (len <= 0) return sendProbe(tp);
    // What was not worth a segment has waited long enough; it is sent as any other.
    tp.flags &= ~TF_FORCE;
    return sendData(tp, len, fin && len === avail);
  }
  // Nothing will come back that could make us send: the peer's window must be asked for.
  if (tp.flight === 0 && tp.persistAt === NEVER) {
    tp.rxtshift = 0;
    tcpSetPersist(tp);
  }
  return false;
}

/** Sends a segment that was never sent, beyond the congestion window (RFC 8985 §7.3). False: there is none, or the peer's window has no room. */
export function tcpSendTlp(tp: TcpCb): boolean {
  if ((tp.flags & TF_SENTFIN) !== 0) return false;
  const off = seqDiff(tp.sndNxt, tp.dataAt);
  const avail = tp.snd.bytes - off;
  const len = Math.min(avail, tp.maxseg);
  return len > 0 && len <= tp.sndWnd - off && sendData(tp, len, (tp.flags & TF_NEEDFIN) !== 0 && len === avail);
}

/** A segment that is not full: may it go? RFC 9293 §3.8.6.2.1. */
function isWorthIt(tp: TcpCb, len: number, isAll: boolean, fin: boolean): boolean {
  // A SYN that is not acknowledged (Fast Open) is nothing that data could wait to go with.
  const waits = tp.flight > ((tp.flags & TF_SYNACKED) !== 0 ? 0 : 1);
  if (isAll && (tp.flags & TF_NOPUSH) === 0 && (fin || !waits || (tp.flags & TF_NODELAY) !== 0)) return true;
  if (isAll && fin) return true;
  return tp.maxSndWnd > 0 && len >= tp.maxSndWnd >> 1;
}

/** Payload of the longest segment that may be built. */
function longest(tp: TcpCb): number {
  const { tun } = tp.tcp;
  // Every part of a super-segment would say the same CWR, which is said once, and the same urgent pointer, which counts from where it is. And every
  // segment has a digest of its own.
  const cut = tun.tso === 0 || (tp.flags & (TF_SNDCWR | TF_SIGNATURE)) !== 0 || seqGt(tp.sndUp, tp.sndUna);
  return cut ? tp.maxseg : Math.max(tp.maxseg, tun.tsoMax - (tun.tsoMax % tp.maxseg));
}

function segments(tp: TcpCb, len: number): number {
  return len <= tp.maxseg ? 1 : Math.ceil(len / tp.maxseg);
}

function sendSyn(tp: TcpCb): boolean {
  const { tcp } = tp;
  if (tp.state !== TCPS_SYN_SENT && tp.state !== TCPS_SYN_RECEIVED) return false;
  const len = tcpSynDataLen(tp);
  tp.progressUs = tp.nowUs;
  if (!tcpSendSegment(tp, tp.iss, len, TH_SYN)) return false;
  tp.sndNxt = (tp.iss + 1 + len) | 0;
  tp.map.append(tp.iss, tp.sndNxt, SR_SYN, tp.nowUs);
  tcp.stats.sndctrl++;
  afterSend(tp);
  return true;
}

function sendData(tp: TcpCb, len: number, fin: boolean): boolean {
  const seq = tp.sndNxt;
  if (tp.flight === 0) tp.progressUs = tp.nowUs;
  // What goes now is the retransmission timer's business.
  if (tp.persistAt !== NEVER) {
    tp.persistAt = NEVER;
    tp.rxtshift = 0;
  }
  if (!tcpSendSegment(tp, seq, len, fin ? TH_FIN : 0)) return false;
  tp.sndNxt = (seq + len + (fin ? 1 : 0)) | 0;
  tp.map.append(seq, tp.sndNxt, fin ? SR_FIN : 0, tp.nowUs);
  if (fin) tp.flags |= TF_SENTFIN;
  if (len > 0) {
    tp.tcp.stats.sndpack += segments(tp, len);
    tp.tcp.stats.sndbyte += len;
    tp.bytesSent += len;
    tp.sndTimeUs = tp.nowUs;
  } else {
    tp.tcp.stats.sndctrl++;
  }
  tcpRecoverySent(tp, len, false);
  afterSend(tp);
  return true;
}

/** Asks for the window of a peer that has closed it, with the first thing that it has not taken. */
export function tcpProbeWindow(tp: TcpCb): void {
  const first = tp.map.head;
  if (first === null) {
    tp.flags |= TF_FORCE;
    tcpOutput(tp);
    tp.flags &= ~TF_FORCE;
    return;
  }
  const isFin = first.length === 1 && (first.flags & SR_FIN) !== 0;
  tp.flags |= TF_RXWIN0SENT;
  tp.tcp.stats.sndprobe++;
  if (tcpSendSegment(tp, first.seq, isFin ? 0 : 1, isFin ? TH_FIN : 0)) tp.map.resent(first, tp.nowUs);
}

/** One byte into a closed window: the answer tells the window. */
function sendProbe(tp: TcpCb): boolean {
  tp.flags = (tp.flags & ~TF_FORCE) | TF_RXWIN0SENT;
  tp.tcp.stats.sndprobe++;
  const seq = tp.sndNxt;
  if (!tcpSendSegment(tp, seq, 1, 0)) return false;
  tp.sndNxt = (seq + 1) | 0;
  tp.map.append(seq, tp.sndNxt, 0, tp.nowUs);
  tp.bytesSent++;
  return false;
}

function sendAck(tp: TcpCb): void {
  const update = (tp.flags & TF_ACKNOW) === 0;
  if (!tcpSendSegment(tp, tp.sndNxt, 0, 0)) return;
  const { stats } = tp.tcp;
  if (!update) stats.sndacks++;
  else if (seqGt(tp.sndUp, tp.sndUna)) stats.sndurg++;
  else stats.sndwinup++;
}

/** The timer runs while something is in flight. */
function afterSend(tp: TcpCb): void {
  if (tp.rexmtAt === NEVER && tp.persistAt === NEVER) tcpSetRexmt(tp);
  tlpArm(tp);
}

/**
 * Builds the segment [seq, seq + len) and hands it to IP. `flags`: SYN and FIN; the others are put on here. False: there is no packet to be had, or IP
 * would not take it for want of one; nothing has been sent.
 */
export function tcpSendSegment(tp: TcpCb, seq: number, len: number, flags: number): boolean {
  const { tcp } = tp;
  const m = tcp.kern.engine.pool.alloc(len + TCP_HDR_LEN + TCP_MAXOLEN, TCP_HEADROOM);
  if (m === null) {
    if (tp.rexmtAt === NEVER) tcpSetRexmt(tp);
    return false;
  }
  const isSyn = (flags & TH_SYN) !== 0;
  const isNew = len > 0 && seq === tp.sndNxt && tp.persistAt === NEVER;
  const ecn = isSyn ? ecnSynFlags(tp, tp.state !== TCPS_SYN_SENT) : ecnFlags(tp, isNew);
  const olen = putOptions(tp, m.view, m.off + TCP_HDR_LEN, len, isSyn);
  const hlen = TCP_HDR_LEN + olen;
  m.len = hlen + len;
  if (len > 0) tp.snd.copyTo(m, m.off + hlen, seqDiff(isSyn ? (seq + 1) | 0 : seq, tp.dataAt), len);
  emitHeader(tp, m.view, m.off, seq, len, hlen, flags | ecn);
  if ((tp.flags & TF_SIGNATURE) !== 0 && !tcp.md5.sign(m.view, m.off, m.len, m.off + TCP_HDR_LEN + tcp.out.signatureAt, tcp.endsOf(tp))) {
    // As if it had been lost: a key may come.
    m.free();
    return true;
  }
  if (len > tp.maxseg && !isSyn) { // what goes with a SYN is measured by what the peer is remembered to take
    m.gsoType = tp.isV6 ? GSO_TCPV6 : GSO_TCPV4;
    m.gsoSize = tp.maxseg;
  }
  tcp.stats.sndtotal += segments(tp, len);
  tp.segsOut += segments(tp, len);
  const error = tcpIpOutput(tp, m, ecnCodepoint(tp, isNew, segments(tp, len)));
  // The route's MTU has changed: what fits now goes instead.
  if (error === EMSGSIZE && tcpFitMaxseg(tp)) return tcpSendSegment(tp, seq, len, flags);
  // Otherwise it is as if it had been lost; why nothing gets out is what a timeout will report.
  if (isUnreachable(error)) tp.softError = error;
  return true;
}

/** Writes the options at `at`; returns how many bytes they take. What has come out of order is told in acknowledgements; data is not made shorter for it. */
function putOptions(tp: TcpCb, v: DataView, at: number, len: number, isSyn: boolean): number {
  if (!isSyn && (tp.flags & (TF_TS | TF_SIGNATURE | TF_UTO)) === TF_TS && (len > 0 || !tcpHasSackBlocks(tp))) return tcpPackTimestamps(v, at, tcpTsNow(tp), tp.tsRecent >>> 0);
  const { out } = tp.tcp;
  out.clear();
  if (isSyn) tcpSynOptions(tp, out, tp.state !== TCPS_SYN_SENT);
  else {
    tcpTimestamps(tp, out);
    if (len === 0) tcpSackBlocks(tp, out);
    if (len === 0 && tp.lastAckSent === ((tp.irs + 1) | 0)) tcpUtoOption(tp, out);
  }
  if ((tp.flags & TF_SIGNATURE) !== 0) out.signature = true;
  return tcpPackOptions(v, at, out);
}

function emitHeader(tp: TcpCb, v: DataView, at: number, seq: number, len: number, hlen: number, synFin: number): void {
  let flags = synFin;
  if (tp.state !== TCPS_SYN_SENT) flags |= TH_ACK;
  if (len > 0 && seqDiff(seq, tp.dataAt) + len === tp.snd.bytes && (tp.flags & TF_NOPUSH) === 0) flags |= TH_PUSH;
  let urp = 0;
  if (seqGt(tp.sndUp, seq)) {
    urp = Math.min(seqDiff(tp.sndUp, seq), 65_535);
    flags |= TH_URG;
  }
  const isSyn = (flags & TH_SYN) !== 0;
  // The window in a SYN is not scaled.
  const win = isSyn ? Math.min(tp.rcv.space, 65_535) : tcpRecvWindow(tp);
  const field = isSyn ? win : win >> tp.rcvScale;
  if (field === 0) tp.sndZeroWin++;
  tcpEmit(v, at, tp.inp.lport, tp.inp.fport, seq, (flags & TH_ACK) !== 0 ? tp.rcvNxt : 0, hlen, flags, field, urp);
  // Rounding up promises nothing: otherwise every acknowledgement would give a peer that sends little at a time a little more than there is room for.
  const edge = (tp.rcvNxt + Math.min(win, tp.rcv.space)) | 0;
  if ((flags & TH_ACK) !== 0 && seqLt(tp.rcvAdv, edge)) tp.rcvAdv = edge;
  tp.lastAckSent = tp.rcvNxt;
  tp.unackedBytes = 0;
  tp.flags &= ~(TF_ACKNOW | TF_DELACK);
  tp.delackAt = NEVER;
}
