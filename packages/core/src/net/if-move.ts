/**
 * if-move.ts — IfMove: what a handler is given to move an interface to another vnet, and what it answers.
 * Read first: docs/moves.md; if-vmove.ts, which makes the checks and calls the handler.
 *
 * Theory of operation. An interface moves by a new instance: the handler of its kind makes an Ifnet of the same name in the target, gives it
 * what survives (`like` for what every interface has, the rest is the handler's), calls `commit` at the moment from which the new
 * instance is the interface, and takes the old one out of its vnet like any interface that is destroyed. Up to `commit` a handler can fail,
 * and must then have left source and target as they were; behind it, it cannot.
 *
 * Event handlers run while the new instance attaches and the old one detaches, and may destroy either. A handler that finds its
 * interface gone undoes what it made and answers ENODEV. One that causes events before it attaches the new instance looks once more whether
 * the name is free.
 */
import type { Errno } from '../base/errno.js';
import type { Ifnet } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';

/** How a move came about: lent to a jail, taken back from one, or sent home because its vnet ends. */
export type IfMoveReason = 'loan' | 'reclaim' | 'return';

export interface IfMove {
  /** The instance that is there now. */
  readonly ifp: Ifnet;
  readonly to: Net;
  /** What it will be called: its name, but for one that comes home to where the name is taken. */
  readonly xname: string;
  /** What survives of every interface; handed to `ifAttach` with the new instance. */
  readonly like: IfVparams;
  /** From now on `made` is the interface: its cloner destroys that one. */
  commit(made: Ifnet): void;
}

export type IfMoveResult = { readonly error: 0; readonly ifp: Ifnet } | { readonly error: Errno; readonly ifp: null };

/** Moves one kind of interface. */
export type IfVmoveHandler = (move: IfMove) => IfMoveResult;

/** `xname` if no interface of `net` has it; else the name `ifp` was made with, or the next of its kind that is free: `epair7b` for an end b. */
export function freeNameIn(net: Net, ifp: Ifnet, xname: string): string {
  if (net.ifunit(xname) === null) return xname;
  const made = `${ifp.dname}${ifp.dunit}`;
  const letter = ifp.birthName.startsWith(made) ? ifp.birthName.slice(made.length) : '';
  let name = ifp.birthName;
  for (let unit = 0; net.ifunit(name) !== null; unit++) name = `${ifp.dname}${unit}${letter}`;
  return name;
}

export function ifMoved(ifp: Ifnet): IfMoveResult {
  return { error: 0, ifp };
}

export function ifNotMoved(error: Errno): IfMoveResult {
  return { error, ifp: null };
}
