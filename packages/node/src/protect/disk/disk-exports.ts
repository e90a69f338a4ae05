/**
 * disk-exports.ts — class DiskExports: the disks of one protected machine, each at a socket in a folder, for the QEMU that runs it and the one that waits.
 * Read first: epoch-disk.ts, nbd-server.ts.
 *
 * A disk is a raw image: our offsets are the guest's, and the format is said, never guessed. So an image that begins as one of qcow2 does is refused, with the way out of it.
 */
import { join } from 'node:path';
import { EpochDisk } from './epoch-disk.js';
import { DiskError, ImageFile } from './image-file.js';
import { NbdServer } from './nbd-server.js';

export interface ExportedDisk {
  readonly disk: EpochDisk;
  readonly socketPath: string;
  /** Its name on the wire; a client may put "/" and who it is behind it. */
  readonly exportName: string;
}

/** "QFI\xfb" */
const QCOW2_MAGIC = 0x514649fb;

export class DiskExports {
  readonly all: readonly ExportedDisk[];
  private readonly servers: readonly NbdServer[];

  private constructor(servers: readonly NbdServer[], disks: readonly EpochDisk[]) {
    this.servers = servers;
    this.all = disks.map((disk, i) => ({ disk, socketPath: servers[i]!.path, exportName: servers[i]!.name }));
  }

  /** Opens images and serves them in `folder`, the first as disk0. @throws Error, one line; then nothing is open. */
  static async open(images: readonly { readonly path: string; readonly readOnly: boolean }[], folder: string): Promise<DiskExports> {
    const disks: EpochDisk[] = [];
    try {
      for (const { path, readOnly } of images) disks.push(new EpochDisk(await openRaw(path, readOnly)));
    } catch (error) {
      await Promise.all(disks.map((disk) => disk.close()));
      throw error;
    }
    return DiskExports.serve(disks, folder);
  }

  /** Serves disks that are open, which are its own to close from now on. @throws Error, one line; then they are closed. */
  static async serve(disks: readonly EpochDisk[], folder: string): Promise<DiskExports> {
    const servers: NbdServer[] = [];
    try {
      for (const [i, disk] of disks.entries()) servers.push(await NbdServer.listen(join(folder, `disk${i}.sock`), `disk${i}`, disk));
    } catch (error) {
      await Promise.all([...servers, ...disks].map((one) => one.close()));
      throw error;
    }
    return new DiskExports(servers, disks);
  }

  /** Cuts off `who`, or everybody, at all disks: nothing more of what they write begins. */
  cut(who?: string): void {
    for (const server of this.servers) server.cut(who);
  }

  /** Cuts everybody off; what is held goes to the files (whoever wants less discards it before), durable; the sockets go. May be called again. Rejects with what the first disk that fails says. */
  async close(): Promise<void> {
    const ends = [...this.servers, ...this.all.map(({ disk }) => disk)].map((one) => one.close());
    for (const end of await Promise.allSettled(ends)) if (end.status === 'rejected') throw end.reason;
  }
}

/** @throws DiskError */
async function openRaw(path: string, readOnly: boolean): Promise<ImageFile> {
  const file = await ImageFile.open(path, readOnly);
  const magic = Buffer.alloc(4);
  if (file.bytes >= magic.length) await file.read(magic, 0);
  if (magic.readUInt32BE(0) !== QCOW2_MAGIC) return file;
  await file.close();
  throw new DiskError('EINVAL', `"${path}" is a qcow2 image, and a protected machine's disk is raw; make one of it ("qemu-img convert -O raw ${path} ${path}.raw") and name that`);
}
