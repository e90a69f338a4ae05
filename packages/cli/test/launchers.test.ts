/**
 * launchers.test.ts — both launchers, one table: what a tool's caller sees through them.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon } from '@netloom/node';
import type { Daemon } from '@netloom/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findPerl, installLaunchers } from '../src/launcher/install.js';
import type { LauncherRuntime } from '../src/launcher/install.js';
import { Events, fakeTools } from './fake-tools.js';

const runtimes: LauncherRuntime[] = findPerl() === null ? ['node'] : ['perl', 'node'];

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

describe.each(runtimes)('%s', (runtime) => {
  const events = new Events();
  let folder: string;
  let daemon: Daemon;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'netloom-'));
    const tools = fakeTools(events);
    daemon = await startDaemon({ socketPath: join(folder, 's'), logLevel: 'silent', tools });
    installLaunchers(join(folder, 'bin'), Object.keys(tools), runtime);
    env = { ...process.env, NETLOOM_SOCKET: daemon.socketPath, PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}`, LANG: 'C', SECRET: 'not for tools', NETLOOM_X: 'a"b\\c\n', NETLOOM_JAIL: '' };
  });

  afterAll(async () => {
    await daemon.close();
    rmSync(folder, { recursive: true });
  });

  const start = (argv: string[], more: NodeJS.ProcessEnv = {}): ChildProcess => spawn(join(folder, 'bin', argv[0]!), argv.slice(1), { env: { ...env, ...more }, cwd: folder });

  async function finish(child: ChildProcess): Promise<Outcome> {
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (d: Buffer) => out.push(d));
    child.stderr?.on('data', (d: Buffer) => err.push(d));
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    return { stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString(), code, signal };
  }

  const run = (argv: string[], more: NodeJS.ProcessEnv = {}): Promise<Outcome> => finish(start(argv, more));
  const shell = (script: string): Promise<Outcome> => finish(spawn('/bin/sh', ['-c', script], { env, cwd: folder }));

  async function said(child: ChildProcess, text: string): Promise<void> {
    let all = '';
    await new Promise<void>((resolve) => {
      child.stdout!.on('data', (d: Buffer) => {
        all += d.toString();
        if (all.includes(text)) resolve();
      });
    });
  }

  test('arguments, folder and chosen environment arrive as they are', async () => {
    const { stdout, code } = await run(['args', 'ü', '', 'a b', '"\\\'', '\n\t\x01', '--x=$HOME'], { NETLOOM_FIB: '3' });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ argv: ['args', 'ü', '', 'a b', '"\\\'', '\n\t\x01', '--x=$HOME'], cwd: folder, x: 'a"b\\c\n', lang: 'C', tty: false, columns: 80, jail: '0', fib: 3 });
  });

  test.each([0, 1, 2, 64, 255])('exit code %i', async (code) => {
    expect(await run(['exit', String(code)])).toEqual({ stdout: '', stderr: '', code, signal: null });
  });

  test('standard output and standard error stay apart', async () => {
    expect(await run(['both'])).toEqual({ stdout: 'to stdout\n', stderr: 'to stderr\n', code: 3, signal: null });
  });

  test('megabytes of all byte values', async () => {
    const child = spawn('/bin/sh', ['-c', 'bytes 64 | cksum'], { env });
    const expected = spawnSync('cksum', { input: Buffer.alloc(64 * 65_536, Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i))) }).stdout.toString();
    expect((await finish(child)).stdout).toBe(expected);
  });

  test('standard input is passed to a tool that reads it', async () => {
    const child = start(['copy']);
    child.stdin!.end('x'.repeat(200_000));
    expect((await finish(child)).stdout).toBe(`${'x'.repeat(200_000)}[eof]`);
  });

  test('a tool that does not read leaves standard input to the next', async () => {
    writeFileSync(join(folder, 'lines'), 'one\ntwo\nthree\n');
    const { stdout } = await shell('while read x; do exit 0; done < lines; while read x; do echo $x; both 2>/dev/null; done < lines');
    expect(stdout).toBe('');
    expect((await shell('while read x; do echo $x; both 2>/dev/null; done < lines')).stdout).toBe('one\nto stdout\ntwo\nto stdout\nthree\nto stdout\n');
  });

  test('SIGINT reaches the tool, which may end as it likes', async () => {
    const child = start(['sleeper', `i-${runtime}`]);
    await said(child, 'ready');
    child.kill('SIGUSR1');
    await said(child, 'info');
    const end = finish(child);
    child.kill('SIGINT');
    expect(await end).toMatchObject({ stdout: 'summary\n', code: 5, signal: null });
    await events.wait(`i-${runtime} ended`);
  });

  test('a second SIGINT ends the launcher, and with it the tool', async () => {
    const child = start(['sleeper', `s-${runtime}`, 'stubborn']);
    await said(child, 'ready');
    const end = finish(child);
    child.kill('SIGINT');
    await events.wait(`s-${runtime} INT`);
    child.kill('SIGINT');
    expect(await end).toMatchObject({ signal: 'SIGINT' });
    await events.wait(`s-${runtime} ended`);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('a tool that does not handle %s ends by it, and so does the launcher', async (signal) => {
    const child = start(['plain']);
    await said(child, 'ready');
    const end = finish(child);
    child.kill(signal);
    expect(await end).toMatchObject({ code: null, signal });
    await events.wait('plain ended');
  });

  test.skipIf(runtime === 'node')('a signal the shell ignores for a background job stays ignored', async () => {
    const { stdout } = await shell('plain >out1 & p=$!; while [ ! -s out1 ]; do sleep 0.05; done; kill -INT $p; sleep 0.2; kill -TERM $p; wait $p; echo $?');
    expect(stdout).toBe('143\n');
    await events.wait('plain ended');
  });

  test('killing the launcher ends the tool', async () => {
    const child = start(['plain']);
    await said(child, 'ready');
    child.kill('SIGKILL');
    await events.wait('plain ended');
  });

  test('stopped and continued', async () => {
    const child = start(['ticks']);
    await said(child, 'tick');
    const state = (): string => spawnSync('ps', ['-o', 'state=', '-p', String(child.pid)]).stdout.toString().trim();
    child.kill('SIGTSTP');
    while (!state().startsWith('T')) await new Promise((resolve) => setTimeout(resolve, 10));
    child.kill('SIGCONT');
    await said(child, 'tick');
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  test('a reader that goes away ends both quietly', async () => {
    const { stdout, stderr } = await shell('yes | head -n 1');
    expect({ stdout, stderr }).toEqual({ stdout: 'y\n', stderr: '' });
    await events.wait('yes ended');
  });

  test('no daemon', async () => {
    const path = join(folder, 'nobody');
    expect(await run(['both'], { NETLOOM_SOCKET: path })).toEqual({
      stdout: '', code: 1, signal: null,
      stderr: `both: cannot reach the Netloom daemon at ${path}: No such file or directory\nStart it with "netloom daemon" or "netloom up LAB.yaml", or let NETLOOM_SOCKET name its socket.\n`,
    });
    writeFileSync(path, '');
    expect((await run(['both'], { NETLOOM_SOCKET: path })).stderr).toContain(`at ${path}: Connection refused`);
  });

  test('the default socket is under XDG_RUNTIME_DIR', async () => {
    expect((await run(['both'], { NETLOOM_SOCKET: '', XDG_RUNTIME_DIR: '/nonexistent' })).stderr).toContain('at /nonexistent/netloom.sock: ');
    expect((await run(['both'], { NETLOOM_SOCKET: '', XDG_RUNTIME_DIR: '' })).stderr).toContain(`at /tmp/netloom-${process.getuid!()}/netloom.sock: `);
  });

  test('something else at the socket', async () => {
    const path = join(folder, 'web');
    const server = createServer((socket) => socket.end('HTTP/1.1 418 I am a teapot\r\n\r\n')).listen(path);
    await once(server, 'listening');
    expect(await run(['both'], { NETLOOM_SOCKET: path })).toMatchObject({ stderr: 'both: the Netloom daemon refused the call: 418 I am a teapot; is it of this version?\n', code: 1 });
    server.close();
  });

  test('a daemon that goes away', async () => {
    const path = join(folder, 'short');
    const server = createServer((socket) => void socket.once('data', () => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'))).listen(path);
    await once(server, 'listening');
    expect(await run(['both'], { NETLOOM_SOCKET: path })).toMatchObject({ stderr: 'both: the Netloom daemon closed the connection\n', code: 1 });
    server.close();
  });

  test('a jail and a FIB that are not there', async () => {
    expect(await run(['both'], { NETLOOM_JAIL: 'no.such' })).toMatchObject({ stderr: 'both: jail "no.such" not found (named by NETLOOM_JAIL; "jls" lists them)\n', code: 1 });
    expect(await run(['both'], { NETLOOM_FIB: '-1' })).toMatchObject({ stderr: 'both: NETLOOM_FIB="-1" is not a FIB number (0 to 65535)\n', code: 1 });
  });

  test('a tool that crashes says so; the daemon lives', async () => {
    expect(await run(['crash'])).toEqual({ stdout: '', stderr: 'crash: internal error: a defect\n', code: 70, signal: null });
    expect((await run(['exit', '0'])).code).toBe(0);
  });

  test('a program of the host runs here, with this input, and its tools find the same daemon and vnet', async () => {
    const child = start(['run', 'sh', '-c', 'cat; echo "jail=$NETLOOM_JAIL." >&2; both; exit 7']);
    child.stdin!.end('from stdin\n');
    expect(await finish(child)).toEqual({ stdout: 'from stdin\nto stdout\n', stderr: 'jail=.\nto stderr\n', code: 7, signal: null });
  });

  test('a tool that runs a tool', async () => {
    expect(await run(['run', '/sbin/run', 'both'])).toMatchObject({ stdout: 'to stdout\n', stderr: 'to stderr\n', code: 3 });
  });

  test('host programs that cannot be run', async () => {
    expect(await run(['run', 'no-such-program'])).toMatchObject({ stderr: 'run: no-such-program: No such file or directory\n', code: 1 });
    writeFileSync(join(folder, 'plainfile'), 'x', { mode: 0o644 });
    expect(await run(['run', join(folder, 'plainfile')])).toMatchObject({ stderr: `run: ${join(folder, 'plainfile')}: Permission denied\n`, code: 1 });
  });

  test('a host program ended by a signal', async () => {
    expect((await run(['run', 'sh', '-c', 'kill -TERM $$'])).code).toBe(143);
  });

  test('TERM to the launcher reaches the host program', async () => {
    const child = start(['run', 'sh', '-c', 'trap "echo got it; exit 4" TERM; echo up; while :; do sleep 0.05; done']);
    await said(child, 'up');
    const end = finish(child);
    child.kill('SIGTERM');
    expect(await end).toMatchObject({ stdout: 'got it\n', code: 4 });
  });

  test('the tool ending takes its host program and what that started along', async () => {
    const file = join(folder, 'pids');
    expect((await run(['killer', 'sh', '-c', `sh -c 'echo $$ >> ${file}; sleep 60' & echo $$ >> ${file}; sleep 60`])).code).toBe(9);
    const pids = readFileSync(file, 'utf8').trim().split('\n');
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(spawnSync('ps', ['-o', 'state=', '-p', pid]).stdout.toString().trim().replace(/^Z.*/, ''), pid).toBe('');
  });

  test.runIf(existsSync('/proc/self/comm'))('its process is called like the tool', async () => {
    const child = start(['plain']);
    await said(child, 'ready');
    expect(readFileSync(`/proc/${child.pid}/comm`, 'utf8')).toBe('plain\n');
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  test.runIf(existsSync('/usr/bin/script') && process.platform === 'linux')('a terminal and its width', async () => {
    const { stdout } = await shell(`script -qec 'stty cols 132; ${join(folder, 'bin', 'args')}' /dev/null </dev/null`);
    expect(JSON.parse(stdout)).toMatchObject({ tty: true, columns: 132 });
  });

  test('nothing is left', async () => {
    await expect.poll(() => daemon.service.table.size).toBe(0);
    expect(readdirSync(join(folder, 'bin')).filter((name) => name.includes('.'))).toEqual([]);
  });
});
