/**
 * tcp-syncache.ts — connections that a peer has begun and that are not complete: SYN received, SYN|ACK sent.
 * Read first: RFC 9293 §3.10.7.2, §3.10.7.4 (SYN-RECEIVED); RFC 4987; syncache(4); freebsd `sys/netinet/tcp_syncache.c`.
 *
 *     SYN ──▶ add ──▶ table, at most `cachelimit`, `bucketlimit` in a bucket ──▶ SYN|ACK ◀── timer: again after 1, 2, 4 s; gone after 8
 *              └────▶ no table: the SYN|ACK's number is a cookie (tcp-syncookie.ts)
 *     ACK ──▶ ack ──▶ the entry, or what the cookie says ──▶ tcp-accept.ts makes the connection
 *     RST ──▶ rst     SYN|ACK ──▶ badack     ICMP error ──▶ unreach
 *
 * Theory of operation. A SYN for a listener makes an entry of some 90 bytes, not a connection, and is answered from it. Every SYN|ACK's number is a cookie, so
 * an entry can be lost without harm: when a bucket is full, all entries go, and nothing more is kept for 15 seconds (syncache-flood.ts). Cookies are believed for that
 * time and the life of a cookie after it, and no longer: otherwise anybody could try to guess one at any time. Entries know nothing of their listener. It is looked up with each segment, and when it has gone, so has the connection.
 *
 * One Callout serves all: the table says what is due first. Nothing here is allocated before the first SYN.
 * A segment that does not fit leaves its entry where it is (RFC 9293; FreeBSD removes it when the ACK is wrong).
 * Invariants: the Callout is armed while there are entries; `states[SYN_RECEIVED]` counts them as connections.
 *
 * @rfc 9293 3.10.7.2 yes
 * @rfc 4987 3.3 yes
 * @rfc 4987 3.4 yes
 */
import { seqGt, seqLeq } from '../base/seqnum.js';
import type { Micros } from '../base/time.js';
import { US_PER_MS, US_PER_SEC } from '../base/time.js';
import { BANDLIM_RST_OPENPORT } from '../inet/icmp-bandlim.js';
import { Callout } from '../kern/callout.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { TH_ACK, TH_RST, TH_SYN, TOF_FASTOPEN, TOF_MSS, TOF_SACKPERM, TOF_SCALE, TOF_SIGNATURE, TOF_TS } from '../wire/tcp.js';
import { SCF_ECN, SCF_TIMESTAMP, SCF_UNREACH, SC_NONE, SyncacheTable } from './syncache-table.js';
import { HalfOpen } from './half-open.js';
import { SyncacheFlood } from './syncache-flood.js';
import { tcpMakePassive } from './tcp-accept.js';
import { tcpSynAck } from './tcp-synack.js';
import { ecnTakesSyn } from './tcp-ecn.js';
import { TcpEnds } from './tcp-ends.js';
import { TFO_VALID } from './tcp-fastopen.js';
import { tcpInput } from './tcp-input.js';
import { tcpReset } from './tcp-respond.js';
import { tcpFastopenInput } from './tcp-input-syn-data.js';
import type { Segment } from './tcp-segment.js';
import { TCPS_SYN_RECEIVED } from './tcp-state.js';
import { SyncookieFacts, Syncookies } from './tcp-syncookie.js';
import { TCPTV_REXMTMAX, TCP_BACKOFF, TCP_MAXRXTSHIFT } from './tcp-timer.js';
import { tcpWscaleAsked } from './tcp-window.js';
import { TF_FASTOPEN, TF_NOOPT, TF_SIGNATURE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import type { Tcp } from './tcp.js';

const HASHSIZE = 512;
const DEFAULT_BUCKETLIMIT = 30;
const MAXREXMTS = 3;
const WIN_MAX = 65_535;
/** Challenge ACKs a second for half-open connections, which have no count of their own. */
const CHALLENGE_PPS = 1_000;

/** What is made with the first SYN. */
interface SyncacheParts {
  readonly table: SyncacheTable;
  readonly cookies: Syncookies;
  readonly facts: SyncookieFacts;
  readonly sc: HalfOpen;
  readonly callout: Callout;
}

export class TcpSyncache {
  syncookies = 1;
  syncookiesOnly = 0;
  bucketlimit = DEFAULT_BUCKETLIMIT;
  cachelimit = HASHSIZE * DEFAULT_BUCKETLIMIT;
  rexmtlimit = MAXREXMTS;
  rstOnSockFail = 1;
  private readonly flood = new SyncacheFlood();
  private readonly tcp: Tcp;
  private made: SyncacheParts | null = null;

  constructor(tcp: Tcp) {
    this.tcp = tcp;
    tcp.kern.sysctl.attach(SYNCACHE_SYSCTLS, this);
    tcp.kern.sysctl.attach(SYNCOOKIE_SYSCTLS, this);
  }

  destroy(): void {
    this.clear();
    this.tcp.kern.sysctl.detach(this);
  }

  get count(): number {
    return this.made?.table.count ?? 0;
  }

  /** Bytes of the table of entries. */
  get bytes(): number {
    return this.made?.table.bytes ?? 0;
  }

  /** Calls `told` with the ends of every half-open connection; they are good until it returns. */
  each(told: (inc: TcpEnds) => void): void {
    const table = this.made?.table;
    const inc = new TcpEnds();
    table?.each((e) => {
      table.endsOf(e, inc);
      told(inc);
    });
  }

  private get parts(): SyncacheParts {
    if (this.made !== null) return this.made;
    const { kern } = this.tcp;
    const rng = kern.engine.rng.split(`syncache/${kern.id}/${kern.name}`);
    this.made = {
      table: new SyncacheTable(HASHSIZE, rng), cookies: new Syncookies(rng), facts: new SyncookieFacts(), sc: new HalfOpen(), callout: new Callout(kern, () => this.timer()),
    };
    return this.made;
  }

  /** A segment for the listener `tp`. Owns `seg.m`. */
  input(tp: TcpCb, seg: Segment): void {
    const { stats } = this.tcp;
    if (seg.has(TH_RST)) this.rst(seg);
    else if (seg.has(TH_ACK) && !seg.has(TH_SYN)) return this.ack(tp, seg);
    else if (seg.has(TH_ACK)) this.badack(seg);
    else if (!seg.has(TH_SYN)) stats.badsyn++;
    else if (this.add(tp, seg)) return;
    seg.m.free();
  }

  // ---- SYN

  /** True: `seg.m` has been taken, by a connection. */
  private add(tp: TcpCb, seg: Segment): boolean {
    const { tcp } = this;
    const { sc, table } = this.parts;
    sc.ofSegment(seg);
    if (isSelf(sc)) {
      tcp.stats.badsyn++;
      return false;
    }
    if (!this.signatureOk(tp, seg, sc)) return false;
    const bucket = table.bucketOf(sc);
    const e = this.cookiesOnly ? SC_NONE : table.find(bucket, sc);
    if (e !== SC_NONE) {
      this.again(e, seg);
      return false;
    }
    this.learn(tp, seg, sc);
    const tfo = this.fastopen(tp, seg, sc);
    if (tfo === TFO_VALID && this.openAtOnce(tp, seg, sc)) return true;
    if (tcpSynAck(tcp, sc, TH_SYN | TH_ACK, tfo >= 0) !== 0) {
      tcp.stats.sc_dropped++;
      return false;
    }
    if (!this.cookiesOnly) this.insert(bucket, sc);
    return false;
  }

  /** What the SYN says, and what will be answered. */
  private learn(tp: TcpCb, seg: Segment, sc: HalfOpen): void {
    const { tcp } = this;
    const { tun } = tcp;
    const { opts } = seg;
    const { now } = tcp.kern.engine;
    const rfc1323 = tun.rfc1323 !== 0 && (tp.flags & TF_NOOPT) === 0;
    sc.fib = tp.inp.fib;
    sc.noopt = (tp.flags & TF_NOOPT) !== 0;
    sc.irs = seg.seq;
    sc.ts = rfc1323 && (opts.flags & TOF_TS) !== 0;
    sc.tsRecent = sc.ts ? opts.tsval | 0 : 0;
    sc.sndScale = rfc1323 && (opts.flags & TOF_SCALE) !== 0 ? opts.wscale : -1;
    sc.sack = !sc.noopt && tun.sack !== 0 && (opts.flags & TOF_SACKPERM) !== 0;
    sc.ecn = ecnTakesSyn(tun.ecn, seg.flags);
    sc.peerMss = (opts.flags & TOF_MSS) !== 0 ? opts.mss : 0;
    sc.tries = 0;
    this.ofListener(tp, sc);
    const mss = sc.peerMss !== 0 ? sc.peerMss : sc.isV6 ? tun.v6mssdflt : tun.mssdflt;
    if (this.syncookies === 0) {
      sc.iss = tcp.newIss(sc);
      return;
    }
    sc.iss = this.parts.cookies.make(now, sc, sc.irs, mss, sc.sndScale, sc.sack);
    tcp.stats.sc_sendcookie++;
  }

  /** What the listener's socket says. */
  private ofListener(tp: TcpCb, sc: HalfOpen): void {
    sc.ttl = sc.isV6 ? (tp.in6p?.hops ?? -1) : tp.inp.ttl;
    sc.tos = sc.isV6 ? Math.max(tp.in6p?.tclass ?? 0, 0) : tp.inp.tos;
    sc.wnd = Math.min(tp.rcv.hiwat, WIN_MAX);
    sc.rcvScale = tcpWscaleAsked(this.tcp.tun, tp.rcv.hiwat);
  }

  /** The peer says its SYN again: so do we, and begin to count anew. */
  private again(e: number, seg: Segment): void {
    const { tcp } = this;
    const { table, sc } = this.parts;
    tcp.stats.sc_dupsyn++;
    const flags = table.flags(e);
    if ((flags & SCF_ECN) !== 0 && !ecnTakesSyn(tcp.tun.ecn, seg.flags)) table.setFlags(e, flags & ~SCF_ECN);
    if ((flags & SCF_TIMESTAMP) !== 0 && (seg.opts.flags & TOF_TS) !== 0) table.setTsReflect(e, seg.opts.tsval | 0);
    else table.setFlags(e, table.flags(e) & ~SCF_TIMESTAMP);
    this.debug(sc, 'Received duplicate SYN, resetting timer and retransmitting SYN|ACK');
    table.load(e, sc, this.tcp.kern.engine.now);
    if (tcpSynAck(this.tcp, sc, TH_SYN | TH_ACK) === 0) this.wait(e, 0);
  }

  /** Keeps `sc`. The oldest of a bucket that is full goes, and a flood is assumed. */
  private insert(bucket: number, sc: HalfOpen): void {
    const { table } = this.parts;
    const { stats, states } = this.tcp;
    if (table.count >= this.cachelimit) {
      stats.sc_zonefail++;
      this.overflow(sc, table.oldestOf(bucket));
      if (this.cookiesOnly || table.count >= this.cachelimit) return;
    }
    if (table.lengthOf(bucket) >= this.bucketlimit) {
      this.overflow(sc, table.oldestOf(bucket));
      if (this.cookiesOnly) return;
    }
    const e = table.insert(bucket, sc);
    table.store(e, sc);
    stats.sc_added++;
    states[TCPS_SYN_RECEIVED]!++;
    this.wait(e, 0);
  }

  private drop(e: number): void {
    this.parts.table.remove(e);
    this.tcp.states[TCPS_SYN_RECEIVED]!--;
  }

  // ---- Floods

  /** Nothing is kept at the moment: an administrator said so, or there is a flood. */
  get cookiesOnly(): boolean {
    return this.syncookies !== 0 && (this.syncookiesOnly !== 0 || this.flood.isOn(this.tcp.kern.engine.now));
  }

  /** There is no room: `oldest` gives way, or, with cookies, everything. */
  private overflow(sc: HalfOpen, oldest: number): void {
    const { kern, stats } = this.tcp;
    stats.sc_bucketoverflow++;
    if (this.syncookies === 0) {
      if (oldest !== SC_NONE) this.drop(oldest);
      return;
    }
    const seconds = this.flood.begin(kern.engine.now) / US_PER_SEC;
    kern.log('warning', `TCP syncache overflow detected; using syncookies for the next ${seconds} seconds (last SYN: ${sc.text()})`);
    this.clear();
  }

  // ---- ACK, RST, errors

  /** The acknowledgement that completes a handshake, perhaps. Owns `seg.m`. */
  private ack(tp: TcpCb, seg: Segment): void {
    const { tcp } = this;
    const { sc, table } = this.parts;
    sc.ofSegment(seg);
    const e = this.cookiesOnly ? SC_NONE : table.find(table.bucketOf(sc), sc);
    if (e !== SC_NONE) table.load(e, sc, this.tcp.kern.engine.now);
    else if (!this.ofCookie(tp, seg, sc)) return this.refuse(seg);
    if (!this.ackSigned(seg, sc) || !this.stampOk(seg, sc)) {
      seg.m.free();
      return;
    }
    if (seg.ack !== ((sc.iss + 1) | 0) || seqLeq(seg.seq, sc.irs) || seqGt(seg.seq, (sc.irs + sc.wnd) | 0)) {
      this.debug(sc, `SEQ ${seg.seq >>> 0} or ACK ${seg.ack >>> 0} unexpected, segment rejected`);
      return this.refuse(seg);
    }
    if (e !== SC_NONE) this.drop(e);
    const made = tcpMakePassive(tcp, tp, sc, true);
    if (made === null) {
      tcp.stats.sc_aborted++;
      this.debug(sc, 'Socket create failed due to limits or memory shortage');
      if (this.rstOnSockFail !== 0) return this.refuse(seg);
      seg.m.free();
      return;
    }
    tcp.stats.sc_completed++;
    tcpInput(made, seg);
  }

  private refuse(seg: Segment): void {
    tcpReset(this.tcp, seg, BANDLIM_RST_OPENPORT);
    seg.m.free();
  }

  /** Does the ACK bring a cookie of ours back, when cookies are believed? Then `sc` is what it says. */
  private ofCookie(tp: TcpCb, seg: Segment, sc: HalfOpen): boolean {
    const { tcp } = this;
    const { now } = tcp.kern.engine;
    const { cookies, facts } = this.parts;
    const believed = this.syncookies !== 0 && (this.syncookiesOnly !== 0 || this.flood.isRecent(now));
    if (!believed || !cookies.open(now, sc, (seg.seq - 1) | 0, (seg.ack - 1) | 0, facts)) {
      this.debug(sc, believed ? 'Segment failed SYNCOOKIE authentication, segment rejected (probably spoofed)' : 'Spurious ACK, segment rejected (no syncache entry)');
      return false;
    }
    sc.fib = tp.inp.fib;
    sc.irs = (seg.seq - 1) | 0;
    sc.iss = (seg.ack - 1) | 0;
    sc.peerMss = facts.mss;
    sc.sndScale = facts.wscale;
    sc.sack = facts.sack;
    sc.ts = (seg.opts.flags & TOF_TS) !== 0;
    sc.tsRecent = seg.opts.tsval | 0;
    sc.signature = (seg.opts.flags & TOF_SIGNATURE) !== 0;
    sc.noopt = false;
    sc.ecn = false;
    sc.tries = 0;
    sc.ageUs = 0;
    this.ofListener(tp, sc);
    tcp.stats.sc_recvcookie++;
    return true;
  }

  /** RFC 7323 §3.2, §5.3: timestamps that were agreed upon must be there, and must not be old. */
  private stampOk(seg: Segment, sc: HalfOpen): boolean {
    if (!sc.ts) return true;
    if ((seg.opts.flags & TOF_TS) === 0) {
      this.debug(sc, 'Timestamp missing, segment silently dropped');
      return false;
    }
    return (((seg.opts.tsval | 0) - sc.tsRecent) | 0) >= 0;
  }

  /** A reset: of our SYN|ACK, when its number is the next one; another one in the window is asked about (RFC 5961 §3.2). */
  private rst(seg: Segment): void {
    const { tcp } = this;
    const e = this.lookup(seg);
    if (e === SC_NONE) {
      if (!this.cookiesOnly) tcp.stats.badrst++;
      return;
    }
    const { sc, table } = this.parts;
    const next = (table.irs(e) + 1) | 0;
    if (seg.seq === next) {
      this.debug(sc, 'Our SYN|ACK was rejected, connection attempt aborted by remote endpoint');
      tcp.stats.sc_reset++;
      this.drop(e);
      return;
    }
    tcp.stats.badrst++;
    if (((seg.seq - next) | 0) < 0 || ((seg.seq - next) | 0) >= table.wnd(e)) return;
    table.load(e, sc, this.tcp.kern.engine.now);
    if (tcp.challenges.ok(tcp.kern.engine.now, CHALLENGE_PPS)) tcpSynAck(this.tcp, sc, TH_ACK);
  }

  /** A SYN|ACK where none can be: the peer's idea of the connection is not ours. */
  private badack(seg: Segment): void {
    const { stats } = this.tcp;
    const e = this.lookup(seg);
    stats.badsyn++;
    if (e !== SC_NONE) {
      stats.sc_badack++;
      this.drop(e);
    }
    tcpReset(this.tcp, seg, BANDLIM_RST_OPENPORT);
  }

  /** An ICMP error quoted a SYN|ACK `seq` between `inc`. One may be an accident; the second, when three SYN|ACKs were not answered, is believed. */
  unreach(inc: TcpEnds, seq: number): void {
    if (this.made === null || this.cookiesOnly) return;
    const { table } = this.parts;
    const e = table.find(table.bucketOf(inc), inc);
    if (e === SC_NONE || table.iss(e) !== seq) return;
    const flags = table.flags(e);
    if ((flags & SCF_UNREACH) === 0 || table.tries(e) < MAXREXMTS + 1) {
      table.setFlags(e, flags | SCF_UNREACH);
      return;
    }
    this.tcp.stats.sc_unreach++;
    this.drop(e);
  }

  private lookup(seg: Segment): number {
    if (this.cookiesOnly) return SC_NONE;
    const { sc, table } = this.parts;
    sc.ofSegment(seg);
    return table.find(table.bucketOf(sc), sc);
  }

  // ---- Signatures (RFC 2385)

  /** A SYN for a socket that wants signatures: signed, and right; or unsigned, from a peer without a key. */
  private signatureOk(tp: TcpCb, seg: Segment, sc: HalfOpen): boolean {
    const { md5, stats } = this.tcp;
    sc.signature = (seg.opts.flags & TOF_SIGNATURE) !== 0;
    if ((tp.flags & TF_SIGNATURE) !== 0 && !sc.signature) {
      if (!md5.hasKey(sc)) return true;
      stats.sig_err_nosigopt++;
      return false;
    }
    return md5.accepts((tp.flags & TF_SIGNATURE) !== 0, seg, sc);
  }

  /** The ACK must be signed when the SYN was, and only then. */
  private ackSigned(seg: Segment, sc: HalfOpen): boolean {
    return this.tcp.md5.accepts(sc.signature, seg, sc);
  }

  // ---- Fast Open (RFC 7413)

  /** TFO_VALID: the SYN's cookie is believed; TFO_SEND: one is to be sent; -1: neither. Half of the listen queue may be taken by such connections. */
  private fastopen(tp: TcpCb, seg: Segment, sc: HalfOpen): number {
    const { fastopen } = this.tcp;
    if (fastopen.serverEnable === 0 || (tp.flags & TF_FASTOPEN) === 0 || (seg.opts.flags & TOF_FASTOPEN) === 0) return -1;
    const verdict = fastopen.check(sc, seg.m.view, seg.opts.fastopenOff, seg.opts.fastopenLen);
    return verdict === TFO_VALID && tp.tfoPending > (tp.user?.tcpAcceptLimit ?? 0) >> 1 ? -1 : verdict;
  }

  /** The connection is there with its first segment, whose data the program gets. True: done, `seg.m` taken. */
  private openAtOnce(tp: TcpCb, seg: Segment, sc: HalfOpen): boolean {
    const { tcp } = this;
    const made = tcpMakePassive(tcp, tp, sc, false);
    if (made === null) {
      tcp.stats.sc_aborted++;
      return false;
    }
    tcp.stats.sc_completed++;
    tcpFastopenInput(made, tp, seg);
    return true;
  }

  // ---- The timer

  /** Entry `e` has been sent `tries` times before this one: when it is to be sent again. */
  private wait(e: number, tries: number): void {
    const { engine } = this.tcp.kern;
    const { table, callout } = this.parts;
    const us = Math.min(this.tcp.tun.rexmitInitialMs * US_PER_MS * TCP_BACKOFF[Math.min(tries, TCP_MAXRXTSHIFT)]!, TCPTV_REXMTMAX);
    table.setSentUs(e, engine.now | 0);
    table.requeue(e, tries + 1, Math.ceil((engine.now + us) / US_PER_MS) | 0);
    if (!callout.pending || callout.deadline > engine.now + us) this.rearm();
  }

  private rearm(): void {
    const { engine } = this.tcp.kern;
    const { table, callout } = this.parts;
    const e = table.first();
    if (e === SC_NONE) engine.calloutStop(callout);
    else engine.calloutReset(callout, Math.max(0, dueIn(table, e, engine.now)) * US_PER_MS);
  }

  /** What is due is sent again, or given up. */
  private timer(): void {
    const { tcp } = this;
    const { table, sc } = this.parts;
    for (let e = table.first(); e !== SC_NONE && dueIn(table, e, tcp.kern.engine.now) <= 0; e = table.first()) {
      table.load(e, sc, this.tcp.kern.engine.now);
      if (sc.tries > this.rexmtlimit) {
        this.debug(sc, 'Retransmits exhausted, giving up and removing syncache entry');
        tcp.stats.sc_stale++;
        this.drop(e);
        continue;
      }
      this.debug(sc, `Response timeout, retransmitting (${sc.tries}) SYN|ACK`);
      tcp.stats.sc_retransmitted++;
      // Something on the way may eat it.
      if (sc.tries > tcp.tun.ecnMaxretries) sc.ecn = false;
      this.wait(e, sc.tries);
      tcpSynAck(this.tcp, sc, TH_SYN | TH_ACK);
    }
    this.rearm();
  }

  clear(): void {
    if (this.made === null) return;
    this.made.table.each((e) => this.drop(e));
    this.tcp.kern.engine.calloutStop(this.made.callout);
  }

  private debug(sc: TcpEnds, text: string): void {
    if (this.tcp.tun.logDebug !== 0) this.tcp.kern.log('debug', `${sc.text()}; ${text}`);
  }
}

const SYNCACHE_SYSCTLS: SysctlGroup<TcpSyncache> = {
  prefix: 'net.inet.tcp.syncache',
  oids: [
    sysctlInt('bucketlimit', 'bucketlimit', 'entries', 1, 32_767, 'Per-bucket hash limit for syncache'),
    sysctlInt('cachelimit', 'cachelimit', 'entries', 1, 10_000_000, 'Overall entry limit for syncache'),
    sysctlRead('count', 'int', 'entries', 'Current number of entries in syncache', (s) => s.count),
    sysctlRead('hashsize', 'int', 'buckets', 'Size of TCP syncache hashtable', () => HASHSIZE),
    sysctlInt('rexmtlimit', 'rexmtlimit', 'retries', 0, TCP_MAXRXTSHIFT, 'Limit on SYN/ACK retransmissions'),
    sysctlInt('rst_on_sock_fail', 'rstOnSockFail', 'bool', 0, 1, 'Send reset on socket allocation failure'),
  ],
};

const SYNCOOKIE_SYSCTLS: SysctlGroup<TcpSyncache> = {
  prefix: 'net.inet.tcp',
  oids: [
    sysctlInt('syncookies', 'syncookies', 'bool', 0, 1, 'Use TCP SYN cookies if the syncache overflows'),
    sysctlInt('syncookies_only', 'syncookiesOnly', 'bool', 0, 1, 'Use only TCP SYN cookies'),
  ],
};

/** Milliseconds until `e` is due. */
const dueIn = (table: SyncacheTable, e: number, now: Micros): number => (table.dueMs(e) - (Math.floor(now / US_PER_MS) | 0)) | 0;

/** A SYN from the very end it goes to. */
const isSelf = (sc: TcpEnds): boolean =>
  sc.fport === sc.lport && sc.f3 === sc.l3 && sc.f2 === sc.l2 && sc.f1 === sc.l1 && sc.f0 === sc.l0;
