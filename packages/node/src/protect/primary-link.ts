/**
 * primary-link.ts — class PrimaryLink: the connection of a backup to the side that runs a protected machine.
 * Read first: backup-session.ts (the other end, and the order of records); wire/epoch.ts.
 *
 * Theory of operation. Records are checked when they come, and worked on one after the other: unpacking takes its time, and the next checkpoint is a difference to the one before. What is ahead of the first
 * checkpoint is put in its place at once; a checkpoint is given to the user when it is whole. When more waits than WAITING_BYTES_MAX, nothing is read until there is less: the primary waits then, and a beat no longer than
 * that takes.
 *
 * Invariant: the user hears of a checkpoint when all of it is here and every sum was right, in order; after `close` of nothing.
 */
import type { ImageDelta } from './checkpoint.js';
import { decodeDelta } from './image/delta-codec.js';
import { DeviceDecoder } from './image/device-delta.js';
import { inboundFrame } from './inbound-log.js';
import type { InboundFrame } from './inbound-log.js';
import { EpochAssembler } from './wire/epoch.js';
import type { WholeEpoch } from './wire/epoch.js';
import { PROTOCOL, readCommit, reasonText } from './wire/record-payloads.js';
import type { HelloPayload } from './wire/record-payloads.js';
import { AHEAD, HANDS_OVER, RECORD, RecordError, recordName } from './wire/record.js';
import type { WireRecord } from './wire/record.js';
import type { RecordStream } from './wire/record-stream.js';
import { HOST_TIMERS } from './wire/timers.js';
import { TwoPaths } from './wire/two-paths.js';
import { errorLine } from '../error-line.js';
import { readToldMachine } from './told-machine.js';
import type { ToldMachine } from './told-machine.js';

/** What a checkpoint may have beyond all of its image. */
const EXTRA_BYTES_MAX = 320 * 1024 * 1024;

/** Records that came and are not worked on yet. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;

/** A checkpoint, whole and checked. */
export interface WholeCheckpoint {
  readonly epoch: number;
  /** The primary has stopped, and we shall run. */
  readonly hand: boolean;
  readonly images: readonly ImageDelta[];
  readonly device: Uint8Array;
  readonly disks: readonly Uint8Array[];
}

/** Who keeps the machine. */
export interface LinkUser {
  /** Pages, and parts of disks, ahead of the first checkpoint. Rejects with one line. */
  scanned(delta: ImageDelta): void;
  disksCopied(records: readonly Uint8Array[]): Promise<void>;
  checkpointed(whole: WholeCheckpoint): Promise<void>;
  inboundFrame(frame: InboundFrame): void;
  /** What came cannot be a checkpoint, or cannot be put in its place. */
  failed(reason: string): void;
  /** The primary is not heard on any path; and is again. */
  lost(why: string): void;
  reachable(): void;
  primaryDead(): void;
  standDown(): void;
}

export interface LinkPlace {
  readonly version: string;
  /** Who we are, for people; and since when. */
  readonly keeper: string;
  readonly life: string;
}

export class PrimaryLink {
  readonly peer: string;
  readonly hello: HelloPayload;
  readonly told: ToldMachine;
  private readonly stream: RecordStream;
  private readonly place: LinkPlace;
  private beat: RecordStream | null = null;
  private paths: TwoPaths | null = null;
  private user: LinkUser | null = null;
  private readonly device = new DeviceDecoder();
  private readonly assembler: EpochAssembler;
  private work: Promise<void> = Promise.resolve();
  private waitingBytes = 0;
  private began = 0;
  private closed = false;

  /** @param peer where it comes from, for people. @throws Error, one line: what it tells is no machine */
  constructor(stream: RecordStream, peer: string, hello: HelloPayload, place: LinkPlace) {
    this.stream = stream;
    this.peer = peer;
    this.hello = hello;
    this.told = readToldMachine(hello);
    this.place = place;
    this.assembler = new EpochAssembler(hello.imageBytes + EXTRA_BYTES_MAX, hello.firstEpoch);
  }

  get bytesIn(): number {
    return this.stream.bytesIn;
  }

  get isReachable(): boolean {
    return this.paths?.reach === 'reachable';
  }

  get twoPaths(): TwoPaths | null {
    return this.paths;
  }

  /** It will be kept; what comes from now on is told to `user`. `session` is what the second path says to be joined. */
  welcome(user: LinkUser, session: string): void {
    this.user = user;
    this.stream.onRecord = (record) => this.hear(record);
    this.stream.say(RECORD.WELCOME, { protocol: PROTOCOL, version: this.place.version, keeper: this.place.keeper, session, life: this.place.life });
    this.watch();
  }

  refuse(reason: string): void {
    this.closed = true;
    this.stream.refuse(reason);
  }

  /** The second path has come. */
  join(beat: RecordStream): void {
    if (this.closed) return beat.refuse('the connection that it belongs to is over');
    this.beat?.destroy();
    this.beat = beat;
    beat.onRecord = (record) => this.hear(record);
    this.paths?.join(beat);
  }

  /** Echoes nothing any more. */
  hush(): void {
    this.paths?.stop();
  }

  ack(epoch: number): void {
    this.stream.say(RECORD.ACK, { epoch, keptMs: performance.now() - this.began });
  }

  nak(reason: string): void {
    for (const path of this.both) path.say(RECORD.NAK, { epoch: 0, reason: reasonText(reason) });
  }

  lives(): void {
    for (const path of this.both) path.say(RECORD.LIVES, { machine: this.hello.machine, generation: this.hello.generation, alone: false });
  }

  stoodDown(): void {
    for (const path of this.both) path.say(RECORD.STOOD_DOWN, { machine: this.hello.machine, generation: this.hello.generation });
  }

  close(): void {
    this.closed = true;
    this.user = null;
    this.paths?.stop();
    for (const path of this.both) path.end('the machine is not kept any more');
  }

  private get both(): readonly RecordStream[] {
    return this.beat === null ? [this.stream] : [this.stream, this.beat];
  }

  private watch(): void {
    const paths = new TwoPaths(this.stream, HOST_TIMERS, { beatMs: this.hello.beatMs, timeoutMs: this.hello.timeoutMs });
    paths.onUnreachable = (why) => this.user?.lost(why);
    paths.onReachable = () => this.user?.reachable();
    this.paths = paths;
    paths.start();
  }

  private hear(record: WireRecord): void {
    const { type, flags, payload, number } = record;
    switch (type) {
      case RECORD.IMAGE:
      case RECORD.DEVICE:
      case RECORD.DISK:
        return (flags & AHEAD) === 0 ? this.assembler.add(record) : this.then(() => this.ahead(record), payload.length);
      case RECORD.COMMIT: {
        this.began = performance.now();
        const whole = this.assembler.commit(readCommit(payload));
        return this.then(() => this.whole(whole, (flags & HANDS_OVER) !== 0), whole.bytes);
      }
      case RECORD.INBOUND:
        return this.user?.inboundFrame(inboundFrame(payload));
      case RECORD.DEAD:
        return this.then(() => this.user?.primaryDead());
      case RECORD.STAND_DOWN:
        return this.user?.standDown();
      case RECORD.REFUSED:
      case RECORD.END:
        return;
      default:
        throw new RecordError(`record ${number} (${recordName(type)}) is not expected here`);
    }
  }

  /** One after the other; what fails is told, and the rest is not done. */
  private then(work: () => void | Promise<void>, bytes = 0): void {
    this.waitingBytes += bytes;
    if (this.waitingBytes > WAITING_BYTES_MAX) this.stream.pause();
    this.work = this.work.then(async () => {
      if (this.user !== null) await work();
    }).catch((error: unknown) => {
      this.user?.failed(errorLine(error));
    }).finally(() => {
      this.waitingBytes -= bytes;
      if (this.waitingBytes <= WAITING_BYTES_MAX) this.stream.resume();
    });
  }

  private async ahead({ type, payload }: WireRecord): Promise<void> {
    if (type !== RECORD.IMAGE) return this.user?.disksCopied([payload]);
    const delta = await decodeDelta(payload);
    // It may have been closed meanwhile, and the user have a new machine that waits.
    this.user?.scanned(delta);
  }

  private async whole({ epoch, parts }: WholeEpoch, hand: boolean): Promise<void> {
    const of = (type: number): WireRecord[] => parts.filter((part) => part.type === type);
    const images: ImageDelta[] = [];
    for (const { payload } of of(RECORD.IMAGE)) images.push(await decodeDelta(payload));
    const devices = of(RECORD.DEVICE);
    const [device] = devices;
    if (devices.length !== 1 || device === undefined) throw new RecordError(`checkpoint ${epoch} has ${devices.length} device states`);
    await this.user?.checkpointed({ epoch, hand, images, device: this.device.decode(device.payload), disks: of(RECORD.DISK).map((part) => part.payload) });
  }
}
