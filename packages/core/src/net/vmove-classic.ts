/**
 * vmove-classic.ts — the old way to move: the same object leaves one vnet and is linked into the other.
 * Read first: docs/moves.md "Kinds that do not move by a new instance".
 *
 * For cloners marked IFC_F_NOMOVE and for drivers without a `reassign`. Everything that kept a pointer to the interface can be wrong
 * afterwards, which is why the kinds of this repository do not use it. It cannot fail. The first time for each kind is logged.
 */
import { ifAttach } from './if.js';
import { ifDetachInternal } from './if-detach.js';
import { ifMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import type { Ifnet } from './ifnet.js';

export const MOVES_PAGE = 'docs/moves.md';

export function ifVmoveClassic(move: IfMove): IfMoveResult {
  const { ifp, to } = move;
  warnOnce(ifp);
  ifDetachInternal(ifp, 'vmove');
  ifp.xname = move.xname;
  ifp.driver.vnetChanged?.(ifp, to);
  ifp.instance = 0;
  ifAttach(ifp, to);
  return ifMoved(ifp);
}

function warnOnce(ifp: Ifnet): void {
  const net = ifp.net;
  if (net === null || net.shared.movedClassic.has(ifp.dname)) return;
  net.shared.movedClassic.add(ifp.dname);
  net.kern.log('notice', `${ifp.xname}: moved as the same object, which is deprecated for interfaces of kind ${ifp.dname}; see ${MOVES_PAGE}`);
}
