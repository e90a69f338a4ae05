/**
 * multicast.sim.mjs — three to six hosts and two queriers on one switch, of both families. Sockets join and leave groups, frames come twice and overtake
 * each other, cables are cut and joined, one querier or the other is switched off. Whenever things have settled, one querier is elected, and every querier
 * knows exactly the groups that somebody has joined. Afterwards nothing is left. No frame is lost: a group may lapse then, as the protocols have it.
 */
import { IN6_IFF_NODAD, PF_INET, PF_INET6, Prng, QUERIER_DEFAULTS, SOCK_DGRAM, bridgeAdd, ifDown, ifUp, in6Aifaddr } from '@netloom/core';
import { SimNet, ip4 } from '@netloom/core/sim';
import { ip6Parse } from '@netloom/core/wire';
import { must, mustEnd } from './oracle.mjs';

const SECOND = 1_000_000;
const STEPS = 15;
/** Robustness times the interval between queries, and the time to answer (RFC 3376 §8.4), twice. */
const SETTLED = 2 * (2 * 10 + 2) * SECOND;
const GROUPS = ['239.0.0.1', '239.0.0.2', '239.0.0.3'];
const GROUPS6 = ['ff05::1', 'ff05::2', 'ff05::3'];
const OPTIONS = { ...QUERIER_DEFAULTS, queryIntervalS: 10, responseIntervalS: 2 };

/** @param {string} text */
const ip6 = (text) => ip6Parse(text) ?? new Uint8Array(16);
/** As queriers keep it. @param {string} group */
const number6 = (group) => (0xff05n << 112n) | BigInt(group.slice(-1));

/** @typedef {{ v: ReturnType<SimNet['vnet']>, ifp: import('@netloom/core').Ifnet, port: import('@netloom/core').Ifnet, sockets: Map<string, import('@netloom/core').Socket> }} Host */

class Link {
  /** @param {number} seed */
  constructor(seed) {
    this.net = new SimNet(seed);
    this.rng = new Prng(seed).split('multicast');
    const v = this.net.vnet('switch');
    const bridge = this.net.clone(v, 'bridge');
    this.call(() => ifUp(bridge));
    /** @type {Host[]} */
    this.hosts = [];
    for (let i = 0; i < 5 + this.rng.below(4); i++) {
      const host = this.net.vnet(`h${i}`);
      const [port, end] = this.net.link(v, host, { duplicate: 0.05, reorder: 0.05, delayUs: 200, jitterUs: 5_000 });
      this.net.addr(host, end.ifp, `192.0.2.${i + 1}/24`);
      this.call(() => {
        bridgeAdd(bridge, port.ifp.xname);
        in6Aifaddr(host.in6Net, end.ifp, { addr: ip6(`fe80::${i + 1}`), plen: 64, flags: IN6_IFF_NODAD });
      });
      this.hosts.push({ v: host, ifp: end.ifp, port: port.ifp, sockets: new Map() });
    }
    /** The first two. @type {boolean[]} */
    this.queries = [true, true];
    this.queriers(0);
    this.queriers(1);
  }

  /** @param {() => unknown} fn */
  call(fn) {
    this.net.kernel.call(this.net.now, fn);
  }

  /** The querier of that host as `this.queries` has it. @param {number} i */
  queriers(i) {
    const h = this.hosts[i];
    if (h === undefined) return;
    this.call(() => {
      for (const m of [h.v.mroute, h.v.mroute6]) m.setQuerier(h.ifp, this.queries[i] === true ? { ...OPTIONS } : null);
    });
  }

  disturb() {
    const { rng } = this;
    const h = this.hosts[2 + rng.below(this.hosts.length - 2)];
    if (h === undefined) return;
    const at = rng.below(6);
    if (at === 0) return void this.call(() => (h.port.isUp ? ifDown(h.port) : ifUp(h.port)));
    if (at === 1) {
      const i = rng.below(2);
      this.queries[i] = this.queries[i] !== true;
      if (this.queries[1 - i] !== true) this.queries[i] = true;
      return void this.queriers(i);
    }
    const n = rng.below(GROUPS.length);
    const group = rng.chance(0.5) ? GROUPS[n] : GROUPS6[n];
    if (group !== undefined) this.call(() => this.toggle(h, group));
  }

  /** @param {Host} h @param {string} group */
  toggle(h, group) {
    const had = h.sockets.get(group);
    if (had !== undefined) {
      h.sockets.delete(group);
      return void had.close();
    }
    const six = group.startsWith('ff');
    const { so } = h.v.sockets.socket(six ? PF_INET6 : PF_INET, SOCK_DGRAM, 0);
    if (so === null) throw new Error('no socket');
    const error = six ? so.joinGroup6(ip6(group), h.ifp) : so.joinGroup(ip4(group), h.ifp);
    must(error === 0, `${h.v.name} cannot join ${group}: ${error}`);
    h.sockets.set(group, so);
  }

  check() {
    const active = this.hosts.slice(0, 2).filter((_, i) => this.queries[i] === true);
    const joined = this.hosts.filter((h) => h.port.isUp);
    const wanted = (/** @type {string} */ g) => joined.some((h) => h.sockets.has(g));
    for (const six of [false, true]) {
      const queriers = active.map((h) => ({ h, q: six ? h.v.mld.querierOf(h.ifp) : h.v.igmp.querierOf(h.ifp) }));
      const elected = queriers.filter(({ q }) => q?.isQuerier === true);
      must(elected.length === 1, `${six ? 'MLD' : 'IGMP'}: ${elected.length} of ${queriers.length} are elected`);
      for (const { h, q } of queriers) {
        for (const g of six ? GROUPS6 : GROUPS) {
          const has = /** @type {ReadonlyMap<unknown, unknown> | undefined} */ (q?.groups)?.has(six ? number6(g) : ip4(g)) ?? false;
          must(has === wanted(g), `${h.v.name} ${has ? 'has' : 'does not have'} ${g}, which somebody has joined: ${wanted(g)}`);
        }
      }
    }
  }
}

/** @param {number} seed */
function run(seed) {
  const link = new Link(seed);
  const { net, rng } = link;
  for (let i = 0; i < STEPS; i++) {
    for (let n = 1 + rng.below(4); n > 0; n--) {
      link.disturb();
      net.run(rng.below(5 * SECOND));
    }
    net.run(SETTLED);
    link.check();
  }
  mustEnd(net);
  return `${link.hosts.length} hosts`;
}

export const scenarios = [{ name: 'multicast', run }];
