/**
 * lab-run.ts — runs a plan: all of it, or nothing of it stays.
 *
 * Read first: lab-plan.ts.
 *
 * Theory of operation. Commands run one after the other through `LabCommands`. When one fails, what was made is undone, last thing first, and
 * the failure is reported with the command's own words. The undo commands of a completed plan are what takes the lab down.
 * An undo command that fails is reported and the others still run: somebody may have removed part of the lab by hand.
 *
 * Not here: who has which lab (daemon/labs.ts).
 */
import type { LabPath } from './lab-model.js';
import type { PlanArg, PlanStep } from './lab-plan.js';
import { resolveArg } from './lab-plan.js';

/** Outcome of one command. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool outside all jails and waits for its end. */
export type LabCommands = (argv: readonly string[]) => Promise<CommandResult>;

export type LabOutcome =
  | { readonly ok: true; readonly undo: readonly (readonly string[])[] }
  | { readonly ok: false; readonly command: string; readonly message: string; readonly path: LabPath; readonly left: readonly string[] };

export async function runPlan(steps: readonly PlanStep[], run: LabCommands): Promise<LabOutcome> {
  const variables = new Map<string, string>();
  const undo = new Map<string, readonly string[]>();
  const resolve = (argv: readonly PlanArg[]): string[] => argv.map((arg) => resolveArg(arg, variables));
  for (const step of steps) {
    const argv = resolve(step.argv);
    const result = await run(argv);
    if (result.exitCode !== 0) {
      const left = await runUndo([...undo.values()].reverse(), run);
      return { ok: false, command: argv.join(' '), message: saidBy(argv, result), path: step.path, left };
    }
    if (step.keep !== null) variables.set(step.keep, result.stdout.trim());
    if (step.undo !== undefined) undo.set(step.undo.subject, resolve(step.undo.argv));
  }
  return { ok: true, undo: [...undo.values()].reverse() };
}

/** Runs undo commands; returns a line for each that failed. */
export async function runUndo(commands: readonly (readonly string[])[], run: LabCommands): Promise<string[]> {
  const left: string[] = [];
  for (const argv of commands) {
    const result = await run(argv);
    if (result.exitCode !== 0) left.push(`${argv.join(' ')}: ${saidBy(argv, result)}`);
  }
  return left;
}

/** What the command said of its failure. route(8) says it on standard output. The daemon's own commands say what to do, in lines that follow. */
function saidBy(argv: readonly string[], { stdout, stderr, exitCode }: CommandResult): string {
  if (argv[0] === 'netloom') return stderr.trim();
  const line = stderr.trim().split('\n')[0] || stdout.trim().split('\n').at(-1) || '';
  return line === '' ? `${argv[0] ?? ''}: exit code ${exitCode}` : line;
}
