/**
 * datapath-if.ts — what short paths must know of an interface, as the words of a record.
 * Read first: fwd/fwd-if.ts (the words); docs/datapath.md ("what is punted").
 *
 * Everything that makes the complete path do something that short paths do not know closes the interface to them, with the reason in the record. The rule for what comes new:
 * close, unless forward-frame.ts does exactly the same.
 */
import {
  FWD_IF_BRFWD, FWD_IF_BRIDGE, FWD_IF_FWD4, FWD_IF_FWD6, FWD_IF_IN, FWD_IF_LEARN, FWD_IF_MEMBER, FWD_IF_OFFLOAD, FWD_IF_OUT, FWD_IF_PRIVATE, FWD_IF_REASON_SHIFT, FWD_IF_TAPPED, FWD_IF_TRUNK, FWD_IF_VLAN,
  FWD_IF_VNET_HDR,
} from '../../fwd/fwd-if.js';
import { FWD_PUNT_BPF, FWD_PUNT_DOWN, FWD_PUNT_FILTER, FWD_PUNT_SPECIAL_IF, FWD_PUNT_TAKEN } from '../../fwd/fwd-verdict.js';
import { VLAN_PCP_SHIFT } from '../ether.js';
import { BridgePort, IFBIF_LEARNING, IFBIF_PRIVATE } from '../bridge-forward.js';
import type { BridgeForward } from '../bridge-forward.js';
import { BSTP_IFSTATE_FORWARDING } from '../bridgestp/bstp-port.js';
import { IFCAP_TSO4, IFCAP_TSO6, IFCAP_TXCSUM, IFCAP_TXCSUM_IPV6, IFF_MONITOR, IFT_L2VLAN } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { VlanSoftc } from '../vlan.js';

const TX_CAPS = IFCAP_TXCSUM | IFCAP_TXCSUM_IPV6 | IFCAP_TSO4 | IFCAP_TSO6;
/** Bytes of a tag's type, as a shift. */
const TPID_SHIFT = 16;

/** A port, as the host has it. */
export interface DatapathPortInfo {
  readonly port: number;
  readonly vnetHdr: boolean;
}

/** Why short paths leave frames of `ifp` alone: a verdict, or 0. `tapped`: they show them to its captures. */
function closed(ifp: Ifnet, net: Net, tapped: boolean): number {
  if (!ifp.isRunning) return FWD_PUNT_DOWN;
  if (ifp.bpf !== null && !tapped) return FWD_PUNT_BPF;
  if (ifp.lagg !== null || ifp.netgraph !== null || ifp.qdisc !== null || ifp.ingress !== null || (ifp.flags & IFF_MONITOR) !== 0 || (ifp.bridge !== null && !(ifp.bridge instanceof BridgePort))) return FWD_PUNT_TAKEN;
  if (net.linkPfil.hooked) return FWD_PUNT_FILTER;
  if (ifp.carp !== null || ifp.takesAny) return FWD_PUNT_SPECIAL_IF;
  return ifp.driver instanceof VlanSoftc && ifp.driver.tun.mtagPcp !== 0 ? FWD_PUNT_SPECIAL_IF : 0;
}

/** The same for a bridge and what it does for its members. */
function closedBridge(fwd: BridgeForward): number {
  if (fwd.spans.length > 0) return FWD_PUNT_TAKEN;
  return fwd.order.some(({ ifp }) => ifp.carp !== null) ? FWD_PUNT_SPECIAL_IF : 0;
}

/** The flags of `ifp`'s record; `bridge` when it is one, `port` when the host reads and writes it. `mayTap`: whoever does that shows frames to captures. */
export function datapathFlags(ifp: Ifnet, net: Net, bridge: BridgeForward | null, port: DatapathPortInfo | null, mayTap: boolean): number {
  const tapped = mayTap && port !== null && ifp.bpf !== null;
  const why = closed(ifp, net, tapped) || (bridge === null ? 0 : closedBridge(bridge));
  let flags = bridge === null ? 0 : FWD_IF_BRIDGE;
  if (port !== null && port.vnetHdr) flags |= FWD_IF_VNET_HDR | ((ifp.capabilities & ~ifp.capenable & TX_CAPS) === 0 ? FWD_IF_OFFLOAD : 0);
  if (ifp.driver instanceof VlanSoftc) flags |= FWD_IF_VLAN;
  if (ifp.trunk !== null) flags |= FWD_IF_TRUNK;
  if (ifp.bridge instanceof BridgePort) flags |= memberFlags(ifp.bridge, why === 0);
  if (why !== 0) return flags | (-why << FWD_IF_REASON_SHIFT);
  flags |= tapped ? FWD_IF_IN | FWD_IF_TAPPED : FWD_IF_IN;
  // A priority of its own goes into the tag of a vlan; elsewhere it makes a tag of its own.
  if (ifp.pcp < 0 || ifp.type === IFT_L2VLAN) flags |= FWD_IF_OUT;
  if (net.forward4?.forwards(ifp) === true) flags |= FWD_IF_FWD4;
  if (net.forward6?.forwards(ifp) === true) flags |= FWD_IF_FWD6;
  return flags;
}

function memberFlags(port: BridgePort, open: boolean): number {
  let flags = FWD_IF_MEMBER;
  if ((port.flags & IFBIF_LEARNING) !== 0) flags |= FWD_IF_LEARN;
  if ((port.flags & IFBIF_PRIVATE) !== 0) flags |= FWD_IF_PRIVATE;
  if (open && port.dataState === BSTP_IFSTATE_FORWARDING) flags |= FWD_IF_BRFWD;
  return flags;
}

/** The four bytes that a vlan puts into its frames, as a signed word; 0 for another interface, or one that is not configured. */
export function datapathTag(ifp: Ifnet): number {
  const sc = ifp.driver;
  return sc instanceof VlanSoftc && sc.trunk !== null ? (sc.proto << TPID_SHIFT) | (sc.pcp << VLAN_PCP_SHIFT) | sc.vid : 0;
}
