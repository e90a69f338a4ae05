/**
 * carp-var.ts — what CARP counts, its numbers, and what it asks of the address families.
 * Read first: carp(4); FreeBSD's netinet/ip_carp.h; `netstat -s -p carp`.
 *
 * The rows are FreeBSD's, in its words. `hdrops` and `badaddrs` stay 0 here as there: a packet is in one piece, and nobody checks lists of addresses.
 * `badif` and `preempt` FreeBSD keeps but does not show; they come last.
 */
import type { Errno } from '../../base/errno.js';
import type { CounterGroup } from '../../kern/counters.js';
import type { IfAddr } from '../ifaddr.js';
import type { Ifnet } from '../ifnet.js';
import type { CarpVhid } from './carp-vhid.js';

/** Advertising stops at this much advskew, however far a host is demoted. */
export const CARP_MAXSKEW = 240;
export const CARP_MAXVHID = 255;
export const CARP_MAXADVBASE = 255;
/** Largest advskew an administrator may set. */
export const CARP_MAXADVSKEW = 254;
export const CARP_KEY_LEN = 20;
/** Seconds between advertisements unless the administrator says otherwise. */
export const CARP_DFLTINTV = 1;
/** Advskew counts 256ths of a second. */
export const CARP_SKEW_PER_SEC = 256;
/** What is sent in a second of a master's silence before it is taken for dead, in advbases. */
export const CARP_DOWN_FACTOR = 3;
/** Errors in a row that demote this host, and successes in a row that take it back. */
export const CARP_SENDAD_MAX_ERRORS = 3;
export const CARP_SENDAD_MIN_SUCCESS = 3;

export const CARP_INIT = 0;
export const CARP_BACKUP = 1;
export const CARP_MASTER = 2;
export type CarpState = typeof CARP_INIT | typeof CARP_BACKUP | typeof CARP_MASTER;
export const CARP_STATES = ['INIT', 'BACKUP', 'MASTER'] as const;

/** `sendAd` could not get a packet: no error of the link. */
export const CARP_NOMEM = -1;

export class CarpStats {
  ipackets = 0;
  ipackets6 = 0;
  badttl = 0;
  hdrops = 0;
  badsum = 0;
  badver = 0;
  badlen = 0;
  badauth = 0;
  badvhid = 0;
  badaddrs = 0;
  opackets = 0;
  opackets6 = 0;
  onomem = 0;
  badif = 0;
  preempt = 0;
}

export const CARP_COUNTERS: CounterGroup<CarpStats> = {
  name: 'carp',
  rows: [
    { key: 'ipackets', text: '{} packet{s} received (IPv4)' },
    { key: 'ipackets6', text: '{} packet{s} received (IPv6)' },
    { key: 'badttl', text: '{} packet{s} discarded for wrong TTL', depth: 2 },
    { key: 'hdrops', text: '{} packet{s} shorter than header', depth: 2 },
    { key: 'badsum', text: '{} discarded for bad checksum{s}', depth: 2 },
    { key: 'badver', text: '{} discarded packet{s} with a bad version', depth: 2 },
    { key: 'badlen', text: '{} discarded because packet too short', depth: 2 },
    { key: 'badauth', text: '{} discarded for bad authentication', depth: 2 },
    { key: 'badvhid', text: '{} discarded for bad vhid', depth: 2 },
    { key: 'badaddrs', text: '{} discarded because of a bad address list', depth: 2 },
    { key: 'opackets', text: '{} packet{s} sent (IPv4)' },
    { key: 'opackets6', text: '{} packet{s} sent (IPv6)' },
    { key: 'onomem', text: '{} send failed due to mbuf memory error', depth: 2 },
    { key: 'badif', text: '{} packet{s} that came back, or came to an interface without vhids' },
    { key: 'preempt', text: '{} slower master{s} preempted' },
  ],
};

/** An address family's part in CARP: inet/carp4.ts and inet6/carp6.ts. */
export interface CarpFamily {
  readonly af: number;
  /** The first address of the family on `ifp` has a vhid: joins CARP's group there. `leave`: the last one is gone. */
  join(ifp: Ifnet): Errno;
  leave(ifp: Ifnet): void;
  /** This host is the master: `ifa` is an address of it from now on, with its routes. `unusable`: it is no longer, or was not yet. */
  usable(ifa: IfAddr): void;
  unusable(ifa: IfAddr): void;
  /** Sends an advertisement of `vh`. CARP_NOMEM: there was no packet. May be called in softint context. */
  sendAd(vh: CarpVhid): Errno;
  /** Tells the link that the addresses of `vh` are at its link address now. */
  announce(vh: CarpVhid): void;
}
