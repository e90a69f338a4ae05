/**
 * icmp-bandlim.ts — how many answers of each kind this host gives in a second.
 * Read first: FreeBSD's netinet/ip_icmp.c, badport_bandlim; CVE-2020-25705 for the jitter.
 *
 * Each kind has its own count. The limit moves at random by `icmplim_jitter` after every second that went over it: a limit known
 * exactly is a counter that anybody can read, and ports can be scanned through it.
 */
import type { Prng } from '../base/prng.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { IcmpStats } from './icmp-var.js';
import { RateCheck } from './rate-check.js';

export const BANDLIM_ICMP_UNREACH = 0;
export const BANDLIM_ICMP_ECHO = 1;
export const BANDLIM_ICMP_TSTAMP = 2;
export const BANDLIM_RST_CLOSEDPORT = 3;
export const BANDLIM_RST_OPENPORT = 4;
export const BANDLIM_ICMP_ERROR = 5;
export const BANDLIM_ICMP_REDIRECT = 6;

const NAMES = [
  'icmp unreach response', 'icmp ping response', 'icmp tstamp response', 'closed port RST response', 'open port RST response',
  'icmp error response', 'icmp redirect response',
] as const;

const LIMIT_MAX = 10_000_000;
const JITTER_MAX = 65_535;

const BANDLIM_SYSCTLS: SysctlGroup<Bandlim> = {
  prefix: 'net.inet.icmp',
  oids: [
    sysctlInt<Bandlim, 'icmplim'>('icmplim', 'icmplim', 'packets/s', 0, LIMIT_MAX, 'Maximum number of ICMP responses per second; 0 is no limit'),
    sysctlInt<Bandlim, 'icmplimJitter'>('icmplim_jitter', 'icmplimJitter', 'packets/s', 0, JITTER_MAX, 'Random icmplim jitter adjustment limit'),
    sysctlInt<Bandlim, 'icmplimOutput'>('icmplim_output', 'icmplimOutput', 'bool', 0, 1, 'Enable logging of ICMP response rate limiting'),
  ],
};

export class Bandlim {
  icmplim = 200;
  icmplimJitter = 16;
  icmplimOutput = 1;
  private readonly kern: VnetKern;
  private readonly stats: IcmpStats;
  private readonly rng: Prng;
  private readonly rates: (RateCheck | undefined)[] = [];
  private jitter = 0;

  constructor(kern: VnetKern, stats: IcmpStats) {
    this.kern = kern;
    this.stats = stats;
    this.rng = kern.engine.rng.split(`icmp/${kern.name}`);
  }

  /** Its tunables appear in the vnet, or are taken away (icmp_bandlimit_init, icmp_bandlimit_uninit). */
  attach(): void {
    this.kern.sysctl.attach(BANDLIM_SYSCTLS, this);
  }

  detach(): void {
    this.kern.sysctl.detach(this);
  }

  /** 0: one more answer of kind `which` may be sent; -1: not in this second. */
  check(which: number): number {
    const { icmplim } = this;
    if (icmplim === 0) return 0;
    if (icmplim + this.jitter <= 0) this.jitter = 1 - icmplim;
    const limit = icmplim + this.jitter;
    const pps = (this.rates[which] ??= new RateCheck()).check(this.kern.engine.now, limit);
    if (pps < 0) {
      this.stats.limited++;
      return -1;
    }
    if (pps > 0) this.overLimit(which, pps);
    return 0;
  }

  private overLimit(which: number, pps: number): void {
    const { icmplim, icmplimJitter, icmplimOutput } = this;
    if (icmplimJitter > 0) this.jitter = this.rng.below(2 * icmplimJitter + 1) - icmplimJitter;
    if (icmplimOutput !== 0) this.kern.log('notice', `Limiting ${NAMES[which] ?? ''} from ${pps} to ${icmplim + this.jitter} packets/sec`);
  }
}
