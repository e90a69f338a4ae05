/**
 * v86-failover.test.ts — a machine of v86 that is protected by its own daemon: killed again and again, handed over, and there for its client all the time.
 * Read first: docs/protect.md; echo-client.ts, echo-rom.ts; interop/protect.test.ts (the same with QEMU).
 */
import { truncateSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { VmProcess } from '../../../src/vm/vm-process.js';
import { peer } from '../../peers.js';
import { Netns } from '../netns.js';
import { withDaemon } from '../test-daemon.js';
import type { TestDaemon } from '../test-daemon.js';
import { EchoClient } from './echo-client.js';
import { echoRom } from './echo-rom.js';

const MB = 1024 * 1024;
const PAGES = 40;
const KILLS = 3;

function runs(d: TestDaemon, ...more: string[]): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
  writeFileSync(d.path('rom'), echoRom());
  return d.netloom('vm', 'run', 'tiny', '--v86', '--firmware', 'rom', '--memory', '16M', ...more).ended;
}

/** Runs `body` with a machine with a disk whose backup is local, and its client. */
async function withProtected(d: TestDaemon, body: (client: EchoClient) => Promise<void>): Promise<void> {
  writeFileSync(d.path('disk'), Buffer.alloc(MB, 'a disk '));
  await d.ok('', 'ifconfig', 'tap0', 'create');
  await d.ok('', 'ifconfig', 'tap0', 'up');
  expect(await runs(d, '--disk', 'disk', '--nic', 'tap0', '--protectable')).toMatchObject({ status: 0, stderr: '' });
  const client = new EchoClient(d, 'tap0');
  try {
    await client.ask(PAGES);
    expect(await d.netloom('protect', 'tiny', '--backup', 'local').ended).toMatchObject({ status: 0, stdout: expect.stringMatching(/^tiny: protected by local: /) as string });
    await client.ask(PAGES);
    await body(client);
  } finally {
    client.close();
  }
}

function phases({ daemon: { protections } }: TestDaemon): string {
  return protections.list().map(({ side, phase }) => `${side} ${phase}`).sort().join(', ');
}

/** Waits for another process than `before` to be the machine, and to be protected again; that process. */
async function goesOn(d: TestDaemon, client: EchoClient, before: VmProcess): Promise<VmProcess> {
  const { vms } = d.daemon;
  await Netns.until('another process is the machine', () => vms.find('tiny')?.process !== before && vms.find('tiny')?.state === 'running', 60);
  const { ticks } = client.last;
  await Netns.until('its time goes on', async () => (await client.ask(PAGES)).ticks > ticks, 30);
  await Netns.until('it is held again', () => phases(d) === 'backup ready, primary holding', 60);
  await client.ask(PAGES);
  return vms.find('tiny')!.process!;
}

peer('v86')('a machine of v86 whose backup is local is killed three times, and its answers never go back', { timeout: 240_000 }, () => withDaemon((d) => withProtected(d, async (client) => {
  let process = d.daemon.vms.find('tiny')!.process!;
  for (let kill = 0; kill < KILLS; kill++) {
    await client.ask(PAGES);
    process.kill();
    process = await goesOn(d, client, process);
  }
  expect(await d.netloom('protect', 'end', 'tiny').ended).toMatchObject({ status: 0 });
  await Netns.until('nothing waits any more', () => phases(d) === '' && d.daemon.vms.standbys().length === 0, 30);
  expect(d.daemon.vms.list().map(({ name, state }) => `${name} ${state}`)).toEqual(['tiny running']);
  await client.ask();
})));

peer('v86')('a machine of v86 is handed over to its backup and on from there, and its answers never go back', { timeout: 240_000 }, () => withDaemon((d) => withProtected(d, async (client) => {
  let process = d.daemon.vms.find('tiny')!.process!;
  for (let hand = 0; hand < 2; hand++) {
    await d.daemon.protections.handOver('tiny');
    process = await goesOn(d, client, process);
  }
})));

peer('v86')('a machine of v86 that cannot be protected is refused, with what stands in the way', { timeout: 60_000 }, () => withDaemon(async (d) => {
  writeFileSync(d.path('large'), '');
  truncateSync(d.path('large'), 65 * MB);
  expect(await runs(d, '--protectable', '--disk', 'large')).toMatchObject({
    status: 1, stderr: 'netloom: tiny: the disks of a protected machine of v86 have 64 MB at most, for each checkpoint holds all of them; these have 65 MB: use QEMU, or smaller ones\n',
  });
  expect(await runs(d)).toMatchObject({ status: 0 });
  expect(await d.netloom('protect', 'tiny', '--backup', 'local').ended).toMatchObject({ status: 1, stderr: 'netloom: "tiny" was not started so that it can be protected: stop it, and run it with --protectable\n' });
}));
