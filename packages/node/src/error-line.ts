/**
 * error-line.ts — errorLine: what was thrown, as one line for people.
 */

/** The message of an Error; anything else as text. */
export function errorLine(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
