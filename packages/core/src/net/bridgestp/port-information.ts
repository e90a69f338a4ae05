/**
 * port-information.ts — what a port knows about its segment: its own offer, what a neighbour said, or nothing any more.
 * Read first: IEEE 802.1D-2004 §17.27 (port information machine), §17.21 (its procedures); 802.1Q-2005 §13.26.6 (disputes).
 *
 * Theory of operation. A port is DISABLED without a link. With one it is AGED for as long as it takes to choose roles, then either
 * MINE (it is designated and tells its segment) or RECEIVED (a neighbour's better offer, which ages out when it is not repeated).
 * A BPDU is classified by who sent it and how its vector compares with the port's; that decides what it means for proposals,
 * agreements and roles.
 *
 * A port that hears itself has its own segment for a neighbour: it is a backup until the echo stops.
 * A designated neighbour that is worse than us and already forwards has not heard us: the port goes back to discarding and says
 * so at once, instead of taking the neighbour's state for an agreement.
 */
import { BSTP_PDU_F_A, BSTP_PDU_F_F, BSTP_PDU_F_L, BSTP_PDU_F_P, BSTP_PDU_F_TC, BSTP_PDU_F_TCA } from '../../wire/stp.js';
import { BSTP_IFSTATE_FORWARDING, BSTP_ROLE_DESIGNATED, INFO_AGED, INFO_DISABLED, INFO_MINE, INFO_RECEIVED } from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import type { BstpState } from './bstp-state.js';
import { BSTP_TICK_256THS } from './bstp-timer.js';

/** Hello times without a BPDU after which a neighbour counts as gone (§17.21.23). */
export const HELLOS_MISSED = 3;

/** The link is up: roles are to be chosen with this port. */
export function infoEnable(bs: BstpState, bp: BstpPort): void {
  bp.infoIs = INFO_AGED;
  bs.reselect = true;
}

/** The link is gone, and with it everything that was agreed on it. */
export function infoDisable(bs: BstpState, bp: BstpPort): void {
  bp.infoIs = INFO_DISABLED;
  bp.proposing = false;
  bp.proposed = false;
  bp.agree = false;
  bp.agreed = false;
  bp.disputed = false;
  bp.newInfo = false;
  bp.tcAck = false;
  bp.rcvdInfoWhile.stop();
  bs.reselect = true;
}

/** What was received has not been repeated in time. */
export function infoAge(bs: BstpState, bp: BstpPort): void {
  if (bp.infoIs !== INFO_RECEIVED || bp.rcvdInfoWhile.running) return;
  bp.infoIs = INFO_AGED;
  bs.reselect = true;
}

/**
 * UPDATE: the port is designated and takes over what it is going to say. While that gets worse and worse, nobody's silence is consent:
 * a port that waits for its timer waits from the last such change.
 */
export function infoUpdate(bs: BstpState, bp: BstpPort): void {
  bp.proposing = false;
  bp.proposed = false;
  if (bp.infoIs !== INFO_MINE || bp.desgPv.compare(bp.portPv) > 0) {
    bp.agreed = false;
    bp.untold = true;
    if (bp.rapid && bp.state !== BSTP_IFSTATE_FORWARDING) bp.fdWhile.start(Math.max(bp.fdWhile.left256ths, bp.forwardDelay256ths));
  }
  bp.synced &&= bp.agreed;
  bp.portPv.copyFrom(bp.desgPv);
  bp.portTimes.copyFrom(bp.desgTimes);
  bp.infoIs = INFO_MINE;
  bp.newInfo = true;
  bs.moved = true;
}

/** A BPDU from a port of `role` with these flags; its vector and times are in `bp.msgPv` and `bp.msgTimes`. */
export function infoReceived(bs: BstpState, bp: BstpPort, role: number, flags: number): void {
  const order = bp.msgPv.compare(bp.portPv);
  if (role !== BSTP_ROLE_DESIGNATED) {
    if (order >= 0) notDesignated(bs, bp, flags);
    return;
  }
  if (bp.infoIs === INFO_RECEIVED && order === 0 && bp.msgTimes.equals(bp.portTimes)) {
    recordProposal(bs, bp, flags);
    setTcFlags(bs, bp, flags);
    restartAgeing(bp);
  } else if (bp.msgPv.supersedes(bp.portPv)) {
    superior(bs, bp, flags);
  } else {
    inferior(bs, bp, flags);
  }
}

function superior(bs: BstpState, bp: BstpPort, flags: number): void {
  bp.agreed = false;
  bp.proposing = false;
  recordProposal(bs, bp, flags);
  setTcFlags(bs, bp, flags);
  bp.agree &&= bp.infoIs === INFO_RECEIVED && bp.msgPv.compare(bp.portPv) <= 0;
  bp.portPv.copyFrom(bp.msgPv);
  bp.portTimes.copyFrom(bp.msgTimes);
  restartAgeing(bp);
  bp.infoIs = INFO_RECEIVED;
  bs.reselect = true;
  bs.moved = true;
}

function inferior(bs: BstpState, bp: BstpPort, flags: number): void {
  bp.newInfo = true;
  bs.moved = true;
  if ((flags & BSTP_PDU_F_L) === 0) return;
  bp.agreed = false;
  bp.disputed = true;
}

/** A root, alternate or backup port answers what we offered. Only a link with two ends is sure to have heard from everybody on it. */
function notDesignated(bs: BstpState, bp: BstpPort, flags: number): void {
  setTcFlags(bs, bp, flags);
  const agreed = (flags & BSTP_PDU_F_A) !== 0 && bp.ptpLink && bp.rapid && !bp.untold;
  if (agreed) bp.proposing = false;
  if (agreed === bp.agreed) return;
  bp.agreed = agreed;
  bs.moved = true;
}

function recordProposal(bs: BstpState, bp: BstpPort, flags: number): void {
  if ((flags & BSTP_PDU_F_P) === 0 || (flags & BSTP_PDU_F_F) !== 0) return;
  bp.proposed = true;
  bs.moved = true;
}

function setTcFlags(bs: BstpState, bp: BstpPort, flags: number): void {
  if ((flags & (BSTP_PDU_F_TC | BSTP_PDU_F_TCA)) === 0) return;
  if ((flags & BSTP_PDU_F_TC) !== 0) bp.rcvdTc = true;
  if ((flags & BSTP_PDU_F_TCA) !== 0) bp.rcvdTcAck = true;
  bs.moved = true;
}

/** An offer as old as it may get is lost at once. */
function restartAgeing(bp: BstpPort): void {
  const t = bp.msgTimes;
  bp.rcvdInfoWhile.start(t.messageAge + BSTP_TICK_256THS <= t.maxAge ? HELLOS_MISSED * t.helloTime : 0);
}
