/**
 * cli-io.ts — what the commands of the netloom command line share: where they print, how they fail, exit codes.
 *
 * Read first: docs/cli.md, "Exit codes".
 *
 * A command prints through CliIo and fails by throwing: CliError for what it found itself, DaemonError and DaemonUnreachable for the daemon's
 * answers. main.ts turns each into one line on standard error and an exit code.
 */

export const EXIT_OK = 0;
/** Something failed: the daemon refused, a file could not be read or written. */
export const EXIT_FAILURE = 1;
/** The command line itself is wrong. */
export const EXIT_USAGE = 2;
/** Nobody answers at the socket. */
export const EXIT_UNREACHABLE = 3;
/** The lab file has problems; each is printed with its line and column. */
export const EXIT_LAB = 4;

export interface CliIo {
  readonly env: NodeJS.ProcessEnv;
  out(text: string): void;
  err(text: string): void;
  /** The exit code, unless an error decides another. */
  exitCode: number;
}

/** A failure with its exit code. The message is one line that names the value and the remedy. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILURE) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Rows under a head, columns two spaces apart, as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all.map((row) => `${head.map((_, column) => (row[column] ?? '').padEnd(widths[column] ?? 0)).join('  ').trimEnd()}\n`).join('');
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
