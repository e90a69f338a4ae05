/**
 * counted-machine.ts — a machine made for tests: a number in an image of some pages, and on a disk, which grows with each request and is the answer to it. And its checkpointer.
 * Read first: src/protect/checkpoint.ts.
 *
 * Its card is a real GuestLink, so that its answers go through a real plug. Its disk is a real EpochDisk over memory.
 */
import { ENXIO } from '@netloom/core';
import type { FrameSink, Kernel, PacketBuffer } from '@netloom/core';
import type { HostLoop } from '../../src/loop.js';
import { GuestLink } from '../../src/port/guest-link.js';
import type { GuestWire } from '../../src/port/guest-wire.js';
import type { PortEnd } from '../../src/port/port-end.js';
import { PAGE_BYTES } from '../../src/protect/checkpoint.js';
import type { Checkpoint, Checkpointer, ImageDelta, ImageScan } from '../../src/protect/checkpoint.js';
import type { EpochDisk } from '../../src/protect/disk/epoch-disk.js';

export const IMAGE_BYTES = 4 * PAGE_BYTES;
/** Where the number is. */
const AT = PAGE_BYTES + 8;

/** Who sees the answers, and which machine runs. */
export interface MachineWitness {
  answered(machine: CountedMachine, value: number): void;
  runs(machine: CountedMachine): void;
}

export class CountedMachine {
  readonly name: string;
  readonly memory: Buffer;
  readonly link: GuestLink;
  readonly disk: EpochDisk | null;
  state: 'running' | 'stopped' | 'gone' = 'stopped';
  /** Told when it ends; not when it is ended by `endGuest`. */
  onGone: () => void = () => undefined;
  private readonly loop: HostLoop;
  private readonly witness: MachineWitness;

  constructor(name: string, memory: Buffer, disk: EpochDisk | null, witness: MachineWitness, kernel: Kernel, loop: HostLoop) {
    this.name = name;
    this.memory = memory;
    this.disk = disk;
    this.witness = witness;
    this.loop = loop;
    this.link = new GuestLink(new SilentWire(), { kernel, loop, end: new Outside((value) => witness.answered(this, value)), onClose: () => undefined });
    this.link.open();
  }

  get value(): number {
    return this.memory.readUInt32BE(AT);
  }

  run(): void {
    if (this.state === 'gone') throw new Error(`${this.name} is gone`);
    if (this.state === 'running') return;
    this.state = 'running';
    this.witness.runs(this);
  }

  stop(): void {
    if (this.state === 'gone') throw new Error(`${this.name} is gone`);
    this.state = 'stopped';
  }

  die(): void {
    if (this.state === 'gone') return;
    this.powerDown();
    this.putAway();
    this.onGone();
  }

  /** Its process is gone, and its cables are there until they are put away. */
  powerDown(): void {
    this.state = 'gone';
  }

  putAway(): void {
    void this.link.close();
  }

  /** A request. One that does not run does not answer. */
  ask(): void {
    if (this.state !== 'running') return;
    const value = this.value + 1;
    this.memory.writeUInt32BE(value, AT);
    const frame = Buffer.alloc(64);
    frame.writeUInt32BE(value, 0);
    void this.disk?.write(0, frame).catch(() => undefined);
    this.loop.batch((now) => this.link.frame(frame, 0, frame.length, now));
  }
}

/** Where a test may step in. */
export type TakeStage = 'asked' | 'stopped' | 'closed' | 'going';

export class CountedCheckpointer implements Checkpointer {
  readonly imageBytes = IMAGE_BYTES;
  readonly machine: CountedMachine;
  /** Waited for at each stage of a checkpoint. */
  onStage: (stage: TakeStage) => Promise<void> | void = () => undefined;
  failing = '';
  ended = 0;
  private known = Buffer.alloc(IMAGE_BYTES);
  private busy = false;

  constructor(machine: CountedMachine) {
    this.machine = machine;
  }

  async begin(): Promise<void> {
    await this.alone(() => (this.known = Buffer.alloc(IMAGE_BYTES)));
  }

  async scan(): Promise<ImageScan> {
    return this.alone(() => ({ delta: this.difference(), next: null }));
  }

  async take(closing: () => void, stay: () => boolean): Promise<Checkpoint> {
    return this.alone(async () => {
      await this.onStage('asked');
      this.machine.stop();
      await this.onStage('stopped');
      if (this.failing !== '') {
        this.machine.run();
        throw new Error(this.failing);
      }
      const delta = this.difference();
      closing();
      await this.onStage('closed');
      const device = Buffer.from(this.machine.memory.subarray(AT, AT + 4));
      if (!stay()) this.machine.run();
      await this.onStage('going');
      return { delta, device, pauseUs: 1, deviceUs: 1, imageUs: 1 };
    });
  }

  async stop(): Promise<void> {
    await Promise.resolve();
    this.machine.stop();
  }

  async resume(): Promise<void> {
    await Promise.resolve();
    this.machine.run();
  }

  async end(): Promise<void> {
    await Promise.resolve();
    if (this.busy) throw new Error('it is ended in the middle of a call');
    this.ended++;
  }

  /** One call at a time. */
  private async alone<T>(call: () => T | Promise<T>): Promise<T> {
    if (this.busy) throw new Error('two calls at a time');
    this.busy = true;
    try {
      await Promise.resolve();
      if (this.machine.state === 'gone') throw new Error('the machine is gone');
      return await call();
    } finally {
      this.busy = false;
    }
  }

  private difference(): ImageDelta {
    const { memory } = this.machine;
    const pages: number[] = [];
    const xor: Buffer[] = [];
    for (let page = 0; page < IMAGE_BYTES / PAGE_BYTES; page++) {
      const [was, is] = [this.known, memory].map((image) => image.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES)) as [Buffer, Buffer];
      if (was.equals(is)) continue;
      pages.push(page);
      xor.push(Buffer.from(is.map((byte, i) => byte ^ was[i]!)));
    }
    this.known = Buffer.from(memory);
    return { imageBytes: IMAGE_BYTES, pages: Uint32Array.from(pages), xor: Buffer.concat(xor) };
  }
}

/** Puts differences into an image. */
export function applyTo(image: Buffer, { pages, xor }: ImageDelta): void {
  for (const [i, page] of pages.entries()) for (let at = 0; at < PAGE_BYTES; at++) image[page * PAGE_BYTES + at]! ^= xor[i * PAGE_BYTES + at]!;
}

class SilentWire implements GuestWire {
  readonly device = 'test';
  readonly state = 'open';
  readonly connects = 1;
  readonly lastError = null;
  readonly isFull = false;

  async open(): Promise<void> {
    return Promise.resolve();
  }

  start(): void {
    // Frames are brought by the machine.
  }

  send(m: PacketBuffer): boolean {
    m.free();
    return true;
  }

  flush(): void {
    // Nothing waits here.
  }

  async close(): Promise<void> {
    return Promise.resolve();
  }
}

/** All the rest of the world. */
class Outside implements PortEnd {
  readonly label = 'outside';
  private readonly came: (value: number) => void;
  private sink: FrameSink | null = null;

  constructor(came: (value: number) => void) {
    this.came = came;
  }

  open(sink: FrameSink): number {
    if (this.sink !== null) return ENXIO;
    this.sink = sink;
    return 0;
  }

  close(): void {
    this.sink = null;
  }

  input(m: PacketBuffer): void {
    const value = Buffer.from(m.buf.subarray(m.off, m.off + 4)).readUInt32BE(0);
    m.free();
    this.came(value);
  }

  resume(): void {
    // It never was full.
  }

  inputLost(): void {
    throw new Error('a frame was lost for want of memory');
  }
}
