/**
 * labs.ts — the labs that a daemon has up: which there are, and what takes each down.
 *
 * Read first: lab/lab-plan.ts, lab/lab-run.ts.
 *
 * Theory of operation. A lab is built by the daemon, not by the command line, so that a terminal that is closed in the middle leaves a whole
 * lab or none. Building and taking down run one at a time. The undo commands stay with the daemon; they die with it, as the
 * whole network does.
 *
 * Invariant: a lab is listed only while all of it stands, or while it is being taken down.
 */
import type { Lab, LabPath } from '../lab/lab-model.js';
import { jailPath } from '../lab/lab-model.js';
import { planLab } from '../lab/lab-plan.js';
import type { LabCommands } from '../lab/lab-run.js';
import { runPlan, runUndo } from '../lab/lab-run.js';

/** The lab cannot be brought up because of one that is up. */
export class LabConflict extends Error {
  override readonly name = 'LabConflict';
}

/** A command of the lab failed; what had been made is gone again, except what `left` tells of. */
export class LabFailure extends Error {
  override readonly name = 'LabFailure';
  readonly command: string;
  readonly path: LabPath;
  readonly left: readonly string[];

  constructor(message: string, command: string, path: LabPath, left: readonly string[]) {
    super(message);
    this.command = command;
    this.path = path;
    this.left = left;
  }
}

export interface LabState {
  readonly name: string;
  readonly description: string;
  readonly file: string;
  /** Names of its vnets' jails. */
  readonly vnets: readonly string[];
}

interface RunningLab extends LabState {
  readonly undo: readonly (readonly string[])[];
}

export class Labs {
  private readonly run: LabCommands;
  private readonly running = new Map<string, RunningLab>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(run: LabCommands) {
    this.run = run;
  }

  list(): LabState[] {
    return [...this.running.values()].map(({ undo: _, ...state }) => state);
  }

  /** Builds a lab that has passed its checks. Rejects with LabConflict or LabFailure. */
  up(lab: Lab, file: string): Promise<LabState> {
    return this.exclusively(async () => {
      if (this.running.has(lab.name)) throw new LabConflict(`lab "${lab.name}" is up already ("netloom down ${lab.name}" takes it down)`);
      const outcome = await runPlan(planLab(lab), this.run);
      if (!outcome.ok) throw new LabFailure(outcome.message, outcome.command, outcome.path, outcome.left);
      const vnets = Object.keys(lab.vnets).map((name) => jailPath(lab, name) || 'host');
      const state: LabState = { name: lab.name, description: lab.description ?? '', file, vnets };
      this.running.set(lab.name, { ...state, undo: outcome.undo });
      return state;
    });
  }

  /** Takes a lab down. Resolves with what could not be undone (somebody removed it before), or null when there is no such lab. */
  down(name: string): Promise<{ readonly name: string; readonly left: readonly string[] } | null> {
    return this.exclusively(async () => {
      const lab = this.running.get(name);
      if (lab === undefined) return null;
      const left = await runUndo(lab.undo, this.run);
      this.running.delete(name);
      return { name, left };
    });
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }
}
