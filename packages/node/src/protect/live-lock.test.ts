/**
 * live-lock.test.ts — one holder, whoever has the descriptor, and the note.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LiveLock } from './live-lock.js';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'netloom-lock-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const path = (): string => join(folder, 'vms/a.lock');

test.skipIf(process.platform !== 'linux')('one has it; the other may open it and take it later', () => {
  const lock = LiveLock.take(path())!;
  const other = LiveLock.open(path());
  expect([lock.isHeld, LiveLock.take(path()), other.lock(), other.isHeld]).toEqual([true, null, false, false]);
  lock.close();
  lock.close();
  expect([lock.isHeld, other.lock(), other.lock(), other.isHeld]).toEqual([false, true, true, true]);
  other.close();
  expect(() => other.lock()).toThrow(`the lock ${path()} is closed`);
});

test.skipIf(process.platform !== 'linux')('a program that inherits it keeps it, until it ends or the lock is given up', async () => {
  const lock = LiveLock.take(path())!;
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', lock.fd] });
  lock.close();
  expect(LiveLock.take(path())).toBe(null);
  child.stdin?.end();
  await once(child, 'close');
  const again = LiveLock.take(path())!;
  const other = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', again.fd] });
  again.release();
  LiveLock.take(path())!.close();
  other.stdin?.end();
  await once(other, 'close');
});

test.skipIf(process.platform !== 'linux')('the note is its holder\'s, and anybody reads it', () => {
  expect(LiveLock.peek(path())).toBe('');
  const lock = LiveLock.take(path())!;
  lock.write('{"host":"a"}');
  lock.write('{"b":1}');
  expect([lock.read(), LiveLock.peek(path())]).toEqual(['{"b":1}', '{"b":1}']);
  expect(() => lock.write('a\nb')).toThrow('one line');
  expect(() => lock.write('x'.repeat(5_000))).toThrow('one line of 4096 bytes at most');
  lock.release();
  expect(LiveLock.peek(path())).toBe('{"b":1}');
  const other = LiveLock.open(path());
  expect(() => other.write('x')).toThrow('is not held');
  other.close();
});
