/**
 * bstp-port.ts — BstpPort `bp`: the spanning-tree state of one member of a bridge. Data, and what is derived from it.
 * Read first: IEEE 802.1D-2004 §17.19 (per-port variables, whose names these are), §17.17 (timers).
 *
 * Theory of operation. A BstpPort is made with the member and is `active` while `ifconfig bridgeN stp IF` holds. The standard's
 * pair learn/forward is one field, `state`: discarding, learning, forwarding. What the tree wants of the bridge goes through
 * BstpClient: the state frames are to be treated in, and addresses to be forgotten.
 *
 * Invariants: the client's state is FORWARDING while the port is not active. `role` DISABLED exactly while `infoIs` is DISABLED
 * and the roles have been selected.
 * Not here: what changes these fields (the machines beside this file).
 */
import type { Micros } from '../../base/time.js';
import { BSTP_PROTO_RSTP, BSTP_PROTO_STP } from '../../wire/stp.js';
import { LINK_STATE_DOWN } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { BstpTimer } from './bstp-timer.js';
import { BstpTimes, PriorityVector } from './priority-vector.js';

/** Port states, FreeBSD's numbers; the protocol uses LEARNING, FORWARDING and DISCARDING. */
export const BSTP_IFSTATE_DISABLED = 0;
export const BSTP_IFSTATE_LISTENING = 1;
export const BSTP_IFSTATE_LEARNING = 2;
export const BSTP_IFSTATE_FORWARDING = 3;
export const BSTP_IFSTATE_BLOCKING = 4;
export const BSTP_IFSTATE_DISCARDING = 5;
/** What ifconfig and the log call them. */
export const BSTP_STATE_NAMES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking', 'discarding'] as const;

export const BSTP_ROLE_DISABLED = 0;
export const BSTP_ROLE_ROOT = 1;
export const BSTP_ROLE_DESIGNATED = 2;
export const BSTP_ROLE_ALTERNATE = 3;
export const BSTP_ROLE_BACKUP = 4;
export const BSTP_ROLE_NAMES = ['disabled', 'root', 'designated', 'alternate', 'backup'] as const;

/** Where the port's priority vector comes from (§17.19.10). */
export const INFO_DISABLED = 0;
export const INFO_AGED = 1;
export const INFO_MINE = 2;
export const INFO_RECEIVED = 3;

/** Resting states of the topology change machine (§17.31). */
export const TC_INACTIVE = 0;
export const TC_LEARNING = 1;
export const TC_ACTIVE = 2;

export const BSTP_DEFAULT_PORT_PRIORITY = 128;
export const BSTP_MAX_PATH_COST = 200_000_000;
/** STP has 16 bits for a cost. */
export const BSTP_STP_PATH_COST_MAX = 65_535;
/** The cost of a link that is down or has no speed. */
const PATH_COST_DEFAULT = 55;
/** Path cost times bits per second (§17.14, table 17-3). */
const PATH_COST_BITS = 20_000_000_000_000;
const BAUDRATE_MIN = 1_000;
const PORT_NUMBER_MASK = 0xfff;

/** What a port asks of the bridge it is in. */
export interface BstpClient {
  /** Frames are to be treated as `bp.state` says. */
  stateChanged(bp: BstpPort): void;
  /** Addresses behind the port are to be forgotten in `us`, 0 at once. */
  ageAddresses(us: Micros): void;
}

export class BstpPort {
  readonly ifp: Ifnet;
  readonly client: BstpClient;
  /** `stp IF` is in force. */
  active = false;
  /** BSTP_PROTO_* it sends. */
  proto: number;
  priority = BSTP_DEFAULT_PORT_PRIORITY;
  /** Configured path cost, 0 for the one that follows from the link. */
  adminCost = 0;
  /** Administrator's edge, automatic detection of edges and of point-to-point links. */
  admEdge = false;
  autoEdge = true;
  autoPtp = true;
  operEdge = false;
  ptpLink = false;

  state: number = BSTP_IFSTATE_DISCARDING;
  role: number = BSTP_ROLE_DISABLED;
  infoIs: number = INFO_DISABLED;
  tcState: number = TC_INACTIVE;
  forwardTransitions = 0;
  /** BPDUs sent lately; the tick takes one away. */
  txCount = 0;

  /** What the port's segment is told or tells (portPriority), what it would be told by us (designatedPriority), what was just heard. */
  readonly portPv = new PriorityVector();
  readonly desgPv = new PriorityVector();
  readonly msgPv = new PriorityVector();
  readonly portTimes = new BstpTimes();
  readonly desgTimes = new BstpTimes();
  readonly msgTimes = new BstpTimes();

  agree = false;
  agreed = false;
  disputed = false;
  newInfo = false;
  /** The segment has not been told of the worse offer the port has now: what it agreed with was a better one. */
  untold = false;
  proposed = false;
  proposing = false;
  reRoot = false;
  sync = false;
  synced = true;
  rcvdTc = false;
  rcvdTcAck = false;
  rcvdTcn = false;
  tcAck = false;
  tcProp = false;

  readonly edgeDelayWhile = new BstpTimer();
  readonly fdWhile = new BstpTimer();
  readonly helloWhen = new BstpTimer();
  readonly mdelayWhile = new BstpTimer();
  readonly rbWhile = new BstpTimer();
  readonly rcvdInfoWhile = new BstpTimer();
  readonly rrWhile = new BstpTimer();
  readonly tcWhile = new BstpTimer();

  constructor(ifp: Ifnet, client: BstpClient, proto: number) {
    this.ifp = ifp;
    this.client = client;
    this.proto = proto;
  }

  /** Its number, which is the interface's. */
  get number(): number {
    return this.ifp.index & PORT_NUMBER_MASK;
  }

  get id(): number {
    return (this.priority << 8) | this.number;
  }

  get rapid(): boolean {
    return this.proto === BSTP_PROTO_RSTP;
  }

  /** The path cost in force. */
  get pathCost(): number {
    const { ifp } = this;
    if (this.adminCost !== 0) return this.adminCost;
    if (ifp.linkState === LINK_STATE_DOWN || ifp.baudrate < BAUDRATE_MIN) return PATH_COST_DEFAULT;
    const cost = Math.min(Math.floor(PATH_COST_BITS / ifp.baudrate), BSTP_MAX_PATH_COST);
    return this.proto === BSTP_PROTO_STP ? Math.min(cost, BSTP_STP_PATH_COST_MAX) : cost;
  }

  /** §17.20.4: how long the port waits before each step to forwarding, when nobody agrees to a faster one. */
  get forwardDelay256ths(): number {
    return this.rapid ? this.desgTimes.helloTime : this.desgTimes.forwardDelay;
  }

  tickTimers(): void {
    this.edgeDelayWhile.tick();
    this.fdWhile.tick();
    this.helloWhen.tick();
    this.mdelayWhile.tick();
    this.rbWhile.tick();
    this.rcvdInfoWhile.tick();
    this.rrWhile.tick();
    this.tcWhile.tick();
    if (this.txCount > 0) this.txCount--;
  }
}
