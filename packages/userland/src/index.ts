/**
 * index.ts — the public face of @netloom/userland: the tools as functions, and the process interface they are given.
 */
export type { HostFile, Proc, ProcHost, ProcSignal, RunOptions, Tool, ToolMain } from './proc.js';
export { HostError, ProcKilled, signalNumber } from './proc.js';
export { findTool, toolNames, tools } from './tools.js';
export { dhcpConfProblem } from './dhcpd/dhcpd-conf.js';
export { dhcp6ConfProblem } from './dhcp6d/dhcp6d-conf.js';
export { DOMAIN_DEFAULT } from './dnsd/dnsd-conf.js';
export { compileFilter } from './pcap-filter/index.js';
export type { FilterOptions, FilterResult } from './pcap-filter/index.js';
export { getopt } from './getopt.js';
export type { Getopt } from './getopt.js';
export { getoptLong } from './getopt-long.js';
export { StdinReader } from './stdin-reader.js';
