/**
 * alias-ftp.ts — the helper for FTP: addresses that are written in a control connection.
 * Read first: RFC 959 §3.2, §5.3.2 (PORT, 227); RFC 2428 (EPRT, 229); libalias's alias_ftp.c.
 *
 * A client inside that wants data brought to it says so in text (`PORT 10,0,0,2,4,1`, `EPRT |1|10.0.0.2|1025|`); a server inside that has data fetched says where
 * (`227 Entering Passive Mode (10,0,0,3,4,1).`, `229 Entering Extended Passive Mode (|||1025|)`). The end named there gets a link that waits for the
 * other side, and the text is replaced by its alias. The text's length may change; then the connection's link remembers by how much, and later
 * segments are moved (alias-seq.ts). The transport checksum of the changed segment is summed anew, unless it is pending.
 *
 * Only a segment that begins with such a text and holds all of it is looked at, and only an address that is the sender's own is believed: a client cannot open
 * ports of somebody else. Helpers for other protocols are not here (IRC, PPTP, RTSP, Skinny, NetBIOS).
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { cksumFold, cksumPseudo4, cksumUpdate16, inCksum4 } from '../../wire/checksum.js';
import { IP4_DST, IP4_LEN, IP4_SRC, IP4_SUM, ip4Dst, ip4Hl, ip4IsFragment, ip4Len, ip4Src } from '../../wire/ip4.js';
import { IPPROTO_TCP } from '../../wire/ipproto.js';
import { TCP_HDR_LEN, TCP_SEQ, TCP_SUM, tcpDport, tcpOff, tcpSport } from '../../wire/tcp.js';
import type { AliasDb } from './alias-db.js';
import type { AliasLink } from './alias-link.js';
import { isSumPending } from './alias-rewrite.js';
import { SeqDeltas } from './alias-seq.js';

const FTP_PORT = 21;
/** No line of a control connection that names an end is longer. */
const LINE_MAX = 128;

/** What such a line begins with: P, E, 2; most lines are no more looked at than that. */
const FIRST_BYTES: readonly number[] = [0x50, 0x70, 0x45, 0x65, 0x32];

/** An end as it is written: the text's form, where the numbers are, and the end. */
interface Named {
  readonly form: 'PORT' | 'EPRT' | '227' | '229';
  /** Behind the text that is replaced, from the start of the line. */
  readonly end: number;
  readonly addr: number;
  readonly port: number;
}

const SIX = '(\\d{1,3}),(\\d{1,3}),(\\d{1,3}),(\\d{1,3}),(\\d{1,3}),(\\d{1,3})';

/** Looks at a segment from inside with `lnk`; `moved`: how far its sequence number will be moved. */
export function aliasFtpOut(db: AliasDb, m: PacketBuffer, l4: number, lnk: AliasLink, moved: number): void {
  const v = m.view;
  const client = tcpDport(v, l4) === FTP_PORT;
  if (!client && tcpSport(v, l4) !== FTP_PORT) return;
  const data = l4 + tcpOff(v, l4);
  const end = m.off + ip4Len(v, m.off);
  if (data >= end || data < l4 + TCP_HDR_LEN || m.gsoSize > 0 || ip4IsFragment(v, m.off) || end - data > LINE_MAX) return;
  if (!FIRST_BYTES.includes(v.getUint8(data))) return;
  let line = '';
  for (let at = data; at < end; at++) line += String.fromCharCode(v.getUint8(at));
  const named = client ? ofClient(line) : ofServer(line, v.getInt32(m.off + IP4_SRC));
  if (named === null || named.addr !== v.getInt32(m.off + IP4_SRC) || named.port < 1 || named.port > 0xffff) return;
  const expected = db.expect(IPPROTO_TCP, named.addr, named.port, v.getInt32(m.off + IP4_DST));
  if (expected === null) return;
  const text = written(named.form, db.aliasOf(expected), expected.aliasPort) + line.slice(named.end);
  replace(m, l4, data, line.length, text, lnk, moved);
}

function ofClient(line: string): Named | null {
  const port = new RegExp(`^PORT ${SIX}(?=[\\r\\n])`, 'i').exec(line);
  if (port !== null) return named('PORT', port, port.slice(1).map(Number));
  const eprt = /^EPRT (.)1\1(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\1(\d{1,5})\1(?=[\r\n])/i.exec(line);
  return eprt === null ? null : named('EPRT', eprt, [...eprt.slice(2, 6).map(Number), Number(eprt[6]) >>> 8, Number(eprt[6]) & 0xff]);
}

/** A server need not write its address; with 229 it does not. */
function ofServer(line: string, server: number): Named | null {
  const pasv = new RegExp(`^227 [^0-9\\r\\n]*${SIX}`).exec(line);
  if (pasv !== null) return named('227', pasv, pasv.slice(1).map(Number));
  const epsv = /^229 [^|\r\n]*\(\|\|\|(\d{1,5})\|\)/.exec(line);
  return epsv === null ? null : { form: '229', end: epsv[0].length, addr: server, port: Number(epsv[1]) };
}

function named(form: Named['form'], found: RegExpExecArray, n: readonly number[]): Named | null {
  if (n.some((byte) => byte > 0xff)) return null;
  const [a = 0, b = 0, c = 0, d = 0, hi = 0, lo = 0] = n;
  return { form, end: found[0].length, addr: (a << 24) | (b << 16) | (c << 8) | d, port: (hi << 8) | lo };
}

function written(form: Named['form'], addr: number, port: number): string {
  const bytes = [addr >>> 24, (addr >>> 16) & 0xff, (addr >>> 8) & 0xff, addr & 0xff];
  const six = [...bytes, port >>> 8, port & 0xff].join(',');
  switch (form) {
    case 'PORT':
      return `PORT ${six}`;
    case 'EPRT':
      return `EPRT |1|${bytes.join('.')}|${port}|`;
    case '227':
      return `227 Entering Passive Mode (${six}`;
    case '229':
      return `229 Entering Extended Passive Mode (|||${port}|)`;
  }
}

/** The segment's data becomes `text`. A packet without room for it stays as it is. */
function replace(m: PacketBuffer, l4: number, data: number, was: number, text: string, lnk: AliasLink, moved: number): void {
  const v = m.view;
  const delta = text.length - was;
  if (delta > 0 && m.tailroom < delta) return;
  for (let i = 0; i < text.length; i++) v.setUint8(data + i, text.charCodeAt(i));
  if (delta !== 0) {
    const len = ip4Len(v, m.off) + delta;
    v.setUint16(m.off + IP4_SUM, cksumUpdate16(v.getUint16(m.off + IP4_SUM), v.getUint16(m.off + IP4_LEN), len));
    v.setUint16(m.off + IP4_LEN, len);
    m.len = len;
    lnk.seq ??= new SeqDeltas();
    lnk.seq.add((v.getInt32(l4 + TCP_SEQ) + was) | 0, moved + delta);
  }
  sumAnew(m, l4);
}

function sumAnew(m: PacketBuffer, l4: number): void {
  const v = m.view;
  const len = ip4Len(v, m.off) - ip4Hl(v, m.off);
  if (isSumPending(m, l4)) {
    v.setUint16(l4 + TCP_SUM, cksumFold(cksumPseudo4(ip4Src(v, m.off), ip4Dst(v, m.off), IPPROTO_TCP, len)));
    return;
  }
  v.setUint16(l4 + TCP_SUM, 0);
  v.setUint16(l4 + TCP_SUM, inCksum4(v, l4, len, ip4Src(v, m.off), ip4Dst(v, m.off), IPPROTO_TCP));
}
