/**
 * bridge-params.ts — what an administrator may tune on a bridge: sysctls of the vnet, spanning-tree parameters of a bridge.
 * Read first: bridge(4); IEEE 802.1D-2004 §17.13 for the ranges.
 *
 * The spanning-tree parameters are kept, checked and shown; no spanning tree runs on them yet, so a bridge is always its own
 * root and every port forwards.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, EPERM } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { LINK_STATE_DOWN } from './ifnet.js';
import type { Ifnet } from './ifnet.js';

/** `net.link.bridge.*`. The packet-filter switches are kept for whoever filters bridged packets. */
export class BridgeTunables {
  pfilOnlyip = 1;
  pfilBridge = 0;
  pfilMember = 0;
  pfilLocalPhys = 0;
  ipfw = 0;
  ipfwArp = 0;
  logStp = 0;
  inheritMac = 0;
  allowLlzOverlap = 0;
  logMacFlap = 1;
}

export const BRIDGE_SYSCTLS: SysctlGroup<BridgeTunables> = {
  prefix: 'net.link.bridge',
  oids: [
    sysctlInt('pfil_onlyip', 'pfilOnlyip', 'bool', 0, 1, 'Filtered bridges pass IP packets only'),
    sysctlInt('pfil_bridge', 'pfilBridge', 'bool', 0, 1, 'Filter packets on the bridge interface'),
    sysctlInt('pfil_member', 'pfilMember', 'bool', 0, 1, 'Filter packets on the member interface'),
    sysctlInt('pfil_local_phys', 'pfilLocalPhys', 'bool', 0, 1, 'Filter packets for this host on the member they came in on'),
    sysctlInt('ipfw', 'ipfw', 'bool', 0, 1, 'Filter bridged frames at layer 2'),
    sysctlInt('ipfw_arp', 'ipfwArp', 'bool', 0, 1, 'Filter bridged ARP packets at layer 2'),
    sysctlInt('log_stp', 'logStp', 'bool', 0, 1, 'Log state changes of spanning-tree ports'),
    sysctlInt('inherit_mac', 'inheritMac', 'bool', 0, 1, 'A bridge takes the address of its first member'),
    sysctlInt('allow_llz_overlap', 'allowLlzOverlap', 'bool', 0, 1, 'Bridge and members may both have link-local addresses'),
    sysctlInt('log_mac_flap', 'logMacFlap', 'bool', 0, 1, 'Log addresses that move between ports'),
  ],
};

export const BSTP_PROTO_STP = 0;
export const BSTP_PROTO_RSTP = 2;
export const BSTP_DEFAULT_PORT_PRIORITY = 128;
const PRIORITY_DEFAULT = 32_768;
const PRIORITY_MAX = 61_440;
const PRIORITY_STEP = 4_096;
const PORT_PRIORITY_MAX = 240;
const PORT_PRIORITY_STEP = 16;
const HELLO_DEFAULT = 2;
const PATH_COST_DEFAULT = 55;
const PATH_COST_MAX = 200_000_000;
const PATH_COST_STP_MAX = 65_535;
/** Path cost times bits per second (802.1D-2004 table 17-3). */
const PATH_COST_BITS = 20_000_000_000_000;
const BAUDRATE_MIN = 1_000;

function inRange(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** Parameters of one bridge; times in seconds. */
export class BridgeStpParams {
  priority = PRIORITY_DEFAULT;
  helloTime = HELLO_DEFAULT;
  fwdDelay = 15;
  maxAge = 20;
  holdCount = 6;
  proto = BSTP_PROTO_RSTP;
  /** What the root line shows: 0 until the bridge was up once, its own priority from then on. */
  rootPriority = 0;

  setPriority(value: number): Errno {
    if (!inRange(value, 0, PRIORITY_MAX)) return EINVAL;
    this.priority = value - (value % PRIORITY_STEP);
    this.rootPriority = this.priority;
    return 0;
  }

  /** EPERM: only the old protocol lets it be chosen. */
  setHelloTime(value: number): Errno {
    if (this.proto !== BSTP_PROTO_STP) return EPERM;
    if (!inRange(value, 1, 2)) return EINVAL;
    this.helloTime = value;
    return 0;
  }

  setFwdDelay(value: number): Errno {
    if (!inRange(value, 4, 30)) return EINVAL;
    this.fwdDelay = value;
    return 0;
  }

  setMaxAge(value: number): Errno {
    if (!inRange(value, 6, 40)) return EINVAL;
    this.maxAge = value;
    return 0;
  }

  setHoldCount(value: number): Errno {
    if (!inRange(value, 1, 10)) return EINVAL;
    this.holdCount = value;
    return 0;
  }

  /** BSTP_PROTO_STP or BSTP_PROTO_RSTP. */
  setProto(value: number): Errno {
    if (value !== BSTP_PROTO_STP && value !== BSTP_PROTO_RSTP) return EINVAL;
    this.proto = value;
    this.helloTime = HELLO_DEFAULT;
    return 0;
  }
}

/** Parameters of one port. */
export class BridgePortParams {
  priority = BSTP_DEFAULT_PORT_PRIORITY;
  /** Configured cost, 0 for the one that follows from the link. */
  pathCost = 0;

  setPriority(value: number): Errno {
    if (!inRange(value, 0, PORT_PRIORITY_MAX)) return EINVAL;
    this.priority = value - (value % PORT_PRIORITY_STEP);
    return 0;
  }

  setPathCost(value: number, proto: number): Errno {
    if (!inRange(value, 0, PATH_COST_MAX)) return EINVAL;
    this.pathCost = proto === BSTP_PROTO_STP ? Math.min(value, PATH_COST_STP_MAX) : value;
    return 0;
  }

  /** The cost in force. */
  cost(ifp: Ifnet, proto: number): number {
    if (this.pathCost !== 0) return this.pathCost;
    if (ifp.linkState === LINK_STATE_DOWN || ifp.baudrate < BAUDRATE_MIN) return PATH_COST_DEFAULT;
    const cost = Math.min(Math.floor(PATH_COST_BITS / ifp.baudrate), PATH_COST_MAX);
    return proto === BSTP_PROTO_STP ? Math.min(cost, PATH_COST_STP_MAX) : cost;
  }
}
