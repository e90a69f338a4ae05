/**
 * dhcp-server.ts — class DhcpServer: what a DHCP server answers.
 * Read first: RFC 2131 §4.3; dhcpd-conf.ts, lease-table.ts.
 *
 * Theory of operation. `input` takes a message and where it came in, and answers with at most one message and where it goes. It opens nothing and reads no clock: whoever calls it (dhcpd.ts)
 * has the sockets. Which subnets are meant is told by the relay's address, of a client that writes to the server alone by its own, else by the addresses of the interface; of a shared network all
 * subnets count.
 * A client is known by its identifier (option 61), else by its hardware address.
 *
 * What a server without records does (RFC 2131 §4.3.2): a client that names an address we have no lease for gets it when it is free and the server is authoritative, so that a server
 * that was started again goes on; otherwise nothing is said. An address that is wrong here is refused by an authoritative server, and by others when the lease is somebody else's.
 *
 * Invariants: nothing is thrown at any message; records are bounded by the configured addresses; strings that are kept are cut.
 *
 * @rfc 2131 4.1 yes
 * @rfc 2131 4.3.1 yes
 * @rfc 2131 4.3.2 yes
 * @rfc 2131 4.3.3 yes
 * @rfc 2131 4.3.4 yes
 * @rfc 2131 4.3.5 yes
 * @rfc 2131 4.3.6 no "a client that another server was chosen by is told nothing"
 * @rfc 3046 2.2 yes
 * @rfc 3527 3 yes
 * @rfc 6842 3 yes
 */
import {
  BOOTREPLY, BOOTREQUEST, DHCP4_FLAG_BROADCAST, DHCP4_HTYPE_ETHER, DHCP4_INFINITE, DHCPACK, DHCPDECLINE, DHCPDISCOVER, DHCPINFORM, DHCPNAK, DHCPOFFER, DHCPRELEASE, DHCPREQUEST, DHO_CLIENT_ID,
  DHO_HOST_NAME, DHO_LEASE_TIME, DHO_MESSAGE, DHO_MESSAGE_TYPE, DHO_PARAMETER_LIST, DHO_REBINDING_TIME, DHO_RELAY_AGENT, DHO_RENEWAL_TIME, DHO_REQUESTED_ADDRESS, DHO_SERVER_ID, DHO_SUBNET_MASK,
  DHO_SUBNET_SELECTION, MAC_LEN, RAI_LINK_SELECTION, RAI_SERVER_OVERRIDE, dho32, dho32Of, dho8, dhoSubOptionsOf, dhoTextOf, dhcp4MessageType, ip4Format, ip4InPrefix, ip4MaskOf, macFormat, utf8Encode,
} from '@netloom/core/wire';
import type { Dhcp4Message } from '@netloom/core/wire';
import type { ConfHost, ConfRange, ConfSubnet, DhcpdConf, Scope } from './dhcpd-conf.js';
import { LeaseTable, leaseEndUs } from './lease-table.js';
import type { Lease } from './lease-table.js';

const HOSTNAME_MAX = 63;
/** Options that say what the lease is, and that no configuration changes. */
const OWN_OPTIONS: ReadonlySet<number> = new Set([DHO_MESSAGE_TYPE, DHO_SERVER_ID, DHO_LEASE_TIME, DHO_RENEWAL_TIME, DHO_REBINDING_TIME, DHO_SUBNET_MASK, DHO_CLIENT_ID, DHO_RELAY_AGENT, DHO_MESSAGE]);

/** Where a message came in. */
export interface DhcpVia {
  readonly ifname: string;
  /** The server's addresses on that interface; the first is its name there. */
  readonly addrs: readonly number[];
  /** It was sent to the server alone, so it may have come from anywhere. */
  readonly unicast: boolean;
}

/** Where an answer goes: to a relay, to a client that has an address, to one that has none yet (by its hardware address), or to everybody on the link. */
export type DhcpTo =
  | { readonly kind: 'relay' | 'client'; readonly addr: number }
  | { readonly kind: 'link'; readonly addr: number; readonly mac: Uint8Array }
  | { readonly kind: 'broadcast' };

export interface DhcpAnswer {
  readonly message: Dhcp4Message;
  readonly to: DhcpTo;
  /** The address ought to be tried before it is offered. */
  readonly ping: Lease | null;
}

export interface DhcpServerStats {
  discover: number; request: number; decline: number; release: number; inform: number; offer: number; ack: number; nak: number;
  malformed: number; noSubnet: number; noFree: number; unknownClient: number; otherServer: number; silent: number;
}

/** A message with what all handlers ask of it. */
interface Call {
  readonly m: Dhcp4Message;
  readonly via: DhcpVia;
  readonly now: number;
  readonly serverId: number;
  readonly subnets: readonly ConfSubnet[];
  readonly network: string;
  readonly client: string;
  readonly host: ConfHost | null;
  readonly agent: Uint8Array | null;
}

export class DhcpServer {
  readonly conf: DhcpdConf;
  readonly leases: LeaseTable;
  readonly stats: DhcpServerStats = {
    discover: 0, request: 0, decline: 0, release: 0, inform: 0, offer: 0, ack: 0, nak: 0, malformed: 0, noSubnet: 0, noFree: 0, unknownClient: 0, otherServer: 0, silent: 0,
  };
  private readonly log: (text: string) => void;

  constructor(conf: DhcpdConf, log: (text: string) => void) {
    this.conf = conf;
    this.log = log;
    this.leases = new LeaseTable(new Set(conf.hosts.flatMap((h) => h.addrs)));
  }

  /** A message arrived; null: nothing is to be said. */
  input(m: Dhcp4Message, via: DhcpVia, now: number): DhcpAnswer | null {
    if (m.op !== BOOTREQUEST || m.chaddr.length === 0) {
      this.stats.malformed++;
      return null;
    }
    const call = this.call(m, via, now);
    if (call === null) {
      this.stats.noSubnet++;
      return null;
    }
    switch (dhcp4MessageType(m)) {
      case DHCPDISCOVER:
        this.stats.discover++;
        return this.discover(call);
      case DHCPREQUEST:
        this.stats.request++;
        return this.request(call);
      case DHCPDECLINE:
        this.stats.decline++;
        return this.decline(call);
      case DHCPRELEASE:
        this.stats.release++;
        return this.release(call);
      case DHCPINFORM:
        this.stats.inform++;
        return this.inform(call);
      default:
        this.stats.malformed++;
        return null;
    }
  }

  /** Somebody answered for an address that was about to be offered. */
  pinged(lease: Lease, now: number): void {
    this.log(`Abandoning IP address ${ip4Format(lease.addr)}: pinged before offer`);
    this.leases.abandon(lease, now, leaseEndUs(now, this.conf.top.number('abandon-lease-time')));
  }

  private call(m: Dhcp4Message, via: DhcpVia, now: number): Call | null {
    const agentData = m.options.get(DHO_RELAY_AGENT) ?? null;
    const agent = agentData === null ? null : dhoSubOptionsOf(agentData);
    const selected = dho32Of(agent?.get(RAI_LINK_SELECTION)) ?? dho32Of(m.options.get(DHO_SUBNET_SELECTION));
    const from = selected !== null ? [selected] : m.giaddr !== 0 ? [m.giaddr] : via.unicast && m.ciaddr !== 0 ? [m.ciaddr] : via.addrs;
    const first = this.conf.subnets.find((s) => from.some((a) => ip4InPrefix(a, s.net, s.plen)));
    if (first === undefined) return null;
    const subnets = this.conf.subnets.filter((s) => s.network === first.network);
    const override = dho32Of(agent?.get(RAI_SERVER_OVERRIDE)) ?? 0;
    const clientId = m.options.get(DHO_CLIENT_ID);
    return {
      m, via, now, subnets, network: first.network, agent: m.giaddr === 0 ? null : agentData, client: clientKey(m), host: this.hostOf(m, clientId),
      serverId: override || first.scope.number('server-identifier') || (via.addrs.find((a) => ip4InPrefix(a, first.net, first.plen)) ?? via.addrs[0] ?? 0),
    };
  }

  private hostOf(m: Dhcp4Message, clientId: Uint8Array | undefined): ConfHost | null {
    const same = (a: Uint8Array | null, b: Uint8Array | undefined): boolean => a !== null && b !== undefined && a.length === b.length && a.every((x, i) => x === b[i]);
    const { hosts } = this.conf;
    return hosts.find((h) => same(h.clientId, clientId)) ?? (m.htype === DHCP4_HTYPE_ETHER ? hosts.find((h) => same(h.mac, m.chaddr)) : undefined) ?? null;
  }

  private discover(c: Call): DhcpAnswer | null {
    const addr = this.choose(c);
    if (addr === null) return null;
    const before = this.leases.at(addr, c.now);
    const keeps = before?.client === c.client && before.state === 'active';
    const scope = this.scopeOf(c, addr);
    const lease = keeps ? before : this.bind(c, addr, 'offered', c.now + scope.number('offer-lease-time') * 1_000_000);
    this.stats.offer++;
    this.log(`DHCPOFFER on ${ip4Format(addr)} to ${who(c)}`);
    const answer = this.answer(c, DHCPOFFER, addr, scope);
    return { ...answer, ping: keeps || !scope.flag('ping-check') ? null : lease };
  }

  /** The address for this client, or null when there is none. */
  private choose(c: Call): number | null {
    const { leases } = this;
    const fixed = this.fixedFor(c);
    if (fixed !== null) return fixed;
    const ranges = this.rangesFor(c);
    if (ranges.length === 0) {
      this.stats.unknownClient++;
      return null;
    }
    const inRange = (a: number): boolean => this.isDynamic(ranges, a);
    const had = leases.of(c.network, c.client, c.now);
    if (had !== null && had.state !== 'abandoned' && inRange(had.addr) && leases.isFree(had.addr, c.client, c.now)) return had.addr;
    const wished = dho32Of(c.m.options.get(DHO_REQUESTED_ADDRESS));
    if (wished !== null && inRange(wished) && leases.isFree(wished, c.client, c.now)) return wished;
    const next = leases.pick(ranges, c.now);
    if (next !== null) return next;
    this.stats.noFree++;
    this.log(`DHCPDISCOVER from ${who(c)}: network ${c.network}: no free leases`);
    return null;
  }

  /** The reserved address of the client in this network, unless somebody else was seen with it. */
  private fixedFor(c: Call): number | null {
    const addr = c.host?.addrs.find((a) => c.subnets.some((s) => ip4InPrefix(a, s.net, s.plen)));
    return addr !== undefined && this.leases.isFree(addr, c.client, c.now) ? addr : null;
  }

  /** Ranges this client may have an address of. */
  private rangesFor(c: Call): ConfRange[] {
    return c.subnets.flatMap((s) => s.ranges).filter((r) => c.host !== null || r.scope.flag('unknown-clients'));
  }

  private isDynamic(ranges: readonly ConfRange[], addr: number): boolean {
    return ranges.some((r) => addr >= r.lo && addr <= r.hi) && !this.conf.hosts.some((h) => h.addrs.includes(addr));
  }

  private scopeOf(c: Call, addr: number): Scope {
    const subnet = c.subnets.find((s) => ip4InPrefix(addr, s.net, s.plen)) ?? c.subnets[0];
    const place = subnet?.ranges.find((r) => addr >= r.lo && addr <= r.hi)?.scope ?? subnet?.scope ?? this.conf.top;
    return c.host === null ? place : c.host.scope.over(place);
  }

  private bind(c: Call, addr: number, state: Lease['state'], endUs: number): Lease {
    const hostname = dhoTextOf(c.m.options.get(DHO_HOST_NAME)) ?? '';
    return this.leases.bind({
      addr, network: c.network, client: c.client, mac: c.m.chaddr, clientId: c.m.options.get(DHO_CLIENT_ID) ?? null, hostname: hostname.slice(0, HOSTNAME_MAX), state, startUs: c.now, endUs,
      fixed: c.host?.addrs.includes(addr) ?? false, agent: c.agent,
    });
  }

  private request(c: Call): DhcpAnswer | null {
    const { m, now } = c;
    const server = dho32Of(m.options.get(DHO_SERVER_ID));
    const wished = dho32Of(m.options.get(DHO_REQUESTED_ADDRESS));
    if (server !== null && server !== c.serverId && !c.via.addrs.includes(server)) {
      this.forgetOffer(c);
      this.stats.otherServer++;
      return null;
    }
    const addr = wished ?? m.ciaddr;
    if (addr === 0) {
      this.stats.malformed++;
      return null;
    }
    const here = c.subnets.some((s) => ip4InPrefix(addr, s.net, s.plen));
    const lease = this.leases.at(addr, now);
    const mine = lease !== null && lease.client === c.client && lease.state !== 'abandoned';
    const authoritative = this.scopeOf(c, addr).flag('authoritative');
    if (here && this.mayHave(c, addr) && (mine || server !== null || authoritative)) return this.acknowledge(c, addr);
    // Selecting: the client has chosen us. Otherwise only who knows better speaks.
    if (server !== null || authoritative || (lease !== null && !mine && lease.state === 'active')) return this.refuse(c, addr, here ? 'lease not available' : 'wrong network');
    this.stats.silent++;
    return null;
  }

  /** May the client have this very address? */
  private mayHave(c: Call, addr: number): boolean {
    if (!this.leases.isFree(addr, c.client, c.now)) return false;
    const fixed = this.fixedFor(c);
    return fixed === null ? this.isDynamic(this.rangesFor(c), addr) : fixed === addr;
  }

  private acknowledge(c: Call, addr: number): DhcpAnswer {
    const scope = this.scopeOf(c, addr);
    const seconds = leaseSeconds(c.m, scope);
    this.bind(c, addr, 'active', leaseEndUs(c.now, seconds));
    this.stats.ack++;
    this.log(`DHCPACK on ${ip4Format(addr)} to ${who(c)}`);
    return this.answer(c, DHCPACK, addr, scope);
  }

  private refuse(c: Call, addr: number, why: string): DhcpAnswer {
    const { m } = c;
    this.stats.nak++;
    this.log(`DHCPNAK on ${ip4Format(addr)} to ${who(c)}: ${why}`);
    const options = new Map<number, Uint8Array>([[DHO_MESSAGE_TYPE, dho8(DHCPNAK)], [DHO_SERVER_ID, dho32(c.serverId)], [DHO_MESSAGE, utf8Encode(why)]]);
    tail(options, c);
    const flags = m.giaddr === 0 ? m.flags : m.flags | DHCP4_FLAG_BROADCAST;
    return { message: { ...reply(m), flags, ciaddr: 0, options }, to: m.giaddr !== 0 ? { kind: 'relay', addr: m.giaddr } : { kind: 'broadcast' }, ping: null };
  }

  private decline(c: Call): null {
    const addr = dho32Of(c.m.options.get(DHO_REQUESTED_ADDRESS)) ?? 0;
    const lease = this.leases.at(addr, c.now);
    if (lease === null || lease.client !== c.client) return null;
    this.log(`DHCPDECLINE of ${ip4Format(addr)} from ${who(c)}: abandoned`);
    this.leases.abandon(lease, c.now, leaseEndUs(c.now, this.scopeOf(c, addr).number('abandon-lease-time')));
    return null;
  }

  private release(c: Call): null {
    const lease = this.leases.at(c.m.ciaddr, c.now);
    if (lease === null || lease.client !== c.client || lease.state !== 'active') return null;
    this.log(`DHCPRELEASE of ${ip4Format(lease.addr)} from ${who(c)}`);
    this.leases.free(lease, c.now);
    return null;
  }

  private inform(c: Call): DhcpAnswer | null {
    if (c.m.ciaddr === 0) {
      this.stats.malformed++;
      return null;
    }
    this.stats.ack++;
    this.log(`DHCPACK to ${ip4Format(c.m.ciaddr)} (${macText(c.m)}) via ${c.via.ifname}`);
    return this.answer(c, DHCPACK, 0, this.scopeOf(c, c.m.ciaddr));
  }

  /** The client has chosen another server. */
  private forgetOffer(c: Call): void {
    const lease = this.leases.of(c.network, c.client, c.now);
    if (lease?.state === 'offered') this.leases.free(lease, c.now);
  }

  /** An offer or an acknowledgement; `addr` 0: of DHCPINFORM. */
  private answer(c: Call, type: number, addr: number, scope: Scope): DhcpAnswer {
    const { m } = c;
    const options = new Map<number, Uint8Array>([[DHO_MESSAGE_TYPE, dho8(type)], [DHO_SERVER_ID, dho32(c.serverId)]]);
    if (addr !== 0) {
      const seconds = leaseSeconds(m, scope);
      const part = (n: number, of: number): Uint8Array => dho32(seconds === DHCP4_INFINITE ? seconds : Math.floor((seconds * n) / of));
      options.set(DHO_LEASE_TIME, dho32(seconds)).set(DHO_RENEWAL_TIME, part(1, 2)).set(DHO_REBINDING_TIME, part(7, 8));
    }
    const subnet = c.subnets.find((s) => ip4InPrefix(addr === 0 ? m.ciaddr : addr, s.net, s.plen)) ?? c.subnets[0];
    const configured = scope.allOptions();
    options.set(DHO_SUBNET_MASK, configured.get(DHO_SUBNET_MASK) ?? dho32(ip4MaskOf(subnet?.plen ?? 32)));
    if (c.host !== null && scope.flag('use-host-decl-names') && !configured.has(DHO_HOST_NAME)) configured.set(DHO_HOST_NAME, utf8Encode(c.host.name));
    const wanted = m.options.get(DHO_PARAMETER_LIST);
    for (const code of wanted ?? configured.keys()) {
      const data = configured.get(code);
      if (data !== undefined && !OWN_OPTIONS.has(code)) options.set(code, data);
    }
    tail(options, c);
    const message: Dhcp4Message = { ...reply(m), yiaddr: addr, ciaddr: type === DHCPACK ? m.ciaddr : 0, siaddr: scope.number('next-server'), sname: scope.text('server-name'), file: scope.text('filename'), options };
    return { message, to: destination(m, addr), ping: null };
  }
}

/** RFC 2131 §4.1, last paragraphs. */
function destination(m: Dhcp4Message, yiaddr: number): DhcpTo {
  if (m.giaddr !== 0) return { kind: 'relay', addr: m.giaddr };
  if (m.ciaddr !== 0) return { kind: 'client', addr: m.ciaddr };
  const canUnicast = (m.flags & DHCP4_FLAG_BROADCAST) === 0 && m.htype === DHCP4_HTYPE_ETHER && m.chaddr.length === MAC_LEN && (m.chaddr[0] ?? 1) % 2 === 0;
  return canUnicast ? { kind: 'link', addr: yiaddr, mac: m.chaddr } : { kind: 'broadcast' };
}

/** What goes back to the client and to the relay as it came. */
function tail(options: Map<number, Uint8Array>, c: Call): void {
  const clientId = c.m.options.get(DHO_CLIENT_ID);
  if (clientId !== undefined) options.set(DHO_CLIENT_ID, clientId);
  if (c.agent !== null) options.set(DHO_RELAY_AGENT, c.agent);
}

function reply(m: Dhcp4Message): Dhcp4Message {
  return { ...m, op: BOOTREPLY, hops: 0, secs: 0, yiaddr: 0, siaddr: 0, sname: '', file: '', options: new Map() };
}

function leaseSeconds(m: Dhcp4Message, scope: Scope): number {
  const wished = dho32Of(m.options.get(DHO_LEASE_TIME)) ?? scope.number('default-lease-time');
  return Math.min(Math.max(wished, scope.number('min-lease-time')), Math.max(scope.number('max-lease-time'), scope.number('min-lease-time')));
}

function clientKey(m: Dhcp4Message): string {
  const id = m.options.get(DHO_CLIENT_ID);
  return id !== undefined && id.length > 0 ? `id ${hex(id)}` : `hw ${m.htype} ${hex(m.chaddr)}`;
}

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');

function macText(m: Dhcp4Message): string {
  return m.chaddr.length === MAC_LEN ? macFormat(m.chaddr) : hex(m.chaddr);
}

function who(c: Call): string {
  return `${macText(c.m)} via ${c.m.giaddr === 0 ? c.via.ifname : ip4Format(c.m.giaddr)}`;
}
