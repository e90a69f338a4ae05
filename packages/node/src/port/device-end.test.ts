/**
 * device-end.test.ts — a program of the host reads and writes packets of a netgraph through `ngdN`.
 */
import { expect, test } from 'vitest';
import { withPortLab } from '../../test/port-lab.js';
import { StreamPeer, numberOf, numberedFrame } from '../../test/stream-peer.js';

test('packets of a hook, behind their lengths on a Unix socket', async () => {
  await withPortLab(async (lab) => {
    await lab.tool('ngctl', 'mkpeer', 'tap0:', 'hub', 'lower', 'a');
    await lab.tool('ngctl', 'name', 'tap0:lower', 'hub');
    for (const hook of ['b', 'c']) await lab.tool('ngctl', 'mkpeer', 'hub:', 'device', hook, 'x');
    expect(await lab.refusal('tap7', 'ngd0')).toContain('host:ngd0 is a device of a netgraph');
    expect(await lab.refusal('stream:unix:/nowhere/x,server', 'ngd2')).toContain('has no interface "ngd2"');
    for (const name of ['ngd0', 'ngd1']) await lab.attach(name, `stream:unix:${lab.path(name)},server`);
    expect(await lab.refusal(`stream:unix:${lab.path('other')},server`, 'ngd0')).toContain('host:ngd0 is open already');
    const a = await StreamPeer.connect({ path: lab.path('ngd0') });
    const b = await StreamPeer.connect({ path: lab.path('ngd1') });
    await expect.poll(() => lab.state('ngd0')).toBe('connected');
    await expect.poll(() => lab.state('ngd1')).toBe('connected');
    a.send(numberedFrame(2, 1, 1), numberedFrame(2, 1, 2, 9_000));
    await expect.poll(() => b.got.map((f) => [numberOf(f), f.length])).toEqual([[1, 64], [2, 9_000]]);
    b.send(numberedFrame(1, 2, 3));
    await expect.poll(() => a.got.map(numberOf)).toEqual([3]);
    expect((await lab.attachments()).find(({ interface: name }) => name === 'ngd0')).toMatchObject({ vnet: 'host', port: { fromGuest: { frames: 2 }, toGuest: { frames: 1 } } });
    // The node goes, and the connection with it.
    await lab.tool('ngctl', 'shutdown', 'ngd0:');
    await expect.poll(() => a.closed).toBe(true);
    expect((await lab.attachments()).map(({ interface: name }) => name)).toEqual(['ngd1']);
    await lab.detach('ngd1');
    await expect.poll(() => b.closed).toBe(true);
  });
});
