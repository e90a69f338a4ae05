/**
 * bpdu-receive.ts — a frame for 01:80:c2:00:00:00 came in on a port: is it a BPDU, and what does it say?
 * Read first: IEEE 802.1D-2004 §9.3.4 (which BPDUs are to be processed), §17.23 (port receive machine).
 *
 * What is wrong is dropped and counted (BstpStats) and changes nothing, not even whether the port is an edge. Versions above the rapid
 * one are read as that. Times are held to the ranges a bridge may be configured with: a neighbour cannot make this one wait for hours. A message
 * of the old protocol that has reached its greatest age is none (§9.3.4); one of the rapid protocol says that its sender's offer is void.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHER_HDR_LEN, ETHER_TYPE } from '../../wire/ether.js';
import {
  BPDU_BAD_AGE, BPDU_BRIDGE, BPDU_ROOT, BSTP_MSGTYPE_RSTP, BSTP_MSGTYPE_TCN, BSTP_PDU_F_TC, BSTP_PDU_F_TCA, BSTP_PDU_ROLE_ALT, BSTP_PDU_ROLE_DESG,
  BSTP_PDU_ROLE_UNKNOWN, BSTP_PROTO_RSTP, stpCheck, stpFlags, stpForwardDelay, stpHelloTime, stpMaxAge, stpMessageAge, stpPort, stpRole, stpRootCost, stpType,
} from '../../wire/stp.js';
import { LLC_8021D_LSAP, LLC_LEN, LLC_UI } from './bpdu-transmit.js';
import { BSTP_ROLE_ALTERNATE, BSTP_ROLE_DESIGNATED, BSTP_ROLE_ROOT, INFO_DISABLED } from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import { BSTP_MIGRATE_TIME } from './bstp-state.js';
import type { BstpState, BstpStats } from './bstp-state.js';
import { BSTP_TICK_256THS } from './bstp-timer.js';
import { infoReceived } from './port-information.js';
import { protocolSeen } from './protocol-migration.js';
import type { BstpTimes } from './priority-vector.js';

/** §17.14, table 17-1, in seconds. */
export const HELLO_TIME_MIN_S = 1;
export const HELLO_TIME_MAX_S = 2;
export const MAX_AGE_MIN_S = 6;
export const MAX_AGE_MAX_S = 40;
export const FORWARD_DELAY_MIN_S = 4;
export const FORWARD_DELAY_MAX_S = 30;
/** Flags of the old protocol, and those of the rapid one. */
const STP_FLAGS = BSTP_PDU_F_TC | BSTP_PDU_F_TCA;
const RSTP_FLAGS = 0xff & ~BSTP_PDU_F_TCA;

/** Reads the frame `m`, which stays the caller's; `m.off` is at the Ethernet header. */
export function bpduReceive(bs: BstpState, bp: BstpPort, m: PacketBuffer): void {
  const why = receive(bs, bp, m);
  if (why === null) bs.stats.received++;
  else bs.stats[why]++;
}

/** What is wrong with it, or null. */
function receive(bs: BstpState, bp: BstpPort, m: PacketBuffer): keyof BstpStats | null {
  const v = m.view;
  const llc = m.off + ETHER_HDR_LEN;
  if (m.len < ETHER_HDR_LEN + LLC_LEN) return 'malformed';
  const len = v.getUint16(m.off + ETHER_TYPE);
  if (len < LLC_LEN || len > m.len - ETHER_HDR_LEN) return 'malformed';
  if (v.getUint8(llc) !== LLC_8021D_LSAP || v.getUint8(llc + 1) !== LLC_8021D_LSAP || v.getUint8(llc + 2) !== LLC_UI) return 'malformed';
  const at = llc + LLC_LEN;
  const bad = stpCheck(v, at, len - LLC_LEN);
  if (bad !== 0) return bad === BPDU_BAD_AGE ? 'badTimes' : 'malformed';
  const type = stpType(v, at);
  const rapid = type === BSTP_MSGTYPE_RSTP;
  if (rapid && bs.proto !== BSTP_PROTO_RSTP) return 'wrongVersion';
  if (bp.infoIs === INFO_DISABLED) return 'notEnabled';
  if (type !== BSTP_MSGTYPE_TCN) {
    decode(bp, v, at);
    if (!timesAllowed(bp.msgTimes)) return 'badTimes';
  }
  notAnEdge(bs, bp);
  protocolSeen(bs, bp, rapid);
  if (type === BSTP_MSGTYPE_TCN) {
    bp.rcvdTcn = true;
    bs.moved = true;
  } else if (rapid) {
    const role = stpRole(v, at);
    if (role !== BSTP_PDU_ROLE_UNKNOWN) infoReceived(bs, bp, roleOf(role), stpFlags(v, at) & RSTP_FLAGS);
  } else {
    infoReceived(bs, bp, BSTP_ROLE_DESIGNATED, stpFlags(v, at) & STP_FLAGS);
  }
  return null;
}

function decode(bp: BstpPort, v: DataView, at: number): void {
  const { msgPv: pv, msgTimes: times } = bp;
  pv.rootHi = v.getUint32(at + BPDU_ROOT);
  pv.rootLo = v.getUint32(at + BPDU_ROOT + 4);
  pv.cost = stpRootCost(v, at);
  pv.bridgeHi = v.getUint32(at + BPDU_BRIDGE);
  pv.bridgeLo = v.getUint32(at + BPDU_BRIDGE + 4);
  pv.port = stpPort(v, at);
  times.messageAge = stpMessageAge(v, at);
  times.maxAge = stpMaxAge(v, at);
  times.helloTime = stpHelloTime(v, at);
  times.forwardDelay = stpForwardDelay(v, at);
}

function timesAllowed(t: BstpTimes): boolean {
  return within(t.maxAge, MAX_AGE_MIN_S, MAX_AGE_MAX_S) && within(t.helloTime, HELLO_TIME_MIN_S, HELLO_TIME_MAX_S)
    && within(t.forwardDelay, FORWARD_DELAY_MIN_S, FORWARD_DELAY_MAX_S);
}

function within(value256ths: number, minS: number, maxS: number): boolean {
  return value256ths >= minS * BSTP_TICK_256THS && value256ths <= maxS * BSTP_TICK_256THS;
}

/** There is a bridge on the segment. */
function notAnEdge(bs: BstpState, bp: BstpPort): void {
  if (bp.operEdge) bs.moved = true;
  bp.operEdge = false;
  bp.edgeDelayWhile.start(BSTP_MIGRATE_TIME);
}

/** An alternate port and a backup port look the same from outside. */
function roleOf(role: number): number {
  return role === BSTP_PDU_ROLE_DESG ? BSTP_ROLE_DESIGNATED : role === BSTP_PDU_ROLE_ALT ? BSTP_ROLE_ALTERNATE : BSTP_ROLE_ROOT;
}
