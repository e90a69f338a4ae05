/**
 * env.ts — what the host must give a Kernel. Time is not here: it is an argument of every input.
 *
 * The same seed and the same stamped inputs give the same outputs, byte for byte. `log` and `wake` are outputs.
 */

export type LogLevel = 'debug' | 'info' | 'notice' | 'warning' | 'err';

export interface Env {
  /** Seed of every random choice. A host draws it from its CSPRNG; a simulation prints it. */
  readonly seed: number;
  /** Distinguishes this host from others on a wire (FreeBSD's hostuuid); generated MAC addresses derive from it. */
  readonly hostId: string;
  /** Unix time at which `now` was 0, microseconds: for packets that say what time it is. Absent: 0. */
  readonly bootWallUs?: number;
  /** Tables for short paths are kept (net/datapath): 'shared' for datapath workers, 'inline' for the host's own thread. Absent: none. */
  readonly datapath?: 'shared' | 'inline';
  /** The kernel's message buffer. `vnet` is the name of the stack it concerns, '' for the Kernel itself. */
  log(level: LogLevel, vnet: string, message: string): void;
  /**
   * The next deadline moved earlier or work became due outside `input`/`tick`: the host should call `tick` soon.
   * Called at most once until the next `tick`.
   */
  wake(): void;
}

/** An Env that logs nowhere and ignores wake-ups: for a host that polls, as simulations do. */
export function quietEnv(seed: number, hostId = 'netloom'): Env {
  return { seed, hostId, log: () => {}, wake: () => {} };
}
