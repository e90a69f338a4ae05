/**
 * worker-commands.test.ts — a worker is told to open and close queues, of which some cannot be opened.
 */
import { GracePeriods, quiescenceWords, QuiescentReader } from '@netloom/core/fwd';
import { expect, test } from 'vitest';
import type { Libc } from '../tap/libc.js';
import { CONTROL_WORDS, PORT_COUNTERS, WORKER_COUNTERS } from './datapath-shared.js';
import type { CommandMessage, QueueOpen, WorkerMessage } from './datapath-shared.js';
import { PUNT_ALL } from './frame-verdict.js';
import type { FrameIo } from './io/frame-io.js';
import { WorkerCommands } from './worker-commands.js';
import { WorkerLoop } from './worker-loop.js';

function makeRig() {
  const told: WorkerMessage[] = [];
  const mailbox: CommandMessage[] = [];
  const periods = new GracePeriods(quiescenceWords(1));
  const nothing = (): void => undefined;
  const loop = new WorkerLoop({
    control: new Int32Array(CONTROL_WORDS), counters: new Float64Array(WORKER_COUNTERS), reader: new QuiescentReader(periods.words, periods.claim()), verdict: PUNT_ALL, tell: nothing, wakeSelf: nothing,
    takeCommands: nothing, obeyCommands: nothing, clockMs: () => 0,
  });
  const opened: number[] = [];
  loop.io = {
    open: (queue: number, fd: number) => {
      if (fd === 13) throw new Error('there is no room');
      opened.push(queue);
    },
    close: (queue: number) => void opened.splice(opened.indexOf(queue), 1),
  } satisfies Partial<FrameIo> as unknown as FrameIo;
  const commands = new WorkerCommands({} as Libc, 0, null, () => mailbox.shift() ?? null, (message) => void told.push(message));
  commands.loop = loop;
  const obey = (...list: CommandMessage['command'][]): void => {
    list.forEach((command, seq) => mailbox.push({ seq, command }));
    commands.take();
    commands.obey();
  };
  return { loop, opened, told, obey };
}

const opening = (queue: number, fd: number): QueueOpen => ({ op: 'open', queue, port: 5, fd, vnetHdr: false, counters: new SharedArrayBuffer(PORT_COUNTERS * 8), input: null, output: null });

test('a queue that cannot be opened is told, and the others are opened', () => {
  const { loop, opened, told, obey } = makeRig();
  obey(opening(1, 13), opening(2, 4));
  expect(told).toEqual([{ unopened: 1, why: 'there is no room' }, { done: 0 }, { done: 1 }]);
  expect(opened).toEqual([2]);
  expect([loop.queues[1], loop.outputs[5]?.queue]).toEqual([undefined, 2]);
});

test('one that was open and cannot be opened again is closed', () => {
  const { loop, opened, told, obey } = makeRig();
  obey(opening(1, 4));
  obey(opening(1, 13));
  expect(opened).toEqual([]);
  expect([loop.queues[1], loop.outputs[5]]).toEqual([undefined, undefined]);
  obey({ op: 'close', queue: 1 });
  expect(told.at(-1)).toEqual({ done: 0 });
});
