/**
 * err.ts — how a tool complains and gives up: err(3) for tools that are functions.
 * Read first: err(3).
 *
 * A complaint is `progname: text`, with `: strerror` behind it for the forms that take an error number. `err` and `errx` print it and leave
 * the tool by throwing ToolExit; `toolMain` turns that into the exit code. Nothing else catches it.
 */
import { strerror } from '@netloom/core';
import type { Errno } from '@netloom/core';
import type { Proc, ToolMain } from './proc.js';

/** exit(3): leaves the tool from wherever it is. */
export class ToolExit extends Error {
  override readonly name = 'ToolExit';
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** The tool's name as it complains: the last component of argv[0]. */
export function progname(p: Proc): string {
  const name = p.argv[0] ?? '';
  return name.slice(name.lastIndexOf('/') + 1);
}

export function warnx(p: Proc, text: string): void {
  p.err(`${progname(p)}: ${text}\n`);
}

/** `text: strerror(error)`. */
export function warn(p: Proc, text: string, error: Errno): void {
  warnx(p, `${text}: ${strerror(error)}`);
}

export function errx(p: Proc, code: number, text: string): never {
  warnx(p, text);
  throw new ToolExit(code);
}

export function err(p: Proc, code: number, text: string, error: Errno): never {
  warn(p, text, error);
  throw new ToolExit(code);
}

/** Prints the lines on standard error as they are and leaves. */
export function usage(p: Proc, code: number, text: string): never {
  p.err(text);
  throw new ToolExit(code);
}

/** The body of a tool out of a function that may leave through ToolExit. */
export function toolMain(body: (p: Proc) => Promise<number> | number): ToolMain {
  return async (p) => {
    try {
      return await body(p);
    } catch (error) {
      if (error instanceof ToolExit) return error.code;
      throw error;
    }
  };
}
