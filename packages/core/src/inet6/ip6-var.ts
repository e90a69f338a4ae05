/**
 * ip6-var.ts — what IPv6 counts, what an administrator may set, and what it asks of the protocols above it.
 * Read first: FreeBSD's netinet6/ip6_var.h; inet6(4), ip6(4); sysctl net.inet6.ip6.
 *
 * Counters are plain fields of one object, in the order and the words of `netstat -s -p ip6`. What FreeBSD counts of mbufs has no meaning
 * here: a packet is one buffer.
 * Not here: the code that counts and reads them (ip6-input.ts, ip6-output.ts, frag6.ts …).
 */
import type { Errno } from '../base/errno.js';
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { IPV6_DEFHLIM } from '../wire/ip6.js';
import { IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../wire/ipproto.js';

/** A protocol above IPv6, or an extension header, in the protocol switch. */
export interface Ip6Proto {
  /**
   * A packet for this host. Owns `m`: `m.off` is at the IPv6 header, `off` bytes from there to the protocol's header (extension headers are
   * between), `m.len` the packet's length; it is whole (reassembled). `ifp` is where it came in.
   */
  input(ifp: Ifnet, m: PacketBuffer, off: number): void;
  /**
   * An ICMPv6 error quotes a packet of this protocol. `at` is the offset in the slot of the quoted IPv6 header, `off` bytes from there to the
   * protocol's header, of which at least 8 bytes are there. `error` is what a socket should report, 0 when nothing fits; `mtu`: of a
   * packet-too-big message, 0 for others. `ifp` is where the message came in. `m` stays the caller's.
   */
  ctlinput?(ifp: Ifnet, error: Errno, m: PacketBuffer, at: number, off: number, mtu: number): void;
}

/** Raw sockets: offered what no protocol of the switch takes, and ICMPv6 messages. */
export interface Ip6RawHook {
  /** True: somebody took it, and `m` with it. False: nobody wants it; `m` is still the caller's. `off`: of the protocol's header behind `m.off`. */
  deliver(m: PacketBuffer, off: number, proto: number): boolean;
  /** Would somebody take it? `m` stays the caller's. */
  isWanted(m: PacketBuffer, off: number, proto: number): boolean;
}

/** Multicast routing: queriers, and the forwarding of what comes for groups. */
export interface Ip6Mrouter {
  /** Copies of `m`, which came in on `ifp` for a group, go where they are wanted; `m` stays the caller's and is as it was. Packet path. */
  forward(ifp: Ifnet, m: PacketBuffer): void;
  /** Are MLD messages from `ifp` wanted, whatever group they are sent to? Packet path. */
  hears(ifp: Ifnet): boolean;
}

/** `struct ip6stat`, without its prefix. */
export class Ip6Stats {
  total = 0;
  toosmall = 0;
  tooshort = 0;
  badoptions = 0;
  badvers = 0;
  fragments = 0;
  fragdropped = 0;
  fragtimeout = 0;
  fragoverflow = 0;
  atomicfrags = 0;
  reassembled = 0;
  delivered = 0;
  forward = 0;
  cantforward = 0;
  redirectsent = 0;
  localout = 0;
  rawout = 0;
  odropped = 0;
  noroute = 0;
  fragmented = 0;
  ofragments = 0;
  cantfrag = 0;
  badscope = 0;
  notmember = 0;
  exthdrtoolong = 0;
  nogif = 0;
  toomanyhdr = 0;
  /** Fragments that were thrown away because others of their datagram overlapped. */
  fragoverlap = 0;
  /** Packets the short path of the router took; they are in `forward`, too. */
  fastforward = 0;
  nxthist = 0;
  nxt0 = 0; nxt4 = 0; nxt6 = 0; nxt17 = 0; nxt41 = 0; nxt43 = 0; nxt44 = 0; nxt47 = 0; nxt50 = 0; nxt51 = 0; nxt58 = 0; nxt59 = 0; nxt60 = 0;
  nxt89 = 0; nxt97 = 0; nxt103 = 0; nxt112 = 0; nxt132 = 0; nxtOther = 0;
  sourcesNone = 0;
  sourcesRule = 0;
  rule0 = 0; rule1 = 0; rule2 = 0; rule3 = 0; rule5 = 0; rule6 = 0; rule7 = 0; rule8 = 0; rule9 = 0; rule10 = 0; rule14 = 0;
}

/** A field of the histogram of first next headers. */
type NxtKey = Extract<keyof Ip6Stats, `nxt${number}`>;
/** A field of the histogram of source address selection. */
export type RuleKey = Extract<keyof Ip6Stats, `rule${number}`>;

/** netstat(1)'s names of next headers that are counted apart. */
const NXT_NAMES: readonly (readonly [NxtKey, string])[] = [
  ['nxt0', 'hop by hop'], ['nxt4', 'IP'], ['nxt6', 'TCP'], ['nxt17', 'UDP'], ['nxt41', 'IP6'], ['nxt43', 'routing'], ['nxt44', 'fragment'], ['nxt47', 'GRE'],
  ['nxt50', 'ESP'], ['nxt51', 'AH'], ['nxt58', 'ICMP6'], ['nxt59', 'no next header'], ['nxt60', 'destination option'], ['nxt89', 'OSPF'],
  ['nxt97', 'Ethernet'], ['nxt103', 'PIM'], ['nxt112', '#112'], ['nxt132', '#132'],
];

/** By number: a packet path must not build strings. */
const NXT_KEYS: readonly NxtKey[] = NXT_NAMES.map(([key]) => key);
const NXT_NUMBERS: readonly number[] = NXT_KEYS.map((key) => Number(key.slice('nxt'.length)));

/** Counts the first next header of a packet; those of nearly all packets first. */
export function ip6CountNxt(stats: Ip6Stats, nxt: number): void {
  stats.nxthist++;
  if (nxt === IPPROTO_TCP) stats.nxt6++;
  else if (nxt === IPPROTO_UDP) stats.nxt17++;
  else if (nxt === IPPROTO_ICMPV6) stats.nxt58++;
  else {
    const at = NXT_NUMBERS.indexOf(nxt);
    if (at < 0) stats.nxtOther++;
    else stats[NXT_KEYS[at]!]++;
  }
}

/** netstat(1)'s names of the rules that chose a source address. */
const RULE_NAMES: readonly (readonly [RuleKey, string])[] = [
  ['rule0', 'first candidate'], ['rule1', 'same address'], ['rule2', 'appropriate scope'], ['rule3', 'deprecated address'], ['rule5', 'outgoing interface'],
  ['rule6', 'matching label'], ['rule7', 'public/temporary address'], ['rule8', 'alive interface'], ['rule9', 'better virtual status'],
  ['rule10', 'preferred source'], ['rule14', 'longest match'],
];

export const IP6_COUNTERS: CounterGroup<Ip6Stats> = {
  name: 'ip6',
  rows: [
    { key: 'total', text: '{} total packet{s} received' },
    { key: 'toosmall', text: '{} with size smaller than minimum' },
    { key: 'tooshort', text: '{} with data size < data length' },
    { key: 'badoptions', text: '{} with bad options' },
    { key: 'badvers', text: '{} with incorrect version number' },
    { key: 'fragments', text: '{} fragment{s} received' },
    { key: 'fragdropped', text: '{} fragment{s} dropped (dup or out of space)' },
    { key: 'fragtimeout', text: '{} fragment{s} dropped after timeout' },
    { key: 'fragoverflow', text: '{} fragment{s} that exceeded limit' },
    { key: 'atomicfrags', text: '{} atomic fragment{s}' },
    { key: 'reassembled', text: '{} packet{s} reassembled ok' },
    { key: 'delivered', text: '{} packet{s} for this host' },
    { key: 'forward', text: '{} packet{s} forwarded' },
    { key: 'cantforward', text: '{} packet{s} not forwardable' },
    { key: 'redirectsent', text: '{} redirect{s} sent' },
    { key: 'localout', text: '{} packet{s} sent from this host' },
    { key: 'rawout', text: '{} packet{s} sent with fabricated ip header' },
    { key: 'odropped', text: '{} output packet{s} dropped due to no bufs, etc.' },
    { key: 'noroute', text: '{} output packet{s} discarded due to no route' },
    { key: 'fragmented', text: '{} output datagram{s} fragmented' },
    { key: 'ofragments', text: '{} fragment{s} created' },
    { key: 'cantfrag', text: "{} datagram{s} that can't be fragmented" },
    { key: 'badscope', text: '{} packet{s} that violated scope rules' },
    { key: 'notmember', text: "{} multicast packet{s} which we don't join" },
    { key: 'nxthist', text: 'Input histogram:' },
    ...NXT_NAMES.map(([key, name]) => ({ key, text: `${name}: {}`, depth: 2 })),
    { key: 'nxtOther', text: 'others: {}', depth: 2 },
    { key: 'exthdrtoolong', text: '{} packet{s} whose headers are not contiguous' },
    { key: 'nogif', text: "{} tunneling packet{s} that can't find gif" },
    { key: 'toomanyhdr', text: '{} packet{s} discarded because of too many headers' },
    { key: 'fragoverlap', text: '{} fragment{s} dropped for overlapping fragments' },
    { key: 'fastforward', text: '{} packet{s} fast forwarded' },
    { key: 'sourcesNone', text: '{} failure{s} of source address selection' },
    { key: 'sourcesRule', text: 'Source addresses selection rule applied:' },
    ...RULE_NAMES.map(([key, name]) => ({ key, text: `{} ${name}`, depth: 2 })),
  ],
};

/** What the length byte of an extension header can say. */
const EXTHDR_MAX = 2_048;

/** What `sysctl net.inet6.ip6` sets; addresses, reassembly and ND have their own objects. */
export class Ip6Tunables {
  forwarding = 0;
  /** Send redirects. */
  redirect = 1;
  hlim = IPV6_DEFHLIM;
  sourceAddressValidation = 1;
  /** Extension headers of a packet for this host. */
  hdrnestlimit = 15;
  /** Sockets are IPv6's only, unless they say otherwise (IPV6_V6ONLY). */
  v6only = 1;
  /** Loop multicast back to this host unless the socket says otherwise. */
  mcastLoop = 1;
  /** Options of one hop-by-hop, of one destination header, padding not counted. */
  hbhMaxopts = 8;
  dstMaxopts = 8;
  /** Bytes of padding in a row; 0 no limit. */
  optsMaxpad = 0;
  /** Bytes of one extension header. */
  exthdrMaxlen = EXTHDR_MAX;
  /** Flow labels for packets of TCP and UDP that have none. */
  autoFlowlabel = 1;
  useDeprecated = 1;
  preferTempaddr = 0;
  /** Link-local destinations without a zone are on the link of In6Net's default interface (`ndp -I`). */
  useDefaultzone = 0;
  /** Forwarded packets that nobody may have are logged. */
  logCannotForward = 0;
  mcastPmtu = 0;
}

export const IP6_SYSCTLS: SysctlGroup<Ip6Tunables> = {
  prefix: 'net.inet6.ip6',
  oids: [
    sysctlInt('forwarding', 'forwarding', 'bool', 0, 1, 'Enable forwarding of IPv6 packets between interfaces'),
    sysctlInt('redirect', 'redirect', 'bool', 0, 1, 'Send ICMPv6 redirects for unforwardable IPv6 packets'),
    sysctlInt('hlim', 'hlim', 'hops', 1, 255, 'Default hop limit to use for outgoing IPv6 packets'),
    sysctlInt('source_address_validation', 'sourceAddressValidation', 'bool', 0, 1, 'Drop incoming packets with source address that is a local address'),
    sysctlInt('v6only', 'v6only', 'bool', 0, 1, 'Restrict AF_INET6 sockets to IPv6 addresses only'),
    sysctlInt('hdrnestlimit', 'hdrnestlimit', 'headers', 1, 50, 'Default maximum number of IPv6 extension headers permitted on incoming IPv6 packets'),
    sysctlInt('hbh_maxopts', 'hbhMaxopts', 'options', 0, EXTHDR_MAX, 'Maximum number of options in a hop-by-hop options header, padding not counted'),
    sysctlInt('dst_maxopts', 'dstMaxopts', 'options', 0, EXTHDR_MAX, 'Maximum number of options in a destination options header, padding not counted'),
    sysctlInt('opts_maxpad', 'optsMaxpad', 'bytes', 0, EXTHDR_MAX, 'Maximum number of consecutive bytes of padding in an options header; 0 is no limit'),
    sysctlInt('exthdr_maxlen', 'exthdrMaxlen', 'bytes', 8, EXTHDR_MAX, 'Maximum length of an options or routing header'),
    sysctlInt('auto_flowlabel', 'autoFlowlabel', 'bool', 0, 1, 'Provide an IPv6 flowlabel in outbound packets'),
    sysctlInt('use_deprecated', 'useDeprecated', 'bool', 0, 1, 'Allow the use of addresses whose preferred lifetimes have expired'),
    sysctlInt('prefer_tempaddr', 'preferTempaddr', 'bool', 0, 1, 'Prefer RFC 8981 temporary addresses for communications'),
    sysctlInt('use_defaultzone', 'useDefaultzone', 'bool', 0, 1, 'Use the default scope zone when none is specified'),
    sysctlInt('mcast_pmtu', 'mcastPmtu', 'bool', 0, 1, 'Enable path MTU discovery for multicast packets'),
    sysctlInt('log_cannot_forward', 'logCannotForward', 'bool', 0, 1, 'Log packets that cannot be forwarded'),
  ],
};

export const IP6_MCAST_SYSCTLS: SysctlGroup<Ip6Tunables> = {
  prefix: 'net.inet6.ip6.mcast',
  oids: [sysctlInt('loop', 'mcastLoop', 'bool', 0, 1, 'Loopback multicast datagrams by default')],
};
