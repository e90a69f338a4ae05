/**
 * protect-watch.ts — `netloom protect watch`: protected machines, every second.
 *
 * On a terminal the picture is drawn anew in its place; elsewhere pictures follow each other.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { CliIo } from './cli-io.js';
import { protectList, protectShow } from './protect-commands.js';

export interface ProtectWatchOptions {
  readonly delay: string;
  readonly count?: string;
}

/** Goes home and clears what is below. */
const REDRAW = '\x1b[H\x1b[J';

export async function protectWatch(machine: string | undefined, options: ProtectWatchOptions, socket: string, io: CliIo): Promise<void> {
  const count = Number(options.count ?? Infinity);
  const between = count > 1 && process.stdout.isTTY ? REDRAW : '\n';
  for (let n = 0; n < count; n++) {
    if (n > 0) await delay(Number(options.delay) * 1000);
    let text = n === 0 && between === '\n' ? '' : between;
    const drawn: CliIo = { env: io.env, err: (line) => io.err(line), out: (line) => void (text += line), exitCode: 0 };
    await (machine === undefined ? protectList({}, socket, drawn) : protectShow(machine, {}, socket, drawn));
    io.out(text);
  }
}
