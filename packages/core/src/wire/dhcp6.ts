/**
 * dhcp6.ts — a DHCP message for IPv6, its options, and what is in them.
 * Read first: RFC 8415 §8, §9, §21; RFC 3646 (DNS), RFC 4704 (names of clients).
 *
 *    0          1      4                        0          1      2       18      34
 *    | msg-type | xid | code, length, data ...  | msg-type | hops | link | peer | options ...   (relayed: 12, 13)
 *
 * Options are a list, because some come more than once and their order may matter. Reading is strict: an option beyond the end, or bytes behind
 * the last one, make it no message.
 *
 * @rfc 8415 8 yes
 * @rfc 8415 9 yes
 * @rfc 8415 11.1 yes
 * @rfc 8415 21.1 yes
 * @rfc 3646 3 yes
 * @rfc 3646 4 yes
 */
import { ip6Format } from './addr6.js';
import { dnsNameEncode, dnsNameRead } from './dns-name.js';
import { utf8Decode, utf8Encode } from './utf8.js';

export const DHCP6_CLIENT_PORT = 546;
export const DHCP6_SERVER_PORT = 547;
/** All_DHCP_Relay_Agents_and_Servers. */
export const IN6ADDR_DHCP6_ALL = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0, 0x02);

export const DHCP6_SOLICIT = 1;
export const DHCP6_ADVERTISE = 2;
export const DHCP6_REQUEST = 3;
export const DHCP6_CONFIRM = 4;
export const DHCP6_RENEW = 5;
export const DHCP6_REBIND = 6;
export const DHCP6_REPLY = 7;
export const DHCP6_RELEASE = 8;
export const DHCP6_DECLINE = 9;
export const DHCP6_RECONFIGURE = 10;
export const DHCP6_INFORMATION_REQUEST = 11;
export const DHCP6_RELAY_FORW = 12;
export const DHCP6_RELAY_REPL = 13;

export const D6O_CLIENTID = 1;
export const D6O_SERVERID = 2;
export const D6O_IA_NA = 3;
export const D6O_IA_TA = 4;
export const D6O_IAADDR = 5;
export const D6O_ORO = 6;
export const D6O_PREFERENCE = 7;
export const D6O_ELAPSED_TIME = 8;
export const D6O_RELAY_MSG = 9;
export const D6O_STATUS_CODE = 13;
export const D6O_RAPID_COMMIT = 14;
export const D6O_INTERFACE_ID = 18;
export const D6O_DNS_SERVERS = 23;
export const D6O_DOMAIN_LIST = 24;
export const D6O_IA_PD = 25;
export const D6O_INFORMATION_REFRESH_TIME = 32;
export const D6O_CLIENT_FQDN = 39;
export const D6O_SOL_MAX_RT = 82;

export const DHCP6_SUCCESS = 0;
export const DHCP6_UNSPEC_FAIL = 1;
export const DHCP6_NO_ADDRS_AVAIL = 2;
export const DHCP6_NO_BINDING = 3;
export const DHCP6_NOT_ON_LINK = 4;
export const DHCP6_USE_MULTICAST = 5;
export const DHCP6_NO_PREFIX_AVAIL = 6;

export const DUID_LLT = 1;
export const DUID_EN = 2;
export const DUID_LL = 3;
export const DUID_UUID = 4;
export const DUID_LEN_MIN = 3;
export const DUID_LEN_MAX = 130;
export const DHCP6_INFINITE = 0xffff_ffff;

const HDR_LEN = 4;
const OPTION_HDR_LEN = 4;
const RELAY_HDR_LEN = 34;
const IA_FIXED = 12;
const IAADDR_FIXED = 24;
const ADDR_LEN = 16;

export interface Dhcp6Option {
  readonly code: number;
  readonly data: Uint8Array;
}

export interface Dhcp6Message {
  readonly type: number;
  /** 24 bits. */
  readonly xid: number;
  readonly options: readonly Dhcp6Option[];
}

export interface Dhcp6Relay {
  readonly type: typeof DHCP6_RELAY_FORW | typeof DHCP6_RELAY_REPL;
  readonly hops: number;
  readonly link: Uint8Array;
  readonly peer: Uint8Array;
  readonly options: readonly Dhcp6Option[];
}

export interface Dhcp6Ia {
  readonly iaid: number;
  readonly t1: number;
  readonly t2: number;
  readonly options: readonly Dhcp6Option[];
}

export interface Dhcp6IaAddr {
  readonly addr: Uint8Array;
  /** Seconds. */
  readonly preferred: number;
  readonly valid: number;
  readonly options: readonly Dhcp6Option[];
}

const MESSAGE_NAMES = [
  '', 'Solicit', 'Advertise', 'Request', 'Confirm', 'Renew', 'Rebind', 'Reply', 'Release', 'Decline', 'Reconfigure', 'Information-request', 'Relay-forward', 'Relay-reply',
];

export function dhcp6MessageName(type: number): string {
  return MESSAGE_NAMES[type] ?? `type ${type}`;
}

const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.length);
const u16 = (n: number): number[] => [(n >>> 8) & 0xff, n & 0xff];
const u32 = (n: number): number[] => [n >>> 24, (n >>> 16) & 0xff, (n >>> 8) & 0xff, n & 0xff];

/** The message between a client and a server that `bytes` are, or null when they are none. */
export function dhcp6Parse(bytes: Uint8Array): Dhcp6Message | null {
  const type = bytes[0] ?? 0;
  if (bytes.length < HDR_LEN || type < DHCP6_SOLICIT || type > DHCP6_INFORMATION_REQUEST) return null;
  const options = dhcp6OptionsOf(bytes, HDR_LEN);
  return options === null ? null : { type, xid: viewOf(bytes).getUint32(0) & 0xff_ffff, options };
}

/** The message between relays and servers that `bytes` are, or null when they are none. */
export function dhcp6ParseRelay(bytes: Uint8Array): Dhcp6Relay | null {
  const type = bytes[0] ?? 0;
  if (bytes.length < RELAY_HDR_LEN || (type !== DHCP6_RELAY_FORW && type !== DHCP6_RELAY_REPL)) return null;
  const options = dhcp6OptionsOf(bytes, RELAY_HDR_LEN);
  return options === null ? null : { type, hops: bytes[1] ?? 0, link: bytes.slice(2, 18), peer: bytes.slice(18, RELAY_HDR_LEN), options };
}

/** The options that fill `bytes` from `from` on, or null when they do not. */
export function dhcp6OptionsOf(bytes: Uint8Array, from = 0): Dhcp6Option[] | null {
  const view = viewOf(bytes);
  const options: Dhcp6Option[] = [];
  for (let at = from; at < bytes.length; ) {
    if (at + OPTION_HDR_LEN > bytes.length) return null;
    const end = at + OPTION_HDR_LEN + view.getUint16(at + 2);
    if (end > bytes.length) return null;
    options.push({ code: view.getUint16(at), data: bytes.slice(at + OPTION_HDR_LEN, end) });
    at = end;
  }
  return options;
}

function optionBytes(options: readonly Dhcp6Option[]): number[] {
  return options.flatMap(({ code, data }) => [...u16(code), ...u16(data.length), ...data]);
}

export function dhcp6Emit({ type, xid, options }: Dhcp6Message): Uint8Array {
  return Uint8Array.from([type, (xid >>> 16) & 0xff, ...u16(xid), ...optionBytes(options)]);
}

export function dhcp6EmitRelay({ type, hops, link, peer, options }: Dhcp6Relay): Uint8Array {
  return Uint8Array.from([type, hops, ...link, ...peer, ...optionBytes(options)]);
}

/** The data of the first option of a kind. */
export function dhcp6Find(options: readonly Dhcp6Option[], code: number): Uint8Array | null {
  return options.find((o) => o.code === code)?.data ?? null;
}

/** IA_NA's data; null when it is not well formed. */
export function dhcp6IaOf(data: Uint8Array): Dhcp6Ia | null {
  const options = data.length < IA_FIXED ? null : dhcp6OptionsOf(data, IA_FIXED);
  if (options === null) return null;
  const view = viewOf(data);
  return { iaid: view.getUint32(0), t1: view.getUint32(4), t2: view.getUint32(8), options };
}

export function dhcp6Ia({ iaid, t1, t2, options }: Dhcp6Ia): Uint8Array {
  return Uint8Array.from([...u32(iaid), ...u32(t1), ...u32(t2), ...optionBytes(options)]);
}

export function dhcp6IaAddrOf(data: Uint8Array): Dhcp6IaAddr | null {
  const options = data.length < IAADDR_FIXED ? null : dhcp6OptionsOf(data, IAADDR_FIXED);
  if (options === null) return null;
  const view = viewOf(data);
  return { addr: data.slice(0, ADDR_LEN), preferred: view.getUint32(16), valid: view.getUint32(20), options };
}

export function dhcp6IaAddr({ addr, preferred, valid, options }: Dhcp6IaAddr): Uint8Array {
  return Uint8Array.from([...addr, ...u32(preferred), ...u32(valid), ...optionBytes(options)]);
}

export const dhcp6Status = (code: number, text: string): Uint8Array => Uint8Array.from([...u16(code), ...utf8Encode(text)]);

/** A status and its text; no option means success (RFC 8415 §21.13). */
export function dhcp6StatusOf(options: readonly Dhcp6Option[]): { readonly code: number; readonly text: string } {
  const data = dhcp6Find(options, D6O_STATUS_CODE);
  return data === null || data.length < 2 ? { code: DHCP6_SUCCESS, text: '' } : { code: viewOf(data).getUint16(0), text: utf8Decode(data, 2) };
}

/** The codes a client asks for. */
export function dhcp6OroOf(options: readonly Dhcp6Option[]): number[] {
  const data = dhcp6Find(options, D6O_ORO);
  return data === null ? [] : Array.from({ length: data.length >> 1 }, (_, i) => viewOf(data).getUint16(2 * i));
}

export const dhcp6U16s = (codes: readonly number[]): Uint8Array => Uint8Array.from(codes.flatMap(u16));
export const dhcp6U32 = (n: number): Uint8Array => Uint8Array.from(u32(n));
export const dhcp6Addrs = (addrs: readonly Uint8Array[]): Uint8Array => Uint8Array.from(addrs.flatMap((a) => [...a]));

export function dhcp6AddrsOf(data: Uint8Array | null): Uint8Array[] | null {
  if (data === null || data.length === 0 || data.length % ADDR_LEN !== 0) return null;
  return Array.from({ length: data.length / ADDR_LEN }, (_, i) => data.slice(ADDR_LEN * i, ADDR_LEN * (i + 1)));
}

/** Names without compression (RFC 8415 §10). */
export const dhcp6Domains = (names: readonly string[]): Uint8Array => Uint8Array.from(names.flatMap((n) => [...(dnsNameEncode(n) ?? [])]));

export function dhcp6DomainsOf(data: Uint8Array | null): string[] | null {
  if (data === null || data.length === 0) return null;
  const names: string[] = [];
  for (let at = 0; at < data.length; ) {
    const name = dnsNameRead(data, at, data.length);
    // A pointer would have been shorter than the name it stands for.
    if (name === null || (dnsNameEncode(name.name)?.length ?? 0) !== name.next - at) return null;
    names.push(name.name);
    at = name.next;
  }
  return names;
}

/** DUID-LL of an Ethernet address. */
export const duidLl = (mac: Uint8Array): Uint8Array => Uint8Array.from([...u16(DUID_LL), 0, 1, ...mac]);

/** The Ethernet address in a DUID that has one, or null. */
export function duidMac(duid: Uint8Array): Uint8Array | null {
  const kind = duid.length < 4 ? 0 : viewOf(duid).getUint16(0);
  const at = kind === DUID_LL ? 4 : kind === DUID_LLT ? 8 : 0;
  return at === 0 || viewOf(duid).getUint16(2) !== 1 || duid.length !== at + 6 ? null : duid.slice(at);
}

export const duidText = (duid: Uint8Array): string => [...duid].map((b) => b.toString(16).padStart(2, '0')).join(':');

/** For messages to people: `2001:db8::1 2001:db8::2`. */
export const dhcp6AddrsText = (addrs: readonly Uint8Array[]): string => addrs.map((a) => ip6Format(a)).join(' ');
