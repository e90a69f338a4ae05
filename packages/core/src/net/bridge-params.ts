/**
 * bridge-params.ts — what an administrator may tune on all bridges of a vnet: its sysctls.
 * Read first: bridge(4).
 * Not here: parameters of one bridge (bridge-control.ts) and of its spanning tree (bridgestp/bstp.ts).
 */
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';

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
