/**
 * tcp-options.ts — which options a segment of a connection carries.
 * Read first: RFC 7323 §3; RFC 2018 §4; RFC 6691; wire/tcp-options.ts, which packs them.
 *
 * @rfc 7323 3.2 yes
 * @rfc 6691 2 yes
 */
import type { Micros } from '../base/time.js';
import { US_PER_MS } from '../base/time.js';
import type { TcpOptionsOut } from '../wire/tcp-options.js';
import { TCP_MAX_SACK } from '../wire/tcp-options.js';
import { tcpFastopenOption } from './tcp-syn-data.js';
import { TF_NOOPT, TF_SACK, TF_TS, TF_WSCALE } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import { tcpUtoOption } from './tcp-uto.js';
import { tcpWscaleAsked } from './tcp-window.js';
import { tcpOfferedMss } from './tcp-mss.js';

/** The clock of timestamps: milliseconds, from a point that differs for each connection. */
export const tcpTsNow = (tp: TcpCb): number => tcpTsAt(tp, tp.nowUs);

/** What it was at `us`. */
export const tcpTsAt = (tp: TcpCb, us: Micros): number => (Math.floor(us / US_PER_MS) + tp.tsOffset) >>> 0;

/** Puts timestamps in, when the connection has them. */
export function tcpTimestamps(tp: TcpCb, o: TcpOptionsOut): void {
  if ((tp.flags & TF_TS) === 0) return;
  o.ts = true;
  o.tsval = tcpTsNow(tp);
  o.tsecr = tp.tsRecent >>> 0;
}

/** Options of our SYN, or of a SYN that crossed the peer's. */
export function tcpSynOptions(tp: TcpCb, o: TcpOptionsOut, isAnswer: boolean): void {
  if ((tp.flags & TF_NOOPT) !== 0) return;
  const { tun } = tp.tcp;
  o.mss = tcpOfferedMss(tp);
  if (tun.rfc1323 !== 0 && (!isAnswer || (tp.flags & TF_WSCALE) !== 0)) o.wscale = tcpWscaleAsked(tun, tp.rcv.hiwat);
  if (tun.sack !== 0 && (!isAnswer || (tp.flags & TF_SACK) !== 0)) o.sackPermitted = true;
  if (tun.rfc1323 !== 0 && (!isAnswer || (tp.flags & TF_TS) !== 0)) {
    o.ts = true;
    o.tsval = tcpTsNow(tp);
    o.tsecr = isAnswer ? tp.tsRecent >>> 0 : 0;
  }
  if (!isAnswer) tcpFastopenOption(tp, o);
  tcpUtoOption(tp, o);
}

/** Is there anything to tell by SACK, for a peer that takes it? */
export const tcpHasSackBlocks = (tp: TcpCb): boolean => (tp.flags & TF_SACK) !== 0 && (tp.dsackStart !== tp.dsackEnd || (tp.reass !== null && tp.reass.count > 0));

/** Blocks of what has come out of order, a duplicate first. */
export function tcpSackBlocks(tp: TcpCb, o: TcpOptionsOut): void {
  if ((tp.flags & TF_SACK) === 0) return;
  let n = 0;
  if (tp.dsackStart !== tp.dsackEnd) {
    o.sacks[0] = tp.dsackStart;
    o.sacks[1] = tp.dsackEnd;
    tp.dsackStart = tp.dsackEnd = 0;
    n = 1;
  }
  if (tp.reass !== null && tp.reass.count > 0) n += tp.reass.blocks(o.sacks, 2 * n, TCP_MAX_SACK - n);
  o.nsacks = n;
  if (n > 0) tp.tcp.stats.sack_send_blocks++;
}
