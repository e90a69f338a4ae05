/**
 * event-fd.ts — EventFd: one end of a notification, a counter in the kernel that one side adds to and the other waits for.
 * Read first: eventfd(2); vhost-user "SET_VRING_KICK", "SET_VRING_CALL".
 *
 * Invariant: it never blocks. What the other side hands over is only taken when it is an eventfd: a write to anything else could wait, or do things.
 */
import { readlinkSync } from 'node:fs';
import { O_CLOEXEC, O_NONBLOCK } from '../tap/libc.js';
import { F_GETFL, F_SETFL } from './unix-libc.js';
import type { UnixLibc } from './unix-libc.js';

export class EventFd {
  readonly fd: number;
  private readonly libc: UnixLibc;
  private readonly word = new BigUint64Array([1n]);
  private readonly sink = new BigUint64Array(1);
  private readonly wordAddress: number;
  private readonly sinkAddress: number;
  private unwatch: (() => void) | null = null;
  private open = true;

  private constructor(libc: UnixLibc, fd: number) {
    this.libc = libc;
    this.fd = fd;
    this.wordAddress = libc.address(this.word);
    this.sinkAddress = libc.address(this.sink);
  }

  /** Takes over a descriptor from the other side. Null, and the descriptor is closed: it is no eventfd. */
  static adopt(libc: UnixLibc, fd: number): EventFd | null {
    if (isEventFd(fd) && libc.fcntl(fd, F_SETFL, libc.fcntl(fd, F_GETFL, 0) | O_NONBLOCK) === 0) return new EventFd(libc, fd);
    libc.close(fd);
    return null;
  }

  /** A new one. @throws Error when the process has no descriptors left. */
  static make(libc: UnixLibc): EventFd {
    const fd = libc.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) throw new Error(`eventfd: ${libc.strerror(libc.errno())}`);
    return new EventFd(libc, fd);
  }

  signal(): void {
    if (this.open) this.libc.write(this.fd, this.wordAddress, 8);
  }

  /** Resets the counter. False: nobody has signalled. */
  drain(): boolean {
    return this.open && this.libc.read(this.fd, this.sinkAddress, 8) === 8;
  }

  /** Has the event loop call `ready` as long as the counter is not drained. Once. */
  listen(ready: () => void): void {
    this.unwatch = this.libc.watch(this.fd, ready);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.unwatch?.();
    this.libc.close(this.fd);
  }
}

function isEventFd(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]';
  } catch {
    return false;
  }
}
