/**
 * proc.ts — what a tool sees of the world: its process interface.
 *
 * Read first: exec(2), sigaction(2), sleep(3) of any Unix; a `Proc` is that, cut down to what a network tool needs.
 *
 * A tool is a function `(p: Proc) => Promise<number>`; its number is the exit code. It never touches a real process: the daemon
 * (packages/node/src/daemon), the command line, a browser terminal and the tests each hand it a `Proc` of their own.
 *
 * Theory of operation
 *   - Output is buffered by the host of the process and bounded. `out` and `err` never block and never fail; a tool that can write without
 *     end (tcpdump, nc, netstat -w) awaits `flush()` now and then, which waits while the reader is behind.
 *   - Time is `now()`, in microseconds since the kernel was booted, and `sleepUs`. A sleep ends early when `wake()` is called or
 *     a signal was handled. The usual shape of a waiting tool is: a socket's or tap's notification stores the packet and calls `p.wake()`;
 *     the tool's loop drains what was stored and sleeps again. `wake()` is sticky: called when nobody sleeps, it ends the next sleep.
 *   - Signals arrive at the callbacks given to `onSignal`, newest first, until one answers true. When none does, the default action
 *     applies: every signal but INFO, WINCH and CONT ends the process with exit code 128 + number (TSTP stops it until CONT).
 *   - A process that called `daemon` has no caller: signals reach it from within its vnet (`killPrison`), and its own control (kern/control-ends.ts of the core) ends it.
 *   - Ending a process from outside: every pending and later `sleepUs`, `flush`, `run` and read of `stdin` rejects with `ProcKilled`, the
 *     `atExit` callbacks run once, and the exit code has been decided: what the tool still returns or prints is dropped.
 *     A tool lets `ProcKilled` pass; it undoes what it did to the kernel (a tap, a socket) in `atExit`, as a kernel closes descriptors.
 *
 * Invariants: `argv[0]` is the tool's name. `vnet` is the stack of `prison` for the whole life of the process. All callbacks run in
 * thread context, never on the packet path.
 *
 * Deliberately not here: users and groups, file descriptors, job control beyond stop and continue, a shell.
 */
import type { Kernel, Prison, Vnet } from '@netloom/core';

/** Signals a tool can be sent, without the `SIG`. INFO is FreeBSD's Ctrl-T; a launcher sends it for SIGUSR1 where the host has none. */
export type ProcSignal = 'HUP' | 'INT' | 'QUIT' | 'PIPE' | 'ALRM' | 'TERM' | 'TSTP' | 'CONT' | 'WINCH' | 'INFO' | 'KILL';

/** FreeBSD's number of each signal; a process ended by one has the exit code 128 + this. */
export const signalNumber: Readonly<Record<ProcSignal, number>> = Object.freeze({
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  TSTP: 18,
  CONT: 19,
  WINCH: 28,
  INFO: 29,
});

/** The body of a tool. Resolves with the exit code, 0..255. An exception is a defect of the tool: its process ends with 70 (EX_SOFTWARE). */
export type ToolMain = (p: Proc) => Promise<number>;

/** A registered tool: see tools.ts. */
export interface Tool {
  /** One line for `netloom tools list`, lower case, without a full stop. */
  readonly summary: string;
  readonly main: ToolMain;
}

/** Where `Proc.run` runs its child; what is left out is the caller's. */
export interface RunOptions {
  readonly prison?: Prison;
  readonly fib?: number;
  /** Merged over the caller's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** A file of the host, by its absolute path, that takes both outputs at its end. */
  readonly outputFile?: string;
}

/** The process of one running tool. */
export interface Proc {
  /** Number of the process, unique while the daemon lives. Never reused soon, as process numbers are. ping uses it as its ICMP id. */
  readonly pid: number;
  readonly argv: readonly string[];
  readonly kernel: Kernel;
  readonly prison: Prison;
  readonly vnet: Vnet;
  /** The routing table (FIB) that this process's sockets use: setfib(2). */
  readonly fib: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Working folder at the host, absolute; '/' where there is none. */
  readonly cwd: string;
  /** Standard output is a terminal. */
  readonly isTty: boolean;
  /** Standard input is a terminal. */
  readonly stdinIsTty: boolean;
  /** Width of that terminal in columns; 80 when unknown. Follows the terminal: read it anew after WINCH. */
  readonly columns: number;
  /** Bytes of standard input; ends at end of file. One reader. A tool that does not read it takes nothing from the caller's input. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** What only a real host has (files, programs); null in a browser. */
  readonly host: ProcHost | null;

  /**
   * Asks for every key as it is pressed, not shown (raw), or for whole lines again; 'all': the keys that send signals, too, and output as it is. False: the caller's
   * terminal cannot, or there is none. It is put back when the process ends, however it ends.
   */
  rawInput(on: boolean | 'all'): boolean;
  /** Writes to standard output: text as UTF-8, bytes as they are (copied). */
  out(data: string | Uint8Array): void;
  /** Writes to standard error. */
  err(data: string | Uint8Array): void;
  /** Resolves at once while the output buffered is under the high-water mark, else when the reader has caught up. */
  flush(): Promise<void>;

  /** Microseconds since the kernel was booted: the stamp of the current turn of the host loop. */
  now(): number;
  /** Wall-clock time in microseconds since 1970 UTC, for stamps that people read (tcpdump, date in captures). */
  wallUs(): number;
  /** Sleeps `us` microseconds (Infinity: until woken). Resolves with the microseconds not slept: 0 when the whole time passed. */
  sleepUs(us: number): Promise<number>;
  /** Ends the present sleep, or the next one if nobody sleeps. */
  wake(): void;

  /**
   * daemon(3): whoever called has exit code 0 and its terminal back, and the process goes on without input, until it ends by itself, by a signal, or with its prison. What it
   * prints from now on goes to the log of the host. Done once; later calls do nothing.
   */
  daemon(): void;

  /** Adds a signal callback; true from it means handled. Returns the function that takes it away again. */
  onSignal(callback: (signal: ProcSignal) => boolean): () => void;
  /** Adds a callback that runs exactly once when the process ends, however it ends; newest first. */
  atExit(callback: () => void): void;

  /**
   * Runs another program as a child sharing this process's input, output and signals, and resolves with its exit code: one of our tools
   * (found by the last component of `argv[0]`) inside `options.prison`, anything else as a program of the host, at the client,
   * with NETLOOM_JAIL naming that prison. Rejects with `HostError` ENOENT when there is no such program, EACCES when it may not be run.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<number>;
  /** Sends a signal to every process inside `prison`, tools and host programs alike, but not to those of jails below it. Returns their numbers. */
  killPrison(prison: Prison, signal: ProcSignal): readonly number[];
}

/** Things only a real host has. Paths are relative to the process's `cwd`. Every failure rejects with `HostError`. */
export interface ProcHost {
  readFile(path: string): Promise<Uint8Array>;
  /** Creates or truncates a file; with `append` what is there stays, and writes go behind it. `-` is not special here. */
  openWrite(path: string, append?: boolean): Promise<HostFile>;
  /** Names of what is in a folder, in no order. */
  listFolder(path: string): Promise<readonly string[]>;
  /** Asks the machine's own name servers: a DNS message, and the answer to it. Rejects when nobody answers. */
  dnsQuery(query: Uint8Array): Promise<Uint8Array>;
  /** Runs a host program at the client with its terminal, whatever its name (no tool of ours is looked up). Prefer `Proc.run`. */
  spawn(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<number>;
}

/** A host file open for writing. */
export interface HostFile {
  /** Buffers bytes (copied); never fails by itself: a failed write rejects the next `flush` or `close`. */
  write(data: string | Uint8Array): void;
  /** Resolves when everything written so far has been handed to the host. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** A host call failed. `message` is strerror(3)'s text, without the name of the file. */
export class HostError extends Error {
  override readonly name = 'HostError';
  /** Symbolic errno, as Node names it: 'ENOENT', 'EACCES', ... */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The process was ended from outside while the tool waited. Tools let it pass. */
export class ProcKilled extends Error {
  override readonly name = 'ProcKilled';
  readonly signal: ProcSignal;

  constructor(signal: ProcSignal) {
    super(`killed by SIG${signal}`);
    this.signal = signal;
  }
}
