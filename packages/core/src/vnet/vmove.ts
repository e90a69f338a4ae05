/**
 * vmove.ts — SIOCSIFVNET and SIOCSIFRVNET: a process of a prison lends an interface to a jail below it, or takes one back.
 * Read first: freebsd `sys/net/if.c` if_vmove_loan, if_vmove_reclaim; net/if-vmove.ts, which goes on from here.
 *
 * The order of the checks is what a program sees, so it is FreeBSD's: for a loan the interface is looked up before anything else, for a reclaim
 * the privilege and the jail come first, because only the jail can tell whether there is such an interface.
 */
import type { Errno } from '../base/errno.js';
import { ENXIO, EPERM } from '../base/errno.js';
import type { Prison, PrisonTree } from '../kern/prison.js';
import { ifVmoveLoan, ifVmoveReclaim } from '../net/if-vmove.js';
import type { Vnet } from './vnet.js';

/**
 * `ifconfig IF vnet JAIL` by a process of `caller`. ENXIO no such interface; EPERM the prison does not own its network; ENXIO `jid` is no jail
 * below the caller's; then as ifVmoveLoan.
 */
export function vmoveLoan(prisons: PrisonTree<Vnet>, caller: Prison<Vnet>, xname: string, jid: number): Errno {
  const { net } = caller.vnet;
  if (net.ifunit(xname) === null) return ENXIO;
  if (!caller.ownsVnet) return EPERM;
  const jail = prisons.find(caller, String(jid));
  return jail === null ? ENXIO : ifVmoveLoan(net, xname, jail.vnet.net);
}

/** `ifconfig IF -vnet JAIL`. EPERM, ENXIO no such jail, then as ifVmoveReclaim. */
export function vmoveReclaim(prisons: PrisonTree<Vnet>, caller: Prison<Vnet>, xname: string, jid: number): Errno {
  if (!caller.ownsVnet) return EPERM;
  const jail = prisons.find(caller, String(jid));
  return jail === null ? ENXIO : ifVmoveReclaim(caller.vnet.net, xname, jail.vnet.net);
}
