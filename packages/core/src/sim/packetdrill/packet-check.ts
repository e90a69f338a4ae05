/**
 * packet-check.ts — whether a packet that the stack sent is the one that the script expects.
 *
 * Compared are: what the script says about the IP header, all TCP flags, sequence number, acknowledgement, window and urgent pointer where
 * given, the options in their order unless `<...>`, the length and the contents of the data, and the checksums. What is not the same is said with both values.
 */
import { IPTOS_ECN_MASK } from '../../wire/ip4.js';
import { TCPOPT_SIGNATURE, TCPOPT_TIMESTAMP, TH_ACK, TH_SYN } from '../../wire/tcp.js';
import type { IpPacket } from './ip-frame.js';
import { viewOf } from './ip-frame.js';
import type { IpSpec, TcpSpec } from './script.js';
import { streamMismatch } from './stream-pattern.js';
import { formatTcpOptions, optionsOf } from './tcp-option-syntax.js';
import type { OptionAt } from './tcp-option-syntax.js';
import { formatTcpFlags } from './tcp-segment.js';
import type { TcpSegment } from './tcp-segment.js';

const differs = (what: string, expected: string | number, actual: string | number): string => `${what}: expected ${expected}, got ${actual}`;

export function checkIp(spec: IpSpec, ip: IpPacket): string | null {
  if (!ip.sumOk) return 'the checksum is wrong';
  const ecn = ip.tos & IPTOS_ECN_MASK;
  if (spec.tosCheck === 'ecn' && ecn !== spec.tos) return differs('ECN mark', spec.tos, ecn);
  if (spec.tosCheck === 'ect01' && ecn !== 1 && ecn !== 2) return differs('ECN mark', '1 or 2', ecn);
  if (spec.tosCheck === 'tos' && ip.tos !== spec.tos) return differs('tos', `0x${spec.tos.toString(16)}`, `0x${ip.tos.toString(16)}`);
  if (spec.ttl !== 0 && ip.ttl !== spec.ttl) return differs('ttl', spec.ttl, ip.ttl);
  return null;
}

/** How closely options are looked at. */
export interface OptionCheck {
  /** Those of a SYN are not compared. */
  readonly anyInSyn: boolean;
  /** Microseconds of a tick, and how many may be between the values; 0 ticks: values are not compared. */
  readonly tickUs: number;
  readonly toleranceUs: number;
  /** Echoes are compared as well. */
  readonly echoes: boolean;
}

/** `got` is in the script's numbers; `place` is where its data belongs in the stream, -1 when contents are unknown. */
export function checkTcp(spec: TcpSpec, got: TcpSegment, place: number, how: OptionCheck): string | null {
  if (got.flags !== spec.flags) return differs('flags', formatTcpFlags(spec.flags), formatTcpFlags(got.flags));
  if (spec.seq !== null && got.seq !== spec.seq) return differs('sequence number', spec.seq, got.seq);
  if (got.data.length !== spec.payload) return differs('payload', `${spec.payload} bytes`, got.data.length);
  if ((spec.flags & TH_ACK) !== 0 && got.ack !== spec.ack) return differs('ack', spec.ack, got.ack);
  if (spec.win !== null && got.win !== spec.win) return differs('win', spec.win, got.win);
  if (got.urp !== spec.urp) return differs('urg', spec.urp, got.urp);
  if (spec.options !== null && !(how.anyInSyn && (spec.flags & TH_SYN) !== 0)) {
    const options = checkOptions(spec.options, got.options, how);
    if (options !== null) return options;
  }
  const bad = place < 0 ? -1 : streamMismatch(got.data, place);
  return bad < 0 ? null : `the data is not the stream's: byte ${bad} of the segment`;
}

function checkOptions(expected: Uint8Array, got: Uint8Array, how: OptionCheck): string | null {
  const a = optionsOf(expected);
  const b = optionsOf(got);
  const same = a.length === b.length && a.every((option, i) => sameOption(option, expected, b[i]!, got, how));
  return same ? null : differs('options', `<${formatTcpOptions(expected)}>`, `<${formatTcpOptions(got)}>`);
}

function sameOption(a: OptionAt, expected: Uint8Array, b: OptionAt, got: Uint8Array, how: OptionCheck): boolean {
  if (a.kind !== b.kind || a.length !== b.length) return false;
  if (a.kind === TCPOPT_TIMESTAMP) {
    const [x, y] = [viewOf(expected), viewOf(got)];
    if (how.echoes && x.getUint32(a.at + 6) !== y.getUint32(b.at + 6)) return false;
    return how.tickUs === 0 || Math.abs((x.getUint32(a.at + 2) - y.getUint32(b.at + 2)) | 0) * how.tickUs <= how.toleranceUs;
  }
  // The digest of a packet whose numbers are the stack's own is nothing a script can know.
  if (a.kind === TCPOPT_SIGNATURE && expected.subarray(a.at + 2, a.at + a.length).every((x) => x === 0)) return true;
  return expected.subarray(a.at, a.at + a.length).every((x, i) => x === got[b.at + i]);
}
