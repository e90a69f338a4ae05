/**
 * linux-ping.ts — Linux's ping in a network namespace, for tests on machines that may be busy.
 * Read first: ping(8).
 *
 * After its last request ping waits for twice the longest round trip so far, which a busy machine exceeds. With a deadline it goes on asking until
 * it has its answers; how many it asked for is then part of the result.
 */
import type { Netns } from './netns.js';

export interface Pinged {
  readonly sent: number;
  readonly received: number;
  /** Everything it wrote. */
  readonly text: string;
}

/** Pings `to` until `count` answers have come, for 8 seconds at most. `args` are further options. */
export async function linuxPing(ns: Netns, to: string, count: number, ...args: string[]): Promise<Pinged> {
  const { stdout, stderr } = await ns.run('ping', '-n', '-c', String(count), '-i', '0.2', '-w', '8', ...args, to);
  const text = stdout + stderr;
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
  return { sent: Number(sent), received: Number(received), text };
}
