/**
 * peer-address.ts — an address of either family, as packets carry it: 4 or 16 bytes.
 */
import { ip4Format, ip4Parse } from '../../wire/addr.js';
import { ip6Format, ip6Parse } from '../../wire/addr6.js';

/** Network order, 4 or 16 bytes. */
export type IpBytes = Uint8Array;

export function ipBytesOfNumber(addr: number): IpBytes {
  return Uint8Array.of(addr >>> 24, (addr >>> 16) & 255, (addr >>> 8) & 255, addr & 255);
}

export function ipNumber(bytes: IpBytes): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

/** null for what is no address. */
export function ipBytesParse(text: string): IpBytes | null {
  if (text.includes(':')) return ip6Parse(text);
  const addr = ip4Parse(text);
  return addr === null ? null : ipBytesOfNumber(addr);
}

export const ipFormat = (bytes: IpBytes): string => (bytes.length === 4 ? ip4Format(ipNumber(bytes)) : ip6Format(bytes));

export const ipEquals = (a: IpBytes, b: IpBytes): boolean => a.length === b.length && a.every((x, i) => x === b[i]);
