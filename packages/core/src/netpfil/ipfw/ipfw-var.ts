/**
 * ipfw-var.ts — what an administrator may set about the filter, what it counts, and its verdicts.
 * Read first: ipfw(8) "SYSCTL VARIABLES".
 */
import type { SysctlGroup } from '../../kern/sysctl.js';
import { sysctlInt, sysctlRead } from '../../kern/sysctl.js';
import { IPFW_DEFAULT_RULE } from './ipfw-insn.js';

/** Verdicts of the rules. */
export const IP_FW_PASS = 0;
export const IP_FW_DENY = 1;
export const IP_FW_NETGRAPH = 2;
export const IP_FW_NGTEE = 3;
export const IP_FW_NAT = 4;
export const IP_FW_REASS = 5;

/** `net.inet.ip.fw`, the part that is plain numbers. */
export class IpfwTunables {
  /** A packet that comes back from netgraph or nat is not shown to the rules again. */
  onePass = 1;
  autoincStep = 100;
  /** Log to the kernel's log. */
  verbose = 0;
  /** Lines a rule with `log` may log unless it says otherwise; 0: no limit. */
  verboseLimit = 0;
  denyUnknownExthdrs = 1;
  permitSingleFrag6 = 1;
  /** Links of one nat instance. */
  natLinksMax = 65_536;
}

const STEP_MAX = 1_000;
const LINES_MAX = 1_000_000_000;
const LINKS_MAX = 4_194_304;

export const IPFW_SYSCTLS: SysctlGroup<IpfwTunables> = {
  prefix: 'net.inet.ip.fw',
  oids: [
    sysctlInt('one_pass', 'onePass', 'bool', 0, 1, 'Only do a single pass through ipfw when using netgraph or nat'),
    sysctlInt('autoinc_step', 'autoincStep', '', 1, STEP_MAX, 'Rule number auto-increment step'),
    sysctlInt('verbose', 'verbose', 'bool', 0, 1, 'Log matches to ipfw rules'),
    sysctlInt('verbose_limit', 'verboseLimit', 'lines', 0, LINES_MAX, 'Set upper limit of matches of ipfw rules logged'),
    sysctlRead('default_rule', 'int', '', 'The default/max possible rule number', () => IPFW_DEFAULT_RULE),
    sysctlInt('nat_links_max', 'natLinksMax', '', 1, LINKS_MAX, 'Links a nat instance configured from now on may have'),
  ],
};

export const IPFW6_SYSCTLS: SysctlGroup<IpfwTunables> = {
  prefix: 'net.inet6.ip6.fw',
  oids: [
    sysctlInt('deny_unknown_exthdrs', 'denyUnknownExthdrs', 'bool', 0, 1, 'Deny packets with unknown IPv6 Extension Headers'),
    sysctlInt('permit_single_frag6', 'permitSingleFrag6', 'bool', 0, 1, 'Permit single packet IPv6 fragments'),
  ],
};

const STATES_MAX = 4_194_304;
const BUCKETS_MAX = 1_048_576;
const LIFETIME_MAX = 2_592_000;

/** `net.inet.ip.fw.dyn_*` */
export class IpfwDynTunables {
  max = 16_384;
  parentMax = 4_096;
  bucketsMax = 8_192;
  ackLifetime = 300;
  synLifetime = 20;
  finLifetime = 1;
  rstLifetime = 1;
  udpLifetime = 10;
  shortLifetime = 5;
  keepalive = 1;
  keepStates = 0;
  /** Seconds before a state's end from which on keepalives are sent, and between two of them. */
  readonly keepaliveInterval = 20;
  readonly keepalivePeriod = 5;
}

export const IPFW_DYN_SYSCTLS: SysctlGroup<IpfwDynTunables> = {
  prefix: 'net.inet.ip.fw',
  oids: [
    sysctlInt('dyn_buckets', 'bucketsMax', '', 256, BUCKETS_MAX, 'Max number of buckets for dynamic states hash table'),
    sysctlInt('dyn_max', 'max', '', 0, STATES_MAX, 'Max number of dynamic states'),
    sysctlInt('dyn_parent_max', 'parentMax', '', 0, STATES_MAX, 'Max number of parent dynamic states'),
    sysctlInt('dyn_ack_lifetime', 'ackLifetime', 's', 1, LIFETIME_MAX, 'Lifetime of dynamic states for TCP ACK'),
    sysctlInt('dyn_syn_lifetime', 'synLifetime', 's', 1, LIFETIME_MAX, 'Lifetime of dynamic states for TCP SYN'),
    sysctlInt('dyn_fin_lifetime', 'finLifetime', 's', 1, LIFETIME_MAX, 'Lifetime of dynamic states for TCP FIN'),
    sysctlInt('dyn_rst_lifetime', 'rstLifetime', 's', 1, LIFETIME_MAX, 'Lifetime of dynamic states for TCP RST'),
    sysctlInt('dyn_udp_lifetime', 'udpLifetime', 's', 1, LIFETIME_MAX, 'Lifetime of dynamic states for UDP'),
    sysctlInt('dyn_short_lifetime', 'shortLifetime', 's', 1, LIFETIME_MAX, 'Lifetime of dynamic states for other situations'),
    sysctlInt('dyn_keepalive', 'keepalive', 'bool', 0, 1, 'Enable keepalives for dynamic states'),
    sysctlInt('dyn_keep_states', 'keepStates', 'bool', 0, 1, 'Do not flush dynamic states on rule deletion'),
  ],
};
