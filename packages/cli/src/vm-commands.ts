/**
 * vm-commands.ts — `netloom vm run`, `ls`, `stop`: virtual machines of the daemon.
 * Read first: docs/vm.md. The console is in vm-console-command.ts.
 */
import { resolve } from 'node:path';
import { DaemonClient, diskOf } from '@netloom/node/client';
import type { VmDiskRequest, VmRequest, VmView } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_USAGE, json } from './cli-io.js';
import { isSeenFrom, jailAround } from './inside-jail.js';
import { isRunning, startBackgroundDaemon } from './background-daemon.js';
import { showConsole } from './vm-console-command.js';
import { vmTable } from './vm-table.js';

export interface VmRunOptions {
  readonly vnet?: string;
  readonly memory?: string;
  readonly cpus?: string;
  readonly disk?: readonly string[];
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly firmware?: string;
  readonly nic?: readonly string[];
  readonly nicModel?: 'virtio-net' | 'e1000';
  readonly nicTransport?: 'stream' | 'vhost-user';
  readonly machine?: 'pc' | 'q35';
  readonly accel?: 'auto' | 'kvm' | 'tcg';
  readonly v86?: boolean;
  readonly protectable?: boolean;
  readonly lock?: string;
  readonly qemuArg?: readonly string[];
  readonly console?: boolean;
  readonly json?: boolean;
}

function diskRequest(text: string): VmDiskRequest {
  const disk = diskOf(text, resolve);
  if (typeof disk === 'string') throw new CliError(disk, EXIT_USAGE);
  return disk;
}

const file = (path: string | undefined, key: string): Record<string, string> => (path === undefined ? {} : { [key]: resolve(path) });

export async function vmRun(name: string, options: VmRunOptions, socket: string, io: CliIo): Promise<void> {
  const { vnet = jailAround(io) || undefined, memory, cpus, append, nicModel, nicTransport, machine, accel } = options;
  const request: VmRequest = {
    name, ...(vnet === undefined ? {} : { vnet }), ...(memory === undefined ? {} : { memory }), ...(cpus === undefined ? {} : { cpus: Number(cpus) }),
    disks: (options.disk ?? []).map(diskRequest), nics: options.nic ?? [], ...file(options.kernel, 'kernel'), ...file(options.initrd, 'initrd'), ...(append === undefined ? {} : { append }),
    ...(options.firmware === 'uefi' ? { firmware: 'uefi' } : file(options.firmware, 'firmware')), ...(nicModel === undefined ? {} : { nicModel }), ...(nicTransport === undefined ? {} : { nicTransport }),
    ...(machine === undefined ? {} : { machine }), ...(accel === undefined ? {} : { accel }), qemuArgs: options.qemuArg ?? [], ...(options.v86 === true ? { v86: true } : {}),
    ...(options.protectable === true ? { protectable: true } : {}), ...file(options.lock, 'lock'),
  };
  if (!(await isRunning(socket))) {
    const { pid, log } = await startBackgroundDaemon(socket);
    io.err(`netloom: started a daemon in the background (process ${pid}, socket ${socket}, log ${log}); "netloom stop" ends it\n`);
  }
  const vm = await new DaemonClient(socket).post<VmView>('/v1/vms', request);
  if (options.json === true) io.out(json(vm));
  else io.out(`${vm.name} runs (process ${vm.pid}, ${vm.accel ?? ''}): ${vm.nics.map((nic, i) => `net${i} ${nic.mac} at ${nic.at ?? 'nothing'}`).join(', ') || 'no network card'}\n`);
  if (options.console === true) await showConsole(name, { history: true }, socket, io);
}

export async function vmList(options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  const jail = jailAround(io);
  const vms = (await new DaemonClient(socket).get<VmView[]>('/v1/vms')).filter((vm) => isSeenFrom(jail, vm.vnet));
  io.out(options.json === true ? json(vms) : vmTable(vms));
}

export interface VmStopOptions {
  readonly kill?: boolean;
  readonly seconds?: string;
  readonly json?: boolean;
}

const HOW: Readonly<Record<string, string>> = {
  poweroff: 'has powered down', reset: 'has ended with a restart', panic: 'has ended: its kernel panicked', stopped: 'has been stopped', killed: 'has been killed', failed: 'has ended with an error of QEMU',
};

export async function vmStop(names: readonly string[], options: VmStopOptions, socket: string, io: CliIo): Promise<void> {
  const seconds = options.kill === true ? '0' : options.seconds;
  const query = seconds === undefined ? '' : `?seconds=${seconds}`;
  const client = new DaemonClient(socket);
  const ends: { name: string; how: string; message: string }[] = [];
  for (const name of names) {
    const end = await client.delete<{ name: string; how: string; message: string }>(`/v1/vms/${encodeURIComponent(name)}${query}`);
    ends.push(end);
    if (options.json !== true) io.out(`${end.name} ${HOW[end.how] ?? end.how}${end.message === '' ? '' : `: ${end.message}`}\n`);
  }
  if (options.json === true) io.out(json(ends));
}
