/**
 * tcp-window.ts — the window this end announces, and the size of the buffers behind it.
 * Read first: RFC 9293 §3.8.6 (SWS avoidance, no shrinking); RFC 7323 §2; freebsd `tcp_output.c` ("Calculate receive window").
 *
 * Theory of operation. The window is the room of the receive buffer; its right edge never moves back, but for what the scale rounds up (RFC 7323 §2.4): that
 * is taken when it comes, and not promised. An edge that would move by little is not moved
 * at all until it is worth a segment (silly window syndrome). The receive buffer doubles while a program reads, in two round trips, most of what
 * it can hold: then the buffer is what limits the peer. The send buffer doubles while it is full and the peer and the network would take more. A size that a
 * program has chosen (SO_RCVBUF, SO_SNDBUF) stays.
 *
 * @rfc 9293 3.8.6 yes
 * @rfc 7323 2.3 yes
 */
import { seqDiff } from '../base/seqnum.js';
import { NEVER } from '../base/time.js';
import { TCP_MAX_WINSHIFT } from '../wire/tcp.js';
import { TF_WSCALE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import type { TcpTunables } from './tcp-var.js';

/** Shortest time over which reading is measured: a round trip within a process takes less. */
const RFBUF_MIN_US = 20;
/** The window while the vnet holds nearly as much as it may (kern/sock-mem.ts), in full segments. */
const PRESSED_SEGMENTS = 4;

/** The shift with which a buffer of `bytes` can be announced. */
export function tcpWscaleFor(bytes: number): number {
  let shift = 0;
  while (shift < TCP_MAX_WINSHIFT && 65_535 << shift < bytes) shift++;
  return shift;
}

/** The shift a connection asks for: its buffer may grow. */
export const tcpWscaleAsked = (tun: TcpTunables, hiwat: number): number => tcpWscaleFor(Math.max(hiwat, tun.recvbufAuto === 0 ? 0 : tun.recvbufMax));

/** The window to announce now, bytes; a multiple of the scale's unit. */
export function tcpRecvWindow(tp: TcpCb): number {
  const { rcv } = tp;
  const promised = seqDiff(tp.rcvAdv, tp.rcvNxt);
  let win = rcv.mem.isPressed ? Math.min(rcv.space, PRESSED_SEGMENTS * tp.maxseg) : rcv.space;
  if (win < rcv.hiwat >> 2 && win < tp.maxseg) win = 0;
  const unit = (1 << tp.rcvScale) - 1;
  win = Math.min(win, 65_535 << tp.rcvScale) & ~unit;
  // What was promised stays promised, rounded up where the scale cannot say it.
  return promised > win ? Math.min((promised + unit) & ~unit, 65_535 << tp.rcvScale) : win;
}

/** Has the window opened so far that the peer should be told, though nothing else is to be said? */
export function tcpWindowUpdateDue(tp: TcpCb): boolean {
  const opened = tcpRecvWindow(tp) - Math.max(0, seqDiff(tp.rcvAdv, tp.rcvNxt));
  if (opened < 2 << tp.rcvScale) return false;
  return opened >= Math.min(2 * tp.maxseg, tp.rcv.hiwat >> 1) && (tp.rcv.mem.isPressed || opened >= tp.rcv.hiwat >> 2 || tp.rcv.hiwat <= 8 * tp.maxseg);
}

/**
 * The program has read `n` bytes: should the buffer be larger? Asked once a round trip, or as often as time passes: of what was read meanwhile the part
 * counts that the shortest round trip would bring, twice. A buffer larger than that holds a queue, and its packets leave the processor's caches: between
 * two vnets a window of 2 MB costs twice the time of one of 256 KB.
 */
export function tcpRcvbufTune(tp: TcpCb, n: number): void {
  const { tun } = tp.tcp;
  const { rcv } = tp;
  if (tun.recvbufAuto === 0 || !rcv.autosize || (tp.flags & TF_WSCALE) === 0 || rcv.hiwat >= tun.recvbufMax || rcv.mem.isPressed) return;
  tp.rfbufBytes += n;
  const elapsed = tp.nowUs - tp.rfbufStartUs;
  const rtt = Math.max(tp.rttMinUs === NEVER ? 0 : tp.rttMinUs, tp.rcvRttUs === NEVER ? 0 : tp.rcvRttUs, RFBUF_MIN_US);
  if (elapsed < rtt) return;
  if ((2 * tp.rfbufBytes * rtt) / elapsed > rcv.hiwat - (rcv.hiwat >> 2)) rcv.hiwat = Math.min(rcv.hiwat * 2, tun.recvbufMax);
  tp.rfbufBytes = 0;
  tp.rfbufStartUs = tp.nowUs;
  tp.rcvRttUs = NEVER;
}

/** Acknowledgements have made room: would a larger send buffer keep more in flight? */
export function tcpSndbufTune(tp: TcpCb): void {
  const { tun } = tp.tcp;
  const { snd } = tp;
  if (tun.sendbufAuto === 0 || !snd.autosize || snd.hiwat >= tun.sendbufMax || snd.bytes < snd.hiwat - (snd.hiwat >> 3)) return;
  if (tp.sndWnd < snd.hiwat || tp.cwnd < snd.hiwat) return;
  snd.hiwat = Math.min(snd.hiwat * 2, tun.sendbufMax);
}
