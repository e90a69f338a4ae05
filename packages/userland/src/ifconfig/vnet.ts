/**
 * vnet.ts — `vnet JAIL` and `-vnet JAIL`: an interface moves into a jail's network stack, or back out of it.
 * Read first: ifconfig(8); jail(8).
 *
 * A jail is named by name or number below the caller's prison. `-vnet` is the one word that works on an interface the caller does not see.
 */
import { ENXIO, ifVmoveLoan, ifVmoveReclaim } from '@netloom/core';
import type { Errno, Net } from '@netloom/core';
import { jailGetid } from '../jail/jail-id.js';
import { mayChange } from './if-request.js';
import { word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** Looks the jail up and moves; answers with its number and the outcome. */
function move(cx: Invocation, jail: string, how: (theirs: Net) => Errno): { readonly jid: number; readonly error: Errno } {
  const id = jailGetid(cx.p, cx.prison, jail);
  if (id.jid < 0) cx.errx(id.message);
  const refused = mayChange(cx);
  if (refused !== 0) return { jid: id.jid, error: refused };
  return { jid: id.jid, error: id.prison === null ? ENXIO : how(id.prison.vnet.net) };
}

function lend(cx: Invocation, jail: string): void {
  cx.check('SIOCSIFVNET', move(cx, jail, (theirs) => ifVmoveLoan(cx.net, cx.ifname, theirs)).error);
}

function reclaim(cx: Invocation, jail: string): void {
  const { jid, error } = move(cx, jail, (theirs) => ifVmoveReclaim(cx.net, cx.ifname, theirs));
  cx.check(`SIOCSIFRVNET(${jid}, ${cx.ifname})`, error);
}

export const VNET_COMMANDS: readonly Command[] = [word1('vnet', lend), word1('-vnet', reclaim)];
