/**
 * ipfw-setmss.ts — `tcp-setmss N`: the largest segment that a SYN asks for is made no larger than N.
 * Read first: ipfw(8) "tcp-setmss"; RFC 9293 §3.7.1.
 *
 * The checksum follows; a pending one covers the options when it is finished.
 */
import { cksumUpdate16 } from '../../wire/checksum.js';
import { IPPROTO_TCP } from '../../wire/ipproto.js';
import { TCPOLEN_MAXSEG, TCPOPT_MAXSEG, TCP_HDR_LEN, TCP_SUM, TH_SYN, tcpOff, tcpOptLen } from '../../wire/tcp.js';
import { isSumPending } from '../alias/alias-rewrite.js';
import type { IpfwArgs } from './ipfw-args.js';

export function tcpSetMss(a: IpfwArgs, mss: number): void {
  if (a.proto !== IPPROTO_TCP || a.ulp === 0 || (a.tcpFlags & TH_SYN) === 0) return;
  const { m } = a;
  const v = m.view;
  const end = Math.min(a.ulp + tcpOff(v, a.ulp), m.off + m.len);
  for (let at = a.ulp + TCP_HDR_LEN; ; ) {
    const n = tcpOptLen(v, at, end);
    if (n <= 0) return;
    if (v.getUint8(at) === TCPOPT_MAXSEG && n === TCPOLEN_MAXSEG) {
      if (v.getUint16(at + 2) > mss) put(a, at + 2, mss);
      return;
    }
    at += n;
  }
}

/** Options may begin at an odd byte; then the sum sees the bytes of the number the other way round. */
function put(a: IpfwArgs, at: number, mss: number): void {
  const { m } = a;
  const v = m.view;
  const was = v.getUint16(at);
  v.setUint16(at, mss);
  if (isSumPending(m, a.ulp)) return;
  const turned = ((at - a.ulp) & 1) !== 0;
  const swap = (n: number): number => (turned ? ((n & 0xff) << 8) | (n >>> 8) : n);
  v.setUint16(a.ulp + TCP_SUM, cksumUpdate16(v.getUint16(a.ulp + TCP_SUM), swap(was), swap(mss)));
}
