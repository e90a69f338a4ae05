/**
 * lacp-media.ts — what LACP needs to know about a link: may it be aggregated, with which others, how fast is it.
 * Read first: IEEE 802.3-2008 §43.4.14.1 (selection: full duplex, equal rate); freebsd `sys/net/if_media.h` for the numbers.
 */
import { LINK_STATE_UP } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';

export interface LacpMedia {
  /** An Ethernet link that is up, full duplex. */
  readonly usable: boolean;
  /** The same for links of the same rate: FreeBSD's number for the subtype. */
  readonly subtype: number;
  readonly bitsPerS: number;
}

export const NO_MEDIA: LacpMedia = { usable: false, subtype: 0, bitsPerS: 0 };

/** Begin of a medium's name, subtype, rate. */
const RATES: readonly (readonly [RegExp, number, number])[] = [
  [/^10G/, 18, 10e9],
  [/^5000/, 48, 5e9],
  [/^2500/, 25, 2.5e9],
  [/^1000/, 11, 1e9],
  [/^100/, 6, 100e6],
  [/^10/, 3, 10e6],
];

/** What the driver says; null when it says nothing about media. */
export function lacpMedia(ifp: Ifnet): LacpMedia | null {
  const media = ifp.driver.media?.(ifp) ?? null;
  if (media === null) return null;
  const words = media.media.split(' ');
  const rate = RATES.find(([name]) => name.test(words[1] ?? ''));
  const usable = words[0] === 'Ethernet' && /full-duplex/.test(media.media) && ifp.linkState === LINK_STATE_UP;
  return { usable, subtype: rate?.[1] ?? 0, bitsPerS: rate?.[2] ?? 0 };
}
