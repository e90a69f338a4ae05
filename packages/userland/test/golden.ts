/**
 * golden.ts — transcripts of sessions that must come out exactly as they are written.
 * Read first: test-proc.ts.
 */
import { expect } from 'vitest';
import { ToolLab } from './test-proc.js';

/** Runs the sessions one after the other in one lab; each must come out as it is written. Answers with the lab. */
export async function golden(...sessions: readonly string[]): Promise<ToolLab> {
  const lab = new ToolLab();
  for (const session of sessions) {
    const text = session.replace(/^\n/, '');
    expect(await lab.session(text)).toBe(text);
  }
  return lab;
}
