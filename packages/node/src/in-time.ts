/**
 * in-time.ts — inTime: waits for something, and no longer than so long.
 */

/** What `promise` resolves with, or `late` when that takes longer than `ms`. Rejects as it does; no timer is left. */
export async function inTime<T, L>(promise: Promise<T>, ms: number, late: L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<L>((resolve) => (timer = setTimeout(() => resolve(late), ms)));
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}
