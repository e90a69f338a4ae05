/**
 * ping.ts — ping(8): ask a host whether it is there.
 * Read first: ping(8); ping-session.ts. Exit codes: 0 an answer came, 2 none came, 1 the words or the socket, 64 a wrong value, 68 no such host, 71 the system.
 *
 * A time is printed whenever the payload has the eight bytes ping(8) asks for (FreeBSD's ping wants sixteen).
 * One program for both families: -4, -6 and a numeric -S say which; otherwise the host does (host-address6.ts). `ping6` is `ping -6` by another name.
 * Not here: names of the hosts that answer, IPsec policies.
 */
import { EPERM, PF_INET, SOCK_RAW } from '@netloom/core';
import { IPPROTO_ICMP, ip4Parse, ip6Parse } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { err, errx, progname, toolMain } from '../err.js';
import { getopt } from '../getopt.js';
import { hostFamily } from '../host-address6.js';
import { lookUp } from '../known-names.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';
import { PING4_OPTS, parsePing } from './ping-options.js';
import { ping6 } from './ping6.js';
import { PING6_OPTS } from './ping6-options.js';
import { PingSession } from './ping-session.js';
import { EX_OSERR, configure } from './ping-socket.js';

export const ping = toolMain(async (p: Proc): Promise<number> => {
  const known = await lookUp(p, hostWords(p));
  return family(p, known) === 6 ? ping6(p, known) : ping4(p, known);
});

/** What may be names on the command line. */
function hostWords(p: Proc): string[] {
  const { options, rest } = getopt(progname(p) === 'ping6' ? PING6_OPTS : `${PING4_OPTS}${PING6_OPTS}`, p.argv.slice(1));
  return [...rest.slice(-1), ...options.filter(([letter]) => letter === 'S').map(([, value]) => value)];
}

/** The family meant. What is wrong with the words is said by its own parser. */
function family(p: Proc, known: KnownNames): 4 | 6 {
  if (progname(p) === 'ping6') return 6;
  const parsed = getopt(`${PING4_OPTS}${PING6_OPTS}`, p.argv.slice(1));
  for (const [letter, value] of parsed.options) {
    if (letter === '4' || letter === '6') return letter === '4' ? 4 : 6;
    if (letter === 'S' && ip4Parse(value) !== null) return 4;
    if (letter === 'S' && ip6Parse(value) !== null) return 6;
  }
  const host = parsed.rest.at(-1);
  if (parsed.error !== null || host === undefined) return 4;
  return hostFamily(p.vnet, host, known) ?? 4;
}

async function ping4(p: Proc, known: KnownNames): Promise<number> {
  const o = parsePing(p, known);
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, EX_OSERR, 'ssend socket: the vnet is going down');
  if (!p.prison.ownsVnet && p.prison.params.get('allow.raw_sockets') !== 'true') return err(p, EX_OSERR, 'ssend socket', EPERM);
  const { error, so } = sockets.socket(PF_INET, SOCK_RAW, IPPROTO_ICMP, p.fib);
  if (so === null) return err(p, EX_OSERR, 'ssend socket', error);
  p.atExit(() => so.close());
  openedBy(p, so);
  configure(p, so, o);
  return new PingSession(p, o, so).run();
}
