/**
 * draws.mjs — random numbers of other distributions than a generator's own, for the tables and frames of benchmarks: the same in every run.
 */

/** From 0 to below 1. @param {import('@netloom/core').Prng} rng */
export const unit = (rng) => rng.u32() / 0x1_0000_0000;

/** Index of the first weight that is at least `x`. @param {Float64Array} weights ascending @param {number} x */
export function firstAbove(weights, x) {
  let lo = 0;
  let hi = weights.length - 1;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((weights[mid] ?? 0) < x) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** Draws indexes 0..n-1 so that the k-th is 1/k as frequent as the first. @param {import('@netloom/core').Prng} rng @param {number} n */
export function zipf(rng, n) {
  const weights = new Float64Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) weights[i] = sum += 1 / (i + 1);
  return () => firstAbove(weights, unit(rng) * sum);
}
