/**
 * linux-tcpdump.ts — the real tcpdump in a network namespace, for tests: what Linux sees of a vnet's frames.
 * Read first: tcpdump(8).
 */
import { existsSync, readFileSync } from 'node:fs';
import { captureDecoder } from '@netloom/core/wire';
import type { RunResult } from './netns.js';
import { Netns } from './netns.js';
import { listen } from './test-daemon.js';
import type { Running } from './test-daemon.js';

export interface Tcpdump extends Running {
  /** Resolves when the capture file `path` that it writes (-w) ends with the frame that `isLast` knows: ended before, it forgets what it has not read. */
  wrote(path: string, isLast: (frame: Uint8Array) => boolean): Promise<void>;
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
    wrote: (path, isLast) => Netns.until('the last frame is captured', () => isLast(lastFrame(path))),
    stop: () => {
      running.child.kill('SIGINT');
      return running.ended;
    },
  };
}

/** The last whole frame in a capture file; no bytes where there is none. */
function lastFrame(path: string): Uint8Array {
  const bytes = existsSync(path) ? readFileSync(path) : new Uint8Array(0);
  const decoder = captureDecoder(bytes);
  decoder?.push(bytes);
  let frame: Uint8Array = new Uint8Array(0);
  for (let item = decoder?.next() ?? null; item !== null && item.kind !== 'fault'; item = decoder!.next()) {
    if (item.kind === 'packet') frame = item.bytes;
  }
  return frame;
}

/** Is a frame the echo reply to a ping with `payload` bytes? */
export function isEchoReply(frame: Uint8Array, payload: number): boolean {
  return frame.length === 14 + 20 + 8 + payload && frame[23] === 1 && frame[34] === 0;
}
