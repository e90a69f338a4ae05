/**
 * fwd/index.ts — the published forwarding tables and the verdict over them: what a datapath worker loads.
 */
export * from './addr-set.js';
export * from './addr-set6.js';
export * from './fib4.js';
export * from './fib6.js';
export * from './flow-hash.js';
export * from './flow-of.js';
export * from './forward.js';
export * from './forward6.js';
export { lookAhead } from './forward-ahead.js';
export { forwardFrame } from './forward-frame.js';
export { FWD_HEADROOM } from './forward-frame-out.js';
export * from './fwd-counters.js';
export * from './fwd-if.js';
export * from './fwd-map.js';
export * from './fwd-tables.js';
export * from './fwd-verdict.js';
export * from './nhop-table.js';
export * from './passive.js';
export * from './percpu.js';
export * from './quiescence.js';
export * from './shared-list.js';
export * from './shared-words.js';
