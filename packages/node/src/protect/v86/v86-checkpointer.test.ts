/**
 * v86-checkpointer.test.ts — an epoch of a machine of v86 ends after it has been stopped and before it goes on.
 * Read first: v86-checkpointer.ts, state-message.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PAGE_BYTES } from '../checkpoint.js';
import type { V86Process } from './state-link.js';
import { messageParts } from './state-message.js';
import { V86Checkpointer } from './v86-checkpointer.js';

/** A process that notes what it is asked, and sends a state of one page when one is taken. */
class NotingProcess implements V86Process {
  readonly asked: string[] = [];
  private socket: Socket | null = null;

  async run(command: string, args?: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.asked.push(command);
    if (command === 'netloom-state') this.socket = connect(String(args?.['path']));
    if (command === 'netloom-take') {
      const delta = { imageBytes: PAGE_BYTES, pages: Uint32Array.of(0), xor: new Uint8Array(PAGE_BYTES) };
      for (const part of messageParts({ delta, device: Uint8Array.of(1) })) this.socket?.write(part);
    }
    return Promise.resolve({ imageBytes: PAGE_BYTES, deviceUs: 1, imageUs: 2, stoppedUs: 3 });
  }
}

test('closing is called between the stop and the going on, and once when the machine stays', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-v86-'));
  try {
    const vm = new NotingProcess();
    const checkpointer = await V86Checkpointer.start(vm, folder);
    vm.asked.length = 0;
    expect(await checkpointer.take(() => vm.asked.push('closing'))).toMatchObject({ pauseUs: 3, deviceUs: 1, imageUs: 2 });
    expect(vm.asked.splice(0)).toEqual(['netloom-take', 'closing', 'cont']);
    await checkpointer.take(() => vm.asked.push('closing'), () => true);
    expect(vm.asked).toEqual(['netloom-take', 'closing']);
    await checkpointer.end();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
