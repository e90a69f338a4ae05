/**
 * held-disks.ts — class HeldDisks: the disks of a protected machine, their writes held by one count of epochs, and what of them is told to the backup.
 * Read first: disk/epoch-disk.ts; held-output.ts (the same for frames); disk/disk-codec.ts.
 *
 * Theory of operation. A disk counts its own epochs, because it must hold its writes earlier than the machine its output: while it is copied, which may take minutes, no frame waits. `ended` says which of a disk's epochs
 * ended with which of the machine's.
 *
 * A disk of a machine whose backup is on this host is not copied: the machine that goes on opens the same file. Then the writes of after the last safe checkpoint are dropped before it does (`settle`), and before the
 * disks are closed, which would put them into the file (inheritance.ts).
 *
 * Invariant: all disks are closed, committed and given up together.
 */
import type { EpochDisk } from './disk/epoch-disk.js';
import type { Baseline } from './disk/baseline.js';
import { encodeDiskWrites } from './disk/disk-codec.js';
import type { DiskWrites } from './disk/held-epoch.js';

/** Of a disk that is copied, at a time. */
const COPY_BYTES = 1024 * 1024;
/** Writes that wait while it is copied, before they are told. */
const AHEAD_BYTES = 32 * 1024 * 1024;
export class HeldDisks {
  private readonly disks: readonly EpochDisk[];
  private readonly pack: boolean;
  private readonly ended = new Map<number, readonly number[]>();
  /** The last commit. */
  private committing: Promise<unknown> = Promise.resolve();

  /** @param onPressure a write waits for the next epoch. */
  constructor(disks: readonly EpochDisk[], pack: boolean, onPressure: () => void) {
    this.disks = disks;
    this.pack = pack;
    for (const disk of disks) disk.onPressure = onPressure;
  }

  /** Bytes of each disk. */
  get sizes(): number[] {
    return this.disks.map((disk) => disk.bytes);
  }

  get heldBytes(): number {
    return this.disks.reduce((sum, disk) => sum + disk.heldBytes, 0);
  }

  /** The machine is about to be stopped. */
  closing(): void {
    for (const disk of this.disks) disk.closing();
  }

  closeEpoch(epoch: number): void {
    this.ended.set(epoch, this.disks.map((disk) => disk.closeEpoch()));
  }

  /** Epochs up to this one are safe. Rejects with one line: a file cannot be written. */
  async commit(epoch: number): Promise<void> {
    const upTo = this.ended.get(epoch);
    for (const before of this.ended.keys()) if (before <= epoch) this.ended.delete(before);
    this.committing = Promise.all(this.disks.map((disk, i) => disk.commit(upTo?.[i] ?? -1)));
    await this.committing;
  }

  async abandon(): Promise<void> {
    this.ended.clear();
    await Promise.all(this.disks.map((disk) => disk.abandon()));
  }

  /** What an epoch wrote, in pieces for records. */
  async writesOf(epoch: number): Promise<Uint8Array[]> {
    const of = this.ended.get(epoch) ?? [];
    const pieces: Uint8Array[] = [];
    for (const [i, disk] of this.disks.entries()) await this.encode(i, disk.writesOf(of[i] ?? -1), (piece) => void pieces.push(piece));
    return pieces;
  }

  /** Sends all of the disks, and what is written meanwhile, while the machine runs and nothing of it is protected. */
  async copy(send: (piece: Uint8Array) => Promise<void>, goesOn: () => boolean): Promise<void> {
    for (const [i, disk] of this.disks.entries()) {
      disk.closeEpoch();
      for (let from: number | null = 0; from !== null && goesOn(); ) {
        const part: Baseline = await disk.baseline(from, COPY_BYTES);
        await this.encode(i, { zeros: [], data: part.chunks, flushed: false }, send);
        // Those that were copied before are written to as well.
        for (const [j, other] of this.disks.slice(0, i + 1).entries()) if (other.heldBytes > AHEAD_BYTES || part.next === null) await this.tellAhead(j, other, send);
        from = part.next;
      }
    }
  }

  /** What has been written since the copy began, or since the last time; here it is in its place. */
  private async tellAhead(i: number, disk: EpochDisk, send: (piece: Uint8Array) => Promise<void>): Promise<void> {
    disk.closing();
    const epoch = disk.closeEpoch();
    await this.encode(i, disk.writesOf(epoch), send);
    await disk.commit(epoch);
  }

  private async encode(i: number, writes: DiskWrites, send: (piece: Uint8Array) => Promise<void> | void): Promise<void> {
    for await (const record of encodeDiskWrites(writes, this.pack)) await send(diskPiece(i, record));
  }

  /** The machine goes on elsewhere on this host from the end of `epoch`: what it wrote before is in its file then, and the rest never was. Nobody writes any more: whoever did has been cut off. */
  async settle(epoch: number): Promise<void> {
    // What was acknowledged may still be on its way to the file.
    await (this.ended.has(epoch) ? this.commit(epoch) : this.committing);
    for (const disk of this.disks) if (!disk.passes) disk.discardAfter(disk.committed);
  }
}

/** A record of a disk with the disk's number in front. */
export function diskPiece(disk: number, record: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(disk), record]);
}
