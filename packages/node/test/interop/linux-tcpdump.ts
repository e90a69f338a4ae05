/**
 * linux-tcpdump.ts — the real tcpdump in a network namespace, for tests: what Linux sees of a vnet's frames.
 * Read first: tcpdump(8).
 */
import type { RunResult } from './netns.js';
import { Netns } from './netns.js';
import { listen } from './test-daemon.js';
import type { Running } from './test-daemon.js';

export interface Tcpdump extends Running {
  /** Ends it as Ctrl-C does; what it wrote. */
  stop(): Promise<RunResult>;
}

/** Starts tcpdump on a device, and resolves when it listens. Every packet is written as it comes. */
export async function startTcpdump(ns: Netns, device: string, ...args: string[]): Promise<Tcpdump> {
  // Without -Z it may become a user who cannot write to the test's folder.
  const running = listen(ns.spawn('tcpdump', '-n', '-Z', 'root', '-i', device, '--immediate-mode', '-U', '-l', ...args));
  await Netns.until('tcpdump listens', () => running.heard.stderr.includes('listening on'));
  return {
    ...running,
    stop: () => {
      running.child.kill('SIGINT');
      return running.ended;
    },
  };
}
