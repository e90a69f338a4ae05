/**
 * tcp-segment.ts — a TCP segment as fields: read from a packet, made into one, and written as a packet script writes it.
 */
import {
  TCP_HDR_LEN, TH_ACK, TH_CWR, TH_ECE, TH_FIN, TH_PUSH, TH_RST, TH_SYN, TH_URG, tcpAck, tcpCheck, tcpDport, tcpEmit, tcpFlags, tcpOff, tcpSeq, tcpSport, tcpUrp, tcpWin,
} from '../../wire/tcp.js';
import { viewOf } from './ip-frame.js';
import { formatTcpOptions } from './tcp-option-syntax.js';

export interface TcpSegment {
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly win: number;
  readonly urp: number;
  readonly options: Uint8Array;
  readonly data: Uint8Array;
}

/** In the order a script writes them. */
const LETTERS: readonly (readonly [number, string])[] = [
  [TH_FIN, 'F'],
  [TH_SYN, 'S'],
  [TH_RST, 'R'],
  [TH_PUSH, 'P'],
  [TH_URG, 'U'],
  [TH_ECE, 'E'],
  [TH_CWR, 'W'],
  [TH_ACK, '.'],
];

/** null when the header is not whole. */
export function readTcp(payload: Uint8Array): TcpSegment | null {
  const v = viewOf(payload);
  if (tcpCheck(v, 0, payload.length) !== 0) return null;
  const hl = tcpOff(v, 0);
  return {
    sport: tcpSport(v, 0), dport: tcpDport(v, 0), seq: tcpSeq(v, 0), ack: tcpAck(v, 0), flags: tcpFlags(v, 0), win: tcpWin(v, 0), urp: tcpUrp(v, 0),
    options: payload.slice(TCP_HDR_LEN, hl), data: payload.slice(hl),
  };
}

/** Header and data, the checksum 0. */
export function emitTcp(s: TcpSegment): Uint8Array {
  const hl = TCP_HDR_LEN + s.options.length;
  const out = new Uint8Array(hl + s.data.length);
  tcpEmit(viewOf(out), 0, s.sport, s.dport, s.seq, s.ack, hl, s.flags, s.win, s.urp);
  out.set(s.options, TCP_HDR_LEN);
  out.set(s.data, hl);
  return out;
}

export const formatTcpFlags = (flags: number): string => LETTERS.map(([bit, letter]) => ((flags & bit) === 0 ? '' : letter)).join('') || '-';

/** `P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 1 ecr 2>` */
export function formatTcp(s: TcpSegment): string {
  const words = [formatTcpFlags(s.flags), `${s.seq}:${(s.seq + s.data.length) >>> 0}(${s.data.length})`];
  if ((s.flags & TH_ACK) !== 0) words.push(`ack ${s.ack}`);
  words.push(`win ${s.win}`);
  if ((s.flags & TH_URG) !== 0) words.push(`urg ${s.urp}`);
  if (s.options.length > 0) words.push(`<${formatTcpOptions(s.options)}>`);
  return words.join(' ');
}
