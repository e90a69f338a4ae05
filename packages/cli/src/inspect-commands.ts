/**
 * inspect-commands.ts — `netloom audit` and `netloom sysinit`: what the stacks hold, and in which order they are built and taken down.
 *
 * Read first: docs/audit.md.
 */
import { DaemonClient } from '@netloom/node/client';
import type { AuditAnswer, SysinitAnswer, SysinitRow, TeardownTrace } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_FAILURE, EXIT_USAGE, json, table } from './cli-io.js';
import { auditSeenFrom, isSeenFrom, jailAround } from './inside-jail.js';

export interface AuditOptions {
  readonly json?: boolean;
}

/** What every vnet holds, or one, or inside a jail it and those below it; exit code 1 when something is unaccounted for or was left by a vnet that is gone. */
export async function audit(vnet: string | undefined, options: AuditOptions, socket: string, io: CliIo): Promise<void> {
  const jail = jailAround(io);
  if (vnet !== undefined && !isSeenFrom(jail, vnet)) throw new CliError(`"${vnet}" is for outside all jails: in the jail "${jail}" (NETLOOM_JAIL) there are only it and the jails below it`, EXIT_USAGE);
  const query = vnet === undefined ? '' : `?vnet=${encodeURIComponent(vnet)}`;
  const answer = auditSeenFrom(jail, await new DaemonClient(socket).get<AuditAnswer>(`/v1/audit${query}`));
  if (answer.leaksFound > 0 || Object.values(answer.unaccounted).some((n) => n !== 0)) io.exitCode = EXIT_FAILURE;
  if (options.json === true) return io.out(json(answer));
  const rows = answer.vnets.flatMap(({ name, rows: all }) => all.filter((r) => r.count !== 0).map((r) => [name, r.name, String(r.count)]));
  io.out(table(['VNET', 'WHAT', 'COUNT'], rows));
  io.out(`\nkernel: ${answer.kernel.map((r) => `${r.count} ${r.name}`).join(', ')}\n`);
  const open = Object.entries(answer.unaccounted).filter(([, n]) => n !== 0).map(([what, n]) => `${n} ${what}`);
  io.out(`unaccounted for: ${open.join(', ') || 'nothing'}\n`);
  const left = answer.leaks.map((l) => `${l.count} ${l.name} of "${l.vnet}"`);
  const more = answer.leaksFound - answer.leaks.length;
  io.out(`left by vnets that are gone: ${[...left, ...(more > 0 ? [`${more} more`] : [])].join(', ') || 'nothing'}\n`);
}

export async function sysinit(options: { readonly json?: boolean }, socket: string, io: CliIo): Promise<void> {
  const { teardowns, ...tables } = await new DaemonClient(socket).get<SysinitAnswer>('/v1/sysinit');
  const jail = jailAround(io);
  const answer: SysinitAnswer = { ...tables, teardowns: teardowns.filter((t) => isSeenFrom(jail, t.vnet)) };
  if (options.json === true) return io.out(json(answer));
  io.out(`built, in this order:\n${places(answer.constructors)}\ntaken down, in this order:\n${places(answer.destructors)}\n`);
  const last = answer.teardowns.at(-1);
  io.out(last === undefined ? 'no vnet has been taken down yet\n' : traced(last));
}

function places(rows: readonly SysinitRow[]): string {
  return table(['VALUE', 'SUBSYSTEM', 'ORDER', 'FUNCTION'], rows.map((r) => [hex(r.value), r.subsystem, r.order, r.function]));
}

function traced(trace: TeardownTrace): string {
  const rows = trace.steps.map((s) => [hex(s.state), s.subsystem, s.function, s.us.toFixed(1)]);
  return `the last teardown: vnet "${trace.vnet}", ${trace.us.toFixed(1)} us\n${table(['STATE', 'SUBSYSTEM', 'FUNCTION', 'US'], rows)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
