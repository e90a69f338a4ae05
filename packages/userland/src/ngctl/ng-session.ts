/**
 * ng-session.ts — NgSession: a tool's socket node, and the questions it asks of nodes.
 * Read first: netgraph(3); core/src/netgraph/nodes/socket.ts.
 *
 * Everything goes to the kernel in one call of its own, because a command may make an interface. The node goes with the process.
 */
import { EPERM, NGM_GENERIC_COOKIE, NGM_LISTHOOKS, NGM_LISTNAMES, NGM_LISTNODES, NGM_LISTTYPES, ENOBUFS, NgSocket, ngDecode, ngHooklistType, ngNamelistType, ngTypelistType } from '@netloom/core';
import type { Errno, NgHooklist, NgMessage, NgNodeinfo, NgParseType, NgReceivedMsg, PacketBuffer } from '@netloom/core';
import { ownsNetwork } from '../jail/jail-id.js';
import type { Proc } from '../proc.js';

export interface NgTypeinfo {
  readonly typename: string;
  readonly numnodes: number;
}

export class NgSession {
  readonly p: Proc;
  readonly socket: NgSocket;
  debugLevel = 0;

  private constructor(p: Proc, socket: NgSocket) {
    this.p = p;
    this.socket = socket;
    p.atExit(() => this.close());
  }

  /** A socket node called `name`; null: without a name. An Errno: the name is taken or not legal, or the jail has no network of its own. */
  static open(p: Proc, name: string | null): NgSession | Errno {
    if (!ownsNetwork(p.prison)) return EPERM;
    const socket = p.kernel.call(p.now(), () => {
      const base = p.vnet.netgraph.open();
      return base === null ? EPERM : NgSocket.open(base, base.tun, name);
    });
    return typeof socket === 'number' ? socket : new NgSession(p, socket);
  }

  close(): void {
    if (this.socket.isOpen) this.call(() => this.socket.close());
  }

  call<T>(fn: () => T): T {
    return this.p.kernel.call(this.p.now(), fn);
  }

  generic(path: string, cmd: number, args?: Uint8Array): Errno {
    return this.call(() => this.socket.sendMsg(path, { typecookie: NGM_GENERIC_COOKIE, cmd }, args));
  }

  /** Sends a message and reads its answer. `sent`: was it the sending that failed? */
  private ask<T>(path: string, cmd: number, type: NgParseType<T>): { readonly value: T } | { readonly error: Errno; readonly sent: boolean } {
    const error = this.generic(path, cmd);
    if (error !== 0) return { error, sent: false };
    const answer = this.call(() => this.socket.recvMsg());
    const value = answer === null ? null : ngDecode(type, answer.msg.args);
    return value === null ? { error: ENOBUFS, sent: true } : { value };
  }

  nodes(namedOnly: boolean): { readonly value: { readonly nodeinfo: readonly NgNodeinfo[] } } | { readonly error: Errno; readonly sent: boolean } {
    return this.ask('.', namedOnly ? NGM_LISTNAMES : NGM_LISTNODES, ngNamelistType);
  }

  hooks(path: string): { readonly value: NgHooklist } | { readonly error: Errno; readonly sent: boolean } {
    return this.ask(path, NGM_LISTHOOKS, ngHooklistType);
  }

  types(): { readonly value: { readonly typeinfo: readonly NgTypeinfo[] } } | { readonly error: Errno; readonly sent: boolean } {
    return this.ask('.', NGM_LISTTYPES, ngTypelistType);
  }

  ascii(path: string, command: string): Errno {
    return this.call(() => this.socket.sendAscii(path, command));
  }

  get hasArrived(): boolean {
    return this.socket.readable;
  }

  recvMsg(): NgReceivedMsg | null {
    return this.call(() => this.socket.recvMsg());
  }

  toAscii(received: NgReceivedMsg): NgMessage | null {
    return this.call(() => this.socket.toAscii(received));
  }

  /** The next packet's hook and bytes. */
  recvData(): { readonly hook: string; readonly bytes: Uint8Array } | null {
    return this.call(() => {
      const data = this.socket.recvData();
      if (data === null) return null;
      const bytes = data.m.bytes().slice();
      data.m.free();
      return { hook: data.hook, bytes };
    });
  }

  sendData(hook: string | null, bytes: Uint8Array): Errno {
    return this.call(() => {
      const m: PacketBuffer | null = this.p.kernel.engine.pool.from(bytes);
      return m === null ? ENOBUFS : this.socket.sendData(hook, m);
    });
  }
}
