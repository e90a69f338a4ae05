/**
 * stream-pattern.ts — the bytes that scripts send and receive: packetdrill's scripts give lengths, not contents.
 *
 * Every byte of a stream is a function of its place in it (0 is the first byte of data), in both directions. So a byte at a wrong place, twice or lost is
 * seen in what a call reads and in what a packet carries, though no script mentions it.
 */

const byteAt = (place: number): number => (Math.imul(place, 7) + (place >>> 8)) & 0xff;

/** `bytes` of the stream from `place` on. */
export function streamBytes(place: number, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) out[i] = byteAt(place + i);
  return out;
}

/** The first place in `data` that is not the stream's from `place` on; -1 when all are. */
export function streamMismatch(data: Uint8Array, place: number): number {
  return data.findIndex((x, i) => x !== byteAt(place + i));
}
