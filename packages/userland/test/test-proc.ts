/**
 * test-proc.ts — a bench for tools: a Kernel in virtual time, and a shell of one line to run them in.
 * Read first: src/proc.ts.
 *
 * `await lab.sh('ifconfig epair create')` runs one tool to its end and answers with what it printed and its exit code; `lab.start` leaves it
 * running, for tools that are ended by a signal or run side by side. Time passes only while somebody waits: when every tool sleeps, the
 * clock jumps to the next wake-up or timer. A tool that waits for something that can never come fails the test.
 * Host programs are a handful of imitations (echo, true, false, sleep, `sh -c` with `;`, printenv); host files are `lab.files`.
 * Not here: pipes, redirections, job control. A test composes them from what `sh` returns.
 */
import { setImmediate } from 'node:timers/promises';
import { Kernel, quietEnv } from '@netloom/core';
import type { Attached, Prison, Vnet } from '@netloom/core';
import type { HostFile, Proc, ProcHost, ProcSignal, RunOptions } from '../src/proc.js';
import { HostError, ProcKilled, signalNumber } from '../src/proc.js';
import { findTool } from '../src/tools.js';

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number;
}

export interface ShOptions {
  /** Name of the prison to run in; absent: prison 0. */
  readonly jail?: string;
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly fib?: number;
  /** Standard input is a terminal. */
  readonly tty?: boolean;
}

/** A host program of the bench: gets the process it stands in for. */
export type HostProgram = (p: LabProc) => Promise<number>;

const WALL_BASE_US = 1_700_000_000_000_000;
/** Virtual time one `sh` may take, microseconds. */
const PATIENCE_US = 3_600_000_000;
const IGNORED: ReadonlySet<ProcSignal> = new Set<ProcSignal>(['INFO', 'WINCH', 'CONT']);

interface Sleeper {
  readonly dueUs: number;
  readonly done: (left: number) => void;
}

/** Output of a process and its children. */
class Sink {
  readonly stdout: Uint8Array[] = [];
  readonly stderr: Uint8Array[] = [];

  write(to: 'stdout' | 'stderr', data: Uint8Array): void {
    this[to].push(data);
  }
}

/** Output that goes into a file of the bench. */
class FileSink extends Sink {
  private readonly lab: ToolLab;
  private readonly path: string;

  constructor(lab: ToolLab, path: string) {
    super();
    this.lab = lab;
    this.path = path;
  }

  override write(_to: 'stdout' | 'stderr', data: Uint8Array): void {
    this.lab.append(this.path, Buffer.from(data).toString('utf8'));
  }
}

const text = (chunks: readonly Uint8Array[]): string => Buffer.concat(chunks).toString('utf8');

/** A running tool. */
export class LabProc implements Proc, Attached {
  readonly pid: number;
  readonly argv: readonly string[];
  readonly kernel: Kernel;
  readonly prison: Prison;
  readonly vnet: Vnet;
  readonly fib: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd = '/';
  readonly isTty = false;
  stdinIsTty = false;
  readonly columns = 80;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly host: ProcHost;
  readonly lab: ToolLab;
  exit: number | null = null;
  readonly sink: Sink;
  private readonly input: Uint8Array;
  private readonly sleepers = new Set<Sleeper>();
  private readonly waits = new Set<(e: ProcKilled) => void>();
  private handlers: ((signal: ProcSignal) => boolean)[] = [];
  private exits: (() => void)[] = [];
  private readonly children = new Set<LabProc>();
  private woken = false;
  /** Called `daemon`. */
  private detached = false;
  private release: (code: number) => void = () => undefined;

  constructor(lab: ToolLab, argv: readonly string[], prison: Prison, fib: number, env: Readonly<Record<string, string | undefined>>, input: Uint8Array, sink: Sink) {
    this.lab = lab;
    this.pid = lab.nextPid++;
    this.argv = argv;
    this.kernel = lab.kernel;
    this.prison = prison;
    this.vnet = prison.vnet;
    this.fib = fib;
    this.env = env;
    this.input = input;
    this.sink = sink;
    this.stdin = { [Symbol.asyncIterator]: () => this.readInput() };
    this.host = {
      readFile: (path) => this.until(lab.readFile(path)),
      openWrite: (path, append) => new Promise((resolve) => resolve(lab.openWrite(path, append))),
      listFolder: (path) => Promise.resolve(lab.listFolder(path)),
      dnsQuery: (query) => this.until(lab.dnsQuery(query)),
      spawn: (words, extra) => this.runHost(words, { env: extra }),
    };
    prison.attached.add(this);
    lab.procs.add(this);
  }

  rawInput(): boolean {
    return false;
  }

  out(data: string | Uint8Array): void {
    this.write('stdout', data);
  }

  err(data: string | Uint8Array): void {
    this.write('stderr', data);
  }

  flush(): Promise<void> {
    return this.until(Promise.resolve());
  }

  now(): number {
    return this.kernel.now;
  }

  wallUs(): number {
    return WALL_BASE_US + this.kernel.now;
  }

  sleepUs(us: number): Promise<number> {
    if (this.woken) {
      this.woken = false;
      return this.until(Promise.resolve(us));
    }
    return this.until(
      new Promise<number>((done) => {
        this.sleepers.add({ dueUs: this.now() + us, done });
      }),
    );
  }

  wake(): void {
    if (this.sleepers.size === 0) this.woken = true;
    this.endSleeps(() => true);
  }

  daemon(): void {
    this.detached = true;
    this.release(0);
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
    const tool = findTool(argv[0] ?? '');
    if (tool === undefined) return this.runHost(argv, options);
    return this.until(this.runChild(argv, options, (child) => tool.main(child)));
  }

  killPrison(prison: Prison, signal: ProcSignal): number[] {
    const inside = [...this.lab.procs].filter((p) => p !== this && p.prison === prison);
    for (const p of inside) p.signal(signal);
    return inside.map((p) => p.pid);
  }

  signal(signal: ProcSignal): void {
    if (this.exit !== null) return;
    if (signal === 'KILL') return this.end(128 + signalNumber.KILL, signal);
    if (this.children.size > 0) return [...this.children].forEach((child) => child.signal(signal));
    if (this.handlers.some((h) => h(signal))) return this.wake();
    if (!IGNORED.has(signal)) this.end(128 + signalNumber[signal], signal);
  }

  kill(): void {
    this.signal('KILL');
  }

  /** Ends the process, once. */
  end(code: number, signal: ProcSignal = 'TERM'): void {
    if (this.exit !== null) return;
    this.exit = code;
    for (const callback of this.exits) callback();
    this.sleepers.clear();
    for (const child of [...this.children]) child.kill();
    for (const fail of [...this.waits]) fail(new ProcKilled(signal));
    this.lab.procs.delete(this);
    this.prison.attached.delete(this);
    this.kernel.prisonRelease(this.prison);
  }

  /** Runs `main` as the body of this process, to its end or until it is a daemon. */
  execute(main: (p: LabProc) => Promise<number>): Promise<number> {
    return new Promise((resolve, reject) => {
      this.release = resolve;
      this.body(main).then(resolve, (error: unknown) => {
        if (this.detached) this.lab.crashes.push(error);
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  private async body(main: (p: LabProc) => Promise<number>): Promise<number> {
    try {
      this.end((await main(this)) & 255);
    } catch (error) {
      if (!(error instanceof ProcKilled) || this.exit === null) {
        this.end(70);
        throw error;
      }
    }
    return this.exit ?? 70;
  }

  /** Due time of the next sleep; Infinity when none. */
  get dueUs(): number {
    return Math.min(Infinity, ...[...this.sleepers].map((s) => s.dueUs));
  }

  endSleeps(which: (s: Sleeper) => boolean): void {
    for (const s of [...this.sleepers]) {
      if (!which(s)) continue;
      this.sleepers.delete(s);
      s.done(Math.max(0, s.dueUs - this.now()));
    }
  }

  private write(to: 'stdout' | 'stderr', data: string | Uint8Array): void {
    if (this.exit !== null || data.length === 0) return;
    const bytes = typeof data === 'string' ? Buffer.from(data) : data.slice();
    if (this.detached) this.lab.log.push(Buffer.from(bytes).toString('utf8').trimEnd());
    else this.sink.write(to, bytes);
  }

  private until<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.exit !== null) return reject(new ProcKilled('TERM'));
      this.waits.add(reject);
      promise.then(resolve, reject).finally(() => this.waits.delete(reject));
    });
  }

  private async *readInput(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.input.length > 0) yield await this.until(Promise.resolve(this.input));
  }

  private async runChild(argv: readonly string[], options: RunOptions, main: (child: LabProc) => Promise<number>): Promise<number> {
    const sink = options.outputFile === undefined ? this.sink : new FileSink(this.lab, options.outputFile);
    const child = new LabProc(this.lab, argv, options.prison ?? this.prison, options.fib ?? this.fib, { ...this.env, ...options.env }, this.input, sink);
    this.children.add(child);
    try {
      return await child.execute(main);
    } finally {
      this.children.delete(child);
    }
  }

  private runHost(argv: readonly string[], options: RunOptions): Promise<number> {
    const program = this.lab.programs[(argv[0] ?? '').replace(/^.*\//, '')];
    if (program === undefined) return Promise.reject(new HostError('ENOENT', 'No such file or directory'));
    const root = this.kernel.prisons.prison0;
    const prison = options.prison ?? this.prison;
    const env = { NETLOOM_JAIL: prison === root ? '' : prison.nameFrom(root), NETLOOM_FIB: String(options.fib ?? this.fib), ...options.env };
    return this.until(this.runChild(argv, { ...options, env }, program));
  }
}

/** Lines of an output; an output without a last newline is marked. */
function printed(output: string): string[] {
  if (output === '') return [];
  return output.endsWith('\n') ? output.slice(0, -1).split('\n') : `${output}<no newline>`.split('\n');
}

/** A process started with `start`. */
export interface Running {
  readonly proc: LabProc;
  readonly done: Promise<Ran>;
  /** What it has printed so far. */
  readonly stdout: string;
}

async function shell(p: LabProc): Promise<number> {
  let status = 0;
  for (const command of (p.argv[2] ?? '').split(';')) {
    const words = shellWords(command);
    if (words.length > 0) status = await p.run(words);
  }
  return status;
}

const PROGRAMS: Readonly<Record<string, HostProgram>> = {
  true: () => Promise.resolve(0),
  false: () => Promise.resolve(1),
  echo: (p) => {
    p.out(`${p.argv.slice(1).join(' ')}\n`);
    return Promise.resolve(0);
  },
  printenv: (p) => {
    const value = p.env[p.argv[1] ?? ''];
    if (value !== undefined) p.out(`${value}\n`);
    return Promise.resolve(value === undefined ? 1 : 0);
  },
  sleep: async (p) => {
    await p.sleepUs(Number(p.argv[1]) * 1_000_000);
    return 0;
  },
  sh: shell,
};

/** Words of a command line: spaces separate, quotes and backslashes quote. */
export function shellWords(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+/gs)) {
    words.push(match[0].replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/gs, (_, dq?: string, sq?: string, esc?: string) => dq?.replace(/\\(["\\])/g, '$1') ?? sq ?? esc ?? ''));
  }
  return words;
}

export class ToolLab {
  readonly kernel: Kernel;
  /** What the kernel logged: `vnet: text`; and what daemons said. */
  readonly log: string[] = [];
  /** What daemons ended with that should not. */
  readonly crashes: unknown[] = [];
  readonly files = new Map<string, string>();
  readonly programs: Readonly<Record<string, HostProgram>>;
  /** The name servers of the machine; there are none unless a test says so. */
  dnsQuery: (query: Uint8Array) => Promise<Uint8Array> = () => Promise.reject(new HostError('ETIMEDOUT', 'Connection timed out'));
  readonly procs = new Set<LabProc>();
  nextPid = 100;

  constructor(options: { readonly seed?: number; readonly datapath?: boolean; readonly programs?: Readonly<Record<string, HostProgram>> } = {}) {
    this.kernel = new Kernel({ ...quietEnv(options.seed ?? 1, 'lab'), ...(options.datapath === true ? { datapath: 'inline' as const } : {}), log: (_level, vnet, message) => void this.log.push(`${vnet}: ${message}`) });
    const { witness } = this.kernel.engine;
    witness.watch = 1;
    witness.onFinding = ({ text }) => {
      throw new Error(`witness: ${text}`);
    };
    this.programs = { ...PROGRAMS, ...options.programs };
  }

  /** Runs one command line to its end. */
  async sh(line: string | readonly string[], options: ShOptions = {}): Promise<Ran> {
    this.kernel.datapath?.begins();
    const running = this.start(line, options);
    let ran: Ran | null = null;
    let failure: unknown;
    running.done.then((r) => (ran = r), (e: unknown) => (failure = e));
    await this.drive(() => ran !== null || failure !== undefined, String(line));
    if (failure !== undefined) throw failure;
    this.kernel.datapath?.ended();
    return ran ?? { stdout: '', stderr: '', exit: 70 };
  }

  /** Like `sh`; throws unless the command succeeds. Returns its output without the last newline. */
  async ok(line: string | readonly string[], options: ShOptions = {}): Promise<string> {
    const ran = await this.sh(line, options);
    if (ran.exit !== 0) throw new Error(`${String(line)}: exit ${ran.exit}: ${ran.stderr}`);
    return ran.stdout.replace(/\n$/, '');
  }

  /**
   * Runs the `$ ` lines of a transcript and answers with the transcript that came of it: output as it is, lines of standard error behind
   * `! `, an exit code other than 0 as `[N]`. Generated link addresses (02:…) become MAC. A golden test expects the text it gave.
   */
  async session(transcript: string, options: ShOptions = {}): Promise<string> {
    const lines: string[] = [];
    for (const command of transcript.split('\n').filter((line) => line.startsWith('$ '))) {
      const ran = await this.sh(command.slice(2), options);
      lines.push(command, ...printed(ran.stdout), ...printed(ran.stderr).map((line) => `! ${line}`), ...(ran.exit === 0 ? [] : [`[${ran.exit}]`]));
    }
    return `${lines.join('\n')}\n`.replace(/\b02(:[0-9a-f]{2}){5}\b/g, 'MAC');
  }

  /** Starts a command line and returns at once. `advance` or another `sh` lets it go on. */
  start(line: string | readonly string[], options: ShOptions = {}): Running {
    const argv = typeof line === 'string' ? shellWords(line) : line;
    const prison = options.jail === undefined ? this.kernel.prisons.prison0 : this.kernel.prisons.find(this.kernel.prisons.prison0, options.jail);
    if (prison === null) throw new Error(`no jail ${options.jail}`);
    const sink = new Sink();
    const input = typeof options.stdin === 'string' ? Buffer.from(options.stdin) : (options.stdin ?? new Uint8Array(0));
    const shellProc = new LabProc(this, argv, prison, options.fib ?? 0, options.env ?? {}, input, sink);
    shellProc.stdinIsTty = options.tty ?? false;
    const done = shellProc
      .execute((p) => {
        const tool = findTool(argv[0] ?? '');
        return tool === undefined ? p.host.spawn(argv, {}) : tool.main(p);
      })
      .then((exit) => ({ stdout: text(sink.stdout), stderr: text(sink.stderr), exit }));
    return {
      proc: shellProc, done,
      get stdout(): string {
        return text(sink.stdout);
      },
    };
  }

  /** Lets `us` microseconds pass. */
  async advance(us: number): Promise<void> {
    const end = this.kernel.now + us;
    await this.drive(() => this.kernel.now >= end, 'advance', end);
  }

  readFile(path: string): Promise<Uint8Array> {
    const content = this.files.get(path);
    return content === undefined ? Promise.reject(new HostError('ENOENT', 'No such file or directory')) : Promise.resolve(Buffer.from(content));
  }

  /** Folders are there when something is in them; '/' always is. */
  openWrite(path: string, append = false): HostFile {
    if (path.lastIndexOf('/') > 0 && this.listFolder(path.slice(0, path.lastIndexOf('/') + 1)).length === 0) throw new HostError('ENOENT', 'No such file or directory');
    if (!append || !this.files.has(path)) this.files.set(path, '');
    return {
      write: (data) => this.append(path, typeof data === 'string' ? data : Buffer.from(data).toString('utf8')),
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
  }

  append(path: string, data: string): void {
    this.files.set(path, (this.files.get(path) ?? '') + data);
  }

  listFolder(path: string): string[] {
    const inside = [...this.files.keys()].filter((file) => file.startsWith(path)).map((file) => file.slice(path.length).replace(/^\/|\/.*/g, ''));
    return [...new Set(inside)].filter((name) => name !== '');
  }

  private async drive(finished: () => boolean, what: string, end = Infinity): Promise<void> {
    const patience = this.kernel.now + PATIENCE_US;
    for (;;) {
      await setImmediate();
      this.kernel.settle();
      await setImmediate();
      if (this.crashes.length > 0) throw this.crashes[0];
      if (finished()) return;
      if (this.kernel.nextDeadline() <= this.kernel.now) continue;
      const next = Math.min(this.kernel.nextDeadline(), end, ...[...this.procs].map((p) => p.dueUs));
      if (next === Infinity) throw new Error(`${what}: waits for something that cannot come`);
      if (next > patience) throw new Error(`${what}: still running after an hour of virtual time`);
      this.kernel.tick(next);
      for (const p of [...this.procs]) p.endSleeps((s) => s.dueUs <= this.kernel.now);
    }
  }
}
