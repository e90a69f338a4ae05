/**
 * igmp-var.ts — what IGMP counts, and what an administrator may set.
 * Read first: freebsd `sys/netinet/igmp_var.h`; sysctl net.inet.igmp.
 *
 * Counters are in the order and the words of `netstat -s -p igmp`.
 */
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';

/** `struct igmpstat`, without its prefix. */
export class IgmpStats {
  rcvTotal = 0;
  rcvTooshort = 0;
  rcvBadttl = 0;
  rcvBadsum = 0;
  rcvV1v2Queries = 0;
  rcvV3Queries = 0;
  rcvBadqueries = 0;
  rcvGenQueries = 0;
  rcvGroupQueries = 0;
  rcvGsrQueries = 0;
  dropGsrQueries = 0;
  rcvReports = 0;
  rcvBadreports = 0;
  rcvOurreports = 0;
  rcvNora = 0;
  sndReports = 0;
}

export const IGMP_COUNTERS: CounterGroup<IgmpStats> = {
  name: 'igmp',
  rows: [
    { key: 'rcvTotal', text: '{} message{s} received' },
    { key: 'rcvTooshort', text: '{} message{s} received with too few bytes' },
    { key: 'rcvBadttl', text: '{} message{s} received with wrong TTL' },
    { key: 'rcvBadsum', text: '{} message{s} received with bad checksum' },
    { key: 'rcvV1v2Queries', text: '{} V1/V2 membership quer{ies} received' },
    { key: 'rcvV3Queries', text: '{} V3 membership quer{ies} received' },
    { key: 'rcvBadqueries', text: '{} membership quer{ies} received with invalid field(s)' },
    { key: 'rcvGenQueries', text: '{} general quer{ies} received' },
    { key: 'rcvGroupQueries', text: '{} group quer{ies} received' },
    { key: 'rcvGsrQueries', text: '{} group-source quer{ies} received' },
    { key: 'dropGsrQueries', text: '{} group-source quer{ies} dropped' },
    { key: 'rcvReports', text: '{} membership report{s} received' },
    { key: 'rcvBadreports', text: '{} membership report{s} received with invalid field(s)' },
    { key: 'rcvOurreports', text: '{} membership report{s} received for groups to which we belong' },
    { key: 'rcvNora', text: '{} V3 report{s} received without Router Alert' },
    { key: 'sndReports', text: '{} membership report{s} sent' },
  ],
};

export class IgmpTunables {
  defaultVersion = 3;
  legacysupp = 0;
  v1enable = 1;
  v2enable = 1;
  sendlocal = 1;
  sendra = 1;
  recvifkludge = 1;
  /** Seconds between two answers to queries for sources of one group. */
  gsrdelay = 10;
}

/** FreeBSD's bound of gsrdelay. */
const GSRDELAY_MAX_S = 59;

export const IGMP_SYSCTLS: SysctlGroup<IgmpTunables> = {
  prefix: 'net.inet.igmp',
  oids: [
    sysctlInt('recvifkludge', 'recvifkludge', 'bool', 0, 1, 'Rewrite IGMPv1/v2 reports from 0.0.0.0 to contain subnet address'),
    sysctlInt('sendra', 'sendra', 'bool', 0, 1, 'Send IP Router Alert option in IGMPv2/v3 messages'),
    sysctlInt('sendlocal', 'sendlocal', 'bool', 0, 1, 'Send IGMP membership reports for 224.0.0.0/24 groups'),
    sysctlInt('v1enable', 'v1enable', 'bool', 0, 1, 'Enable backwards compatibility with IGMPv1'),
    sysctlInt('v2enable', 'v2enable', 'bool', 0, 1, 'Enable backwards compatibility with IGMPv2'),
    sysctlInt('legacysupp', 'legacysupp', 'bool', 0, 1, 'Allow v1/v2 reports to suppress v3 group responses'),
    sysctlInt('default_version', 'defaultVersion', '', 1, 3, 'Default version of IGMP to run on each interface'),
    sysctlInt('gsrdelay', 'gsrdelay', 's', -1, GSRDELAY_MAX_S, 'Rate limit for IGMPv3 Group-and-Source queries in seconds'),
  ],
};
