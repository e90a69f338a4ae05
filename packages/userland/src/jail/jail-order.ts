/**
 * jail-order.ts — which jails are started, stopped and changed, and in which order.
 * Read first: jail(8), `depend` and `-p`.
 *
 * Theory of operation. A jail starts after those it depends on and stops after those that depend on it. A child depends on its parent lightly:
 * it starts as soon as the parent exists, and the parent may be removed as soon as the child is. What an operation needs is done for it, but
 * nothing more: starting one jail starts what it depends on if that is not running. A jail whose dependency failed is skipped.
 * Jails that do not depend on each other are worked on side by side, begun in the order of the configuration (for stopping, in reverse): one
 * goes on while another waits for a command. `-p` limits how many do. Each is started, and stopped, at most once in a run; loops are
 * found before anything runs.
 *
 * Not here: what starting and stopping is (jail-job.ts).
 */
import type { Proc } from '../proc.js';
import { warnx } from '../err.js';
import type { CfJail } from './cf-jail.js';
import { checkInternal } from './internal-params.js';
import { JailJob } from './jail-job.js';
import type { JailOptions } from './jail-job.js';

/** What the letters -c, -m and -r ask for together. */
export interface JailOp {
  readonly start: boolean;
  readonly set: boolean;
  readonly stop: boolean;
}

/** An operation that has been begun. */
interface Work {
  /** The jail has been made, or removed; or the operation ended without that. */
  readonly op: Promise<boolean>;
  readonly done: Promise<boolean>;
}

interface Node {
  readonly j: CfJail;
  readonly job: JailJob;
  /** Jails it needs; `light`: only their existence. */
  readonly needs: { readonly on: Node; readonly light: boolean }[];
  readonly neededBy: { readonly by: Node; readonly light: boolean }[];
  checked: boolean;
  /** It is stopped before it is started. */
  restarts: boolean;
  started: Work | null;
  stopped: Work | null;
}

export class JailOrder {
  private readonly p: Proc;
  private readonly options: JailOptions;
  private readonly nodes: Node[];
  private readonly byName = new Map<string, Node>();
  /** Told of each jail that was started, in order. */
  onStarted: (j: CfJail, jid: number) => void = () => {};

  constructor(p: Proc, jails: readonly CfJail[], options: JailOptions) {
    this.p = p;
    this.options = options;
    this.nodes = jails.map((j) => ({ j, job: new JailJob(p, j, options), needs: [], neededBy: [], checked: false, restarts: false, started: null, stopped: null }));
    for (const node of this.nodes) if (node.j.name !== null) this.byName.set(node.j.name, node);
    if (jails.some((j) => j.name === null)) this.checkRunning();
    else this.connect();
  }

  /** True when an operation on any of these, or what it needed, failed. */
  get failed(): boolean {
    return this.nodes.some(({ j, checked }) => j.failed && checked);
  }

  /** @param all no jail was named: those that are as wanted already are no error. */
  async run(jails: readonly CfJail[], op: JailOp, all: boolean): Promise<void> {
    const nodes = this.nodes.filter(({ j }) => jails.includes(j));
    for (const node of nodes) this.check(node, op);
    // Who waits for nobody comes first.
    const reversed = [...nodes].reverse().sort((a, b) => Math.min(1, a.neededBy.length) - Math.min(1, b.neededBy.length));
    const forward = [...nodes].sort((a, b) => Math.min(1, a.needs.length) - Math.min(1, b.needs.length));
    if (op.stop && !op.start && !op.set) return this.each(reversed, (node) => this.stopNamed(node, all));
    for (const node of nodes) node.restarts = this.isRestart(node, op);
    const stops = this.each(reversed.filter((node) => node.restarts), (node) => this.stopNamed(node, all));
    await Promise.all([stops, this.each(forward, (node) => this.startOrSet(node, op, all))]);
  }

  private async each(nodes: readonly Node[], visit: (node: Node) => Promise<unknown>): Promise<void> {
    await Promise.all(nodes.map(visit));
  }

  /** With no configuration, `depend` looks at running jails. */
  private checkRunning(): void {
    for (const { j } of this.nodes) {
      for (const name of j.list('depend')) {
        const found = this.p.kernel.prisons.find(this.p.prison, name);
        if (found !== null && !found.dying) continue;
        warnx(this.p, `depends on nonexistent jail "${name}"`);
        j.failed = true;
      }
    }
  }

  private connect(): void {
    for (const node of this.nodes) {
      if (node.j.failed) continue;
      for (const name of node.j.list('depend')) {
        const on = this.byName.get(name);
        if (on === undefined) node.j.fail(`depends on undefined jail "${name}"`);
        else this.link(node, on, false);
      }
      const name = node.j.name ?? '';
      const parent = this.byName.get(name.slice(0, Math.max(0, name.lastIndexOf('.'))));
      if (parent !== undefined) this.link(node, parent, true);
    }
    this.findLoops();
  }

  private link(node: Node, on: Node, light: boolean): void {
    node.needs.push({ on, light });
    on.neededBy.push({ by: node, light });
  }

  /** Takes off, again and again, what needs nothing that is left; where that ends, the first of the rest is in a loop, and is taken off. */
  private findLoops(): void {
    const left = new Set(this.nodes);
    const isFree = (node: Node): boolean => node.needs.every(({ on }) => !left.has(on));
    while (left.size > 0) {
      const free = [...left].find(isFree);
      const [first] = left;
      if (first === undefined) return;
      if (free === undefined) first.j.fail('dependency loop');
      left.delete(free ?? first);
    }
  }

  private check(node: Node, op: JailOp): void {
    if (node.checked) return;
    node.checked = true;
    if (!node.j.failed && checkInternal(node.j, !op.start && !op.set) && (op.start || op.set)) node.job.importParams();
  }

  /** Is it stopped and started again? */
  private isRestart(node: Node, op: JailOp): boolean {
    if (node.j.failed || !op.stop || !op.start) return op.stop && op.set && this.mustRestart(node);
    return !op.set || this.mustRestart(node);
  }

  private mustRestart(node: Node): boolean {
    const { prison } = node.job;
    return !node.j.failed && prison !== null && node.job.createOnly(prison) !== null;
  }

  private async startOrSet(node: Node, op: JailOp, all: boolean): Promise<void> {
    if (node.j.failed) return;
    const running = node.job.prison !== null;
    if (node.restarts || (op.start && !(op.set && running))) await this.startNamed(node, all || node.restarts);
    else this.set(node);
  }

  private async startNamed(node: Node, quiet: boolean): Promise<void> {
    if (node.job.prison !== null && !quiet && node.started === null) {
      node.j.failed = true;
      return warnx(this.p, `"${this.label(node)}" already exists`);
    }
    await this.start(node).done;
  }

  private start(node: Node): Work {
    node.started ??= begin(node.job, () => this.startOnce(node));
    return node.started;
  }

  private async startOnce(node: Node): Promise<boolean> {
    this.check(node, { start: true, set: false, stop: false });
    if (node.j.failed) return false;
    if (node.restarts && !(await this.stop(node).done)) return false;
    const waits = node.needs.map(({ on, light }) => {
      if (light && on.job.prison !== null && !on.restarts) return true;
      const work = this.start(on);
      return light ? work.op : work.done;
    });
    for (const wait of waits) if (!(await wait)) return this.skip(node);
    const was = node.job.prison;
    const ok = was !== null || (await this.inSlot(() => node.job.start()));
    const jid = was?.jid ?? node.job.jid;
    if (ok && jid !== null) this.onStarted(node.j, jid);
    return ok;
  }

  private async stopNamed(node: Node, quiet: boolean): Promise<void> {
    if (node.j.failed) return;
    if (node.j.isDying) return node.job.noteRemoved();
    if (node.job.prison === null && node.stopped === null && !quiet) {
      if (this.options.verbose >= 0) warnx(this.p, `"${this.label(node)}" not found`);
      node.j.failed = true;
      return;
    }
    await this.stop(node).done;
  }

  private stop(node: Node): Work {
    node.stopped ??= begin(node.job, () => this.stopOnce(node));
    return node.stopped;
  }

  private async stopOnce(node: Node): Promise<boolean> {
    this.check(node, { start: false, set: false, stop: true });
    if (node.j.failed) return false;
    const waits = [...node.neededBy].reverse().filter(({ by }) => by.job.prison !== null).map(({ by, light }) => {
      const work = this.stop(by);
      return light ? work.op : work.done;
    });
    for (const wait of waits) if (!(await wait)) return this.skip(node);
    return node.job.prison === null || this.inSlot(() => node.job.stop());
  }

  private async inSlot(work: () => Promise<boolean>): Promise<boolean> {
    await this.options.slots.take();
    try {
      return await work();
    } finally {
      this.options.slots.give();
    }
  }

  private set(node: Node): void {
    const { j, job } = node;
    if (job.target === null) {
      j.failed = true;
      const label = this.label(node);
      return warnx(this.p, label === '' ? 'no jail specified' : `"${label}" not found`);
    }
    const name = j.name !== null || this.options.verbose > 0;
    if (job.update() && this.options.verbose >= 0 && name) j.note('updated\n');
  }

  private skip(node: Node): false {
    if (!node.j.failed && this.options.verbose >= 0) node.j.warnx('skipped');
    node.j.failed = true;
    return false;
  }

  private label(node: Node): string {
    return node.j.name ?? node.j.string('jid') ?? node.j.string('name') ?? '';
  }
}

/** Begins an operation whose job tells when the jail itself has been made or removed. */
function begin(job: JailJob, work: () => Promise<boolean>): Work {
  const op = new Promise<true>((resolve) => {
    job.onOp = () => resolve(true);
  });
  const done = work();
  return { done, op: Promise.race([op, done]) };
}
