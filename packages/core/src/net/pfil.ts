/**
 * pfil.ts — ordered hook points where packet filters see packets.
 * Read first: pfil(9).
 *
 * A head belongs to one place (ethernet input/output, IPv4 input/output/forward …) of one vnet. Hooks run in the order they
 * were linked for input and in the reverse order for output, so that a filter pair nests. An empty head costs one branch.
 * When its place goes the head is closed: no packet reaches a hook any more, nobody can link one. Whoever linked one takes it off
 * before; the audit names those who did not.
 */
import type { Errno } from '../base/errno.js';
import { EEXIST, ENOENT, ENXIO } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from './ifnet.js';

export const PFIL_PASS = 0;
/** The hook wants it dropped; the caller frees and counts. */
export const PFIL_DROPPED = 1;
/** The hook took the packet over. */
export const PFIL_CONSUMED = 2;
export type PfilVerdict = typeof PFIL_PASS | typeof PFIL_DROPPED | typeof PFIL_CONSUMED;

export const PFIL_IN = 1;
export const PFIL_OUT = 2;
/** With PFIL_OUT: it came from elsewhere and passes through. */
export const PFIL_FWD = 4;

export interface PfilHook {
  readonly name: string;
  check(m: PacketBuffer, ifp: Ifnet, dir: number): PfilVerdict;
}

const NO_HOOKS: readonly PfilHook[] = [];

export class PfilHead {
  readonly name: string;
  hooks: readonly PfilHook[] = NO_HOOKS;
  private isOpen = true;
  private reversed: readonly PfilHook[] = NO_HOOKS;

  constructor(name: string) {
    this.name = name;
  }

  /** Any hook linked? The packet path asks this first. */
  get hooked(): boolean {
    return this.hooks.length > 0 && this.isOpen;
  }

  /** The place it belongs to is going. */
  close(): void {
    this.isOpen = false;
  }

  /** EEXIST when it is linked already, ENXIO when the head is closed. */
  link(hook: PfilHook): Errno {
    if (!this.isOpen) return ENXIO;
    if (this.hooks.includes(hook)) return EEXIST;
    this.hooks = [...this.hooks, hook];
    this.reversed = [...this.hooks].reverse();
    return 0;
  }

  /** ENOENT when it is not linked. */
  unlink(hook: PfilHook): Errno {
    if (!this.hooks.includes(hook)) return ENOENT;
    this.hooks = this.hooks.filter((h) => h !== hook);
    this.reversed = [...this.hooks].reverse();
    return 0;
  }

  /** Runs the hooks until one does not pass the packet. */
  run(m: PacketBuffer, ifp: Ifnet, dir: number): PfilVerdict {
    for (const hook of (dir & PFIL_OUT) !== 0 ? this.reversed : this.hooks) {
      const verdict = hook.check(m, ifp, dir);
      if (verdict !== PFIL_PASS) return verdict;
    }
    return PFIL_PASS;
  }
}
