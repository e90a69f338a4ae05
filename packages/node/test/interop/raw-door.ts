/**
 * raw-door.ts — frames of any form in and out of a namespace, for tests: Linux would not send a tagged frame from a kernel without VLANs.
 *
 * The door is a TAP held by the test. It is moved into the namespace and joined there to a device by a Linux bridge, which carries
 * frames as they are: what the test sends arrives at the device's other end, and what comes from there arrives at the test.
 */
import { openTapPort } from '../../src/tap/tap-port.js';
import type { TapPort } from '../../src/tap/tap-port.js';
import { Netns, uniqueDevice } from './netns.js';
import { adoptQuietly } from './test-daemon.js';

export class RawDoor {
  /** What came, oldest first. */
  readonly frames: Uint8Array[] = [];
  /** Its own device in the namespace. */
  readonly device: string;
  private readonly port: TapPort;

  constructor(port: TapPort) {
    this.port = port;
    this.device = port.name;
    port.onFrames((batch) => {
      while (batch.next()) this.frames.push(batch.bytes.slice(batch.off, batch.off + batch.len));
    });
  }

  /** Sends a frame; a short one is filled up to the least length of Ethernet. */
  send(frame: Uint8Array): void {
    const whole = new Uint8Array(Math.max(60, frame.length));
    whole.set(frame);
    if (!this.port.send(whole, 0, whole.length)) throw new Error('the frame was refused');
    this.port.flush();
  }

  /** The first frame that `wanted` accepts, as soon as it has come. */
  async frame(what: string, wanted: (view: DataView, frame: Uint8Array) => boolean): Promise<Uint8Array> {
    let found: Uint8Array | undefined;
    await Netns.until(`a frame: ${what}`, () => {
      found = this.frames.find((frame) => wanted(new DataView(frame.buffer, frame.byteOffset, frame.length), frame));
      return found !== undefined;
    });
    return found!;
  }
}

/** Runs `body` with a door beside `device`, which is in `ns` and has no address. */
export async function withRawDoor<T>(ns: Netns, device: string, body: (door: RawDoor) => Promise<T>): Promise<T> {
  const port = openTapPort({ name: uniqueDevice() });
  try {
    const bridge = uniqueDevice();
    ns.ip('link', 'add', 'name', bridge, 'type', 'bridge', 'mcast_snooping', '0');
    ns.ip('link', 'set', 'dev', bridge, 'addrgenmode', 'none');
    adoptQuietly(ns, port.name);
    for (const member of [device, port.name]) ns.ip('link', 'set', 'dev', member, 'master', bridge);
    ns.up(bridge);
    return await body(new RawDoor(port));
  } finally {
    await port.close();
  }
}
