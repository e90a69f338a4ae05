/**
 * vm.test.ts — virtual machines by the netloom command: run on a tap, pinged, spoken to on their console, stopped, killed with their jail and daemon.
 * Read first: docs/vm.md; guest/guest-image.ts.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { DaemonClient } from '../../src/daemon/http-client.js';
import type { VmView } from '../../src/vm/vm-routes.js';
import { peer } from '../peers.js';
import { guestImage } from './guest/guest-image.js';
import { Netns } from './netns.js';
import { NETLOOM, withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

/** A guest with an address, which powers down when its power button is pressed. */
function bootArgs(address: string): string[] {
  const { kernel, initrd, append } = guestImage({ script: `ip addr add ${address} dev eth0; ip link set eth0 up` });
  return ['--kernel', kernel, '--initrd', initrd, '--append', append, '--memory', '192M', '--accel', 'tcg'];
}

async function ok(d: TestDaemon, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await d.netloom(...args).ended;
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: '' });
  return stdout;
}

const list = async (d: TestDaemon): Promise<VmView[]> => JSON.parse(await ok(d, 'vm', 'ls', '--json')) as VmView[];

/** A port of 127.0.0.1 that nobody has. */
async function freePort(): Promise<number> {
  const server = createNetServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Is the process there? */
function isThere(pid: number): boolean {
  return existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('qemu');
}

const pings = (d: TestDaemon, vnet: string, to: string): Promise<void> =>
  Netns.until(`${to} answers`, async () => (await d.run(vnet, 'ping', '-c', '1', '-t', '2', to)).exitCode === 0, 90);

peer('guest')('a machine on a tap: run, pinged, at its console, stopped', { timeout: 180_000 }, () => withDaemon(async (d) => {
  await d.vnet('r1');
  await d.ok('r1', 'ifconfig', 'tap0', 'create');
  const said = await ok(d, 'vm', 'run', 'alice', '--vnet', 'r1', '--nic', 'tap0', ...bootArgs('10.5.0.2/24'));
  const [vm] = await list(d);
  expect(said).toBe(`alice runs (process ${vm?.pid ?? 0}, tcg): net0 ${vm?.nics[0]?.mac ?? ''} at r1:tap0\n`);
  expect(vm).toMatchObject({ name: 'alice', vnet: 'r1', state: 'running', accel: 'tcg', cpus: 1, memoryBytes: 192 * 1024 * 1024, end: null, nics: [{ model: 'virtio-net', backend: 'tap', at: 'r1:tap0' }] });
  expect(await d.ok('r1', 'ifconfig', 'tap0')).toMatch(/flags=\w+<UP,.*status: active/s);
  await d.ok('r1', 'ifconfig', 'tap0', 'inet', '10.5.0.1/24');
  await pings(d, 'r1', '10.5.0.2');
  // The guest's address is the one that was told to QEMU.
  expect(await d.ok('r1', 'arp', '-an')).toContain(`(10.5.0.2) at ${vm?.nics[0]?.mac ?? ''} on tap0`);

  const answer = await ok(d, 'vm', 'console', 'alice', '-c', 'ping -c 1 10.5.0.1; echo done $?', '--until', '^done 0');
  expect(answer).toMatch(/1 packets received/);
  expect(await d.netloom('vm', 'console', 'alice', '-c', 'echo no', '--until', '^yes', '--timeout', '1').ended).toMatchObject({ status: 1, stderr: 'netloom: the console has not said /^yes/ within 1 s\n' });
  expect(readFileSync(`${vm?.logs ?? ''}/console.log`, 'latin1')).toContain('guest is up');

  expect(await d.netloom('vm', 'run', 'alice', ...bootArgs('10.5.0.9/24')).ended).toMatchObject({ status: 1, stderr: 'netloom: alice: a virtual machine is called "alice" already ("netloom vm ls" lists them)\n' });
  expect(await d.netloom('vm', 'run', 'bob', '--vnet', 'r1', '--nic', 'tap0', ...bootArgs('10.5.0.9/24')).ended).toMatchObject({ status: 1, stderr: 'netloom: bob: open of tap device /dev/tap0 failed\n' });

  await d.netloom('vm', 'console', 'alice', '-c', 'poweroff -f', '--timeout', '30').ended;
  await Netns.until('the machine is gone', async () => (await list(d)).length === 0, 30);
  expect(isThere(vm?.pid ?? 0)).toBe(false);
  expect(await d.ok('r1', 'ifconfig', 'tap0')).toContain('status: no carrier');
  expect((await d.client.get<{ system: string }[]>('/v1/vms')).length).toBe(0);
}));

/** Runs a machine; QEMU's process. */
async function run(d: TestDaemon, name: string, vnet: string, tap: string, address = '10.5.0.2/24'): Promise<number> {
  await ok(d, 'vm', 'run', name, '--vnet', vnet, '--nic', tap, ...bootArgs(address));
  return (await list(d)).find((vm) => vm.name === name)?.pid ?? 0;
}

peer('guest')('machines end by command, with their jail, and by what kills QEMU; events tell it', { timeout: 180_000 }, () => withDaemon(async (d) => {
  await d.vnet('r1');
  const pids = [await run(d, 'a', 'r1', 'tap1'), await run(d, 'b', 'r1', 'vmnet2'), await run(d, 'c', 'host', 'tap3')];
  expect(pids.map(isThere)).toEqual([true, true, true]);
  expect((await ok(d, 'ps')).split('\n').filter((line) => / running /.test(line)).map((line) => line.split(/ +/).slice(0, 3))).toEqual([['a', 'r1', 'running'], ['b', 'r1', 'running'], ['c', 'host', 'running']]);

  expect(await ok(d, 'vm', 'stop', '--kill', 'a')).toBe('a has been stopped\n');
  expect(isThere(pids[0]!)).toBe(false);
  process.kill(pids[2]!, 'SIGKILL');
  await Netns.until('the killed one is gone', async () => (await list(d)).length === 1, 20);
  await d.ok('', 'jail', '-r', 'r1');
  await Netns.until('the jail\'s is gone', async () => (await list(d)).length === 0 && !isThere(pids[1]!), 20);
  await Netns.until('the jail is gone', async () => (await ok(d, 'ps', '--dying', '--json')) === '[]\n', 20);
  const events = (await ok(d, 'events', '--system', 'VM', '--json')).trim().split('\n').map((line) => JSON.parse(line) as { subsystem: string; type: string; data: { how?: string } });
  expect(events.map(({ subsystem, type, data }) => `${subsystem} ${type} ${data.how ?? ''}`.trim())).toEqual(['a START', 'b START', 'c START', 'a END stopped', 'c END killed', 'b END stopped']);
  expect(await d.netloom('vm', 'stop', 'a').ended).toMatchObject({ status: 1, stderr: 'netloom: no virtual machine is called "a" ("netloom vm ls" lists them)\n' });
}));

peer('guest')('a guest that is asked to power down does; one that does not is ended', { timeout: 180_000 }, () => withDaemon(async (d) => {
  const { kernel, initrd, append } = guestImage({ modules: ['button', 'evdev'], files: { '/etc/acpi/PWRF/00000080': '#!/bin/sh\npoweroff -f\n' }, script: 'acpid -d >/dev/null 2>&1 &' });
  await ok(d, 'vm', 'run', 'good', '--kernel', kernel, '--initrd', initrd, '--append', append, '--memory', '192M', '--accel', 'tcg');
  await run(d, 'deaf', 'host', 'tap0');
  for (const name of ['good', 'deaf']) await ok(d, 'vm', 'console', name, '--until', 'guest is up');
  expect(await ok(d, 'vm', 'stop', 'good')).toBe('good has powered down\n');
  expect(await ok(d, 'vm', 'stop', '--seconds', '1', 'deaf')).toBe('deaf has been stopped\n');
}));

peer('guest')('frames read from the guest\'s own memory', { timeout: 180_000 }, () => withDaemon(async (d) => {
  await ok(d, 'vm', 'run', 'a', '--nic', 'tap0', '--nic-transport', 'vhost-user', ...bootArgs('10.5.0.2/24'));
  await d.ok('', 'ifconfig', 'tap0', 'inet', '10.5.0.1/24');
  await pings(d, '', '10.5.0.2');
  expect((await list(d))[0]?.nics[0]).toMatchObject({ transport: 'vhost-user', cable: { state: 'connected', vhostUser: { driver: true, broken: 0 } } });
  expect(await ok(d, 'vm', 'stop', '--kill', 'a')).toBe('a has been stopped\n');
  expect(await d.ok('', 'ifconfig', 'tap0')).toContain('status: no carrier');
}));

peer('guest')('a machine on the host gateway gets an address, reaches the host and is reached', { timeout: 180_000 }, () => withDaemon(async (d) => {
  const server = createServer((_, reply) => reply.end('hello from the host\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const bound = '[ "$1" = bound ] || exit 0; ip addr add $ip/$mask dev $interface; ip route add default via $router';
    const { kernel, initrd, append } = guestImage({ modules: ['af_packet'], files: { '/index.html': 'hello from the guest', '/udhcpc': `#!/bin/sh\n${bound}\n` }, script: 'ip link set eth0 up; udhcpc -q -i eth0 -s /udhcpc; httpd -p 7 -h /' });
    const boot = ['--kernel', kernel, '--initrd', initrd, '--append', append, '--memory', '192M', '--accel', 'tcg'];
    const refused = await d.netloom('vm', 'run', 'bad', '--nic', 'gateway,hostfwd=tcp:x', ...boot).ended;
    expect(refused).toMatchObject({ status: 1, stderr: "netloom: bad: Unable to parse hostfwd rule 'tcp:x': Invalid argument\n" });
    await ok(d, 'vm', 'run', 'a.b', '--nic', 'gateway,hostfwd=tcp:127.0.0.1:0-10.0.2.15:7'.replace(':0-', `:${await freePort()}-`), ...boot);
    expect((await list(d))[0]?.nics[0]?.at).toBe('a_b-net2:tap0');
    await ok(d, 'vm', 'console', 'a.b', '--until', 'guest is up', '--timeout', '90');
    expect(await ok(d, 'vm', 'console', 'a.b', '-c', `wget -q -O - http://10.0.2.2:${port}/; echo done $?`, '--until', '^done 0')).toContain('hello from the host');
    const [{ forwards: [forward] }] = await d.client.get<[{ forwards: [{ rule: string }] }]>('/v1/gateways');
    const [, outside] = /^tcp:127\.0\.0\.1:(\d+)-/.exec(forward.rule) ?? [];
    expect(await (await fetch(`http://127.0.0.1:${outside}/index.html`)).text()).toBe('hello from the guest');
    await ok(d, 'vm', 'stop', '--kill', 'a.b');
    // Nothing of its network is left.
    await Netns.until('its jail is gone', async () => (await d.ok('', 'jls', 'name')).trim() === '', 10);
    expect(await d.client.get('/v1/gateways')).toEqual([]);
  } finally {
    server.close();
  }
}));

peer('guest')('a lab with a machine goes up, is drawn, and goes down', { timeout: 180_000 }, () => withDaemon(async (d) => {
  const { kernel, initrd, append } = guestImage({ script: 'ip addr add 10.5.0.2/24 dev eth0; ip link set eth0 up' });
  copyFileSync(initrd, d.path('root.cpio'));
  const vms = { alice: { vnet: 'r1', kernel, initrd: 'root.cpio', append, memory: '192M', accel: 'tcg', nics: ['tap0'] } };
  const lab = { name: 'office', vnets: { r1: { interfaces: { tap0: { inet: '10.5.0.1/24' } } } }, vms };
  writeFileSync(d.path('office.yaml'), JSON.stringify(lab));
  expect(await ok(d, 'up', 'office.yaml')).toBe('lab "office" is up: r1\n');
  await pings(d, 'r1', '10.5.0.2');
  const [vm] = await list(d);
  expect(await ok(d, 'graph')).toBe(`\
┌─ r1 ─────────────────────────┐
│ tap0  tap  10.5.0.1/24       ├───┐
└──────────────────────────────┘   │
┌─ alice · virtual machine ────┐   │
│ net0       ${vm?.nics[0]?.mac ?? ''} ├───┘
└──────────────────────────────┘
`);
  expect(await ok(d, 'down')).toBe('lab "office" is down\n');
  expect([await list(d), isThere(vm?.pid ?? 0)]).toEqual([[], false]);

  writeFileSync(d.path('office.yaml'), JSON.stringify({ ...lab, vms: { alice: { ...vms.alice, initrd: 'none.cpio' } } }));
  const failed = await d.netloom('up', 'office.yaml').ended;
  expect(failed).toMatchObject({ status: 1, stdout: '' });
  expect(failed.stderr).toMatch(new RegExp(`^netloom: office.yaml:1:\\d+: alice: Could not open the initial RAM disk: ${d.path('none.cpio')}: No such file or directory \\(from: netloom vm run alice `));
  expect((await ok(d, 'ps')).split('\n').length).toBe(3);
}));

peer('guest')('a daemon that is killed leaves no machine behind, nor does one that ends', { timeout: 180_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netloom-vm-'));
  try {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const socket = join(folder, `${signal}.sock`);
      const daemon = spawn(process.execPath, [NETLOOM, 'daemon', '--socket', socket], { stdio: 'ignore' });
      const ended = new Promise((resolve) => daemon.once('exit', resolve));
      const client = new DaemonClient(socket);
      await Netns.until('the daemon answers', () => client.get('/v1/health').then(() => true, () => false), 30);
      const { kernel, initrd, append } = guestImage();
      const { pid } = await client.post<VmView>('/v1/vms', { name: 'a', kernel, initrd, append, memory: '192M', nics: ['tap0'] });
      expect(isThere(pid)).toBe(true);
      daemon.kill(signal);
      await ended;
      await Netns.until('QEMU is gone', () => !isThere(pid), 10);
      expect(readdirSync(folder).filter((name) => name.startsWith(signal))).toEqual(signal === 'SIGTERM' ? ['SIGTERM.vms'] : ['SIGKILL.devd.pipe', 'SIGKILL.sock', 'SIGKILL.vms']);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
