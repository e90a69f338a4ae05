/**
 * guest-checkpoints.ts — what is different in a machine of v86, in the process that runs it.
 * Read first: protect/checkpoint.ts, page-image.ts, state-layout.ts, v86-emulator.ts.
 *
 * Theory of operation. The image is the machine's memory and, from the page behind it on, the block of its state: screen memory, the card's memory, whole disks. The device state is the
 * clock (a double) and the head of the state. Memory is compared where it lies, so a checkpoint copies what is different and nothing else.
 *
 * A scan looks at SLICE_PAGES and lets the machine go on before the next ones; it does not look at the block, which exists only when a state is taken.
 */
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';
import type { GuestClock } from './guest-clock.js';
import { PageImage, wholePages } from './page-image.js';
import type { PartDelta } from './page-image.js';
import { splitState } from './state-layout.js';
import type { StateMessage } from './state-message.js';
import type { V86Emulator } from './v86-emulator.js';

/** 4 MB, about a millisecond. */
const SLICE_PAGES = 1024;
export const CLOCK_BYTES = 8;
const NO_DEVICE = new Uint8Array(0);

export interface Taken {
  readonly message: StateMessage;
  readonly deviceUs: number;
  readonly imageUs: number;
}

export class GuestCheckpoints {
  private readonly emulator: V86Emulator;
  private readonly clock: GuestClock;
  private readonly image = new PageImage();

  constructor(emulator: V86Emulator, clock: GuestClock) {
    this.emulator = emulator;
    this.clock = clock;
  }

  /** Forgets; bytes of the image. */
  async begin(): Promise<number> {
    const { block } = splitState(await this.emulator.takeState());
    this.image.forget(wholePages(this.emulator.memory.length) + wholePages(block.length));
    return this.image.imageBytes;
  }

  async scan(from: number, pagesMax: number): Promise<{ message: StateMessage; next: number | null }> {
    const found: PartDelta[] = [];
    const end = this.emulator.memory.length / PAGE_BYTES;
    let room = pagesMax;
    let next: number | null = from < end ? from : null;
    while (next !== null && room > 0) {
      const slice: number = Math.min(SLICE_PAGES, end - next);
      const memory = this.emulator.memory.subarray(next * PAGE_BYTES, (next + slice) * PAGE_BYTES);
      const part: PartDelta = this.image.look(memory, next, next, room);
      found.push(part);
      room -= part.pages.length;
      next = part.next ?? (next + slice < end ? next + slice : null);
      await new Promise(setImmediate);
    }
    return { message: { delta: this.delta(found), device: NO_DEVICE }, next };
  }

  /** Of a machine that stands still. */
  async take(): Promise<Taken> {
    const begun = performance.now();
    const { head, block } = splitState(await this.emulator.takeState());
    const device = new Uint8Array(CLOCK_BYTES + head.length);
    new DataView(device.buffer).setFloat64(0, this.clock.now(), true);
    device.set(head, CLOCK_BYTES);
    const had = performance.now();
    const { memory } = this.emulator;
    const delta = this.delta([this.image.look(memory, 0), this.image.look(block, memory.length / PAGE_BYTES)]);
    return { message: { delta, device }, deviceUs: Math.round((had - begun) * 1000), imageUs: Math.round((performance.now() - had) * 1000) };
  }

  private delta(parts: readonly PartDelta[]): ImageDelta {
    const [first, ...others] = parts.filter((part) => part.pages.length > 0);
    const { imageBytes } = this.image;
    if (others.length === 0) return { imageBytes, pages: first?.pages ?? new Uint32Array(0), xor: first?.xor ?? new Uint8Array(0) };
    const all = first === undefined ? others : [first, ...others];
    return { imageBytes, pages: Uint32Array.from(all.flatMap((part) => [...part.pages])), xor: Buffer.concat(all.map((part) => part.xor)) };
  }
}
