/**
 * icmp6-var.ts — what ICMPv6 counts, and what an administrator may set.
 * Read first: FreeBSD's netinet/icmp6.h (struct icmp6stat); icmp6(4); sysctl net.inet6.icmp6.
 */
import type { CounterGroup } from '../kern/counters.js';

/** `struct icmp6stat`, without its prefix. */
export class Icmp6Stats {
  error = 0;
  canterror = 0;
  toofreq = 0;
  tooshort = 0;
  checksum = 0;
  badlen = 0;
  reflect = 0;
}

export const ICMP6_COUNTERS: CounterGroup<Icmp6Stats> = {
  name: 'icmp6',
  rows: [
    { key: 'error', text: '{} call{s} to icmp6_error' },
    { key: 'canterror', text: '{} error{s} not generated in response to an icmp6 message' },
    { key: 'toofreq', text: '{} error{s} not generated because of rate limitation' },
    { key: 'tooshort', text: '{} message{s} < minimum length' },
    { key: 'checksum', text: '{} bad checksum{s}' },
    { key: 'badlen', text: '{} message{s} with bad length' },
    { key: 'reflect', text: '{} message response{s} generated' },
  ],
};
