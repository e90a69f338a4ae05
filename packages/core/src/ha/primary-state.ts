/**
 * primary-state.ts — what the side that runs a protected machine does next: a function of its state and of what happens.
 * Read first: docs/protect-states.md; backup-state.ts (the other side); epoch-plug.ts.
 *
 * Theory of operation. `primaryStep` answers the next state and what is to be done, in order; who calls it does that and brings the answers back as events. It knows no time, no connection and
 * no machine, so a test can explore all that may happen (protect-model.test.ts), and what runs is what was explored.
 *
 *     alone --joined--> syncing --acked--> holding --handOver--> handing --lives--> ended
 *       ^                  |                  |                     |
 *       |                  +------ lost ------+---------------------+
 *       |                                     v
 *       +---- dismissed, fenced: yes ----- deciding --- fenced: no, lease over ---> frozen --joined, goOn--> ...
 *                                                                                              (again: the fence is asked once more)
 *
 * The machine's output is held from the first checkpoint on. From then on the backup is `exposed`: it may have a whole checkpoint and become the machine. So the output may be let go without it
 * only when it cannot any more: it has said so (`dismissed`), or the fence has. Until then it stays held, and when the fence says no, the machine is stopped: the backup may be it by now.
 *
 * Invariants: `release` only of an epoch that was acknowledged; `abandon` only while the backup is not exposed; once the last checkpoint is handed over the machine does not run until that is taken back.
 */

export type PrimaryPhase = 'alone' | 'syncing' | 'holding' | 'handing' | 'deciding' | 'frozen' | 'ended';

export interface PrimaryState {
  readonly phase: PrimaryPhase;
  /** The last epoch that was closed and sent, and the last that is safe; -1: none of this backup's. */
  readonly closed: number;
  readonly acked: number;
  /** May the backup have a whole checkpoint of this machine? */
  readonly exposed: boolean;
  /** While deciding: what was asked. */
  readonly asked: 'dismissal' | 'fence' | null;
  /** The last checkpoint was sent, and the backup told to run: the machine is stopped. */
  readonly handed: boolean;
  /** Protection is to end, not to begin again. */
  readonly leaving: boolean;
  /** The guest has powered down; its last output waits. */
  readonly over: boolean;
}

export type PrimaryEvent =
  /** A backup has taken us; what it had of us before is gone. */
  | { readonly is: 'joined' }
  /** A checkpoint was taken. `last`: the one that `takeLast` asked for, and the machine has stayed stopped; one that was being taken already is not. */
  | { readonly is: 'closed'; readonly epoch: number; readonly last: boolean }
  | { readonly is: 'acked'; readonly epoch: number }
  /** Nothing goes to the backup, or nothing comes back. */
  | { readonly is: 'lost' }
  /** The stream has ended, the other path goes on. */
  | { readonly is: 'streamLost' }
  /** The backup has forgotten what it had of us, because it was asked to, or because it could not keep it. */
  | { readonly is: 'dismissed' }
  /** The backup runs the machine. */
  | { readonly is: 'lives' }
  | { readonly is: 'fenced'; readonly ok: boolean }
  /** Time to ask the fence again. */
  | { readonly is: 'again' }
  /** We may not run any longer without having been heard. */
  | { readonly is: 'leaseOver' }
  /** The machine has ended: because of a failure, or by its own wish or somebody's here. */
  | { readonly is: 'guestDied' }
  | { readonly is: 'guestOver' }
  /** Somebody's wishes: the backup shall run the machine; protection shall end; the machine shall go on, the backup is surely dead. */
  | { readonly is: 'handOver' }
  | { readonly is: 'unprotect' }
  | { readonly is: 'goOn' };

export type PrimaryAct =
  /** Sends the checkpoint that was closed last; `sendLast` tells the backup to run. */
  | 'send'
  | 'sendLast'
  /** Lets go output up to the epoch that was acknowledged last; all of it, and what comes. */
  | 'release'
  | 'abandon'
  /** Asks the backup, on whatever path there is, to forget the machine; asks the fence. */
  | 'dismiss'
  | 'fence'
  | 'takeLast'
  | 'stop'
  | 'resume'
  /** The machine is somewhere else: ends it here, and drops what is held. */
  | 'endGuest'
  | 'reportDeath';

export interface PrimaryStep {
  readonly state: PrimaryState;
  readonly acts: readonly PrimaryAct[];
}

export const PRIMARY_START: PrimaryState = { phase: 'alone', closed: -1, acked: -1, exposed: false, asked: null, handed: false, leaving: false, over: false };

/** What happens next. Events that mean nothing in a state change nothing. */
export function primaryStep(state: PrimaryState, event: PrimaryEvent): PrimaryStep {
  if (state.phase === 'ended') return stay(state);
  switch (event.is) {
    case 'joined':
      return joined(state);
    case 'closed':
      return closed(state, event.epoch, event.last);
    case 'acked':
      return acked(state, event.epoch);
    case 'lost':
      return lost(state, 'fence');
    case 'streamLost':
      return lost(state, 'dismissal');
    case 'dismissed':
      return isProtecting(state) || isDeciding(state) ? alone(state) : stay(state);
    case 'fenced':
      return isDeciding(state) ? fenced(state, event.ok) : stay(state);
    case 'again':
      // What the fence could not do then it may do now. The machine stays stopped until it says yes.
      return { state, acts: state.phase === 'frozen' ? ['fence'] : [] };
    case 'goOn':
      return isDeciding(state) ? alone(state) : stay(state);
    case 'lives':
      return state.phase === 'alone' ? stay(state) : { state: { ...state, phase: 'ended' }, acts: ['endGuest'] };
    case 'leaseOver':
      return leaseOver(state);
    case 'guestDied':
      return { state: { ...state, phase: 'ended' }, acts: state.exposed ? ['reportDeath'] : [] };
    case 'guestOver':
      return leave({ ...state, over: true });
    case 'unprotect':
      return state.phase === 'frozen' || state.phase === 'handing' ? stay(state) : leave(state);
    case 'handOver':
      return state.phase === 'holding' ? { state: { ...state, phase: 'handing' }, acts: ['takeLast'] } : stay(state);
  }
}

function stay(state: PrimaryState): PrimaryStep {
  return { state, acts: [] };
}

function isProtecting({ phase }: PrimaryState): boolean {
  return phase === 'syncing' || phase === 'holding' || phase === 'handing';
}

function isDeciding({ phase }: PrimaryState): boolean {
  return phase === 'deciding' || phase === 'frozen';
}

function joined(state: PrimaryState): PrimaryStep {
  const next: PrimaryState = { ...PRIMARY_START, phase: 'syncing' };
  if (state.phase === 'alone') return { state: next, acts: [] };
  if (state.phase !== 'frozen') return stay(state);
  // Whoever takes us has forgotten us: what froze us is over. But who is to leave does not begin again.
  return state.leaving ? alone(state) : { state: next, acts: ['abandon', 'resume'] };
}

function closed(state: PrimaryState, epoch: number, last: boolean): PrimaryStep {
  if (!isProtecting(state)) return stay(state);
  const handed = state.phase === 'handing' && last;
  return { state: { ...state, closed: epoch, exposed: true, handed }, acts: [handed ? 'sendLast' : 'send'] };
}

function acked(state: PrimaryState, epoch: number): PrimaryStep {
  if (state.phase === 'alone' || epoch <= state.acked || epoch > state.closed) return stay(state);
  return { state: { ...state, acked: epoch, phase: state.phase === 'syncing' ? 'holding' : state.phase }, acts: ['release'] };
}

function lost(state: PrimaryState, ask: 'dismissal' | 'fence'): PrimaryStep {
  if (state.phase === 'deciding') return state.asked === 'dismissal' && ask === 'fence' ? { state: { ...state, asked: 'fence' }, acts: ['fence'] } : stay(state);
  if (!isProtecting(state)) return stay(state);
  if (!state.exposed) return alone(state);
  return { state: { ...state, phase: 'deciding', asked: ask }, acts: [ask === 'fence' ? 'fence' : 'dismiss'] };
}

function fenced(state: PrimaryState, ok: boolean): PrimaryStep {
  if (ok) return alone(state);
  // A guest that has powered down has no more to say than what nobody may hear.
  if (state.over) return { state: { ...state, phase: 'ended' }, acts: [] };
  return { state: { ...state, phase: 'frozen', asked: null }, acts: ['stop'] };
}

/** The backup is no danger: everything goes out, and the machine runs, unless it is over. */
function alone(state: PrimaryState): PrimaryStep {
  const phase = state.leaving || state.over ? 'ended' : 'alone';
  return { state: { ...PRIMARY_START, phase, leaving: state.leaving, over: state.over }, acts: state.over ? ['abandon'] : ['abandon', 'resume'] };
}

function leave(state: PrimaryState): PrimaryStep {
  const next: PrimaryState = { ...state, leaving: true };
  if (!state.exposed) return alone(next);
  if (state.phase === 'deciding') return stay(next);
  // Frozen and over: the backup may be the machine; it need not be asked any more.
  if (state.phase === 'frozen') return { state: { ...next, phase: 'ended' }, acts: [] };
  return { state: { ...next, phase: 'deciding', asked: 'dismissal' }, acts: ['dismiss'] };
}

function leaseOver(state: PrimaryState): PrimaryStep {
  if (!state.exposed || state.phase === 'frozen') return stay(state);
  if (state.over) return { state: { ...state, phase: 'ended' }, acts: [] };
  return { state: { ...state, phase: 'frozen', asked: null }, acts: ['stop'] };
}
