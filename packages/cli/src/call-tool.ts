/**
 * call-tool.ts — runs a tool through the daemon from within the netloom command, with this process's terminal.
 *
 * The work is launcher.cjs's, so that there is one client of the exec protocol for Node.
 */
import { createRequire } from 'node:module';
import { nodeLauncherPath } from './launcher/install.js';

export interface ToolEnd {
  readonly code: number;
  readonly signal: string;
  readonly unreachable?: boolean;
}

interface Launcher {
  call(argv: readonly string[], env: NodeJS.ProcessEnv, done: (end: ToolEnd) => void, stdout: number, name: string): void;
  exitLike(end: ToolEnd): void;
}

const launcher = createRequire(import.meta.url)(nodeLauncherPath) as Launcher;

/** Calls a tool and resolves when it has ended and all its output is written. `stdout`: descriptor its standard output goes to. */
export function callTool(argv: readonly string[], env: NodeJS.ProcessEnv, stdout = 1): Promise<ToolEnd> {
  return new Promise((resolve) => launcher.call(argv, env, resolve, stdout, 'netloom'));
}

/** Ends this process as the tool ended. */
export function exitLike(end: ToolEnd): void {
  launcher.exitLike(end);
}
