/**
 * lifecycle-protocols.mjs — what the protocols of a host can be told, as operations of a Lifecycle: IPv6 addresses, groups, neighbours, routes, CARP, routers and
 * queriers, and what is heard of them on the links between its vnets.
 *
 * Each is a function of the Lifecycle that does one thing at random, on an interface or in a vnet that is there, and answers with an error number. It
 * draws from the history's generator only, and addresses from small pools, so that they meet: duplicates, vhids of several hosts, routers that contradict each other.
 */
import {
  CARP_BACKUP, CARP_MASTER, IN6_IFF_NODAD, ND6_IFF_ACCEPT_RTADV, ND6_IFF_AUTO_LINKLOCAL, ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD, ND6_IFF_STABLEADDR, PF_INET6, QUERIER_DEFAULTS, RTADV_DEFAULTS,
  RTF_GATEWAY, RTF_STATIC, Rtadvd, SOCK_DGRAM, epairPeer, ifUp, inAifaddr, inDifaddr, in6Aifaddr, in6Difaddr, nd6Delete, nd6FlushAll, nd6Set, nd6SetFlags,
} from '@netloom/core';
import { ip4 } from '@netloom/core/sim';
import { ip6Parse, ip6Zoned, macParse } from '@netloom/core/wire';

/** @typedef {import('./lifecycle.mjs').Lifecycle} Lifecycle @typedef {import('@netloom/core').Vnet} Vnet @typedef {import('@netloom/core').Ifnet} Ifnet */

const POINTOPOINT = 0x10;
const FLAGS = [ND6_IFF_ACCEPT_RTADV, ND6_IFF_ACCEPT_RTADV, ND6_IFF_AUTO_LINKLOCAL, ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD, ND6_IFF_STABLEADDR];
const GROUPS = ['224.0.0.251', '239.0.0.1', '239.0.0.2', '232.0.0.1'].map(ip4);
const GROUPS6 = ['ff02::fb', 'ff05::1:3', 'ff08::2', 'ff35::1'].map(ip6);
const SOURCES = ['10.0.0.7', '10.1.0.7'].map(ip4);
const SOURCES6 = ['2001:db8:0:1::7', '2001:db8:0:2::7'].map(ip6);
/** @type {import('@netloom/core').CarpState[]} */
const STATES = [CARP_MASTER, CARP_BACKUP];
const KEY = Uint8Array.of(1, 2, 3);
/** Each takes 0 and 1. */
const OPTIONS = ['IPV6_V6ONLY', 'IPV6_USE_MIN_MTU', 'IPV6_DONTFRAG'];

/** @param {string} text */
function ip6(text) {
  return ip6Parse(text) ?? new Uint8Array(16);
}

/** An address of one of four links. @param {Lifecycle} life */
export const anyAddr6 = (life) => ip6(`2001:db8:0:${life.rng.below(4)}::${(1 + life.rng.below(200)).toString(16)}`);

/** @param {Lifecycle} life @returns {{ ifp: Ifnet, vnet: Vnet } | null} */
function anywhere(life) {
  const ifp = life.anyIf();
  const vnet = ifp === null ? null : life.kernel.vnetOf(ifp);
  return ifp === null || vnet === null ? null : { ifp, vnet };
}

/** @param {Lifecycle} life */
function setAddr6(life) {
  const at = anywhere(life);
  if (at === null) return 1;
  const { ifp, vnet } = at;
  const { rng } = life;
  const far = (ifp.flags & POINTOPOINT) !== 0 && rng.chance(0.5) ? { dstaddr: anyAddr6(life), plen: 128 } : { plen: rng.chance(0.9) ? 64 : 128 };
  const times = rng.chance(0.2) ? { vltime: 1 + rng.below(20), pltime: rng.below(2) } : {};
  const addr = rng.chance(0.2) ? ip6(`fe80::${2 + rng.below(8)}`) : anyAddr6(life);
  return in6Aifaddr(vnet.in6Net, ifp, { addr, ...far, ...times, flags: rng.chance(0.5) ? IN6_IFF_NODAD : 0, dadDelay: rng.chance(0.3) });
}

/** @param {Lifecycle} life */
function deleteAddr(life) {
  const at = anywhere(life);
  if (at === null) return 1;
  const { ifp, vnet } = at;
  const [four, six] = [vnet.inNet.addrsOf(ifp), vnet.in6Net.addrsOf(ifp)];
  const own = life.isOwn(ifp);
  if (six.length > 0 && !own && life.rng.chance(0.7)) return in6Difaddr(vnet.in6Net, ifp, life.pick(six).addr);
  return four.length === 0 || own ? 1 : inDifaddr(vnet.inNet, ifp, life.pick(four).addr);
}

/** IPv6 on and off, autoconfiguration, link-local addresses. @param {Lifecycle} life */
function setFlags6(life) {
  const at = anywhere(life);
  const ii = at?.vnet.in6Net.ifinfo(at.ifp);
  if (at === null || !ii || life.isOwn(at.ifp)) return 1;
  return nd6SetFlags(at.vnet.in6Net, at.ifp, ii.ndFlags ^ life.pick(FLAGS));
}

/** A vnet becomes a router of one of its links, ceases to be one, or does not forward any more. @param {Lifecycle} life */
function advertise(life) {
  const at = anywhere(life);
  return at === null ? 1 : advertiseOn(life, at.vnet, at.ifp);
}

/** @param {Lifecycle} life @param {Vnet} vnet @param {Ifnet} ifp */
function advertiseOn(life, { kern, rtr }, ifp) {
  kern.sysctl.set('net.inet6.ip6.forwarding', life.rng.chance(0.9) ? 1 : 0);
  kern.sysctl.set('net.inet6.ip6.use_tempaddr', life.rng.below(2));
  const daemon = /** @type {Rtadvd | null} */ (rtr.rtadvd) ?? new Rtadvd(rtr);
  if (life.rng.chance(0.3)) return daemon.stop(ifp) ? 0 : 1;
  const prefixes = [{ addr: ip6(`2001:db8:0:${life.rng.below(4)}::`), plen: 64, flags: 0xc0, vltime: life.rng.below(20), pltime: life.rng.below(5) }];
  const routes = [{ addr: ip6('2001:db8:9::'), plen: 48, flags: 8, ltime: life.rng.below(20) }];
  const said = { rltime: life.rng.below(20), prefixes: life.rng.chance(0.5) ? prefixes : [], routes, rdnss: [{ addrs: [ip6('2001:db8::53')], ltime: 9 }], dnssl: [{ domains: ['example.org'], ltime: 9 }] };
  return daemon.start(ifp, { ...RTADV_DEFAULTS, mininterval: 3, maxinterval: 4, ...said });
}

/** Both ends of an epair come up: one as router and querier, the other as a host that asks for routers and joins groups. @param {Lifecycle} life */
function routerAndHost(life) {
  const ends = life.vnets().flatMap((v) => v.net.ifnets).filter((i) => i.dname === 'epair');
  if (ends.length === 0) return 1;
  const ifp = life.pick(ends);
  const peer = epairPeer(ifp);
  const [near, far] = [life.kernel.vnetOf(ifp), peer === null ? null : life.kernel.vnetOf(peer)];
  if (peer === null || near === null || far === null) return 1;
  ifUp(ifp);
  ifUp(peer);
  in6Aifaddr(near.in6Net, ifp, { addr: anyAddr6(life), plen: 64 });
  nd6SetFlags(far.in6Net, peer, ND6_IFF_ACCEPT_RTADV | ND6_IFF_AUTO_LINKLOCAL);
  for (const m of [near.mroute, near.mroute6]) m.setQuerier(ifp, { ...QUERIER_DEFAULTS, queryIntervalS: 4, responseIntervalS: 1 });
  for (const so of life.sockets.filter((s) => s.layer === far.sockets)) {
    if (so.in6p === null) so.joinGroup(life.pick(GROUPS), peer);
    else so.joinGroup6(life.pick(GROUPS6), peer);
  }
  return advertiseOn(life, near, ifp);
}

/** ndp -s, -d, -c. @param {Lifecycle} life */
function neighbour(life) {
  const at = anywhere(life);
  if (at === null) return 1;
  const { vnet: { nd6 }, ifp } = at;
  const addr = life.rng.chance(0.2) ? ip6Zoned(ip6('fe80::77'), ifp.index) : anyAddr6(life);
  if (life.rng.chance(0.2)) return nd6Delete(nd6, addr);
  if (life.rng.chance(0.1)) return nd6FlushAll(nd6, ifp) === 0 ? 1 : 0;
  const mac = macParse(`02:00:00:00:00:0${life.rng.below(8)}`) ?? KEY;
  return nd6Set(nd6, addr, mac, { ifp, proxy: life.rng.chance(0.5), temporary: life.rng.chance(0.5) });
}

/** A static route, or its end. @param {Lifecycle} life */
function route6(life) {
  const at = anywhere(life);
  if (at === null || life.isOwn(at.ifp)) return 1;
  const { vnet: { routes }, ifp } = at;
  const gateway = life.rng.chance(0.4) ? ip6Zoned(ip6('fe80::77'), ifp.index) : anyAddr6(life);
  const to = { fib: 0, family: /** @type {const} */ ('inet6'), dst: ip6(`2001:db8:${1 + life.rng.below(4)}::`), plen: life.rng.chance(0.8) ? 48 : 0, gateway };
  if (to.plen === 0) to.dst = new Uint8Array(16);
  return life.rng.chance(0.7) ? routes.add({ ...to, ifp, flags: RTF_GATEWAY | RTF_STATIC }) : routes.delete({ ...to, flags: 0 });
}

/** A vhid with addresses of both families, or a change of one. @param {Lifecycle} life */
function carp(life) {
  const at = anywhere(life);
  if (at === null) return 1;
  const { vnet, ifp } = at;
  const { rng } = life;
  const vhid = 1 + rng.below(3);
  const state = rng.chance(0.2) ? { state: life.pick(STATES) } : {};
  const peers = rng.chance(0.2) ? { peer: ip4('10.0.0.9'), peer6: ip6('2001:db8::9') } : {};
  const error = vnet.carp.set(ifp, { vhid, advskew: rng.below(3) * 100, key: KEY, ...state, ...peers });
  if (error !== 0) return error;
  if (rng.chance(0.1)) vnet.kern.sysctl.set('net.inet.carp.allow', rng.below(2));
  if (rng.chance(0.5)) return inAifaddr(vnet.inNet, ifp, { addr: ip4(`10.${rng.below(4)}.0.${201 + vhid}`), plen: 24, vhid });
  return in6Aifaddr(vnet.in6Net, ifp, { addr: ip6(`2001:db8:0:${rng.below(4)}::f${vhid}`), plen: 64, vhid });
}

/** A socket joins a group, or leaves it. @param {Lifecycle} life */
function member(life) {
  if (life.sockets.length === 0) return 1;
  const so = life.pick(life.sockets);
  const vnet = life.vnets().find((v) => v.sockets === so.layer);
  if (vnet === undefined) return 1;
  const ifp = life.rng.chance(0.1) ? null : life.pick(vnet.net.ifnets);
  const joins = life.rng.chance(0.8);
  if (so.in6p !== null) {
    const [group, source] = [life.pick(GROUPS6), life.rng.chance(0.3) ? life.pick(SOURCES6) : null];
    return joins ? so.joinGroup6(group, ifp, source) : so.leaveGroup6(group, ifp, source);
  }
  const [group, source] = [life.pick(GROUPS), life.rng.chance(0.3) ? life.pick(SOURCES) : null];
  return joins ? so.joinGroup(group, ifp, source) : so.leaveGroup(group, ifp, source);
}

/** @param {Lifecycle} life */
function open6(life) {
  if (life.sockets.length >= life.socketsMax) {
    life.sockets.shift()?.close();
    return 0;
  }
  const { error, so } = life.pick(life.vnets()).sockets.socket(PF_INET6, SOCK_DGRAM, 0);
  if (so === null) return error;
  life.sockets.push(so);
  so.setsockopt(life.pick(OPTIONS), life.rng.below(2));
  return so.bind(0, 9);
}

/** To a neighbour, a router, a group. @param {Lifecycle} life */
function send6(life) {
  const so = life.sockets.find((s) => s.in6p !== null && life.rng.chance(0.5));
  if (so === undefined) return 1;
  return so.send(new Uint8Array(1 + life.rng.below(3_000)), { addr: life.rng.chance(0.2) ? life.pick(GROUPS6) : anyAddr6(life), scopeId: 0 }, 9);
}

/** Queriers, proxies and routes of groups. @param {Lifecycle} life */
function multicastRouter(life) {
  const at = anywhere(life);
  if (at === null) return 1;
  const { vnet, ifp } = at;
  const { rng } = life;
  const other = life.pick(vnet.net.ifnets);
  const querier = rng.chance(0.7) ? { ...QUERIER_DEFAULTS, queryIntervalS: 2, responseIntervalS: 1 } : null;
  switch (rng.below(6)) {
    case 0:
      return vnet.mroute.setQuerier(ifp, querier);
    case 1:
      return vnet.mroute6.setQuerier(ifp, querier);
    case 2:
      return rng.chance(0.8) ? vnet.mroute.router.setProxy(ifp, [other]) : vnet.mroute.router.setProxy(null, []);
    case 3:
      return rng.chance(0.8) ? vnet.mroute6.router.setProxy(ifp, [other]) : vnet.mroute6.router.setProxy(null, []);
    case 4:
      return vnet.mroute.router.addRoute({ group: life.pick(GROUPS), source: null, from: ifp, to: [{ ifp: other, threshold: 1 }] });
    default:
      return vnet.mroute6.router.addRoute({ group: 0xff050000_00000000_00000000_00010003n, source: null, from: ifp, to: [{ ifp: other, threshold: 1 }] });
  }
}

/** @type {readonly ((life: Lifecycle) => number)[]} */
export const PROTOCOL_OPERATIONS = [setAddr6, setAddr6, setAddr6, deleteAddr, setFlags6, advertise, routerAndHost, routerAndHost, neighbour, route6, carp, carp, member, member, open6, send6, send6, multicastRouter];

/** What a vnet that stays has of all this is undone, but for what it began with. @param {Vnet} vnet @param {(ifp: Ifnet, addr: Uint8Array) => boolean} begun */
export function undoProtocols(vnet, begun) {
  const { in6Net, mroute, mroute6, nd6, net } = vnet;
  for (const router of [mroute.router, mroute6.router]) router.setProxy(null, []);
  for (const { group, source } of mroute.router.routes) mroute.router.removeRoute(group, source);
  for (const { group, source } of mroute6.router.routes) mroute6.router.removeRoute(group, source);
  nd6FlushAll(nd6);
  for (const ifp of net.ifnets) {
    mroute.setQuerier(ifp, null);
    mroute6.setQuerier(ifp, null);
    vnet.inNet.purgeAddrs(ifp);
    for (const ia of in6Net.addrsOf(ifp).filter((a) => !begun(ifp, a.addr))) in6Difaddr(in6Net, ifp, ia.addr);
  }
}
