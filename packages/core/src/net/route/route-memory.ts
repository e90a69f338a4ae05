/**
 * route-memory.ts — what the compiled tables of a vnet occupy: `net.route.memory`, `net.route.tables`.
 * Read first: fwd/fib4.ts, fwd/fib6.ts ("Shapes"); docs/routing.md.
 *
 * A table grows with its routes: in the worst case, prefixes longer than the root none of which share a node, by the nodes of one prefix for each route. Not here: the
 * routes themselves, which are objects of the engine's heap.
 */
import { sysctlRead } from '../../kern/sysctl.js';
import type { SysctlOid } from '../../kern/sysctl.js';
import { AF_INET } from '../ifnet.js';
import type { Rib } from './rib.js';
import type { RouteState } from './route-state.js';

const HEAD = 'family  fib   routes  root     nodes       bytes';

/** Bytes of all compiled tables, and of the next hops and groups that they lead to. */
export function routeMemory(state: RouteState): number {
  return state.ribs().reduce((n, rib) => n + (rib.table?.bytes ?? 0), state.store.table.bytes);
}

/** A line for each FIB that has routes; one that is not compiled occupies nothing yet. */
export function routeTables(state: RouteState): string {
  return [HEAD, ...state.ribs().map(line)].join('\n');
}

function line(rib: Rib): string {
  const { table } = rib;
  const family = rib.af === AF_INET ? 'inet' : 'inet6';
  const cells = [String(rib.fibnum).padStart(4), String(rib.count).padStart(8), String(table?.rootBits ?? 0).padStart(5), String(table?.nodes ?? 0).padStart(9), String(table?.bytes ?? 0).padStart(11)];
  return `${family.padEnd(6)} ${cells.join(' ')}`;
}

export const ROUTE_MEMORY_OIDS: readonly SysctlOid<RouteState>[] = [
  sysctlRead<RouteState>('memory', 'int', 'bytes', 'Compiled routing tables and next hops', routeMemory),
  { ...sysctlRead<RouteState>('tables', 'string', '', 'Size of each compiled routing table', routeTables), skip: true },
];
