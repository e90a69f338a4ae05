/**
 * tcp-urgent.ts — urgent data: a mark in the stream.
 * Read first: RFC 6093; RFC 9293 §3.8.5; sockatmark(3); freebsd `tcp_input.c` ("Process segments with URG").
 *
 * Theory of operation. Urgent data is never taken out of the stream (SO_OOBINLINE, which is always on): RFC 6093 §6 asks for that. The urgent pointer names the
 * byte behind the last urgent one, as all stacks in the field have it; the mark that a program is told is before that byte. A reader stops at
 * the mark once, so that it can see that it is there.
 *
 * `rcvUp` follows the reader, so that a pointer of long ago does not seem to be ahead.
 * Not here: MSG_OOB for receiving (there is nothing out of band to receive).
 *
 * @rfc 6093 4 yes
 * @rfc 6093 6 yes
 * @rfc 9293 3.8.5 yes
 */
import { seqDiff, seqGt, seqLt } from '../base/seqnum.js';
import { TH_URG } from '../wire/tcp.js';
import type { Segment } from './tcp-segment.js';
import { TCPS_TIME_WAIT } from './tcp-state.js';
import { TF_RCVDFIN } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Sixth step of RFC 9293 §3.10.7.4: the peer names an end of urgent data. */
export function tcpUrgentStep(tp: TcpCb, seg: Segment): void {
  if (!seg.has(TH_URG) || seg.urp === 0 || tp.state === TCPS_TIME_WAIT) return;
  const up = (seg.seq + seg.urp) | 0;
  if (seqGt(up, tp.rcvUp)) tp.rcvUp = up;
}

/** What has been written so far is urgent up to its end. */
export function tcpMarkUrgent(tp: TcpCb): void {
  tp.sndUp = (tp.dataAt + tp.snd.bytes) | 0;
}

/** Sequence number of the next byte a program will read. */
const readAt = (tp: TcpCb): number => (tp.rcvNxt - tp.rcv.bytes - ((tp.flags & TF_RCVDFIN) !== 0 ? 1 : 0)) | 0;

/** Bytes before the mark; 0: it is here; below: there is none. */
export const tcpBytesToMark = (tp: TcpCb): number => seqDiff(tp.rcvUp, readAt(tp)) - 1;

/** The program has read on. */
export function tcpMarkPassed(tp: TcpCb): void {
  const at = readAt(tp);
  if (seqLt(tp.rcvUp, at)) tp.rcvUp = at;
}
