/**
 * state-message.ts — differences of an image and a device state on the socket between the daemon and the process of a machine of v86.
 * Read first: protect/checkpoint.ts.
 *
 *     0   4  pages
 *     4   4  bytes of device state
 *     8   8  bytes of the image from now on (a double)
 *     16     the pages' numbers, 4 bytes each; their differences, PAGE_BYTES each; the device state
 *
 * Little-endian throughout, as Uint32Array is on all that Node runs on. Both ends are of one build, on one host.
 *
 * Invariant: a message that is more than the image can need is refused before memory is taken for it.
 */
import { PAGE_BYTES } from '../checkpoint.js';
import type { ImageDelta } from '../checkpoint.js';

const HEADER = 16;
/** A head is some ten kilobytes. */
const DEVICE_MAX = 16 * 1024 * 1024;
const IMAGE_MAX = 4 * 1024 * 1024 * 1024;

export interface StateMessage {
  readonly delta: ImageDelta;
  readonly device: Uint8Array;
}

/** Its parts, to be written one after the other: none is copied. */
export function messageParts({ delta, device }: StateMessage): Uint8Array[] {
  const header = new DataView(new ArrayBuffer(HEADER));
  header.setUint32(0, delta.pages.length, true);
  header.setUint32(4, device.length, true);
  header.setFloat64(8, delta.imageBytes, true);
  const numbers = new Uint8Array(delta.pages.buffer, delta.pages.byteOffset, delta.pages.byteLength);
  return [new Uint8Array(header.buffer), numbers, delta.xor, device].filter((part) => part.length > 0);
}

/** Takes a stream apart into messages. */
export class StateReader {
  private readonly taker: (message: StateMessage) => void;
  private readonly header = new Uint8Array(HEADER);
  /** The message's bytes behind its header; null: the header is not whole. */
  private body: Uint8Array | null = null;
  private have = 0;

  constructor(taker: (message: StateMessage) => void) {
    this.taker = taker;
  }

  /** @throws Error, one line: the stream is out of step and must not be read on. */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const into = this.body ?? this.header;
      const part = chunk.subarray(at, at + into.length - this.have);
      into.set(part, this.have);
      this.have += part.length;
      at += part.length;
      if (this.have === into.length) this.filled();
    }
  }

  private filled(): void {
    this.have = 0;
    if (this.body === null) {
      this.body = new Uint8Array(this.bodyBytes());
      if (this.body.length > 0) return;
    }
    const body = this.body;
    this.body = null;
    this.taker(this.taken(body));
  }

  private bodyBytes(): number {
    const { pages, device, imageBytes } = this.fields();
    const possible = imageBytes >= 0 && imageBytes <= IMAGE_MAX && imageBytes % PAGE_BYTES === 0 && pages <= imageBytes / PAGE_BYTES && device <= DEVICE_MAX;
    if (!possible) throw new Error(`a message with ${pages} pages of an image of ${imageBytes} bytes and ${device} bytes of device state is none`);
    return pages * (4 + PAGE_BYTES) + device;
  }

  private taken(body: Uint8Array): StateMessage {
    const { pages, imageBytes } = this.fields();
    const xorAt = pages * 4;
    const deviceAt = xorAt + pages * PAGE_BYTES;
    return { delta: { imageBytes, pages: new Uint32Array(body.buffer, 0, pages), xor: body.subarray(xorAt, deviceAt) }, device: body.subarray(deviceAt) };
  }

  private fields(): { pages: number; device: number; imageBytes: number } {
    const view = new DataView(this.header.buffer);
    return { pages: view.getUint32(0, true), device: view.getUint32(4, true), imageBytes: view.getFloat64(8, true) };
  }
}

/** Why these differences cannot be put into an image; null: they can. */
export function deltaFault({ imageBytes, pages, xor }: ImageDelta): string | null {
  if (!Number.isSafeInteger(imageBytes) || imageBytes < 0 || imageBytes % PAGE_BYTES !== 0 || imageBytes > IMAGE_MAX) return `an image has no ${imageBytes} bytes`;
  if (xor.length !== pages.length * PAGE_BYTES) return `${pages.length} pages have no ${xor.length} bytes`;
  for (let i = 1; i < pages.length; i++) if (pages[i]! <= pages[i - 1]!) return `page ${pages[i]} comes after page ${pages[i - 1]}`;
  const last = pages.at(-1) ?? -1;
  return (last + 1) * PAGE_BYTES > imageBytes ? `page ${last} is beyond an image of ${imageBytes} bytes` : null;
}
