/**
 * ipfw-table-value.ts — IpfwTableValue: what a table says about a key; a rule's "tablearg".
 * Read first: ipfw(8) "TABLEARG", "valtype"; FreeBSD's ipfw_table_value.
 *
 * A value has a field for each thing a rule may take from a table. A table of the usual kind ("legacy") has one number, which is all of them.
 */

/** Which fields a table's values have. */
export const IPFW_VTYPE_SKIPTO = 0x1;
export const IPFW_VTYPE_PIPE = 0x2;
export const IPFW_VTYPE_FIB = 0x4;
export const IPFW_VTYPE_NAT = 0x8;
export const IPFW_VTYPE_DSCP = 0x10;
export const IPFW_VTYPE_TAG = 0x20;
export const IPFW_VTYPE_DIVERT = 0x40;
export const IPFW_VTYPE_NETGRAPH = 0x80;
export const IPFW_VTYPE_LIMIT = 0x100;
export const IPFW_VTYPE_NH4 = 0x200;
export const IPFW_VTYPE_NH6 = 0x400;
export const IPFW_VTYPE_MARK = 0x800;
export const IPFW_VTYPE_LEGACY = 0xffff_ffff;
export const IPFW_VTYPE_ALL = 0xfff;

export interface IpfwTableValue {
  readonly skipto: number;
  readonly pipe: number;
  readonly fib: number;
  readonly nat: number;
  readonly dscp: number;
  readonly tag: number;
  readonly divert: number;
  readonly netgraph: number;
  readonly limit: number;
  /** An address, as a number. */
  readonly nh4: number;
  /** An address in four words, signed. */
  readonly nh6: readonly [number, number, number, number];
  readonly mark: number;
}

const NO_ADDR = [0, 0, 0, 0] as const;

/** No value. */
export const NO_VALUE: IpfwTableValue = Object.freeze({ skipto: 0, pipe: 0, fib: 0, nat: 0, dscp: 0, tag: 0, divert: 0, netgraph: 0, limit: 0, nh4: 0, nh6: NO_ADDR, mark: 0 });

/** One number for everything. */
export function legacyValue(n: number): IpfwTableValue {
  return { skipto: n & 0xffff, pipe: n & 0xffff, fib: n, nat: n, dscp: n & 0xff, tag: n, divert: n & 0xffff, netgraph: n, limit: n, nh4: n, nh6: NO_ADDR, mark: 0 };
}
