/**
 * netbuf.test.ts — `netloom netbuf` where nothing is to be changed: lists, refusals, exit codes, with and without JSON.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '../src/cli-io.js';
import { runProgram } from '../src/run-program.js';

const state = mkdtempSync(join(tmpdir(), 'netloom-netbuf-'));
afterAll(() => rmSync(state, { recursive: true }));

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await runProgram(['netbuf', ...args], '1.2.3', { env: {}, out: (text) => void (out += text), err: (text) => void (err += text), exitCode: 0 });
  return { code, out, err };
}

test.runIf(process.platform === 'linux').each<[string, string[], number, string, string]>([
  ['an empty list', ['ls'], EXIT_OK, 'VIF  IFB  HELD  BYTES  LIMIT  SENT  DROPPED  STATE\n', ''],
  ['the same as JSON', ['ls', '--json'], EXIT_OK, '[]\n', ''],
  ['to uninstall what is not installed', ['uninstall', 'nosuch0'], EXIT_OK, 'nosuch0 has no network buffer\n', ''],
  ['the same as JSON', ['uninstall', 'nosuch0', '--json'], EXIT_OK, 'null\n', ''],
  ['an interface that is not there', ['install', 'nosuch0'], EXIT_FAILURE, '', 'netloom: there is no interface nosuch0; "ip link" lists what there is\n'],
  ['a name that none can have', ['install', 'a/b'], EXIT_FAILURE, '', 'netloom: there is no interface a/b; "ip link" lists what there is\n'],
  ['a command for what is not installed', ['release', 'nosuch0'], EXIT_FAILURE, '', 'netloom: nosuch0 has no network buffer; install one: netloom netbuf install nosuch0\n'],
])('%s', async (_, args, code, out, err) => {
  expect(await run(...args, '--state', state)).toEqual({ code, out, err });
});

test('a limit that is none', async () => {
  const { code, err } = await run('install', 'vif1.0', '--limit', '0');
  expect([code, err.split('\n')[0]]).toEqual([EXIT_USAGE, "netloom: option '--limit <bytes>' argument '0' is invalid. A whole number from 1 on is needed."]);
});

test.runIf(process.platform === 'linux')('a folder for records that cannot be made', async () => {
  writeFileSync(join(state, 'file'), '');
  const { code, err } = await run('install', 'lo', '--state', join(state, 'file'));
  expect([code, err]).toEqual([EXIT_FAILURE, expect.stringMatching(/^netloom: cannot keep records in .*\/file\/net-\d+ \(ENOTDIR\)\. Run it as root, or name another folder with --state\n$/)]);
});
