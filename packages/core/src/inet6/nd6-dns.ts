/**
 * nd6-dns.ts — DNS servers and search domains that routers advertise, kept for who resolves names.
 * Read first: RFC 8106 §5, §6; rtsold(8), which keeps them on FreeBSD.
 *
 * Names are resolved by the programs of the vnet (socket/stub-resolver.ts); `rtsol -l` and resolvconf show the list.
 *
 * @rfc 8106 5 yes
 * @rfc 8106 6.1 yes
 */
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_SEC } from '../base/time.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6Equals, ip6Format, ip6IsLinkLocal, ip6IsMulticast, ip6IsUnspecified, ip6Plain } from '../wire/addr6.js';
import { ND_OPT_RDNSS } from '../wire/icmp6.js';
import { ND6_INFINITE_LIFETIME } from './in6-ifaddr.js';
import type { NdRtr } from './nd6-rtr.js';

const LABEL_MAX = 63;
const NAME_MAX = 253;
const RDNSS_FIXED = 8;

export interface NdDns {
  readonly ifp: Ifnet;
  /** Who said so; zoned. */
  readonly router: Uint8Array;
  readonly kind: 'rdnss' | 'dnssl';
  /** An address (with %interface when link-local), or a domain. */
  readonly value: string;
  /** NEVER: for ever. */
  expireAt: Micros;
}

/** An RDNSS or DNSSL option at `at`, `len` bytes long. A malformed one is ignored. */
export function ndDnsInput(rtr: NdRtr, ifp: Ifnet, router: Uint8Array, v: DataView, at: number, len: number): void {
  const kind = v.getUint8(at) === ND_OPT_RDNSS ? 'rdnss' : 'dnssl';
  const lifetime = v.getUint32(at + 4);
  const expireAt = lifetime === ND6_INFINITE_LIFETIME ? NEVER : rtr.kern.engine.now + lifetime * US_PER_SEC;
  const values = kind === 'rdnss' ? servers(ifp, v, at, len) : domains(v, at + RDNSS_FIXED, at + len);
  for (const value of values) update(rtr, { ifp, router, kind, value, expireAt }, lifetime === 0);
}

function update(rtr: NdRtr, entry: NdDns, gone: boolean): void {
  const have = rtr.dns.find((d) => d.ifp === entry.ifp && d.kind === entry.kind && d.value === entry.value && ip6Equals(d.router, entry.router));
  if (have !== undefined) {
    if (gone) rtr.dns.splice(rtr.dns.indexOf(have), 1);
    else have.expireAt = entry.expireAt;
  } else if (!gone) {
    if (rtr.dns.filter((d) => d.ifp === entry.ifp).length < rtr.tun.maxifdns) rtr.dns.push(entry);
    else rtr.stats.full++;
  }
}

function servers(ifp: Ifnet, v: DataView, at: number, len: number): string[] {
  if (len < RDNSS_FIXED + 16 || (len - RDNSS_FIXED) % 16 !== 0) return [];
  const out: string[] = [];
  for (let a = at + RDNSS_FIXED; a < at + len; a += 16) {
    const addr = Uint8Array.from({ length: 16 }, (_, i) => v.getUint8(a + i));
    if (ip6IsMulticast(addr) || ip6IsUnspecified(addr)) continue;
    out.push(ip6Format(addr) + (ip6IsLinkLocal(addr) ? `%${ifp.xname}` : ''));
  }
  return out;
}

/** Names as in DNS messages, uncompressed, padded with zeros. */
function domains(v: DataView, from: number, end: number): string[] {
  const out: string[] = [];
  let labels: string[] = [];
  for (let at = from; at < end; ) {
    const n = v.getUint8(at++);
    if (n === 0) {
      const name = labels.join('.');
      labels = [];
      if (name !== '' && name.length <= NAME_MAX) out.push(name);
      continue;
    }
    if (n > LABEL_MAX || at + n > end) return out;
    let label = '';
    for (let i = 0; i < n; i++) label += String.fromCharCode(v.getUint8(at + i));
    if (!/^[A-Za-z0-9_-]+$/.test(label)) return out;
    labels.push(label);
    at += n;
  }
  return out;
}

/** The list by interface and router, for the resolver's configuration. */
export function ndDnsRecords(rtr: NdRtr): { readonly key: string; readonly nameservers: readonly string[]; readonly search: readonly string[] }[] {
  const records = new Map<string, { nameservers: string[]; search: string[] }>();
  for (const { ifp, router, kind, value } of rtr.dns) {
    const key = `${ifp.xname}:slaac:${ip6Format(ip6Plain(router))}`;
    const record = records.get(key) ?? { nameservers: [], search: [] };
    records.set(key, record);
    (kind === 'rdnss' ? record.nameservers : record.search).push(value);
  }
  return [...records].map(([key, record]) => ({ key, ...record }));
}

export function ndDnsNext(rtr: NdRtr): Micros {
  return rtr.dns.reduce((next, d) => Math.min(next, d.expireAt), NEVER);
}

export function ndDnsExpire(rtr: NdRtr): void {
  const { now } = rtr.kern.engine;
  for (const d of rtr.dns.filter((x) => x.expireAt <= now)) rtr.dns.splice(rtr.dns.indexOf(d), 1);
}
