/**
 * rtsol.ts — rtsol(8): ask the routers of a link to advertise themselves now.
 * Read first: rtsol(8). The stack asks by itself on interfaces with `accept_rtadv` (core's inet6/nd6-rtsol.ts).
 *
 *     rtsol [-dDF] interface ...      rtsol [-dDF] -a      rtsol -l [interface ...]
 *
 * Asks at once and waits for an answer, for three questions at most. `-F` makes the interface one that accepts advertisements, and this vnet a host.
 * `-l`, which is ours, prints what routers say of DNS in the form of resolv.conf(5), which is what FreeBSD's rtsol hands to its script.
 */
import { ND6_IFF_ACCEPT_RTADV, ND6_IFF_IFDISABLED, nd6SetFlags } from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { ip6Format, ip6Plain } from '@netloom/core/wire';
import { errx, toolMain, usage, warnx } from './err.js';
import { getopt } from './getopt.js';
import { ownsNetwork } from './jail/jail-id.js';
import type { Proc } from './proc.js';

const USAGE = 'usage: rtsol [-dDF] [-O script-name] [-p pidfile] [-R script-name] interface ...\n       rtsol [-dDF] [-O script-name] [-p pidfile] [-R script-name] -a\n       rtsol -l [interface ...]\n';
/** Three questions four seconds apart, and a second for the answer to the last. */
const PATIENCE_US = 13_500_000;
const POLL_US = 100_000;

function chosen(p: Proc, names: readonly string[], all: boolean): Ifnet[] {
  if (all) return p.vnet.net.ifnets.filter((ifp) => p.vnet.rtr.accepts(ifp) && ifp.isUp);
  return names.map((name) => p.vnet.net.ifunit(name) ?? errx(p, 1, `${name}: no such interface`));
}

function resolvConf(p: Proc, names: readonly string[]): number {
  const ifps = names.length === 0 ? p.vnet.net.ifnets : chosen(p, names, false);
  for (const ifp of ifps) {
    let from = '';
    for (const d of p.vnet.rtr.dns.filter((x) => x.ifp === ifp)) {
      const router = `${ip6Format(ip6Plain(d.router))}%${ifp.xname}`;
      if (router !== from) p.out(`# ${router}\n`);
      from = router;
      p.out(`${d.kind === 'rdnss' ? 'nameserver' : 'search'} ${d.value}\n`);
    }
  }
  return 0;
}

/** Makes `ifp` accept, or complains that it does not. */
function prepare(p: Proc, ifp: Ifnet, force: boolean): void {
  const { in6Net, ip6 } = p.vnet;
  const ii = in6Net.ifinfo(ifp);
  if (ii === null || ifp.lladdr.length === 0) errx(p, 1, `${ifp.xname}: no IPv6 link to ask on`);
  if (force) {
    ip6.tun.forwarding = 0;
    nd6SetFlags(in6Net, ifp, (ii.ndFlags | ND6_IFF_ACCEPT_RTADV) & ~ND6_IFF_IFDISABLED);
  }
  if (!p.vnet.rtr.accepts(ifp)) errx(p, 1, `${ifp.xname} does not accept router advertisements (ifconfig ${ifp.xname} inet6 accept_rtadv, or -F)`);
  if (!p.vnet.rtr.usesRouters) errx(p, 1, 'IPv6 forwarding is enabled: a router does not solicit routers (sysctl net.inet6.ip6.rfc6204w3=1, or -F)');
  if (!ifp.isUp) errx(p, 1, `${ifp.xname}: Network is down`);
}

async function runRtsol(p: Proc): Promise<number> {
  const { options, rest, error } = getopt('adDFlO:p:R:', p.argv.slice(1));
  if (error !== null) warnx(p, error);
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  if (error === null && has('l')) return resolvConf(p, rest);
  if (error !== null || has('a') === rest.length > 0) usage(p, 1, USAGE);
  if (!ownsNetwork(p.prison)) errx(p, 1, 'Operation not permitted');
  const ifps = chosen(p, rest, has('a'));
  p.kernel.call(p.now(), () => {
    for (const ifp of ifps) prepare(p, ifp, has('F'));
    for (const ifp of ifps) p.vnet.rtr.rtsol.start(ifp, true);
  });
  const until = p.now() + PATIENCE_US;
  while (p.now() < until && ifps.some((ifp) => p.vnet.rtr.rtsol.isAsking(ifp))) await p.sleepUs(POLL_US);
  if (has('d') || has('D')) for (const ifp of ifps) p.err(`rtsol: ${ifp.xname}: ${p.vnet.rtr.rtsol.isAsking(ifp) ? 'no answer' : 'answered'}\n`);
  return 0;
}

export const rtsol = toolMain(runRtsol);
