/**
 * addresses.ts — addresses as a filter may write them.
 * Read first: pcap-filter(7), `host`, `net`, `ether host`.
 *
 * More is allowed here than in a configuration: `10.1` is a network of sixteen bits, a MAC address may have `-`, `.` or no separators.
 * The lexer has checked the form, so only values can be wrong.
 */
import { ip6MaskOf, ip6Parse } from '@netloom/core/wire';
import { FilterError } from './filter-error.js';

/** A left-justified address and how many of its bits were written. */
export interface PartialIp4 {
  readonly addr: number;
  readonly bits: number;
}

/** One to four decimal parts. */
export function ip4Of(text: string): PartialIp4 {
  const parts = text.split('.');
  const octets = parts.map((part) => (/^[0-9]+$/.test(part) ? Number(part) : 256));
  if (octets.some((octet) => octet > 255)) throw new FilterError(`invalid IPv4 address '${text}'`);
  const addr = octets.reduce((sum, octet, i) => sum | (octet << (24 - 8 * i)), 0) >>> 0;
  return { addr, bits: 8 * octets.length };
}

/** The four words of an IPv6 address. */
export function ip6Words(text: string): readonly number[] {
  const bytes = ip6Parse(text);
  if (bytes === null) throw new FilterError(`invalid ip6 address ${text}`);
  return words(bytes);
}

/** The four words of the netmask of a prefix length 0..128. */
export const ip6MaskWords = (length: number): readonly number[] => words(ip6MaskOf(length));

function words(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return [0, 4, 8, 12].map((at) => view.getUint32(at));
}

/** Six groups, three groups of four digits, or twelve digits. */
export function macBytes(text: string): Uint8Array {
  const groups = text.split(/[-:.]/);
  const octets = groups.length === 6 ? groups : (groups.join('').match(/../g) ?? []);
  return Uint8Array.from(octets, (octet) => parseInt(octet, 16));
}
