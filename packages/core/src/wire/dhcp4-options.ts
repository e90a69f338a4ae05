/**
 * dhcp4-options.ts — the options of DHCP for IPv4: their numbers and what is in them.
 * Read first: RFC 2132; RFC 3046 (relay agents), RFC 3397 (search list), RFC 3442 (classless routes), RFC 3527 (link selection).
 *
 * Readers answer null for what is not well formed. Makers take what they are given.
 *
 * @rfc 2132 3 yes
 * @rfc 2132 9 yes
 * @rfc 3046 2.0 yes
 * @rfc 3397 2 yes
 * @rfc 3442 yes
 * @rfc 3527 2 yes
 */
import { DnsNameWriter, dnsNameRead } from './dns-name.js';
import { ip4MaskOf } from './addr.js';
import { utf8Decode } from './utf8.js';

export const DHO_SUBNET_MASK = 1;
export const DHO_TIME_OFFSET = 2;
export const DHO_ROUTERS = 3;
export const DHO_NAME_SERVERS = 6;
export const DHO_HOST_NAME = 12;
export const DHO_DOMAIN_NAME = 15;
export const DHO_INTERFACE_MTU = 26;
export const DHO_BROADCAST_ADDRESS = 28;
export const DHO_STATIC_ROUTES = 33;
export const DHO_NTP_SERVERS = 42;
export const DHO_VENDOR = 43;
export const DHO_REQUESTED_ADDRESS = 50;
export const DHO_LEASE_TIME = 51;
export const DHO_OVERLOAD = 52;
export const DHO_MESSAGE_TYPE = 53;
export const DHO_SERVER_ID = 54;
export const DHO_PARAMETER_LIST = 55;
export const DHO_MESSAGE = 56;
export const DHO_MESSAGE_SIZE = 57;
export const DHO_RENEWAL_TIME = 58;
export const DHO_REBINDING_TIME = 59;
export const DHO_VENDOR_CLASS = 60;
export const DHO_CLIENT_ID = 61;
export const DHO_TFTP_SERVER = 66;
export const DHO_BOOTFILE = 67;
export const DHO_RELAY_AGENT = 82;
export const DHO_SUBNET_SELECTION = 118;
export const DHO_SEARCH = 119;
export const DHO_CLASSLESS_ROUTES = 121;

/** Sub-options of the relay agent's. */
export const RAI_CIRCUIT_ID = 1;
export const RAI_REMOTE_ID = 2;
export const RAI_LINK_SELECTION = 5;
export const RAI_SERVER_OVERRIDE = 11;

/** A lease of this many seconds ends never. */
export const DHCP4_INFINITE = 0xffff_ffff;

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.length);

export const dho8 = (n: number): Uint8Array => Uint8Array.of(n);
export const dho16 = (n: number): Uint8Array => Uint8Array.of((n >>> 8) & 0xff, n & 0xff);
export const dho32 = (n: number): Uint8Array => Uint8Array.of(n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff);
export const dhoAddrs = (addrs: readonly number[]): Uint8Array => Uint8Array.from(addrs.flatMap((a) => [...dho32(a)]));

/** A number of two bytes, or null. */
export function dho16Of(data: Uint8Array | undefined): number | null {
  return data?.length === 2 ? viewOf(data).getUint16(0) : null;
}

/** A number or an address of four bytes, or null. */
export function dho32Of(data: Uint8Array | undefined): number | null {
  return data?.length === 4 ? viewOf(data).getUint32(0) : null;
}

/** A list of addresses, one at least, or null. */
export function dhoAddrsOf(data: Uint8Array | undefined): number[] | null {
  if (data === undefined || data.length === 0 || data.length % 4 !== 0) return null;
  return Array.from({ length: data.length / 4 }, (_, i) => viewOf(data).getUint32(4 * i));
}

/** A text, without the zero that some put behind it; null when nothing is left. */
export function dhoTextOf(data: Uint8Array | undefined): string | null {
  if (data === undefined) return null;
  const zero = data.indexOf(0);
  const text = utf8Decode(data, 0, zero < 0 ? data.length : zero);
  return text === '' ? null : text;
}

export interface Dhcp4Route {
  readonly net: number;
  readonly plen: number;
  /** 0: the destination is on the link itself. */
  readonly router: number;
}

/** RFC 3442: of a network only the bytes that its length covers are sent. */
export function dhoRoutes(routes: readonly Dhcp4Route[]): Uint8Array {
  return Uint8Array.from(routes.flatMap((r) => [r.plen, ...dho32(r.net).subarray(0, significant(r.plen)), ...dho32(r.router)]));
}

const significant = (plen: number): number => Math.ceil(plen / 8);

export function dhoRoutesOf(data: Uint8Array | undefined): Dhcp4Route[] | null {
  if (data === undefined || data.length === 0) return null;
  const routes: Dhcp4Route[] = [];
  for (let at = 0; at < data.length; ) {
    const plen = data[at] ?? 0;
    const n = significant(plen);
    if (plen > 32 || at + 1 + n + 4 > data.length) return null;
    const net = new Uint8Array(4);
    net.set(data.subarray(at + 1, at + 1 + n));
    routes.push({ net: (viewOf(net).getUint32(0) & ip4MaskOf(plen)) >>> 0, plen, router: viewOf(data).getUint32(at + 1 + n) });
    at += 1 + n + 4;
  }
  return routes;
}

/** RFC 3397: names as in a DNS message, pointing into the option. */
export function dhoSearch(names: readonly string[]): Uint8Array {
  const out: number[] = [];
  const writer = new DnsNameWriter();
  for (const name of names) writer.write(out, name);
  return Uint8Array.from(out);
}

export function dhoSearchOf(data: Uint8Array | undefined): string[] | null {
  if (data === undefined || data.length === 0) return null;
  const names: string[] = [];
  for (let at = 0; at < data.length; ) {
    const name = dnsNameRead(data, at, data.length);
    if (name === null) return null;
    names.push(name.name);
    at = name.next;
  }
  return names;
}

/** Options inside an option: the relay agent's. Null: one goes beyond. */
export function dhoSubOptionsOf(data: Uint8Array): Map<number, Uint8Array> | null {
  const out = new Map<number, Uint8Array>();
  for (let at = 0; at < data.length; ) {
    const end = at + 2 + (data[at + 1] ?? data.length);
    if (end > data.length) return null;
    out.set(data[at] ?? 0, data.slice(at + 2, end));
    at = end;
  }
  return out;
}

export function dhoSubOptions(options: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  return Uint8Array.from(options.flatMap(([code, data]) => [code, data.length, ...data]));
}
