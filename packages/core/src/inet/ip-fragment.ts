/**
 * ip-fragment.ts — cutting a datagram that is larger than the link.
 * Read first: RFC 791 §3.2 "An Example Fragmentation Procedure"; RFC 1812 §4.2.2.7.
 *
 * Theory of operation. The datagram itself becomes the first fragment, trimmed in place; the others are copied into packets of
 * their own, each once, and linked behind it through `next`. Nothing is cut before every fragment has been made, so that a
 * shortage of packets leaves the datagram whole. Options go into every fragment when their copied bit says so, all of them stay
 * in the first. A transport checksum still owed is finished first: it covers the whole.
 *
 * @rfc 791 3.2 yes
 * @rfc 1812 4.2.2.7 yes
 */
import type { Errno } from '../base/errno.js';
import { EMSGSIZE, ENOBUFS } from '../base/errno.js';
import { finishChecksums } from '../net/offload.js';
import { copyBytes } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IP4_HDR_LEN, IP4_LEN, IP4_OFF, IPVERSION, IP_DF, IP_MF, ip4Hl, ip4Off, ip4PutSum } from '../wire/ip4.js';
import { ipOptCopy } from './ip-options.js';
import type { Ip } from './ip.js';

/** Payload bytes of every fragment but the last are a multiple of this. */
const FRAG_UNIT = 8;

/**
 * Cuts `m` to fragments of at most `mtu` bytes, linked through `next` behind `m`. EMSGSIZE with DF or an MTU without room for
 * 8 bytes, ENOBUFS without packets; `m` is unchanged then (but for its finished checksum) and still the caller's.
 */
export function ipFragment(ip: Ip, m: PacketBuffer, mtu: number): Errno {
  const v = m.view;
  const hlen = ip4Hl(v, m.off);
  const offField = ip4Off(v, m.off);
  const step = (mtu - hlen) & ~(FRAG_UNIT - 1);
  if ((offField & IP_DF) !== 0 || step < FRAG_UNIT) {
    ip.stats.cantfrag++;
    return EMSGSIZE;
  }
  finishChecksums(m, 0);
  let tail = m;
  let nfrags = 1;
  m.next = null;
  for (let at = hlen + step; at < m.len; at += step, nfrags++) {
    const f = makeFragment(m, hlen, offField, at, Math.min(step, m.len - at));
    if (f === null) {
      ip.stats.odropped++;
      freeChain(m.next);
      m.next = null;
      return ENOBUFS;
    }
    tail.next = f;
    tail = f;
  }
  ip.stats.ofragments += nfrags;
  m.trim(hlen + step);
  v.setUint16(m.off + IP4_LEN, m.len);
  v.setUint16(m.off + IP4_OFF, offField | IP_MF);
  ip4PutSum(v, m.off, hlen);
  return 0;
}

/** The fragment with the `len` bytes at `at` of `m`, as a packet of its own; null when there is none to be had. */
function makeFragment(m: PacketBuffer, hlen: number, offField: number, at: number, len: number): PacketBuffer | null {
  const f = m.pool.alloc(hlen + len);
  if (f === null) return null;
  const v = m.view;
  const w = f.view;
  for (let i = 0; i < IP4_HDR_LEN; i += 4) w.setUint32(f.off + i, v.getUint32(m.off + i));
  const fhlen = hlen === IP4_HDR_LEN ? hlen : ipOptCopy(v, m.off, w, f.off);
  f.copyMeta(m);
  f.len = fhlen + len;
  const last = at + len >= m.len;
  w.setUint8(f.off, (IPVERSION << 4) | (fhlen >>> 2));
  w.setUint16(f.off + IP4_LEN, f.len);
  w.setUint16(f.off + IP4_OFF, (offField + ((at - hlen) >>> 3)) | (last ? 0 : IP_MF));
  copyBytes(f, f.off + fhlen, m, m.off + at, len);
  ip4PutSum(w, f.off, fhlen);
  return f;
}

/** Frees packets linked through `next`. */
export function freeChain(first: PacketBuffer | null): void {
  let m = first;
  while (m !== null) {
    const next: PacketBuffer | null = m.next;
    m.free();
    m = next;
  }
}
