/**
 * socket-columns.ts — what netstat says about a socket besides its ends: queues, buffers, timers, the state, congestion control.
 * Read first: netstat(1); freebsd `usr.bin/netstat/inet.c` (protopr).
 *
 * Letters choose: none the bytes that wait; -L the queues of a listener; -T what went wrong on a connection. Behind the addresses -x has the buffers and
 * timers, -R the flow, otherwise there is the state of a connection; -c, -C and -P add the stack, congestion control and the log's name.
 * In JSON a field is padded as in the text where FreeBSD's is.
 */
import type { TcpCb } from '@netloom/core';
import { NEVER, SSTHRESH_INFINITE, Socket, StreamSocket, TF_ECN, TCPS_ESTABLISHED, TCPS_LISTEN, TCP_STATE_NAMES } from '@netloom/core';
import { ccName } from '../pcblist.js';
import type { Xinpcb } from '../pcblist.js';
import { left, leftWide, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';

export interface TcpWidths {
  readonly cc: number;
}

const BUFFER_TITLES = ['R-HIWA', 'S-HIWA', 'R-LOWA', 'S-LOWA', 'R-BCNT', 'S-BCNT', 'R-BMAX', 'S-BMAX'];
const TIMER_TITLES = ['rexmt', 'persist', 'keep', '2msl', 'delack', 'rcvtime'];
/** The one TCP there is, as FreeBSD calls its default. */
const STACK_NAME = 'freebsd';
const STACK_WIDTH = STACK_NAME.length;
/** What data may take in memory for each byte of a buffer. */
const SB_EFFICIENCY = 8;
const US_PER_MS = 1_000;

export function titlesBefore(o: NetstatOptions): string {
  if (o.listen) return left('Listen', 32);
  if (o.tcpInfo) return ['Rexmit', 'OOORcv', '0-win'].map((t) => left(t, 6)).join(' ');
  return `${left('Recv-Q', 6)} ${left('Send-Q', 6)}`;
}

export function titlesAfter(o: NetstatOptions, width: TcpWidths): string {
  let text = o.listen || o.tcpInfo || o.buffers || o.flows ? '' : ` ${left('(state)', 11)}`;
  if (o.buffers) text += `${BUFFER_TITLES.map((t) => left(t, 6)).join(' ')} ${TIMER_TITLES.map((t) => right(t, 7)).join(' ')}`;
  else if (o.flows) text += `  ${right('flowid', 8)} ${right('ftype', 5)}`;
  if (o.stack) text += ` ${left('Stack', STACK_WIDTH)}`;
  if (o.cc) text += ` ${left('CC', width.cc)} ${right('cwin', 10)} ${right('ssthresh', 10)} ${right('MSS', 5)} ${right('ECN', 3)}`;
  if (o.logId) text += ' Log ID';
  return text;
}

export function columnsBefore(x: Xinpcb, o: NetstatOptions): string {
  if (o.listen) return left(queueText(x), 32);
  if (!o.tcpInfo) return `${rightWide(waitingIn(x), 6)} ${rightWide(waitingOut(x), 6)}`;
  if (x.state === null) return ' '.repeat(21);
  return [x.tp?.rexmits ?? 0, x.tp?.rcvOoPack ?? 0, x.tp?.sndZeroWin ?? 0].map((n) => rightWide(n, 6)).join(' ');
}

export function columnsAfter(x: Xinpcb, o: NetstatOptions, width: TcpWidths): string {
  const { tp } = x;
  let text = '';
  if (o.buffers) text += Object.values(buffers(x)).map((n) => rightWide(n, 6)).join(' ');
  if (o.buffers && x.state !== null) text += Object.values(timersMs(tp)).map((ms) => ` ${rightWide(Math.floor(ms / 1_000), 4)}.${hundredths(ms)}`).join('');
  if (x.state !== null && !o.listen && !o.buffers && !o.tcpInfo && !o.flows) text += leftWide(stateName(x.state), 11);
  if (o.flows) text += ` ${'0'.repeat(8)} ${rightWide(0, 5)}`;
  if (x.state === null) return text;
  if (o.stack) text += ` ${left(STACK_NAME, STACK_WIDTH)}`;
  if (o.cc) text += ` ${left(ccName(x), width.cc)} ${rightWide(tp?.cwnd ?? 0, 10)} ${rightWide(ssthresh(tp), 10)} ${rightWide(tp?.maxseg ?? 0, 5)} ${rightWide(ecnText(tp), 3)}`;
  if (o.logId) text += ' -';
  return text;
}

/** The same by names, in the order of the text; `ends` is where the addresses are. */
export function columnsJson(x: Xinpcb, o: NetstatOptions, width: TcpWidths, ends: object): object {
  const { tp } = x;
  const before = o.listen
    ? { 'listen-queue-sizes': left(queueText(x), 32) }
    : !o.tcpInfo
      ? { 'receive-bytes-waiting': waitingIn(x), 'send-bytes-waiting': waitingOut(x) }
      : x.state === null ? {} : { 'sent-retransmit-packets': tp?.rexmits ?? 0, 'received-out-of-order-packets': tp?.rcvOoPack ?? 0, 'sent-zero-window': tp?.sndZeroWin ?? 0 };
  const timers = o.buffers && x.state !== null ? Object.fromEntries(Object.entries(timersMs(tp)).map(([name, ms]) => [name, Math.floor(ms / 10) / 100])) : {};
  const state = x.state !== null && !o.listen && !o.buffers && !o.tcpInfo && !o.flows ? { 'tcp-state': leftWide(stateName(x.state), 11) } : {};
  const flow = o.flows ? { 'flow-id': '0', 'flow-type': 0 } : {};
  const more = x.state === null ? {} : {
    ...(o.stack ? { stack: STACK_NAME } : {}),
    ...(o.cc ? { cc: left(ccName(x), width.cc), 'snd-cwnd': tp?.cwnd ?? 0, 'snd-ssthresh': ssthresh(tp), 't-maxseg': tp?.maxseg ?? 0, ecn: ecnText(tp) } : {}),
    ...(o.logId ? { 'log-id': '-' } : {}),
  };
  return { ...before, ...ends, ...(o.buffers ? buffers(x) : {}), ...timers, ...state, ...flow, ...more, ...datagramJson(x) };
}

/** What this stack says besides, of sockets that take datagrams. */
function datagramJson(x: Xinpcb): object {
  if (!(x.so instanceof Socket)) return {};
  const { rcv, sndHiwat } = x.so;
  return { 'receive-high-water': rcv.hiwat, 'send-high-water': sndHiwat, fib: x.fib, 'receive-drops': rcv.drops };
}

/** Connections complete, on the way (none: those wait in the SYN cache), and at most. */
function queueText(x: Xinpcb): string {
  const { length, limit } = x.so instanceof StreamSocket ? x.so.acceptQueue : { length: 0, limit: 0 };
  return `${length}/0/${limit}`;
}

function waitingIn(x: Xinpcb): number {
  if (x.tp !== null) return x.tp.state === TCPS_LISTEN ? 0 : x.tp.rcv.bytes;
  return x.so instanceof Socket ? x.so.rcv.bytes : 0;
}

function waitingOut(x: Xinpcb): number {
  return x.tp === null || x.tp.state === TCPS_LISTEN ? 0 : x.tp.snd.bytes;
}

/** A listener has no buffers. */
function buffers(x: Xinpcb): Readonly<Record<string, number>> {
  const named = (n: readonly number[]): Record<string, number> => Object.fromEntries(BUFFER_NAMES.map((name, i) => [name, n[i] ?? 0]));
  const { tp, so } = x;
  if (tp?.state === TCPS_LISTEN) return named([]);
  if (tp !== null) {
    const { rcv, snd } = tp;
    return named([rcv.hiwat, snd.hiwat, rcv.lowat, snd.lowat, rcv.memory, snd.bytes, rcv.hiwat * SB_EFFICIENCY, snd.hiwat * SB_EFFICIENCY]);
  }
  if (!(so instanceof Socket)) return named([]);
  const { rcv, sndHiwat } = so;
  return named([rcv.hiwat, sndHiwat, 1, 2_048, rcv.bytes, 0, rcv.hiwat * SB_EFFICIENCY, sndHiwat * SB_EFFICIENCY]);
}

const BUFFER_NAMES = [
  'receive-high-water', 'send-high-water', 'receive-low-water', 'send-low-water', 'receive-mbuf-bytes', 'send-mbuf-bytes', 'receive-mbuf-bytes-max',
  'send-mbuf-bytes-max',
];

/** Time left of each timer, and since the peer was heard. */
function timersMs(tp: TcpCb | null): Readonly<Record<string, number>> {
  const now = tp?.nowUs ?? 0;
  const left = (at = NEVER): number => (at !== NEVER && at > now ? Math.floor((at - now) / US_PER_MS) : 0);
  return {
    'retransmit-timer': left(tp?.rexmtAt), 'persist-timer': left(tp?.persistAt), 'keepalive-timer': left(tp?.keepAt), 'msl2-timer': left(tp?.twAt),
    'delay-ack-timer': left(tp?.delackAt), 'inactivity-timer': Math.max(0, Math.floor((now - (tp?.rcvTimeUs ?? 0)) / US_PER_MS)),
  };
}

const hundredths = (ms: number): string => String(Math.floor((ms % 1_000) / 10)).padStart(2, '0');

const stateName = (state: number): string => TCP_STATE_NAMES[state] ?? String(state);

/** FreeBSD's "none yet": the largest window there is. */
const SSTHRESH_NONE = 1_073_725_440;

const ssthresh = (tp: TcpCb | null): number => (tp === null ? 0 : tp.ssthresh >= SSTHRESH_INFINITE ? SSTHRESH_NONE : tp.ssthresh);

function ecnText(tp: TcpCb | null): string {
  if (tp === null || tp.state < TCPS_ESTABLISHED) return 'n/a';
  return (tp.flags & TF_ECN) !== 0 ? 'ecn' : 'off';
}
