/**
 * route.ts — route(8): change, ask and watch the routing tables.
 * Read first: route(8); route-args.ts. Exit codes: 0, 1 when the tables refused, 64 usage, 65 no such interface, 68 a bad address, 71 of IPv6.
 *
 * `route get` of a destination without a route is exit code 1 (FreeBSD 14 answers 0 there, 13 did not).
 * An IPv6 route is shown with the zone FreeBSD 14 shows: of a link-local address, the interface packets leave through.
 * Not here: metrics this stack does not keep (they are checked and ignored, as route(4) allows), IPv4 by way of IPv6 routers.
 */
import {
  AF_INET, AF_INET6, EADDRINUSE, EBUSY, EEXIST, EINPROGRESS, ENOBUFS, EPERM, ESRCH, RTF_DONE, RTF_GATEWAY, strerror,
} from '@netloom/core';
import type { Errno, IfAddr, Nexthop, Prison, RouteSpec, RouteTables, Rtentry4, Rtentry6, RtPath, Vnet } from '@netloom/core';
import { ip4Format, ip4MaskOf, ip6MaskOf } from '@netloom/core/wire';
import { err, errx, toolMain, warn, warnx } from '../err.js';
import { getopt } from '../getopt.js';
import { jailGetid, ownsNetwork } from '../jail/jail-id.js';
import { zonedText6 } from '../host-address6.js';
import { flagNames, shownZone } from '../netstat/route-text.js';
import type { Proc } from '../proc.js';
import { ToolWait } from '../tool-wait.js';
import { fibList, parseRouteArgs, routeUsage } from './route-args.js';
import type { RouteArgs, RouteContext, RouteFamily } from './route-args.js';
import { routeName } from './route-messages.js';
import type { MessageStyle } from './route-messages.js';
import { printInterfaces, routeMonitor } from './route-monitor.js';

interface Call extends RouteContext {
  readonly routes: RouteTables;
  readonly quiet: boolean;
  readonly style: MessageStyle;
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
  const prison = inJail(p, parsed.options.findLast(([l]) => l === 'j')?.[1] ?? null);
  const { vnet } = prison;
  const routes = vnet.routes ?? errx(p, 1, 'the vnet is going down');
  const call: Call = {
    p, vnet, routes, fibs: routes.fibs, defaultFib: p.fib, family: familyOption(parsed.options), quiet: has('q'), style: { numeric: has('n'), vnet }, dry: has('d') || has('t'), allowed: ownsNetwork(prison),
    ifunit: (name) => vnet.net.ifunit(name),
  };
  const [command, ...words] = parsed.rest;
  return dispatch(call, command ?? null, words, has('d'));
});

/** The last of -4 and -6. */
function familyOption(options: readonly (readonly [string, string])[]): RouteFamily | null {
  const letter = options.findLast(([l]) => l === '4' || l === '6')?.[0];
  return letter === undefined ? null : letter === '6' ? 'inet6' : 'inet';
}

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

async function modify(call: Call, command: string, a: RouteArgs): Promise<number> {
  const { p } = call;
  const what = `${command} ${a.isHost ? 'host' : 'net'} ${a.destText}${a.gatewayText === '' ? '' : `: gateway ${a.gatewayText}`}`;
  const done: number[] = [];
  const failed: string[] = [];
  for (const fib of a.fibs) {
    const error = call.dry ? 0 : call.allowed ? await apply(call, command, a, fib) : EPERM;
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

const bitsOf = (a: RouteArgs): number => (typeof a.dst === 'number' ? 32 : 128);
const prefixLength = (a: RouteArgs): number => (a.isHost ? bitsOf(a) : (a.plen ?? bitsOf(a)));

function apply(call: Call, command: string, a: RouteArgs, fib: number): Promise<Errno> | Errno {
  const { routes } = call;
  const spec = specOf(call, a, fib);
  if (command === 'add') return routes.add(spec);
  return command === 'change' ? change(call, spec) : routes.delete(spec);
}

/** A route that packets are using is changed when they are through; until then this waits. */
async function change(call: Call, spec: RouteSpec): Promise<Errno> {
  const wait = new ToolWait(call.p, []);
  const told: Errno[] = [];
  const error = call.routes.change(spec, (ended) => {
    told.push(ended);
    wait.wake();
  });
  if (error !== EINPROGRESS) return error;
  await wait.until(() => told.length > 0);
  return told[0] ?? EINPROGRESS;
}

function specOf(call: Call, a: RouteArgs, fib: number): RouteSpec {
  const ifp = a.gatewayIfp ?? a.ifp;
  const ifa = sourceOf(call.vnet, a);
  // A route that dies in the past dies at once; 0 would be a permanent one.
  const expireUs = a.expireSec === null ? null : Math.max(1, call.p.now() + a.expireSec * 1_000_000);
  const terms = {
    fib, plen: prefixLength(a), flags: a.flags,
    ...(ifp === null ? {} : { ifp }), ...(ifa === null ? {} : { ifa }), ...(a.mtu === null ? {} : { mtu: a.mtu }),
    ...(a.weight === null ? {} : { weight: a.weight }), ...(expireUs === null ? {} : { expireUs }),
  };
  if (typeof a.dst === 'number') return { ...terms, family: 'inet', dst: a.dst, gateway: typeof a.gateway === 'number' ? a.gateway : null };
  return { ...terms, family: 'inet6', dst: a.dst, gateway: typeof a.gateway === 'number' ? null : a.gateway };
}

/** The address -ifa names, if it is one of ours. */
function sourceOf(vnet: Vnet, a: RouteArgs): IfAddr | null {
  if (a.ifa === null) return null;
  return typeof a.ifa === 'number' ? (vnet.inNet?.addrOf(a.ifa) ?? null) : (vnet.in6Net?.addrOfBytes(a.ifa) ?? null);
}

function get(call: Call, a: RouteArgs): number {
  const { p } = call;
  let code = 0;
  for (const fib of a.fibs) {
    const rt = found(call.routes, a, fib);
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

/** The route of exactly the prefix given, or the one a packet to the host would take. */
function found(routes: RouteTables, a: RouteArgs, fib: number): Rtentry4 | Rtentry6 | null {
  const { dst } = a;
  if (typeof dst === 'number') return a.plen === null ? routes.get4(fib, dst) : routes.find(fib, AF_INET, dst, prefixLength(a));
  return a.plen === null ? routes.get6(fib, dst) : routes.find(fib, AF_INET6, dst, prefixLength(a));
}

const gatewayOf = (nh: Nexthop): number | Uint8Array => nh.gw6 ?? nh.gw4;

function getText(call: Call, rt: Rtentry4 | Rtentry6, path: RtPath, a: RouteArgs): string {
  const { nh } = path;
  const name = (addr: number | Uint8Array): string => routeName(addr, call.style);
  const dst = rt.dst;
  const mask = typeof dst === 'number' ? ip4MaskOf(rt.plen) : ip6MaskOf(rt.plen);
  const lines = [`   route to: ${name(a.dst)}`, `destination: ${name(typeof dst === 'number' ? dst : shownZone(dst, nh))}`];
  if (!rt.isHost) lines.push(`       mask: ${name(mask)}`);
  if ((nh.flags & RTF_GATEWAY) !== 0) lines.push(`    gateway: ${name(gatewayOf(nh))}`);
  lines.push(`        fib: ${rt.fib}`, `  interface: ${nh.ifp.xname}`, `      flags: ${flagNames(rt.pathFlags(nh) | RTF_DONE)}`);
  lines.push(' recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire');
  const expire = path.expireUs > 0 ? Math.ceil((path.expireUs - call.p.now()) / 1_000_000) : 0;
  const mtu = nh.mtu === 0 ? nh.ifp.mtu : nh.mtu;
  lines.push(`${[0, 0, 0, 0, mtu, path.weight].map((n) => `${String(n).padStart(8)}  `).join('')}${String(expire).padStart(8)} `);
  return `${lines.join('\n')}\n`;
}

/** The words of flush and monitor: FIBs, and for flush a family. */
function fibWords(call: Call, words: readonly string[], families: boolean): { readonly fibs: readonly number[]; readonly family: RouteFamily | null } {
  const fibs: number[] = [];
  let { family } = call;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const named = Object.hasOwn(FAMILY_WORDS, word) ? (FAMILY_WORDS[word] ?? null) : null;
    if (word === '-fib') fibs.push(...fibList(call, words[++i] ?? routeUsage(call.p, word)));
    else if (families && named !== null) family = named;
    else routeUsage(call.p, word);
  }
  return { fibs: fibs.length > 0 ? fibs : [call.defaultFib], family };
}

const FAMILY_WORDS: Readonly<Record<string, RouteFamily>> = { '-4': 'inet', '-inet': 'inet', '-6': 'inet6', '-inet6': 'inet6' };

/** Deletes every route that is through a gateway; connected routes stay. */
function flush(call: Call, words: readonly string[]): number {
  const { routes } = call;
  const { fibs, family } = fibWords(call, words, true);
  for (const fib of fibs) {
    if (family !== 'inet6') for (const rt of routes.list(fib, AF_INET)) flushRoute(call, rt);
    if (family !== 'inet') for (const rt of routes.list(fib, AF_INET6)) flushRoute(call, rt);
  }
  return 0;
}

function flushRoute(call: Call, rt: Rtentry4 | Rtentry6): void {
  const { p, routes } = call;
  for (const { nh } of rt.nexthops) {
    if ((nh.flags & RTF_GATEWAY) === 0 || call.dry) continue;
    if (!call.allowed) err(p, 1, 'RTM_DELROUTE failed:', EPERM);
    const { fib, plen, dst } = rt;
    const error =
      typeof dst === 'number'
        ? routes.delete({ fib, family: 'inet', dst, plen, gateway: nh.gw4, flags: nh.flags })
        : routes.delete({ fib, family: 'inet6', dst, plen, gateway: nh.gw6, flags: nh.flags });
    if (error !== 0) warn(p, 'RTM_DELROUTE failed:', error);
    else if (!call.quiet) p.out(`${flushed(call, rt, nh)} -fib ${String(fib).padEnd(3)} done\n`);
  }
}

function flushed(call: Call, rt: Rtentry4 | Rtentry6, nh: Nexthop): string {
  const { dst } = rt;
  const shown = typeof dst === 'number' ? dst : shownZone(dst, nh);
  const text = rt.isHost ? routeName(shown, call.style) : networkName(call, shown);
  return `${text.slice(0, 20).padEnd(20)} ${routeName(gatewayOf(nh), call.style).slice(0, 20).padEnd(20)}`;
}

/** An IPv4 network without the zeros at its end: '10', '192.0.2'. */
function networkName(call: Call, addr: number | Uint8Array): string {
  if (typeof addr !== 'number') return zonedText6(call.vnet, addr);
  return addr === 0 ? 'default' : ip4Format(addr).replace(/(\.0)+$/, '');
}

function monitor(call: Call, words: readonly string[], debug: boolean): Promise<number> | number {
  const [fib = call.defaultFib] = fibWords(call, words, false).fibs;
  return debug ? printInterfaces(call.p, call.vnet, call.style) : routeMonitor(call.p, call.vnet, fib, call.style);
}
