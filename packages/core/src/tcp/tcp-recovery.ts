/**
 * tcp-recovery.ts — something was lost: how it is noticed, and what is done.
 * Read first: RFC 5681 §3.2; RFC 6582; RFC 6298 §5; sendmap.ts.
 *
 * @rfc 6298 5.4 yes
 */
import { seqGeq } from '../base/seqnum.js';
import { CC_NDUPACK, CC_RTO } from './cc/cc.js';
import { tcpOutput } from './tcp-output.js';
import { tcpFastopenFailed } from './tcp-syn-data.js';
import { TCPS_SYN_RECEIVED, TCPS_SYN_SENT } from './tcp-state.js';
import { tcpSetRexmt } from './tcp-timer.js';
import { TF_FASTRECOVERY, TF_RTORECOVERY, TF_SYNREXMT } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** Duplicate acknowledgements that mean a loss. */
const DUP_THRESH = 3;

/** The retransmission timer fired: all that is in flight counts as lost, and the first of it is sent again. */
export function tcpRexmtTimeout(tp: TcpCb): void {
  tp.dupacks = 0;
  tp.flags &= ~TF_FASTRECOVERY;
  if (tp.state === TCPS_SYN_SENT || tp.state === TCPS_SYN_RECEIVED) {
    tp.flags |= TF_SYNREXMT;
    if (tp.state === TCPS_SYN_SENT) tcpFastopenFailed(tp);
  } else if (tp.rxtshift === 1) {
    tp.recover = tp.sndNxt;
    tp.cc.congSignal(tp, CC_RTO);
    tp.flags |= TF_RTORECOVERY;
  } else {
    tp.cwnd = tp.maxseg;
  }
  tp.map.markAllLost(true);
  tcpSetRexmt(tp);
  tcpOutput(tp);
}

/** An acknowledgement that moves nothing, while something is in flight. */
export function tcpDupAck(tp: TcpCb): void {
  tp.tcp.stats.rcvdupack++;
  tp.dupacks++;
  if (tp.dupacks !== DUP_THRESH || (tp.flags & (TF_FASTRECOVERY | TF_RTORECOVERY)) !== 0) return;
  tp.recover = tp.sndNxt;
  tp.flags |= TF_FASTRECOVERY;
  tp.cc.congSignal(tp, CC_NDUPACK);
  tp.cwnd = tp.ssthresh;
  if (tp.map.head !== null) tp.map.markLost(tp.map.head);
  tcpOutput(tp);
}

/** sndUna has moved: recovery goes on, or is over. */
export function tcpRecoveryAck(tp: TcpCb): void {
  tp.dupacks = 0;
  if ((tp.flags & (TF_FASTRECOVERY | TF_RTORECOVERY)) === 0) return;
  if (seqGeq(tp.sndUna, tp.recover)) {
    if ((tp.flags & TF_FASTRECOVERY) !== 0) tp.cc.postRecovery(tp);
    tp.flags &= ~(TF_FASTRECOVERY | TF_RTORECOVERY);
    return;
  }
  // A partial acknowledgement: what follows it is lost, too (RFC 6582).
  if ((tp.flags & TF_FASTRECOVERY) !== 0 && tp.map.head !== null) tp.map.markLost(tp.map.head);
}
