/**
 * tcp.ts — the TCP header: offsets, flags, the strict check, options, emit.
 * Read first: RFC 9293 §3.1 and §3.2, RFC 7323 (window scale, timestamps), RFC 2018 (SACK), RFC 2385 (MD5).
 *
 *    0       2       4     8     12         13      14    16    18    20
 *    | sport | dport | seq | ack | off4 0 | flags | win | sum | urp | options
 *
 * `tcpOff` gives bytes. Invariant of `tcpCheck` = 0: 20 <= tcpOff <= len.
 * `TcpOptions` is one object per connection or per input path, refilled for each segment; filling it allocates nothing.
 * What it refuses follows the stacks in the field: a known option of the wrong length is as if absent, a length that
 * leaves the header ends the list, and what only a SYN may say is ignored elsewhere.
 * Not here: sequence arithmetic (`base/seqnum.ts`), the state machine, the order options are sent in.
 */

export const TCP_SPORT = 0;
export const TCP_DPORT = 2;
export const TCP_SEQ = 4;
export const TCP_ACK = 8;
export const TCP_OFF = 12;
export const TCP_FLAGS = 13;
export const TCP_WIN = 14;
export const TCP_SUM = 16;
export const TCP_URP = 18;
export const TCP_HDR_LEN = 20;
export const TCP_HDR_LEN_MAX = 60;
export const TCP_MAXOLEN = 40;

export const TH_FIN = 0x01;
export const TH_SYN = 0x02;
export const TH_RST = 0x04;
export const TH_PUSH = 0x08;
export const TH_ACK = 0x10;
export const TH_URG = 0x20;
export const TH_ECE = 0x40;
export const TH_CWR = 0x80;

export const TCPOPT_EOL = 0;
export const TCPOPT_NOP = 1;
export const TCPOPT_MAXSEG = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERMITTED = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_ECHO = 6;
export const TCPOPT_ECHOREPLY = 7;
export const TCPOPT_TIMESTAMP = 8;
export const TCPOPT_CC = 11;
export const TCPOPT_CCNEW = 12;
export const TCPOPT_CCECHO = 13;
export const TCPOPT_SIGNATURE = 19;
export const TCPOPT_SCPS = 20;
export const TCPOPT_UTO = 28;
export const TCPOPT_TCPAO = 29;
export const TCPOPT_MPTCP = 30;
export const TCPOPT_FAST_OPEN = 34;
export const TCPOPT_EXPERIMENT1 = 253;
export const TCPOPT_EXPERIMENT2 = 254;

export const TCPOLEN_MAXSEG = 4;
export const TCPOLEN_WINDOW = 3;
export const TCPOLEN_SACK_PERMITTED = 2;
export const TCPOLEN_SACK_BLOCK = 8;
export const TCPOLEN_TIMESTAMP = 10;
/** Timestamps as every segment has them: two NOPs before the option. */
export const TCPOLEN_TSTAMP_APPA = 12;
export const TCPOLEN_SIGNATURE = 18;
export const TCPOLEN_UTO = 4;
/** Shortest and longest Fast Open cookie (RFC 7413 §4.1.1). */
export const TCP_FASTOPEN_MIN_COOKIE_LEN = 4;
export const TCP_FASTOPEN_MAX_COOKIE_LEN = 16;
/** Largest shift a window scale may ask for (RFC 7323 §2.3). */
export const TCP_MAX_WINSHIFT = 14;
/** Segment size a peer accepts that announced none, over IPv4 and IPv6 (RFC 9293 §3.7.1). */
export const TCP_MSS_DEFAULT = 536;
export const TCP6_MSS_DEFAULT = 1220;

/** `tcpCheck`: fewer bytes than a header without options. */
export const TCP_BAD_SHORT = 1;
/** `tcpCheck`: the data offset is below 20 or beyond the segment. */
export const TCP_BAD_OFF = 2;

/** 0 when the `len` bytes at `off` (header and data) begin with a whole header, else the reason. */
export function tcpCheck(view: DataView, off: number, len: number): number {
  if (len < TCP_HDR_LEN) return TCP_BAD_SHORT;
  const hl = tcpOff(view, off);
  return hl < TCP_HDR_LEN || hl > len ? TCP_BAD_OFF : 0;
}

export const tcpSport = (view: DataView, off: number): number => view.getUint16(off);
export const tcpDport = (view: DataView, off: number): number => view.getUint16(off + TCP_DPORT);
export const tcpSeq = (view: DataView, off: number): number => view.getUint32(off + TCP_SEQ);
export const tcpAck = (view: DataView, off: number): number => view.getUint32(off + TCP_ACK);
/** Header length in bytes. */
export const tcpOff = (view: DataView, off: number): number => (view.getUint8(off + TCP_OFF) >>> 4) << 2;
export const tcpFlags = (view: DataView, off: number): number => view.getUint8(off + TCP_FLAGS);
export const tcpWin = (view: DataView, off: number): number => view.getUint16(off + TCP_WIN);
export const tcpSum = (view: DataView, off: number): number => view.getUint16(off + TCP_SUM);
export const tcpUrp = (view: DataView, off: number): number => view.getUint16(off + TCP_URP);

/** Writes a header of `hl` bytes with a checksum field of 0; options behind byte 20 are the caller's. */
export function tcpEmit(
  view: DataView,
  off: number,
  sport: number,
  dport: number,
  seq: number,
  ack: number,
  hl: number,
  flags: number,
  win: number,
  urp: number,
): void {
  view.setUint16(off, sport);
  view.setUint16(off + TCP_DPORT, dport);
  view.setUint32(off + TCP_SEQ, seq);
  view.setUint32(off + TCP_ACK, ack);
  view.setUint16(off + TCP_OFF, ((hl >>> 2) << 12) | flags);
  view.setUint16(off + TCP_WIN, win);
  view.setUint16(off + TCP_SUM, 0);
  view.setUint16(off + TCP_URP, urp);
}

/**
 * Iterates options: the length of the one at `at`, 0 at the end of the list, -1 where it is malformed.
 *
 *     for (let at = off + TCP_HDR_LEN, n; (n = tcpOptLen(view, at, end)) > 0; at += n) …
 */
export function tcpOptLen(view: DataView, at: number, end: number): number {
  if (at >= end) return 0;
  const kind = view.getUint8(at);
  if (kind === TCPOPT_EOL) return 0;
  if (kind === TCPOPT_NOP) return 1;
  if (at + 1 >= end) return -1;
  const n = view.getUint8(at + 1);
  return n < 2 || at + n > end ? -1 : n;
}

/** Bits of `TcpOptions.flags`: what the segment carried. */
export const TOF_MSS = 0x01;
export const TOF_SCALE = 0x02;
export const TOF_SACKPERM = 0x04;
export const TOF_TS = 0x08;
export const TOF_SACK = 0x10;
export const TOF_SIGNATURE = 0x20;
export const TOF_FASTOPEN = 0x40;
export const TOF_UTO = 0x80;
/** Two digests that differ: nobody may believe either, and the segment is to be dropped. */
export const TOF_SIGNATURE_CLASH = 0x100;

/** What the options of a segment with data mostly are: NOP NOP timestamps. */
const NOP_NOP_TS = (TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) | (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP;
const NOP_NOP_TS_LEN = 2 + TCPOLEN_TIMESTAMP;

/** The options of one segment. Reused: `parse` overwrites every field. */
export class TcpOptions {
  /** TOF_* of the options present and valid; the other fields mean something only with their bit. */
  flags = 0;
  mss = 0;
  /** Shift count, at most TCP_MAX_WINSHIFT. */
  wscale = 0;
  /** The shift asked for was larger and was clamped. */
  wscaleClamped = false;
  tsval = 0;
  tsecr = 0;
  /** Offset of the first SACK block in the view, and how many blocks. */
  sackOff = 0;
  nsacks = 0;
  /** Offset of the 16-byte MD5 digest in the view. */
  signatureOff = 0;
  /** Offset of the Fast Open cookie in the view and its bytes; 0 bytes ask for one. */
  fastopenOff = 0;
  fastopenLen = 0;
  /** The user timeout as it is on the wire: a bit for minutes, then 15 bits (RFC 5482 §3.1). */
  uto = 0;

  /** Reads the options of the header at `off`, which `tcpCheck` passed. */
  parse(view: DataView, off: number): void {
    this.flags = 0;
    this.mss = 0;
    this.wscale = 0;
    this.wscaleClamped = false;
    this.tsval = 0;
    this.tsecr = 0;
    this.sackOff = 0;
    this.nsacks = 0;
    this.signatureOff = 0;
    this.fastopenOff = 0;
    this.fastopenLen = 0;
    this.uto = 0;
    const end = off + tcpOff(view, off);
    let at = off + TCP_HDR_LEN;
    if (at === end) return;
    const syn = (view.getUint8(off + TCP_FLAGS) & TH_SYN) !== 0;
    if (!syn && onlyTimestamps(view, at, end)) {
      this.flags = TOF_TS;
      this.tsval = view.getUint32(at + 4);
      this.tsecr = view.getUint32(at + 8);
      return;
    }
    for (;;) {
      const n = tcpOptLen(view, at, end);
      if (n <= 0) return;
      if (n > 1) this.take(view, at, n, syn);
      at += n;
    }
  }

  /** One option of `n` bytes. */
  private take(view: DataView, at: number, n: number, syn: boolean): void {
    const kind = view.getUint8(at);
    if (kind === TCPOPT_TIMESTAMP && n === TCPOLEN_TIMESTAMP) {
      this.flags |= TOF_TS;
      this.tsval = view.getUint32(at + 2);
      this.tsecr = view.getUint32(at + 6);
    } else if (kind === TCPOPT_SACK && !syn && n > 2 && (n - 2) % TCPOLEN_SACK_BLOCK === 0) {
      this.flags |= TOF_SACK;
      this.sackOff = at + 2;
      this.nsacks = (n - 2) / TCPOLEN_SACK_BLOCK;
    } else if (kind === TCPOPT_SIGNATURE && n === TCPOLEN_SIGNATURE) {
      if ((this.flags & TOF_SIGNATURE) !== 0 && !sameDigest(view, this.signatureOff, at + 2)) this.flags |= TOF_SIGNATURE_CLASH;
      this.flags |= TOF_SIGNATURE;
      this.signatureOff = at + 2;
    } else if (kind === TCPOPT_UTO && n === TCPOLEN_UTO) {
      this.flags |= TOF_UTO;
      this.uto = view.getUint16(at + 2);
    } else if (!syn) {
      return;
    } else if (kind === TCPOPT_MAXSEG && n === TCPOLEN_MAXSEG) {
      this.flags |= TOF_MSS;
      this.mss = view.getUint16(at + 2);
    } else if (kind === TCPOPT_WINDOW && n === TCPOLEN_WINDOW) {
      const shift = view.getUint8(at + 2);
      this.flags |= TOF_SCALE;
      this.wscaleClamped = shift > TCP_MAX_WINSHIFT;
      this.wscale = this.wscaleClamped ? TCP_MAX_WINSHIFT : shift;
    } else if (kind === TCPOPT_SACK_PERMITTED && n === TCPOLEN_SACK_PERMITTED) {
      this.flags |= TOF_SACKPERM;
    } else if (kind === TCPOPT_FAST_OPEN && (n === 2 || isCookieLen(n - 2))) {
      this.flags |= TOF_FASTOPEN;
      this.fastopenOff = at + 2;
      this.fastopenLen = n - 2;
    }
  }
}

/** Are the options at `at` NOP, NOP, timestamps, and then nothing? */
function onlyTimestamps(view: DataView, at: number, end: number): boolean {
  return end - at >= NOP_NOP_TS_LEN && (end - at === NOP_NOP_TS_LEN || view.getUint8(at + NOP_NOP_TS_LEN) === TCPOPT_EOL) && view.getInt32(at) === NOP_NOP_TS;
}

/** May a Fast Open cookie have `n` bytes (RFC 7413 §4.1.1)? */
const isCookieLen = (n: number): boolean => n >= TCP_FASTOPEN_MIN_COOKIE_LEN && n <= TCP_FASTOPEN_MAX_COOKIE_LEN && n % 2 === 0;

function sameDigest(view: DataView, a: number, b: number): boolean {
  for (let i = 0; i < TCPOLEN_SIGNATURE - 2; i += 4) {
    if (view.getUint32(a + i) !== view.getUint32(b + i)) return false;
  }
  return true;
}
