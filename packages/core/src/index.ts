/**
 * index.ts — the public face of @netloom/core: what a program that embeds the stack may import.
 */
export {};
