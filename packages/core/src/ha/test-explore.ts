/**
 * test-explore.ts — tries everything that may happen in a model: all states that some order of steps leads to, the nearest first.
 * Read first: test-protect-model.ts, whose world it explores.
 *
 * Theory of operation. A model is where it begins, what may happen next, and what is wrong with a state. States are told apart by a text. Each is looked at once, in the order of the steps that it takes to come
 * there, so the first in which something is wrong is one of the nearest, and the steps that lead there a shortest story of it.
 *
 * With a `goal` the steps that are nobody's fault are kept as well. A state from which such steps lead to no goal is a dead end, and the nearest of them is told.
 *
 * Of a state that was looked at only its text is kept, where it came from, and which of that one's steps it was: the story is made by going the way again.
 */

export interface ModelStep<S> {
  readonly what: string;
  readonly to: S;
  /** Not needed for a goal to be reached: a fault, a loss, a person. */
  readonly bad?: boolean;
}

export interface Model<S> {
  readonly start: S;
  readonly next: (state: S) => readonly ModelStep<S>[];
  /** A state as text. */
  readonly key: (state: S) => string;
  /** What is wrong with it; null: nothing. */
  readonly check: (state: S) => string | null;
  /** Where every story that nobody disturbs may come to. */
  readonly goal?: (state: S) => boolean;
}

export interface Verdict<S> {
  readonly states: number;
  readonly steps: number;
  /** The longest of the shortest ways to a state. */
  readonly depth: number;
  readonly wrong: string | null;
  /** The steps to what is wrong, and where they lead. */
  readonly trace: readonly string[];
  readonly at: S | null;
}

export const DEAD_END = 'nothing that is nobody\'s fault leads on from here';

export class TooManyStates extends Error {}

export function explore<S>(model: Model<S>, statesMax: number): Verdict<S> {
  return new Exploration(model, statesMax).run();
}

class Exploration<S> {
  private readonly model: Model<S>;
  private readonly statesMax: number;
  private readonly numbers = new Map<string, number>();
  /** States that wait to be looked at; undefined: was. */
  private readonly waiting: (S | undefined)[] = [];
  private readonly before: number[] = [];
  private readonly ordinal: number[] = [];
  private readonly depth: number[] = [];
  private readonly goals: number[] = [];
  /** Steps that are nobody's fault: from, to, from, to, ... */
  private readonly good: number[] = [];
  private steps = 0;

  constructor(model: Model<S>, statesMax: number) {
    this.model = model;
    this.statesMax = statesMax;
  }

  run(): Verdict<S> {
    const { model } = this;
    this.add(model.start, -1, -1);
    for (let n = 0; n < this.waiting.length; n++) {
      const state = this.waiting[n]!;
      this.waiting[n] = undefined;
      const wrong = model.check(state);
      if (wrong !== null) return this.verdict(wrong, n);
      const isGoal = model.goal?.(state) === true;
      if (isGoal) this.goals.push(n);
      const steps = model.next(state);
      for (let i = 0; i < steps.length; i++) {
        const to = this.add(steps[i]!.to, n, i);
        if (model.goal !== undefined && !isGoal && steps[i]!.bad !== true) this.good.push(n, to);
      }
      this.steps += steps.length;
    }
    const dead = model.goal === undefined ? -1 : this.deadEnd();
    return dead < 0 ? this.verdict(null, -1) : this.verdict(DEAD_END, dead);
  }

  /** The number of a state, which is new perhaps. */
  private add(state: S, before: number, ordinal: number): number {
    const key = this.model.key(state);
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const n = this.waiting.length;
    if (n >= this.statesMax) throw new TooManyStates(`more than ${this.statesMax} states`);
    this.numbers.set(key, n);
    this.waiting.push(state);
    this.before.push(before);
    this.ordinal.push(ordinal);
    this.depth.push(before < 0 ? 0 : this.depth[before]! + 1);
    return n;
  }

  /** The nearest state that leads to no goal, or -1. Goes backwards from the goals, over lists of who leads to whom. */
  private deadEnd(): number {
    const { good } = this;
    const first = new Int32Array(this.waiting.length).fill(-1);
    const then = new Int32Array(good.length / 2);
    for (let e = 0; e < then.length; e++) {
      const to = good[2 * e + 1]!;
      then[e] = first[to]!;
      first[to] = e;
    }
    const ends = new Uint8Array(this.waiting.length);
    const work = [...this.goals];
    for (const n of work) ends[n] = 1;
    for (let n = work.pop(); n !== undefined; n = work.pop()) {
      for (let e = first[n]!; e >= 0; e = then[e]!) {
        const from = good[2 * e]!;
        if (ends[from] === 1) continue;
        ends[from] = 1;
        work.push(from);
      }
    }
    return ends.indexOf(0);
  }

  private verdict(wrong: string | null, n: number): Verdict<S> {
    const way: number[] = [];
    for (let at = n; at > 0; at = this.before[at]!) way.unshift(this.ordinal[at]!);
    const trace: string[] = [];
    let state = this.model.start;
    for (const i of way) {
      const step = this.model.next(state)[i]!;
      trace.push(step.what);
      state = step.to;
    }
    return { states: this.waiting.length, steps: this.steps, depth: this.depth.at(-1)!, wrong, trace, at: n < 0 ? null : state };
  }
}
