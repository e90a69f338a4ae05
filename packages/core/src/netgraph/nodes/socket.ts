/**
 * socket.ts — ng_socket(4): a node whose inside is a program: it sends messages and data, and reads what comes.
 * Read first: ng_socket(4), netgraph(3); nodes/socket-buffer.ts.
 *
 * Theory of operation. NgSocket is what libnetgraph's NgMkSockNode gives: a control socket, a data socket, and the node they share. The node takes hooks
 * of any name. A message that is not generic, and every answer, goes to the control socket; data goes to the data socket with the name of its
 * hook. A buffer that is full refuses, and the node that sent learns it (ENOBUFS): that is how a slow reader is felt upstream. Either socket
 * may be closed alone; when both are, the node goes.
 * Data that leaves the graph here is as on a wire: the tag in the bytes, the checksums finished, super-segments cut, unless a port (socket-port.ts) says
 * that whoever is behind it does without.
 *
 * Invariant: what is kept for the reader is counted in bytes and in buffers, and never more than the limits allow.
 */
import type { Errno } from '../../base/errno.js';
import { EDESTADDRREQ, EHOSTUNREACH, EINVAL, EMSGSIZE, ENOBUFS, ENOTCONN, EPIPE } from '../../base/errno.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { etherInsertTag } from '../../net/ether.js';
import { NGM_ASCII2BINARY, NGM_BINARY2ASCII, NGM_GENERIC_COOKIE } from '../ng-generic.js';
import { NG_MESG_HDRSIZ, NG_NO_ARGS, NgMessage } from '../ng-message.js';
import type { NgMessageHead } from '../ng-message.js';
import type { Hook, NgGraph, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { ngFinish, ngSegment } from '../ng-offload.js';
import { NG_HOOKSIZ, NG_TEXT_MAX, ngTextBytes } from '../ng-parse.js';
import { DataBuffer, MsgBuffer } from './socket-buffer.js';

const NGM_SOCKET_COOKIE = 851_601_233;
const NGM_SOCK_CMD_NOLINGER = 1;
const NGM_SOCK_CMD_LINGER = 2;

/** Longest path a message is sent to, its final zero included. */
const PATH_SIZ = 32;

/** What a socket takes its limits from. */
export interface NgSocketLimits {
  readonly recvSpaceBytes: number;
  readonly maxDgramBytes: number;
}

/** What whoever takes the data at once is told, and can be left to do. */
export interface NgDataTaker {
  readonly offload: { readonly csum: boolean; readonly gso: boolean };
  /** Packets it holds itself, for the audit. */
  readonly queued: number;
  /** There is data to read. */
  dataReadable(): void;
  /** The node is gone. */
  gone(): void;
}

/** A message that was read. */
export interface NgReceivedMsg {
  /** Address of the node that sent it, `[1f]:`. */
  readonly from: string;
  readonly msg: NgMessage;
}

class SocketOps implements NgNodeOps {
  readonly socket: NgSocket;

  constructor(socket: NgSocket) {
    this.socket = socket;
  }

  rcvdata(hook: Hook, m: PacketBuffer): Errno {
    return this.socket.takeData(hook, m);
  }

  rcvmsg(msg: NgMessage): Errno {
    return this.socket.takeMsg(msg);
  }

  disconnect(): void {
    this.socket.hookGone();
  }

  shutdown(): boolean {
    this.socket.nodeGone();
    return false;
  }

  queued(): number {
    return this.socket.data.length + (this.socket.taker?.queued ?? 0);
  }
}

export class NgSocket {
  readonly node: NgNode;
  /** Called when a message, or data, has come. */
  onMsg: (() => void) | null = null;
  onData: (() => void) | null = null;
  taker: NgDataTaker | null = null;
  readonly data: DataBuffer;
  private readonly graph: NgGraph;
  private readonly limits: NgSocketLimits;
  private readonly msgs: MsgBuffer;
  private controlOpen = true;
  private dataOpen = true;
  private linger = true;
  private token = 0;
  private target: Hook | null = null;
  private refused = 0;
  private readonly emit = (piece: PacketBuffer): void => this.keep(piece);

  private constructor(node: NgNode, limits: NgSocketLimits) {
    this.node = node;
    this.graph = node.graph;
    this.limits = limits;
    this.msgs = new MsgBuffer(limits.recvSpaceBytes);
    this.data = new DataBuffer(limits.recvSpaceBytes);
  }

  /** A new node with both its sockets; `name`: what the node is called. An Errno: the name is not legal, or taken. */
  static open(graph: NgGraph, limits: NgSocketLimits, name: string | null = null): NgSocket | Errno {
    let made: NgSocket | null = null;
    const node = graph.makeNode(socketType, (n) => {
      made = new NgSocket(n, limits);
      return new SocketOps(made);
    });
    if (typeof node === 'number') return node;
    const error = name === null || name === '' ? 0 : graph.nameNode(node, name);
    if (error !== 0) graph.rmnode(node);
    return error !== 0 || made === null ? error : made;
  }

  get isOpen(): boolean {
    return this.node.isValid;
  }

  /** Address of the node. */
  get address(): string {
    return `[${this.node.id.toString(16)}]:`;
  }

  // Control.

  /** Sends a message; its token is in `lastToken` then. The error is that of the command itself. */
  sendMsg(path: string, head: NgMessageHead, args: Uint8Array = NG_NO_ARGS): Errno {
    if (!this.node.isValid || !this.controlOpen) return EPIPE;
    if (path === '') return EDESTADDRREQ;
    if (path.length >= PATH_SIZ) return EINVAL;
    if (args.length + NG_MESG_HDRSIZ > this.limits.maxDgramBytes) return EMSGSIZE;
    this.token = (this.token + 1) & 0x7fff_ffff;
    const msg = new NgMessage({ cmdstr: `cmd${head.cmd}`, ...head, token: head.token ?? this.token }, args);
    return this.graph.sendMsgPath(this.node, path, msg);
  }

  get lastToken(): number {
    return this.token;
  }

  /** Sends a command in its ASCII form: `setconfig { loopTimeout=5 }`. The node at `path` turns it into its binary form first. */
  sendAscii(path: string, command: string): Errno {
    const [, name = '', text = ''] = /^\s*(\S*)\s*([^]*)$/.exec(command) ?? [];
    const ascii = new NgMessage({ typecookie: 0, cmd: 0, cmdstr: name }, ngTextBytes(`${text}\0`));
    const error = this.sendMsg(path, { typecookie: NGM_GENERIC_COOKIE, cmd: NGM_ASCII2BINARY }, ascii.encode());
    if (error !== 0) return error;
    const binary = this.answerTo(this.token);
    if (binary === null) return EINVAL;
    return this.sendMsg(path, { typecookie: binary.typecookie, cmd: binary.cmd, cmdstr: binary.cmdstr }, binary.args);
  }

  /** `msg` in its ASCII form, as the node at `from` writes it; null: that node does not know how. */
  toAscii({ from, msg }: NgReceivedMsg): NgMessage | null {
    const error = this.sendMsg(from, { typecookie: NGM_GENERIC_COOKIE, cmd: NGM_BINARY2ASCII }, msg.encode());
    return error === 0 ? this.answerTo(this.token) : null;
  }

  /** The message within the answer to `token`, taken out of the queue. */
  private answerTo(token: number): NgMessage | null {
    const answer = this.msgs.take(({ msg }) => msg.isResponse && msg.token === token);
    return answer === null ? null : NgMessage.decode(answer.msg.args);
  }

  /** Is there a message or data to read? */
  get readable(): boolean {
    return this.msgs.length > 0 || this.data.length > 0;
  }

  recvMsg(): NgReceivedMsg | null {
    return this.msgs.take(() => true);
  }

  takeMsg(msg: NgMessage): Errno {
    if (msg.typecookie === NGM_SOCKET_COOKIE && !msg.isResponse) {
      if (msg.cmd !== NGM_SOCK_CMD_LINGER && msg.cmd !== NGM_SOCK_CMD_NOLINGER) return EINVAL;
      this.linger = msg.cmd === NGM_SOCK_CMD_LINGER;
      return 0;
    }
    if (!this.controlOpen) return EINVAL;
    if (!this.msgs.put({ from: `[${msg.raddr.toString(16)}]:`, msg })) return ENOBUFS;
    this.onMsg?.();
    return 0;
  }

  // Data.

  /** Sends out of `hook`; null: out of the only one there is. Owns `m`. */
  sendData(hook: string | null, m: PacketBuffer): Errno {
    const out = this.outHook(hook, m.len);
    if (typeof out === 'number') {
      m.free();
      return out;
    }
    return this.graph.send(out, m);
  }

  private outHook(name: string | null, len: number): Hook | Errno {
    if (!this.node.isValid || !this.dataOpen) return ENOTCONN;
    if (len > this.limits.maxDgramBytes && this.taker === null) return EMSGSIZE;
    const { hooks } = this.node;
    if (name === null) return hooks.length === 1 ? hooks[0]! : EDESTADDRREQ;
    if (name.length >= NG_HOOKSIZ) return EINVAL;
    return this.node.findHook(name) ?? EHOSTUNREACH;
  }

  /** The oldest packet and its hook's name; the packet is the caller's. */
  recvData(): { readonly hook: string; readonly m: PacketBuffer } | null {
    return this.data.take();
  }

  takeData(hook: Hook, m: PacketBuffer): Errno {
    if (!this.dataOpen || !etherInsertTag(m)) {
      m.free();
      return 0;
    }
    const { taker } = this;
    this.target = hook;
    this.refused = 0;
    if (m.gsoSize > 0 && taker?.offload.gso !== true) {
      ngSegment(m, this.emit);
    } else {
      this.keep(m);
    }
    return this.refused;
  }

  private keep(m: PacketBuffer): void {
    const { taker, target } = this;
    if (target === null || (m.gsoSize === 0 && taker?.offload.csum !== true && !ngFinish(m))) {
      m.free();
      return;
    }
    if (!this.data.put(target.name, m)) {
      this.refused = ENOBUFS;
      m.free();
      return;
    }
    if (taker === null) this.onData?.();
    else taker.dataReadable();
  }

  /** SO_RCVBUF of the data socket. */
  setDataSpace(bytes: number): void {
    this.data.resize(bytes);
  }

  // Ends.

  /** The node may live on, for its data. */
  closeControl(): void {
    this.controlOpen = false;
    this.msgs.purge();
    if (!this.dataOpen) this.close();
  }

  closeData(): void {
    this.dataOpen = false;
    this.data.purge();
    if (!this.controlOpen) this.close();
  }

  close(): void {
    this.controlOpen = false;
    this.dataOpen = false;
    this.graph.rmnode(this.node);
  }

  hookGone(): void {
    if (this.node.hooks.length === 0 && !this.linger) this.graph.rmnodeSelf(this.node);
  }

  nodeGone(): void {
    this.data.purge();
    this.msgs.purge();
    this.taker?.gone();
    this.onMsg?.();
    this.onData?.();
  }
}

export const socketType: NgType = { name: 'socket', cookie: NGM_SOCKET_COOKIE, cmds: [], construct: null };

/** Longest ASCII form of a message. */
export const NG_ASCII_MAX = NG_TEXT_MAX;

/** The socket whose node this is, or null. */
export function ngSocketOf(node: NgNode): NgSocket | null {
  return node.ops instanceof SocketOps ? node.ops.socket : null;
}
