/**
 * arp-var.ts — what ARP counts and what an administrator may set.
 * Read first: arp(4), arp(8); `netstat -s -p arp`; sysctl net.link.ether.inet; NetBSD's sysctl net.inet.arp.
 *
 * The first nine counters are FreeBSD's, in its words. The others say why a message was refused: one for every check of
 * arp-input.ts. Several tunables have two names, FreeBSD's and NetBSD's; both read and write the same field.
 */
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { LlParams } from '../net/llentry.js';
import type { ArpLlEntry } from './arp-lltable.js';

export class ArpStats {
  txrequests = 0;
  txerrors = 0;
  txreplies = 0;
  rxrequests = 0;
  rxreplies = 0;
  received = 0;
  dropped = 0;
  timeouts = 0;
  dupips = 0;
  badlen = 0;
  badproto = 0;
  badpln = 0;
  localsha = 0;
  noarp = 0;
  zeroboth = 0;
  noint = 0;
  bcastsha = 0;
  mcastsha = 0;
  zerospa = 0;
  zerotpa = 0;
  badspa = 0;
  wrongif = 0;
  overperm = 0;
  moved = 0;
  tablefull = 0;
  probeconflict = 0;
}

export const ARP_COUNTERS: CounterGroup<ArpStats> = {
  name: 'arp',
  rows: [
    { key: 'txrequests', text: '{} ARP request{s} sent' },
    { key: 'txerrors', text: '{} ARP request{s} failed to sent' },
    { key: 'txreplies', text: '{} ARP repl{ies} sent' },
    { key: 'rxrequests', text: '{} ARP request{s} received' },
    { key: 'rxreplies', text: '{} ARP repl{ies} received' },
    { key: 'received', text: '{} ARP packet{s} received' },
    { key: 'dropped', text: '{} total packet{s} dropped due to no ARP entry' },
    { key: 'timeouts', text: '{} ARP entry{s} timed out' },
    { key: 'dupips', text: '{} Duplicate IP{s} seen' },
    { key: 'badlen', text: '{} ARP packet{s} with bad length' },
    { key: 'badproto', text: '{} ARP packet{s} with unknown hardware or protocol' },
    { key: 'badpln', text: '{} ARP packet{s} with bad protocol address length' },
    { key: 'localsha', text: '{} ARP packet{s} from own link address' },
    { key: 'noarp', text: '{} ARP packet{s} on interfaces without ARP' },
    { key: 'zeroboth', text: '{} ARP packet{s} without addresses' },
    { key: 'noint', text: '{} ARP packet{s} on interfaces without address' },
    { key: 'bcastsha', text: '{} ARP packet{s} with broadcast link source' },
    { key: 'mcastsha', text: '{} ARP packet{s} with multicast link source' },
    { key: 'zerospa', text: '{} ARP probe{s} received' },
    { key: 'zerotpa', text: '{} ARP packet{s} without target' },
    { key: 'badspa', text: '{} ARP packet{s} with bad protocol source' },
    { key: 'wrongif', text: '{} ARP packet{s} on the wrong interface' },
    { key: 'overperm', text: '{} attempt{s} to overwrite a static entry' },
    { key: 'moved', text: '{} address{es} moved to another link address' },
    { key: 'tablefull', text: '{} entr{ies} refused because the table is full' },
    { key: 'probeconflict', text: '{} own address{es} lost to duplicate detection' },
  ],
};

/** What is not shared with other neighbour protocols (those are LlParams). */
export class ArpTunables {
  proxyall = 0;
  /** Send packets to own addresses through loopback; kept for the name, it is always so. */
  useloopback = 1;
  /** Announcements repeated after an address was set, doubling the distance from one second. */
  garpRexmitCount = 0;
  logMovements = 1;
  logPermanentModify = 1;
  logWrongIface = 1;
  allowMulticast = 0;
  maxLogPerSecond = 1;
  /** syslog levels that are logged: this one and the graver (smaller) ones. */
  logLevel = 6;
  /** Probes before an address is used; 0: used at once. */
  dadCount = 0;
  /** Seconds between two defences of an address. */
  defendInterval = 10;
}

const HOUR = 3_600;
const DAY = 86_400;
const ENTRIES_MAX = 1_048_576;
const HOLD_MAX = 4_096;
const HELD_MAX = 65_536;
const TRIES_MAX = 100;
const GARP_MAX = 16;
const MS_MAX = 3_600_000;
const PPS_MAX = 1_000_000;

export const ARP_LL_SYSCTLS: SysctlGroup<LlParams<ArpLlEntry>> = {
  prefix: 'net.link.ether.inet',
  oids: [
    sysctlInt('max_age', 'maxAge', 's', 1, 30 * DAY, 'ARP entry lifetime in seconds'),
    sysctlInt('maxtries', 'maxTries', '', 1, TRIES_MAX, 'ARP resolution attempts before returning error'),
    sysctlInt('wait', 'failedAge', 's', 1, HOUR, 'Incomplete ARP entry lifetime in seconds'),
    sysctlInt('maxhold', 'maxHold', 'packets', 0, HOLD_MAX, 'Number of packets to hold per ARP entry'),
    sysctlInt('maxheld', 'maxHeld', 'packets', 0, HELD_MAX, 'Number of packets to hold for all ARP entries together'),
    sysctlInt('maxentries', 'maxEntries', '', 1, ENTRIES_MAX, 'Number of dynamic ARP entries per interface'),
  ],
};

export const ARP_SYSCTLS: SysctlGroup<ArpTunables> = {
  prefix: 'net.link.ether.inet',
  oids: [
    sysctlInt('proxyall', 'proxyall', 'bool', 0, 1, 'Enable proxy ARP for all suitable requests'),
    sysctlInt('useloopback', 'useloopback', 'bool', 1, 1, 'Use the loopback interface for local traffic'),
    sysctlInt('garp_rexmit_count', 'garpRexmitCount', '', 0, GARP_MAX, 'Number of times to retransmit GARP packets; 0 to disable, maximum of 16'),
    sysctlInt('log_arp_movements', 'logMovements', 'bool', 0, 1, 'log arp replies from MACs different than the one in the cache'),
    sysctlInt('log_arp_permanent_modify', 'logPermanentModify', 'bool', 0, 1, 'log arp replies from MACs different than the one in the permanent arp entry'),
    sysctlInt('log_arp_wrong_iface', 'logWrongIface', 'bool', 0, 1, 'log arp packets arriving on the wrong interface'),
    sysctlInt('allow_multicast', 'allowMulticast', 'bool', 0, 1, 'accept multicast addresses'),
    sysctlInt('max_log_per_second', 'maxLogPerSecond', 'lines', 0, PPS_MAX, 'Maximum number of remotely triggered ARP messages that can be logged per second'),
    sysctlInt('defend_interval', 'defendInterval', 's', 0, HOUR, 'Least time between two announcements against a duplicate of an own address; 0 never defends'),
  ],
};

export const ARP_LOG_SYSCTLS: SysctlGroup<ArpTunables> = {
  prefix: 'net.link.ether.arp',
  oids: [sysctlInt('log_level', 'logLevel', 'syslog level', 0, 7, 'Minimum log(9) level for recording rate limited arp log messages')],
};

/** NetBSD's names of the neighbour state machine. */
export const ARP_ND_SYSCTLS: SysctlGroup<LlParams<ArpLlEntry>> = {
  prefix: 'net.inet.arp',
  oids: [
    sysctlInt('nd_delay', 'delay', 's', 0, HOUR, 'First probe delay time'),
    sysctlInt('nd_bmaxtries', 'maxTries', '', 1, TRIES_MAX, 'Number of broadcast discovery attempts'),
    sysctlInt('nd_umaxtries', 'unicastTries', '', 1, TRIES_MAX, 'Number of unicast discovery attempts'),
    sysctlInt('nd_reachable', 'reachable', 'ms', 1, MS_MAX, 'Reachable time'),
    sysctlInt('nd_retrans', 'retrans', 'ms', 1, MS_MAX, 'Retransmission time'),
    sysctlInt('nd_nud', 'nud', 'bool', 0, 1, 'Perform neighbour unreachability detection; 0 refreshes entries in use shortly before they expire'),
    sysctlInt('maxqueuelen', 'maxHold', 'packets', 0, HOLD_MAX, 'max packet queue len for a unresolved ARP'),
  ],
};

export const ARP_NETBSD_SYSCTLS: SysctlGroup<ArpTunables> = {
  prefix: 'net.inet.arp',
  oids: [
    sysctlInt('log_movements', 'logMovements', 'bool', 0, 1, 'log ARP replies from MACs different than the one in the cache'),
    sysctlInt('log_permanent_modify', 'logPermanentModify', 'bool', 0, 1, 'log ARP replies from MACs different than the one in the permanent arp entry'),
    sysctlInt('log_wrong_iface', 'logWrongIface', 'bool', 0, 1, 'log ARP packets arriving on the wrong interface'),
  ],
};

const DAD_MAX = 16;

export const ARP_DAD_SYSCTLS: SysctlGroup<ArpTunables> = {
  prefix: 'net.inet.ip',
  oids: [sysctlInt('dad_count', 'dadCount', '', 0, DAD_MAX, 'Number of Duplicate Address Detection probes to send before an address is used; 0 uses it at once')],
};
