/**
 * icmp6-var.ts — what ICMPv6 counts, and what an administrator may set.
 * Read first: FreeBSD's netinet/icmp6.h (struct icmp6stat); icmp6(4); `netstat -s -p icmp6`; sysctl net.inet6.icmp6.
 *
 * The histograms are fields `in1` … `in143` and `out1` … `out143` of the message types that have a name; the others are counted together.
 * netstat(1) leaves out rows of depth 2 that are zero, and the heading of a histogram (a row without a number) when all of its rows are;
 * `inhist` and `outhist` are the sums that decide it. Errors that were to be sent are counted by kind, whether they could be or not.
 */
import type { CounterGroup, CounterRow } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import {
  ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, ICMP6_PACKET_TOO_BIG, ICMP6_PARAMPROB_FRAGHDRCHAIN, ICMP6_PARAM_PROB, ICMP6_TIME_EXCEEDED, ND_REDIRECT,
} from '../wire/icmp6.js';

/** `struct icmp6stat`, without its prefix. */
export class Icmp6Stats {
  error = 0;
  canterror = 0;
  toofreq = 0;
  outhist = 0;
  badcode = 0;
  tooshort = 0;
  checksum = 0;
  badlen = 0;
  /** Packets dropped because a neighbour did not answer. */
  dropped = 0;
  inhist = 0;
  /** Errors to be sent; the heading of the rows below. */
  outerrhist = 0;
  odstUnreachNoroute = 0;
  odstUnreachAdmin = 0;
  odstUnreachBeyondscope = 0;
  odstUnreachAddr = 0;
  odstUnreachNoport = 0;
  opacketTooBig = 0;
  otimeExceedTransit = 0;
  otimeExceedReassembly = 0;
  oparamprobHeader = 0;
  oparamprobNextheader = 0;
  oparamprobOption = 0;
  oredirect = 0;
  ounknown = 0;
  reflect = 0;
  ndToomanyopt = 0;
  ndBadopt = 0;
  badns = 0;
  badna = 0;
  badrs = 0;
  badra = 0;
  badredirect = 0;
  overflowdefrtr = 0;
  overflowprfx = 0;
  overflownndp = 0;
  overflowredirect = 0;
  invlhlim = 0;
  pmtuchg = 0;
  /** Packet-too-big messages that say nothing to be believed. */
  pmtubad = 0;
  in1 = 0; in2 = 0; in3 = 0; in4 = 0; in128 = 0; in129 = 0; in130 = 0; in131 = 0; in132 = 0; in133 = 0; in134 = 0; in135 = 0; in136 = 0; in137 = 0;
  in138 = 0; in139 = 0; in140 = 0; in141 = 0; in142 = 0; in143 = 0; inOther = 0;
  out1 = 0; out2 = 0; out3 = 0; out4 = 0; out128 = 0; out129 = 0; out130 = 0; out131 = 0; out132 = 0; out133 = 0; out134 = 0; out135 = 0; out136 = 0; out137 = 0;
  out138 = 0; out139 = 0; out140 = 0; out141 = 0; out142 = 0; out143 = 0; outOther = 0;
}

type InKey = Extract<keyof Icmp6Stats, `in${number}` | 'inOther'>;
type OutKey = Extract<keyof Icmp6Stats, `out${number}` | 'outOther'>;

/** netstat(1)'s names of the types. */
const ICMP6_NAMES: readonly (readonly [number, string])[] = [
  [1, 'unreach'], [2, 'packet too big'], [3, 'time exceed'], [4, 'parameter problem'], [128, 'echo'], [129, 'echo reply'], [130, 'multicast listener query'],
  [131, 'MLDv1 listener report'], [132, 'MLDv1 listener done'], [133, 'router solicitation'], [134, 'router advertisement'], [135, 'neighbor solicitation'],
  [136, 'neighbor advertisement'], [137, 'redirect'], [138, 'router renumbering'], [139, 'node information request'], [140, 'node information reply'],
  [141, 'inverse neighbor solicitation'], [142, 'inverse neighbor advertisement'], [143, 'MLDv2 listener report'],
];

const TYPES = ICMP6_NAMES.map(([type]) => type);
/** Field names by place in the list: a packet path must not build strings. */
const IN_KEYS: readonly InKey[] = TYPES.map((type) => `in${type}` as InKey);
const OUT_KEYS: readonly OutKey[] = TYPES.map((type) => `out${type}` as OutKey);

/** Counts a message that came in. */
export function icmp6CountIn(stats: Icmp6Stats, type: number): void {
  stats.inhist++;
  stats[IN_KEYS[TYPES.indexOf(type)] ?? 'inOther']++;
}

/** Counts a message that goes out. */
export function icmp6CountOut(stats: Icmp6Stats, type: number): void {
  stats.outhist++;
  stats[OUT_KEYS[TYPES.indexOf(type)] ?? 'outOther']++;
}

const UNREACH_KEYS = ['odstUnreachNoroute', 'odstUnreachAdmin', 'odstUnreachBeyondscope', 'odstUnreachAddr', 'odstUnreachNoport'] as const;
const PARAM_KEYS = ['oparamprobHeader', 'oparamprobNextheader', 'oparamprobOption', 'oparamprobHeader'] as const;

/** Counts an error that is to be sent (icmp6_errcount). */
export function icmp6Errcount(stats: Icmp6Stats, type: number, code: number): void {
  stats.outerrhist++;
  if (type === ICMP6_DST_UNREACH && code <= ICMP6_DST_UNREACH_NOPORT) stats[UNREACH_KEYS[code]!]++;
  else if (type === ICMP6_PACKET_TOO_BIG) stats.opacketTooBig++;
  else if (type === ICMP6_TIME_EXCEEDED && code <= 1) stats[code === 0 ? 'otimeExceedTransit' : 'otimeExceedReassembly']++;
  else if (type === ICMP6_PARAM_PROB && code <= ICMP6_PARAMPROB_FRAGHDRCHAIN) stats[PARAM_KEYS[code]!]++;
  else if (type === ND_REDIRECT) stats.oredirect++;
  else stats.ounknown++;
}

function histogram(keys: readonly (InKey | OutKey)[], others: InKey | OutKey): CounterRow<Icmp6Stats>[] {
  return [...keys.map((key, i) => ({ key, text: `${ICMP6_NAMES[i]![1]}: {}`, depth: 2 })), { key: others, text: 'others: {}', depth: 2 }];
}

export const ICMP6_COUNTERS: CounterGroup<Icmp6Stats> = {
  name: 'icmp6',
  rows: [
    { key: 'error', text: '{} call{s} to icmp6_error' },
    { key: 'canterror', text: '{} error{s} not generated in response to an icmp6 message' },
    { key: 'toofreq', text: '{} error{s} not generated because of rate limitation' },
    { key: 'outhist', text: 'Output histogram:' },
    ...histogram(OUT_KEYS, 'outOther'),
    { key: 'badcode', text: '{} message{s} with bad code fields' },
    { key: 'tooshort', text: '{} message{s} < minimum length' },
    { key: 'checksum', text: '{} bad checksum{s}' },
    { key: 'badlen', text: '{} message{s} with bad length' },
    { key: 'dropped', text: '{} total packet{s} dropped due to failed NDP resolution' },
    { key: 'inhist', text: 'Input histogram:' },
    ...histogram(IN_KEYS, 'inOther'),
    { key: 'outerrhist', text: 'Histogram of error messages to be generated:' },
    { key: 'odstUnreachNoroute', text: '{} no route', depth: 2 },
    { key: 'odstUnreachAdmin', text: '{} administratively prohibited', depth: 2 },
    { key: 'odstUnreachBeyondscope', text: '{} beyond scope', depth: 2 },
    { key: 'odstUnreachAddr', text: '{} address unreachable', depth: 2 },
    { key: 'odstUnreachNoport', text: '{} port unreachable', depth: 2 },
    { key: 'opacketTooBig', text: '{} packet too big', depth: 2 },
    { key: 'otimeExceedTransit', text: '{} time exceed transit', depth: 2 },
    { key: 'otimeExceedReassembly', text: '{} time exceed reassembly', depth: 2 },
    { key: 'oparamprobHeader', text: '{} erroneous header field', depth: 2 },
    { key: 'oparamprobNextheader', text: '{} unrecognized next header', depth: 2 },
    { key: 'oparamprobOption', text: '{} unrecognized option', depth: 2 },
    { key: 'oredirect', text: '{} redirect', depth: 2 },
    { key: 'ounknown', text: '{} unknown', depth: 2 },
    { key: 'reflect', text: '{} message response{s} generated' },
    { key: 'ndToomanyopt', text: '{} message{s} with too many ND options' },
    { key: 'ndBadopt', text: '{} message{s} with bad ND options' },
    { key: 'badns', text: '{} bad neighbor solicitation message{s}' },
    { key: 'badna', text: '{} bad neighbor advertisement message{s}' },
    { key: 'badrs', text: '{} bad router solicitation message{s}' },
    { key: 'badra', text: '{} bad router advertisement message{s}' },
    { key: 'badredirect', text: '{} bad redirect message{s}' },
    { key: 'overflowdefrtr', text: '{} default routers overflow{s}' },
    { key: 'overflowprfx', text: '{} prefix overflow{s}' },
    { key: 'overflownndp', text: '{} neighbour entries overflow{s}' },
    { key: 'overflowredirect', text: '{} redirect overflow{s}' },
    { key: 'invlhlim', text: '{} message{s} with invalid hop limit' },
    { key: 'pmtuchg', text: '{} path MTU change{s}' },
    { key: 'pmtubad', text: '{} packet too big message{s} ignored' },
  ],
};

/** What `sysctl net.inet6.icmp6` sets; the part of neighbour discovery has its own object. */
export class Icmp6Tunables {
  /** Errors a second. */
  errppslimit = 100;
  /** Echo replies a second. */
  icmp6lim = 0;
}

const LIMIT_MAX = 10_000_000;

export const ICMP6_SYSCTLS: SysctlGroup<Icmp6Tunables> = {
  prefix: 'net.inet6.icmp6',
  oids: [
    sysctlInt('errppslimit', 'errppslimit', 'packets/s', -1, LIMIT_MAX, 'Maximum number of ICMPv6 error messages per second; -1 is no limit'),
    sysctlInt('icmp6lim', 'icmp6lim', 'packets/s', 0, LIMIT_MAX, 'Maximum number of ICMPv6 echo replies per second; 0 is no limit'),
    {
      leaf: 'nodeinfo', type: 'int', unit: '', min: 0, max: 0, help: 'Mask of enabled RFC 4620 node information query types; none is answered',
      get: () => 0,
      set: () => 0,
    },
  ],
};
