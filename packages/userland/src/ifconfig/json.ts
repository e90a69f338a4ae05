/**
 * json.ts — `ifconfig --json`: an interface as an object.
 *
 * Ours, not FreeBSD's. Keys are the words of the text form; a key whose text line is absent is absent. Numbers are numbers, flags lists of
 * names. `packets`… are the counters netstat -i shows.
 */
import {
  IFF_BROADCAST, IFF_POINTOPOINT, IFT_ETHER, In6Ifinfo, ND6_INFINITE_LIFETIME, bridgeMembers, bridgeParams, bridgeSnooping, greParams, ifCounters, ifMedia, laggInfo,
  tunnelPair, vxlanConfig,
} from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { VXLAN_VNI_MAX, ip4Format, ip6Format, ip6Plain, ip6ZoneOf, macFormat } from '@netloom/core/wire';
import { inetAddrs } from './af-inet.js';
import { inet6Addrs, inet6FlagNames, inet6Left } from './af-inet6.js';
import { isEtherLike } from './af-link.js';
import { memberFlagNames } from './bridge-status.js';
import { CAP_NAMES } from './capabilities.js';
import { shownCarp } from './carp.js';
import { GRE_OPTION_NAMES } from './gre.js';
import { shownGroups } from './group.js';
import { LAGG_PORT_FLAGS, laggHashText, laggProtoName } from './lagg-status.js';
import { carrierStatus, mediaLine } from './media.js';
import { mediaArguments } from './media-words.js';
import { ND6_FLAG_NAMES } from './nd6-words.js';
import { FLAG_NAMES, driverName } from './status.js';
import { shownStf } from './stf.js';
import { shownVlan } from './vlan.js';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

function names(value: number, table: readonly string[]): string[] {
  return table.filter((_, i) => ((value >>> i) & 1) === 1);
}

function inetJson(ifp: Ifnet): Json[] {
  return inetAddrs(ifp).map((ia) => ({
    family: 'inet',
    address: ip4Format(ia.addr),
    prefixlen: ia.plen,
    netmask: ip4Format(ia.mask),
    ...((ifp.flags & IFF_POINTOPOINT) !== 0 && ia.dstaddr !== null ? { destination: ip4Format(ia.dstaddr) } : {}),
    ...((ifp.flags & IFF_BROADCAST) !== 0 && ia.broadcast !== null ? { broadcast: ip4Format(ia.broadcast) } : {}),
    ...(ia.vhid !== 0 ? { vhid: ia.vhid } : {}),
  }));
}

function inet6Json(ifp: Ifnet): Json[] {
  const now = ifp.net?.kern.engine.now ?? 0;
  return inet6Addrs(ifp).map((ia) => ({
    family: 'inet6',
    address: ip6Format(ip6Plain(ia.addr)),
    ...(ip6ZoneOf(ia.addr) === 0 ? {} : { scopeid: ip6ZoneOf(ia.addr) }),
    prefixlen: ia.plen,
    ...(ia.dstaddr === null ? {} : { destination: ip6Format(ip6Plain(ia.dstaddr)) }),
    flags: inet6FlagNames(ia, now),
    ...(ia.pltime === ND6_INFINITE_LIFETIME ? {} : { pltime: inet6Left(ia, ia.pltime, now) }),
    ...(ia.vltime === ND6_INFINITE_LIFETIME ? {} : { vltime: inet6Left(ia, ia.vltime, now) }),
    ...(ia.vhid !== 0 ? { vhid: ia.vhid } : {}),
  }));
}

function nd6Json(ifp: Ifnet): { readonly nd6?: Json } {
  const data = ifp.inet6;
  return data instanceof In6Ifinfo ? { nd6: names(data.ndFlags, ND6_FLAG_NAMES) } : {};
}

function bridgeJson(ifp: Ifnet): { readonly bridge?: Json } {
  const params = bridgeParams(ifp);
  if (params === null) return {};
  const { priority, helloTime, fwdDelay, maxAge, holdCount, proto, maxAddr, timeout } = params;
  const members = (bridgeMembers(ifp) ?? []).map((m) => ({
    name: m.name, flags: memberFlagNames(m.flags), ifmaxaddr: m.addrMax, addresses: m.addrCount, port: m.port, priority: m.priority, pathcost: m.pathCost,
    ...m.stp,
  }));
  const root = { id: macFormat(params.rootId), priority: params.rootPriority, ifcost: params.rootCost, port: params.rootPort };
  return {
    bridge: {
      id: macFormat(params.id), priority, hellotime: helloTime, fwddelay: fwdDelay, maxage: maxAge, holdcnt: holdCount, proto, maxaddr: maxAddr, timeout, root, members, ...snoopJson(ifp),
    },
  };
}

/** A bridge that snoops: what it has learned. */
function snoopJson(ifp: Ifnet): { readonly mcsnoop?: Json } {
  const s = bridgeSnooping(ifp);
  if (s === null) return {};
  return {
    mcsnoop: {
      fastleave: s.fastLeave, flood: s.floodUnknown, mcmaxgroups: s.groupsMax, routers: s.routers.map((r) => ({ ...r })),
      groups: s.groups.map((g) => ({ group: g.group, vlan: g.vlan, members: g.members.map((m) => ({ ...m })) })), statistics: { ...s.stats },
    },
  };
}

/** What the interface could do and be told, for `-m`. */
function supportedJson(ifp: Ifnet): { readonly [key: string]: Json } {
  const media = ifMedia(ifp);
  return {
    capabilities: names(ifp.capabilities, CAP_NAMES),
    ...(media === null ? {} : { 'supported media': media.supported.map(mediaArguments) }),
  };
}

function vxlanJson(ifp: Ifnet): { readonly vxlan?: Json } {
  const c = vxlanConfig(ifp);
  if (c === null) return {};
  const { vni, localPort, remotePort, portMin, portMax, mcastIfname, learn, ttl, ftableCount, ftableMax, ftableTimeout } = c;
  return {
    vxlan: {
      ...(vni < VXLAN_VNI_MAX ? { vni } : {}), local: ip4Format(c.local), localport: localPort, remote: ip4Format(c.remote), remoteport: remotePort, portrange: [portMin, portMax],
      ...(mcastIfname === '' ? {} : { dev: mcastIfname }), learn, ttl, addresses: ftableCount, maxaddr: ftableMax, timeout: ftableTimeout,
    },
  };
}

function laggJson(ifp: Ifnet): { readonly lagg?: Json } {
  const info = laggInfo(ifp);
  if (info === null) return {};
  const ports = info.ports.map((p) => ({ name: p.name, flags: names(p.flags, LAGG_PORT_FLAGS) }));
  return { lagg: { laggproto: laggProtoName(info), lagghash: laggHashText(info).split(','), ports } };
}

function kindJson(ifp: Ifnet): { readonly [key: string]: Json } {
  const tunnel = tunnelPair(ifp);
  const gre = greParams(ifp);
  const stf = shownStf(ifp);
  const vlan = shownVlan(ifp);
  const media = ifMedia(ifp);
  const carp = shownCarp(ifp);
  return {
    ...(carp.length === 0 ? {} : { carp }),
    ...(tunnel === null ? {} : { tunnel: { source: ip4Format(tunnel.src), destination: ip4Format(tunnel.dst) } }),
    ...(gre === null ? {} : { gre: { grekey: gre.key, udpport: gre.udpport, options: names(gre.options, GRE_OPTION_NAMES) } }),
    ...(stf === null ? {} : { stf }),
    ...bridgeJson(ifp),
    ...laggJson(ifp),
    ...(vlan === null ? {} : { vlan: { vlan: vlan.tag, vlanproto: vlan.proto, vlanpcp: vlan.pcp, parent: vlan.parent } }),
    ...vxlanJson(ifp),
    ...(media === null ? {} : { media: mediaLine(media), status: carrierStatus(media) }),
  };
}

/** One element of the array; `supported` as with `-m`. */
export function interfaceJson(ifp: Ifnet, supported = false): Json {
  const data = ifCounters(ifp);
  return {
    name: ifp.xname,
    index: ifp.index,
    driver: driverName(ifp),
    flags: names(ifp.flags, FLAG_NAMES),
    metric: ifp.metric,
    mtu: ifp.mtu,
    ...(ifp.description === null ? {} : { description: ifp.description }),
    options: names(ifp.capenable, CAP_NAMES),
    ...(isEtherLike(ifp) ? { ether: macFormat(ifp.lladdr) } : {}),
    ...(ifp.type === IFT_ETHER && ifp.pcp >= 0 ? { pcp: ifp.pcp } : {}),
    addresses: [...inetJson(ifp), ...inet6Json(ifp)],
    ...nd6Json(ifp),
    groups: shownGroups(ifp),
    fib: ifp.fib,
    ...kindJson(ifp),
    ...(supported ? supportedJson(ifp) : {}),
    packets: { in: data.ipackets, out: data.opackets, ierrors: data.ierrors, oerrors: data.oerrors, oqdrops: data.oqdrops },
    bytes: { in: data.ibytes, out: data.obytes },
  };
}
