/**
 * tcp-input-run.ts — a run of segments of one connection, which arrived in one batch.
 * Read first: tcp-lro.ts (what is a run); tcp-input.ts; RFC 7323 §4.3 (which timestamp is echoed).
 *
 * Theory of operation. When the run is what an established connection waits for and its window takes, the payload of all but the last packet goes to the
 * receive buffer at once, and the last packet takes the way of every segment (`Tcp.take`): what it acknowledges, the window it tells, who is woken and
 * whether to acknowledge is decided once for all of them. The timestamp to echo is the first one's, as if they had come one by one. Anything else (a gap,
 * a repetition, a mark of congestion) sends them all the ordinary way, one after the other.
 */
import { seqDiff, seqLeq } from '../base/seqnum.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { IP4_HDR_LEN, ip4Dst, ip4Src, ip4Tos } from '../wire/ip4.js';
import { IP6_DST, IP6_SRC, ip6Class } from '../wire/ip6.js';
import { ip6W0Zoned } from '../wire/addr6.js';
import { TCP_HDR_LEN, tcpDport, tcpOff, tcpSeq, tcpSport } from '../wire/tcp.js';
import type { InPcb } from '../transport/inpcb.js';
import { TCPS_ESTABLISHED } from './tcp-state.js';
import { TF_CANTRCVMORE, TF_SIGNATURE, TF_TS } from './tcpcb.js';
import type { TcpCb } from './tcpcb.js';
import type { Tcp } from './tcp.js';

/** ECN field: congestion experienced. */
const ECN_CE = 3;
const TS_HDR_LEN = TCP_HDR_LEN + 12;
const TSVAL_AT = TCP_HDR_LEN + 4;

/** Takes the packets from `head` on in, the TCP header of each `off` bytes behind its start. Owns them. */
export function tcpInputRun(tcp: Tcp, ifp: Ifnet, head: PacketBuffer, off: number): void {
  let m = head;
  let { next } = m;
  if (next !== null) {
    const tp = ready(tcp, ifp, head, off);
    for (; tp !== null && next !== null; { next } = m) {
      early(tp, m, off);
      m = next;
    }
  }
  for (; next !== null; { next } = m) {
    m.next = null;
    tcp.take(ifp, m, off);
    m = next;
  }
  tcp.take(ifp, m, off);
}

/** The connection that takes the run as it is, or null. */
function ready(tcp: Tcp, ifp: Ifnet, head: PacketBuffer, off: number): TcpCb | null {
  const v = head.view;
  const th = head.off + off;
  const inp = find(tcp, ifp, head, off);
  if (inp === null || ecnOf(head, off) === ECN_CE) return null;
  const tp = inp.user as TcpCb;
  if (tp.state !== TCPS_ESTABLISHED || tp.user === null || (tp.flags & (TF_CANTRCVMORE | TF_SIGNATURE)) !== 0 || tp.inInput) return null;
  if (tp.rcvNxt !== (tcpSeq(v, th) | 0) || (tp.reass !== null && (tp.reass.count > 0 || tp.reass.hasFin))) return null;
  let bytes = 0;
  for (let m: PacketBuffer | null = head; m !== null; m = m.next) bytes += m.len - off - tcpOff(m.view, m.off + off);
  if (bytes > seqDiff(tp.rcvAdv, tp.rcvNxt) || tp.rcv.mem.isPressed) return null;
  const hasTs = tcpOff(v, th) === TS_HDR_LEN;
  if (hasTs !== ((tp.flags & TF_TS) !== 0)) return null;
  if (!hasTs) return tp;
  const tsval = v.getInt32(th + TSVAL_AT);
  if (((tsval - tp.tsRecent) | 0) < 0) return null;
  if (seqLeq(tp.rcvNxt, tp.lastAckSent)) {
    tp.tsRecent = tsval;
    tp.tsRecentAgeUs = tp.nowUs;
  }
  return tp;
}

function find(tcp: Tcp, ifp: Ifnet, m: PacketBuffer, off: number): InPcb | null {
  const v = m.view;
  const th = m.off + off;
  if (off === IP4_HDR_LEN) return tcp.pcbs.lookup(ip4Src(v, m.off), tcpSport(v, th), ip4Dst(v, m.off), tcpDport(v, th));
  const s = m.off + IP6_SRC;
  const d = m.off + IP6_DST;
  return tcp.pcbs6.lookup(
    ip6W0Zoned(v, s, ifp.index), v.getInt32(s + 4), v.getInt32(s + 8), v.getInt32(s + 12), tcpSport(v, th),
    ip6W0Zoned(v, d, ifp.index), v.getInt32(d + 4), v.getInt32(d + 8), v.getInt32(d + 12), tcpDport(v, th),
  );
}

const ecnOf = (m: PacketBuffer, off: number): number => (off === IP4_HDR_LEN ? ip4Tos(m.view, m.off) : ip6Class(m.view, m.off)) & ECN_CE;

/** The payload of one packet that others of the run follow. */
function early(tp: TcpCb, m: PacketBuffer, off: number): void {
  const { stats } = tp.tcp;
  const th = m.off + off;
  m.nhoff = m.off;
  m.adj(off + tcpOff(m.view, th));
  const { len } = m;
  stats.rcvtotal++;
  stats.rcvpack++;
  stats.rcvbyte += len;
  tp.segsIn++;
  tp.rcvNxt = (tp.rcvNxt + len) | 0;
  tp.bytesReceived += len;
  tp.unackedBytes += len;
  tp.rcv.append(m);
}
