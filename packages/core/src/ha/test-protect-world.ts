/**
 * test-protect-world.ts — the world of a protected machine in small: both sides, what is between them, the fence; and what each act of primary-state.ts and backup-state.ts does in it.
 * Read first: primary-state.ts, backup-state.ts; docs/protect-states.md.
 *
 * Theory of operation. The machine is a number that grows: each step of its work shows it to the outside, unless output is held. What the outside has seen of the machine on the primary is `seen`; what it
 * saw of the one on the backup goes on from `base`, and is another story from there on. A checkpoint is the number at that moment, and a difference to the one before: the first to nothing.
 *
 * Network. The stream brings what is in it in order, or breaks and loses all of it; the other path loses what it likes and keeps no order. A cut is nothing more than that, in whichever direction, and the end of
 * a cut is that messages arrive again. What belongs to a former session is ignored by who knows of a later one; here it is taken out of the way when that is certain.
 *
 * What acts do here is what whoever runs the functions must do; docs/protect-states.md has these duties as a list. Each of a side's steps is whole: an event and all that it leads to here.
 */
import { BACKUP_START, backupStep } from './backup-state.js';
import type { BackupAct, BackupEvent, BackupState } from './backup-state.js';
import { PRIMARY_START, primaryStep } from './primary-state.js';
import type { PrimaryAct, PrimaryEvent, PrimaryState } from './primary-state.js';

export type FenceKind = 'none' | 'lock' | 'command' | 'lease';

/** What a driver may get wrong. */
export type DriverBug =
  | 'the lock without the note' | 'the lease is over for the backup first' | 'the last checkpoint is taken of a machine that runs on' | 'a fence may say yes when the machine was handed over'
  | 'an answer of the fence counts for a later question' | 'a backup that has begun again counts as one that has forgotten' | 'goes on without taking the lock again' | 'the image is kept when it is to be discarded'
  | 'a checkpoint of before counts in a new session' | 'the lock is kept when the machine is handed over' | 'the lock is taken, and nothing noted';

export interface Checkpoint {
  readonly epoch: number;
  readonly v: number;
  readonly hand: boolean;
}

export interface Image {
  readonly epoch: number;
  readonly v: number;
  /** A difference was put on something else than what it is a difference to. */
  readonly torn: boolean;
}

export type Message = 'hello' | 'standDown' | 'dead' | 'welcome' | 'nak' | 'stoodDown' | 'lives' | { readonly acked: number } | Checkpoint;

/** What may be under way on the other path. */
export const P2_STAND_DOWN = 1;
export const P2_DEAD = 2;
export const P2_OLD_STAND_DOWN = 4;
export const P2_STOOD_DOWN = 1;
export const P2_LIVES = 2;

/** A state of the world. Copied, then changed, then not any more. */
export interface World {
  p: PrimaryState;
  pUp: boolean;
  guest: 'running' | 'stopped' | 'gone';
  v: number;
  /** Output waits; the values of the epochs that were closed. */
  plugged: boolean;
  held: readonly number[];
  /** A checkpoint is being taken: an ordinary one, the last, the last behind an ordinary one. */
  taking: '' | 'one' | 'last' | 'both';
  seen: number;

  b: BackupState;
  bUp: boolean;
  image: Image | null;
  /** What came, and is being put in its place. */
  staged: Checkpoint | null;
  /** The machine is being let run; runs. */
  going: boolean;
  live: boolean;
  /** What the machine on the backup began from, and whether it has shown anything since. */
  base: number;
  shown: boolean;

  open: boolean;
  /** The primary knows that the stream has ended. */
  told: boolean;
  toB: readonly Message[];
  toP: readonly Message[];
  toB2: number;
  toP2: number;
  /** The backup has not heard of the primary's session yet; is not the one that the primary's session is with, but began again. */
  behind: boolean;
  strange: boolean;

  pAsks: '' | 'asked' | 'yes' | 'no';
  bAsks: '' | 'asked' | 'yes' | 'no';
  lock: '' | 'p' | 'b';
  note: '' | 'alone' | 'taken';
  leaseOver: boolean;

  faults: number;
  restarts: number;
  handOvers: number;
  unprotects: number;
  words: number;
  /** A machine that was not protected at that moment is lost, or only a person can know whether it may go on. */
  unprotectedLoss: boolean;
  /** What an act found to be wrong. */
  wrong: string | null;
}

export interface Rules {
  readonly fence: FenceKind;
  readonly bug?: DriverBug;
  readonly primary: typeof primaryStep;
  readonly backup: typeof backupStep;
}

export const RULES = { primary: primaryStep, backup: backupStep };

export function firstWorld(fence: FenceKind): World {
  return {
    p: PRIMARY_START, pUp: true, guest: 'running', v: 0, plugged: false, held: [], taking: '', seen: 0,
    b: BACKUP_START, bUp: true, image: null, staged: null, going: false, live: false, base: -1, shown: false,
    open: false, told: true, toB: [], toP: [], toB2: 0, toP2: 0, behind: false, strange: false,
    pAsks: '', bAsks: '', lock: fence === 'lock' ? 'p' : '', note: '', leaseOver: false,
    faults: 0, restarts: 0, handOvers: 0, unprotects: 0, words: 0, unprotectedLoss: false, wrong: null,
  };
}

/** The sides as programs: brings events to the functions, and does what they say. */
export class Sides {
  private readonly rules: Rules;
  private readonly bug: DriverBug | undefined;

  constructor(rules: Rules) {
    this.rules = rules;
    this.bug = rules.bug;
  }

  primary(w: World, event: PrimaryEvent): World {
    if (!w.pUp) return w;
    const { state, acts } = this.rules.primary(w.p, event);
    w.p = state;
    for (const act of acts) this.primaryAct(w, act);
    if (w.p.phase !== 'ended') return w;
    // Nobody wants an answer any more; and a machine that has ended, and whose output is decided, needs no lock.
    w.pAsks = '';
    if (w.guest === 'gone') this.unlock(w, 'p');
    return w;
  }

  backup(w: World, event: BackupEvent, checkpoint: Checkpoint | null = null): World {
    if (!w.bUp) return w;
    const { state, acts } = this.rules.backup(w.b, event);
    w.b = state;
    for (const act of acts) this.backupAct(w, act, checkpoint);
    return w;
  }

  /** A checkpoint that was being taken is there. */
  taken(w: World): World {
    const { phase } = w.p;
    const last = w.taking === 'last';
    const protecting = phase === 'syncing' || phase === 'holding' || phase === 'handing';
    w.taking = w.taking === 'both' ? 'last' : '';
    if (last && w.guest === 'running' && this.bug !== 'the last checkpoint is taken of a machine that runs on') w.guest = 'stopped';
    if (!protecting) return w;
    w.plugged = true;
    w.held = [...w.held, w.v];
    return this.primary(w, { is: 'closed', epoch: w.held.length - 1, last });
  }

  /** What came is in its place. */
  applied(w: World): World {
    const { epoch, v, hand } = w.staged!;
    const fits = epoch === 0 ? w.image === null : w.image?.epoch === epoch - 1;
    w.image = { epoch, v, torn: !fits || w.image?.torn === true };
    w.staged = null;
    return this.backup(w, { is: 'applied', epoch, hand });
  }

  /** The machine runs on the backup, unless the lock says no. */
  took(w: World, fence: FenceKind): World {
    if (fence === 'lock') {
      if (w.lock === 'p' || (w.note === 'alone' && this.bug !== 'the lock without the note')) return this.backup(w, { is: 'takeFailed' });
      w.lock = 'b';
      if (this.bug !== 'the lock is taken, and nothing noted') w.note = 'taken';
    }
    w.live = true;
    w.base = w.image!.v;
    w.going = false;
    return this.backup(w, { is: 'took' });
  }

  /** A new stream, and the first word on it. */
  hello(w: World): World {
    w.open = true;
    w.told = false;
    w.toB = ['hello'];
    w.toP = [];
    w.toP2 = 0;
    if ((w.toB2 & P2_STAND_DOWN) !== 0) w.toB2 = (w.toB2 & ~P2_STAND_DOWN) | P2_OLD_STAND_DOWN;
    w.behind = true;
    return w;
  }

  welcomed(w: World): World {
    // One that began again does not know whether it ran the machine before.
    if (w.strange && w.p.exposed && this.bug !== 'a backup that has begun again counts as one that has forgotten') {
      w.told = true;
      return this.breakStream(w);
    }
    w.strange = false;
    w.note = '';
    w.leaseOver = false;
    if (this.bug !== 'an answer of the fence counts for a later question') w.pAsks = '';
    if (this.bug !== 'a checkpoint of before counts in a new session') w.taking = '';
    w.held = [];
    return this.primary(w, { is: 'joined' });
  }

  standDown(w: World): World {
    return w.strange && this.bug !== 'a backup that has begun again counts as one that has forgotten' ? w : this.backup(w, { is: 'standDown' });
  }

  unlock(w: World, side: 'p' | 'b'): void {
    if (w.lock === side) w.lock = '';
  }

  breakStream(w: World): World {
    w.open = false;
    w.toB = [];
    w.toP = [];
    return w;
  }

  primaryDies(w: World): World {
    this.unlock(w, 'p');
    return Object.assign(w, { p: { ...PRIMARY_START, phase: 'ended', over: w.p.over }, pUp: false, guest: 'gone', plugged: false, held: [], taking: '', toP: [], toP2: 0, pAsks: '', told: true, behind: false, strange: false, leaseOver: false });
  }

  backupDies(w: World): World {
    this.unlock(w, 'b');
    if (!w.shown) w.base = -1;
    return Object.assign(w, { b: BACKUP_START, bUp: false, image: null, staged: null, going: false, live: false, toB: [], toB2: 0, bAsks: '', behind: false });
  }

  private toBackup(w: World, message: Message): void {
    if (w.open && w.bUp) w.toB = [...w.toB, message];
  }

  private toPrimary(w: World, message: Message, other = 0): void {
    // An answer to a session that the primary has left is ignored there.
    if (w.behind || !w.pUp) return;
    if (w.open) w.toP = [...w.toP, message];
    w.toP2 |= other;
  }

  private primaryAct(w: World, act: PrimaryAct): void {
    switch (act) {
      case 'send':
      case 'sendLast':
        if (act === 'sendLast' && this.bug !== 'the lock is kept when the machine is handed over') this.unlock(w, 'p');
        return this.toBackup(w, { epoch: w.p.closed, v: w.held[w.p.closed]!, hand: act === 'sendLast' });
      case 'release':
        w.seen = Math.max(w.seen, w.held[w.p.acked]!);
        return;
      case 'abandon':
        if (w.plugged) w.seen = Math.max(w.seen, w.v);
        return void Object.assign(w, { plugged: false, held: [] });
      case 'dismiss':
        this.toBackup(w, 'standDown');
        if (w.bUp) w.toB2 |= P2_STAND_DOWN;
        return;
      case 'fence':
        w.pAsks = 'asked';
        return;
      case 'takeLast':
        w.taking = w.taking === 'one' ? 'both' : 'last';
        return;
      case 'stop':
        if (w.guest === 'running') w.guest = 'stopped';
        return;
      case 'resume':
        return this.resume(w);
      case 'endGuest':
        this.unlock(w, 'p');
        return void Object.assign(w, { guest: 'gone', plugged: false, held: [], taking: '' });
      case 'reportDeath':
        this.unlock(w, 'p');
        this.toBackup(w, 'dead');
        if (w.bUp) w.toB2 |= P2_DEAD;
    }
  }

  private resume(w: World): void {
    w.taking = w.taking === 'one' ? 'one' : '';
    if (w.guest !== 'stopped') return;
    w.guest = 'running';
    if (this.rules.fence !== 'lock' || this.bug === 'goes on without taking the lock again') return;
    if (w.lock === 'b') w.wrong = 'the primary goes on, and cannot have the lock';
    w.lock = 'p';
  }

  private backupAct(w: World, act: BackupAct, checkpoint: Checkpoint | null): void {
    switch (act) {
      case 'apply':
        w.staged = checkpoint;
        return;
      case 'ack':
        return this.toPrimary(w, { acked: w.b.committed });
      case 'fence':
        w.bAsks = 'asked';
        return;
      case 'takeOver':
        if (w.image === null || w.image.torn) w.wrong = 'a machine is taken over from less than a whole checkpoint';
        // Its image is what it is: nothing more is put there.
        w.staged = null;
        w.going = w.image !== null;
        w.bAsks = '';
        return;
      case 'discard':
        if (this.bug !== 'the image is kept when it is to be discarded') w.image = null;
        w.staged = null;
        w.going = false;
        if (this.bug !== 'an answer of the fence counts for a later question') w.bAsks = '';
        return this.unlock(w, 'b');
      case 'stoodDown':
        return this.toPrimary(w, 'stoodDown', P2_STOOD_DOWN);
      case 'lives':
        return this.toPrimary(w, 'lives', P2_LIVES);
      case 'welcome':
      case 'nak':
        return this.toPrimary(w, act);
    }
  }
}

function messageKey(m: Message): string {
  if (typeof m === 'string') return m === 'stoodDown' ? 'S' : m === 'standDown' ? 's' : m.charAt(0);
  return 'acked' in m ? `a${m.acked}` : `${m.hand ? 'C' : 'c'}${m.epoch}${m.v}`;
}

/** A message, for a reader. */
export function messageText(m: Message): string {
  if (typeof m === 'string') return m;
  return 'acked' in m ? `ack ${m.acked}` : `checkpoint ${m.epoch} (${m.v})${m.hand ? ', the last' : ''}`;
}

const bit = (on: boolean): string => (on ? '1' : '0');

/** A world as text. */
export function worldKey(w: World): string {
  const { p, b } = w;
  return `${p.phase}${p.closed},${p.acked}${bit(p.exposed)}${p.asked === null ? '' : p.asked.charAt(0)}${bit(p.handed)}${bit(p.leaving)}${bit(p.over)}`
    + `|${bit(w.pUp)}${w.guest.charAt(0)}${w.v}${bit(w.plugged)}${w.held.join('')}${w.taking}${w.seen}`
    + `|${b.phase}${b.committed}${b.later?.charAt(0) ?? ''}${bit(w.bUp)}${w.image === null ? '-' : `${w.image.epoch}${w.image.v}${bit(w.image.torn)}`}${w.staged === null ? '-' : messageKey(w.staged)}${bit(w.going)}${bit(w.live)}${w.base}${bit(w.shown)}`
    + `|${bit(w.open)}${bit(w.told)}${w.toB.map(messageKey).join('')}>${w.toP.map(messageKey).join('')}<${w.toB2}${w.toP2}${bit(w.behind)}${bit(w.strange)}`
    + `|${w.pAsks},${w.bAsks},${w.lock}${w.note.charAt(0)}${bit(w.leaseOver)}${w.faults}${w.restarts}${w.handOvers}${w.unprotects}${w.words}${bit(w.unprotectedLoss)}${w.wrong ?? ''}`;
}
