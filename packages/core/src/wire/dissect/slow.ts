/**
 * slow.ts — prints slow protocols: `LACPv1, length 110`, with -v their TLVs.
 * Read first: IEEE 802.3-2008 §43.4.2, §43.5.3, annex 43B.
 *
 * A marker response is a TLV tcpdump does not know: its bytes are shown.
 * Not here, though tcpdump has it: OAM, of which the name and length are printed.
 */

import * as lacp from '../lacp.js';
import { hexPrint } from './hexdump.js';
import type { Printer } from './printer.js';
import { bitNames, hex } from './text.js';

const SLOW_SUBTYPE_OAM = 3;
const TLV_HDR_LEN = 2;
const INFO_LEN = lacp.LACP_INFO_TLV_LEN - TLV_HDR_LEN;
const COLLECTOR_LEN = lacp.LACP_COLLECTOR_TLV_LEN - TLV_HDR_LEN;
const MARKER_LEN = lacp.MARKER_TLV_LEN - TLV_HDR_LEN;

const SUBTYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [lacp.SLOW_SUBTYPE_LACP, 'LACP'],
  [lacp.SLOW_SUBTYPE_MARKER, 'MARKER'],
  [SLOW_SUBTYPE_OAM, 'OAM'],
]);

/** Subtype and type of a TLV as one number. */
const tlv = (subtype: number, type: number): number => (subtype << 8) | type;
const ACTOR = tlv(lacp.SLOW_SUBTYPE_LACP, lacp.LACP_TLV_ACTOR);
const PARTNER = tlv(lacp.SLOW_SUBTYPE_LACP, lacp.LACP_TLV_PARTNER);
const COLLECTOR = tlv(lacp.SLOW_SUBTYPE_LACP, lacp.LACP_TLV_COLLECTOR);
const MARKER_INFO = tlv(lacp.SLOW_SUBTYPE_MARKER, lacp.MARKER_TLV_INFO);

const TLV_NAMES: ReadonlyMap<number, string> = new Map([
  [tlv(lacp.SLOW_SUBTYPE_LACP, lacp.LACP_TLV_TERMINATOR), 'Terminator'],
  [ACTOR, 'Actor Information'],
  [PARTNER, 'Partner Information'],
  [COLLECTOR, 'Collector Information'],
  [tlv(lacp.SLOW_SUBTYPE_MARKER, lacp.LACP_TLV_TERMINATOR), 'Terminator'],
  [MARKER_INFO, 'Marker Information'],
]);

const STATE_NAMES: readonly (readonly [number, string])[] = [
  [lacp.LACP_STATE_ACTIVITY, 'Activity'],
  [lacp.LACP_STATE_TIMEOUT, 'Timeout'],
  [lacp.LACP_STATE_AGGREGATION, 'Aggregation'],
  [lacp.LACP_STATE_SYNC, 'Synchronization'],
  [lacp.LACP_STATE_COLLECTING, 'Collecting'],
  [lacp.LACP_STATE_DISTRIBUTING, 'Distributing'],
  [lacp.LACP_STATE_DEFAULTED, 'Default'],
  [lacp.LACP_STATE_EXPIRED, 'Expired'],
];

export function slowPrint(p: Printer, at: number, length: number): void {
  p.proto = 'slow';
  if (length < 1) return tooShort(p);
  const subtype = p.u8(at);
  const hasVersion = subtype === lacp.SLOW_SUBTYPE_LACP || subtype === lacp.SLOW_SUBTYPE_MARKER;
  const name = SUBTYPE_NAMES.get(subtype);
  if (!hasVersion) {
    p.put(`${name ?? `unknown (${subtype})`}, length ${length}`);
    if (name === undefined) unknownData(p, '\n\t', at, length);
    return;
  }
  if (length < 2) return tooShort(p);
  const version = p.u8(at + lacp.SLOW_VERSION);
  if (version !== lacp.LACP_VERSION) {
    p.put(`${name ?? ''} version ${version} packet not supported`);
    return;
  }
  p.put(`${name ?? ''}v${version}, length ${length}`);
  if (p.flags.verbose > 0) tlvsPrint(p, at + 2, length - 2, subtype);
}

function tooShort(p: Printer): void {
  p.put(p.flags.verbose === 0 ? ' (packet is too short)' : '\n\t\t packet is too short');
}

/** Bytes as -x shows them. */
function unknownData(p: Printer, indent: string, at: number, length: number): void {
  p.put(hexPrint(p.bytes, at, Math.min(length, p.left(at)), indent));
}

function tlvsPrint(p: Printer, start: number, length: number, subtype: number): void {
  let at = start;
  let left = length;
  while (left > 0) {
    if (left < TLV_HDR_LEN) return tooShort(p);
    p.need(at, TLV_HDR_LEN);
    const type = p.u8(at);
    const tlvLen = p.u8(at + 1);
    p.put(`\n\t${TLV_NAMES.get(tlv(subtype, type)) ?? 'Unknown'} TLV (0x${hex(type, 2)}), length ${tlvLen}`);
    if (type === lacp.LACP_TLV_TERMINATOR) return;
    if (tlvLen < TLV_HDR_LEN) {
      p.put(`\n\t    ERROR: illegal length - should be >= ${TLV_HDR_LEN}`);
      return;
    }
    if (left < tlvLen) return tooShort(p);
    p.need(at, tlvLen);
    valuePrint(p, tlv(subtype, type), at + TLV_HDR_LEN, tlvLen - TLV_HDR_LEN);
    if (p.flags.verbose > 1) unknownData(p, '\n\t  ', at + TLV_HDR_LEN, tlvLen - TLV_HDR_LEN);
    at += tlvLen;
    left -= tlvLen;
  }
}

function valuePrint(p: Printer, kind: number, at: number, length: number): void {
  switch (kind) {
    case ACTOR:
    case PARTNER:
      if (length !== INFO_LEN) return illegalLength(p, INFO_LEN);
      p.put(`\n\t  System ${p.mac(at + 2)}, System Priority ${p.u16(at)}, Key ${p.u16(at + 8)}, Port ${p.u16(at + 12)}, Port Priority ${p.u16(at + 10)}`);
      p.put(`\n\t  State Flags [${bitNames(STATE_NAMES, p.u8(at + 14), 'none')}]`);
      return;
    case COLLECTOR:
      if (length !== COLLECTOR_LEN) return illegalLength(p, COLLECTOR_LEN);
      p.put(`\n\t  Max Delay ${p.u16(at)}`);
      return;
    case MARKER_INFO:
      if (length !== MARKER_LEN) return illegalLength(p, MARKER_LEN);
      p.put(`\n\t  Request System ${p.mac(at + 2)}, Request Port ${p.u16(at)}, Request Transaction ID 0x${hex(p.u32(at + 8), 8)}`);
      return;
    default:
      if (p.flags.verbose <= 1) unknownData(p, '\n\t  ', at, length);
  }
}

/** Said, and the next TLV follows all the same. */
function illegalLength(p: Printer, length: number): void {
  p.put(`\n\t    ERROR: illegal length - should be ${length + TLV_HDR_LEN}`);
}
