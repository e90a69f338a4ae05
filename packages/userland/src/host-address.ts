/**
 * host-address.ts — a host as people write it, to its IPv4 address.
 * Read first: inet_aton(3), hosts(5).
 *
 * Addresses in all of inet_aton's forms, and the one name every hosts file has. Other names are looked up before (known-names.ts), by the vnet's name servers: the names of the machine
 * the program runs on mean nothing inside it.
 */
import { INADDR_LOOPBACK, inetAton } from '@netloom/core/wire';

/** gai_strerror(3) for a name nobody knows. */
export const NO_SUCH_NAME = 'Name does not resolve';

/** Names with their addresses, as known-names.ts has them. */
export interface Names4 {
  v4(text: string): number | null;
}

/** Host-order address, or null for what is neither an address, nor `localhost`, nor a known name. */
export function hostAddress(text: string, known: Names4 | null = null): number | null {
  return text === 'localhost' ? INADDR_LOOPBACK : (inetAton(text) ?? known?.v4(text) ?? null);
}

/** The name of an address, or null: the address is its name. */
export function hostName(addr: number): string | null {
  return addr === INADDR_LOOPBACK ? 'localhost' : null;
}
