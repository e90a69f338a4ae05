/**
 * routes.ts — `netstat -r`: the routing tables.
 * Read first: netstat(1).
 */
import { AF_INET } from '@netloom/core';
import type { RtPath, Rtentry, Vnet } from '@netloom/core';
import type { Proc } from '../proc.js';
import { left, leftWide, right, rightWide } from './columns.js';
import type { NetstatOptions } from './options.js';
import { destinationText, flagLetters, gatewayText } from './route-text.js';

const WIDTH = { dst: 18, gateway: 18, flags: 6, mtu: 6, expire: 6 } as const;

/** Prints the table of FIB `o.fib` (the process's by default). EX 1 for a FIB that does not exist. */
export function netstatRoutes(p: Proc, vnet: Vnet, o: NetstatOptions): number {
  const { routes } = vnet;
  const fib = o.fib ?? p.fib;
  if (routes === null || fib >= routes.fibs) {
    p.err(`netstat: ${fib}: invalid fib\n`);
    return 1;
  }
  const entries = o.family === 'any' || o.family === 'inet' ? routes.list(fib, AF_INET) : [];
  if (o.json) {
    p.out(`${JSON.stringify(entries.flatMap((rt) => rt.nexthops.map((path) => routeJson(p, rt, path))), null, 2)}\n`);
    return 0;
  }
  p.out(fib === 0 ? 'Routing tables\n' : `Routing tables (fib: ${fib})\n`);
  if (entries.length === 0) return 0;
  p.out('\nInternet:\n');
  p.out(`${header(o)}\n`);
  for (const rt of entries) for (const path of rt.nexthops) p.out(`${line(p, rt, path, o)}\n`);
  return 0;
}

function header(o: NetstatOptions): string {
  const netif = o.wide ? 10 : 8;
  const start = [left('Destination', WIDTH.dst), left('Gateway', WIDTH.gateway), left('Flags', WIDTH.flags)];
  const middle = o.wide ? [right('Nhop#', WIDTH.mtu), right('Mtu', WIDTH.mtu)] : [];
  return [...start, ...middle, right('Netif', netif), rightWide('Expire', WIDTH.expire)].join(' ');
}

function line(p: Proc, rt: Rtentry, path: RtPath, o: NetstatOptions): string {
  const netif = o.wide ? 10 : 8;
  const dst = field(destinationText(rt), WIDTH.dst, o.wide);
  const gateway = field(gatewayText(path), WIDTH.gateway, o.wide);
  const parts = [dst, gateway, leftWide(flagLetters(rt.pathFlags(path.nh)), WIDTH.flags)];
  if (o.wide) parts.push(rightWide(path.nh.idx, WIDTH.mtu), rightWide(path.nh.mtu === 0 ? path.nh.ifp.mtu : path.nh.mtu, WIDTH.mtu));
  parts.push(o.wide ? rightWide(path.nh.ifp.xname, netif) : right(path.nh.ifp.xname, netif));
  if (path.expireUs > 0) parts.push(rightWide(Math.max(0, Math.ceil((path.expireUs - p.kernel.now) / 1_000_000)), WIDTH.expire));
  return parts.join(' ');
}

function field(text: string, width: number, wide: boolean): string {
  return wide ? leftWide(text, width) : left(text, width);
}

function routeJson(p: Proc, rt: Rtentry, path: RtPath): object {
  return {
    fib: rt.fib, destination: destinationText(rt), gateway: gatewayText(path), flags: flagLetters(rt.pathFlags(path.nh)), interface: path.nh.ifp.xname,
    mtu: path.nh.mtu === 0 ? path.nh.ifp.mtu : path.nh.mtu, weight: path.weight, packets: path.nh.pksent,
    expireSec: path.expireUs > 0 ? Math.max(0, Math.ceil((path.expireUs - p.kernel.now) / 1_000_000)) : null,
  };
}
