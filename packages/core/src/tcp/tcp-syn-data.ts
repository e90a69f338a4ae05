/**
 * tcp-syn-data.ts — data with the SYN: Fast Open at both ends of one connection.
 * Read first: RFC 7413 §4.2; freebsd `tcp_input.c`, `tcp_output.c` (IS_FASTOPEN); tcp-fastopen.ts for the cookies.
 *
 * Theory of operation. A client that has a cookie sends it with the SYN and as much of its data as one segment holds: one range of the sendmap, which begins
 * with the SYN. A SYN|ACK that acknowledges the SYN alone leaves the data, which is sent again at once. When the SYN has to be sent again it goes alone and
 * without the option, and the path is left alone for a while: something on it may not like what it sees.
 *
 * A server that believes the cookie has the connection from then on, in SYN-RECEIVED: its program reads the data and may answer before the client has
 * acknowledged anything. A FIN with such a SYN is not taken; the client says it again. Until the SYN|ACK is acknowledged the connection counts among the
 * listener's `tfoPending`, which are bounded: whoever can make us believe a cookie can otherwise fill the queue.
 *
 * @rfc 7413 4.2.1 yes
 * @rfc 7413 4.2.2 yes
 */
import { TCP_MAXOLEN, TOF_FASTOPEN } from '../wire/tcp.js';
import type { TcpOptionsOut } from '../wire/tcp-options.js';
import { tcpOfferedMss } from './tcp-mss.js';
import type { Segment } from './tcp-segment.js';
import { TF_FASTOPEN } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Connect: may Fast Open be tried? */
export function tcpFastopenBegin(tp: TcpCb): void {
  const { tcp } = tp;
  if ((tp.flags & TF_FASTOPEN) !== 0 && !tcp.fastopen.mayTry(tcp.endsOf(tp))) tp.flags &= ~TF_FASTOPEN;
}

/** Bytes that go with the first SYN: without a cookie none. */
export function tcpSynDataLen(tp: TcpCb): number {
  if ((tp.flags & TF_FASTOPEN) === 0 || tp.tfoListener !== null) return 0;
  const { tcp } = tp;
  const path = tcp.fastopen.path(tcp.endsOf(tp));
  if (path === null || path.cookie === null) return 0;
  const mss = Math.min(path.mss !== 0 ? path.mss : tp.isV6 ? tcp.tun.v6mssdflt : tcp.tun.mssdflt, tcpOfferedMss(tp));
  return Math.max(0, Math.min(tp.snd.bytes, mss - TCP_MAXOLEN));
}

/** The option of the first SYN: the cookie, or none to ask for one. */
export function tcpFastopenOption(tp: TcpCb, o: TcpOptionsOut): void {
  if ((tp.flags & TF_FASTOPEN) === 0 || tp.tfoListener !== null) return;
  const { tcp } = tp;
  const cookie = tcp.fastopen.path(tcp.endsOf(tp))?.cookie ?? null;
  o.fastopenLen = cookie === null ? 0 : cookie.length;
  if (cookie !== null) o.fastopenCookie.set(cookie);
}

/** The SYN|ACK is there: a cookie in it is for the next time, and data it does not acknowledge are sent again now. */
export function tcpFastopenSynAck(tp: TcpCb, seg: Segment): void {
  if ((tp.flags & TF_FASTOPEN) === 0) return;
  const { tcp } = tp;
  const { opts } = seg;
  if ((opts.flags & TOF_FASTOPEN) !== 0 && opts.fastopenLen > 0) tcp.fastopen.learn(tcp.endsOf(tp), tp.peerMss, seg.m.view, opts.fastopenOff, opts.fastopenLen);
  if (seg.ack === ((tp.iss + 1) | 0)) tp.map.markAllLost(false);
}

/** The SYN was not answered in time. */
export function tcpFastopenFailed(tp: TcpCb): void {
  if ((tp.flags & TF_FASTOPEN) === 0 || tp.tfoListener !== null) return;
  tp.flags &= ~TF_FASTOPEN;
  tp.tcp.fastopen.disable(tp.tcp.endsOf(tp));
}

/** The SYN|ACK has been acknowledged, or the connection is gone. */
export function tcpFastopenSettled(tp: TcpCb): void {
  if (tp.tfoListener === null || tp.tfoSettled) return;
  tp.tfoSettled = true;
  tp.tfoListener.tfoPending--;
}
