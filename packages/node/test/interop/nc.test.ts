/**
 * nc.test.ts — our nc as it is called from a shell, and Linux's, over a TAP device: files both ways, half-closed connections, readers that wait; and what
 * sockstat, netstat and tcpdrop say of them.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns, withNetns } from './netns.js';
import type { RunResult } from './netns.js';
import { NETLOOM, listen, withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip', 'nc', 'ss', 'sh'] as const;
const LIMIT = { timeout: 60_000 };
const FILE_BYTES = 20_000_000;
/** More than all buffers on the way together. */
const HELD_BYTES = 40_000_000;

/** A command line in which `netloom` is our command. */
function shell(d: TestDaemon, line: string): Promise<RunResult> {
  const env = { ...process.env, NETLOOM_SOCKET: d.daemon.socketPath, NETLOOM_JAIL: '' };
  const text = line.replaceAll('netloom', `${process.execPath} ${NETLOOM} exec v1`);
  return listen(spawn('sh', ['-c', text], { cwd: d.folder, env, stdio: ['ignore', 'pipe', 'pipe'] })).ended;
}

const sum = (d: TestDaemon, name: string): string => createHash('sha256').update(readFileSync(d.path(name))).digest('hex');

async function vnetListens(d: TestDaemon, port: number): Promise<void> {
  await Netns.until('our nc listens', async () => (await d.run('v1', 'sockstat', '-4ql', '-p', String(port))).stdout !== '');
}

async function linuxListens(ns: Netns, port: number): Promise<void> {
  await Netns.until('Linux listens', async () => (await ns.run('ss', '-Hltn', `sport = :${port}`)).stdout !== '');
}

function neighbours(body: (d: TestDaemon, ns: Netns) => Promise<void>): Promise<void> {
  return withNetns(1, (ns) =>
    withDaemon(async (d) => {
      await d.vnet('v1');
      await d.plug('v1', ns, { vnet: '10.77.0.2/24', linux: '10.77.0.1/24' });
      await body(d, ns);
    }),
  );
}

describe('nc', () => {
  peer(...NEEDS)('sends a file and receives one', LIMIT, () => neighbours(async (d, ns) => {
    writeFileSync(d.path('sent'), randomBytes(FILE_BYTES));
    const sink = listen(ns.spawn('sh', '-c', `nc -l 5001 > ${d.path('linux')}`));
    await linuxListens(ns, 5001);
    expect(await shell(d, 'netloom nc -N 10.77.0.1 5001 <sent')).toMatchObject({ status: 0, stderr: '' });
    await sink.ended;
    const back = shell(d, 'netloom nc -l 5002 >ours');
    await vnetListens(d, 5002);
    await ns.run('sh', '-c', `nc -N 10.77.0.2 5002 < ${d.path('linux')}`);
    expect(await back).toMatchObject({ status: 0, stderr: '' });
    expect(sum(d, 'ours')).toBe(sum(d, 'sent'));
  }));

  peer(...NEEDS)('answers when the peer has had its say', LIMIT, () => neighbours(async (d, ns) => {
    const answer = shell(d, 'echo answer | netloom nc -v -l 5003');
    await vnetListens(d, 5003);
    expect(await ns.run('sh', '-c', 'echo question | nc -N 10.77.0.2 5003')).toMatchObject({ status: 0, stdout: 'answer\n' });
    const { status, stdout, stderr } = await answer;
    expect([status, stdout]).toEqual([0, 'question\n']);
    expect(stderr).toMatch(/^Connection from 10\.77\.0\.1 \d+ received!\n$/);
    const server = listen(ns.spawn('sh', '-c', 'echo answer | nc -N -l 5004'));
    await linuxListens(ns, 5004);
    expect(await shell(d, 'echo question | netloom nc -N 10.77.0.1 5004')).toMatchObject({ status: 0, stdout: 'answer\n' });
    expect((await server.ended).stdout).toBe('question\n');
  }));

  peer(...NEEDS)('holds a sender back while nobody reads', LIMIT, () => neighbours(async (d, ns) => {
    writeFileSync(d.path('sent'), randomBytes(HELD_BYTES));
    const reader = shell(d, 'netloom nc -l 5005 | { while [ ! -e go ]; do sleep 0.1; done; cat >ours; }');
    await vnetListens(d, 5005);
    const sender = listen(ns.spawn('sh', '-c', `nc -N 10.77.0.2 5005 < ${d.path('sent')}`));
    await Netns.until('the window closes', async () => (await ns.run('ss', '-Htn', 'dport = :5005')).stdout.split(/\s+/)[2] !== '0' && (await d.counter('v1', 'tcp', 'packets received')) > 0);
    const held = await d.run('v1', 'netstat', '-nx', '-p', 'tcp');
    expect(held.stdout).toMatch(/tcp4 +\d+ +0 10\.77\.0\.2\.5005 /);
    expect((await d.run('v1', 'netstat', '-s', '-p', 'tcp')).stdout).toMatch(/\t\d+ packets \((?!40000000)\d+ bytes\) received in-sequence\n/);
    writeFileSync(d.path('go'), '');
    expect((await sender.ended).status).toBe(0);
    expect((await reader).status).toBe(0);
    expect(sum(d, 'ours')).toBe(sum(d, 'sent'));
  }));

  peer(...NEEDS)('is named by sockstat, and its connection ended by tcpdrop', LIMIT, () => neighbours(async (d, ns) => {
    const server = shell(d, 'netloom nc -l 5006');
    await vnetListens(d, 5006);
    const client = listen(ns.spawn('sh', '-c', 'sleep 20 | nc -p 40006 10.77.0.2 5006'));
    await Netns.until('they are connected', async () => (await d.run('v1', 'sockstat', '-4qc')).stdout !== '');
    expect((await d.run('v1', 'sockstat', '-4q', '-p', '40006')).stdout).toMatch(/^root {5}nc +\d+ 4 {3}tcp4 {3}10\.77\.0\.2:5006 {8}10\.77\.0\.1:40006\n$/);
    expect((await d.run('v1', 'netstat', '-n')).stdout).toContain('tcp4       0      0 10.77.0.2.5006         10.77.0.1.40006        ESTABLISHED\n');
    expect((await d.run('v1', 'tcpdrop', '-a')).stdout).toBe('10.77.0.2 5006 10.77.0.1 40006: dropped\n');
    expect((await server).status).toBe(0);
    expect((await ns.run('ss', '-Htn', 'dport = :5006')).stdout).toBe('');
    client.child.kill('SIGKILL');
  }));
});
