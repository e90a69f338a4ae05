/**
 * protect-pair.test.ts — two daemons: the one that keeps a machine is killed, and the machine goes on and is protected again when that is back; then the machine is killed, and runs there.
 * Read first: docs/protect-faults.md. The other way round, the primary's daemon killed: failover.test.ts.
 */
import { connect } from 'node:net';
import { expect } from 'vitest';
import { DaemonClient } from '../../src/daemon/http-client.js';
import { LiveLock } from '../../src/protect/live-lock.js';
import type { ProtectionView } from '../../src/protect/protect-view.js';
import { vmSpecOf } from '../../src/vm/vm-request.js';
import { peer } from '../peers.js';
import { guestImage } from './guest/guest-image.js';
import { Netns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { Running, TestDaemon } from './test-daemon.js';

const phaseOf = (views: readonly ProtectionView[]): string => views.map(({ side, phase }) => `${side} ${phase}`).join(', ');

async function isThere(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function backupDaemon(d: TestDaemon, path: string): Promise<Running> {
  const running = d.netloom('daemon', '--socket', path);
  await Netns.until('the backup is there', () => isThere(path), 60);
  return running;
}

peer('guest')('the backup\'s daemon is killed, and is back; the machine is killed, and runs there with its lock', { timeout: 400_000 }, () => withDaemon(async (d) => {
  const { vms, protections } = d.daemon;
  const socket = d.path('backup.sock');
  const lock = d.path('web.lock');
  const { kernel, initrd, append } = guestImage({ script: 'ip addr add 10.5.0.2/24 dev eth0; ip link set eth0 up' });
  await vms.run(vmSpecOf({ name: 'web', kernel, initrd, append, memory: '128M', accel: 'tcg', nics: ['tap0'], protectable: true, lock }, null));
  await d.ok('', 'ifconfig', 'tap0', 'inet', '10.5.0.1/24');
  const pings = (): Promise<void> => Netns.until('it answers', async () => (await d.run('', 'ping', '-c', '1', '-t', '2', '10.5.0.2')).exitCode === 0, 90);
  await pings();
  const backup = await backupDaemon(d, socket);
  await protections.protect({ machine: 'web', backup: `unix:${socket}`, fence: 'lock', interval: 50 });
  const comesTo = (phase: string): Promise<void> => Netns.until(`it is ${phase}`, async () => Promise.resolve(phaseOf(protections.list()) === `primary ${phase}`), 90);
  await comesTo('holding');
  await pings();

  backup.child.kill('SIGKILL');
  await comesTo('alone');
  await pings();
  await backup.ended;
  const again = await backupDaemon(d, socket);
  await comesTo('holding');
  await pings();

  process.kill(vms.find('web')!.process!.pid, 'SIGKILL');
  const client = new DaemonClient(socket);
  await Netns.until('it runs there', async () => phaseOf(await client.get<ProtectionView[]>('/v1/protections')) === 'backup live', 60);
  await Netns.until('nothing of it is here', async () => Promise.resolve(protections.list().length === 0 && vms.find('web') === null), 30);
  // It had gone on alone before, and that is of before.
  expect(LiveLock.take(lock)).toBe(null);
  expect(JSON.parse(LiveLock.peek(lock))).toMatchObject({ machine: 'web', alone: false });
  again.child.kill('SIGTERM');
  await again.ended;
  LiveLock.take(lock)!.close();
}));
