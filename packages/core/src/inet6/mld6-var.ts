/**
 * mld6-var.ts — what MLD counts, and what an administrator may set.
 * Read first: freebsd `sys/netinet6/mld6.c`; sysctl net.inet6.mld.
 *
 * Messages themselves are in ICMPv6's histogram (`netstat -s -p icmp6`); here is why some were ignored, which FreeBSD does not count.
 */
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';

export class MldStats {
  rcvTotal = 0;
  rcvTooshort = 0;
  rcvBadhlim = 0;
  rcvNora = 0;
  rcvBadsource = 0;
  rcvV1Queries = 0;
  rcvV2Queries = 0;
  rcvBadqueries = 0;
  dropGsrQueries = 0;
  rcvReports = 0;
  rcvBadreports = 0;
  rcvOurreports = 0;
  sndReports = 0;
}

export const MLD_COUNTERS: CounterGroup<MldStats> = {
  name: 'mld6',
  rows: [
    { key: 'rcvTotal', text: '{} message{s} received' },
    { key: 'rcvTooshort', text: '{} message{s} received with too few bytes' },
    { key: 'rcvBadhlim', text: '{} message{s} received with wrong hop limit' },
    { key: 'rcvNora', text: '{} message{s} received without Router Alert' },
    { key: 'rcvBadsource', text: '{} message{s} received from an address that is not link-local' },
    { key: 'rcvV1Queries', text: '{} V1 membership quer{ies} received' },
    { key: 'rcvV2Queries', text: '{} V2 membership quer{ies} received' },
    { key: 'rcvBadqueries', text: '{} membership quer{ies} received with invalid field(s)' },
    { key: 'dropGsrQueries', text: '{} group-source quer{ies} dropped' },
    { key: 'rcvReports', text: '{} membership report{s} received' },
    { key: 'rcvBadreports', text: '{} membership report{s} received with invalid field(s)' },
    { key: 'rcvOurreports', text: '{} membership report{s} received for groups to which we belong' },
    { key: 'sndReports', text: '{} membership report{s} sent' },
  ],
};

export class MldTunables {
  v1enable = 1;
  v2enable = 1;
  useAllow = 1;
  /** Seconds between two answers to queries for sources of one group. */
  gsrdelay = 10;
}

/** FreeBSD's bound of gsrdelay. */
const GSRDELAY_MAX_S = 59;

export const MLD_SYSCTLS: SysctlGroup<MldTunables> = {
  prefix: 'net.inet6.mld',
  oids: [
    sysctlInt('gsrdelay', 'gsrdelay', 's', -1, GSRDELAY_MAX_S, 'Rate limit for MLDv2 Group-and-Source queries in seconds'),
    sysctlInt('v1enable', 'v1enable', 'bool', 0, 1, 'Enable fallback to MLDv1'),
    sysctlInt('v2enable', 'v2enable', 'bool', 0, 1, 'Enable MLDv2'),
    sysctlInt('use_allow', 'useAllow', 'bool', 0, 1, 'Use ALLOW/BLOCK for RFC 4604 SSM joins/leaves'),
  ],
};
