/**
 * tcp-syncache.ts — connections that have been begun by a peer and are not complete: SYN received, SYN|ACK sent.
 * Read first: RFC 9293 §3.10.7.2, §3.10.7.4; RFC 4987; freebsd `sys/netinet/tcp_syncache.c`.
 *
 * Theory of operation. A SYN for a listener makes an entry, not a TcpCb, and is answered from it. The acknowledgement that completes the handshake turns
 * the entry into a connection, which the listener's socket takes into its queue.
 * Bounded by `net.inet.tcp.syncache.cachelimit`: the oldest entry goes.
 */
import { US_PER_SEC } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import { HEADROOM } from '../mbuf/packet-buffer.js';
import { ip6OfWords } from '../wire/addr6.js';
import { tcpPackOptions } from '../wire/tcp-options.js';
import { TCP_HDR_LEN, TCP_MAXOLEN, TH_ACK, TH_ECE, TH_RST, TH_SYN, TOF_MSS, TOF_SACKPERM, TOF_SCALE, TOF_TS, tcpEmit } from '../wire/tcp.js';
import { In6Pcb } from '../transport/in6-pcb.js';
import { SR_SYN } from './sendmap.js';
import { tcpClose, tcpSetState } from './tcp-close.js';
import { ecnAgree, ecnTakesSyn } from './tcp-ecn.js';
import { tcpInput } from './tcp-input.js';
import { TcpEnds, tcpIpSend } from './tcp-ip.js';
import { tcpOfferedMssTo, tcpSetMaxseg } from './tcp-mss.js';
import { tcpReset } from './tcp-respond.js';
import type { Segment } from './tcp-segment.js';
import { TCPS_SYN_RECEIVED } from './tcp-state.js';
import { tcpWscaleAsked } from './tcp-window.js';
import { TF_NODELAY, TF_NOOPT, TF_NOPUSH, TF_SACK, TF_SYNACKED, TF_TS, TF_WSCALE, TcpCb } from './tcpcb.js';
import type { Tcp } from './tcp.js';

const REXMT_MAX = 3;

class SyncacheEntry extends TcpEnds {
  readonly listener: TcpCb;
  key = '';
  iss = 0;
  irs = 0;
  peerMss = 0;
  sndScale = -1;
  sack = false;
  ecn = false;
  ts = false;
  tsRecent = 0;
  tsOffset = 0;
  win = 0;
  sends = 0;
  readonly callout: Callout;

  constructor(listener: TcpCb, expire: (e: SyncacheEntry) => void) {
    super();
    this.listener = listener;
    this.callout = new Callout(listener.tcp.kern, () => expire(this));
  }
}

function keyOf(e: TcpEnds): string {
  return e.isV6 ? `${e.f0},${e.f1},${e.f2},${e.f3},${e.l0},${e.l1},${e.l2},${e.l3},${e.fport},${e.lport}` : `${e.faddr},${e.laddr},${e.fport},${e.lport}`;
}

export class TcpSyncache {
  cachelimit = 15_375;
  private readonly tcp: Tcp;
  private readonly entries = new Map<string, SyncacheEntry>();

  constructor(tcp: Tcp) {
    this.tcp = tcp;
  }

  get count(): number {
    return this.entries.size;
  }

  /** A segment for the listener `tp`. Owns `seg.m`. */
  input(tp: TcpCb, seg: Segment): void {
    const { ends, stats } = this.tcp;
    ends.ofSegment(seg);
    const entry = this.entries.get(keyOf(ends)) ?? null;
    if (seg.has(TH_RST)) {
      if (entry !== null && seg.seq === ((entry.irs + 1) | 0)) {
        stats.sc_reset++;
        this.drop(entry);
      }
    } else if (seg.has(TH_ACK)) {
      if (entry !== null && seg.ack === ((entry.iss + 1) | 0) && !seg.has(TH_SYN)) {
        this.expand(entry, seg);
        return;
      }
      if (entry !== null) stats.sc_badack++;
      tcpReset(this.tcp, seg);
    } else if (seg.has(TH_SYN)) {
      if (entry !== null) this.again(entry, seg);
      else this.add(tp, seg);
    }
    seg.m.free();
  }

  private again(e: SyncacheEntry, seg: Segment): void {
    this.tcp.stats.sc_dupsyn++;
    e.tsRecent = seg.opts.tsval | 0;
    this.send(e);
  }

  private add(tp: TcpCb, seg: Segment): void {
    const { stats, tun } = this.tcp;
    if (tp.user === null || !tp.user.tcpMayAccept()) {
      stats.listendrop++;
      return;
    }
    if (this.entries.size >= this.cachelimit) {
      stats.sc_cacheoverflow++;
      for (const old of this.entries.values()) {
        this.drop(old);
        break;
      }
    }
    const { opts } = seg;
    const plain = (tp.flags & TF_NOOPT) !== 0;
    const e = new SyncacheEntry(tp, (x) => this.expire(x));
    e.ofSegment(seg);
    e.key = keyOf(e);
    e.fib = tp.inp.fib;
    e.ttl = tp.isV6 ? (tp.in6p?.hops ?? -1) : tp.inp.ttl;
    e.tos = tp.inp.tos;
    e.iss = this.tcp.newIss(e);
    e.irs = seg.seq;
    e.win = seg.win;
    e.peerMss = (opts.flags & TOF_MSS) !== 0 ? opts.mss : 0;
    if (!plain && tun.rfc1323 !== 0 && (opts.flags & TOF_SCALE) !== 0) e.sndScale = opts.wscale;
    e.sack = !plain && tun.sack !== 0 && (opts.flags & TOF_SACKPERM) !== 0;
    e.ecn = ecnTakesSyn(tun.ecn, seg.flags);
    e.ts = !plain && tun.rfc1323 !== 0 && (opts.flags & TOF_TS) !== 0;
    e.tsRecent = opts.tsval | 0;
    e.tsOffset = this.tcp.newTsOffset(e);
    this.entries.set(e.key, e);
    stats.sc_added++;
    this.send(e);
  }

  /** Sends the SYN|ACK, and again after a second, two, four. */
  private send(e: SyncacheEntry): void {
    const { tcp } = this;
    const { engine } = tcp.kern;
    const m = engine.pool.alloc(TCP_HDR_LEN + TCP_MAXOLEN, HEADROOM);
    engine.calloutReset(e.callout, tcp.tun.rexmitInitialMs * (US_PER_SEC / 1_000) * (1 << e.sends));
    e.sends++;
    if (m === null) return;
    const o = tcp.out;
    o.clear();
    o.mss = tcpOfferedMssTo(tcp, e);
    if (e.sndScale >= 0) o.wscale = tcpWscaleAsked(tcp.tun, e.listener.rcv.hiwat);
    o.sackPermitted = e.sack;
    if (e.ts) {
      o.ts = true;
      o.tsval = (Math.floor(engine.now / 1_000) + e.tsOffset) >>> 0;
      o.tsecr = e.tsRecent >>> 0;
    }
    const olen = tcpPackOptions(m.view, m.off + TCP_HDR_LEN, o);
    m.len = TCP_HDR_LEN + olen;
    tcpEmit(m.view, m.off, e.lport, e.fport, e.iss, (e.irs + 1) | 0, m.len, TH_SYN | TH_ACK | (e.ecn ? TH_ECE : 0), Math.min(e.listener.rcv.hiwat, 65_535), 0);
    tcp.stats.sndtotal++;
    tcp.stats.sndctrl++;
    tcpIpSend(tcp, e, m);
  }

  private expire(e: SyncacheEntry): void {
    if (e.sends > REXMT_MAX) {
      this.tcp.stats.sc_stale++;
      this.drop(e);
      return;
    }
    this.tcp.stats.sc_retransmitted++;
    this.send(e);
  }

  private drop(e: SyncacheEntry): void {
    this.entries.delete(e.key);
    this.tcp.kern.engine.calloutStop(e.callout);
  }

  /** The handshake is complete: makes the connection and gives it the segment. Owns `seg.m`. */
  private expand(e: SyncacheEntry, seg: Segment): void {
    const { tcp } = this;
    this.drop(e);
    const { listener } = e;
    const tp = this.makeTcpCb(e);
    if (tp === null) {
      tcp.stats.sc_aborted++;
      tcpReset(tcp, seg);
      seg.m.free();
      return;
    }
    tp.inInput = true;
    const user = listener.user?.tcpAccept(tp) ?? null;
    if (user === null) {
      tcp.stats.listendrop++;
      tcp.stats.sc_aborted++;
      tcpReset(tcp, seg);
      seg.m.free();
      tcpClose(tp, 0);
      return;
    }
    tp.user = user;
    tcp.stats.sc_completed++;
    tcp.stats.accepts++;
    tcpInput(tp, seg);
  }

  private makeTcpCb(e: SyncacheEntry): TcpCb | null {
    const { tcp } = this;
    const l = e.listener;
    const tp = new TcpCb(tcp, null);
    if (!this.attach(e, tp)) return null;
    tp.flags |= (l.flags & (TF_NODELAY | TF_NOPUSH | TF_NOOPT)) | TF_SYNACKED;
    tp.snd.hiwat = l.snd.hiwat;
    tp.snd.lowat = l.snd.lowat;
    tp.rcv.hiwat = l.rcv.hiwat;
    tp.soKeepalive = l.soKeepalive;
    tp.keepidleUs = l.keepidleUs;
    tp.keepintvlUs = l.keepintvlUs;
    tp.keepcnt = l.keepcnt;
    tp.userTimeoutUs = l.userTimeoutUs;
    tp.iss = e.iss;
    tp.sndUna = tp.sndNxt = tp.sndUp = (e.iss + 1) | 0;
    tp.recover = e.iss;
    tp.irs = e.irs;
    tp.rcvNxt = tp.rcvUp = tp.lastAckSent = (e.irs + 1) | 0;
    tp.rcvAdv = (tp.rcvNxt + Math.min(l.rcv.hiwat, 65_535)) | 0;
    tp.sndWnd = tp.maxSndWnd = e.win;
    if (e.sndScale >= 0) {
      tp.flags |= TF_WSCALE;
      tp.sndScale = e.sndScale;
      tp.rcvScale = tcpWscaleAsked(tcp.tun, l.rcv.hiwat);
    }
    if (e.sack) tp.flags |= TF_SACK;
    if (e.ecn) ecnAgree(tp);
    if (e.ts) {
      tp.flags |= TF_TS;
      tp.tsRecent = e.tsRecent;
      tp.tsRecentAgeUs = tp.nowUs;
      tp.tsOffset = e.tsOffset;
    }
    tcpSetMaxseg(tp, e.peerMss);
    tcp.begin(tp);
    // The acknowledgement is still to be looked at: it acknowledges nothing but the SYN.
    tp.sndUna = e.iss;
    tp.flags &= ~TF_SYNACKED;
    tp.map.append(e.iss, tp.sndNxt, SR_SYN, tp.nowUs);
    tcpSetState(tp, TCPS_SYN_RECEIVED);
    return tp;
  }

  /** Gives `tp` its ends; false when they are taken. */
  private attach(e: SyncacheEntry, tp: TcpCb): boolean {
    const { tcp } = this;
    const l = e.listener.inp;
    const in6 = l instanceof In6Pcb;
    const inp = in6 ? tcp.attachPcb6(tp, l.fib) : tcp.attachPcb4(tp, l.fib);
    inp.ttl = l.ttl;
    inp.tos = l.tos;
    inp.pcp = l.pcp;
    inp.dontRoute = l.dontRoute;
    inp.lport = e.lport;
    if (inp instanceof In6Pcb) {
      inp.v6only = (l as In6Pcb).v6only;
      inp.hops = (l as In6Pcb).hops;
      inp.tclass = (l as In6Pcb).tclass;
    }
    const error = !(inp instanceof In6Pcb)
      ? tcp.pcbs.connect(inp, e.laddr, e.faddr, e.fport)
      : e.isV6
        ? tcp.pcbs6.connect(inp, ip6OfWords(e.l0, e.l1, e.l2, e.l3), ip6OfWords(e.f0, e.f1, e.f2, e.f3), e.fport)
        : tcp.pcbs6.connectMapped(inp, e.laddr, e.faddr, e.fport);
    if (error === 0) return true;
    inp.lport = 0;
    tcp.detachPcb(tp);
    return false;
  }

  /** The listener is gone. */
  forget(listener: TcpCb): void {
    for (const e of [...this.entries.values()]) if (e.listener === listener) this.drop(e);
  }

  clear(): void {
    for (const e of [...this.entries.values()]) this.drop(e);
  }
}

