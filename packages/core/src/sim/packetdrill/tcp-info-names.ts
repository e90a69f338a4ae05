/**
 * tcp-info-names.ts — TCP_INFO under the names that checks in scripts use (`tcpi_snd_cwnd`), and how many connections are in a state.
 * Read first: netinet/tcp.h, `struct tcp_info`; docs/packetdrill.md, "Checks".
 *
 * Units are FreeBSD's: windows, and what is in flight, sacked or lost, in bytes (Linux counts packets); times in microseconds.
 */
import { TCPS_SYN_RECEIVED, TCP_STATE_NAMES } from '../../tcp/tcp-state.js';
import type { TcpInfo } from '../../tcp/tcp-info.js';
import type { TcpCb } from '../../tcp/tcpcb.js';
import type { Vnet } from '../../vnet/vnet.js';
import { infoSymbol } from './symbols.js';

const bit = (on: boolean, name: string): number => (on ? (infoSymbol(name) ?? 0) : 0);

const VALUES: ReadonlyMap<string, (info: TcpInfo) => number> = new Map<string, (info: TcpInfo) => number>([
  ['tcpi_state', (i) => i.state],
  ['tcpi_options', (i) => bit(i.timestamps, 'TCPI_OPT_TIMESTAMPS') | bit(i.sack, 'TCPI_OPT_SACK') | bit(i.wscale, 'TCPI_OPT_WSCALE')],
  ['tcpi_snd_wscale', (i) => i.sndWscale],
  ['tcpi_rcv_wscale', (i) => i.rcvWscale],
  ['tcpi_rto', (i) => i.rtoUs],
  ['tcpi_rtt', (i) => i.rttUs],
  ['tcpi_rttvar', (i) => i.rttvarUs],
  ['tcpi_min_rtt', (i) => i.rttMinUs],
  ['tcpi_rttmin', (i) => i.rttMinUs],
  ['tcpi_snd_mss', (i) => i.sndMss],
  ['tcpi_rcv_mss', (i) => i.peerMss],
  ['tcpi_snd_cwnd', (i) => i.sndCwnd],
  ['tcpi_cwnd', (i) => i.sndCwnd],
  ['tcpi_snd_ssthresh', (i) => i.sndSsthresh],
  ['tcpi_snd_wnd', (i) => i.sndWnd],
  ['tcpi_rcv_space', (i) => i.rcvSpace],
  ['tcpi_unacked', (i) => i.flight],
  ['tcpi_sacked', (i) => i.sacked],
  ['tcpi_lost', (i) => i.lost],
  ['tcpi_snd_rexmitpack', (i) => i.rexmits],
  ['tcpi_total_retrans', (i) => i.rexmits],
  ['tcpi_backoff', (i) => i.backoff],
  ['tcpi_bytes_acked', (i) => i.bytesAcked],
  ['tcpi_bytes_received', (i) => i.bytesReceived],
  ['tcpi_segs_out', (i) => i.segsOut],
  ['tcpi_segs_in', (i) => i.segsIn],
  ['tcpi_notsent_bytes', (i) => Math.max(0, i.sndBytes - i.flight)],
]);

/** null: no such name. */
export function tcpInfoValue(info: TcpInfo, name: string): number | null {
  return VALUES.get(name)?.(info) ?? null;
}

/** How many connections of a vnet are in the state that netstat calls `name`. */
export function countTcpState(vnet: Vnet, name: string): number {
  const { tcp } = vnet;
  const state = TCP_STATE_NAMES.findIndex((n) => n === name);
  const embryonic = state === TCPS_SYN_RECEIVED ? tcp.syncache.count : 0;
  return embryonic + [...tcp.pcbs.list(), ...tcp.pcbs6.list()].filter((inp) => (inp.user as TcpCb).state === state).length;
}
