/**
 * if-detach.ts — the one way out of a vnet: what is done with an interface that is destroyed, moves on, or stays behind in a vnet that ends.
 * Read first: freebsd `sys/net/if.c` if_detach_internal; docs/teardown.md.
 *
 * Theory of operation. DETACH_STEPS is the whole procedure, in order, each step with the cases it is done in. In a vnet that is being
 * taken down the protocols have cleaned, or will clean, what is theirs, and nobody is left to be told; so most steps are left out there.
 * An interface moved by a new instance is destroyed here like any other (its successor has taken over the index).
 *
 * Invariant: no other function takes an interface out of its vnet.
 * Not here: netgraph's hook on the departure event.
 */
import type { Ifnet } from './ifnet.js';
import { IFF_DYING } from './ifnet.js';
import { ifDelGroup, ifTakeDown } from './if.js';
import { ifPercpuqDestroy } from './if-percpuq.js';
import type { Net } from './net.js';

/** Why an interface is detached: it is destroyed, or it moves to another vnet as the same object. */
export type DetachMode = 'destroy' | 'vmove';

interface DetachStep {
  readonly what: string;
  /** Destroyed in a live vnet; moved out of a live vnet; either while the vnet is shutting down. */
  readonly destroy: boolean;
  readonly vmove: boolean;
  readonly shutdown: boolean;
  run(ifp: Ifnet, net: Net): void;
}

const YES = true;
const NO = false;

function step(what: string, destroy: boolean, vmove: boolean, shutdown: boolean, run: (ifp: Ifnet, net: Net) => void): DetachStep {
  return { what, destroy, vmove, shutdown, run };
}

/** In the order they are done. */
export const DETACH_STEPS: readonly DetachStep[] = [
  //                                                                  destroy  vmove  shutdown
  step('leave the list of interfaces',                                YES,     YES,   YES, unlink),
  step('wait for whoever may have seen it there',                     YES,     YES,   YES, (_ifp, net) => net.shared.witness.ifnets.performNow('if_detach')),
  step('mark it as dying',                                            YES,     NO,    YES, (ifp) => void (ifp.flags |= IFF_DYING)),
  step('leave all groups',                                            YES,     YES,   YES, leaveGroups),
  step('take it down: event, flush its queue, RTM_IFINFO',            YES,     YES,   YES, ifTakeDown),
  step('take what came by it out of the protocol queues',             YES,     YES,   YES, purgePktqs),
  step('end its output discipline and filters, free what they hold',  YES,     YES,   YES, endQdiscs),
  step('end captures',                                                YES,     YES,   YES, endCaptures),
  step('purge addresses of every family',                             YES,     YES,   NO,  purgeAddrs),
  step('purge references of protocols and sockets',                   YES,     YES,   NO,  purgeUpper),
  step('purge multicast addresses, RTM_DELMADDR',                     YES,     YES,   NO,  purgeMultiaddrs),
  step('departure event',                                             YES,     YES,   YES, (ifp, net) => net.departureEvent.invoke({ ifp, renaming: false })),
  step('RTM_IFANNOUNCE departure',                                    YES,     YES,   NO,  (ifp, net) => net.rtsock?.ifannounce(ifp, false)),
  step('flush the routes through it, silently',                       YES,     YES,   NO,  (ifp, net) => net.routes?.flushIf(ifp)),
  step('detach every family: neighbours, timers, multicast state',    YES,     YES,   YES, detachDomains),
  step('free what it has received and nobody has looked at',          YES,     YES,   YES, (ifp) => ifPercpuqDestroy(ifp)),
  step('give the index back',                                         YES,     NO,    YES, giveIndexBack),
];

/** Takes `ifp` out of its vnet. Nothing happens to one that is in none. */
export function ifDetachInternal(ifp: Ifnet, mode: DetachMode): void {
  const net = ifp.net;
  if (net === null || !net.ifnets.includes(ifp)) return;
  net.kern.engine.assertThread();
  const column = net.kern.isShuttingDown ? 'shutdown' : mode;
  for (const s of DETACH_STEPS) if (s[column]) s.run(ifp, net);
  ifp.addrs = [];
  ifp.net = null;
}

/** Takes `ifp` out of its vnet for good. */
export function ifDetach(ifp: Ifnet): void {
  ifDetachInternal(ifp, 'destroy');
}

function unlink(ifp: Ifnet, net: Net): void {
  net.ifnets.splice(net.ifnets.indexOf(ifp), 1);
  net.kern.ifcnt--;
}

function leaveGroups(ifp: Ifnet): void {
  for (const g of [...ifp.groups]) ifDelGroup(ifp, g);
}

function purgePktqs(ifp: Ifnet, net: Net): void {
  for (const q of net.pktqs) q.ifdetach(ifp);
}

/** Its own first; then others hold nothing any more that came by it, and lead nothing to it. */
function endQdiscs(ifp: Ifnet, net: Net): void {
  ifp.ingress?.destroy();
  ifp.ingress = null;
  ifp.qdisc?.destroy();
  ifp.qdisc = null;
  net.tc?.ingressOnce.delete(ifp);
  for (const { qdisc, ingress } of net.ifnets) {
    qdisc?.forget(ifp);
    ingress?.forget(ifp);
  }
}

function endCaptures(ifp: Ifnet): void {
  ifp.bpf?.detachAll();
  ifp.bpf = null;
}

function purgeAddrs(ifp: Ifnet, net: Net): void {
  for (const d of net.domains) d.purgeAddrs(ifp);
}

function purgeUpper(ifp: Ifnet, net: Net): void {
  for (const d of net.domains) d.purgeUpper(ifp);
}

function purgeMultiaddrs(ifp: Ifnet, net: Net): void {
  for (const ma of ifp.multiaddrs) net.rtsock?.newmaddr(ifp, ma.mac, false);
  ifp.multiaddrs = [];
}

function detachDomains(ifp: Ifnet, net: Net): void {
  for (const d of net.domains) {
    const data = ifp.afdata(d.af);
    if (data !== null) d.ifdetach(ifp, data);
    ifp.setAfdata(d.af, null);
  }
  ifp.multiaddrs = [];
}

function giveIndexBack(ifp: Ifnet, net: Net): void {
  net.shared.freeIndex(ifp);
  ifp.index = 0;
}
