/**
 * table-key.ts — keys of tables, from words and back.
 * Read first: ipfw(8) "LOOKUP TABLES"; table-value.ts.
 */
import type { IpfwTable, IpfwTableKey } from '@netloom/core';
import {
  IPFW_TABLE_ADDR, IPFW_TABLE_FLOW, IPFW_TABLE_INTERFACE, IPFW_TABLE_MAC, IPFW_TABLE_NUMBER, IPFW_TFFLAG_DSTIP, IPFW_TFFLAG_DSTPORT, IPFW_TFFLAG_PROTO, IPFW_TFFLAG_SRCIP,
  IPFW_TFFLAG_SRCPORT, NO_KEY,
} from '@netloom/core';
import { inetAton, ip4Format, ip4Parse, ip6Format, ip6OfWords, ip6Parse, macParse } from '@netloom/core/wire';
import { atoi, isDigit, strtol } from '../c-number.js';
import { hostAddress } from '../host-address.js';
import { protocolNumber } from '../protocols.js';
import { servicePort } from '../services.js';
import { EX_DATAERR, EX_NOHOST } from '../sysexits.js';
import { maskOf, words6 } from './rule-address.js';
import type { IpfwTool } from './ipfw-tool.js';

const IF_NAME_MAX = 15;
const PROTO_MAX = 255;

/** What kind of table a word is a key of, when there is no table yet; null: that cannot be said. */
export function guessType(word: string): number | null {
  if (/^[0-9a-fA-F:]/.test(word)) {
    const [host = ''] = word.split('/');
    if (ip4Parse(host) !== null || ip6Parse(host) !== null) return IPFW_TABLE_ADDR;
    const { rest } = strtol(word);
    if (rest === '') return IPFW_TABLE_NUMBER;
    if (rest !== word && rest.startsWith('.')) return null;
  }
  if (!word.includes('.')) return IPFW_TABLE_INTERFACE;
  return hostAddress(word) === null ? null : IPFW_TABLE_ADDR;
}

/** The key that `word` is in a table of this kind. */
export function keyOf(t: IpfwTool, word: string, type: number, tflags: number): IpfwTableKey {
  switch (type) {
    case IPFW_TABLE_ADDR:
      return addressKey(t, word);
    case IPFW_TABLE_MAC:
      return macKey(t, word);
    case IPFW_TABLE_INTERFACE:
      return { ...NO_KEY, name: word.slice(0, IF_NAME_MAX) };
    case IPFW_TABLE_NUMBER: {
      const { value, rest } = strtol(word);
      return rest === '' ? { ...NO_KEY, number: value >>> 0 } : t.errx(EX_DATAERR, `Invalid number: ${word}`);
    }
    default:
      return flowKey(t, word, tflags);
  }
}

function addressKey(t: IpfwTool, word: string): IpfwTableKey {
  const [host = '', bits] = word.split('/', 2);
  const v4 = ip4Parse(host);
  const width = (max: number, family: string): number => {
    if (bits === undefined) return max;
    return atoi(bits) <= max && isDigit(bits) ? atoi(bits) : t.errx(EX_DATAERR, `bad ${family} mask width: ${bits}`);
  };
  if (v4 !== null) {
    const plen = width(32, 'IPv4');
    return { ...NO_KEY, family: 4, words: [v4 & maskOf(plen)], plen };
  }
  const v6 = ip6Parse(host);
  if (v6 !== null) {
    const plen = width(128, 'IPv6');
    const words = words6(v6);
    if (words[0] === 0 && words[1] === 0 && words[2] === 0 && ((words[3] ?? 0) >>> 0) > 1) return t.errx(EX_DATAERR, 'Use IPv4 instead of v4-compatible');
    return { ...NO_KEY, family: 6, words: words.map((w, i) => w & maskOf(Math.min(32, Math.max(0, plen - i * 32)))), plen };
  }
  const named = hostAddress(host) ?? inetAton(host) ?? t.errx(EX_NOHOST, `hostname \`\`${host}'' unknown`);
  return { ...NO_KEY, family: 4, words: [named | 0], plen: 32 };
}

function macKey(t: IpfwTool, word: string): IpfwTableKey {
  const [host = '', bits] = word.split('/', 2);
  const plen = bits === undefined ? 48 : atoi(bits);
  if (plen > 48) return t.errx(EX_DATAERR, `bad MAC mask width: ${bits ?? ''}`);
  const mac = macParse(host) ?? t.errx(EX_DATAERR, 'Incorrect MAC address');
  const bytes = new Uint8Array(8);
  bytes.set(mac);
  const v = new DataView(bytes.buffer);
  return { ...NO_KEY, words: [v.getInt32(0) & maskOf(Math.min(32, plen)), v.getInt32(4) & maskOf(Math.max(0, plen - 32))], plen };
}

type FlowDraft = { -readonly [K in keyof IpfwTableKey]: IpfwTableKey[K] };

/** `[src-ip][,proto][,src-port][,dst-ip][,dst-port]`, as many as the table has. */
function flowKey(t: IpfwTool, word: string, tflags: number): IpfwTableKey {
  const parts = word.split(',');
  const key: FlowDraft = { ...NO_KEY };
  const take = (flag: number, what: string): string | null => {
    if ((tflags & flag) === 0) return null;
    return parts.shift() ?? t.errx(EX_DATAERR, `invalid key: ${what} missing`);
  };
  const address = (text: string | null): readonly number[] => {
    if (text === null) return [];
    const v4 = ip4Parse(text);
    const v6 = v4 === null ? ip6Parse(text) : null;
    const family = v4 !== null ? 4 : v6 !== null ? 6 : t.errx(EX_DATAERR, `invalid key: bad address ${text}`);
    if (key.family !== 0 && key.family !== family) return t.errx(EX_DATAERR, 'Inconsistent address family');
    key.family = family;
    return v4 !== null ? [v4 | 0] : v6 === null ? [] : words6(v6);
  };
  key.words = address(take(IPFW_TFFLAG_SRCIP, 'src ip'));
  key.proto = protocolOf(t, take(IPFW_TFFLAG_PROTO, 'proto'));
  key.sport = portOf(t, take(IPFW_TFFLAG_SRCPORT, 'src port'));
  key.dst = address(take(IPFW_TFFLAG_DSTIP, 'dst ip'));
  key.dport = portOf(t, take(IPFW_TFFLAG_DSTPORT, 'dst port'));
  return key;
}

function protocolOf(t: IpfwTool, text: string | null): number {
  if (text === null) return 0;
  const { value, rest } = strtol(text);
  const proto = rest === '' ? value : (protocolNumber(text) ?? t.errx(EX_DATAERR, `Unknown proto: ${text}`));
  return proto <= PROTO_MAX ? proto : t.errx(EX_DATAERR, `Bad protocol number: ${proto}`);
}

function portOf(t: IpfwTool, text: string | null): number {
  if (text === null) return 0;
  const { value, rest } = strtol(text);
  return rest === '' ? value & 0xffff : (servicePort(text) ?? t.errx(EX_DATAERR, `Unknown service: ${text}`));
}

/** A key as it is listed. */
export function keyText({ type, tflags }: Pick<IpfwTable, 'type' | 'tflags'>, key: IpfwTableKey): string {
  switch (type) {
    case IPFW_TABLE_ADDR:
      return `${addressText(key.family, key.words)}/${key.plen}`;
    case IPFW_TABLE_MAC: {
      const [hi = 0, lo = 0] = key.words;
      const bytes = [hi >>> 24, hi >>> 16, hi >>> 8, hi, lo >>> 24, lo >>> 16].map((b) => (b & 0xff).toString(16).padStart(2, '0'));
      return `${bytes.join(':')}/${key.plen}`;
    }
    case IPFW_TABLE_INTERFACE:
      return key.name;
    case IPFW_TABLE_FLOW:
      return [
        [IPFW_TFFLAG_SRCIP, addressText(key.family, key.words)] as const, [IPFW_TFFLAG_PROTO, String(key.proto)] as const, [IPFW_TFFLAG_SRCPORT, String(key.sport)] as const,
        [IPFW_TFFLAG_DSTIP, addressText(key.family, key.dst)] as const, [IPFW_TFFLAG_DSTPORT, String(key.dport)] as const,
      ].filter(([flag]) => (tflags & flag) !== 0).map(([, text]) => text).join(',');
    default:
      return String(key.number);
  }
}

function addressText(family: number, words: readonly number[]): string {
  const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = words;
  return family === 6 ? ip6Format(ip6OfWords(w0, w1, w2, w3)) : ip4Format(w0 >>> 0);
}
