/**
 * attributes.ts — netlink's attributes: a length, a type, a value, filled to 4 bytes; a value may be attributes again.
 * Read first: message.ts; netlink(7); Linux include/net/netlink.h.
 *
 * What is written has no NLA_F_NESTED on attributes that hold others: where it is from before that flag, as traffic control is, the kernel takes it either way. What is read may have it.
 */
import { align, viewOf } from './message.js';

const NLA_HDRLEN = 4;
/** A type without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const NLA_TYPE_MASK = 0x3fff;

/** One attribute, with its filling. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align(NLA_HDRLEN + value.length));
  const view = viewOf(bytes);
  view.setUint16(0, NLA_HDRLEN + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, NLA_HDRLEN);
  return bytes;
}

export function u32Attribute(type: number, value: number): Uint8Array {
  return attribute(type, words(value));
}

/** A string with the NUL behind it. */
export function textAttribute(type: number, text: string): Uint8Array {
  return attribute(type, Buffer.from(`${text}\0`));
}

export function nestedAttribute(type: number, ...attributes: readonly Uint8Array[]): Uint8Array {
  return attribute(type, Buffer.concat(attributes));
}

/** 32-bit words as a struct has them. */
export function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = viewOf(bytes);
  values.forEach((value, i) => view.setUint32(4 * i, value >>> 0, true));
  return bytes;
}

/** Attributes by their types; of several of one type the last. */
export class Attributes {
  private readonly values = new Map<number, Uint8Array>();

  constructor(bytes: Uint8Array) {
    const view = viewOf(bytes);
    for (let at = 0; at + NLA_HDRLEN <= bytes.length;) {
      const length = view.getUint16(at, true);
      if (length < NLA_HDRLEN || at + length > bytes.length) break;
      this.values.set(view.getUint16(at + 2, true) & NLA_TYPE_MASK, bytes.subarray(at + NLA_HDRLEN, at + length));
      at += align(length);
    }
  }

  bytes(type: number): Uint8Array | null {
    return this.values.get(type) ?? null;
  }

  /** null when there is none, or one that is too short. */
  u32(type: number): number | null {
    const value = this.values.get(type);
    return value === undefined || value.length < 4 ? null : viewOf(value).getUint32(0, true);
  }

  text(type: number): string | null {
    const value = this.values.get(type);
    return value === undefined ? null : Buffer.from(value).toString('utf8').replace(/\0.*$/s, '');
  }

  /** Those inside another; none when it is not there. */
  nested(type: number): Attributes {
    return new Attributes(this.values.get(type) ?? new Uint8Array(0));
  }
}
