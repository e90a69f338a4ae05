/**
 * option-names.ts — options of DHCP for IPv4 by their names in dhcp-options(5), and their values as people write them.
 * Read first: dhcp-options(5); RFC 2132.
 *
 *     option domain-name-servers 10.0.1.1, 10.0.1.2;
 *     option domain-search "lab.example", "example";
 *     option classless-static-routes 10.2.0.0/16 10.0.1.9, 0.0.0.0/0 10.0.1.1;
 *     option option-150 0a:00:01:05;                                              any option, in bytes
 *
 * `rfc3442-classless-static-routes` takes the same routes; its form in bytes, as isc-dhcp wants it, is `option option-121`.
 */
import {
  DHO_BOOTFILE, DHO_BROADCAST_ADDRESS, DHO_CLASSLESS_ROUTES, DHO_CLIENT_ID, DHO_DOMAIN_NAME, DHO_HOST_NAME, DHO_INTERFACE_MTU, DHO_LEASE_TIME, DHO_MESSAGE, DHO_NAME_SERVERS, DHO_NTP_SERVERS,
  DHO_REBINDING_TIME, DHO_RENEWAL_TIME, DHO_ROUTERS, DHO_SEARCH, DHO_SERVER_ID, DHO_STATIC_ROUTES, DHO_SUBNET_MASK, DHO_TFTP_SERVER, DHO_TIME_OFFSET, DHO_VENDOR, DHO_VENDOR_CLASS, dho16, dho32,
  dho8, dhoAddrs, dhoAddrsOf, dhoRoutes, dhoRoutesOf, dhoSearch, dhoSearchOf, dhoTextOf, dnsNameOf, ip4Format, ip4Parse, ip4ParsePrefix, utf8Encode,
} from '@netloom/core/wire';
import type { ConfWord } from './conf-statements.js';

type Kind = 'address' | 'addresses' | 'pairs' | 'text' | 'u8' | 'u16' | 'u32' | 'i32' | 'flag' | 'names' | 'routes' | 'hex';

const OPTIONS: readonly (readonly [code: number, name: string, kind: Kind])[] = [
  [DHO_SUBNET_MASK, 'subnet-mask', 'address'], [DHO_TIME_OFFSET, 'time-offset', 'i32'], [DHO_ROUTERS, 'routers', 'addresses'], [4, 'time-servers', 'addresses'],
  [DHO_NAME_SERVERS, 'domain-name-servers', 'addresses'], [7, 'log-servers', 'addresses'], [9, 'lpr-servers', 'addresses'], [DHO_HOST_NAME, 'host-name', 'text'], [13, 'boot-size', 'u16'],
  [DHO_DOMAIN_NAME, 'domain-name', 'text'], [17, 'root-path', 'text'], [19, 'ip-forwarding', 'flag'], [23, 'default-ip-ttl', 'u8'], [DHO_INTERFACE_MTU, 'interface-mtu', 'u16'],
  [DHO_BROADCAST_ADDRESS, 'broadcast-address', 'address'], [DHO_STATIC_ROUTES, 'static-routes', 'pairs'], [40, 'nis-domain', 'text'], [41, 'nis-servers', 'addresses'],
  [DHO_NTP_SERVERS, 'ntp-servers', 'addresses'], [DHO_VENDOR, 'vendor-encapsulated-options', 'hex'], [44, 'netbios-name-servers', 'addresses'], [DHO_LEASE_TIME, 'dhcp-lease-time', 'u32'],
  [DHO_SERVER_ID, 'dhcp-server-identifier', 'address'], [DHO_MESSAGE, 'dhcp-message', 'text'], [DHO_RENEWAL_TIME, 'dhcp-renewal-time', 'u32'],
  [DHO_REBINDING_TIME, 'dhcp-rebinding-time', 'u32'], [DHO_VENDOR_CLASS, 'vendor-class-identifier', 'text'], [DHO_CLIENT_ID, 'dhcp-client-identifier', 'hex'],
  [DHO_TFTP_SERVER, 'tftp-server-name', 'text'], [DHO_BOOTFILE, 'bootfile-name', 'text'], [69, 'smtp-server', 'addresses'], [77, 'user-class', 'hex'], [100, 'pcode', 'text'], [101, 'tcode', 'text'],
  [DHO_SEARCH, 'domain-search', 'names'], [DHO_CLASSLESS_ROUTES, 'classless-static-routes', 'routes'], [DHO_CLASSLESS_ROUTES, 'rfc3442-classless-static-routes', 'routes'],
  [DHO_CLASSLESS_ROUTES, 'classless-routes', 'routes'],
];
const BY_NAME: ReadonlyMap<string, readonly [number, Kind]> = new Map(OPTIONS.map(([code, name, kind]) => [name, [code, kind]]));
const BY_CODE: ReadonlyMap<number, readonly [string, Kind]> = new Map([...OPTIONS].reverse().map(([code, name, kind]) => [code, [name, kind]]));

/** The number of an option by its name; null: nobody knows it. */
export function optionCode(name: string): number | null {
  const known = BY_NAME.get(name);
  if (known !== undefined) return known[0];
  const n = /^option-([0-9]{1,3})$/.exec(name)?.[1];
  return n !== undefined && Number(n) >= 1 && Number(n) <= 254 ? Number(n) : null;
}

export function optionName(code: number): string {
  return BY_CODE.get(code)?.[0] ?? `option-${code}`;
}

/** The bytes that words say; a text says what is wrong with them. */
export function optionValue(name: string, words: readonly ConfWord[]): Uint8Array | string {
  const kind = BY_NAME.get(name)?.[1] ?? 'hex';
  const texts = words.map((w) => w.text);
  if (words.length === 0) return `${name}: a value is missing`;
  // A text may stand for the bytes of any option that is made of some.
  if (kind === 'hex' && words.length === 1 && words[0]?.quoted === true) return utf8Encode(texts[0] ?? '');
  switch (kind) {
    case 'address':
      return texts.length === 1 ? addresses(name, texts) : `${name}: one address is wanted`;
    case 'addresses':
      return addresses(name, texts);
    case 'pairs':
      return texts.length % 2 === 0 ? addresses(name, texts) : `${name}: pairs of addresses are wanted`;
    case 'text':
      return texts.length === 1 ? utf8Encode(texts[0] ?? '') : `${name}: one text in quotes is wanted`;
    case 'names':
      return domains(name, texts);
    case 'routes':
      return routes(name, texts);
    case 'hex':
      return bytes(name, texts);
    default:
      return texts.length === 1 ? number(name, kind, texts[0] ?? '') : `${name}: one number is wanted`;
  }
}

function addresses(name: string, texts: readonly string[]): Uint8Array | string {
  const bad = texts.find((t) => ip4Parse(t) === null);
  return bad === undefined ? dhoAddrs(texts.map((t) => ip4Parse(t) ?? 0)) : `${name}: ${bad}: not an IPv4 address`;
}

function domains(name: string, texts: readonly string[]): Uint8Array | string {
  const bad = texts.find((t) => dnsNameOf(t) === null);
  return bad === undefined ? dhoSearch(texts.map((t) => dnsNameOf(t) ?? '')) : `${name}: ${bad}: not a domain name`;
}

function routes(name: string, texts: readonly string[]): Uint8Array | string {
  if (texts.length % 2 !== 0) return `${name}: a network and a router are wanted, as in 10.2.0.0/16 10.0.0.1`;
  const list = texts.flatMap((t, i) => (i % 2 === 0 ? [{ prefix: ip4ParsePrefix(t), router: ip4Parse(texts[i + 1] ?? '') }] : []));
  const bad = list.findIndex((r) => r.prefix === null || r.router === null);
  if (bad >= 0) return `${name}: ${texts[2 * bad]} ${texts[2 * bad + 1]}: not a network and a router, as in 10.2.0.0/16 10.0.0.1`;
  return dhoRoutes(list.map(({ prefix, router }) => ({ net: prefix?.addr ?? 0, plen: prefix?.len ?? 0, router: router ?? 0 })));
}

function bytes(name: string, texts: readonly string[]): Uint8Array | string {
  const parts = texts.join(':').split(':');
  const bad = parts.find((t) => !/^[0-9a-fA-F]{1,2}$/.test(t));
  return bad === undefined ? Uint8Array.from(parts.map((t) => parseInt(t, 16))) : `${name}: ${bad}: bytes in hexadecimal are wanted, as in 01:0a:ff`;
}

function number(name: string, kind: 'u8' | 'u16' | 'u32' | 'i32' | 'flag', text: string): Uint8Array | string {
  if (kind === 'flag') {
    const at = ['off', 'on', 'false', 'true'].indexOf(text);
    return at < 0 ? `${name}: ${text}: on or off is wanted` : dho8(at % 2);
  }
  const [min, max] = { u8: [0, 0xff], u16: [0, 0xffff], u32: [0, 0xffff_ffff], i32: [-0x8000_0000, 0x7fff_ffff] }[kind] as [number, number];
  const n = /^-?[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(n >= min && n <= max)) return `${name}: ${text}: a number from ${min} to ${max} is wanted`;
  return kind === 'u8' ? dho8(n) : kind === 'u16' ? dho16(n) : dho32(n);
}

/** A value as it would be written in a configuration; bytes when it is not what its option should be. */
export function optionText(code: number, data: Uint8Array): string {
  const kind = BY_CODE.get(code)?.[1] ?? 'hex';
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const hex = [...data].map((b) => b.toString(16)).join(':');
  switch (kind) {
    case 'address':
    case 'addresses':
    case 'pairs':
      return dhoAddrsOf(data)?.map((a) => ip4Format(a)).join(',') ?? hex;
    case 'text':
      return `"${dhoTextOf(data) ?? ''}"`;
    case 'names':
      return dhoSearchOf(data)?.map((n) => `"${n}"`).join(',') ?? hex;
    case 'routes':
      return dhoRoutesOf(data)?.map((r) => `${ip4Format(r.net)}/${r.plen} ${ip4Format(r.router)}`).join(',') ?? hex;
    case 'hex':
      return hex;
    default:
      return data.length === { u8: 1, flag: 1, u16: 2, u32: 4, i32: 4 }[kind] ? String(kind === 'i32' ? view.getInt32(0) : kind === 'u32' ? view.getUint32(0) : kind === 'u16' ? view.getUint16(0) : view.getUint8(0)) : hex;
  }
}
