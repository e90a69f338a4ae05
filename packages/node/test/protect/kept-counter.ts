/**
 * kept-counter.ts — CountedStandby: a counted machine that waits to be another one, and the daemon that keeps it: BackupDaemon.
 * Read first: counted-machine.ts; src/protect/kept-machine.ts; src/protect/protections.ts (`greeted`, `joined`), which this is in small.
 */
import type { Duplex } from 'node:stream';
import type { ImageDelta } from '../../src/protect/checkpoint.js';
import { DiskCopy } from '../../src/protect/disk/disk-copy.js';
import { decodeDiskWrites } from '../../src/protect/disk/disk-codec.js';
import { MemoryFile } from '../../src/protect/disk/test-disk-file.js';
import type { InboundFrame } from '../../src/protect/inbound-log.js';
import { KeptMachine } from '../../src/protect/kept-machine.js';
import type { KeptStandby } from '../../src/protect/kept-machine.js';
import type { LiveLock } from '../../src/protect/live-lock.js';
import type { ProtectFence } from '../../src/protect/protect-fences.js';
import { PrimaryLink } from '../../src/protect/primary-link.js';
import { readHello, readJoin } from '../../src/protect/wire/record-payloads.js';
import { RecordStream } from '../../src/protect/wire/record-stream.js';
import type { CountedMachine } from './counted-machine.js';
import { applyTo, IMAGE_BYTES } from './counted-machine.js';

/** What a test may have go wrong at the backup. */
export type BackupTrouble = 'start' | 'apply' | 'disk' | 'takeOver' | 'replay';

export interface StandbyPlace {
  readonly trouble: Set<BackupTrouble>;
  readonly lock: () => LiveLock | null;
  readonly fenceOf: (link: PrimaryLink, lock: LiveLock | null) => ProtectFence;
  readonly become: (standby: CountedStandby) => CountedMachine;
  /** Waited for before it takes over; before a checkpoint's writes are put in their place. */
  readonly beforeTakeOver: () => Promise<void> | void;
  readonly beforeDisks: () => Promise<void> | void;
  readonly tell: (type: string, data: Readonly<Record<string, string>>) => void;
}

export class CountedStandby implements KeptStandby {
  onFailed: (reason: string) => void = () => undefined;
  readonly fence: ProtectFence;
  readonly lock: LiveLock | null;
  readonly image = Buffer.alloc(IMAGE_BYTES);
  readonly file = new MemoryFile(4096);
  readonly copy = new DiskCopy(this.file);
  state: 'waiting' | 'over' | 'ended' = 'waiting';
  replayed = 0;
  settledAt = -2;
  private readonly link: PrimaryLink;
  private readonly place: StandbyPlace;

  constructor(link: PrimaryLink, place: StandbyPlace) {
    this.link = link;
    this.place = place;
    this.lock = place.lock();
    this.fence = place.fenceOf(link, this.lock);
  }

  apply(delta: ImageDelta): void {
    if (this.state !== 'waiting') throw new Error('it does not wait any more');
    if (this.place.trouble.has('apply')) throw new Error('no space left for the image');
    applyTo(this.image, delta);
  }

  async applyDisks(records: readonly Uint8Array[]): Promise<void> {
    if (this.place.trouble.has('disk')) throw new Error('no space left for the disk');
    await this.place.beforeDisks();
    for (const record of records) await this.copy.apply(await decodeDiskWrites(record.subarray(1), this.copy.bytes));
    await this.place.beforeDisks();
  }

  async settleDisks(epoch: number): Promise<void> {
    this.settledAt = epoch;
    await this.copy.takeOver();
  }

  async takeOver(_device: Uint8Array, connect: () => void): Promise<void> {
    await this.place.beforeTakeOver();
    if (this.state !== 'waiting') throw new Error('it does not wait any more');
    if (this.place.trouble.has('takeOver')) throw new Error('the device state cannot be read');
    if (this.lock?.lock() === false) throw new Error('another copy of it runs');
    this.fence.takenOver(this.link.hello.machine, this.link.hello.generation);
    connect();
    this.state = 'over';
    this.place.become(this);
  }

  replay(frames: readonly InboundFrame[]): void {
    if (this.place.trouble.has('replay')) throw new Error('its card is gone');
    this.replayed += frames.length;
  }

  async end(): Promise<void> {
    if (this.state !== 'waiting') return;
    this.state = 'ended';
    await this.copy.end();
    this.lock?.release();
  }
}

/** A daemon that keeps one machine. */
export class BackupDaemon {
  readonly life: string;
  readonly kept: KeptMachine;
  readonly standbys: CountedStandby[] = [];
  private readonly place: StandbyPlace;
  private readonly sessions = new Map<string, PrimaryLink>();

  constructor(life: string, place: StandbyPlace) {
    this.life = life;
    this.place = place;
    this.kept = new KeptMachine({ name: 'web', standbyOf: (link) => this.standbyOf(link), tell: place.tell, onLive: () => undefined });
  }

  connected(kind: 'stream' | 'beat', duplex: Duplex): void {
    const stream = new RecordStream(duplex);
    stream.onRecord = ({ payload }) => {
      if (kind === 'beat') {
        const { session } = readJoin(payload);
        const link = this.sessions.get(session);
        if (link === undefined) return stream.refuse('there is no such connection');
        return link.join(stream);
      }
      const link = new PrimaryLink(stream, 'the primary', readHello(payload), { version: '1', keeper: 'the backup', life: this.life });
      const session = `web.${this.life}.${this.sessions.size}`;
      this.sessions.set(session, link);
      this.kept.greet(link, session);
    };
  }

  private async standbyOf(link: PrimaryLink): Promise<CountedStandby> {
    await new Promise(setImmediate);
    if (this.place.trouble.has('start')) throw new Error('QEMU cannot be started');
    if (this.standbys.some(({ state }) => state === 'waiting')) throw new Error('"web" waits already');
    const standby = new CountedStandby(link, this.place);
    this.standbys.push(standby);
    return standby;
  }
}
