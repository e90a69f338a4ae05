/**
 * pool-lock.ts — one at a time among those who take ifbs from the pool or give them back: a lock on a file.
 * Read first: flock(2).
 *
 * The kernel lets go of it when its holder ends in whatever way, so there is none to break. The file stays: removing it would let two hold two locks. Waiting is by asking again, because this thread has other things to do.
 */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadNetlinkLibc } from '../netlink/netlink-libc.js';
import { EAGAIN } from '../tap/libc.js';
import { NetbufError } from './netbuf-error.js';

/** Takes the lock of a folder; the answer lets go of it. Tests have their own. */
export type PoolLock = (folder: string) => Promise<() => void>;

const LOCK_EX = 2;
const LOCK_NB = 4;
const ASK_MS = 10;
const ASKS = 1_000;

/** @throws NetbufError when others have it for ten seconds. */
export async function lockPool(folder: string): Promise<() => void> {
  const libc = loadNetlinkLibc();
  const path = join(folder, 'lock');
  const fd = openSync(path, 'a', 0o600);
  for (let asks = 0; libc.flock(fd, LOCK_EX | LOCK_NB) < 0; asks++) {
    const errno = libc.errno();
    if (errno === EAGAIN && asks < ASKS) {
      await delay(ASK_MS);
      continue;
    }
    closeSync(fd);
    throw new NetbufError(errno === EAGAIN ? `somebody else installs or removes network buffers all the time: ${path} is locked; "fuser ${path}" says by whom` : `cannot lock ${path}: ${libc.strerror(errno)}`);
  }
  return () => closeSync(fd);
}
