/**
 * protectable.test.ts — machines that cannot be protected, and what is said of them.
 */
import { expect, test } from 'vitest';
import { vmSpecOf } from '../../vm/vm-request.js';
import type { VmRequest } from '../../vm/vm-request.js';
import { checkProtectable } from './protectable.js';

const check = (more: Partial<VmRequest>): void => checkProtectable(vmSpecOf({ name: 'a', kernel: '/k', nics: ['tap0'], protectable: true, ...more }, null));

test('a machine with a card and disks can', () => {
  expect(() => check({ disks: [{ path: '/a.img' }, { path: '/b.img', device: 'ahci-hd' }, { path: '/c.iso', device: 'ahci-cd' }], machine: 'q35', nicModel: 'e1000' })).not.toThrow();
});

test.each<[string, Partial<VmRequest>]>([
  ['cannot have transport=vhost-user yet; leave it out, or say transport=stream', { nicTransport: 'vhost-user' }],
  ['has raw disks, and /a.qcow2 is qcow2; make a raw one (qemu-img convert -O raw /a.qcow2 /a.raw)', { disks: [{ path: '/a.qcow2' }] }],
  ['cannot have the disk /a.img at nvme, whose state QEMU cannot take; say device=virtio-blk or device=ahci-hd', { disks: [{ path: '/a.img', device: 'nvme' }] }],
  ['has whole megabytes of memory, not 134217729 bytes; say --memory 129M', { memory: '134217729b' }],
])('%s', (line, more) => {
  expect(() => check(more)).toThrow(`a machine that can be protected ${line}`);
});

test('a machine of v86 has the same kind of memory, and disks of its own kind', () => {
  expect(() => check({ v86: true, firmware: '/bios' })).not.toThrow();
  expect(() => check({ v86: true, firmware: '/bios', memory: '134217729b' })).toThrow('a machine that can be protected has whole megabytes of memory, not 134217729 bytes; say --memory 129M');
});

test('a debugger and a line of the host are refused', () => {
  const spec = vmSpecOf({ name: 'a', kernel: '/k', protectable: true }, null);
  expect(() => checkProtectable({ ...spec, gdb: { address: '127.0.0.1', port: 1, wait: true } })).toThrow('cannot have a debugger');
  expect(() => checkProtectable({ ...spec, serial: ['console', '/dev/ttyS0', null, null] })).toThrow('cannot have a serial line at /dev/ttyS0, which nobody else has; leave it out');
});
