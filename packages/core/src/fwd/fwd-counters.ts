/**
 * fwd-counters.ts — what a processor counts on the short path: a cell of numbers for each interface and each set of tables.
 *
 * Every processor has an array of its own, so nobody waits for anybody; who wants to know sums them up. The control thread folds them into the interfaces' and the protocols' own
 * counters (net/datapath). A cell's number belongs to an interface, or a set, as long as that is published.
 *
 *     interface   0 ipackets  1 ibytes  2 opackets  3 obytes    8+n punted for reason n (fwd-verdict.ts)    40+n dropped for reason n
 *     set         0 IPv4 forwarded  1 IPv6 forwarded   2 IPv4 to a blackhole  3 IPv6 to a blackhole
 *
 * Punted frames are counted as received by whoever takes them over, so `ipackets` here are those that were sent on.
 */
import { FWD_DROP } from './forward.js';
import { sharedCounts } from './shared-words.js';

/** Numbers in a cell, as a shift. */
export const FWD_CELL_SHIFT = 6;
/** Cells there are; cell 0 is nobody's. */
export const FWD_CELLS = 4_096;

export const FC_IPACKETS = 0;
export const FC_IBYTES = 1;
export const FC_OPACKETS = 2;
export const FC_OBYTES = 3;
export const FC_FORWARD4 = 0;
export const FC_FORWARD6 = 1;
export const FC_BLACKHOLE4 = 2;
export const FC_BLACKHOLE6 = 3;
const FC_PUNTS = 8;
const FC_DROPS = 40;

/** A processor's counters. */
export const fwdCounters = (): Float64Array => sharedCounts(FWD_CELLS << FWD_CELL_SHIFT);

/** Where in a cell a negative verdict is counted. */
export const fwdCountAt = (verdict: number): number => (verdict <= FWD_DROP ? FC_DROPS + FWD_DROP - verdict : FC_PUNTS - verdict);
