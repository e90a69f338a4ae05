/**
 * index.ts — the public face of @netloom/userland: the tools as functions.
 */
export {};
