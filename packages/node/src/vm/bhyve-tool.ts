/**
 * bhyve-tool.ts — bhyve(8): a machine with its serial line at the caller's terminal, for as long as it runs.
 * Read first: bhyve-options.ts, bhyve-machine.ts, vms.ts.
 *
 * The machine lives as long as the tool: whatever ends the tool takes the machine's power. SIGTERM presses the power button, as bhyve's does. A
 * terminal is made raw, so that every key goes to the guest.
 *
 * What the machine says waits for a terminal that is slow, up to WAITING_MAX, and is left out beyond; the console's log has all of it.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { EEXIST, strerror } from '@netloom/core';
import type { Proc, Tool } from '@netloom/userland';
import { StdinReader } from '@netloom/userland';
import { errnoText } from '../daemon/errno-text.js';
import { vnetName } from '../daemon/kernel-topology.js';
import { BhyveConfig, BhyveExit, EXIT_ERROR } from './bhyve-config.js';
import { bhyveMachine } from './bhyve-machine.js';
import { configFilesOf, parseBhyve } from './bhyve-options.js';
import type { BhyveAnswer, ConfigFiles } from './bhyve-options.js';
import { uefiFirmware } from './qemu-program.js';
import type { VmEnd } from './vm-process.js';
import { VmRefusal } from './vm-spec.js';
import { VM_TOOLS } from './vm-tools.js';
import type { Vm } from './vm.js';
import type { Vms } from './vms.js';

const WAITING_MAX = 1024 * 1024;

/** bhyve(8), "EXIT STATUS". QEMU does not tell a halt or a triple fault from the others. */
const EXIT_CODES: Readonly<Record<VmEnd['how'], number>> = { reset: 0, poweroff: 1, stopped: 1, panic: 2, killed: EXIT_ERROR, failed: EXIT_ERROR };

export function bhyveTool(vms: Vms): Tool {
  return { summary: VM_TOOLS.bhyve, main: (p) => main(p, vms) };
}

async function main(p: Proc, vms: Vms): Promise<number> {
  let parsed: BhyveConfig | BhyveAnswer;
  let vm: Vm;
  try {
    parsed = parseBhyve(p.argv.slice(1), await readFiles(p));
    if (!(parsed instanceof BhyveConfig)) {
      p.out(parsed.text);
      return parsed.code;
    }
    vm = await start(p, vms, parsed);
  } catch (error) {
    return refused(p, error);
  }
  const code = await attend(p, vm, atStdio(parsed));
  if (vm.spec.lingers) return code;
  await vms.destroy(vm.name);
  return code;
}

async function readFiles(p: Proc): Promise<ConfigFiles> {
  const files = new Map<string, { readonly text: string } | { readonly error: string }>();
  for (const path of configFilesOf(p.argv.slice(1))) {
    const read = readFile(resolve(p.cwd, path), 'utf8').then((text) => ({ text }), (error: NodeJS.ErrnoException) => ({ error: errnoText(error.code ?? 'EIO') }));
    files.set(path, await read);
  }
  return files;
}

async function start(p: Proc, vms: Vms, config: BhyveConfig): Promise<Vm> {
  const place = { vnet: vnetName(p.prison, p.kernel.prisons.prison0), absolute: (path: string) => resolve(p.cwd, path), uefi: uefiFirmware() };
  const spec = bhyveMachine(config, place);
  for (const warning of config.warnings) p.err(warning);
  const before = vms.find(spec.name);
  if (before !== null && before.state !== 'ended') throw new BhyveExit(EXIT_ERROR, `vm_create: ${strerror(EEXIST)}\n`);
  let ended = false;
  const starting = vms.run(spec);
  // Whoever ends the tool ends the machine, from this moment on.
  p.atExit(() => {
    ended = true;
    void vms.find(spec.name)?.stop(0);
  });
  const vm = await starting;
  if (ended) await vm.stop(0);
  return vm;
}

function refused(p: Proc, error: unknown): number {
  if (error instanceof BhyveExit) {
    p.err(error.text);
    return error.code;
  }
  if (!(error instanceof VmRefusal)) throw error;
  for (const line of error.lines) p.err(`${line}\n`);
  p.err(`Device emulation initialization error: ${strerror(error.errno)}\n`);
  return EXIT_ERROR;
}

/** Is a serial line at the caller's terminal? */
function atStdio(config: BhyveConfig): boolean {
  return [1, 2, 3, 4].some((n) => config.get(`lpc.com${n}.path`) === 'stdio');
}

/** Stays with the machine until it has ended; bhyve's exit code. */
async function attend(p: Proc, vm: Vm, stdio: boolean): Promise<number> {
  p.onSignal((signal) => {
    if (signal !== 'TERM') return false;
    void vm.process?.powerdown();
    return true;
  });
  if (stdio) p.rawInput('all');
  const end = await speak(p, vm, stdio);
  if (stdio) p.rawInput(false);
  if (end.message !== '') p.err(`${end.message}\n`);
  return EXIT_CODES[end.how];
}

async function speak(p: Proc, vm: Vm, stdio: boolean): Promise<VmEnd> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  const leave = stdio ? vm.console?.watch({
    said: (said) => {
      if (bytes + said.length > WAITING_MAX) return;
      waiting.push(said);
      bytes += said.length;
      p.wake();
    },
    ended: () => p.wake(),
  }) : undefined;
  if (leave !== undefined) p.atExit(leave);
  const typed = new StdinReader(p);
  if (stdio) typed.start();
  void vm.gone.then(() => p.wake());
  for (;;) {
    for (const said of waiting) p.out(said);
    waiting = [];
    bytes = 0;
    const input = typed.take();
    if (input !== null) vm.console?.type(input);
    await p.flush();
    if (vm.end !== null && waiting.length === 0) return vm.end;
    if (waiting.length === 0) await p.sleepUs(Infinity);
  }
}
