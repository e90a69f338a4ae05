/**
 * bstp-state.ts — BstpState `bs`: the spanning-tree state of one bridge, as the machines beside this file see it.
 * Read first: IEEE 802.1D-2004 §17.18 (per-bridge variables); bstp-port.ts.
 *
 * Theory of operation. The machines are functions of a BstpState and a BstpPort that look at conditions and change fields. Whoever
 * changes something another condition may depend on sets `moved`; what calls for another choice of roles sets `reselect`. The
 * driver of the machines (bstp.ts) runs them until neither is set.
 *
 * Invariant: `rootPort`, when it is not null, is in `ports` and has the role ROOT.
 */
import type { PacketPool } from '../../mbuf/packet-buffer.js';
import { BSTP_PROTO_RSTP } from '../../wire/stp.js';
import { BSTP_IFSTATE_FORWARDING } from './bstp-port.js';
import type { BstpPort } from './bstp-port.js';
import { BSTP_TICK_256THS } from './bstp-timer.js';
import { BstpTimes, PriorityVector } from './priority-vector.js';

/** §17.13.9: how long a port stays with a protocol version, and what an edge is told by. */
export const BSTP_MIGRATE_TIME = 3 * BSTP_TICK_256THS;

/** BPDUs in and out of a bridge, and why some were not looked at. */
export class BstpStats {
  received = 0;
  sent = 0;
  /** No packet to be had for one, or the port could not send it. */
  sendErrors = 0;
  /** Not a BPDU, or cut short. */
  malformed = 0;
  /** Times no bridge may use, or a message older than its greatest age. */
  badTimes = 0;
  /** Rapid BPDUs for a bridge that is told to speak the old protocol. */
  wrongVersion = 0;
  /** On a port whose link is not up. */
  notEnabled = 0;
}

export class BstpState {
  readonly pool: PacketPool;
  readonly stats = new BstpStats();
  /** Ports with `stp` on, newest first. */
  ports: readonly BstpPort[] = [];
  rootPort: BstpPort | null = null;
  /** The bridge interface is up. */
  running = false;
  proto: number = BSTP_PROTO_RSTP;
  priority = 32_768;
  holdCount = 6;
  /** This bridge as its own root, and the root it has chosen; both zero until the bridge is up or a parameter is set. */
  readonly bridgePv = new PriorityVector();
  readonly rootPv = new PriorityVector();
  readonly bridgeTimes = new BstpTimes();
  readonly rootTimes = new BstpTimes();
  reselect = false;
  moved = false;

  constructor(pool: PacketPool) {
    this.pool = pool;
    this.bridgeTimes.maxAge = 20 * BSTP_TICK_256THS;
    this.bridgeTimes.helloTime = 2 * BSTP_TICK_256THS;
    this.bridgeTimes.forwardDelay = 15 * BSTP_TICK_256THS;
  }

  /** The port treats frames as `state` says from now on. */
  setPortState(bp: BstpPort, state: number): void {
    if (bp.state === state) return;
    bp.state = state;
    if (state === BSTP_IFSTATE_FORWARDING) bp.forwardTransitions++;
    this.moved = true;
    if (bp.active) bp.client.stateChanged(bp);
  }
}
