/**
 * lists.ts — ndp -p and -r: prefixes and default routers; -P and -R forget those that routers advertised.
 * Read first: ndp(8); RFC 4861 §5.1.
 *
 *   2001:db8::/64 if=em0
 *   flags=LAO vltime=2592000, pltime=604800, expire=29d23h59m48s, ref=1
 *     advertised by
 *       fe80::1%em0 (reachable)
 */
import { EPERM, ND6_INFINITE_LIFETIME, nd6List } from '@netloom/core';
import type { NdPrefix, NdRouterView } from '@netloom/core';
import { ND_RA_FLAG_MANAGED, ND_RA_FLAG_OTHER, ND_RA_FLAG_RTPREF_MASK, ip6Equals, ip6Plain, ip6ZoneOf } from '@netloom/core/wire';
import { err } from '../err.js';
import { address6Text, hostName6 } from '../host-address6.js';
import { ownsNetwork } from '../jail/jail-id.js';
import { jsonText } from '../libxo.js';
import { sec2str } from './expire-text.js';
import type { Call } from './ndp.js';

const US_PER_S = 1_000_000;
/** By the two bits of the flags. */
const PREFERENCES = ['medium', 'high', 'rsv', 'low'] as const;

/** A prefix that came from routers knows them. */
interface Advertised {
  readonly routers?: Iterable<NdRouterView>;
}

function nameOf(call: Call, addr: Uint8Array, numeric: boolean): string {
  const name = { addr: ip6Plain(addr), scopeId: ip6ZoneOf(addr) };
  return (numeric ? null : hostName6(name)) ?? address6Text(call.p.vnet, name);
}

export function routers(call: Call): number {
  const list = call.p.vnet.nd6.rtr?.routers ?? [];
  const rows = list.map((r) => {
    const flags = `${(r.flags & ND_RA_FLAG_MANAGED) !== 0 ? 'M' : ''}${(r.flags & ND_RA_FLAG_OTHER) !== 0 ? 'O' : ''}`;
    const preference = PREFERENCES[(r.flags & ND_RA_FLAG_RTPREF_MASK) >>> 3] ?? 'medium';
    const left = Math.max(0, Math.ceil((r.expireAt - call.p.now()) / US_PER_S));
    return { hostname: nameOf(call, r.addr, call.numeric), interface: r.ifp.xname, flags, preference, left, forever: !Number.isFinite(r.expireAt) };
  });
  if (call.json !== 'none') {
    const json = rows.map(({ left, forever, ...row }) => ({ ...row, ...(forever ? { permanent: true } : { expires_sec: left }) }));
    call.p.out(jsonText({ __version: '1', ndp: { 'router-list': json } }, call.json));
    return 0;
  }
  for (const r of rows) call.p.out(`${r.hostname} if=${r.interface}, flags=${r.flags}, pref=${r.preference}, expire=${r.forever ? 'Never' : sec2str(r.left)}\n`);
  return 0;
}

export function prefixes(call: Call): number {
  const rows = call.p.vnet.in6Net.prefixes.map((pr) => row(call, pr));
  if (call.json !== 'none') call.p.out(jsonText({ __version: '1', ndp: { 'prefix-list': rows } }, call.json));
  else call.p.out(rows.map(rowText).join(''));
  return 0;
}

interface Row {
  readonly prefix: string;
  readonly interface: string;
  readonly flags: string;
  readonly 'valid-lifetime': number;
  readonly 'preferred-lifetime': number;
  readonly permanent?: true;
  readonly expires_sec?: number;
  readonly refcount: number;
  readonly 'advertising-routers': readonly { readonly hostname: string; readonly state: string }[];
}

function row(call: Call, pr: NdPrefix): Row {
  const expires = pr.vltime === ND6_INFINITE_LIFETIME ? null : Math.ceil((pr.updatedAt - call.p.now()) / US_PER_S + pr.vltime);
  const advertised = [...((pr as Advertised).routers ?? [])];
  const known = nd6List(call.p.vnet.nd6, pr.ifp);
  const stateOf = (addr: Uint8Array): string => {
    const e = known.find((k) => ip6Equals(k.addr, addr));
    return e === undefined ? 'no neighbor state' : e.lladdr === null ? 'unreachable' : 'reachable';
  };
  return {
    prefix: `${nameOf(call, pr.prefix, true)}/${pr.plen}`, interface: pr.ifp.xname,
    flags: `${pr.rafOnlink ? 'L' : ''}${pr.rafAuto ? 'A' : ''}${pr.onlink ? 'O' : ''}${pr.detached ? 'D' : ''}`,
    'valid-lifetime': pr.vltime, 'preferred-lifetime': pr.pltime, ...(expires === null ? { permanent: true } : { expires_sec: expires }), refcount: pr.addrs,
    'advertising-routers': advertised.map((r) => ({ hostname: nameOf(call, r.addr, call.numeric), state: stateOf(r.addr) })),
  };
}

function rowText(r: Row): string {
  const life = (n: number): string => (n === ND6_INFINITE_LIFETIME ? 'infinity' : String(n));
  const left = r.expires_sec;
  const expire = left === undefined ? ', expire=Never' : left >= 0 ? `, expire=${sec2str(left)}` : ', expired';
  const by = r['advertising-routers'];
  const advertised = by.length === 0 ? '  No advertising router\n' : `  advertised by\n${by.map((a) => `    ${a.hostname} (${a.state})\n`).join('')}`;
  return `${r.prefix} if=${r.interface}\nflags=${r.flags} vltime=${life(r['valid-lifetime'])}, pltime=${life(r['preferred-lifetime'])}${expire}, ref=${r.refcount}\n${advertised}`;
}

export function flushPrefixes(call: Call): number {
  if (!ownsNetwork(call.p.prison)) err(call.p, 1, 'ioctl(SIOCSPFXFLUSH_IN6)', EPERM);
  call.p.vnet.nd6.rtr?.flushPrefixes?.();
  return 0;
}

export function flushRouters(call: Call): number {
  if (!ownsNetwork(call.p.prison)) err(call.p, 1, 'ioctl(SIOCSRTRFLUSH_IN6)', EPERM);
  call.p.vnet.nd6.rtr?.flushRouters?.();
  return 0;
}
