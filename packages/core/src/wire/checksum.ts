/**
 * checksum.ts — the Internet checksum: sums, pseudo headers, incremental update.
 * Read first: RFC 1071 (§2 for byte order independence), RFC 1624 (incremental update), RFC 768, RFC 8200 §8.1.
 *
 * A *sum* is a plain number: the ones' complement sum of big-endian 16-bit words, not yet complemented, congruent to the true
 * sum modulo 0xffff and below 2^32. Sums of parts add up with `+` as long as each part but the last has even length; a part
 * that begins at an odd byte of the message is joined by `cksumJoin`. `cksumFinish` folds and complements.
 *
 * The inner loop reads little-endian 32-bit words, eight at a time, into two double accumulators, and swaps bytes once at the
 * end: RFC 1071 §2(B) says a byte-swapped sum is the sum of byte-swapped words. Doubles hold the sum of 2^21 such words
 * exactly, far above the 65,575 bytes of the largest packet; longer ranges are cut. DataView loads need no alignment, so
 * odd offsets cost nothing.
 * Nothing here allocates but `cksumAddBytes`.
 * Not here: who computes when. Offload flags travel with the packet.
 *
 * @rfc 1071 yes
 * @rfc 1624 yes
 */

/** Bytes summed before the accumulators are folded: 2^21 words of 32 bits stay below 2^53. */
const RUN_BYTES_MAX = 1 << 22;

/**
 * Adds the `len` bytes at `off` to `sum`. The first byte counts as the high byte of a word; an odd last byte is padded with
 * a zero byte. The caller guarantees that the range lies inside the view.
 */
export function cksumAdd(view: DataView, off: number, len: number, sum: number): number {
  let n = len;
  let at = off;
  let total = sum;
  while (n > RUN_BYTES_MAX) {
    total = cksumFold(total) + swapBytes(sumLittle(view, at, RUN_BYTES_MAX));
    at += RUN_BYTES_MAX;
    n -= RUN_BYTES_MAX;
  }
  return total + swapBytes(sumLittle(view, at, n));
}

/** Sum of little-endian words over at most RUN_BYTES_MAX bytes, folded to 16 bits. */
function sumLittle(view: DataView, off: number, len: number): number {
  let s = 0;
  let t = 0;
  let i = off;
  const end32 = off + (len & ~31);
  for (; i < end32; i += 32) {
    s += view.getUint32(i, true) + view.getUint32(i + 4, true) + view.getUint32(i + 8, true) + view.getUint32(i + 12, true);
    t += view.getUint32(i + 16, true) + view.getUint32(i + 20, true) + view.getUint32(i + 24, true) + view.getUint32(i + 28, true);
  }
  const end4 = off + (len & ~3);
  for (; i < end4; i += 4) s += view.getUint32(i, true);
  s += t;
  if ((len & 2) !== 0) {
    s += view.getUint16(i, true);
    i += 2;
  }
  if ((len & 1) !== 0) s += view.getUint8(i);
  const carry = Math.floor(s / 0x1_0000_0000);
  const low = s - carry * 0x1_0000_0000;
  return cksumFold((low >>> 16) + (low & 0xffff) + carry);
}

/** Exchanges the bytes of a 16-bit number. */
function swapBytes(n: number): number {
  return ((n & 0xff) << 8) | (n >>> 8);
}

/** The same over a Uint8Array. Makes a view: for tools and tests. */
export function cksumAddBytes(bytes: Uint8Array, off: number, len: number, sum: number): number {
  return cksumAdd(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), off, len, sum);
}

/** Folds a sum below 2^32 into 16 bits. A nonzero sum never folds to zero. */
export function cksumFold(sum: number): number {
  const s = (sum & 0xffff) + (sum >>> 16);
  return (s & 0xffff) + (s >>> 16);
}

/** The checksum field for a sum: folded and complemented, 0..0xffff. */
export function cksumFinish(sum: number): number {
  return ~cksumFold(sum) & 0xffff;
}

/** `sum` of the first `lenBefore` bytes, then `next` of what follows: joins them also when `lenBefore` is odd. */
export function cksumJoin(sum: number, next: number, lenBefore: number): number {
  const folded = cksumFold(next);
  return cksumFold(sum) + ((lenBefore & 1) === 0 ? folded : swapBytes(folded));
}

/** Checksum of a range. Over data that contains its own correct checksum field the answer is 0. */
export function inCksum(view: DataView, off: number, len: number): number {
  return cksumFinish(cksumAdd(view, off, len, 0));
}

/** Sum of the IPv4 pseudo header: addresses as u32, protocol, length of the transport header and data. */
export function cksumPseudo4(src: number, dst: number, proto: number, len: number): number {
  return (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + proto + len;
}

/** Sum of the IPv6 pseudo header; the 16-byte addresses are read at `srcOff` and `dstOff`. `len` is below 2^32. */
export function cksumPseudo6(view: DataView, srcOff: number, dstOff: number, proto: number, len: number): number {
  let sum = proto + (len >>> 16) + (len & 0xffff);
  for (let i = 0; i < 16; i += 2) sum += view.getUint16(srcOff + i) + view.getUint16(dstOff + i);
  return sum;
}

/** Checksum of a transport header and its data with the IPv4 pseudo header; 0 over data whose field is correct. */
export function inCksum4(view: DataView, off: number, len: number, src: number, dst: number, proto: number): number {
  return cksumFinish(cksumAdd(view, off, len, cksumPseudo4(src, dst, proto, len)));
}

/** The same with the IPv6 pseudo header. */
export function inCksum6(view: DataView, off: number, len: number, srcOff: number, dstOff: number, proto: number): number {
  return cksumFinish(cksumAdd(view, off, len, cksumPseudo6(view, srcOff, dstOff, proto, len)));
}

/**
 * The checksum after one aligned 16-bit word of the data changed from `was` to `is`: equation 3 of RFC 1624. Exact also where
 * RFC 1141's form produces 0xffff for 0x0000. A UDP checksum of 0 means "none" and must not be updated.
 */
export function cksumUpdate16(cksum: number, was: number, is: number): number {
  return cksumFinish((~cksum & 0xffff) + (~was & 0xffff) + is);
}

/** The same for an aligned 32-bit word, such as an address. */
export function cksumUpdate32(cksum: number, was: number, is: number): number {
  return cksumFinish((~cksum & 0xffff) + (~was & 0xffff) + (~(was >>> 16) & 0xffff) + (is & 0xffff) + (is >>> 16));
}
