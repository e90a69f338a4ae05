/**
 * routes.ts — `netstat -r`: the routing tables; `netstat -o`: the next hops they share.
 * Read first: netstat(1) "Routing Table Display".
 *
 * A field that is longer than its column takes the room it needs from the columns behind it.
 */
import { AF_INET, InIfaddr, RTF_GATEWAY } from '@netloom/core';
import type { Nexthop, RouteTables, RtPath, Rtentry4, Vnet } from '@netloom/core';
import { ip4Format } from '@netloom/core/wire';
import { errx } from '../err.js';
import { hostName } from '../host-address.js';
import { jsonText } from '../libxo.js';
import type { Proc } from '../proc.js';
import { left, leftWide, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';
import { destinationText, flagLetters, flagWords, gatewayText } from './route-text.js';

const EX_USAGE = 64;
const WIDTH = { dst: 18, gateway: 18, flags: 6, mtu: 6, expire: 6, index: 5, type: 12, use: 8, refs: 6 } as const;
const netifWidth = (o: NetstatOptions): number => (o.wide ? 10 : 8);

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
  const entries = o.family === 'any' || o.family === 'inet' ? routes.list(fib, AF_INET) : [];
  if (o.json !== 'none') {
    const rows = entries.flatMap((rt) => rt.nexthops.map((path) => routeJson(p, rt, path, o)));
    const families = rows.length === 0 ? [] : [{ 'address-family': 'Internet', 'rt-entry': rows }];
    const table = { ...(fib === 0 ? {} : { fib }), 'route-table': { 'rt-family': families } };
    p.out(jsonText({ statistics: { 'route-information': table } }, o.json));
    return 0;
  }
  p.out(fibTitle('Routing tables', fib));
  if (entries.length === 0) return 0;
  const lines = ['', 'Internet:', header(o)];
  for (const rt of entries) for (const path of rt.nexthops) lines.push(line(p, rt, path, o));
  p.out(`${lines.join('\n')}\n`);
  return 0;
}

function header(o: NetstatOptions): string {
  const start = [left('Destination', WIDTH.dst), left('Gateway', WIDTH.gateway), left('Flags', WIDTH.flags)];
  const middle = o.wide ? [right('Nhop#', WIDTH.mtu), right('Mtu', WIDTH.mtu)] : [];
  return [...start, ...middle, right('Netif', netifWidth(o)), rightWide('Expire', WIDTH.expire)].join(' ');
}

/** Destination, gateway and flags: each may protrude into the next. */
function addressFields(dst: string, gateway: string, flags: string, o: NetstatOptions): string[] {
  const free = o.wide || o.numericAddr;
  const over = (text: string, width: number): number => (free ? Math.max(text.length - width, 0) : 0);
  const field = (text: string, width: number): string => (free ? leftWide(text, width) : left(text, width));
  const gatewayWidth = WIDTH.gateway - over(dst, WIDTH.dst);
  return [field(dst, WIDTH.dst), field(gateway, gatewayWidth), leftWide(flags, WIDTH.flags - over(gateway, gatewayWidth))];
}

function line(p: Proc, rt: Rtentry4, path: RtPath, o: NetstatOptions): string {
  const { nh } = path;
  const parts = addressFields(hostNamed(rt, o), gatewayNamed(path, o), flagLetters(rt.pathFlags(nh)), o);
  if (o.wide) parts.push(rightWide(rt.isMultipath ? 0 : nh.idx, WIDTH.mtu), rightWide(mtuOf(nh), WIDTH.mtu));
  parts.push(o.wide ? rightWide(nh.ifp.xname, netifWidth(o)) : right(nh.ifp.xname, netifWidth(o)));
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

function hostNamed(rt: Rtentry4, o: NetstatOptions): string {
  const name = rt.isHost && !o.numericAddr ? hostName(rt.dst) : null;
  return name ?? destinationText(rt);
}

function gatewayNamed(path: RtPath, o: NetstatOptions): string {
  const name = path.nh.gwIfp === null && !o.numericAddr ? hostName(path.nh.gw4) : null;
  return name ?? gatewayText(path);
}

function routeJson(p: Proc, rt: Rtentry4, path: RtPath, o: NetstatOptions): object {
  const { nh } = path;
  const flags = rt.pathFlags(nh);
  const expire = expireOf(p, path);
  return {
    destination: hostNamed(rt, o), gateway: gatewayNamed(path, o), flags: flagLetters(flags), flags_pretty: flagWords(flags), weight: path.weight,
    'nhop-kidx': nh.idx, nhop: nh.idx, mtu: mtuOf(nh), 'interface-name': nh.ifp.xname, ...(expire === null ? {} : { 'expire-time': expire }),
  };
}

export function netstatNexthops(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const [routes, fib] = tables(p, vnet, o);
  const hops = o.family === 'any' || o.family === 'inet' ? hopsOf(routes, fib) : [];
  if (o.json !== 'none') {
    const families = hops.length === 0 ? [] : [{ 'address-family': 'Internet', 'nh-entry': hops.map(nexthopJson) }];
    p.out(jsonText({ statistics: { 'route-nhop-information': { 'nhop-table': { 'rt-family': families } } } }, o.json));
    return 0;
  }
  p.out(fibTitle('Nexthop data', fib));
  if (hops.length === 0) return 0;
  p.out(`${['', 'Internet:', nexthopHeader(o), ...hops.map((nh) => nexthopLine(nh, o))].join('\n')}\n`);
  return 0;
}

/** Next hops routes of a FIB use, by index. */
function hopsOf(routes: RouteTables, fib: number): Nexthop[] {
  const used = new Set(routes.list(fib, AF_INET).flatMap((rt) => rt.nexthops.map((path) => path.nh)));
  return routes.nexthops().filter((nh) => used.has(nh));
}

function nexthopHeader(o: NetstatOptions): string {
  const { index, type, dst, gateway, flags, use, mtu, refs } = WIDTH;
  const start = [left('Idx', index), ...(o.wide ? [left('Type', type)] : []), left('IFA', dst), left('Gateway', gateway)];
  if (!o.wide) return [...start, left('Flags', flags), right('Netif', netifWidth(o)), rightWide('Refcnt', refs)].join(' ');
  return [...start, right('Flags', flags), right('Use', use), right('Mtu', mtu), right('Netif', netifWidth(o)), right('Addrif', netifWidth(o)), right('Refcnt', refs)].join(' ');
}

function nexthopLine(nh: Nexthop, o: NetstatOptions): string {
  const { index, type, use, mtu, refs } = WIDTH;
  const parts = [leftWide(String(nh.idx), index)];
  if (o.wide) parts.push(rightWide(typeOf(nh), type));
  parts.push(...addressFields(sourceOf(nh), nexthopGateway(nh), flagLetters(nh.flags), o));
  if (o.wide) parts.push(rightWide(nh.pksent, use), rightWide(mtuOf(nh), mtu));
  parts.push(rightWide(nh.ifp.xname, netifWidth(o)));
  if (o.wide) parts.push(rightWide(addressInterface(nh), netifWidth(o)));
  return [...parts, rightWide(nh.refs, refs)].join(' ');
}

const typeOf = (nh: Nexthop): string => ((nh.flags & RTF_GATEWAY) !== 0 ? 'v4/gw' : 'v4/resolve');
const sourceOf = (nh: Nexthop): string => (nh.ifa instanceof InIfaddr ? ip4Format(nh.ifa.addr) : '---');
const nexthopGateway = (nh: Nexthop): string => ((nh.flags & RTF_GATEWAY) !== 0 ? ip4Format(nh.gw4) : `${nh.ifp.xname}/resolve`);
/** The interface the source address is on, when that is another. */
const addressInterface = (nh: Nexthop): string => (nh.ifa !== null && nh.ifa.ifp !== nh.ifp ? nh.ifa.ifp.xname : '');

function nexthopJson(nh: Nexthop): object {
  return {
    index: nh.idx, type_str: typeOf(nh), ifa: sourceOf(nh), gateway: nexthopGateway(nh), flags: flagLetters(nh.flags), rt_flags_pretty: flagWords(nh.flags),
    use: nh.pksent, mtu: mtuOf(nh), 'interface-name': nh.ifp.xname, 'address-interface-name': addressInterface(nh), refcount: nh.refs,
  };
}
