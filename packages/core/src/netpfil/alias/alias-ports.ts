/**
 * alias-ports.ts — TCP segments and UDP datagrams are aliased.
 * Read first: alias-db.ts, alias-rewrite.ts; libalias's TcpAliasOut, UdpAliasOut and their likes.
 *
 * Out: the source becomes the link's alias. In: the destination becomes the link's host. TCP's flags move the link through its states, which say how
 * long it lives. Where a helper has changed the length of text in the stream, sequence and acknowledgement numbers are moved too.
 * A packet for which a link was wanted and none could be made is an error: it must not go out under its own address.
 * The header must be in the packet; a fragment with a whole header is good enough, because checksums are updated and not summed.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { IP4_DST, IP4_SRC, IP_MF, ip4Hl, ip4Len, ip4Off } from '../../wire/ip4.js';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../wire/ipproto.js';
import { TCP_ACK, TCP_DPORT, TCP_HDR_LEN, TCP_SEQ, TCP_SPORT, TH_FIN, TH_RST, TH_SYN, tcpDport, tcpFlags, tcpSport } from '../../wire/tcp.js';
import { UDP_DPORT, UDP_HDR_LEN, UDP_SPORT, udpUlen } from '../../wire/udp.js';
import type { AliasDb } from './alias-db.js';
import { aliasFtpOut } from './alias-ftp.js';
import type { AliasLink } from './alias-link.js';
import { putEnd, putTcpWord } from './alias-rewrite.js';
import { PKT_ALIAS_ERROR, PKT_ALIAS_IGNORED, PKT_ALIAS_OK, PKT_ALIAS_PROXY_ONLY } from './alias-var.js';
import type { AliasResult } from './alias-var.js';

/** Offset in the slot of a whole transport header, 0 when it is not there. */
function header(m: PacketBuffer, proto: number): number {
  const v = m.view;
  const hl = ip4Hl(v, m.off);
  const len = ip4Len(v, m.off) - hl;
  const l4 = m.off + hl;
  if (proto === IPPROTO_TCP) return len < TCP_HDR_LEN ? 0 : l4;
  if (len < UDP_HDR_LEN) return 0;
  return (ip4Off(v, m.off) & IP_MF) === 0 && len < udpUlen(v, l4) ? 0 : l4;
}

/** TCP and UDP have their ports at the same place. */
export function portsAliasOut(db: AliasDb, m: PacketBuffer, proto: number, create: boolean): AliasResult {
  const l4 = header(m, proto);
  if (l4 === 0) return PKT_ALIAS_IGNORED;
  if ((db.mode & PKT_ALIAS_PROXY_ONLY) !== 0) return PKT_ALIAS_OK;
  const v = m.view;
  const lnk = db.portOut(proto, v.getInt32(m.off + IP4_SRC), tcpSport(v, l4), v.getInt32(m.off + IP4_DST), tcpDport(v, l4), create);
  if (lnk === null) return create && tcpDport(v, l4) !== 0 ? PKT_ALIAS_ERROR : PKT_ALIAS_IGNORED;
  if (proto === IPPROTO_TCP) tcpOut(db, m, l4, lnk);
  putEnd(m, m.off, l4, proto, IP4_SRC, proto === IPPROTO_UDP ? UDP_SPORT : TCP_SPORT, db.aliasOf(lnk), lnk.aliasPort);
  return PKT_ALIAS_OK;
}

export function portsAliasIn(db: AliasDb, m: PacketBuffer, proto: number): AliasResult {
  const l4 = header(m, proto);
  if (l4 === 0) return PKT_ALIAS_IGNORED;
  const v = m.view;
  const create = (db.mode & PKT_ALIAS_PROXY_ONLY) === 0;
  const lnk = db.portIn(proto, v.getInt32(m.off + IP4_DST), tcpDport(v, l4), v.getInt32(m.off + IP4_SRC), tcpSport(v, l4), create);
  if (lnk === null) return create && !db.denies() && tcpSport(v, l4) !== 0 ? PKT_ALIAS_ERROR : PKT_ALIAS_IGNORED;
  putEnd(m, m.off, l4, proto, IP4_DST, proto === IPPROTO_UDP ? UDP_DPORT : TCP_DPORT, db.originalOf(lnk), lnk.srcPort);
  if (proto === IPPROTO_TCP) tcpIn(m, l4, lnk);
  return PKT_ALIAS_OK;
}

function tcpOut(db: AliasDb, m: PacketBuffer, l4: number, lnk: AliasLink): void {
  watch(m, l4, lnk, false);
  const moved = lnk.seq === null ? 0 : lnk.seq.out(m.view.getInt32(l4 + TCP_SEQ));
  aliasFtpOut(db, m, l4, lnk, moved);
  if (moved !== 0) putTcpWord(m, l4, TCP_SEQ, (m.view.getInt32(l4 + TCP_SEQ) + moved) | 0);
}

function tcpIn(m: PacketBuffer, l4: number, lnk: AliasLink): void {
  if (lnk.seq !== null) {
    const ack = m.view.getInt32(l4 + TCP_ACK);
    const moved = lnk.seq.in(ack);
    if (moved !== 0) putTcpWord(m, l4, TCP_ACK, (ack - moved) | 0);
  }
  watch(m, l4, lnk, true);
}

function watch(m: PacketBuffer, l4: number, lnk: AliasLink, incoming: boolean): void {
  const flags = tcpFlags(m.view, l4);
  if ((flags & (TH_SYN | TH_FIN | TH_RST)) !== 0) lnk.sawTcp(incoming, (flags & TH_SYN) !== 0, (flags & TH_FIN) !== 0, (flags & TH_RST) !== 0);
}
