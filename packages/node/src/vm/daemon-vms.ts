/**
 * daemon-vms.ts — the virtual machines of a daemon, put together: backends, cables, and the folder beside its socket.
 */
import type { Ifnet, Kernel } from '@netloom/core';
import type { Tool } from '@netloom/userland';
import type { Logger } from 'pino';
import { vnetNameOf } from '../daemon/kernel-topology.js';
import type { Gateways } from '../gateway/gateways.js';
import type { HostLoop } from '../loop.js';
import { bhyveTool } from './bhyve-tool.js';
import { bhyvectlTool } from './bhyvectl-tool.js';
import { gatewayBackend } from './gateway-backend.js';
import type { ToolRun } from './gateway-backend.js';
import { openNetgraph } from './netgraph-end.js';
import { NicBackends } from './nic-backends.js';
import { guestCables } from './vm-cable.js';
import type { VM_TOOLS } from './vm-tools.js';
import { vmrunTool } from './vmrun-tool.js';
import { Vms } from './vms.js';

/** Machines of the daemon at `socketPath`: `/run/netloom.sock` has them in `/run/netloom.vms`. */
export function daemonVms(kernel: Kernel, loop: HostLoop, log: Logger, socketPath: string, gateways: Gateways, run: ToolRun): Vms {
  const named = (ifp: Ifnet): string => vnetNameOf(kernel, ifp);
  const backends = new NicBackends(kernel, loop, named, { netgraph: openNetgraph, gateway: gatewayBackend({ kernel, gateways, run, vnetNameOf: named }) });
  return new Vms({ kernel, loop, log, backends, cables: guestCables(kernel, loop, log), folder: `${socketPath.replace(/\.sock$/, '')}.vms` });
}

/** bhyve's tools, for the machines of that daemon. */
export function vmTools(vms: Vms): Readonly<Record<keyof typeof VM_TOOLS, Tool>> {
  return { bhyve: bhyveTool(vms), bhyvectl: bhyvectlTool(vms), 'vmrun.sh': vmrunTool(vms) };
}
