/**
 * live-lock.ts — class LiveLock: a lock on a file that whoever runs a machine holds, so that no two copies of it run where they see the same file.
 * Read first: flock(2), "open file description".
 *
 * Theory of operation. The lock belongs to the open file description, not to a process: the daemon opens the file and QEMU inherits the descriptor, so the kernel lets go of the lock when both are gone, in
 * whatever order and for whatever reason. A machine that waits to take over has its descriptor from the start as well, and the lock is taken on it when it does.
 * `release` gives the lock up while both still have the file open; `close` gives up the descriptor of this process alone.
 *
 * The file holds one line of JSON for people and for other daemons, in its first line: who has it. It is never removed: two could hold two locks then.
 *
 * Not here: locks between hosts that do not share a file system; what to do when somebody has it.
 */
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadC } from '../native/koffi.js';
import { EAGAIN } from '../tap/libc.js';

const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;
const NOTE_MAX = 4_096;

type Flock = (fd: number, operation: number) => number;

let flockLoaded: { readonly flock: Flock; readonly errno: () => number } | null = null;

function loadFlock(): { readonly flock: Flock; readonly errno: () => number } {
  if (flockLoaded === null) {
    const { koffi, bind } = loadC('locks of protected machines');
    flockLoaded = { flock: bind<Flock>('flock', 'int', ['int', 'int']), errno: () => koffi.errno() };
  }
  return flockLoaded;
}

export class LiveLock {
  readonly path: string;
  /** For who inherits it. */
  readonly fd: number;
  private held = false;
  private closed = false;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  /** Opens the file, and makes it and its folder when there is none; the lock is not taken. @throws Error, one line */
  static open(path: string): LiveLock {
    try {
      loadFlock();
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return new LiveLock(path, openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600));
    } catch (error) {
      throw new Error(`the lock ${path} cannot be opened: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Opens the file with the lock; null: somebody holds it. @throws Error, one line */
  static take(path: string): LiveLock | null {
    const lock = LiveLock.open(path);
    if (lock.lock()) return lock;
    lock.close();
    return null;
  }

  /** What is noted in a file, by whoever holds it or held it last; '' when nothing is. */
  static peek(path: string): string {
    try {
      return firstLine(readFileSync(path, 'utf8'));
    } catch {
      return '';
    }
  }

  get isHeld(): boolean {
    return this.held;
  }

  /** Takes the lock; false: somebody else holds it. Again: true. @throws Error, one line */
  lock(): boolean {
    if (this.held) return true;
    if (this.closed) throw new Error(`the lock ${this.path} is closed`);
    const { flock, errno } = loadFlock();
    if (flock(this.fd, LOCK_EX | LOCK_NB) === 0) {
      this.held = true;
      return true;
    }
    if (errno() === EAGAIN) return false;
    throw new Error(`the lock ${this.path} cannot be taken: errno ${errno()}`);
  }

  /** Notes one line in the file; only the holder may. */
  write(text: string): void {
    if (!this.held || this.closed) throw new Error(`the lock ${this.path} is not held`);
    const line = Buffer.from(`${text}\n`);
    if (line.length > NOTE_MAX || text.includes('\n')) throw new Error(`a note in ${this.path} is one line of ${NOTE_MAX} bytes at most`);
    // In this order, whoever reads meanwhile finds a whole first line.
    writeSync(this.fd, line, 0, line.length, 0);
    ftruncateSync(this.fd, line.length);
  }

  read(): string {
    const bytes = Buffer.alloc(NOTE_MAX);
    return firstLine(bytes.toString('utf8', 0, readSync(this.fd, bytes, 0, NOTE_MAX, 0)));
  }

  /** Gives the lock up, though others have the descriptor; it may be taken again. */
  unlock(): void {
    if (!this.closed && this.held) loadFlock().flock(this.fd, LOCK_UN);
    this.held = false;
  }

  /** Gives the lock and the descriptor up. */
  release(): void {
    this.unlock();
    this.close();
  }

  /** Gives up this process's descriptor: the lock stays with who inherited it. May be called again. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.held = false;
    closeSync(this.fd);
  }
}

function firstLine(text: string): string {
  const [line = ''] = text.split('\n');
  return line;
}
