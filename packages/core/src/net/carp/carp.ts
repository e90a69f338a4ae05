/**
 * carp.ts — class Carp: the common address redundancy protocol of one vnet.
 * Read first: carp(4); FreeBSD's netinet/ip_carp.c; docs/carp.md; carp-vhid.ts for the election.
 *
 * Theory of operation. Vhids hang on their interface (CarpIf) and are made and changed by `set` (SIOCSVH). An address that is added with
 * a vhid goes through `attach` first and through `detach` when it is removed; with its last address a vhid ends. Here is what all vhids of a
 * vnet share: tunables, counters, the demotion of this host, and who listens to interfaces that come, go, or lose their link.
 * The families put themselves into `inet` and `inet6`; without one, addresses of it cannot have a vhid.
 *
 * Invariants: every `attach` is undone by one `detach`, by `destroy`, or by the interface's departure. A vhid is on an interface of this vnet.
 */
import type { Errno } from '../../base/errno.js';
import { EADDRNOTAVAIL, EINVAL, ENOENT, ENOPROTOOPT, EOPNOTSUPP, EPROTONOSUPPORT } from '../../base/errno.js';
import type { Prng } from '../../base/prng.js';
import type { AuditRow } from '../../kern/audit.js';
import { Callout } from '../../kern/callout.js';
import { sysctlInt } from '../../kern/sysctl.js';
import type { SysctlGroup } from '../../kern/sysctl.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import type { IfAddr } from '../ifaddr.js';
import { AF_INET, AF_INET6, IFF_MULTICAST, IFT_BRIDGE, IFT_ETHER, IFT_L2VLAN } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import type { IfnetEvent, Net, UpDownEvent } from '../net.js';
import { CarpIf, carpIfOf } from './carp-if.js';
import {
  CARP_BACKUP, CARP_COUNTERS, CARP_INIT, CARP_KEY_LEN, CARP_MASTER, CARP_MAXADVBASE, CARP_MAXADVSKEW, CARP_MAXSKEW, CARP_MAXVHID, CarpStats,
} from './carp-var.js';
import type { CarpFamily, CarpState } from './carp-var.js';
import { CarpVhid } from './carp-vhid.js';

/** SIOCSVH: what is absent stays as it is, or is the default of a new vhid. */
export interface CarpRequest {
  /** 1..255 */
  readonly vhid: number;
  /** Seconds, 1..255 */
  readonly advbase?: number;
  /** 0..254 */
  readonly advskew?: number;
  /** At most 20 bytes; empty: as it is. */
  readonly key?: Uint8Array;
  readonly state?: CarpState;
  /** Where advertisements go, over IPv4; over IPv6, 16 bytes in plain form. */
  readonly peer?: number;
  readonly peer6?: Uint8Array;
}

/** SIOCGVH: a vhid as ifconfig(8) shows it. */
export interface CarpInfo {
  readonly vhid: number;
  readonly state: CarpState;
  readonly advbase: number;
  readonly advskew: number;
  /** CARP_KEY_LEN bytes, zeroes behind the password. */
  readonly key: Uint8Array;
  readonly peer: number;
  readonly peer6: Uint8Array;
}

const INT_MAX = 0x7fff_ffff;
const DSCP_MAX = 63;

const CARP_SYSCTL: SysctlGroup<Carp> = {
  prefix: 'net.inet.carp',
  oids: [
    {
      ...sysctlInt<Carp, 'allow'>('allow', 'allow', 'bool', 0, 1, 'Accept incoming CARP packets'),
      set: (carp, value) => carp.setAllow(Number(value)),
    },
    sysctlInt<Carp, 'dscp'>('dscp', 'dscp', '', 0, DSCP_MAX, 'DSCP value for carp packets'),
    sysctlInt<Carp, 'preempt'>('preempt', 'preempt', 'bool', 0, 1, 'High-priority backup preemption mode'),
    sysctlInt<Carp, 'logLevel'>('log', 'logLevel', '', 0, 2, 'CARP log level: 0 nothing, 1 states, 2 bad packets too'),
    {
      ...sysctlInt<Carp, 'demotion'>('demotion', 'demotion', 'advskew', -INT_MAX, INT_MAX, 'Adjust demotion factor (skew of advskew): what is written is added'),
      set: (carp, value) => {
        carp.demote(Number(value), 'sysctl');
        return 0;
      },
    },
    sysctlInt<Carp, 'senderrAdj'>('senderr_demotion_factor', 'senderrAdj', 'advskew', -INT_MAX, INT_MAX, 'Send error demotion factor adjustment'),
    sysctlInt<Carp, 'ifdownAdj'>('ifdown_demotion_factor', 'ifdownAdj', 'advskew', -INT_MAX, INT_MAX, 'Interface down demotion factor adjustment'),
  ],
};

const CARP_AUDIT: readonly AuditRow<Carp>[] = [
  { name: 'virtual hosts', count: (carp) => carp.all().length },
];

export class Carp {
  readonly net: Net;
  readonly kern: VnetKern;
  readonly stats = new CarpStats();
  allow = 1;
  dscp = 56;
  preempt = 0;
  logLevel = 1;
  demotion = 0;
  senderrAdj = CARP_MAXSKEW;
  ifdownAdj = CARP_MAXSKEW;
  inet: CarpFamily | null = null;
  inet6: CarpFamily | null = null;
  private rng: Prng | null = null;
  /** At once, but not from within whatever demoted this host (FreeBSD's carp_sendall_task). */
  private readonly sendAllTmo: Callout;

  constructor(net: Net) {
    const { kern } = net;
    this.net = net;
    this.kern = kern;
    kern.counters.attach(CARP_COUNTERS, this.stats);
    kern.sysctl.attach(CARP_SYSCTL, this);
    kern.audit.attach(CARP_AUDIT, this);
    this.sendAllTmo = new Callout(kern, () => {
      for (const vh of this.all()) vh.sendAd();
    });
    net.linkEvent.attach(this, Carp.onLink);
    net.upDownEvent.attach(this, Carp.onUpDown);
    net.departureEvent.attach(this, Carp.onDeparture);
  }

  /** Ends every vhid; addresses stay, as addresses of nobody, until they are purged. */
  destroy(): void {
    for (const list of [this.net.linkEvent, this.net.upDownEvent, this.net.departureEvent]) list.detach(this);
    for (const ifp of this.net.ifnets) this.destroyIf(ifp);
    this.kern.engine.calloutStop(this.sendAllTmo);
    this.kern.sysctl.detach(this);
    this.kern.counters.detach(this.stats);
  }

  private static onLink(this: void, _carp: Carp, ifp: Ifnet): void {
    carpLinkState(ifp);
  }

  private static onUpDown(this: void, _carp: Carp, { ifp }: UpDownEvent): void {
    carpLinkState(ifp);
  }

  private static onDeparture(this: void, carp: Carp, { ifp, renaming }: IfnetEvent): void {
    if (!renaming) carp.destroyIf(ifp);
  }

  family(af: number): CarpFamily | null {
    return af === AF_INET ? this.inet : af === AF_INET6 ? this.inet6 : null;
  }

  /** Every vhid of the vnet. */
  all(): CarpVhid[] {
    return this.net.ifnets.flatMap((ifp) => carpIfOf(ifp)?.vhids ?? []);
  }

  /** A number below `n` from this vnet's own stream. */
  random(n: number): number {
    this.rng ??= this.kern.engine.rng.split(`carp/${this.kern.name}`);
    return this.rng.below(n);
  }

  /**
   * SIOCSVH: makes the vhid, or changes it. EOPNOTSUPP: no interface for CARP; EADDRNOTAVAIL: one without multicast; EINVAL: a number out of
   * range. A refused request has changed nothing.
   */
  set(ifp: Ifnet, req: CarpRequest): Errno {
    this.kern.engine.assertThread();
    const refused = carpSupported(ifp) || checkRequest(req);
    if (refused !== 0) return refused;
    const cif = carpIfOf(ifp) ?? new CarpIf(ifp);
    let vh = cif.find(req.vhid);
    if (vh === null) {
      vh = new CarpVhid(this, ifp, req.vhid);
      cif.vhids.push(vh);
    }
    vh.advbase = req.advbase ?? vh.advbase;
    vh.advskew = req.advskew ?? vh.advskew;
    vh.peer = req.peer ?? vh.peer;
    if (req.peer6 !== undefined) vh.peer6 = req.peer6.slice();
    if (req.key !== undefined && req.key.length > 0) vh.setKey(req.key);
    if (req.state !== undefined) vh.request(req.state);
    return 0;
  }

  /** May an address with this vhid be added? EPROTONOSUPPORT: no such family here; ENOPROTOOPT: no vhids on `ifp`; ENOENT: not this one. */
  mayAttach(af: number, ifp: Ifnet, vhid: number): Errno {
    if (this.family(af) === null) return EPROTONOSUPPORT;
    const cif = carpIfOf(ifp);
    if (cif === null) return ENOPROTOOPT;
    return cif.find(vhid) === null ? ENOENT : 0;
  }

  /** carp_attach: `ifa` becomes an address of the vhid. Before it is an address of its interface. Errors of `mayAttach`, and of joining the group. */
  attach(ifa: IfAddr, vhid: number): Errno {
    this.kern.engine.assertThread();
    const { af, ifp } = ifa;
    const refused = this.mayAttach(af, ifp, vhid);
    const cif = carpIfOf(ifp);
    const vh = cif?.find(vhid) ?? null;
    if (refused !== 0 || cif === null || vh === null) return refused;
    const error = cif.count(af) > 0 ? 0 : (this.family(af)?.join(ifp) ?? 0);
    if (error !== 0) return error;
    vh.attach(ifa);
    return 0;
  }

  /** carp_detach: with its last address the vhid ends, unless `keep`: the address is being replaced. Nothing for an address without one. */
  detach(ifa: IfAddr, keep = false): void {
    this.kern.engine.assertThread();
    const { af, ifp } = ifa;
    const cif = carpIfOf(ifp);
    const vh = cif?.vhids.find((known) => known.ifas.includes(ifa)) ?? null;
    if (cif === null || vh === null) return;
    vh.detach(ifa);
    if (cif.count(af) === 0) this.family(af)?.leave(ifp);
    if (!keep && vh.ifas.length === 0) this.remove(cif, vh);
  }

  /** Adds to the demotion of this host, and tells the others at once what it means. */
  demote(by: number, reason: string): void {
    this.demotion = Math.max(-INT_MAX, Math.min(INT_MAX, this.demotion + by));
    this.log(`demoted by ${by} to ${this.demotion} (${reason})`);
    if (!this.sendAllTmo.pending && this.all().some((vh) => vh.isMaster)) this.kern.engine.calloutReset(this.sendAllTmo, 0);
  }

  /** net.inet.carp.allow: without it every vhid waits in INIT. */
  setAllow(allow: number): Errno {
    if (allow === this.allow) return 0;
    this.allow = allow;
    for (const vh of this.all()) vh.linkState();
    return 0;
  }

  announce(vh: CarpVhid): void {
    this.inet?.announce(vh);
    this.inet6?.announce(vh);
  }

  log(message: string): void {
    if (this.logLevel > 0) this.kern.log('info', `carp: ${message}`);
  }

  /** What a bad packet was; the text is made only when somebody wants it. */
  debug(message: () => string): void {
    if (this.logLevel > 1) this.kern.log('debug', message());
  }

  private remove(cif: CarpIf, vh: CarpVhid): void {
    const families = [this.inet, this.inet6].filter((f) => f !== null && vh.count(f.af) > 0);
    vh.destroy();
    for (const f of families) if (f !== null && cif.count(f.af) === 0) f.leave(cif.ifp);
    cif.vhids.splice(cif.vhids.indexOf(vh), 1);
    if (cif.vhids.length === 0) cif.destroy();
  }

  private destroyIf(ifp: Ifnet): void {
    const cif = carpIfOf(ifp);
    if (cif === null) return;
    for (const vh of [...cif.vhids]) this.remove(cif, vh);
  }
}

/** SIOCGVH: the vhids of `ifp` in order of creation. */
export function carpList(ifp: Ifnet): CarpInfo[] {
  return (carpIfOf(ifp)?.vhids ?? []).map(({ vhid, state, advbase, advskew, key, peer, peer6 }) => ({ vhid, state, advbase, advskew, key, peer, peer6 }));
}

/** Ethernet, bridges, vlans and laggs, with multicast. */
export function carpSupported(ifp: Ifnet): Errno {
  if (ifp.type !== IFT_ETHER && ifp.type !== IFT_L2VLAN && ifp.type !== IFT_BRIDGE) return EOPNOTSUPP;
  return (ifp.flags & IFF_MULTICAST) === 0 ? EADDRNOTAVAIL : 0;
}

/** The link of `ifp`, or its IFF_UP, changed. */
function carpLinkState(ifp: Ifnet): void {
  for (const vh of [...(carpIfOf(ifp)?.vhids ?? [])]) vh.linkState();
}

function within(value: number | undefined, min: number, max: number): boolean {
  return value === undefined || (Number.isInteger(value) && value >= min && value <= max);
}

function checkRequest({ vhid, advbase, advskew, key, state, peer6 }: CarpRequest): Errno {
  const isSound = within(vhid, 1, CARP_MAXVHID) && within(advbase, 1, CARP_MAXADVBASE) && within(advskew, 0, CARP_MAXADVSKEW) && (key?.length ?? 0) <= CARP_KEY_LEN
    && (state === undefined || state === CARP_INIT || state === CARP_BACKUP || state === CARP_MASTER) && (peer6 === undefined || peer6.length === 16);
  return isSound ? 0 : EINVAL;
}
