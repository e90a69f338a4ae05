/**
 * tcp-tlp.ts — tail loss probe: nothing came back for two round trips, so something is sent that must be answered.
 * Read first: RFC 8985 §7.
 *
 * Theory of operation. The end of a flight has nothing behind it whose SACK would show its loss; only the retransmission timer would, which is
 * long and throws the window away. A probe, new data if there is, else the last segment again, is answered with an acknowledgement or a SACK, from
 * which RACK learns the rest. The probe timer is set with new data and with acknowledgements, while all is well; one probe is sent, and then the
 * retransmission timer counts. A probe that was a retransmission and repaired a loss must not hide the loss from congestion control (§7.4).
 *
 * The timer is 2 · srtt and a little; the answer to a single segment may be delayed, so then what a peer may delay is added (`rexmit_min`, which is
 * above the 40 ms of Linux and FreeBSD), and it is never after the retransmission timer.
 *
 * @rfc 8985 7.1 yes
 * @rfc 8985 7.2 yes
 * @rfc 8985 7.3 yes
 * @rfc 8985 7.4 yes
 */
import { seqGeq, seqGt } from '../base/seqnum.js';
import { NEVER, US_PER_MS } from '../base/time.js';
import type { Micros } from '../base/time.js';
import type { Delivery } from './tcp-delivery.js';
import { TCPS_ESTABLISHED, TCPS_LAST_ACK } from './tcp-state.js';
import { tcpSetProbe } from './tcp-timer.js';
import { TF_RECOVERY, TF_SACK } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Added to two round trips, so that a path of microseconds does not keep a timer busy; what Linux adds. */
const PTO_SLACK_US: Micros = 2_000;
/** Before a round-trip time is known. */
const PTO_INITIAL_US: Micros = 1_000_000;

/** §7.2: sets the timer, or not. After new data was sent, and after an acknowledgement of new data. */
export function tlpArm(tp: TcpCb): void {
  const { rec } = tp;
  if ((tp.flags & TF_SACK) === 0 || rec.tlpOn || !rec.tlpRttSeen || (tp.flags & TF_RECOVERY) !== 0 || tp.map.sackedBytes > 0 || tp.map.lostBytes > 0
    || tp.flight === 0 || tp.rxtshift > 0 || tp.state < TCPS_ESTABLISHED || tp.state > TCPS_LAST_ACK || tp.rexmtAt === NEVER || tp.tcp.tun.tlp === 0) {
    tp.probeAt = NEVER;
    return;
  }
  tcpSetProbe(tp, Math.min(tp.nowUs + pto(tp), tp.rexmtAt));
}

function pto(tp: TcpCb): Micros {
  if (tp.srttUs === 0) return PTO_INITIAL_US;
  const us = 2 * tp.srttUs + PTO_SLACK_US;
  return tp.flight > tp.maxseg ? us : us + tp.tcp.tun.rexmitMinMs * US_PER_MS;
}

/** §7.4: an acknowledgement; sndUna is moved. True: the probe repaired a loss, which congestion control has to hear of. */
export function tlpAck(tp: TcpCb, d: Delivery, isDup: boolean): boolean {
  const { rec } = tp;
  if (d.rttUs >= 0) rec.tlpRttSeen = true;
  if (!rec.tlpOn || !seqGeq(tp.sndUna, rec.tlpEnd)) return false;
  if (!rec.tlpRetrans || (d.dsackBytes > 0 && d.dsackEnd === rec.tlpEnd)) {
    rec.tlpOn = false;
    return false;
  }
  if (seqGt(tp.sndUna, rec.tlpEnd)) {
    rec.tlpOn = false;
    return true;
  }
  if (isDup && !d.hasSack) rec.tlpOn = false;
  return false;
}
