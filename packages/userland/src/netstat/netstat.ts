/**
 * netstat.ts — netstat(1): routes, interfaces, protocol statistics, sockets.
 * Read first: netstat(1). Exit codes: 0, 1 for what is refused, 64 for a FIB and 65 for an interface that is not there.
 *
 * Everything is read from the objects the stack itself uses, in one turn; nothing is kept here. `--json` prints what FreeBSD's `--libxo json` prints.
 * Not here: what a kernel keeps and this stack does not (netisr queues, routing statistics, core files): such options say so.
 */
import type { Prison } from '@netloom/core';
import { errx, toolMain } from '../err.js';
import { jailGetid, ownsNetwork } from '../jail/jail-id.js';
import type { Proc } from '../proc.js';
import { netstatInterfaces } from './interfaces.js';
import { netstatMemory } from './memory.js';
import { netstatMulticast } from './mroute.js';
import { parseNetstat } from './options.js';
import { netstatNexthops, netstatRoutes } from './routes.js';
import { netstatSockets } from './sockets.js';
import { checkProtocol, netstatStatistics, warnWithoutSockets } from './statistics.js';
import { netstatWatch } from './watch.js';

export const netstat = toolMain((p: Proc) => {
  const o = parseNetstat(p);
  const prison = inJail(p, o.jail);
  const { vnet } = prison;
  if (o.protocol !== null) checkProtocol(p, vnet, o.protocol);
  if (o.memory) return netstatMemory(p, o);
  if (o.interfaces && o.statistics === 0) return o.intervalSec > 0 ? netstatWatch(p, vnet, o) : netstatInterfaces(p, vnet, o);
  if (o.routes) return o.statistics > 0 ? netstatStatistics(p, vnet, ownsNetwork(prison), o) : netstatRoutes(p, vnet, o);
  if (o.nexthops) return netstatNexthops(p, vnet, o);
  if (o.multicast) return netstatMulticast(p, vnet, o);
  if (o.statistics > 0) return netstatStatistics(p, vnet, ownsNetwork(prison), o);
  if (o.protocol !== null) warnWithoutSockets(p, o.protocol);
  return netstatSockets(p, vnet, o);
});

function inJail(p: Proc, jail: string | null): Prison {
  if (jail === null) return p.prison;
  const found = jailGetid(p, p.prison, jail);
  return found.prison ?? errx(p, 1, found.jid < 0 ? 'Jail not found' : 'Cannot attach to jail');
}
