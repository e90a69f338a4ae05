/**
 * tc-handle.ts — the 32-bit numbers by which tc(8) names disciplines: `MAJOR:MINOR`, and the fixed ones.
 */
export const TC_H_UNSPEC = 0;
export const TC_H_ROOT = 0xffff_ffff;
/** Parent of an ingress discipline; also of one that has an egress side. */
export const TC_H_INGRESS = 0xffff_fff1;
/** Where `tc filter ... ingress` puts filters. */
export const TC_H_INGRESS_FILTERS = 0xffff_fff2;
/** The handle of every ingress discipline, `ffff:`. */
export const TC_INGRESS_HANDLE = 0xffff_0000;
/** Handles that are made up are above this one. */
export const TC_AUTO_HANDLE = 0x8000_0000;

const MAJOR = 0x1_0000;

export function tcMajor(handle: number): number {
  return handle - (handle % MAJOR);
}

export function tcMinor(handle: number): number {
  return handle % MAJOR;
}

/** The made-up handle behind `handle`: 8001:, 8002:, …, and round again before `ffff:`. */
export function tcNextHandle(handle: number): number {
  const next = handle + MAJOR;
  return next >= TC_INGRESS_HANDLE ? TC_AUTO_HANDLE + MAJOR : next;
}
