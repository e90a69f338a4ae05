/**
 * generate.ts — the tree of an expression to one condition on a packet.
 * Read first: syntax.ts, condition.ts, context.ts.
 *
 * Theory of operation. The tree is walked in the order of the text, because encapsulation primitives change the context for what
 * comes after them. A match of an identifier is where most errors are found: its qualifiers must suit it, its name be known.
 */
import { BPF_JGE, BPF_JGT } from '@netloom/core';
import { ETHERTYPE_PPPOEDISC, ip4MaskOf, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP } from '@netloom/core/wire';
import { ip4Of, ip6MaskWords, ip6Words } from './addresses.js';
import { byteHolds, holds } from './arithmetic.js';
import type { Condition } from './condition.js';
import { and, not, or } from './condition.js';
import type { FilterContext } from './context.js';
import { FilterError } from './filter-error.js';
import { hasLinkType, hasMac, hasMplsLabel, hasPppoeSession, hasVlan, isBroadcast, isMulticast, unknownMac } from './link-layer.js';
import type { Service } from './names.js';
import { ipProtocolByName, linkProtocolByName, osiProtocolByName, serviceByName } from './names.js';
import { hasIp4, hasIp6, hasPort, hasProto, isProtocol } from './network-layer.js';
import type { Filter, Identifier, ProtocolName, Qualifiers } from './syntax.js';

const PORT_MAX = 65_535;

/** Throws FilterError. */
export function generate(ctx: FilterContext, filter: Filter): Condition {
  switch (filter.kind) {
    case 'chain': {
      let found = generate(ctx, filter.first);
      for (const { operator, operand } of filter.rest) {
        const next = generate(ctx, operand);
        found = operator === 'and' ? and(found, next) : or(found, next);
      }
      return found;
    }
    case 'not':
      return not(generate(ctx, filter.operand));
    case 'match':
      return matches(ctx, filter.qualifiers, filter.id);
    case 'protocol':
      return isProtocol(ctx, filter.protocol);
    case 'broadcast':
      return isBroadcast(ctx, filter.protocol);
    case 'multicast':
      return isMulticast(ctx, filter.protocol);
    case 'relation':
      return holds(ctx, filter.relation, filter.left, filter.right);
    case 'greater':
      return ctx.tests.field(BPF_JGE, ctx.values.length(), filter.length);
    case 'less':
      return not(ctx.tests.field(BPF_JGT, ctx.values.length(), filter.length));
    case 'byte':
      return byteHolds(ctx, filter.index, filter.operator, filter.value);
    case 'vlan':
      return hasVlan(ctx, filter.number);
    case 'mpls':
      return hasMplsLabel(ctx, filter.number);
    case 'pppoes':
      return hasPppoeSession(ctx, filter.number);
    case 'pppoed':
      return hasLinkType(ctx, ETHERTYPE_PPPOEDISC);
    case 'metadata':
      throw new FilterError(`${filter.what} not supported on ${ctx.description}`);
  }
}

function matches(ctx: FilterContext, q: Qualifiers | null, id: Identifier): Condition {
  switch (id.kind) {
    case 'name':
      return nameMatches(ctx, known(q), id.text);
    case 'number':
      return numberMatches(ctx, known(q), id.value);
    case 'ip4':
      return ip4Matches(ctx, q, id.text);
    case 'ip4-length':
    case 'ip4-mask':
      return ip4NetMatches(ctx, q, id);
    case 'ip6':
      return ip6Matches(ctx, q, id.text, id.length);
    case 'mac':
      if (q?.protocol !== 'link' || (q.kind !== 'host' && q.kind !== 'any')) throw new FilterError('ethernet address used in non-ether expression');
      return hasMac(ctx, id.text, q.direction);
    case 'arcnet':
      throw new FilterError('aid supported only on ARCnet');
  }
}

/** An identifier after a term that has none to take qualifiers from. */
function known(q: Qualifiers | null): Qualifiers {
  if (q === null) throw new FilterError('syntax error in filter expression');
  return q;
}

function nameMatches(ctx: FilterContext, q: Qualifiers, name: string): Condition {
  switch (q.kind) {
    case 'net':
      throw new FilterError(`unknown network '${name}'`);
    case 'any':
    case 'host':
      if (q.protocol === 'link') throw unknownMac(ctx, name);
      throw new FilterError(`unknown host '${name}'`);
    case 'port': {
      const transport = transportOf(q);
      const service = serviceByName(name);
      if (service === null) throw new FilterError(`unknown port '${name}'`);
      const ports = { first: service.port, last: service.port, isRange: false };
      return hasPort(ctx, ports, agreed(transport, transportsOf(service), `port '${name}'`), q.direction);
    }
    case 'portrange':
      return rangeMatches(ctx, q, name);
    case 'gateway':
      throw new FilterError("'gateway' not supported in this configuration");
    case 'proto':
      return hasProto(ctx, protoByName(name, q.protocol), q.protocol);
    case 'protochain':
      throw new FilterError('protochain not supported');
  }
}

/** `portrange A-B`, each a number or a name. */
function rangeMatches(ctx: FilterContext, q: Qualifiers, text: string): Condition {
  const transport = transportOf(q);
  const [low = '', high = ''] = /^[0-9]+-[0-9]+/.exec(text)?.[0].split('-') ?? split(text);
  const bounds = [low, high].map((bound) => serviceOrNumber(bound));
  const [first, last] = bounds;
  if (!first || !last) throw new FilterError(`unknown port in range '${text}'`);
  for (const { port } of [first, last]) refusePort(port);
  const registered = transportsOf(first) === transportsOf(last) ? transportsOf(first) : null;
  return hasPort(ctx, { first: first.port, last: last.port, isRange: true }, agreed(transport, registered, `port in range '${text}'`), q.direction);
}

function split(text: string): readonly string[] {
  const dash = text.indexOf('-');
  return dash < 0 ? [] : [text.slice(0, dash), text.slice(dash + 1)];
}

function serviceOrNumber(text: string): Service | null {
  return /^[0-9]+$/.test(text) ? { port: Number(text), tcp: true, udp: true } : serviceByName(text);
}

function refusePort(port: number): void {
  if (port > PORT_MAX) throw new FilterError(`illegal port number ${port} > 65535`);
}

/** The transport `tcp port` and the like ask for, null for any. */
function transportOf(q: Qualifiers): number | null {
  switch (q.protocol) {
    case null:
      return null;
    case 'tcp':
      return IPPROTO_TCP;
    case 'udp':
      return IPPROTO_UDP;
    case 'sctp':
      return IPPROTO_SCTP;
    default:
      throw new FilterError(`illegal qualifier of '${q.kind}'`);
  }
}

/** The one transport a service is registered for, null when there are several. */
const transportsOf = ({ tcp, udp }: Service): number | null => (tcp && udp ? null : tcp ? IPPROTO_TCP : IPPROTO_UDP);

/** The transport to look at when one was asked for and one is registered. */
function agreed(asked: number | null, registered: number | null, what: string): number | null {
  if (asked === null) return registered;
  if (registered !== null && registered !== asked) throw new FilterError(`${what} is ${registered === IPPROTO_TCP ? 'tcp' : 'udp'}`);
  return asked;
}

function protoByName(name: string, protocol: ProtocolName | null): number {
  const [number, what] = lookUpProto(name, protocol);
  if (number === null) throw new FilterError(what);
  return number;
}

function lookUpProto(name: string, protocol: ProtocolName | null): readonly [number: number | null, unknown: string] {
  switch (protocol) {
    case null:
    case 'ip':
    case 'ip6':
      return [ipProtocolByName(name), `unknown ip proto '${name}'`];
    case 'link':
      return [linkProtocolByName(name), `unknown ether proto '${name}'`];
    case 'iso':
      return [osiProtocolByName(name), `unknown osi proto '${name}'`];
    default:
      return [null, `unknown protocol: ${name}`];
  }
}

function numberMatches(ctx: FilterContext, q: Qualifiers, value: number): Condition {
  switch (q.kind) {
    case 'any':
    case 'host':
      if (q.protocol === 'link') throw new FilterError('illegal link layer address');
      return hasIp4(ctx, value, 0xffffffff, q.protocol, q.direction, 'host');
    case 'net': {
      if (q.protocol === 'link') throw new FilterError('illegal link layer address');
      const { addr, mask } = leftJustified(value);
      return hasIp4(ctx, addr, mask, q.protocol, q.direction, 'net');
    }
    case 'port':
    case 'portrange': {
      const transport = transportOf(q);
      refusePort(value);
      return hasPort(ctx, { first: value, last: value, isRange: q.kind === 'portrange' }, transport, q.direction);
    }
    case 'gateway':
      throw new FilterError("'gateway' requires a name");
    case 'proto':
      return hasProto(ctx, value, q.protocol);
    case 'protochain':
      throw new FilterError('protochain not supported');
  }
}

/** `net 10` is 10.0.0.0/8: whole leading zero octets go to the end. */
function leftJustified(value: number): { readonly addr: number; readonly mask: number } {
  let addr = value;
  let mask = 0xffffffff;
  while (addr !== 0 && addr >>> 24 === 0) {
    addr = (addr << 8) >>> 0;
    mask = (mask << 8) >>> 0;
  }
  return { addr, mask };
}

function ip4Matches(ctx: FilterContext, q: Qualifiers | null, text: string): Condition {
  if (q?.kind === 'port' || q?.kind === 'portrange' || q?.kind === 'proto' || q?.kind === 'protochain') {
    throw new FilterError(`'${q.kind}' modifier applied to ip host`);
  }
  const { addr, bits } = ip4Of(text);
  const { protocol, direction, kind } = known(q);
  if (kind === 'gateway') throw new FilterError("'gateway' requires a name");
  if (protocol === 'link') throw new FilterError('illegal link layer address');
  return hasIp4(ctx, addr, ip4MaskOf(bits), protocol, direction, kind === 'net' ? 'net' : 'host');
}

type Ip4Net = Extract<Identifier, { kind: 'ip4-length' | 'ip4-mask' }>;

function ip4NetMatches(ctx: FilterContext, q: Qualifiers | null, id: Ip4Net): Condition {
  const { addr } = ip4Of(id.text);
  const mask = id.kind === 'ip4-mask' ? ip4Of(id.mask).addr : maskOfLength(id.length);
  if ((addr & ~mask) !== 0) {
    const written = id.kind === 'ip4-mask' ? `${id.text} mask ${id.mask}` : `${id.text}/${id.length}`;
    throw new FilterError(`non-network bits set in "${written}"`);
  }
  if (q?.kind !== 'net') throw new FilterError('Mask syntax for networks only');
  return hasIp4(ctx, addr, mask, q.protocol, q.direction, 'net');
}

function maskOfLength(length: number): number {
  if (length > 32) throw new FilterError('mask length must be <= 32');
  return ip4MaskOf(length);
}

function ip6Matches(ctx: FilterContext, q: Qualifiers | null, text: string, length: number): Condition {
  const addr = ip6Words(text);
  if (length > 128) throw new FilterError('mask length must be <= 128');
  const mask = ip6MaskWords(length);
  if (addr.some((word, i) => (word & ~(mask[i] ?? 0)) !== 0)) throw new FilterError(`non-network bits set in "${text}/${length}"`);
  if (q?.kind !== 'any' && q?.kind !== 'host' && q?.kind !== 'net') throw new FilterError('invalid qualifier against IPv6 address');
  if (q.kind !== 'net' && length !== 128) throw new FilterError('Mask syntax for networks only');
  return hasIp6(ctx, addr, mask, q.protocol, q.direction, q.kind === 'net' ? 'net' : 'host');
}
