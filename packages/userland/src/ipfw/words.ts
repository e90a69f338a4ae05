/**
 * words.ts — the words of ipfw's language and what they stand for.
 * Read first: ipfw(8).
 *
 * A value may have several words; it is printed with the first. A word that several keywords share means what the keyword says.
 */
import {
  DYN_DST_ADDR, DYN_DST_PORT, DYN_SRC_ADDR, DYN_SRC_PORT, EXT_AH, EXT_DSTOPTS, EXT_ESP, EXT_FRAGMENT, EXT_HOPOPTS, EXT_ROUTING, EXT_RTHDR0, EXT_RTHDR2, IPFW_TABLE_ADDR,
  IPFW_TABLE_FLOW, IPFW_TABLE_INTERFACE, IPFW_TABLE_MAC, IPFW_TABLE_NUMBER, IPFW_TFFLAG_DSTIP, IPFW_TFFLAG_DSTPORT, IPFW_TFFLAG_PROTO, IPFW_TFFLAG_SRCIP, IPFW_TFFLAG_SRCPORT,
  IPFW_VTYPE_DIVERT, IPFW_VTYPE_DSCP, IPFW_VTYPE_FIB, IPFW_VTYPE_LIMIT, IPFW_VTYPE_MARK, IPFW_VTYPE_NAT, IPFW_VTYPE_NETGRAPH, IPFW_VTYPE_NH4, IPFW_VTYPE_NH6, IPFW_VTYPE_PIPE,
  IPFW_VTYPE_SKIPTO, IPFW_VTYPE_TAG, IP_FW_IPOPT_LSRR, IP_FW_IPOPT_RR, IP_FW_IPOPT_SSRR, IP_FW_IPOPT_TS, IP_FW_TCPOPT_CC, IP_FW_TCPOPT_MSS, IP_FW_TCPOPT_SACK, IP_FW_TCPOPT_TS,
  IP_FW_TCPOPT_WINDOW, LOOKUP_DSCP, LOOKUP_DST_IP, LOOKUP_DST_MAC, LOOKUP_DST_PORT, LOOKUP_MARK, LOOKUP_SRC_IP, LOOKUP_SRC_MAC, LOOKUP_SRC_PORT, O_IPID, O_IPLEN, O_IPTTL,
  O_IP_DSTPORT, O_IP_SRCPORT, O_MAC_TYPE, O_TAGGED, O_TCPDATALEN, O_TCPMSS, O_TCPWIN,
} from '@netloom/core';

export type Words = readonly (readonly [string, number])[];

/** What `word` stands for, or null. */
export const wordValue = (words: Words, word: string): number | null => words.find(([w]) => w === word)?.[1] ?? null;

/** The word for `value`, or null. */
export const wordOf = (words: Words, value: number): string | null => words.find(([, v]) => v === value)?.[0] ?? null;

export interface Flags {
  readonly set: number;
  readonly clear: number;
}

/** `syn,!ack`; a text is the word that is none. */
export function flagsOf(words: Words, text: string): Flags | string {
  let set = 0;
  let clear = 0;
  for (const part of text.split(',')) {
    const value = wordValue(words, part.replace(/^!/, ''));
    if (value === null) return part.replace(/^!/, '');
    if (part.startsWith('!')) clear |= value;
    else set |= value;
  }
  return { set, clear };
}

/** The words of the flags, each once. */
export function flagsText(words: Words, { set, clear }: Flags): string {
  const text: string[] = [];
  let [s, c] = [set, clear];
  for (const [word, value] of words) {
    if ((s & value) !== 0) text.push(word);
    if ((c & value) !== 0) text.push(`!${word}`);
    s &= ~value;
    c &= ~value;
  }
  return text.join(',');
}

export const TCP_FLAGS: Words = [['syn', 2], ['fin', 1], ['ack', 0x10], ['psh', 8], ['rst', 4], ['urg', 0x20]];
export const TCP_OPTIONS: Words = [
  ['mss', IP_FW_TCPOPT_MSS], ['maxseg', IP_FW_TCPOPT_MSS], ['window', IP_FW_TCPOPT_WINDOW], ['sack', IP_FW_TCPOPT_SACK], ['ts', IP_FW_TCPOPT_TS], ['timestamp', IP_FW_TCPOPT_TS],
  ['cc', IP_FW_TCPOPT_CC],
];
export const IP_OPTIONS: Words = [['ssrr', IP_FW_IPOPT_SSRR], ['lsrr', IP_FW_IPOPT_LSRR], ['rr', IP_FW_IPOPT_RR], ['ts', IP_FW_IPOPT_TS]];
export const IP_TOS: Words = [['lowdelay', 0x10], ['throughput', 8], ['reliability', 4], ['mincost', 2], ['congestion', 3], ['ecntransport', 2]];
/** The top bits of IPv4's offset field, and that there is one. */
export const IP_OFF: Words = [['rf', 0x80], ['df', 0x40], ['mf', 0x20], ['offset', 1]];

/** Code points: afXY is class X, drop precedence Y. */
export const DSCP: Words = [
  ['af11', 10], ['af12', 12], ['af13', 14], ['af21', 18], ['af22', 20], ['af23', 22], ['af31', 26], ['af32', 28], ['af33', 30], ['af41', 34], ['af42', 36], ['af43', 38],
  ['be', 0], ['va', 44], ['ef', 46], ['cs0', 0], ['cs1', 8], ['cs2', 16], ['cs3', 24], ['cs4', 32], ['cs5', 40], ['cs6', 48], ['cs7', 56],
];
export const LIMIT_MASKS: Words = [
  ['all', DYN_SRC_ADDR | DYN_SRC_PORT | DYN_DST_ADDR | DYN_DST_PORT], ['src-addr', DYN_SRC_ADDR], ['src-port', DYN_SRC_PORT], ['dst-addr', DYN_DST_ADDR], ['dst-port', DYN_DST_PORT],
];
export const ETHER_TYPES: Words = [
  ['ip', 0x800], ['ipv4', 0x800], ['ipv6', 0x86dd], ['arp', 0x806], ['rarp', 0x8035], ['vlan', 0x8100], ['loop', 0x9000], ['trail', 0x1000], ['at', 0x809b], ['atalk', 0x809b],
  ['aarp', 0x80f3], ['pppoe_disc', 0x8863], ['pppoe_sess', 0x8864], ['ipx_8022', 0xe0], ['ipx_8023', 0], ['ipx_ii', 0x8137], ['ipx_snap', 0x8137], ['ipx', 0x8137], ['ns', 0x600],
];
export const UNREACH_CODES: Words = [
  ['net', 0], ['host', 1], ['protocol', 2], ['port', 3], ['needfrag', 4], ['srcfail', 5], ['net-unknown', 6], ['host-unknown', 7], ['isolated', 8], ['net-prohib', 9],
  ['host-prohib', 10], ['tosnet', 11], ['toshost', 12], ['filter-prohib', 13], ['host-precedence', 14], ['precedence-cutoff', 15],
];
export const UNREACH6_CODES: Words = [['no-route', 0], ['admin-prohib', 1], ['address', 3], ['port', 4]];
export const EXT_HEADERS: Words = [
  ['frag', EXT_FRAGMENT], ['hopopt', EXT_HOPOPTS], ['route', EXT_ROUTING], ['dstopt', EXT_DSTOPTS], ['ah', EXT_AH], ['esp', EXT_ESP], ['rthdr0', EXT_RTHDR0], ['rthdr2', EXT_RTHDR2],
];
/** As they are listed. */
export const EXT_HEADER_NAMES: Words = [
  ['fragmentation', EXT_FRAGMENT], ['hop options', EXT_HOPOPTS], ['routing options', EXT_ROUTING], ['rthdr0', EXT_RTHDR0], ['rthdr2', EXT_RTHDR2], ['destination options', EXT_DSTOPTS],
  ['authentication header', EXT_AH], ['encapsulated security payload', EXT_ESP],
];
export const LOOKUP_KEYS: Words = [
  ['dst-ip', LOOKUP_DST_IP], ['src-ip', LOOKUP_SRC_IP], ['dst-port', LOOKUP_DST_PORT], ['src-port', LOOKUP_SRC_PORT], ['dst-mac', LOOKUP_DST_MAC], ['src-mac', LOOKUP_SRC_MAC],
  ['dscp', LOOKUP_DSCP], ['mark', LOOKUP_MARK],
];
/** Options that are lists of ranges. */
export const RANGE_NAMES: Words = [
  ['dst-port', O_IP_DSTPORT], ['src-port', O_IP_SRCPORT], ['ipid', O_IPID], ['iplen', O_IPLEN], ['ipttl', O_IPTTL], ['mac-type', O_MAC_TYPE], ['tcpdatalen', O_TCPDATALEN],
  ['tcpmss', O_TCPMSS], ['tcpwin', O_TCPWIN], ['tagged', O_TAGGED],
];

export const TABLE_TYPES: Words = [
  ['addr', IPFW_TABLE_ADDR], ['mac', IPFW_TABLE_MAC], ['iface', IPFW_TABLE_INTERFACE], ['number', IPFW_TABLE_NUMBER], ['flow', IPFW_TABLE_FLOW],
];
export const TABLE_VALUES: Words = [
  ['skipto', IPFW_VTYPE_SKIPTO], ['pipe', IPFW_VTYPE_PIPE], ['fib', IPFW_VTYPE_FIB], ['nat', IPFW_VTYPE_NAT], ['dscp', IPFW_VTYPE_DSCP], ['tag', IPFW_VTYPE_TAG],
  ['divert', IPFW_VTYPE_DIVERT], ['netgraph', IPFW_VTYPE_NETGRAPH], ['limit', IPFW_VTYPE_LIMIT], ['ipv4', IPFW_VTYPE_NH4], ['ipv6', IPFW_VTYPE_NH6], ['mark', IPFW_VTYPE_MARK],
];
export const FLOW_FIELDS: Words = [
  ['src-ip', IPFW_TFFLAG_SRCIP], ['proto', IPFW_TFFLAG_PROTO], ['src-port', IPFW_TFFLAG_SRCPORT], ['dst-ip', IPFW_TFFLAG_DSTIP], ['dst-port', IPFW_TFFLAG_DSTPORT],
];

/** Actions by each of their words. */
export const ACTIONS: ReadonlyMap<string, string> = new Map([
  'abort6', 'abort', 'allow', 'count', 'pipe', 'queue', 'divert', 'tee', 'netgraph', 'ngtee', 'fwd', 'skipto', 'deny', 'reject', 'reset6', 'reset', 'unreach6', 'unreach',
  'check-state', '//', 'nat', 'reass', 'setfib', 'setdscp', 'call', 'return', 'eaction', 'tcp-setmss', 'setmark', 'nat64clat', 'nat64lsn', 'nat64stl', 'nptv6',
].map((word) => [word, word] as const).concat([['accept', 'allow'], ['pass', 'allow'], ['permit', 'allow'], ['drop', 'deny'], ['forward', 'fwd']]));

export const ACTION_PARAMETERS: ReadonlySet<string> = new Set(['altq', 'log', 'tag', 'untag']);

/** Options by each of their words. */
export const OPTIONS: ReadonlyMap<string, string> = new Map([
  'tagged', 'uid', 'gid', 'jail', 'in', 'limit', 'set-limit', 'keep-state', 'record-state', 'layer2', 'out', 'diverted', 'diverted-loopback', 'diverted-output', 'xmit', 'recv', 'via',
  'frag', 'fib', 'ipoptions', 'iplen', 'ipid', 'ipprecedence', 'dscp', 'iptos', 'ipttl', 'ipversion', 'established', 'setup', 'sockarg', 'tcpdatalen', 'tcpflags', 'tcpmss',
  'tcpoptions', 'tcpseq', 'tcpack', 'tcpwin', 'icmptypes', 'dst-ip', 'src-ip', 'dst-port', 'src-port', 'dst-mac', 'src-mac', 'proto', 'mac', 'mac-type', 'verrevpath', 'versrcreach',
  'antispoof', 'ipsec', 'icmp6types', 'ext6hdr', 'flow-id', 'ip6', 'ip4', 'dst-ip6', 'src-ip6', 'lookup', 'flow', 'mark', 'defer-action', '//', 'not', 'or', '{', '}',
].map((word) => [word, word] as const).concat([
  ['bridged', 'layer2'], ['fragment', 'frag'], ['ipopts', 'ipoptions'], ['ipver', 'ipversion'], ['estab', 'established'], ['tcpflgs', 'tcpflags'], ['tcpopts', 'tcpoptions'],
  ['icmptype', 'icmptypes'], ['MAC', 'mac'], ['icmp6type', 'icmp6types'], ['ipv6', 'ip6'], ['ipv4', 'ip4'], ['dst-ipv6', 'dst-ip6'], ['src-ipv6', 'src-ip6'],
  ['defer-immediate-action', 'defer-action'], ['!', 'not'], ['|', 'or'], ['(', '{'], [')', '}'],
]));

/** Words that are no ports. */
export const NO_PORTS: ReadonlySet<string> = new Set([
  'altq', '//', 'diverted', 'dst-port', 'src-port', 'established', 'keep-state', 'frag', 'icmptypes', 'in', 'out', 'ip6', 'any', 'to', 'via', '{',
]);

/** May a table, a state or the like be called that? */
export const isObjectName = (name: string): boolean => /^[A-Za-z0-9_.-]{1,63}$/.test(name);
