/**
 * datapath-io.test.ts — a daemon's workers read and write as they are told, and say how.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startDaemon } from '../../src/daemon/daemon.js';
import { DaemonClient } from '../../src/daemon/http-client.js';
import type { DatapathView } from '../../src/datapath/datapath-view.js';
import type { FrameIoWish } from '../../src/datapath/io/choose-io.js';
import { lackingUring, peer } from '../peers.js';
import { uniqueDevice } from './netns.js';

/** What a worker of a daemon says of itself. */
async function workerOf(frameIo: FrameIoWish): Promise<{ io: string; ioWhy: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-io-'));
  const daemon = await startDaemon({ socketPath: join(folder, 's'), logLevel: 'silent', workers: 1, frameIo });
  try {
    const client = new DaemonClient(daemon.socketPath);
    await client.post('/v1/exec', { argv: ['ifconfig', 'tap0', 'create', 'up'] });
    await client.post('/v1/attachments', { vnet: 'host', interface: 'tap0', device: uniqueDevice() });
    const [worker] = (await client.get<DatapathView>('/v1/datapath')).workers;
    return { io: worker!.io, ioWhy: worker!.ioWhy };
  } finally {
    await daemon.close();
    rmSync(folder, { recursive: true });
  }
}

peer('root', 'tun')('workers use poll when they are told to, and otherwise the better way that this kernel has', async () => {
  expect(await workerOf('poll')).toEqual({ io: 'poll', ioWhy: 'asked for' });
  const why = lackingUring();
  expect(await workerOf('auto')).toEqual(why === null ? { io: 'io_uring', ioWhy: '' } : { io: 'poll', ioWhy: why });
});
