/**
 * vmove-classic.ts — the old way to move: the same object leaves one vnet and is linked into the other.
 * Read first: docs/moves.md "Kinds that do not move by a new instance".
 *
 * For cloners marked IFC_F_NOMOVE and for drivers without a `reassign`. Everything that kept a pointer to the interface can be wrong
 * afterwards, which is why the kinds of this repository use it only as the last resort of a return. It fails only when somebody who is told of the departure destroys the
 * interface: ENODEV. Should they take its name in the target, it gets another. The first time for each kind is logged.
 */
import { ENODEV } from '../base/errno.js';
import type { IfCloner } from './if-clone.js';
import { ifAttach } from './if.js';
import { ifDetachInternal } from './if-detach.js';
import { freeNameIn, ifMoved, ifNotMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import type { Ifnet } from './ifnet.js';

export const MOVES_PAGE = 'docs/moves.md';

/** @param cloner the one that made it; null: none did. */
export function ifVmoveClassic(move: IfMove, cloner: IfCloner | null): IfMoveResult {
  const { ifp, to } = move;
  warnOnce(ifp);
  ifDetachInternal(ifp, 'vmove');
  if (cloner !== null && !cloner.interfaces.includes(ifp)) {
    to.shared.freeIndex(ifp);
    return ifNotMoved(ENODEV);
  }
  ifp.xname = freeNameIn(to, ifp, move.xname);
  ifp.driver.vnetChanged?.(ifp, to);
  ifp.instance = 0;
  const fibs = to.routes?.fibs ?? Infinity;
  if (ifp.fib >= fibs) ifp.fib = 0;
  if (ifp.tunnelFib >= fibs) ifp.tunnelFib = 0;
  ifAttach(ifp, to);
  return ifMoved(ifp);
}

function warnOnce(ifp: Ifnet): void {
  const net = ifp.net;
  if (net === null || net.shared.movedClassic.has(ifp.dname)) return;
  net.shared.movedClassic.add(ifp.dname);
  net.kern.log('warning', `${ifp.xname}: moved as the same object, which is deprecated for interfaces of kind ${ifp.dname}; see ${MOVES_PAGE}`);
}
