/**
 * protect-request.ts — what `netloom protect` and a program ask for over HTTP, and the ProtectWish it means.
 * Read first: docs/protect.md; wire/backup-address.ts; fence/fence.ts.
 */
import { INTERVAL_MAX_MS, INTERVAL_MIN_MS } from './epoch-pace.js';
import type { Interval } from './epoch-pace.js';
import { parseFence } from './fence/fence.js';
import type { FenceSpec } from './fence/fence.js';
import { formatBackupAddress, parseBackupAddress } from './wire/backup-address.js';
import type { BackupAddress } from './wire/backup-address.js';

export interface ProtectRequest {
  readonly machine: string;
  /** `local`, `unix:PATH` or `HOST:PORT`. */
  readonly backup: string;
  /** Where the second path goes; default: the same. */
  readonly via?: string;
  /** Milliseconds, or `on-demand`. Default INTERVAL_MS. */
  readonly interval?: Interval;
  /** Default: `lock` for a backup on this host, `none` for another. */
  readonly fence?: string;
  /** A file with the key for a backup that is reached by TCP. */
  readonly key?: string;
  /** How long the other side may be silent. */
  readonly timeoutMs?: number;
  /** Output is not held: to see what is held otherwise. For tests. */
  readonly unplugged?: boolean;
}

export interface ProtectWish {
  readonly machine: string;
  readonly backup: BackupAddress;
  readonly via: BackupAddress;
  readonly backupText: string;
  readonly interval: Interval;
  readonly fence: FenceSpec;
  readonly fenceText: string;
  readonly keyFile: string | null;
  readonly timeoutMs: number;
  readonly beatMs: number;
  readonly unplugged: boolean;
  /** As it was asked for. */
  readonly request: ProtectRequest;
}

/** Why a machine cannot be protected, in one line, and the status of HTTP. */
export class ProtectRefusal extends Error {
  override readonly name = 'ProtectRefusal';
  readonly status: 400 | 404 | 409;

  constructor(status: 400 | 404 | 409, line: string) {
    super(line);
    this.status = status;
  }
}

export const INTERVAL_MS = 50;
export const TIMEOUT_MS = 1_000;
export const TIMEOUT_MIN_MS = 100;
export const TIMEOUT_MAX_MS = 600_000;
/** Beats until silence is long enough. */
const BEATS = 10;

/** @throws ProtectRefusal */
export function protectWish(request: ProtectRequest): ProtectWish {
  const { machine, interval = INTERVAL_MS, timeoutMs = TIMEOUT_MS, key = null, unplugged = false } = request;
  if (interval !== 'on-demand' && !(interval >= INTERVAL_MIN_MS && interval <= INTERVAL_MAX_MS)) throw refuse(`${interval} is no interval: ${INTERVAL_MIN_MS} to ${INTERVAL_MAX_MS} milliseconds, or "on-demand"`);
  if (!(timeoutMs >= TIMEOUT_MIN_MS && timeoutMs <= TIMEOUT_MAX_MS)) throw refuse(`${timeoutMs} is no time-out: ${TIMEOUT_MIN_MS} to ${TIMEOUT_MAX_MS} milliseconds`);
  const backup = read(() => parseBackupAddress(request.backup));
  const via = request.via === undefined ? backup : read(() => parseBackupAddress(request.via ?? ''));
  if ((backup.kind === 'tcp' || via.kind === 'tcp') && key === null) throw refuse(`a backup at ${formatBackupAddress(backup.kind === 'tcp' ? backup : via)} needs the key that its daemon has: --key FILE`);
  const fenceText = request.fence ?? (backup.kind === 'local' ? 'lock' : 'none');
  return { machine, backup, via, backupText: formatBackupAddress(backup), interval, fence: read(() => parseFence(fenceText)), fenceText, keyFile: key, timeoutMs, beatMs: Math.max(10, Math.floor(timeoutMs / BEATS)), unplugged, request };
}

function refuse(line: string): ProtectRefusal {
  return new ProtectRefusal(400, line);
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw refuse((error as Error).message);
  }
}
