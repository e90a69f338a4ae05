/**
 * witness.ts — class Witness: who waits for what while holding what; a deadlock is reported before it happens.
 * Read first: witness(4); NetBSD's pserialize(9), psref(9); docs/testing.md "Witness".
 *
 * Theory of operation. Nothing here waits. The stack runs on one thread; its locks, and its waits for readers, are contracts that
 * hold when forwarding runs beside it. A contract has an object (witness-lock.ts) whose calls mark where it is taken.
 * The Witness keeps a graph. Nodes are classes: locks, and pseudo-locks for what can only be waited for, which are grace periods, reference
 * drains, work queues, callout drains. Holding a pseudo-lock is being what others wait for: a reader in its section, a worker at
 * its work, a callout that runs. Taking one is waiting for all of those to end. So both kinds obey one rule: taking W while H is held
 * adds the edge H → W, first seen at the places the callers name, and a path W → … → H that exists already is a deadlock
 * that needs only the right moment. It is reported with all its edges, once for each pair, and the new edge is not added.
 *
 * Softint handlers are readers of every grace period: they hold the class `softint`, and each grace period has the standing edge
 * to it. Frames separate what is one agent here only because there is one thread: a turn, deferred work, a call from outside hold
 * nothing when they begin, whatever whoever is around them holds.
 *
 * Besides the order: taking what one holds (unless the lock recurses, or a worker waits for its own queue: it is not waited for), two locks of one class, waiting in softint or inside a
 * section, a lock that must not be taken in softint, releasing what is not held, holding something when a frame ends.
 *
 * Bounds: WITNESS_FINDINGS_MAX findings are kept, all are counted. Invariants: while `on` is false nothing is recorded. `watch` must not be
 * changed by somebody who holds something: what was taken before is not known.
 * Not here: stacks. The names that callers give are the paths.
 */
import type { Context } from './context.js';
import { CTX_SOFTINT, CTX_THREAD } from './context.js';
import type { SysctlGroup } from './sysctl.js';
import { sysctlRead } from './sysctl.js';

export type WitnessKind = 'lock' | 'grace' | 'drain' | 'queue' | 'callout' | 'softint';

/** What a finding is about. */
export type WitnessFault = 'order' | 'self' | 'duplicate' | 'context' | 'unheld' | 'left';

export interface WitnessFinding {
  readonly fault: WitnessFault;
  /** One line, and for an order the two paths below it. */
  readonly text: string;
}

/** Findings kept. */
const WITNESS_FINDINGS_MAX = 64;

/** A node of the graph. */
export class WitnessClass {
  readonly name: string;
  readonly kind: WitnessKind;
  /** By the class that was wanted. */
  readonly edges = new Map<WitnessClass, WitnessEdge>();
  /** Wanted with this one held, against the order: reported, and kept out of the graph. */
  readonly refused = new Set<WitnessClass>();

  constructor(name: string, kind: WitnessKind) {
    this.name = name;
    this.kind = kind;
  }
}

/** `from` was held when `to` was wanted. */
export interface WitnessEdge {
  readonly from: WitnessClass;
  readonly to: WitnessClass;
  /** Where the holder took `from`, and where it wanted `to`. */
  readonly heldAt: string;
  readonly wantedAt: string;
}

/** What the graph must know of an object with a class. */
export interface WitnessObject {
  readonly cls: WitnessClass;
  /** May be taken again by its holder. */
  readonly recurses: boolean;
  /** May be taken while another of its class is held. */
  readonly dupok: boolean;
  /** Must not be taken in softint. */
  readonly noSoftint: boolean;
}

interface Held {
  readonly object: WitnessObject;
  readonly where: string;
  /** A section of readers: others may be in it as well. */
  readonly shared: boolean;
}

interface Frame {
  readonly base: number;
  readonly start: number;
  readonly context: Context;
}

export class Witness {
  /** Is anything recorded? The one branch a marked place costs otherwise. */
  on = false;
  /** Every finding, those not kept included. */
  count = 0;
  /** Oldest first. */
  readonly findings: WitnessFinding[] = [];
  /** Told of each finding as it is made. A test throws here. */
  onFinding: ((finding: WitnessFinding) => void) | null = null;
  private readonly classes = new Map<string, WitnessClass>();
  private held: Held[] = [];
  /** Where in `held` begins what the agent under way holds, and what it took in the frame under way. */
  private base = 0;
  private start = 0;
  private context: Context = CTX_THREAD;
  /** The frames around it. */
  private readonly frames: Frame[] = [];
  private readonly reported = new Set<string>();
  private readonly softint: WitnessObject;

  constructor() {
    this.softint = { cls: this.classOf('softint', 'softint'), recurses: true, dupok: true, noSoftint: false };
  }

  /** `debug.witness.watch` */
  get watch(): number {
    return this.on ? 1 : 0;
  }

  set watch(value: number) {
    this.on = value !== 0;
    this.held = [];
    this.base = 0;
    this.start = 0;
    this.frames.length = 0;
    this.context = CTX_THREAD;
  }

  /** The class called `name`; objects of one name share it. A grace period waits for softint handlers. */
  classOf(name: string, kind: WitnessKind): WitnessClass {
    const have = this.classes.get(name);
    if (have !== undefined) return have;
    const cls = new WitnessClass(name, kind);
    this.classes.set(name, cls);
    if (kind === 'grace') {
      const { cls: to } = this.softint;
      cls.edges.set(to, { from: cls, to, heldAt: 'the end of every read section', wantedAt: 'the end of every softint handler' });
    }
    return cls;
  }

  /** The edges seen so far. */
  graph(): WitnessEdge[] {
    return [...this.classes.values()].flatMap((c) => [...c.edges.values()]);
  }

  /**
   * A context begins, with an agent that holds nothing; a thread that calls in again is the same agent. `worker`: it is a thread of its
   * own, whoever woke it.
   */
  enter(context: Context, worker = false): void {
    if (context === CTX_THREAD && this.context === CTX_SOFTINT && !worker) this.report('context', 'thread', 'a softint handler acts as a thread: what it calls may wait');
    this.frames.push({ base: this.base, start: this.start, context: this.context });
    this.start = this.held.length;
    if (worker || context === CTX_SOFTINT || this.context === CTX_SOFTINT) this.base = this.start;
    this.context = context;
    if (context === CTX_SOFTINT) this.held.push({ object: this.softint, where: 'a softint handler', shared: true });
  }

  /** It ends: whatever its frame still holds was forgotten. A frame that began before `watch` was set is nobody's. */
  leave(): void {
    const outer = this.frames.pop();
    if (outer === undefined) return;
    const end = this.context === CTX_SOFTINT ? this.start + 1 : this.start;
    while (this.held.length > end) {
      const h = this.held.pop()!;
      this.report('left', `left:${h.object.cls.name}:${h.where}`, `"${h.object.cls.name}" is still held at the end of the turn: ${taking(h)} at "${h.where}"`);
    }
    this.held.length = Math.min(this.held.length, this.start);
    this.base = outer.base;
    this.start = outer.start;
    this.context = outer.context;
  }

  /** `object` is wanted at `where`, and held from then on. */
  acquire(object: WitnessObject, where: string, shared: boolean): void {
    this.check(object, where, shared);
    this.held.push({ object, where, shared });
  }

  /** `object` is held from now on, and nobody was waited for: a lock that was free, or with `shared` a section of readers. */
  hold(object: WitnessObject, where: string, shared: boolean): void {
    this.held.push({ object, where, shared });
  }

  release(object: WitnessObject, where: string): void {
    for (let i = this.held.length - 1; i >= this.base; i--) {
      if (this.held[i]!.object !== object) continue;
      this.held.splice(i, 1);
      return;
    }
    this.report('unheld', `unheld:${object.cls.name}:${where}`, `"${object.cls.name}" is released at "${where}" but not held`);
  }

  /** Waits at `where` until everybody who holds `object` has let go: nothing is held afterwards. */
  wait(object: WitnessObject, where: string): void {
    if (this.context === CTX_SOFTINT) {
      this.report('context', `wait:${object.cls.name}:${where}`, `"${where}" waits for "${object.cls.name}" in a softint handler`);
      return;
    }
    for (let i = this.base; i < this.held.length; i++) {
      const h = this.held[i]!;
      if (h.object.cls.kind !== 'grace' || h.object === object) continue;
      this.report('context', `section:${object.cls.name}:${where}`, `"${where}" waits for "${object.cls.name}" inside a read section of "${h.object.cls.name}" entered at "${h.where}"`);
    }
    this.check(object, where, false);
  }

  private check(object: WitnessObject, where: string, shared: boolean): void {
    const { cls } = object;
    if (object.noSoftint && this.context === CTX_SOFTINT) {
      this.report('context', `softint:${cls.name}:${where}`, `"${cls.name}" is taken at "${where}" in a softint handler, which must not`);
      return;
    }
    for (let i = this.base; i < this.held.length; i++) {
      const h = this.held[i]!;
      if (h.object === object) {
        if (object.recurses || (shared && h.shared) || cls.kind === 'queue') return;
        this.report('self', `self:${cls.name}:${where}`, `"${where}" waits for "${cls.name}", which it holds itself since "${h.where}"`);
        return;
      }
    }
    for (let i = this.base; i < this.held.length; i++) this.edge(this.held[i]!, object, where);
  }

  private edge(h: Held, object: WitnessObject, where: string): void {
    const from = h.object.cls;
    const to = object.cls;
    if (from === to) {
      if (object.dupok) return;
      this.report('duplicate', `dup:${to.name}:${where}`, `two locks of class "${to.name}" are held: one taken at "${h.where}", another at "${where}"`);
      return;
    }
    if (from.edges.has(to) || from.refused.has(to)) return;
    const edge: WitnessEdge = { from, to, heldAt: h.where, wantedAt: where };
    const back = pathBetween(to, from);
    if (back === null) {
      from.edges.set(to, edge);
      return;
    }
    from.refused.add(to);
    this.report('order', `order:${from.name}:${to.name}`, orderText(edge, back));
  }

  private report(fault: WitnessFault, key: string, text: string): void {
    if (this.reported.has(key)) return;
    this.reported.add(key);
    this.count++;
    const finding = { fault, text };
    if (this.findings.length < WITNESS_FINDINGS_MAX) this.findings.push(finding);
    this.onFinding?.(finding);
  }
}

function taking(h: Held): string {
  return h.shared ? 'entered' : 'taken';
}

/** The shortest path from `from` to `to`, or null. */
function pathBetween(from: WitnessClass, to: WitnessClass): WitnessEdge[] | null {
  const cameBy = new Map<WitnessClass, WitnessEdge | null>([[from, null]]);
  for (const at of cameBy.keys()) {
    if (at === to) {
      const path: WitnessEdge[] = [];
      for (let e = cameBy.get(to); e !== null && e !== undefined; e = cameBy.get(e.from)) path.unshift(e);
      return path;
    }
    for (const e of at.edges.values()) if (!cameBy.has(e.to)) cameBy.set(e.to, e);
  }
  return null;
}

/** The report of a deadlock to come: the new edge, and the path that leads back. */
function orderText(edge: WitnessEdge, back: readonly WitnessEdge[]): string {
  const line = (e: WitnessEdge): string => `    "${e.from.name}" (${e.heldAt}) -> "${e.to.name}" (${e.wantedAt})`;
  return [
    `"${edge.to.name}" is waited for while "${edge.from.name}" is held, and the other way round`,
    '  now:', line(edge), '  before:', ...back.map(line),
  ].join('\n');
}

/** What an administrator sees of it. */
export const WITNESS_SYSCTLS: SysctlGroup<Witness> = {
  prefix: 'debug.witness',
  oids: [
    {
      leaf: 'watch', type: 'int', unit: 'bool', min: 0, max: 1, help: 'Watch the order of waits and report what could stand still',
      get: (w) => w.watch,
      set: (w, value) => {
        w.watch = Number(value);
        return 0;
      },
    },
    sysctlRead('count', 'int', '', 'Findings so far', (w) => w.count),
    sysctlRead('fullgraph', 'string', '', 'What was waited for while what was held', (w) => w.graph().map((e) => `"${e.from.name}","${e.to.name}"`).join('\n')),
    sysctlRead('badstacks', 'string', '', 'The first findings, with the paths they were seen on', (w) => w.findings.map((f) => f.text).join('\n')),
  ],
};
