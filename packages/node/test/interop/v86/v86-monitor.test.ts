/**
 * v86-monitor.test.ts — what the process of a machine of v86 answers to commands that are wrong, twice, or cut off: the guest goes on.
 * Read first: src/vm/v86-monitor.ts, src/protect/v86/guest-protection.ts, v86-rig.ts.
 */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { V86Checkpointer } from '../../../src/protect/v86/v86-checkpointer.js';
import { V86Standby } from '../../../src/protect/v86/v86-standby.js';
import { peer } from '../../peers.js';
import { V86Rig } from './v86-rig.js';
import type { V86Guest } from './v86-rig.js';

const MEMORY_PAGES = 4096;
const TIMEOUT = { timeout: 120_000 };

/** Runs `body` with a guest that runs. */
async function withGuest(body: (guest: V86Guest, rig: V86Rig) => Promise<void>): Promise<void> {
  const rig = new V86Rig();
  try {
    const guest = await rig.start();
    await guest.run('cont');
    await guest.ask();
    await body(guest, rig);
  } finally {
    await rig.end();
  }
}

/** The guest's time goes on. */
async function goesOn(guest: V86Guest): Promise<void> {
  const { ticks } = await guest.ask();
  while ((await guest.ask()).ticks === ticks);
}

peer('v86')('wrong commands are answered with an error, and the guest goes on', TIMEOUT, () => withGuest(async (guest, rig) => {
  await expect(guest.run('eject')).rejects.toThrow('eject: v86 cannot');
  await expect(guest.run('toString')).rejects.toThrow('toString: v86 cannot');
  await expect(guest.run('netloom-state', { path: join(rig.folder, 'none') })).rejects.toThrow(/netloom-state: its state socket: connect ENOENT .*none$/);
  await expect(guest.run('netloom-take')).rejects.toThrow('netloom-take: its state socket is closed');
  await expect(guest.run('netloom-scan', { from: -1, pagesMax: 4 })).rejects.toThrow('netloom-scan: from=-1 is no count');
  await expect(guest.run('netloom-standby')).rejects.toThrow('a machine that runs cannot wait to be another one');
  await expect(guest.run('netloom-restore', { messages: 0 })).rejects.toThrow('this machine does not wait to be another one');
  guest.monitor.write('nonsense\n');
  await goesOn(guest);
}));

peer('v86')('a guest is stopped and goes on, twice each, and stays stopped with a checkpoint when it was', TIMEOUT, () => withGuest(async (guest, rig) => {
  const checkpointer = await V86Checkpointer.start(guest, rig.folder);
  await checkpointer.stop();
  await checkpointer.stop();
  const before = await checkpointer.take(() => undefined, () => true);
  const after = await checkpointer.take(() => undefined, () => true);
  expect(before.delta.pages.length).toBeGreaterThan(0);
  expect([...after.delta.pages].filter((page) => page < MEMORY_PAGES)).toEqual([]); // its time stamp counter goes on
  await checkpointer.resume();
  await checkpointer.resume();
  await goesOn(guest);
  await checkpointer.begin();
  expect((await checkpointer.take(() => undefined)).delta.pages.length).toBeGreaterThanOrEqual(before.delta.pages.length);
  await checkpointer.end();
  await checkpointer.end();
  await goesOn(guest);
}));

peer('v86')('a guest whose state socket closes while a checkpoint is on its way goes on, and can be checkpointed again', TIMEOUT, () => withGuest(async (guest, rig) => {
  const path = join(rig.folder, 'half');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const connected = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await guest.run('netloom-state', { path });
  const socket = await connected;
  await guest.run('netloom-take', { stay: false });
  await new Promise<void>((resolve) => socket.once('data', () => resolve()));
  socket.destroy();
  server.close();
  await goesOn(guest);
  const checkpointer = await V86Checkpointer.start(guest, rig.folder);
  expect((await checkpointer.take(() => undefined)).delta.imageBytes).toBe(checkpointer.imageBytes);
  await checkpointer.end();
}));

peer('v86')('a standby refuses to run before it is another machine, and what is no state; it says when it is gone', TIMEOUT, async () => {
  const rig = new V86Rig();
  try {
    const guest = await rig.start();
    const standby = new V86Standby(rig.folder);
    await standby.start(guest);
    await expect(guest.run('cont')).rejects.toThrow('cont: this machine waits to be another one');
    await expect(guest.run('netloom-take')).rejects.toThrow('netloom-take: this machine waits to be another one');
    const failed = new Promise<string>((resolve) => (standby.onFailed = resolve));
    guest.kill();
    expect(await failed).toBe('the state socket of the machine is closed');
    expect(() => standby.apply({ imageBytes: 4096, pages: Uint32Array.of(0), xor: new Uint8Array(4096) })).toThrow('the standby is over');
    await expect(standby.load(new Uint8Array(24))).rejects.toThrow('the standby is over');
    standby.end();
    standby.end();

    const picky = new V86Standby(rig.folder);
    await picky.start(await rig.start());
    expect(() => picky.apply({ imageBytes: 4096, pages: Uint32Array.of(1), xor: new Uint8Array(4096) })).toThrow('page 1 is beyond an image of 4096 bytes');
    expect(() => picky.apply({ imageBytes: 4096, pages: Uint32Array.of(0), xor: new Uint8Array(4096) })).toThrow('the standby is over');

    const other = new V86Standby(rig.folder);
    await other.start(await rig.start());
    other.apply({ imageBytes: 4096, pages: Uint32Array.of(0), xor: new Uint8Array(4096) });
    await expect(other.load(new Uint8Array(24))).rejects.toThrow(/netloom-restore: /);
    other.end();
  } finally {
    await rig.end();
  }
});
