/**
 * net-audit.ts — what the interface layer of a vnet holds.
 * Read first: kern/audit.ts.
 *
 * Rows of `Net` itself. The packets in drivers' queues are asked of the drivers of the interfaces that are here now; a driver
 * whose interface is gone is asked by vnet/kernel-audit.ts, which remembers who was there.
 */
import type { AuditRow } from '../kern/audit.js';
import type { Net } from './net.js';

export const NET_AUDIT: readonly AuditRow<Net>[] = [
  { name: 'packets in interface queues', packets: true, count: queuedInDrivers },
  { name: 'interface groups', count: (n) => n.groups.size },
  { name: 'multicast addresses', count: (n) => n.ifnets.reduce((sum, ifp) => sum + ifp.multiaddrs.length, 0) },
  { name: 'captures', count: (n) => n.captures },
  { name: 'cloners', count: (n) => n.cloners.length },
  { name: 'driver tunables', count: (n) => n.drivers.size },
  { name: 'device nodes', count: devicesOf },
  { name: 'address families', count: (n) => n.domains.length },
  { name: 'ethertypes', count: (n) => n.etherProtoCount },
  { name: 'event handlers', count: handlers },
  { name: 'link filters', count: (n) => n.linkPfil.hooks.length },
];

function queuedInDrivers(n: Net): number {
  let sum = 0;
  for (const { driver, percpuq, qdisc, ingress } of n.ifnets) sum += (driver.queued?.() ?? 0) + (percpuq?.queue.length ?? 0) + (qdisc?.packets ?? 0) + (ingress?.packets ?? 0);
  return sum;
}

function devicesOf(n: Net): number {
  let devices = 0;
  for (const port of n.shared.devices.values()) if (port.ifp.homeNet === n) devices++;
  return devices;
}

function handlers(n: Net): number {
  return n.arrivalEvent.count + n.departureEvent.count + n.linkEvent.count + n.lladdrEvent.count + n.mtuEvent.count + n.vlanConfigEvent.count + n.vlanUnconfigEvent.count
    + n.ifaddrEvent.count + n.upDownEvent.count;
}
