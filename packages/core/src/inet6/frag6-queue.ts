/**
 * frag6-queue.ts — class Ip6q: the fragments of one datagram; and the limits of reassembly as an administrator sees them.
 * Read first: inet6/frag6.ts.
 *
 * A fragment that waits is the packet it came in. What was in its headers is read from it again when it is needed (`frag6Off` and others):
 * a fragment is seldom looked at twice. `m.nhoff` is the place of its fragment header in the slot.
 */
import type { Errno } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup, SysctlOid } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IP6F_MORE_FRAG, IP6F_OFFLG, IP6F_OFF_MASK, IP6_FRAG_HDR_LEN, IPV6_MAXPACKET } from '../wire/ip6.js';
import type { Frag6 } from './frag6.js';

export const IP6REASS_NHASH = 1_024;
const FRAGS_MAX = 65_536;
const LIFETIME_MAX_MS = 32_767_500;

/** No first fragment yet. */
export const UNFRGLEN_NONE = -1;

export class Ip6q {
  readonly s0: number;
  readonly s1: number;
  readonly s2: number;
  readonly s3: number;
  readonly d0: number;
  readonly d1: number;
  readonly d2: number;
  readonly d3: number;
  readonly ident: number;
  readonly bucket: number;
  readonly expireAt: Micros;
  /** Sorted by offset, linked through `next`. */
  head: PacketBuffer | null = null;
  tail: PacketBuffer | null = null;
  nfrag = 0;
  /** Payload bytes present. */
  bytes = 0;
  /** Where the payload ends; -1 until the last fragment came. */
  end = -1;
  /** Bytes of extension headers before the fragment header, and the number in that header, of the first fragment. */
  unfrglen = UNFRGLEN_NONE;
  nxt = 0;
  /** ECN bits of the datagram so far. */
  ecn: number;
  /** Its fragments have contradicted each other: nothing more is believed. */
  condemned = false;
  hashNext: Ip6q | null = null;
  older: Ip6q | null = null;
  younger: Ip6q | null = null;

  constructor(w: Int32Array, ident: number, bucket: number, expireAt: Micros, ecn: number) {
    this.s0 = w[0]!;
    this.s1 = w[1]!;
    this.s2 = w[2]!;
    this.s3 = w[3]!;
    this.d0 = w[4]!;
    this.d1 = w[5]!;
    this.d2 = w[6]!;
    this.d3 = w[7]!;
    this.ident = ident;
    this.bucket = bucket;
    this.expireAt = expireAt;
    this.ecn = ecn;
  }

  is(w: Int32Array, ident: number): boolean {
    return this.ident === ident && this.s3 === w[3] && this.d3 === w[7] && this.s2 === w[2] && this.s1 === w[1] && this.s0 === w[0]
      && this.d2 === w[6] && this.d1 === w[5] && this.d0 === w[4];
  }
}

/** Where the payload of the fragment begins in the datagram's, in bytes. */
export const frag6Off = (m: PacketBuffer): number => m.view.getUint16(m.nhoff + IP6F_OFFLG) & IP6F_OFF_MASK;
/** Its bytes. */
export const frag6Len = (m: PacketBuffer): number => m.off + m.len - m.nhoff - IP6_FRAG_HDR_LEN;
export const frag6End = (m: PacketBuffer): number => frag6Off(m) + frag6Len(m);
export const frag6More = (m: PacketBuffer): boolean => (m.view.getUint16(m.nhoff + IP6F_OFFLG) & IP6F_MORE_FRAG) !== 0;

/** -1 asks for no limit; the bucket limit follows, as in FreeBSD. */
function setMaxfragpackets(r: Frag6, value: number | string): Errno {
  r.maxfragpackets = Number(value);
  if (r.maxfragpackets > 0) r.maxfragbucketsize = bucketSize(r.maxfragpackets);
  r.enforce();
  return 0;
}

/** Queues of a bucket, when there may be so many of all. */
export const bucketSize = (packets: number): number => Math.max(1, Math.floor(packets / (IP6REASS_NHASH / 2)));

const MAXFRAGPACKETS: SysctlOid<Frag6> = {
  leaf: 'maxfragpackets', type: 'int', unit: 'packets', min: -1, max: FRAGS_MAX,
  help: 'Default maximum number of outstanding fragmented IPv6 packets; 0 refuses fragments, -1 is no limit',
  get: (r) => r.maxfragpackets,
  set: setMaxfragpackets,
};

export const FRAG6_SYSCTLS: SysctlGroup<Frag6> = {
  prefix: 'net.inet6.ip6',
  oids: [
    sysctlInt('maxfrags', 'maxfrags', 'packets', -1, FRAGS_MAX, 'Maximum allowed number of outstanding IPv6 packet fragments; 0 refuses fragments, -1 is no limit'),
    MAXFRAGPACKETS,
    sysctlInt('maxfragsperpacket', 'maxfragsperpacket', 'packets', 0, IPV6_MAXPACKET >>> 3, 'Maximum allowed number of fragments per packet'),
    sysctlInt('maxfragbucketsize', 'maxfragbucketsize', 'packets', 0, FRAGS_MAX, 'Maximum number of reassembly queues per hash bucket'),
    sysctlInt('fraglifetime_ms', 'lifetimeMs', 'ms', 1, LIFETIME_MAX_MS, 'Fragment lifetime, in milliseconds'),
    sysctlRead('frag6_nfrags', 'int', 'packets', 'Number of IPv6 fragments across all reassembly queues', (r) => r.nfrags),
    sysctlRead('frag6_nfragpackets', 'int', 'packets', 'Per-VNET number of IPv6 packets being reassembled', (r) => r.npackets),
  ],
};
