/**
 * in6-addrpolicy.ts — the policy table of address selection: `ip6addrctl`.
 * Read first: RFC 6724 §2.1; ip6addrctl(8); FreeBSD's netinet6/in6_src.c, in6_addrpolicy.
 *
 * A vnet begins with the table of RFC 6724, which FreeBSD's start-up script installs; it is shared by all vnets until somebody changes his.
 *
 * @rfc 6724 2.1 yes
 */
import type { Errno } from '../base/errno.js';
import { EEXIST, EINVAL, ENOSPC, ESRCH } from '../base/errno.js';
import { ip6Equals, ip6InPrefix, ip6MaskOf, ip6Parse } from '../wire/addr6.js';

export interface In6Addrpolicy {
  /** Network address, 16 bytes, and its length. */
  readonly prefix: Uint8Array;
  readonly plen: number;
  /** The larger the better a destination. */
  readonly prec: number;
  readonly label: number;
  /** Packets sent to destinations of it whose source was chosen. */
  use: number;
}

/** ADDR_LABEL_NOTAPP: no entry fits. */
export const ADDR_LABEL_NOTAPP = -1;
const POLICIES_MAX = 1_024;

const policy = (prefix: string, plen: number, prec: number, label: number): In6Addrpolicy => ({ prefix: ip6Parse(prefix) ?? new Uint8Array(16), plen, prec, label, use: 0 });

/** RFC 6724 §2.1, and the order in which ip6addrctl(8) shows it. */
const defaults = (): In6Addrpolicy[] => [
  policy('::1', 128, 50, 0), policy('::', 0, 40, 1), policy('::ffff:0:0', 96, 35, 4), policy('2002::', 16, 30, 2), policy('2001::', 32, 5, 5),
  policy('fc00::', 7, 3, 13), policy('::', 96, 1, 3), policy('fec0::', 10, 1, 11), policy('3ffe::', 16, 1, 12),
];

export class In6Addrpolicies {
  private own: In6Addrpolicy[] | null = null;

  list(): readonly In6Addrpolicy[] {
    return (this.own ??= defaults());
  }

  /** SIOCAADDRCTL_POLICY. EINVAL prefix length or host bits, EEXIST, ENOSPC too many. */
  add(prefix: Uint8Array, plen: number, prec: number, label: number): Errno {
    if (plen < 0 || plen > 128 || label === ADDR_LABEL_NOTAPP) return EINVAL;
    const list = [...this.list()];
    const net = masked(prefix, plen);
    if (list.some((p) => p.plen === plen && ip6Equals(p.prefix, net))) return EEXIST;
    if (list.length >= POLICIES_MAX) return ENOSPC;
    list.push({ prefix: net, plen, prec, label, use: 0 });
    this.own = list;
    return 0;
  }

  /** SIOCDADDRCTL_POLICY. ESRCH: there is none. */
  remove(prefix: Uint8Array, plen: number): Errno {
    const net = masked(prefix, plen);
    const list = this.list();
    const rest = list.filter((p) => p.plen !== plen || !ip6Equals(p.prefix, net));
    if (rest.length === list.length) return ESRCH;
    this.own = rest;
    return 0;
  }

  flush(): void {
    this.own = [];
  }

  /** The entry with the longest prefix that `addr` (plain form) is in, or null. */
  lookup(addr: Uint8Array): In6Addrpolicy | null {
    let best: In6Addrpolicy | null = null;
    for (const p of this.list()) if ((best === null || p.plen > best.plen) && ip6InPrefix(addr, p.prefix, p.plen)) best = p;
    return best;
  }
}

function masked(prefix: Uint8Array, plen: number): Uint8Array {
  const mask = ip6MaskOf(plen);
  return prefix.map((b, i) => b & mask[i]!);
}
