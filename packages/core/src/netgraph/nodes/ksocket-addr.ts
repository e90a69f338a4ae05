/**
 * ksocket-addr.ts — socket addresses in messages: FreeBSD's `struct sockaddr`, its ASCII forms, and the names of families, types and protocols.
 * Read first: ng_ksocket(4) "ASCII FORM CONTROL MESSAGES".
 *
 *     inet/192.0.2.1:5000    inet6/[2001:db8::1]:5000    local/"/tmp/x"    { len=16 family=2 data=[ 0x13 0x88 … ] }
 *
 * Addresses of IPv4 are written in the first form, others in the last. The second is read only, and is not the original's.
 */
import { E2BIG, EINVAL } from '../../base/errno.js';
import type { Ip6Name } from '../../transport/in6-pcb.js';
import { PF_INET, PF_INET6, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from '../../socket/socket-type.js';
import { ip4Format } from '../../wire/addr.js';
import { ip6Parse } from '../../wire/addr6.js';
import { ngByteArray, ngStruct, ngUint8 } from '../ng-parse.js';
import type { NgParseType } from '../ng-parse.js';
import { quoteBytes } from '../ng-scanner.js';
import type { NgScanner } from '../ng-scanner.js';

const PF_LOCAL = 1;
const PF_DIVERT = 44;

const SOCKADDR_IN_LEN = 16;
const SOCKADDR_IN6_LEN = 28;
/** Bytes before the address proper. */
const SADATA_OFFSET = 2;
const SOCK_MAXADDRLEN = 255;

const FAMILIES: ReadonlyMap<string, number> = new Map([['local', PF_LOCAL], ['inet', PF_INET], ['inet6', PF_INET6], ['divert', PF_DIVERT], ['atm', 30]]);
const TYPES: ReadonlyMap<string, number> = new Map([['stream', SOCK_STREAM], ['dgram', SOCK_DGRAM], ['raw', SOCK_RAW], ['rdm', 4], ['seqpacket', 5]]);
const PROTOS: ReadonlyMap<string, number> = new Map([
  ['ip', 0], ['raw', 255], ['icmp', 1], ['igmp', 2], ['tcp', 6], ['udp', 17], ['gre', 47], ['esp', 50], ['ah', 51], ['swipe', 53], ['encap', 98], ['pim', 103],
]);

/** What socket(2) is asked for by a hook `family/type/proto`, names or decimal numbers; null: it is none. */
export function ksocketKind(hook: string): { readonly family: number; readonly type: number; readonly proto: number } | null {
  const [familyText = '', typeText = '', protoText, more] = hook.split('/');
  if (protoText === undefined || more !== undefined) return null;
  const family = named(FAMILIES, familyText);
  const type = named(TYPES, typeText);
  const inet = family === PF_INET || family === PF_INET6;
  const proto = inet ? named(PROTOS, protoText) : decimal(protoText);
  return family < 0 || type < 0 || proto < 0 ? null : { family, type, proto };
}

function named(names: ReadonlyMap<string, number>, text: string): number {
  return names.get(text) ?? decimal(text);
}

/** As strtoul takes it: nothing is 0. */
function decimal(text: string): number {
  return /^\d*$/.test(text) && Number(text) <= 0x7fff_ffff ? Number(text) : -1;
}

/** A socket address of any family, as it is in memory. */
export interface Sockaddr {
  readonly family: number;
  /** Everything behind length and family. */
  readonly data: Uint8Array;
}

/** One end of an IP socket. */
export interface SockEnd {
  readonly addr: number | Ip6Name;
  readonly port: number;
}

export function sockaddrOf(addr: number | Ip6Name, port: number): Sockaddr {
  const data = new Uint8Array((typeof addr === 'number' ? SOCKADDR_IN_LEN : SOCKADDR_IN6_LEN) - SADATA_OFFSET);
  const v = new DataView(data.buffer);
  v.setUint16(0, port);
  if (typeof addr === 'number') {
    v.setUint32(2, addr);
    return { family: PF_INET, data };
  }
  data.set(addr.addr, 6);
  v.setUint32(22, addr.scopeId, true);
  return { family: PF_INET6, data };
}

/** The end an address names; null: it is of another family, or too short. */
export function sockaddrEnd({ family, data }: Sockaddr): SockEnd | null {
  const v = new DataView(data.buffer, data.byteOffset, data.length);
  if (family === PF_INET && data.length >= 6) return { port: v.getUint16(0), addr: v.getUint32(2) };
  if (family !== PF_INET6 || data.length < SOCKADDR_IN6_LEN - SADATA_OFFSET) return null;
  return { port: v.getUint16(0), addr: { addr: data.slice(6, 22), scopeId: v.getUint32(22, true) } };
}

/** An address from a message; null when it ends too early. */
export function sockaddrDecode(bytes: Uint8Array): Sockaddr | null {
  const [len = 0, family = 0] = bytes;
  return bytes.length < SADATA_OFFSET || bytes.length < len ? null : { family, data: bytes.slice(SADATA_OFFSET, Math.max(len, SADATA_OFFSET)) };
}

/** The C structure, in its ASCII form too. */
export const genericSockaddrType: NgParseType<{ readonly len: number; readonly family: number; readonly data: Uint8Array }> = ngStruct({
  len: ngUint8, family: ngUint8, data: ngByteArray(({ len }) => (typeof len === 'number' ? len - SADATA_OFFSET : 0)),
});

const structOf = ({ family, data }: Sockaddr): { len: number; family: number; data: Uint8Array } => ({ len: data.length + SADATA_OFFSET, family, data });

/** An address in the form of its family. It has no default. */
export const sockaddrType: NgParseType<Sockaddr> = {
  align: 1,
  parse: (s, parent) => (s.peek() === '{' ? genericSockaddrType.parse(s, parent) : parseForm(s)),
  format(sa) {
    const end = sockaddrEnd(sa);
    if (sa.family === PF_LOCAL) return `local/${quoteBytes(sa.data)}`;
    if (end === null || typeof end.addr !== 'number') return genericSockaddrType.format(structOf(sa));
    return `inet/${ip4Format(end.addr)}${end.port === 0 ? '' : `:${end.port}`}`;
  },
  encode: (sa, w) => genericSockaddrType.encode(structOf(sa), w),
  decode: (r, parent) => genericSockaddrType.decode(r, parent),
  initial: () => null,
  isDefault: () => false,
};

const NO_SOCKADDR: Sockaddr = { family: 0, data: new Uint8Array(0) };
const IN_FORM = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:(:)(\d*))?/;
const IN6_FORM = /^(?:\[([0-9a-fA-F:.]+)(?:%(\d+))?\](?:(:)(\d*))?|([0-9a-fA-F:.]+)(?:%(\d+))?)(?!\w)/;
const FAMILY_LEN_MAX = 31;

function parseForm(s: NgScanner): Sockaddr {
  const slash = s.text.indexOf('/', s.pos);
  const family = slash < 0 || slash - s.pos > FAMILY_LEN_MAX ? -1 : named(FAMILIES, s.text.slice(s.pos, slash));
  if (family >= 0) s.pos = slash + 1;
  if (family === PF_LOCAL) return parseLocal(s);
  const end = family === PF_INET ? parseIn(s) : family === PF_INET6 ? parseIn6(s) : null;
  if (end !== null) return sockaddrOf(end.addr, end.port);
  s.fail(EINVAL);
  return NO_SOCKADDR;
}

function parseLocal(s: NgScanner): Sockaddr {
  const data = s.atString ? s.quoted() : new Uint8Array(0);
  if (data.length === 0) s.fail(EINVAL);
  if (data.length > SOCK_MAXADDRLEN - SADATA_OFFSET) s.fail(E2BIG);
  return { family: PF_LOCAL, data };
}

function parseIn(s: NgScanner): SockEnd | null {
  const form = IN_FORM.exec(s.text.slice(s.pos));
  if (form === null) return null;
  s.pos += form[0].length;
  const parts = form.slice(1, 5).map(Number);
  const port = portOf(form[5], form[6]);
  return port < 0 || parts.some((n) => n > 255) ? null : { addr: parts.reduce((addr, n) => addr * 256 + n, 0), port };
}

function parseIn6(s: NgScanner): SockEnd | null {
  const form = IN6_FORM.exec(s.text.slice(s.pos));
  if (form === null) return null;
  s.pos += form[0].length;
  const [, inside, zone, colon, portText, bare, bareZone] = form;
  const addr = ip6Parse(inside ?? bare ?? '');
  const port = portOf(colon, portText);
  return addr === null || port < 0 ? null : { addr: { addr, scopeId: Number(zone ?? bareZone ?? 0) }, port };
}

/** A port behind a colon, 0 without one, -1 for a bad one. */
function portOf(colon: string | undefined, text = ''): number {
  if (colon === undefined) return 0;
  return text !== '' && Number(text) <= 0xffff ? Number(text) : -1;
}
