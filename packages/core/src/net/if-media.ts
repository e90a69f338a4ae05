/**
 * if-media.ts — media words: what a link is made of, as ifmedia(4) encodes it.
 * Read first: ifmedia(4), freebsd `sys/net/if_media.h`.
 *
 * A word has a type (Ethernet), a subtype (10Gbase-T), options (full-duplex) and an instance. A driver that has media answers with what is
 * configured, what is in effect, whether the link carries, and which words may be asked for. Names of media are the tool's.
 * Not here: what a driver does when another word is chosen (its `setMedia`).
 */
import type { Errno } from '../base/errno.js';
import { EINVAL, ENXIO } from '../base/errno.js';
import type { Ifnet } from './ifnet.js';

/** The type: bits 5 to 7. */
export const IFM_ETHER = 0x20;
export const IFM_TYPE_MASK = 0xe0;
/** Subtypes of Ethernet used here; numbers above 31 go on in bits 11 to 14. */
export const IFM_AUTO = 0;
export const IFM_1000_T = 16;
export const IFM_10G_T = 26;
/** Bits that say the subtype. */
export const IFM_SUBTYPE_MASK = 0x781f;
/** Options. */
export const IFM_FDX = 0x100000;
export const IFM_HDX = 0x200000;
/** The mode of media that have several: bits 16 to 18. */
export const IFM_MODE_MASK = 0x70000;
/** Which of several transceivers: bits 28 to 31. */
export const IFM_INST_SHIFT = 28;
export const IFM_INST_MAX = 15;

/** SIOCGIFMEDIA. */
export interface IfMedia {
  /** The word that is configured. */
  readonly current: number;
  /** The word in effect; differs from `current` in what the link found out itself. */
  readonly effective: number;
  /** Does the link carry (`status: active`)? */
  readonly active: boolean;
  /** Words that `setMedia` may be asked for. */
  readonly supported: readonly number[];
}

/** The subtype of an Ethernet word, 0 to 511. */
export function ifmSubtype(word: number): number {
  return (word & 0x1f) | ((word & 0x7800) >>> 6);
}

/** An Ethernet subtype as bits of a word. */
export function ifmSubtypeBits(subtype: number): number {
  return (subtype & 0x1f) | ((subtype & 0x1e0) << 6);
}

/** SIOCGIFMEDIA: null for an interface that has no media. */
export function ifMedia(ifp: Ifnet): IfMedia | null {
  return ifp.driver.media?.(ifp) ?? null;
}

/** SIOCSIFMEDIA. EINVAL: the media of this interface cannot be chosen; ENXIO: it has no such medium. */
export function ifSetMedia(ifp: Ifnet, word: number): Errno {
  return ifp.driver.setMedia?.(ifp, word) ?? EINVAL;
}

/** For drivers whose media are a list and nothing changes with the choice: ENXIO when `word` is not on it. */
export function ifmediaMatch(supported: readonly number[], word: number): Errno {
  return supported.includes(word) ? 0 : ENXIO;
}
