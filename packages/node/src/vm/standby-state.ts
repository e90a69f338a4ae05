/**
 * standby-state.ts — interface StandbyState: the state that a machine waits with until it takes over: what is kept of it, and how its process gets it.
 * Read first: protect/checkpoint.ts; vm-standby.ts, which is the same for all of them.
 *
 * There are two: protect/qemu/qemu-standby.ts has the memory beside QEMU, in a file, and QEMU reads the rest at the end; protect/v86/v86-standby.ts has everything in v86's process all the time.
 *
 * Invariant: `start`, any number of `apply`, one `load`; `end` at any moment.
 */
import type { ImageDelta } from '../protect/checkpoint.js';
import type { QmpClient } from './qmp-client.js';

export interface StandbyState {
  /** Called once at most, with one line, when it cannot be used any more though nobody has asked it anything. */
  onFailed: (reason: string) => void;
  /** The machine's process is there and does not run. Rejects with an Error of one line. */
  start(qmp: QmpClient): Promise<void>;
  /** Puts differences into the image. @throws Error, one line: it cannot be used any more */
  apply(delta: ImageDelta): void;
  /** Brings the device state: the process is the machine then, and runs when it is told to. Rejects with an Error of one line. */
  load(device: Uint8Array): Promise<void>;
  /** Lets go of what it has beside the process. May be called again. */
  end(): void;
}
