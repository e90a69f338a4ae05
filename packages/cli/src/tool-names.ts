/**
 * tool-names.ts — all tools that a daemon runs: userland's, and bhyve's, which are the daemon's own.
 */
import { VM_TOOLS } from '@netloom/node/client';
import { tools } from '@netloom/userland';

/** What each does, by its name. */
export const TOOL_SUMMARIES: Readonly<Record<string, string>> = { ...Object.fromEntries(Object.entries(tools).map(([name, { summary }]) => [name, summary])), ...VM_TOOLS };
