/**
 * tcp-info.ts — what a connection can tell about itself, as TCP_INFO does.
 * Read first: tcp(4) TCP_INFO; freebsd `sys/netinet/tcp.h` (struct tcp_info).
 *
 * Times in microseconds, sizes in bytes; names without the prefix `tcpi_`.
 */
import { seqDiff } from '../base/seqnum.js';
import { NEVER } from '../base/time.js';
import { TF_CWR, TF_ECN, TF_FASTRECOVERY, TF_RTORECOVERY, TF_SACK, TF_TS, TF_WSCALE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

export interface TcpInfo {
  readonly state: number;
  /** Negotiated: timestamps, SACK, window scaling. */
  readonly timestamps: boolean;
  readonly sack: boolean;
  readonly wscale: boolean;
  readonly sndWscale: number;
  readonly rcvWscale: number;
  readonly rtoUs: number;
  readonly rttUs: number;
  readonly rttvarUs: number;
  /** 0 before the first sample. */
  readonly rttMinUs: number;
  readonly sndMss: number;
  readonly peerMss: number;
  readonly sndCwnd: number;
  readonly sndSsthresh: number;
  readonly sndWnd: number;
  readonly rcvSpace: number;
  /** Bytes sent and not acknowledged; of them selectively acknowledged, and thought lost. */
  readonly flight: number;
  readonly sacked: number;
  readonly lost: number;
  /** Bytes thought to be in the network. */
  readonly pipe: number;
  readonly recovery: 'open' | 'cwr' | 'fast' | 'rto';
  readonly ecn: boolean;
  /** RACK has seen the path reorder. */
  readonly reordering: boolean;
  /** Ranges sent again. */
  readonly rexmits: number;
  readonly backoff: number;
  readonly bytesSent: number;
  readonly bytesAcked: number;
  readonly bytesReceived: number;
  readonly segsOut: number;
  readonly segsIn: number;
  /** Bytes waiting to be sent, and to be read. */
  readonly sndBytes: number;
  readonly rcvBytes: number;
  readonly congestion: string;
}

function recoveryOf(flags: number): TcpInfo['recovery'] {
  if ((flags & TF_RTORECOVERY) !== 0) return 'rto';
  if ((flags & TF_FASTRECOVERY) !== 0) return 'fast';
  return (flags & TF_CWR) !== 0 ? 'cwr' : 'open';
}

export function tcpInfo(tp: TcpCb): TcpInfo {
  return {
    state: tp.state,
    timestamps: (tp.flags & TF_TS) !== 0,
    sack: (tp.flags & TF_SACK) !== 0,
    wscale: (tp.flags & TF_WSCALE) !== 0,
    sndWscale: tp.sndScale,
    rcvWscale: tp.rcvScale,
    rtoUs: tp.rtoUs,
    rttUs: tp.srttUs,
    rttvarUs: tp.rttvarUs,
    rttMinUs: tp.rttMinUs === NEVER ? 0 : tp.rttMinUs,
    sndMss: tp.maxseg,
    peerMss: tp.peerMss,
    sndCwnd: tp.cwnd,
    sndSsthresh: tp.ssthresh,
    sndWnd: tp.sndWnd,
    rcvSpace: Math.max(0, seqDiff(tp.rcvAdv, tp.rcvNxt)),
    flight: tp.flight,
    sacked: tp.map.sackedBytes,
    lost: tp.map.lostBytes,
    pipe: tp.pipe,
    recovery: recoveryOf(tp.flags),
    ecn: (tp.flags & TF_ECN) !== 0,
    reordering: tp.rec.reorderingSeen,
    rexmits: tp.rexmits,
    backoff: tp.rxtshift,
    bytesSent: tp.bytesSent,
    bytesAcked: tp.bytesAcked,
    bytesReceived: tp.bytesReceived,
    segsOut: tp.segsOut,
    segsIn: tp.segsIn,
    sndBytes: tp.snd.bytes,
    rcvBytes: tp.rcv.bytes,
    congestion: tp.cc?.name ?? '',
  };
}
