/**
 * qemu-command.test.ts — what QEMU is told, and vmrun.sh's command line on the way there.
 */
import { expect, test } from 'vitest';
import { BhyveConfig } from './bhyve-config.js';
import { bhyveMachine } from './bhyve-machine.js';
import { parseBhyve } from './bhyve-options.js';
import { qemuArgs } from './qemu-command.js';
import { vmSpecOf } from './vm-request.js';
import type { VmRequest } from './vm-request.js';
import { bhyveArgv, parseVmrun, VMRUN_USAGE } from './vmrun-options.js';

const HEAD = ['-nodefaults', '-no-user-config', '-display', 'none', '-S'];

/** The words of QEMU's command line, an option with its value each; those that are always the same left out. */
function options(args: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of args) {
    if (word.startsWith('-')) lines.push(word);
    else lines.push(`${lines.pop() ?? ''} ${word}`);
  }
  return lines.filter((line) => ![...HEAD, '-display none'].includes(line) && !/^-(chardev socket,id=(monitor|console),|mon |accel |cpu )/.test(line));
}

function bhyve(text: string): string[] {
  const config = parseBhyve(text.split(' '), new Map());
  if (!(config instanceof BhyveConfig)) throw new Error('an answer');
  const spec = bhyveMachine(config, { vnet: 'host', absolute: (path) => `/x/${path}`, uefi: null });
  return options(qemuArgs(spec, { accel: 'tcg', monitorFd: 4, consoleFd: 5, cables: spec.nics.map((nic, i) => (nic.transport === 'stream' ? { netdev: `stream,server=off,addr.type=unix,addr.path=/n${i}`, chardev: null } : { netdev: 'vhost-user', chardev: `path=/n${i}` })) }));
}

test("vmrun.sh's machine", () => {
  const run = parseVmrun('-c 4 -m 1024M -t netgraph,socket=vm0,path=vmbridge:,hook=vm0link,peerhook=link0 -t tap1 -d img,ro vm0'.split(' '));
  if ('text' in run) throw new Error(run.text);
  const argv = bhyveArgv(run, false);
  expect(argv.join(' ')).toBe('bhyve -c 4 -m 1024M -H -A -P -s 0:0,hostbridge -s 1:0,lpc -s 2:0,virtio-net,netgraph,socket=vm0,path=vmbridge:,hook=vm0link,peerhook=link0 -s 3:0,virtio-net,tap1 -s 4:0,virtio-blk,img,ro -l com1,stdio vm0');
  expect(bhyve(argv.slice(1).join(' '))).toEqual([
    '-name vm0', '-machine pc,graphics=off,dump-guest-core=off', '-m 1073741824B', '-smp cpus=4,sockets=4,cores=1,threads=1', '-rtc base=localtime', '-no-reboot', '-serial chardev:console',
    '-drive if=none,id=disk0,format=raw,readonly=on,discard=unmap,file=/x/img', '-device virtio-blk-pci,addr=0x4.0x0,drive=disk0,bootindex=0',
    '-netdev stream,id=net0,server=off,addr.type=unix,addr.path=/n0', '-device virtio-net-pci,addr=0x2.0x0,netdev=net0,mac=00:a0:98:f0:55:05,romfile=,rx_queue_size=1024',
    '-netdev stream,id=net1,server=off,addr.type=unix,addr.path=/n1', '-device virtio-net-pci,addr=0x3.0x0,netdev=net1,mac=00:a0:98:eb:76:05,romfile=,rx_queue_size=1024',
  ]);
});

test.each<[string, string]>([
  ['vm', 'bhyve -c 2 -m 512M -H -A -P -s 0:0,hostbridge -s 1:0,lpc -s 2:0,virtio-net,tap0 -s 3:0,virtio-blk,./diskdev -l com1,stdio vm'],
  ['-A -a -u -w -G w:1234 -n e1000 -C /dev/nmdm0A -p 1/2/3 -d a -d b vm', 'bhyve -c 2 -m 512M -H -A -P -a -u -w -G w:1234 -S -s 0:0,hostbridge -s 1:0,lpc -s 2:0,e1000,tap0 -s 3:0,ahci-hd,a -s 4:0,ahci-hd,b -s 5:0,passthru,1/2/3 -l com1,/dev/nmdm0A vm'],
  ['-E -T -v -P 5901 -L 0.0.0.0 -F w=1,h=2 -f fw.fd vm', 'bhyve -c 2 -m 512M -H -A -P -s 0:0,hostbridge -s 1:0,lpc -s 29,fbuf,tcp=0.0.0.0:5901,w=1,h=2,wait -l bootrom,fw.fd -s 30,xhci,tablet -s 2:0,virtio-net,tap0 -s 3:0,virtio-blk,./diskdev -l com1,stdio vm'],
])('vmrun.sh %s', (text, line) => {
  const run = parseVmrun(text.split(' '));
  expect('text' in run ? run.text : bhyveArgv(run, false).join(' ')).toBe(line);
});

test('vmrun.sh: the installation CD, and what is wrong', () => {
  const run = parseVmrun(['-I', 'cd.iso', '-e', 'a=b', '-l', 'x.so', 'vm']);
  if ('text' in run) throw new Error(run.text);
  expect(bhyveArgv(run, true).slice(-3)).toEqual(['-s', '31:0,ahci-cd,cd.iso,bootindex=0', 'vm']);
  expect(run.loader).toEqual(['-e a=b', '-l x.so']);
  expect(parseVmrun(['-c', '2'])).toEqual({ text: `${VMRUN_USAGE}*** virtual machine name not specified\n`, error: '' });
  expect(parseVmrun(['-z', 'vm'])).toEqual({ text: VMRUN_USAGE, error: 'vmrun.sh: illegal option -- z\n' });
});

test.each<[string, string[]]>([
  // A disk behind the bridges' own slots goes where QEMU likes; two functions of a slot say so; controllers are made once.
  ['-s 1,lpc -s 1:1,virtio-rnd -s 2,virtio-rnd -s 2:1,virtio-rnd vm', ['-device virtio-rng-pci', '-device virtio-rng-pci,addr=0x2.0x0,multifunction=on', '-device virtio-rng-pci,addr=0x2.0x1']],
  ['-s 3,ahci,hd:a,cd:b vm', [
    '-drive if=none,id=disk0,format=raw,readonly=off,discard=unmap,file=/x/a', '-device ich9-ahci,addr=0x3.0x0,id=ahci3-0', '-device ide-hd,bus=ahci3-0.0,drive=disk0,bootindex=0',
    '-drive if=none,id=disk1,format=raw,readonly=on,discard=unmap,file=/x/b', '-device ide-cd,bus=ahci3-0.1,drive=disk1,bootindex=1',
  ]],
  ['-W -s 3,virtio-net,tap0,mtu=9000,mac=2:0:0:0:0:1 -s 4,e1000,tap1,mac=2:0:0:0:0:2 vm', [
    '-netdev stream,id=net0,server=off,addr.type=unix,addr.path=/n0', '-device virtio-net-pci,addr=0x3.0x0,netdev=net0,mac=02:00:00:00:00:01,romfile=,rx_queue_size=1024,host_mtu=9000,vectors=0',
    '-netdev stream,id=net1,server=off,addr.type=unix,addr.path=/n1', '-device e1000,addr=0x4.0x0,netdev=net1,mac=02:00:00:00:00:02,romfile=',
  ]],
  ['-s 3,virtio-net,tap0,mac=2:0:0:0:0:1,transport=vhost-user vm', [
    '-object memory-backend-memfd,id=memory,size=268435456B,share=on', '-chardev socket,id=wire0,path=/n0', '-netdev vhost-user,id=net0,chardev=wire0',
    '-device virtio-net-pci,addr=0x3.0x0,netdev=net0,mac=02:00:00:00:00:01,romfile=,rx_queue_size=1024,vectors=0',
  ]],
  ['-s 4,nvme,c -s 5,virtio-blk,d,bootindex=0 vm', [
    '-drive if=none,id=disk0,format=raw,readonly=off,discard=unmap,file=/x/c', '-device nvme,addr=0x4.0x0,drive=disk0,bootindex=1,serial=NVME-4-0',
    '-drive if=none,id=disk1,format=raw,readonly=off,discard=unmap,file=/x/d', '-device virtio-blk-pci,addr=0x5.0x0,drive=disk1,bootindex=0',
  ]],
  ['-s 29,fbuf,tcp=127.0.0.1:5900 -s 30,xhci,tablet vm', ['-device VGA,addr=0x1d.0x0,xres=1024,yres=768', '-vnc 127.0.0.1:0', '-device qemu-xhci,addr=0x1e.0x0', '-device usb-tablet']],
  ['-s 31,lpc -l com2,stdio vm', ['-serial none', '-serial chardev:console']],
])('devices: %s', (text, lines) => {
  expect(bhyve(text).filter((line) => !/^-(name|machine|m|smp|rtc|no-reboot)\b/.test(line))).toEqual(lines);
});

const request = (more: Partial<VmRequest>): string[] => {
  const spec = vmSpecOf({ name: 'a', kernel: '/k', ...more }, null);
  return options(qemuArgs(spec, { accel: 'kvm', monitorFd: 4, consoleFd: 5, cables: spec.nics.map(() => null) }));
};

test('a kernel booted directly, and words as they are', () => {
  expect(request({ initrd: '/i', append: 'a b', cpus: 2, memory: '1G', machine: 'q35', qemuArgs: ['-trace', 'x'] })).toEqual([
    '-name a', '-machine q35,graphics=off,dump-guest-core=off', '-m 1073741824B', '-smp cpus=2,sockets=2,cores=1,threads=1', '-rtc base=utc', '-serial chardev:console', '-kernel /k', '-initrd /i', '-append a b', '-trace x',
  ]);
  // QEMU takes the first place in the boot order for it, and two in one place are an error.
  expect(request({ disks: [{ path: '/d' }] }).slice(-1)).toEqual(['-device virtio-blk-pci,addr=0x2.0x0,drive=disk0']);
});

test.each<[Partial<VmRequest>, string]>([
  [{ name: '-a' }, '"-a" is not a name for a virtual machine: letters, digits, ".", "_" and "-", at most 63, a letter or digit first'],
  [{ name: 'a'.repeat(64) }, 'is not a name for a virtual machine'],
  [{ cpus: 0 }, '0 is not a number of processors (1 to 255)'],
  [{ memory: '1X' }, '"1X" is not a size of memory (256M, 2G)'],
  [{ memory: '0' }, '"0" is not a size of memory (256M, 2G)'],
  [{ firmware: 'uefi' }, 'no UEFI firmware for QEMU is installed (on Debian: ovmf)'],
  [{ nics: ['eth0'] }, '"eth0" is not a network card: tapN, vmnetN, netgraph,path=...,peerhook=... or gateway, and mac=..., mtu=46 to 65535 if wanted'],
  [{ nics: ['tap0,mac=1:2:3:4:5:6'] }, 'Invalid MAC 1:2:3:4:5:6'],
  [{ nics: ['tap0,transport=wire'] }, 'transport=wire: there are "stream" and "vhost-user"'],
  [{ nics: ['tap0'], nicModel: 'e1000', nicTransport: 'vhost-user' }, 'transport=vhost-user is for virtio-net, not for e1000'],
  [{ nics: Array.from({ length: 30 }, (_, i) => `tap${i}`) }, '30 cards and disks are more than there are slots (29)'],
])('a request that is refused: %j', (more, line) => {
  expect(() => request(more)).toThrow(line);
});

test('nothing to boot, and a RAM disk without a kernel', () => {
  expect(() => vmSpecOf({ name: 'a' }, null)).toThrow('"a" has nothing to boot: give it a disk or a kernel');
  expect(() => vmSpecOf({ name: 'a', initrd: '/i', disks: [{ path: '/d' }] }, null)).toThrow('"initrd" is for a kernel that is booted directly; name the kernel, too');
});

test('disks: the format by the name, unless it is said', () => {
  expect(vmSpecOf({ name: 'a', nics: ['tap0'], disks: [{ path: '/a.qcow2' }, { path: '/b', device: 'ahci-cd' }, { path: '/c.qcow2', format: 'raw', readonly: true }] }, null).disks).toMatchObject([
    { slot: 3, device: 'virtio-blk', format: 'qcow2', readOnly: false }, { slot: 4, format: 'raw', readOnly: true }, { slot: 5, format: 'raw', readOnly: true },
  ]);
});

test('a machine that can be protected: memory in a file, disks by our servers, and one that waits', () => {
  const spec = vmSpecOf({ name: 'a', disks: [{ path: '/x/a.img' }, { path: '/x/b.iso', device: 'ahci-cd' }], nics: ['tap0'], memory: '128M', protectable: true }, null);
  const places = { accel: 'tcg', monitorFd: 4, consoleFd: 5, cables: [null], ramPath: '/dev/shm/n,1/ram', diskExports: [{ socketPath: '/n/disk0', exportName: 'disk0' }, { socketPath: '/n/disk1', exportName: 'disk1' }] } as const;
  const args = options(qemuArgs(spec, places));
  expect(args).toEqual(expect.arrayContaining([
    '-machine pc,graphics=off,dump-guest-core=off,memory-backend=memory',
    '-object memory-backend-file,id=memory,size=134217728B,share=on,mem-path=/dev/shm/n,,1/ram',
    '-drive if=none,id=disk0,format=raw,readonly=off,discard=unmap,file.driver=nbd,file.server.type=unix,file.server.path=/n/disk0,file.export=disk0',
    '-drive if=none,id=disk1,format=raw,readonly=on,discard=unmap,file.driver=nbd,file.server.type=unix,file.server.path=/n/disk1,file.export=disk1',
  ]));
  expect(args.filter((word) => word.startsWith('-incoming'))).toEqual([]);
  expect(options(qemuArgs(spec, { ...places, waits: true }))).toContain('-incoming defer');
});
