/**
 * run-commands.ts — `netloom exec`, `capture`, `attach`, `detach`, `tools`: what runs in vnets and what is bound to them.
 */
import { fstatSync, openSync, rmSync } from 'node:fs';
import { absoluteFileDevice, absoluteGuestDevice, DaemonClient, HOST_VNET } from '@netloom/node/client';
import type { Attachment } from '@netloom/node/client';
import type { ToolEnd } from './call-tool.js';
import { callTool, exitLike } from './call-tool.js';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_UNREACHABLE, EXIT_USAGE, json, table } from './cli-io.js';
import { InstallError, installLaunchers } from './launcher/install.js';
import type { LauncherRuntime } from './launcher/install.js';
import { TOOL_SUMMARIES } from './tool-names.js';

/** `netloom exec VNET CMD...`: jexec, or the command itself for the stack outside all jails. */
export async function exec(vnet: string, command: readonly string[], socket: string, io: CliIo): Promise<void> {
  const outside = vnet === HOST_VNET;
  const name = (command[0] ?? '').replace(/^.*\//, '');
  if (outside && !Object.hasOwn(TOOL_SUMMARIES, name)) throw new CliError(`"${name}" is not one of the tools ("netloom tools list"); a program of this machine needs no "netloom exec host"`);
  endAs(await callTool(outside ? command : ['jexec', vnet, ...command], toolEnv(io.env, socket, '')), io);
}

export interface CaptureOptions {
  readonly write?: string;
  readonly filter?: string;
  readonly count?: string;
  readonly snaplen?: string;
  readonly promisc?: boolean;
}

export async function capture(vnet: string, ifname: string, options: CaptureOptions, socket: string, io: CliIo): Promise<void> {
  const file = options.write ?? '-';
  if (file === '-' && process.stdout.isTTY) throw new CliError('packets are not for a terminal; use -w FILE, or pipe them: netloom capture ... | wireshark -k -i -', EXIT_USAGE);
  const flags = [...(options.promisc === false ? ['-p'] : []), ...(options.count === undefined ? [] : ['-c', options.count]), ...(options.snaplen === undefined ? [] : ['-s', options.snaplen])];
  const argv = ['netloom-capture', ifname, ...flags, ...(options.filter === undefined ? [] : [options.filter])];
  const env = toolEnv(io.env, socket, vnet === HOST_VNET ? '' : vnet);
  if (file === '-') return endAs(await callTool(argv, env), io);
  let fd: number;
  try {
    fd = openSync(file, 'w');
  } catch (error) {
    throw new CliError(`cannot write "${file}" (${(error as NodeJS.ErrnoException).code}); choose another file`);
  }
  const end = await callTool(argv, env, fd);
  // What could not even begin leaves no empty file.
  if (end.code !== 0 && fstatSync(fd).isFile() && fstatSync(fd).size === 0) rmSync(file);
  endAs(end, io);
}

function toolEnv(env: NodeJS.ProcessEnv, socket: string, jail: string): NodeJS.ProcessEnv {
  return { ...env, NETLOOM_SOCKET: socket, NETLOOM_JAIL: jail };
}

function endAs(end: ToolEnd, io: CliIo): void {
  if (end.unreachable === true) io.exitCode = EXIT_UNREACHABLE;
  else exitLike(end);
}

/** "VNET:IF" taken apart. */
function place(text: string): { vnet: string; interface: string } {
  const [vnet, ifname, more] = text.split(':');
  if (vnet === undefined || vnet === '' || ifname === undefined || ifname === '' || more !== undefined) throw new CliError(`"${text}" is not VNET:INTERFACE (such as r1:tap0; "host:tap0" outside all jails)`, EXIT_USAGE);
  return { vnet, interface: ifname };
}

export async function attach(where: string, device: string, socket: string, io: CliIo): Promise<void> {
  const at = place(where);
  const bound = absoluteGuestDevice(absoluteFileDevice(device));
  await new DaemonClient(socket).post<Attachment>('/v1/attachments', { ...at, device: bound });
  io.out(`${at.vnet}:${at.interface} is bound to ${bound}\n`);
}

export async function detach(where: string, socket: string, io: CliIo): Promise<void> {
  const at = place(where);
  await new DaemonClient(socket).delete(`/v1/attachments/${encodeURIComponent(at.vnet)}/${encodeURIComponent(at.interface)}`);
  io.out(`${at.vnet}:${at.interface} is bound no more\n`);
}

export function toolsList(options: { readonly json?: boolean }, io: CliIo): void {
  const list = Object.entries(TOOL_SUMMARIES).map(([name, summary]) => ({ name, summary }));
  io.out(options.json === true ? json(list) : table(['TOOL', 'WHAT IT DOES'], list.map(({ name, summary }) => [name, summary])));
}

export function toolsInstall(folder: string, options: { readonly runtime: LauncherRuntime | 'auto'; readonly json?: boolean }, io: CliIo): void {
  try {
    const installed = installLaunchers(folder, Object.keys(TOOL_SUMMARIES), options.runtime);
    if (options.json === true) return io.out(json(installed));
    io.out(`${installed.tools.length} tools in ${installed.folder} (started by ${installed.runtime}). Use them first:\n  export PATH="${installed.folder}:$PATH"\n`);
  } catch (error) {
    if (error instanceof InstallError) throw new CliError(error.message);
    throw error;
  }
}
