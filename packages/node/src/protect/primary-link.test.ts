/**
 * primary-link.test.ts — a backup that cannot keep up with its primary has it wait; one that tells of no machine is refused.
 */
import { duplexPair } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { VM_DEFAULTS } from '../vm/vm-spec.js';
import { PrimaryLink } from './primary-link.js';
import type { LinkUser } from './primary-link.js';
import { tellMachine } from './told-machine.js';
import { PROTOCOL } from './wire/record-payloads.js';
import type { HelloPayload } from './wire/record-payloads.js';
import { AHEAD, RECORD } from './wire/record.js';
import { RecordStream } from './wire/record-stream.js';

const BYTES = 128 * 1024 * 1024;
const SPEC = { ...VM_DEFAULTS, name: 'web', vnet: 'host', memoryBytes: BYTES, topology: { sockets: 1, cores: 1, threads: 1 } };
const HELLO: HelloPayload = {
  protocol: PROTOCOL, version: '1', machine: 'web', generation: 1, engine: 'qemu', imageBytes: BYTES, firstEpoch: 0, fence: 'none', beatMs: 1_000, timeoutMs: 60_000, spec: tellMachine(SPEC, null, [], null),
};
const PLACE = { version: '1', keeper: 'b', life: 'l' };

/** Puts pieces of disks in their places when it is told to. */
class SlowUser implements LinkUser {
  copied = 0;
  private readonly waiting: (() => void)[] = [];

  disksCopied(): Promise<void> {
    this.copied++;
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  goOn(): void {
    this.waiting.shift()?.();
  }

  checkpointed = (): Promise<void> => Promise.resolve();
  scanned(): void {}
  inboundFrame(): void {}
  failed(reason: string): void {
    throw new Error(reason);
  }
  lost(): void {}
  reachable(): void {}
  primaryDead(): void {}
  standDown(): void {}
}

test('a primary waits when 16 MB of what it has sent are not in their places', async () => {
  const [near, far] = duplexPair();
  const sender = new RecordStream(near);
  const receiver = new RecordStream(far);
  const link = new PrimaryLink(receiver, 'a', HELLO, PLACE);
  const user = new SlowUser();
  sender.onRecord = () => undefined;
  link.welcome(user, 's');
  onTestFinished(() => {
    link.close();
    sender.destroy();
  });
  const piece = new Uint8Array(1024 * 1024);
  let sent = 0;
  const all = (async () => {
    for (; sent < 60; sent++) {
      sender.send(RECORD.DISK, piece, AHEAD);
      await sender.drained();
    }
  })();
  for (let turns = 0; turns < 500; turns++) await turn();
  expect(user.copied).toBe(1);
  // 16 that wait there and one more, and what is on its way.
  expect(sent).toBeGreaterThanOrEqual(16);
  expect(sent).toBeLessThan(24);
  while (user.copied < 60 || sent < 60) {
    user.goOn();
    await turn();
  }
  await all;
});

test.each<[string, Partial<HelloPayload>, string]>([
  ['no machine', { spec: {} }, 'the primary does not tell what the machine is made of'],
  ['a machine of another name', { machine: 'db' }, '"db" is not a name for a virtual machine'],
  ['memory that it has not', { imageBytes: 4096 }, 'the primary tells of 4096 bytes of memory, and of a machine of 134217728'],
  ['disks that it has not', { spec: tellMachine(SPEC, null, [512], null) }, 'the primary tells the sizes of 1 disks, and of a machine with 0'],
  ['a spec of another version', { spec: { ...tellMachine(SPEC, null, [], null), vm: { ...SPEC, utc: undefined } } }, 'the primary tells "utc" of the machine as nothing: both sides must run the same version of netloom'],
  ['no time between beats', { beatMs: 0 }, 'the primary wants a beat each 0 ms, and to be lost after 60000'],
])('a hello that tells of %s is refused', (_what, change, reason) => {
  const [, far] = duplexPair();
  const stream = new RecordStream(far);
  onTestFinished(() => stream.destroy());
  expect(() => new PrimaryLink(stream, 'a', { ...HELLO, ...change }, PLACE)).toThrow(reason);
});
