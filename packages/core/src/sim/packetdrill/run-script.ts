/**
 * run-script.ts — runs a packet script against a stack: every event at its time, every packet and result compared.
 * Read first: script.ts, connection.ts; docs/packetdrill.md.
 *
 * Theory of operation. A run makes a vnet and a link (script-net.ts) and goes through the events. What arrives is injected at its time. What
 * must be sent is waited for: the next packet of the connection is the one, whatever else the connection would have to say; several in a row make up
 * one that the script writes as one. A call runs when its time comes and, if it blocks, while other events happen. Nothing waits for real time.
 *
 * An outcome is `passed`, `failed` (the stack did something else), or `unsupported` (the script says something that is outside the subset, or wrong).
 */
import { errnoName } from '../../base/errno.js';
import { NEVER } from '../../base/time.js';
import { CallArgs } from './call-args.js';
import { runCall } from './call-table.js';
import { CodeChecks } from './code-check.js';
import { conditionalLines } from './conditionals.js';
import { parseScript } from './parser.js';
import type { StartedCall } from './process.js';
import { ScriptError, ScriptFailure } from './script.js';
import type { CallSpec, Expr, PacketSpec, Script, ScriptEvent } from './script.js';
import { ScriptHost } from './script-host.js';
import { IP_VERSIONS, ipVersionsOf, makeConfig, optionTexts } from './script-config.js';
import type { IpVersion, ScriptConfig } from './script-config.js';
import { runCommand } from './script-commands.js';
import { ScriptPackets } from './script-packets.js';

export type ScriptStatus = 'passed' | 'failed' | 'unsupported';

export interface ScriptOutcome {
  readonly status: ScriptStatus;
  /** Which family it was run over; null when it could not be read. */
  readonly ipVersion: IpVersion | null;
  /** Where, and why; 0 and empty when it passed. */
  readonly line: number;
  readonly message: string;
  /** What happened, event by event. */
  readonly log: readonly string[];
}

export interface RunOptions {
  /** Families for scripts that do not say one; IPv4 and IPv6 when absent. */
  readonly ipVersions?: readonly IpVersion[];
  /** Options of the command line; a file's own are over them. */
  readonly options?: ReadonlyMap<string, string>;
  /** See ScriptConfig. */
  readonly strict?: boolean;
  readonly seed?: number;
}

/** How a run that threw has ended. What is no word of a script or of the runner about it comes from the stack, and is a failure too. */
function outcomeOf(error: unknown, ipVersion: IpVersion | null, log: readonly string[]): ScriptOutcome {
  if (error instanceof ScriptFailure) return { status: 'failed', ipVersion, line: error.line, message: error.message, log };
  if (error instanceof ScriptError) return { status: 'unsupported', ipVersion, line: error.line, message: error.message, log };
  return { status: 'failed', ipVersion, line: 0, message: error instanceof Error ? (error.stack ?? error.message) : String(error), log };
}

/** Runs a script over each of its families. */
export function runScript(source: string, options: RunOptions = {}): ScriptOutcome[] {
  let script: Script;
  let versions: readonly IpVersion[];
  let texts: ReadonlyMap<string, string>;
  try {
    const define = options.options?.get('define') ?? '';
    const lines = conditionalLines(source, define === '' ? [] : [define.replace(/=.*$/, '')]);
    script = parseScript(define.includes('=') ? `--define=${define} ${lines}` : lines);
    texts = new Map([...(options.options ?? []), ...optionTexts(script.options)]);
    versions = ipVersionsOf(texts, options.ipVersions ?? IP_VERSIONS.filter((v) => v !== 'ipv4-mapped-ipv6'));
  } catch (error) {
    return [outcomeOf(error, null, [])];
  }
  return versions.map((version) => {
    const log: string[] = [];
    try {
      new ScriptRun(script, makeConfig(version, texts, options.strict === true), options.seed ?? 1, log).run();
      return { status: 'passed', ipVersion: version, line: 0, message: '', log };
    } catch (error) {
      return outcomeOf(error, version, log);
    }
  });
}

const seconds = (us: number): string => (us / 1e6).toFixed(6);

class ScriptRun {
  private readonly script: Script;
  private readonly config: ScriptConfig;
  private readonly log: string[];
  private readonly host: ScriptHost;
  private readonly packets: ScriptPackets;
  private readonly checks = new CodeChecks();
  private pending: { readonly call: StartedCall; readonly endUs: number; readonly line: number } | null = null;
  private last: { readonly us: number; readonly inbound: boolean } = { us: 0, inbound: false };

  constructor(script: Script, config: ScriptConfig, seed: number, log: string[]) {
    this.script = script;
    this.config = config;
    this.log = log;
    this.host = new ScriptHost(config, seed);
    this.packets = new ScriptPackets(this.host, (text) => void log.push(`${seconds(this.host.nowUs)} ${text}`));
  }

  run(): void {
    const { init, cleanup, events } = this.script;
    if (init !== null) this.command(init.text, init.line);
    if (events[0]!.time.us !== 0) throw new ScriptError(events[0]!.line, 'the first event should be at time 0');
    for (const event of events) this.event(event);
    this.await(events.at(-1)!.line);
    if (this.config.strict) this.leftOver(events.at(-1)!);
    if (cleanup !== null) this.command(cleanup.text, cleanup.line);
    this.host.destroy();
  }

  /** The time of an event: a relative one counts from now, or from the packet before when both arrive. */
  private timeOf({ time, action, line }: ScriptEvent): { us: number; endUs: number | null; base: number } {
    const inbound = action.kind === 'packet' && action.packet.inbound;
    const base = !time.relative ? 0 : this.last.inbound && inbound ? this.last.us : this.host.nowUs;
    const us = base + time.us;
    if (!time.relative && us < this.last.us) throw new ScriptError(line, `time goes backward in script, from ${seconds(this.last.us)} to ${seconds(us)}`);
    return { us, endUs: time.endUs === null ? null : base + time.endUs, base };
  }

  private event(event: ScriptEvent): void {
    const { line, action } = event;
    const { us, endUs, base } = this.timeOf(event);
    const previousUs = this.last.us;
    this.last = { us: event.time.any ? this.last.us : us, inbound: action.kind === 'packet' && action.packet.inbound };
    if (action.kind === 'packet' && !action.packet.inbound) {
      this.outbound(action.packet, line, event.time.any ? null : { us, endUs: endUs ?? us, previousUs });
      return;
    }
    this.advance(us);
    this.onTime(this.host.nowUs, us, us, previousUs, line, action.kind === 'packet' ? 'inbound packet' : action.kind);
    switch (action.kind) {
      case 'packet':
        this.packets.inject(action.packet, line);
        break;
      case 'call':
        this.call(action.call, line, action.call.endUs === null ? null : base + action.call.endUs);
        break;
      case 'command':
        this.command(action.text, line);
        break;
      case 'code':
        this.code(action.text, line);
    }
  }

  /** Time passes, and a sleeping call wakes in it. */
  private advance(us: number, stop: () => boolean = () => false): void {
    const { process } = this.host;
    for (;;) {
      const wake = process.wakeUs - this.host.startUs;
      this.host.advance(Math.min(us, wake), stop);
      if (wake > us || stop()) return;
      process.resume();
      this.host.settle();
    }
  }

  private onTime(actual: number, from: number, to: number, previousUs: number, line: number, what: string): void {
    const tolerance = Math.max(this.config.toleranceUs, (this.config.tolerancePercent / 100) * (from - previousUs));
    if (actual >= from - tolerance && actual <= to + tolerance) return;
    const expected = from === to ? `at ${seconds(from)}` : `from ${seconds(from)} to ${seconds(to)}`;
    throw new ScriptFailure(line, `timing: expected ${what} ${expected}, but it happened at ${seconds(actual)}; tolerance ${seconds(tolerance)}`);
  }

  private outbound(spec: PacketSpec, line: number, when: { us: number; endUs: number; previousUs: number } | null): void {
    const limit = when === null ? NEVER : when.endUs + this.packets.patienceUs;
    const sentUs = this.attempt(this.config.nonFatalPacket, () => this.packets.expect(spec, line, (stop) => this.advance(limit, stop)));
    if (when !== null && sentUs !== null) this.attempt(this.config.nonFatalPacket, () => this.onTime(sentUs, when.us, when.endUs, when.previousUs, line, 'outbound packet'));
  }

  /** Runs `fn`; a failure is only noted when `nonFatal`. */
  private attempt<T>(nonFatal: boolean, fn: () => T): T | null {
    try {
      return fn();
    } catch (error) {
      if (!nonFatal || !(error instanceof ScriptFailure)) throw error;
      this.log.push(`warning: line ${error.line}: ${error.message}`);
      return null;
    }
  }

  private call(call: CallSpec, line: number, endUs: number | null): void {
    this.await(line);
    const args = new CallArgs(call, line);
    const started = this.host.startCall(args, () => runCall(this.host, args));
    this.log.push(`${seconds(this.host.nowUs)} ${call.name}()${started.result === null ? ' blocks' : ` = ${started.result.value}`}`);
    if (endUs === null && started.result === null) throw new ScriptFailure(line, `${call.name}() blocks, and the script does not say until when`);
    this.pending = { call: started, endUs: endUs ?? this.host.nowUs, line };
    if (endUs === null) this.await(line);
  }

  /** The call under way ends, as its event said. */
  private await(_line: number): void {
    const { pending } = this;
    if (pending === null) return;
    const { call, endUs, line } = pending;
    if (call.result === null) this.advance(endUs + this.packets.patienceUs, () => call.result !== null);
    this.pending = null;
    if (call.result === null) throw new ScriptFailure(line, `${call.args.call.name}() still blocks at ${seconds(this.host.nowUs)}; it should have ended at ${seconds(endUs)}`);
    this.attempt(this.config.nonFatalCall, () => {
      this.checkResult(call, line);
      this.onTime(call.doneUs - this.host.startUs, endUs, endUs, endUs, line, `the end of ${call.args.call.name}()`);
    });
  }

  private checkResult({ args, result }: StartedCall, line: number): void {
    const { name, result: wanted, error } = args.call;
    const { value, problem } = result!;
    const got = value < 0 ? `-1 ${errnoName(-value)}` : String(value);
    if (error !== '') {
      const name2 = value < 0 ? errnoName(-value) : '';
      if (name2 !== (error === 'EWOULDBLOCK' ? 'EAGAIN' : error)) throw new ScriptFailure(line, `${name}(): expected -1 ${error}, got ${got}`);
    } else if (wanted.kind !== 'ellipsis') {
      const number = args.number(wanted as Expr);
      if (value !== number) throw new ScriptFailure(line, `${name}(): expected ${number}, got ${got}`);
    }
    if (problem !== null) throw new ScriptFailure(line, `${name}(): ${problem}`);
  }

  private command(text: string, line: number): void {
    const failed = this.host.inThread(() => runCommand(this.host.vnet, text, line, (state) => this.host.countState(state)));
    this.host.settle();
    if (failed !== null) throw new ScriptFailure(line, failed);
  }

  private code(text: string, line: number): void {
    const failed = this.checks.run(text, line, (name) => this.host.infoValue(name, line));
    if (failed !== null) throw new ScriptFailure(line, failed);
  }

  private leftOver({ line }: ScriptEvent): void {
    this.host.settle();
    const text = this.packets.leftOver();
    if (text !== null) throw new ScriptFailure(line, `the stack sent more than the script expects: ${text}`);
  }
}
