/**
 * vmrun-options.ts — vmrun.sh's command line, and the command lines of bhyve that it means.
 * Read first: FreeBSD's share/examples/bhyve/vmrun.sh; bhyve(8).
 *
 * Slots are handed out as the script does: 0 and 1 are the bridges, then each -t, each -d, each -p; an installation CD is in slot 31. The text of -t is the
 * backend's words as they are. FreeBSD's loader is not here: a disk is booted by its own boot sector, and what is meant for the loader is told and left out.
 */
import { getopt } from '@netloom/userland';

const MEMSIZE = '512M';
const CPUS = '2';
const TAPDEV = 'tap0';
const CONSOLE = 'stdio';
const NIC = 'virtio-net';
const DISK = 'virtio-blk';
const DISKDEV = './diskdev';
const ISOFILE = './release.iso';
const FIRMWARE = '/usr/local/share/uefi-firmware/BHYVE_UEFI.fd';
const VNCHOST = '127.0.0.1';
const VNCPORT = '5900';
const VNCSIZE = 'w=1024,h=768';
const FIRST_SLOT = 2;

export interface VmrunOptions {
  readonly name: string;
  readonly cpus: string;
  readonly memory: string;
  readonly console: string;
  readonly nic: string;
  readonly taps: readonly string[];
  /** Each with the words behind its file. */
  readonly disks: readonly { readonly file: string; readonly words: string }[];
  readonly diskDevice: string;
  readonly passthru: readonly string[];
  readonly install: boolean;
  readonly iso: string;
  /** Switches handed on to bhyve. */
  readonly switches: readonly string[];
  readonly efi: { readonly firmware: string; readonly frame: string; readonly tablet: boolean } | null;
  /** What is meant for FreeBSD's loader. */
  readonly loader: readonly string[];
}

export const VMRUN_USAGE = `Usage: vmrun.sh [-aAEhiTuvw] [-c <CPUs>] [-C <console>] [-d <disk file>]
                [-e <name=value>] [-f <path of firmware>] [-F <size>]
                [-G [w][address:]port] [-H <directory>]
                [-I <location of installation iso>] [-l <loader>]
                [-L <VNC IP for UEFI framebuffer>]
                [-m <memsize>] [-n <network adapter emulation type>]
                [-p <pcidev|bus/slot/func>]
                [-P <port>] [-t <tapdev>] <vmname>

       -h: display this help message
       -a: force memory mapped local APIC access
       -A: use AHCI disk emulation instead of ${DISK}
       -c: number of virtual cpus (default: ${CPUS})
       -C: console device (default: ${CONSOLE})
       -d: virtio diskdev file (default: ${DISKDEV})
       -e: set FreeBSD loader environment variable
       -E: Use UEFI mode
       -f: Use a specific UEFI firmware
       -F: Use a custom UEFI GOP framebuffer size (default: ${VNCSIZE})
       -G: bind the GDB stub to the specified address
       -H: host filesystem to export to the loader
       -i: force boot of the Installation CDROM image
       -I: Installation CDROM image location (default: ${ISOFILE})
       -l: the OS loader to use (default: /boot/userboot.so)
       -L: IP address for UEFI GOP VNC server (default: ${VNCHOST})
       -m: memory size (default: ${MEMSIZE})
       -n: network adapter emulation type (default: ${NIC})
       -p: pass-through a host PCI device (e.g ppt0 or bus/slot/func)
       -P: UEFI GOP VNC port (default: ${VNCPORT})
       -t: tap device for virtio-net (default: ${TAPDEV})
       -T: Enable tablet device (for UEFI GOP)
       -u: RTC keeps UTC time
       -v: Wait for VNC client connection before booting VM
       -w: ignore unimplemented MSRs

`;

/** A refusal: lines for standard output, which is where the script writes. */
export interface VmrunUsage {
  readonly text: string;
  readonly error: string;
}

export function parseVmrun(args: readonly string[]): VmrunOptions | VmrunUsage {
  const { options, rest, error } = getopt('aAc:C:d:e:Ef:F:G:hH:iI:l:L:m:n:p:P:t:Tuvw', args);
  // sh's getopts complains on standard error, and the script goes on to its usage.
  if (error !== null) return { text: VMRUN_USAGE, error: `vmrun.sh: ${error}\n` };
  if (options.some(([letter]) => letter === 'h')) return { text: VMRUN_USAGE, error: '' };
  if (rest.length !== 1) return { text: `${VMRUN_USAGE}*** virtual machine name not specified\n`, error: '' };
  const all = (letter: string): string[] => options.flatMap(([l, value]) => (l === letter ? [value] : []));
  const last = (letter: string, fallback: string): string => all(letter).at(-1) ?? fallback;
  const has = (letter: string): boolean => options.some(([l]) => l === letter);
  const disks = all('d').map((text) => ({ file: text.split(',', 1)[0] ?? '', words: text.slice((text.split(',', 1)[0] ?? '').length) }));
  const passthru = all('p');
  return {
    name: rest[0] ?? '',
    cpus: last('c', CPUS), memory: last('m', MEMSIZE), console: last('C', CONSOLE), nic: last('n', NIC),
    taps: has('t') ? all('t') : [TAPDEV],
    disks: disks.length > 0 ? disks : [{ file: DISKDEV, words: '' }],
    diskDevice: has('A') ? 'ahci-hd' : DISK,
    passthru, install: has('i'), iso: last('I', ISOFILE),
    switches: ['-H', '-A', '-P', ...options.flatMap(([letter, value]) => (letter === 'a' || letter === 'u' || letter === 'w' ? [`-${letter}`] : letter === 'G' ? ['-G', value] : [])), ...(passthru.length > 0 ? ['-S'] : [])],
    efi: has('E') ? { firmware: last('f', FIRMWARE), frame: `tcp=${last('L', VNCHOST)}:${last('P', VNCPORT)},${last('F', VNCSIZE)}${has('v') ? ',wait' : ''}`, tablet: has('T') } : null,
    loader: options.flatMap(([letter, value]) => (letter === 'e' || letter === 'l' || letter === 'H' ? [`-${letter} ${value}`] : [])),
  };
}

/** bhyve's command line. `cd`: the installation CD is in, and booted. */
export function bhyveArgv(options: VmrunOptions, cd: boolean): string[] {
  let slot = FIRST_SLOT;
  const devices = [
    ...options.taps.map((tap) => `${options.nic},${tap}`),
    ...options.disks.map(({ file, words }) => `${options.diskDevice},${file}${words}`),
    ...options.passthru.map((device) => `passthru,${device}`),
  ].flatMap((device) => ['-s', `${slot++}:0,${device}`]);
  const { efi } = options;
  return [
    'bhyve', '-c', options.cpus, '-m', options.memory, ...options.switches, '-s', '0:0,hostbridge', '-s', '1:0,lpc',
    ...(efi === null ? [] : ['-s', `29,fbuf,${efi.frame}`, '-l', `bootrom,${efi.firmware}`, ...(efi.tablet ? ['-s', '30,xhci,tablet'] : [])]),
    ...devices, '-l', `com1,${options.console}`, ...(cd ? ['-s', `31:0,ahci-cd,${options.iso},bootindex=0`] : []), options.name,
  ];
}
