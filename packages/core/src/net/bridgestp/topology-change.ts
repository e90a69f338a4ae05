/**
 * topology-change.ts — stations may be behind other ports now: tell the neighbours, forget addresses.
 * Read first: IEEE 802.1D-2004 §17.31 (topology change machine), §17.11.
 *
 * Theory of operation. A port that begins to forward, and is no edge, has changed the topology. It says so for a while (`tcWhile`) and makes
 * every other port of the bridge forget its addresses and say so as well; a port that hears of a change does the same for the others.
 * The port a change was heard on keeps its addresses: what is behind it has not moved to it. With the old protocol addresses are not
 * forgotten at once but after the forward delay, and the news travels to the root first, in notifications the next bridge acknowledges.
 *
 * States: INACTIVE (no frames), LEARNING (not part of the active topology yet), ACTIVE. The standard's other states are passed through.
 */
import {
  BSTP_IFSTATE_DISCARDING, BSTP_IFSTATE_FORWARDING, BSTP_ROLE_DESIGNATED, BSTP_ROLE_ROOT, TC_ACTIVE, TC_INACTIVE, TC_LEARNING,
} from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import type { BstpState } from './bstp-state.js';
import { BSTP_TICK_256THS } from './bstp-timer.js';

const US_PER_S = 1_000_000;

export function topologyChange(bs: BstpState, bp: BstpPort): void {
  const inTree = bp.role === BSTP_ROLE_ROOT || bp.role === BSTP_ROLE_DESIGNATED;
  switch (bp.tcState) {
    case TC_INACTIVE:
      if (bp.state !== BSTP_IFSTATE_DISCARDING) startLearning(bs, bp);
      return;
    case TC_LEARNING:
      if (inTree && bp.state === BSTP_IFSTATE_FORWARDING && !bp.operEdge) detected(bs, bp);
      else if (bp.rcvdTc || bp.rcvdTcn || bp.rcvdTcAck || bp.tcProp) startLearning(bs, bp);
      else if (!inTree && bp.state === BSTP_IFSTATE_DISCARDING) deactivate(bs, bp);
      return;
    default:
      if (!inTree || bp.operEdge) startLearning(bs, bp);
      else if (bp.rcvdTcn || bp.rcvdTc) notified(bs, bp);
      else if (bp.tcProp) propagate(bs, bp);
      else if (bp.rcvdTcAck) acknowledged(bp);
  }
}

/** The port carries nothing any more: what was behind it is to be found elsewhere. */
export function deactivate(bs: BstpState, bp: BstpPort): void {
  bp.tcState = TC_INACTIVE;
  bp.tcWhile.stop();
  bp.tcAck = false;
  bs.moved = true;
  if (bp.active) bp.client.ageAddresses(0);
}

function startLearning(bs: BstpState, bp: BstpPort): void {
  bp.tcState = TC_LEARNING;
  bp.rcvdTc = false;
  bp.rcvdTcn = false;
  bp.rcvdTcAck = false;
  bp.tcProp = false;
  bs.moved = true;
}

function detected(bs: BstpState, bp: BstpPort): void {
  bp.tcState = TC_ACTIVE;
  startTcWhile(bs, bp);
  tellOthers(bs, bp);
  bp.newInfo = true;
}

/** The neighbour reports a change; one that sent a notification, further away from the root, waits for its acknowledgement. */
function notified(bs: BstpState, bp: BstpPort): void {
  if (bp.rcvdTcn) startTcWhile(bs, bp);
  bp.rcvdTcn = false;
  bp.rcvdTc = false;
  if (bp.role === BSTP_ROLE_DESIGNATED) bp.tcAck = true;
  tellOthers(bs, bp);
}

function propagate(bs: BstpState, bp: BstpPort): void {
  bp.tcProp = false;
  startTcWhile(bs, bp);
  bs.moved = true;
  bp.client.ageAddresses(bp.rapid ? 0 : (bp.desgTimes.forwardDelay / BSTP_TICK_256THS) * US_PER_S);
}

function acknowledged(bp: BstpPort): void {
  bp.tcWhile.stop();
  bp.rcvdTcAck = false;
}

function tellOthers(bs: BstpState, bp: BstpPort): void {
  for (let i = 0; i < bs.ports.length; i++) {
    const other = bs.ports[i]!;
    if (other !== bp) other.tcProp = true;
  }
  bs.moved = true;
}

/** §17.21.7: long enough for one hello to carry the news, or, with the old protocol, for the whole network to age. */
function startTcWhile(bs: BstpState, bp: BstpPort): void {
  if (bp.tcWhile.running) return;
  if (bp.rapid) {
    bp.tcWhile.start(bp.desgTimes.helloTime + BSTP_TICK_256THS);
    bp.newInfo = true;
  } else {
    bp.tcWhile.start(bs.rootTimes.maxAge + bs.rootTimes.forwardDelay);
  }
}
