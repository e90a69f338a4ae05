/**
 * guest-standby.ts — a machine of v86 that waits to be another one, in its process.
 * Read first: guest-checkpoints.ts.
 *
 * Theory of operation. Differences go straight into the memory of this machine, which does not run, and into a block beside. To be the other one, it puts the state that head and block
 * make; memory is there already. So the time to take over does not depend on memory.
 */
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';
import { CLOCK_BYTES } from './guest-checkpoints.js';
import type { GuestClock } from './guest-clock.js';
import { putDelta } from './page-image.js';
import { joinState } from './state-layout.js';
import type { V86Emulator } from './v86-emulator.js';

export class GuestStandby {
  private readonly emulator: V86Emulator;
  private readonly clock: GuestClock;
  private block = new Uint8Array(0);

  /** Its memory is zeros from now on: it cannot run until it is restored. */
  constructor(emulator: V86Emulator, clock: GuestClock) {
    this.emulator = emulator;
    this.clock = clock;
    emulator.memory.fill(0);
  }

  apply(delta: ImageDelta): void {
    const { memory } = this.emulator;
    const blockBytes = Math.max(delta.imageBytes - memory.length, 0);
    if (blockBytes > this.block.length) {
      const grown = new Uint8Array(blockBytes);
      grown.set(this.block);
      this.block = grown;
    }
    putDelta(delta, memory, 0);
    putDelta(delta, this.block, memory.length / PAGE_BYTES);
  }

  /** @throws Error, one line: this is no state of such a machine. */
  async restore(device: Uint8Array): Promise<void> {
    const state = joinState(device.subarray(CLOCK_BYTES), this.block);
    this.clock.set(new DataView(device.buffer, device.byteOffset).getFloat64(0, true));
    await this.emulator.putState(state);
  }
}
