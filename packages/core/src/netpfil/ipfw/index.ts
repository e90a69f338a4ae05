/**
 * index.ts — what tools and netgraph may use of the filter.
 */
export { Ipfw } from './ipfw.js';
export type { IpfwRange } from './ipfw-chain.js';
export { MATCH_REVERSE } from './ipfw-dyn.js';
export type { IpfwParent, IpfwState } from './ipfw-dyn.js';
export * from './ipfw-insn.js';
export type { IpfwNat, IpfwNatConfig, IpfwRedirect } from './ipfw-nat.js';
export type { IpfwNgDoor } from './ipfw-pfil.js';
export { IPFW_RULE_JUSTOPTS, IPFW_RULE_NOOPT } from './ipfw-rule.js';
export type { IpfwRule, IpfwRuleSpec } from './ipfw-rule.js';
export {
  IPFW_TABLE_ADDR, IPFW_TABLE_FLOW, IPFW_TABLE_INTERFACE, IPFW_TABLE_MAC, IPFW_TABLE_NUMBER, IPFW_TFFLAG_DSTIP, IPFW_TFFLAG_DSTPORT, IPFW_TFFLAG_PROTO, IPFW_TFFLAG_SRCIP,
  IPFW_TFFLAG_SRCPORT, NO_KEY,
} from './ipfw-table.js';
export type { IpfwTable, IpfwTableEntry, IpfwTableInfo, IpfwTableKey, TableResult } from './ipfw-table.js';
export * from './ipfw-table-value.js';
export type { IpfwTables, TableChange } from './ipfw-tables.js';
