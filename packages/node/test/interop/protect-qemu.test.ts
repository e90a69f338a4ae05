/**
 * protect-qemu.test.ts — a machine of QEMU that can be protected: its state taken again and again, put into one that waits, and the take-over when it is killed.
 * Read first: docs/protect.md; src/protect/checkpoint.ts.
 */
import { closeSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { EpochPlug } from '@netloom/core';
import { PAGE_BYTES } from '../../src/protect/checkpoint.js';
import type { ImageDelta } from '../../src/protect/checkpoint.js';
import { LiveLock } from '../../src/protect/live-lock.js';
import { QemuCheckpointer } from '../../src/protect/qemu/qemu-checkpointer.js';
import type { MachineImage } from '../../src/protect/qemu/qemu-checkpointer.js';
import { NicBackends } from '../../src/vm/nic-backends.js';
import { guestCables } from '../../src/vm/vm-cable.js';
import type { StandbyMemory } from '../../src/vm/vm-launch.js';
import { vmSpecOf } from '../../src/vm/vm-request.js';
import type { VmRequest } from '../../src/vm/vm-request.js';
import { Vms } from '../../src/vm/vms.js';
import { peer } from '../peers.js';
import { guestImage } from './guest/guest-image.js';
import { Netns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

/** A guest with an address, which counts in a file that it serves. */
const SCRIPT = `ip addr add 10.5.0.2/24 dev eth0; ip link set eth0 up
mkdir /tmp/www; httpd -p 80 -h /tmp/www
(n=0; while true; do n=$((n + 1)); echo $n >/tmp/www/next; mv /tmp/www/next /tmp/www/count; usleep 50000; done) &`;

function request(name: string, more: Partial<VmRequest> = {}): VmRequest {
  const { kernel, initrd, append } = guestImage({ script: SCRIPT });
  return { name, kernel, initrd, append, memory: '128M', accel: 'tcg', nics: ['tap0'], protectable: true, ...more };
}

/** Read and compared whole, as simply as can be. */
class PlainImage implements MachineImage {
  readonly imageBytes: number;
  private readonly path: string;
  private known: Buffer;

  constructor(path: string, bytes: number) {
    this.path = path;
    this.imageBytes = bytes;
    this.known = Buffer.alloc(bytes);
  }

  begin(): void {
    this.known.fill(0);
  }

  async scan(): Promise<{ delta: ImageDelta; next: null }> {
    return { delta: await this.compare(), next: null };
  }

  async compare(): Promise<ImageDelta> {
    const { known } = this;
    const now = await readFile(this.path);
    const pages: number[] = [];
    for (let at = 0; at < now.length; at += PAGE_BYTES) if (known.compare(now, at, at + PAGE_BYTES, at, at + PAGE_BYTES) !== 0) pages.push(at / PAGE_BYTES);
    const xor = new Uint8Array(pages.length * PAGE_BYTES);
    pages.forEach((page, i) => {
      xor.set(known.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), i * PAGE_BYTES);
      xorInto(xor, i, now, page);
    });
    this.known = now;
    return { imageBytes: this.imageBytes, pages: Uint32Array.from(pages), xor };
  }

  end(): void {}
}

/** Page `at` of `into` is exclusive-ored with page `from` of `other`. */
function xorInto(into: Uint8Array, at: number, other: Uint8Array, from: number): void {
  const words = (bytes: Uint8Array, page: number): Int32Array => new Int32Array(bytes.buffer, bytes.byteOffset + page * PAGE_BYTES, PAGE_BYTES / 4);
  const a = words(into, at);
  const b = words(other, from);
  for (let i = 0; i < a.length; i++) a[i]! ^= b[i]!;
}

class PlainMemory implements StandbyMemory {
  private readonly path: string;
  private readonly bytes: Buffer;

  constructor(path: string, bytes: number) {
    this.path = path;
    this.bytes = Buffer.alloc(bytes);
    writeFileSync(path, this.bytes);
  }

  apply({ pages, xor }: ImageDelta): void {
    const fd = openSync(this.path, 'r+');
    pages.forEach((page, i) => {
      xorInto(this.bytes, page, xor, i);
      writeSync(fd, this.bytes, page * PAGE_BYTES, PAGE_BYTES, page * PAGE_BYTES);
    });
    closeSync(fd);
  }

  release(): void {}

  end(): void {
    rmSync(this.path, { force: true });
  }
}

function machines(d: TestDaemon): Vms {
  const { kernel, loop, log } = d.daemon;
  return new Vms({
    kernel, loop, log, backends: new NicBackends(kernel, loop, (ifp) => ifp.xname), cables: guestCables(kernel, loop, log), folder: d.path('m'),
    standbyImage: (path, bytes) => Promise.resolve(new PlainMemory(path, bytes)),
  });
}

const pings = (d: TestDaemon, to: string): Promise<void> => Netns.until(`${to} answers`, async () => (await d.run('', 'ping', '-c', '1', '-t', '2', to)).exitCode === 0, 90);
const count = async (d: TestDaemon): Promise<number> => Number(await d.ok('', 'fetch', '-qo', '-', 'http://10.5.0.2/count'));
const ramFolders = (): string[] => readdirSync('/dev/shm').filter((name) => name.startsWith('netloom-turtle-'));

peer('guest')('checkpoints of a machine go into one that waits; it is killed, and the other goes on where the last one was', { timeout: 240_000 }, () => withDaemon(async (d) => {
  const vms = machines(d);
  try {
    const spec = vmSpecOf(request('turtle'), null);
    const vm = await vms.run(spec);
    await d.ok('', 'ifconfig', 'tap0', 'inet', '10.5.0.1/24');
    await pings(d, '10.5.0.2');
    const standby = await vms.standby(spec);
    expect([vms.list().map(({ name }) => name), vms.standbys().map(({ name }) => name), standby.lock.isHeld, standby.lock.lock()]).toEqual([['turtle'], ['turtle'], false, false]);

    const image = new PlainImage(vm.parts.ram!.path, spec.memoryBytes);
    const checkpointer = await QemuCheckpointer.open({ process: vm.process!, image, folder: vm.folder });
    const link = vm.links[0]!;
    const plug = d.daemon.kernel.call(d.daemon.loop.enter(), () => link.plugIn((sink) => new EpochPlug(vm.prison.vnet.kern, sink)))!;
    let device: Uint8Array = new Uint8Array(0);
    let counted = 0;
    await checkpointer.begin();
    for (let epoch = 0; epoch < 10; epoch++) {
      let closed = -1;
      const { delta, device: state, pauseUs } = await checkpointer.take(() => (closed = plug.closeEpoch()));
      expect([closed, delta.pages.length > 0, state.length > 10_000, pauseUs > 0]).toEqual([epoch, true, true, true]);
      standby.apply(delta);
      device = state;
      plug.release(closed);
      d.daemon.loop.enter();
    }
    // What is held leaves with the next epoch, so this answer is of before the last checkpoint.
    const asked = count(d);
    void asked.catch(() => undefined);
    const { delta, device: last } = await checkpointer.take(() => plug.closeEpoch());
    standby.apply(delta);
    device = last;
    plug.abandon();
    d.daemon.loop.enter();
    counted = await asked;
    expect(counted).toBeGreaterThan(0);

    await checkpointer.end();
    const given: number[] = [];
    process.kill(vm.process!.pid, 'SIGKILL');
    await standby.takeOver(device, () => given.push(vms.standbys().length));
    expect([(await vm.gone).how, given, vms.list().map(({ name, state }) => `${name} ${state}`), vms.standbys(), vms.find('turtle') === standby.vm]).toEqual(['killed', [1], ['turtle running'], [], true]);
    await pings(d, '10.5.0.2');
    const after = await count(d);
    expect(after).toBeGreaterThan(counted - 100);
    await Netns.until('it counts on', async () => (await count(d)) > after, 30);
    expect([LiveLock.take(spec.lock ?? d.path('m/turtle.lock')), ramFolders().length]).toEqual([null, 1]);
    expect((await standby.vm!.stop(0)).how).toBe('stopped');
    LiveLock.take(d.path('m/turtle.lock'))!.close();
    expect([ramFolders(), vms.list()]).toEqual([[], []]);
  } finally {
    await vms.close();
  }
}));
