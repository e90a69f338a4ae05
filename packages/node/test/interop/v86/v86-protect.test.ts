/**
 * v86-protect.test.ts — a machine of v86 is checkpointed and killed, and another process goes on as it was.
 * Read first: v86-rig.ts, echo-rom.ts; src/protect/v86/v86-checkpointer.ts, v86-standby.ts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { PAGE_BYTES } from '../../../src/protect/checkpoint.js';
import type { Checkpoint } from '../../../src/protect/checkpoint.js';
import { V86Checkpointer } from '../../../src/protect/v86/v86-checkpointer.js';
import { V86Standby } from '../../../src/protect/v86/v86-standby.js';
import { peer } from '../../peers.js';
import { V86Rig } from './v86-rig.js';

const PAGES = 40;
const DISK_BYTES = 1024 * 1024;

/** What the machine takes for its clock, in milliseconds. */
function clockOf({ device }: Checkpoint): number {
  return new DataView(device.buffer, device.byteOffset).getFloat64(0, true);
}

peer('v86')('a guest goes on in another process from its last checkpoint: counters, timer, card and address', { timeout: 120_000 }, async () => {
  const rig = new V86Rig();
  try {
    const guest = await rig.start();
    await guest.run('cont');
    const first = await guest.ask(PAGES);
    const waiting = await rig.start(); // its clock is behind the guest's
    const standby = new V86Standby(rig.folder);
    await standby.start(waiting);
    expect(first).toMatchObject({ to: '020000000001', from: '020000000086' });

    const checkpointer = await V86Checkpointer.start(guest, rig.folder);
    let next: number | null = 0;
    while (next !== null) {
      const scan = await checkpointer.scan(next, 100);
      standby.apply(scan.delta);
      next = scan.next;
    }
    let closed = 0;
    for (let i = 0; i < 5; i++) {
      await guest.ask(PAGES);
      standby.apply((await checkpointer.take(() => closed++)).delta);
    }
    expect(closed).toBe(5);
    const last = await checkpointer.take(() => undefined);
    standby.apply(last.delta);
    expect(last.delta.imageBytes).toBe(checkpointer.imageBytes);
    const after = await guest.ask(PAGES); // of an epoch that is lost
    guest.kill();
    await guest.ended;

    await standby.load(last.device);
    const again = await V86Checkpointer.start(waiting, rig.folder);
    expect(clockOf(await again.take(() => undefined, () => true))).toBeGreaterThanOrEqual(clockOf(last));
    await again.end();
    await waiting.run('cont');
    const revived = await waiting.ask(PAGES);
    expect(revived).toMatchObject({ to: '020000000001', from: '020000000086', frames: after.frames });
    expect(revived.ticks).toBeGreaterThan(first.ticks);
    const later = await waiting.ask(PAGES);
    expect(later.frames).toBeGreaterThan(revived.frames);
    expect(later.ticks).toBeGreaterThan(revived.ticks);
    expect(waiting.macs.at(-1)).toBe(guest.macs.at(-1));
    expect([guest.console, waiting.console]).toEqual(['up\n', '']);
    await checkpointer.end();
    standby.end();
    expect(await waiting.ask()).toMatchObject({ from: '020000000086' });
  } finally {
    await rig.end();
  }
});

peer('v86')('a disk is in the image, whole, and goes on with its machine to one whose disk is another', { timeout: 120_000 }, async () => {
  const rig = new V86Rig();
  try {
    const [full, blank] = [join(rig.folder, 'full'), join(rig.folder, 'blank')];
    writeFileSync(full, Buffer.alloc(DISK_BYTES, 'a disk '));
    writeFileSync(blank, Buffer.alloc(DISK_BYTES));
    const guest = await rig.start({ hda: full });
    const waiting = await rig.start({ hda: blank });
    const standby = new V86Standby(rig.folder);
    await standby.start(waiting);
    await guest.run('cont');
    await guest.ask();
    const checkpointer = await V86Checkpointer.start(guest, rig.folder);
    const last = await checkpointer.take(() => undefined, () => true);
    standby.apply(last.delta);
    await standby.load(last.device);
    await waiting.run('cont');
    expect(await waiting.ask()).toMatchObject({ from: '020000000086' });
    await checkpointer.end();

    const after = await V86Checkpointer.start(waiting, rig.folder);
    const whole = await after.take(() => undefined, () => true);
    expect(Buffer.from(whole.delta.xor).indexOf(Buffer.alloc(PAGE_BYTES, 'a disk '))).toBeGreaterThan(0);
    expect(whole.delta.imageBytes).toBe(last.delta.imageBytes);
    await after.end();
  } finally {
    await rig.end();
  }
});
