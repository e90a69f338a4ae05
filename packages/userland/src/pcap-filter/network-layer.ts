/**
 * network-layer.ts — primitives about IP and above: hosts, networks, protocols, ports.
 * Read first: pcap-filter(7); RFC 791 §3.1, RFC 8200 §3, RFC 826.
 *
 * Ports are read in the first fragment of IPv4 packets only, behind a header of any length; in IPv6 directly behind the fixed header, extension
 * headers are not followed. `ip6 proto` also looks through one fragment header.
 * `host` without a protocol means IPv4, ARP and RARP; with an IPv6 address, IPv6.
 */
import { BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JSET } from '@netloom/core';
import {
  ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_REVARP, IPPROTO_AH, IPPROTO_CARP, IPPROTO_ESP, IPPROTO_FRAGMENT, IPPROTO_ICMP,
  IPPROTO_ICMPV6, IPPROTO_IGMP, IPPROTO_PIGP, IPPROTO_PIM, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP, LLC_ISO_LSAP,
} from '@netloom/core/wire';
import type { Condition } from './condition.js';
import { and, not, or } from './condition.js';
import type { FilterContext } from './context.js';
import { FilterError } from './filter-error.js';
import { hasLinkType } from './link-layer.js';
import { linkProtocolByName, osiProtocolByName } from './names.js';
import type { Direction, ProtocolName } from './syntax.js';
import type { Value } from './value.js';

const FRAGMENT_OFFSET_MASK = 0x1fff;
const IP6_HEADER = 40;

/** Protocols that are one number in the IP header, and in which of the two; null: both. */
const IP_PAYLOADS: ReadonlyMap<ProtocolName, readonly [number: number, over: 'ip' | 'ip6' | null]> = new Map([
  ['sctp', [IPPROTO_SCTP, null]],
  ['tcp', [IPPROTO_TCP, null]],
  ['udp', [IPPROTO_UDP, null]],
  ['icmp', [IPPROTO_ICMP, 'ip']],
  ['igmp', [IPPROTO_IGMP, 'ip']],
  ['igrp', [IPPROTO_PIGP, 'ip']],
  ['pim', [IPPROTO_PIM, null]],
  ['vrrp', [IPPROTO_CARP, 'ip']],
  ['carp', [IPPROTO_CARP, 'ip']],
  ['icmp6', [IPPROTO_ICMPV6, 'ip6']],
  ['ah', [IPPROTO_AH, null]],
  ['esp', [IPPROTO_ESP, null]],
]);
/** Kinds of IS-IS packets by their PDU numbers, in the order they are asked for. */
const ISIS_PDUS: ReadonlyMap<ProtocolName, readonly number[]> = new Map([
  ['l1', [26, 24, 18, 15, 17]],
  ['l2', [27, 25, 20, 16, 17]],
  ['iih', [17, 15, 16]],
  ['lsp', [18, 20]],
  ['snp', [27, 26, 24, 25]],
  ['csnp', [24, 25]],
  ['psnp', [26, 27]],
]);

const typeOf = { ip: ETHERTYPE_IP, ip6: ETHERTYPE_IPV6 } as const;

/** A protocol's name on its own. */
export function isProtocol(ctx: FilterContext, protocol: ProtocolName): Condition {
  const payload = IP_PAYLOADS.get(protocol);
  if (payload !== undefined) return hasProto(ctx, payload[0], payload[1]);
  const pdus = ISIS_PDUS.get(protocol);
  if (pdus !== undefined) return pdus.map((pdu) => hasProto(ctx, pdu, 'isis')).reduce(or);
  const osi = osiProtocolByName(protocol);
  if (osi !== null) return hasProto(ctx, osi, 'iso');
  if (protocol === 'link') throw new FilterError('link layer applied in wrong context');
  const type = linkProtocolByName(protocol);
  if (type === null) throw new FilterError(`'${protocol}' is not a valid protocol type`);
  return hasLinkType(ctx, type);
}

/** `PROTOCOL proto NUMBER`: what the protocol carries. */
export function hasProto(ctx: FilterContext, number: number, protocol: ProtocolName | null): Condition {
  switch (protocol) {
    case null:
      return or(hasProto(ctx, number, 'ip'), hasProto(ctx, number, 'ip6'));
    case 'link':
      return hasLinkType(ctx, number);
    case 'ip':
      return and(hasLinkType(ctx, ETHERTYPE_IP), ctx.equals(1, ctx.inNetwork(9), number));
    case 'ip6': {
      const fragmented = and(ctx.equals(1, ctx.inNetwork(6), IPPROTO_FRAGMENT), ctx.equals(1, ctx.inNetwork(IP6_HEADER), number));
      return and(hasLinkType(ctx, ETHERTYPE_IPV6), or(ctx.equals(1, ctx.inNetwork(6), number), fragmented));
    }
    case 'iso':
      return and(hasLinkType(ctx, LLC_ISO_LSAP), ctx.equals(1, ctx.payload + ctx.networkLlc, number));
    case 'isis':
      return and(hasProto(ctx, osiProtocolByName('isis') ?? 0, 'iso'), ctx.equals(1, ctx.payload + ctx.networkLlc + 4, number));
    default:
      throw new FilterError(noProtoMessage(protocol));
  }
}

function noProtoMessage(protocol: ProtocolName): string {
  switch (protocol) {
    case 'arp':
    case 'rarp':
      return `${protocol} does not encapsulate another protocol`;
    case 'lat':
    case 'sca':
    case 'moprc':
    case 'mopdl':
      return `${protocol.toUpperCase()} does not encapsulate another protocol`;
    case 'atalk':
      return 'AppleTalk encapsulation is not specifiable';
    case 'decnet':
      return 'DECNET encapsulation is not specifiable';
    case 'clnp':
      return "'clnp proto' is not supported";
    default:
      return `'${protocol} proto' is bogus`;
  }
}

/** An IPv4 address under a mask. `what`: "host" or "net", for messages. */
export function hasIp4(ctx: FilterContext, addr: number, mask: number, protocol: ProtocolName | null, direction: Direction, what: string): Condition {
  const within = (type: number, src: number, dst: number): Condition =>
    towards(direction, 'addresses other than 802.11 MAC addresses', src, dst, (offset) =>
      and(hasLinkType(ctx, type), ctx.equals(4, ctx.inNetwork(offset), addr, mask)),
    );
  switch (protocol) {
    case null: {
      const inIp = within(ETHERTYPE_IP, 12, 16);
      return ctx.labels > 0 ? inIp : or(or(inIp, within(ETHERTYPE_ARP, 14, 24)), within(ETHERTYPE_REVARP, 14, 24));
    }
    case 'ip':
      return within(ETHERTYPE_IP, 12, 16);
    case 'arp':
      return within(ETHERTYPE_ARP, 14, 24);
    case 'rarp':
      return within(ETHERTYPE_REVARP, 14, 24);
    default:
      throw new FilterError(noHostMessage(protocol, what));
  }
}

function noHostMessage(protocol: ProtocolName, what: string): string {
  switch (protocol) {
    case 'link':
      return `link-layer modifier applied to ${what}`;
    case 'ip6':
      return "'ip6' modifier applied to ip host";
    case 'atalk':
      return 'AppleTalk host filtering not implemented';
    case 'lat':
    case 'sca':
    case 'moprc':
    case 'mopdl':
    case 'aarp':
    case 'iso':
    case 'ipx':
      return `${protocol.toUpperCase()} host filtering not implemented`;
    case 'decnet':
      return 'DECNET host filtering not implemented';
    default:
      return `'${protocol}' modifier applied to ${what}`;
  }
}

/** An IPv6 address under a mask, both as four words. */
export function hasIp6(ctx: FilterContext, addr: readonly number[], mask: readonly number[], protocol: ProtocolName | null, direction: Direction, what: string): Condition {
  if (protocol === 'link') throw new FilterError(`link-layer modifier applied to ip6 ${what}`);
  if (protocol === 'atalk') throw new FilterError(`AppleTalk modifier applied to ip6 ${what}`);
  if (protocol !== null && protocol !== 'ip6') throw new FilterError(`'${protocol}' modifier applied to ip6 ${what}`);
  return towards(direction, 'addresses other than 802.11 MAC addresses', 8, 24, (offset) =>
    addr.reduce((found, word, i) => and(found, ctx.equals(4, ctx.inNetwork(offset + 4 * i), word, mask[i] ?? 0)), hasLinkType(ctx, ETHERTYPE_IPV6)),
  );
}

/** The test at the offset or offsets that `direction` names. */
function towards(direction: Direction, what: string, src: number, dst: number, test: (offset: number) => Condition): Condition {
  switch (direction) {
    case 'src':
      return test(src);
    case 'dst':
      return test(dst);
    case 'both':
      return and(test(src), test(dst));
    case 'either':
      return or(test(src), test(dst));
    case 'ra':
    case 'ta':
      throw new FilterError(`'${direction}' is not a valid qualifier for ${what}`);
    default:
      throw new FilterError(`'${direction}' and 'address${direction.slice(-1)}' are not valid qualifiers for ${what}`);
  }
}

/** Which ports: equal bounds are one port. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
  /** Asked for as a range, even of one port. */
  readonly isRange: boolean;
}

/** A port of TCP, UDP or SCTP, or with `transport` null of any of them, over IPv6 or IPv4. */
export function hasPort(ctx: FilterContext, ports: PortRange, transport: number | null, direction: Direction): Condition {
  const transports = transport === null ? [IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP] : [transport];
  const what = ports.isRange ? 'port ranges' : 'ports';
  const over4 = transports.map((number) => {
    const first = and(ctx.equals(1, ctx.inNetwork(9), number), isFirstFragment(ctx));
    const at = (offset: number): Value => ctx.values.load(2, ipHeaderLength(ctx), ctx.inNetwork(offset));
    return and(first, towards(direction, what, 0, 2, (offset) => portIs(ctx, at(offset), ports)));
  });
  const over6 = transports.map((number) => {
    const at = (offset: number): Value => ctx.load(2, ctx.inNetwork(IP6_HEADER + offset));
    return and(ctx.equals(1, ctx.inNetwork(6), number), towards(direction, what, 0, 2, (offset) => portIs(ctx, at(offset), ports)));
  });
  return or(and(hasLinkType(ctx, ETHERTYPE_IPV6), over6.reduce(or)), and(hasLinkType(ctx, ETHERTYPE_IP), over4.reduce(or)));
}

function portIs(ctx: FilterContext, port: Value, { first, last, isRange }: PortRange): Condition {
  if (!isRange) return ctx.tests.field(BPF_JEQ, port, first);
  return and(ctx.tests.field(BPF_JGE, port, Math.min(first, last)), not(ctx.tests.field(BPF_JGT, port, Math.max(first, last))));
}

/** Whole IPv4 packets and first fragments: the others have no transport header. */
export function isFirstFragment(ctx: FilterContext): Condition {
  return not(ctx.compares(BPF_JSET, 2, ctx.inNetwork(6), FRAGMENT_OFFSET_MASK));
}

export function ipHeaderLength(ctx: FilterContext): Value {
  return ctx.values.headerLength(ctx.inNetwork(0));
}

/** `ip` or `ip6`, the packet's own type. */
export const isIp = (ctx: FilterContext, version: 'ip' | 'ip6'): Condition => hasLinkType(ctx, typeOf[version]);
