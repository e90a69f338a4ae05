/**
 * exec-service.ts — starts tools for clients: finds the tool, the prison and the FIB a call names, and runs it on a connection.
 *
 * Read first: tool-proc.ts.
 *
 * Invariant: every call is answered: what cannot be started says so on standard error in the tool's own words and gets an exit code,
 * as if the tool had said it.
 * Not here: connections (exec-stream.ts, exec-buffer.ts).
 */
import type { Kernel, Prison } from '@netloom/core';
import type { ProcSignal, Tool } from '@netloom/userland';
import type { Logger } from 'pino';
import type { HostLoop } from '../loop.js';
import type { ExecStart } from './exec-protocol.js';
import { ProcTable } from './proc-table.js';
import type { ProcIo, ProcWorld } from './tool-proc.js';
import { ToolProc } from './tool-proc.js';

/** Processes at a time. */
const PROC_MAX = 4096;
/** What `netloom capture` calls: its vnet comes from its arguments. */
const CAPTURE_NAME = 'netloom-capture';
/** Shell's exit code for a command that was not found. */
const EXIT_NOT_FOUND = 127;
/** FIBs a process may ask for: FreeBSD's limit. */
const FIB_MAX = 65_535;

export type ExitCallback = (code: number, signal: ProcSignal | null) => void;

export class ExecService implements ProcWorld {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly table: ProcTable;
  private readonly tools: Readonly<Record<string, Tool>>;
  private readonly log: Logger;

  /** `tools` is what clients may run: userland's registry and what the daemon adds. */
  constructor(kernel: Kernel, loop: HostLoop, tools: Readonly<Record<string, Tool>>, log: Logger, procMax = PROC_MAX) {
    this.kernel = kernel;
    this.loop = loop;
    this.tools = tools;
    this.log = log;
    this.table = new ProcTable(kernel, procMax);
  }

  findTool(name: string): Tool | undefined {
    const base = name.slice(name.lastIndexOf('/') + 1);
    return Object.hasOwn(this.tools, base) ? this.tools[base] : undefined;
  }

  crashed(proc: ToolProc, error: unknown): void {
    this.log.error({ pid: proc.pid, argv: proc.argv, err: error }, 'a tool crashed');
  }

  said(proc: ToolProc, line: string): void {
    this.log.info({ pid: proc.pid, tool: proc.argv[0], vnet: proc.vnet.name }, line);
  }

  /** Starts a call. Returns its process, or null when it could not start and `onExit` has been called. */
  start(call: ExecStart, io: ProcIo, onExit: ExitCallback): ToolProc | null {
    const name = call.argv[0] ?? '';
    const refuse = (message: string, code: number): null => {
      io.write(2, Buffer.from(`${message}\n`));
      onExit(code, null);
      return null;
    };
    const tool = this.findTool(name);
    if (tool === undefined) return refuse(`netloom: no tool is called "${name}" ("netloom tools list" names them)`, EXIT_NOT_FOUND);
    this.loop.enter();
    const jail = call.env.NETLOOM_JAIL ?? '';
    const prison = this.findPrison(jail);
    if (prison === null) return refuse(name === CAPTURE_NAME ? `netloom: there is no vnet "${jail}" ("netloom ps" lists them)` : `${name}: jail "${jail}" not found (named by NETLOOM_JAIL; "jls" lists them)`, 1);
    if (prison.dying) return refuse(`${name}: jail "${jail}" is dying (named by NETLOOM_JAIL; "netloom ps --dying" says what holds it)`, 1);
    const fib = Number(call.env.NETLOOM_FIB ?? 0);
    if (!Number.isInteger(fib) || fib < 0 || fib > FIB_MAX) return refuse(`${name}: NETLOOM_FIB="${call.env.NETLOOM_FIB}" is not a FIB number (0 to ${FIB_MAX})`, 1);
    const pid = this.table.allocatePid();
    if (pid === null) return refuse(`${name}: ${this.table.max} tools are running already; end some ("netloom ps --procs" lists them)`, 1);
    const proc = new ToolProc(this, io, { pid, argv: call.argv, prison, fib, cwd: call.cwd, env: call.env, envChanges: {}, ignored: call.ignored }, (ended) => {
      onExit(ended.exitCode ?? 0, ended.exitSignal);
    });
    void proc.execute(tool.main);
    return proc;
  }

  private findPrison(path: string): Prison | null {
    const root = this.kernel.prisons.prison0;
    return path === '' || path === '0' ? root : this.kernel.prisons.find(root, path);
  }
}
