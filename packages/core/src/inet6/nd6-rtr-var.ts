/**
 * nd6-rtr-var.ts — what router discovery counts, and what an administrator may set.
 * Read first: FreeBSD's netinet6/in6_proto.c and nd6_rtr.c; sysctl net.inet6.ip6, net.inet6.icmp6.
 *
 * Ours are `accept_rtinfo` and the bounds `maxif…` (the last two names are KAME's).
 */
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';

export class Nd6RtrStats {
  rareceived = 0;
  badra = 0;
  badhlim = 0;
  badsource = 0;
  badform = 0;
  badlladdr = 0;
  ignored = 0;
  fragmented = 0;
  badprefix = 0;
  badmtu = 0;
  full = 0;
  rssent = 0;
  txerrors = 0;
  rsreceived = 0;
  badrs = 0;
  rasent = 0;
  inconsistent = 0;
}

export const ND6_RTR_COUNTERS: CounterGroup<Nd6RtrStats> = {
  name: 'nd6rtr',
  rows: [
    { key: 'rareceived', text: '{} router advertisement{s} received' },
    { key: 'badra', text: '{} bad router advertisement message{s}' },
    { key: 'badhlim', text: '{} with invalid hop limit', depth: 2 },
    { key: 'badsource', text: '{} from an address that is not link-local', depth: 2 },
    { key: 'badform', text: '{} with bad code, length or options', depth: 2 },
    { key: 'badlladdr', text: '{} with a link address of the wrong length', depth: 2 },
    { key: 'ignored', text: '{} advertisement{s} where none {is|are} accepted' },
    { key: 'fragmented', text: '{} fragmented message{s} ignored' },
    { key: 'badprefix', text: '{} prefix option{s} ignored' },
    { key: 'badmtu', text: '{} MTU option{s} ignored' },
    { key: 'full', text: '{} router{s}, prefix{es} and options beyond the limits' },
    { key: 'rssent', text: '{} router solicitation{s} sent' },
    { key: 'txerrors', text: '{} message{s} that could not be sent' },
    { key: 'rsreceived', text: '{} router solicitation{s} received' },
    { key: 'badrs', text: '{} bad router solicitation message{s}' },
    { key: 'rasent', text: '{} router advertisement{s} sent' },
    { key: 'inconsistent', text: '{} advertisement{s} of other routers that contradict ours' },
  ],
};

const DAY = 86_400;
const YEAR = 365 * DAY;
const MAX = 65_536;

export class Nd6RtrTunables {
  /** Routers of advertisements are taken even when this host forwards (RFC 6204 W-3). */
  rfc6204w3 = 0;
  useTempaddr = 0;
  /** Seconds. */
  temppltime = DAY;
  tempvltime = 7 * DAY;
  maxifprefixes = 16;
  maxifdefrouters = 16;
  maxifrtinfo = 17;
  maxifdns = 16;
  /** Route information options (RFC 4191). */
  acceptRtinfo = 1;
}

export const ND6_RTR_SYSCTLS: SysctlGroup<Nd6RtrTunables> = {
  prefix: 'net.inet6.ip6',
  oids: [
    sysctlInt('rfc6204w3', 'rfc6204w3', 'bool', 0, 1, 'Accept the default router list from ICMPv6 RA messages even when packet forwarding is enabled'),
    sysctlInt('use_tempaddr', 'useTempaddr', 'bool', 0, 1, 'Create RFC3041 temporary addresses for autoconfigured addresses'),
    sysctlInt('temppltime', 'temppltime', 's', 10, YEAR, 'Maximum preferred lifetime for temporary addresses'),
    sysctlInt('tempvltime', 'tempvltime', 's', 10, YEAR, 'Maximum valid lifetime for temporary addresses'),
    sysctlInt('maxifprefixes', 'maxifprefixes', 'prefixes', 0, MAX, 'Prefixes of router advertisements that are kept per interface'),
    sysctlInt('maxifdefrouters', 'maxifdefrouters', 'routers', 0, MAX, 'Routers that are kept per interface'),
    sysctlInt('maxifrtinfo', 'maxifrtinfo', 'routes', 0, MAX, 'Routes of router advertisements that are kept per interface'),
    sysctlInt('maxifdns', 'maxifdns', 'entries', 0, MAX, 'DNS servers and search domains of router advertisements that are kept per interface'),
    sysctlInt('accept_rtinfo', 'acceptRtinfo', 'bool', 0, 1, 'Accept route information options of ICMPv6 RA messages'),
  ],
};
