/**
 * run-program.ts — runs one command line: parses it, runs the command, turns failures into one line and an exit code.
 */
import { CommanderError } from 'commander';
import { DaemonError, DaemonUnreachable } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError, EXIT_FAILURE, EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE } from './cli-io.js';
import { createProgram } from './program.js';

/** `args` without the interpreter and the program. Resolves with the exit code. */
export async function runProgram(args: readonly string[], version: string, io: CliIo): Promise<number> {
  const program = createProgram(io, version);
  try {
    if (args.length === 0) {
      io.err(program.helpInformation());
      return EXIT_USAGE;
    }
    await program.parseAsync([...args], { from: 'user' });
    return io.exitCode;
  } catch (error) {
    return explain(error, io);
  }
}

function explain(error: unknown, io: CliIo): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  const code = error instanceof CliError ? error.exitCode : error instanceof DaemonUnreachable ? EXIT_UNREACHABLE : EXIT_FAILURE;
  const known = error instanceof CliError || error instanceof DaemonUnreachable || error instanceof DaemonError;
  io.err(known ? `netloom: ${error.message}\n` : `netloom: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return code;
}
