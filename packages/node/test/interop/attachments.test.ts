/**
 * attachments.test.ts — a tap of a vnet bound to a TAP device in a network namespace: Linux and the vnet are neighbours.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Daemon } from '../../src/daemon/daemon.js';
import { startDaemon } from '../../src/daemon/daemon.js';
import { execBuffered } from '../../src/daemon/exec-buffer.js';
import type { ExecResult } from '../../src/daemon/exec-buffer.js';
import { DaemonClient } from '../../src/daemon/http-client.js';
import { readLab } from '../../src/lab/lab-file.js';
import { peer } from '../peers.js';

const NS = `nlt${process.pid}`;
const DEVICE = `nl${process.pid}`.slice(0, 15);

let folder: string;
let daemon: Daemon;
let client: DaemonClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-at-'));
  daemon = await startDaemon({ socketPath: join(folder, 's'), logLevel: 'silent' });
  client = new DaemonClient(daemon.socketPath);
});

afterEach(async () => {
  await daemon.close();
  spawnSync('ip', ['netns', 'del', NS]);
  spawnSync('ip', ['link', 'del', DEVICE]);
  rmSync(folder, { recursive: true });
});

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: '' });
}

/** Runs a program of Linux without holding up this process, which is its neighbour. */
async function linux(...argv: string[]): Promise<{ code: number; stdout: string }> {
  const { spawn } = await import('node:child_process');
  const child = spawn('ip', ['netns', 'exec', NS, ...argv]);
  let stdout = '';
  child.stdout.on('data', (d: Buffer) => (stdout += d.toString()));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code: code ?? 1, stdout })));
}

const tool = (...argv: string[]): Promise<ExecResult> => execBuffered(daemon.service, { argv, cwd: '/', env: {}, tty: false, stdinTty: false, columns: 80, ignored: [] }).result;

const LAB = `
name: t
vnets:
  v:
    forwarding: true
    interfaces:
      tap0: { host: ${DEVICE}, inet: 10.71.0.1/24 }
      far: { inet: 10.72.0.1/24 }
  w:
    interfaces: { eth0: { inet: 10.72.0.2/24 } }
    routes: [{ to: default, via: 10.72.0.1 }]
links: [[v:far, w:eth0]]
`;

async function neighbours(): Promise<void> {
  ip('netns', 'add', NS);
  await daemon.labs.up(readLab('lab', LAB).lab!, 'lab');
  ip('link', 'set', DEVICE, 'netns', NS);
  ip('-n', NS, 'addr', 'add', '10.71.0.2/24', 'dev', DEVICE);
  ip('-n', NS, 'link', 'set', DEVICE, 'up');
  ip('-n', NS, 'route', 'add', '10.72.0.0/24', 'via', '10.71.0.1');
}

peer('root', 'tun', 'netns', 'ip', 'ping')('Linux pings a vnet and, through it, another; the vnets ping Linux', async () => {
  await neighbours();
  expect(await client.get('/v1/attachments')).toEqual([{ vnet: 'v', interface: 'tap0', device: DEVICE }]);
  for (const to of ['10.71.0.1', '10.72.0.2']) {
    for (const size of ['56', '1472', '4000']) {
      const { code, stdout } = await linux('ping', '-c', '3', '-i', '0.2', '-W', '2', '-s', size, to);
      expect(code, stdout).toBe(0);
    }
  }
  expect(await tool('jexec', 'w', 'ping', '-c', '2', '-i', '0.2', '-s', '3000', '10.71.0.2')).toMatchObject({ exitCode: 0 });
});

peer('root', 'tun', 'netns', 'ip', 'ping')('a tap that is renamed stays bound; the lab going down lets the device go', async () => {
  await neighbours();
  await tool('jexec', 'v', 'ifconfig', 'tap0', 'name', 'uplink');
  expect(await client.get('/v1/attachments')).toEqual([{ vnet: 'v', interface: 'uplink', device: DEVICE }]);
  expect((await linux('ping', '-c', '1', '-W', '2', '10.71.0.1')).code).toBe(0);
  expect(await daemon.labs.down('t')).toEqual({ name: 't', left: [] });
  expect(await client.get('/v1/attachments')).toEqual([]);
});

peer('root', 'netns', 'ip', 'ping')('an interface that Linux has, in place of a TAP: Linux at its other end is a neighbour, until it goes away', async () => {
  const inside = `${DEVICE}n`.slice(-15);
  ip('netns', 'add', NS);
  ip('link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', inside, 'netns', NS);
  ip('link', 'set', 'dev', DEVICE, 'addrgenmode', 'none');
  ip('link', 'set', 'dev', DEVICE, 'up');
  ip('-n', NS, 'addr', 'add', '10.71.0.2/24', 'dev', inside);
  ip('-n', NS, 'link', 'set', inside, 'up');
  await tool('ifconfig', 'tap1', 'create', 'inet', '10.71.0.1/24', 'up');
  const attach = (device: string): Promise<unknown> => client.post('/v1/attachments', { vnet: 'host', interface: 'tap1', device }).catch((e: Error) => e.message);
  expect(await attach('packet:')).toBe('"packet:" does not say which interface; write packet:eth0 for eth0');
  expect(await attach('packet:nowhere0')).toContain('has no interface of that name');
  await attach(`packet:${DEVICE}`);
  expect(await client.get('/v1/attachments')).toEqual([{ vnet: 'host', interface: 'tap1', device: `packet:${DEVICE}` }]);
  for (const size of ['56', '1472', '4000']) {
    const { code, stdout } = await linux('ping', '-c', '2', '-i', '0.2', '-W', '2', '-s', size, '10.71.0.1');
    expect(code, stdout).toBe(0);
  }
  expect(await tool('ping', '-c', '2', '-i', '0.2', '10.71.0.2')).toMatchObject({ exitCode: 0 });
  // Down and up again, it goes on as soon as Linux has seen that there is a carrier.
  ip('link', 'set', 'dev', DEVICE, 'down');
  ip('link', 'set', 'dev', DEVICE, 'up');
  await expect.poll(async () => (await tool('ping', '-c', '1', '-W', '1000', '10.71.0.2')).exitCode, { timeout: 15_000 }).toBe(0);
  ip('link', 'del', DEVICE);
  await expect.poll(() => client.get('/v1/attachments'), { timeout: 10_000 }).toEqual([]);
});

peer('root', 'netns', 'ip')('an interface that goes down first and is destroyed later is let go, with workers and without', { timeout: 30_000 }, async () => {
  for (const workers of [0, 1]) {
    if (workers > 0) {
      await daemon.close();
      daemon = await startDaemon({ socketPath: join(folder, 's'), logLevel: 'silent', workers });
    }
    ip('link', 'add', DEVICE, 'type', 'veth', 'peer', 'name', `${DEVICE}n`.slice(-15));
    ip('link', 'set', 'dev', DEVICE, 'up');
    await tool('ifconfig', 'tap1', 'create', 'up');
    await client.post('/v1/attachments', { vnet: 'host', interface: 'tap1', device: `packet:${DEVICE}` });
    ip('link', 'set', 'dev', DEVICE, 'down');
    // Whoever reads it has been told that it is down before these are answered.
    for (let i = 0; i < 20; i++) await client.get('/v1/attachments');
    ip('link', 'del', DEVICE);
    await expect.poll(() => client.get('/v1/attachments'), { timeout: 10_000 }).toEqual([]);
  }
});

peer('root', 'tun', 'netns', 'ip')('refusals name the value; the device going away lets the tap go', async () => {
  await neighbours();
  const attach = (vnet: string, ifname: string, device: string): Promise<unknown> => client.post('/v1/attachments', { vnet, interface: ifname, device }).catch((e: Error) => e.message);
  expect(await attach('v', 'tap0', 'other0')).toBe('v:tap0 is open already; "netloom ps --json" shows who has it');
  expect(await attach('v', 'far', 'other0')).toBe('v:far is not a tap; make one with "ifconfig tap create"');
  expect(await attach('v', 'nope', 'other0')).toBe('vnet "v" has no interface "nope" (it has: lo0, far, tap0)');
  await tool('ifconfig', 'tap1', 'create');
  expect(await attach('host', 'tap1', 'a name too long for it')).toMatch(/^interface name/);
  ip('-n', NS, 'link', 'del', DEVICE);
  await expect.poll(() => client.get('/v1/attachments')).toEqual([]);
  expect((await tool('jexec', 'v', 'ifconfig', 'tap0')).stdout).toContain('status: no carrier');
});
