/**
 * resolv-conf.ts — where programs of a vnet ask for names: resolvconf(8)'s records.
 * Read first: resolv.conf(5), resolvconf(8).
 *
 * A record is what one source says: a lease of DHCP, a router (those of IPv6 come from the list that neighbour discovery keeps, `routers`), a person. Its key is the interface and
 * the kind of source, `em0:dhcp4`. Records of people come first, then those of leases and routers in the order they came; the same server is asked once.
 *
 * Invariants: at most RESOLV_RECORDS_MAX records of at most RESOLV_VALUES_MAX servers and as many domains; more is refused with ENOSPC.
 * Not here: asking (stub-resolver.ts).
 */
import type { Errno } from '../base/errno.js';
import { ENOSPC } from '../base/errno.js';

/** Servers asked, and domains tried, at most: three and six in other systems. */
export const MAXNS = 8;
export const MAXDNSRCH = 8;
export const RESOLV_RECORDS_MAX = 64;
export const RESOLV_VALUES_MAX = 16;

export interface ResolvRecord {
  readonly key: string;
  /** Addresses, with %interface when link-local. */
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
}

export class ResolvConf {
  /** What routers of IPv6 tell now. */
  routers: () => readonly ResolvRecord[] = () => [];
  private readonly records = new Map<string, ResolvRecord>();

  /** Adds a record, or puts another in the place of the one with its key. ENOSPC. */
  set(record: ResolvRecord): Errno {
    if (record.nameservers.length > RESOLV_VALUES_MAX || record.search.length > RESOLV_VALUES_MAX) return ENOSPC;
    if (!this.records.has(record.key) && this.records.size >= RESOLV_RECORDS_MAX) return ENOSPC;
    this.records.set(record.key, record);
    return 0;
  }

  /** False: there is none with this key. */
  delete(key: string): boolean {
    return this.records.delete(key);
  }

  list(): ResolvRecord[] {
    const byPeople = (r: ResolvRecord): boolean => !r.key.includes(':');
    const own = [...this.records.values()];
    return [...own.filter(byPeople), ...own.filter((r) => !byPeople(r)), ...this.routers()];
  }

  get nameservers(): string[] {
    return [...new Set(this.list().flatMap((r) => r.nameservers))].slice(0, MAXNS);
  }

  get search(): string[] {
    return [...new Set(this.list().flatMap((r) => r.search))].slice(0, MAXDNSRCH);
  }
}
