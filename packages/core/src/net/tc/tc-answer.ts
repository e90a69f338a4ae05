/**
 * tc-answer.ts — TcAnswer: what a request of tc(8) is answered with, an error and the words that Linux's kernel sends along (its "extack").
 *
 * One errno has many reasons there, and only the words tell them apart; the tool prints them behind `Error: `. Empty words: the kernel sends none, and the tool prints the errno's.
 */
import type { Errno } from '../../base/errno.js';

export interface TcAnswer {
  readonly error: Errno;
  readonly text: string;
}

export const TC_OK: TcAnswer = Object.freeze({ error: 0, text: '' });

export function tcRefuse(error: Errno, text = ''): TcAnswer {
  return { error, text };
}
