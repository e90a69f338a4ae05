/**
 * tcp-tlp-send.ts — a tail loss probe is sent.
 * Read first: RFC 8985 §7.3; tcp-tlp.ts, which says when.
 *
 * @rfc 8985 7.3 yes
 */
import { SR_SACKED, SR_TLP } from './sendmap.js';
import { tcpResend, tcpSendTlp } from './tcp-output.js';
import { tcpSetRexmt } from './tcp-timer.js';
import type { TcpCb } from './tcpcb.js';

/** §7.3: the timer expired. */
export function tlpSend(tp: TcpCb): void {
  const { rec } = tp;
  if (tp.flight === 0 || rec.tlpOn) return;
  rec.tlpRttSeen = false;
  rec.tlpRetrans = !tcpSendTlp(tp);
  if (rec.tlpRetrans && !resendTail(tp)) return;
  rec.tlpOn = true;
  rec.tlpEnd = tp.sndNxt;
  tp.tcp.stats.tlpprobes++;
  tcpSetRexmt(tp);
}

/** Nothing is new: the last segment again. */
function resendTail(tp: TcpCb): boolean {
  const { map } = tp;
  const { tail } = map;
  if (tail === null || (tail.flags & SR_SACKED) !== 0) return false;
  const over = tail.length - tp.maxseg;
  const last = over > 0 ? map.split(tail, (tail.seq + over) | 0) : tail;
  if (!tcpResend(tp, last)) return false;
  last.flags |= SR_TLP;
  return true;
}
