/**
 * dhcp-client.ts — class DhcpClient: the states of a DHCP client on one interface.
 * Read first: RFC 2131 §4.4; dhclient-conf.ts for times and wishes. Whoever drives it (dhclient.ts) has the interface.
 *
 *                     offer               ack                 probe over
 *    init ─▶ selecting ───▶ requesting ───▶ checking ─────────────▶ bound ◀──────────┐ ack
 *     ▲  └── nobody: retry     │ nak, nobody   │ conflict: decline      │ T1           │
 *     │◀───────────────────────┴───────────────┘                       ▼              │
 *     │◀── nak, lease over ── rebinding ◀── T2 ── renewing ─────────────┴──────────────┤
 *     │◀── nak ── rebooting ◀── the link came back, and there is a lease ──────────────┘
 *
 * Theory of operation. Messages come in by `input`, time by `tick`, which is due at `deadlineUs`; what is to be done goes out by DhcpClientIo. Nothing here waits or reads a clock.
 * Questions are repeated after FreeBSD's dhclient's intervals; renewals after half of what is left, a minute at least (RFC 2131 §4.4.5). After a refusal, or an address somebody else has,
 * the next question waits longer each time, so that a server that is out of its mind is not asked without end.
 *
 * @rfc 2131 4.4.1 yes
 * @rfc 2131 4.4.2 yes
 * @rfc 2131 4.4.3 no "an interface that has its address from elsewhere asks for nothing"
 * @rfc 2131 4.4.4 yes
 * @rfc 2131 4.4.5 yes
 * @rfc 2131 4.4.6 yes
 */
import {
  BOOTREPLY, BOOTREQUEST, DHCP4_HTYPE_ETHER, DHCP4_INFINITE, DHCPACK, DHCPDECLINE, DHCPDISCOVER, DHCPNAK, DHCPOFFER, DHCPRELEASE, DHCPREQUEST, DHO_CLIENT_ID, DHO_HOST_NAME, DHO_LEASE_TIME,
  DHO_MESSAGE, DHO_MESSAGE_SIZE, DHO_MESSAGE_TYPE, DHO_PARAMETER_LIST, DHO_REBINDING_TIME, DHO_RENEWAL_TIME, DHO_REQUESTED_ADDRESS, DHO_SERVER_ID, DHO_SUBNET_MASK, dhcp4MessageType, dho16, dho32,
  dho32Of, dho8, dhoTextOf, ip4ClassMask, ip4Format, ip4IsBroadcast, ip4IsLoopback, ip4IsMulticast, ip4PrefixLen, utf8Encode,
} from '@netloom/core/wire';
import type { Dhcp4Message } from '@netloom/core/wire';
import { withConf } from './dhclient-conf.js';
import type { DhclientConf } from './dhclient-conf.js';

const US_PER_SEC = 1_000_000;
const RENEW_MIN_US = 60 * US_PER_SEC;
const PENALTY_MAX_SEC = 64;
/** RFC 2131 §3.1, item 5: after a refusal by the client. */
const DECLINE_WAIT_SEC = 10;
/** Ours: no frame of a usual link is longer. */
const MESSAGE_SIZE = 1_500;
const SECS_MAX = 0xffff;

export type ClientState = 'init' | 'selecting' | 'requesting' | 'checking' | 'bound' | 'renewing' | 'rebinding' | 'rebooting' | 'stopped';

export interface ClientLease {
  readonly addr: number;
  readonly mask: number;
  readonly server: number;
  /** As the server said it, with what the configuration makes of it. */
  readonly options: ReadonlyMap<number, Uint8Array>;
  readonly nextServer: number;
  readonly filename: string;
  readonly boundUs: number;
  readonly renewUs: number;
  readonly rebindUs: number;
  readonly expireUs: number;
}

export interface DhcpClientIo {
  readonly ifname: string;
  readonly mac: Uint8Array;
  /** Default for the host's name in messages; '' for none. */
  readonly hostname: string;
  /** To everybody on the link, or, when it has an address, to `server`. */
  send(m: Dhcp4Message, server: number | null): void;
  /** Asks whether somebody has `addr`; the answer comes by `probed`. */
  probe(addr: number): void;
  /** The interface gets its address and routes. A text: it could not. */
  bind(lease: ClientLease, before: ClientLease | null): string | null;
  unbind(lease: ClientLease): void;
  log(text: string): void;
  /** A whole number below `n`. */
  random(n: number): number;
}

export class DhcpClient {
  readonly io: DhcpClientIo;
  readonly conf: DhclientConf;
  state: ClientState = 'init';
  lease: ClientLease | null = null;
  /** When `tick` is due. */
  deadlineUs = Infinity;
  /** The first try is over: there is a lease, or nobody gave one. */
  settled = false;
  private offer: Dhcp4Message | null = null;
  /** A lease that was acknowledged and is being probed. */
  private candidate: ClientLease | null = null;
  private xid = 0;
  /** When this exchange began. */
  private startedUs = 0;
  private intervalSec = 0;
  private penaltySec = 0;

  constructor(io: DhcpClientIo, conf: DhclientConf) {
    this.io = io;
    this.conf = conf;
  }

  start(now: number): void {
    this.init(now);
  }

  /** The link came up: is the lease still good here? */
  linkUp(now: number): void {
    if (this.state === 'stopped' || this.state === 'checking') return;
    if (this.lease !== null && this.lease.expireUs > now) this.reboot(now);
    else this.init(now);
  }

  /** Gives the address back and forgets it. */
  release(now: number): void {
    const { lease } = this;
    if (lease !== null) {
      this.xid = this.newXid();
      this.startedUs = now;
      this.io.log(`DHCPRELEASE on ${this.io.ifname} to ${ip4Format(lease.server)} port 67`);
      this.io.send(this.message(now, DHCPRELEASE, [[DHO_SERVER_ID, dho32(lease.server)]], lease.addr), lease.server);
    }
    this.drop();
    this.stop();
  }

  /** Ends without a word; what is configured stays. */
  stop(): void {
    this.state = 'stopped';
    this.deadlineUs = Infinity;
  }

  input(m: Dhcp4Message, now: number): void {
    const { io } = this;
    if (m.op !== BOOTREPLY || m.xid !== this.xid || m.chaddr.length !== io.mac.length || m.chaddr.some((b, i) => b !== io.mac[i])) return;
    const server = dho32Of(m.options.get(DHO_SERVER_ID));
    if (server === null || this.conf.reject.includes(server)) return;
    switch (dhcp4MessageType(m)) {
      case DHCPOFFER:
        return this.offered(m, server, now);
      case DHCPACK:
        return this.acknowledged(m, server, now);
      case DHCPNAK:
        return this.refused(m, server, now);
      default:
    }
  }

  /** The answer to `probe`. */
  probed(conflict: boolean, now: number): void {
    const { candidate } = this;
    if (this.state !== 'checking' || candidate === null) return;
    this.candidate = null;
    if (!conflict) return this.bound(candidate, now);
    this.io.log(`${ip4Format(candidate.addr)} is in use by somebody else: DHCPDECLINE on ${this.io.ifname} to 255.255.255.255 port 67`);
    this.io.send(this.message(now, DHCPDECLINE, [[DHO_REQUESTED_ADDRESS, dho32(candidate.addr)], [DHO_SERVER_ID, dho32(candidate.server)]], 0), null);
    this.later(now, DECLINE_WAIT_SEC);
  }

  tick(now: number): void {
    if (now < this.deadlineUs) return;
    switch (this.state) {
      case 'init':
        return this.init(now);
      case 'selecting':
        return this.offer === null ? this.discover(now) : this.request(now);
      case 'requesting':
        return now - this.startedUs >= this.conf.times.timeout * US_PER_SEC ? this.init(now) : this.ask(now);
      case 'rebooting':
        return now - this.startedUs >= this.conf.times.reboot * US_PER_SEC ? this.goOn(now) : this.ask(now);
      case 'bound':
      case 'renewing':
      case 'rebinding':
        return this.renew(now);
      case 'checking':
      case 'stopped':
        this.deadlineUs = Infinity;
    }
  }

  private init(now: number): void {
    this.state = 'selecting';
    this.offer = null;
    this.xid = this.newXid();
    this.startedUs = now;
    this.intervalSec = 0;
    this.discover(now);
  }

  private discover(now: number): void {
    const { times } = this.conf;
    const end = this.startedUs + times.timeout * US_PER_SEC;
    if (now >= end) {
      this.io.log('No DHCPOFFERS received.');
      this.settled = true;
      this.state = 'init';
      this.deadlineUs = now + times.retry * US_PER_SEC;
      return;
    }
    this.backOff();
    this.io.log(`DHCPDISCOVER on ${this.io.ifname} to 255.255.255.255 port 67 interval ${this.intervalSec}`);
    this.deadlineUs = Math.min(end, now + this.intervalSec * US_PER_SEC);
    this.io.send(this.message(now, DHCPDISCOVER, [], 0), null);
  }

  /** Longer and longer, by chance, so that hosts that were switched on together do not stay together. */
  private backOff(): void {
    const { 'initial-interval': first, 'backoff-cutoff': cutoff } = this.conf.times;
    this.intervalSec = this.intervalSec === 0 ? first : this.intervalSec + this.io.random(2 * this.intervalSec);
    if (this.intervalSec > cutoff) this.intervalSec = Math.ceil(cutoff / 2) + this.io.random(Math.max(1, cutoff >> 1));
  }

  private offered(m: Dhcp4Message, server: number, now: number): void {
    if (this.state !== 'selecting' || this.offer !== null) return;
    const missing = this.conf.require.find((code) => !withConf(this.conf, m.options).has(code));
    if (missing !== undefined || !isUsable(m.yiaddr)) return;
    this.io.log(`DHCPOFFER from ${ip4Format(server)}`);
    this.offer = m;
    const select = this.startedUs + this.conf.times['select-timeout'] * US_PER_SEC;
    if (select > now) this.deadlineUs = select;
    else this.request(now);
  }

  private request(now: number): void {
    this.state = 'requesting';
    this.startedUs = now;
    this.intervalSec = 0;
    this.ask(now);
  }

  /** DHCPREQUEST to everybody: of an offer, or after a restart. */
  private ask(now: number): void {
    const { offer, lease } = this;
    const addr = this.state === 'rebooting' ? (lease?.addr ?? 0) : (offer?.yiaddr ?? 0);
    const server = this.state === 'rebooting' ? undefined : offer?.options.get(DHO_SERVER_ID);
    this.backOff();
    this.io.log(`DHCPREQUEST on ${this.io.ifname} to 255.255.255.255 port 67`);
    this.deadlineUs = now + this.intervalSec * US_PER_SEC;
    const wishes: [number, Uint8Array][] = [[DHO_REQUESTED_ADDRESS, dho32(addr)]];
    if (server !== undefined) wishes.push([DHO_SERVER_ID, server]);
    this.io.send(this.message(now, DHCPREQUEST, wishes, 0), null);
  }

  private reboot(now: number): void {
    this.state = 'rebooting';
    this.xid = this.newXid();
    this.startedUs = now;
    this.intervalSec = 0;
    this.ask(now);
  }

  /** Nobody objected to the lease: it is good until it ends. */
  private goOn(now: number): void {
    this.state = 'bound';
    this.deadlineUs = Math.max(now, this.lease?.renewUs ?? now);
  }

  private renew(now: number): void {
    const { lease, io } = this;
    if (lease === null) return this.init(now);
    if (now >= lease.expireUs) {
      io.log(`the lease of ${ip4Format(lease.addr)} on ${io.ifname} is over`);
      this.drop();
      return this.init(now);
    }
    const rebind = now >= lease.rebindUs;
    if (this.state === 'bound') {
      this.xid = this.newXid();
      this.startedUs = now;
    }
    this.state = rebind ? 'rebinding' : 'renewing';
    const until = rebind ? lease.expireUs : lease.rebindUs;
    this.deadlineUs = Math.min(until, now + Math.max(RENEW_MIN_US, Math.floor((until - now) / 2)));
    io.log(`DHCPREQUEST on ${io.ifname} to ${rebind ? '255.255.255.255' : ip4Format(lease.server)} port 67`);
    io.send(this.message(now, DHCPREQUEST, [], lease.addr), rebind ? null : lease.server);
  }

  private acknowledged(m: Dhcp4Message, server: number, now: number): void {
    const { state, lease, io, conf } = this;
    if (state !== 'requesting' && state !== 'renewing' && state !== 'rebinding' && state !== 'rebooting') return;
    const got = leaseOf(m, server, withConf(conf, m.options), now);
    if (got === null) return;
    io.log(`DHCPACK from ${ip4Format(server)}`);
    if (lease?.addr === got.addr || !conf.arpCheck) return this.bound(got, now);
    this.state = 'checking';
    this.candidate = got;
    this.deadlineUs = Infinity;
    io.probe(got.addr);
  }

  private refused(m: Dhcp4Message, server: number, now: number): void {
    const { state, io } = this;
    if (state !== 'requesting' && state !== 'renewing' && state !== 'rebinding' && state !== 'rebooting') return;
    const why = dhoTextOf(m.options.get(DHO_MESSAGE));
    io.log(`DHCPNAK from ${ip4Format(server)}${why === null ? '' : `: ${why.replace(/[^\x20-\x7e]/g, '?')}`}`);
    this.drop();
    this.later(now, this.penaltySec);
    this.penaltySec = Math.min(PENALTY_MAX_SEC, this.penaltySec * 2 + 1);
  }

  private bound(lease: ClientLease, now: number): void {
    const before = this.lease;
    const failed = this.io.bind(lease, before);
    if (failed !== null) {
      this.io.log(`${ip4Format(lease.addr)} on ${this.io.ifname}: ${failed}`);
      this.lease = null;
      this.settled = true;
      return this.later(now, PENALTY_MAX_SEC);
    }
    this.lease = lease;
    this.state = 'bound';
    this.settled = true;
    this.penaltySec = 0;
    this.deadlineUs = lease.renewUs;
    this.io.log(`bound to ${ip4Format(lease.addr)} -- renewal in ${lease.renewUs === Infinity ? 'infinite' : Math.round((lease.renewUs - lease.boundUs) / US_PER_SEC)} seconds.`);
  }

  private drop(): void {
    if (this.lease !== null) this.io.unbind(this.lease);
    this.lease = null;
  }

  private later(now: number, seconds: number): void {
    this.state = 'init';
    this.deadlineUs = now + seconds * US_PER_SEC;
  }

  private newXid(): number {
    return this.io.random(0x1_0000_0000);
  }

  private message(now: number, type: number, wishes: readonly (readonly [number, Uint8Array])[], ciaddr: number): Dhcp4Message {
    const { io, conf } = this;
    const asks = type === DHCPDISCOVER || type === DHCPREQUEST;
    const options = new Map<number, Uint8Array>([[DHO_MESSAGE_TYPE, dho8(type)], [DHO_CLIENT_ID, Uint8Array.of(DHCP4_HTYPE_ETHER, ...io.mac)], ...wishes]);
    if (asks) {
      options.set(DHO_MESSAGE_SIZE, dho16(MESSAGE_SIZE));
      if (io.hostname !== '') options.set(DHO_HOST_NAME, utf8Encode(io.hostname));
      options.set(DHO_PARAMETER_LIST, Uint8Array.from(conf.request));
      for (const [code, data] of conf.send) options.set(code, data);
    } else if (conf.send.has(DHO_CLIENT_ID)) options.set(DHO_CLIENT_ID, conf.send.get(DHO_CLIENT_ID) ?? new Uint8Array(0));
    return {
      op: BOOTREQUEST, htype: DHCP4_HTYPE_ETHER, hops: 0, xid: this.xid, secs: Math.min(SECS_MAX, Math.floor((now - this.startedUs) / US_PER_SEC)), flags: 0, ciaddr, yiaddr: 0, siaddr: 0, giaddr: 0,
      chaddr: io.mac, sname: '', file: '', options,
    };
  }
}

function isUsable(addr: number): boolean {
  return addr >>> 24 !== 0 && !ip4IsMulticast(addr) && !ip4IsBroadcast(addr) && !ip4IsLoopback(addr);
}

/** The lease that an acknowledgement gives; null: there is none in it. */
function leaseOf(m: Dhcp4Message, server: number, options: ReadonlyMap<number, Uint8Array>, now: number): ClientLease | null {
  const seconds = dho32Of(options.get(DHO_LEASE_TIME));
  const mask = dho32Of(options.get(DHO_SUBNET_MASK)) ?? ip4ClassMask(m.yiaddr);
  if (!isUsable(m.yiaddr) || seconds === null || seconds === 0 || ip4PrefixLen(mask) < 1) return null;
  const at = (sec: number): number => (seconds === DHCP4_INFINITE ? Infinity : now + sec * US_PER_SEC);
  const rebind = Math.min(dho32Of(options.get(DHO_REBINDING_TIME)) ?? Math.floor((seconds * 7) / 8), seconds);
  const renew = Math.min(dho32Of(options.get(DHO_RENEWAL_TIME)) ?? Math.floor(seconds / 2), rebind);
  return { addr: m.yiaddr, mask, server, options, nextServer: m.siaddr, filename: m.file, boundUs: now, renewUs: at(Math.max(1, renew)), rebindUs: at(Math.max(1, rebind)), expireUs: at(seconds) };
}
