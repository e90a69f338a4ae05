/**
 * if.ts — the life of an interface in a vnet: attach, up, down, and the properties an administrator sets.
 * Read first: freebsd `sys/net/if.c`.
 *
 * Theory of operation. Everything here runs in thread context. The way out is if-detach.ts.
 * Routing messages come in FreeBSD's order: what an interface is about to lose is told before that it is down, a link's change
 * before what follows from it, nothing after its departure.
 */
import { assert } from '../base/assert.js';
import type { Errno } from '../base/errno.js';
import { EBUSY, EEXIST, EINVAL, ENAMETOOLONG, ENODEV, ENOENT, EOPNOTSUPP } from '../base/errno.js';
import { utf8Encode } from '../wire/utf8.js';
import {
  IFF_ALLMULTI, IFF_BROADCAST, IFF_DYING, IFF_LOOPBACK, IFF_MULTICAST, IFF_OACTIVE, IFF_POINTOPOINT, IFF_PPROMISC, IFF_PROMISC, IFF_RENAMING,
  IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFNAMSIZ, IF_MAXMTU, IF_MINMTU, IfMultiaddr,
} from './ifnet.js';
import type { IfData, Ifnet } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';

/** Flags only the driver or the kernel changes. */
const IFF_CANTCHANGE = IFF_BROADCAST | IFF_POINTOPOINT | IFF_RUNNING | IFF_OACTIVE | IFF_SIMPLEX | IFF_MULTICAST | IFF_ALLMULTI | IFF_PROMISC
  | IFF_DYING | IFF_LOOPBACK | IFF_RENAMING;

/**
 * Links `ifp` into `net`: index, groups "all" and, when it moved here, its cloner's; address families, arrival event. `like`: it is the new
 * instance of an interface that moves, and takes over from it what survives.
 */
export function ifAttach(ifp: Ifnet, net: Net, like: IfVparams | null = null): void {
  net.kern.engine.assertThread();
  like?.apply(ifp, net);
  ifp.net = net;
  ifp.homeNet ??= net;
  if (like !== null) net.shared.takeIndex(like.index, ifp);
  else if (ifp.index === 0) net.shared.allocIndex(ifp);
  if (ifp.instance === 0) ifp.instance = net.shared.nextInstance();
  ifAddGroup(ifp, 'all');
  if (net.cloners.some((c) => c.name === ifp.cloner)) ifAddGroup(ifp, ifp.cloner);
  net.ifnets.push(ifp);
  net.kern.ifcnt++;
  for (const d of net.domains) ifp.setAfdata(d.af, d.ifattach(ifp));
  net.arrivalEvent.invoke({ ifp, renaming: false });
  net.rtsock?.ifannounce(ifp, true);
}

/** Brings `ifp` up administratively; its addresses get their routes back. */
export function ifUp(ifp: Ifnet): void {
  const net = ifp.net;
  if (net === null || ifp.isUp) return;
  ifp.flags |= IFF_UP;
  ifp.driver.flagsChanged?.(ifp);
  net.rtsock?.ifinfo(ifp);
  net.upDownEvent.invoke({ ifp, up: true });
  for (const d of net.domains) d.ifup(ifp);
}

/** Takes `ifp` down: routes of its addresses go, queued output is dropped. */
export function ifDown(ifp: Ifnet): void {
  if (ifp.net !== null && ifp.isUp) ifTakeDown(ifp, ifp.net);
}

/** The same for an interface that is leaving, which may be down already: its users are told in any case. */
export function ifTakeDown(ifp: Ifnet, net: Net): void {
  const wasUp = ifp.isUp;
  ifp.flags &= ~IFF_UP;
  net.upDownEvent.invoke({ ifp, up: false });
  for (const d of net.domains) d.ifdown(ifp);
  ifp.ingress?.reset();
  ifp.qdisc?.reset();
  ifp.driver.qflush?.(ifp);
  net.rtsock?.ifinfo(ifp);
  if (wasUp) ifp.driver.flagsChanged?.(ifp);
}

/** SIOCSIFFLAGS: takes over the changeable flags of `flags`. IFF_PPROMISC asks for promiscuous mode like a capture does. */
export function ifSetFlags(ifp: Ifnet, flags: number): Errno {
  if ((flags & IFF_UP) === 0) ifDown(ifp);
  const before = ifp.flags;
  let kept = before & (IFF_CANTCHANGE | IFF_UP);
  if ((flags & IFF_PPROMISC) !== 0) kept |= IFF_PROMISC;
  else if (ifp.promiscCount === 0) kept &= ~IFF_PROMISC;
  ifp.flags = kept | (flags & ~(IFF_CANTCHANGE | IFF_UP));
  if ((flags & IFF_UP) !== 0 && !ifp.isUp) ifUp(ifp);
  else if (ifp.flags !== before) ifp.driver.flagsChanged?.(ifp);
  return 0;
}

/** Counts requests for promiscuous mode; IFF_PROMISC follows the count, unless the administrator wants it anyway. */
export function ifPromisc(ifp: Ifnet, on: boolean): void {
  assert(on || ifp.promiscCount > 0, 'promiscuous mode given up more often than asked for');
  ifp.promiscCount += on ? 1 : -1;
  const is = (ifp.flags & IFF_PROMISC) !== 0;
  const want = ifp.promiscCount > 0 || (ifp.flags & IFF_PPROMISC) !== 0;
  if (is === want) return;
  ifp.flags = want ? ifp.flags | IFF_PROMISC : ifp.flags & ~IFF_PROMISC;
  ifp.driver.flagsChanged?.(ifp);
  ifp.net?.rtsock?.ifinfo(ifp);
}

/** The same for all multicast frames, which only the stack asks for. */
export function ifAllmulti(ifp: Ifnet, on: boolean): void {
  assert(on || ifp.allmultiCount > 0, 'all multicast given up more often than asked for');
  ifp.allmultiCount += on ? 1 : -1;
  const want = ifp.allmultiCount > 0;
  if (((ifp.flags & IFF_ALLMULTI) !== 0) === want) return;
  ifp.flags = want ? ifp.flags | IFF_ALLMULTI : ifp.flags & ~IFF_ALLMULTI;
  ifp.driver.flagsChanged?.(ifp);
  ifp.net?.rtsock?.ifinfo(ifp);
}

/** Counters as `netstat -i` shows them. */
export function ifCounters(ifp: Ifnet): IfData {
  return ifp.driver.counters?.(ifp) ?? ifp.data;
}

/** Does `top` send through `ifp`, or is it `ifp`? */
export function ifIsAbove(top: Ifnet, ifp: Ifnet): boolean {
  const seen = new Set<Ifnet>([top]);
  for (const at of seen) {
    if (at === ifp) return true;
    for (const lower of at.driver.below?.(at) ?? []) seen.add(lower);
  }
  return false;
}

/** SIOCSIFMTU. EINVAL outside 72..65535 and on a port of a lagg, EOPNOTSUPP on a bridge member. */
export function ifSetMtu(ifp: Ifnet, mtu: number): Errno {
  if (!Number.isInteger(mtu) || mtu < IF_MINMTU || mtu > IF_MAXMTU || ifp.lagg !== null) return EINVAL;
  if (ifp.bridge !== null) return EOPNOTSUPP;
  return ifChangeMtu(ifp, mtu);
}

/** The part of SIOCSIFMTU a bridge may do to its members. */
export function ifChangeMtu(ifp: Ifnet, mtu: number): Errno {
  const error = ifp.driver.setMtu?.(ifp, mtu) ?? 0;
  if (error !== 0) return error;
  const changed = mtu !== ifp.mtu;
  ifp.mtu = mtu;
  ifp.net?.rtsock?.ifinfo(ifp);
  if (changed) ifp.net?.mtuEvent.invoke(ifp);
  return 0;
}

/**
 * SIOCSIFCAP: `caps` are the capabilities to be enabled from now on. EINVAL: some of them are none of this interface, or its driver lets
 * nobody change them.
 */
export function ifSetCaps(ifp: Ifnet, caps: number): Errno {
  const error = ifChangeCaps(ifp, caps);
  if (error !== 0) return error;
  ifp.driver.capsChanged?.(ifp);
  ifp.lagg?.capsChanged();
  return 0;
}

/** The part of SIOCSIFCAP a lagg may do to its ports. */
export function ifChangeCaps(ifp: Ifnet, caps: number): Errno {
  if ((caps & ~ifp.capabilities) !== 0) return EINVAL;
  const error = ifp.driver.setCaps === undefined ? EINVAL : ifp.driver.setCaps(ifp, caps);
  if (error === 0) ifp.capenable = caps >>> 0;
  return error;
}

/** SIOCSIFLLADDR. EINVAL for another length than it has or a multicast address, ENODEV for an interface without link addresses. */
export function ifSetLladdr(ifp: Ifnet, mac: Uint8Array): Errno {
  if (mac.length !== ifp.lladdr.length) return EINVAL;
  if (mac.length === 0) return ENODEV;
  if (((mac[0] ?? 1) & 1) !== 0) return EINVAL;
  const error = ifp.driver.setLladdr?.(ifp, mac) ?? 0;
  if (error !== 0) return error;
  ifp.storeLladdr(mac);
  ifp.net?.lladdrEvent.invoke(ifp);
  return 0;
}

/** SIOCSIFDESCR. ENAMETOOLONG above `net.ifdescr_maxlen`; null or '' removes. */
export function ifSetDescription(ifp: Ifnet, text: string | null): Errno {
  const limit = ifp.net?.shared.ifdescrBytesMax ?? Infinity;
  if (text !== null && text !== '' && utf8Encode(text).length >= limit) return ENAMETOOLONG;
  ifp.description = text === null || text === '' ? null : text;
  return 0;
}

/** SIOCSIFNAME. EINVAL for an empty name or one with spaces, ENAMETOOLONG, EEXIST when taken; the own name is a success without effect. */
export function ifRename(ifp: Ifnet, name: string): Errno {
  const net = ifp.net;
  if (net === null) return ENODEV;
  if (utf8Encode(name).length >= IFNAMSIZ) return ENAMETOOLONG;
  if (name === '' || /[\s/]/.test(name)) return EINVAL;
  if (name === ifp.xname) return 0;
  if (net.ifunit(name) !== null) return EEXIST;
  ifp.flags |= IFF_RENAMING;
  net.departureEvent.invoke({ ifp, renaming: true });
  net.rtsock?.ifannounce(ifp, false);
  // Whoever was told may have taken the name meanwhile, or the interface away.
  const error = ifp.net !== net ? ENODEV : net.ifunit(name) !== null ? EEXIST : 0;
  if (error === 0) ifp.xname = name;
  if (error !== ENODEV) {
    net.arrivalEvent.invoke({ ifp, renaming: true });
    net.rtsock?.ifannounce(ifp, true);
  }
  ifp.flags &= ~IFF_RENAMING;
  return error;
}

/** SIOCAIFGROUP. EINVAL for an empty, too long or digit-ended name, EEXIST when a member already. */
export function ifAddGroup(ifp: Ifnet, group: string): Errno {
  if (group === '' || group.length >= IFNAMSIZ || /[0-9]$/.test(group)) return EINVAL;
  if (ifp.groups.includes(group)) return EEXIST;
  const net = ifp.net;
  if (net === null) return ENODEV;
  ifp.groups = ifp.groups.concat(group);
  const members = net.groups.get(group);
  if (members === undefined) net.groups.set(group, [ifp]);
  else members.push(ifp);
  return 0;
}

/** SIOCDIFGROUP. ENOENT when not a member. */
export function ifDelGroup(ifp: Ifnet, group: string): Errno {
  const at = ifp.groups.indexOf(group);
  if (at < 0) return ENOENT;
  ifp.groups.splice(at, 1);
  const members = ifp.net?.groups.get(group);
  if (members !== undefined) {
    members.splice(members.indexOf(ifp), 1);
    if (members.length === 0) ifp.net?.groups.delete(group);
  }
  return 0;
}

/** SIOCGIFGMEMB: members in order of joining; null when there is no such group. */
export function ifGroupMembers(net: Net, group: string): readonly Ifnet[] | null {
  return net.groups.get(group) ?? null;
}

/** The driver says its link came up or went down. */
export function ifLinkStateChange(ifp: Ifnet, state: number): void {
  if (ifp.linkState === state) return;
  ifp.linkState = state;
  const net = ifp.net;
  if (net === null) return;
  net.rtsock?.ifinfo(ifp);
  net.linkEvent.invoke(ifp);
}

/** Joins a link-layer multicast group, counted. */
export function ifAddMulti(ifp: Ifnet, mac: Uint8Array): Errno {
  const have = ifp.multiaddrs.find((a) => a.is(mac));
  if (have !== undefined) {
    have.refs++;
    return 0;
  }
  ifp.multiaddrs = ifp.multiaddrs.concat(new IfMultiaddr(mac));
  ifp.net?.rtsock?.newmaddr(ifp, mac, true);
  ifp.driver.multiChanged?.(ifp);
  return 0;
}

/** Leaves it; ENOENT when not a member. */
export function ifDelMulti(ifp: Ifnet, mac: Uint8Array): Errno {
  const have = ifp.multiaddrs.find((a) => a.is(mac));
  if (have === undefined) return ENOENT;
  if (--have.refs > 0) return 0;
  ifp.multiaddrs = ifp.multiaddrs.filter((other) => other !== have);
  ifp.driver.multiChanged?.(ifp);
  return 0;
}

/** Refuses changes on an interface of a vnet that is being taken down. */
export function ifIoctlAllowed(net: Net): Errno {
  return net.kern.isShuttingDown ? EBUSY : 0;
}
