/**
 * backup-state.ts — what the side that keeps a protected machine's checkpoints does next: a function of its state and of what happens.
 * Read first: docs/protect-states.md; primary-state.ts (the other side, and why these are functions).
 *
 *     empty --hello--> receiving --applied--> ready --lost--> suspecting --fenced: yes--> taking --took--> live
 *                                               ^                |  ^
 *                                               |                v  | again
 *                                               +--reachable-- refused --force--> taking
 *
 * A machine is taken over from a whole checkpoint, never from less, and only with a proof that it runs nowhere else: the primary has said that it is dead, or has handed it over, or the fence says so, or a person
 * does. What makes the proof doubtful, a standby that fails say, leaves it where it is: broken.
 *
 * The fence may end the primary before it answers. So what a primary asked before it was ended, to forget all or to begin anew, waits for the answer: what it had would be nowhere.
 * That the machine `lives` here is said when it runs, and not before: who hears it ends the machine there.
 *
 * Invariants: `takeOver` only with `committed` >= 0, once for what was kept; after `stoodDown` or `welcome` nothing of before can be taken over.
 */

export type BackupPhase = 'empty' | 'receiving' | 'ready' | 'suspecting' | 'refused' | 'taking' | 'live' | 'broken';

export interface BackupState {
  readonly phase: BackupPhase;
  /** The last epoch whose checkpoint is whole and in its place; -1: none. */
  readonly committed: number;
  /** While suspecting: what the primary has asked since. It may be dead by the answer of the fence, so it is heard when that is no. */
  readonly later: 'hello' | 'standDown' | null;
}

export type BackupEvent =
  /** A primary asks to be kept. */
  | { readonly is: 'hello' }
  /** A whole checkpoint is here; it is in its place, `hand`: and its primary has stopped for us; it cannot be put there. */
  | { readonly is: 'checkpoint' }
  | { readonly is: 'applied'; readonly epoch: number; readonly hand: boolean }
  | { readonly is: 'applyFailed' }
  /** The primary is not heard on any path; it is again. */
  | { readonly is: 'lost' }
  | { readonly is: 'reachable' }
  | { readonly is: 'fenced'; readonly ok: boolean }
  /** Time to ask the fence again. */
  | { readonly is: 'again' }
  /** The primary says that its machine has failed; that we shall forget it. */
  | { readonly is: 'primaryDead' }
  | { readonly is: 'standDown' }
  /** A person says that the machine runs nowhere else. */
  | { readonly is: 'force' }
  | { readonly is: 'took' }
  | { readonly is: 'takeFailed' }
  /** The machine that waits has ended. */
  | { readonly is: 'standbyFailed' };

export type BackupAct =
  | 'welcome'
  /** Puts the checkpoint in its place. */
  | 'apply'
  /** The epoch committed last is safe; nothing is any more. */
  | 'ack'
  | 'nak'
  | 'fence'
  | 'takeOver'
  /** Forgets what is kept, and ends what waits. */
  | 'discard'
  | 'stoodDown'
  /** Tells the primary that the machine runs here. */
  | 'lives';

export interface BackupStep {
  readonly state: BackupState;
  readonly acts: readonly BackupAct[];
}

export const BACKUP_START: BackupState = { phase: 'empty', committed: -1, later: null };

/** What happens next. Events that mean nothing in a state change nothing. */
export function backupStep(state: BackupState, event: BackupEvent): BackupStep {
  switch (event.is) {
    case 'hello':
      if (state.phase === 'suspecting') return { state: { ...state, later: 'hello' }, acts: [] };
      return isOurs(state) ? ours(state) : { state: { ...BACKUP_START, phase: 'receiving' }, acts: ['discard', 'welcome'] };
    case 'checkpoint':
      // Also while suspecting: what is refused would be missing from the next, which is a difference to it.
      // And who keeps nothing says so, or the primary would wait for ever.
      return isOurs(state) ? ours(state) : { state, acts: [isKeeping(state) ? 'apply' : 'nak'] };
    case 'applied':
      return applied(state, event.epoch, event.hand);
    case 'applyFailed':
    case 'standbyFailed':
      return isKeeping(state) ? { state: { ...BACKUP_START, phase: 'broken' }, acts: ['nak', 'discard'] } : { state, acts: [] };
    case 'lost':
      return lost(state);
    case 'reachable':
      return { state: state.phase === 'refused' ? { ...state, phase: 'ready' } : state, acts: [] };
    case 'fenced':
      return fenced(state, event.ok);
    case 'again':
      return state.phase === 'refused' ? { state: { ...state, phase: 'suspecting' }, acts: ['fence'] } : { state, acts: [] };
    case 'primaryDead':
      if (state.phase === 'receiving') return { state: BACKUP_START, acts: ['discard'] };
      return isWhole(state) ? take(state) : { state, acts: [] };
    case 'standDown':
      if (state.phase === 'suspecting') return { state: { ...state, later: 'standDown' }, acts: [] };
      return isOurs(state) ? ours(state) : { state: BACKUP_START, acts: ['discard', 'stoodDown'] };
    case 'force':
      return state.phase === 'suspecting' || state.phase === 'refused' ? take(state) : { state, acts: [] };
    case 'took':
      return state.phase === 'taking' ? { state: { ...state, phase: 'live' }, acts: ['lives'] } : { state, acts: [] };
    case 'takeFailed':
      return state.phase === 'taking' ? { state: { ...BACKUP_START, phase: 'broken' }, acts: ['nak', 'discard'] } : { state, acts: [] };
  }
}

/** The machine is here, or will be. */
function isOurs({ phase }: BackupState): boolean {
  return phase === 'taking' || phase === 'live';
}

/** Whoever is told that it lives here ends it there. So while it may still fail, nothing is said: the answer is `lives` when it runs, and `nak` when it does not. */
function ours(state: BackupState): BackupStep {
  return { state, acts: state.phase === 'live' ? ['lives'] : [] };
}

/** There is a whole checkpoint and nobody runs it here. */
function isWhole({ phase }: BackupState): boolean {
  return phase === 'ready' || phase === 'suspecting' || phase === 'refused';
}

function isKeeping(state: BackupState): boolean {
  return state.phase === 'receiving' || isWhole(state);
}

function applied(state: BackupState, epoch: number, hand: boolean): BackupStep {
  if (!isKeeping(state)) return { state, acts: [] };
  const phase = state.phase === 'receiving' ? 'ready' : state.phase;
  if (hand) return { state: { phase: 'taking', committed: epoch, later: null }, acts: ['ack', 'takeOver'] };
  return { state: { ...state, phase, committed: epoch }, acts: ['ack'] };
}

function lost(state: BackupState): BackupStep {
  if (state.phase === 'ready') return { state: { ...state, phase: 'suspecting' }, acts: ['fence'] };
  // A primary that is there after all waits for an acknowledgement.
  if (state.phase === 'receiving') return { state: BACKUP_START, acts: ['nak', 'discard'] };
  if (state.phase === 'broken') return { state: BACKUP_START, acts: ['discard'] };
  return { state, acts: [] };
}

function fenced(state: BackupState, ok: boolean): BackupStep {
  if (state.phase !== 'suspecting') return { state, acts: [] };
  if (ok) return take(state);
  const refused: BackupState = { ...state, phase: 'refused', later: null };
  return state.later === null ? { state: refused, acts: [] } : backupStep(refused, { is: state.later });
}

function take(state: BackupState): BackupStep {
  return { state: { ...state, phase: 'taking', later: null }, acts: ['takeOver'] };
}
