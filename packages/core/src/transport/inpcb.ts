/**
 * inpcb.ts — InPcb `inp`: one end of a transport conversation, and the tables that find it.
 * Read first: freebsd `sys/netinet/in_pcb.c`; reference netstack3 "demultiplexing principle".
 *
 * Theory of operation. A bound pcb is in the port table (lport); a connected one is also in the connection table (the
 * four-tuple). A packet for a connection costs one probe of the connection table; otherwise the pcbs of its port are scored:
 * an exact local address beats a wildcard. Both tables are open hash chains through the pcbs themselves, so a lookup allocates
 * nothing and a million pcbs cost two pointers each plus the bucket arrays, which double as the tables fill.
 *
 * Invariants: inp.lport !== 0 exactly when it is in the port table; `connected` exactly when it is in the connection table.
 * Not here: what a protocol does with the packet. The pcb's user (a socket) is behind PcbUser.
 */
import type { Errno } from '../base/errno.js';
import { EACCES, EADDRINUSE, EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import type { Prng } from '../base/prng.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { IpOutputOpts } from '../inet/ip-output.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';

export const INADDR_ANY = 0;

/** Who uses a pcb: a socket. */
export interface PcbUser {
  /** A packet for this pcb. Owns `m`; where `m.off` is, the protocol says. */
  pcbInput(m: PacketBuffer): void;
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
  /** IP_VLAN_PCP, -1 for the interface's. */
  pcp = -1;
  reuseAddr = false;
  reusePort = false;
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
  portNext: InPcb | null = null;
  connNext: InPcb | null = null;
  detached = false;

  constructor(user: PcbUser) {
    this.user = user;
  }
}

/** `net.inet.ip.portrange.*`: where ports nobody asked for come from. */
export class PortRange {
  first = 10_000;
  last = 65_535;
  reservedhigh = 1_023;
  randomized = 1;
}

export const PORTRANGE_SYSCTLS: SysctlGroup<PortRange> = {
  prefix: 'net.inet.ip.portrange',
  oids: [
    sysctlInt('first', 'first', 'port', 1, 65_535, 'First port of the range anonymous binds use'),
    sysctlInt('last', 'last', 'port', 1, 65_535, 'Last port of the range anonymous binds use'),
    sysctlInt('reservedhigh', 'reservedhigh', 'port', 0, 65_535, 'Highest port only a privileged user may bind'),
    sysctlInt('randomized', 'randomized', 'bool', 0, 1, 'Choose anonymous ports at random'),
  ],
};

const BUCKETS_MIN = 16;

/** The pcbs of one protocol in one vnet. */
export class InPcbTable {
  readonly range: PortRange;
  private readonly rng: Prng;
  private portBuckets: (InPcb | null)[] = new Array<InPcb | null>(BUCKETS_MIN).fill(null);
  private connBuckets: (InPcb | null)[] = new Array<InPcb | null>(BUCKETS_MIN).fill(null);
  /** Every pcb, oldest first. */
  readonly all = new Set<InPcb>();
  private bound = 0;
  private conns = 0;
  /** Keys the connection hash, so that a peer cannot choose colliding ports. */
  private readonly seed: number;

  constructor(range: PortRange, rng: Prng) {
    this.range = range;
    this.rng = rng;
    this.seed = rng.u32();
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
    this.all.add(inp);
    return inp;
  }

  /** Takes a pcb out of every table. */
  detach(inp: InPcb): void {
    if (inp.detached) return;
    this.disconnect(inp);
    if (inp.lport !== 0) this.portRemove(inp);
    inp.lport = 0;
    inp.detached = true;
    this.all.delete(inp);
  }

  /**
   * bind(2). `lport` 0 asks for an anonymous port. EINVAL: bound already; EADDRNOTAVAIL: not our address (the caller says
   * through `ours`); EADDRINUSE; EACCES never here (ports are not privileged inside a vnet of one's own).
   */
  bind(inp: InPcb, laddr: number, lport: number, ours: boolean): Errno {
    if (inp.lport !== 0) return EINVAL;
    if (!ours && !inp.bindAny) return EADDRNOTAVAIL;
    if (lport < 0 || lport > 65_535) return EACCES;
    let port = lport;
    if (port === 0) {
      port = this.anonymousPort(inp, laddr);
      if (port === 0) return EADDRNOTAVAIL;
    } else if (this.conflict(inp, laddr, port)) {
      return EADDRINUSE;
    }
    inp.laddr = laddr;
    inp.lport = port;
    this.portInsert(inp);
    return 0;
  }

  /** Gives `inp` its foreign end. The caller has bound it and chosen `laddr`. EADDRINUSE when the four-tuple is taken. */
  connect(inp: InPcb, laddr: number, faddr: number, fport: number): Errno {
    const other = this.lookupConn(faddr, fport, laddr, inp.lport);
    if (other !== null && other !== inp) return EADDRINUSE;
    this.disconnect(inp);
    inp.laddr = laddr;
    inp.faddr = faddr;
    inp.fport = fport;
    inp.connected = true;
    if (++this.conns > this.connBuckets.length) this.growConn();
    const b = this.connHash(faddr, fport, laddr, inp.lport) & (this.connBuckets.length - 1);
    inp.connNext = this.connBuckets[b] ?? null;
    this.connBuckets[b] = inp;
    return 0;
  }

  disconnect(inp: InPcb): void {
    if (!inp.connected) return;
    const b = this.connHash(inp.faddr, inp.fport, inp.laddr, inp.lport) & (this.connBuckets.length - 1);
    let prev: InPcb | null = null;
    for (let p = this.connBuckets[b] ?? null; p !== null; prev = p, p = p.connNext) {
      if (p !== inp) continue;
      if (prev === null) this.connBuckets[b] = p.connNext;
      else prev.connNext = p.connNext;
      break;
    }
    inp.connNext = null;
    inp.connected = false;
    inp.faddr = INADDR_ANY;
    inp.fport = 0;
    this.conns--;
  }

  /** The pcb a unicast packet is for: its connection, else the best bound one; null when nobody wants it. */
  lookup(faddr: number, fport: number, laddr: number, lport: number): InPcb | null {
    return (this.conns > 0 ? this.lookupConn(faddr, fport, laddr, lport) : null) ?? this.lookupPort(laddr, lport);
  }

  lookupConn(faddr: number, fport: number, laddr: number, lport: number): InPcb | null {
    let p = this.connBuckets[this.connHash(faddr, fport, laddr, lport) & (this.connBuckets.length - 1)] ?? null;
    for (; p !== null; p = p.connNext) {
      if (p.faddr === faddr && p.fport === fport && p.laddr === laddr && p.lport === lport) return p;
    }
    return null;
  }

  private lookupPort(laddr: number, lport: number): InPcb | null {
    let wild: InPcb | null = null;
    for (let p = this.portBuckets[lport & (this.portBuckets.length - 1)] ?? null; p !== null; p = p.portNext) {
      if (p.lport !== lport || p.connected) continue;
      if (p.laddr === laddr) return p;
      if (p.laddr === INADDR_ANY && wild === null) wild = p;
    }
    return wild;
  }

  /** First pcb of a port's chain, for broadcast and multicast delivery to everybody who matches; follow `portNext`. */
  portChain(lport: number): InPcb | null {
    return this.portBuckets[lport & (this.portBuckets.length - 1)] ?? null;
  }

  private conflict(inp: InPcb, laddr: number, lport: number): boolean {
    for (let p = this.portChain(lport); p !== null; p = p.portNext) {
      if (p.lport !== lport) continue;
      if (p.laddr !== INADDR_ANY && laddr !== INADDR_ANY && p.laddr !== laddr) continue;
      if (inp.reusePort && p.reusePort) continue;
      if (inp.reuseAddr && p.reuseAddr && p.laddr !== laddr) continue;
      return true;
    }
    return false;
  }

  private anonymousPort(inp: InPcb, laddr: number): number {
    const first = Math.min(this.range.first, this.range.last);
    const last = Math.max(this.range.first, this.range.last);
    const n = last - first + 1;
    const start = this.range.randomized !== 0 ? this.rng.below(n) : 0;
    for (let i = 0; i < n; i++) {
      const port = first + ((start + i) % n);
      if (!this.conflict(inp, laddr, port)) return port;
    }
    return 0;
  }

  private connHash(faddr: number, fport: number, laddr: number, lport: number): number {
    let h = this.seed ^ faddr;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) ^ laddr;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ ((fport << 16) | lport);
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    return (h ^ (h >>> 15)) >>> 0;
  }

  private portInsert(inp: InPcb): void {
    if (++this.bound > this.portBuckets.length) this.growPort();
    const b = inp.lport & (this.portBuckets.length - 1);
    inp.portNext = this.portBuckets[b] ?? null;
    this.portBuckets[b] = inp;
  }

  private portRemove(inp: InPcb): void {
    const b = inp.lport & (this.portBuckets.length - 1);
    let prev: InPcb | null = null;
    for (let p = this.portBuckets[b] ?? null; p !== null; prev = p, p = p.portNext) {
      if (p !== inp) continue;
      if (prev === null) this.portBuckets[b] = p.portNext;
      else prev.portNext = p.portNext;
      break;
    }
    inp.portNext = null;
    this.bound--;
  }

  private growPort(): void {
    const old = this.portBuckets;
    this.portBuckets = new Array<InPcb | null>(old.length * 2).fill(null);
    for (const head of old) {
      for (let p = head; p !== null; ) {
        const next: InPcb | null = p.portNext;
        const b = p.lport & (this.portBuckets.length - 1);
        p.portNext = this.portBuckets[b] ?? null;
        this.portBuckets[b] = p;
        p = next;
      }
    }
  }

  private growConn(): void {
    const old = this.connBuckets;
    this.connBuckets = new Array<InPcb | null>(old.length * 2).fill(null);
    for (const head of old) {
      for (let p = head; p !== null; ) {
        const next: InPcb | null = p.connNext;
        const b = this.connHash(p.faddr, p.fport, p.laddr, p.lport) & (this.connBuckets.length - 1);
        p.connNext = this.connBuckets[b] ?? null;
        this.connBuckets[b] = p;
        p = next;
      }
    }
  }
}
