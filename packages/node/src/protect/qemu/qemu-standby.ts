/**
 * qemu-standby.ts — class QemuStandby: the state that a QEMU waits with.
 * Read first: vm/standby-state.ts; device-state.ts; image/standby-image.ts.
 *
 * Theory of operation. QEMU is there and has no state yet (`-incoming defer`). Its memory is a file that differences are put into while QEMU does not look at it; the device state is given to it at the end, by a socket that
 * QEMU listens at from the beginning, so that nothing need be asked then.
 */
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { QmpClient } from '../../vm/qmp-client.js';
import type { StandbyState } from '../../vm/standby-state.js';
import type { ImageDelta } from '../checkpoint.js';
import { StandbyImage } from '../image/standby-image.js';
import { leaveMemory, migrationEnds } from './device-state.js';
import type { RamFile } from './ram-file.js';

export class QemuStandby implements StandbyState {
  onFailed: (reason: string) => void = () => undefined;
  private readonly image: StandbyImage;
  /** Where QEMU listens. */
  private readonly path: string;
  private qmp: QmpClient | null = null;

  private constructor(image: StandbyImage, folder: string) {
    this.image = image;
    this.path = join(folder, 'state');
  }

  /** Makes the memory, before QEMU, which maps it. @throws Error, one line */
  static async make(ram: RamFile, folder: string): Promise<QemuStandby> {
    return new QemuStandby(await StandbyImage.make(ram.path, ram.bytes), folder);
  }

  async start(qmp: QmpClient): Promise<void> {
    this.qmp = qmp;
    await leaveMemory(qmp);
    await qmp.run('migrate-incoming', { uri: `unix:${this.path}` });
  }

  apply(delta: ImageDelta): void {
    this.image.apply(delta);
  }

  async load(device: Uint8Array): Promise<void> {
    const { qmp } = this;
    if (qmp === null) throw new Error('there is no QEMU yet');
    const ends = migrationEnds(qmp);
    const socket = connect(this.path);
    socket.on('error', () => undefined); // QEMU says what is wrong
    socket.write(device);
    await ends;
    this.image.release();
    socket.destroy();
    rmSync(this.path, { force: true });
  }

  end(): void {
    this.image.end();
  }
}
