/**
 * kvm-probe.ts — does KVM work here?
 *
 * /dev/kvm may be there and refuse, or let a machine start and then run it nowhere (nested virtualization that is half there). So a machine is run:
 * a firmware of 64 KB whose first instruction, at the reset vector, writes to a port that ends QEMU with a code of its own. It takes a few
 * hundredths of a second; the answer is kept while the process lives.
 */
import { spawn } from 'node:child_process';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROM_BYTES = 65_536;
/** Sixteen bytes below the end of the first megabyte, and of the ROM. */
const RESET_VECTOR = 0xfff0;
const EXIT_PORT = 0xf4;
const EXIT_VALUE = 0x10;
/** What isa-debug-exit makes of the value. */
const EXIT_CODE = (EXIT_VALUE << 1) | 1;
const PROBE_MS = 5_000;

/** mov al, EXIT_VALUE; out EXIT_PORT, al; hlt; jmp back */
const CODE = [0xb0, EXIT_VALUE, 0xe6, EXIT_PORT, 0xf4, 0xeb, 0xfd];

const answers = new Map<string, Promise<boolean>>();

/** Does `qemu` run a machine with KVM? */
export function kvmWorks(qemu: string): Promise<boolean> {
  const known = answers.get(qemu);
  if (known !== undefined) return known;
  const asked = accelWorks(qemu, ['-accel', 'kvm', '-cpu', 'host']);
  answers.set(qemu, asked);
  return asked;
}

/** Runs the firmware with these words of QEMU. */
export async function accelWorks(qemu: string, accel: readonly string[]): Promise<boolean> {
  if (accel.includes('kvm') && !(await mayUseKvm())) return false;
  const folder = await mkdtemp(join(tmpdir(), 'netloom-kvm-'));
  try {
    const rom = Buffer.alloc(ROM_BYTES, 0x90);
    rom.set(CODE, RESET_VECTOR);
    await writeFile(join(folder, 'rom'), rom);
    return (await exitCode(qemu, [...accel, '-M', 'pc', '-bios', join(folder, 'rom'), '-device', `isa-debug-exit,iobase=${EXIT_PORT},iosize=1`, '-nodefaults', '-no-user-config', '-display', 'none'], folder)) === EXIT_CODE;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function mayUseKvm(): Promise<boolean> {
  return access('/dev/kvm', constants.R_OK | constants.W_OK).then(() => true, () => false);
}

/** `cwd`: a QEMU that breaks leaves its core there. */
function exitCode(program: string, args: readonly string[], cwd: string): Promise<number | null> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd, stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), PROBE_MS);
    const done = (code: number | null): void => {
      clearTimeout(timer);
      resolve(code);
    };
    child.once('error', () => done(null));
    child.once('exit', done);
  });
}
