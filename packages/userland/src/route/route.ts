/**
 * route.ts — route(8): change, ask and watch the routing tables.
 * Read first: route(8). Exit codes: 0, 1 when the tables refused, 64 usage.
 *
 * Not here: IPv6, and metrics this stack does not keep (they are accepted and ignored, as route(4) allows).
 */
import {
  AF_INET, EADDRINUSE, EBUSY, EEXIST, ENOBUFS, ESRCH, RTF_GATEWAY, RTF_HOST, RTF_UP, strerror,
} from '@netloom/core';
import type { Errno, RouteSpec, RouteTables, Rtentry, Vnet } from '@netloom/core';
import { ip4Format, ip4MaskOf } from '@netloom/core/wire';
import { flagNames } from '../netstat/route-text.js';
import { netstat } from '../netstat/netstat.js';
import type { Proc } from '../proc.js';
import { getopt } from '../getopt.js';
import { EX_USAGE, RouteUsage, parseRouteArgs } from './route-args.js';
import type { RouteArgs } from './route-args.js';
import { routeMonitor } from './route-monitor.js';

const USAGE = 'usage: route [-j jail] [-46dnqtv] command [[modifiers] args]';

interface Call {
  readonly p: Proc;
  readonly vnet: Vnet;
  readonly quiet: boolean;
  readonly family: 'inet' | 'inet6';
}

export async function route(p: Proc): Promise<number> {
  const parsed = getopt('46dj:nqtv', p.argv.slice(1));
  if (parsed.error !== null) return usage(p, parsed.error);
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  const jail = parsed.options.find(([l]) => l === 'j')?.[1] ?? null;
  const prison = jail === null ? p.prison : p.kernel.prisons.find(p.prison, jail);
  if (prison === null) return usage(p, `jail "${jail ?? ''}" not found`);
  const call: Call = { p, vnet: prison.vnet, quiet: has('q'), family: has('6') ? 'inet6' : 'inet' };
  const [command, ...words] = parsed.rest;
  try {
    return await dispatch(call, command ?? '', words);
  } catch (error) {
    if (!(error instanceof RouteUsage)) throw error;
    return usage(p, error.message, error.usage);
  }
}

function usage(p: Proc, message: string, withUsage = true): number {
  if (message !== '') p.err(`route: ${message}\n`);
  if (withUsage) p.err(`route: ${USAGE}\n`);
  return EX_USAGE;
}

async function dispatch(call: Call, command: string, words: readonly string[]): Promise<number> {
  switch (command) {
    case 'add':
    case 'change':
    case 'chg':
    case 'delete':
    case 'del':
      return modify(call, command, words);
    case 'get':
    case 'show':
      if (command === 'show' && words.length === 0) return netstat(call.p);
      return get(call, words);
    case 'flush':
      return flush(call, words);
    case 'monitor':
      return routeMonitor(call.p, call.vnet);
    default:
      throw new RouteUsage(command === '' ? '' : `bad keyword: ${command}`, true);
  }
}

function tables(call: Call): RouteTables {
  const { routes } = call.vnet;
  if (routes === null) throw new RouteUsage('the vnet is going down', false);
  return routes;
}

function refuseInet6(a: { readonly family: string }): void {
  if (a.family === 'inet6') throw new RouteUsage('IPv6 is not built in; routes are IPv4 here', false);
}

function modify(call: Call, command: string, words: readonly string[]): number {
  const { p, vnet } = call;
  const a = parseRouteArgs(words, call.family, p.fib);
  refuseInet6(a);
  const routes = tables(call);
  const done: number[] = [];
  let failed = 0;
  for (const fib of a.fibs) {
    const error = apply(routes, vnet, command, a, fib, p.kernel.now);
    if (error === 0) {
      done.push(fib);
      continue;
    }
    failed = 1;
    if (!call.quiet) p.out(`${what(command, a)} fib ${fib}: ${errorText(error)}\n`);
  }
  if (done.length > 0 && !call.quiet) p.out(`${what(command, a)}${routes.fibs > 1 ? ` fib ${done.join(',')}` : ''}\n`);
  return failed;
}

function what(command: string, a: RouteArgs): string {
  return `${command} ${a.isHost ? 'host' : 'net'} ${a.destText}${a.gatewayText === '' ? '' : `: gateway ${a.gatewayText}`}`;
}

function errorText(error: Errno): string {
  switch (error) {
    case ESRCH:
      return 'not in table';
    case EBUSY:
      return 'entry in use';
    case ENOBUFS:
      return 'not enough memory';
    case EADDRINUSE:
      return 'gateway uses the same route';
    case EEXIST:
      return 'route already in table';
    default:
      return strerror(error);
  }
}

function apply(routes: RouteTables, vnet: Vnet, command: string, a: RouteArgs, fib: number, now: number): Errno {
  const byName = (name: string | null): RouteSpec['ifp'] => {
    if (name === null) return undefined;
    const ifp = vnet.net.ifunit(name);
    if (ifp === null) throw new RouteUsage(`bad interface name: ${name}`, false);
    return ifp;
  };
  const ifp = byName(a.gatewayIf) ?? byName(a.ifp);
  const ifa = a.ifa === null ? null : (vnet.inNet?.addrOf(a.ifa) ?? null);
  const spec: RouteSpec = {
    fib, family: 'inet', dst: a.dst ?? 0, plen: a.plen ?? 32, gateway: a.gateway, flags: a.flags | (a.isHost ? RTF_HOST : 0) | RTF_UP,
    ...(ifp === undefined ? {} : { ifp }), ...(ifa === null ? {} : { ifa }), ...(a.mtu > 0 ? { mtu: a.mtu } : {}), ...(a.weight > 0 ? { weight: a.weight } : {}),
    ...(a.expireSec > 0 ? { expireUs: now + a.expireSec * 1_000_000 } : {}),
  };
  if (command === 'add') return routes.add(spec);
  return command.startsWith('del') ? routes.delete(spec) : routes.change(spec);
}

function get(call: Call, words: readonly string[]): number {
  const { p } = call;
  const a = parseRouteArgs(words, call.family, p.fib);
  refuseInet6(a);
  const routes = tables(call);
  const fib = a.fibs[0] ?? 0;
  const exact = a.plen !== null && a.plen < 32 && a.destText.includes('/');
  const rt = exact ? routes.find(fib, AF_INET, a.dst ?? 0, a.plen ?? 32) : routes.get4(fib, a.dst ?? 0);
  if (rt === null) {
    p.err('route: route has not been found\n');
    return 1;
  }
  p.out(getText(rt, a, fib));
  return 0;
}

function getText(rt: Rtentry, a: RouteArgs, fib: number): string {
  const path = rt.nexthops[0];
  if (path === undefined) return '';
  const { nh } = path;
  const lines = [`   route to: ${ip4Format(a.dst ?? 0)}`, `destination: ${rt.plen === 0 ? 'default' : ip4Format(rt.dst)}`];
  if (!rt.isHost) lines.push(`       mask: ${rt.plen === 0 ? 'default' : ip4Format(ip4MaskOf(rt.plen))}`);
  if ((nh.flags & RTF_GATEWAY) !== 0) lines.push(`    gateway: ${ip4Format(nh.gw4)}`);
  lines.push(`        fib: ${fib}`, `  interface: ${nh.ifp.xname}`, `      flags: <${flagNames(rt.flags | 0x40)}>`);
  const cell = (n: number): string => `${String(n).padStart(8)}  `;
  lines.push(' recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire');
  lines.push(`${cell(0)}${cell(0)}${cell(0)}${cell(0)}${cell(nh.mtu === 0 ? nh.ifp.mtu : nh.mtu)}${cell(path.weight)}${cell(0)}`.trimEnd());
  return `${lines.join('\n')} \n`;
}

/** Deletes every route that is through a gateway; connected routes stay. */
function flush(call: Call, words: readonly string[]): number {
  const { p } = call;
  const fibAt = words.indexOf('-fib');
  const fib = fibAt >= 0 ? Number(words[fibAt + 1]) : p.fib;
  const routes = tables(call);
  if (!(fib >= 0 && fib < routes.fibs)) throw new RouteUsage(`invalid fib number: ${words[fibAt + 1] ?? ''}`, false);
  if (words.includes('-6') || words.includes('-inet6')) return 0;
  for (const rt of [...routes.list(fib, AF_INET)]) {
    for (const path of [...rt.nexthops]) {
      if ((path.nh.flags & RTF_GATEWAY) === 0) continue;
      const error = routes.delete({ fib, family: 'inet', dst: rt.dst, plen: rt.plen, gateway: path.nh.gw4, flags: path.nh.flags });
      if (call.quiet) continue;
      const dst = rt.plen === 0 ? 'default' : ip4Format(rt.dst);
      p.out(`${dst.padEnd(20)} ${ip4Format(path.nh.gw4).padEnd(20)} ${fib > 0 ? `-fib ${String(fib).padEnd(3)} ` : ''}${error === 0 ? 'done' : strerror(error)}\n`);
    }
  }
  return 0;
}
