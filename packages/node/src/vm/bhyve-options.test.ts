/**
 * bhyve-options.test.ts — bhyve's command line: what it says of what is wrong, to the letter, and the machine that a right one means.
 */
import { EINVAL, EOPNOTSUPP, ERANGE } from '@netloom/core';
import { describe, expect, test } from 'vitest';
import { BhyveConfig, BhyveExit } from './bhyve-config.js';
import { bhyveMachine } from './bhyve-machine.js';
import { configFilesOf, parseBhyve } from './bhyve-options.js';
import type { ConfigFiles } from './bhyve-options.js';
import { generatedMac } from './net-backend.js';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';

const place = { vnet: 'host', absolute: (path: string) => (path.startsWith('/') ? path : `/home/${path}`), uefi: null };

function parse(text: string, files: ConfigFiles = new Map()): BhyveConfig {
  const parsed = parseBhyve(text.split(' '), files);
  if (!(parsed instanceof BhyveConfig)) throw new Error(`an answer: ${parsed.text}`);
  return parsed;
}

const machine = (text: string, uefi: string | null = null): VmSpec => bhyveMachine(parse(text), { ...place, uefi });

/** What bhyve writes and ends with. */
function ending(text: string): string {
  try {
    machine(text);
  } catch (error) {
    if (error instanceof BhyveExit) return `${error.code}: ${error.text}`;
    if (error instanceof VmRefusal) return `errno ${error.errno}: ${error.lines.join('|')}`;
    throw error;
  }
  return 'runs';
}

const usage = /^1: (bhyve: (illegal option -- Z|option requires an argument -- c)\n)?Usage: bhyve \[-AaCDeHhPSuWwxY\]\n {13}\[-c \[\[cpus=\]numcpus\]/;

test.each(['-Z vm', '-c', '-A', 'vm other'])('usage: %s', (text) => {
  expect(ending(text)).toMatch(usage);
});

test.each<[string, string]>([
  ['-c cpus=2,x=1 vm', "64: bhyve: invalid cpu topology 'cpus=2,x=1'\n"],
  ['-c two vm', "4: bhyve: Invalid value for cpus: 'two'\n"],
  ['-c 0 vm', "4: bhyve: Invalid value for cpus: '0'\n"],
  ['-c 2,sockets=3,cores=2 vm', '4: bhyve: Topology (3 sockets, 2 cores, 1 threads) does not match 2 vCPUs\n'],
  ['-c sockets=1000,cores=100 vm', '4: bhyve: Computed number of vCPUs too high: 100000\n'],
  ['-c 256 vm', '4: 256 vCPUs requested but only 255 available\n'],
  ['-m lots vm', "64: bhyve: invalid memsize 'lots'\n"],
  ['-p 1 vm', "64: invalid format: 1\nbhyve: invalid vcpu pinning configuration '1'\n"],
  ['-p -1:0 vm', "64: invalid vcpu '-1'\nbhyve: invalid vcpu pinning configuration '-1:0'\n"],
  ['-p 0:4096 vm', "64: hostcpu '4096' outside valid range from 0 to 1023\nbhyve: invalid vcpu pinning configuration '0:4096'\n"],
  ['-o novalue= vm', "64: bhyve: invalid configuration option 'novalue='\n"],
  ['-l com9,stdio vm', "64: bhyve: invalid lpc device configuration 'com9,stdio'\n"],
  ['-l bootrom vm', '4: bhyve: invalid bootrom option "bootrom"\n'],
  ['-l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI.fd vm', '4: Error opening bootrom "/usr/local/share/uefi-firmware/BHYVE_UEFI.fd": it is bhyve\'s own, and no UEFI firmware for QEMU is installed (on Debian: ovmf)\n'],
  ['-k /nope vm', '4: bhyve: Failed to open configuration file /nope: No such file or directory\n'],
  ['-s 3 vm', '4: Invalid PCI slot info field "3"\n'],
  ['-s 32,lpc vm', '4: Invalid PCI slot info field "32,lpc"\n'],
  ['-s 3:8,lpc vm', '4: Invalid PCI slot info field "3:8,lpc"\n'],
  ['-s x,lpc vm', '4: Invalid PCI slot info field "x,lpc"\n'],
  ['-s 3,virtio-nett,tap0 vm', '4: pci slot 0:3:0: unknown device "virtio-nett"\n'],
  ['-s 3,virtio-net,tap0 -s 0:3:0,virtio-blk,x vm', '4: pci slot 0:3:0 already occupied!\n'],
  ['-s 3,ahci,xd:/a vm', '4: Missing or invalid type for port 0: "xd:/a"\n'],
  ['-o a=1 -o a.b=2 vm', '4: bhyve: Failed to create configuration node a\n'],
  ['-s 1,lpc -l com1,stdio -l com2,stdio vm', "4: Unable to initialize backend 'stdio' for LPC device com2\n"],
  ['a/b', '4: vm_create: Invalid argument\n'],
  // What only bhyve has.
  ['-s 3,passthru,1/2/3 vm', `errno ${EINVAL}: pci slot 0:3:0: device "passthru" has no counterpart here; leave it out`],
  ['-s 1:2:0,lpc vm', `errno ${EINVAL}: pci slot 1:2:0: there is only bus 0 here; give the device a slot of it`],
  ['-s 3,fbuf,tcp=127.0.0.1:80 vm', `errno ${EINVAL}: fbuf: QEMU's VNC server has ports from 5900 on, not 80`],
  ['-s 3,virtio-blk vm', `errno ${EINVAL}: Missing "path" for block device.`],
  ['-s 3,virtio-blk,x,sectorsize=abc vm', `errno ${EINVAL}: Invalid sector size "abc"`],
  // Network cards.
  ['-s 3,virtio-net,netgraph,peerhook=link0 vm', `errno ${EINVAL}: path must be provided`],
  ['-s 3,virtio-net,netgraph,path=vmbridge: vm', `errno ${EINVAL}: peer hook must be provided`],
  ['-s 3,virtio-net,eth0 vm', `errno ${EINVAL}: `],
  ['-s 3,e1000 vm', `errno ${EINVAL}: `],
  ['-s 3,virtio-net vm', 'runs'],
  ['-s 3,virtio-net,tap0,mac=01:00:00:00:00:01 vm', `errno ${EINVAL}: Invalid MAC 01:00:00:00:00:01`],
  ['-s 3,virtio-net,tap0,mac=0:0:0:0:0:0 vm', `errno ${EINVAL}: Invalid MAC 0:0:0:0:0:0`],
  ['-s 3,virtio-net,tap0,mac=zz vm', `errno ${EINVAL}: Invalid MAC zz`],
  ['-s 3,virtio-net,tap0,mtu=45 vm', `errno ${EINVAL}: `],
  ['-s 3,virtio-net,tap0,mtu=65536 vm', `errno ${EINVAL}: `],
  ['-s 3,virtio-net,tap0,mtu=18446744073709551616 vm', `errno ${ERANGE}: `],
  ['-s 3,virtio-net,tap0,mtu=-1500 vm', `errno ${EINVAL}: `],
  ['-s 3,virtio-net,tap0,mtu=1500x vm', `errno ${EINVAL}: `],
  ['-s 3,e1000,tap0,mtu=no vm', 'runs'],
  ['-s 3,virtio-net,vale0:1 vm', `errno ${EOPNOTSUPP}: Unable to nm_open(): interface 'vale0:1', errno (Operation not supported)`],
  // bhyve checks the link address before the backend, and the devices by their slots.
  ['-s 4,virtio-net,netgraph -s 3,virtio-net,tap0,mac=zz vm', `errno ${EINVAL}: Invalid MAC zz`],
])('%s', (text, end) => {
  expect(ending(text)).toBe(end);
});

test.each<[string, object]>([
  ['-c 4 -m 1024M vm', { memoryBytes: 1 << 30, topology: { sockets: 4, cores: 1, threads: 1 } }],
  ['-c cpus=8,sockets=2,cores=2,threads=2 -m 2 vm', { memoryBytes: 2 << 20, topology: { sockets: 2, cores: 2, threads: 2 } }],
  ['-c sockets=2,threads=2 -m 0x100000 vm', { memoryBytes: 1 << 20, topology: { sockets: 2, cores: 1, threads: 2 } }],
  ['-A -H -P -w -u -W -D -S -C -U 5f7a -G w127.0.0.1:1234 -s 0,hostbridge -s 31,lpc -l com1,stdio vm', {
    machine: 'q35', lingers: false, utc: true, msix: false, wiredMemory: true, guestInCore: true, uuid: '5f7a', gdb: { address: '127.0.0.1', port: 1234, wait: true }, serial: ['console', null, null, null], onReset: 'end',
  }],
  ['-s 1,lpc -l com2,/dev/nmdm0A -l com1,/dev/ttyS3 vm', { machine: 'pc', lingers: true, utc: false, serial: ['/dev/ttyS3', 'console', null, null] }],
  ['-s 2:1,e1000,tap3,mac=2:3:4:5:6:7 vm', { nics: [{ slot: 2, func: 1, model: 'e1000', mac: '02:03:04:05:06:07', mtu: null, backend: { kind: 'tap', device: 'tap3' } }] }],
  ['-s 2,virtio-net,netgraph,socket=vm0,path=vmbridge:,hook=vm0link,peerhook=link0,mtu=0x5dc,unknown vm', {
    nics: [{ slot: 2, func: 0, model: 'virtio-net', mac: generatedMac(2, 0, 'vm'), mtu: 1500, backend: { kind: 'netgraph', path: 'vmbridge:', hook: 'vm0link', peerhook: 'link0', socket: 'vm0' } }],
  }],
  ['-s 2,virtio-net,netgraph,path=ix0:,peerhook=lower vm', { nics: [{ backend: { kind: 'netgraph', path: 'ix0:', hook: 'vmlink', peerhook: 'lower', socket: null } }] }],
  // A backend is known by its first letters.
  ['-s 2,virtio-net,netgraphfoo,path=a:,peerhook=b vm', { nics: [{ backend: { kind: 'netgraph' } }] }],
  ['-s 2,virtio-net,x,type=tap vm', { nics: [{ backend: { kind: 'tap', device: 'x' } }] }],
  ['-s 2,virtio-net,slirp,hostfwd=tcp:127.0.0.1:8022-10.0.2.15:22 vm', { nics: [{ backend: { kind: 'gateway', hostfwd: 'tcp:127.0.0.1:8022-10.0.2.15:22', restrict: true } }] }],
  ['-s 2,virtio-net,slirp,open vm', { nics: [{ backend: { kind: 'gateway', hostfwd: '', restrict: false } }] }],
  ['-s 3,virtio-blk,disk.img,ro,ser=abc,bootindex=1 -s 4,ahci-cd,/cd.iso vm', {
    disks: [{ slot: 3, func: 0, device: 'virtio-blk', path: '/home/disk.img', format: 'raw', readOnly: true, serial: 'abc', bootIndex: 1 }, { slot: 4, device: 'ahci-cd', path: '/cd.iso', readOnly: true, bootIndex: null }],
  }],
  ['-s 3,ahci,hd:/a,cd:/b,hd:/c,ro vm', { disks: [{ slot: 3, device: 'ahci-hd', path: '/a', readOnly: false }, { device: 'ahci-cd', path: '/b' }, { device: 'ahci-hd', path: '/c', readOnly: true }] }],
  ['-s 29,fbuf,tcp=[::1]:5901,w=800,h=600 -s 30,xhci,tablet -s 5,virtio-rnd vm', {
    extras: [{ slot: 5, device: 'virtio-rnd' }, { slot: 29, device: 'fbuf', host: '::1', port: 5901, width: 800, height: 600 }, { slot: 30, device: 'xhci', tablet: true }],
  }],
  ['-f name=opt/x,string=a,b vm', { qemuArgs: ['-fw_cfg', 'name=opt/x,string=a,,b'] }],
])('%s is a machine', (text, spec) => {
  expect(machine(text)).toMatchObject(spec);
});

test("bhyve's firmware is QEMU's, if there is one", () => {
  expect(machine('-l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI.fd vm', '/ovmf').firmware).toBe('/ovmf');
  expect(machine('-l bootrom,mine.fd vm').firmware).toBe('/home/mine.fd');
});

test('generated link addresses are those of bhyve', () => {
  // md5("2-0-vm0") and md5("3-1-freebsd-0")
  expect([generatedMac(2, 0, 'vm0'), generatedMac(3, 1, 'freebsd-0')]).toEqual(['00:a0:98:f0:55:05', '00:a0:98:de:c9:eb']);
});

describe('configuration', () => {
  test('a file of -k, an -o, references', () => {
    const args = '-k vm.conf -o disk=%(folder)/a.img -o name=x%(folder)';
    expect(configFilesOf(args.split(' '))).toEqual(['vm.conf']);
    const config = parse(args, new Map([['vm.conf', { text: '# a comment\n\nfolder=/vms\nmemory.size=1G\npci.0.3.0.device=virtio-blk\npci.0.3.0.path=%(disk)\n' }]]));
    expect(config.get('pci.0.3.0.path')).toBe('/vms/a.img');
    expect(config.get('name')).toBe('x/vms');
    expect(config.get('memory.size')).toBe('1G');
  });

  test('what is wrong with a file has its line', () => {
    expect(() => parse('-k f vm', new Map([['f', { text: 'a=1\nb\n' }]]))).toThrow("bhyve: f line 2: invalid config option 'b'");
  });

  test('references that lead nowhere are told', () => {
    const config = parse('-o a=%(b)1 -o c=%x -o d=\\%(b) vm');
    expect([config.get('a'), config.get('c'), config.get('d')]).toEqual(['1', '%x', '%(b)']);
    expect(config.warnings).toEqual(['bhyve: Failed to fetch referenced configuration variable b\n', 'bhyve: Invalid reference in configuration value "%x"\n']);
  });

  test('config.dump prints all', () => {
    expect(parseBhyve('-o config.dump=1 -s 2,virtio-net,tap0 vm'.split(' '), new Map())).toEqual({
      code: 1,
      text: 'acpi_tables=false\nacpi_tables_in_memory=true\nmemory.size=256M\nx86.strictmsr=true\nlpc.fwcfg=bhyve\nconfig.dump=1\npci.0.2.0.device=virtio-net\npci.0.2.0.backend=tap0\nname=vm\n',
    });
  });

  test('-s help and -l help', () => {
    expect(parseBhyve(['-s', 'help'], new Map())).toMatchObject({ code: 0, text: expect.stringContaining('virtio-net\n') as string });
    expect(parseBhyve(['-l', 'h'], new Map())).toEqual({ code: 0, text: 'bootrom\ncom1\ncom2\ncom3\ncom4\ntpm\npc-testdev\n' });
  });
});
