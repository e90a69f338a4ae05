/**
 * jail-order.ts — which jails are started, stopped and changed, and in which order.
 * Read first: jail(8), `depend`.
 *
 * Theory of operation. A jail starts after those it depends on and stops after those that depend on it; a child depends on its parent's being
 * there. What an operation needs is done for it, but nothing more: starting one jail starts what it depends on if that is not running.
 * A jail whose dependency failed is skipped. Jails are visited depth first, in the order of the configuration (for stopping, in reverse),
 * one at a time, and each at most once per direction; loops are found before anything runs.
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

interface Node {
  readonly j: CfJail;
  readonly job: JailJob;
  /** Jails it needs; `light`: only their existence. */
  readonly needs: { readonly on: Node; readonly light: boolean }[];
  readonly neededBy: Node[];
  checked: boolean;
  started: Promise<boolean> | null;
  stopped: Promise<boolean> | null;
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
    this.nodes = jails.map((j) => ({ j, job: new JailJob(p, j, options), needs: [], neededBy: [], checked: false, started: null, stopped: null }));
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
    if (op.stop && !op.start && !op.set) return this.each([...nodes].reverse(), (node) => this.stopNamed(node, all));
    const restarts = nodes.filter((node) => this.isRestart(node, op));
    await this.each([...restarts].reverse(), (node) => this.stopNamed(node, all));
    await this.each(nodes, (node) => this.startOrSet(node, op, all, restarts.includes(node)));
  }

  private async each(nodes: readonly Node[], visit: (node: Node) => Promise<unknown>): Promise<void> {
    for (const node of nodes) await visit(node);
  }

  /** With no configuration, `depend` looks at running jails. */
  private checkRunning(): void {
    for (const { j } of this.nodes) {
      for (const name of j.list('depend')) {
        if (this.p.kernel.prisons.find(this.p.prison, name) !== null) continue;
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
    for (const node of this.nodes) if (this.reaches(node, node, new Set())) node.j.fail('dependency loop');
  }

  private link(node: Node, on: Node, light: boolean): void {
    node.needs.push({ on, light });
    on.neededBy.push(node);
  }

  private reaches(from: Node, to: Node, seen: Set<Node>): boolean {
    return from.needs.some(({ on }) => on === to || (!seen.has(on) && this.reaches(on, to, seen.add(on))));
  }

  private check(node: Node, op: JailOp): void {
    if (node.checked) return;
    node.checked = true;
    if (!node.j.failed && checkInternal(node.j) && (op.start || op.set)) node.job.importParams();
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

  private async startOrSet(node: Node, op: JailOp, all: boolean, restart: boolean): Promise<void> {
    if (node.j.failed) return;
    const running = node.job.prison !== null;
    if (restart || (op.start && !(op.set && running))) await this.startNamed(node, all || restart);
    else this.set(node);
  }

  private async startNamed(node: Node, quiet: boolean): Promise<void> {
    if (node.job.prison !== null && !quiet && node.started === null) {
      node.j.failed = true;
      return warnx(this.p, `"${this.label(node)}" already exists`);
    }
    await this.start(node);
  }

  private start(node: Node): Promise<boolean> {
    node.started ??= this.startOnce(node);
    return node.started;
  }

  private async startOnce(node: Node): Promise<boolean> {
    this.check(node, { start: true, set: false, stop: false });
    for (const { on, light } of node.needs) {
      if (light && on.job.prison !== null) continue;
      if (!(await this.start(on))) return this.skip(node);
    }
    if (node.j.failed) return false;
    const was = node.job.prison;
    const ok = was !== null || (await node.job.start());
    this.onStarted(node.j, node.job.prison?.jid ?? was?.jid ?? 0);
    return ok;
  }

  private async stopNamed(node: Node, quiet: boolean): Promise<void> {
    if (node.j.failed) return;
    if (node.job.prison === null && node.stopped === null && !quiet) {
      if (this.options.verbose >= 0) warnx(this.p, `"${this.label(node)}" not found`);
      node.j.failed = true;
      return;
    }
    await this.stop(node);
  }

  private stop(node: Node): Promise<boolean> {
    node.stopped ??= this.stopOnce(node);
    return node.stopped;
  }

  private async stopOnce(node: Node): Promise<boolean> {
    this.check(node, { start: false, set: false, stop: true });
    for (const other of [...node.neededBy].reverse()) {
      if (other.job.prison !== null && !(await this.stop(other))) return this.skip(node);
    }
    if (node.j.failed) return false;
    return node.job.prison === null || node.job.stop();
  }

  private set(node: Node): void {
    const { j, job } = node;
    if (job.prison === null) {
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
