/**
 * arp.ts — class Arp: link addresses of IPv4 neighbours in one vnet.
 * Read first: RFC 826, RFC 1122 §2.3.2, RFC 5227; arp(4), arp(8); net/lltable.ts for the states of an entry.
 *
 * Theory of operation. Each interface with link addresses has an ArpLlTable, kept in its IPv4 data (`InIfinfo.lltable`). `output` is the
 * packet path: a `fast` entry costs one look-up. Otherwise the packet waits in the entry while questions are sent, in order
 * and bounded; when nobody answers it is dropped (a router tells the sender), and for `wait` seconds senders get EHOSTDOWN at
 * once, EHOSTUNREACH behind a router, while one question a second goes out. An own address has a static entry that says so.
 * Addresses of CARP have no such entry: while this host is their master they are answered and announced with the virtual host's link address,
 * otherwise they are neighbours like any other. Messages are taken by arp-input.ts; announcing, probing and defending own addresses is arp-claims.ts.
 *
 * Routing messages, to who listens: RTM_ADD when a neighbour is learned or set, RTM_CHANGE when it moved, RTM_DELETE when it is
 * forgotten or deleted, RTM_MISS when it does not answer; with RTF_LLDATA.
 * Invariants: after `destroy` no entry, timer, held packet or registration is left.
 *
 * @rfc 826 yes
 * @rfc 1122 2.3.2 yes
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EHOSTDOWN, EHOSTUNREACH, EINVAL, ENETDOWN, ENOBUFS, ENOENT, EPERM, ESRCH } from '../base/errno.js';
import { US_PER_SEC } from '../base/time.js';
import type { LogLevel } from '../env/env.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherOutput } from '../net/ether.js';
import { ifaIsUsable } from '../net/ifaddr.js';
import type { CarpOwner } from '../net/ifaddr.js';
import { IFF_NOARP, IFF_STATICARP } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import {
  LL_AUDIT, LLE_EV_ADDED, LLE_EV_CHANGED, LLE_EV_EXPIRED, LLE_EV_MISSED, LLE_IFADDR, LLE_INCOMPLETE, LLE_PUB, LLE_STATE_NAMES, LlParams,
} from '../net/llentry.js';
import type { LlProtocol } from '../net/llentry.js';
import { isIfAddr4 } from '../net/route/ifa-lookup.js';
import { RTF_DONE, RTF_GATEWAY, RTF_HOST, RTF_LLDATA, RTF_UP } from '../net/route/nexthop.js';
import { RTM_ADD, RTM_CHANGE, RTM_DELETE, RTM_MISS } from '../net/rtsock.js';
import type { IfaddrEvent, UpDownEvent } from '../net/net.js';
import { macHi, macLo, macOf } from '../wire/addr.js';
import { ARPOP_REQUEST, ARP_LEN, arpEmit } from '../wire/arp.js';
import { ETHERTYPE_ARP, ETHERTYPE_IP } from '../wire/ether.js';
import { ICMP_UNREACH, ICMP_UNREACH_HOST } from '../wire/icmp4.js';
import { ArpClaims } from './arp-claims.js';
import { arpInput } from './arp-input.js';
import { ArpLlTable } from './arp-lltable.js';
import type { ArpLlEntry } from './arp-lltable.js';
import { ARP_COUNTERS, ARP_DAD_SYSCTLS, ARP_LL_SYSCTLS, ARP_LOG_SYSCTLS, ARP_ND_SYSCTLS, ARP_NETBSD_SYSCTLS, ARP_SYSCTLS, ArpStats, ArpTunables } from './arp-var.js';
import { InIfaddr } from './in-ifaddr.js';
import { InIfinfo } from './in-net.js';
import type { Ip } from './ip.js';
import { PpsCheck } from './rate-check.js';

/** One neighbour, as arp(8) shows it. */
export interface ArpEntry {
  readonly ifp: Ifnet;
  readonly addr: number;
  /** Null while unresolved. */
  readonly lladdr: Uint8Array | null;
  readonly state: (typeof LLE_STATE_NAMES)[number];
  readonly permanent: boolean;
  readonly published: boolean;
  /** An address of the interface itself. */
  readonly own: boolean;
  /** Seconds until it expires; null for permanent entries; 0 or less while unresolved: since the last question. */
  readonly expiresIn: number | null;
}

export interface ArpSetOptions {
  /** The interface; absent: the one the route to the address leaves by. */
  readonly ifp?: Ifnet;
  /** Forgotten after `max_age`, and overwritten by what is heard. */
  readonly temporary?: boolean;
  /** Answer others' questions about it (proxy). */
  readonly published?: boolean;
}

const SYSLOG: Readonly<Record<LogLevel, number>> = { err: 3, warning: 4, notice: 5, info: 6, debug: 7 };
const BROADCAST_HI = 0xffff;
const BROADCAST_LO = 0xffff_ffff;

export class Arp implements LlProtocol<ArpLlEntry> {
  readonly ip: Ip;
  readonly kern: VnetKern;
  private counted: ArpStats | null = null;
  readonly tun = new ArpTunables();
  readonly params: LlParams<ArpLlEntry>;
  readonly claims: ArpClaims;
  private readonly logRate = new PpsCheck();

  constructor(ip: Ip) {
    const { net, inNet } = ip;
    const { kern } = net;
    const rng = kern.engine.rng.split(`arp/${kern.name}`);
    this.ip = ip;
    this.kern = kern;
    this.params = new LlParams(kern, this, rng);
    this.claims = new ArpClaims(this, rng);
    ip.arp = this;
    kern.counters.attach(ARP_COUNTERS, this);
    kern.audit.attach(LL_AUDIT, this.params);
    kern.sysctl.attach(ARP_LL_SYSCTLS, this.params);
    kern.sysctl.attach(ARP_ND_SYSCTLS, this.params);
    for (const group of [ARP_SYSCTLS, ARP_LOG_SYSCTLS, ARP_NETBSD_SYSCTLS, ARP_DAD_SYSCTLS]) kern.sysctl.attach(group, this.tun);
    inNet.setLltable((ifp) => (ifp.lladdr.length === 0 ? null : new ArpLlTable(ifp, this.params)));
    for (const ia of inNet.addrs) this.addressEvent(ia, true);
    net.registerEtherProto(ETHERTYPE_ARP, (ifp, m) => {
      arpInput(this, ifp, m);
    });
    net.ifaddrEvent.attach(this, Arp.onIfaddr);
    net.lladdrEvent.attach(this, Arp.onLladdr);
    net.upDownEvent.attach(this, Arp.onUpDown);
  }

  /** Made with the first count. */
  get stats(): ArpStats {
    return (this.counted ??= new ArpStats());
  }

  /** Undoes the constructor; every entry goes. */
  destroy(): void {
    const { net, inNet } = this.ip;
    for (const list of [net.ifaddrEvent, net.lladdrEvent, net.upDownEvent]) list.detach(this);
    net.registerEtherProto(ETHERTYPE_ARP, null);
    this.claims.destroy();
    inNet.setLltable(null);
    this.kern.sysctl.detach(this.params);
    this.kern.sysctl.detach(this.tun);
    this.kern.counters.detach(this);
    this.ip.arp = null;
  }

  private static onIfaddr(this: void, arp: Arp, e: IfaddrEvent): void {
    if (e.ifa instanceof InIfaddr) arp.addressEvent(e.ifa, e.added);
  }

  private static onLladdr(this: void, arp: Arp, ifp: Ifnet): void {
    arp.refreshOwn(ifp);
  }

  private static onUpDown(this: void, arp: Arp, e: UpDownEvent): void {
    if (e.up) arp.refreshOwn(e.ifp);
  }

  /** Neighbours of `ifp`; null when it has no ARP. */
  tableOf(ifp: Ifnet): ArpLlTable | null {
    const info = ifp.inet;
    if (!(info instanceof InIfinfo)) return null;
    const t = info.lltable;
    return t instanceof ArpLlTable ? t : null;
  }

  /** Sends the IPv4 packet `m` to the neighbour `hop` (signed or unsigned) on `ifp`, now or when its address is known. Owns `m`. */
  output(ifp: Ifnet, m: PacketBuffer, hop: number, gateway: boolean): Errno {
    const t = this.tableOf(ifp);
    if (t === null) {
      m.free();
      return ENETDOWN;
    }
    const lle = t.lookup(hop);
    if (lle !== null && lle.fast) return etherOutput(ifp, m, lle.macHi, lle.macLo, ETHERTYPE_IP);
    return this.outputSlow(ifp, t, lle, m, hop, gateway);
  }

  private outputSlow(ifp: Ifnet, t: ArpLlTable, lle: ArpLlEntry | null, m: PacketBuffer, hop: number, gateway: boolean): Errno {
    if (lle === null) return this.firstPacket(ifp, t, m, hop);
    if ((lle.flags & LLE_IFADDR) !== 0) return this.ip.loop.enqueue(ifp, m) ? 0 : ENOBUFS;
    if (lle.isValid) {
      t.use(lle);
      return etherOutput(ifp, m, lle.macHi, lle.macLo, ETHERTYPE_IP);
    }
    if (lle.state === LLE_INCOMPLETE) {
      t.hold(lle, m);
      return 0;
    }
    t.retry(lle);
    this.stats.dropped++;
    this.refuse(m);
    return gateway ? EHOSTUNREACH : EHOSTDOWN;
  }

  private firstPacket(ifp: Ifnet, t: ArpLlTable, m: PacketBuffer, hop: number): Errno {
    if ((ifp.flags & (IFF_NOARP | IFF_STATICARP)) !== 0) {
      m.free();
      return EINVAL;
    }
    const lle = t.create(hop >>> 0);
    if (lle === null) {
      this.stats.tablefull++;
      this.stats.dropped++;
      m.free();
      return ENOBUFS;
    }
    t.hold(lle, m);
    const error = t.start(lle);
    if (error !== 0) t.remove(lle);
    return error;
  }

  /** A packet whose next hop does not answer: who sent it through us is told. Owns `m`. */
  private refuse(m: PacketBuffer): void {
    if (m.rcvif !== 0) this.ip.icmpError(this.ip.net.ifByIndex(m.rcvif), m, ICMP_UNREACH, ICMP_UNREACH_HOST, 0);
    else m.free();
  }

  /** LlProtocol */
  solicit(lle: ArpLlEntry, unicast: boolean): Errno {
    const { ifp } = lle;
    const source = this.sourceFor(ifp, lle.addr);
    if (source < 0) {
      this.log('info', `cannot find matching address for ${ifp.xname}`);
      return EADDRNOTAVAIL;
    }
    return this.request(ifp, source, lle.addr, unicast ? lle.macHi : BROADCAST_HI, unicast ? lle.macLo : BROADCAST_LO);
  }

  /** LlProtocol */
  flush(lle: ArpLlEntry, held: PacketBuffer): void {
    let m: PacketBuffer | null = held;
    while (m !== null) {
      const next: PacketBuffer | null = m.next;
      m.next = null;
      etherOutput(lle.ifp, m, lle.macHi, lle.macLo, ETHERTYPE_IP);
      m = next;
    }
  }

  /** LlProtocol */
  unreachable(_lle: ArpLlEntry, held: PacketBuffer): void {
    let m: PacketBuffer | null = held;
    while (m !== null) {
      const next: PacketBuffer | null = m.next;
      m.next = null;
      this.stats.dropped++;
      this.refuse(m);
      m = next;
    }
  }

  /** LlProtocol */
  dropped(n: number): void {
    this.stats.dropped += n;
  }

  /** LlProtocol */
  event(lle: ArpLlEntry, event: number): void {
    if (event === LLE_EV_EXPIRED) this.stats.timeouts++;
    const { rtsock } = this.ip.net;
    if (rtsock === null || !rtsock.listening || (event === LLE_EV_EXPIRED && !lle.isValid)) return;
    const { ifp } = lle;
    const type = event === LLE_EV_ADDED ? RTM_ADD : event === LLE_EV_CHANGED ? RTM_CHANGE : event === LLE_EV_MISSED ? RTM_MISS : RTM_DELETE;
    const up = type === RTM_ADD || type === RTM_CHANGE ? RTF_UP : 0;
    rtsock.post({
      type, ifIndex: ifp.index, ifName: ifp.xname, flags: RTF_HOST | RTF_LLDATA | RTF_DONE | up, fib: ifp.fib,
      dst: { family: 'inet', addr: lle.addr },
      gateway: { family: 'link', index: ifp.index, name: ifp.xname, lladdr: lle.isValid ? macOf(lle.macHi, lle.macLo) : new Uint8Array(0) },
    });
  }

  /** Which own address asks about `target`: one of its network, else the first that may be used; -1 for none. */
  private sourceFor(ifp: Ifnet, target: number): number {
    let first = -1;
    for (const ifa of ifp.addrs) {
      if (!isIfAddr4(ifa) || !ifaIsUsable(ifa) || this.claims.isTentative(ifa.addr)) continue;
      if (((ifa.addr ^ target) & ifa.mask) === 0) return ifa.addr;
      if (first < 0) first = ifa.addr;
    }
    return first;
  }

  /** The virtual host whose address `spa` is, when this host is its master: requests name its link address. */
  private ownerOf(ifp: Ifnet, spa: number): CarpOwner | null {
    if (ifp.carp === null) return null;
    for (const ifa of ifp.addrs) if (isIfAddr4(ifa) && ifa.addr === spa) return ifa.carp !== null && ifa.carp.isMaster ? ifa.carp : null;
    return null;
  }

  /** Sends a request from `spa` about `tpa` to a link address. */
  request(ifp: Ifnet, spa: number, tpa: number, dstHi: number, dstLo: number): Errno {
    const owner = this.ownerOf(ifp, spa);
    const m = this.kern.engine.pool.alloc(ARP_LEN);
    this.stats.txrequests++;
    if (m === null) {
      this.stats.txerrors++;
      return ENOBUFS;
    }
    arpEmit(m.view, m.off, ARPOP_REQUEST, owner === null ? ifp.macHi : owner.macHi, owner === null ? ifp.macLo : owner.macLo, spa, 0, 0, tpa);
    const error = etherOutput(ifp, m, dstHi, dstLo, ETHERTYPE_ARP);
    if (error !== 0) {
      this.stats.txerrors++;
      this.log('debug', `Failed to send ARP packet on ${ifp.xname}: ${error}`);
    }
    return error;
  }

  /** Tells everybody on the wire that `ia` is ours (a gratuitous request). */
  announce(ia: InIfaddr): void {
    if (ia.ifp.isRunning) this.request(ia.ifp, ia.addr, ia.addr, BROADCAST_HI, BROADCAST_LO);
  }

  /** Asks whether anybody has the address `ia` (RFC 5227 §2.1.1). */
  probe(ia: InIfaddr): void {
    if (ia.ifp.isRunning) this.request(ia.ifp, 0, ia.addr, BROADCAST_HI, BROADCAST_LO);
  }

  /** A log line a neighbour can cause, rate limited, in FreeBSD's words behind "arp: ". */
  log(level: LogLevel, text: string): void {
    if (SYSLOG[level] > this.tun.logLevel || !this.logRate.ok(this.kern.engine.now, this.tun.maxLogPerSecond)) return;
    this.kern.log(level, `arp: ${text}`);
  }

  /** An upper layer heard from `addr` on `ifp`: no need to ask whether it is there. */
  reachabilityHint(ifp: Ifnet, addr: number): void {
    const t = this.tableOf(ifp);
    const lle = t?.lookup(addr) ?? null;
    if (t !== null && lle !== null) t.hint(lle);
  }

  /** Neighbours of one interface or of all, by interface and address. */
  list(only: Ifnet | null = null): ArpEntry[] {
    const { now } = this.kern.engine;
    const out: ArpEntry[] = [];
    for (const ifp of this.ip.net.ifnets) {
      if (only !== null && ifp !== only) continue;
      for (const lle of this.tableOf(ifp)?.entries() ?? []) {
        out.push({
          ifp, addr: lle.addr, lladdr: lle.isValid ? macOf(lle.macHi, lle.macLo) : null, state: LLE_STATE_NAMES[lle.state],
          permanent: lle.isStatic, published: (lle.flags & LLE_PUB) !== 0, own: (lle.flags & LLE_IFADDR) !== 0,
          expiresIn: lle.isStatic ? null : Math.ceil((lle.expireAt - now) / US_PER_SEC) + 0,
        });
      }
    }
    return out;
  }

  /** The interface on whose link `addr` is, by route; null when it is behind a router or nowhere. */
  interfaceOf(addr: number, fib = 0): Ifnet | null {
    const nh = this.ip.routes.lookup4(fib, addr, 0);
    if (nh === null || (nh.flags & RTF_GATEWAY) !== 0) return null;
    const ifp = nh.gwIfp ?? nh.ifp;
    return this.tableOf(ifp) === null ? null : ifp;
  }

  /** `arp -s`. EINVAL: bad link address; ESRCH: no interface for it; EPERM: an own address. */
  set(addr: number, lladdr: Uint8Array, options: ArpSetOptions = {}): Errno {
    const ifp = options.ifp ?? this.interfaceOf(addr);
    const t = ifp === null ? null : this.tableOf(ifp);
    if (ifp === null || t === null) return ESRCH;
    if (lladdr.length !== ifp.lladdr.length || ((lladdr[0] ?? 1) & 1) !== 0) return EINVAL;
    const had = t.lookup(addr);
    if (had !== null && (had.flags & LLE_IFADDR) !== 0) return EPERM;
    if (options.temporary !== true) {
      t.setStatic(addr, macHi(lladdr), macLo(lladdr), options.published === true ? LLE_PUB : 0);
      return 0;
    }
    if (had !== null && had.isStatic) t.delete(had);
    const lle = t.lookup(addr) ?? t.create(addr);
    if (lle === null) return ENOBUFS;
    if (options.published === true) lle.flags |= LLE_PUB;
    t.confirm(lle, macHi(lladdr), macLo(lladdr), true);
    return 0;
  }

  /** `arp -d`. ENOENT: no such entry; EPERM: an own address. */
  delete(addr: number, ifp: Ifnet | null = null): Errno {
    let found: Errno = ENOENT;
    for (const i of ifp === null ? this.ip.net.ifnets : [ifp]) {
      const t = this.tableOf(i);
      const lle = t?.lookup(addr) ?? null;
      if (t === null || lle === null) continue;
      if ((lle.flags & LLE_IFADDR) !== 0) {
        found = EPERM;
        continue;
      }
      t.delete(lle);
      return 0;
    }
    return found;
  }

  /** `arp -d -a`: every entry but own addresses, of one interface or of all. How many. */
  flushAll(ifp: Ifnet | null = null): number {
    let n = 0;
    for (const i of ifp === null ? this.ip.net.ifnets : [ifp]) {
      const t = this.tableOf(i);
      for (const lle of t?.entries() ?? []) {
        if ((lle.flags & LLE_IFADDR) !== 0) continue;
        t?.delete(lle);
        n++;
      }
    }
    return n;
  }

  /** An own address came or went: its static entry, its announcement. */
  private addressEvent(ia: InIfaddr, added: boolean): void {
    const t = this.tableOf(ia.ifp);
    const lle = t?.lookup(ia.addr) ?? null;
    const isKnown = lle !== null && (lle.flags & LLE_IFADDR) !== 0;
    if (added) {
      // Setting the first address brings the interface up, and that event comes first.
      if (!isKnown) this.establish(ia);
      return;
    }
    this.claims.stop(ia.addr);
    if (isKnown) t?.remove(lle);
  }

  /** The interface came up, or has another link address: own entries follow, everybody is told. */
  private refreshOwn(ifp: Ifnet): void {
    for (const ifa of ifp.addrs) if (ifa instanceof InIfaddr) this.establish(ifa);
  }

  private establish(ia: InIfaddr): void {
    const t = this.tableOf(ia.ifp);
    if (t === null || ia.vhid !== 0 || ia.addr === 0) return;
    t.setStatic(ia.addr, ia.ifp.macHi, ia.ifp.macLo, LLE_IFADDR);
    if (ia.ifp.isRunning) this.claims.start(ia);
  }
}
