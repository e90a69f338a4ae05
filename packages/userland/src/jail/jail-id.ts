/**
 * jail-id.ts — finding a jail by name or number, as jail_getid(3) does, and what a process may do in its own.
 * Read first: jail_getid(3); freebsd `sys/kern/kern_jail.c` prison_priv_check.
 *
 * Names and numbers are looked up below the caller's own prison: nobody sees siblings or ancestors.
 */
import { EBUSY, EINVAL, EPERM } from '@netloom/core';
import type { Errno, Prison, Vnet } from '@netloom/core';
import type { Proc } from '../proc.js';
import { err, errx } from '../err.js';

export interface JailId {
  /** -1 when there is none; 0 for the caller's own prison, which has no object below itself. */
  readonly jid: number;
  readonly prison: Prison | null;
  /** Why there is none, in jail_get(2)'s words. */
  readonly message: string;
}

/** @param viewer the caller's prison. */
export function jailGetid(p: Proc, viewer: Prison, nameOrJid: string): JailId {
  if (/^0+$/.test(nameOrJid)) return { jid: 0, prison: null, message: '' };
  const prison = p.kernel.prisons.find(viewer, nameOrJid);
  const shown = /^[0-9]+$/.test(nameOrJid) ? String(Number(nameOrJid)) : `"${nameOrJid}"`;
  if (prison === null) return { jid: -1, prison: null, message: `jail ${shown} not found` };
  if (prison.dying) return { jid: -1, prison: null, message: `jail ${shown} is dying` };
  return { jid: prison.jid, prison, message: '' };
}

/** The prison a tool is to act in (jail_attach(2)); leaves the tool when there is none. */
export function attachJail(p: Proc, nameOrJid: string): Prison {
  const id = jailGetid(p, p.prison, nameOrJid);
  if (id.jid < 0) errx(p, 1, id.message);
  return id.prison ?? err(p, 1, `jail_attach(${id.jid})`, EINVAL);
}

/** May processes of this prison change its network? Prison 0 and prisons with a vnet of their own may. */
export function ownsNetwork(prison: Prison): boolean {
  return prison.ownsVnet;
}

/** What a change of the network is refused with before it is looked at; 0: it may be. EPERM: it is another prison's; EBUSY: it is being taken down. */
export function mayChangeNetwork({ prison, vnet }: { readonly prison: Prison; readonly vnet: Vnet }): Errno {
  return !ownsNetwork(prison) ? EPERM : vnet.kern.shutdown ? EBUSY : 0;
}
