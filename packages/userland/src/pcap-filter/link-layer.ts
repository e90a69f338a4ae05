/**
 * link-layer.ts — link-layer primitives: the payload's type, MAC addresses, broadcast and multicast, encapsulations.
 * Read first: pcap-filter(7); IEEE 802.3 §3.2.6 (length or type), RFC 1042 (SNAP).
 *
 * A type up to 1500 is an LLC service access point: the frame then has a length where Ethernet II has its type.
 * Not here: what is inside the payload (`network-layer.ts`).
 */
import { BPF_JGE, BPF_JGT, BPF_JSET } from '@netloom/core';
import {
  ETHERTYPE_8021Q9100, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_MPLS, ETHERTYPE_PPPOE, ETHERTYPE_QINQ, ETHERTYPE_VLAN,
  ETHER_LENGTH_MAX, LLC_8021D_LSAP, LLC_IPX_LSAP, LLC_IP_LSAP, LLC_ISO_LSAP, LLC_NETBEUI_LSAP, LLC_SNAP_LSAP, LLC_UI,
} from '@netloom/core/wire';
import { macBytes } from './addresses.js';
import type { Condition } from './condition.js';
import { and, FALSE, not, or } from './condition.js';
import type { FilterContext } from './context.js';
import { FilterError } from './filter-error.js';
import { ETHERTYPE_AARP, ETHERTYPE_ATALK, ETHERTYPE_DECNET, ETHERTYPE_IPX, ETHERTYPE_NS } from './names.js';
import type { Direction, ProtocolName } from './syntax.js';

/** Address families of the BSD loopback header: IPv4 is 2 everywhere, IPv6 24, 28 or 30 by system. */
const LOOPBACK_AF: ReadonlyMap<number, readonly number[]> = new Map([
  [ETHERTYPE_IP, [2]],
  [ETHERTYPE_IPV6, [24, 28, 30]],
]);
const PPP_PROTOCOLS: ReadonlyMap<number, number> = new Map([
  [ETHERTYPE_IP, 0x0021],
  [ETHERTYPE_IPV6, 0x0057],
  [ETHERTYPE_DECNET, 0x0027],
  [ETHERTYPE_ATALK, 0x0029],
  [ETHERTYPE_NS, 0x0025],
  [LLC_ISO_LSAP, 0x0023],
  [LLC_8021D_LSAP, 0x0031],
  [LLC_IPX_LSAP, 0x002b],
]);
const WITH_ADDRESSES = 'ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel';

/** The payload is of `type`, an Ethernet type or LLC access point. */
export function hasLinkType(ctx: FilterContext, type: number): Condition {
  if (ctx.labels > 0) return insideMpls(ctx, type);
  switch (ctx.link) {
    case 'ethernet':
      return hasEtherType(ctx, type);
    case 'ppp':
      return ctx.equals(2, ctx.linkType, PPP_PROTOCOLS.get(type) ?? type);
    case 'raw':
      return hasIpVersion(ctx, ctx.linkHeader, type) ?? FALSE;
    case 'null':
      return (LOOPBACK_AF.get(type) ?? []).map((af) => ctx.equals(4, ctx.linkHeader, af << 24)).reduce(or, FALSE);
  }
}

/** Without a type field the version number tells; null for what is not IP. */
function hasIpVersion(ctx: FilterContext, at: number, type: number): Condition | null {
  if (type !== ETHERTYPE_IP && type !== ETHERTYPE_IPV6) return null;
  return ctx.equals(1, at, type === ETHERTYPE_IP ? 0x40 : 0x60, 0xf0);
}

/** Behind a label stack: the last label has its bottom bit set, and the version number tells the rest. */
function insideMpls(ctx: FilterContext, type: number): Condition {
  const version = hasIpVersion(ctx, ctx.inNetwork(0), type);
  if (version === null) throw new FilterError('unsupported protocol over mpls');
  return and(ctx.equals(1, ctx.inNetwork(-2), 0x01, 0x01), version);
}

function hasEtherType(ctx: FilterContext, type: number): Condition {
  const { linkType, payload } = ctx;
  const hasLength = not(ctx.compares(BPF_JGT, 2, linkType, ETHER_LENGTH_MAX));
  switch (type) {
    case LLC_ISO_LSAP:
    case LLC_IP_LSAP:
    case LLC_NETBEUI_LSAP:
      return and(hasLength, ctx.equals(2, payload, (type << 8) | type));
    case LLC_IPX_LSAP: {
      // Ethernet II, SNAP, 802.2, and the raw 802.3 form that starts with an IPX checksum of ones.
      const framed = or(isSnap(ctx, 0, ETHERTYPE_IPX), or(ctx.equals(1, payload, LLC_IPX_LSAP), ctx.equals(2, payload, 0xffff)));
      return or(ctx.equals(2, linkType, ETHERTYPE_IPX), and(hasLength, framed));
    }
    case ETHERTYPE_ATALK:
    case ETHERTYPE_AARP:
      return or(ctx.equals(2, linkType, type), and(hasLength, isSnap(ctx, type === ETHERTYPE_ATALK ? 0x080007 : 0, type)));
    default:
      return type <= ETHER_LENGTH_MAX ? and(hasLength, ctx.equals(1, linkType + 2, type)) : ctx.equals(2, linkType, type);
  }
}

/** An LLC header for SNAP with this organization and protocol. */
function isSnap(ctx: FilterContext, organization: number, protocol: number): Condition {
  const tail = ctx.equals(4, ctx.payload + 4, (organization << 16) | protocol);
  return and(tail, ctx.equals(4, ctx.payload, (LLC_SNAP_LSAP << 24) | (LLC_SNAP_LSAP << 16) | (LLC_UI << 8) | (organization >>> 16)));
}

/** `ether host`, `ether src`, `ether dst` with six octets as written. */
export function hasMac(ctx: FilterContext, text: string, direction: Direction): Condition {
  if (ctx.link !== 'ethernet') throw new FilterError(`ethernet addresses supported only on ${WITH_ADDRESSES}`);
  return macIs(ctx, macBytes(text), direction);
}

function macIs(ctx: FilterContext, mac: Uint8Array, direction: Direction): Condition {
  const view = new DataView(mac.buffer, mac.byteOffset, mac.length);
  const at = (offset: number): Condition =>
    and(ctx.equals(4, ctx.linkHeader + offset + 2, view.getUint32(2)), ctx.equals(2, ctx.linkHeader + offset, view.getUint16(0)));
  switch (direction) {
    case 'src':
      return at(6);
    case 'dst':
      return at(0);
    case 'both':
      return and(at(6), at(0));
    case 'either':
      return or(at(6), at(0));
    case 'ra':
    case 'ta':
      throw new FilterError(`'${direction}' is only supported on 802.11 with 802.11 headers`);
    default:
      throw new FilterError(`'${direction}' and 'address${direction.slice(-1)}' are only supported on 802.11 with 802.11 headers`);
  }
}

/** `ether host NAME`: there is no ethers(5) to look it up in. */
export function unknownMac(ctx: FilterContext, name: string): FilterError {
  if (ctx.link !== 'ethernet') return new FilterError(`only ${WITH_ADDRESSES} supports link-level host name`);
  return new FilterError(`unknown ether host '${name}'`);
}

export function isBroadcast(ctx: FilterContext, protocol: ProtocolName | null): Condition {
  if (protocol === null || protocol === 'link') {
    if (ctx.link !== 'ethernet') throw new FilterError('not a broadcast link');
    return macIs(ctx, new Uint8Array(6).fill(0xff), 'dst');
  }
  if (protocol !== 'ip') throw new FilterError('only link-layer/IP broadcast filters supported');
  if (ctx.netmask === 0xffffffff) throw new FilterError("netmask not known, so 'ip broadcast' not supported");
  const hosts = ~ctx.netmask >>> 0;
  const isIp = hasLinkType(ctx, ETHERTYPE_IP);
  return and(isIp, or(ctx.equals(4, ctx.inNetwork(16), 0, hosts), ctx.equals(4, ctx.inNetwork(16), hosts, hosts)));
}

export function isMulticast(ctx: FilterContext, protocol: ProtocolName | null): Condition {
  if ((protocol === null || protocol === 'link') && ctx.link === 'ethernet') return ctx.compares(BPF_JSET, 1, ctx.linkHeader, 1);
  if (protocol === 'ip') return and(hasLinkType(ctx, ETHERTYPE_IP), ctx.compares(BPF_JGE, 1, ctx.inNetwork(16), 224));
  if (protocol === 'ip6') return and(hasLinkType(ctx, ETHERTYPE_IPV6), ctx.equals(1, ctx.inNetwork(24), 255));
  throw new FilterError('link-layer multicast filters supported only on ethernet/FDDI/token ring/ARCNET/802.11/ATM LANE/Fibre Channel');
}

/** A tag, with this id when one is given; what follows in the expression is about the frame inside. */
export function hasVlan(ctx: FilterContext, id: number | null): Condition {
  if (ctx.labels > 0) throw new FilterError('no VLAN match after MPLS');
  if (ctx.link !== 'ethernet') throw new FilterError(`no VLAN support for ${ctx.description}`);
  let found = [ETHERTYPE_VLAN, ETHERTYPE_QINQ, ETHERTYPE_8021Q9100].map((type) => hasLinkType(ctx, type)).reduce(or);
  if (id !== null) {
    if (id > 0xfff) throw new FilterError(`VLAN tag ${id} greater than maximum 4095`);
    found = and(found, ctx.equals(2, ctx.payload + ctx.network, id, 0xfff));
  }
  ctx.payload += 4;
  ctx.linkType += 4;
  return found;
}

/** The same for one MPLS label. */
export function hasMplsLabel(ctx: FilterContext, label: number | null): Condition {
  let found: Condition;
  if (ctx.labels > 0) {
    found = ctx.equals(1, ctx.inNetwork(-2), 0, 0x01);
  } else if (ctx.link === 'ethernet') {
    found = hasLinkType(ctx, ETHERTYPE_MPLS);
  } else if (ctx.link === 'ppp') {
    found = ctx.equals(2, ctx.linkType, 0x0281);
  } else {
    throw new FilterError(`no MPLS support for ${ctx.description}`);
  }
  if (label !== null) {
    if (label > 0xfffff) throw new FilterError(`MPLS label ${label} greater than maximum 1048575`);
    found = and(found, ctx.equals(4, ctx.inNetwork(0), label << 12, 0xfffff000));
  }
  ctx.network += 4;
  ctx.networkLlc += 4;
  ctx.labels++;
  return found;
}

/** A PPPoE session, with this number when one is given; what follows is about the PPP packet inside. */
export function hasPppoeSession(ctx: FilterContext, session: number | null): Condition {
  let found = hasLinkType(ctx, ETHERTYPE_PPPOE);
  if (session !== null) {
    if (session > 0xffff) throw new FilterError(`PPPoE session number ${session} greater than maximum 65535`);
    found = and(found, ctx.equals(4, ctx.inNetwork(0), session, 0xffff));
  }
  ctx.linkHeader = ctx.inNetwork(6);
  ctx.link = 'ppp';
  ctx.linkType = ctx.linkHeader;
  ctx.payload = ctx.linkHeader + 2;
  ctx.network = 0;
  ctx.networkLlc = 0;
  return found;
}
