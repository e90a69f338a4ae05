/**
 * ng-bench.ts — a bench for netgraph: a vnet with a graph, sockets joined to its nodes, and what each of their hooks got.
 *
 * It has the verbs of FreeBSD's own tests of netgraph: a frame is sent out of a hook, and the counters of all hooks are compared.
 */
import { quietEnv } from '../env/env.js';
import { Kernel } from '../vnet/kernel.js';
import type { Vnet } from '../vnet/vnet.js';
import { NGM_CONNECT, NGM_GENERIC_COOKIE, NGM_MKPEER, NGM_NAME, NGM_RMHOOK, NGM_SHUTDOWN, ngConnectType, ngMkpeerType, ngNameType, ngRmhookType } from '../netgraph/ng-generic.js';
import type { NgBase } from '../netgraph/ng-base.js';
import { ngBytesText, ngEncode } from '../netgraph/ng-parse.js';
import { NgSocket } from '../netgraph/nodes/socket.js';
import { NgProbe } from './ng-probe.js';

export class NgBench {
  readonly kernel: Kernel;
  readonly vnet: Vnet;
  readonly base: NgBase;
  readonly socket: NgSocket;
  /** Frames that each hook of the socket has got since the last `counts`. */
  private readonly got = new Map<string, Uint8Array[]>();

  /** @param on where: vnet0 of a kernel of its own when it is not told. */
  constructor(seed = 1, on: { readonly kernel: Kernel; readonly vnet: Vnet } | null = null) {
    this.kernel = on?.kernel ?? new Kernel(quietEnv(seed));
    this.vnet = on?.vnet ?? this.kernel.vnet0;
    this.base = this.inside(() => this.vnet.netgraph.open()!);
    this.socket = this.open();
  }

  open(name: string | null = null): NgSocket {
    const socket = this.inside(() => NgSocket.open(this.base, this.base.tun, name));
    if (typeof socket === 'number') throw new Error(`socket ${name ?? ''}: errno ${socket}`);
    return socket;
  }

  /** A node of the test's own, whose hooks are joined to nodes by name: `[ours, node, theirs]`. */
  probe(...joins: readonly (readonly [string, string, string])[]): NgProbe {
    const probe = new NgProbe(this.base, (fn) => this.inside(fn));
    for (const [ours, peer, theirs] of joins) {
      const error = probe.join(ours, peer, theirs);
      if (error !== 0) throw new Error(`probe ${ours} to ${peer}:${theirs}: errno ${error}`);
    }
    return probe;
  }

  inside<T>(fn: () => T): T {
    return this.kernel.call(this.kernel.now, fn);
  }

  mkpeer(path: string, type: string, ourhook: string, peerhook: string): number {
    return this.generic(path, NGM_MKPEER, ngEncode(ngMkpeerType, { type, ourhook, peerhook }));
  }

  connect(path: string, other: string, ourhook: string, peerhook: string): number {
    return this.generic(path, NGM_CONNECT, ngEncode(ngConnectType, { path: other, ourhook, peerhook }));
  }

  name(path: string, name: string): number {
    return this.generic(path, NGM_NAME, ngEncode(ngNameType, { name }));
  }

  rmhook(path: string, hook: string): number {
    return this.generic(path, NGM_RMHOOK, ngEncode(ngRmhookType, { hook }));
  }

  shutdown(path: string): number {
    return this.generic(path, NGM_SHUTDOWN, new Uint8Array(0));
  }

  private generic(path: string, cmd: number, args: Uint8Array): number {
    return this.inside(() => this.socket.sendMsg(path, { typecookie: NGM_GENERIC_COOKIE, cmd }, args));
  }

  /** Sends a command in its ASCII form; the answer in its ASCII form, '' when there is none. Throws the errno of a command that fails. */
  ascii(path: string, command: string): string {
    return this.inside(() => {
      const error = this.socket.sendAscii(path, command);
      if (error !== 0) throw new Error(`errno ${error}`);
      const token = this.socket.lastToken;
      for (let answer = this.socket.recvMsg(); answer !== null; answer = this.socket.recvMsg()) {
        if (!answer.msg.isResponse || answer.msg.token !== token) continue;
        const text = this.socket.toAscii(answer);
        return text === null ? '?' : ngBytesText(text.args);
      }
      return '';
    });
  }

  /** Errno of a command in its ASCII form. */
  asciiError(path: string, command: string): number {
    return this.inside(() => this.socket.sendAscii(path, command));
  }

  /** Sends a frame out of a hook of the socket. */
  send(hook: string, bytes: Uint8Array): number {
    return this.inside(() => {
      const m = this.kernel.engine.pool.from(bytes);
      return m === null ? -1 : this.socket.sendData(hook, m);
    });
  }

  /** What came out at each of `hooks` since the last call, after everything that waits has been served. */
  counts(...hooks: readonly string[]): number[] {
    this.settle();
    this.drain();
    const counts = hooks.map((hook) => this.got.get(hook)?.length ?? 0);
    this.got.clear();
    return counts;
  }

  /** The frames that came out at `hook` since the last `counts`. */
  frames(hook: string): Uint8Array[] {
    this.settle();
    this.drain();
    return this.got.get(hook)?.splice(0) ?? [];
  }

  settle(): void {
    for (let i = 0; i < 1_000 && this.kernel.nextDeadline() <= this.kernel.now; i++) this.kernel.tick(this.kernel.now);
  }

  advance(us: number): void {
    const end = this.kernel.now + us;
    while (this.kernel.nextDeadline() <= end) this.kernel.tick(Math.max(this.kernel.now, this.kernel.nextDeadline()));
    this.kernel.tick(end);
  }

  private drain(): void {
    this.inside(() => {
      for (let data = this.socket.recvData(); data !== null; data = this.socket.recvData()) {
        const frames = this.got.get(data.hook) ?? [];
        frames.push(data.m.bytes().slice());
        this.got.set(data.hook, frames);
        data.m.free();
      }
    });
  }
}

/** A frame with addresses that end in these bytes. */
export function testFrame(dst: number | 'broadcast', src: number, length = 60): Uint8Array {
  const frame = new Uint8Array(length);
  frame.set(dst === 'broadcast' ? [255, 255, 255, 255, 255, 255] : [2, 4, 6, 0, 0, dst], 0);
  frame.set([2, 4, 6, 0, 0, src], 6);
  frame.set([0x88, 0xb5], 12);
  return frame;
}
