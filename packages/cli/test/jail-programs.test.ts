/**
 * jail-programs.test.ts — jails with programs of this machine in them: started side by side, told to end, waited for, killed, and abandoned at
 * the latest.
 *
 * A program that nobody can end from here is imitated by stopping its launcher (SIGSTOP): then nobody does what the daemon asks for.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '@netloom/node';
import type { Daemon } from '@netloom/node';
import { DaemonClient } from '@netloom/node/client';
import type { DyingJail } from '@netloom/node/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findPerl, installLaunchers } from '../src/launcher/install.js';
import type { LauncherRuntime } from '../src/launcher/install.js';

const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const runtimes: LauncherRuntime[] = findPerl() === null ? ['node'] : ['perl', 'node'];
/** Ends only when it is killed. */
const STUBBORN = 'trap "" TERM INT HUP; echo ready; while :; do sleep 0.1; done';

describe.each(runtimes)('%s', { timeout: 30_000 }, (runtime) => {
  const log: { readonly level: number; readonly msg: string }[] = [];
  let folder: string;
  let daemon: Daemon;
  let client: DaemonClient;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'netloom-'));
    const logTo = new Writable({
      write: (line: Buffer, _encoding, done) => {
        log.push(JSON.parse(line.toString()) as { level: number; msg: string });
        done();
      },
    });
    daemon = await startDaemon({ socketPath: join(folder, 's'), logLevel: 'info', logTo });
    client = new DaemonClient(daemon.socketPath);
    installLaunchers(join(folder, 'bin'), ['ifconfig', 'jail', 'jexec', 'jls', 'sysctl'], runtime);
    env = { ...process.env, NETLOOM_SOCKET: daemon.socketPath, PATH: `${join(folder, 'bin')}:${process.env.PATH ?? ''}`, NETLOOM_JAIL: '' };
  });

  beforeEach(() => {
    log.splice(0);
  });

  afterAll(async () => {
    await daemon.close();
    rmSync(folder, { recursive: true });
  });

  const start = (...argv: string[]): ChildProcess => spawn(argv[0]!, argv.slice(1), { env, cwd: folder });

  async function run(line: string): Promise<string> {
    const child = start(...line.split(' '));
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (d: Buffer) => (text += d.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return code === 0 ? text : `${text}[${code}]`;
  }

  /** A jail with a program in it that has said that it is ready. */
  async function jailWith(script: string, ...params: string[]): Promise<ChildProcess> {
    expect(await run(`jail -c name=box persist vnet ${params.join(' ')}`.trim())).toBe('');
    const child = start('jexec', 'box', 'sh', '-c', script);
    const [ready] = (await once(child.stdout!, 'data')) as [Buffer];
    expect(ready.toString()).toBe('ready\n');
    return child;
  }

  const ended = async (child: ChildProcess): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  const gone = async (): Promise<void> => expect.poll(() => daemon.kernel.dyingJails(), { timeout: 10_000 }).toEqual([]);
  /** `jail -r` of the jail with that stop.timeout. */
  const remove = (timeoutS: number): Promise<string> => {
    writeFileSync(join(folder, 'jail.conf'), `box { persist; vnet; stop.timeout = ${timeoutS}; }`);
    return run(`jail -f ${join(folder, 'jail.conf')} -qr box`);
  };
  /** What the log says about jails. */
  const told = (): string[] => log.map((l) => l.msg).filter((m) => m.startsWith('jail '));
  const elapsedMs = async (work: () => Promise<void>): Promise<number> => {
    const before = performance.now();
    await work();
    return performance.now() - before;
  };

  test('programs of several jails run side by side, and what runs in a jail is logged', async () => {
    // Each waits for the other: one after the other they would not end.
    const meet = (mine: string, other: string): string => `touch ${mine}; until test -e ${other}; do sleep 0.05; done`;
    writeFileSync(join(folder, 'jail.conf'), `persist; exec.timeout = 20; exec.consolelog = "${folder}/$name.log"; exec.prestart = "echo before $name";
      a { exec.start = "${meet('one', 'two')}", "ifconfig -l", "echo done in $name"; }
      b { vnet; exec.start = "${meet('two', 'one')}", "ifconfig nosuch"; }`);
    expect((await run(`jail -f ${join(folder, 'jail.conf')} -c`)).split('\n').sort()).toEqual([
      '[1]', 'a: created', 'b: created', 'b: removed', 'before a', 'before b', 'jail: b: ifconfig nosuch: failed',
    ]);
    expect(readFileSync(join(folder, 'a.log'), 'utf8')).toBe('lo0\ndone in a\n');
    expect(readFileSync(join(folder, 'b.log'), 'utf8')).toBe('ifconfig: interface nosuch does not exist\n');
    expect(await run(`jail -f ${join(folder, 'jail.conf')} -qr a`)).toBe('');
  });

  test('a program that ends when it is told to is waited for, and no longer', async () => {
    const child = await jailWith('echo ready; sleep 60');
    const pid = daemon.service.table.list().find((entry) => entry.kind === 'host')!.pid;
    const ms = await elapsedMs(async () => expect(await run('jail -vr box')).toBe(`box: sent SIGTERM to: ${pid}\nbox: removed\n`));
    expect(ms).toBeLessThan(9_000);
    await ended(child);
    await gone();
  });

  test('a program that ignores SIGTERM has stop.timeout, then it is killed', async () => {
    const child = await jailWith(STUBBORN);
    const ms = await elapsedMs(async () => expect(await remove(1)).toBe(''));
    expect(ms).toBeGreaterThan(1_000);
    expect(ms).toBeLessThan(9_000);
    await ended(child);
    await gone();
    await expect.poll(() => daemon.service.table.size).toBe(0);
    expect(log.filter((l) => l.level >= 40)).toEqual([]);
  });

  test('a program that is out of reach keeps its jail dying, which is said, and lets it go', async () => {
    const child = await jailWith('echo ready; sleep 60');
    const { vnet } = daemon.kernel.prisons.find(daemon.kernel.prisons.prison0, 'box')!;
    expect(await run('ifconfig epair create')).toMatch(/^epair\d+a\n$/);
    const lent = daemon.kernel.vnet0.net.ifnets.at(-1)!.xname;
    expect(await run(`ifconfig ${lent} vnet box`)).toBe('');
    process.kill(child.pid!, 'SIGSTOP');
    expect(await remove(0)).toBe('');
    expect(daemon.kernel.vnets).not.toContain(vnet);
    expect(await run('jls -n name')).toBe('');
    expect(await run('jls -d dying name path')).toBe('true box /\n');
    expect(await run('jls -j box jid')).toBe('jls: jail "box" is dying\n[1]');
    expect(await run('jexec box true')).toBe('jexec: jail "box" is dying\n[1]');
    expect(await run('ifconfig -l')).toContain(lent);
    const [dying] = await client.get<DyingJail[]>('/v1/dying');
    expect(dying).toMatchObject({ name: 'box', holders: [expect.stringMatching(/^process \d+ \(sh -c echo ready; sleep 60\)$/)] });
    expect(dying!.leftUs).toBeLessThan(30_000_000);
    expect(await run(`${process.execPath} ${PROGRAM} ps --dying`)).toMatch(/^JAIL +JID +DYING +LEFT +HELD BY\nbox +\d+ +\d+\.\ds +\d+\.\ds +process \d+ \(sh -c echo ready; sleep 60\)\n$/);
    expect(JSON.parse(await run(`${process.execPath} ${PROGRAM} ps --dying --json`))).toHaveLength(1);
    expect(JSON.parse(await run(`${process.execPath} ${PROGRAM} ps --json`))).toMatchObject({ vnets: [{ name: 'host' }] });
    expect(await run('jail -c name=box persist')).toBe('');
    expect(await run('jail -r box')).toBe('');
    process.kill(child.pid!, 'SIGCONT');
    await ended(child);
    await gone();
    expect(await run(`ifconfig ${lent} destroy`)).toBe('');
    expect(told()).toEqual([
      expect.stringMatching(/ is dying, held by process \d+ /), expect.stringMatching(/ let go by process \d+ \(sh .*\) after \d+\.\d{3} s$/), expect.stringMatching(/ is gone after \d+\.\d{3} s$/),
    ]);
  });

  test('and is abandoned when the limit has come', async () => {
    expect(await run('sysctl -n security.jail.stop_limit_s=1')).toBe('30 -> 1\n');
    const child = await jailWith(STUBBORN);
    process.kill(child.pid!, 'SIGSTOP');
    expect(await remove(0)).toBe('');
    await gone();
    expect(log.filter((l) => l.level === 40).map((l) => l.msg)).toEqual([expect.stringMatching(/^jail \d+ \(box\) no longer waits for process \d+ \(sh -c .*\), after 1\.\d{3} s$/)]);
    process.kill(child.pid!, 'SIGCONT');
    await ended(child);
    expect(await run('sysctl -n security.jail.stop_limit_s=30')).toBe('1 -> 30\n');
  });

  test('a device that is open holds its jail until it is closed', async () => {
    expect(await run('jail -c name=box persist vnet')).toBe('');
    expect(await run('ifconfig -j box tap0 create')).toBe('');
    await client.post('/v1/attachments', { vnet: 'box', interface: 'tap0', device: `file:record=${join(folder, 'out.pcapng')}` });
    expect(await run('jail -r box')).toBe('');
    await gone();
    expect(await client.get('/v1/attachments')).toEqual([]);
    expect(told()).toEqual([
      expect.stringMatching(/is dying, held by device file:record=/), expect.stringMatching(/let go by device file:/), expect.stringMatching(/is gone after/),
    ]);
  });
});
