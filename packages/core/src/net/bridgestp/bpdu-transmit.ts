/**
 * bpdu-transmit.ts — a port tells its segment.
 * Read first: IEEE 802.1D-2004 §17.26 (port transmit machine), §9.3 (formats), §17.21.19, §17.21.20 (what is in them).
 *
 * Theory of operation. `newInfo` asks for a BPDU; it is sent when fewer than the hold count went out lately, else with the tick that
 * makes room. With the rapid protocol every port may speak; with the old one designated ports do, and the root port sends
 * notifications of a topology change.
 */
import { M_MCAST } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHER_HDR_LEN } from '../../wire/ether.js';
import {
  BPDU_BRIDGE, BPDU_CFG_LEN, BPDU_FLAGS, BPDU_FORWARD_DELAY, BPDU_HELLO_TIME, BPDU_MAX_AGE, BPDU_MESSAGE_AGE, BPDU_PORT, BPDU_PROTO, BPDU_ROOT, BPDU_ROOT_COST,
  BPDU_RSTP_LEN, BPDU_TCN_LEN, BPDU_TYPE, BPDU_V1_LEN, BPDU_VERS, BSTP_MSGTYPE_CFG, BSTP_MSGTYPE_RSTP, BSTP_MSGTYPE_TCN, BSTP_PDU_F_A, BSTP_PDU_F_F,
  BSTP_PDU_F_L, BSTP_PDU_F_P, BSTP_PDU_F_TC, BSTP_PDU_F_TCA, BSTP_PDU_ROLE_ALT, BSTP_PDU_ROLE_DESG, BSTP_PDU_ROLE_ROOT, BSTP_PROTO_ID, BSTP_PROTO_RSTP,
  BSTP_PROTO_STP,
} from '../../wire/stp.js';
import { ifTransmit } from '../if-transmit.js';
import { BSTP_IFSTATE_DISCARDING, BSTP_IFSTATE_FORWARDING, BSTP_ROLE_DESIGNATED, BSTP_ROLE_DISABLED, BSTP_ROLE_ROOT } from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import type { BstpState } from './bstp-state.js';

/** 01:80:c2:00:00:00, the address all bridges listen to (§7.12.3). */
export const BSTP_ETHERADDR_HI = 0x0180;
export const BSTP_ETHERADDR_LO = 0xc2000000;
/** LLC: both service access points, and an unnumbered information frame. */
export const LLC_8021D_LSAP = 0x42;
export const LLC_UI = 0x03;
export const LLC_LEN = 3;
const ROLE_SHIFT = 2;

/** A hello is due: designated ports speak, and a root port with news. */
export function helloDue(bp: BstpPort): void {
  if (bp.helloWhen.running) return;
  if (bp.role === BSTP_ROLE_DESIGNATED || (bp.role === BSTP_ROLE_ROOT && bp.tcWhile.running)) bp.newInfo = true;
  bp.helloWhen.start(bp.desgTimes.helloTime);
}

/** Sends what the port has to say, if anything, and if it may. */
export function transmit(bs: BstpState, bp: BstpPort): void {
  if (!bp.newInfo || bp.role === BSTP_ROLE_DISABLED || bp.txCount >= bs.holdCount) return;
  bp.newInfo = false;
  bp.untold = false;
  if (bp.rapid) {
    send(bs, bp, config(bs, bp, BSTP_PROTO_RSTP, BSTP_MSGTYPE_RSTP, BPDU_RSTP_LEN));
  } else if (bp.role === BSTP_ROLE_DESIGNATED) {
    send(bs, bp, config(bs, bp, BSTP_PROTO_STP, BSTP_MSGTYPE_CFG, BPDU_CFG_LEN));
  } else if (bp.role === BSTP_ROLE_ROOT && bp.tcWhile.running) {
    send(bs, bp, frame(bs, bp, BSTP_PROTO_STP, BSTP_MSGTYPE_TCN, BPDU_TCN_LEN));
    return;
  }
  bp.tcAck = false;
}

function send(bs: BstpState, bp: BstpPort, m: PacketBuffer | null): void {
  bp.txCount++;
  bp.helloWhen.start(bp.desgTimes.helloTime);
  if (m === null || ifTransmit(bp.ifp, m) !== 0) bs.stats.sendErrors++;
  else bs.stats.sent++;
}

/** Ethernet header, LLC and the first bytes of a BPDU of `len` bytes; `m.off` is at the Ethernet header. */
function frame(bs: BstpState, bp: BstpPort, vers: number, type: number, len: number): PacketBuffer | null {
  const m = bs.pool.alloc(ETHER_HDR_LEN + LLC_LEN + len);
  if (m === null) return null;
  const v = m.view;
  const at = m.off;
  m.flags |= M_MCAST;
  v.setUint16(at, BSTP_ETHERADDR_HI);
  v.setUint32(at + 2, BSTP_ETHERADDR_LO);
  v.setUint16(at + 6, bp.ifp.macHi);
  v.setUint32(at + 8, bp.ifp.macLo);
  v.setUint16(at + 12, LLC_LEN + len);
  v.setUint8(at + 14, LLC_8021D_LSAP);
  v.setUint8(at + 15, LLC_8021D_LSAP);
  v.setUint8(at + 16, LLC_UI);
  const bpdu = at + ETHER_HDR_LEN + LLC_LEN;
  v.setUint16(bpdu + BPDU_PROTO, BSTP_PROTO_ID);
  v.setUint8(bpdu + BPDU_VERS, vers);
  v.setUint8(bpdu + BPDU_TYPE, type);
  return m;
}

function config(bs: BstpState, bp: BstpPort, vers: number, type: number, len: number): PacketBuffer | null {
  const m = frame(bs, bp, vers, type, len);
  if (m === null) return null;
  const v = m.view;
  const at = m.off + ETHER_HDR_LEN + LLC_LEN;
  const { desgPv: pv, desgTimes: times } = bp;
  v.setUint8(at + BPDU_FLAGS, vers === BSTP_PROTO_RSTP ? rapidFlags(bp) : oldFlags(bp));
  v.setUint32(at + BPDU_ROOT, pv.rootHi);
  v.setUint32(at + BPDU_ROOT + 4, pv.rootLo);
  v.setUint32(at + BPDU_ROOT_COST, pv.cost);
  v.setUint32(at + BPDU_BRIDGE, pv.bridgeHi);
  v.setUint32(at + BPDU_BRIDGE + 4, pv.bridgeLo);
  v.setUint16(at + BPDU_PORT, pv.port);
  v.setUint16(at + BPDU_MESSAGE_AGE, times.messageAge);
  v.setUint16(at + BPDU_MAX_AGE, times.maxAge);
  v.setUint16(at + BPDU_HELLO_TIME, times.helloTime);
  v.setUint16(at + BPDU_FORWARD_DELAY, times.forwardDelay);
  if (len > BPDU_V1_LEN) v.setUint8(at + BPDU_V1_LEN, 0);
  return m;
}

function rapidFlags(bp: BstpPort): number {
  const role = bp.role === BSTP_ROLE_ROOT ? BSTP_PDU_ROLE_ROOT : bp.role === BSTP_ROLE_DESIGNATED ? BSTP_PDU_ROLE_DESG : BSTP_PDU_ROLE_ALT;
  return (role << ROLE_SHIFT)
    | (bp.tcWhile.running ? BSTP_PDU_F_TC : 0)
    | (bp.proposing && bp.state !== BSTP_IFSTATE_FORWARDING ? BSTP_PDU_F_P : 0)
    | (bp.state === BSTP_IFSTATE_DISCARDING ? 0 : BSTP_PDU_F_L)
    | (bp.state === BSTP_IFSTATE_FORWARDING ? BSTP_PDU_F_F : 0)
    | (bp.agree ? BSTP_PDU_F_A : 0);
}

function oldFlags(bp: BstpPort): number {
  return (bp.tcWhile.running ? BSTP_PDU_F_TC : 0) | (bp.tcAck ? BSTP_PDU_F_TCA : 0);
}
