/**
 * tcp.ts — class Tcp: TCP in one vnet. What the other files of this folder work on, and the door for segments.
 * Read first: tcp(4); RFC 9293; ARCHITECTURE.md "TCP"; tcpcb.ts for what a connection is.
 *
 *                      Tcp.input, Tcp6.input                     StreamSocket (socket/)
 *                              │ one look-up                          │
 *            LISTEN ┌──────────┴─────────┐ a connection       tcp-usrreq.ts: send, rcvd, shutdown …
 *           tcp-syncache.ts         tcp-input.ts                      │
 *                   │ complete           │ steps of RFC 9293          │
 *                   └─────────▶ TcpCb ◀──┴────────────────────────────┘
 *                                  │ what to send now
 *                            tcp-output.ts ──▶ tcp-ip.ts ──▶ Ip, Ip6
 *
 * Theory of operation. Tcp is made with IPv4 and IPv6 of its vnet and puts itself into both protocol switches. It owns the pcbs, the counters, the half-open
 * connections and what is needed once for each segment (`seg`, `out`, `ends`), so that a segment allocates nothing.
 * `destroy` ends connections that no program has any more; sockets have been closed before.
 *
 * @rfc 9293 3.10 yes
 * @rfc 1122 4.2.3.9 yes
 * @rfc 1122 4.2.3.10 yes
 * @rfc 5927 4 yes
 */
import type { Errno } from '../base/errno.js';
import { ECONNREFUSED, EMSGSIZE } from '../base/errno.js';
import { seqLt } from '../base/seqnum.js';
import { BANDLIM_RST_CLOSEDPORT } from '../inet/icmp-bandlim.js';
import type { Ip, IpProto } from '../inet/ip.js';
import { PpsCheck } from '../inet/rate-check.js';
import type { Ip6 } from '../inet6/ip6.js';
import type { AuditRow } from '../kern/audit.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { CSUM_L4, CSUM_L4_VALID, M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketTag } from '../mbuf/packet-tag.js';
import { fwdPort, fwdTag, fwdWord } from '../net/fwd-tag.js';
import { IFCAP_LRO } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { In6Choice } from '../transport/in6-source.js';
import type { In6Pcb } from '../transport/in6-pcb.js';
import { In6PcbTable } from '../transport/in6-pcb-table.js';
import { InPcbTable } from '../transport/inpcb.js';
import type { InPcb, PortRange } from '../transport/inpcb.js';
import { ip4IsMulticast } from '../wire/addr.js';
import { inCksum4 } from '../wire/checksum.js';
import { ICMP4_DATA, ICMP_TIMXCEED, icmp4Nextmtu } from '../wire/icmp4.js';
import { IPVERSION, ip4Dst, ip4Len, ip4Src, ip4Tos, ip4Version } from '../wire/ip4.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { TcpOptionsOut } from '../wire/tcp-options.js';
import { TCP_BAD_SHORT, TH_RST, TH_SYN, TOF_SIGNATURE, tcpCheck, tcpDport, tcpSeq, tcpSport } from '../wire/tcp.js';
import { CcVars } from './cc/cc.js';
import { CC_SYSCTLS, ccDefault } from './cc/cc-registry.js';
import { SentRangePool } from './sendmap.js';
import { tcpClose, tcpDrop } from './tcp-close.js';
import { Delivery } from './tcp-delivery.js';
import { TcpFastopen } from './tcp-fastopen.js';
import type { TcpForeign } from './tcp-foreign.js';
import { TcpHostcache } from './tcp-hostcache.js';
import { tcpInput } from './tcp-input.js';
import { TcpIsn } from './tcp-isn.js';
import { TcpMd5 } from './tcp-md5.js';
import { TcpEnds } from './tcp-ends.js';
import { isUnreachable } from './tcp-ip.js';
import { tcpMtudisc, tcpNextPmtu } from './tcp-pmtud.js';
import { tcpInputRun } from './tcp-input-run.js';
import { TCP_LRO_SYSCTLS, TcpLro } from './tcp-lro.js';
import type { TcpLroUpper } from './tcp-lro.js';
import { isNonsense, tcpReset } from './tcp-respond.js';
import { Segment } from './tcp-segment.js';
import { TCPS_CLOSED, TCPS_ESTABLISHED, TCPS_LISTEN, TCPS_SYN_SENT, TCPS_TIME_WAIT, TCP_NSTATES } from './tcp-state.js';
import { TcpSyncache } from './tcp-syncache.js';
import { tcpTimersRun } from './tcp-timeout.js';
import { TimeWaits, tcpTwReopens } from './tcp-timewait.js';
import { TCP_COUNTERS, TCP_ECN_SYSCTLS, TCP_RACK_SYSCTLS, TCP_REASS_SYSCTLS, TCP_SACK_SYSCTLS, TCP_SYSCTLS, TcpStats, TcpTunables } from './tcp-var.js';
import { Tcp6 } from './tcp6.js';
import { TF_SIGNATURE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

const ECN_MASK = 3;

const TCP_AUDIT: readonly AuditRow<Tcp>[] = [
  { name: 'TCP pcbs', count: (t) => t.pcbs.count + t.pcbs6.count },
  { name: 'half-open TCP connections', count: (t) => t.syncache.count },
  { name: 'TCP connections in TIME_WAIT', count: (t) => t.timeWaits.count },
  { name: 'ranges sent over TCP', count: (t) => t.ranges.inUse },
  { name: 'packets in TCP buffers', packets: true, count: (t) => t.packetsHeld() },
];

export class Tcp implements IpProto, TcpLroUpper {
  readonly ip: Ip;
  readonly ip6: Ip6;
  readonly kern: VnetKern;
  readonly pcbs: InPcbTable;
  readonly pcbs6: In6PcbTable;
  readonly tun = new TcpTunables();
  readonly ccVars = new CcVars();
  readonly syncache: TcpSyncache;
  readonly hostcache: TcpHostcache;
  readonly md5: TcpMd5;
  readonly fastopen: TcpFastopen;
  readonly isn: TcpIsn;
  readonly timeWaits: TimeWaits;
  readonly ranges = new SentRangePool();
  readonly challenges = new PpsCheck();
  /** Connections in each state. */
  readonly states: number[] = new Array<number>(TCP_NSTATES).fill(0);
  /** Made with the first segment that came by an interface with IFCAP_LRO. */
  lro: TcpLro | null = null;
  /** Connections to addresses that are not ours, while there is a gateway. */
  foreign: TcpForeign | null = null;
  private readonly in6: Tcp6;
  private counted: TcpStats | null = null;
  private made: { seg: Segment; out: TcpOptionsOut; ends: TcpEnds; choice: In6Choice; delivery: Delivery } | null = null;

  /** `range`: of UDP's ports, which are TCP's, too. */
  constructor(ip: Ip, ip6: Ip6, range: PortRange) {
    this.ip = ip;
    this.ip6 = ip6;
    const { kern } = ip.net;
    this.kern = kern;
    const rng = kern.engine.rng.split(`tcp/${kern.id}/${kern.name}`);
    this.pcbs = new InPcbTable(range, rng);
    this.pcbs6 = new In6PcbTable(this.pcbs, rng.u32());
    this.syncache = new TcpSyncache(this);
    this.hostcache = new TcpHostcache(kern, this);
    this.md5 = new TcpMd5(kern, this);
    this.fastopen = new TcpFastopen(kern, rng.split('fastopen'));
    this.isn = new TcpIsn(rng.split('isn'));
    this.timeWaits = new TimeWaits(this);
    this.in6 = new Tcp6(this);
    kern.audit.attach(TCP_AUDIT, this);
    kern.sysctl.attach(TCP_SYSCTLS, this.tun);
    kern.sysctl.attach(TCP_SACK_SYSCTLS, this.tun);
    kern.sysctl.attach(TCP_REASS_SYSCTLS, this.tun);
    kern.sysctl.attach(TCP_RACK_SYSCTLS, this.tun);
    kern.sysctl.attach(TCP_ECN_SYSCTLS, this.tun);
    for (const group of CC_SYSCTLS) kern.sysctl.attach(group, this.ccVars);
    this.ccVars.inUse = (name) => this.countCc(name);
    kern.sysctl.attach(TCP_LRO_SYSCTLS, this);
    kern.counters.attach(TCP_COUNTERS, this);
    ip.register(IPPROTO_TCP, this);
    ip6.register(IPPROTO_TCP, this.in6);
  }

  destroy(): void {
    this.lro?.destroy();
    this.syncache.destroy();
    // What they have learned of their paths is in the hostcache.
    for (const inp of [...this.pcbs.list(), ...this.pcbs6.list()]) tcpClose(inp.user as TcpCb, 0);
    this.fastopen.destroy();
    this.md5.destroy();
    this.hostcache.destroy();
    this.ip6.register(IPPROTO_TCP, null);
    this.ip.register(IPPROTO_TCP, null);
    this.kern.counters.detach(this);
    this.kern.sysctl.detach(this.ccVars);
    this.kern.sysctl.detach(this);
    this.kern.sysctl.detach(this.tun);
  }

  /** Made with the first count. */
  get stats(): TcpStats {
    return (this.counted ??= new TcpStats());
  }

  /** What one segment needs; made with the first. */
  private get once(): NonNullable<Tcp['made']> {
    return (this.made ??= { seg: new Segment(), out: new TcpOptionsOut(), ends: new TcpEnds(), choice: new In6Choice(), delivery: new Delivery() });
  }

  get seg(): Segment {
    return this.once.seg;
  }

  get out(): TcpOptionsOut {
    return this.once.out;
  }

  get ends(): TcpEnds {
    return this.once.ends;
  }

  get delivery(): Delivery {
    return this.once.delivery;
  }

  get choice(): In6Choice {
    return this.once.choice;
  }

  attachPcb4(tp: TcpCb, fib: number): InPcb {
    tp.inp = this.pcbs.attach(tp, fib);
    return tp.inp;
  }

  attachPcb6(tp: TcpCb, fib: number): In6Pcb {
    const inp = this.pcbs6.attach(tp, fib);
    inp.v6only = this.ip6.tun.v6only !== 0;
    inp.v4 = !inp.v6only;
    tp.inp = tp.in6p = inp;
    return inp;
  }

  detachPcb(tp: TcpCb): void {
    if (tp.in6p !== null) this.pcbs6.detach(tp.in6p);
    else this.pcbs.detach(tp.inp);
  }

  /** A timer of `tp` is due. */
  timeout(tp: TcpCb): void {
    tcpTimersRun(tp);
  }

  /** A connection is begun, from either end: what it starts with. */
  begin(tp: TcpCb): void {
    tp.cwnd = tp.maxseg;
    tp.cc = (tp.ccAlgorithm ?? ccDefault(this.ccVars)).make(tp);
  }

  /** Initial sequence number of a conversation. */
  newIss(e: TcpEnds | TcpCb): number {
    return this.isn.isn(this.kern.engine.now, this.endsOf(e));
  }

  /** What is added to the clock of timestamps of a conversation. */
  newTsOffset(e: TcpEnds | TcpCb): number {
    return this.isn.tsOffset(this.endsOf(e));
  }

  /** The ends of a connection; of one without a pcb, itself. */
  endsOf(e: TcpEnds | TcpCb): TcpEnds {
    if (e instanceof TcpEnds) return e;
    return e.isV6 ? this.ends.ofPcb6(e.in6p as In6Pcb) : this.ends.ofPcb4(e.inp);
  }

  /** IpProto: a segment over IPv4; `m.off` at the IP header. Owns `m`. */
  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    if (!this.holds(ifp, m, hlen)) this.input4(ifp, m, hlen);
  }

  /** Does the segment wait for others of its connection until the batch it arrived in is over? It is not the caller's any more then. */
  holds(ifp: Ifnet, m: PacketBuffer, off: number): boolean {
    if ((ifp.capenable & IFCAP_LRO) === 0 || tcpCheck(m.view, m.off + off, m.len - off) !== 0) return false;
    return (this.lro ??= new TcpLro(this.kern, this)).input(ifp, m, off);
  }

  /** TcpLroUpper */
  lroInput(ifp: Ifnet, head: PacketBuffer, off: number): void {
    tcpInputRun(this, ifp, head, off);
  }

  /** A segment that does not wait, or not any more; `off` bytes behind the start of `m`. Owns `m`. */
  take(ifp: Ifnet, m: PacketBuffer, off: number): void {
    if (ip4Version(m.view, m.off) === IPVERSION) this.input4(ifp, m, off);
    else this.in6.take(ifp, m, off);
  }

  private input4(ifp: Ifnet, m: PacketBuffer, hlen: number): void {
    const v = m.view;
    const th = m.off + hlen;
    const len = m.len - hlen;
    if (!this.isWhole(m, th, len)) return;
    const src = ip4Src(v, m.off);
    const dst = ip4Dst(v, m.off);
    if ((m.csumFlags & (CSUM_L4 | CSUM_L4_VALID)) === 0 && inCksum4(v, th, len, src, dst, IPPROTO_TCP) !== 0) {
      this.stats.rcvbadsum++;
      m.free();
      return;
    }
    const { inNet } = this.ip;
    // A conversation has two ends, and each is one (RFC 9293 §3.9.2.3; RFC 1122 §4.2.3.10).
    if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || ip4IsMulticast(dst) || ip4IsMulticast(src) || inNet.isBroadcast(dst, ifp)) {
      m.free();
      return;
    }
    const fwd = m.tags === null ? null : fwdTag(m);
    const inp = fwd === null ? this.pcbs.lookup(src, tcpSport(v, th), dst, tcpDport(v, th)) : this.lookupForwarded(fwd, src, tcpSport(v, th), dst, tcpDport(v, th));
    if ((inp === null || !inp.connected) && inNet.isBroadcast(src, ifp)) {
      m.free();
      return;
    }
    const { seg } = this;
    seg.fill(ifp, m, th, false, ip4Tos(v, m.off) & ECN_MASK);
    this.dispatch(inp, seg);
  }

  /** A filter named a next hop, which is this host: who is connected to the ends in the packet, else who listens at the next hop. */
  private lookupForwarded(fwd: PacketTag, src: number, sport: number, dst: number, dport: number): InPcb | null {
    return this.pcbs.lookupConn(src, sport, dst, dport) ?? this.pcbs.lookup(src, sport, fwdWord(fwd, 0) >>> 0, fwdPort(fwd) || dport);
  }

  /** Is the header whole? Counts; frees `m` when it is not. */
  isWhole(m: PacketBuffer, th: number, len: number): boolean {
    this.stats.rcvtotal++;
    const bad = tcpCheck(m.view, th, len);
    if (bad === 0) return true;
    if (bad === TCP_BAD_SHORT) this.stats.rcvshort++;
    else this.stats.rcvbadoff++;
    m.free();
    return false;
  }

  /** Gives the segment to who it is for. Owns `seg.m`. */
  dispatch(inp: InPcb | null, seg: Segment): void {
    const tp = inp === null ? null : (inp.user as TcpCb);
    if (isNonsense(seg.flags) && (this.tun.dropSynfin !== 0 || seg.has(TH_RST))) {
      seg.m.free();
    } else if (this.foreign !== null && this.foreign.wants(inp, seg)) {
      this.foreign.input(seg);
    } else if (tp === null || tp.state === TCPS_CLOSED) {
      if (!this.swallows(seg)) tcpReset(this, seg, BANDLIM_RST_CLOSEDPORT);
      seg.m.free();
    } else if (tp.state === TCPS_LISTEN) {
      this.syncache.input(tp, seg);
    } else if (((tp.flags & TF_SIGNATURE) !== 0 || (seg.opts.flags & TOF_SIGNATURE) !== 0) && !this.md5.accepts((tp.flags & TF_SIGNATURE) !== 0, seg, this.ends.ofSegment(seg))) {
      seg.m.free();
    } else if (tp.state === TCPS_TIME_WAIT && tcpTwReopens(tp, seg) && this.isListenedFor(tp, seg)) {
      this.stats.tw_recycles++;
      tcpClose(tp, 0);
      this.dispatch(this.listenerFor(tp, seg), seg);
    } else {
      tcpInput(tp, seg);
    }
  }

  /** Would somebody answer `seg`, were it not for the connection it finds? */
  private isListenedFor(tp: TcpCb, seg: Segment): boolean {
    const inp = this.listenerFor(tp, seg);
    return inp !== null || (this.foreign !== null && this.foreign.wants(null, seg));
  }

  /** A listener that would get `seg`, were it not for the connection it finds. */
  private listenerFor(tp: TcpCb, seg: Segment): InPcb | null {
    const e = this.ends.ofSegment(seg);
    const found = tp.isV6 ? this.pcbs6.lookupListener(e.f0, e.f1, e.f2, e.f3, e.fport, e.l0, e.l1, e.l2, e.l3, e.lport) : this.pcbs.lookupListener(e.faddr, e.fport, e.laddr, e.lport);
    return found !== null && (found.user as TcpCb).state === TCPS_LISTEN ? found : null;
  }

  /** Is nobody to be told that this segment is for nobody? */
  private swallows(seg: Segment): boolean {
    const { blackhole } = this.tun;
    return blackhole >= 2 || (blackhole === 1 && seg.has(TH_SYN));
  }

  /** IpProto: an ICMP error quoted a segment of ours; `off` at the quoted IP header, behind the 8 bytes of the message's own. */
  ctlinput(error: Errno, m: PacketBuffer, off: number, hlen: number): void {
    if (error === 0) return;
    const v = m.view;
    const th = off + hlen;
    const ends = this.ends.set4(ip4Dst(v, off), tcpDport(v, th), ip4Src(v, off), tcpSport(v, th));
    const inp = this.pcbs.lookupConn(ends.faddr, ends.fport, ends.laddr, ends.lport);
    const mtu = error === EMSGSIZE ? tcpNextPmtu(icmp4Nextmtu(v, off - ICMP4_DATA), ip4Len(v, off), this.tun.minmss) : 0;
    const isFinal = error === ECONNREFUSED || v.getUint8(off - ICMP4_DATA) === ICMP_TIMXCEED;
    if (inp !== null) this.icmpError(inp, error, isFinal, tcpSeq(v, th) | 0, mtu);
    else this.syncache.unreach(ends, tcpSeq(v, th) | 0);
  }

  /**
   * RFC 5927: only an error about a segment in flight is believed. That nobody listens, or that the path is a circle, ends a connection that is being made
   * (`isFinal`). Everything else is what a timeout will report: a path may recover (RFC 1122 §4.2.3.9). `mtu`: of a packet that was too big.
   */
  icmpError(inp: InPcb, error: Errno, isFinal: boolean, seq: number, mtu: number): void {
    const tp = inp.user as TcpCb;
    if (error === 0 || tp.state < TCPS_SYN_SENT || seqLt(seq, tp.sndUna) || !seqLt(seq, tp.sndNxt)) return;
    if (error === EMSGSIZE) {
      tcpMtudisc(tp, mtu);
      return;
    }
    const isNew = tp.state < TCPS_ESTABLISHED;
    const persists = tp.rxtshift > 3 && tp.softError !== 0;
    if (isNew && (persists || (isFinal && tp.state === TCPS_SYN_SENT && this.tun.icmpMayRst !== 0))) tcpDrop(tp, error);
    else if (isNew || !isUnreachable(error)) tp.softError = error;
  }

  /** Connections that use the congestion control called `name`. */
  private countCc(name: string): number {
    let n = 0;
    for (const inp of [...this.pcbs.list(), ...this.pcbs6.list()]) if ((inp.user as TcpCb).cc?.name === name) n++;
    return n;
  }

  /** Packets that wait in the buffers of connections. */
  packetsHeld(): number {
    let n = 0;
    for (const inp of [...this.pcbs.list(), ...this.pcbs6.list()]) {
      const tp = inp.user as TcpCb;
      n += tp.rcv.count + (tp.reass?.count ?? 0);
    }
    return n;
  }
}

