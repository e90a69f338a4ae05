/**
 * dns-types.ts — the numbers of DNS and what they are called: types, classes, response codes.
 * Read first: RFC 1035 §3.2, RFC 6895 §2, §3; RFC 3597 §5 for numbers without a name.
 */

export const DNS_TYPE_A = 1;
export const DNS_TYPE_NS = 2;
export const DNS_TYPE_CNAME = 5;
export const DNS_TYPE_SOA = 6;
export const DNS_TYPE_PTR = 12;
export const DNS_TYPE_MX = 15;
export const DNS_TYPE_TXT = 16;
export const DNS_TYPE_AAAA = 28;
export const DNS_TYPE_SRV = 33;
export const DNS_TYPE_DNAME = 39;
export const DNS_TYPE_OPT = 41;
export const DNS_TYPE_TKEY = 249;
export const DNS_TYPE_IXFR = 251;
export const DNS_TYPE_AXFR = 252;
export const DNS_TYPE_ANY = 255;

export const DNS_CLASS_IN = 1;
export const DNS_CLASS_CH = 3;
export const DNS_CLASS_NONE = 254;
export const DNS_CLASS_ANY = 255;

export const DNS_NOERROR = 0;
export const DNS_FORMERR = 1;
export const DNS_SERVFAIL = 2;
export const DNS_NXDOMAIN = 3;
export const DNS_NOTIMP = 4;
export const DNS_REFUSED = 5;
export const DNS_NOTAUTH = 9;
export const DNS_BADVERS = 16;

const TYPES: readonly (readonly [number, string])[] = [
  [1, 'A'], [2, 'NS'], [3, 'MD'], [4, 'MF'], [5, 'CNAME'], [6, 'SOA'], [7, 'MB'], [8, 'MG'], [9, 'MR'], [10, 'NULL'], [11, 'WKS'], [12, 'PTR'], [13, 'HINFO'], [14, 'MINFO'],
  [15, 'MX'], [16, 'TXT'], [17, 'RP'], [18, 'AFSDB'], [19, 'X25'], [20, 'ISDN'], [21, 'RT'], [24, 'SIG'], [25, 'KEY'], [26, 'PX'], [27, 'GPOS'], [28, 'AAAA'], [29, 'LOC'],
  [30, 'NXT'], [31, 'EID'], [32, 'NIMLOC'], [33, 'SRV'], [34, 'ATMA'], [35, 'NAPTR'], [36, 'KX'], [37, 'CERT'], [38, 'A6'], [39, 'DNAME'], [40, 'SINK'],
  [41, 'OPT'], [42, 'APL'], [43, 'DS'], [44, 'SSHFP'], [45, 'IPSECKEY'], [46, 'RRSIG'], [47, 'NSEC'], [48, 'DNSKEY'], [50, 'NSEC3'], [51, 'NSEC3PARAM'], [52, 'TLSA'], [59, 'CDS'], [60, 'CDNSKEY'],
  [64, 'SVCB'], [65, 'HTTPS'], [99, 'SPF'], [249, 'TKEY'], [250, 'TSIG'], [251, 'IXFR'], [252, 'AXFR'], [253, 'MAILB'], [254, 'MAILA'], [255, 'ANY'], [256, 'URI'], [257, 'CAA'],
];
const TYPE_NAMES: ReadonlyMap<number, string> = new Map(TYPES);
const TYPE_NUMBERS: ReadonlyMap<string, number> = new Map(TYPES.map(([n, name]) => [name, n]));
const CLASSES: readonly (readonly [number, string])[] = [[1, 'IN'], [3, 'CH'], [4, 'HS'], [254, 'NONE'], [255, 'ANY']];
const CLASS_NAMES: ReadonlyMap<number, string> = new Map(CLASSES);
const CLASS_NUMBERS: ReadonlyMap<string, number> = new Map(CLASSES.map(([n, name]) => [name, n]));
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'];
const U16_MAX = 0xffff;

/** `A`; `TYPE1234` for one without a name. */
export function dnsTypeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** The number of a type by its name, in letters of either case. */
export function dnsTypeOf(name: string): number | null {
  return numberOf(TYPE_NUMBERS, 'TYPE', name);
}

export function dnsClassName(cls: number): string {
  return CLASS_NAMES.get(cls) ?? `CLASS${cls}`;
}

export function dnsClassOf(name: string): number | null {
  return numberOf(CLASS_NUMBERS, 'CLASS', name);
}

export function dnsRcodeName(rcode: number): string {
  return rcode === DNS_BADVERS ? 'BADVERS' : (RCODES[rcode] ?? `RESERVED${rcode}`);
}

function numberOf(table: ReadonlyMap<string, number>, prefix: string, text: string): number | null {
  const name = text.toUpperCase();
  const known = table.get(name);
  if (known !== undefined) return known;
  const digits = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  return /^[0-9]{1,5}$/.test(digits) && Number(digits) <= U16_MAX ? Number(digits) : null;
}
