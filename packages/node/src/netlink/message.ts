/**
 * message.ts — netlink's messages: a header of 16 bytes, and what is behind it.
 * Read first: netlink(7); Linux Documentation/userspace-api/netlink/intro.rst.
 *
 *     ├ length u32 ─┼ type u16 ┼ flags u16 ┼ sequence u32 ┼ port u32 ┼ a struct, attributes ... ┤ filled to 4 bytes
 *
 * Words are in the machine's order, which is little-endian wherever this is loaded (netlink-libc.ts). A datagram may hold several messages.
 */

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

/** Of every message. */
export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
/** Of requests to get. */
export const NLM_F_DUMP = 0x300;
/** Of requests to make. */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** Of acknowledgements: the request is not repeated in it; attributes follow. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

/** In an acknowledgement's attributes: why, as text. */
export const NLMSGERR_ATTR_MSG = 1;

export const NLMSG_HDRLEN = 16;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** What is behind the header. */
  readonly body: Uint8Array;
}

/** `length`, filled to the next word. */
export const align = (length: number): number => (length + 3) & ~3;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function encodeMessage(type: number, flags: number, sequence: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => align(sum) + part.length, NLMSG_HDRLEN);
  const bytes = new Uint8Array(align(length));
  const view = viewOf(bytes);
  view.setUint32(0, length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  let at = NLMSG_HDRLEN;
  for (const part of parts) {
    bytes.set(part, at);
    at += align(part.length);
  }
  return bytes;
}

/** The messages of a datagram; what is cut short at its end is left out. */
export function decodeMessages(datagram: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = viewOf(datagram);
  for (let at = 0; at + NLMSG_HDRLEN <= datagram.length;) {
    const length = view.getUint32(at, true);
    if (length < NLMSG_HDRLEN || at + length > datagram.length) break;
    messages.push({
      type: view.getUint16(at + 4, true), flags: view.getUint16(at + 6, true), sequence: view.getUint32(at + 8, true), body: datagram.subarray(at + NLMSG_HDRLEN, at + length),
    });
    at += align(length);
  }
  return messages;
}
