/**
 * inside-jail.ts — what a command shows inside a jail: the jail's own and that of the jails below it, and no names of others.
 *
 * Read first: docs/cli.md, "Inside a jail".
 *
 * `jexec` and `netloom exec` set NETLOOM_JAIL, the jail's name from outside all jails, for what they run. What cannot be shown without naming
 * others is refused.
 *
 * Not here: a wall. A program of this machine that may use the daemon's socket may ask it anything.
 */
import type { AuditAnswer, Topology } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_USAGE } from './cli-io.js';

/** The jail that a command runs in; '' outside all. */
export function jailAround(io: CliIo): string {
  return io.env.NETLOOM_JAIL ?? '';
}

/** May a reader in `jail` see the name of this vnet or jail? */
export function isSeenFrom(jail: string, name: string): boolean {
  return jail === '' || name === jail || name.startsWith(`${jail}.`);
}

/** Throws CliError inside a jail. `what` names all vnets. */
export function refuseInside(io: CliIo, what: string): void {
  const jail = jailAround(io);
  if (jail !== '') throw new CliError(`${what} names all vnets and is not for the jail "${jail}" (NETLOOM_JAIL); look at it from outside`, EXIT_USAGE);
}

/** What is seen from `jail`: an interface whose other end is elsewhere is shown without it. */
export function topologySeenFrom(jail: string, { vnets, vms }: Topology): Topology {
  const seen = vnets.filter((v) => isSeenFrom(jail, v.name));
  return { vnets: seen.map((v) => ({ ...v, interfaces: v.interfaces.map((i) => ({ ...i, peer: i.peer !== null && isSeenFrom(jail, i.peer.vnet) ? i.peer : null })) })), vms: vms.filter((vm) => isSeenFrom(jail, vm.vnet)) };
}

/** The kernel's sums are everybody's and name nobody. */
export function auditSeenFrom(jail: string, answer: AuditAnswer): AuditAnswer {
  if (jail === '') return answer;
  const leaks = answer.leaks.filter((l) => isSeenFrom(jail, l.vnet));
  return { ...answer, vnets: answer.vnets.filter((v) => isSeenFrom(jail, v.name)), leaks, leaksFound: leaks.length };
}
