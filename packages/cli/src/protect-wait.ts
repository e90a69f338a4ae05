/**
 * protect-wait.ts — waits until a machine is protected, and says on standard error how far it is.
 *
 * On a terminal there is one line, which changes; elsewhere a line for each phase. What the daemon tries again by itself (a backup that was lost while the machine was copied) is not
 * waited for: it may take until somebody does something, and the reason is worth an exit code. Protection goes on all the same.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { DaemonError } from '@netloom/node/client';
import type { DaemonClient, ProtectionView } from '@netloom/node/client';
import type { CliIo } from './cli-io.js';
import { CliError } from './cli-io.js';
import { printable } from './event-commands.js';
import { WIDE, bytesText } from './quantity-text.js';

const LOOK_MS = 200;

/** Resolves with the machine's view. @throws CliError why it is not protected */
export async function untilHolding(client: DaemonClient, machine: string, io: CliIo): Promise<ProtectionView> {
  const line = new ProgressLine(io, process.stderr.isTTY);
  try {
    for (const began = performance.now(); ; await delay(LOOK_MS)) {
      const view = await lookAt(client, machine);
      if (view.phase === 'holding') return view;
      if (view.phase !== 'syncing' && view.why !== '') throw new CliError(`"${machine}" is not protected yet: it is ${view.phase}: ${view.why} ("netloom protect ls" tells on, "netloom protect end ${machine}" gives up)`);
      line.show(`${machine}: ${PHASES[view.phase] ?? view.phase} ${view.peer}`, `${view.copiedBytes ? `, ${bytesText(view.copiedBytes, WIDE)}` : ''}, ${Math.round((performance.now() - began) / 1000)} s`);
    }
  } finally {
    line.end();
  }
}

const PHASES: Readonly<Record<string, string>> = { alone: 'looking for', syncing: 'copying to' };

async function lookAt(client: DaemonClient, machine: string): Promise<ProtectionView> {
  try {
    return await client.get<ProtectionView>(`/v1/protections/${encodeURIComponent(machine)}?side=primary`);
  } catch (error) {
    if (!(error instanceof DaemonError) || error.status !== 404) throw error;
    throw new CliError(`the protection of "${machine}" has ended before it began ("netloom events --system PROTECT" tells why)`);
  }
}

/** `web: protected by local: copied 84 MB, first checkpoint 294 kB, epochs of 50 ms` */
export function startedText(view: ProtectionView): string {
  const first = view.recent[0]?.bytes ?? null;
  const epochs = view.interval === 'on-demand' ? 'epochs on demand' : `epochs of ${view.interval ?? '-'} ms`;
  const copied = view.copiedBytes ? `copied ${bytesText(view.copiedBytes, WIDE)}, ` : '';
  return printable(`${view.machine}: protected by ${view.peer}: ${copied}${first === null ? '' : `first checkpoint ${bytesText(first, WIDE)}, `}${epochs}`) + '\n';
}

class ProgressLine {
  private readonly io: CliIo;
  private readonly changes: boolean;
  private last = '';

  constructor(io: CliIo, changes: boolean) {
    this.io = io;
    this.changes = changes;
  }

  /** `more` is what changes all the time. */
  show(text: string, more: string): void {
    if (this.changes) this.io.err(`\r\x1b[K${printable(text + more)}`);
    else if (text !== this.last) this.io.err(`${printable(text)}\n`);
    this.last = text;
  }

  /** Leaves the terminal as it was. */
  end(): void {
    if (this.changes && this.last !== '') this.io.err('\r\x1b[K');
  }
}
