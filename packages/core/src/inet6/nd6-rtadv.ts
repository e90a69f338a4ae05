/**
 * nd6-rtadv.ts — class Rtadvd: a vnet that is a router tells its links so.
 * Read first: RFC 4861 §6.2; RFC 4191 §2.2, §2.3; RFC 8106 §5; rtadvd(8), whose names the settings have.
 *
 * Theory of operation. Each interface that advertises has settings and a time for its next message: the first three come within 16 s of each other,
 * later ones at random between `mininterval` and `maxinterval`. A solicitation brings it forward, to half a second at most from now, but not closer
 * than 3 s to the last one. All go to all nodes. Without prefixes in the settings those of the interface's addresses are told, as they are
 * at the time. A router that stops says so three times, 3 s apart, with a lifetime of 0; so does one that does not forward any longer.
 *
 * What other routers of the link advertise is compared with what is advertised here, and contradictions are counted and logged.
 * Everything runs in softint but `start` and `stop`, which join and leave the group of all routers.
 *
 * @rfc 4861 6.2.1 yes
 * @rfc 4861 6.2.3 yes
 * @rfc 4861 6.2.4 yes
 * @rfc 4861 6.2.5 yes
 * @rfc 4861 6.2.6 yes
 * @rfc 4861 6.2.7 yes
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EINVAL, ENETDOWN } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { NEVER, US_PER_SEC } from '../base/time.js';
import type { AuditRow } from '../kern/audit.js';
import { Callout } from '../kern/callout.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { IN6ADDR_LINKLOCAL_ALLROUTERS } from '../wire/addr6.js';
import { in6JoinGroup, in6LeaveGroup } from './in6-mcast.js';
import { ND_OK, ndCheck } from './nd6-msg.js';
import { raContradiction, raOutput } from './nd6-ra-output.js';
import type { RtadvConf } from './nd6-ra-output.js';
import type { NdRtadvdHooks, NdRtr } from './nd6-rtr.js';

/** RFC 4861 §10. */
const MAX_INITIAL_RTR_ADVERT_INTERVAL_US = 16 * US_PER_SEC;
const MAX_INITIAL_RTR_ADVERTISEMENTS = 3;
const MAX_FINAL_RTR_ADVERTISEMENTS = 3;
const MIN_DELAY_BETWEEN_RAS_US = 3 * US_PER_SEC;
const MAX_RA_DELAY_TIME_US = US_PER_SEC / 2;

/** An interface that advertises. */
export interface RtadvIf {
  readonly ifp: Ifnet;
  readonly conf: RtadvConf;
  nextAt: Micros;
  lastAt: Micros;
  /** Messages sent with these settings. */
  sent: number;
  /** Solicitations heard. */
  solicited: number;
  /** Last messages that are still to come; 0 while it advertises. */
  finals: number;
}

const RTADV_AUDIT: readonly AuditRow<Rtadvd>[] = [{ name: 'interfaces that advertise a router', count: (d) => d.interfaces.length }];

export class Rtadvd implements NdRtadvdHooks {
  readonly rtr: NdRtr;
  interfaces: RtadvIf[] = [];
  /** Where the settings came from, for `rtadvctl reload`. */
  confFile = '';
  private readonly timer: Callout;

  constructor(rtr: NdRtr) {
    this.rtr = rtr;
    this.timer = new Callout(rtr.kern, () => this.expired());
    rtr.kern.audit.attach(RTADV_AUDIT, this);
    rtr.rtadvd = this;
  }

  /** The vnet goes: nothing is said any more. */
  destroy(): void {
    this.interfaces = [];
    this.rtr.kern.engine.calloutStop(this.timer);
    this.rtr.rtadvd = null;
  }

  /** Begins to advertise on `ifp`, or changes the settings. EINVAL: this vnet does not forward; EAFNOSUPPORT, ENETDOWN: no IPv6 there. */
  start(ifp: Ifnet, conf: RtadvConf): Errno {
    const ii = this.rtr.in6Net.ifinfo(ifp);
    if (ii === null || ifp.lladdr.length !== 6) return EAFNOSUPPORT;
    if (ii.isDisabled) return ENETDOWN;
    if (this.rtr.nd.ip6.tun.forwarding === 0) return EINVAL;
    const had = this.interfaces.find((r) => r.ifp === ifp);
    if (had === undefined || had.finals > 0) in6JoinGroup(this.rtr.in6Net, ifp, IN6ADDR_LINKLOCAL_ALLROUTERS);
    this.interfaces = this.interfaces.filter((r) => r !== had);
    this.interfaces.push({ ifp, conf, nextAt: this.rtr.kern.engine.now, lastAt: had?.lastAt ?? -MIN_DELAY_BETWEEN_RAS_US, sent: 0, solicited: had?.solicited ?? 0, finals: 0 });
    this.rearm();
    return 0;
  }

  /** Ceases to be a router there, and says so. False: it was none. */
  stop(ifp: Ifnet): boolean {
    const r = this.interfaces.find((x) => x.ifp === ifp && x.finals === 0);
    if (r === undefined) return false;
    r.finals = MAX_FINAL_RTR_ADVERTISEMENTS;
    r.nextAt = this.rtr.kern.engine.now;
    in6LeaveGroup(this.rtr.in6Net, ifp, IN6ADDR_LINKLOCAL_ALLROUTERS);
    this.rearm();
    return true;
  }

  /** NdRtadvdHooks: the interface leaves, without a word. Its groups are left with it. */
  purge(ifp: Ifnet): void {
    this.interfaces = this.interfaces.filter((r) => r.ifp !== ifp);
    this.rearm();
  }

  /** NdRtadvdHooks */
  heard(ifp: Ifnet, m: PacketBuffer, off: number): void {
    const r = this.interfaces.find((x) => x.ifp === ifp && x.finals === 0);
    if (r === undefined || ndCheck(m, off) !== ND_OK) return;
    const what = raContradiction(r.conf, m, off);
    if (what === null) return;
    this.rtr.stats.inconsistent++;
    this.rtr.nd.ip6.logLimited('warning', `${what} inconsistent on ${ifp.xname} with another router's advertisement`);
  }

  /** NdRtadvdHooks: somebody looks for routers. Packet path. */
  solicited(ifp: Ifnet): void {
    const r = this.interfaces.find((x) => x.ifp === ifp && x.finals === 0);
    if (r === undefined) return;
    r.solicited++;
    const { now } = this.rtr.kern.engine;
    const soon = Math.max(now + this.rtr.in6Net.rng.below(MAX_RA_DELAY_TIME_US), r.lastAt + MIN_DELAY_BETWEEN_RAS_US);
    if (soon >= r.nextAt) return;
    r.nextAt = soon;
    this.rearm();
  }

  private rearm(): void {
    const { engine } = this.rtr.kern;
    const next = this.interfaces.reduce((at, r) => Math.min(at, r.nextAt), NEVER);
    if (next === NEVER) engine.calloutStop(this.timer);
    else engine.calloutReset(this.timer, Math.max(0, next - engine.now));
  }

  private expired(): void {
    const { now } = this.rtr.kern.engine;
    for (const r of this.interfaces.slice()) if (r.nextAt <= now) this.send(r, now);
    this.rearm();
  }

  private send(r: RtadvIf, now: Micros): void {
    const isRouter = r.finals === 0 && this.rtr.nd.ip6.tun.forwarding !== 0;
    if (r.ifp.isUp && raOutput(this.rtr, r.ifp, r.conf, isRouter)) {
      r.sent++;
      r.lastAt = now;
    }
    if (r.finals > 0) {
      r.nextAt = now + MIN_DELAY_BETWEEN_RAS_US;
      if (--r.finals === 0) this.interfaces = this.interfaces.filter((x) => x !== r);
      return;
    }
    const { mininterval, maxinterval } = r.conf;
    const wait = mininterval * US_PER_SEC + this.rtr.in6Net.rng.below(Math.max(1, (maxinterval - mininterval) * US_PER_SEC));
    r.nextAt = now + (r.sent < MAX_INITIAL_RTR_ADVERTISEMENTS ? Math.min(wait, MAX_INITIAL_RTR_ADVERT_INTERVAL_US) : wait);
  }
}
