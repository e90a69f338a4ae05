/**
 * exec-stream.test.ts — what a process sees of its client's connection.
 */
import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { FRAME_START, encodeFrame } from './exec-protocol.js';
import type { ExecService } from './exec-service.js';
import { serveExecStream } from './exec-stream.js';
import type { ProcIo } from './tool-proc.js';
import { OUTPUT_HIGH_WATER } from './tool-proc.js';

test('output to a connection that was destroyed waits until it has closed: a process that writes for ever lets others run', async () => {
  let seen: ProcIo | null = null;
  const service = { start: (_call: unknown, io: ProcIo) => ((seen = io), { exitCode: null, signal: () => undefined, end: () => undefined }) } as unknown as ExecService;
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  serveExecStream(service, socket, encodeFrame(FRAME_START, JSON.stringify({ argv: ['yes'] })));
  const io = seen as ProcIo | null;
  if (io === null) throw new Error('not started');
  socket.destroy();
  io.write(1, new Uint8Array(8));
  expect(io.buffered).toBe(OUTPUT_HIGH_WATER);
  let drained = false;
  const waited = io.drained().then(() => {
    drained = true;
  });
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(drained).toBe(false);
  await waited;
  expect([drained, io.buffered]).toEqual([true, 0]);
});
