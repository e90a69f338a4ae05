/**
 * held-disks.test.ts — what becomes of a machine's writes when it goes on elsewhere on its host, and what of them a backup with copies is told.
 */
import { expect, test } from 'vitest';
import { decodeDiskWrites } from './disk/disk-codec.js';
import { DiskCopy } from './disk/disk-copy.js';
import { EpochDisk } from './disk/epoch-disk.js';
import { MemoryFile } from './disk/test-disk-file.js';
import { HeldDisks } from './held-disks.js';

const BYTES = 64 * 1024;

class Bed {
  readonly files = [new MemoryFile(BYTES), new MemoryFile(BYTES)];
  readonly disks = this.files.map((file) => new EpochDisk(file));
  readonly held = new HeldDisks(this.disks, true, () => undefined);

  /** Writes a letter at the beginning of each disk. */
  async write(letter: string): Promise<void> {
    for (const disk of this.disks) await disk.write(0, Buffer.from(letter));
  }

  /** What the files begin with. */
  get begins(): string {
    return this.files.map(({ data }) => String.fromCharCode(data[0]!)).join('');
  }
}

test('the machine goes on from an epoch whose writes are on their way to the files', async () => {
  const bed = new Bed();
  bed.held.closeEpoch(7);
  await bed.write('a');
  bed.held.closeEpoch(8);
  await bed.write('b');
  let open: () => void = () => undefined;
  for (const file of bed.files) file.gate = new Promise((resolve) => (open = ((before) => () => (before(), resolve()))(open)));
  const acknowledged = bed.held.commit(8);
  const settled = bed.held.settle(8);
  open();
  await Promise.all([acknowledged, settled]);
  expect(bed.begins).toBe('aa');
  // The disks are put away afterwards, which gives the files all that is held.
  await bed.held.abandon();
  expect(bed.begins).toBe('aa');
});

test('the machine goes on from an epoch that nobody here has heard to be safe', async () => {
  const bed = new Bed();
  bed.held.closeEpoch(0);
  await bed.write('a');
  bed.held.closeEpoch(1);
  await bed.write('b');
  await bed.held.settle(1);
  expect(bed.begins).toBe('aa');
});

test('a file that cannot be written is no file to go on with', async () => {
  const bed = new Bed();
  bed.held.closeEpoch(0);
  await bed.write('a');
  bed.held.closeEpoch(1);
  bed.files[1]!.failing = 'ENOSPC';
  await expect(bed.held.settle(1)).rejects.toThrow('No space left on device');
});

test('a copy that is told all from the first look on has what the disks have at the end of each epoch', async () => {
  const bed = new Bed();
  const copies = [new MemoryFile(BYTES), new MemoryFile(BYTES)];
  const kept = copies.map((file) => new DiskCopy(file));
  const tell = async (piece: Uint8Array): Promise<void> => {
    await kept[piece[0]!]!.apply(await decodeDiskWrites(piece.subarray(1), BYTES));
    await bed.write(String.fromCharCode(65 + (written++ % 26))); // while it is copied
  };
  let written = 0;
  await bed.write('*');
  await bed.held.copy(tell, () => true);
  for (let epoch = 0; epoch < 3; epoch++) {
    bed.held.closing();
    bed.held.closeEpoch(epoch);
    const then = String.fromCharCode(65 + ((written - 1) % 26));
    for (const piece of await bed.held.writesOf(epoch)) await kept[piece[0]!]!.apply(await decodeDiskWrites(piece.subarray(1), BYTES));
    expect(copies.map(({ data }) => String.fromCharCode(data[0]!))).toEqual([then, then]);
    await bed.held.commit(epoch);
    expect(bed.begins).toBe(`${then}${then}`);
    await bed.write(String.fromCharCode(65 + (written++ % 26)));
  }
});
