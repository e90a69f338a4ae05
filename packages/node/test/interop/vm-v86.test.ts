/**
 * vm-v86.test.ts — a machine of v86 on a tap: a program of half a kilobyte in its BIOS's place speaks on the serial line, asks for an address by ARP, and hears the answer.
 * Read first: docs/vm.md, "v86"; the ne2000's datasheet (DP8390) for the registers.
 *
 * The ROM is 64 KB; the processor begins sixteen bytes below its end, with a jump to its first byte. The program: writes "v86 is up" to COM1; sets the card up by
 * the pairs of register and value at `regs` (stop, byte-wide DMA, all frames, ring from page 0x46 to 0x80), writes a frame of 60 bytes into page 0x40, sends it; then
 * waits for the ring's current page to move, writes "got a frame", moves the boundary, and waits again.
 */
import { writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { VmView } from '../../src/vm/vm-routes.js';
import { peer } from '../peers.js';
import { Netns } from './netns.js';
import { withDaemon } from './test-daemon.js';

const PROGRAM = Buffer.from(
  'fafcb800f08ed831c08ed0bc0070be7700e85700be8f00ac3cff7408b60388c2aceeebf3bec100b93c00ba1003aceee2fcbeb800ac3cff7408b60388c2aceeebf3'
  + 'b347ba0003b062eeba0703ec88c7ba0003b022ee38df74ea88fb88f8fec8ba0303eebe8200e80200ebd8baf803ac84c07403eeebf8c3763836206973207570'
  + '0a00676f742061206672616d650a00' // the two texts
  + '0021' + '0e48' + '0a00' + '0b00' + '0c1c' + '0d02' + '0146' + '0280' + '0346' + '07ff' + '0f00' + '0061' + '0747' + '0022' + '0d00' + '0800' + '0940' + '0a3c' + '0b00' + '0012' + 'ff' // regs
  + '0440' + '053c' + '0600' + '0026' + 'ff' // send it
  + 'ffffffffffff' + '020000000086' + '0806' + '0001080006040001' + '020000000086' + '0a060002' + '000000000000' + '0a060001', // who has 10.6.0.1? tell 10.6.0.2
  'hex',
);
/** jmp f000:0000 */
const RESET = Buffer.from('ea000000f0', 'hex');

function rom(): Buffer {
  const image = Buffer.alloc(65_536);
  PROGRAM.copy(image, 0);
  RESET.copy(image, 0xfff0);
  return image;
}

peer('v86')('a machine of v86 speaks, sends a frame and gets one; it ends when it is told to', { timeout: 60_000 }, () => withDaemon(async (d) => {
  writeFileSync(d.path('rom'), rom());
  await d.ok('', 'ifconfig', 'tap0', 'create');
  await d.ok('', 'ifconfig', 'tap0', 'inet', '10.6.0.1/24');
  const run = await d.netloom('vm', 'run', 'tiny', '--v86', '--firmware', 'rom', '--memory', '16M', '--nic', 'tap0').ended;
  expect(run).toMatchObject({ status: 0, stderr: '' });
  expect(run.stdout).toMatch(/^tiny runs \(process \d+, v86\): net0 00:22:15(:[0-9a-f]{2}){3} at host:tap0\n$/);
  expect((await d.netloom('vm', 'console', 'tiny', '--until', 'got a frame').ended).stdout).toBe('v86 is up\ngot a frame\n');
  expect(await d.ok('', 'arp', '-an')).toContain('(10.6.0.2) at 02:00:00:00:00:86 on tap0');
  const [vm] = await d.client.get<VmView[]>('/v1/vms');
  expect(vm).toMatchObject({ accel: 'v86', nics: [{ model: 'ne2k', cable: { fromGuest: { frames: 1 } } }] });
  expect(await d.netloom('vm', 'stop', 'tiny').ended).toMatchObject({ status: 0, stdout: 'tiny has been stopped\n' });
  await Netns.until('its tap has no carrier', async () => (await d.ok('', 'ifconfig', 'tap0')).includes('status: no carrier'), 10);

  for (const [args, line] of [
    [['--cpus', '2'], 'a machine of v86 has one processor'],
    [['--nic', 'tap1', '--nic', 'tap2'], 'a machine of v86 has one network card at most'],
    [['--nic-transport', 'vhost-user', '--nic', 'tap1'], 'transport=vhost-user is for machines of QEMU'],
  ] as const) {
    expect(await d.netloom('vm', 'run', 'tiny', '--v86', '--firmware', 'rom', ...args).ended).toMatchObject({ status: 1, stderr: `netloom: tiny: ${line}\n` });
  }
}));
