/**
 * dhcp4.ts — a DHCP message for IPv4: the fixed part and the field of options.
 * Read first: RFC 2131 §2, §3; RFC 2132 §2, §9; RFC 3396 (long options); dhcp4-options.ts for what is in options.
 *
 *    0    1      2      3      4     8      10      12       16       20       24       28       44      108    236      240
 *    | op | htype | hlen | hops | xid | secs | flags | ciaddr | yiaddr | siaddr | giaddr | chaddr | sname | file | cookie | options ... 255
 *
 * Options are a Map in the order in which they came. Of an option that came in parts the parts are joined; `sname` and `file` hold options, and no
 * names, when option 52 says so. Reading is strict: a header shorter than it has to be, another cookie, a hardware address longer than its field, an
 * option that goes beyond the message make it no message. The end of the message ends the options as well as option 255 does.
 *
 * Not here: BOOTP without the cookie, which nobody sends any more.
 *
 * @rfc 2131 2 yes
 * @rfc 2132 2 yes
 * @rfc 2132 9.3 yes
 * @rfc 3396 yes
 */
import { DHO_MESSAGE_TYPE, DHO_OVERLOAD, DHO_RELAY_AGENT } from './dhcp4-options.js';
import { utf8Decode, utf8Encode } from './utf8.js';

export const DHCP4_SERVER_PORT = 67;
export const DHCP4_CLIENT_PORT = 68;
export const BOOTREQUEST = 1;
export const BOOTREPLY = 2;
export const DHCP4_FLAG_BROADCAST = 0x8000;
export const DHCP4_HTYPE_ETHER = 1;

export const DHCPDISCOVER = 1;
export const DHCPOFFER = 2;
export const DHCPREQUEST = 3;
export const DHCPDECLINE = 4;
export const DHCPACK = 5;
export const DHCPNAK = 6;
export const DHCPRELEASE = 7;
export const DHCPINFORM = 8;

/** Without options, cookie included. */
export const DHCP4_HDR_LEN = 240;
/** Every client takes a message of so many bytes, IP and UDP headers not counted (RFC 2131 §2). */
export const DHCP4_MESSAGE_MIN_MAX = 548;
/** BOOTP's size, which some relays and servers want. */
export const DHCP4_LEN_MIN = 300;

const CHADDR_LEN = 16;
const CHADDR = 28;
const SNAME = 44;
const SNAME_LEN = 64;
const FILE = 108;
const FILE_LEN = 128;
const COOKIE = 236;
const MAGIC = 0x63825363;
const PAD = 0;
const END = 255;
const PART_MAX = 255;
const OVERLOAD_FILE = 1;
const OVERLOAD_SNAME = 2;

export type Dhcp4Options = ReadonlyMap<number, Uint8Array>;

export interface Dhcp4Message {
  /** BOOTREQUEST or BOOTREPLY. */
  readonly op: number;
  readonly htype: number;
  readonly hops: number;
  readonly xid: number;
  readonly secs: number;
  readonly flags: number;
  /** Addresses are host-order numbers. */
  readonly ciaddr: number;
  readonly yiaddr: number;
  readonly siaddr: number;
  readonly giaddr: number;
  /** As long as its length says. */
  readonly chaddr: Uint8Array;
  readonly sname: string;
  readonly file: string;
  readonly options: Dhcp4Options;
}

const MESSAGE_NAMES = ['', 'DHCPDISCOVER', 'DHCPOFFER', 'DHCPREQUEST', 'DHCPDECLINE', 'DHCPACK', 'DHCPNAK', 'DHCPRELEASE', 'DHCPINFORM'];

export function dhcp4MessageName(type: number): string {
  return MESSAGE_NAMES[type] ?? `type ${type}`;
}

/** Option 53, or 0 for a message of BOOTP. */
export function dhcp4MessageType(m: Dhcp4Message): number {
  const option = m.options.get(DHO_MESSAGE_TYPE);
  return option?.length === 1 ? (option[0] ?? 0) : 0;
}

/** The message that `bytes` are, or null when they are none. */
export function dhcp4Parse(bytes: Uint8Array): Dhcp4Message | null {
  if (bytes.length < DHCP4_HDR_LEN) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const op = view.getUint8(0);
  const hlen = view.getUint8(2);
  if ((op !== BOOTREQUEST && op !== BOOTREPLY) || hlen > CHADDR_LEN || view.getUint32(COOKIE) !== MAGIC) return null;
  const options = new Map<number, Uint8Array>();
  if (!readOptions(bytes, DHCP4_HDR_LEN, bytes.length, options)) return null;
  const overload = options.get(DHO_OVERLOAD)?.[0] ?? 0;
  if ((overload & OVERLOAD_FILE) !== 0 && !readOptions(bytes, FILE, FILE + FILE_LEN, options)) return null;
  if ((overload & OVERLOAD_SNAME) !== 0 && !readOptions(bytes, SNAME, SNAME + SNAME_LEN, options)) return null;
  return {
    op, htype: view.getUint8(1), hops: view.getUint8(3), xid: view.getUint32(4), secs: view.getUint16(8), flags: view.getUint16(10),
    ciaddr: view.getUint32(12), yiaddr: view.getUint32(16), siaddr: view.getUint32(20), giaddr: view.getUint32(24), chaddr: bytes.slice(CHADDR, CHADDR + hlen),
    sname: (overload & OVERLOAD_SNAME) !== 0 ? '' : field(bytes, SNAME, SNAME_LEN), file: (overload & OVERLOAD_FILE) !== 0 ? '' : field(bytes, FILE, FILE_LEN), options,
  };
}

function field(bytes: Uint8Array, at: number, len: number): string {
  const end = bytes.subarray(at, at + len).indexOf(0);
  return utf8Decode(bytes, at, end < 0 ? len : end);
}

/** Adds the options between `at` and `end` to `into`. False: one goes beyond. */
function readOptions(bytes: Uint8Array, from: number, end: number, into: Map<number, Uint8Array>): boolean {
  for (let at = from; at < end; ) {
    const code = bytes[at++] ?? END;
    if (code === END) return true;
    if (code === PAD) continue;
    const len = at < end ? (bytes[at++] ?? 0) : end;
    if (at + len > end) return false;
    const before = into.get(code);
    const part = bytes.slice(at, at + len);
    into.set(code, before === undefined ? part : Uint8Array.from([...before, ...part]));
    at += len;
  }
  return true;
}

/**
 * The bytes of a message, `DHCP4_LEN_MIN` at least. An option that would make it longer than `max` is left out, and so are all of those behind it but the relay agent's, which
 * has to go back as it came, last of all.
 */
export function dhcp4Emit(m: Dhcp4Message, max: number = DHCP4_MESSAGE_MIN_MAX): Uint8Array {
  const out: number[] = [];
  const relay = m.options.get(DHO_RELAY_AGENT);
  const room = max - DHCP4_HDR_LEN - 1 - (relay === undefined ? 0 : wireLength(relay));
  for (const [code, data] of m.options) {
    // Nothing is put into the fields of names.
    if (code === DHO_RELAY_AGENT || code === DHO_OVERLOAD) continue;
    if (out.length + wireLength(data) > room) break;
    putOption(out, code, data);
  }
  if (relay !== undefined) putOption(out, DHO_RELAY_AGENT, relay);
  out.push(END);
  const bytes = new Uint8Array(Math.max(DHCP4_LEN_MIN, DHCP4_HDR_LEN + out.length));
  const view = new DataView(bytes.buffer);
  [m.op, m.htype, m.chaddr.length, m.hops].forEach((byte, i) => view.setUint8(i, byte));
  view.setUint32(4, m.xid);
  view.setUint16(8, m.secs);
  view.setUint16(10, m.flags);
  [m.ciaddr, m.yiaddr, m.siaddr, m.giaddr].forEach((addr, i) => view.setUint32(12 + 4 * i, addr));
  bytes.set(m.chaddr.subarray(0, CHADDR_LEN), CHADDR);
  bytes.set(utf8Encode(m.sname).subarray(0, SNAME_LEN - 1), SNAME);
  bytes.set(utf8Encode(m.file).subarray(0, FILE_LEN - 1), FILE);
  view.setUint32(COOKIE, MAGIC);
  bytes.set(out, DHCP4_HDR_LEN);
  return bytes;
}

const wireLength = (data: Uint8Array): number => data.length + 2 * Math.max(1, Math.ceil(data.length / PART_MAX));

function putOption(out: number[], code: number, data: Uint8Array): void {
  for (let at = 0; at === 0 || at < data.length; at += PART_MAX) {
    const part = data.subarray(at, at + PART_MAX);
    out.push(code, part.length, ...part);
  }
}
