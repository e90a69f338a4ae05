/**
 * test-grace-model.ts — a model of the grace periods, small enough that every interleaving of it can be tried.
 * Read first: fwd/quiescence.ts, readers.ts (what is modelled); Lamport, "How to Make a Multiprocessor Computer That Correctly Executes Multiprocess Programs" (sequential consistency).
 *
 * Theory of operation. One writer and two readers, each a little machine that makes one access to shared memory in a step. `explore` goes through all states that some order of steps leads to,
 * and answers the steps to the first in which something is wrong: a reader has a record half old and half new, or one that was freed; or nobody can go on and the writer has not ended (a dead worker nobody buried); or all readers have passed and the writer sleeps, a lost bell.
 *
 * Control words are sequentially consistent: there is one value, the present one. The table's words are plain. A plain load may answer any value that the word has had since the reader's last load of a control
 * word that made it see what the writer had done until then; and what is reached through a pointer is at least as new as the pointer. That is weaker than any processor is. The writer's plain stores are always the same, one after the
 * other, so what a reader may see is a range of numbers: those of the stores.
 *
 * The writer's program: `replace`: another record, the pointer, a grace period, then the old record is poisoned and used again; twice. `change`: a record in place, behind a mark. A reader
 * goes online, reads records in batches, at the end of each is quiescent or goes offline, and may die in the middle of a batch, after which somebody buries it.
 *
 * A planted bug changes one of these rules. Not here: references over batches (psref-shared.test.ts), arrays that are replaced (net/route/rt-readers.test.ts).
 */

export type GraceProgram = 'replace' | 'change';

/** What may be wrong with the protocol. */
export type GraceBug =
  | 'no grace period' | 'quiescent before the last use' | 'offline before the last use' | 'online in the wrong order' | 'reuse before all have acknowledged' | 'an older acknowledgement is enough'
  | 'mark ignored' | 'mark cleared at once' | 'the dead are not buried' | 'buried alive' | 'looks whether to ring before it acknowledges' | 'offline without a bell' | 'waits without looking again';

export interface GraceModel {
  readonly program: GraceProgram;
  readonly bug?: GraceBug;
  readonly batches: number;
  /** May readers die? */
  readonly deaths?: boolean;
}

export interface GraceVerdict {
  readonly states: number;
  /** What is wrong, and the steps that lead there; null: nothing. */
  readonly wrong: string | null;
  readonly trace: readonly string[];
}

const READERS = 2;
const POISON = -1;
/** Plain words: the pointer (1 or 2), two words of each record, the mark of record 1. */
const LEAF = 0;
const recordAt = (rec: number, word: number): number => 1 + (rec - 1) * 2 + word;
const MARK = 5;
const INITIAL = [1, 1, 1, POISON, POISON, 0];

const OFF = 0;
const ON = 1;
const DEAD = 2;

/** What the writer does, step by step. */
type WriterStep = { readonly store: number; readonly value: number } | 'begin' | 'poll';

function writerSteps(m: GraceModel): WriterStep[] {
  const put = (rec: number, value: number): WriterStep[] => [0, 1].map((w) => ({ store: recordAt(rec, w), value }));
  const grace: WriterStep[] = m.bug === 'no grace period' ? [] : ['begin', 'poll'];
  if (m.program === 'replace') {
    const round = (to: number, value: number): WriterStep[] => [...put(to, value), { store: LEAF, value: to }, ...grace, ...put(3 - to, POISON)];
    return [...round(2, 2), ...round(1, 3)];
  }
  // The mark is cleared when no reader can still have words from before: the load of the mark orders nothing.
  return [{ store: MARK, value: 1 }, ...grace, ...put(1, 2), ...(m.bug === 'mark cleared at once' ? [] : grace), { store: MARK, value: 0 }];
}

/** A reader's place. What it does in a batch is the same for all: pointer, mark, two words. */
const R_AWAY = 0;
const R_ON_STATE = 1;
const R_ON_LOAD = 2;
const R_ON_ACK = 3;
const R_LEAF = 4;
const R_MARK = 5;
const R_WORD0 = 6;
const R_WORD1 = 7;
const R_END = 8;
const R_Q_ACK = 9;
const R_RING = 10;
const R_OFF_RING = 11;
const R_GONE = 12;

/** Where the writer is in waiting for a period: asking reader `poll`; has said that it waits; sleeps. */
interface State {
  /** Writer: step, plain stores made, the reader it asks, and whether it has read that one online. */
  readonly w: number;
  readonly stores: number;
  readonly poll: number;
  readonly sawOn: boolean;
  readonly asleep: boolean;
  /** Control words, and how many plain stores were made before the last period began. */
  readonly period: number;
  readonly seen: number;
  readonly waiting: boolean;
  readonly bell: boolean;
  readonly readers: readonly Reader[];
}

interface Reader {
  readonly pc: number;
  readonly state: number;
  readonly ack: number;
  /** The period it loaded, and the oldest store it may still see. */
  readonly loaded: number;
  readonly bound: number;
  readonly left: number;
  /** The record it has, the store that made the pointer to it, and its first word. */
  readonly rec: number;
  readonly from: number;
  readonly word: number;
  /** It has looked at WAITING too early, and seen this. */
  readonly early: boolean;
}

/** What a reader has between batches. */
const NOTHING = { rec: 0, from: 0, word: 0 };

interface Step {
  readonly what: string;
  readonly to: State;
  readonly wrong?: string;
}

class Machine {
  private readonly m: GraceModel;
  private readonly steps: WriterStep[];
  /** What each plain word is after so many stores. */
  private readonly words: number[][] = [INITIAL];

  constructor(m: GraceModel) {
    this.m = m;
    this.steps = writerSteps(m);
    for (const s of this.steps) if (typeof s !== 'string') this.words.push(this.words.at(-1)!.map((v, i) => (i === s.store ? s.value : v)));
  }

  initial(): State {
    const reader: Reader = { pc: R_AWAY, state: OFF, ack: 0, loaded: 0, bound: 0, left: this.m.batches, rec: 0, from: 0, word: 0, early: false };
    return { w: 0, stores: 0, poll: 0, sawOn: false, asleep: false, period: 0, seen: 0, waiting: false, bell: false, readers: Array.from({ length: READERS }, () => reader) };
  }

  hasEnded(s: State): boolean {
    return s.w === this.steps.length;
  }

  /** Everybody has passed, the writer sleeps, and nobody is about to ring. */
  isBellLost(s: State): boolean {
    return s.asleep && !s.bell && s.readers.every((r) => (r.state !== ON || r.ack >= s.period) && r.pc !== R_RING && r.pc !== R_OFF_RING);
  }

  next(s: State): Step[] {
    return [...this.writer(s), ...s.readers.flatMap((_r, i) => [...this.reader(s, i), ...this.undertaker(s, i)])];
  }

  private writer(s: State): Step[] {
    const step = this.steps[s.w];
    if (step === undefined) return [];
    if (step === 'begin') return [{ what: 'writer: PERIOD + 1', to: { ...s, w: s.w + 1, period: s.period + 1, seen: s.stores } }];
    if (step === 'poll') return this.poll(s);
    return [{ what: `writer: word ${step.store} = ${step.value}`, to: { ...s, w: s.w + 1, stores: s.stores + 1 } }];
  }

  /** One access of waiting for a grace period. */
  private poll(s: State): Step[] {
    if (s.asleep) return s.bell ? [{ what: 'writer: hears the bell', to: { ...s, asleep: false, bell: false, poll: 0 } }] : [];
    const asks = this.m.bug === 'reuse before all have acknowledged' ? 1 : READERS;
    if (s.poll === asks) return [{ what: 'writer: WAITING = 0, the period has passed', to: { ...s, w: s.w + 1, poll: 0, waiting: false } }];
    const r = s.readers[s.poll]!;
    if (!s.sawOn) {
      const to = r.state === ON ? { ...s, sawOn: true } : { ...s, poll: s.poll + 1 };
      return [{ what: `writer: STATE of ${s.poll} is ${r.state}`, to }];
    }
    const enough = this.m.bug === 'an older acknowledgement is enough' ? s.period - 1 : s.period;
    const what = `writer: ACK of ${s.poll} is ${r.ack}`;
    if (r.ack >= enough) return [{ what, to: { ...s, sawOn: false, poll: s.poll + 1 } }];
    // Not passed. It says that it waits and looks again; if it has said so already, it sleeps.
    const sleeps = s.waiting || this.m.bug === 'waits without looking again';
    return [{ what: `${what}: ${sleeps ? 'sleeps' : 'WAITING = 1'}`, to: { ...s, sawOn: false, poll: 0, waiting: true, asleep: sleeps } }];
  }

  /** Values a plain word may have for a reader that sees everything up to store `bound`, each with the oldest store that makes it. */
  private loads(s: State, word: number, bound: number): { readonly value: number; readonly at: number }[] {
    const found: { value: number; at: number }[] = [];
    for (let at = bound; at <= s.stores; at++) {
      const value = this.words[at]![word]!;
      if (!found.some((f) => f.value === value)) found.push({ value, at });
    }
    return found;
  }

  private reader(s: State, i: number): Step[] {
    const r = s.readers[i]!;
    const { bug } = this.m;
    const go = (what: string, change: Partial<Reader>, more: Partial<State> = {}): Step => ({
      what: `reader ${i}: ${what}`, to: { ...s, ...more, readers: s.readers.map((o, k) => (k === i ? { ...r, ...change } : o)) },
    });
    const early = bug === 'looks whether to ring before it acknowledges';
    switch (r.pc) {
      case R_AWAY:
        if (r.left === 0) return [];
        return [go('wakes', { pc: bug === 'online in the wrong order' ? R_ON_LOAD : R_ON_STATE })];
      case R_ON_STATE:
        if (r.state === DEAD) return [go('finds itself dead', { pc: R_GONE })];
        return [go('STATE = ONLINE', { state: ON, pc: bug === 'online in the wrong order' ? R_LEAF : R_ON_LOAD })];
      case R_ON_LOAD:
        return [go(`PERIOD is ${s.period}`, { loaded: s.period, bound: Math.max(r.bound, s.seen), pc: R_ON_ACK })];
      case R_ON_ACK:
        if (bug === 'online in the wrong order') return [go('ACK', { ack: r.loaded, pc: R_ON_STATE })];
        return [go('ACK', { ack: r.loaded, pc: R_RING })];
      case R_RING:
        return [go(`WAITING is ${s.waiting}`, { pc: this.after(r) }, s.waiting ? { bell: true } : {})];
      case R_LEAF:
        return this.dying(s, i, this.loads(s, LEAF, r.bound).map(({ value, at }) => go(`pointer is ${value}`, { rec: value, from: at, pc: this.m.program === 'change' && bug !== 'mark ignored' ? R_MARK : R_WORD0 })));
      case R_MARK:
        return this.loads(s, MARK, r.bound).map(({ value }) => go(`mark is ${value}`, value === 0 ? { pc: R_WORD0 } : { ...NOTHING, pc: R_END }));
      case R_WORD0:
        // What a pointer leads to is no older than the pointer.
        return this.loads(s, recordAt(r.rec, 0), Math.max(r.bound, r.from)).map(({ value }) => go(`first word is ${value}`, { word: value, pc: bug === 'quiescent before the last use' || bug === 'offline before the last use' ? R_END : R_WORD1 }));
      case R_WORD1:
        return this.dying(s, i, this.loads(s, recordAt(r.rec, 1), Math.max(r.bound, r.from)).map(({ value }) => this.check(go(`second word is ${value}`, { ...NOTHING, pc: this.used() }), r.word, value)));
      case R_END:
        return this.end(s, i, go);
      case R_Q_ACK:
        if (r.state === DEAD) return [go('finds itself dead', { pc: R_GONE })];
        return [go('ACK', { ack: r.loaded, early: false, pc: early ? this.after(r) : R_RING }, early && r.early ? { bell: true } : {})];
      case R_OFF_RING:
        return [go(`WAITING is ${s.waiting}`, { pc: bug === 'offline before the last use' && r.rec !== 0 ? R_WORD1 : R_AWAY }, s.waiting && bug !== 'offline without a bell' ? { bell: true } : {})];
      default:
        return [];
    }
  }

  /** The end of a batch: a quiescent point, or sleep. */
  private end(s: State, i: number, go: (what: string, change: Partial<Reader>, more?: Partial<State>) => Step): Step[] {
    const r = s.readers[i]!;
    const off = r.state === DEAD ? go('finds itself dead', { pc: R_GONE }) : go('STATE = OFFLINE', { state: OFF, left: Math.max(0, r.left - 1), pc: R_OFF_RING });
    if (r.left <= 1) return [off];
    const seen = { loaded: s.period, bound: Math.max(r.bound, s.seen), left: r.left - 1 };
    const quiet = r.ack === s.period ? go(`PERIOD is still ${s.period}`, { ...seen, pc: this.after(r) }) : go(`PERIOD is ${s.period}`, { ...seen, early: s.waiting, pc: R_Q_ACK });
    return [quiet, off];
  }

  /** Where a reader goes on behind a quiescent point; one with the bug still uses what it had. */
  private after(r: Reader): number {
    return this.m.bug === 'quiescent before the last use' && r.rec !== 0 ? R_WORD1 : R_LEAF;
  }

  /** Where it goes on when it has used a record up. */
  private used(): number {
    if (this.m.bug === 'quiescent before the last use') return R_LEAF;
    return this.m.bug === 'offline before the last use' ? R_AWAY : R_END;
  }

  private check(step: Step, first: number, second: number): Step {
    if (first === second && first !== POISON) return step;
    return { ...step, wrong: first === POISON || second === POISON ? 'a reader has a record that was freed' : 'a reader has a record half old and half new' };
  }

  /** In the middle of a batch a reader may die instead. */
  private dying(s: State, i: number, steps: Step[]): Step[] {
    if (this.m.deaths !== true) return steps;
    return [...steps, { what: `reader ${i}: dies`, to: { ...s, readers: s.readers.map((o, k) => (k === i ? { ...o, pc: R_GONE } : o)) } }];
  }

  /** Marks a reader dead whose thread has ended, and lets the writer look. */
  private undertaker(s: State, i: number): Step[] {
    const r = s.readers[i]!;
    const { bug } = this.m;
    if (r.state !== ON || bug === 'the dead are not buried' || (r.pc !== R_GONE && bug !== 'buried alive')) return [];
    return [{ what: `reader ${i} is buried`, to: { ...s, bell: true, period: s.period + 1, seen: s.stores, readers: s.readers.map((o, k) => (k === i ? { ...o, state: DEAD } : o)) } }];
  }
}

/** A state as text. */
function keyOf(s: State): string {
  let key = `${s.w} ${s.poll} ${s.sawOn ? 1 : 0}${s.asleep ? 1 : 0}${s.waiting ? 1 : 0}${s.bell ? 1 : 0} ${s.period} ${s.seen}`;
  for (const r of s.readers) key += `|${r.pc} ${r.state} ${r.ack} ${r.loaded} ${r.bound} ${r.left} ${r.rec} ${r.from} ${r.word} ${r.early ? 1 : 0}`;
  return key;
}

interface Found {
  readonly state: State;
  readonly before: Found | null;
  readonly what: string;
}

/** Tries every order of steps. */
export function exploreGrace(m: GraceModel): GraceVerdict {
  const machine = new Machine(m);
  const known = new Set<string>([keyOf(machine.initial())]);
  const queue: Found[] = [{ state: machine.initial(), before: null, what: '' }];
  const verdict = (wrong: string, at: Found, last: string): GraceVerdict => {
    const trace = last === '' ? [] : [last];
    for (let f: Found | null = at; f !== null && f.what !== ''; f = f.before) trace.unshift(f.what);
    return { states: known.size, wrong, trace };
  };
  for (let n = 0; n < queue.length; n++) {
    const found = queue[n]!;
    const steps = machine.next(found.state);
    if (machine.isBellLost(found.state)) return verdict('a bell is lost', found, '');
    if (steps.length === 0 && !machine.hasEnded(found.state)) return verdict('the writer waits for ever', found, '');
    for (const { what, to, wrong } of steps) {
      if (wrong !== undefined) return verdict(wrong, found, what);
      const key = keyOf(to);
      if (known.has(key)) continue;
      known.add(key);
      queue.push({ state: to, before: found, what });
    }
  }
  return { states: known.size, wrong: null, trace: [] };
}
