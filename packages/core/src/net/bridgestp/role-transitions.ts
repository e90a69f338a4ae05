/**
 * role-transitions.ts — a port on its way through discarding, learning and forwarding, as its role allows.
 * Read first: IEEE 802.1D-2004 §17.29 (port role transitions machine), §17.10 (why rapid transitions make no loops).
 *
 * Theory of operation. A root port may forward once no port that recently was root still does: they are told to let go (`reRoot`).
 * A designated port may forward when its neighbour agrees, when it is at the edge, or when its timer has run out twice. A
 * neighbour that proposes is agreed with after every other port has been made safe (`sync`): it stopped, or has an agreement of its own.
 * So a break in the tree moves down, one hop with each agreement, until it meets the end or a port that stays discarding.
 * A worse offer that the hold count keeps back may be what ends an old path to a root that is gone and still goes round. A port that has
 * to keep it back does not forward in the meantime, and takes no agreement for one with it. The standard lets it, and frames go round.
 *
 * Each call makes the transitions that are due for one port; the caller calls again while `bs.moved`.
 */
import {
  BSTP_IFSTATE_DISCARDING, BSTP_IFSTATE_FORWARDING, BSTP_IFSTATE_LEARNING, BSTP_ROLE_DESIGNATED, BSTP_ROLE_DISABLED, BSTP_ROLE_ROOT,
} from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import { BSTP_MIGRATE_TIME } from './bstp-state.js';
import type { BstpState } from './bstp-state.js';
import { HELLOS_MISSED } from './port-information.js';
import { restPort } from './role-selection.js';

export function roleTransitions(bs: BstpState, bp: BstpPort): void {
  switch (bp.role) {
    case BSTP_ROLE_ROOT:
      return rootPort(bs, bp);
    case BSTP_ROLE_DESIGNATED:
      return designatedPort(bs, bp);
    case BSTP_ROLE_DISABLED:
      return rest(bs, bp);
    default:
      answerProposal(bs, bp);
      rest(bs, bp);
  }
}

function rest(bs: BstpState, bp: BstpPort): void {
  if (!bp.sync && bp.synced && !bp.reRoot) return;
  restPort(bp);
  bs.moved = true;
}

/** Agrees when every other port is in step; makes them so when the neighbour asks. */
function answerProposal(bs: BstpState, bp: BstpPort): void {
  if (bp.agree ? bp.proposed : allSynced(bs)) {
    bp.proposed = false;
    bp.sync = false;
    bp.agree = true;
    bp.newInfo = true;
    bs.moved = true;
  } else if (bp.proposed) {
    bp.proposed = false;
    syncAll(bs);
  }
}

function rootPort(bs: BstpState, bp: BstpPort): void {
  if (bp.state !== BSTP_IFSTATE_FORWARDING && !bp.reRoot) reRootAll(bs);
  answerProposal(bs, bp);
  if (bp.state !== BSTP_IFSTATE_FORWARDING && (!bp.fdWhile.running || (bp.rapid && !bp.rbWhile.running && reRooted(bs, bp)))) advance(bs, bp);
  if (bp.state === BSTP_IFSTATE_FORWARDING && bp.reRoot) {
    bp.reRoot = false;
    bs.moved = true;
  }
}

function designatedPort(bs: BstpState, bp: BstpPort): void {
  if (bp.reRoot && !bp.rrWhile.running) {
    bp.reRoot = false;
    bs.moved = true;
  }
  if ((!bp.synced && (bp.state === BSTP_IFSTATE_DISCARDING || bp.agreed || bp.operEdge)) || (bp.sync && bp.synced)) {
    bp.rrWhile.stop();
    bp.synced = true;
    bp.sync = false;
    bs.moved = true;
  }
  if (bp.state !== BSTP_IFSTATE_FORWARDING && !bp.agreed && !bp.proposing && !bp.operEdge) {
    bp.proposing = true;
    bp.newInfo = true;
    bp.edgeDelayWhile.start(bp.ptpLink ? BSTP_MIGRATE_TIME : bp.desgTimes.maxAge);
    bs.moved = true;
  }
  const sure = bp.agreed || bp.operEdge;
  const stop = bp.disputed || (bp.reRoot && bp.rrWhile.running) || (bp.rapid && bp.untold && bp.txCount >= bs.holdCount);
  if (bp.state !== BSTP_IFSTATE_FORWARDING && (sure || !bp.fdWhile.running) && !stop && !bp.sync) {
    advance(bs, bp, sure);
    // The neighbour of a port that forwards is in step with it, whatever it said before.
    if (bp.state === BSTP_IFSTATE_FORWARDING) bp.agreed = bp.rapid;
  }
  if ((bp.sync && !bp.synced) || stop) retreat(bs, bp);
}

/** One step towards forwarding; both at once for a port that is `sure`. */
function advance(bs: BstpState, bp: BstpPort, sure = false): void {
  if (sure || bp.state === BSTP_IFSTATE_LEARNING) {
    bp.fdWhile.stop();
    bs.setPortState(bp, BSTP_IFSTATE_FORWARDING);
  } else {
    bp.fdWhile.start(bp.forwardDelay256ths);
    bs.setPortState(bp, BSTP_IFSTATE_LEARNING);
  }
}

/** Back to discarding, but for an edge: nothing behind it can close a loop. Who disputes us has to be silent for as long as a lost neighbour. */
function retreat(bs: BstpState, bp: BstpPort): void {
  const { disputed } = bp;
  bp.disputed = false;
  if (bp.operEdge || (bp.state === BSTP_IFSTATE_DISCARDING && !disputed)) return;
  bp.fdWhile.start(disputed ? HELLOS_MISSED * bp.desgTimes.helloTime : bp.forwardDelay256ths);
  bs.setPortState(bp, BSTP_IFSTATE_DISCARDING);
}

function allSynced(bs: BstpState): boolean {
  for (let i = 0; i < bs.ports.length; i++) {
    const bp = bs.ports[i]!;
    if (!bp.synced && bp.role !== BSTP_ROLE_ROOT) return false;
  }
  return true;
}

/** No other port has been the root port of late. */
function reRooted(bs: BstpState, bp: BstpPort): boolean {
  for (let i = 0; i < bs.ports.length; i++) {
    const other = bs.ports[i]!;
    if (other !== bp && other.rrWhile.running) return false;
  }
  return true;
}

function reRootAll(bs: BstpState): void {
  for (let i = 0; i < bs.ports.length; i++) bs.ports[i]!.reRoot = true;
  bs.moved = true;
}

/** Ports that forward by their timer's word alone, without an agreement, are not in step any more. */
function syncAll(bs: BstpState): void {
  for (let i = 0; i < bs.ports.length; i++) {
    const bp = bs.ports[i]!;
    bp.sync = true;
    bp.synced = false;
  }
  bs.moved = true;
}
