/**
 * lookup.ts — names to addresses, by a function shaped like `dns.lookup`.
 * Read first: Node's dns.lookup and the `lookup` option of net.connect; packages/core/src/socket/stub-resolver.ts.
 *
 * An address stands for itself, and 'localhost' for the loopback addresses. Any other name is asked of the vnet's name servers, unless whoever connects or made the module (netOf, dgramOf) gave
 * a `lookup`. IPv4's addresses come first, and of `hints` nothing is taken.
 */
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { HostLookup } from '@netloom/core';
import type { HostResult } from '@netloom/core';
import { ip4Format, ip6Format } from '@netloom/core/wire';
import { nodeError, notFound, tryAgain } from './node-error.js';
import type { VnetDoor } from './vnet-door.js';

export type { LookupFunction } from 'node:net';

/** What is used when nobody gives one: the vnet's own resolver. */
export function vnetLookup(door: VnetDoor): LookupFunction {
  return (hostname, options, callback) => {
    const family = familyOf(options);
    if (hostname === 'localhost') {
      const all = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }].filter((a) => family === null || a.family === family);
      return void process.nextTick(callback, null, all);
    }
    // The resolver answers on the packet path, or at once.
    const tell = (result: HostResult): void => door.later({ attend: () => callback(errorOf(hostname, result, door), addressesOf(result)) });
    door.call(() => new HostLookup(door.vnet.resolver, hostname, family, {}, tell));
  };
}

function errorOf(hostname: string, { status }: HostResult, { vnet }: VnetDoor): NodeJS.ErrnoException | null {
  if (status === 'found') return null;
  return status === 'again' ? tryAgain(hostname) : notFound(hostname, vnet.resolver.conf.nameservers.length === 0);
}

const addressesOf = ({ addrs }: HostResult): LookupAddress[] => addrs.map((a) => (typeof a === 'number' ? { address: ip4Format(a), family: 4 } : { address: ip6Format(a.addr), family: 6 }));

function familyOf({ family }: LookupOptions): 4 | 6 | null {
  return family === 'IPv4' || family === 4 ? 4 : family === 'IPv6' || family === 6 ? 6 : null;
}

/** All addresses of `host`, in the order to try them. `callback` comes later, never at once. */
export function resolve(host: string, family: number, hints: number | undefined, lookup: LookupFunction, callback: (error: Error | null, addresses: readonly LookupAddress[]) => void): void {
  const literal = isIP(host);
  if (literal !== 0) return void process.nextTick(callback, null, [{ address: host, family: literal }]);
  lookup(host, { family, all: true, ...(hints === undefined ? {} : { hints }) }, (error, address, its) => {
    if (error) return callback(error, []);
    const all = typeof address === 'string' ? [{ address, family: its ?? isIP(address) }] : address;
    const bad = all.find((a) => isIP(a.address) === 0);
    if (bad !== undefined) return callback(nodeError('ERR_INVALID_IP_ADDRESS', `Invalid IP address: ${bad.address}`, TypeError), []);
    if (all.length === 0) return callback(notFound(host, false), []);
    callback(null, all);
  });
}
