/**
 * ping.ts — ping(8): ask a host whether it is there.
 * Read first: ping(8); ping-session.ts. Exit codes: 0 an answer came, 2 none came, 1 the words or the socket, 64 a wrong value, 68 no such host, 71 the system.
 *
 * A time is printed whenever the payload has the eight bytes ping(8) asks for (FreeBSD's ping wants sixteen).
 * Not here: IPv6 (`ping -6` and `ping6` say so), names beyond host-address.ts, IPsec policies.
 */
import { EPERM, PF_INET, SOCK_RAW } from '@netloom/core';
import { IPPROTO_ICMP } from '@netloom/core/wire';
import { err, errx, progname, toolMain } from '../err.js';
import type { Proc } from '../proc.js';
import { parsePing } from './ping-options.js';
import { PingSession } from './ping-session.js';
import { EX_OSERR, configure } from './ping-socket.js';

const EX_USAGE = 64;

export const ping = toolMain(async (p: Proc): Promise<number> => {
  if (progname(p) === 'ping6') errx(p, EX_USAGE, 'IPv6 is not built in: use ping and an IPv4 address');
  const o = parsePing(p);
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, EX_OSERR, 'ssend socket: the vnet is going down');
  if (!p.prison.ownsVnet && p.prison.params.get('allow.raw_sockets') !== 'true') return err(p, EX_OSERR, 'ssend socket', EPERM);
  const { error, so } = sockets.socket(PF_INET, SOCK_RAW, IPPROTO_ICMP, p.fib);
  if (so === null) return err(p, EX_OSERR, 'ssend socket', error);
  p.atExit(() => so.close());
  configure(p, so, o);
  return new PingSession(p, o, so).run();
});
