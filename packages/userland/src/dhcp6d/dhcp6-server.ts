/**
 * dhcp6-server.ts — class Dhcp6Server: what a DHCPv6 server answers.
 * Read first: RFC 8415 §16 and §18.3; dhcp6d-conf.ts, lease6-table.ts.
 *
 * Theory of operation. `input` takes a message and where it came in, and gives the answer, which goes back to who asked, or null. It opens nothing and reads no clock: whoever calls it
 * (dhcp6d.ts) has the sockets. The subnet is that of the interface's addresses. A client is known by its DUID, and each of its associations by the IAID.
 *
 * A server without records goes on: an association that it does not know and that names an address it could have given gets that address (§18.3.4, §18.3.5). Of an address of the
 * link that is in no range here it says nothing when everybody is asked: that may be another server's.
 *
 * Invariants: nothing is thrown at any message; records are bounded by LEASES_MAX; of one message at most IA_MAX associations are looked at.
 *
 * @rfc 8415 16 yes
 * @rfc 8415 18.3.1 yes
 * @rfc 8415 18.3.2 yes
 * @rfc 8415 18.3.3 yes
 * @rfc 8415 18.3.4 yes
 * @rfc 8415 18.3.5 yes
 * @rfc 8415 18.3.6 yes
 * @rfc 8415 18.3.7 yes
 * @rfc 8415 18.3.8 yes
 * @rfc 8415 18.3.9 yes
 * @rfc 8415 18.3.11 no "clients are not told to ask again"
 * @rfc 8415 19.3 no "no relays: a server has an interface on each link"
 */
import {
  D6O_CLIENTID, D6O_IAADDR, D6O_IA_NA, D6O_IA_PD, D6O_IA_TA, D6O_INFORMATION_REFRESH_TIME, D6O_ORO, D6O_PREFERENCE, D6O_RAPID_COMMIT, D6O_SERVERID, D6O_STATUS_CODE, DHCP6_ADVERTISE, DHCP6_CONFIRM,
  DHCP6_DECLINE, DHCP6_INFINITE, DHCP6_INFORMATION_REQUEST, DHCP6_NO_ADDRS_AVAIL, DHCP6_NO_BINDING, DHCP6_NO_PREFIX_AVAIL, DHCP6_NOT_ON_LINK, DHCP6_REBIND, DHCP6_RELEASE, DHCP6_RENEW, DHCP6_REPLY,
  DHCP6_REQUEST, DHCP6_SOLICIT, DHCP6_SUCCESS, DHCP6_USE_MULTICAST, DUID_LEN_MAX, DUID_LEN_MIN, dhcp6Find, dhcp6Ia, dhcp6IaAddr, dhcp6IaAddrOf, dhcp6IaOf, dhcp6MessageName, dhcp6OroOf, dhcp6Status,
  duidText, ip6BigOf, ip6Format, ip6InPrefix, ip6OfBig,
} from '@netloom/core/wire';
import type { Dhcp6Ia, Dhcp6Message, Dhcp6Option } from '@netloom/core/wire';
import type { Conf6Subnet, Dhcp6dConf } from './dhcp6d-conf.js';
import { Lease6Table, lease6EndUs } from './lease6-table.js';
import type { Lease6 } from './lease6-table.js';

const IA_MAX = 16;

/** Where a message came in. */
export interface Dhcp6Via {
  readonly ifname: string;
  /** The server's addresses on that interface. */
  readonly addrs: readonly Uint8Array[];
  /** It was sent to the server alone. */
  readonly unicast: boolean;
}

export interface Dhcp6ServerStats {
  solicit: number; request: number; confirm: number; renew: number; rebind: number; release: number; decline: number; informationRequest: number;
  advertise: number; reply: number; malformed: number; noSubnet: number; noFree: number; otherServer: number; silent: number;
}

/** A message with what all handlers ask of it. */
interface Call {
  readonly m: Dhcp6Message;
  readonly via: Dhcp6Via;
  readonly now: number;
  readonly subnet: Conf6Subnet;
  readonly duid: Uint8Array;
  readonly ias: readonly Dhcp6Ia[];
  /** The server's addresses there: nobody else gets them. */
  readonly own: readonly bigint[];
}

export class Dhcp6Server {
  readonly conf: Dhcp6dConf;
  readonly leases: Lease6Table;
  readonly stats: Dhcp6ServerStats = {
    solicit: 0, request: 0, confirm: 0, renew: 0, rebind: 0, release: 0, decline: 0, informationRequest: 0, advertise: 0, reply: 0, malformed: 0, noSubnet: 0, noFree: 0, otherServer: 0, silent: 0,
  };
  private readonly duid: Uint8Array;
  private readonly log: (text: string) => void;

  constructor(conf: Dhcp6dConf, duid: Uint8Array, log: (text: string) => void) {
    this.conf = conf;
    this.duid = duid;
    this.log = log;
    this.leases = new Lease6Table(new Set(conf.hosts.flatMap((h) => h.addrs)));
  }

  /** A message arrived; null: nothing is to be said. */
  input(m: Dhcp6Message, via: Dhcp6Via, now: number): Dhcp6Message | null {
    const subnet = this.conf.subnets.find((s) => via.addrs.some((a) => ip6InPrefix(a, s.net, s.plen)));
    if (subnet === undefined) {
      this.stats.noSubnet++;
      return null;
    }
    const duid = dhcp6Find(m.options, D6O_CLIENTID);
    if (!this.accepts(m, duid, via.unicast)) return null;
    const ias = m.options.filter((o) => o.code === D6O_IA_NA).slice(0, IA_MAX).map((o) => dhcp6IaOf(o.data)).filter((ia) => ia !== null);
    const c: Call = { m, via, now, subnet, duid: duid ?? new Uint8Array(0), ias, own: via.addrs.map((a) => ip6BigOf(a)) };
    // Who was not told that it may write to the server alone is told to write to all (§18.4).
    const answer = via.unicast ? this.answer(c, DHCP6_REPLY, [status(DHCP6_USE_MULTICAST, 'Write to ff02::1:2')]) : this.handle(c);
    if (answer === null) this.stats.silent++;
    else if (answer.type === DHCP6_ADVERTISE) this.stats.advertise++;
    else this.stats.reply++;
    return answer;
  }

  /** §16: messages that are dropped without a word. */
  private accepts(m: Dhcp6Message, duid: Uint8Array | null, unicast: boolean): boolean {
    const named = dhcp6Find(m.options, D6O_SERVERID);
    const toAll = [DHCP6_SOLICIT, DHCP6_CONFIRM, DHCP6_REBIND, DHCP6_INFORMATION_REQUEST].includes(m.type);
    const toOne = [DHCP6_REQUEST, DHCP6_RENEW, DHCP6_RELEASE, DHCP6_DECLINE].includes(m.type);
    const information = m.type === DHCP6_INFORMATION_REQUEST;
    const hasIa = m.options.some((o) => o.code === D6O_IA_NA || o.code === D6O_IA_TA || o.code === D6O_IA_PD);
    const goodDuid = duid === null ? information : duid.length >= DUID_LEN_MIN && duid.length <= DUID_LEN_MAX;
    const goodServer = toOne ? named !== null : named === null || information;
    if ((!toAll && !toOne) || (toAll && unicast) || !goodDuid || !goodServer || (information && hasIa)) {
      this.stats.malformed++;
      return false;
    }
    if (named !== null && !same(named, this.duid)) {
      this.stats.otherServer++;
      return false;
    }
    return true;
  }

  private handle(c: Call): Dhcp6Message | null {
    switch (c.m.type) {
      case DHCP6_SOLICIT:
        this.stats.solicit++;
        return this.solicit(c);
      case DHCP6_REQUEST:
        this.stats.request++;
        return this.answer(c, DHCP6_REPLY, [...c.ias.map((ia) => this.grant(c, ia, true)), ...refusals(c.m)]);
      case DHCP6_CONFIRM:
        this.stats.confirm++;
        return this.confirm(c);
      case DHCP6_RENEW:
        this.stats.renew++;
        return this.extend(c);
      case DHCP6_REBIND:
        this.stats.rebind++;
        return this.extend(c);
      case DHCP6_RELEASE:
        this.stats.release++;
        return this.giveBack(c, (lease) => this.leases.free(lease, c.now));
      case DHCP6_DECLINE:
        this.stats.decline++;
        return this.giveBack(c, (lease) => this.leases.abandon(lease, c.now, lease6EndUs(c.now, c.subnet.scope.number('abandon-lease-time'))));
      default:
        this.stats.informationRequest++;
        return this.answer(c, DHCP6_REPLY, []);
    }
  }

  private solicit(c: Call): Dhcp6Message {
    const { scope } = c.subnet;
    const rapid = scope.rapidCommit && dhcp6Find(c.m.options, D6O_RAPID_COMMIT) !== null;
    const options = [...c.ias.map((ia) => this.grant(c, ia, rapid)), ...refusals(c.m)];
    if (rapid) return this.answer(c, DHCP6_REPLY, [{ code: D6O_RAPID_COMMIT, data: new Uint8Array(0) }, ...options]);
    if (scope.preference !== null) options.unshift({ code: D6O_PREFERENCE, data: Uint8Array.of(scope.preference) });
    return this.answer(c, DHCP6_ADVERTISE, options);
  }

  /** An association with an address, which is bound when `commit` says so, or with the reason why it has none. */
  private grant(c: Call, ia: Dhcp6Ia, commit: boolean): Dhcp6Option {
    if (commit && !addrsOf(ia).every((a) => onLink(c, a))) return refusal(ia, DHCP6_NOT_ON_LINK, 'An address is not of this link');
    const addr = this.choose(c, ia);
    if (addr === null) {
      this.stats.noFree++;
      this.log(`${dhcp6MessageName(c.m.type)} from ${who(c)}: subnet6 ${c.subnet.name}: no free addresses`);
      return refusal(ia, DHCP6_NO_ADDRS_AVAIL, 'No addresses are free');
    }
    return this.granted(c, ia, addr, commit);
  }

  /** The address for this association, or null when there is none. */
  private choose(c: Call, ia: Dhcp6Ia): bigint | null {
    const fixed = this.fixedFor(c, ia);
    if (fixed !== null) return fixed;
    const had = this.leases.of(c.subnet.name, c.duid, ia.iaid, c.now);
    const wishes = [...(had === null ? [] : [had.addr]), ...addrsOf(ia)];
    return wishes.find((a) => this.mayHave(c, ia, a)) ?? this.leases.pick(c.subnet.ranges, c.own, c.now);
  }

  /** The reserved address of the client here, unless another association has it. */
  private fixedFor(c: Call, ia: Dhcp6Ia): bigint | null {
    const host = this.conf.hosts.find((h) => same(h.duid, c.duid));
    return host?.addrs.find((a) => onLink(c, a) && this.leases.isFree(a, c.subnet.name, c.duid, ia.iaid, c.now)) ?? null;
  }

  private mayHave(c: Call, ia: Dhcp6Ia, addr: bigint): boolean {
    return this.fixedFor(c, ia) === addr || (this.leases.isDynamic(c.subnet.ranges, addr) && !c.own.includes(addr) && this.leases.isFree(addr, c.subnet.name, c.duid, ia.iaid, c.now));
  }

  /** §21.4: T1 is half, and T2 four fifths, of how long the address is preferred. `gone`: addresses the client is to forget. */
  private granted(c: Call, ia: Dhcp6Ia, addr: bigint, commit: boolean, gone: readonly bigint[] = []): Dhcp6Option {
    const { preferred, valid } = c.subnet.scope;
    if (commit) {
      const fixed = this.conf.hosts.some((h) => h.addrs.includes(addr));
      this.leases.bind({ addr, subnet: c.subnet.name, duid: c.duid, iaid: ia.iaid, state: 'active', startUs: c.now, endUs: lease6EndUs(c.now, valid), fixed });
      this.log(`${dhcp6MessageName(c.m.type)} from ${who(c)}: ${ip6Format(ip6OfBig(addr))} for ${valid} seconds`);
    }
    const part = (share: number): number => (preferred === DHCP6_INFINITE ? preferred : Math.floor((preferred * share) / 10));
    const options = [iaAddr(addr, preferred, valid), ...gone.map((a) => iaAddr(a, 0, 0))];
    return { code: D6O_IA_NA, data: dhcp6Ia({ iaid: ia.iaid, t1: part(5), t2: part(8), options }) };
  }

  private confirm(c: Call): Dhcp6Message | null {
    const addrs = c.ias.flatMap(addrsOf);
    if (addrs.length === 0) return null;
    const good = addrs.every((a) => onLink(c, a));
    return this.answer(c, DHCP6_REPLY, [good ? status(DHCP6_SUCCESS, 'All addresses are of this link') : status(DHCP6_NOT_ON_LINK, 'An address is not of this link')]);
  }

  /** Renew, and Rebind, which other servers get as well. */
  private extend(c: Call): Dhcp6Message | null {
    const options = c.ias.map((ia) => this.extended(c, ia)).filter((o) => o !== null);
    if (options.length === 0 && c.m.type === DHCP6_REBIND) return null;
    return this.answer(c, DHCP6_REPLY, [...options, ...(c.m.type === DHCP6_RENEW ? refusals(c.m) : [])]);
  }

  private extended(c: Call, ia: Dhcp6Ia): Dhcp6Option | null {
    const lease = this.leases.of(c.subnet.name, c.duid, ia.iaid, c.now);
    const named = addrsOf(ia);
    const addr = lease?.state === 'active' ? lease.addr : named.find((a) => this.mayHave(c, ia, a));
    if (addr !== undefined) return this.granted(c, ia, addr, true, named.filter((a) => a !== addr));
    const gone = named.filter((a) => !onLink(c, a) || this.leases.isDynamic(c.subnet.ranges, a));
    if (gone.length > 0 && (c.m.type === DHCP6_REBIND || gone.some((a) => !onLink(c, a)))) {
      return { code: D6O_IA_NA, data: dhcp6Ia({ iaid: ia.iaid, t1: 0, t2: 0, options: gone.map((a) => iaAddr(a, 0, 0)) }) };
    }
    return c.m.type === DHCP6_REBIND ? null : refusal(ia, DHCP6_NO_BINDING, 'There is no such binding');
  }

  /** Release and Decline: what the client says it has no more is taken from it. */
  private giveBack(c: Call, take: (lease: Lease6) => void): Dhcp6Message {
    const options = [status(DHCP6_SUCCESS, '')];
    for (const ia of c.ias) {
      const lease = this.leases.of(c.subnet.name, c.duid, ia.iaid, c.now);
      if (lease === null || lease.state !== 'active') options.push(refusal(ia, DHCP6_NO_BINDING, 'There is no such binding'));
      else if (addrsOf(ia).includes(lease.addr)) {
        this.log(`${dhcp6MessageName(c.m.type)} from ${who(c)}: ${ip6Format(ip6OfBig(lease.addr))}`);
        take(lease);
      }
    }
    return this.answer(c, DHCP6_REPLY, options);
  }

  /** A message with who speaks to whom; one about a lease, or about none, also has what the client asks for. */
  private answer({ m, subnet, via }: Call, type: number, own: readonly Dhcp6Option[]): Dhcp6Message {
    const client = dhcp6Find(m.options, D6O_CLIENTID);
    const options: Dhcp6Option[] = [...(client === null ? [] : [{ code: D6O_CLIENTID, data: client }]), { code: D6O_SERVERID, data: this.duid }, ...own];
    const tells = !via.unicast && m.type !== DHCP6_CONFIRM && m.type !== DHCP6_RELEASE && m.type !== DHCP6_DECLINE;
    const asked = dhcp6Find(m.options, D6O_ORO) === null ? null : dhcp6OroOf(m.options);
    if (tells) {
      for (const [code, data] of subnet.scope.allOptions()) {
        const proper = code !== D6O_INFORMATION_REFRESH_TIME || m.type === DHCP6_INFORMATION_REQUEST;
        if (proper && (asked?.includes(code) ?? true)) options.push({ code, data });
      }
    }
    return { type, xid: m.xid, options };
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

const onLink = ({ subnet }: Call, addr: bigint): boolean => ip6InPrefix(ip6OfBig(addr), subnet.net, subnet.plen);

/** The addresses an association names; bytes that are none do not count. */
function addrsOf(ia: Dhcp6Ia): bigint[] {
  return ia.options.filter((o) => o.code === D6O_IAADDR).map((o) => dhcp6IaAddrOf(o.data)).filter((a) => a !== null).map((a) => ip6BigOf(a.addr));
}

const status = (code: number, text: string): Dhcp6Option => ({ code: D6O_STATUS_CODE, data: dhcp6Status(code, text) });

const iaAddr = (addr: bigint, preferred: number, valid: number): Dhcp6Option => ({ code: D6O_IAADDR, data: dhcp6IaAddr({ addr: ip6OfBig(addr), preferred, valid, options: [] }) });

function refusal(ia: Dhcp6Ia, code: number, text: string): Dhcp6Option {
  return { code: D6O_IA_NA, data: dhcp6Ia({ iaid: ia.iaid, t1: 0, t2: 0, options: [status(code, text)] }) };
}

/** Prefixes and temporary addresses are not given: an association for those is answered with that. */
function refusals({ type, options }: Dhcp6Message): Dhcp6Option[] {
  return options.filter((o) => o.code === D6O_IA_PD || o.code === D6O_IA_TA).slice(0, IA_MAX).flatMap(({ code, data }) => {
    if (data.length < 4) return [];
    const why = type === DHCP6_RENEW ? DHCP6_NO_BINDING : code === D6O_IA_PD ? DHCP6_NO_PREFIX_AVAIL : DHCP6_NO_ADDRS_AVAIL;
    const id = data.slice(0, 4);
    const inner = dhcp6Status(why, 'There are none here');
    // An association for temporary addresses has no T1 and T2.
    const fixed = code === D6O_IA_PD ? [...id, 0, 0, 0, 0, 0, 0, 0, 0] : [...id];
    return [{ code, data: Uint8Array.from([...fixed, 0, D6O_STATUS_CODE, 0, inner.length, ...inner]) }];
  });
}

const who = (c: Call): string => `${duidText(c.duid)} via ${c.via.ifname}`;
