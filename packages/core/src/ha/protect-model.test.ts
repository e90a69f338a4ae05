/**
 * protect-model.test.ts — all that may happen to a protected machine, with the functions that the product runs: nothing that must never happen does, and each planted bug is found.
 * Read first: test-protect-model.ts.
 *
 * `NETLOOM_PROTECT_MODEL=1` explores more: several faults, wishes and work together, a backup that begins again.
 */
import { describe, expect, it } from 'vitest';
import { BACKUP_START, backupStep } from './backup-state.js';
import { PRIMARY_START, primaryStep } from './primary-state.js';
import { DEAD_END } from './test-explore.js';
import { exploreProtect } from './test-protect-model.js';
import type { BackupEvent, BackupState, BackupStep } from './backup-state.js';
import type { PrimaryEvent, PrimaryState, PrimaryStep } from './primary-state.js';
import type { ProtectOptions } from './test-protect-model.js';
import type { FenceKind } from './test-protect-world.js';

const FENCES: readonly FenceKind[] = ['none', 'lock', 'command', 'lease'];
const long = process.env.NETLOOM_PROTECT_MODEL !== undefined;
const TIMEOUT_MS = 120_000;
const LONG_TIMEOUT_MS = 3_600_000;

/** With these a person is needed when the other side is not heard: where it comes to rest without is not asked. */
const decides = (fence: FenceKind): boolean => fence === 'lock' || fence === 'command';

function expectNothingWrong(o: ProtectOptions): number {
  const v = exploreProtect(o);
  expect(v.wrong, v.trace.join('\n')).toBe(null);
  if (long) console.log(JSON.stringify(o), `${v.states} states, ${v.steps} steps, ${v.depth} deep`);
  return v.states;
}

describe('nothing is wrong, whatever happens', () => {
  it.each(FENCES)('%s: one fault', (fence) => {
    expect(expectNothingWrong({ fence, work: 1, faults: 1, rest: decides(fence) })).toBeGreaterThan(10_000);
  }, TIMEOUT_MS);

  it.each(FENCES)('%s: handed over, and unprotected', (fence) => {
    expect(expectNothingWrong({ fence, work: 1, faults: 0, wishes: true, rest: decides(fence) })).toBeGreaterThan(10_000);
  }, TIMEOUT_MS);

  it.each(FENCES)('%s: the backup dies and begins again; somebody says what they know', (fence) => {
    expect(expectNothingWrong({ fence, work: 0, faults: 1, restarts: true, words: true })).toBeGreaterThan(3_000);
  }, TIMEOUT_MS);
});

describe.runIf(long)('nothing is wrong, with more of everything', () => {
  it.each(FENCES)('%s: one fault, handed over, and unprotected', (fence) => {
    expectNothingWrong({ fence, work: 1, faults: 1, wishes: true, rest: decides(fence) });
  }, LONG_TIMEOUT_MS);

  it.each(FENCES)('%s: two steps of work, handed over, and unprotected', (fence) => {
    expectNothingWrong({ fence, work: 2, faults: 0, wishes: true, rest: decides(fence) });
  }, LONG_TIMEOUT_MS);

  it.each(FENCES)('%s: two faults, the backup begins again, somebody says what they know', (fence) => {
    expectNothingWrong({ fence, work: 1, faults: 2, restarts: true, words: true });
  }, LONG_TIMEOUT_MS);
});

describe('comes about', () => {
  class Reached extends Error {}

  /** Is there a way to a backup that runs the machine? */
  const comesToLife = (o: ProtectOptions): boolean => {
    const backup = (s: BackupState, e: BackupEvent): BackupStep => {
      if (e.is === 'took') throw new Reached();
      return backupStep(s, e);
    };
    try {
      exploreProtect({ ...o, backup });
      return false;
    } catch (e) {
      if (e instanceof Reached) return true;
      throw e;
    }
  };

  it.each(['lock', 'command', 'lease'] as const)('with %s a backup runs the machine of a primary that died', (fence) => {
    expect(comesToLife({ fence, work: 0, faults: 1 })).toBe(true);
  }, TIMEOUT_MS);

  it.each(FENCES)('with %s a machine is handed over', (fence) => {
    expect(comesToLife({ fence, work: 0, faults: 0, wishes: true })).toBe(true);
  }, TIMEOUT_MS);

  it('a lock that is kept when the machine is handed over hands nothing over', () => {
    expect(comesToLife({ fence: 'lock', work: 0, faults: 0, wishes: true, bug: 'the lock is kept when the machine is handed over' })).toBe(false);
  }, TIMEOUT_MS);
});

const BOTH = 'the machine runs on both sides';
const SEEN_P = 'the outside has seen what the machine on the backup does not have';
const SEEN_B = 'the outside has seen what the machine on the primary does not have';
const LESS = 'a machine is taken over from less than a whole checkpoint';
const HANDED = 'a machine runs that was handed over';

type PrimaryBug = (s: PrimaryState, e: PrimaryEvent, right: PrimaryStep) => PrimaryStep;
type BackupBug = (s: BackupState, e: BackupEvent, right: BackupStep) => BackupStep;

const inPrimary = (bug: PrimaryBug): Partial<ProtectOptions> => ({ primary: (s, e) => bug(s, e, primaryStep(s, e)) });
const inBackup = (bug: BackupBug): Partial<ProtectOptions> => ({ backup: (s, e) => bug(s, e, backupStep(s, e)) });

describe('a planted bug is found in the primary', () => {
  const nothing = (state: PrimaryState): PrimaryStep => ({ state, acts: [] });
  it.each<[string, FenceKind, string, PrimaryBug, Partial<ProtectOptions>?]>([
    ['releases when a checkpoint is sent', 'lock', SEEN_P, (_s, e, r) => (e.is === 'closed' ? { state: { ...r.state, acked: e.epoch }, acts: [...r.acts, 'release'] } : r)],
    ['abandons when nothing is heard, without the fence', 'lock', SEEN_P, (s, e, r) => (e.is === 'lost' && s.exposed ? { state: PRIMARY_START, acts: ['abandon', 'resume'] } : r)],
    ['abandons when it has asked the backup to forget', 'lock', SEEN_P, (s, e, r) => (e.is === 'streamLost' && s.exposed ? { state: PRIMARY_START, acts: ['dismiss', 'abandon', 'resume'] } : r)],
    ['takes a no of the fence for a yes', 'lease', BOTH, (s, e, r) => (e.is === 'fenced' ? primaryStep(s, { is: 'fenced', ok: true }) : r)],
    ['does not stop when the lease is over', 'lease', BOTH, (s, e, r) => (e.is === 'leaseOver' ? nothing(s) : r)],
    ['takes an ordinary checkpoint for the last', 'none', HANDED, (s, e, r) => (e.is === 'closed' ? primaryStep(s, { ...e, last: true }) : r), { wishes: true }],
    ['does not hear that the machine lives while it hands over', 'command', DEAD_END, (s, e, r) => (e.is === 'lives' && s.phase === 'handing' ? nothing(s) : r), { wishes: true, faults: 0, rest: true }],
    ['does not ask the fence again', 'command', DEAD_END, (s, e, r) => (e.is === 'again' ? nothing(s) : r), { rest: true }],
  ])('%s (%s)', (_name, fence, wrong, bug, more) => {
    const v = exploreProtect({ fence, work: 1, faults: 1, ...inPrimary(bug), ...more });
    expect(v.wrong, v.trace.join('\n')).toBe(wrong);
  }, TIMEOUT_MS);
});

describe('a planted bug is found in the backup', () => {
  const nothing = (state: BackupState): BackupStep => ({ state, acts: [] });
  const takes = (state: BackupState): BackupStep => ({ state: { ...state, phase: 'taking' }, acts: ['takeOver'] });
  it.each<[string, FenceKind, string, BackupBug, Partial<ProtectOptions>?]>([
    ['takes over when it only suspects', 'command', BOTH, (s, e, r) => (e.is === 'lost' && s.phase === 'ready' ? takes(s) : r)],
    ['takes over when it was refused', 'lease', BOTH, (s, e, r) => (e.is === 'fenced' && !e.ok ? takes(s) : r)],
    ['takes over what is not whole', 'lock', LESS, (s, e, r) => (e.is === 'primaryDead' && s.phase === 'receiving' ? takes(s) : r)],
    ['acknowledges what has come, not what is in its place', 'lock', SEEN_P, (s, e, r) => (e.is === 'checkpoint' && r.acts[0] === 'apply' && s.phase === 'ready' ? { state: { ...s, committed: s.committed + 1 }, acts: ['apply', 'ack'] } : r)],
    ['leaves out what comes while it suspects', 'lock', LESS, (s, e, r) => (e.is === 'checkpoint' && s.phase === 'suspecting' ? nothing(s) : r), { work: 2 }],
    ['keeps what it has of before when it says welcome', 'lock', LESS, (_s, e, r) => (e.is === 'hello' && r.acts.includes('discard') ? { ...r, acts: ['welcome'] } : r), { work: 0 }],
    ['welcomes a primary whose machine it runs', 'none', BOTH, (s, e, r) => (e.is === 'hello' && s.phase === 'live' ? { ...r, acts: ['welcome'] } : r), { wishes: true, faults: 0 }],
    ['says that it has forgotten, and has not', 'lease', SEEN_P, (s, e, r) => (e.is === 'standDown' && s.phase === 'ready' ? { state: s, acts: ['stoodDown'] } : r), { words: true }],
    ['forgets while its fence is on the way', 'command', DEAD_END, (s, e, r) => (e.is === 'standDown' && s.phase === 'suspecting' ? { state: BACKUP_START, acts: ['discard', 'stoodDown'] } : r), { faults: 0, rest: true }],
    ['welcomes while its fence is on the way', 'command', DEAD_END, (s, e, r) => (e.is === 'hello' && s.phase === 'suspecting' ? { state: { ...BACKUP_START, phase: 'receiving' }, acts: ['discard', 'welcome'] } : r), { faults: 0, rest: true }],
    ['says that the machine lives before it does', 'lock', DEAD_END, (s, e, r) => (s.phase === 'taking' && (e.is === 'standDown' || e.is === 'hello') ? { state: s, acts: ['lives'] } : r), { wishes: true, faults: 0, rest: true }],
    ['says nothing when it cannot keep a checkpoint', 'lock', DEAD_END, (s, e, r) => (e.is === 'lost' && s.phase === 'receiving' ? { ...r, acts: ['discard'] } : r), { rest: true }],
  ])('%s (%s)', (_name, fence, wrong, bug, more) => {
    const v = exploreProtect({ fence, work: 1, faults: 1, ...inBackup(bug), ...more });
    expect(v.wrong, v.trace.join('\n')).toBe(wrong);
  }, TIMEOUT_MS);
});

describe('a planted bug is found in who runs them', () => {
  it.each<[string, ProtectOptions]>([
    [SEEN_P, { fence: 'lock', work: 1, faults: 1, bug: 'the lock without the note' }],
    [BOTH, { fence: 'lease', work: 0, faults: 0, bug: 'the lease is over for the backup first' }],
    [HANDED, { fence: 'none', work: 0, faults: 0, wishes: true, bug: 'the last checkpoint is taken of a machine that runs on' }],
    [BOTH, { fence: 'none', work: 0, faults: 0, wishes: true, bug: 'a fence may say yes when the machine was handed over' }],
    [SEEN_B, { fence: 'command', work: 0, faults: 0, wishes: true, bug: 'a fence may say yes when the machine was handed over' }],
    [BOTH, { fence: 'lock', work: 0, faults: 0, wishes: true, bug: 'goes on without taking the lock again' }],
    [SEEN_B, { fence: 'lock', work: 0, faults: 1, wishes: true, bug: 'the lock is taken, and nothing noted' }],
    [LESS, { fence: 'lock', work: 0, faults: 1, bug: 'the image is kept when it is to be discarded' }],
    [SEEN_B, { fence: 'lease', work: 0, faults: 1, restarts: true, bug: 'a backup that has begun again counts as one that has forgotten' }],
  ])('%s: $bug', (wrong, o) => {
    const v = exploreProtect(o);
    expect(v.wrong, v.trace.join('\n')).toBe(wrong);
  }, TIMEOUT_MS);
});
