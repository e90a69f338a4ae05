/**
 * role-selection.ts — who is root, and what part each port plays towards it.
 * Read first: IEEE 802.1D-2004 §17.21.25 (updtRolesTree), §17.28, §17.29 (what entering and leaving a role does).
 *
 * Theory of operation. The root is the best of this bridge itself and everything its ports have received, each with the cost of
 * the port added; the port it came through is the root port. From that follow what each port would tell its segment, and its role:
 * a port whose segment has something better to listen to is an alternate, or a backup when that something is this very bridge.
 * Leaving a role starts the timers that other ports have to wait for; entering one stops the port where the role forbids frames.
 */
import {
  BSTP_IFSTATE_DISCARDING, BSTP_ROLE_ALTERNATE, BSTP_ROLE_BACKUP, BSTP_ROLE_DESIGNATED, BSTP_ROLE_DISABLED, BSTP_ROLE_ROOT, INFO_AGED, INFO_DISABLED,
  INFO_MINE, INFO_RECEIVED,
} from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import type { BstpState } from './bstp-state.js';
import { BSTP_TICK_256THS } from './bstp-timer.js';
import { infoUpdate } from './port-information.js';

const U32_MAX = 0xffff_ffff;

/** Chooses the root and every port's role. */
export function selectRoles(bs: BstpState): void {
  bs.reselect = false;
  bs.rootPort = null;
  bs.rootPv.copyFrom(bs.bridgePv);
  bs.rootTimes.copyFrom(bs.bridgeTimes);
  const { ports } = bs;
  for (let i = 0; i < ports.length; i++) considerRoot(bs, ports[i]!);
  for (let i = 0; i < ports.length; i++) {
    const bp = ports[i]!;
    bp.desgPv.copyFrom(bs.rootPv);
    bp.desgPv.bridgeHi = bs.bridgePv.bridgeHi;
    bp.desgPv.bridgeLo = bs.bridgePv.bridgeLo;
    bp.desgPv.port = bp.id;
    bp.desgTimes.copyFrom(bs.rootTimes);
    bp.desgTimes.helloTime = bs.bridgeTimes.helloTime;
    selectRole(bs, bp);
  }
}

/** Is what this port heard, its own cost added, better than the best so far? Equal offers go to the port with the lower identifier. */
function considerRoot(bs: BstpState, bp: BstpPort): void {
  if (bp.infoIs !== INFO_RECEIVED || bp.portPv.sameBridge(bs.bridgePv)) return;
  const order = bp.portPv.compare(bs.rootPv, bp.pathCost);
  if (order > 0 || (order === 0 && (bs.rootPort === null || bs.rootPort.id <= bp.id))) return;
  bs.rootPort = bp;
  bs.rootPv.copyFrom(bp.portPv);
  bs.rootPv.cost = Math.min(bp.portPv.cost + bp.pathCost, U32_MAX);
  bs.rootTimes.copyFrom(bp.portTimes);
  bs.rootTimes.messageAge += BSTP_TICK_256THS;
}

function selectRole(bs: BstpState, bp: BstpPort): void {
  switch (bp.infoIs) {
    case INFO_DISABLED:
      return setPortRole(bs, bp, BSTP_ROLE_DISABLED);
    case INFO_AGED:
      return designate(bs, bp);
    case INFO_MINE:
      if (bp.desgPv.compare(bp.portPv) !== 0 || !bp.desgTimes.equals(bp.portTimes)) return designate(bs, bp);
      return setPortRole(bs, bp, BSTP_ROLE_DESIGNATED);
    default:
      if (bp === bs.rootPort) return setPortRole(bs, bp, BSTP_ROLE_ROOT);
      if (bp.desgPv.compare(bp.portPv) < 0) return designate(bs, bp);
      return setPortRole(bs, bp, bp.portPv.sameBridge(bs.bridgePv) ? BSTP_ROLE_BACKUP : BSTP_ROLE_ALTERNATE);
  }
}

function designate(bs: BstpState, bp: BstpPort): void {
  setPortRole(bs, bp, BSTP_ROLE_DESIGNATED);
  infoUpdate(bs, bp);
}

export function setPortRole(bs: BstpState, bp: BstpPort, role: number): void {
  if (bp.role === role) return;
  leaveRole(bp);
  bp.role = role;
  bp.proposing = false;
  bs.moved = true;
  switch (role) {
    case BSTP_ROLE_ROOT:
      bp.rrWhile.hold(bp.desgTimes.forwardDelay);
      return;
    case BSTP_ROLE_DESIGNATED:
      bp.helloWhen.start(bp.desgTimes.helloTime);
      bp.agree = false;
      return;
    default:
      bs.setPortState(bp, BSTP_IFSTATE_DISCARDING);
      bp.fdWhile.hold(role === BSTP_ROLE_DISABLED ? bp.desgTimes.maxAge : bp.desgTimes.forwardDelay);
      if (role === BSTP_ROLE_BACKUP) bp.rbWhile.hold(2 * bp.desgTimes.helloTime);
      restPort(bp);
  }
}

/** A port that carries no frames holds nobody up. */
export function restPort(bp: BstpPort): void {
  bp.rrWhile.stop();
  bp.sync = false;
  bp.synced = true;
  bp.reRoot = false;
}

/** What the role held at its full value runs from now on. */
function leaveRole(bp: BstpPort): void {
  switch (bp.role) {
    case BSTP_ROLE_DISABLED:
      bp.fdWhile.start(bp.desgTimes.maxAge);
      return;
    case BSTP_ROLE_BACKUP:
      bp.rbWhile.start(2 * bp.desgTimes.helloTime);
      bp.fdWhile.start(bp.desgTimes.forwardDelay);
      return;
    case BSTP_ROLE_ALTERNATE:
      bp.fdWhile.start(bp.desgTimes.forwardDelay);
      return;
    case BSTP_ROLE_ROOT:
      bp.rrWhile.start(bp.desgTimes.forwardDelay);
  }
}
