/**
 * protect.test.ts — a machine that is protected by its own daemon: killed again and again, and there for its client all the time.
 * Read first: docs/protect.md.
 */
import { expect } from 'vitest';
import { vmSpecOf } from '../../src/vm/vm-request.js';
import { peer } from '../peers.js';
import { guestImage } from './guest/guest-image.js';
import { Netns } from './netns.js';
import { withDaemon } from './test-daemon.js';

peer('guest')('a machine whose backup is local: killed, and it goes on; handed over; let go', { timeout: 400_000 }, () => withDaemon(async (d) => {
  const { vms, protections } = d.daemon;
  const { kernel, initrd, append } = guestImage({ script: 'ip addr add 10.5.0.2/24 dev eth0; ip link set eth0 up' });
  const vm = await vms.run(vmSpecOf({ name: 'web', kernel, initrd, append, memory: '128M', accel: 'tcg', nics: ['tap0'], protectable: true }, null));
  await d.ok('', 'ifconfig', 'tap0', 'inet', '10.5.0.1/24');
  const pings = (): Promise<void> => Netns.until('it answers', async () => (await d.run('', 'ping', '-c', '1', '-t', '2', '10.5.0.2')).exitCode === 0, 90);
  await pings();
  const phases = (): string => protections.list().map(({ side, phase }) => `${side} ${phase}`).sort().join(', ');
  await expect(protections.protect({ machine: 'web', backup: 'local', fence: 'lock:/else' })).rejects.toThrow(`"web" cannot be protected: "web" holds the lock ${vm.parts.lock!.path}, not /else: run it with --lock /else`);
  expect([vm.links[0]!.plug, vm.parts.heir]).toEqual([null, null]);
  // Two who want the same at a time.
  const wishes = await Promise.allSettled([50, 60].map((interval) => protections.protect({ machine: 'web', backup: 'local', interval })));
  expect(wishes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  await Netns.until('it is held', async () => phases() === 'backup ready, primary holding', 60);
  expect(protections.list().map(({ side, peer: at, copiedBytes }) => [side, at, copiedBytes !== null && copiedBytes > 1e6])).toEqual(expect.arrayContaining([['primary', 'local', true], ['backup', 'local', false]]));
  await pings();
  for (let kill = 0; kill < 2; kill++) {
    const { pid } = vms.find('web')!.process!;
    process.kill(pid, 'SIGKILL');
    await Netns.until('it runs again', async () => vms.find('web')?.process?.pid !== pid && vms.find('web')?.state === 'running', 30);
    await pings();
    await Netns.until('it is held again', async () => phases() === 'backup ready, primary holding', 60);
  }
  await pings();
  const before = vms.find('web')!.process!.pid;
  await protections.handOver('web');
  await Netns.until('it runs again', async () => vms.find('web')?.process?.pid !== before && vms.find('web')?.state === 'running', 30);
  await pings();
  await Netns.until('it is held again', async () => phases() === 'backup ready, primary holding', 60);
  await protections.unprotect('web');
  expect(phases()).not.toContain('primary');
  await Netns.until('nothing is kept', async () => phases() === '' && vms.standbys().length === 0, 30);
  await pings();
}));
