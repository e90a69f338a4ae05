/**
 * addr.ts — IPv4 and MAC addresses: text, prefixes, classes. The only file that knows how they are written.
 * Read first: RFC 791 §2.3, RFC 4632 §3.1 (prefixes), RFC 6890 (special-purpose blocks), inet(3), ethers(3).
 *
 * An IPv4 address is an unsigned 32-bit number in host order: 0xC0000201 is 192.0.2.1. Comparisons and masks work on it
 * as they stand; every operation that could leave a negative int32 ends in `>>> 0`.
 * A MAC address is a `Uint8Array(6)` in configuration and the pair (hi: u16, lo: u32) on the packet path: 02:00:00:00:00:0a
 * is hi 0x0200, lo 0x0000000a. `macHi`, `macLo` and `macOf` go between the two.
 * Parsers answer null for what they refuse and never throw. `ip4Parse` takes the dotted quad and nothing else, because
 * the leading zeros and short forms that inet_aton(3) accepts mean different addresses to different programs;
 * `inetAton` is there for the tools whose manual pages promise those forms.
 * Not here: IPv6 addresses (`addr6.ts`), names, ports.
 *
 * @rfc 4632 3.1 yes
 */

/** 0.0.0.0 */
export const INADDR_ANY = 0;
/** 127.0.0.1 */
export const INADDR_LOOPBACK = 0x7f000001;
/** 255.255.255.255 */
export const INADDR_BROADCAST = 0xffffffff;
/** 224.0.0.0, base of the multicast block. */
export const INADDR_UNSPEC_GROUP = 0xe0000000;
/** 224.0.0.1 */
export const INADDR_ALLHOSTS_GROUP = 0xe0000001;
/** 224.0.0.2 */
export const INADDR_ALLRTRS_GROUP = 0xe0000002;
/** 224.0.0.18 */
export const INADDR_CARP_GROUP = 0xe0000012;
/** 224.0.0.22, where IGMPv3 reports go. */
export const INADDR_ALLRPTS_GROUP = 0xe0000016;
/** 224.0.0.255, end of the block that is never forwarded. */
export const INADDR_MAX_LOCAL_GROUP = 0xe00000ff;

/** An address and how many of its leading bits name the network. The host bits are kept: 10.1.2.3/8 is a valid value. */
export interface Ip4Prefix {
  readonly addr: number;
  /** 0..32 */
  readonly len: number;
}

/** Strict dotted quad: four decimal numbers 0..255 without leading zeros. Null for anything else. */
export function ip4Parse(text: string): number | null {
  const n = text.length;
  if (n < 7 || n > 15) return null;
  let addr = 0;
  let octet = -1;
  let octets = 0;
  for (let i = 0; i < n; i++) {
    const c = text.charCodeAt(i);
    if (c >= 0x30 && c <= 0x39) {
      if (octet === 0) return null;
      octet = octet < 0 ? c - 0x30 : octet * 10 + (c - 0x30);
      if (octet > 255) return null;
    } else if (c === 0x2e) {
      if (octet < 0 || octets === 3) return null;
      addr = (addr << 8) | octet;
      octets++;
      octet = -1;
    } else {
      return null;
    }
  }
  if (octet < 0 || octets !== 3) return null;
  return ((addr << 8) | octet) >>> 0;
}

/** Dotted quad of an unsigned 32-bit number. */
export function ip4Format(addr: number): string {
  return `${addr >>> 24}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}`;
}

/** Netmask of a prefix length 0..32, for example 24 gives 0xffffff00. */
export function ip4MaskOf(len: number): number {
  return len <= 0 ? 0 : (0xffffffff << (32 - len)) >>> 0;
}

/** Prefix length of a contiguous netmask, or -1 when its one bits are not all leading. */
export function ip4PrefixLen(mask: number): number {
  const host = ~mask >>> 0;
  if ((host & (host + 1)) !== 0) return -1;
  return Math.clz32(host);
}

/** `a.b.c.d/len` with a strict quad and a decimal length 0..32 without leading zeros. */
export function ip4ParsePrefix(text: string): Ip4Prefix | null {
  const slash = text.indexOf('/');
  if (slash < 0) return null;
  const addr = ip4Parse(text.slice(0, slash));
  const len = parsePrefixLen(text.slice(slash + 1), 32);
  return addr === null || len < 0 ? null : { addr, len };
}

/** `a.b.c.d/len`. */
export function ip4FormatPrefix(addr: number, len: number): string {
  return `${ip4Format(addr)}/${len}`;
}

/** True when `addr` lies in `net`/`len`; host bits of `net` are ignored. */
export function ip4InPrefix(addr: number, net: number, len: number): boolean {
  return len <= 0 || (addr ^ net) >>> (32 - len) === 0;
}

/** Directed broadcast address of the network `addr` is in. */
export function ip4BroadcastOf(addr: number, mask: number): number {
  return (addr | ~mask) >>> 0;
}

/** A prefix length in decimal, 0..max, or -1. Shared with IPv6. */
export function parsePrefixLen(text: string, max: number): number {
  if (!/^(0|[1-9][0-9]{0,2})$/.test(text)) return -1;
  const len = Number(text);
  return len <= max ? len : -1;
}

/** 224.0.0.0/4 */
export const ip4IsMulticast = (addr: number): boolean => addr >>> 28 === 0xe;
/** 224.0.0.0/24: link-local multicast, never forwarded. */
export const ip4IsLocalGroup = (addr: number): boolean => addr >>> 8 === 0xe00000;
/** 240.0.0.0/4, the limited broadcast address included. */
export const ip4IsExperimental = (addr: number): boolean => addr >>> 28 === 0xf;
/** 255.255.255.255 only; directed broadcasts need the interface's mask. */
export const ip4IsBroadcast = (addr: number): boolean => addr === 0xffffffff;
/** 127.0.0.0/8 */
export const ip4IsLoopback = (addr: number): boolean => addr >>> 24 === 127;
/** 0.0.0.0 */
export const ip4IsUnspecified = (addr: number): boolean => addr === 0;
/** 0.0.0.0/8, "this network": valid as a source while an address is being acquired, never as a destination. */
export const ip4IsThisNet = (addr: number): boolean => addr >>> 24 === 0;
/** 169.254.0.0/16, RFC 3927 */
export const ip4IsLinkLocal = (addr: number): boolean => addr >>> 16 === 0xa9fe;
/** 10/8, 172.16/12, 192.168/16, RFC 1918 */
export const ip4IsPrivate = (addr: number): boolean => addr >>> 24 === 10 || addr >>> 20 === 0xac1 || addr >>> 16 === 0xc0a8;
/** 100.64.0.0/10, RFC 6598 */
export const ip4IsShared = (addr: number): boolean => addr >>> 22 === 0x191;
/** 192.0.2/24, 198.51.100/24, 203.0.113/24, RFC 5737 */
export const ip4IsDocumentation = (addr: number): boolean => {
  const net = addr >>> 8;
  return net === 0xc00002 || net === 0xc63364 || net === 0xcb0071;
};

/** Network mask of the address's historical class (RFC 791 §3.2); 0 for classes D and E. */
export function ip4ClassMask(addr: number): number {
  if (addr < 0x80000000) return 0xff000000;
  if (addr < 0xc0000000) return 0xffff0000;
  return addr < 0xe0000000 ? 0xffffff00 : 0;
}

/**
 * The forms of inet_aton(3): one to four parts, each decimal, octal (leading 0) or hexadecimal (leading 0x); the last part
 * fills the remaining bytes, so `10.1` is 10.0.0.1 and `0x7f000001` is 127.0.0.1. Whitespace may follow.
 */
export function inetAton(text: string): number | null {
  const parts = text.replace(/[ \t\n\v\f\r][^]*$/, '').split('.');
  if (parts.length > 4) return null;
  let addr = 0;
  for (let i = 0; i < parts.length; i++) {
    const value = parseCNumber(parts[i]!);
    const last = i === parts.length - 1;
    if (value < 0 || value >= (last ? LAST_PART_LIMIT[i]! : 256)) return null;
    addr += last ? value : value * LAST_PART_LIMIT[i + 1]!;
  }
  return addr;
}

/** One past the largest last part of inet_aton(3) text, by the parts before it. */
const LAST_PART_LIMIT: readonly number[] = [0x1_0000_0000, 0x100_0000, 0x1_0000, 0x100];

/** A number as C writes it, or -1. */
function parseCNumber(text: string): number {
  if (/^0[xX][0-9a-fA-F]{1,8}$/.test(text)) return parseInt(text.slice(2), 16);
  if (/^0[0-7]*$/.test(text)) return text.length > 12 ? -1 : parseInt(text, 8);
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text);
  return -1;
}

/** Bytes of a MAC address. */
export const MAC_LEN = 6;

/** Six groups of one or two hexadecimal digits with `:` between them, as ether_aton(3) reads them. */
export function macParse(text: string): Uint8Array | null {
  const parts = text.split(':');
  if (parts.length !== MAC_LEN) return null;
  const mac = new Uint8Array(MAC_LEN);
  for (let i = 0; i < MAC_LEN; i++) {
    const part = parts[i]!;
    if (!/^[0-9a-fA-F]{1,2}$/.test(part)) return null;
    mac[i] = parseInt(part, 16);
  }
  return mac;
}

/** Two lower-case digits per octet, `:` between them. Takes the six bytes at `off`. */
export function macFormat(mac: Uint8Array, off = 0): string {
  let s = hex2(mac[off] ?? 0);
  for (let i = 1; i < MAC_LEN; i++) s += `:${hex2(mac[off + i] ?? 0)}`;
  return s;
}

/** The same text from the pair the packet path carries. */
export function macFormatPair(hi: number, lo: number): string {
  return `${hex2(hi >>> 8)}:${hex2(hi & 255)}:${hex2(lo >>> 24)}:${hex2((lo >>> 16) & 255)}:${hex2((lo >>> 8) & 255)}:${hex2(lo & 255)}`;
}

function hex2(n: number): string {
  return n < 16 ? `0${n.toString(16)}` : n.toString(16);
}

/** First two octets as a big-endian u16. */
export const macHi = (mac: Uint8Array): number => (mac[0]! << 8) | mac[1]!;
/** Last four octets as a big-endian u32. */
export const macLo = (mac: Uint8Array): number => ((mac[2]! << 24) | (mac[3]! << 16) | (mac[4]! << 8) | mac[5]!) >>> 0;

/** The six bytes of a (hi, lo) pair. Allocates: configuration only. */
export function macOf(hi: number, lo: number): Uint8Array {
  return Uint8Array.of(hi >>> 8, hi & 255, lo >>> 24, (lo >>> 16) & 255, (lo >>> 8) & 255, lo & 255);
}

/** Order of the bytes as an unsigned 48-bit number: negative, zero or positive. This is the order 802.1D compares in. */
export function macCompare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < MAC_LEN; i++) {
    const d = a[i]! - b[i]!;
    if (d !== 0) return d;
  }
  return 0;
}

export const macEquals = (a: Uint8Array, b: Uint8Array): boolean => macCompare(a, b) === 0;
/** Group bit: multicast or broadcast. */
export const macIsMulticast = (mac: Uint8Array): boolean => (mac[0]! & 1) !== 0;
export const macIsBroadcast = (mac: Uint8Array): boolean => macHi(mac) === 0xffff && macLo(mac) === 0xffffffff;
export const macIsZero = (mac: Uint8Array): boolean => macHi(mac) === 0 && macLo(mac) === 0;
/** Locally administered: the address was made up, not bought. */
export const macIsLocal = (mac: Uint8Array): boolean => (mac[0]! & 2) !== 0;

/** (hi, lo) of the Ethernet group of an IPv4 group (RFC 1112 §6.4): hi is always 0x0100, this is lo. */
export const macLoOfIp4Group = (group: number): number => (0x5e000000 | (group & 0x007fffff)) >>> 0;
/** hi of the Ethernet group of every IPv4 group. */
export const MAC_HI_IP4_GROUP = 0x0100;
