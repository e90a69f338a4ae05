/**
 * addr6.ts — IPv6 addresses: text, prefixes, scopes.
 * Read first: RFC 4291 §2, RFC 5952 §4 (the canonical text), RFC 4007 §11 (zones), RFC 4193, RFC 7346 (multicast scopes).
 *
 * An address is 16 bytes in network order. Functions take the bytes and an offset, so that they read an address inside a
 * packet as well as one of its own. `ip6Format` writes the one text RFC 5952 allows: lower case, no leading zeros, the first
 * longest run of two or more zero groups as `::`, and the dotted quad for v4-mapped addresses only.
 * Not here: interface indices. A zone is text; who knows the interfaces turns it into a number.
 *
 * @rfc 5952 yes
 * @rfc 4291 2 yes
 * @rfc 4007 11 yes
 */

import { ip4Format, ip4Parse, macHi, macLo, parsePrefixLen } from './addr.js';

/** Bytes of an IPv6 address. */
export const IP6_ADDR_LEN = 16;

/** Multicast scopes, RFC 7346 §2, which unicast addresses are mapped onto (RFC 4007 §4). */
export const IP6_SCOPE_INTFACELOCAL = 0x01;
export const IP6_SCOPE_LINKLOCAL = 0x02;
export const IP6_SCOPE_REALMLOCAL = 0x03;
export const IP6_SCOPE_ADMINLOCAL = 0x04;
export const IP6_SCOPE_SITELOCAL = 0x05;
export const IP6_SCOPE_ORGLOCAL = 0x08;
export const IP6_SCOPE_GLOBAL = 0x0e;

/** All nodes of an interface (ff01::1) and of a link, all routers of a link (RFC 4291 §2.7.1); CARP's group. Bytes that nobody changes. */
export const IN6ADDR_INTFACELOCAL_ALLNODES = Uint8Array.of(0xff, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01);
export const IN6ADDR_LINKLOCAL_ALLNODES = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01);
export const IN6ADDR_LINKLOCAL_ALLROUTERS = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02);
export const IN6ADDR_CARP_GROUP = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12);
/** Word 0 of ff02::/16, plain: groups of a link. */
export const IP6_W0_LINKLOCAL_GROUP = 0xff02_0000 | 0;

/** An address as typed, with the zone after `%` ('' when there was none). */
export interface Ip6Scoped {
  readonly addr: Uint8Array;
  readonly zone: string;
}

/** An address and how many of its leading bits name the network. Host bits are kept. */
export interface Ip6Prefix {
  readonly addr: Uint8Array;
  /** 0..128 */
  readonly len: number;
}

/** The text forms of RFC 4291 §2.2, without a zone. Null for anything else. */
export function ip6Parse(text: string): Uint8Array | null {
  if (text.length < 2 || text.length > 45) return null;
  const gap = text.indexOf('::');
  if (gap < 0) {
    const words = parseGroups(text, true);
    return words !== null && words.length === 8 ? bytesOfWords(words) : null;
  }
  const left = text.slice(0, gap);
  const right = text.slice(gap + 2);
  const head = left === '' ? [] : parseGroups(left, false);
  const tail = right === '' ? [] : parseGroups(right, true);
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  // "::" stands for at least one group of zeros.
  if (missing < 1) return null;
  return bytesOfWords([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** Colon-separated groups as 16-bit words; a dotted quad may end them when `quad` is allowed. */
function parseGroups(text: string, quad: boolean): number[] | null {
  const parts = text.split(':');
  const words: number[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      words.push(parseInt(part, 16));
    } else {
      const v4 = quad && i === parts.length - 1 ? ip4Parse(part) : null;
      if (v4 === null) return null;
      words.push(v4 >>> 16, v4 & 0xffff);
    }
  }
  return words.length <= 8 ? words : null;
}

function bytesOfWords(words: readonly number[]): Uint8Array {
  const addr = new Uint8Array(IP6_ADDR_LEN);
  for (let i = 0; i < 8; i++) {
    addr[2 * i] = words[i]! >>> 8;
    addr[2 * i + 1] = words[i]! & 255;
  }
  return addr;
}

/** `addr` or `addr%zone`; the zone may not be empty. */
export function ip6ParseScoped(text: string): Ip6Scoped | null {
  const percent = text.indexOf('%');
  if (percent < 0) {
    const addr = ip6Parse(text);
    return addr === null ? null : { addr, zone: '' };
  }
  const addr = ip6Parse(text.slice(0, percent));
  const zone = text.slice(percent + 1);
  return addr === null || zone === '' ? null : { addr, zone };
}

/** `addr/len` without a zone. */
export function ip6ParsePrefix(text: string): Ip6Prefix | null {
  const slash = text.indexOf('/');
  if (slash < 0) return null;
  const addr = ip6Parse(text.slice(0, slash));
  const len = parsePrefixLen(text.slice(slash + 1), 128);
  return addr === null || len < 0 ? null : { addr, len };
}

/** The canonical text of RFC 5952 for the 16 bytes at `off`. */
export function ip6Format(bytes: Uint8Array, off = 0): string {
  if (ip6IsV4Mapped(bytes, off)) return `::ffff:${ip4Format(ip6LowWord(bytes, off))}`;
  let runAt = -2;
  let runLen = 1;
  for (let i = 0; i < 8; ) {
    let n = 0;
    while (i + n < 8 && word(bytes, off, i + n) === 0) n++;
    if (n > runLen) {
      runAt = i;
      runLen = n;
    }
    i += n === 0 ? 1 : n;
  }
  let s = '';
  for (let i = 0; i < 8; i++) {
    if (i === runAt) {
      s += '::';
      i += runLen - 1;
    } else {
      if (i > 0 && i !== runAt + runLen) s += ':';
      s += word(bytes, off, i).toString(16);
    }
  }
  return s;
}

function word(bytes: Uint8Array, off: number, i: number): number {
  return (bytes[off + 2 * i]! << 8) | bytes[off + 2 * i + 1]!;
}

function dword(bytes: Uint8Array, off: number, i: number): number {
  return ((word(bytes, off, 2 * i) << 16) | word(bytes, off, 2 * i + 1)) >>> 0;
}

/** The last 32 bits: the IPv4 address inside a v4-mapped one. */
export function ip6LowWord(bytes: Uint8Array, off = 0): number {
  return dword(bytes, off, 3);
}

/** Order of the bytes as an unsigned 128-bit number: negative, zero or positive. */
export function ip6Compare(a: Uint8Array, b: Uint8Array, aOff = 0, bOff = 0): number {
  for (let i = 0; i < IP6_ADDR_LEN; i++) {
    const d = a[aOff + i]! - b[bOff + i]!;
    if (d !== 0) return d;
  }
  return 0;
}

export const ip6Equals = (a: Uint8Array, b: Uint8Array, aOff = 0, bOff = 0): boolean => ip6Compare(a, b, aOff, bOff) === 0;

/** Netmask of a prefix length 0..128. */
export function ip6MaskOf(len: number): Uint8Array {
  const mask = new Uint8Array(IP6_ADDR_LEN);
  for (let i = 0; i < IP6_ADDR_LEN; i++) {
    const bits = Math.min(8, Math.max(0, len - 8 * i));
    mask[i] = (0xff00 >>> bits) & 0xff;
  }
  return mask;
}

/** Prefix length of a contiguous netmask, or -1 when its one bits are not all leading. */
export function ip6PrefixLen(mask: Uint8Array): number {
  let len = 0;
  while (len < 128 && (mask[len >>> 3]! & (0x80 >>> (len & 7))) !== 0) len++;
  for (let i = len; i < 128; i++) if ((mask[i >>> 3]! & (0x80 >>> (i & 7))) !== 0) return -1;
  return len;
}

/** True when `addr` lies in `net`/`len`; host bits of `net` are ignored. */
export function ip6InPrefix(addr: Uint8Array, net: Uint8Array, len: number): boolean {
  const whole = len >>> 3;
  for (let i = 0; i < whole; i++) if (addr[i] !== net[i]) return false;
  const rest = len & 7;
  return rest === 0 || ((addr[whole]! ^ net[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}

/** :: */
export function ip6IsUnspecified(bytes: Uint8Array, off = 0): boolean {
  return (dword(bytes, off, 0) | dword(bytes, off, 1) | dword(bytes, off, 2) | dword(bytes, off, 3)) === 0;
}

/** ::1 */
export function ip6IsLoopback(bytes: Uint8Array, off = 0): boolean {
  return (dword(bytes, off, 0) | dword(bytes, off, 1) | dword(bytes, off, 2)) === 0 && dword(bytes, off, 3) === 1;
}

/** ::ffff:0:0/96 */
export function ip6IsV4Mapped(bytes: Uint8Array, off = 0): boolean {
  return (dword(bytes, off, 0) | dword(bytes, off, 1)) === 0 && dword(bytes, off, 2) === 0xffff;
}

/** ff00::/8 */
export const ip6IsMulticast = (bytes: Uint8Array, off = 0): boolean => bytes[off] === 0xff;
/** fe80::/10 */
export const ip6IsLinkLocal = (bytes: Uint8Array, off = 0): boolean => word(bytes, off, 0) >>> 6 === 0x3fa;
/** fec0::/10, deprecated by RFC 3879 and still recognised */
export const ip6IsSiteLocal = (bytes: Uint8Array, off = 0): boolean => word(bytes, off, 0) >>> 6 === 0x3fb;
/** fc00::/7, RFC 4193 */
export const ip6IsUniqueLocal = (bytes: Uint8Array, off = 0): boolean => (bytes[off]! & 0xfe) === 0xfc;
/** 2001:db8::/32, RFC 3849 */
export const ip6IsDocumentation = (bytes: Uint8Array, off = 0): boolean => dword(bytes, off, 0) === 0x20010db8;

/** Scope of an address as one of the `IP6_SCOPE_*`; a multicast address names its own in its second byte. */
export function ip6Scope(bytes: Uint8Array, off = 0): number {
  if (ip6IsMulticast(bytes, off)) return bytes[off + 1]! & 0x0f;
  if (ip6IsLinkLocal(bytes, off)) return IP6_SCOPE_LINKLOCAL;
  if (ip6IsSiteLocal(bytes, off)) return IP6_SCOPE_SITELOCAL;
  return ip6IsLoopback(bytes, off) ? IP6_SCOPE_INTFACELOCAL : IP6_SCOPE_GLOBAL;
}

/** True when the address means something only together with a zone: link-local, and multicast up to link scope. */
export function ip6NeedsZone(bytes: Uint8Array, off = 0): boolean {
  if (ip6IsLinkLocal(bytes, off)) return true;
  if (!ip6IsMulticast(bytes, off)) return false;
  const scope = ip6Scope(bytes, off);
  return scope === IP6_SCOPE_INTFACELOCAL || scope === IP6_SCOPE_LINKLOCAL;
}

/** ff02::1:ffXX:XXXX, the group a neighbour solicitation for `addr` is sent to (RFC 4291 §2.7.1). */
export function ip6SolicitedNode(addr: Uint8Array, off = 0): Uint8Array {
  const group = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0);
  for (let i = 13; i < IP6_ADDR_LEN; i++) group[i] = addr[off + i]!;
  return group;
}

/** fe80:: with the modified EUI-64 of a MAC address (RFC 2464 §4, RFC 4291 appendix A). */
export function ip6LinkLocalOfMac(mac: Uint8Array): Uint8Array {
  const hi = macHi(mac) ^ 0x0200;
  const lo = macLo(mac);
  return bytesOfWords([0xfe80, 0, 0, 0, hi, ((lo >>> 16) & 0xff00) | 0xff, 0xfe00 | ((lo >>> 16) & 0xff), lo & 0xffff]);
}

/** The v4-mapped form of an IPv4 address. */
export function ip6OfIp4(addr: number): Uint8Array {
  return bytesOfWords([0, 0, 0, 0, 0, 0xffff, addr >>> 16, addr & 0xffff]);
}

/** lo of the Ethernet group 33:33:xx:xx:xx:xx of an IPv6 group (RFC 2464 §7); hi is always 0x3333. */
export const macLoOfIp6Group = (bytes: Uint8Array, off = 0): number => dword(bytes, off, 3);
/** hi of the Ethernet group of every IPv6 group. */
export const MAC_HI_IP6_GROUP = 0x3333;

/**
 * Zoned form. A link-local address, and a multicast address of link or interface scope, means something only on its link. Wherever the stack
 * keeps an address outside a packet, such a one carries the number of its zone (an interface's index, 1..65535) in bytes 2 and 3, which are
 * zero in packets (RFC 4007 §11.2 leaves the form to the host; KAME's is this). All others are the same in both forms.
 */
export function ip6Zoned(addr: Uint8Array, zone: number): Uint8Array {
  const out = addr.slice(0, IP6_ADDR_LEN);
  if (!ip6NeedsZone(addr)) return out;
  out[2] = zone >>> 8;
  out[3] = zone & 255;
  return out;
}

/** The form in packets and for people: without the zone. A copy. */
export function ip6Plain(addr: Uint8Array): Uint8Array {
  return ip6Zoned(addr, 0);
}

/** Zone of an address in zoned form, 0 for one that needs none. */
export function ip6ZoneOf(addr: Uint8Array): number {
  return ip6NeedsZone(addr) ? (addr[2]! << 8) | addr[3]! : 0;
}

/** Word `i` (0..3) of an address as a signed number, which packet paths compare. */
export function ip6Word(bytes: Uint8Array, i: number, off = 0): number {
  return dword(bytes, off, i) | 0;
}

/** Is the address with this word 0 in fe80::/10? */
export const ip6W0IsLinkLocal = (w0: number): boolean => w0 >>> 22 === 0x3fa;

/** ip6NeedsZone by word 0: fe80::/10, ff.1::/16, ff.2::/16. Packet path. */
export function ip6W0NeedsZone(w0: number): boolean {
  if (w0 >>> 24 !== 0xff) return ip6W0IsLinkLocal(w0);
  const scope = (w0 >>> 16) & 15;
  return scope === IP6_SCOPE_INTFACELOCAL || scope === IP6_SCOPE_LINKLOCAL;
}

/** Word 0 of an address, plain or zoned, in zoned form, as a signed number. */
export function ip6ZonedW0(addr: Uint8Array, zone: number): number {
  const w0 = ip6Word(addr, 0);
  return ip6W0NeedsZone(w0) ? (w0 & ~0xffff) | zone : w0;
}

/** Word 0 of the address at `off` of a packet, in zoned form, as a signed number. Words 1 to 3 are the same in both forms. Packet path. */
export function ip6W0Zoned(view: DataView, off: number, zone: number): number {
  const w0 = view.getInt32(off);
  return ip6W0NeedsZone(w0) ? (w0 & ~0xffff) | zone : w0;
}

/** Writes the address of four words, zoned or plain, in the form of packets. Packet path. */
export function ip6PutWords(view: DataView, off: number, w0: number, w1: number, w2: number, w3: number): void {
  view.setInt32(off, ip6W0NeedsZone(w0) ? w0 & ~0xffff : w0);
  view.setInt32(off + 4, w1);
  view.setInt32(off + 8, w2);
  view.setInt32(off + 12, w3);
}

/** The 16 bytes of four words. */
export function ip6OfWords(w0: number, w1: number, w2: number, w3: number): Uint8Array {
  const out = new Uint8Array(IP6_ADDR_LEN);
  const v = new DataView(out.buffer);
  v.setInt32(0, w0);
  v.setInt32(4, w1);
  v.setInt32(8, w2);
  v.setInt32(12, w3);
  return out;
}

/** The address at `off` as one number of 128 bits: what multicast keeps groups and sources by. Not for packet paths. */
export function ip6Big(view: DataView, off: number): bigint {
  return (view.getBigUint64(off) << 64n) | view.getBigUint64(off + 8);
}

export function ip6PutBig(view: DataView, off: number, addr: bigint): void {
  view.setBigUint64(off, addr >> 64n);
  view.setBigUint64(off + 8, addr & 0xffff_ffff_ffff_ffffn);
}

/** The same of 16 bytes. */
export const ip6BigOf = (bytes: Uint8Array): bigint => ip6Big(new DataView(bytes.buffer, bytes.byteOffset, IP6_ADDR_LEN), 0);

export function ip6OfBig(addr: bigint): Uint8Array {
  const bytes = new Uint8Array(IP6_ADDR_LEN);
  ip6PutBig(new DataView(bytes.buffer), 0, addr);
  return bytes;
}

/** Word `i` (0..3) of the netmask of a prefix length, as a signed number. */
export function ip6MaskWord(plen: number, i: number): number {
  const n = plen - 32 * i;
  return n <= 0 ? 0 : n >= 32 ? -1 : ~(0xffff_ffff >>> n);
}
