/**
 * lagg-status.ts — how a lagg is shown: protocol, hash and ports; with -v options, statistics, and what LACP knows of both ends.
 * Read first: ifconfig(8).
 *
 * LACP's identifiers have the standard's form (IEEE 802.3 §43.3.9): `(priority,system,key,port priority,port)` of each end.
 */
import { LAGG_PROTO_LACP, LAGG_PROTO_ROUNDROBIN, laggInfo } from '@netloom/core';
import type { Ifnet, LacpPeers, LaggInfo } from '@netloom/core';
import type { LacpInfo } from '@netloom/core/wire';
import { bitList } from './capabilities.js';
import type { Invocation } from './invocation.js';
import { LAGG_HASHES, LAGG_PROTOS } from './lagg.js';

/** LAGG_PORT_*, LAGG_OPT_* and LACP_STATE_* by bit. */
export const LAGG_PORT_FLAGS: readonly string[] = ['MASTER', 'STACK', 'ACTIVE', 'COLLECTING', 'DISTRIBUTING'];
const OPTION_NAMES: readonly string[] = ['USE_FLOWID', '', 'USE_NUMA', '', 'LACP_STRICT', 'LACP_TXTEST', 'LACP_RXTEST', 'LACP_FAST_TIMO'];
const STATE_NAMES: readonly string[] = ['ACTIVITY', 'TIMEOUT', 'AGGREGATION', 'SYNC', 'COLLECTING', 'DISTRIBUTING', 'DEFAULTED', 'EXPIRED'];

/** printb(): `name=value<BITS>`, with the brackets when there are none. */
function bits(name: string, value: number, names: readonly string[]): string {
  return `${name}=${value.toString(16)}${bitList(value, names, '') || '<>'}`;
}

function endText(end: LacpInfo): string {
  const h = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
  const system = (h(end.sysHi, 4) + h(end.sysLo, 8)).replace(/(..)(?=.)/g, '$1-');
  return `(${h(end.sysPrio, 4)},${system},${h(end.key, 4)},${h(end.portPrio, 4)},${h(end.port, 4)})`;
}

function peersText(peers: LacpPeers): string {
  return `[${endText(peers.actor)},\n\t\t ${endText(peers.partner)}]`;
}

export function laggProtoName(info: LaggInfo): string {
  return LAGG_PROTOS.find(([, proto]) => proto === info.proto)?.[0] ?? '<unknown>';
}

/** `l2,l3,l4` */
export function laggHashText(info: LaggInfo): string {
  return LAGG_HASHES.filter(([, flag]) => (info.hash & flag) !== 0).map(([name]) => name).join(',');
}

function verboseLines(info: LaggInfo): string {
  return `\tlagg options:\n${bits('\t\tflags', info.opts, OPTION_NAMES)}\n\t\tflowid_shift: ${info.flowidShift}\n`
    + (info.proto === LAGG_PROTO_ROUNDROBIN ? `\t\trr_limit: ${info.stride}\n` : '')
    + `\tlagg statistics:\n\t\tactive ports: ${info.active}\n\t\tflapping: ${info.flapping}\n`
    + (info.lacp === null ? '' : `\tlag id: ${peersText(info.lacp)}\n`);
}

export function laggStatus(cx: Invocation, ifp: Ifnet): void {
  const info = laggInfo(ifp);
  if (info === null) return;
  const verbose = cx.args.verbose > 0;
  cx.out(`\tlaggproto ${laggProtoName(info)} lagghash ${laggHashText(info)}\n${verbose ? verboseLines(info) : ''}`);
  for (const { name, flags, lacp } of info.ports) {
    const isLacp = verbose && info.proto === LAGG_PROTO_LACP && lacp !== null;
    cx.out(`\tlaggport: ${name} ${bits('flags', flags, LAGG_PORT_FLAGS)}${isLacp ? bits(' state', lacp.actor.state, STATE_NAMES) : ''}\n`);
    if (isLacp) cx.out(`\t\t${peersText(lacp)}\n`);
  }
}
