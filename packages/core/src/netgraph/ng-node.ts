/**
 * ng-node.ts — NgNode, Hook and NgType: what a netgraph is made of.
 * Read first: netgraph(4); nodes/sample.ts, the template of a node type; ng-base.ts, which moves data and messages between nodes.
 *
 * Theory of operation. A node has a number, perhaps a name, and hooks; a hook is always joined to a hook of another node (or of the same
 * one), its peer, and they come and go together. What a node does is its `ops`, made by its type's `construct`. Nodes see the rest of the
 * graph as an NgGraph only: what they may ask of it is declared here.
 *
 * A node is entered by readers (data, messages that change nothing) or by one writer. Whoever cannot enter waits in the node's queue, in order:
 * while somebody waits nobody overtakes him.
 *
 * Invariants: `hooks` is replaced as a whole, newest first, so whoever goes through it is not disturbed by a hook that comes or goes.
 * `hook.peer.peer === hook` while both are valid. A node that is NG_INVALID is in no table and takes nothing any more.
 */
import type { Errno } from '../base/errno.js';
import { ERANGE } from '../base/errno.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Net } from '../net/net.js';
import type { Ipfw } from '../netpfil/ipfw/ipfw.js';
import type { SocketLayer } from '../socket/socket-layer.js';
import type { NgMessage } from './ng-message.js';
import type { NgConverted, NgParseType } from './ng-parse.js';
import { NG_TEXT_MAX, ngEncode, ngParse, ngUnparse } from './ng-parse.js';

/** `hook.flags`: not joined (yet, or any more). */
export const HK_INVALID = 1;
/** Data that comes in by this hook always waits in the queue; enters as a writer. */
export const HK_QUEUE = 2;
export const HK_FORCE_WRITER = 4;

/** `node.flags`: being taken down; out of the graph; all data enters as a writer. */
export const NG_CLOSING = 1;
export const NG_INVALID = 2;
export const NG_FORCE_WRITER = 4;
/** It must end even if its type would rather keep it. */
export const NG_REALLY_DIE = 8;

/** The two forms of a command's arguments, or of its answer's. */
export interface NgCodec {
  parse(text: string): NgConverted<Uint8Array>;
  unparse(bytes: Uint8Array): NgConverted<string>;
}

export function ngCodec<T>(type: NgParseType<T>): NgCodec {
  return {
    parse(text) {
      const parsed = ngParse(type, text);
      if (parsed.error !== 0) return { error: parsed.error, value: null };
      const bytes = ngEncode(type, parsed.value);
      return bytes.length <= NG_TEXT_MAX ? { error: 0, value: bytes } : { error: ERANGE, value: null };
    },
    unparse: (bytes) => ngUnparse(type, bytes),
  };
}

/** A command with an ASCII form. */
export interface NgCmd {
  readonly cmd: number;
  readonly name: string;
  readonly args: NgCodec | null;
  readonly reply: NgCodec | null;
}

/** `args` and `reply`: null for none. */
export function ngCmd<A, R>(cmd: number, name: string, args: NgParseType<A> | null = null, reply: NgParseType<R> | null = null): NgCmd {
  return { cmd, name, args: args === null ? null : ngCodec(args), reply: reply === null ? null : ngCodec(reply) };
}

/** A kind of node. */
export interface NgType {
  readonly name: string;
  readonly cookie: number;
  readonly cmds: readonly NgCmd[];
  /** Makes the inside of a new node, or says why not; null: nobody makes such nodes by `mkpeer`. */
  readonly construct: ((node: NgNode) => NgNodeOps | Errno) | null;
  /** The vnet's graph begins and ends: for a type with nodes of its own accord. */
  attach?(graph: NgGraph): void;
  detach?(graph: NgGraph): void;
  /** Nobody has this name, and somebody asks for it: a type with one node of the system's makes it. */
  wanted?(graph: NgGraph, name: string): NgNode | null;
}

/** What a node does. Everything absent has the default that is told. */
export interface NgNodeOps {
  /** May a hook of that name be added? Absent: yes. `hook.data` may be set. */
  newhook?(hook: Hook, name: string): Errno;
  /** The hook is joined now; an error takes it away again. */
  connect?(hook: Hook): Errno;
  /** Another name for a hook there is. Absent, or null: the one with that very name. */
  findhook?(name: string): Hook | null;
  /** A message for the node that is not generic. `lasthook`: the hook it came in by, null when it was addressed to the node. Absent: forgotten, 0. */
  rcvmsg?(msg: NgMessage, lasthook: Hook | null): Errno;
  /** Data came in by `hook`. Owns `m`. Absent: dropped, 0. */
  rcvdata?(hook: Hook, m: PacketBuffer): Errno;
  /** `hook` is gone. Absent: a node without hooks goes too. */
  disconnect?(hook: Hook): void;
  /** The node is going, its hooks are still there. */
  close?(): void;
  /** The node is going, its hooks are gone. True: it stays after all (ether), unless `force`. */
  shutdown?(force: boolean): boolean;
  /** Packets the node holds at this moment, but for those of an interface's queues; for the audit. Absent: none. */
  queued?(): number;
}

/** Parts of the vnet that nodes use; null in a graph without a stack. */
export interface NgStack {
  readonly sockets: SocketLayer | null;
  readonly ipfw: Ipfw | null;
}

/** What nodes, and those who talk to nodes, see of the graph. `ng-base.ts` is it. */
export interface NgGraph {
  readonly net: Net;
  readonly kern: VnetKern;
  readonly stack: NgStack;
  /** State that a type keeps for a graph, by the type's name; a type finds its own with `instanceof`. */
  readonly state: Map<string, object>;
  /** Sends `m` out of `hook`, to whoever is joined there. Owns `m`. ENETDOWN: nobody is. */
  send(hook: Hook | null, m: PacketBuffer): Errno;
  /** Sends a message out of `hook`. */
  sendMsgHook(hook: Hook | null, msg: NgMessage): Errno;
  /** Sends a message to a node; `queue`: not before what is under way there has ended. */
  sendMsg(to: NgNode, msg: NgMessage, lasthook?: Hook | null, queue?: boolean): Errno;
  /** Sends `msg` to what `path` names, seen from `here`. */
  sendMsgPath(here: NgNode, path: string, msg: NgMessage): Errno;
  /** Answers `msg` for `here`. EINVAL: whoever asked is gone. */
  respond(here: NgNode, msg: NgMessage, args: Uint8Array): Errno;
  /** Runs `fn` as a writer of `node`, unless it is gone by then. */
  enter(node: NgNode, fn: () => void): void;
  /** The node goes, as soon as what is under way there has ended. */
  rmnodeSelf(node: NgNode): void;
  rmnode(node: NgNode): void;
  rmhook(hook: Hook): void;
  /** Joins the peers of two hooks of a node to each other, and the hooks are gone. */
  bypass(a: Hook, b: Hook): Errno;
  /** A node of a type, without a hook. */
  makeNode(type: NgType, make: (node: NgNode) => NgNodeOps | Errno): NgNode | Errno;
  mkpeer(node: NgNode, ours: string, theirs: string, typeName: string): Errno;
  connect(node: NgNode, ours: string, peer: NgNode, theirs: string): Errno;
  nameNode(node: NgNode, name: string): Errno;
  byId(id: number): NgNode | null;
  byName(name: string): NgNode | null;
  typeOf(name: string): NgType | null;
  nodeCount(type: NgType): number;
  readonly types: readonly NgType[];
  /** All nodes, and those with a name, in the order in which they are listed. */
  nodes(): NgNode[];
  namedNodes(): NgNode[];
}

/** An end of an edge. */
export class Hook {
  /** `newhook` may give it another: that is how a bridge numbers its links. */
  name: string;
  readonly node: NgNode;
  /** The hook it is joined to. */
  peer: Hook | null = null;
  flags = HK_INVALID;
  /** What the node keeps with the hook. */
  data: object | null = null;
  /** Takes data and messages instead of the node's; null: the node's. */
  rcvdata: ((hook: Hook, m: PacketBuffer) => Errno) | null = null;
  rcvmsg: ((msg: NgMessage, lasthook: Hook) => Errno) | null = null;

  constructor(node: NgNode, name: string) {
    this.node = node;
    this.name = name;
  }

  get isValid(): boolean {
    return (this.flags & HK_INVALID) === 0;
  }
}

/** Something that waits to enter a node: data, or a message, or a function. The graph uses it again and again. */
export class NgItem {
  writer = false;
  hook: Hook | null = null;
  m: PacketBuffer | null = null;
  msg: NgMessage | null = null;
  fn: (() => void) | null = null;
  /** The function takes down the node. */
  ends = false;
  next: NgItem | null = null;
}

const NO_HOOKS: readonly Hook[] = [];

export class NgNode {
  readonly graph: NgGraph;
  readonly type: NgType;
  readonly id: number;
  name: string | null = null;
  flags = 0;
  /** Newest first. */
  hooks: readonly Hook[] = NO_HOOKS;
  ops: NgNodeOps = {};
  /** `ops.rcvdata`, found once: types differ, and looking it up for each packet costs as much as a small node. */
  rcvdata: ((hook: Hook, m: PacketBuffer) => Errno) | null = null;
  /** Who is inside. */
  readers = 0;
  writer = false;
  /** Who waits, first to last, and how many they are. */
  first: NgItem | null = null;
  last: NgItem | null = null;
  waiting = 0;
  /** It is on the list of nodes with somebody waiting. */
  listed = false;
  private readonly named = new Map<string, Hook>();

  constructor(graph: NgGraph, type: NgType, id: number) {
    this.graph = graph;
    this.type = type;
    this.id = id;
  }

  get isValid(): boolean {
    return (this.flags & NG_INVALID) === 0;
  }

  /** The hook of that name, or what the type takes it for. */
  findHook(name: string): Hook | null {
    return this.named.get(name) ?? this.ops.findhook?.(name) ?? null;
  }

  addHook(hook: Hook): void {
    this.hooks = [hook, ...this.hooks];
    this.named.set(hook.name, hook);
  }

  dropHook(hook: Hook): void {
    this.hooks = this.hooks.filter((h) => h !== hook);
    if (this.named.get(hook.name) === hook) this.named.delete(hook.name);
  }
}

/** Drops `m`, which is the caller's, and answers with `error`. */
export function ngDrop(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}
