/**
 * protect-disk.test.ts — a real guest of QEMU on a disk by epochs: it writes and reads back while epochs come and go, is stopped while its writes wait, and what was not safe never happened.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { DiskExports } from '../../src/protect/disk/disk-exports.js';
import { EpochDisk } from '../../src/protect/disk/epoch-disk.js';
import { ImageFile } from '../../src/protect/disk/image-file.js';
import { QmpClient } from '../../src/vm/qmp-client.js';
import { peer } from '../peers.js';
import { withGuests } from './guest/guest.js';
import type { Guest } from './guest/guest.js';

const MIB = 1_048_576;
const BYTES = 32 * MIB;
const LIMIT = 2 * MIB;
const EPOCH_MS = 25;
const SECONDS = 200;

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

/** What the guest reads of its disk when it has forgotten what it has written. */
async function guestSum(guest: Guest): Promise<string> {
  return (await guest.ok('echo 3 >/proc/sys/vm/drop_caches; md5sum </dev/vda', SECONDS)).slice(0, 32);
}

const write = (mib: number, at: number): string => `dd if=/dev/urandom of=/dev/vda bs=64k count=${mib * 16} seek=${at * 16} conv=fsync`;

async function withDisk(body: (guest: Guest, disk: EpochDisk, monitor: QmpClient, exports: DiskExports, image: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-it-'));
  const image = join(folder, 'image.raw');
  writeFileSync(image, '');
  truncateSync(image, BYTES);
  const exports = await DiskExports.serve([new EpochDisk(await ImageFile.open(image, false), LIMIT)], folder);
  try {
    const { disk, socketPath, exportName } = exports.all[0]!;
    const drive = `if=none,id=disk0,format=raw,cache=none,discard=unmap,file.driver=nbd,file.server.type=unix,file.server.path=${socketPath},file.export=${exportName}/first`;
    const args = ['-drive', drive, '-device', 'virtio-blk-pci,drive=disk0', '-qmp', `unix:${join(folder, 'qmp')},server=on,wait=off`];
    await withGuests([{ args, image: { modules: ['virtio_blk'] } }], async (guest) => {
      const monitor = new QmpClient(connect(join(folder, 'qmp')));
      await monitor.greeted;
      await monitor.run('qmp_capabilities');
      await body(guest, disk, monitor, exports, image);
      monitor.close();
    });
  } finally {
    await exports.close();
    rmSync(folder, { recursive: true });
  }
}

/** Stops the machine, ends the epoch, lets it go on, commits: as a checkpointer does, without a checkpoint. */
async function makeEpoch(disk: EpochDisk, monitor: QmpClient): Promise<void> {
  disk.closing();
  await monitor.run('stop');
  const epoch = disk.closeEpoch();
  await monitor.run('cont');
  await disk.commit(epoch);
}

peer('guest')('a guest writes its disk by epochs, and after a failover it is the one of the last committed', { timeout: 600_000 }, () => withDisk(async (guest, disk, monitor, exports, image) => {
  await guest.ok(write(4, 0), SECONDS);
  expect(await guestSum(guest)).toBe(md5(readFileSync(image)));
  expect(md5(readFileSync(image))).not.toBe(md5(Buffer.alloc(BYTES)));

  // Epochs by a timer, and early ones when it writes more than may be held.
  disk.closeEpoch();
  let ended = false;
  let pressed = 0;
  let wake = (): void => undefined;
  disk.onPressure = () => {
    pressed++;
    wake();
  };
  const epochs = (async () => {
    while (!ended) {
      await makeEpoch(disk, monitor);
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, EPOCH_MS);
      });
    }
  })();
  await guest.ok(write(16, 2), SECONDS);
  await guest.ok('blkdiscard -o 1048576 -l 1048576 /dev/vda || dd if=/dev/zero of=/dev/vda bs=1M seek=1 count=1 conv=fsync', SECONDS);
  const seen = await guestSum(guest);
  ended = true;
  await epochs;
  expect(md5(await disk.read(0, BYTES))).toBe(seen);
  expect(pressed).toBeGreaterThan(0);

  await makeEpoch(disk, monitor);
  const safe = disk.committed;
  expect(md5(readFileSync(image))).toBe(seen);
  await guest.ok(write(1, 0), SECONDS);
  expect(md5(await disk.read(0, BYTES))).not.toBe(seen);
  expect(md5(readFileSync(image))).toBe(seen);

  await guest.end();
  exports.cut('first');
  disk.discardAfter(safe);
  await disk.abandon();
  expect(md5(await disk.read(0, BYTES))).toBe(seen);
  expect(md5(readFileSync(image))).toBe(seen);
}));
