/**
 * nd6-var.ts — what neighbour discovery counts, and what an administrator may set.
 * Read first: RFC 4861 §10; FreeBSD's netinet6/in6_proto.c (net.inet6.icmp6.nd6_*); ndp(8).
 *
 * Messages that are refused are counted by ICMPv6 in `bad neighbor ...` (icmp6-var.ts); here is why, for each check of nd6-nbr.ts.
 */
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { LlParams } from '../net/llentry.js';
import type { NdLlEntry } from './nd6-lltable.js';

export class Nd6Stats {
  nsreceived = 0;
  nareceived = 0;
  nssent = 0;
  nasent = 0;
  txerrors = 0;
  badopt = 0;
  badtarget = 0;
  baddst = 0;
  badlladdr = 0;
  noneighbor = 0;
  fragmented = 0;
  notours = 0;
  dupips = 0;
  overperm = 0;
  moved = 0;
  dropped = 0;
  timeouts = 0;
  tablefull = 0;
}

export const ND6_COUNTERS: CounterGroup<Nd6Stats> = {
  name: 'nd6',
  rows: [
    { key: 'nsreceived', text: '{} neighbor solicitation{s} received' },
    { key: 'nareceived', text: '{} neighbor advertisement{s} received' },
    { key: 'nssent', text: '{} neighbor solicitation{s} sent' },
    { key: 'nasent', text: '{} neighbor advertisement{s} sent' },
    { key: 'txerrors', text: '{} message{s} that could not be sent' },
    { key: 'badopt', text: '{} message{s} with malformed options' },
    { key: 'badtarget', text: '{} message{s} with bad target' },
    { key: 'baddst', text: '{} message{s} with a destination or source that does not fit' },
    { key: 'badlladdr', text: '{} message{s} with a link address of the wrong length or kind' },
    { key: 'noneighbor', text: '{} solicitation{s} from non-neighbors' },
    { key: 'fragmented', text: '{} fragmented message{s} ignored' },
    { key: 'notours', text: '{} solicitation{s} for others' },
    { key: 'dupips', text: '{} duplicate IPv6 address{es} seen' },
    { key: 'overperm', text: '{} attempt{s} to overwrite a static entry' },
    { key: 'moved', text: '{} address{es} moved to another link address' },
    { key: 'dropped', text: '{} packet{s} dropped because the neighbor is not resolved' },
    { key: 'timeouts', text: '{} entr{ies} timed out' },
    { key: 'tablefull', text: '{} entr{ies} refused because the table is full' },
  ],
};

/** What is not shared with other neighbour protocols (those are LlParams). */
export class Nd6Tunables {
  /** Send packets to own addresses through loopback; kept for the name, it is always so. */
  useloopback = 1;
  /** Hints of upper layers in a row that are believed; 0: none is. */
  maxnudhint = 0;
  /** Log what neighbours can cause. */
  debug = 0;
  /** Answer solicitations from addresses that are on no network of the link. */
  onlinkNsRfc4861 = 0;
  /** Redirects are believed, by hosts. */
  rediraccept = 1;
  /** Seconds a route made by a redirect lives. */
  redirtimeout = 600;
  /** No router flag in advertisements on interfaces that accept router advertisements. */
  norbitRaif = 0;
  /** New addresses are advertised to routers, and routers make entries of that (RFC 9131). */
  rfc9131 = 0;
  /** Nonces in probes of duplicate address detection (RFC 7527). */
  dadEnhanced = 1;
}

const DAY = 86_400;
const HOUR = 3_600;
const TRIES_MAX = 100;
const HOLD_MAX = 4_096;
const HELD_MAX = 65_536;
const ENTRIES_MAX = 1_048_576;

export const ND6_LL_SYSCTLS: SysctlGroup<LlParams<NdLlEntry>> = {
  prefix: 'net.inet6.icmp6',
  oids: [
    sysctlInt('nd6_delay', 'delay', 's', 0, HOUR, 'Delay in seconds before probing for reachability'),
    sysctlInt('nd6_umaxtries', 'unicastTries', '', 1, TRIES_MAX, 'Number of ICMPv6 NS messages sent during reachability detection'),
    sysctlInt('nd6_mmaxtries', 'maxTries', '', 1, TRIES_MAX, 'Number of ICMPv6 NS messages sent during address resolution'),
    sysctlInt('nd6_maxqueuelen', 'maxHold', 'packets', 0, HOLD_MAX, 'Number of packets to hold per unresolved neighbor'),
    sysctlInt('nd6_maxheld', 'maxHeld', 'packets', 0, HELD_MAX, 'Number of packets to hold for all neighbors together'),
    sysctlInt('nd6_maxentries', 'maxEntries', '', 1, ENTRIES_MAX, 'Number of dynamic neighbor entries per interface'),
    sysctlInt('nd6_gctimer', 'maxAge', 's', 1, 30 * DAY, 'Seconds after which a neighbor that is not used is forgotten'),
    sysctlInt('nd6_wait', 'failedAge', 's', 1, HOUR, 'Seconds a neighbor that does not answer is remembered'),
  ],
};

export const ND6_SYSCTLS: SysctlGroup<Nd6Tunables> = {
  prefix: 'net.inet6.icmp6',
  oids: [
    sysctlInt('rediraccept', 'rediraccept', 'bool', 0, 1, 'Accept ICMPv6 redirect messages'),
    sysctlInt('redirtimeout', 'redirtimeout', 's', 1, 30 * DAY, 'Delay in seconds before expiring redirect route'),
    sysctlInt('nd6_useloopback', 'useloopback', 'bool', 1, 1, 'Create a loopback route when configuring an IPv6 address'),
    sysctlInt('nd6_maxnudhint', 'maxnudhint', 'hints', 0, HOUR, 'Number of upper-layer hints in a row that save a probe; 0 ignores hints'),
    sysctlInt('nd6_debug', 'debug', 'bool', 0, 1, 'Log NDP debug messages'),
    sysctlInt('nd6_rfc9131', 'rfc9131', 'bool', 0, 1, 'Advertise new addresses to routers, and on a router learn neighbors from such advertisements (RFC 9131)'),
    sysctlInt('nd6_onlink_ns_rfc4861', 'onlinkNsRfc4861', 'bool', 0, 1, "Accept 'on-link' ICMPv6 NS messages in compliance with RFC 4861"),
  ],
};

export const ND6_IP6_SYSCTLS: SysctlGroup<Nd6Tunables> = {
  prefix: 'net.inet6.ip6',
  oids: [
    sysctlInt('norbit_raif', 'norbitRaif', 'bool', 0, 1, 'Always set clear the R flag in ICMPv6 NA messages when accepting RA on the interface'),
    sysctlInt('dad_enhanced', 'dadEnhanced', 'bool', 0, 1, 'Enable Enhanced DAD, which adds a random nonce to NS messages for DAD.'),
  ],
};
