/**
 * bridge-status.ts — how a bridge is shown: its parameters, its members, its addresses.
 * Read first: ifconfig(8).
 *
 * A member that takes part in the spanning tree has a protocol, a role and a state as well.
 */
import { bridgeMembers, bridgeParams, bridgeSnooping } from '@netloom/core';
import type { BridgeAddr, BridgeMember, BridgeParams, Ifnet } from '@netloom/core';
import { macFormat } from '@netloom/core/wire';
import { snoopLine } from './bridge-snoop.js';
import { bitList } from './capabilities.js';
import type { Invocation } from './invocation.js';

const IFBIF_ORDER: readonly (readonly [flag: number, name: string])[] = [
  [0x1, 'LEARNING'], [0x2, 'DISCOVER'], [0x4, 'STP'], [0x8, 'SPAN'], [0x10, 'STICKY'], [0x800, 'PRIVATE'], [0x20, 'EDGE'], [0x40, 'AUTOEDGE'], [0x80, 'PTP'],
  [0x100, 'AUTOPTP'],
];
const IFBAF_NAMES: readonly string[] = ['STATIC', 'STICKY'];

/** Names of a member's flags, in ifconfig's order. */
export function memberFlagNames(flags: number): string[] {
  return IFBIF_ORDER.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
}

/** `MAC VlanN IF seconds flags=…` */
export function bridgeAddressLine(a: BridgeAddr): string {
  return `${macFormat(a.mac)} Vlan${a.vlan} ${a.member} ${a.expire} flags=${a.flags.toString(16)}${bitList(a.flags, IFBAF_NAMES, 'IFBAF') || '<>'}`;
}

function paramLines(b: BridgeParams): string {
  return `\tid ${macFormat(b.id)} priority ${b.priority} hellotime ${b.helloTime} fwddelay ${b.fwdDelay}\n`
    + `\tmaxage ${b.maxAge} holdcnt ${b.holdCount} proto ${b.proto} maxaddr ${b.maxAddr} timeout ${b.timeout}\n`
    + `\troot id ${macFormat(b.rootId)} priority ${b.rootPriority} ifcost ${b.rootCost} port ${b.rootPort}\n`;
}

function memberLines(m: BridgeMember): string {
  return `\tmember: ${m.name} flags=${m.flags.toString(16)}<${memberFlagNames(m.flags).join(',')}>\n`
    + `\t        ifmaxaddr ${m.addrMax} port ${m.port} priority ${m.priority} path cost ${m.pathCost}`
    + (m.stp === null ? '\n' : ` proto ${m.stp.proto}\n\t        role ${m.stp.role} state ${m.stp.state}\n`);
}

export function bridgeStatus(cx: Invocation, ifp: Ifnet): void {
  const params = bridgeParams(ifp);
  if (params === null) return;
  cx.out(paramLines(params));
  const snooping = bridgeSnooping(ifp);
  if (snooping !== null) cx.out(snoopLine(snooping));
  for (const member of bridgeMembers(ifp) ?? []) cx.out(memberLines(member));
}
