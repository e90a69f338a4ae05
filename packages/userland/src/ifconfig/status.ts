/**
 * status.ts — how an interface is shown, in the form of FreeBSD 14's ifconfig.
 * Read first: ifconfig(8).
 *
 * One deviation: LOWER_UP (0x1000000), which FreeBSD 14's netlink adds to `flags=` of an interface whose link is up, is not shown; `status:`
 * says it, and `flags=8843<…>` stays what scripts have matched for decades.
 * Sections: the header, description, capabilities, tunnel ends, link address, addresses, then what each kind adds, neighbour discovery's options, and who has its device open.
 */
import type { Ifnet } from '@netloom/core';
import { AF_INET_FAMILY } from './af-inet.js';
import { AF_INET6_FAMILY } from './af-inet6.js';
import { LINK_FAMILIES } from './af-link.js';
import { bridgeStatus } from './bridge-status.js';
import { CAP_NAMES, bitList } from './capabilities.js';
import { carpStatus } from './carp.js';
import { greStatus } from './gre.js';
import { groupStatus } from './group.js';
import type { Invocation } from './invocation.js';
import { laggStatus } from './lagg-status.js';
import { mediaStatus } from './media.js';
import { nd6Status } from './nd6-words.js';
import { stfStatus } from './stf.js';
import { tunnelStatus } from './tunnel.js';
import { vlanStatus } from './vlan.js';
import { vxlanStatus } from './vxlan.js';

/** Names of IFF_* by bit. */
export const FLAG_NAMES: readonly string[] = [
  'UP', 'BROADCAST', 'DEBUG', 'LOOPBACK', 'POINTOPOINT', 'NEEDSEPOCH', 'RUNNING', 'NOARP', 'PROMISC', 'ALLMULTI', 'DRV_OACTIVE', 'SIMPLEX', 'LINK0', 'LINK1', 'LINK2',
  'MULTICAST', 'CANTCONFIG', 'PPROMISC', 'MONITOR', 'STATICARP', 'STICKYARP', 'DYING', 'RENAMING', 'NOGROUP', 'LOWER_UP',
];

/** The driver's name and unit, whatever the interface is called now. */
export function driverName(ifp: Ifnet): string {
  return `${ifp.dname}${ifp.dunit >= 0 ? ifp.dunit : ''}`;
}

function header(cx: Invocation, ifp: Ifnet): void {
  cx.out(`${ifp.xname}: flags=${(ifp.flags >>> 0).toString(16)}${bitList(ifp.flags, FLAG_NAMES, 'IFF')} metric ${ifp.metric} mtu ${ifp.mtu}\n`);
  if (ifp.description !== null) cx.out(`\tdescription: ${ifp.description}\n`);
  cx.out(`\toptions=${ifp.capenable.toString(16)}${bitList(ifp.capenable, CAP_NAMES, 'IFCAPS')}\n`);
  if (cx.args.supportedMedia) cx.out(`\tcapabilities=${ifp.capabilities.toString(16)}${bitList(ifp.capabilities, CAP_NAMES, 'IFCAPS')}\n`);
}

function fibStatus(cx: Invocation, ifp: Ifnet): void {
  if (ifp.fib !== 0) cx.out(`\tfib: ${ifp.fib}\n`);
  if (ifp.tunnelFib !== 0) cx.out(`\ttunnelfib: ${ifp.tunnelFib}\n`);
}

/** Shows one interface: everything, or one family of it. */
export function status(cx: Invocation, ifp: Ifnet): void {
  const { family } = cx.args;
  cx.ifname = ifp.xname;
  header(cx, ifp);
  tunnelStatus(cx, ifp);
  if (family !== null) {
    family.status(cx, ifp);
  } else {
    LINK_FAMILIES[0]?.status(cx, ifp);
    AF_INET_FAMILY.status(cx, ifp);
    AF_INET6_FAMILY.status(cx, ifp);
    bridgeStatus(cx, ifp);
    laggStatus(cx, ifp);
    groupStatus(cx, ifp);
    carpStatus(cx, ifp);
    greStatus(cx, ifp);
    vlanStatus(cx, ifp);
    vxlanStatus(cx, ifp);
    fibStatus(cx, ifp);
    mediaStatus(cx, ifp);
    stfStatus(cx, ifp);
    nd6Status(cx, ifp);
  }
  cx.out(ifp.driver.statusText?.(ifp) ?? '');
  if (cx.args.driverName || cx.args.verbose > 0) cx.out(`\tdrivername: ${driverName(ifp)}\n`);
}
