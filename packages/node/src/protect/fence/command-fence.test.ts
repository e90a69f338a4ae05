/**
 * command-fence.test.ts — programs that say yes, no, nothing, too much; with real processes.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VirtualTimers } from '../../../test/virtual-timers.js';
import { HOST_TIMERS } from '../wire/timers.js';
import { CommandFence, LIMIT_MS } from './command-fence.js';
import type { Fenced, Verdict } from './fence.js';

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netloom-fence-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fenced(timers = HOST_TIMERS): Fenced {
  return { machine: 'db', generation: () => 1, peer: 'host-a:7070', timers, lastHeardAt: () => 0, hush: () => undefined, liveFile: null };
}

let programs = 0;

function program(text: string): string {
  const path = join(folder, `fence-${programs++}`);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o700);
  return path;
}

async function ask(argv: readonly string[]): Promise<Verdict> {
  return new CommandFence(fenced(), argv).goOnAlone('backup', 'no beat\nfor 500 ms');
}

const reasonOf = (verdict: Verdict): string => (verdict.ok ? 'yes' : verdict.reason.replaceAll(/\/\S*\/fence-\d+/g, 'FENCE'));

test('a program that ends with 0 is a yes; it is told what for, word by word', async () => {
  const told = join(folder, 'told');
  const path = program('echo "$NETLOOM_FENCE_SIDE|$NETLOOM_FENCE_MACHINE|$NETLOOM_FENCE_PEER|$NETLOOM_FENCE_REASON|$1|$2" > "$3"');
  expect(await ask([path, '$(date)', 'b;c', told])).toEqual({ ok: true });
  expect(readFileSync(told, 'utf8')).toBe('backup|db|host-a:7070|no beat for 500 ms|$(date)|b;c\n');
});

test.each([
  ['another status, and what it said', 'echo cannot reach; echo the power >&2; exit 3', /^the fence's program FENCE says no: it ended with status 3: (cannot reach the power|the power cannot reach)$/],
  ['nothing said', 'exit 1', /^the fence's program FENCE says no: it ended with status 1$/],
  ['a signal', 'kill -9 $$', /says no: it ended by SIGKILL$/],
  ['too much said: the end of it', 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done; exit 1', /status 1: .{100,2100} line 1999$/],
])('a program that ends with %s is a no', async (_, text, reason) => {
  expect(reasonOf(await ask([program(text)]))).toMatch(reason);
});

test('a program that is not there, or may not run, is a no', async () => {
  expect(reasonOf(await ask([join(folder, 'fence-99')]))).toBe("the fence's program FENCE cannot be started (No such file or directory)");
  const path = program('exit 0');
  chmodSync(path, 0o600);
  expect(reasonOf(await ask([path]))).toBe("the fence's program FENCE cannot be started (Permission denied)");
});

/** A program that has a child and waits for ever; `started` is there when both are. */
function hanging(): { path: string; pids: () => number[]; running: Promise<void> } {
  const started = join(folder, `started-${programs}`);
  const path = program(`sleep 1000 & echo "$$ $!" > ${started}.new; mv ${started}.new ${started}; echo waiting; wait`);
  const pids = (): number[] => readFileSync(started, 'utf8').trim().split(' ').map(Number);
  const running = (async () => {
    while (!existsSync(started)) await new Promise((resolve) => setTimeout(resolve, 5));
  })();
  return { path, pids, running };
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      if (process.platform === 'linux' && /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('a program that hangs is a no when its time is over, and is killed with what it started', async () => {
  const timers = new VirtualTimers();
  const { path, pids, running } = hanging();
  const asked = new CommandFence(fenced(timers), [path]).goOnAlone('primary', 'why');
  await running;
  await timers.pass(LIMIT_MS);
  expect(reasonOf(await asked)).toMatch(new RegExp(`^the fence's program FENCE has not ended within ${LIMIT_MS} ms`));
  for (const pid of pids()) await gone(pid);
});

test('a program whose answer is of no use any more is killed, and it is a no', async () => {
  const { path, pids, running } = hanging();
  const giveUp = new AbortController();
  const asked = new CommandFence(fenced(), [path]).goOnAlone('primary', 'why', giveUp.signal);
  await running;
  giveUp.abort();
  expect(reasonOf(await asked)).toMatch(/^the fence's program FENCE was given up/);
  for (const pid of pids()) await gone(pid);
  expect(reasonOf(await new CommandFence(fenced(), [path]).goOnAlone('primary', 'why', giveUp.signal))).toBe('it was given up');
});
