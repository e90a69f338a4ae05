/**
 * oracle.mjs — what every scenario asserts: that something must be so, and that a network that has been shut down leaves nothing.
 */

/** @param {boolean} ok @param {string} what */
export function must(ok, what) {
  if (!ok) throw new Error(what);
}

/**
 * Shuts the kernel down, and looks at what is left. `links`: what the scenario made besides vnets.
 * @param {import('@netloom/core/sim').SimNet} net @param {Iterable<{ destroy(): void }>} links
 */
export function mustEnd(net, links = []) {
  net.kernel.shutdown();
  for (const l of links) l.destroy();
  net.run(1_000_000);
  const { pool, callouts } = net.kernel.engine;
  const { leaks } = net.kernel.audit();
  must(leaks.length === 0, `left behind: ${leaks.map((l) => `${l.count} ${l.name}`).join(', ')}`);
  must(pool.inUse === 0, `${pool.inUse} packets are lost`);
  must(callouts.armed === 0, `${callouts.armed} timers are left`);
}
