/**
 * lacp.ts — slow protocols: the link aggregation control PDU and the marker PDU, offsets, validity, reading and writing.
 * Read first: IEEE 802.3-2008 §43.4.2 (LACPDU), §43.5.3 (marker), annex 43B (slow protocols); or 802.1AX-2014 §6.4.2, §6.5.3.
 *
 *    LACPDU                                                    marker PDU
 *    0  subtype 1 | version                                    0  subtype 2 | version
 *    2  TLV 1, 20 | actor information                          2  TLV 1 or 2, 16 | port, system, transaction, pad
 *    22 TLV 2, 20 | partner information                        18 TLV 0, 0 | reserved up to 110
 *    42 TLV 3, 16 | max delay, reserved
 *    58 TLV 0, 0  | reserved up to 110
 *
 *    information: priority (2) | system (6) | key (2) | port priority (2) | port (2) | state (1) | reserved (3)
 *
 * Offsets count from the byte behind the Ethernet header. Both PDUs have exactly SLOW_PDU_LEN bytes. Of a LACPDU the lengths of the TLVs are
 * checked and neither version nor types, as the standard asks of version 1 (§43.4.12): a later version keeps the layout. Of a marker all is checked.
 * Not here: what is done with them (net/lagg/).
 */

export const SLOW_PDU_LEN = 110;
/** 01:80:c2:00:00:02, to which every slow protocol sends. */
export const SLOW_DST_HI = 0x0180;
export const SLOW_DST_LO = 0xc2000002;

export const SLOW_SUBTYPE = 0;
export const SLOW_VERSION = 1;
export const SLOW_SUBTYPE_LACP = 1;
export const SLOW_SUBTYPE_MARKER = 2;
/** Version of both protocols. */
export const LACP_VERSION = 1;

export const LACP_TLV_TERMINATOR = 0;
export const LACP_TLV_ACTOR = 1;
export const LACP_TLV_PARTNER = 2;
export const LACP_TLV_COLLECTOR = 3;
export const MARKER_TLV_INFO = 1;
export const MARKER_TLV_RESPONSE = 2;

/** Lengths of TLVs, their two bytes of type and length included. */
export const LACP_INFO_TLV_LEN = 20;
export const LACP_COLLECTOR_TLV_LEN = 16;
export const MARKER_TLV_LEN = 16;

const ACTOR_TLV = 2;
const PARTNER_TLV = 22;
const COLLECTOR_TLV = 42;
const LACP_END_TLV = 58;
const MARKER_TLV = 2;
const MARKER_END_TLV = 18;
/** Where the value of a TLV begins, and what is where in actor or partner information. */
const VALUE = 2;
const INFO_SYSTEM = 2;
const INFO_KEY = 8;
const INFO_PORT_PRIO = 10;
const INFO_PORT = 12;
const INFO_STATE = 14;

export const LACP_ACTOR = ACTOR_TLV + VALUE;
export const LACP_PARTNER = PARTNER_TLV + VALUE;
export const LACP_MAX_DELAY = COLLECTOR_TLV + VALUE;
export const MARKER_TYPE = MARKER_TLV;
export const MARKER_PORT = MARKER_TLV + VALUE;
export const MARKER_SYSTEM = MARKER_PORT + 2;
export const MARKER_XID = MARKER_SYSTEM + 6;
const MARKER_PAD = MARKER_XID + 4;

/** Bits of `state` (§43.4.2.2 item m). */
export const LACP_STATE_ACTIVITY = 0x01;
export const LACP_STATE_TIMEOUT = 0x02;
export const LACP_STATE_AGGREGATION = 0x04;
export const LACP_STATE_SYNC = 0x08;
export const LACP_STATE_COLLECTING = 0x10;
export const LACP_STATE_DISTRIBUTING = 0x20;
export const LACP_STATE_DEFAULTED = 0x40;
export const LACP_STATE_EXPIRED = 0x80;

/** `lacpCheck`, `markerCheck`: not exactly as long as a PDU. */
export const SLOW_BAD_LEN = 1;
/** A TLV has another length than its place demands. */
export const SLOW_BAD_TLV = 2;
/** Marker only: another version. */
export const SLOW_BAD_VERSION = 3;

/** What one end says, or believes, about a port: who it is, and its state. */
export class LacpInfo {
  sysPrio = 0;
  sysHi = 0;
  sysLo = 0;
  key = 0;
  portPrio = 0;
  port = 0;
  state = 0;

  copy(from: LacpInfo): void {
    this.sysPrio = from.sysPrio;
    this.sysHi = from.sysHi;
    this.sysLo = from.sysLo;
    this.key = from.key;
    this.portPrio = from.portPrio;
    this.port = from.port;
    this.state = from.state;
  }

  /** The same system. */
  sameSystem(other: LacpInfo): boolean {
    return this.sysPrio === other.sysPrio && this.sysHi === other.sysHi && this.sysLo === other.sysLo;
  }

  /** The same port of the same system with the same key, whatever its state. */
  samePort(other: LacpInfo): boolean {
    return this.sameSystem(other) && this.key === other.key && this.portPrio === other.portPrio && this.port === other.port;
  }
}

/** 0 when the `len` bytes at `off` are a LACPDU, else the first reason that applies. The caller has looked at the subtype. */
export function lacpCheck(view: DataView, off: number, len: number): number {
  if (len !== SLOW_PDU_LEN) return SLOW_BAD_LEN;
  const fits = view.getUint8(off + ACTOR_TLV + 1) === LACP_INFO_TLV_LEN && view.getUint8(off + PARTNER_TLV + 1) === LACP_INFO_TLV_LEN
    && view.getUint8(off + COLLECTOR_TLV + 1) === LACP_COLLECTOR_TLV_LEN && view.getUint8(off + LACP_END_TLV + 1) === 0;
  return fits ? 0 : SLOW_BAD_TLV;
}

/** 0 when the `len` bytes at `off` are a marker or a marker response, else the first reason that applies. */
export function markerCheck(view: DataView, off: number, len: number): number {
  if (len !== SLOW_PDU_LEN) return SLOW_BAD_LEN;
  if (view.getUint8(off + SLOW_VERSION) !== LACP_VERSION) return SLOW_BAD_VERSION;
  const type = view.getUint8(off + MARKER_TYPE);
  const fits = (type === MARKER_TLV_INFO || type === MARKER_TLV_RESPONSE) && view.getUint8(off + MARKER_TLV + 1) === MARKER_TLV_LEN
    && view.getUint16(off + MARKER_END_TLV) === 0;
  return fits ? 0 : SLOW_BAD_TLV;
}

/** Reads actor (`LACP_ACTOR`) or partner (`LACP_PARTNER`) information into `info`. */
export function lacpReadInfo(view: DataView, at: number, info: LacpInfo): void {
  info.sysPrio = view.getUint16(at);
  info.sysHi = view.getUint16(at + INFO_SYSTEM);
  info.sysLo = view.getUint32(at + INFO_SYSTEM + 2);
  info.key = view.getUint16(at + INFO_KEY);
  info.portPrio = view.getUint16(at + INFO_PORT_PRIO);
  info.port = view.getUint16(at + INFO_PORT);
  info.state = view.getUint8(at + INFO_STATE);
}

function emitInfo(view: DataView, at: number, type: number, info: LacpInfo): void {
  view.setUint8(at, type);
  view.setUint8(at + 1, LACP_INFO_TLV_LEN);
  const v = at + VALUE;
  view.setUint16(v, info.sysPrio);
  view.setUint16(v + INFO_SYSTEM, info.sysHi);
  view.setUint32(v + INFO_SYSTEM + 2, info.sysLo);
  view.setUint16(v + INFO_KEY, info.key);
  view.setUint16(v + INFO_PORT_PRIO, info.portPrio);
  view.setUint16(v + INFO_PORT, info.port);
  view.setUint8(v + INFO_STATE, info.state);
}

function emitHeader(view: DataView, off: number, subtype: number): void {
  for (let i = 0; i < SLOW_PDU_LEN; i++) view.setUint8(off + i, 0);
  view.setUint8(off + SLOW_SUBTYPE, subtype);
  view.setUint8(off + SLOW_VERSION, LACP_VERSION);
}

/** Writes a LACPDU of SLOW_PDU_LEN bytes; `maxDelay` in tens of microseconds. */
export function lacpEmit(view: DataView, off: number, actor: LacpInfo, partner: LacpInfo, maxDelay: number): void {
  emitHeader(view, off, SLOW_SUBTYPE_LACP);
  emitInfo(view, off + ACTOR_TLV, LACP_TLV_ACTOR, actor);
  emitInfo(view, off + PARTNER_TLV, LACP_TLV_PARTNER, partner);
  view.setUint8(off + COLLECTOR_TLV, LACP_TLV_COLLECTOR);
  view.setUint8(off + COLLECTOR_TLV + 1, LACP_COLLECTOR_TLV_LEN);
  view.setUint16(off + LACP_MAX_DELAY, maxDelay);
}

/** Writes a marker PDU of SLOW_PDU_LEN bytes; `type` is MARKER_TLV_INFO or MARKER_TLV_RESPONSE. */
export function markerEmit(view: DataView, off: number, type: number, port: number, sysHi: number, sysLo: number, xid: number): void {
  emitHeader(view, off, SLOW_SUBTYPE_MARKER);
  view.setUint8(off + MARKER_TLV, type);
  view.setUint8(off + MARKER_TLV + 1, MARKER_TLV_LEN);
  view.setUint16(off + MARKER_PORT, port);
  view.setUint16(off + MARKER_SYSTEM, sysHi);
  view.setUint32(off + MARKER_SYSTEM + 2, sysLo);
  view.setUint32(off + MARKER_XID, xid);
}

/** Does the marker at `off` answer the one with these values? */
export function markerAnswers(view: DataView, off: number, port: number, sysHi: number, sysLo: number, xid: number): boolean {
  return view.getUint16(off + MARKER_PORT) === port && view.getUint16(off + MARKER_SYSTEM) === sysHi && view.getUint32(off + MARKER_SYSTEM + 2) === sysLo
    && view.getUint32(off + MARKER_XID) === xid && view.getUint16(off + MARKER_PAD) === 0;
}
