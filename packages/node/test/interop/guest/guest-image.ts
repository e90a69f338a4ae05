/**
 * guest-image.ts — what a test guest boots: a kernel of this machine, and a root of busybox, modules, programs and files.
 * Read first: guest-kernel.ts; Linux Documentation/filesystems/ramfs-rootfs-initramfs.rst. To boot one, guest.ts.
 *
 *     const { kernel, initrd, append } = guestImage({ modules: ['8021q'], programs: ['iperf3'], script: 'ip addr add 10.0.0.1/24 dev eth0' });
 *     spawn('qemu-system-x86_64', ['-kernel', kernel, '-initrd', initrd, '-append', append, ...]);
 *
 * Theory of operation. The root is an archive in a temporary folder of this user, named after a hash of all that is in it, so that it is made once.
 * Its /init loads the modules in order, brings lo up and runs `script`; then it writes GUEST_UP on the console, starts the agent that guest-shell.ts
 * talks to, and puts a shell on the console. What `script` writes is on the console. The agent's line is a port of virtio's serial card
 * (`agentArgs`), because a UART of QEMU's now and then forgets an interrupt when the machine is busy; for a guest without such a card, `agentOn` names another.
 *
 * Programs are in /bin with the shared libraries they need where they look for them. busybox's shell prefers its own applets: where a program has
 * an applet's name (`ip`, `tc`, `ping`), write `/bin/ip`.
 *
 * Needs busybox (static), ldd for `programs`, and a kernel package: guard tests with `peer(..., 'guest')`, which asks for these and for QEMU.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { basename, join } from 'node:path';
import { programPath } from '../../program-path.js';
import { cpioArchive } from './cpio.js';
import type { CpioFile } from './cpio.js';
import { guestKernel, moduleFiles } from './guest-kernel.js';

/** What a guest has besides busybox and the modules of virtio's network card. */
export interface GuestParts {
  /** Modules, loaded in this order after those of virtio, with what they need. */
  readonly modules?: readonly string[];
  /** Programs of this machine. */
  readonly programs?: readonly string[];
  /** More files, by absolute path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** Shell text, run when the modules are loaded and before the guest is ready. */
  readonly script?: string;
}

export interface GuestImage {
  readonly kernel: string;
  readonly initrd: string;
  /** The kernel's command line. */
  readonly append: string;
}

/** What the guest writes on its console when its script is done. */
export const GUEST_UP = 'guest is up';

const VIRTIO = ['virtio_pci', 'virtio_net', 'virtio_console'];
/** The agent's line, as /dev has it. */
const AGENT_LINE = 'vport0p1';
const CACHE_MS = 7 * 24 * 3_600_000;
const FOLDERS = ['/bin', '/dev', '/etc', '/lib/modules', '/proc', '/root', '/run', '/sys', '/tmp', '/var'];

/** Reads requests of guest-shell.ts, runs each on its own, and writes its answer in one piece. A line that is no terminal has no modes to set. */
const AGENT = `#!/bin/busybox sh
exec 0<>/dev/$1 1>&0 2>/dev/null
stty raw -echo
mkdir /run/agent
echo ready
while read -r id text; do
  echo "begun $id"
  (
    at=/run/agent/$id
    echo "$text" | base64 -d >$at
    sh $at </dev/null >$at.out 2>&1
    code=$?
    until mkdir /run/agent/lock; do usleep 10000; done
    base64 -w 0 $at.out
    echo
    echo "done $id $code"
    rm -r /run/agent/lock $at $at.out
  ) &
done
`;

function initText(modules: readonly string[]): string {
  const loads = modules.map((file) => `insmod /lib/modules/${file} || echo "cannot load ${file}"`);
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
${loads.join('\n')}
ip link set lo up
sh /etc/rc
agent=${AGENT_LINE}
for word in $(cat /proc/cmdline); do case $word in guest.agent=*) agent=\${word#guest.agent=};; esac; done
echo "${GUEST_UP}"
[ -e /dev/$agent ] && sh /bin/guest-agent $agent &
[ $agent = ttyS0 ] && wait
while true; do setsid cttyhack sh; done
`;
}

/** A program of this machine and the libraries it needs. @throws Error when there is no such program. */
function programFiles(name: string): CpioFile[] {
  const path = programPath(name);
  if (path === null) throw new Error(`no program ${name} for the guest`);
  const libraries = [...spawnSync('ldd', [path], { encoding: 'utf8' }).stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
  return [{ path: `/bin/${name}`, data: readFileSync(path), executable: true }, ...libraries.map((library) => ({ path: library, data: readFileSync(library), executable: true }))];
}

function filesOf(kernelModules: readonly string[], { programs = [], files = {}, script = '' }: GuestParts): CpioFile[] {
  const text = (path: string, data: string | Uint8Array, executable = false): CpioFile => ({ path, data: typeof data === 'string' ? Buffer.from(data) : data, executable });
  const all = [
    text('/init', initText(kernelModules.map((file) => basename(file))), true),
    text('/bin/busybox', readFileSync(programPath('busybox') ?? 'busybox'), true),
    text('/bin/guest-agent', AGENT),
    text('/etc/rc', script),
    ...kernelModules.map((file) => text(`/lib/modules/${basename(file)}`, readFileSync(file))),
    ...programs.flatMap((name) => programFiles(name)),
    ...Object.entries(files).map(([path, data]) => text(path, data, true)),
  ];
  return [...new Map(all.map((file) => [file.path, file])).values()];
}

/** The folder of the archives that were made; nobody else may write there. */
function cacheFolder(): string {
  const { uid } = userInfo();
  const folder = join(tmpdir(), `netloom-guest-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  if (!found.isDirectory() || (uid >= 0 && found.uid !== uid) || (found.mode & 0o022) !== 0) throw new Error(`${folder} is not this user's own folder; remove it`);
  return folder;
}

/** Archives that nobody has made anew for a week go. */
function forgetOld(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) > CACHE_MS) rmSync(path, { force: true });
  }
}

/** QEMU's arguments for the agent's line, with the chardev `id` behind it. No other virtio serial card may come before it. */
export function agentArgs(id: string): string[] {
  return ['-device', 'virtio-serial-pci', '-device', `virtserialport,chardev=${id}`];
}

/** The kernel's command line with the agent on another line: `ttyS1`, or `ttyS0`, where there is no shell on the console then. */
export function agentOn(append: string, line: string): string {
  return `${append} guest.agent=${line}`;
}

/** The files to boot a guest from. @throws Error when this machine lacks something of it. */
export function guestImage(parts: GuestParts = {}): GuestImage {
  const modules = [...VIRTIO, ...(parts.modules ?? [])];
  const kernel = guestKernel(...modules);
  if (kernel === null) throw new Error(`no kernel package with the modules ${modules.join(', ')} (apt-get install linux-image-cloud-amd64)`);
  const files = filesOf(moduleFiles(kernel, modules), parts);
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file.path}\0${file.executable}\0${file.data.length}\0`).update(file.data);
  const initrd = join(cacheFolder(), `${hash.digest('hex').slice(0, 32)}.cpio`);
  if (!existsSync(initrd)) {
    forgetOld(cacheFolder());
    const draft = `${initrd}.${process.pid}`;
    writeFileSync(draft, cpioArchive(files, FOLDERS));
    renameSync(draft, initrd);
  }
  return { kernel: realpathSync(kernel.image), initrd, append: 'console=ttyS0 quiet panic=-1' };
}
