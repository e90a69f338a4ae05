/**
 * bridge-snoop.ts — the words of a bridge's multicast snooping, which FreeBSD's bridge does not have.
 * Read first: docs/multicast.md; core's net/bridge-snoop.ts.
 */
import {
  EINVAL, ENXIO, bridgeSetRouterPort, bridgeSetSnoopFlag, bridgeSetSnoopMax, bridgeSetSnooping, bridgeSnooping,
} from '@netloom/core';
import type { BridgeSnooping, Errno, Ifnet } from '@netloom/core';
import { request } from './if-request.js';
import { parseUnsigned, word, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** Complains with what to do about a bridge that does not snoop. */
function change(cx: Invocation, what: string, fn: (ifp: Ifnet) => Errno): void {
  const error = request(cx, fn);
  if (error === ENXIO && cx.ifp !== null) return cx.errx(`${what}: ${cx.ifp.xname} does not snoop; ifconfig ${cx.ifp.xname} mcsnoop turns it on`);
  cx.check(what, error);
}

function flagWords(name: string, flag: 'fastLeave' | 'floodUnknown'): Command[] {
  return [word(name, (cx) => change(cx, name, (ifp) => bridgeSetSnoopFlag(ifp, flag, true))), word(`-${name}`, (cx) => change(cx, `-${name}`, (ifp) => bridgeSetSnoopFlag(ifp, flag, false)))];
}

function setMax(cx: Invocation, text: string): void {
  const value = parseUnsigned(text);
  if (value === null) return cx.errx(`invalid value: ${text}`);
  change(cx, `mcmaxgroups ${text}`, (ifp) => bridgeSetSnoopMax(ifp, value));
}

/** `mcgroups`: router ports, then a group a line. */
function printGroups(cx: Invocation): void {
  const { ifp } = cx;
  if (ifp === null) return cx.err('unable to get multicast groups', ENXIO);
  const s = bridgeSnooping(ifp);
  if (s === null) return change(cx, 'mcgroups', (i) => (bridgeSetSnoopFlag(i, 'fastLeave', false) === EINVAL ? EINVAL : ENXIO));
  for (const r of s.routers) cx.out(`router ${r.name} ${r.expire}\n`);
  for (const g of s.groups) cx.out(`${g.group} Vlan${g.vlan} ${g.members.map((m) => `${m.name} ${m.expire}`).join(' ')}\n`);
}

export const BRIDGE_SNOOP_COMMANDS: readonly Command[] = [
  word('mcsnoop', (cx) => change(cx, 'mcsnoop', (ifp) => bridgeSetSnooping(ifp, true))),
  word('-mcsnoop', (cx) => change(cx, '-mcsnoop', (ifp) => bridgeSetSnooping(ifp, false))),
  ...flagWords('mcfastleave', 'fastLeave'),
  ...flagWords('mcflood', 'floodUnknown'),
  word1('mcmaxgroups', setMax),
  word1('mcrouter', (cx, member) => change(cx, `mcrouter ${member}`, (ifp) => bridgeSetRouterPort(ifp, member, true))),
  word1('-mcrouter', (cx, member) => change(cx, `-mcrouter ${member}`, (ifp) => bridgeSetRouterPort(ifp, member, false))),
  word('mcgroups', printGroups),
];

/** The line of `ifconfig bridgeN`, only when it snoops. */
export function snoopLine(s: BridgeSnooping): string {
  const flags = [...(s.fastLeave ? ['fastleave'] : []), ...(s.floodUnknown ? ['flood'] : [])];
  return `\tmcsnoop groups ${s.groups.length} mcmaxgroups ${s.groupsMax}${flags.map((f) => ` ${f}`).join('')}${s.routers.length > 0 ? ` routers ${s.routers.map((r) => r.name).join(',')}` : ''}\n`;
}
