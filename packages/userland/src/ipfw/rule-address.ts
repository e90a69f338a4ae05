/**
 * rule-address.ts — addresses and ports of a rule, from words.
 * Read first: ipfw(8) "from src to dst"; words.ts.
 *
 *     any  me  me6  table(NAME[,VALUE])  1.2.3.4[,..]  1.2.3.0/24  1.2.3.4:255.255.0.255  1.2.3.0/24{1,5-9}  2001:db8::/32[,..]
 *
 * A list with an address of all bits free (`/0`) is `any`. What never matches ("not any") is refused wherever it is said.
 * There is no resolver; `localhost` is the one name.
 */
import type { IpfwInsnSpec } from '@netloom/core';
import {
  O_IP6_DST, O_IP6_DST_MASK, O_IP6_DST_ME, O_IP6_SRC, O_IP6_SRC_MASK, O_IP6_SRC_ME, O_IP_DST, O_IP_DST_LOOKUP, O_IP_DST_MASK, O_IP_DST_ME, O_IP_DST_SET, O_IP_SRC, O_IP_SRC_LOOKUP,
  O_IP_SRC_MASK, O_IP_SRC_ME, O_IP_SRC_SET,
} from '@netloom/core';
import { inetAton, ip6Parse, ip6Word, IPPROTO_IPV6, macParse } from '@netloom/core/wire';
import { isDigit, strtol } from '../c-number.js';
import { hostAddress } from '../host-address.js';
import { servicePort } from '../services.js';
import { EX_DATAERR, EX_NOHOST } from '../sysexits.js';
import type { IpfwTool } from './ipfw-tool.js';
import { ETHER_TYPES, NO_PORTS, isObjectName, wordValue } from './words.js';

type Kind = 'me' | 'table' | 'set' | 'one' | 'masks' | 'me6' | 'one6' | 'masks6';
export type Side = 'src' | 'dst';
/** What is said of an address; null: any. */
export type Address = Omit<IpfwInsnSpec, 'not' | 'or'> | null;

const OPS: Readonly<Record<Side, Readonly<Record<Kind, number>>>> = {
  src: {
    me: O_IP_SRC_ME, table: O_IP_SRC_LOOKUP, set: O_IP_SRC_SET, one: O_IP_SRC, masks: O_IP_SRC_MASK, me6: O_IP6_SRC_ME, one6: O_IP6_SRC, masks6: O_IP6_SRC_MASK,
  },
  dst: {
    me: O_IP_DST_ME, table: O_IP_DST_LOOKUP, set: O_IP_DST_SET, one: O_IP_DST, masks: O_IP_DST_MASK, me6: O_IP6_DST_ME, one6: O_IP6_DST, masks6: O_IP6_DST_MASK,
  },
};

/** Widths of a set of addresses. */
const SET_MIN = 24;
const SET_MAX = 31;

/** An address of either family; of IPv6 when the rule's protocol is. */
export function addressOf(t: IpfwTool, word: string, side: Side, proto: number): Address {
  const [host = ''] = word.split(/[/,]/);
  return proto === IPPROTO_IPV6 || word === 'me6' || ip6Parse(host) !== null ? address6(t, word, side) : address4(t, word, side);
}

/** `table(NAME[,VALUE])` */
export function tableOf(t: IpfwTool, word: string): { name: string; d: number[] } {
  const close = word.indexOf(')');
  if (close < 0) return t.errx(EX_DATAERR, `forgotten parenthesis: '${word}'`);
  const [name = '', value] = word.slice('table('.length, close).split(',', 2);
  if (!isObjectName(name) || name === 'all') return t.errx(EX_DATAERR, `Invalid table name: ${name}`);
  return { name, d: value === undefined ? [] : [strtol(value, 0).value | 0] };
}

export const maskOf = (bits: number): number => (bits === 0 ? 0 : bits >= 32 ? -1 : ~(0xffff_ffff >>> bits));

export function address4(t: IpfwTool, word: string, side: Side): Address {
  const ops = OPS[side];
  if (t.isWord(word, 'any')) return null;
  if (t.isWord(word, 'me')) return { op: ops.me };
  if (word.startsWith('table(')) return { op: ops.table, ...tableOf(t, word) };
  const set = /^([^/:,{]+)(?:\/([^{,]*))?\{(.*)$/.exec(word);
  if (set !== null) return addressSet(t, ops.set, set[1] ?? '', set[2] ?? String(SET_MIN), set[3] ?? '');
  if (word.includes('{')) return t.errx(EX_DATAERR, 'address set cannot be in a list');
  const d: number[] = [];
  for (const part of word.split(',')) {
    const [host = '', sep = '', rest = ''] = part.split(/([/:])/, 3);
    const addr = hostAddress(host) ?? t.errx(EX_NOHOST, `hostname \`\`${host}'' unknown`);
    const mask = sep === ':' ? (inetAton(rest) ?? t.errx(EX_DATAERR, `bad netmask \`\`${rest}''`)) : maskOf(sep === '/' ? width(t, rest, 32) : 32);
    if ((mask | 0) === 0) return null;
    d.push(addr & mask, mask | 0);
  }
  return d.length === 2 && d[1] === -1 ? { op: ops.one, d: d.slice(0, 1) } : { op: ops.masks, d };
}

function width(t: IpfwTool, text: string, max: number): number {
  return /^[0-9]{1,3}$/.test(text) && Number(text) <= max ? Number(text) : t.errx(EX_DATAERR, `bad width \`\`${text}''`);
}

/** 1.2.3.0/24{1,5-9} */
function addressSet(t: IpfwTool, op: number, host: string, bits: string, list: string): Address {
  const addr = hostAddress(host) ?? t.errx(EX_NOHOST, `hostname \`\`${host}'' unknown`);
  const plen = width(t, bits, 32);
  if (plen < SET_MIN || plen > SET_MAX) return t.errx(EX_DATAERR, `invalid set with mask ${plen}\n`);
  if (!list.endsWith('}')) return t.errx(EX_DATAERR, 'set not closed\n');
  const base = (addr & maskOf(plen)) >>> 0;
  const size = 1 << (32 - plen);
  const low = base & 0xff;
  const map = Array.from({ length: Math.ceil(size / 32) }, () => 0);
  const member = (text: string): number => {
    const { value, rest } = strtol(text, 0);
    if (rest !== '') return t.errx(EX_DATAERR, `incomplete range ${text}`);
    return value >= low && value < low + size ? value : t.errx(EX_DATAERR, `addr ${value} out of range [${low}-${low + size - 1}]\n`);
  };
  for (const part of list.slice(0, -1).split(',')) {
    const [from = '', to = from, more] = part.split('-');
    if (more !== undefined) return t.errx(EX_DATAERR, "double '-' in range");
    const [first, last] = [member(from), member(to)];
    if (first > last) return t.errx(EX_DATAERR, `invalid range ${first}-${last}`);
    for (let i = first - low; i <= last - low; i++) map[i >>> 5] = (map[i >>> 5] ?? 0) | (1 << (i & 31));
  }
  return { op, arg1: size, d: [base | 0, ...map] };
}

export const words6 = (addr: Uint8Array): number[] => [0, 1, 2, 3].map((i) => ip6Word(addr, i));

/** The words of a mask. */
const mask6 = (plen: number): number[] => [0, 1, 2, 3].map((i) => maskOf(Math.min(32, Math.max(0, plen - i * 32))));

export function address6(t: IpfwTool, word: string, side: Side): Address {
  const ops = OPS[side];
  if (word === 'any') return null;
  if (word === 'me' || word === 'me6') return { op: ops.me6 };
  if (word.startsWith('table(')) return { op: ops.table, ...tableOf(t, word) };
  const parts = word.split(',');
  const d: number[] = [];
  for (const part of parts) {
    const [host = '', mask] = part.split('/', 2);
    const addr = ip6Parse(host === 'localhost' ? '::1' : host) ?? t.errx(EX_DATAERR, `bad address "${host}"`);
    const m = mask === undefined ? mask6(128) : mask.includes(':') ? words6(ip6Parse(mask) ?? t.errx(EX_DATAERR, `bad mask "${mask}"`)) : mask6(width6(t, mask));
    if (m.every((w) => w === 0)) continue;
    d.push(...words6(addr).map((w, i) => w & (m[i] ?? 0)), ...m);
  }
  if (d.length === 0) return null;
  return d.length === 8 && d.slice(4).every((w) => w === -1) ? { op: ops.one6, d: d.slice(0, 4) } : { op: ops.masks6, d };
}

function width6(t: IpfwTool, text: string): number {
  return /^[0-9]{1,3}$/.test(text) && Number(text) <= 128 ? Number(text) : t.errx(EX_DATAERR, `bad width "${text}"'`);
}

/** A port of a list, and what is behind it; null: there is none. */
function portAt(text: string, etherType: boolean): { port: number; rest: string } | null {
  if (text === '') return null;
  if (isDigit(text)) {
    const { value, rest } = strtol(text, 0);
    return { port: value & 0xffff, rest };
  }
  const name = /^(?:[A-Za-z0-9_.]|\\.)*/.exec(text)?.[0] ?? '';
  const plain = name.replaceAll('\\', '');
  const port = etherType ? wordValue(ETHER_TYPES, plain) : servicePort(plain);
  return port === null ? null : { port, rest: text.slice(name.length) };
}

/** `80,443,6000-6063` in pairs; null: these are no ports. */
export function portsOf(t: IpfwTool, word: string, etherType = false): number[] | null {
  if (!etherType && NO_PORTS.has(word)) return null;
  const d: number[] = [];
  let text = word;
  while (text !== '') {
    const first = portAt(text, etherType);
    if (first === null) return null;
    const sep = first.rest.charAt(0);
    const last = sep === '-' ? portAt(first.rest.slice(1), etherType) : first;
    if (last === null || (sep === '-' && last.rest !== '' && !last.rest.startsWith(','))) return null;
    if (sep !== '' && sep !== '-' && sep !== ',') {
      t.warnx(`port list: invalid separator <${sep}> in <${text}>`);
      return null;
    }
    d.push(first.port, last.port);
    text = last.rest.slice(1);
  }
  return d.length === 0 ? null : d;
}

/** Address and mask of one side of `MAC dst src`, 48 bits each. */
export function macOf(t: IpfwTool, word: string): { addr: Uint8Array; mask: Uint8Array } {
  if (word === 'any') return { addr: new Uint8Array(6), mask: new Uint8Array(6) };
  const [host = '', sep = '', rest = ''] = word.split(/([/&])/, 3);
  const addr = macParse(host) ?? t.errx(EX_DATAERR, 'Incorrect MAC address');
  let mask = new Uint8Array(6).fill(0xff);
  if (sep === '/') {
    const bits = /^[0-9]{1,2}$/.test(rest) ? Number(rest) : 49;
    if (bits > 48) return t.errx(EX_DATAERR, 'Incorrect mask length');
    mask = mask.map((_, i) => (0xff00 >>> Math.min(8, Math.max(0, bits - i * 8))) & 0xff);
  } else if (sep === '&') mask = Uint8Array.from(macParse(rest) ?? t.errx(EX_DATAERR, 'Incorrect mask'));
  return { addr: addr.map((b, i) => b & (mask[i] ?? 0)), mask };
}
