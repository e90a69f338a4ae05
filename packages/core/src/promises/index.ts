/**
 * promises/index.ts — the façade that shows calls as Promises; the only folder of core where Promise is legal.
 */
export {};
