/**
 * bstp.ts — Bstp: the spanning tree of one bridge, STP (802.1D) and RSTP (802.1w) — its life, its parameters, its clock.
 * Read first: IEEE 802.1D-2004 §17; bstp-state.ts, then the machines beside this file; freebsd `sys/net/bridgestp.c` for the choices.
 *
 * Theory of operation. Ports are created with the members and take part from `enable` to `disable`. Whatever happens (a BPDU, a second
 * passed, a link, a parameter) changes fields and ends in `settle`, which runs every port's machines until nothing moves and then
 * sends what the ports have to say, so that a BPDU shows a state the whole bridge has arrived at. The number of rounds is bounded;
 * what is left is done with the next tick.
 * The clock is one Callout of a second, armed while the bridge is up and a port has a link.
 * A bridge is known by the lowest address of its Ethernet members, so that several bridges of a host can be in one tree. It is chosen
 * anew when ports or parameters change, and when the member that gave it goes or changes its address; not when one joins.
 *
 * Invariants: without ports, and while the bridge is down, no timer is armed. A port that is not active is not in `ports`, and has the
 * role DISABLED.
 */
import type { Errno } from '../../base/errno.js';
import { EINVAL, EPERM } from '../../base/errno.js';
import type { Engine } from '../../kern/engine.js';
import { Callout } from '../../kern/callout.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { BSTP_PROTO_RSTP, BSTP_PROTO_STP } from '../../wire/stp.js';
import { IFT_ETHER, IFT_L2VLAN } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import {
  FORWARD_DELAY_MAX_S, FORWARD_DELAY_MIN_S, HELLO_TIME_MAX_S, HELLO_TIME_MIN_S, MAX_AGE_MAX_S, MAX_AGE_MIN_S, bpduReceive,
} from './bpdu-receive.js';
import { helloDue, transmit } from './bpdu-transmit.js';
import { BSTP_IFSTATE_DISCARDING, BSTP_MAX_PATH_COST, BSTP_ROLE_DISABLED, BSTP_STP_PATH_COST_MAX, INFO_DISABLED, BstpPort } from './bstp-port.js';
import type { BstpClient } from './bstp-port.js';
import { BstpState } from './bstp-state.js';
import { BSTP_TICK_256THS } from './bstp-timer.js';
import { edgeDetection, portLinkCheck, setPtp } from './edge-ptp.js';
import { infoAge, infoDisable, infoEnable } from './port-information.js';
import { bridgeIdHi } from './priority-vector.js';
import { setPortProto } from './protocol-migration.js';
import { selectRoles, setPortRole } from './role-selection.js';
import { roleTransitions } from './role-transitions.js';
import { deactivate, topologyChange } from './topology-change.js';

const US_PER_S = 1_000_000;
/** Rounds of the machines for one event. */
const ROUNDS_MAX = 32;
const PRIORITY_MAX = 61_440;
const PRIORITY_STEP = 4_096;
const PORT_PRIORITY_MAX = 240;
const PORT_PRIORITY_STEP = 16;
const HELLO_TIME_DEFAULT_S = 2;
const HOLD_COUNT_MIN = 1;
const HOLD_COUNT_MAX = 10;

/** The options ifconfig sets on a port. */
export type BstpOption = 'edge' | 'autoedge' | 'ptp' | 'autoptp';

export class Bstp extends BstpState {
  private readonly engine: Engine;
  private readonly members: () => readonly Ifnet[];
  private readonly clock: Callout;
  /** Every member's port, whether it takes part or not. */
  private readonly created = new Set<BstpPort>();

  /** @param members the members of the bridge now, whether they take part or not. */
  constructor(net: Net, members: () => readonly Ifnet[]) {
    super(net.kern.engine.pool);
    this.engine = net.kern.engine;
    this.members = members;
    this.clock = new Callout(net.kern, () => this.tick());
  }

  /** A member joined the bridge. */
  newPort(ifp: Ifnet, client: BstpClient): BstpPort {
    const bp = new BstpPort(ifp, client, this.proto);
    setPortProto(bp, this.proto);
    this.created.add(bp);
    return bp;
  }

  /** … and left it. */
  destroyPort(bp: BstpPort): void {
    this.disable(bp);
    this.created.delete(bp);
  }

  /** `stp IF`. EINVAL: not an Ethernet. */
  enable(bp: BstpPort): Errno {
    if (bp.ifp.type !== IFT_ETHER && bp.ifp.type !== IFT_L2VLAN) return EINVAL;
    if (bp.active) return 0;
    bp.active = true;
    this.ports = [bp, ...this.ports];
    this.reinit();
    return 0;
  }

  /** `-stp IF`. */
  disable(bp: BstpPort): void {
    if (!bp.active) return;
    bp.active = false;
    this.ports = this.ports.filter((p) => p !== bp);
    this.begin(bp);
    this.reinit();
  }

  /** The bridge interface went up. */
  start(): void {
    this.running = true;
    for (const bp of this.ports) this.begin(bp);
    this.reinit();
  }

  /** … and down: every port stops where it is. */
  stop(): void {
    this.running = false;
    this.engine.calloutStop(this.clock);
    for (const bp of this.ports) this.setPortState(bp, BSTP_IFSTATE_DISCARDING);
  }

  /** A frame for bridges came in on `bp`. Owns `m`. */
  input(bp: BstpPort, m: PacketBuffer): void {
    bpduReceive(this, bp, m);
    m.free();
    if (this.moved || this.reselect) this.settle();
  }

  /** The link of `bp`, or the interface's being up, may have changed. */
  linkChanged(bp: BstpPort): void {
    portLinkCheck(this, bp);
    this.settle();
  }

  /** A member left, or has another address: is the bridge still who it says it is? */
  identityCheck(): void {
    if (this.ports.length === 0) return;
    const { bridgeHi, bridgeLo } = this.bridgePv;
    const known = this.members().some((ifp) => isEthernet(ifp) && ifp.macLo === bridgeLo && ifp.macHi === (bridgeHi & 0xffff));
    if (!known) this.reinit();
  }

  /** Takes over the parameters of `other`, which is being replaced by this one. */
  setLike(other: Bstp): void {
    this.proto = other.proto;
    this.priority = other.priority;
    this.holdCount = other.holdCount;
    this.bridgeTimes.copyFrom(other.bridgeTimes);
    if (other.bridgePv.bridgeHi !== 0) this.reinit();
  }

  setPriority(value: number): Errno {
    if (!inRange(value, 0, PRIORITY_MAX)) return EINVAL;
    this.priority = value - (value % PRIORITY_STEP);
    return this.reinit();
  }

  /** EPERM: only the old protocol lets it be chosen. */
  setHelloTime(seconds: number): Errno {
    if (this.proto !== BSTP_PROTO_STP) return EPERM;
    if (!inRange(seconds, HELLO_TIME_MIN_S, HELLO_TIME_MAX_S)) return EINVAL;
    this.bridgeTimes.helloTime = seconds * BSTP_TICK_256THS;
    return this.reinit();
  }

  setForwardDelay(seconds: number): Errno {
    if (!inRange(seconds, FORWARD_DELAY_MIN_S, FORWARD_DELAY_MAX_S)) return EINVAL;
    this.bridgeTimes.forwardDelay = seconds * BSTP_TICK_256THS;
    return this.reinit();
  }

  setMaxAge(seconds: number): Errno {
    if (!inRange(seconds, MAX_AGE_MIN_S, MAX_AGE_MAX_S)) return EINVAL;
    this.bridgeTimes.maxAge = seconds * BSTP_TICK_256THS;
    return this.reinit();
  }

  setHoldCount(value: number): Errno {
    if (!inRange(value, HOLD_COUNT_MIN, HOLD_COUNT_MAX)) return EINVAL;
    this.holdCount = value;
    for (const bp of this.ports) bp.txCount = 0;
    return 0;
  }

  /** BSTP_PROTO_STP or BSTP_PROTO_RSTP: every port starts over. */
  setProtocol(proto: number): Errno {
    if (proto !== BSTP_PROTO_STP && proto !== BSTP_PROTO_RSTP) return EINVAL;
    this.proto = proto;
    this.bridgeTimes.helloTime = HELLO_TIME_DEFAULT_S * BSTP_TICK_256THS;
    for (const bp of this.created) this.begin(bp);
    return this.reinit();
  }

  setPortPriority(bp: BstpPort, value: number): Errno {
    if (!inRange(value, 0, PORT_PRIORITY_MAX)) return EINVAL;
    bp.priority = value - (value % PORT_PRIORITY_STEP);
    return this.reinit();
  }

  /** 0: the cost that follows from the link's speed. */
  setPathCost(bp: BstpPort, value: number): Errno {
    if (!inRange(value, 0, BSTP_MAX_PATH_COST)) return EINVAL;
    bp.adminCost = bp.proto === BSTP_PROTO_STP ? Math.min(value, BSTP_STP_PATH_COST_MAX) : value;
    return this.reinit();
  }

  setOption(bp: BstpPort, option: BstpOption, on: boolean): void {
    switch (option) {
      case 'edge':
        bp.admEdge = on;
        bp.operEdge = on;
        this.moved = true;
        break;
      case 'autoedge':
        bp.autoEdge = on;
        this.moved = true;
        break;
      case 'ptp':
        setPtp(this, bp, on);
        break;
      case 'autoptp':
        bp.autoPtp = on;
        if (bp.active) portLinkCheck(this, bp);
    }
    this.settle();
  }

  /** Runs the machines until they rest, then sends what there is to say. */
  private settle(): void {
    if (!this.running) {
      if (this.reselect) selectRoles(this);
      this.moved = false;
      return;
    }
    for (let round = 0; round < ROUNDS_MAX && (this.moved || this.reselect); round++) {
      if (this.reselect) selectRoles(this);
      this.moved = false;
      for (let i = 0; i < this.ports.length; i++) {
        const bp = this.ports[i]!;
        infoAge(this, bp);
        edgeDetection(this, bp);
        roleTransitions(this, bp);
        topologyChange(this, bp);
      }
    }
    for (let i = 0; i < this.ports.length; i++) transmit(this, this.ports[i]!);
    this.runClock();
  }

  /** A second has passed. */
  private tick(): void {
    for (let i = 0; i < this.ports.length; i++) {
      const bp = this.ports[i]!;
      bp.tickTimers();
      helloDue(bp);
    }
    this.moved = true;
    this.settle();
  }

  private runClock(): void {
    if (!this.clock.pending && this.ports.some(hasLink)) this.engine.calloutReset(this.clock, US_PER_S);
  }

  /** Who this bridge is, then roles for all ports. Without ports, or without an address, it takes no part. */
  private reinit(): Errno {
    const from = this.ports.length === 0 ? null : lowest(this.members());
    const { bridgePv: pv } = this;
    pv.bridgeHi = bridgeIdHi(this.priority, from === null ? 0 : from.macHi);
    pv.bridgeLo = from === null ? 0 : from.macLo;
    pv.rootHi = pv.bridgeHi;
    pv.rootLo = pv.bridgeLo;
    if (from === null) {
      for (const bp of this.ports) infoDisable(this, bp);
      this.engine.calloutStop(this.clock);
    } else {
      for (const bp of this.ports) portLinkCheck(this, bp);
    }
    this.reselect = true;
    this.moved = true;
    this.settle();
    return 0;
  }

  /** The port knows nothing of its segment yet. */
  private begin(bp: BstpPort): void {
    const enabled = bp.active && bp.infoIs !== INFO_DISABLED;
    infoDisable(this, bp);
    setPortProto(bp, this.proto);
    setPortRole(this, bp, BSTP_ROLE_DISABLED);
    deactivate(this, bp);
    bp.rbWhile.stop();
    bp.edgeDelayWhile.stop();
    bp.operEdge = bp.admEdge && bp.rapid;
    bp.txCount = 0;
    if (enabled) infoEnable(this, bp);
  }
}

function hasLink(bp: BstpPort): boolean {
  return bp.infoIs !== INFO_DISABLED;
}

function isEthernet(ifp: Ifnet): boolean {
  return ifp.type === IFT_ETHER || ifp.type === IFT_L2VLAN;
}

/** The Ethernet with the lowest address that is not zero. */
function lowest(members: readonly Ifnet[]): Ifnet | null {
  let best: Ifnet | null = null;
  for (const ifp of members) {
    if (!isEthernet(ifp) || (ifp.macHi === 0 && ifp.macLo === 0)) continue;
    if (best === null || ifp.macHi < best.macHi || (ifp.macHi === best.macHi && ifp.macLo < best.macLo)) best = ifp;
  }
  return best;
}

function inRange(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
