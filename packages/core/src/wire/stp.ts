/**
 * stp.ts — spanning tree BPDUs: offsets, types, flags, validity.
 * Read first: IEEE 802.1D-2004 §9.3 (formats), §9.3.4 (which BPDUs are valid), §14 for the encoding of times.
 *
 *    0       2      3     4       5           13     17           25      27    29    31      33      35
 *    | proto | vers | type| flags | root (8)  | cost | bridge (8) | port  | age | max | hello | fwd   | v1len
 *
 * Offsets count from the byte behind the LLC header. Times are 16-bit in units of 1/256 second. A bridge identifier is a
 * 16-bit priority (with the VLAN in its low 12 bits) and a MAC address. A topology change notification ends after `type`.
 * Not here: the state machines, and the instances of MSTP, which the dissector alone looks at.
 */

export const BPDU_PROTO = 0;
export const BPDU_VERS = 2;
export const BPDU_TYPE = 3;
export const BPDU_FLAGS = 4;
export const BPDU_ROOT = 5;
export const BPDU_ROOT_COST = 13;
export const BPDU_BRIDGE = 17;
export const BPDU_PORT = 25;
export const BPDU_MESSAGE_AGE = 27;
export const BPDU_MAX_AGE = 29;
export const BPDU_HELLO_TIME = 31;
export const BPDU_FORWARD_DELAY = 33;
export const BPDU_V1_LEN = 35;

/** Bytes of a topology change notification, a configuration BPDU and a rapid spanning tree BPDU. */
export const BPDU_TCN_LEN = 4;
export const BPDU_CFG_LEN = 35;
export const BPDU_RSTP_LEN = 36;

export const BSTP_PROTO_ID = 0;
export const BSTP_PROTO_STP = 0;
export const BSTP_PROTO_RSTP = 2;
export const BSTP_PROTO_MSTP = 3;
export const BSTP_PROTO_SPB = 4;

export const BSTP_MSGTYPE_CFG = 0x00;
export const BSTP_MSGTYPE_RSTP = 0x02;
export const BSTP_MSGTYPE_TCN = 0x80;

/** Flag bits (802.1D-2004 §9.3.3); STP uses the first and last only. */
export const BSTP_PDU_F_TC = 0x01;
export const BSTP_PDU_F_P = 0x02;
export const BSTP_PDU_F_ROLE = 0x0c;
export const BSTP_PDU_F_L = 0x10;
export const BSTP_PDU_F_F = 0x20;
export const BSTP_PDU_F_A = 0x40;
export const BSTP_PDU_F_TCA = 0x80;

/** Port roles in BSTP_PDU_F_ROLE, shifted down. */
export const BSTP_PDU_ROLE_UNKNOWN = 0;
export const BSTP_PDU_ROLE_ALT = 1;
export const BSTP_PDU_ROLE_ROOT = 2;
export const BSTP_PDU_ROLE_DESG = 3;

/** Times are counted in 1/256 s. */
export const BSTP_TICKS_PER_SEC = 256;

/** `stpCheck`: fewer bytes than the BPDU's type needs. */
export const BPDU_BAD_SHORT = 1;
/** `stpCheck`: the protocol identifier is not 0. */
export const BPDU_BAD_PROTO = 2;
/** `stpCheck`: a type this version does not have. */
export const BPDU_BAD_TYPE = 3;
/** `stpCheck`: the message is not younger than its maximum age (configuration BPDU only). */
export const BPDU_BAD_AGE = 4;

/** 0 when the `len` bytes at `off` are a BPDU that a bridge may act on, else the first reason that applies. */
export function stpCheck(view: DataView, off: number, len: number): number {
  if (len < BPDU_TCN_LEN) return BPDU_BAD_SHORT;
  if (view.getUint16(off + BPDU_PROTO) !== BSTP_PROTO_ID) return BPDU_BAD_PROTO;
  const type = view.getUint8(off + BPDU_TYPE);
  if (type === BSTP_MSGTYPE_TCN) return 0;
  if (type === BSTP_MSGTYPE_CFG) {
    if (len < BPDU_CFG_LEN) return BPDU_BAD_SHORT;
    return view.getUint16(off + BPDU_MESSAGE_AGE) < view.getUint16(off + BPDU_MAX_AGE) ? 0 : BPDU_BAD_AGE;
  }
  if (type !== BSTP_MSGTYPE_RSTP || view.getUint8(off + BPDU_VERS) < BSTP_PROTO_RSTP) return BPDU_BAD_TYPE;
  return len < BPDU_RSTP_LEN ? BPDU_BAD_SHORT : 0;
}

export const stpVers = (view: DataView, off: number): number => view.getUint8(off + BPDU_VERS);
export const stpType = (view: DataView, off: number): number => view.getUint8(off + BPDU_TYPE);
export const stpFlags = (view: DataView, off: number): number => view.getUint8(off + BPDU_FLAGS);
/** Role of the sending port, one of BSTP_PDU_ROLE_*. */
export const stpRole = (view: DataView, off: number): number => (view.getUint8(off + BPDU_FLAGS) & BSTP_PDU_F_ROLE) >>> 2;
export const stpRootCost = (view: DataView, off: number): number => view.getUint32(off + BPDU_ROOT_COST);
export const stpPort = (view: DataView, off: number): number => view.getUint16(off + BPDU_PORT);
export const stpMessageAge = (view: DataView, off: number): number => view.getUint16(off + BPDU_MESSAGE_AGE);
export const stpMaxAge = (view: DataView, off: number): number => view.getUint16(off + BPDU_MAX_AGE);
export const stpHelloTime = (view: DataView, off: number): number => view.getUint16(off + BPDU_HELLO_TIME);
export const stpForwardDelay = (view: DataView, off: number): number => view.getUint16(off + BPDU_FORWARD_DELAY);
