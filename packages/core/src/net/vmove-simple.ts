/**
 * vmove-simple.ts — the default way to move a cloned interface: make the same one in the target, then destroy the original.
 * Read first: if-move.ts.
 *
 * A kind needs nothing of its own for this if its `create` works in any vnet. What it keeps beyond IfVparams it says with `saveParams`
 * and `applyParams`. The original is destroyed upon success only; when it cannot be, the new one is taken back.
 */
import { ENODEV } from '../base/errno.js';
import type { Errno } from '../base/errno.js';
import { IFC_F_FORCE } from './if-clone.js';
import type { IfCloner } from './if-clone.js';
import { ifMoved, ifNotMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import type { Ifnet } from './ifnet.js';

export function ifVmoveSimple(cloner: IfCloner, move: IfMove): IfMoveResult {
  const { spec } = cloner;
  const { ifp } = move;
  const saved = spec.saveParams?.(ifp) ?? null;
  const made = spec.create(move.to, cloner, move.xname, ifp.dunit, null, move.like);
  if (made.ifp === null) return ifNotMoved(made.error);
  const error = saved === null ? 0 : (spec.applyParams?.(made.ifp, saved) ?? 0);
  if (error !== 0 || ifp.net === null) return undo(cloner, made.ifp, error === 0 ? ENODEV : error);
  if (made.ifp.net !== move.to) return ifNotMoved(ENODEV);
  move.commit(made.ifp);
  const kept = spec.destroy(ifp, cloner, IFC_F_FORCE);
  if (kept === 0) return ifMoved(made.ifp);
  move.commit(ifp);
  return undo(cloner, made.ifp, kept);
}

function undo(cloner: IfCloner, made: Ifnet, error: Errno): IfMoveResult {
  cloner.spec.destroy(made, cloner, IFC_F_FORCE);
  return ifNotMoved(error);
}
