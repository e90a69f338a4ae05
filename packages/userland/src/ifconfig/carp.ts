/**
 * carp.ts — the words of CARP: `vhid N advbase S advskew K pass P state backup|master peer A mcast peer6 A mcast6`, and how vhids are shown.
 * Read first: ifconfig(8), carp(4).
 *
 * Theory of operation. `vhid` comes first, because the others are about it; what they ask for is one request at the end of the line, before the
 * address is set, which then has the vhid. A password longer than 19 bytes is cut there, as FreeBSD's ifconfig cuts it.
 *
 * One deviation: FreeBSD 14 sets both peers back to the groups whenever a line names the vhid and no peer. Here they stay as they are until
 * `peer`, `mcast`, `peer6` or `mcast6` say otherwise.
 */
import { CARP_KEY_LEN, CARP_MAXVHID, CARP_STATES, IN6ADDR_CARP_GROUP, carpList, carpSupported } from '@netloom/core';
import type { CarpInfo, CarpRequest, Ifnet } from '@netloom/core';
import { INADDR_CARP_GROUP, inetAton, ip4Format, ip6Format, ip6Parse, utf8Encode } from '@netloom/core/wire';
import { utf8Text } from '../utf8.js';
import { request } from './if-request.js';
import { atoi, word, word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

function setVhid(cx: Invocation, value: string): void {
  const vhid = atoi(value);
  if (vhid <= 0 || vhid > CARP_MAXVHID) cx.errx(`vhid must be greater than 0 and less than ${CARP_MAXVHID}`);
  if (!cx.family.hasVhids) cx.errx(`${cx.family.name} doesn't support carp(4)`);
  if (cx.carp === null) cx.callbacks.unshift(apply);
  cx.carp = { vhid };
}

/** A word about the vhid named before it. */
function about(name: string, as: string, ask: (cx: Invocation, value: string) => Partial<CarpRequest>): Command {
  return word1(name, (cx, value) => {
    if (cx.carp === null) return cx.errx(`${as} requires vhid`);
    cx.carp = { ...cx.carp, ...ask(cx, value) };
  });
}

/** The same of a word that FreeBSD's ifconfig takes without a vhid and forgets. */
function peerWord(cx: Invocation, req: Partial<CarpRequest>): void {
  if (cx.carp !== null) cx.carp = { ...cx.carp, ...req };
}

function stateOf(cx: Invocation, value: string): Partial<CarpRequest> {
  const state = CARP_STATES.findIndex((name) => name === value.toUpperCase());
  return state === 0 || state === 1 || state === 2 ? { state } : cx.errx('unknown state');
}

/** FreeBSD's ifconfig takes a word that is no number for 0. */
function number(cx: Invocation, value: string): number {
  return /^[0-9]+$/.test(value) ? Number(value) : cx.errx(`${value}: bad value`);
}

/** An interface that cannot have vhids is left alone: what is complained about is the address. */
function apply(cx: Invocation): void {
  const { carp, vnet, ifp } = cx;
  if (carp === null || ifp === null || carpSupported(ifp) !== 0) return;
  cx.check('SIOCSVH', request(cx, (target) => vnet.carp.set(target, carp)));
}

export const CARP_COMMANDS: readonly Command[] = [
  word1('vhid', setVhid),
  about('advbase', 'advbase', (cx, value) => (number(cx, value) > 0 ? { advbase: number(cx, value) } : {})),
  about('advskew', 'advskew', (cx, value) => ({ advskew: number(cx, value) })),
  about('pass', 'passwd', (_cx, value) => ({ key: utf8Encode(value).subarray(0, CARP_KEY_LEN - 1) })),
  about('state', 'state', stateOf),
  word1('peer', (cx, value) => peerWord(cx, { peer: inetAton(value) ?? cx.errx(`${value}: bad value`) })),
  word('mcast', (cx) => peerWord(cx, { peer: INADDR_CARP_GROUP })),
  word1('peer6', (cx, value) => peerWord(cx, { peer6: ip6Parse(value) ?? cx.errx(`Invalid IPv6 address ${value}`) })),
  word('mcast6', (cx) => peerWord(cx, { peer6: IN6ADDR_CARP_GROUP })),
];

/** The password of a vhid as text; '' when it has none. */
function keyText({ key }: CarpInfo): string {
  const end = key.indexOf(0);
  return utf8Text(end < 0 ? key : key.subarray(0, end));
}

/** Two lines for each vhid, with the password when `-k` asks for it. */
export function carpStatus(cx: Invocation, ifp: Ifnet): void {
  for (const vh of carpList(ifp)) {
    const key = cx.args.printKeys && keyText(vh) !== '' ? ` key "${keyText(vh)}"` : '';
    cx.out(`\tcarp: ${CARP_STATES[vh.state]} vhid ${vh.vhid} advbase ${vh.advbase} advskew ${vh.advskew}${key}\n`);
    cx.out(`\t      peer ${ip4Format(vh.peer)} peer6 ${ip6Format(vh.peer6)}\n`);
  }
}

/** For `--json`: what the lines say; the password never. */
export function shownCarp(ifp: Ifnet): { readonly [key: string]: string | number }[] {
  return carpList(ifp).map(({ vhid, state, advbase, advskew, peer, peer6 }) => ({
    vhid, state: CARP_STATES[state], advbase, advskew, peer: ip4Format(peer), peer6: ip6Format(peer6),
  }));
}
