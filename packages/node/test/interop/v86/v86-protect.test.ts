/**
 * v86-protect.test.ts — a machine of v86 is checkpointed and killed, and another process goes on as it was.
 * Read first: v86-rig.ts, echo-rom.ts; src/protect/v86/v86-checkpointer.ts, v86-standby.ts.
 */
import { expect } from 'vitest';
import { V86Checkpointer } from '../../../src/protect/v86/v86-checkpointer.js';
import { V86Standby } from '../../../src/protect/v86/v86-standby.js';
import { peer } from '../../peers.js';
import { V86Rig } from './v86-rig.js';

const PAGES = 40;

peer('v86')('a guest goes on in another process from its last checkpoint: counters, timer, card and address', { timeout: 120_000 }, async () => {
  const rig = new V86Rig();
  try {
    const guest = await rig.start();
    const waiting = await rig.start();
    const standby = await V86Standby.start(waiting, rig.folder);
    await guest.run('cont');
    const first = await guest.ask(PAGES);
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

    await standby.takeOver(last.device, () => undefined);
    const revived = await waiting.ask(PAGES);
    expect(revived).toMatchObject({ to: '020000000001', from: '020000000086', frames: after.frames });
    expect(revived.ticks).toBeGreaterThan(first.ticks);
    const later = await waiting.ask(PAGES);
    expect(later.frames).toBeGreaterThan(revived.frames);
    expect(later.ticks).toBeGreaterThan(revived.ticks);
    expect(waiting.macs.at(-1)).toBe(guest.macs.at(-1));
    expect([guest.console, waiting.console]).toEqual(['up\n', '']);
    await checkpointer.end();
    await standby.end();
    expect(await waiting.ask()).toMatchObject({ from: '020000000086' });
  } finally {
    await rig.end();
  }
});
