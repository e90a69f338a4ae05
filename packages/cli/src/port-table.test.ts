/**
 * port-table.test.ts — what `netloom attach` and `netloom ps` say of a guest's port.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execBuffered, startDaemon } from '@netloom/node';
import { expect, test } from 'vitest';
import type { CliIo } from './cli-io.js';
import { runProgram } from './run-program.js';

test('a guest\'s port is listed below the interfaces', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-pt-'));
  const daemon = await startDaemon({ socketPath: join(folder, 's'), logLevel: 'silent' });
  const netloom = async (...args: string[]): Promise<string> => {
    let out = '';
    const io: CliIo = { env: { NETLOOM_SOCKET: daemon.socketPath }, out: (t) => void (out += t), err: (t) => void (out += t), exitCode: 0 };
    return `${await runProgram(args, '1.2.3', io)}: ${out}`;
  };
  try {
    await execBuffered(daemon.service, { argv: ['ifconfig', 'tap', 'create'], cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] }).result;
    const device = `stream:unix:${folder}/vm0,server`;
    expect(await netloom('attach', 'host:tap0', 'stream:vm0')).toContain('"stream:vm0" does not say whether it is "unix" or "tcp"');
    expect(await netloom('attach', 'host:tap0', device)).toBe(`0: host:tap0 is bound to ${device}\n`);
    expect((await netloom('ps')).split('\n\n')[1]).toBe(
      `PORT       ${'DEVICE'.padEnd(device.length)}  STATE      GUESTS  FROM GUEST  BYTES  TO GUEST  BYTES  DROPS\nhost:tap0  ${device}  listening  0       0           0      0         0      0\n`);
  } finally {
    await daemon.close();
    rmSync(folder, { recursive: true });
  }
});
