/**
 * tcp-input-syn-data.ts — a SYN whose Fast Open cookie is believed: its data is read before the handshake is done.
 * Read first: RFC 7413 §4.2.2; tcp-syn-data.ts.
 *
 * @rfc 7413 4.2.2 yes
 */
import { TH_FIN, TH_SYN } from '../wire/tcp.js';
import { tcpTextStep } from './tcp-input-text.js';
import { tcpInitialCwnd } from './tcp-mss.js';
import { tcpOutput } from './tcp-output.js';
import { tcpRun } from './tcp-run.js';
import type { Segment } from './tcp-segment.js';
import { TF_ACKNOW, TF_FASTOPEN, TN_CONNECTED } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** A SYN whose cookie is believed has made `tp`, for listener `l`. Owns `seg.m`. */
export function tcpFastopenInput(tp: TcpCb, l: TcpCb, seg: Segment): void {
  l.tfoPending++;
  tp.tfoListener = l;
  tp.flags |= TF_FASTOPEN | TF_ACKNOW;
  tp.sndWnd = tp.maxSndWnd = seg.win;
  tcpInitialCwnd(tp);
  seg.seq = tp.rcvNxt;
  seg.flags &= ~(TH_SYN | TH_FIN);
  if (seg.len > tp.rcv.space) seg.trimBack(tp.rcv.space);
  if (!tcpTextStep(tp, seg)) seg.m.free();
  // The SYN|ACK goes first, whatever the program does.
  tp.inInput = false;
  tcpOutput(tp);
  tp.inInput = true;
  tp.notify |= TN_CONNECTED;
  tcpRun(tp);
}
