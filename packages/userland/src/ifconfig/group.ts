/**
 * group.ts — interface groups: `group G`, `-group G`, `ifconfig -g G`, and the group filters of `-a`.
 * Read first: ifconfig(8).
 */
import { EEXIST, ENOENT, ifAddGroup, ifDelGroup, ifGroupMembers } from '@netloom/core';
import type { Ifnet } from '@netloom/core';
import { request } from './if-request.js';
import { word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

const IFNAMSIZ = 16;
/** The group every interface is in is not worth saying. */
const ALL = 'all';

function checkName(cx: Invocation, who: string, group: string): void {
  if (/[0-9]$/.test(group)) cx.errx(`${who}: group names may not end in a digit`);
  if (group.length >= IFNAMSIZ) cx.errx(`${who}: group name too long`);
}

function join(cx: Invocation, group: string): void {
  checkName(cx, 'setifgroup', group);
  const error = request(cx, (ifp) => ifAddGroup(ifp, group));
  if (error !== EEXIST) cx.check(' SIOCAIFGROUP', error);
}

function leave(cx: Invocation, group: string): void {
  checkName(cx, 'unsetifgroup', group);
  const error = request(cx, (ifp) => ifDelGroup(ifp, group));
  if (error !== ENOENT) cx.check('SIOCDIFGROUP', error);
}

export const GROUP_COMMANDS: readonly Command[] = [word1('group', join), word1('-group', leave)];

/** Groups of an interface worth showing. */
export function shownGroups(ifp: Ifnet): string[] {
  return ifp.groups.filter((g) => g !== ALL);
}

export function groupStatus(cx: Invocation, ifp: Ifnet): void {
  const groups = shownGroups(ifp);
  if (groups.length > 0) cx.out(`\tgroups: ${groups.join(' ')}\n`);
}

/** `ifconfig -g GROUP`: the members, one a line; nothing for a group without any. */
export function printGroup(cx: Invocation, group: string): void {
  for (const ifp of ifGroupMembers(cx.net, group) ?? []) cx.out(`${ifp.xname}\n`);
}

/** Is an interface listed under `-g MATCH` and `-G NOMATCH`? Both are shell patterns. */
export function groupMember(ifp: Ifnet, match: string | null, noMatch: string | null): boolean {
  if (match !== null && !ifp.groups.some((g) => fnmatch(match, g))) return false;
  return noMatch === null || !ifp.groups.some((g) => fnmatch(noMatch, g));
}

/** fnmatch(3) without flags. */
export function fnmatch(pattern: string, text: string): boolean {
  const source = pattern.replace(/\\(.)|\[!?[^\]]*\]|[\s\S]/g, (token, escaped?: string) => {
    if (escaped !== undefined) return quote(escaped);
    if (token === '*') return '[^]*';
    if (token === '?') return '[^]';
    if (token.length > 1) return `[${token.slice(1, -1).replace(/^!/, '^').replace(/\\/g, '\\\\')}]`;
    return quote(token);
  });
  return new RegExp(`^${source}$`).test(text);
}

function quote(char: string): string {
  return char.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
