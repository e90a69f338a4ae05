/**
 * protect-qemu.test.ts — a machine of QEMU that can be protected: its state taken again and again, put into one that waits, and the take-over when it is killed.
 * Read first: docs/protect.md; src/protect/checkpoint.ts.
 */
import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { EpochPlug } from '@netloom/core';
import { LiveLock } from '../../src/protect/live-lock.js';
import { QemuCheckpointer } from '../../src/protect/qemu/qemu-checkpointer.js';
import { vmSpecOf } from '../../src/vm/vm-request.js';
import type { VmRequest } from '../../src/vm/vm-request.js';
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

const pings = (d: TestDaemon, to: string): Promise<void> => Netns.until(`${to} answers`, async () => (await d.run('', 'ping', '-c', '1', '-t', '2', to)).exitCode === 0, 90);
const count = async (d: TestDaemon): Promise<number> => Number(await d.ok('', 'fetch', '-qo', '-', 'http://10.5.0.2/count'));
const ramFolders = (): string[] => readdirSync('/dev/shm').filter((name) => name.startsWith('netloom-turtle-'));

peer('guest')('checkpoints of a machine go into one that waits; it is killed, and the other goes on where the last one was', { timeout: 240_000 }, () => withDaemon(async (d) => {
  const { vms } = d.daemon;
  try {
    const spec = vmSpecOf(request('turtle'), null);
    const vm = await vms.run(spec);
    // A tap that is closed loses its addresses, so the host's is on a bridge.
    await d.ok('', 'ifconfig', 'bridge0', 'create');
    await d.ok('', 'ifconfig', 'bridge0', 'addm', 'tap0', 'up');
    await d.ok('', 'ifconfig', 'bridge0', 'inet', '10.5.0.1/24');
    await pings(d, '10.5.0.2');
    const standby = await vms.standby(spec);
    const lock = standby.lock.path;
    expect([vms.list().map(({ name }) => name), vms.standbys().map(({ name }) => name), standby.lock.isHeld, standby.lock.lock()]).toEqual([['turtle'], ['turtle'], false, false]);

    const checkpointer = await QemuCheckpointer.open(vm);
    const link = vm.links[0]!;
    const plug = d.daemon.kernel.call(d.daemon.loop.enter(), () => link.plugIn((sink) => new EpochPlug(vm.prison.vnet.kern, sink)))!;
    let device: Uint8Array = new Uint8Array(0);
    let counted = 0;
    await checkpointer.begin();
    for (let epoch = 0; epoch < 10; epoch++) {
      let closed = -1;
      const { delta, device: state, pauseUs } = await checkpointer.take(() => (closed = plug.closeEpoch()));
      expect([closed, delta.imageBytes, state.length > 10_000, pauseUs > 0]).toEqual([epoch, spec.memoryBytes, true, true]);
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
    expect([LiveLock.take(lock), ramFolders().length]).toEqual([null, 1]);
    expect((await standby.vm!.stop(0)).how).toBe('stopped');
    LiveLock.take(lock)!.close();
    expect([ramFolders(), vms.list()]).toEqual([[], []]);
  } finally {
    await vms.close();
  }
}));

peer('guest')('refused before it runs: another copy, no room for the memory, a device whose state cannot be taken', { timeout: 240_000 }, () => withDaemon(async (d) => {
  const { vms } = d.daemon;
  const lock = d.path('shared.lock');
  const run = async (name: string, more: Partial<VmRequest> = {}): Promise<string> => vms.run(vmSpecOf(request(name, { nics: [], ...more }), null)).then(() => 'runs', (error: unknown) => (error as Error).message);
  expect(await run('turtle', { lock })).toBe('runs');
  vms.find('turtle')!.parts.lock!.write('{"host":"x"}');
  expect(await run('hare', { lock })).toBe(`another copy of it runs (${lock} is locked: {"host":"x"}); end that, or give "hare" another lock`);
  expect(await run('hare', { qemuArgs: ['-device', 'ivshmem-plain,memdev=shared', '-object', 'memory-backend-ram,id=shared,size=1M,share=on'] })).toMatch(/^QEMU cannot take the state of this machine, so that it cannot be protected: .*ivshmem/);
  expect(await run('hare', { memory: '4000000G' })).toMatch(/^a machine that can be protected has its memory in \/dev\/shm: it needs 4096000000 MB and \d+ MB are free; give it less --memory, make room/);
  const spec = vmSpecOf(request('turtle', { protectable: false }), null);
  await expect(vms.standby(spec)).rejects.toThrow('"turtle" cannot wait to take over: it is not protectable');
  expect([vms.list().map(({ name }) => name), vms.standbys(), ramFolders().length]).toEqual([['turtle'], [], 1]);
  await vms.find('turtle')!.stop(0);
  expect(await run('hare', { lock })).toBe('runs');
  await vms.destroy('hare');
  LiveLock.take(lock)!.close();
}));
