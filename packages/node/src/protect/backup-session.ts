/**
 * backup-session.ts — class BackupSession: a protected machine's connection to its backup, as the side that runs it has it.
 * Read first: wire/record.ts (what is said), wire/two-paths.ts (whether the other side is there), primary-link.ts (the other end).
 *
 *     HELLO -> WELCOME, JOIN on the second path, then IMAGE and DISK records ahead of the first checkpoint, then for each: IMAGE... DEVICE DISK... COMMIT -> ACK
 *
 * Invariants: `user` is told of a loss at most once, and of nothing after `close`. Records of one checkpoint are not mixed with those of another: whoever sends waits for each call.
 */
import type { Duplex } from 'node:stream';
import type { ImageDelta } from './checkpoint.js';
import { LeaseClock } from './fence/lease-fence.js';
import { encodeDelta } from './image/delta-codec.js';
import { DeviceEncoder } from './image/device-delta.js';
import { inboundBytes } from './inbound-log.js';
import { EpochTally } from './wire/epoch.js';
import { readAck, readNak, readRefused, readWelcome, reasonText } from './wire/record-payloads.js';
import type { HelloPayload } from './wire/record-payloads.js';
import { AHEAD, HANDS_OVER, RECORD, RecordError, recordName } from './wire/record.js';
import type { RecordType, WireRecord } from './wire/record.js';
import { HIGH_WATER, RecordStream } from './wire/record-stream.js';
import { HOST_TIMERS } from './wire/timers.js';
import { TwoPaths } from './wire/two-paths.js';

/** Until the backup has answered a hello; it starts a machine meanwhile. */
const WELCOME_MS = 40_000;
/** Until it has answered that it has forgotten us. */
const DISMISS_MS = 2_000;

/** Who runs the machine. */
export interface SessionUser {
  acked(epoch: number): void;
  /** Nothing goes to the backup, or nothing comes back, on any path. */
  lost(why: string): void;
  /** The stream is over; the other path is not. */
  streamLost(why: string): void;
  /** The backup has nothing of the machine any more. */
  dismissed(why: string): void;
  /** The machine runs there. */
  lives(): void;
  /** The machine may not run any longer without having been heard. */
  leaseOver(): void;
  /** One of the two paths is closed or silent, the other is not. */
  degraded(which: 'stream' | 'beat', why: string): void;
}

export interface SessionOptions {
  readonly dial: (kind: 'stream' | 'beat') => Promise<Duplex>;
  readonly hello: HelloPayload;
  /** How long the machine may run without having been heard; null: as long as it likes. */
  readonly leaseMs: number | null;
  /** Is it worth packing what is sent? */
  readonly pack: boolean;
  readonly user: SessionUser;
  /** Told which daemon, of which life, keeps the machine. @throws Error, one line: that is not to be */
  readonly welcomed: (life: string) => void;
  /** Nobody wants it any more. */
  readonly givenUp: AbortSignal;
}

export class BackupSession {
  readonly paths: TwoPaths;
  /** Bytes of the image and the disks that were sent ahead of the first checkpoint. */
  copiedBytes = 0;
  private readonly stream: RecordStream;
  private readonly beat: RecordStream;
  private readonly options: SessionOptions;
  private readonly tally = new EpochTally();
  private readonly device = new DeviceEncoder();
  private epoch = 0;
  private over = false;
  private dismissing: NodeJS.Timeout | null = null;
  private readonly lease: LeaseClock | null;

  private constructor(stream: RecordStream, beat: RecordStream, options: SessionOptions) {
    const { user, hello } = options;
    this.stream = stream;
    this.beat = beat;
    this.options = options;
    this.paths = new TwoPaths(stream, HOST_TIMERS, { beatMs: hello.beatMs, timeoutMs: hello.timeoutMs });
    this.paths.join(beat);
    this.paths.onUnreachable = (why) => this.lose(() => user.lost(why));
    this.paths.onUnheard = (why) => this.lose(() => user.lost(why));
    this.paths.onDegraded = (which, why) => user.degraded(which, why);
    this.lease = options.leaseMs === null ? null : new LeaseClock(options.leaseMs, HOST_TIMERS);
    if (this.lease !== null) this.lease.onOver = () => user.leaseOver();
    this.paths.onEcho = () => this.lease?.renew(this.paths.lastEchoSentAt ?? 0);
    for (const path of [stream, beat]) path.onRecord = (record) => this.hear(record);
    stream.onClose = ({ reason: why }) => {
      if (!this.over && this.paths.whole('beat')) user.streamLost(why);
    };
    this.paths.start();
  }

  /** Connects on both paths and says hello. Rejects with one line. */
  static async join(options: SessionOptions): Promise<BackupSession> {
    const stream = new RecordStream(await options.dial('stream'));
    try {
      const answer = firstRecord(stream, options.givenUp);
      stream.say(RECORD.HELLO, options.hello);
      const { type, payload } = await answer;
      if (type === RECORD.LIVES) {
        options.user.lives();
        throw new Error('the machine runs at the backup');
      }
      if (type === RECORD.REFUSED) throw new Error(readRefused(payload).reason);
      if (type !== RECORD.WELCOME) throw new RecordError(`${recordName(type)} came instead of WELCOME`);
      const { session, life } = readWelcome(payload);
      options.welcomed(life);
      const beat = new RecordStream(await options.dial('beat'));
      beat.say(RECORD.JOIN, { session });
      return new BackupSession(stream, beat, options);
    } catch (error) {
      stream.destroy();
      throw error;
    }
  }

  /** Bytes that were sent on the stream. */
  get bytesOut(): number {
    return this.stream.bytesOut;
  }

  /** Pages that are not of a checkpoint yet when `ahead`, as long as the machine has not been stopped for one. */
  async sendImage(delta: ImageDelta, ahead = false): Promise<void> {
    for (const piece of await encodeDelta(delta, { pack: this.options.pack })) await this.part(RECORD.IMAGE, piece, ahead);
  }

  async sendDevice(device: Uint8Array): Promise<void> {
    await this.part(RECORD.DEVICE, this.device.encode(device), false);
  }

  async sendDisk(piece: Uint8Array, ahead: boolean): Promise<void> {
    await this.part(RECORD.DISK, piece, ahead);
  }

  /** The checkpoint is whole; with `hand` the machine stands still for good, and the backup shall run it. Answers its bytes. */
  commit(epoch: number, hand: boolean): number {
    const said = this.tally.close(epoch);
    this.stream.send(RECORD.COMMIT, Buffer.from(JSON.stringify(said)), hand ? HANDS_OVER : 0);
    return said.bytes;
  }

  /** The machine has ended an epoch: frames it gets from now on are of the next. */
  epochClosed(epoch: number): void {
    this.epoch = epoch + 1;
  }

  /** From now on the backup may have a whole checkpoint. With a lease that is over already, nobody would say so any more. */
  exposed(): void {
    if (!this.over && this.lease?.valid === false) this.options.user.leaseOver();
  }

  /** The machine has got a frame. A backup that does not keep up goes without: it would be one that is lost. */
  inbound(nic: number, frame: Uint8Array): void {
    if (this.stream.open && !this.over && this.stream.waiting < HIGH_WATER) this.stream.send(RECORD.INBOUND, inboundBytes(this.epoch, nic, frame));
  }

  /** Asks the backup to forget the machine, on whatever path there is. The answer comes to the user, or `lost`. */
  dismiss(): void {
    const { user } = this.options;
    this.sayLife(RECORD.STAND_DOWN);
    this.dismissing = setTimeout(() => this.lose(() => user.lost('the backup does not say that it has forgotten the machine')), DISMISS_MS);
  }

  /** The machine has failed: the backup need not guess. */
  reportDeath(reason: string): void {
    for (const path of [this.stream, this.beat]) path.say(RECORD.DEAD, { reason: reasonText(reason) });
  }

  close(): void {
    this.over = true;
    if (this.dismissing !== null) clearTimeout(this.dismissing);
    this.paths.stop();
    this.lease?.stop();
    this.stream.end('the protection is over');
    this.beat.end('the protection is over');
  }

  private async part(type: RecordType, payload: Uint8Array, ahead: boolean): Promise<void> {
    const crc = this.stream.send(type, payload, ahead ? AHEAD : 0);
    if (!this.stream.open) throw new Error('the connection to the backup is closed');
    if (ahead) this.copiedBytes += payload.length;
    else this.tally.add(payload.length, crc);
    await this.stream.drained();
  }

  private hear({ type, number, payload }: WireRecord): void {
    const { user } = this.options;
    if (this.over) return;
    switch (type) {
      case RECORD.ACK:
        return user.acked(readAck(payload).epoch);
      case RECORD.NAK:
        return user.dismissed(readNak(payload).reason);
      case RECORD.STOOD_DOWN:
        return user.dismissed('');
      case RECORD.LIVES:
        return user.lives();
      case RECORD.REFUSED:
        return user.streamLost(readRefused(payload).reason);
      case RECORD.END:
        return;
      default:
        throw new RecordError(`record ${number} (${recordName(type)}) is not expected here`);
    }
  }

  private lose(tell: () => void): void {
    if (!this.over) tell();
  }

  private sayLife(type: typeof RECORD.STAND_DOWN): void {
    const { machine, generation } = this.options.hello;
    for (const path of [this.stream, this.beat]) path.say(type, { machine, generation });
  }
}

async function firstRecord(stream: RecordStream, givenUp: AbortSignal): Promise<WireRecord> {
  let timer: NodeJS.Timeout | undefined;
  let leaveOff: () => void = () => undefined;
  try {
    return await new Promise((resolve, reject) => {
      leaveOff = () => reject(new Error('it was given up'));
      if (givenUp.aborted) leaveOff();
      givenUp.addEventListener('abort', leaveOff);
      timer = setTimeout(() => reject(new Error(`the backup has not answered in ${WELCOME_MS / 1000} s`)), WELCOME_MS);
      stream.onRecord = resolve;
      stream.onClose = ({ how, reason }) => reject(new Error(how === 'refused' ? reason : `the backup has closed the connection: ${reason}`));
    });
  } finally {
    clearTimeout(timer);
    givenUp.removeEventListener('abort', leaveOff);
  }
}
