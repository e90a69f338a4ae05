/**
 * table-value.ts — values of tables, from words and back.
 * Read first: ipfw(8) "valtype"; table-key.ts.
 *
 * A table of the usual kind has one number, which may be written as an address. One with chosen fields has as many values, separated by commas, in the
 * order of the fields' bits; one value alone is for all of them.
 */
import type { IpfwTableValue } from '@netloom/core';
import {
  IPFW_VTYPE_DIVERT, IPFW_VTYPE_DSCP, IPFW_VTYPE_FIB, IPFW_VTYPE_LEGACY, IPFW_VTYPE_LIMIT, IPFW_VTYPE_MARK, IPFW_VTYPE_NAT, IPFW_VTYPE_NETGRAPH, IPFW_VTYPE_NH4, IPFW_VTYPE_NH6,
  IPFW_VTYPE_PIPE, IPFW_VTYPE_SKIPTO, IPFW_VTYPE_TAG, NO_VALUE, legacyValue,
} from '@netloom/core';
import { ip4Format, ip4Parse, ip6OfWords, ip6Zoned } from '@netloom/core/wire';
import { strtol } from '../c-number.js';
import { hostAddress } from '../host-address.js';
import { hostAddress6, zonedText6 } from '../host-address6.js';
import { EX_OSERR, EX_USAGE } from '../sysexits.js';
import { hexText } from './action-text.js';
import type { IpfwTool } from './ipfw-tool.js';
import { words6 } from './rule-address.js';
import { DSCP, wordValue } from './words.js';

type Draft = { -readonly [K in keyof IpfwTableValue]: IpfwTableValue[K] };
type NumberField = Exclude<keyof IpfwTableValue, 'nh6'>;

/** In the order of their bits. */
const FIELDS: readonly (readonly [number, keyof IpfwTableValue, string])[] = [
  [IPFW_VTYPE_SKIPTO, 'skipto', 'skipto'], [IPFW_VTYPE_PIPE, 'pipe', 'pipe'], [IPFW_VTYPE_FIB, 'fib', 'fib'], [IPFW_VTYPE_NAT, 'nat', 'nat'], [IPFW_VTYPE_DSCP, 'dscp', 'DSCP code'],
  [IPFW_VTYPE_TAG, 'tag', 'tag'], [IPFW_VTYPE_DIVERT, 'divert', 'divert'], [IPFW_VTYPE_NETGRAPH, 'netgraph', 'netgraph'], [IPFW_VTYPE_LIMIT, 'limit', 'limit'],
  [IPFW_VTYPE_NH4, 'nh4', 'ipv4'], [IPFW_VTYPE_NH6, 'nh6', 'ipv6'], [IPFW_VTYPE_MARK, 'mark', 'mark'],
];

export function valueOf(t: IpfwTool, text: string, vmask: number): IpfwTableValue {
  if (vmask === IPFW_VTYPE_LEGACY) {
    const { value, rest } = strtol(text, 0);
    if (rest === '' && text !== '') return legacyValue(value >>> 0);
    return legacyValue(ip4Parse(text) ?? hostAddress(text) ?? t.errx(EX_OSERR, `Unable to parse value ${text}`));
  }
  const fields = FIELDS.filter(([bit]) => (vmask & bit) !== 0);
  const parts = text.split(',');
  if (parts.length < fields.length && parts.length > 1) return t.errx(EX_USAGE, 'Not enough fields inside value');
  const value: Draft = { ...NO_VALUE };
  fields.forEach(([, field, what], i) => put(t, value, field, parts[parts.length === 1 ? 0 : i] ?? '', what));
  return value;
}

function put(t: IpfwTool, value: Draft, field: keyof IpfwTableValue, text: string, what: string): void {
  const bad = (): never => t.errx(EX_USAGE, `Unable to parse ${text} as ${what}`);
  if (field === 'nh6') {
    const addr = text.includes(':') ? hostAddress6(t.p.vnet, text) : null;
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = addr === null ? bad() : words6(ip6Zoned(addr.addr, addr.scopeId));
    value.nh6 = [w0, w1, w2, w3];
    return;
  }
  value[field] = fieldValue(field, text) ?? bad();
}

function fieldValue(field: NumberField, text: string): number | null {
  if (field === 'nh4') return text.includes('.') ? ip4Parse(text) : hostAddress(text);
  if (field === 'dscp' && /^[A-Za-z]/.test(text)) return wordValue(DSCP, text);
  const { value, rest } = strtol(text, field === 'mark' ? 16 : 10);
  const isNumber = rest === '' && text !== '' && (field !== 'dscp' || value <= 63);
  return isNumber ? value >>> 0 : null;
}

/** A value as it is listed. */
export function valueText(t: IpfwTool, value: IpfwTableValue, vmask: number): string {
  if (vmask === IPFW_VTYPE_LEGACY) return t.opts.valueAsIp ? ip4Format(value.tag) : String(value.tag);
  return FIELDS.filter(([bit]) => (vmask & bit) !== 0).map(([, field]) => {
    if (field === 'nh6') return zonedText6(t.p.vnet, ip6OfWords(...value.nh6));
    if (field === 'nh4') return ip4Format(value.nh4);
    return field === 'mark' ? hexText(value.mark) : String(value[field]);
  }).join(',');
}
