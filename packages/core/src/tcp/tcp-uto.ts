/**
 * tcp-uto.ts — how long sent data may stay unacknowledged, and telling the peer.
 * Read first: RFC 5482; RFC 9293 §3.8.3 (R2); TCP_USER_TIMEOUT.
 *
 * Theory of operation. TCP_USER_TIMEOUT sets the time for this end. With TCP_UTO it is also announced, in the SYN and in the acknowledgement that
 * answers the peer's, and what the peer announces is taken over, unless the program has set a time of its own: the larger of the two ends' times, within
 * `net.inet.tcp.uto_min` and `uto_max`.
 *
 * @rfc 5482 3.1 yes
 * @rfc 5482 3.2 partial "a time that is changed later is not announced again"
 */
import { US_PER_SEC } from '../base/time.js';
import type { TcpOptionsOut } from '../wire/tcp-options.js';
import { TF_UTO } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** The bit that says that the other fifteen are minutes. */
const UTO_MINUTES = 0x8000;
const UTO_MAX = 0x7fff;
/** What an end announces that has set no time (RFC 1122 §4.2.3.5). */
const UTO_DEFAULT_S = 300;

/** Announces the time, when the program wants that. */
export function tcpUtoOption(tp: TcpCb, o: TcpOptionsOut): void {
  if ((tp.flags & TF_UTO) === 0) return;
  const s = tp.userTimeoutUs === 0 ? UTO_DEFAULT_S : Math.ceil(tp.userTimeoutUs / US_PER_SEC);
  o.uto = s <= UTO_MAX ? s : UTO_MINUTES | Math.min(UTO_MAX, Math.ceil(s / 60));
}

/** The peer announces `field`, as it is on the wire. */
export function tcpTakeUto(tp: TcpCb, field: number): void {
  if ((tp.flags & TF_UTO) === 0 || tp.userTimeoutSet) return;
  const { tun } = tp.tcp;
  const s = (field & UTO_MINUTES) !== 0 ? (field & UTO_MAX) * 60 : field;
  if (s === 0) return;
  tp.userTimeoutUs = Math.min(tun.utoMaxS, Math.max(tun.utoMinS, s)) * US_PER_SEC;
}
