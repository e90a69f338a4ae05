/**
 * tool-proc.ts — a tool running in the daemon: the `Proc` it is given, and what the daemon does to it.
 *
 * Read first: packages/userland/src/proc.ts.
 *
 * Theory of operation. A ToolProc stands between a tool's body and a connection (ProcIo: a stream to a launcher, or buffers for a plain
 * HTTP call). Everything that wakes the tool (time, input, a signal, a child's end) enters the host loop first, so the tool runs with
 * a fresh stamp. A process that waits registers how to fail it in `waits`; `end` fails them all with ProcKilled. A stopped process
 * (TSTP) keeps its wake-ups in `parked` until CONT.
 * A child (`run`) is a ToolProc of its own with the same ProcIo, or a HostChild; there may be several at a time. While one of our tools is
 * among them, signals go to those. A HostChild outlives its parent until the client has seen its end.
 *
 * A process that called `daemon` has a log in the place of the connection: for whoever called, it has ended.
 *
 * Invariants: `end` acts once; afterwards nothing the tool does reaches the connection. atExit callbacks run exactly once, newest first,
 * also when the tool's body crashes. A crash is logged, answered with exit code EX_SOFTWARE, and goes no further.
 * Output buffered for a client that does not read is at most OUTPUT_MAX; more ends the process.
 */
import type { Kernel, Prison, Vnet } from '@netloom/core';
import type { Proc, ProcHost, ProcSignal, RunOptions, Tool, ToolMain } from '@netloom/userland';
import { HostError, ProcKilled, signalNumber } from '@netloom/userland';
import type { HostLoop, LoopTimer } from '../loop.js';
import { FileIo } from './file-io.js';
import { HostChild } from './host-child.js';
import { hostDnsQuery } from './host-dns.js';
import { hostError, listHostFolder, openHostFile, readHostFile } from './host-files.js';
import { LogIo } from './log-io.js';
import type { ProcTable, TableEntry } from './proc-table.js';
import { errorLine } from '../error-line.js';

/** Output waiting for the client above which `flush` waits, bytes. */
export const OUTPUT_HIGH_WATER = 256 * 1024;
/** Output waiting for the client above which the process is ended, bytes. */
export const OUTPUT_MAX = 64 * 1024 * 1024;
/** sysexits(3): internal software error. */
const EX_SOFTWARE = 70;
/** Signals whose default action is to ignore them. */
const IGNORED: ReadonlySet<ProcSignal> = new Set<ProcSignal>(['INFO', 'WINCH', 'CONT']);

/** A process's connection to whoever called it. Shared by a process and its children. */
export interface ProcIo {
  write(fd: 1 | 2, bytes: Uint8Array): void;
  /** Bytes written that the client has not taken. */
  readonly buffered: number;
  /** Resolves when `buffered` is low again, or the connection has ended. */
  drained(): Promise<void>;
  /** The next block of standard input, null at its end. Called again only after it resolved. */
  read(): Promise<Uint8Array | null>;
  /** Runs a host program at the client; null: this client cannot. */
  readonly spawn: ((id: number, argv: readonly string[], env: Readonly<Record<string, string>>) => Promise<{ exitCode: number; error: string }>) | null;
  killChild(id: number, signal: ProcSignal): void;
  readonly tty: boolean;
  /** Absent: standard input is no terminal. */
  readonly stdinTty?: boolean;
  rawInput?(on: boolean | 'all'): boolean;
  columns: number;
}

/** What all processes of a daemon share. */
export interface ProcWorld {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly table: ProcTable;
  findTool(name: string): Tool | undefined;
  /** Told of a tool's crash. */
  crashed(proc: ToolProc, error: unknown): void;
  /** A line that a daemon prints. */
  said(proc: ToolProc, line: string): void;
}

/** What makes one process different from another. */
export interface ProcSpec {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly prison: Prison;
  readonly fib: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What callers changed in the environment (`run`'s options): host children get only this. */
  readonly envChanges: Readonly<Record<string, string>>;
  /** Signals that stay ignored unless the tool handles them. */
  readonly ignored: readonly string[];
}

interface Sleeper {
  readonly dueUs: number;
  readonly timer: LoopTimer | null;
  readonly done: (leftUs: number) => void;
}

export class ToolProc implements Proc, TableEntry {
  readonly kind = 'tool';
  readonly pid: number;
  readonly argv: readonly string[];
  readonly kernel: Kernel;
  readonly prison: Prison;
  readonly vnet: Vnet;
  readonly fib: number;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly host: ProcHost;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly startedUs: number;
  /** Decided when the process has ended; null before. */
  exitCode: number | null = null;
  exitSignal: ProcSignal | null = null;
  private readonly world: ProcWorld;
  private io: ProcIo;
  private readonly spec: ProcSpec;
  private onEnd: (proc: ToolProc) => void;
  private readonly sleepers = new Set<Sleeper>();
  private readonly waits = new Set<(error: ProcKilled) => void>();
  private handlers: ((signal: ProcSignal) => boolean)[] = [];
  private exits: (() => void)[] = [];
  private parked: (() => void)[] = [];
  private readonly children = new Set<ToolProc | HostChild>();
  private stopped = false;
  private woken = false;
  /** Has called `daemon`: its caller has nothing to do with it any more. */
  detached = false;

  constructor(world: ProcWorld, io: ProcIo, spec: ProcSpec, onEnd: (proc: ToolProc) => void) {
    this.world = world;
    this.io = io;
    this.spec = spec;
    this.onEnd = onEnd;
    this.pid = spec.pid;
    this.argv = spec.argv;
    this.kernel = world.kernel;
    this.prison = spec.prison;
    this.vnet = spec.prison.vnet;
    this.fib = spec.fib;
    this.env = spec.env;
    this.cwd = spec.cwd;
    this.startedUs = world.loop.enter();
    this.stdin = { [Symbol.asyncIterator]: () => this.readInput() };
    this.host = {
      readFile: (path) => this.until(readHostFile(this.cwd, path)),
      openWrite: (path, append) => this.until(openHostFile(this.cwd, path, append)),
      listFolder: (path) => this.until(listHostFolder(this.cwd, path)),
      dnsQuery: (query) => this.until(hostDnsQuery(query)),
      spawn: (argv, env) => this.spawnHost(this.io, argv, env, this.prison),
    };
    world.table.add(this);
  }

  get isTty(): boolean {
    return this.io.tty;
  }

  get stdinIsTty(): boolean {
    return this.io.stdinTty === true;
  }

  rawInput(on: boolean | 'all'): boolean {
    return this.io.rawInput?.(on) ?? false;
  }

  get columns(): number {
    return this.io.columns > 0 ? this.io.columns : 80;
  }

  /** Runs the tool's body to its end. Never rejects. */
  async execute(main: ToolMain): Promise<void> {
    this.kernel.datapath?.begins();
    try {
      this.end((await main(this)) & 0xff, null);
    } catch (error) {
      if (this.exitCode !== null && error instanceof ProcKilled) return;
      this.crash(error);
    }
  }

  out(data: string | Uint8Array): void {
    this.write(1, data);
  }

  err(data: string | Uint8Array): void {
    this.write(2, data);
  }

  flush(): Promise<void> {
    return this.io.buffered < OUTPUT_HIGH_WATER && this.exitCode === null ? Promise.resolve() : this.until(this.io.drained());
  }

  now(): number {
    return this.world.loop.now;
  }

  wallUs(): number {
    return this.world.loop.bootWallUs + this.world.loop.now;
  }

  sleepUs(us: number): Promise<number> {
    if (this.woken || this.exitCode !== null) {
      this.woken = false;
      return this.until(Promise.resolve(us));
    }
    const slept = new Promise<number>((resolve) => {
      const dueUs = this.now() + us;
      const timer = us === Infinity ? null : this.world.loop.after(us, () => this.endSleep(sleeper));
      const sleeper: Sleeper = { dueUs, timer, done: resolve };
      this.sleepers.add(sleeper);
    });
    return this.until(slept);
  }

  wake(): void {
    if (this.sleepers.size === 0) this.woken = true;
    for (const sleeper of [...this.sleepers]) this.endSleep(sleeper);
  }

  daemon(): void {
    if (this.detached || this.exitCode !== null) return;
    const { onEnd } = this;
    this.detached = true;
    this.io = new LogIo((line) => this.world.said(this, line));
    this.onEnd = () => undefined;
    onEnd(this);
  }

  onSignal(callback: (signal: ProcSignal) => boolean): () => void {
    this.handlers.unshift(callback);
    return () => {
      this.handlers = this.handlers.filter((h) => h !== callback);
    };
  }

  atExit(callback: () => void): void {
    this.exits.unshift(callback);
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<number> {
    const { outputFile, ...others } = options;
    if (outputFile !== undefined) return this.runLogged(argv, others, outputFile);
    return this.runOn(this.io, argv, options);
  }

  /** With its output in a file. */
  private async runLogged(argv: readonly string[], options: RunOptions, file: string): Promise<number> {
    const io = new FileIo(this.io, await this.until(openHostFile(this.cwd, file, true)), file);
    try {
      return await this.runOn(io, argv, options);
    } finally {
      await io.close();
    }
  }

  private async runOn(io: ProcIo, argv: readonly string[], options: RunOptions): Promise<number> {
    const prison = options.prison ?? this.prison;
    const tool = this.world.findTool(argv[0] ?? '');
    if (tool === undefined) return this.spawnHost(io, argv, { ...options.env, ...this.placeEnv(prison, options.fib ?? this.fib) }, prison);
    const pid = this.world.table.allocatePid();
    if (pid === null) throw new HostError('EAGAIN', 'Resource temporarily unavailable');
    return this.until(
      new Promise<number>((resolve) => {
        const spec: ProcSpec = {
          pid, argv, prison,
          fib: options.fib ?? this.fib,
          cwd: this.cwd,
          env: { ...this.env, ...options.env },
          envChanges: { ...this.spec.envChanges, ...options.env },
          ignored: this.spec.ignored,
        };
        const child = new ToolProc(this.world, io, spec, (ended) => {
          this.children.delete(ended);
          resolve(ended.exitCode ?? 0);
        });
        this.children.add(child);
        void child.execute(tool.main);
      }),
    );
  }

  killPrison(prison: Prison, signal: ProcSignal): number[] {
    return this.world.table.killPrison(prison, signal, this);
  }

  /** For the daemon: a signal for this process. */
  signal(signal: ProcSignal): void {
    if (this.exitCode !== null) return;
    this.world.loop.enter();
    if (signal === 'KILL') return this.end(128 + signalNumber.KILL, 'KILL');
    const tools = [...this.children].filter((child) => child instanceof ToolProc);
    if (tools.length > 0) return tools.forEach((child) => child.signal(signal));
    if (signal === 'CONT') this.resume();
    if (this.handled(signal)) return this.wakeSleepers();
    if (IGNORED.has(signal) || this.spec.ignored.includes(signal)) return;
    if (signal === 'TSTP') {
      this.stopped = true;
      return;
    }
    this.end(128 + signalNumber[signal], signal);
  }

  /** For the prison this is attached to. */
  kill(): void {
    this.signal('KILL');
  }

  /** Ends the process, once. */
  end(code: number, signal: ProcSignal | null): void {
    if (this.exitCode !== null) return;
    this.exitCode = code;
    this.exitSignal = signal;
    for (const callback of this.exits) this.guarded(callback);
    this.exits = [];
    this.kernel.datapath?.ended();
    for (const sleeper of this.sleepers) sleeper.timer?.cancel();
    this.sleepers.clear();
    for (const child of [...this.children]) child.signal('KILL');
    const killed = new ProcKilled(signal ?? 'TERM');
    for (const fail of [...this.waits]) fail(killed);
    this.waits.clear();
    this.parked = [];
    this.world.table.remove(this);
    this.onEnd(this);
  }

  private write(fd: 1 | 2, data: string | Uint8Array): void {
    if (this.exitCode !== null || data.length === 0) return;
    this.io.write(fd, typeof data === 'string' ? Buffer.from(data) : Uint8Array.from(data));
    if (this.io.buffered <= OUTPUT_MAX) return;
    this.io.write(2, Buffer.from(`${this.argv[0]}: ended: too much output waits for a reader that does not read\n`));
    this.end(1, null);
  }

  private handled(signal: ProcSignal): boolean {
    for (const handler of [...this.handlers]) {
      try {
        if (handler(signal)) return true;
      } catch (error) {
        this.crash(error);
        return true;
      }
    }
    return false;
  }

  private wakeSleepers(): void {
    for (const sleeper of [...this.sleepers]) this.endSleep(sleeper);
  }

  private endSleep(sleeper: Sleeper): void {
    if (!this.sleepers.delete(sleeper)) return;
    sleeper.timer?.cancel();
    sleeper.done(Math.max(0, sleeper.dueUs - this.now()));
  }

  private resume(): void {
    this.stopped = false;
    const parked = this.parked;
    this.parked = [];
    for (const go of parked) go();
  }

  /**
   * `promise`, unless the process is ended first; held back while the process is stopped. The tool resumes with a fresh stamp. What it has changed is in force for short
   * paths while it waits, and what they count meanwhile it sees afterwards.
   */
  private until<T>(promise: Promise<T>): Promise<T> {
    const { datapath } = this.kernel;
    datapath?.ended();
    return new Promise<T>((resolve, reject) => {
      if (this.exitCode !== null) return reject(new ProcKilled(this.exitSignal ?? 'TERM'));
      this.waits.add(reject);
      const settle = (finish: () => void): void => {
        if (!this.waits.has(reject)) return;
        const go = (): void => {
          this.waits.delete(reject);
          this.world.loop.enter();
          datapath?.begins();
          finish();
        };
        if (this.stopped) this.parked.push(go);
        else go();
      };
      promise.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }

  private async *readInput(): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const block = await this.until(this.io.read());
      if (block === null) return;
      yield block;
    }
  }

  private placeEnv(prison: Prison, fib: number): Record<string, string> {
    const root = this.kernel.prisons.prison0;
    return { NETLOOM_JAIL: prison === root ? '' : prison.nameFrom(root), NETLOOM_FIB: String(fib) };
  }

  private async spawnHost(io: ProcIo, argv: readonly string[], env: Readonly<Record<string, string>>, prison: Prison): Promise<number> {
    if (io.spawn === null) throw hostError('ENOTSUP');
    // jail_attach(2): nothing new comes into a jail that is ending.
    if (prison.dying) throw hostError('EINVAL');
    const pid = this.world.table.allocatePid();
    if (pid === null) throw new HostError('EAGAIN', 'Resource temporarily unavailable');
    const child = new HostChild(this.world.table, pid, prison, argv, this.now(), (signal) => io.killChild(pid, signal));
    this.children.add(child);
    const placed = { ...this.spec.envChanges, ...this.placeEnv(prison, this.fib), ...env };
    const ran = io.spawn(pid, argv, placed).finally(() => {
      this.world.loop.enter();
      this.children.delete(child);
      child.ended();
    });
    const { exitCode, error } = await this.until(ran);
    if (error !== '') throw hostError(error);
    return exitCode;
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.world.crashed(this, error);
    }
  }

  private crash(error: unknown): void {
    this.world.crashed(this, error);
    this.err(`${this.argv[0]}: internal error: ${errorLine(error)}\n`);
    this.end(EX_SOFTWARE, null);
  }
}
