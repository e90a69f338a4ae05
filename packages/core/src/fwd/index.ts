/**
 * fwd/index.ts — the published forwarding tables and the verdict over them: what a datapath worker loads.
 */
export * from './addr-set.js';
export * from './addr-set6.js';
export * from './fib4.js';
export * from './fib6.js';
export * from './flow-hash.js';
export * from './forward.js';
export * from './forward6.js';
export * from './nhop-table.js';
export * from './quiescence.js';
