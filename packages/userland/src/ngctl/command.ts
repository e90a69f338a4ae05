/**
 * command.ts — what a command of ngctl is, and how a word finds it: a prefix of its name or of an alias, in any case of letters.
 */
import { warnx } from '../err.js';
import type { Proc } from '../proc.js';
import type { NgSession } from './ng-session.js';

/** How a command ended. */
export const CMDRTN_OK = 0;
export const CMDRTN_USAGE = 1;
export const CMDRTN_ERROR = 2;
export const CMDRTN_QUIT = 3;

export interface NgctlCommand {
  /** Its name and what follows it. */
  readonly synopsis: string;
  readonly summary: string;
  /** More, for `help`. */
  readonly help?: string;
  readonly aliases: readonly string[];
  /** `words[0]` is the command as it was typed. */
  run(s: NgSession, words: readonly string[]): number | Promise<number>;
}

export function commandName({ synopsis }: NgctlCommand): string {
  return synopsis.split(' ')[0]!;
}

/** The command that `word` means; null after a complaint. */
export function findCommand(p: Proc, commands: readonly NgctlCommand[], word: string): NgctlCommand | null {
  const prefix = word.toLowerCase();
  const found = commands.filter((c) => [commandName(c), ...c.aliases].some((name) => name.startsWith(prefix)));
  if (found.length === 1) return found[0]!;
  warnx(p, `"${word}": ${found.length === 0 ? 'unknown' : 'ambiguous'} command`);
  return null;
}
