/**
 * if-vmove.ts — an interface moves to another vnet: loan, reclaim, and the way home.
 * Read first: docs/moves.md; freebsd `sys/net/if.c` (if_vmove_loan, if_vmove_reclaim, vnet_if_return) for the checks and their order.
 *
 * Theory of operation. Three ways lead here and become one. First every check is made: who may move, is the name free, is there room, do
 * both vnets live. A refused move has touched nothing. Then the handler of the interface's kind makes a new instance in the target and
 * destroys the old one (if-move.ts); it, too, leaves everything as it was if it fails. Every outcome goes into the journal.
 * Names, indexes, units and homes do not change: the unit stays taken where the interface was created.
 *
 * An interface that goes home when its vnet ends may find its name taken there; it then gets the name it was made with or, when
 * that is taken too, the next free one of its kind, and log and journal say so. It goes home whatever happens: when its handler
 * cannot make a new instance, the old one is carried over. An interface whose home is being taken down too is destroyed where it is.
 *
 * Event handlers run in the middle of a move. They may destroy the interface (the move answers ENODEV), or stop a jail (the Kernel does
 * that when the move is over), but not move what is moving already.
 *
 * Invariants: there are never two interfaces of one name in a vnet. After an answer other than 0, source and target are as before.
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, EEXIST, EINVAL, ENOSPC, ENXIO } from '../base/errno.js';
import type { IfCloner } from './if-clone.js';
import { IFC_F_FORCE, IFC_F_NOMOVE, ifCloneDestroyIfp, ifcIsMaking, ifcOf } from './if-clone.js';
import type { IfMove, IfMoveReason, IfMoveResult } from './if-move.js';
import { freeNameIn, ifNotMoved } from './if-move.js';
import type { Ifnet } from './ifnet.js';
import { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';
import { ifVmoveClassic } from './vmove-classic.js';
import { ifVmoveSimple } from './vmove-simple.js';

/**
 * `ifconfig IF vnet JAIL`: from `src` into `dst`. In this order: ENXIO no such interface, EEXIST same vnet, EEXIST name taken there, EBUSY
 * a vnet is being taken down, or the interface is being made, moved or destroyed, EINVAL it is the loopback that the
 * vnet's own addresses are reached through, ENOSPC no room for another interface; then what the handler of its kind says.
 */
export function ifVmoveLoan(src: Net, xname: string, dst: Net): Errno {
  const ifp = src.ifunit(xname);
  return ifp === null ? ENXIO : ifVmove(ifp, dst, 'loan').error;
}

/** `ifconfig IF -vnet JAIL`: out of `src` (the jail's) into `dst` (the caller's). Errors as for a loan. */
export function ifVmoveReclaim(dst: Net, xname: string, src: Net): Errno {
  const ifp = src.ifunit(xname);
  return ifp === null ? ENXIO : ifVmove(ifp, dst, 'reclaim').error;
}

/** Moves `ifp` to `to` if it may go there; the result has the interface as it is now. */
export function ifVmove(ifp: Ifnet, to: Net, how: IfMoveReason = 'loan'): IfMoveResult {
  const from = ifp.net;
  if (from === null) return ifNotMoved(ENXIO);
  from.kern.engine.assertThread();
  const refused = mayMove(ifp, from, to);
  const before = namesOf(ifp, from);
  if (refused !== 0) return record(before, ifNotMoved(refused), how, to, 'instance');
  return commit(before, ifp, to, ifp.xname, how);
}

function mayMove(ifp: Ifnet, from: Net, to: Net): Errno {
  if (from === to) return EEXIST;
  if (to.ifunit(ifp.xname) !== null) return EEXIST;
  if (from.kern.shutdown || to.kern.shutdown || ifp.busy || ifcIsMaking(ifp)) return EBUSY;
  if (from.loif === ifp) return EINVAL;
  return to.kern.ifcnt >= to.ifMax ? ENOSPC : 0;
}

/**
 * The first destructor of a vnet: every interface whose home is elsewhere goes there, in list order. What no cloner made, and whose home is
 * going too, goes with the vnet.
 */
export function vnetIfReturn(net: Net): void {
  for (const ifp of [...net.ifnets]) {
    const home = ifp.homeNet;
    if (ifp.net !== net || home === null || home === net) continue;
    if (home.kern.shutdown) {
      ifCloneDestroyIfp(ifp, IFC_F_FORCE);
      continue;
    }
    const before = namesOf(ifp, net);
    let came = commit(before, ifp, home, freeNameIn(home, ifp, ifp.xname), 'return');
    if (came.ifp === null && ifp.net === net) {
      home.kern.log('warning', `${ifp.xname}: carried home as the same object, because no new instance could be made`);
      came = record(before, underWay(ifp, home, () => ifVmoveClassic(moveOf(ifp, home, ifp.xname, null), ifcOf(ifp))), 'return', home, 'classic');
    }
    const name = came.ifp?.xname ?? before.name;
    if (name !== before.name) home.kern.log('warning', `${before.name}: returned as ${name}, because ${before.name} exists already`);
  }
}

function commit(before: Before, ifp: Ifnet, to: Net, xname: string, how: IfMoveReason): IfMoveResult {
  const cloner = ifcOf(ifp);
  const move = moveOf(ifp, to, xname, cloner);
  const handler = handlerOf(ifp, cloner);
  const result = underWay(ifp, to, () => (handler === null ? ifVmoveClassic(move, cloner) : handler(move)));
  if (result.ifp === null && ifp.net !== null) to.shared.takeIndex(ifp.index, ifp);
  return record(before, result, how, to, handler === null ? 'classic' : 'instance');
}

/** Nobody else moves `ifp` or its successor meanwhile. */
function underWay(ifp: Ifnet, { shared }: Net, run: () => IfMoveResult): IfMoveResult {
  ifp.busy = true;
  try {
    const result = shared.lifecycle(run);
    if (result.ifp !== null) result.ifp.busy = false;
    return result;
  } finally {
    ifp.busy = false;
  }
}

function moveOf(ifp: Ifnet, to: Net, xname: string, cloner: IfCloner | null): IfMove {
  let current = ifp;
  return {
    ifp, to, xname, like: new IfVparams(ifp),
    commit: (made) => {
      cloner?.replace(current, made);
      current = made;
    },
  };
}

/** How this interface moves; null: as the same object. */
function handlerOf(ifp: Ifnet, cloner: IfCloner | null): ((move: IfMove) => IfMoveResult) | null {
  if (cloner === null) return ifp.driver.reassign?.bind(ifp.driver) ?? null;
  const { spec } = cloner;
  if (((spec.flags ?? 0) & IFC_F_NOMOVE) !== 0) return null;
  return (move) => spec.vmove?.(cloner, move) ?? ifVmoveSimple(cloner, move);
}

/** What the journal says of the interface as it was. */
interface Before {
  readonly name: string;
  readonly from: string;
  readonly home: string;
  readonly index: number;
  readonly instance: number;
}

function namesOf(ifp: Ifnet, from: Net): Before {
  return { name: ifp.xname, from: from.kern.name, home: ifp.homeNet?.kern.name ?? from.kern.name, index: ifp.index, instance: ifp.instance };
}

function record(before: Before, result: IfMoveResult, how: IfMoveReason, to: Net, by: 'instance' | 'classic'): IfMoveResult {
  const { name, from, home, index, instance } = before;
  to.shared.moves.add({
    at: to.kern.engine.now, how, by, error: result.error, name, newName: result.ifp?.xname ?? name, from, to: to.kern.name, home, index,
    fromInstance: instance, toInstance: result.ifp?.instance ?? 0,
  });
  return result;
}
