/**
 * protect-commands.ts — `netloom protect`: machines that are protected by checkpoints.
 * Read first: docs/events.md, "Protected machines"; protect-wait.ts (how `start` waits), protect-table.ts (how they look).
 */
import { resolve } from 'node:path';
import { DaemonClient } from '@netloom/node/client';
import type { ProtectRequest, ProtectionView } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_USAGE, json } from './cli-io.js';
import { isSeenFrom, jailAround } from './inside-jail.js';
import { protectTable, protectText } from './protect-table.js';
import { startedText, untilHolding } from './protect-wait.js';

export interface ProtectStartOptions {
  readonly backup: string;
  readonly interval?: string;
  readonly fence?: string;
  readonly via?: string;
  readonly key?: string;
  readonly timeout?: string;
  readonly wait: boolean;
  readonly json?: boolean;
}

const LIST = '/v1/protections';
const place = (machine: string): string => `${LIST}/${encodeURIComponent(machine)}`;

/** `unix:PATH` and `lock:PATH` with the path from here, for the daemon is elsewhere. */
function absolute(text: string): string {
  const [, kind, path] = /^(unix:|lock:)(.+)$/s.exec(text) ?? [];
  return kind === undefined || path === undefined ? text : `${kind}${resolve(path)}`;
}

function requestOf(machine: string, { backup, interval, fence, via, key, timeout }: ProtectStartOptions): ProtectRequest {
  return {
    machine, backup: absolute(backup), ...(via === undefined ? {} : { via: absolute(via) }), ...(interval === undefined ? {} : { interval: interval === 'on-demand' ? interval : Number(interval) }),
    ...(fence === undefined ? {} : { fence: absolute(fence) }), ...(key === undefined ? {} : { key: resolve(key) }), ...(timeout === undefined ? {} : { timeoutMs: Number(timeout) }),
  };
}

export async function protectStart(machine: string, options: ProtectStartOptions, socket: string, io: CliIo): Promise<void> {
  const client = new DaemonClient(socket);
  const begun = await client.post<ProtectionView>(LIST, requestOf(machine, options));
  const view = options.wait ? await untilHolding(client, machine, io) : begun;
  io.out(options.json === true ? json(view) : options.wait ? startedText(view) : `${machine} is being copied to ${view.peer} ("netloom protect ls" tells when it is protected)\n`);
}

export async function protectList(options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  const views = await viewsSeen(new DaemonClient(socket), io);
  io.out(options.json === true ? json(views) : protectTable(views));
}

/** Both sides of it, if both are here. */
export async function protectShow(machine: string, options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  const client = new DaemonClient(socket);
  const sides = (await viewsSeen(client, io)).filter((view) => view.machine === machine);
  if (sides.length === 0) throw new CliError(`no machine called "${machine}" is protected or kept here ("netloom protect ls" lists them)`);
  const views: ProtectionView[] = [];
  for (const { side } of sides) views.push(await client.get<ProtectionView>(`${place(machine)}?side=${side}`));
  io.out(options.json === true ? json(views) : views.map(protectText).join('\n'));
}

async function viewsSeen(client: DaemonClient, io: CliIo): Promise<ProtectionView[]> {
  const jail = jailAround(io);
  return (await client.get<ProtectionView[]>(LIST)).filter((view) => isSeenFrom(jail, view.vnet));
}

export async function protectSwitch(machine: string, socket: string, io: CliIo): Promise<void> {
  const client = new DaemonClient(socket);
  const { peer } = await client.get<ProtectionView>(place(machine));
  await client.post(`${place(machine)}/switch`, undefined);
  io.out(`${machine} runs ${peer === 'local' ? 'in its other process' : `at ${peer}`} now\n`);
}

export interface FailoverOptions {
  readonly force?: boolean;
}

export async function protectFailover(machine: string, { force }: FailoverOptions, socket: string, io: CliIo): Promise<void> {
  if (force !== true) throw new CliError(`failover says that the other copy of "${machine}" is dead; if you are sure, add --force ("netloom protect switch ${machine}" hands over a machine that is well)`, EXIT_USAGE);
  const client = new DaemonClient(socket);
  await client.post(`${place(machine)}/failover`, { force: true });
  io.out(`${machine} goes on here\n`);
}

export async function protectEnd(machines: readonly string[], options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  const client = new DaemonClient(socket);
  const ended: { machine: string; side: ProtectionView['side'] }[] = [];
  for (const machine of machines) {
    const answer = await client.delete<{ machine: string; side: ProtectionView['side'] }>(place(machine));
    ended.push(answer);
    if (options.json !== true) io.out(answer.side === 'primary' ? `${machine} is protected no more\n` : `${machine} is kept here no more\n`);
  }
  if (options.json === true) io.out(json(ended));
}
