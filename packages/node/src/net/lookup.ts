/**
 * lookup.ts — names to addresses, by a function shaped like `dns.lookup`.
 * Read first: Node's dns.lookup and the `lookup` option of net.connect.
 *
 * A vnet has no resolver: an address stands for itself, 'localhost' for the loopback addresses, and any other name needs a `lookup` from whoever
 * connects or made the module (netOf).
 */
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { nodeError, notFound } from './node-error.js';

export type { LookupFunction } from 'node:net';

/** What is used when nobody gives one: 'localhost' and nothing else. */
export const addressesOnly: LookupFunction = (hostname, options, callback) => {
  const family = familyOf(options);
  if (hostname !== 'localhost') return void process.nextTick(callback, notFound(hostname), []);
  const all = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }].filter((a) => family === 0 || a.family === family);
  process.nextTick(callback, null, all);
};

function familyOf({ family }: LookupOptions): number {
  return family === 'IPv4' || family === 4 ? 4 : family === 'IPv6' || family === 6 ? 6 : 0;
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
    if (all.length === 0) return callback(notFound(host), []);
    callback(null, all);
  });
}
