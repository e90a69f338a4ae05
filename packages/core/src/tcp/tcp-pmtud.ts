/**
 * tcp-pmtud.ts — the path takes less than was sent: told by ICMP, or guessed from silence.
 * Read first: RFC 1191 §3, §7.1 (plateaus); RFC 8201 §5.4; RFC 5927 §7 (what a forger can do); RFC 4821 §7.7; freebsd `tcp_subr.c` (tcp_mtudisc),
 * `tcp_timer.c` (black hole detection).
 *
 * Theory of operation. An ICMP message counts when it quotes a segment that is in flight and an MTU below what is used (Tcp.icmpError checks the first). The MTU is
 * remembered for the peer, in the hostcache for IPv4 and by IPv6 itself (ip6-pmtu.ts); segments become shorter; and all that is in flight goes
 * again at once. That is no sign of congestion, so cwnd stays.
 *
 * A router may drop what is too big and say nothing. After two timeouts of a segment longer than the next candidate, with
 * `pmtud_blackhole_detection`, segments become `pmtud_blackhole_mss` long; after two more `mssdflt`, and fragments are allowed; when that does not help either, the
 * size was not to blame, and is what it was.
 *
 * @rfc 1191 6 yes
 * @rfc 5927 7.2 partial "no delay until the segment is retransmitted in vain"
 * @rfc 4821 7.7 partial "two fixed sizes, as in FreeBSD; no search"
 */
import { IP4_HDR_LEN } from '../wire/ip4.js';
import { TCP_HDR_LEN } from '../wire/tcp.js';
import { tcpFitMaxseg, tcpInitialCwnd, tcpOlen } from './tcp-mss.js';
import { tcpOutput } from './tcp-output.js';
import { TF_BLACKHOLE, TF_NODF } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';

/** RFC 1191 §7.1: sizes that links have, for routers that do not say theirs. */
const PLATEAUS = [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_280, 1_006, 508, 296, 68];

const HDRS4 = IP4_HDR_LEN + TCP_HDR_LEN;

/** The MTU an IPv4 router means that said `told` (0: nothing) about a packet of `len` bytes; never below what `minmss` needs. */
export function tcpNextPmtu(told: number, len: number, minmss: number): number {
  const mtu = told !== 0 ? told : PLATEAUS.find((p) => p < len) ?? PLATEAUS[PLATEAUS.length - 1]!;
  return Math.max(mtu, minmss + HDRS4);
}

/** A segment of `tp` in flight was larger than `mtu`, says a router. */
export function tcpMtudisc(tp: TcpCb, mtu: number): void {
  const { tcp } = tp;
  const was = tp.maxseg;
  if (!tp.isV6) {
    const fit = mtu - HDRS4 - tcpOlen(tp);
    if (fit >= was) return;
    tcp.hostcache.updateMtu(tcp.endsOf(tp), mtu);
    tcpFitMaxseg(tp);
    // There may be no hostcache.
    tp.maxseg = Math.max(Math.min(tp.maxseg, fit), 1);
  } else {
    tcpFitMaxseg(tp);
    tp.maxseg = Math.min(tp.maxseg, was);
  }
  if (tp.maxseg === was || !tp.isSynchronized) return;
  tcp.stats.mturesent++;
  tp.map.markAllLost(false);
  tp.rec.dupackBytes = 0;
  tcpOutput(tp);
}

/** The retransmission timer has fired `tp.rxtshift` times: is it the size? */
export function tcpBlackholeRexmt(tp: TcpCb): void {
  const { tun } = tp.tcp;
  const mode = tun.pmtudBlackholeDetection;
  const on = mode === 1 || (mode === 2 && !tp.isV6) || (mode === 3 && tp.isV6);
  if (!on || !tp.isSynchronized) return;
  const small = tp.isV6 ? tun.v6mssdflt : tun.mssdflt;
  const middle = tp.isV6 ? tun.v6pmtudBlackholeMss : tun.pmtudBlackholeMss;
  const next = tp.maxseg > middle && middle > small ? middle : small;
  const stuck = tp.map.head;
  // After the sixth timeout it is suspected again: the path may have been down before, and be narrow now.
  if (tp.rxtshift >= 2 && tp.rxtshift % 2 === 0 && tp.maxseg > next && stuck !== null && stuck.length > next) shrink(tp, next, next === small);
  else if ((tp.flags & TF_BLACKHOLE) !== 0 && tp.maxseg <= small && tp.rxtshift % 2 === 0) giveUp(tp);
}

function shrink(tp: TcpCb, mss: number, last: boolean): void {
  const { stats } = tp.tcp;
  if ((tp.flags & TF_BLACKHOLE) === 0) {
    tp.flags |= TF_BLACKHOLE;
    tp.blackholeSavedMaxseg = tp.maxseg;
  }
  tp.maxseg = mss;
  if (last) {
    tp.flags |= TF_NODF;
    stats.pmtud_blackhole_activated_min_mss++;
  } else {
    stats.pmtud_blackhole_activated++;
  }
  tcpInitialCwnd(tp);
}

/** Smaller segments do not get through either. */
function giveUp(tp: TcpCb): void {
  tp.flags &= ~(TF_BLACKHOLE | TF_NODF);
  tp.maxseg = tp.blackholeSavedMaxseg;
  tp.tcp.stats.pmtud_blackhole_failed++;
  tcpInitialCwnd(tp);
}
