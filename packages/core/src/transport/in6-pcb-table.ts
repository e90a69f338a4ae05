/**
 * in6-pcb-table.ts — the pcbs of one protocol over IPv6 in one vnet, beside those over IPv4.
 * Read first: inpcb.ts for the theory, which is the same; in6-pcb.ts; freebsd `sys/netinet6/in6_pcb.c`.
 *
 * Theory of operation. Tables of ports, of connections and of the unconnected, as for IPv4, with 128-bit ends. A pcb that is one of both families
 * (bound to :: without IPV6_V6ONLY) is entered in the IPv4 tables, too: who binds a port there meets it, and IPv4 packets find it. Connecting it
 * to an end of one family takes it out of the other's tables.
 *
 * Invariants: `lport !== 0` exactly when the pcb is in the port table of each of its families.
 */
import type { Errno } from '../base/errno.js';
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import { Chain } from '../base/chain.js';
import { ip6Word } from '../wire/addr6.js';
import { In6Pcb, mappedAddr } from './in6-pcb.js';
import { INADDR_ANY, reuseAllows } from './inpcb.js';
import type { InPcbTable, PcbUser } from './inpcb.js';
import { PcbHash } from './pcb-hash.js';
import type { PcbLink } from './pcb-hash.js';

const PORT_MAX = 65_535;

export class In6PcbTable {
  /** The same protocol's pcbs over IPv4: ranges of ports, and what is bound there. */
  readonly inet: InPcbTable;
  private readonly seed: number;
  private readonly ports = new PcbHash<In6Pcb>();
  private readonly unconnected = new PcbHash<In6Pcb>();
  private readonly connections = new PcbHash<In6Pcb>();
  private readonly all = new Chain<In6Pcb>();

  constructor(inet: InPcbTable, seed: number) {
    this.inet = inet;
    this.seed = seed | 0;
  }

  get count(): number {
    return this.all.size;
  }

  list(): In6Pcb[] {
    return [...this.all];
  }

  attach(user: PcbUser, fib: number): In6Pcb {
    const inp = new In6Pcb(user);
    inp.fib = fib;
    inp.gencnt = ++this.inet.gencnt;
    this.all.add(inp);
    return inp;
  }

  detach(inp: In6Pcb): void {
    if (inp.detached) return;
    inp.detached = true;
    this.unlink(inp);
    inp.connected = false;
    inp.lport = 0;
    this.all.delete(inp);
  }

  /** bind(2) to an address in zoned form; `ours`: may it be bound? EINVAL, EADDRNOTAVAIL, EADDRINUSE as for IPv4. */
  bind(inp: In6Pcb, addr: Uint8Array, lport: number, ours: boolean): Errno {
    if (inp.lport !== 0 || !inp.isUnbound6 || inp.laddr !== INADDR_ANY || lport < 0 || lport > PORT_MAX || !Number.isInteger(lport)) return EINVAL;
    if (!ours && !inp.bindAny) return EADDRNOTAVAIL;
    const l0 = ip6Word(addr, 0);
    const l1 = ip6Word(addr, 1);
    const l2 = ip6Word(addr, 2);
    const l3 = ip6Word(addr, 3);
    const both = !inp.v6only && (l0 | l1 | l2 | l3) === 0;
    const taken = (port: number, sharing: boolean): boolean =>
      this.inTheWay(inp, l0, l1, l2, l3, port, sharing) || (both && this.inet.inTheWay(inp, INADDR_ANY, port, sharing));
    let port = lport;
    if (port === 0) {
      port = this.inet.pickPort((p) => taken(p, false));
      if (port === 0) return EADDRNOTAVAIL;
    } else if (taken(port, true)) {
      return EADDRINUSE;
    }
    inp.setLocal(addr);
    inp.v6 = true;
    inp.v4 = both;
    this.link(inp, port);
    return 0;
  }

  /** bind(2) to a v4-mapped address: an IPv4 pcb from now on. */
  bindMapped(inp: In6Pcb, addr: Uint8Array, lport: number, ours: boolean): Errno {
    if (inp.lport !== 0 || !inp.isUnbound6) return EINVAL;
    const error = this.inet.bind(inp, mappedAddr(addr), lport, ours);
    if (error === 0) this.only(inp, false);
    return error;
  }

  /** Gives the unconnected `inp` both ends (words, zoned) and, when it has none, a port. EADDRINUSE, EADDRNOTAVAIL; nothing has changed then. */
  connect(inp: In6Pcb, l: Uint8Array, f: Uint8Array, fport: number): Errno {
    const [l0, l1, l2, l3] = [ip6Word(l, 0), ip6Word(l, 1), ip6Word(l, 2), ip6Word(l, 3)];
    const [f0, f1, f2, f3] = [ip6Word(f, 0), ip6Word(f, 1), ip6Word(f, 2), ip6Word(f, 3)];
    const port = inp.lport !== 0 ? inp.lport : this.inet.pickPort((p) => this.lookup(f0, f1, f2, f3, fport, l0, l1, l2, l3, p) !== null);
    if (port === 0) return EADDRNOTAVAIL;
    if (inp.lport !== 0 && this.lookupConn(f0, f1, f2, f3, fport, l0, l1, l2, l3, port) !== null) return EADDRINUSE;
    this.unlink(inp);
    this.only(inp, true);
    inp.setLocal(l);
    inp.setForeign(f);
    inp.fport = fport;
    inp.connected = true;
    this.link(inp, port);
    return 0;
  }

  /** Connects to an IPv4 end: see InPcbTable.connect. */
  connectMapped(inp: In6Pcb, laddr: number, faddr: number, fport: number): Errno {
    const port = inp.lport;
    const wasV6 = inp.v6;
    if (wasV6) this.unlinkIn6(inp);
    const error = this.inet.connect(inp, laddr, faddr, fport);
    if (error === 0) this.only(inp, false);
    else if (wasV6 && port !== 0) this.linkIn6(inp, port);
    return error;
  }

  /** Takes the foreign end and the local address away; the port stays, in the family it was connected in. */
  disconnect(inp: In6Pcb): void {
    if (!inp.connected) return;
    if (!inp.v6) {
      this.inet.disconnect(inp);
      return;
    }
    const port = inp.lport;
    this.unlink(inp);
    inp.connected = false;
    inp.l0 = inp.l1 = inp.l2 = inp.l3 = 0;
    inp.f0 = inp.f1 = inp.f2 = inp.f3 = 0;
    inp.fport = 0;
    this.link(inp, port);
  }

  /** The pcb a unicast packet is for: its connection, else the best unconnected one. Packet path. */
  lookup(f0: number, f1: number, f2: number, f3: number, fport: number, l0: number, l1: number, l2: number, l3: number, lport: number): In6Pcb | null {
    return (
      (this.connections.count > 0 ? this.lookupConn(f0, f1, f2, f3, fport, l0, l1, l2, l3, lport) : null) ?? this.lookupListener(f0, f1, f2, f3, fport, l0, l1, l2, l3, lport)
    );
  }

  lookupConn(f0: number, f1: number, f2: number, f3: number, fport: number, l0: number, l1: number, l2: number, l3: number, lport: number): In6Pcb | null {
    for (let l = this.connections.first(this.connHash(f0, f1, f2, f3, fport, l3, lport)); l !== null; l = l.next) {
      const p = l.item;
      if (p.f3 !== f3 || p.fport !== fport || p.l3 !== l3 || p.lport !== lport) continue;
      if (p.f0 === f0 && p.f1 === f1 && p.f2 === f2 && p.l0 === l0 && p.l1 === l1 && p.l2 === l2) return p;
    }
    return null;
  }

  /** The best unconnected pcb; where that is one of a group, the member the hash chooses. */
  lookupListener(
    f0: number, f1: number, f2: number, f3: number, fport: number, l0: number, l1: number, l2: number, l3: number, lport: number,
  ): In6Pcb | null {
    let wild: In6Pcb | null = null;
    for (let l = this.unconnected.first(lport); l !== null; l = l.next) {
      const p = l.item;
      if (p.lport !== lport) continue;
      if (p.l3 === l3 && p.l0 === l0 && p.l1 === l1 && p.l2 === l2) return p.reusePortLb ? this.lbMember(p, f0, f1, f2, f3, fport, l3) : p;
      if (p.isUnbound6) wild = p;
    }
    return wild !== null && wild.reusePortLb ? this.lbMember(wild, f0, f1, f2, f3, fport, l3) : wild;
  }

  /** The member of the SO_REUSEPORT_LB group of `p` that is chosen for a four-tuple. */
  private lbMember(p: In6Pcb, f0: number, f1: number, f2: number, f3: number, fport: number, l3: number): In6Pcb {
    const first = this.unconnected.first(p.lport);
    let members = 0;
    for (let l = first; l !== null; l = l.next) if (inLbGroup(l.item, p)) members++;
    let chosen = (this.connHash(f0, f1, f2, f3, fport, l3, p.lport) >>> 0) % members;
    for (let l = first; l !== null; l = l.next) if (inLbGroup(l.item, p) && chosen-- === 0) return l.item;
    return p;
  }

  /** The chain in which all pcbs of a port are, newest first, with others: for multicasts. */
  portChain(lport: number): PcbLink<In6Pcb> | null {
    return this.ports.first(lport);
  }

  private inTheWay(inp: In6Pcb, l0: number, l1: number, l2: number, l3: number, lport: number, sharing: boolean): boolean {
    const any = (l0 | l1 | l2 | l3) === 0;
    const reuses = inp.reuseAddr || inp.reusePort || inp.reusePortLb;
    for (let l = this.ports.first(lport); l !== null; l = l.next) {
      const p = l.item;
      if (p.lport !== lport) continue;
      const same = p.l3 === l3 && p.l0 === l0 && p.l1 === l1 && p.l2 === l2;
      if (!reuses) {
        if (same || any || p.isUnbound6) return true;
      } else if (!p.connected && same && !(sharing && reuseAllows(inp, p, l0 >>> 24 === 0xff))) {
        return true;
      }
    }
    return false;
  }

  /** From now on the pcb is one of one family. */
  private only(inp: In6Pcb, v6: boolean): void {
    inp.v6 = v6;
    inp.v4 = !v6;
  }

  private link(inp: In6Pcb, lport: number): void {
    this.linkIn6(inp, lport);
    if (inp.v4) this.inet.link(inp, lport);
  }

  private linkIn6(inp: In6Pcb, lport: number): void {
    inp.lport = lport;
    this.ports.insert(inp.portLink6, lport);
    if (inp.connected) this.connections.insert(inp.demuxLink6, this.connHash(inp.f0, inp.f1, inp.f2, inp.f3, inp.fport, inp.l3, lport));
    else this.unconnected.insert(inp.demuxLink6, lport);
  }

  private unlink(inp: In6Pcb): void {
    if (inp.v6) this.unlinkIn6(inp);
    if (inp.v4) this.inet.unlink(inp);
  }

  private unlinkIn6(inp: In6Pcb): void {
    this.ports.remove(inp.portLink6);
    (inp.connected ? this.connections : this.unconnected).remove(inp.demuxLink6);
  }

  private connHash(f0: number, f1: number, f2: number, f3: number, fport: number, l3: number, lport: number): number {
    let h = this.seed ^ f0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) ^ f1;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ f2;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) ^ f3;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ l3;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) ^ ((fport << 16) | lport);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    return h ^ (h >>> 15);
  }
}

const inLbGroup = (q: In6Pcb, p: In6Pcb): boolean => q.reusePortLb && q.lport === p.lport && q.l3 === p.l3 && q.l0 === p.l0 && q.l1 === p.l1 && q.l2 === p.l2;
