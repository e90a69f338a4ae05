/**
 * wire/index.ts — the codec library: addresses, checksums, parsers, the dissector, pcapng.
 */
export {};
