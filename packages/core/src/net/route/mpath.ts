/**
 * mpath.ts — multipath: how weights become slots.
 * Read first: freebsd `sys/net/route/nhgrp_ctl.c`; RFC 2991.
 *
 * A flow takes slot `flowid % slots`. The number of slots is the smallest that expresses the weights exactly, (100, 200)
 * being three, when a simple common unit is found, and RIB_MAX_MPATH_WIDTH otherwise. Slots are dealt out path by path
 * in proportion to what is left of weights and slots, so that they always come out even.
 */
import { RIB_MAX_MPATH_WIDTH } from './rtentry.js';

/** Slots for these weights (each >= 1): 1..RIB_MAX_MPATH_WIDTH. */
export function mpathSlots(weights: readonly number[]): number {
  const sorted = [...weights].sort((a, b) => a - b);
  let unit = sorted[0] ?? 1;
  let last = 0;
  let total = 0;
  for (const w of sorted) {
    total += w;
    if (w !== last && w - last < unit) unit = w - last;
    last = w;
  }
  const exact = weights.every((w) => w % unit === 0) && total / unit <= RIB_MAX_MPATH_WIDTH;
  return exact ? total / unit : RIB_MAX_MPATH_WIDTH;
}

/** For each slot the place of its path in `weights`. A path of very little weight may get none. */
export function mpathCompile(weights: readonly number[]): number[] {
  let slotsLeft = mpathSlots(weights);
  let weightLeft = weights.reduce((sum, w) => sum + w, 0);
  const slots: number[] = [];
  weights.forEach((w, path) => {
    const n = Math.floor((w * slotsLeft) / weightLeft);
    weightLeft -= w;
    slotsLeft -= n;
    for (let i = 0; i < n; i++) slots.push(path);
  });
  return slots;
}
