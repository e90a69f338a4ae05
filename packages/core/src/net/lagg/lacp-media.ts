/**
 * lacp-media.ts — what LACP needs to know about a link: may it be aggregated, with which others, how fast is it.
 * Read first: IEEE 802.3-2008 §43.4.14.1 (selection: full duplex, equal rate); freebsd `sys/net/if_media.h` for the numbers.
 */
import { IFM_ETHER, IFM_FDX, IFM_TYPE_MASK, ifMedia, ifmSubtype } from '../if-media.js';
import { LINK_STATE_UP } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';

export interface LacpMedia {
  /** An Ethernet link that is up, full duplex. */
  readonly usable: boolean;
  /** The subtype that stands for all of its rate. */
  readonly subtype: number;
  readonly bitsPerS: number;
}

export const NO_MEDIA: LacpMedia = { usable: false, subtype: 0, bitsPerS: 0 };

/** Megabits per second, and the subtypes of that rate; the first one stands for all. */
const RATES: readonly (readonly [mbitPerS: number, subtypes: readonly number[]])[] = [
  [10, [3, 4, 5, 12, 13]],
  [100, [6, 7, 8, 9, 10, 52, 62]],
  [1_000, [11, 14, 15, 16, 30, 41, 44]],
  [2_500, [36, 37, 63]],
  [5_000, [38, 64, 69, 70]],
  [10_000, [18, 19, 20, 22, 23, 24, 26, 32, 33, 34, 42, 46, 59]],
  [20_000, [35]],
  [25_000, [40, 53, 54, 55, 58, 60, 61, 65, 66, 67, 68, 71, 86]],
  [40_000, [27, 28, 29, 43, 45, 72, 73, 74, 119]],
  [50_000, [39, 56, 57, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 87, 88, 118]],
  [56_000, [51]],
  [100_000, [47, 48, 49, 50, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102]],
  [200_000, [103, 104, 105, 106, 107, 108, 109, 110, 111, 112]],
  [400_000, [113, 114, 115, 116, 117]],
];

/** What the driver says; null when it says nothing about media. */
export function lacpMedia(ifp: Ifnet): LacpMedia | null {
  const media = ifMedia(ifp);
  if (media === null) return null;
  const { effective } = media;
  const subtype = ifmSubtype(effective);
  const [mbitPerS, [first]] = RATES.find(([, subtypes]) => subtypes.includes(subtype)) ?? [0, [subtype]];
  const usable = (effective & IFM_TYPE_MASK) === IFM_ETHER && (effective & IFM_FDX) !== 0 && ifp.linkState === LINK_STATE_UP;
  return { usable, subtype: first ?? subtype, bitsPerS: mbitPerS * 1e6 };
}
