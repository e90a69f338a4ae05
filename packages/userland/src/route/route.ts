/**
 * route.ts — route(8): change, ask and watch the routing tables.
 * Read first: route(8); route-args.ts. Exit codes: 0, 1 when the tables refused, 64 usage, 65 no such interface, 68 a bad address.
 *
 * `route get` of a destination without a route is exit code 1 (FreeBSD 14 answers 0 there, 13 did not).
 * Not here: IPv6, and metrics this stack does not keep (they are checked and ignored, as route(4) allows).
 */
import {
  AF_INET, EADDRINUSE, EBUSY, EEXIST, ENOBUFS, EPERM, ESRCH, RTF_DONE, RTF_GATEWAY, strerror,
} from '@netloom/core';
import type { Errno, Prison, RouteSpec, RouteTables, Rtentry4, RtPath, Vnet } from '@netloom/core';
import { ip4Format, ip4MaskOf } from '@netloom/core/wire';
import { err, errx, toolMain, warn, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { jailGetid, ownsNetwork } from '../jail/jail-id.js';
import { flagNames } from '../netstat/route-text.js';
import type { Proc } from '../proc.js';
import { fibList, parseRouteArgs, routeUsage } from './route-args.js';
import type { RouteArgs, RouteContext } from './route-args.js';
import { routeName } from './route-messages.js';
import { printInterfaces, routeMonitor } from './route-monitor.js';

interface Call extends RouteContext {
  readonly vnet: Vnet;
  readonly routes: RouteTables;
  readonly quiet: boolean;
  readonly numeric: boolean;
  /** -d, -t: everything but the change itself. */
  readonly dry: boolean;
  /** The prison may change its network. */
  readonly allowed: boolean;
}

export const route = toolMain((p: Proc) => {
  const parsed = getopt('46nqdtvj:', p.argv.slice(1));
  const has = (letter: string): boolean => parsed.options.some(([l]) => l === letter);
  if (parsed.error !== null) {
    warnx(p, parsed.error);
    routeUsage(p, null);
  }
  if (has('6')) errx(p, 1, 'IPv6 support is not compiled in');
  const prison = inJail(p, parsed.options.findLast(([l]) => l === 'j')?.[1] ?? null);
  const { vnet } = prison;
  const routes = vnet.routes ?? errx(p, 1, 'the vnet is going down');
  const call: Call = {
    p, vnet, routes, fibs: routes.fibs, defaultFib: p.fib, quiet: has('q'), numeric: has('n'), dry: has('d') || has('t'), allowed: ownsNetwork(prison),
    ifunit: (name) => vnet.net.ifunit(name),
  };
  const [command, ...words] = parsed.rest;
  return dispatch(call, command ?? null, words, has('d'));
});

function inJail(p: Proc, jail: string | null): Prison {
  if (jail === null) return p.prison;
  const found = jailGetid(p, p.prison, jail);
  return found.prison ?? errx(p, 1, found.jid < 0 ? 'Jail not found' : 'Cannot attach to jail');
}

function dispatch(call: Call, command: string | null, words: readonly string[], debug: boolean): Promise<number> | number {
  switch (command) {
    case 'add':
    case 'change':
    case 'delete':
    case 'del':
      return modify(call, command, parseRouteArgs(call, words));
    case 'get':
    case 'show':
      return get(call, parseRouteArgs(call, words));
    case 'flush':
      return flush(call, words);
    case 'monitor':
      return monitor(call, words, debug);
    default:
      return routeUsage(call.p, command);
  }
}

function modify(call: Call, command: string, a: RouteArgs): number {
  const { p } = call;
  const what = `${command} ${a.isHost ? 'host' : 'net'} ${a.destText}${a.gatewayText === '' ? '' : `: gateway ${a.gatewayText}`}`;
  const done: number[] = [];
  const failed: string[] = [];
  for (const fib of a.fibs) {
    const error = call.dry ? 0 : call.allowed ? apply(call, command, a, fib) : EPERM;
    if (error === 0) done.push(fib);
    else failed.push(`${what} fib ${fib}: ${errorText(error)}\n`);
  }
  if (!call.quiet) {
    if (done.length > 0) p.out(`${what}${call.fibs > 1 ? ` fib ${done.join(',')}` : ''}\n`);
    p.out(failed.join(''));
  }
  return failed.length > 0 ? 1 : 0;
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

const prefixLength = (a: RouteArgs): number => (a.isHost ? 32 : (a.plen ?? 32));

function apply(call: Call, command: string, a: RouteArgs, fib: number): Errno {
  const { routes, vnet } = call;
  const ifp = a.gatewayIfp ?? a.ifp;
  const ifa = a.ifa === null ? null : (vnet.inNet?.addrOf(a.ifa) ?? null);
  // A route that dies in the past dies at once; 0 would be a permanent one.
  const expireUs = a.expireSec === null ? null : Math.max(1, call.p.now() + a.expireSec * 1_000_000);
  const spec: RouteSpec = {
    fib, family: 'inet', dst: a.dst, plen: prefixLength(a), gateway: a.gateway, flags: a.flags,
    ...(ifp === null ? {} : { ifp }), ...(ifa === null ? {} : { ifa }), ...(a.mtu === null ? {} : { mtu: a.mtu }),
    ...(a.weight === null ? {} : { weight: a.weight }), ...(expireUs === null ? {} : { expireUs }),
  };
  if (command === 'add') return routes.add(spec);
  return command === 'change' ? routes.change(spec) : routes.delete(spec);
}

function get(call: Call, a: RouteArgs): number {
  const { p, routes } = call;
  let code = 0;
  for (const fib of a.fibs) {
    const rt = a.plen === null ? routes.get4(fib, a.dst) : routes.find(fib, AF_INET, (a.dst & ip4MaskOf(prefixLength(a))) >>> 0, prefixLength(a));
    const path = rt?.nexthops[0];
    if (rt === null || path === undefined) {
      warnx(p, 'route has not been found');
      code = 1;
    } else {
      p.out(getText(call, rt, path, a));
    }
  }
  return code;
}

function getText(call: Call, rt: Rtentry4, path: RtPath, a: RouteArgs): string {
  const { nh } = path;
  const name = (addr: number): string => routeName(addr, call.numeric);
  const lines = [`   route to: ${name(a.dst)}`, `destination: ${name(rt.dst)}`];
  if (!rt.isHost) lines.push(`       mask: ${name(ip4MaskOf(rt.plen))}`);
  if ((nh.flags & RTF_GATEWAY) !== 0) lines.push(`    gateway: ${name(nh.gw4)}`);
  lines.push(`        fib: ${rt.fib}`, `  interface: ${nh.ifp.xname}`, `      flags: ${flagNames(rt.pathFlags(nh) | RTF_DONE)}`);
  lines.push(' recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire');
  const expire = path.expireUs > 0 ? Math.ceil((path.expireUs - call.p.now()) / 1_000_000) : 0;
  const mtu = nh.mtu === 0 ? nh.ifp.mtu : nh.mtu;
  lines.push(`${[0, 0, 0, 0, mtu, path.weight].map((n) => `${String(n).padStart(8)}  `).join('')}${String(expire).padStart(8)} `);
  return `${lines.join('\n')}\n`;
}

/** The words of flush and monitor: a family, FIBs. */
function fibWords(call: Call, words: readonly string[], families: boolean): number[] {
  const fibs: number[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === '-fib') fibs.push(...fibList(call, words[++i] ?? routeUsage(call.p, word)));
    else if (!families || (word !== '-4' && word !== '-inet')) routeUsage(call.p, word);
  }
  return fibs.length > 0 ? fibs : [call.defaultFib];
}

/** Deletes every route that is through a gateway; connected routes stay. */
function flush(call: Call, words: readonly string[]): number {
  const { p, routes } = call;
  for (const fib of fibWords(call, words, true)) {
    for (const rt of routes.list(fib, AF_INET)) {
      for (const { nh } of rt.nexthops) {
        if ((nh.flags & RTF_GATEWAY) === 0 || call.dry) continue;
        if (!call.allowed) err(p, 1, 'RTM_DELROUTE failed:', EPERM);
        const error = routes.delete({ fib, family: 'inet', dst: rt.dst, plen: rt.plen, gateway: nh.gw4, flags: nh.flags });
        if (error !== 0) warn(p, 'RTM_DELROUTE failed:', error);
        else if (!call.quiet) p.out(`${flushed(call, rt, nh.gw4)} -fib ${String(fib).padEnd(3)} done\n`);
      }
    }
  }
  return 0;
}

function flushed(call: Call, rt: Rtentry4, gateway: number): string {
  const dst = rt.isHost ? routeName(rt.dst, call.numeric) : networkName(rt.dst);
  return `${dst.slice(0, 20).padEnd(20)} ${routeName(gateway, call.numeric).slice(0, 20).padEnd(20)}`;
}

/** A network without the zeros at its end: '10', '192.0.2'. */
function networkName(addr: number): string {
  return addr === 0 ? 'default' : ip4Format(addr).replace(/(\.0)+$/, '');
}

function monitor(call: Call, words: readonly string[], debug: boolean): Promise<number> | number {
  const [fib = call.defaultFib] = fibWords(call, words, false);
  const style = { numeric: call.numeric, ifunit: call.ifunit };
  return debug ? printInterfaces(call.p, call.vnet, style) : routeMonitor(call.p, call.vnet, fib, style);
}
