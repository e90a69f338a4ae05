/**
 * fwd/index.ts — the published forwarding snapshot and forward(): what a datapath worker loads.
 */
export {};
