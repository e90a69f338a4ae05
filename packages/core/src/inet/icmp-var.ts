/**
 * icmp-var.ts — what ICMP counts and what an administrator may set.
 * Read first: icmp(4); FreeBSD's netinet/icmp_var.h; `netstat -s -p icmp`; sysctl net.inet.icmp.
 *
 * The histograms are fields `in0` … `in40` and `out0` … `out40`, one per message type. netstat(1) leaves out rows of depth 2
 * that are zero, and the heading of a histogram (a row without a number) when all of its rows are; `inhist` and `outhist` are
 * the sums that decide it.
 */
import type { CounterGroup, CounterRow } from '../kern/counters.js';
import { sysctlInt, sysctlString } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { ICMP_MAXTYPE } from '../wire/icmp4.js';

/** `struct icmpstat`, without its prefix. */
export class IcmpStats {
  error = 0;
  oldicmp = 0;
  /** Errors and replies not sent because of the rate limit. */
  limited = 0;
  outhist = 0;
  badcode = 0;
  tooshort = 0;
  checksum = 0;
  badlen = 0;
  bmcastecho = 0;
  bmcasttstamp = 0;
  badredirect = 0;
  inhist = 0;
  reflect = 0;
  badaddr = 0;
  noroute = 0;
  in0 = 0; in1 = 0; in2 = 0; in3 = 0; in4 = 0; in5 = 0; in6 = 0; in7 = 0; in8 = 0; in9 = 0;
  in10 = 0; in11 = 0; in12 = 0; in13 = 0; in14 = 0; in15 = 0; in16 = 0; in17 = 0; in18 = 0; in19 = 0;
  in20 = 0; in21 = 0; in22 = 0; in23 = 0; in24 = 0; in25 = 0; in26 = 0; in27 = 0; in28 = 0; in29 = 0;
  in30 = 0; in31 = 0; in32 = 0; in33 = 0; in34 = 0; in35 = 0; in36 = 0; in37 = 0; in38 = 0; in39 = 0;
  in40 = 0;
  out0 = 0; out1 = 0; out2 = 0; out3 = 0; out4 = 0; out5 = 0; out6 = 0; out7 = 0; out8 = 0; out9 = 0;
  out10 = 0; out11 = 0; out12 = 0; out13 = 0; out14 = 0; out15 = 0; out16 = 0; out17 = 0; out18 = 0; out19 = 0;
  out20 = 0; out21 = 0; out22 = 0; out23 = 0; out24 = 0; out25 = 0; out26 = 0; out27 = 0; out28 = 0; out29 = 0;
  out30 = 0; out31 = 0; out32 = 0; out33 = 0; out34 = 0; out35 = 0; out36 = 0; out37 = 0; out38 = 0; out39 = 0;
  out40 = 0;
}

/** A field of a histogram. */
export type IcmpHistKey = Extract<keyof IcmpStats, `in${number}` | `out${number}`>;

const TYPES = Array.from({ length: ICMP_MAXTYPE + 1 }, (_, i) => i);
/** Field names by type: a packet path must not build strings. */
export const IN_KEYS: readonly IcmpHistKey[] = TYPES.map((i) => `in${i}` as IcmpHistKey);
export const OUT_KEYS: readonly IcmpHistKey[] = TYPES.map((i) => `out${i}` as IcmpHistKey);

/** netstat(1)'s names of the types; the others are called by their number. */
const ICMP_NAMES: Readonly<Record<number, string>> = {
  0: 'echo reply', 3: 'destination unreachable', 4: 'source quench', 5: 'routing redirect', 8: 'echo', 9: 'router advertisement',
  10: 'router solicitation', 11: 'time exceeded', 12: 'parameter problem', 13: 'time stamp', 14: 'time stamp reply', 15: 'information request',
  16: 'information request reply', 17: 'address mask request', 18: 'address mask reply', 30: 'icmp traceroute', 31: 'datagram conversion error',
  32: 'mobile host redirect', 33: 'IPv6 where-are-you', 34: 'IPv6 i-am-here', 35: 'mobile registration req', 36: 'mobile registration reply',
  37: 'domain name request', 38: 'domain name reply', 39: 'icmp SKIP', 40: 'icmp photuris',
};

function histogram(keys: readonly IcmpHistKey[]): CounterRow<IcmpStats>[] {
  return keys.map((key, i) => ({ key, text: `${ICMP_NAMES[i] ?? `#${i}`}: {}`, depth: 2 }));
}

export const ICMP_COUNTERS: CounterGroup<IcmpStats> = {
  name: 'icmp',
  rows: [
    { key: 'error', text: '{} call{s} to icmp_error' },
    { key: 'oldicmp', text: '{} error{s} not generated in response to an icmp message' },
    { key: 'limited', text: '{} message{s} not generated because of rate limits' },
    { key: 'outhist', text: 'Output histogram:' },
    ...histogram(OUT_KEYS),
    { key: 'badcode', text: '{} message{s} with bad code fields' },
    { key: 'tooshort', text: '{} message{s} less than the minimum length' },
    { key: 'checksum', text: '{} message{s} with bad checksum' },
    { key: 'badlen', text: '{} message{s} with bad length' },
    { key: 'bmcastecho', text: '{} multicast echo requests ignored' },
    { key: 'bmcasttstamp', text: '{} multicast timestamp requests ignored' },
    { key: 'badredirect', text: '{} redirect{s} ignored' },
    { key: 'inhist', text: 'Input histogram:' },
    ...histogram(IN_KEYS),
    { key: 'reflect', text: '{} message response{s} generated' },
    { key: 'badaddr', text: '{} invalid return address{es}' },
    { key: 'noroute', text: '{} no return route{s}' },
  ],
};

/** What `sysctl net.inet.icmp` sets. */
export class IcmpTunables {
  maskrepl = 0;
  maskfake = 0;
  dropRedirect = 0;
  logRedirect = 0;
  redirtimeout = 600;
  replySrc = '';
  replyFromInterface = 0;
  quotelen = 548;
  bmcastecho = 0;
  tstamprepl = 1;
}

const REDIRTIMEOUT_MAX = 86_400;
/** What fits behind two headers into one packet without options. */
const QUOTE_MAX = 65_507;

/** What a redirect does; bound to who can tell the routing tables. */
export interface IcmpRedirectTunables {
  readonly tun: IcmpTunables;
  readonly ip: { readonly routes: { dynamicRtMsg: number; redirectTimeoutChanged(from: number, to: number): void } };
}

export const ICMP_REDIRECT_SYSCTLS: SysctlGroup<IcmpRedirectTunables> = {
  prefix: 'net.inet.icmp',
  oids: [
    {
      leaf: 'redirtimeout', type: 'int', unit: 's', min: 0, max: REDIRTIMEOUT_MAX, help: 'Delay in seconds before expiring redirect route; 0 never expires them',
      get: ({ tun }) => tun.redirtimeout,
      set: ({ tun, ip }, value) => {
        ip.routes.redirectTimeoutChanged(tun.redirtimeout, Number(value));
        tun.redirtimeout = Number(value);
        return 0;
      },
    },
    {
      leaf: 'rediraccept', type: 'int', unit: 'bool', min: 0, max: 1, help: 'Accept ICMP redirect messages; the contrary of drop_redirect',
      get: ({ tun }) => 1 - tun.dropRedirect,
      set: ({ tun }, value) => {
        tun.dropRedirect = 1 - Number(value);
        return 0;
      },
    },
    {
      leaf: 'dynamic_rt_msg', type: 'int', unit: 'bool', min: 0, max: 1, help: 'Send routing message for RTF_DYNAMIC',
      get: ({ ip }) => ip.routes.dynamicRtMsg,
      set: ({ ip }, value) => {
        ip.routes.dynamicRtMsg = Number(value);
        return 0;
      },
    },
  ],
};

export const ICMP_SYSCTLS: SysctlGroup<IcmpTunables> = {
  prefix: 'net.inet.icmp',
  oids: [
    sysctlInt('maskrepl', 'maskrepl', 'bool', 0, 1, 'Reply to ICMP Address Mask Request packets'),
    sysctlInt('maskfake', 'maskfake', 'netmask', 0, 0xffff_ffff, 'Fake reply to ICMP Address Mask Request packets'),
    sysctlInt('drop_redirect', 'dropRedirect', 'bool', 0, 1, 'Ignore ICMP redirects'),
    sysctlInt('log_redirect', 'logRedirect', 'bool', 0, 1, 'Log ICMP redirects to the console'),
    sysctlString('reply_src', 'replySrc', 'ICMP reply source for non-local packets'),
    sysctlInt('reply_from_interface', 'replyFromInterface', 'bool', 0, 1, 'ICMP reply from incoming interface for non-local packets'),
    sysctlInt('quotelen', 'quotelen', 'bytes', 28, QUOTE_MAX, 'Number of bytes from original packet to quote in ICMP reply'),
    sysctlInt('bmcastecho', 'bmcastecho', 'bool', 0, 1, 'Reply to multicast ICMP Echo Request and Timestamp packets'),
    sysctlInt('tstamprepl', 'tstamprepl', 'bool', 0, 1, 'Respond to ICMP Timestamp packets'),
  ],
};
