/**
 * epoch-disk.ts — class EpochDisk: a machine's disk whose writes are held by epochs, so that its file is never ahead of the checkpoint that is safe.
 * Read first: docs/protect.md; packages/core/src/ha/epoch-plug.ts (the same for frames); Cully et al., "Remus" (NSDI 2008) §3.5; held-epoch.ts.
 *
 * Theory of operation. Writes *pass* to the file until the first `closeEpoch`. From then on they are held in memory with the epoch that was open when they came, and go to the file when
 * that epoch is committed. What is read is the file with the held epochs over it, oldest first:
 *
 *     written   a a a | b b | c . . .
 *     epoch       4   |  5  |  6 = open        commit(4): a a a go to the file.   discardAfter(5): c never happened
 *     file      ..., 3
 *
 * FLUSH answers at once while writes are held. It promises that what was written survives the machine; but the machine is then the one of the last committed epoch, and in that one the
 * FLUSH has not been answered yet, nor has anybody outside heard that it was: output waits for the same commit. So it is the commit of an epoch with a FLUSH in it that calls fdatasync.
 *
 * Memory is bounded. When `heldBytes` is over the limit a write waits, and `onPressure` is told so that an epoch is made early. It waits for that: `closing` lets all in that
 * wait or come until `closeEpoch`, because to stop a machine QEMU waits for its requests, and so a request must never wait for what comes after the stop. So the bound is the limit and what
 * a machine has in flight at each close.
 *
 * `abandon` (nobody is protected any more) writes everything to the file and lets writes pass again. Writes that come meanwhile wait: they would be behind it anyway. When the file fails
 * then, what was held stays to be read, writes answer EIO, and `abandon` may be tried again.
 *
 * Invariants: an epoch leaves memory when it is in the file and no read is under way that looked at the file before; so a read needs no copy of what is held. Commits are done one
 * behind another. The file has no byte of an epoch that nobody has asked to commit.
 * Not here: how requests come (nbd-server.ts), the backup's side (disk-copy.ts).
 */
import { baselineOf } from './baseline.js';
import type { Baseline } from './baseline.js';
import { HeldEpoch } from './held-epoch.js';
import type { DiskWrites } from './held-epoch.js';
import { asDiskError, DiskError } from './image-file.js';
import type { DiskFile } from './image-file.js';
import { InFlight } from './in-flight.js';

export const HELD_BYTES_MAX = 256 * 1_048_576;

interface WaitingWrite {
  readonly begin: () => void;
  readonly refuse: (error: DiskError) => void;
}

export class EpochDisk {
  /** A write waits for memory: make an epoch early. Called once until the next `closing`. */
  onPressure: () => void = () => undefined;
  readonly heldBytesMax: number;
  /** The epoch of writes that come now, and the last one that is in the file. */
  open = 0;
  committed = -1;
  private readonly file: DiskFile;
  /** Oldest first, the last one is open. None: writes pass. */
  private held: HeldEpoch[] = [];
  private readonly passing = new InFlight();
  private readonly reads = new InFlight();
  private waiting: WaitingWrite[] = [];
  private turn: Promise<unknown> = Promise.resolve();
  /** The last epoch that somebody asked to commit. */
  private asked = -1;
  private stopping = false;
  private pressed = false;
  private abandoning: Promise<void> | null = null;
  private closed: Promise<void> | null = null;
  /** Why writes are refused. */
  private refusal: DiskError | null;

  /** With `refusal` it is only read, and writes are refused with that, until `accept`. */
  constructor(file: DiskFile, heldBytesMax = HELD_BYTES_MAX, refusal: DiskError | null = null) {
    this.file = file;
    this.heldBytesMax = heldBytesMax;
    this.refusal = refusal;
  }

  get path(): string {
    return this.file.path;
  }

  get bytes(): number {
    return this.file.bytes;
  }

  get readOnly(): boolean {
    return this.file.readOnly;
  }

  /** Writes go to the file: no epoch has been closed yet, or protection was given up. */
  get passes(): boolean {
    return this.held.length === 0;
  }

  get heldBytes(): number {
    return this.held.reduce((sum, epoch) => sum + epoch.bytes, 0);
  }

  /** Writes that wait for `closing`. */
  get waitingWrites(): number {
    return this.waiting.length;
  }

  // What the machine does. Everything rejects with a DiskError whose `errno` it is told.

  read(offset: number, length: number): Promise<Buffer> {
    return this.readThrough(offset, length, () => this.held);
  }

  /** `bytes` are the disk's from now on. With `durable` (FUA) it resolves when they are durable, as `flush` does. */
  write(offset: number, bytes: Uint8Array, durable = false): Promise<void> {
    const run = (): Promise<void> => this.file.write([bytes], offset);
    return this.change(offset, bytes.length, durable, run, (epoch) => epoch.write(offset, bytes));
  }

  /** Zeros, and what is discarded: the same, so that it is the same on every copy. */
  zero(offset: number, length: number, durable = false): Promise<void> {
    const run = (): Promise<void> => this.file.zero(offset, length);
    return this.change(offset, length, durable, run, (epoch) => epoch.zero(offset, length));
  }

  /** Resolves when what was answered before is durable, so far as somebody may rely on it: see above. */
  async flush(): Promise<void> {
    if (this.readOnly) return;
    if (this.refusal !== null) throw this.refusal;
    if (this.abandoning !== null) return this.whenAdmitted(() => this.flushNow());
    await this.flushNow();
  }

  // What whoever protects it does.

  /** It is a machine's from now on: writes are taken. */
  accept(): void {
    this.refusal = null;
  }

  /** The machine is about to be stopped: writes that wait for memory go on, and none waits until `closeEpoch`, which must follow. */
  closing(): void {
    this.stopping = true;
    this.pressed = false;
    this.admit();
  }

  /** Ends the open epoch, which gets the number `epoch` if the caller counts, opens the next, and answers the number of the one that has ended. */
  closeEpoch(epoch = this.open): number {
    if (this.abandoning !== null || this.refusal !== null) throw new Error(`no epoch of the disk "${this.path}" can be closed: ${this.refusal?.message ?? 'it is being given up'}`);
    if (!Number.isSafeInteger(epoch) || epoch < this.open) throw new Error(`epoch ${epoch} cannot be closed: the open one is ${this.open}`);
    const ended = this.held.at(-1);
    if (ended === undefined) this.held.push(new HeldEpoch(epoch));
    else ended.epoch = epoch;
    if (ended === undefined) this.asked = epoch; // it passed: the file has it
    this.open = epoch + 1;
    this.held.push(new HeldEpoch(this.open));
    this.stopping = false;
    this.pressed = false;
    return epoch;
  }

  /** What an epoch that is closed and not committed has written. The bytes are not to be changed. An epoch that passed has written nothing: the baseline has it. */
  writesOf(epoch: number): DiskWrites {
    const found = this.held.slice(0, -1).find((one) => one.epoch === epoch);
    if (found === undefined) throw new Error(`epoch ${epoch} of the disk "${this.path}" is not held: ${epoch >= this.open ? 'it is open' : 'it is committed or was discarded'}`);
    return found.writes();
  }

  /** Puts all of epoch `epoch` and before into the file; durable when the machine asked for that. One that was committed before is. Rejects with a DiskError, and may be tried again. */
  commit(epoch: number): Promise<void> {
    if (!Number.isSafeInteger(epoch) || epoch >= this.open) return Promise.reject(new Error(`epoch ${epoch} cannot be committed: it is not closed`));
    this.asked = Math.max(this.asked, epoch);
    return this.inTurn(async () => {
      await this.store(this.held.slice(0, -1).filter((one) => one.epoch <= epoch));
      this.committed = Math.max(this.committed, epoch);
    });
  }

  /** The epochs after `epoch` never happened, the open one included: the machine is the one of the end of `epoch`. Cut off who wrote them before (NbdServer.cut). */
  discardAfter(epoch: number): void {
    if (this.passes || this.abandoning !== null || this.refusal !== null) throw new Error(`nothing of the disk "${this.path}" can be discarded: its writes are not held`);
    if (!Number.isSafeInteger(epoch) || epoch < this.asked || epoch >= this.open) {
      throw new Error(`what came after epoch ${epoch} of the disk "${this.path}" cannot be discarded: ${epoch >= this.open ? 'it is not closed' : `epoch ${this.asked} is committed`}`);
    }
    this.held = [...this.held.slice(0, -1).filter((one) => one.epoch <= epoch), new HeldEpoch(this.open)];
    this.stopping = false;
    this.pressed = false;
    this.refuseWaiting(new DiskError('EIO', `a write of the disk "${this.path}" was discarded with its epoch`));
  }

  /** Nobody is protected any more: everything goes to the file, durable, and writes pass until the next `closeEpoch`. Rejects with a DiskError, and may be tried again. */
  abandon(): Promise<void> {
    this.abandoning ??= this.inTurn(() => this.storeAll());
    return this.abandoning;
  }

  /** Reads a part of the disk as it is at the end of the last closed epoch. */
  async baseline(from: number, bytesMax: number): Promise<Baseline> {
    if (this.passes) throw new Error(`the disk "${this.path}" cannot be copied while its writes pass, because the copy would miss some: close an epoch first`);
    const length = Math.max(0, Math.min(bytesMax, this.bytes - from));
    let epoch = -1;
    const bytes = await this.readThrough(from, length, () => {
      epoch = this.open - 1;
      return this.held.slice(0, -1);
    });
    return baselineOf(epoch, from, bytes, this.bytes);
  }

  /** Gives up, waits for what is under way, and lets go of the file. May be called again. */
  close(): Promise<void> {
    this.closed ??= this.shut();
    return this.closed;
  }

  private async shut(): Promise<void> {
    try {
      await this.abandon();
      await this.passing.ended();
      if (!this.readOnly) await this.file.datasync();
    } finally {
      this.refusal = new DiskError('EIO', `the disk "${this.path}" is closed`);
      await this.passing.ended();
      await this.reads.ended();
      await this.file.close();
    }
  }

  private readThrough(offset: number, length: number, over: () => readonly HeldEpoch[]): Promise<Buffer> {
    const problem = this.rangeProblem(offset, length);
    if (problem !== null) return Promise.reject(problem);
    const writes = this.passing.ended(offset, offset + length);
    const into = Buffer.allocUnsafe(length);
    const read = async (): Promise<Buffer> => {
      if (writes !== null) await writes;
      await this.file.read(into, offset);
      for (const epoch of over()) epoch.overlay(into, offset);
      return into;
    };
    return this.reads.add(offset, offset + length, read());
  }

  private rangeProblem(offset: number, length: number): DiskError | null {
    const fits = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0 && offset + length <= this.bytes;
    return fits ? null : new DiskError('EINVAL', `${length} bytes at ${offset} are not on the disk "${this.path}", which has ${this.bytes}`);
  }

  private async change(offset: number, length: number, durable: boolean, pass: () => Promise<void>, hold: (epoch: HeldEpoch) => void): Promise<void> {
    const problem = this.readOnly ? new DiskError('EPERM', `the disk "${this.path}" is read-only`) : this.rangeProblem(offset, length) ?? this.refusal;
    if (problem !== null) throw problem;
    if (length === 0) return;
    const begin = async (): Promise<void> => {
      const open = this.held.at(-1);
      if (open === undefined) return this.passOn(offset, offset + length, durable, pass);
      hold(open);
      open.flushed ||= durable;
    };
    if (this.mustWait || this.waiting.length > 0) return this.whenAdmitted(begin);
    return begin();
  }

  private async passOn(start: number, end: number, durable: boolean, pass: () => Promise<void>): Promise<void> {
    const before = this.passing.ended(start, end);
    await this.passing.add(start, end, before === null ? pass() : before.then(pass));
    if (durable) await this.file.datasync();
  }

  private async flushNow(): Promise<void> {
    const open = this.held.at(-1);
    if (open !== undefined) open.flushed = true;
    else await this.file.datasync();
  }

  private get mustWait(): boolean {
    return this.abandoning !== null || (!this.passes && !this.stopping && this.heldBytes >= this.heldBytesMax);
  }

  /** Begins it behind those that wait. Whoever lets it in begins it there and then, so that nothing that is decided at once (`discardAfter`) comes in between. */
  private whenAdmitted(begin: () => Promise<void>): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.waiting.push({ begin: () => void begin().then(resolve, reject), refuse: reject });
    });
    if (this.abandoning === null && !this.pressed) {
      this.pressed = true;
      this.onPressure();
    }
    return done;
  }

  private admit(): void {
    if (this.refusal !== null) return this.refuseWaiting(this.refusal);
    while (this.waiting.length > 0 && !this.mustWait) this.waiting.shift()?.begin();
  }

  private refuseWaiting(error: DiskError): void {
    for (const { refuse } of this.waiting.splice(0)) refuse(error);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined); // whoever asked is told
    return done;
  }

  /** Puts closed epochs, or all, into the file, and forgets them. */
  private async store(epochs: readonly HeldEpoch[], durable = epochs.some(({ flushed }) => flushed)): Promise<void> {
    await this.passing.ended();
    for (const epoch of epochs) {
      for (const { offset, length } of epoch.zeroRanges()) await this.file.zero(offset, length);
      for (const { offset, pieces } of epoch.runs()) await this.file.write(pieces, offset);
    }
    if (durable) await this.file.datasync();
    await this.reads.ended();
    this.held = this.held.filter((epoch) => !epochs.includes(epoch));
    this.admit();
  }

  private async storeAll(): Promise<void> {
    try {
      await this.store(this.held, !this.passes);
      this.committed = this.open - 1;
      this.refusal = null;
    } catch (error) {
      this.refusal = asDiskError(error, `cannot write the disk "${this.path}"`);
      throw error;
    } finally {
      this.abandoning = null;
      this.admit();
    }
  }
}
