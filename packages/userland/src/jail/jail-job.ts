/**
 * jail-job.ts — one jail being started, stopped or changed: the steps, their commands, and the way back when a step fails.
 * Read first: jail(8) "Pseudo-Parameters".
 *
 * Theory of operation. Starting goes through START_STEPS, stopping through STOP_STEPS; `op` is the jail itself. A jail that has commands to
 * run after it was made is persistent until they have run, or until jail(8) itself is ended. When a step of starting fails, the steps before it are undone in reverse: addresses
 * go off their interfaces, lent interfaces come back, the jail is removed. Commands (exec.*) have no undo. When a step of stopping fails before
 * the jail is removed, the jail stays; behind that the other steps are still gone through.
 * The commands of one jail run through `Proc.run` one after the other, those of several jails side by side (jail-order.ts). A command with
 * characters of the shell's runs in the host's shell.
 * Stopping tells the processes to end (TERM), gives them stop.timeout, and removes the jail: who is left is ended by the kernel, which
 * lets the jail be dying until they are gone, and no longer than its limit.
 *
 * What a jail here has not is ignored, and said so with -v: mounts, a clean environment (its PATH would not have these tools).
 */
import { EINVAL, EPERM, strerror } from '@netloom/core';
import type { Errno, Prison } from '@netloom/core';
import { HostError } from '../proc.js';
import type { Proc, RunOptions } from '../proc.js';
import type { CfJail } from './cf-jail.js';
import type { CommandSlots } from './command-slots.js';
import { commandOf } from './exec-command.js';
import type { ExecCommand } from './exec-command.js';
import { ADDRESSES, kernelParams } from './internal-params.js';
import type { KernelParam } from './internal-params.js';
import { jailGetid } from './jail-id.js';
import { jailCreate, jailUpdate } from './jail-set.js';

/** What all jobs of a run share. */
export interface JailOptions {
  /** -1: say nothing; 1: say everything. */
  readonly verbose: number;
  /** -i: print the number of a new jail. */
  readonly printJid: boolean;
  /** A removal is worth a line. */
  readonly noteRemove: boolean;
  /** -p. */
  readonly slots: CommandSlots;
}

export type Step = 'op' | 'stop.timeout' | 'addresses' | 'vnet.interface' | 'command' | 'mount' | `exec.${string}`;

const START_STEPS: readonly Step[] = [
  'exec.prepare', 'addresses', 'mount', 'exec.prestart', 'op', 'exec.created', 'vnet.interface', 'exec.start', 'command', 'exec.poststart',
];
const STOP_STEPS: readonly Step[] = ['exec.prestop', 'exec.stop', 'stop.timeout', 'op', 'exec.poststop', 'mount', 'addresses', 'exec.release'];
/** Steps that can be undone. */
const UNDOABLE = new Set<Step>(['addresses', 'op', 'vnet.interface']);
const IN_JAIL = new Set<Step>(['exec.start', 'command', 'exec.stop']);
const MOUNTS = ['mount', 'mount.fstab', 'mount.devfs', 'mount.fdescfs', 'mount.procfs'];

const DEFAULT_STOP_TIMEOUT_S = 10;
const US_PER_S = 1_000_000;
/** How often is looked whether processes have ended. */
const POLL_US = 10_000;
const SIGNAL_MAX = 31;

/** A command, or the jail itself, could not be done. */
class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

export class JailJob {
  readonly j: CfJail;
  private readonly p: Proc;
  private readonly options: JailOptions;
  private params: readonly KernelParam[] = [];
  /** The jail is persistent only until its commands have run. */
  private lentPersist = false;
  /** Number of the jail it made; it may have ended since. */
  jid: number | null = null;
  /** Told once when the jail has been made, or removed: who needs only that goes on. */
  onOp: () => void = () => {};

  constructor(p: Proc, j: CfJail, options: JailOptions) {
    this.p = p;
    this.j = j;
    this.options = options;
  }

  /** The running jail it describes; null when it is not running. */
  get prison(): Prison | null {
    const jid = this.j.string('jid');
    const key = jid ?? this.j.string('name');
    if (key === null || (jid !== null && !/^[1-9][0-9]*$/.test(jid))) return null;
    return jailGetid(this.p, this.p.prison, key).prison;
  }

  /** The jail to change: with allow.dying also one that is dying. */
  get target(): Prison | null {
    return this.prison ?? (this.j.bool('allow.dying') ? this.dyingPrison : null);
  }

  /** The dying jail with its number, or its name. */
  get dyingPrison(): Prison | null {
    const prison = this.p.kernel.prisons.find(this.p.prison, this.j.string('jid') ?? this.j.string('name') ?? '');
    return prison?.dying === true ? prison : null;
  }

  /** Checks the parameters that go to the kernel. */
  importParams(): boolean {
    const params = kernelParams(this.j);
    this.params = params ?? [];
    return params !== null;
  }

  /** True on success; otherwise everything was undone and `j.failed` is set. */
  async start(): Promise<boolean> {
    for (const [i, step] of START_STEPS.entries()) {
      const done: string[] = [];
      if (await this.attempt(() => this.doStep(step, false, done))) continue;
      this.j.failed = true;
      await this.undo(step, done);
      for (const before of START_STEPS.slice(0, i).reverse()) await this.undo(before, null);
      break;
    }
    this.clearPersist();
    return !this.j.failed;
  }

  /** True when the jail is gone and its last commands have run. */
  async stop(): Promise<boolean> {
    for (const step of STOP_STEPS) {
      if (await this.attempt(() => this.doStep(step, true, []))) continue;
      this.j.failed = true;
      if (this.prison !== null) return false;
    }
    return !this.j.failed;
  }

  /** jail -m. */
  update(): boolean {
    const { target } = this;
    if (target === null) return false;
    const changed = this.createOnly(target);
    if (changed !== null) {
      this.j.fail(`${changed} cannot be changed after creation`);
      return false;
    }
    const writable = this.params.filter(({ param }) => param.access === 'rw');
    if (writable.length === 0) return true;
    const mayDie = this.j.bool('allow.dying');
    const set = jailUpdate(this.p, target, new Map(writable.map(({ param, value }) => [param.name, value])), mayDie);
    this.noteSet(mayDie ? 'JAIL_UPDATE | JAIL_DYING' : 'JAIL_UPDATE', [`jid=${target.jid}`, ...writable.map(shownParam)], set.error);
    if (set.error !== 0) this.j.fail(set.message);
    return set.error === 0;
  }

  /** A parameter with another value than the running jail's that only creation can give, or null. */
  createOnly(prison: Prison): string | null {
    const differs = this.params.find(({ param, value }) => param.access === 'rdtun' && param.name !== 'jid' && param.get(prison, this.p.prison) !== value);
    return differs?.param.name ?? null;
  }

  private async attempt(step: () => Promise<void> | void): Promise<boolean> {
    try {
      await step();
      return true;
    } catch (error) {
      if (error instanceof StepFailed) return false;
      throw error;
    }
  }

  /** @param done receives what of the step was done, for undoing a part of it. */
  private async doStep(step: Step, down: boolean, done: string[]): Promise<void> {
    if (step === 'op') return down ? this.remove() : await this.create();
    if (step === 'stop.timeout') return this.terminate();
    if (step === 'mount') return down ? undefined : this.noteIgnored();
    for (const value of this.valuesOf(step, down)) {
      await this.runCommand(step, value, down);
      done.push(value);
    }
  }

  private valuesOf(step: Step, down: boolean): string[] {
    if (step === 'addresses') {
      const values = ADDRESSES.flatMap((name) => this.j.list(name)).filter((v) => v.includes('|') || this.j.has('interface'));
      return down ? values.reverse() : values;
    }
    if (step === 'command' && this.j.name === null && this.j.has('command')) return [''];
    return this.j.list(step).filter((value) => value !== '');
  }

  /** Undoes a step: the part of it that was done, or all of it. Failures are told and do not stop the way back. */
  private async undo(step: Step, done: readonly string[] | null): Promise<void> {
    if (!UNDOABLE.has(step)) return;
    if (step === 'op') {
      if (done === null) await this.attempt(() => this.remove());
      return;
    }
    for (const value of [...(done ?? this.valuesOf(step, false))].reverse()) await this.attempt(() => this.runCommand(step, value, true));
  }

  private async create(): Promise<void> {
    const { j } = this;
    await this.outlastDying();
    const path = j.string('path');
    if (path !== null && j.name !== null && !path.startsWith('/')) this.refuse(`path ${path}: not an absolute pathname`);
    const lend = !j.bool('persist') && ['exec.start', 'command', 'exec.poststart'].some((name) => j.has(name));
    const params = lend ? this.params.filter(({ param }) => param.name !== 'persist') : this.params;
    const values = new Map(params.map(({ param, value }) => [param.name, value]));
    if (lend) values.set('persist', 'true');
    const set = jailCreate(this.p, values);
    this.noteSet('JAIL_CREATE', [...(lend ? ['persist'] : []), ...params.map(shownParam)], set.error);
    if (set.prison === null) this.refuse(set.message);
    this.jid = set.prison.jid;
    this.lentPersist = lend;
    if (lend) this.p.atExit(() => this.clearPersist());
    if (!j.has('name')) j.addText('name', set.prison.nameFrom(this.p.prison));
    if (this.options.printJid) this.p.out(`${set.prison.jid}\n`);
    if (this.options.verbose > 0 || (this.options.verbose === 0 && j.name !== null)) j.note('created\n');
    this.onOp();
  }

  /** allow.dying and a number that a dying jail still has: it is waited for. Its limit bounds that. */
  private async outlastDying(): Promise<void> {
    if (!this.j.bool('allow.dying') || !this.j.has('jid')) return;
    while (this.dyingPrison !== null) await this.p.sleepUs(POLL_US);
  }

  private remove(): void {
    const { prison } = this;
    if (prison !== null && this.p.kernel.call(this.p.now(), () => this.p.kernel.jailRemove(prison)) === EPERM) this.refuse(`jail_remove: ${strerror(EPERM)}`);
    this.noteRemoved();
    this.lentPersist = false;
    this.onOp();
  }

  noteRemoved(): void {
    const { j, options } = this;
    const worthIt = j.failed ? j.name !== null : options.noteRemove;
    if (options.verbose > 0 || (options.verbose === 0 && worthIt)) j.note('removed\n');
  }

  /** Tells the jail's processes to end and gives them time. */
  private async terminate(): Promise<void> {
    const { prison } = this;
    const seconds = this.j.int('stop.timeout') ?? DEFAULT_STOP_TIMEOUT_S;
    if (prison === null || seconds <= 0) return;
    const told = this.p.killPrison(prison, 'TERM');
    if (told.length === 0) return;
    if (this.options.verbose > 0) this.j.note(`sent SIGTERM to: ${told.join(' ')}\n`);
    const end = this.p.now() + seconds * US_PER_S;
    this.options.slots.give();
    while (prison.attached.size > 0 && this.p.now() < end) await this.p.sleepUs(Math.min(POLL_US, end - this.p.now()));
    await this.options.slots.take();
  }

  private noteIgnored(): void {
    if (this.options.verbose <= 0) return;
    const asked = MOUNTS.filter((name) => this.j.has(name) && (this.j.find(name)?.values.length !== 0 || this.j.bool(name)));
    for (const name of asked) this.j.note(`${name}: ignored: jails have no file systems here\n`);
    if (this.j.bool('exec.clean')) this.j.note('exec.clean: ignored: its PATH would not have these tools\n');
  }

  private async runCommand(step: Step, value: string, down: boolean): Promise<void> {
    const inJail = IN_JAIL.has(step);
    const { prison } = this;
    const command = commandOf(this.j, step, value, down);
    if (command === null) return;
    const user = this.j.string(inJail ? 'exec.jail_user' : 'exec.system_user');
    const outputFile = inJail ? await this.consoleLog() : null;
    if (this.options.verbose > 0) this.j.note(`run command${inJail ? ' in jail' : ''}${user === null ? '' : ` as ${user}`}: ${command.shown}\n`);
    const fib = inJail ? this.j.int('exec.fib') : null;
    const options: RunOptions = { ...(inJail && prison !== null ? { prison } : {}), ...(fib === null ? {} : { fib }), ...(outputFile === null ? {} : { outputFile }) };
    const wrong = this.whyNot(user, inJail, fib);
    if (wrong !== null) {
      this.j.warnx(wrong);
      this.refuse(`${command.shown}: failed`);
    }
    const code = await this.exitCode(command, options);
    if (code === 0) return;
    if (code === 'timeout') this.refuse(`${command.shown}: timed out`);
    this.refuse(code > 128 && code <= 128 + SIGNAL_MAX ? `${command.shown}: exited on signal ${code - 128}` : `${command.shown}: failed`);
  }

  /** The file that takes the output of commands in the jail, which can be opened; null: there is none. */
  private async consoleLog(): Promise<string | null> {
    const path = this.j.string('exec.consolelog');
    if (path === null) return null;
    if (!path.startsWith('/')) this.refuse(`exec.consolelog: ${path}: not an absolute pathname`);
    try {
      await (await this.p.host?.openWrite(path, true))?.close();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.refuse(`open ${path}: ${error.message}`);
    }
    return path;
  }

  /** What keeps a command from being run as its user, with its FIB, in its jail; null: nothing. The only users are root and whoever called. */
  private whyNot(user: string | null, inJail: boolean, fib: number | null): string | null {
    if (fib !== null && (fib < 0 || fib >= this.p.vnet.routes.fibs)) return `setfib: ${strerror(EINVAL)}`;
    if (inJail && this.prison === null) return `jail_attach: ${strerror(EINVAL)}`;
    return user !== null && user !== 'root' && user !== this.p.env['USER'] ? `${user}: no such user` : null;
  }

  private async exitCode(command: ExecCommand, options: RunOptions): Promise<number | 'timeout'> {
    const timeout = this.j.int('exec.timeout') ?? 0;
    try {
      const child = this.p.run(command.argv, options);
      if (timeout <= 0) return await child;
      child.catch(() => {});
      return await Promise.race([child, this.timeout(timeout * US_PER_S)]);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      this.j.warnx(`exec ${command.argv[0]}: ${error.message}`);
      return 1;
    }
  }

  /** A sleep that no wake-up cuts short. */
  private async timeout(us: number): Promise<'timeout'> {
    const end = this.p.now() + us;
    while (this.p.now() < end) await this.p.sleepUs(end - this.p.now());
    return 'timeout';
  }

  private clearPersist(): void {
    const { prison } = this;
    if (!this.lentPersist || prison === null) return;
    this.lentPersist = false;
    if (this.options.verbose > 0) this.j.note(`jail_set(JAIL_UPDATE) jid=${prison.jid} nopersist\n`);
    prison.persist = false;
    this.p.kernel.call(this.p.now(), () => this.p.kernel.prisonRelease(prison));
  }

  private noteSet(call: string, words: readonly string[], error: Errno): void {
    if (this.options.verbose <= 0) return;
    this.j.note(`jail_set(${call}) ${words.join(' ')}${error === 0 ? '' : `: ${strerror(error)}`}\n`);
  }

  private refuse(text: string): never {
    this.j.warnx(text);
    throw new StepFailed(text);
  }
}

/** As it was written, with its value if it was given one. */
function shownParam({ param, value, written, isBare }: KernelParam): string {
  if (isBare) return written;
  return `${written}=${quoted(param.type === 'bool' && written !== param.name ? String(value !== 'true') : value)}`;
}

/** A value with quotes around it if it needs them. */
export function quoted(value: string): string {
  if (value === '') return '""';
  const quote = value.includes("'") ? '"' : value.includes('"') ? "'" : /[ \t]/.test(value) ? '"' : '';
  return quote === '' ? value.replace(/\\/g, '\\\\') : quote + value.replace(/["'\\]/g, (c) => (c === quote || c === '\\' ? `\\${c}` : c)) + quote;
}
