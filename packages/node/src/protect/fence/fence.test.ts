/**
 * fence.test.ts — what each fence answers to each side, in virtual time; fences as text.
 */
import { expect, test } from 'vitest';
import { VirtualTimers, settle } from '../../../test/virtual-timers.js';
import { FenceError, formatFence, makeFence, parseFence } from './fence.js';
import type { Fenced, Side, Verdict } from './fence.js';
import { LeaseClock, leaseWaitMs } from './lease-fence.js';
import { PATIENCE_MS } from './lock-fence.js';
import type { LiveFile, LiveNote } from './lock-fence.js';

test.each([
  ['none', { kind: 'none' }],
  ['lock', { kind: 'lock', path: null }],
  ['lock:/shared/db.lock', { kind: 'lock', path: '/shared/db.lock' }],
  ['command:/sbin/fence --host b', { kind: 'command', argv: ['/sbin/fence', '--host', 'b'] }],
  ['lease:1500', { kind: 'lease', ms: 1500 }],
])('%s is a fence, and written as it was', (text, spec) => {
  expect(parseFence(text)).toEqual(spec);
  expect(formatFence(parseFence(text))).toBe(text);
});

test.each([
  ['', 'there is no such kind'],
  ['stonith', 'there is no such kind'],
  ['none:x', 'nothing follows'],
  ['lock:db', '"db" is no path from the root'],
  ['lock:', '"" is no path'],
  ['command', '"" is no path'],
  ['command:fence', '"fence" is no path from the root'],
  ['lease', 'from 100 to 3600000'],
  ['lease:99', 'from 100 to 3600000'],
  ['lease:3600001', 'from 100 to 3600000'],
  ['lease:1e3', 'from 100 to 3600000'],
])('"%s" is none: %s', (text, why) => {
  expect(() => parseFence(text)).toThrow(FenceError);
  expect(() => parseFence(text)).toThrow(why);
});

/** A file with one lock, as both sides see it. `locked`: the other side has it. */
class OneFile implements LiveFile {
  readonly path = '/shared/db.lock';
  locked = false;
  mine = false;
  said: LiveNote | null = { machine: 'db', generation: 4, alone: false };
  broken = '';

  take(): boolean {
    if (this.broken === 'take') throw new Error('no locks here');
    return !this.locked && (this.mine = true);
  }

  release(): void {
    this.mine = false;
  }

  note(): LiveNote | null {
    if (this.broken === 'note') throw new Error('not to be read');
    return this.said;
  }

  write(note: LiveNote): void {
    if (this.broken === 'write') throw new Error('no space');
    this.said = note;
  }
}

class Bed implements Fenced {
  readonly machine = 'db';
  readonly peer = 'host-a';
  readonly timers = new VirtualTimers();
  readonly liveFile = new OneFile();
  heardAt = this.timers.now();
  hushed = false;
  answer: Verdict | null = null;
  readonly generation = (): number => 4;
  readonly lastHeardAt = (): number => this.heardAt;
  readonly hush = (): void => void (this.hushed = true);

  async ask(text: string, side: Side, givenUp?: AbortSignal): Promise<void> {
    void makeFence(parseFence(text), this).goOnAlone(side, 'it is gone', givenUp).then((verdict) => (this.answer = verdict));
    await settle();
  }

  get reason(): string | null {
    return this.answer === null || this.answer.ok ? null : this.answer.reason;
  }
}

test('none: the primary may, the backup never', async () => {
  const bed = new Bed();
  await bed.ask('none', 'primary');
  expect(bed.answer).toEqual({ ok: true });
  await bed.ask('none', 'backup');
  expect(bed.reason).toBe('nobody can tell whether the machine still runs there; if you know it does not: netloom protect failover db --force');
});

test('lock: the primary says in the file that it is alone before it may be', async () => {
  const bed = new Bed();
  await bed.ask('lock', 'primary');
  expect([bed.answer, bed.liveFile.said]).toEqual([{ ok: true }, { machine: 'db', generation: 4, alone: true }]);
});

test.each<[string, LiveNote | null, string | null]>([
  ['the life it knows', { machine: 'db', generation: 4, alone: false }, null],
  ['a life before, alone or not', { machine: 'db', generation: 3, alone: true }, null],
  ['the life it knows, alone', { machine: 'db', generation: 4, alone: true }, 'the machine had gone on at host-a without its backup, so the checkpoint here is from before; to lose what it did since: netloom protect failover db --force'],
  ['a life that it does not know', { machine: 'db', generation: 5, alone: false }, 'the machine has lived on elsewhere: "/shared/db.lock" is of generation 5, and the checkpoint here of 4'],
  ['another machine', { machine: 'web', generation: 4, alone: false }, '"/shared/db.lock" says nothing of "db", so it is not the file that host-a locks; if you know that the machine does not run there: netloom protect failover db --force'],
  ['nothing', null, '"/shared/db.lock" says nothing of "db"'],
])('lock: a backup with a free lock, and a note of %s', async (_, said, reason) => {
  const bed = new Bed();
  bed.liveFile.said = said;
  await bed.ask('lock', 'backup');
  if (reason === null) expect(bed.answer).toEqual({ ok: true });
  else expect(bed.reason).toContain(reason);
  expect(bed.liveFile.mine).toBe(reason === null);
});

test('lock: a backup waits for a machine that lets go late, and not longer than its patience', async () => {
  const bed = new Bed();
  bed.liveFile.locked = true;
  await bed.ask('lock', 'backup');
  await bed.timers.pass(100);
  expect(bed.answer).toBe(null);
  bed.liveFile.locked = false;
  await bed.timers.pass(20);
  expect([bed.answer, bed.liveFile.mine]).toEqual([{ ok: true }, true]);
  const late = new Bed();
  late.liveFile.locked = true;
  await late.ask('lock', 'backup');
  await late.timers.pass(PATIENCE_MS + 20);
  expect(late.reason).toBe('the machine or its daemon still runs there: it holds the lock on "/shared/db.lock"');
  expect(late.timers.armed).toBe(0);
});

test.each([
  ['take', 'backup', 'the lock on "/shared/db.lock" cannot be used: no locks here'],
  ['note', 'backup', 'the note in "/shared/db.lock" cannot be read: not to be read'],
  ['write', 'primary', 'the lock on "/shared/db.lock" cannot be used: no space'],
] as const)('lock: a file system that fails to %s is a no', async (broken, side, reason) => {
  const bed = new Bed();
  bed.liveFile.broken = broken;
  await bed.ask('lock', side);
  // A primary keeps what it has: its machine is not stopped yet.
  expect([bed.reason, bed.liveFile.mine]).toEqual([reason, side === 'primary']);
});

test('lock: a primary that has handed its machine over must have the lock back, and a machine that has not lived on', async () => {
  const taken = new Bed();
  taken.liveFile.locked = true;
  await taken.ask('lock', 'primary');
  expect(taken.reason).toBe('the backup has taken the lock on "/shared/db.lock"');
  const lived = new Bed();
  lived.liveFile.said = { machine: 'db', generation: lived.generation() + 1, alone: false };
  await lived.ask('lock', 'primary');
  expect([lived.reason, lived.liveFile.mine]).toEqual([`the machine has lived on elsewhere: "/shared/db.lock" is of generation ${lived.generation() + 1}, and the machine here of ${lived.generation()}`, false]);
});

test('lock and lease: who gives up is told no at once, and nothing is left armed', async () => {
  for (const text of ['lock', 'lease:500']) {
    const bed = new Bed();
    bed.liveFile.locked = true;
    const giveUp = new AbortController();
    await bed.ask(text, 'backup', giveUp.signal);
    expect(bed.answer).toBe(null);
    giveUp.abort();
    await settle();
    expect([bed.reason, bed.timers.armed, bed.hushed]).toEqual(['it was given up', 0, false]);
  }
});

test('lease: the primary never may', async () => {
  const bed = new Bed();
  await bed.ask('lease:500', 'primary');
  expect(bed.reason).toMatch(/^the backup may have taken over/);
});

test('lease: a backup waits for the lease and the margin, and echoes nothing from then on', async () => {
  expect([leaseWaitMs(500), leaseWaitMs(5000)]).toEqual([600, 5500]);
  const bed = new Bed();
  await bed.timers.pass(200);
  await bed.ask('lease:500', 'backup');
  await bed.timers.pass(399);
  expect([bed.answer, bed.hushed]).toEqual([null, false]);
  await bed.timers.pass(1);
  expect([bed.answer, bed.hushed]).toEqual([{ ok: true }, true]);
});

test('lease: a backup that hears the primary again is told no', async () => {
  const bed = new Bed();
  await bed.ask('lease:500', 'backup');
  bed.heardAt = bed.timers.now() + 1;
  await bed.timers.pass(600);
  expect([bed.reason, bed.hushed]).toEqual(['host-a was heard again, so its lease may not be over', false]);
});

function clock(): { timers: VirtualTimers; lease: LeaseClock; said: string[] } {
  const timers = new VirtualTimers();
  const lease = new LeaseClock(500, timers);
  const said: string[] = [];
  lease.onOver = () => said.push('over');
  lease.onRenewed = () => said.push('renewed');
  return { timers, lease, said };
}

test('a lease counts from when the beat was sent, not from when its echo came', async () => {
  const { timers, lease, said } = clock();
  const sentAt = timers.now() + 100;
  await timers.pass(400);
  lease.renew(sentAt);
  await timers.pass(199);
  expect([lease.valid, said]).toEqual([true, []]);
  await timers.pass(1);
  expect([lease.valid, said]).toEqual([false, ['over']]);
});

test('a late echo of an old beat renews nothing; of a new one it does, once', async () => {
  const { timers, lease, said } = clock();
  const start = timers.now();
  await timers.pass(1000);
  lease.renew(start + 450);
  expect([lease.valid, said]).toEqual([false, ['over']]);
  lease.renew(start + 900);
  lease.renew(start + 800);
  expect([lease.valid, said]).toEqual([true, ['over', 'renewed']]);
  await timers.pass(400);
  expect(said).toEqual(['over', 'renewed', 'over']);
});

test('a lease that is over is not valid even while its alarm is late; after stop nothing is told', async () => {
  const { timers, lease, said } = clock();
  timers.stall(600);
  expect([lease.valid, said]).toEqual([false, []]);
  lease.stop();
  await timers.pass(100);
  expect([said, timers.armed]).toEqual([[], 0]);
});

/** Whenever the backup is told `ok`, the primary's lease is over: for echoes that are late, lost, and of beats that were read late. */
test('backup and primary never run at one time, whatever the wire does', async () => {
  for (const [thereMs, backMs] of [[0, 0], [30, 200], [400, 50], [499, 499]] as const) {
    const bed = new Bed();
    const lease = new LeaseClock(500, bed.timers);
    const sentAt = bed.timers.now();
    bed.timers.after(thereMs, () => (bed.heardAt = bed.timers.now()));
    bed.timers.after(thereMs + backMs, () => lease.renew(sentAt));
    await bed.timers.pass(thereMs);
    await bed.ask('lease:500', 'backup');
    for (let i = 0; i < 300 && bed.answer === null; i++) {
      await bed.timers.pass(10);
      expect(bed.answer !== null && lease.valid).toBe(false);
    }
    expect(bed.answer).toEqual({ ok: true });
    lease.stop();
  }
});
