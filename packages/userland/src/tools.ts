/**
 * tools.ts — the registry of the tools: name to summary and body.
 *
 * Read first: proc.ts (what a tool is given).
 *
 * One record, in the order `netloom tools list` prints. `netloom tools install DIR` writes a launcher per name, the daemon looks a name up here
 * when it is asked to run it, and `jexec` decides here whether its command is one of ours or a program of the host.
 *
 * Invariants: names are FreeBSD's. An alias is an entry of its own with the same body (the body reads argv[0]).
 *
 * Deliberately not here: the tools themselves, one file each beside this one.
 */
import type { Tool } from './proc.js';

export const tools: Readonly<Record<string, Tool>> = Object.freeze({});

/** Names of all tools, in registry order. */
export const toolNames: readonly string[] = Object.freeze(Object.keys(tools));

/** The tool of this name (a path counts by its last component), or undefined. */
export function findTool(name: string): Tool | undefined {
  const base = name.slice(name.lastIndexOf('/') + 1);
  return Object.hasOwn(tools, base) ? tools[base] : undefined;
}
