/**
 * script-host.ts — the side of the stack in a run: the vnet, the process with its sockets, and the connection that packets are about now.
 */
import type { Micros } from '../../base/time.js';
import type { Vnet } from '../../vnet/vnet.js';
import type { CallArgs } from './call-args.js';
import type { CallHost } from './call-host.js';
import { Connection } from './connection.js';
import type { IpHead } from './ip-frame.js';
import { ScriptProcess } from './process.js';
import type { CallRun, StartedCall } from './process.js';
import { ScriptError, ScriptFailure } from './script.js';
import type { ScriptConfig } from './script-config.js';
import type { DatagramFd, ScriptFd, StreamFd } from './script-fd.js';
import { ScriptNet } from './script-net.js';
import type { SentPacket } from './script-net.js';
import { streamMismatch } from './stream-pattern.js';
import { infoSymbol } from './symbols.js';
import { countTcpState, tcpInfoValue } from './tcp-info-names.js';

export class ScriptHost implements CallHost {
  readonly config: ScriptConfig;
  readonly process: ScriptProcess;
  readonly net: ScriptNet;
  /** What the script's packets are about; null before there is anything. */
  connection: Connection | null = null;
  /** The descriptor of `connection`, as far as one is known. */
  private fd: StreamFd | null = null;
  private datagram: DatagramFd | null = null;
  /** Contents of the streams are the pattern, out of and into the stack. */
  outIsPattern = true;
  inIsPattern = true;

  constructor(config: ScriptConfig, seed: number) {
    this.config = config;
    this.net = new ScriptNet(config, seed);
    this.process = new ScriptProcess(() => this.net.net.now);
  }

  get vnet(): Vnet {
    return this.net.vnet;
  }

  get startUs(): Micros {
    return this.net.startUs;
  }

  get nowUs(): Micros {
    return this.net.nowUs;
  }

  readonly now = (): Micros => this.net.net.now;

  opened(fd: ScriptFd): void {
    this.connection = new Connection(fd.kind === 'stream' ? 'tcp' : 'udp');
    this.fd = fd.kind === 'stream' ? fd : null;
    this.datagram = fd.kind === 'datagram' ? fd : null;
  }

  /** The port of the datagram socket that packets are about; null when there is none. */
  get datagramPort(): number | null {
    const port = this.datagram?.so.name().port ?? 0;
    return port === 0 ? null : port;
  }

  listening(): void {
    if (this.connection !== null) this.connection.phase = 'listening';
  }

  connecting(fd: ScriptFd): void {
    if (this.connection?.phase !== 'new') return;
    this.connection.phase = 'connecting';
    this.connection.remote = { ip: this.config.remote, port: this.config.connectPort };
    if (fd.kind === 'stream') this.fd = fd;
  }

  accepted(fd: StreamFd): void {
    this.fd = fd;
  }

  wroteText(): void {
    this.outIsPattern = false;
  }

  checkRead(data: Uint8Array, place: number): string | null {
    const bad = this.inIsPattern ? streamMismatch(data, place) : -1;
    return bad < 0 ? null : `byte ${place + bad} of the stream is not the one that was sent`;
  }

  /** Runs `fn` where programs run. */
  inThread<T>(fn: () => T): T {
    return this.net.net.kernel.call(this.net.net.now, fn);
  }

  startCall(args: CallArgs, run: () => CallRun): StartedCall {
    const started = this.inThread(() => this.process.start(args, run()));
    this.settle();
    return started;
  }

  settle(): void {
    this.net.settle();
  }

  /** Time passes up to `us` since the start, or to where `stop` says so. */
  advance(us: Micros, stop: () => boolean): void {
    this.net.advance(us + this.startUs, stop);
  }

  get sent(): SentPacket[] {
    return this.net.sent;
  }

  inject(head: IpHead, payload: Uint8Array): void {
    this.net.inject(head, payload);
  }

  /** A name in a check: a value of TCP_INFO, or a constant. */
  infoValue(name: string, line: number): number | null {
    const symbol = infoSymbol(name);
    if (symbol !== null) return symbol;
    if (!name.startsWith('tcpi_')) return null;
    const info = this.fd?.so.info() ?? null;
    if (info === null) throw new ScriptFailure(line, `${name}: the connection has no TCP_INFO (any more)`);
    const value = tcpInfoValue(info, name);
    if (value === null) throw new ScriptError(line, `TCP_INFO has no ${name} here`);
    return value;
  }

  /** How many connections are in a state with FreeBSD's name. */
  countState(state: string): number {
    return countTcpState(this.net.vnet, state);
  }

  destroy(): void {
    this.inThread(() => this.process.closeAll());
    this.net.destroy();
  }
}
