/**
 * inpcb.ts — InPcb `inp`: one end of a transport conversation, and the tables that find it.
 * Read first: freebsd `sys/netinet/in_pcb.c`; reference netstack3 "demultiplexing principle".
 *
 * Theory of operation. A pcb with a port is in the table of its port; besides, it is in the table of connections (by the
 * four-tuple) while it is connected, and in the table of the unconnected (by port) otherwise. A packet for a connection costs
 * one probe of the first; otherwise the unconnected pcbs of its port are compared: an exact local address beats a wildcard.
 * However many connections share a port, a packet that is for none of them does not look at them. The table of ports serves
 * bind, and broadcasts, which go to everybody.
 *
 * Who may bind what is FreeBSD's: without SO_REUSEADDR or SO_REUSEPORT nobody may have the port on an overlapping address; with
 * one of them only an unconnected pcb with the very same address is in the way, unless both have SO_REUSEPORT (for a group, either
 * option on both sides will do). A port nobody asked for is never shared, except that connections to different ends may have
 * the same one: the four-tuple is what must be unique.
 * Unconnected pcbs with SO_REUSEPORT_LB on one address and port are a group: the one a packet is for is chosen by a keyed hash of its
 * four-tuple, so that all packets of one peer's port go to the same member while the group stays as it is.
 *
 * Invariants: inp.lport !== 0 exactly when it is in the port table, and then it is in one of the others; `connected` exactly when
 * that is the table of connections.
 * Not here: what a protocol does with the packet. The pcb's user (a socket) is behind PcbUser.
 */
import type { Errno } from '../base/errno.js';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import { Chain } from '../base/chain.js';
import type { Prng } from '../base/prng.js';
import type { IpOutputOpts } from '../inet/ip-output.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ip4IsMulticast } from '../wire/addr.js';
import type { Membership } from './mcast-membership.js';
import { PcbHash, PcbLink } from './pcb-hash.js';

export const INADDR_ANY = 0;
const PORT_MAX = 65_535;

/** Who uses a pcb: a socket. */
export interface PcbUser {
  /** A packet for this pcb; where `m.off` is, the protocol says. Owns `m`. False: it was dropped, there is no room. */
  pcbInput(m: PacketBuffer): boolean;
  /** An asynchronous error (ICMP) for this pcb. */
  pcbError(error: Errno): void;
}

export class InPcb {
  readonly user: PcbUser;
  laddr = INADDR_ANY;
  lport = 0;
  faddr = INADDR_ANY;
  fport = 0;
  connected = false;
  /** Routing table of its packets (SO_SETFIB). */
  fib = 0;
  /** IP_TTL, IP_TOS; -1: the stack's default. */
  ttl = -1;
  tos = 0;
  /** Source of the datagram being sent (IP_SENDSRCADDR); INADDR_ANY: chosen. */
  sendSource = INADDR_ANY;
  /** IP_VLAN_PCP, -1 for the interface's. */
  pcp = -1;
  reuseAddr = false;
  reusePort = false;
  /** SO_REUSEPORT_LB: one of a group that shares what comes. */
  reusePortLb = false;
  broadcast = false;
  dontRoute = false;
  dontFrag = false;
  /** IP_BINDANY: bind addresses that are not ours. */
  bindAny = false;
  /** IP_HDRINCL: raw packets bring their own header. */
  hdrIncl = false;
  /** Raw IP: protocol number, 0 for all. */
  proto = 0;
  /** Options and multicast parameters of its packets; null until one is set. */
  out: IpOutputOpts | null = null;
  /** Groups it joined; null until the first. */
  groups: Membership<number>[] | null = null;
  detached = false;
  /** Which one of its protocol it is, in the order they were made. */
  gencnt = 0;
  /** Its places in the tables, and among all of its protocol. */
  readonly portLink = new PcbLink<InPcb>(this);
  readonly demuxLink = new PcbLink<InPcb>(this);
  chainNext: InPcb | null = null;
  chainPrev: InPcb | null = null;

  constructor(user: PcbUser) {
    this.user = user;
  }
}

/** `net.inet.ip.portrange.*`: where ports nobody asked for come from. */
export class PortRange {
  first = 10_000;
  last = PORT_MAX;
  reservedhigh = 1_023;
  randomized = 1;
}

export const PORTRANGE_SYSCTLS: SysctlGroup<PortRange> = {
  prefix: 'net.inet.ip.portrange',
  oids: [
    sysctlInt('first', 'first', 'port', 1, PORT_MAX, 'First port of the range anonymous binds use'),
    sysctlInt('last', 'last', 'port', 1, PORT_MAX, 'Last port of the range anonymous binds use'),
    sysctlInt('reservedhigh', 'reservedhigh', 'port', 0, PORT_MAX, 'Highest port only a privileged user may bind'),
    sysctlInt('randomized', 'randomized', 'bool', 0, 1, 'Choose anonymous ports at random'),
  ],
};

/** The pcbs of one protocol in one vnet. */
export class InPcbTable {
  readonly range: PortRange;
  /** Pcbs made so far, those of IPv6 too. */
  gencnt = 0;
  private readonly rng: Prng;
  private readonly ports = new PcbHash<InPcb>();
  private readonly unconnected = new PcbHash<InPcb>();
  private readonly connections = new PcbHash<InPcb>();
  private readonly all = new Chain<InPcb>();
  /** Keys the connection hash, so that a peer cannot choose colliding ports. */
  private readonly seed: number;
  /** Where the search for a port began last, when ports are not chosen at random. */
  private lastPort = 0;

  /** @param rng a stream of the table's own. */
  constructor(range: PortRange, rng: Prng) {
    this.range = range;
    this.rng = rng;
    this.seed = rng.u32() | 0;
  }

  get count(): number {
    return this.all.size;
  }

  list(): InPcb[] {
    return [...this.all];
  }

  /** Makes a pcb for `user`. */
  attach(user: PcbUser, fib: number): InPcb {
    const inp = new InPcb(user);
    inp.fib = fib;
    inp.gencnt = ++this.gencnt;
    this.all.add(inp);
    return inp;
  }

  /** Takes a pcb out of every table, for good. */
  detach(inp: InPcb): void {
    if (inp.detached) return;
    inp.detached = true;
    this.unlink(inp);
    inp.connected = false;
    inp.lport = 0;
    this.all.delete(inp);
  }

  /**
   * bind(2). `lport` 0 asks for an anonymous port. EINVAL: bound already, or no port number; EADDRNOTAVAIL: not our address (the
   * caller says through `ours`), or no port left; EADDRINUSE. Ports are not privileged inside a vnet of one's own.
   */
  bind(inp: InPcb, laddr: number, lport: number, ours: boolean): Errno {
    if (inp.lport !== 0 || inp.laddr !== INADDR_ANY || lport < 0 || lport > PORT_MAX || !Number.isInteger(lport)) return EINVAL;
    if (!ours && !inp.bindAny) return EADDRNOTAVAIL;
    let port = lport;
    if (port === 0) {
      port = this.anonymousPort(inp, laddr);
      if (port === 0) return EADDRNOTAVAIL;
    } else if (this.inTheWay(inp, laddr, port, true)) {
      return EADDRINUSE;
    }
    inp.laddr = laddr;
    this.link(inp, port);
    return 0;
  }

  /**
   * Gives the unconnected `inp` its foreign end and, when it has none, a port. EADDRINUSE when the four-tuple is taken,
   * EADDRNOTAVAIL when no port is left; nothing has changed then.
   */
  connect(inp: InPcb, laddr: number, faddr: number, fport: number): Errno {
    const port = inp.lport !== 0 ? inp.lport : this.connectionPort(laddr, faddr, fport);
    if (port === 0) return EADDRNOTAVAIL;
    if (inp.lport !== 0 && this.lookupConn(faddr, fport, laddr, port) !== null) return EADDRINUSE;
    this.unlink(inp);
    inp.laddr = laddr;
    inp.faddr = faddr;
    inp.fport = fport;
    inp.connected = true;
    this.link(inp, port);
    return 0;
  }

  /** Takes the foreign end and the local address away; the port stays. */
  disconnect(inp: InPcb): void {
    if (!inp.connected) return;
    const port = inp.lport;
    this.unlink(inp);
    inp.connected = false;
    inp.laddr = INADDR_ANY;
    inp.faddr = INADDR_ANY;
    inp.fport = 0;
    this.link(inp, port);
  }

  /** The pcb a unicast packet is for: its connection, else the best unconnected one; null when nobody wants it. */
  lookup(faddr: number, fport: number, laddr: number, lport: number): InPcb | null {
    return (this.connections.count > 0 ? this.lookupConn(faddr, fport, laddr, lport) : null) ?? this.lookupListener(faddr, fport, laddr, lport);
  }

  lookupConn(faddr: number, fport: number, laddr: number, lport: number): InPcb | null {
    for (let l = this.connections.first(this.connHash(faddr, fport, laddr, lport)); l !== null; l = l.next) {
      const p = l.item;
      if (p.faddr === faddr && p.fport === fport && p.laddr === laddr && p.lport === lport) return p;
    }
    return null;
  }

  /** The newest with exactly this address, or the oldest with none; where that is one of a group, the member the hash chooses. */
  lookupListener(faddr: number, fport: number, laddr: number, lport: number): InPcb | null {
    let wild: InPcb | null = null;
    for (let l = this.unconnected.first(lport); l !== null; l = l.next) {
      const p = l.item;
      if (p.lport !== lport) continue;
      if (p.laddr === laddr) return p.reusePortLb ? this.lbMember(p, faddr, fport, laddr) : p;
      if (p.laddr === INADDR_ANY) wild = p;
    }
    return wild !== null && wild.reusePortLb ? this.lbMember(wild, faddr, fport, laddr) : wild;
  }

  /** The member of the group of `p` that is chosen for a four-tuple. */
  private lbMember(p: InPcb, faddr: number, fport: number, laddr: number): InPcb {
    const first = this.unconnected.first(p.lport);
    let members = 0;
    for (let l = first; l !== null; l = l.next) if (inLbGroup(l.item, p)) members++;
    let chosen = (this.connHash(faddr, fport, laddr, p.lport) >>> 0) % members;
    for (let l = first; l !== null; l = l.next) if (inLbGroup(l.item, p) && chosen-- === 0) return l.item;
    return p;
  }

  /** The chain in which all pcbs of a port are, newest first, with others: for broadcasts, which go to everybody who matches. */
  portChain(lport: number): PcbLink<InPcb> | null {
    return this.ports.first(lport);
  }

  /** Has anybody (laddr, lport) whom `inp` may not have it with? `sharing`: SO_REUSEPORT on both sides lets them. */
  inTheWay(inp: InPcb, laddr: number, lport: number, sharing: boolean): boolean {
    const reuses = inp.reuseAddr || inp.reusePort || inp.reusePortLb;
    for (let l = this.ports.first(lport); l !== null; l = l.next) {
      const p = l.item;
      if (p.lport !== lport) continue;
      if (!reuses) {
        if (p.laddr === laddr || p.laddr === INADDR_ANY || laddr === INADDR_ANY) return true;
      } else if (!p.connected && p.laddr === laddr && !(sharing && mayShare(inp, p, laddr))) {
        return true;
      }
    }
    return false;
  }

  private anonymousPort(inp: InPcb, laddr: number): number {
    return this.pickPort((port) => this.inTheWay(inp, laddr, port, false));
  }

  /** A port with which the four-tuple is new and no unconnected pcb would have got its packets. */
  private connectionPort(laddr: number, faddr: number, fport: number): number {
    return this.pickPort((port) => this.lookup(faddr, fport, laddr, port) !== null);
  }

  /** A port of the range that is not `taken`; 0 when all are. */
  pickPort(taken: (port: number) => boolean): number {
    const first = Math.min(this.range.first, this.range.last);
    const n = Math.abs(this.range.last - this.range.first) + 1;
    const start = this.firstTry(n);
    for (let i = 0; i < n; i++) {
      const port = first + ((start + i) % n);
      if (!taken(port)) return port;
    }
    return 0;
  }

  private firstTry(n: number): number {
    this.lastPort = this.range.randomized !== 0 ? this.rng.below(n) : (this.lastPort + 1) % n;
    return this.lastPort;
  }

  private connHash(faddr: number, fport: number, laddr: number, lport: number): number {
    let h = this.seed ^ faddr;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) ^ laddr;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ ((fport << 16) | lport);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    return h ^ (h >>> 15);
  }

  /** Puts `inp`, which is in no table of this one, where `laddr`, `lport` and `connected` say. */
  link(inp: InPcb, lport: number): void {
    inp.lport = lport;
    this.ports.insert(inp.portLink, lport);
    if (inp.connected) this.connections.insert(inp.demuxLink, this.connHash(inp.faddr, inp.fport, inp.laddr, lport));
    else this.unconnected.insert(inp.demuxLink, lport);
  }

  /** Takes `inp` out, when it is there. */
  unlink(inp: InPcb): void {
    this.ports.remove(inp.portLink);
    (inp.connected ? this.connections : this.unconnected).remove(inp.demuxLink);
  }
}

function mayShare(a: InPcb, b: InPcb, laddr: number): boolean {
  return reuseAllows(a, b, ip4IsMulticast(laddr));
}

/** Do the options of `a`, which wants one, let it have the same address and port as `b`? */
export function reuseAllows(a: InPcb, b: InPcb, isGroup: boolean): boolean {
  return isGroup ? b.reuseAddr || b.reusePort || b.reusePortLb : (a.reusePort && b.reusePort) || (a.reusePortLb && b.reusePortLb);
}

/** Is `q` of the SO_REUSEPORT_LB group of `p`? */
const inLbGroup = (q: InPcb, p: InPcb): boolean => q.reusePortLb && q.lport === p.lport && q.laddr === p.laddr;
