/**
 * tcp-options.ts — packs the options of a TCP segment that is sent.
 * Read first: RFC 9293 §3.1, RFC 7323 §3.2, RFC 2018 §3, RFC 2883 §3, RFC 2385 §3, RFC 7413 §4.1.1, RFC 5482 §3.1.
 *
 * A header has room for 40 bytes of options, and order decides what fits:
 *
 *     MSS 4 · NOP WS 4 · SACK-permitted 2 · [NOPs] TS 10 · SIGNATURE 18 · Fast Open 2+n · [NOPs] SACK 2+8n · UTO 4 · EOL · zeros
 *
 * SACK-permitted has no NOPs, since the timestamps behind it begin two bytes behind a word anyway. The signature comes before
 * the SACK blocks: behind timestamps it ends where a SACK begins without NOPs, and one block still fits (12 + 18 + 10). NOPs align
 * the timestamps and the blocks, whose words are read most. An option is there when all of it fits; of SACK blocks, as many as fit.
 * What comes before the signature is 20 bytes at most, so it always fits.
 *
 * The digest is made when the segment is complete: the packer leaves zeros and says where, in `signatureAt`.
 * Invariant: the result is a multiple of 4, at most TCP_MAXOLEN; every byte of it was written.
 * Not here: which options a segment should have (its sender knows), reading options (`tcp.ts`).
 * @rfc 2018 3 yes
 * @rfc 2883 4 yes
 */
import {
  TCPOLEN_MAXSEG, TCPOLEN_SACK_BLOCK, TCPOLEN_SACK_PERMITTED, TCPOLEN_SIGNATURE, TCPOLEN_TIMESTAMP, TCPOLEN_UTO, TCPOLEN_WINDOW, TCPOPT_EOL, TCPOPT_FAST_OPEN,
  TCPOPT_MAXSEG, TCPOPT_NOP, TCPOPT_SACK, TCPOPT_SACK_PERMITTED, TCPOPT_SIGNATURE, TCPOPT_TIMESTAMP, TCPOPT_UTO, TCPOPT_WINDOW, TCP_FASTOPEN_MAX_COOKIE_LEN, TCP_MAXOLEN,
} from './tcp.js';

/** SACK blocks a header without other options has room for. */
export const TCP_MAX_SACK = 4;

const NOP_NOP_TS = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP;
const NOP_WS = (TCPOPT_NOP << 24) | (TCPOPT_WINDOW << 16) | (TCPOLEN_WINDOW << 8);

/** The options wanted. One object per vnet, cleared for each segment. */
export class TcpOptionsOut {
  /** Segment size announced; 0: not. */
  mss = 0;
  /** Window shift announced; -1: not. */
  wscale = -1;
  sackPermitted = false;
  /** Timestamps, with `tsval` and `tsecr`. */
  ts = false;
  tsval = 0;
  tsecr = 0;
  signature = false;
  /** Of the result: bytes from the first option to the 16 of the digest. */
  signatureAt = 0;
  /** SACK blocks as start and end, the D-SACK block, when there is one, first. */
  nsacks = 0;
  readonly sacks = new Int32Array(2 * TCP_MAX_SACK);
  /** Of the result: blocks that fitted. */
  nsacksSent = 0;
  /** Bytes of the Fast Open cookie: 0 asks for one, -1: no such option. */
  fastopenLen = -1;
  readonly fastopenCookie = new Uint8Array(TCP_FASTOPEN_MAX_COOKIE_LEN);
  /** The user timeout option as it is on the wire (a bit for minutes, then 15 bits); 0: not. */
  uto = 0;

  /** Nothing wanted. */
  clear(): void {
    this.mss = 0;
    this.wscale = -1;
    this.sackPermitted = false;
    this.ts = false;
    this.signature = false;
    this.signatureAt = 0;
    this.nsacks = 0;
    this.nsacksSent = 0;
    this.fastopenLen = -1;
    this.uto = 0;
  }
}

/** What nearly every segment carries: timestamps and nothing else. Returns the bytes written. */
export function tcpPackTimestamps(v: DataView, at: number, tsval: number, tsecr: number): number {
  v.setUint32(at, NOP_NOP_TS);
  v.setUint32(at + 4, tsval);
  v.setUint32(at + 8, tsecr);
  return 2 + TCPOLEN_TIMESTAMP;
}

/** Writes the options at `at`, where TCP_MAXOLEN bytes may be written; returns how many were. */
export function tcpPackOptions(v: DataView, at: number, o: TcpOptionsOut): number {
  let p = at;
  if (o.mss !== 0) {
    v.setUint32(p, (TCPOPT_MAXSEG << 24) | (TCPOLEN_MAXSEG << 16) | o.mss);
    p += TCPOLEN_MAXSEG;
  }
  if (o.wscale >= 0) {
    v.setUint32(p, NOP_WS | o.wscale);
    p += 1 + TCPOLEN_WINDOW;
  }
  if (o.sackPermitted) {
    v.setUint16(p, (TCPOPT_SACK_PERMITTED << 8) | TCPOLEN_SACK_PERMITTED);
    p += TCPOLEN_SACK_PERMITTED;
  }
  if (o.ts) p = packTimestamps(v, at, p, o);
  if (o.signature) {
    v.setUint16(p, (TCPOPT_SIGNATURE << 8) | TCPOLEN_SIGNATURE);
    o.signatureAt = p + 2 - at;
    for (let i = 2; i < TCPOLEN_SIGNATURE; i += 4) v.setUint32(p + i, 0);
    p += TCPOLEN_SIGNATURE;
  }
  if (o.fastopenLen >= 0) p = packFastOpen(v, at, p, o);
  if (o.nsacks > 0) p = packSack(v, at, p, o);
  if (o.uto !== 0 && p - at + TCPOLEN_UTO <= TCP_MAXOLEN) {
    v.setUint16(p, (TCPOPT_UTO << 8) | TCPOLEN_UTO);
    v.setUint16(p + 2, o.uto);
    p += TCPOLEN_UTO;
  }
  // EOL is 0, as the padding behind it is.
  while (((p - at) & 3) !== 0) v.setUint8(p++, TCPOPT_EOL);
  return p - at;
}

/** Where an option that should begin two bytes behind a word begins. */
const align = (at: number, p: number): number => p + ((2 - (p - at)) & 3);

function nops(v: DataView, p: number, end: number): void {
  for (let i = p; i < end; i++) v.setUint8(i, TCPOPT_NOP);
}

function packTimestamps(v: DataView, at: number, p: number, o: TcpOptionsOut): number {
  const q = align(at, p);
  // In a segment with data this is all there is.
  if (q === p + 2) {
    v.setUint32(p, NOP_NOP_TS);
  } else {
    nops(v, p, q);
    v.setUint16(q, (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP);
  }
  v.setUint32(q + 2, o.tsval);
  v.setUint32(q + 6, o.tsecr);
  return q + TCPOLEN_TIMESTAMP;
}

function packFastOpen(v: DataView, at: number, p: number, o: TcpOptionsOut): number {
  const n = o.fastopenLen;
  if (p - at + 2 + n > TCP_MAXOLEN) return p;
  v.setUint16(p, (TCPOPT_FAST_OPEN << 8) | (2 + n));
  for (let i = 0; i < n; i++) v.setUint8(p + 2 + i, o.fastopenCookie[i]!);
  return p + 2 + n;
}

function packSack(v: DataView, at: number, p: number, o: TcpOptionsOut): number {
  const q = align(at, p);
  const n = Math.min(o.nsacks, Math.floor((TCP_MAXOLEN - 2 - (q - at)) / TCPOLEN_SACK_BLOCK));
  if (n <= 0) return p;
  nops(v, p, q);
  v.setUint16(q, (TCPOPT_SACK << 8) | (2 + n * TCPOLEN_SACK_BLOCK));
  for (let i = 0; i < 2 * n; i++) v.setInt32(q + 2 + 4 * i, o.sacks[i]!);
  o.nsacksSent = n;
  return q + 2 + n * TCPOLEN_SACK_BLOCK;
}
