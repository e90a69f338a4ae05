/**
 * reverse-name.ts — the name that an address has for the way back: 7.2.0.192.in-addr.arpa.
 * Read first: RFC 1035 §3.5, RFC 3596 §2.5.
 */
import { ip4Format } from '@netloom/core/wire';

export function reverseName(addr: number | Uint8Array): string {
  if (typeof addr === 'number') return `${ip4Format(addr).split('.').reverse().join('.')}.in-addr.arpa`;
  return `${[...addr].reverse().map((b) => `${(b & 15).toString(16)}.${(b >>> 4).toString(16)}`).join('.')}.ip6.arpa`;
}

/** The address that a name in in-addr.arpa or ip6.arpa is of, or null. */
export function addressOfReverse(name: string): number | Uint8Array | null {
  const labels = name.split('.').reverse();
  if (labels[0] !== 'arpa') return null;
  const rest = labels.slice(2);
  if (labels[1] === 'in-addr' && rest.length === 4 && rest.every((l) => /^(0|[1-9][0-9]{0,2})$/.test(l) && Number(l) <= 255)) return rest.reduce((n, l) => n * 256 + Number(l), 0);
  if (labels[1] === 'ip6' && rest.length === 32 && rest.every((l) => /^[0-9a-f]$/.test(l))) return Uint8Array.from({ length: 16 }, (_, i) => parseInt(`${rest[2 * i]}${rest[2 * i + 1]}`, 16));
  return null;
}
