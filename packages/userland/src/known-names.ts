/**
 * known-names.ts — names that a tool has looked up before it goes on: getaddrinfo(3), in two steps.
 * Read first: host-address.ts; socket/stub-resolver.ts of the core, which asks the vnet's name servers.
 *
 * Reading a command line does not wait; asking does. So a tool first has the names in it looked up (`lookUp`), all at once, and hands what came of that to whatever reads them
 * (`hostAddress`, `hostAddress6`, `hostAddresses`). Addresses and `localhost` are not asked for.
 */
import { HostLookup } from '@netloom/core';
import type { HostResult, Ip6Name, SockAddr, Vnet } from '@netloom/core';
import { ip6Word } from '@netloom/core/wire';
import { NO_SUCH_NAME, hostAddress } from './host-address.js';
import { hostAddress6 } from './host-address6.js';
import { progname } from './err.js';
import type { Proc } from './proc.js';

/** gai_strerror(EAI_AGAIN) */
export const NAME_NOT_NOW = 'Name could not be resolved at this time';
const FD_NONE = -1;

/** What looking up brought. */
export class KnownNames {
  private readonly results: ReadonlyMap<string, HostResult>;

  constructor(results: ReadonlyMap<string, HostResult>) {
    this.results = results;
  }

  /** Addresses of a name, IPv4's first. */
  addresses(text: string): readonly SockAddr[] {
    return this.results.get(text)?.addrs ?? [];
  }

  v4(text: string): number | null {
    return this.addresses(text).find((a): a is number => typeof a === 'number') ?? null;
  }

  v6(text: string): Ip6Name | null {
    return this.addresses(text).find((a): a is Ip6Name => typeof a !== 'number') ?? null;
  }

  /** Why there is no address, in gai_strerror(3)'s words. */
  why(text: string): string {
    return this.results.get(text)?.status === 'again' ? NAME_NOT_NOW : NO_SUCH_NAME;
  }
}

export const NO_NAMES = new KnownNames(new Map());

/** Looks up those of `texts` that are names. @param family null: both. */
export async function lookUp(p: Proc, texts: readonly (string | null | undefined)[], family: 4 | 6 | null = null): Promise<KnownNames> {
  const { vnet } = p;
  const isName = (t: string | null | undefined): t is string => typeof t === 'string' && t !== '' && hostAddress(t) === null && hostAddress6(vnet, t) === null && !t.includes('%');
  const names = [...new Set(texts.filter(isName))];
  const results = new Map<string, HostResult>();
  if (names.length === 0) return new KnownNames(results);
  const holder = { pid: p.pid, command: progname(p), prison: p.prison, fd: FD_NONE };
  const lookups = names.map((name) => p.kernel.call(p.now(), () => new HostLookup(vnet.resolver, name, family, { fib: p.fib, holder }, (result) => {
    results.set(name, result);
    p.wake();
  })));
  p.atExit(() => lookups.forEach((l) => l.cancel()));
  while (results.size < names.length) await p.sleepUs(Infinity);
  return new KnownNames(results);
}

/** The addresses of a host in the order to try them: IPv4's first, unless only IPv6 has a way there. */
export function hostAddresses(vnet: Vnet, text: string, family: 4 | 6 | null, known: KnownNames): SockAddr[] {
  const literal = [family === 6 ? null : hostAddress(text), family === 4 ? null : hostAddress6(vnet, text)].filter((a) => a !== null);
  if (literal.length > 0) return literal;
  const all = known.addresses(text).filter((a) => family === null || (typeof a === 'number') === (family === 4));
  const reachable = (a: SockAddr): boolean => typeof a === 'number' ? vnet.routes.lookup4(0, a | 0, 0) !== null : vnet.routes.lookup6(0, ip6Word(a.addr, 0), ip6Word(a.addr, 1), ip6Word(a.addr, 2), ip6Word(a.addr, 3), 0) !== null;
  return [...all.filter(reachable), ...all.filter((a) => !reachable(a))];
}
