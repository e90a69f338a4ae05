/**
 * bridge-snoop-control.ts — the requests ifconfig makes about a bridge's multicast snooping. FreeBSD has none: the words are ours.
 * Read first: bridge-snoop.ts.
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENOENT, ENXIO } from '../base/errno.js';
import { ip4Format } from '../wire/addr.js';
import { ip6Format } from '../wire/addr6.js';
import { bridgeOf } from './bridge.js';
import type { BridgePort } from './bridge-forward.js';
import type { SnoopGroup, SnoopStats } from './bridge-snoop.js';
import type { Ifnet } from './ifnet.js';

const US_PER_S = 1_000_000;
/** Most groups a bridge may be told to keep. */
const GROUPS_MAX = 65_536;

/** A group somebody behind the bridge has joined; times are seconds until it is forgotten. */
export interface BridgeGroup {
  readonly group: string;
  readonly vlan: number;
  readonly members: readonly { readonly name: string; readonly expire: number }[];
}

/** A port with a router behind it; 0 seconds: told so by the administrator. */
export interface BridgeRouterPort {
  readonly name: string;
  readonly expire: number;
}

export interface BridgeSnooping {
  readonly fastLeave: boolean;
  readonly floodUnknown: boolean;
  readonly groupsMax: number;
  readonly groups: readonly BridgeGroup[];
  readonly routers: readonly BridgeRouterPort[];
  readonly stats: Readonly<SnoopStats>;
}

/** mcsnoop, -mcsnoop. EINVAL: no bridge. */
export function bridgeSetSnooping(ifp: Ifnet, on: boolean): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null) return EINVAL;
  sc.setSnooping(on);
  return 0;
}

/** mcfastleave, mcflood and their negations. EINVAL: no bridge; ENXIO: it does not snoop. */
export function bridgeSetSnoopFlag(ifp: Ifnet, name: 'fastLeave' | 'floodUnknown', on: boolean): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null) return EINVAL;
  if (sc.fwd.snoop === null) return ENXIO;
  sc.fwd.snoop[name] = on;
  return 0;
}

/** mcmaxgroups. */
export function bridgeSetSnoopMax(ifp: Ifnet, groups: number): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null || !Number.isInteger(groups) || groups < 1 || groups > GROUPS_MAX) return EINVAL;
  if (sc.fwd.snoop === null) return ENXIO;
  sc.fwd.snoop.groupsMax = groups;
  return 0;
}

/** mcrouter, -mcrouter. ENOENT: not a member. */
export function bridgeSetRouterPort(ifp: Ifnet, member: string, on: boolean): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null) return EINVAL;
  if (sc.fwd.snoop === null) return ENXIO;
  const port = sc.fwd.order.find((p) => p.ifp.xname === member);
  if (port === undefined) return ENOENT;
  sc.fwd.snoop.setRouterPort(port, on);
  return 0;
}

/** What the bridge has learned; null when it is no bridge or does not snoop. */
export function bridgeSnooping(ifp: Ifnet): BridgeSnooping | null {
  const sc = bridgeOf(ifp);
  const snoop = sc?.fwd.snoop ?? null;
  if (sc === null || snoop === null) return null;
  const { now } = sc.fwd.engine;
  const seconds = (us: number): number => Math.ceil(us / US_PER_S);
  const nameOf = (index: number): string => sc.fwd.ports[index]?.ifp.xname ?? ifp.xname;
  const groups = snoop.groups().map((g) => ({
    group: groupText(g), vlan: g.vlan,
    members: [...g.ports].filter(([, until]) => until > now).map(([index, until]) => ({ name: nameOf(index), expire: seconds(until - now) })).sort(byName),
  })).filter((g) => g.members.length > 0).sort((a, b) => a.vlan - b.vlan || (a.group < b.group ? -1 : 1));
  const isRouter = (p: BridgePort): boolean => snoop.isFixedRouter(p) || snoop.routerFor(p) > 0;
  const routers = sc.fwd.order.filter(isRouter).map((p) => ({ name: p.ifp.xname, expire: snoop.isFixedRouter(p) ? 0 : seconds(snoop.routerFor(p)) })).sort(byName);
  return { fastLeave: snoop.fastLeave, floodUnknown: snoop.floodUnknown, groupsMax: snoop.groupsMax, groups, routers, stats: snoop.stats };
}

const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1);

function groupText(g: SnoopGroup): string {
  if ((g.w0 | g.w1 | g.w2) === 0) return ip4Format(g.w3 >>> 0);
  const bytes = new Uint8Array(16);
  const v = new DataView(bytes.buffer);
  [g.w0, g.w1, g.w2, g.w3].forEach((w, i) => v.setInt32(4 * i, w));
  return ip6Format(bytes);
}
