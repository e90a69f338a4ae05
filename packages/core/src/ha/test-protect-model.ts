/**
 * test-protect-model.ts — what may happen to a protected machine, and what must never: for a search through all of it.
 * Read first: test-protect-world.ts (the world), test-explore.ts (the search); docs/protect-states.md ("What the model covers").
 *
 * Theory of operation. From a state everything is possible that the options allow: the machine works, checkpoints are taken, messages arrive in any order between the paths, or are lost; a side suspects the other, rightly or
 * not; a daemon dies, or the machine alone; persons say what they want. A step that is a fault or a wish is `bad`: the world must come to rest without it.
 *
 * Invariants (`brokenRule`), of each state:
 *   1  the machine runs at one place at most, and not where it was handed over;
 *   2  what the outside has seen is part of what runs, and nothing is seen that is not part of what was seen before;
 *   3  a machine is taken over from a whole checkpoint;
 *   4  who protects nothing holds nothing;
 *   5  (`isAtRest`, with at most one fault, where the fence can decide) it can always come to a state in which the machine runs and its output is out, or was ended on purpose.
 *
 * Held output may be dropped although the machine that runs remembers having sent it: a checkpoint was committed, and its acknowledgement lost with the primary. To the outside that is a lost packet, as in every Remus.
 *
 * Not here: time beyond "the lease runs out at the primary before it does at the backup"; a program that is late in stopping the machine; a daemon of the primary that begins again (its machine is another); disks.
 */
import { explore } from './test-explore.js';
import type { ModelStep, Verdict } from './test-explore.js';
import {
  firstWorld, messageText, P2_DEAD, P2_LIVES, P2_OLD_STAND_DOWN, P2_STAND_DOWN, P2_STOOD_DOWN, RULES, Sides, worldKey,
} from './test-protect-world.js';
import type { Checkpoint, FenceKind, Message, Rules, World } from './test-protect-world.js';

export interface ProtectOptions extends Partial<Rules> {
  readonly fence: FenceKind;
  /** How far the machine works, and how many faults there are: a daemon dies, a machine dies or powers down, a checkpoint cannot be kept or taken over. */
  readonly work: number;
  readonly faults: number;
  /** May the backup's daemon begin again, once? May somebody say once each that it shall be handed over, unprotected? That it surely runs nowhere else? */
  readonly restarts?: boolean;
  readonly wishes?: boolean;
  readonly words?: boolean;
  /** Look for dead ends too. */
  readonly rest?: boolean;
  readonly statesMax?: number;
}

type Step = ModelStep<World>;

export function exploreProtect(o: ProtectOptions): Verdict<World> {
  const model = new ProtectModel(o);
  return explore({
    start: firstWorld(o.fence), next: (w) => model.next(w), key: worldKey, check: brokenRule, ...(o.rest === true ? { goal: (w: World) => isAtRest(w) } : {}),
  }, o.statesMax ?? 2_000_000);
}

/** What is wrong with a state. */
export function brokenRule(w: World): string | null {
  if (w.wrong !== null) return w.wrong;
  if (w.live && w.guest === 'running') return 'the machine runs on both sides';
  if (w.p.handed && w.guest === 'running') return 'a machine runs that was handed over';
  if ((w.live || w.shown) && w.seen > w.base) return 'the outside has seen what the machine on the backup does not have';
  if (w.shown && w.guest === 'running') return 'the outside has seen what the machine on the primary does not have';
  if ((w.p.phase === 'alone' || w.p.phase === 'ended') && w.guest !== 'gone' && w.plugged) return 'output is held that nobody will let go';
  return null;
}

/** The machine runs, all that it has sent is out, and who has it knows that; or it was ended on purpose, or was lost while nothing protected it. */
export function isAtRest(w: World): boolean {
  const left = w.p.phase === 'ended' && w.p.leaving && !w.p.exposed;
  if (w.unprotectedLoss || left || w.p.over || (!w.pUp && !w.bUp)) return true;
  if (w.live) return !w.pUp || w.p.phase === 'ended';
  return w.guest === 'running' && w.seen === w.v && (w.p.phase === 'alone' || w.p.phase === 'holding' || w.p.phase === 'ended');
}

class ProtectModel {
  private readonly o: ProtectOptions;
  private readonly fence: FenceKind;
  private readonly sides: Sides;

  constructor(o: ProtectOptions) {
    this.o = o;
    this.fence = o.fence;
    this.sides = new Sides({ ...RULES, ...o });
  }

  next(w: World): Step[] {
    const steps: Step[] = [];
    const step = (what: string, change: (n: World) => void, bad = false): void => {
      const to = { ...w };
      change(to);
      steps.push({ what, to, bad });
    };
    this.machine(w, step);
    this.stream(w, step);
    this.otherPath(w, step);
    this.suspicion(w, step);
    if (w.pAsks !== '') this.primaryFence(w, step);
    if (w.bAsks !== '') this.backupFence(w, step);
    if (w.faults < this.o.faults) this.fault(w, (what, change) => step(what, (n) => {
      n.faults++;
      change(n);
    }, true));
    this.persons(w, (what, change) => step(what, change, true));
    return steps;
  }

  private machine(w: World, step: Add): void {
    const { sides, fence } = this;
    if (w.guest === 'running' && w.v < this.o.work) step('the machine on the primary works', (n) => {
      n.v++;
      if (!n.plugged) n.seen = n.v;
    });
    if (w.live && !w.shown) step('the machine on the backup works', (n) => {
      n.shown = true;
    });
    if (w.taking === '' && w.guest === 'running' && (w.p.phase === 'syncing' || w.p.phase === 'holding') && (w.held.length === 0 || w.held.at(-1)! < w.v)) step('a checkpoint is being taken', (n) => {
      n.taking = 'one';
    });
    if (w.taking !== '') step(w.taking === 'last' ? 'the last checkpoint is there' : 'the checkpoint is there', (n) => sides.taken(n));
    if (w.staged !== null) step('the backup has put the checkpoint in its place', (n) => sides.applied(n));
    if (w.going) step('the backup lets the machine run', (n) => sides.took(n, fence));
  }

  private stream(w: World, step: Add): void {
    const { sides } = this;
    const calls = w.p.phase === 'alone' || w.p.phase === 'frozen';
    if (w.pUp && w.bUp && calls && !w.toB.includes('hello') && !w.toP.includes('welcome')) step(`the primary, ${w.p.phase}, says hello on a new stream`, (n) => sides.hello(n));
    if (w.open) step('the stream breaks', (n) => sides.breakStream(n), true);
    const toB = w.toB[0];
    if (toB !== undefined && !(w.staged !== null && isCheckpoint(toB))) step(`the backup gets: ${messageText(toB)}`, (n) => {
      n.toB = n.toB.slice(1);
      this.atBackup(n, toB);
    });
    const toP = w.toP[0];
    if (toP !== undefined) step(`the primary gets: ${messageText(toP)}`, (n) => {
      n.toP = n.toP.slice(1);
      this.atPrimary(n, toP);
    });
  }

  private atBackup(n: World, m: Message): void {
    const { sides } = this;
    if (m === 'hello') {
      n.behind = false;
      n.toB2 &= ~P2_OLD_STAND_DOWN;
      sides.backup(n, { is: 'hello' });
    } else if (m === 'standDown') sides.standDown(n);
    else if (m === 'dead') sides.backup(n, { is: 'primaryDead' });
    else if (isCheckpoint(m)) sides.backup(n, { is: 'checkpoint' }, m);
  }

  private atPrimary(n: World, m: Message): void {
    const { sides } = this;
    if (m === 'welcome') sides.welcomed(n);
    else if (m === 'nak' || m === 'stoodDown') sides.primary(n, { is: 'dismissed' });
    else if (m === 'lives') sides.primary(n, { is: 'lives' });
    else if (typeof m === 'object' && 'acked' in m) sides.primary(n, { is: 'acked', epoch: m.acked });
  }

  private otherPath(w: World, step: Add): void {
    const { sides } = this;
    for (const [bit, what] of [[P2_STAND_DOWN, 'standDown'], [P2_OLD_STAND_DOWN, 'an older standDown'], [P2_DEAD, 'dead']] as const) {
      if ((w.toB2 & bit) === 0) continue;
      step(`the backup gets on the other path: ${what}`, (n) => {
        n.toB2 &= ~bit;
        if (bit === P2_DEAD) sides.backup(n, { is: 'primaryDead' });
        else sides.standDown(n);
      });
      step(`lost on the other path: ${what}`, (n) => {
        n.toB2 &= ~bit;
      }, true);
    }
    for (const [bit, what] of [[P2_STOOD_DOWN, 'stoodDown'], [P2_LIVES, 'lives']] as const) {
      if ((w.toP2 & bit) === 0) continue;
      step(`the primary gets on the other path: ${what}`, (n) => {
        n.toP2 &= ~bit;
        sides.primary(n, { is: bit === P2_LIVES ? 'lives' : 'dismissed' });
      });
      step(`lost on the other path: ${what}`, (n) => {
        n.toP2 &= ~bit;
      }, true);
    }
  }

  /** Who hears nothing, or believes so. It is nobody's fault when there is nobody to be heard, or a question was lost. */
  private suspicion(w: World, step: Add): void {
    const { sides, fence } = this;
    const { phase } = w.p;
    const protecting = phase === 'syncing' || phase === 'holding' || phase === 'handing';
    if (w.pUp && !w.open && !w.told) step('the primary finds that the stream has ended', (n) => {
      n.told = true;
      sides.primary(n, { is: 'streamLost' });
    });
    if (w.pUp && (protecting || (phase === 'deciding' && w.p.asked === 'dismissal'))) step('the primary hears nothing', (n) => sides.primary(n, { is: 'lost' }), w.bUp && w.open && phase !== 'deciding');
    if (w.pUp && phase === 'frozen' && w.pAsks === '' && (fence === 'command' || fence === 'lock')) step('the primary asks the fence again', (n) => sides.primary(n, { is: 'again' }));
    const gone = !w.pUp || phase === 'ended';
    if (w.bUp && (w.b.phase === 'ready' || w.b.phase === 'receiving' || w.b.phase === 'broken')) step('the backup hears nothing', (n) => sides.backup(n, { is: 'lost' }), !gone);
    if (w.bUp && w.b.phase === 'refused') {
      if (!gone) step('the backup hears the primary again', (n) => sides.backup(n, { is: 'reachable' }));
      step('the backup asks the fence again', (n) => sides.backup(n, { is: 'again' }));
    }
    if (fence === 'lease' && w.pUp && w.p.exposed && !w.leaseOver) step('the lease runs out at the primary', (n) => {
      n.leaseOver = true;
      sides.primary(n, { is: 'leaseOver' });
    });
  }

  private primaryFence(w: World, step: Add): void {
    const { sides, fence } = this;
    const answer = (ok: boolean, change: (n: World) => void = () => undefined, bad = false): void => step(`the primary's fence: ${ok ? 'yes' : 'no'}`, (n) => {
      n.pAsks = ok ? 'yes' : 'no';
      change(n);
    }, bad);
    if (w.pAsks !== 'asked') return step('the primary has the answer', (n) => {
      n.pAsks = '';
      sides.primary(n, { is: 'fenced', ok: w.pAsks === 'yes' });
    });
    const mayAfter = !w.p.handed || this.o.bug === 'a fence may say yes when the machine was handed over';
    if (fence === 'none') answer(mayAfter);
    else if (fence === 'lease') answer(false);
    else if (fence === 'lock') {
      const ok = w.lock !== 'b' && w.note !== 'taken';
      answer(ok, (n) => {
        if (ok) Object.assign(n, { lock: 'p', note: 'alone' });
      });
    } else {
      if (mayAfter) answer(true, (n) => this.kill(n, 'b'));
      // Whether a backup that is dead has run what it was handed, only a person can know.
      answer(false, (n) => void (n.unprotectedLoss ||= !mayAfter && !n.bUp), mayAfter);
    }
  }

  private backupFence(w: World, step: Add): void {
    const { sides, fence } = this;
    const { bug } = this.o;
    const answer = (ok: boolean, change: (n: World) => void = () => undefined, bad = false): void => step(`the backup's fence: ${ok ? 'yes' : 'no'}`, (n) => {
      n.bAsks = ok ? 'yes' : 'no';
      change(n);
    }, bad);
    if (w.bAsks !== 'asked') return step('the backup has the answer', (n) => {
      n.bAsks = '';
      sides.backup(n, { is: 'fenced', ok: w.bAsks === 'yes' });
    });
    if (fence === 'none') answer(false);
    else if (fence === 'lease') answer(w.leaseOver || !w.pUp || w.p.phase === 'ended' || bug === 'the lease is over for the backup first');
    else if (fence === 'lock') {
      const ok = w.lock !== 'p' && (w.note !== 'alone' || bug === 'the lock without the note');
      answer(ok, (n) => {
        if (ok) n.lock = 'b';
      });
    } else {
      answer(true, (n) => this.kill(n, 'p'));
      answer(false, undefined, true);
    }
  }

  private kill(n: World, side: 'p' | 'b'): void {
    if (side === 'p' && n.pUp) this.sides.primaryDies(n);
    if (side === 'b' && n.bUp) this.sides.breakStream(this.sides.backupDies(n));
  }

  private fault(w: World, step: Add): void {
    const { sides } = this;
    if (w.pUp) step('the primary\'s daemon dies, and the machine with it', (n) => {
      this.loses(n);
      sides.primaryDies(n);
    });
    if (w.bUp) step('the backup\'s daemon dies', (n) => {
      n.unprotectedLoss ||= w.live || w.going || w.guest === 'gone' || !w.pUp;
      sides.backupDies(n);
      // What it has said is still on its way.
      n.open = n.open && n.toP.length > 0;
    });
    if (w.pUp && w.guest !== 'gone') step('the machine on the primary dies', (n) => {
      this.loses(n);
      n.guest = 'gone';
      sides.primary(n, { is: 'guestDied' });
    });
    if (w.pUp && w.guest === 'running') step('the machine on the primary powers down', (n) => {
      n.guest = 'gone';
      sides.primary(n, { is: 'guestOver' });
    });
    const fails = (is: 'applyFailed' | 'standbyFailed' | 'takeFailed', what: string): void => step(what, (n) => {
      n.unprotectedLoss ||= w.guest === 'gone';
      n.staged = null;
      sides.backup(n, { is });
    });
    if (w.staged !== null) fails('applyFailed', 'the backup cannot put the checkpoint in its place');
    if (w.image !== null && !w.going && !w.live) fails('standbyFailed', 'the machine that waits ends');
    if (w.going) fails('takeFailed', 'the backup cannot take over');
  }

  /** The machine on the primary is about to end: notes when nothing could have saved it. */
  private loses(n: World): void {
    const { phase } = n.b;
    const whole = n.image !== null && !n.image.torn && n.image.v >= n.seen && (phase === 'ready' || phase === 'suspecting' || phase === 'refused' || phase === 'taking');
    const forgets = n.b.later !== null || n.toB.some((m) => m === 'hello' || m === 'standDown') || (n.toB2 & (P2_STAND_DOWN | P2_OLD_STAND_DOWN)) !== 0;
    const saved = n.live || (n.bUp && whole && !forgets && !(this.fence === 'lock' && n.note === 'alone'));
    n.unprotectedLoss ||= !saved;
  }

  private persons(w: World, step: Add): void {
    const { sides, o } = this;
    if (o.restarts === true && !w.bUp && w.restarts === 0) step('the backup\'s daemon begins again', (n) => {
      sides.breakStream(n);
      n.restarts++;
      n.bUp = true;
      n.strange = w.p.exposed;
    });
    if (o.wishes === true && w.pUp && w.handOvers === 0 && w.p.phase === 'holding') step('somebody wants the machine on the backup', (n) => {
      n.handOvers++;
      sides.primary(n, { is: 'handOver' });
    });
    if (o.wishes === true && w.pUp && w.unprotects === 0 && w.p.phase !== 'alone' && w.p.phase !== 'ended') step('somebody wants it unprotected', (n) => {
      n.unprotects++;
      sides.primary(n, { is: 'unprotect' });
    });
    if (o.words !== true || w.words > 0) return;
    if (w.pUp && !w.bUp && !w.shown && (w.p.phase === 'deciding' || w.p.phase === 'frozen')) step('somebody knows that the backup is dead', (n) => {
      n.words++;
      sides.primary(n, { is: 'goOn' });
    });
    // A primary that asks its fence again would end the backup: then it must be dead.
    const stands = w.p.phase === 'frozen' && this.fence !== 'command' && w.toP2 === 0 && !w.toP.some((m) => m === 'welcome' || m === 'stoodDown' || m === 'nak');
    const still = !w.pUp || (w.p.phase === 'ended' && w.guest === 'gone') || stands;
    if (w.bUp && still && w.image !== null && w.image.v >= w.seen) step('somebody knows that the machine does not run on the primary', (n) => {
      n.words++;
      sides.backup(n, { is: 'force' });
    });
  }
}

type Add = (what: string, change: (n: World) => unknown, bad?: boolean) => void;

function isCheckpoint(m: Message): m is Checkpoint {
  return typeof m === 'object' && 'hand' in m;
}
