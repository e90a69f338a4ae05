/**
 * tokens.ts — the words of the filter language, and what kind of token each is.
 * Read first: pcap-filter(7).
 *
 * A word that is not in the table is a name. A name that is also a word is written with a backslash: `ip proto \tcp`.
 * Words that have a meaning only on link types we never have (ATM, SS7, 802.11, pflog) are here with the answer libpcap gives
 * on any other link; a word whose filter is not built in has an answer that says so.
 */
import type { ProtocolName, WlanAddress } from './syntax.js';

export type TokenKind =
  | 'number' | 'name' | 'ip4' | 'ip6' | 'mac' | 'arcnet' | 'protocol'
  | 'and' | 'or' | '!'
  | 'src' | 'dst' | 'wlan-address' | 'host' | 'net' | 'mask' | 'port' | 'portrange' | 'proto' | 'protochain' | 'gateway'
  | 'less' | 'greater' | 'byte' | 'broadcast' | 'multicast' | 'len'
  | 'inbound' | 'ifindex' | 'vlan' | 'mpls' | 'pppoed' | 'pppoes' | 'refused' | 'wlan-only'
  | '+' | '-' | '*' | '/' | '%' | '&' | '|' | '^' | '<<' | '>>' | '=' | '!=' | '>' | '>=' | '<' | '<=' | '(' | ')' | '[' | ']' | ':'
  | 'bad' | 'impossible' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** As written; for `refused`, `wlan-only` and `impossible` the message. */
  readonly text: string;
  /** Of a number: unsigned, 32 bits. */
  readonly value: number;
  readonly protocol: ProtocolName | null;
  readonly wlanAddress: WlanAddress | null;
}

export function token(kind: TokenKind, text: string, value = 0): Token {
  return { kind, text, value, protocol: null, wlanAddress: null };
}

/** Words that are the name of their own kind. */
const PLAIN: readonly TokenKind[] = [
  'and', 'or', 'src', 'dst', 'host', 'net', 'mask', 'port', 'portrange', 'proto', 'protochain', 'gateway',
  'less', 'greater', 'byte', 'broadcast', 'multicast', 'len', 'inbound', 'ifindex', 'vlan', 'mpls', 'pppoed', 'pppoes',
];
const ALIASES: readonly (readonly [word: string, kind: TokenKind])[] = [
  ['not', '!'],
  ['length', 'len'],
  ['outbound', 'inbound'],
];
const PROTOCOLS: readonly ProtocolName[] = [
  'link', 'ip', 'arp', 'rarp', 'ip6', 'tcp', 'udp', 'sctp', 'icmp', 'icmp6', 'igmp', 'igrp', 'pim', 'vrrp', 'carp', 'ah', 'esp',
  'atalk', 'aarp', 'decnet', 'lat', 'sca', 'moprc', 'mopdl', 'iso', 'clnp', 'esis', 'isis', 'l1', 'l2', 'iih', 'lsp', 'snp', 'csnp', 'psnp',
  'stp', 'ipx', 'netbeui', 'radio',
];
const PROTOCOL_ALIASES: readonly (readonly [word: string, protocol: ProtocolName])[] = [
  ...['ether', 'ppp', 'slip', 'fddi', 'tr', 'wlan'].map((word) => [word, 'link'] as const),
  ['es-is', 'esis'],
  ['is-is', 'isis'],
];
const WLAN_ADDRESSES: readonly (readonly [word: string, address: WlanAddress])[] = [
  ['addr1', 'addr1'], ['address1', 'addr1'], ['addr2', 'addr2'], ['address2', 'addr2'],
  ['addr3', 'addr3'], ['address3', 'addr3'], ['addr4', 'addr4'], ['address4', 'addr4'], ['ra', 'ra'], ['ta', 'ta'],
];

/** Constants that stand for a number. */
const NUMBERS: readonly (readonly [word: string, value: number])[] = [
  ['icmptype', 0], ['icmpcode', 1],
  ['icmp-echoreply', 0], ['icmp-unreach', 3], ['icmp-sourcequench', 4], ['icmp-redirect', 5], ['icmp-echo', 8],
  ['icmp-routeradvert', 9], ['icmp-routersolicit', 10], ['icmp-timxceed', 11], ['icmp-paramprob', 12], ['icmp-tstamp', 13],
  ['icmp-tstampreply', 14], ['icmp-ireq', 15], ['icmp-ireqreply', 16], ['icmp-maskreq', 17], ['icmp-maskreply', 18],
  ['icmp6type', 0], ['icmp6code', 1],
  ['icmp6-destinationunreach', 1], ['icmp6-packettoobig', 2], ['icmp6-timeexceeded', 3], ['icmp6-parameterproblem', 4],
  ['icmp6-echo', 128], ['icmp6-echoreply', 129], ['icmp6-multicastlistenerquery', 130], ['icmp6-multicastlistenerreportv1', 131],
  ['icmp6-multicastlistenerdone', 132], ['icmp6-routersolicit', 133], ['icmp6-routeradvert', 134], ['icmp6-neighborsolicit', 135],
  ['icmp6-neighboradvert', 136], ['icmp6-redirect', 137], ['icmp6-routerrenum', 138], ['icmp6-nodeinformationquery', 139],
  ['icmp6-nodeinformationresponse', 140], ['icmp6-ineighbordiscoverysolicit', 141], ['icmp6-ineighbordiscoveryadvert', 142],
  ['icmp6-multicastlistenerreportv2', 143], ['icmp6-homeagentdiscoveryrequest', 144], ['icmp6-homeagentdiscoveryreply', 145],
  ['icmp6-mobileprefixsolicit', 146], ['icmp6-mobileprefixadvert', 147], ['icmp6-certpathsolicit', 148], ['icmp6-certpathadvert', 149],
  ['icmp6-multicastrouteradvert', 151], ['icmp6-multicastroutersolicit', 152], ['icmp6-multicastrouterterm', 153],
  ['tcpflags', 13], ['tcp-fin', 0x01], ['tcp-syn', 0x02], ['tcp-rst', 0x04], ['tcp-push', 0x08], ['tcp-ack', 0x10],
  ['tcp-urg', 0x20], ['tcp-ece', 0x40], ['tcp-cwr', 0x80],
];

const quoted = (words: string, where: string): (readonly [string, string])[] =>
  words.split(' ').map((word) => [word, `'${word}' supported only on ${where}`] as const);
const both = (words: string, message: string): (readonly [string, string])[] => words.split(' ').map((word) => [word, message] as const);

/** Words that can only be answered with a message. */
const REFUSED: readonly (readonly [word: string, message: string])[] = [
  ...quoted('lane metac bcc oam oamf4 sc ilmic connectmsg metaconnect vpi vci', 'raw ATM'),
  ['oamf4ec', "'oam4ec' supported only on raw ATM"],
  ['oamf4sc', "'oam4sc' supported only on raw ATM"],
  ...quoted('fisu lssu msu', 'MTP2'),
  ['lsu', "'lssu' supported only on MTP2"],
  ...quoted('hfisu hlssu hmsu', 'MTP2_HSL'),
  ...quoted('sio opc dpc sls', 'SS7'),
  ...['sio', 'opc', 'dpc', 'sls'].map((word) => [`h${word}`, `'${word}' supported only on SS7`] as const),
  ...both('on ifname', 'ifname supported only on PF linktype'),
  ...both('rset ruleset', 'ruleset supported only on PF linktype'),
  ...both('rnr rulenum', 'rnr supported only on PF linktype'),
  ...both('srnr subrulenum', 'srnr supported only on PF linktype'),
  ['reason', 'reason supported only on PF linktype'],
  ['action', 'action supported only on PF linktype'],
  ['llc', "'llc' not supported in this configuration"],
  ['geneve', "'geneve' not supported in this configuration"],
];
/** The same, for words that may also follow a protocol. */
const WLAN_ONLY: readonly (readonly [word: string, message: string])[] = [
  ...both('type subtype', '802.11 link-layer types supported only on 802.11'),
  ...both('direction dir', 'frame direction supported only with 802.11 headers'),
];

/** Every reserved word with its token. */
export const KEYWORDS: ReadonlyMap<string, Token> = new Map<string, Token>([
  ...PLAIN.map((kind) => [kind, token(kind, kind)] as const),
  ...ALIASES.map(([word, kind]) => [word, token(kind, word)] as const),
  ...[...PROTOCOLS.map((name) => [name, name] as const), ...PROTOCOL_ALIASES].map(
    ([word, protocol]) => [word, { ...token('protocol', word), protocol }] as const,
  ),
  ...WLAN_ADDRESSES.map(([word, wlanAddress]) => [word, { ...token('wlan-address', word), wlanAddress }] as const),
  ...NUMBERS.map(([word, value]) => [word, token('number', word, value)] as const),
  ...REFUSED.map(([word, message]) => [word, token('refused', message)] as const),
  ...WLAN_ONLY.map(([word, message]) => [word, token('wlan-only', message)] as const),
]);
