/**
 * tc-state.ts — what traffic control keeps for a vnet: numbers it gives, and which interfaces have had an ingress discipline.
 */
import type { Ifnet } from '../ifnet.js';
import type { Net } from '../net.js';
import { TC_AUTO_HANDLE, tcNextHandle } from './tc-handle.js';

export class TcState {
  /** Interfaces that have, or had, an ingress discipline: Linux answers otherwise for those that never had one. */
  readonly ingressOnce = new Set<Ifnet>();
  private handle = TC_AUTO_HANDLE;
  private actions = 0;

  /** A handle for a discipline that was given none. */
  nextHandle(): number {
    this.handle = tcNextHandle(this.handle);
    return this.handle;
  }

  /** The number of a new action. */
  nextAction(): number {
    return ++this.actions;
  }

  static of(net: Net): TcState {
    return (net.tc ??= new TcState());
  }
}
