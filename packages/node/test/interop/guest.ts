/**
 * guest.ts — a Debian kernel in QEMU for tests: booted from the machine's own kernel package with a root of busybox, a script and some modules.
 * Read first: qemu(1) `-netdev dgram`; Linux Documentation/filesystems/ramfs-rootfs-initramfs.rst.
 *
 * Theory of operation. The root is a cpio archive made for the test: /bin/busybox, the modules asked for with what they depend on, and /init, which
 * loads them in order and runs the test's script. What the script writes is the guest's console, which is the program's output. Network interfaces are
 * datagram sockets on 127.0.0.1, a frame to a datagram: GuestWire is the other end, a sink of a tap, so nothing of this machine's network is touched.
 * No KVM is needed; a kernel boots in seconds without.
 *
 * Needs qemu-system-x86_64, cpio, busybox (static), and a kernel package with its modules: guard tests with `peer(..., 'bonding')`.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { tapOf } from '@netloom/core';
import type { FrameSink, Ifnet, PacketBuffer } from '@netloom/core';
import { programPath } from '../peers.js';
import { guestKernel, moduleFiles } from './guest/guest-kernel.js';
import type { GuestKernel } from './guest/guest-kernel.js';
import { Netns, uniqueDevice } from './netns.js';
import type { TestDaemon } from './test-daemon.js';

const MEMORY_MB = 192;

/** Runs a program that must succeed. */
function must(program: string, args: readonly string[], options: { readonly cwd?: string; readonly input?: string } = {}): Buffer {
  const done = spawnSync(program, args, { ...options, maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${(done.error?.message ?? done.stderr.toString()).trim()}`);
  return done.stdout;
}

/** Writes the root into `folder`; the path of the archive. */
function makeRoot(folder: string, kernel: GuestKernel, modules: readonly string[], script: string): string {
  const root = join(folder, 'root');
  for (const dir of ['bin', 'lib', 'proc', 'sys', 'dev']) mkdirSync(join(root, dir), { recursive: true });
  copyFileSync(programPath('busybox') ?? 'busybox', join(root, 'bin/busybox'));
  const files = moduleFiles(kernel, modules);
  for (const file of files) copyFileSync(file, join(root, 'lib', basename(file)));
  const loads = files.map((file) => `insmod /lib/${basename(file)} || echo cannot load ${basename(file)}\n`).join('');
  const init = `#!/bin/busybox sh\n/bin/busybox --install -s /bin\nexport PATH=/bin\nmount -t proc proc /proc\nmount -t sysfs sys /sys\nmount -t devtmpfs dev /dev\n${loads}${script}\npoweroff -f\n`;
  writeFileSync(join(root, 'init'), init);
  chmodSync(join(root, 'init'), 0o755);
  const names = must('find', ['.'], { cwd: root }).toString();
  const archive = join(folder, 'root.cpio');
  writeFileSync(archive, must('cpio', ['--quiet', '-o', '-H', 'newc'], { cwd: root, input: names }));
  return archive;
}

/** The far end of a guest's interface: frames to and from a tap. */
class GuestWire implements FrameSink {
  readonly offload = { csum: false, gso: false };
  readonly socket: Socket;
  /** Where the guest's end is. */
  guestPort = 0;
  private readonly d: TestDaemon;
  private readonly ifp: Ifnet;
  private closed = false;

  private constructor(d: TestDaemon, ifp: Ifnet, socket: Socket) {
    this.d = d;
    this.ifp = ifp;
    this.socket = socket;
    socket.on('message', (frame) => this.input(frame));
    socket.on('error', () => this.close());
  }

  static async open(d: TestDaemon, vnet: string, ifname: string): Promise<GuestWire> {
    const { kernel, loop } = d.daemon;
    const ifp = kernel.vnets.find((v) => v.name === vnet)?.net.ifunit(ifname) ?? null;
    if (ifp === null) throw new Error(`no ${ifname} in ${vnet}`);
    const wire = new GuestWire(d, ifp, await bound());
    kernel.call(loop.enter(), () => tapOf(ifp)?.attach(wire));
    return wire;
  }

  get port(): number {
    return (this.socket.address() as AddressInfo).port;
  }

  output(m: PacketBuffer): boolean {
    if (this.closed) return false;
    if (this.guestPort !== 0) this.socket.send(m.bytes().slice(), this.guestPort, '127.0.0.1');
    m.free();
    return true;
  }

  gone(): void {
    this.close();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
  }

  private input(frame: Buffer): void {
    const { kernel, loop } = this.d.daemon;
    loop.batch((now) => {
      const m = this.closed || this.ifp.net === null ? null : kernel.engine.pool.from(frame);
      if (m !== null) kernel.input(this.ifp, m, now);
    });
  }
}

/** A datagram socket on a free port of 127.0.0.1. */
async function bound(): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

async function freePort(): Promise<number> {
  const socket = await bound();
  const { port } = socket.address() as AddressInfo;
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** A running guest. */
export class Guest {
  /** What it has written on its console. */
  console = '';
  private readonly child: ChildProcess;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('latin1').on('data', (text: string) => (this.console += text));
    child.stderr?.setEncoding('latin1').on('data', (text: string) => (this.console += text));
  }

  /** Waits until the console has `what` behind offset `from`; the match. */
  async says(what: RegExp, seconds: number, from = 0): Promise<RegExpExecArray> {
    let match: RegExpExecArray | null = null;
    try {
      await Netns.until(String(what), () => {
        match = what.exec(this.console.slice(from));
        return match !== null || this.child.exitCode !== null;
      }, seconds);
    } catch (error) {
      throw new Error(`the guest does not say ${String(what)}:\n${this.console.slice(-3_000)}`, { cause: error });
    }
    if (match === null) throw new Error(`the guest has ended:\n${this.console.slice(-3_000)}`);
    return match;
  }

  /** Writes a line on its console. */
  type(line: string): void {
    this.child.stdin?.write(`${line}\n`);
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => this.child.once('close', () => resolve()));
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** Boots a guest with one interface for each of `ifnames`, taps of `vnet`, runs `body` and ends it. */
export async function withGuest<T>(
  d: TestDaemon, vnet: string, ifnames: readonly string[], modules: readonly string[], script: string, body: (guest: Guest) => Promise<T>,
): Promise<T> {
  const kernel = guestKernel(modules.at(-1) ?? '');
  if (kernel === null) throw new Error(`no kernel with ${modules.join()}`);
  const folder = mkdtempSync(join(tmpdir(), `${uniqueDevice()}-`));
  const wires: GuestWire[] = [];
  let guest: Guest | null = null;
  try {
    const args = ['-machine', 'q35', '-accel', 'tcg', '-m', String(MEMORY_MB), '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot'];
    for (const [i, ifname] of ifnames.entries()) {
      const wire = await GuestWire.open(d, vnet, ifname);
      wires.push(wire);
      wire.guestPort = await freePort();
      args.push('-netdev', `dgram,id=n${i},local.type=inet,local.host=127.0.0.1,local.port=${wire.guestPort},remote.type=inet,remote.host=127.0.0.1,remote.port=${wire.port}`);
      args.push('-device', `virtio-net-pci,netdev=n${i},mac=52:54:00:00:00:0${i + 1},speed=1000,duplex=full`);
    }
    const archive = makeRoot(folder, kernel, modules, script);
    args.push('-kernel', kernel.image, '-initrd', archive, '-append', 'console=ttyS0 quiet panic=-1');
    guest = new Guest(spawn('qemu-system-x86_64', args, { stdio: ['pipe', 'pipe', 'pipe'] }));
    return await body(guest);
  } finally {
    await guest?.end();
    for (const wire of wires) wire.close();
    rmSync(folder, { recursive: true });
  }
}

