/**
 * ip-id.ts — the identification field of what this host sends.
 * Read first: RFC 6864 §4; FreeBSD's netinet/ip_id.c.
 *
 * Theory of operation. The field means something only for datagrams that may be fragmented. Atomic ones (DF set) carry 0
 * while `rfc6864` is 1. The others take the next value of a counter that starts at random; with `random_id` they take random
 * values of which none comes back within the last `random_id_period`: a ring remembers them, a bit per value says what is in
 * the ring. Ring and bits exist only once `random_id` has been used.
 *
 * Invariant: a bit is set exactly while its value is in the ring; 0 is never handed out at random.
 *
 * @rfc 6864 4 yes
 */
import type { Prng } from '../base/prng.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup, SysctlTree } from '../kern/sysctl.js';
import { IP_DF } from '../wire/ip4.js';

const IDS = 65_536;
const PERIOD_MIN = 512;
const PERIOD_MAX = 32_768;

export class IpId {
  /** 0 for atomic datagrams. */
  rfc6864 = 1;
  /** Random instead of counted. */
  randomId = 0;
  /** Values that must go by before one may be used again. */
  randomIdPeriod = 8_192;
  collisions = 0;
  total = 0;
  private readonly rng: Prng;
  private counter: number;
  private ring: Uint16Array | null = null;
  private used: Uint8Array | null = null;
  private at = 0;

  constructor(rng: Prng) {
    this.rng = rng;
    this.counter = rng.below(IDS);
  }

  /** Its tunables appear in the vnet, or are taken away (ipid_sysinit, ipid_sysuninit). */
  attach(sysctl: SysctlTree): void {
    sysctl.attach(IPID_SYSCTLS, this);
  }

  detach(sysctl: SysctlTree): void {
    sysctl.detach(this);
  }

  /** The identification of a datagram whose flags and offset field is `off`. */
  next(off: number): number {
    if ((off & IP_DF) !== 0 && this.rfc6864 !== 0) return 0;
    if (this.randomId !== 0) return this.random();
    this.counter = (this.counter + 1) & 0xffff;
    return this.counter;
  }

  private random(): number {
    if (this.ring?.length !== this.randomIdPeriod) this.restart();
    const ring = this.ring as Uint16Array;
    const used = this.used as Uint8Array;
    let id = this.rng.below(IDS);
    while (id === 0 || used[id] !== 0) {
      if (id !== 0) this.collisions++;
      id = this.rng.below(IDS);
    }
    used[ring[this.at] as number] = 0;
    used[id] = 1;
    ring[this.at] = id;
    this.at = (this.at + 1) % ring.length;
    this.total++;
    return id;
  }

  private restart(): void {
    this.ring = new Uint16Array(this.randomIdPeriod);
    this.used = new Uint8Array(IDS);
    this.at = 0;
    this.collisions = 0;
    this.total = 0;
  }
}

const IPID_SYSCTLS: SysctlGroup<IpId> = {
  prefix: 'net.inet.ip',
  oids: [
    sysctlInt('rfc6864', 'rfc6864', 'bool', 0, 1, 'Use constant IP ID for atomic datagrams'),
    sysctlInt('random_id', 'randomId', 'bool', 0, 1, 'Assign random ip_id values'),
    sysctlInt('random_id_period', 'randomIdPeriod', 'packets', PERIOD_MIN, PERIOD_MAX, 'IP ID Array size'),
    sysctlRead('random_id_collisions', 'int', '', 'Count of IP ID collisions', (o) => o.collisions),
    sysctlRead('random_id_total', 'int', '', 'Count of IP IDs created', (o) => o.total),
  ],
};
