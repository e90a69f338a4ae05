/**
 * protect-lab-command.ts — `netloom protect start` as a lab's plan has it.
 * Read first: lab/lab-protect.ts (what writes it).
 */
import { protectRequestOf } from '../lab/lab-protect.js';
import type { CommandResult } from '../lab/lab-run.js';
import { ProtectRefusal } from './protect-request.js';
import type { ProtectDoor } from './protect-routes.js';

/** @param words what follows `netloom protect` */
export async function runProtectCommand(door: Pick<ProtectDoor, 'protect'>, words: readonly string[]): Promise<CommandResult> {
  try {
    await door.protect(protectRequestOf(words));
    return { exitCode: 0, stdout: '', stderr: '' };
  } catch (error) {
    if (error instanceof ProtectRefusal) return { exitCode: 1, stdout: '', stderr: error.message };
    throw error;
  }
}
