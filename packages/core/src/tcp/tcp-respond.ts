/**
 * tcp-respond.ts — segments without data outside the ordinary flow: resets, challenge acknowledgements, probes.
 * Read first: RFC 9293 §3.5.2 (reset generation), §3.8.4 (keepalive); RFC 5961 §3–§5, §7 (limits); freebsd `tcp_subr.c` (tcp_respond).
 *
 * @rfc 9293 3.5.2 yes
 * @rfc 9293 3.8.4 yes
 * @rfc 5961 7 yes
 */
import { US_PER_MS } from '../base/time.js';
import { HEADROOM } from '../mbuf/packet-buffer.js';
import { tcpPackOptions } from '../wire/tcp-options.js';
import { TCP_HDR_LEN, TCP_MAXOLEN, TH_ACK, TH_FIN, TH_RST, TH_SYN, TOF_SIGNATURE, tcpEmit } from '../wire/tcp.js';
import { tcpIpOutput, tcpIpSend } from './tcp-ip.js';
import type { Segment } from './tcp-segment.js';
import { tcpRecvWindow } from './tcp-window.js';
import { tcpTimestamps } from './tcp-options.js';
import { TF_SIGNATURE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import type { Tcp } from './tcp.js';

/** `tcpReset` for who has answered with resets to few only: the ends of a connection. */
export const RST_UNLIMITED = -1;

/**
 * A reset in answer to a segment that belongs to no connection, or to none it could belong to. `which`: BANDLIM_RST_*, whose number of answers a second is
 * net.inet.icmp.icmplim's, or RST_UNLIMITED. `seg.m` stays the caller's.
 */
export function tcpReset(tcp: Tcp, seg: Segment, which: number): void {
  if (seg.has(TH_RST)) return;
  if (which !== RST_UNLIMITED && tcp.ip.icmp !== null && tcp.ip.icmp.bandlim(which) !== 0) return;
  if (seg.has(TH_ACK)) tcpReply(tcp, seg, seg.ack, 0, TH_RST);
  else tcpReply(tcp, seg, 0, seg.end, TH_RST | TH_ACK);
}

/** A segment without data in answer to `seg`, for no connection. */
export function tcpReply(tcp: Tcp, seg: Segment, seq: number, ack: number, flags: number): void {
  const m = tcp.kern.engine.pool.alloc(TCP_HDR_LEN + TCP_MAXOLEN, HEADROOM);
  if (m === null) return;
  const { ends, out } = tcp;
  ends.ofSegment(seg);
  ends.ttl = -1;
  ends.tos = 0;
  out.clear();
  // A peer that signs would not believe it otherwise.
  out.signature = (seg.opts.flags & TOF_SIGNATURE) !== 0 && tcp.md5.hasKey(ends);
  m.len = TCP_HDR_LEN + tcpPackOptions(m.view, m.off + TCP_HDR_LEN, out);
  tcpEmit(m.view, m.off, ends.lport, ends.fport, seq, ack, m.len, flags, 0, 0);
  if (out.signature) tcp.md5.sign(m.view, m.off, m.len, m.off + TCP_HDR_LEN + out.signatureAt, ends);
  tcp.stats.sndctrl++;
  tcp.stats.sndtotal++;
  tcpIpSend(tcp, ends, m);
}

/** A segment without data on a connection, outside its output: a reset, a probe, a challenge. */
export function tcpRespondTo(tp: TcpCb, seq: number, ack: number, flags: number): void {
  const { tcp } = tp;
  const m = tcp.kern.engine.pool.alloc(TCP_HDR_LEN + TCP_MAXOLEN, HEADROOM);
  if (m === null) return;
  const isReset = (flags & TH_RST) !== 0;
  tcp.out.clear();
  if (!isReset) tcpTimestamps(tp, tcp.out);
  if ((tp.flags & TF_SIGNATURE) !== 0) tcp.out.signature = true;
  const olen = tcpPackOptions(m.view, m.off + TCP_HDR_LEN, tcp.out);
  m.len = TCP_HDR_LEN + olen;
  const win = isReset ? 0 : tcpRecvWindow(tp) >> tp.rcvScale;
  tcpEmit(m.view, m.off, tp.inp.lport, tp.inp.fport, seq, ack, m.len, flags, win, 0);
  if ((tp.flags & TF_SIGNATURE) !== 0 && !tcp.md5.sign(m.view, m.off, m.len, m.off + TCP_HDR_LEN + tcp.out.signatureAt, tcp.endsOf(tp))) {
    m.free();
    return;
  }
  tcp.stats.sndctrl++;
  tcp.stats.sndtotal++;
  tp.segsOut++;
  tcpIpOutput(tp, m, 0);
}

/** An old sequence number: the peer answers with an acknowledgement, if it is there. */
export function tcpSendProbe(tp: TcpCb, flags: number): void {
  tcpRespondTo(tp, (tp.sndUna - 1) | 0, tp.rcvNxt, flags);
}

/**
 * RFC 5961: an acknowledgement that makes an honest peer say again what a forger could only guess. Limited for each connection: a limit that connections
 * shared would tell a stranger, by the challenges left for his own, whether his guesses about another were in its window (CVE-2016-5696).
 */
export function tcpChallengeAck(tp: TcpCb): void {
  const { tun } = tp.tcp;
  if (tp.nowUs >= tp.challengeEndUs) {
    tp.challengeEndUs = tp.nowUs + tun.ackWarTimewindowMs * US_PER_MS;
    tp.challenges = 0;
  }
  if (tp.challenges >= tun.ackWarCnt) return;
  tp.challenges++;
  tcpRespondTo(tp, tp.sndNxt, tp.rcvNxt, TH_ACK);
}

/** Flags a segment must not have together. */
export const isNonsense = (flags: number): boolean => (flags & (TH_SYN | TH_FIN)) === (TH_SYN | TH_FIN) || (flags & (TH_SYN | TH_RST)) === (TH_SYN | TH_RST);

