/**
 * tcp-established.ts — what a handshake has settled, from whichever side it was begun.
 * Read first: RFC 9293 §3.10.7.3, §3.10.7.4; RFC 7323 §2.2, §3.2; RFC 2018 §2.
 */
import { TOF_MSS, TOF_SACKPERM, TOF_SCALE, TOF_TS } from '../wire/tcp.js';
import { tcpMetricsUse } from './tcp-metrics.js';
import { tcpInitialCwnd, tcpSetMaxseg } from './tcp-mss.js';
import type { Segment } from './tcp-segment.js';
import { tcpKeepidleUs, tcpSetKeep } from './tcp-timer.js';
import { tcpWscaleAsked } from './tcp-window.js';
import { TF_NOOPT, TF_SACK, TF_TS, TF_WSCALE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** What the peer's SYN offers, of what ours offered. */
export function tcpTakeSynOptions(tp: TcpCb, seg: Segment): void {
  const { opts } = seg;
  const { tun } = tp.tcp;
  const ours = (tp.flags & TF_NOOPT) === 0;
  if (ours && tun.rfc1323 !== 0 && (opts.flags & TOF_SCALE) !== 0) {
    tp.flags |= TF_WSCALE;
    tp.sndScale = opts.wscale;
    tp.rcvScale = tcpWscaleAsked(tun, tp.rcv.hiwat);
  }
  if (ours && tun.rfc1323 !== 0 && (opts.flags & TOF_TS) !== 0) {
    tp.flags |= TF_TS;
    tp.tsRecent = opts.tsval | 0;
    tp.tsRecentAgeUs = tp.nowUs;
  }
  if (ours && tun.sack !== 0 && (opts.flags & TOF_SACKPERM) !== 0) tp.flags |= TF_SACK;
  tcpSetMaxseg(tp, (opts.flags & TOF_MSS) !== 0 ? opts.mss : 0);
}

/** The handshake is done, from whichever side. */
export function tcpEstablished(tp: TcpCb): void {
  tcpMetricsUse(tp);
  tcpInitialCwnd(tp);
  tp.rfbufStartUs = tp.nowUs;
  tcpSetKeep(tp, tcpKeepidleUs(tp));
}
