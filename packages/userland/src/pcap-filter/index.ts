/**
 * index.ts — the filter compiler as the rest of userland sees it.
 */
export type { FilterOptions, FilterResult } from './compile-filter.js';
export { compileFilter, SNAPLEN_DEFAULT } from './compile-filter.js';
export { dumpProgram } from './dump-program.js';
