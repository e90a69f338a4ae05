/**
 * vm-bhyve.test.ts — bhyve's tools with real disks: the test plan of bhyve's netgraph backend, and the life of a machine of vmrun.sh's.
 * Read first: docs/vm.md; examples/vm-netgraph/plan.sh.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns } from './netns.js';
import { listen, NETLOOM, withDaemon } from './test-daemon.js';
import type { Running, TestDaemon } from './test-daemon.js';

const NEEDS = ['guest', 'iperf3', 'mcopy', 'syslinux', 'cpio', 'modprobe'] as const;

const example = (name: string): string => fileURLToPath(new URL(`../../../../examples/vm-netgraph/${name}`, import.meta.url));

/** A disk in the daemon's folder, made by the example's script. */
function makeImage(d: TestDaemon, name: string): void {
  const { status, stderr } = spawnSync('sh', [example('make-image.sh'), d.path(name)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`make-image.sh: ${stderr}`);
}

/** Runs a program with the tools first on its path. */
async function withTools<T>(d: TestDaemon, body: (start: (...argv: string[]) => Running) => Promise<T>): Promise<T> {
  expect((await d.netloom('tools', 'install', d.path('bin')).ended).status).toBe(0);
  const children: ChildProcess[] = [];
  const env = { ...process.env, NETLOOM_SOCKET: d.daemon.socketPath, NETLOOM_JAIL: '', NETLOOM: `${process.execPath} ${NETLOOM}`, PATH: `${d.path('bin')}:${process.env.PATH ?? ''}` };
  try {
    return await body((program = '', ...args) => {
      const child = spawn(program, args, { cwd: d.folder, env, stdio: ['pipe', 'pipe', 'pipe'] });
      children.push(child);
      return listen(child);
    });
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

peer(...NEEDS)("the test plan of bhyve's netgraph backend", { timeout: 300_000 }, () => withDaemon(async (d) => {
  makeImage(d, 'freebsd-0.img');
  copyFileSync(d.path('freebsd-0.img'), d.path('freebsd-1.img'));
  await withTools(d, async (start) => {
    const { status, stdout, stderr } = await start('sh', example('plan.sh')).ended;
    expect({ status, stderr }, stdout).toEqual({ status: 0, stderr: '' });
    expect(stdout.match(/2 packets transmitted, 2 packets received/g)).toHaveLength(6);
    expect(stdout.match(/[1-9][\d.]* [KMG]bits\/sec +receiver/g)).toHaveLength(3);
    expect(stdout).toMatch(/^ {2}link0 {11}vm0 {13}socket {7}\w+ {8}vm0link *$/m);
    expect(stdout).toMatch(/^ {2}link1 {11}vm1 {13}socket {7}\w+ {8}vm1link *$/m);
  });
  // Nothing of it is left.
  expect(await d.client.get('/v1/vms')).toEqual([]);
  expect(await d.ok('', 'ifconfig', '-l')).toBe('lo0\n');
  expect(await d.ok('', 'ngctl', 'list')).toMatch(/^There are 1 total nodes:\n {2}Name: ngctl\d+ +Type: socket .*\n$/);
}));

peer(...NEEDS)('a machine of vmrun.sh starts again when its guest does, ends with it, and ends with whoever has its console', { timeout: 300_000 }, () => withDaemon(async (d) => {
  makeImage(d, 'disk.img');
  await withTools(d, async (start) => {
    const run = start(d.path('bin/vmrun.sh'), '-c', '1', '-m', '192M', '-t', 'tap0', '-d', 'disk.img', 'x');
    const said = (): string => run.heard.stdout.toString('latin1');
    const ups = (n: number): Promise<void> => Netns.until(`the guest is up ${n} times`, () => said().split('guest is up').length > n || run.child.exitCode !== null, 90);
    await ups(1);
    expect(said()).toMatch(/^Launching virtual machine "x" \.\.\.\n/);
    expect(await start('bhyve', '-s', '2,virtio-net,tap1', 'x').ended).toEqual({ status: 4, stdout: '', stderr: 'vm_create: File exists\n' });
    expect(await start('bhyve', '-s', '2,virtio-net,tap0', 'y').ended).toEqual({ status: 4, stdout: '', stderr: 'open of tap device /dev/tap0 failed\nDevice emulation initialization error: Device busy\n' });
    run.child.stdin?.write('reboot -f\n');
    await ups(2);
    run.child.stdin?.write('poweroff -f\n');
    expect((await run.ended).status).toBe(1);
    expect(await start('bhyvectl', '--vm=x', '--destroy').ended).toEqual({ status: 1, stdout: '', stderr: 'vm_open: x could not be opened: No such file or directory\n' });

    // Its terminal goes away: so does the machine; the name stays, as /dev/vmm/z would.
    const bhyve = start('bhyve', '-m', '192', '-s', '1,lpc', '-l', 'com1,stdio', '-s', '2,virtio-net,tap0', '-s', '3,virtio-blk,disk.img', 'z');
    await Netns.until('the machine speaks', () => bhyve.heard.stdout.length > 0, 30);
    bhyve.child.kill('SIGKILL');
    await Netns.until('the machine is gone', async () => (await d.client.get<{ state: string }[]>('/v1/vms')).every(({ state }) => state === 'ended'), 30);
    expect(await d.client.get('/v1/vms')).toMatchObject([{ name: 'z', end: { how: 'stopped' } }]);
    expect(await start('bhyvectl', '--vm=z', '--destroy').ended).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(await d.client.get('/v1/vms')).toEqual([]);
  });
}));

/** Runs its arguments at a terminal of their own; types two Ctrl-C and two commands; writes what became of them. */
const AT_TERMINAL = `
import json, os, pty, select, subprocess, sys, termios, time
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
program = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=os.setsid)
said = b''
def until(what, seconds):
    global said
    end = time.time() + seconds
    while what not in said and time.time() < end and program.poll() is None:
        if select.select([master], [], [], 0.1)[0]: said += os.read(master, 65536)
    return what in said
up = until(b'/ # ', 90)
raw = termios.tcgetattr(slave)[3] & (termios.ISIG | termios.ICANON | termios.ECHO) == 0
for key, answer in ((b'cat\\n', b'cat'), (b'\\x03', b'^C'), (b'\\x03', b'^C'), (b'echo alive $((6*7))\\n', b'alive 42')):
    said = b''
    os.write(master, key)
    alive = until(answer, 20 if answer == b'alive 42' else 3)
os.write(master, b'poweroff -f\\n')
try: until(b'never', 30)
except OSError: program.wait(30)
print(json.dumps({'up': up, 'raw': raw, 'alive': alive, 'code': program.poll(), 'restored': before == termios.tcgetattr(slave)}))
`;

peer(...NEEDS, 'python3', 'stty')("at a terminal every key is the guest's, Ctrl-C too, and the terminal is put back", { timeout: 300_000 }, () => withDaemon(async (d) => {
  makeImage(d, 'disk.img');
  for (const runtime of ['perl', 'node']) {
    expect((await d.netloom('tools', 'install', '--runtime', runtime, d.path('bin')).ended).status).toBe(0);
    const env = { ...process.env, NETLOOM_SOCKET: d.daemon.socketPath, NETLOOM_JAIL: '' };
    const words = ['-m', '192', '-s', '1,lpc', '-l', 'com1,stdio', '-s', '2,virtio-net,tap0', '-s', '3,virtio-blk,disk.img', 'z'];
    const { stdout, stderr } = await listen(spawn('python3', ['-c', AT_TERMINAL, d.path('bin/bhyve'), ...words], { cwd: d.folder, env, stdio: ['ignore', 'pipe', 'pipe'] })).ended;
    expect({ runtime, ...(JSON.parse(stdout || '{}') as object), stderr }).toEqual({ runtime, up: true, raw: true, alive: true, code: 1, restored: true, stderr: '' });
  }
}));
