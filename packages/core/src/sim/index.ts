/**
 * sim/index.ts — the seeded simulator and the packet scripts: the test kit.
 */
export {};
