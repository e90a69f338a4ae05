/**
 * vnet.ts — `vnet JAIL` and `-vnet JAIL`: an interface moves into a jail's network stack, or back out of it.
 * Read first: ifconfig(8); jail(8).
 *
 * A jail is named by name or number below the caller's prison. `-vnet` is the one word that works on an interface the caller does not see.
 */
import { vmoveLoan, vmoveReclaim } from '@netloom/core';
import { jailGetid } from '../jail/jail-id.js';
import { word1 } from './invocation.js';
import type { Command, Invocation } from './invocation.js';

/** The number of the jail, or the end of ifconfig in jail_getid(3)'s words. */
function jidOf(cx: Invocation, jail: string): number {
  const { jid, message } = jailGetid(cx.p, cx.prison, jail);
  if (jid < 0) cx.errx(message);
  return jid;
}

function lend(cx: Invocation, jail: string): void {
  const jid = jidOf(cx, jail);
  cx.check('SIOCSIFVNET', vmoveLoan(cx.p.kernel.prisons, cx.prison, cx.ifname, jid));
}

function reclaim(cx: Invocation, jail: string): void {
  const jid = jidOf(cx, jail);
  cx.check(`SIOCSIFRVNET(${jid}, ${cx.ifname})`, vmoveReclaim(cx.p.kernel.prisons, cx.prison, cx.ifname, jid));
}

export const VNET_COMMANDS: readonly Command[] = [word1('vnet', lend), word1('-vnet', reclaim)];
