/**
 * index.ts — the public face of @netloom/node: drivers, host loop, daemon.
 */
export {};
