/**
 * tcp-synack.ts — what is sent for a connection that is half open: the SYN|ACK, and the ACK that asks about a doubtful reset.
 * Read first: RFC 9293 §3.5; freebsd `sys/netinet/tcp_syncache.c` (syncache_respond).
 */
import type { Errno } from '../base/errno.js';
import { US_PER_MS } from '../base/time.js';
import { HEADROOM } from '../mbuf/packet-buffer.js';
import { tcpPackOptions } from '../wire/tcp-options.js';
import type { TcpOptionsOut } from '../wire/tcp-options.js';
import { TCP_HDR_LEN, TCP_MAXOLEN, TH_ECE, TH_SYN, tcpEmit } from '../wire/tcp.js';
import type { HalfOpen } from './half-open.js';
import { TCP_FASTOPEN_COOKIE_LEN } from './tcp-fastopen.js';
import { tcpIpSend } from './tcp-ip.js';
import { tcpOfferedMssTo } from './tcp-mss.js';
import type { Tcp } from './tcp.js';

/** Sends a SYN|ACK, or an ACK, of `sc`. `cookie`: the Fast Open cookie goes with it. What IP answers; 0 without a packet, or a key for its signature. */
export function tcpSynAck(tcp: Tcp, sc: HalfOpen, flags: number, cookie = false): Errno {
  const m = tcp.kern.engine.pool.alloc(TCP_HDR_LEN + TCP_MAXOLEN, HEADROOM);
  if (m === null) return 0;
  const { out, stats } = tcp;
  const isSyn = (flags & TH_SYN) !== 0;
  options(tcp, sc, out, isSyn, cookie);
  m.len = TCP_HDR_LEN + tcpPackOptions(m.view, m.off + TCP_HDR_LEN, out);
  const ece = isSyn && sc.ecn ? TH_ECE : 0;
  tcpEmit(m.view, m.off, sc.lport, sc.fport, isSyn ? sc.iss : (sc.iss + 1) | 0, (sc.irs + 1) | 0, m.len, flags | ece, sc.wnd, 0);
  if (out.signature && !tcp.md5.sign(m.view, m.off, m.len, m.off + TCP_HDR_LEN + out.signatureAt, sc)) {
    m.free();
    return 0;
  }
  stats.sndacks++;
  stats.sndtotal++;
  return tcpIpSend(tcp, sc, m);
}

function options(tcp: Tcp, sc: HalfOpen, out: TcpOptionsOut, isSyn: boolean, cookie: boolean): void {
  out.clear();
  if (sc.noopt) return;
  if (isSyn) {
    out.mss = tcpOfferedMssTo(tcp, sc);
    if (sc.sndScale >= 0) out.wscale = sc.rcvScale;
    out.sackPermitted = sc.sack;
  }
  if (cookie) {
    out.fastopenLen = TCP_FASTOPEN_COOKIE_LEN;
    out.fastopenCookie.set(tcp.fastopen.latest);
  }
  if (sc.ts) {
    out.ts = true;
    out.tsval = (Math.floor(tcp.kern.engine.now / US_PER_MS) + tcp.newTsOffset(sc)) >>> 0;
    out.tsecr = sc.tsRecent >>> 0;
  }
  out.signature = sc.signature;
}
