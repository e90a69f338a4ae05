/**
 * guest-standby.ts — a machine of v86 that waits to be another one, in its process.
 * Read first: guest-checkpoints.ts; state-layout.ts (`JoinedState`).
 *
 * Theory of operation. Differences go straight into the memory of this machine, which does not run, and into a block beside. To be the other one, it puts the state that head and block
 * make; memory is there already. So the time to take over does not depend on memory, but on the block: nothing is copied but by v86 itself, into memory that it has had since it put a state of its own when it began to wait.
 */
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';
import { CLOCK_BYTES } from './guest-checkpoints.js';
import type { GuestClock } from './guest-clock.js';
import { putDelta, wholePages } from './page-image.js';
import { JoinedState, splitState } from './state-layout.js';
import type { V86Emulator } from './v86-emulator.js';

export class GuestStandby {
  private readonly emulator: V86Emulator;
  private readonly clock: GuestClock;
  private readonly state = new JoinedState();

  private constructor(emulator: V86Emulator, clock: GuestClock) {
    this.emulator = emulator;
    this.clock = clock;
  }

  /** Its memory is zeros from now on: it cannot run until it is restored. */
  static async make(emulator: V86Emulator, clock: GuestClock): Promise<GuestStandby> {
    const standby = new GuestStandby(emulator, clock);
    const own = await emulator.takeState();
    await emulator.putState(own);
    standby.state.grow(wholePages(splitState(own).block.length));
    emulator.memory.fill(0);
    return standby;
  }

  apply(delta: ImageDelta): void {
    const { memory } = this.emulator;
    this.state.grow(delta.imageBytes - memory.length);
    putDelta(delta, memory, 0);
    putDelta(delta, this.state.block, memory.length / PAGE_BYTES);
  }

  /** @throws Error, one line: this is no state of such a machine. */
  async restore(device: Uint8Array): Promise<void> {
    const state = this.state.withHead(device.subarray(CLOCK_BYTES));
    this.clock.set(new DataView(device.buffer, device.byteOffset).getFloat64(0, true));
    await this.emulator.putState(state);
  }
}
