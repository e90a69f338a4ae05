/**
 * clone.ts — `create` and `destroy` (`plumb`, `unplumb`), and `ifconfig -C`.
 * Read first: ifconfig(8).
 *
 * Theory of operation. `create` only notes that a clone is wanted. The words that follow are looked up among those about making one
 * (`vlan`, `vlandev`, `vlanproto`, those of a vxlan); the first word that is none of them, or the end of the line, makes the clone with the
 * parameters so far, and from there on words are about the new interface.
 */
import { EEXIST, ifCloneCreate, ifCloneDestroyIfp } from '@netloom/core';
import type { CloneParams } from '@netloom/core';
import { mayChangeNetwork } from '../jail/jail-id.js';
import { request } from './if-request.js';
import { word } from './invocation.js';
import type { Command, Invocation } from './invocation.js';
import { vlanCloneParams } from './vlan.js';
import { vxlanCloneParams } from './vxlan.js';

function cloneParams(cx: Invocation, name: string): CloneParams | null {
  if (name.startsWith('vxlan')) return vxlanCloneParams(cx);
  return /^vlan|\./.test(name) ? vlanCloneParams(cx, name) : null;
}

/** Makes interface `cx.ifname`; afterwards `cx.ifname` is the name it got. */
export function cloneCreate(cx: Invocation): void {
  const name = cx.ifname;
  const params = cloneParams(cx, name);
  const refused = mayChangeNetwork(cx);
  const made = refused === 0 ? ifCloneCreate(cx.net, name, params) : { error: refused, ifp: null };
  if (made.error === EEXIST) cx.errx(`interface ${name} already exists`);
  if (made.ifp === null) return cx.err(`SIOCIFCREATE2 (${name})`, made.error);
  if (made.ifp.xname !== name) cx.rename(made.ifp.xname);
}

function destroy(cx: Invocation): void {
  cx.check('SIOCIFDESTROY', request(cx, (ifp) => ifCloneDestroyIfp(ifp, 0)));
}

const create = (cx: Invocation): void => void cx.callbacks.unshift(cloneCreate);

/** Words before the clone is made. */
export const CLONE_START: readonly Command[] = [word('create', create), word('plumb', create)];
export const CLONE_COMMANDS: readonly Command[] = [word('destroy', destroy), word('unplumb', destroy)];

/** `ifconfig -C`: names of cloners, most recently attached first. */
export function listCloners(cx: Invocation): void {
  cx.out(`${cx.net.cloners.map((c) => c.name).join(' ')}\n`);
}
