/**
 * routes.ts — `netstat -r`: the routing tables; `netstat -o`: the next hops they share.
 * Read first: netstat(1) "Routing Table Display".
 *
 * A block for each family, IPv6's with wider columns when addresses are shown as numbers. A field that is longer than its column takes the
 * room it needs from the columns behind it.
 */
import { AF_INET, AF_INET6, InIfaddr, RTF_GATEWAY, isIfAddr6 } from '@netloom/core';
import type { Nexthop, RouteTables, RtPath, Rtentry4, Rtentry6, Vnet } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { errx } from '../err.js';
import { hostName } from '../host-address.js';
import { hostName6, zonedText6 } from '../host-address6.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { left, leftWide, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';
import { destinationText, flagLetters, flagWords, gatewayText } from './route-text.js';

const EX_USAGE = 64;
const WIDTH = { flags: 6, mtu: 6, expire: 6, index: 5, type: 12, use: 8, refs: 6 } as const;

/** A family's block of the table. */
interface Block {
  readonly title: 'Internet' | 'Internet6';
  readonly dst: number;
  readonly gateway: number;
  readonly netif: number;
}

const inetBlock = (o: NetstatOptions): Block => ({ title: 'Internet', dst: 18, gateway: 18, netif: o.wide ? 10 : 8 });
const inet6Block = (o: NetstatOptions): Block => ({ title: 'Internet6', dst: o.numericAddr ? 33 : 18, gateway: o.numericAddr ? 29 : 18, netif: 8 });

const wants = (o: NetstatOptions, family: 'inet' | 'inet6'): boolean => o.family === 'any' || o.family === family;

/** The tables and the FIB asked for; leaves when there is no such FIB. */
function tables(p: Proc, vnet: Vnet, o: NetstatOptions): readonly [RouteTables, number] {
  const fib = o.fib ?? p.fib;
  const routes = vnet.routes ?? errx(p, 1, 'the vnet is going down');
  if (fib >= routes.fibs) errx(p, EX_USAGE, `${fib}: invalid fib`);
  return [routes, fib];
}

const fibTitle = (title: string, fib: number): string => (fib === 0 ? `${title}\n` : `${title} (fib: ${fib})\n`);

export function netstatRoutes(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const [routes, fib] = tables(p, vnet, o);
  const blocks: (readonly [Block, readonly (Rtentry4 | Rtentry6)[]])[] = [];
  if (wants(o, 'inet')) blocks.push([inetBlock(o), routes.list(fib, AF_INET)]);
  if (wants(o, 'inet6')) blocks.push([inet6Block(o), routes.list(fib, AF_INET6)]);
  const full = blocks.filter(([, entries]) => entries.length > 0);
  if (o.json !== 'none') {
    const families = full.map(([block, entries]) => ({
      'address-family': block.title, 'rt-entry': entries.flatMap((rt) => rt.nexthops.map((path) => routeJson(p, vnet, rt, path, o))),
    }));
    const table = { ...(fib === 0 ? {} : { fib }), 'route-table': { 'rt-family': families } };
    p.out(jsonText({ statistics: { 'route-information': table } }, o.json));
    return 0;
  }
  p.out(fibTitle('Routing tables', fib));
  for (const [block, entries] of full) {
    const lines = ['', `${block.title}:`, header(block, o)];
    for (const rt of entries) for (const path of rt.nexthops) lines.push(line(p, vnet, block, rt, path, o));
    p.out(`${lines.join('\n')}\n`);
  }
  return 0;
}

function header(b: Block, o: NetstatOptions): string {
  const start = [left('Destination', b.dst), left('Gateway', b.gateway), left('Flags', WIDTH.flags)];
  const middle = o.wide ? [right('Nhop#', WIDTH.mtu), right('Mtu', WIDTH.mtu)] : [];
  return [...start, ...middle, right('Netif', b.netif), rightWide('Expire', WIDTH.expire)].join(' ');
}

/** Destination, gateway and flags: each may protrude into the next. */
function addressFields(b: Block, dst: string, gateway: string, flags: string, o: NetstatOptions): string[] {
  const free = o.wide || o.numericAddr;
  const over = (text: string, width: number): number => (free ? Math.max(text.length - width, 0) : 0);
  const field = (text: string, width: number): string => (free ? leftWide(text, width) : left(text, width));
  const gatewayWidth = b.gateway - over(dst, b.dst);
  return [field(dst, b.dst), field(gateway, gatewayWidth), leftWide(flags, WIDTH.flags - over(gateway, gatewayWidth))];
}

function line(p: Proc, vnet: Vnet, b: Block, rt: Rtentry4 | Rtentry6, path: RtPath, o: NetstatOptions): string {
  const { nh } = path;
  const parts = addressFields(b, hostNamed(vnet, rt, nh, o), gatewayNamed(vnet, path, o), flagLetters(rt.pathFlags(nh)), o);
  if (o.wide) parts.push(rightWide(rt.isMultipath ? 0 : nh.idx, WIDTH.mtu), rightWide(mtuOf(nh), WIDTH.mtu));
  parts.push(o.wide ? rightWide(nh.ifp.xname, b.netif) : right(nh.ifp.xname, b.netif));
  const expire = expireOf(p, path);
  if (expire !== null) parts.push(rightWide(expire, WIDTH.expire));
  return parts.join(' ');
}

const mtuOf = (nh: Nexthop): number => (nh.mtu === 0 ? nh.ifp.mtu : nh.mtu);

/** Seconds left of a temporary route, null for others. */
function expireOf(p: Proc, path: RtPath): number | null {
  const left = Math.ceil((path.expireUs - p.kernel.now) / 1_000_000);
  return path.expireUs > 0 && left > 0 ? left : null;
}

const nameOf = (addr: number | Uint8Array): string | null => (typeof addr === 'number' ? hostName(addr) : hostName6({ addr, scopeId: 0 }));

function hostNamed(vnet: Vnet, rt: Rtentry4 | Rtentry6, nh: Nexthop, o: NetstatOptions): string {
  const name = rt.isHost && !o.numericAddr ? nameOf(rt.dst) : null;
  return name ?? destinationText(rt, nh, vnet);
}

function gatewayNamed(vnet: Vnet, path: RtPath, o: NetstatOptions): string {
  const { nh } = path;
  const name = nh.gwIfp === null && !o.numericAddr ? nameOf(nh.gw6 ?? nh.gw4) : null;
  return name ?? gatewayText(path, vnet);
}

function routeJson(p: Proc, vnet: Vnet, rt: Rtentry4 | Rtentry6, path: RtPath, o: NetstatOptions): object {
  const { nh } = path;
  const flags = rt.pathFlags(nh);
  const expire = expireOf(p, path);
  return {
    destination: hostNamed(vnet, rt, nh, o), gateway: gatewayNamed(vnet, path, o), flags: flagLetters(flags), flags_pretty: flagWords(flags), weight: path.weight,
    'nhop-kidx': nh.idx, nhop: nh.idx, mtu: mtuOf(nh), 'interface-name': nh.ifp.xname, ...(expire === null ? {} : { 'expire-time': expire }),
  };
}

export function netstatNexthops(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const [routes, fib] = tables(p, vnet, o);
  const blocks: (readonly [Block, readonly Nexthop[]])[] = [];
  if (wants(o, 'inet')) blocks.push([inetBlock(o), hopsOf(routes, routes.list(fib, AF_INET))]);
  if (wants(o, 'inet6')) blocks.push([inet6Block(o), hopsOf(routes, routes.list(fib, AF_INET6))]);
  const full = blocks.filter(([, hops]) => hops.length > 0);
  if (o.json !== 'none') {
    const families = full.map(([block, hops]) => ({ 'address-family': block.title, 'nh-entry': hops.map((nh) => nexthopJson(vnet, nh)) }));
    p.out(jsonText({ statistics: { 'route-nhop-information': { 'nhop-table': { 'rt-family': families } } } }, o.json));
    return 0;
  }
  p.out(fibTitle('Nexthop data', fib));
  for (const [block, hops] of full) p.out(`${['', `${block.title}:`, nexthopHeader(block, o), ...hops.map((nh) => nexthopLine(vnet, block, nh, o))].join('\n')}\n`);
  return 0;
}

/** Next hops these routes use, by index. */
function hopsOf(routes: RouteTables, entries: readonly (Rtentry4 | Rtentry6)[]): Nexthop[] {
  const used = new Set(entries.flatMap((rt) => rt.nexthops.map((path) => path.nh)));
  return routes.nexthops().filter((nh) => used.has(nh));
}

function nexthopHeader(b: Block, o: NetstatOptions): string {
  const { index, type, flags, use, mtu, refs } = WIDTH;
  const start = [left('Idx', index), ...(o.wide ? [left('Type', type)] : []), left('IFA', b.dst), left('Gateway', b.gateway)];
  if (!o.wide) return [...start, left('Flags', flags), right('Netif', b.netif), rightWide('Refcnt', refs)].join(' ');
  return [...start, right('Flags', flags), right('Use', use), right('Mtu', mtu), right('Netif', b.netif), right('Addrif', b.netif), right('Refcnt', refs)].join(' ');
}

function nexthopLine(vnet: Vnet, b: Block, nh: Nexthop, o: NetstatOptions): string {
  const { index, type, use, mtu, refs } = WIDTH;
  const parts = [leftWide(String(nh.idx), index)];
  if (o.wide) parts.push(rightWide(typeOf(nh), type));
  parts.push(...addressFields(b, sourceOf(vnet, nh), nexthopGateway(vnet, nh), flagLetters(nh.flags), o));
  if (o.wide) parts.push(rightWide(nh.pksent, use), rightWide(mtuOf(nh), mtu));
  parts.push(rightWide(nh.ifp.xname, b.netif));
  if (o.wide) parts.push(rightWide(addressInterface(nh), b.netif));
  return [...parts, rightWide(nh.refs, refs)].join(' ');
}

const typeOf = (nh: Nexthop): string => `${nh.af === AF_INET6 ? 'v6' : 'v4'}/${(nh.flags & RTF_GATEWAY) !== 0 ? 'gw' : 'resolve'}`;

function sourceOf(vnet: Vnet, nh: Nexthop): string {
  if (nh.ifa instanceof InIfaddr) return ip4Format(nh.ifa.addr);
  return nh.ifa !== null && isIfAddr6(nh.ifa) ? zonedText6(vnet, nh.ifa.addr) : '---';
}

function nexthopGateway(vnet: Vnet, nh: Nexthop): string {
  if ((nh.flags & RTF_GATEWAY) === 0) return `${nh.ifp.xname}/resolve`;
  return nh.gw6 === null ? ip4Format(nh.gw4) : zonedText6(vnet, nh.gw6);
}

/** The interface the source address is on, when that is another. */
const addressInterface = (nh: Nexthop): string => (nh.ifa !== null && nh.ifa.ifp !== nh.ifp ? nh.ifa.ifp.xname : '');

function nexthopJson(vnet: Vnet, nh: Nexthop): object {
  return {
    index: nh.idx, type_str: typeOf(nh), ifa: sourceOf(vnet, nh), gateway: nexthopGateway(vnet, nh), flags: flagLetters(nh.flags), rt_flags_pretty: flagWords(nh.flags),
    use: nh.pksent, mtu: mtuOf(nh), 'interface-name': nh.ifp.xname, 'address-interface-name': addressInterface(nh), refcount: nh.refs,
  };
}
