/**
 * test-rtr.ts — a bench for router discovery: test-ip6.ts's with an NdRtr, and router advertisements from lines.
 *
 *    `ra fe80::9 > ff02::1 life 1800 pref high hop 64 mtu 1400 reach 30000 retrans 1000 sll MAC hlim 255`
 *    `   prefix 2001:db8:1::/64 LA 86400 14400`     any number; flags, valid and preferred seconds (inf: for ever)
 *    `   route 2001:db8:9::/48 high 1800`            any number
 *    `   dns 2001:db8::53 600`, `   search example.org 600`
 */
import { ip6Format, ip6ParsePrefix, ip6Plain } from '../wire/addr6.js';
import { ND_OPT_DNSSL, ND_OPT_MTU, ND_OPT_PREFIX_INFORMATION, ND_OPT_RDNSS, ND_OPT_ROUTE_INFO, ND_OPT_SOURCE_LINKADDR, ND_ROUTER_ADVERT } from '../wire/icmp6.js';
import { ifUp } from '../net/if.js';
import { AF_INET6 } from '../net/ifnet.js';
import { ND6_INFINITE_LIFETIME } from './in6-ifaddr.js';
import { ND6_IFF_ACCEPT_RTADV, ND6_IFF_IFDISABLED } from './in6-ifinfo.js';
import { nd6SetFlags } from './nd6-flags.js';
import { NdRtr } from './nd6-rtr.js';
import { Ip6Bench, NOTHING_LEFT6, addr6, icmp6Packet, ip6Frame, lladdrOpt, macN } from './test-ip6.js';
import type { Wire6 } from './test-ip6.js';

export const NOTHING_LEFT = { ...NOTHING_LEFT6, routers: 0, prefixes: 0 };

export class RtrBench extends Ip6Bench {
  readonly rtr: NdRtr;

  constructor(seed = 1, dad = false) {
    super(seed, dad);
    this.rtr = new NdRtr(this.nd6);
  }

  /** An interface that is up and accepts advertisements; its solicitations go unseen. */
  host(accept = true): Wire6 {
    const w = this.wire();
    const ii = this.in6Net.ifinfo(w.ifp);
    if (ii === null) throw new Error('no IPv6');
    nd6SetFlags(this.in6Net, w.ifp, (ii.ndFlags & ~ND6_IFF_IFDISABLED) | (accept ? ND6_IFF_ACCEPT_RTADV : 0));
    ifUp(w.ifp);
    this.turn();
    return w;
  }

  /** A message arrives. */
  ra(w: Wire6, line: string): void {
    w.inject(raFrame(line));
  }

  /** Seconds pass. */
  wait(seconds: number): void {
    this.turn(seconds * 1_000_000);
  }

  /** Global addresses of `w` with flags and lifetimes left: `2001:db8::1/64 autoconf deprecated 86400 14400`. */
  addrs(w: Wire6): string[] {
    const { now } = this.engine;
    const left = (ia: { updatedAt: number }, s: number): string => (s === ND6_INFINITE_LIFETIME ? 'inf' : String(Math.round((ia.updatedAt - now) / 1e6) + s));
    return this.in6Net.addrsOf(w.ifp).filter((ia) => ia.k0 >>> 22 !== 0x3fa).map((ia) => {
      const words = ([[2, 'tentative'], [8, 'detached'], [0x10, 'deprecated'], [0x40, 'autoconf'], [0x80, 'temporary']] as const).filter(([f]) => (ia.flags & f) !== 0).map(([, name]) => ` ${name}`).join('');
      return `${ip6Format(ia.addr)}/${ia.plen}${words} ${left(ia, ia.vltime)} ${left(ia, ia.pltime)}`;
    });
  }

  /** Default route and routes by gateway: `default fe80::9%em0`. */
  gateways(): string[] {
    return this.routes.list(0, AF_INET6).flatMap((rt) => rt.nexthops.filter((p) => p.nh.gw6 !== null).map((p) => {
      const dst = rt.plen === 0 ? 'default' : `${ip6Format(ip6Plain(rt.dst))}/${rt.plen}`;
      return `${dst} ${ip6Format(ip6Plain(p.nh.gw6 as Uint8Array))}%${p.nh.ifp.xname}`;
    }));
  }

  /** Is `prefix` on the link of somebody? The interface's name, or null. */
  onlink(prefix: string): string | null {
    const p = ip6ParsePrefix(prefix);
    if (p === null) throw new Error(prefix);
    return this.routes.find(0, AF_INET6, p.addr, p.len)?.nexthops[0]?.nh.ifp.xname ?? null;
  }

  override destroy(): void {
    for (const ifp of [...this.net.ifnets]) this.in6Net.purgeAddrs(ifp);
    this.rtr.destroy();
    super.destroy();
  }

  override leftovers(): Record<string, number> {
    return { ...super.leftovers(), routers: this.rtr.routers.length + this.rtr.rtinfo.length + this.rtr.dns.length, prefixes: this.in6Net.prefixes.length };
  }
}

function u32(n: number): number[] {
  return [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
}

const seconds = (t: string | undefined): number => (t === 'inf' ? ND6_INFINITE_LIFETIME : Number(t ?? 0));
const PREF: Readonly<Record<string, number>> = { high: 0x08, medium: 0, low: 0x18 };

function prefixOf(text: string | undefined): { addr: Uint8Array; len: number } {
  const p = ip6ParsePrefix(text ?? '');
  if (p === null) throw new Error(`not a prefix: ${text}`);
  return p;
}

/** The options words of a line ask for. */
function options(w: readonly string[]): number[] {
  const out: number[] = [];
  w.forEach((word, i) => {
    const a = w[i + 1];
    if (word === 'prefix') {
      const p = prefixOf(a);
      const flags = (w[i + 2]?.includes('L') === true ? 0x80 : 0) | (w[i + 2]?.includes('A') === true ? 0x40 : 0);
      out.push(ND_OPT_PREFIX_INFORMATION, 4, p.len, flags, ...u32(seconds(w[i + 3])), ...u32(seconds(w[i + 4])), 0, 0, 0, 0, ...p.addr);
    } else if (word === 'route') {
      const p = prefixOf(a);
      const n = p.len === 0 ? 1 : p.len <= 64 ? 2 : 3;
      out.push(ND_OPT_ROUTE_INFO, n, p.len, PREF[w[i + 2] ?? ''] ?? 0, ...u32(seconds(w[i + 3])), ...p.addr.subarray(0, 8 * (n - 1)));
    } else if (word === 'mtu') {
      out.push(ND_OPT_MTU, 1, 0, 0, ...u32(Number(a)));
    } else if (word === 'dns') {
      out.push(ND_OPT_RDNSS, 3, 0, 0, ...u32(seconds(w[i + 2])), ...addr6(a ?? ''));
    } else if (word === 'search') {
      const name = (a ?? '').split('.').flatMap((l) => [l.length, ...[...l].map((c) => c.charCodeAt(0))]);
      const body = [...name, 0, ...new Array<number>((8 - ((name.length + 1) % 8)) % 8).fill(0)];
      out.push(ND_OPT_DNSSL, 1 + body.length / 8, 0, 0, ...u32(seconds(w[i + 2])), ...body);
    } else if (word === 'sll') {
      out.push(...lladdrOpt(ND_OPT_SOURCE_LINKADDR, a ?? ''));
    }
  });
  return out;
}

/** A frame with the message of a line. */
export function raFrame(line: string): Uint8Array {
  const w = line.split(/\s+/);
  const after = (word: string): string | undefined => (w.includes(word) ? w[w.indexOf(word) + 1] : undefined);
  const [, src = '', , dst = ''] = w;
  const head = ((Number(after('hop') ?? 0) << 24) | ((PREF[after('pref') ?? 'medium'] ?? 0) << 16) | Number(after('life') ?? 0)) >>> 0;
  const data = Uint8Array.from([...u32(Number(after('reach') ?? 0)), ...u32(Number(after('retrans') ?? 0)), ...options(w)]);
  const packet = icmp6Packet(src, dst, ND_ROUTER_ADVERT, Number(after('code') ?? 0), head, data, Number(after('hlim') ?? 255));
  return ip6Frame(dst.startsWith('ff') ? null : macN(1), after('sll') ?? macN(0x99), packet);
}
