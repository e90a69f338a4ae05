/**
 * ng-base.ts — NgBase: the netgraph of one vnet: its nodes by number and name, and how data and messages go from node to node.
 * Read first: netgraph(4), freebsd `sys/netgraph/ng_base.c` for the order in which things happen; ng-node.ts.
 *
 * Theory of operation. Data and messages are delivered by a call, nested in the sender's, so the sender learns at once what became of them.
 * They wait in the node's queue instead when the node is not free for them (a writer is inside, or they are one and readers are), when
 * somebody waits there already, when the hook asks for it, and when calls are nested too deep. Whoever leaves the outermost call serves
 * what waits, a little; the rest is the netisr's, within the budget of a turn, so a loop of hubs costs the other nodes nothing but time.
 * A message from outside is never left waiting: what is before it in that queue is done first, and its result is the caller's.
 *
 * A packet counts the nodes it has crossed in `m.hops`, as it does other virtual links, and is dropped at `hopsMax`: that is what ends a
 * loop (the original's go on for ever).
 *
 * Each operation on the structure is whole: a hook that a type refuses leaves nothing, a node that could not be joined is gone again.
 *
 * Invariants: `depth` is 0 outside the graph. Items waiting are counted, data and other, and never more than the limits allow.
 * Not here: the generic messages (ng-generic.ts), addresses (ng-path.ts), what begins and ends a graph with its vnet (netgraph.ts).
 */
import type { Errno } from '../base/errno.js';
import { EADDRINUSE, EEXIST, EINVAL, ELOOP, ENETDOWN, ENOENT, ENOMEM } from '../base/errno.js';
import type { CalloutOwner } from '../kern/callout.js';
import { CTX_THREAD } from '../kern/context.js';
import type { NetisrSource } from '../kern/netisr.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Net } from '../net/net.js';
import { ngGenericMsg, NGM_GENERIC_COOKIE } from './ng-generic.js';
import { NGM_READONLY } from './ng-message.js';
import type { NgMessage } from './ng-message.js';
import {
  HK_FORCE_WRITER, HK_INVALID, HK_QUEUE, Hook, NG_CLOSING, NG_FORCE_WRITER, NG_INVALID, NG_REALLY_DIE, NgItem, NgNode,
} from './ng-node.js';
import type { NgGraph, NgNodeOps, NgStack, NgType } from './ng-node.js';
import { ngNameIsLegal, ngPath2Node } from './ng-path.js';
import { NG_HOOKSIZ } from './ng-parse.js';
import { NgTunables } from './ng-sysctl.js';
import { NgTable } from './ng-table.js';

/** Calls from node to node that may be nested. */
const DEPTH_MAX = 16;
/** Items served by whoever leaves the outermost call. */
const LEAVE_BUDGET = 64;
/** Items of a node served before another's turn. */
const NODE_BATCH = 16;
const ID_MAX = 0xffff_ffff;

export class NgBase implements NgGraph, NetisrSource {
  readonly net: Net;
  readonly kern: VnetKern;
  readonly stack: NgStack;
  readonly types: readonly NgType[];
  readonly state = new Map<string, object>();
  readonly tun = new NgTunables();
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly table = new NgTable();
  private nextId = 1;
  /** Calls from node to node under way. */
  private depth = 0;
  /** Nodes with somebody waiting, in turn. */
  private readonly busy: NgNode[] = [];
  /** Items that nobody uses. */
  private spare: NgItem | null = null;
  /** Hooks whose peers have yet to hear that they are gone. */
  private ending = false;

  constructor(net: Net, types: readonly NgType[], stack: NgStack) {
    this.net = net;
    this.stack = stack;
    this.kern = net.kern;
    this.netisrOwner = net.kern;
    this.types = types;
  }

  /** Begins: types with nodes of their own make them. */
  attach(): void {
    for (const type of this.types) type.attach?.(this);
  }

  /** Ends: no node is left. */
  destroy(): void {
    this.ending = true;
    this.depth = 0;
    for (const type of this.types) type.detach?.(this);
    for (let round = 0; this.table.size > 0 && round < 3; round++) {
      for (const node of [...this.table.all()]) {
        node.readers = 0;
        node.writer = false;
        if (round > 0) node.flags |= NG_REALLY_DIE;
        this.rmnode(node);
      }
    }
    this.busy.length = 0;
    this.state.clear();
  }

  /** Packets that wait for nodes or are held by them. */
  get packetsHeld(): number {
    let n = this.tun.dataQueued;
    for (const { ops } of this.table.all()) n += ops.queued?.() ?? 0;
    return n;
  }

  get nodeTotal(): number {
    return this.table.size;
  }

  byId(id: number): NgNode | null {
    const node = this.table.byId(id);
    return node !== null && node.isValid ? node : null;
  }

  byName(name: string): NgNode | null {
    const node = this.table.byName(name);
    return node !== null && node.isValid ? node : null;
  }

  typeOf(name: string): NgType | null {
    return this.types.find((type) => type.name === name) ?? null;
  }

  nodeCount(type: NgType): number {
    let n = 0;
    for (const node of this.table.all()) if (node.type === type) n++;
    return n;
  }

  nodes(): NgNode[] {
    return this.table.list();
  }

  namedNodes(): NgNode[] {
    return this.table.listNamed();
  }

  // Data.

  send(hook: Hook | null, m: PacketBuffer): Errno {
    const peer = hook === null ? null : hook.peer;
    if (peer === null || hook === null || ((hook.flags | peer.flags) & HK_INVALID) !== 0) return refused(m, ENETDOWN);
    const node = peer.node;
    if ((node.flags & NG_INVALID) !== 0) return refused(m, ENETDOWN);
    if (++m.hops > this.tun.hopsMax) {
      this.tun.hopDrops++;
      return refused(m, ELOOP);
    }
    const writer = (node.flags & NG_FORCE_WRITER) !== 0 || (peer.flags & HK_FORCE_WRITER) !== 0;
    if ((peer.flags & HK_QUEUE) !== 0 || this.depth >= DEPTH_MAX || !isFree(node, writer)) return this.queueData(node, peer, m, writer);
    return this.enterData(node, peer, m, writer);
  }

  private enterData(node: NgNode, hook: Hook, m: PacketBuffer, writer: boolean): Errno {
    this.begin(node, writer);
    try {
      return deliver(node, hook, m);
    } finally {
      this.end(node, writer);
    }
  }

  private queueData(node: NgNode, hook: Hook, m: PacketBuffer, writer: boolean): Errno {
    if (this.tun.dataQueued >= this.tun.maxData) {
      this.tun.dataDrops++;
      return refused(m, ENOMEM);
    }
    this.tun.dataQueued++;
    const item = this.item(writer, hook);
    item.m = m;
    this.append(node, item);
    return 0;
  }

  // Messages.

  sendMsg(to: NgNode, msg: NgMessage, lasthook: Hook | null = null, queue = false): Errno {
    if (!to.isValid) return EINVAL;
    const writer = (msg.cmd & NGM_READONLY) === 0;
    if (this.depth === 0 && !queue) this.serveAll(to);
    if (queue || this.depth >= DEPTH_MAX || !isFree(to, writer)) return this.queueMsg(to, msg, lasthook, writer);
    return this.enterMsg(to, msg, lasthook, writer);
  }

  sendMsgHook(hook: Hook | null, msg: NgMessage): Errno {
    const peer = hook?.peer ?? null;
    if (hook === null || peer === null || !hook.isValid || !peer.isValid || !peer.node.isValid) return ENETDOWN;
    return this.sendMsg(peer.node, msg, peer);
  }

  sendMsgPath(here: NgNode, path: string, msg: NgMessage): Errno {
    const found = ngPath2Node(this, here, path);
    if (found.node === null) return found.error;
    msg.raddr = here.id;
    return this.sendMsg(found.node, msg, found.lasthook);
  }

  respond(here: NgNode, msg: NgMessage, args: Uint8Array): Errno {
    const to = this.byId(msg.raddr);
    if (to === null || !to.isValid) return EINVAL;
    const answer = msg.response(args);
    answer.raddr = here.id;
    return this.sendMsg(to, answer, null, true);
  }

  private enterMsg(node: NgNode, msg: NgMessage, lasthook: Hook | null, writer: boolean): Errno {
    this.begin(node, writer);
    try {
      return takeMsg(node, msg, lasthook);
    } finally {
      this.end(node, writer);
    }
  }

  private queueMsg(node: NgNode, msg: NgMessage, lasthook: Hook | null, writer: boolean): Errno {
    if (this.tun.itemsQueued >= this.tun.maxAlloc) {
      this.tun.itemDrops++;
      return ENOMEM;
    }
    this.tun.itemsQueued++;
    const item = this.item(writer, lasthook);
    item.msg = msg;
    this.append(node, item);
    return 0;
  }

  enter(node: NgNode, fn: () => void): void {
    if (node.isValid) this.enterWriter(node, fn, false);
  }

  /** @param ends it takes down the node, which is out of the graph already. */
  private enterWriter(node: NgNode, fn: () => void, ends: boolean): void {
    if (!isFree(node, true) || this.depth >= DEPTH_MAX) {
      // Never refused: whoever calls has something to end, and does it once.
      this.tun.itemsQueued++;
      const item = this.item(true, null);
      item.fn = fn;
      item.ends = ends;
      this.append(node, item);
      return;
    }
    this.begin(node, true);
    try {
      fn();
    } finally {
      this.end(node, true);
    }
  }

  private begin(node: NgNode, writer: boolean): void {
    this.depth++;
    if (writer) node.writer = true;
    else node.readers++;
  }

  private end(node: NgNode, writer: boolean): void {
    if (writer) node.writer = false;
    else node.readers--;
    if (--this.depth === 0 && this.busy.length > 0) this.leave();
  }

  // Queues.

  private item(writer: boolean, hook: Hook | null): NgItem {
    const item = this.spare ?? new NgItem();
    this.spare = item.next;
    item.writer = writer;
    item.hook = hook;
    item.ends = false;
    item.next = null;
    return item;
  }

  /** Nobody has it any more. */
  private reuse(item: NgItem): void {
    item.hook = null;
    item.m = null;
    item.msg = null;
    item.fn = null;
    item.next = this.spare;
    this.spare = item;
  }

  private append(node: NgNode, item: NgItem): void {
    if (node.last === null) node.first = item;
    else node.last.next = item;
    node.last = item;
    node.waiting++;
    if (!node.listed) {
      node.listed = true;
      this.busy.push(node);
    }
    if (this.depth === 0) this.kern.engine.schedule(this);
  }

  /** The outermost call has ended: what waits is served. */
  private leave(): void {
    if (this.serve(LEAVE_BUDGET) >= LEAVE_BUDGET && this.busy.length > 0 && !this.netisrQueued) this.kern.engine.schedule(this);
  }

  netisrRun(max: number): number {
    const done = this.serve(max);
    return this.busy.length > 0 ? Math.max(done, max) : done;
  }

  private serve(budget: number): number {
    let done = 0;
    while (done < budget && this.busy.length > 0) {
      const node = this.busy.shift()!;
      node.listed = false;
      // One that cannot be entered counts, too: somebody left it without saying so.
      done += Math.max(1, this.serveNode(node, Math.min(NODE_BATCH, budget - done)));
      if (node.waiting > 0 && !node.listed) {
        node.listed = true;
        this.busy.push(node);
      }
    }
    return done;
  }

  /** Everything that waits at `node` at this moment. */
  private serveAll(node: NgNode): void {
    this.serveNode(node, node.waiting);
  }

  private serveNode(node: NgNode, max: number): number {
    let n = 0;
    for (; n < max; n++) {
      const item = node.first;
      if (item === null || (item.writer ? node.writer || node.readers > 0 : node.writer)) break;
      this.shift(node, item);
      const { writer, hook, m, msg, fn, ends } = item;
      this.reuse(item);
      this.begin(node, writer);
      try {
        if (m !== null) runData(node, hook, m);
        else if (msg !== null) takeMsg(node, msg, hook !== null && hook.isValid ? hook : null);
        else if (node.isValid || ends) fn?.();
      } finally {
        if (writer) node.writer = false;
        else node.readers--;
        this.depth--;
      }
    }
    return n;
  }

  /** Takes the node's first item off. */
  private shift(node: NgNode, item: NgItem): void {
    if (item.m === null) this.tun.itemsQueued--;
    else this.tun.dataQueued--;
    node.first = item.next;
    if (node.first === null) node.last = null;
    node.waiting--;
  }

  private flush(node: NgNode): void {
    for (let item = node.first; item !== null; item = node.first) {
      this.shift(node, item);
      item.m?.free();
      this.reuse(item);
    }
  }

  // Structure.

  makeNode(type: NgType, make: (node: NgNode) => NgNodeOps | Errno): NgNode | Errno {
    const node = new NgNode(this, type, this.freeId());
    const ops = make(node);
    if (typeof ops === 'number') return ops;
    node.ops = ops;
    node.rcvdata = ops.rcvdata ?? null;
    this.table.add(node);
    return node;
  }

  private freeId(): number {
    for (;;) {
      const id = this.nextId;
      this.nextId = id >= ID_MAX - 1 ? 1 : id + 1;
      if (this.table.byId(id) === null) return id;
    }
  }

  nameNode(node: NgNode, name: string): Errno {
    if (name === node.name) return 0;
    if (!ngNameIsLegal(name)) return EINVAL;
    if (this.byName(name) !== null) return EADDRINUSE;
    this.table.rename(node, name);
    return 0;
  }

  mkpeer(node: NgNode, ours: string, theirs: string, typeName: string): Errno {
    const type = this.typeOf(typeName);
    if (type === null) return ENOENT;
    if (type.construct === null) return EINVAL;
    if (node.findHook(cut(ours)) !== null) return EEXIST;
    const made = this.makeNode(type, type.construct);
    if (typeof made === 'number') return made;
    const error = this.join(new Hook(node, cut(ours)), new Hook(made, cut(theirs)), false);
    if (error !== 0) {
      made.flags |= NG_REALLY_DIE;
      this.rmnode(made);
    }
    return error;
  }

  connect(node: NgNode, ours: string, peer: NgNode, theirs: string): Errno {
    if (!node.isValid || !peer.isValid) return ENOENT;
    if (peer.findHook(cut(theirs)) !== null) return EEXIST;
    if (node.findHook(cut(ours)) !== null || (node === peer && cut(ours) === cut(theirs))) return EEXIST;
    return this.join(new Hook(node, cut(ours)), new Hook(peer, cut(theirs)), true);
  }

  /** Adds two hooks to their nodes and joins them: all of it or nothing. `peerFirst`: the node of `b` is asked first whether they may be joined. */
  private join(a: Hook, b: Hook, peerFirst: boolean): Errno {
    if (a.name === '' || b.name === '') return EINVAL;
    a.peer = b;
    b.peer = a;
    let error = a.node.ops.newhook?.(a, a.name) ?? 0;
    if (error !== 0) return error;
    a.node.addHook(a);
    error = b.node.ops.newhook?.(b, b.name) ?? 0;
    if (error === 0) {
      b.node.addHook(b);
      const [first, second] = peerFirst ? [b, a] : [a, b];
      error = first.node.ops.connect?.(first) ?? 0;
      if (error === 0) error = second.node.ops.connect?.(second) ?? 0;
    }
    if (error !== 0) {
      this.unjoin(a, b);
      return error;
    }
    a.flags &= ~HK_INVALID;
    b.flags &= ~HK_INVALID;
    return 0;
  }

  /** Undoes a `join` that was refused half-way. */
  private unjoin(a: Hook, b: Hook): void {
    for (const hook of [b, a]) {
      hook.flags |= HK_INVALID;
      hook.peer = null;
      if (!hook.node.hooks.includes(hook)) continue;
      hook.node.dropHook(hook);
      this.disconnected(hook);
    }
  }

  rmhook(hook: Hook): void {
    const { node, peer } = hook;
    if (!node.hooks.includes(hook)) return;
    hook.flags |= HK_INVALID;
    hook.peer = null;
    node.dropHook(hook);
    this.disconnected(hook);
    if (peer === null) return;
    peer.flags |= HK_INVALID;
    peer.peer = null;
    this.enter(peer.node, () => {
      if (!peer.node.hooks.includes(peer)) return;
      peer.node.dropHook(peer);
      this.disconnected(peer);
    });
  }

  /** The node hears of it; one that says nothing and has no hook left goes. */
  private disconnected(hook: Hook): void {
    const { node } = hook;
    if (node.ops.disconnect !== undefined) node.ops.disconnect(hook);
    else if (node.hooks.length === 0 && node.isValid) this.rmnodeSelf(node);
  }

  bypass(a: Hook, b: Hook): Errno {
    if (a.node !== b.node) return EINVAL;
    const [pa, pb] = [a.peer, b.peer];
    if (pa === null || pb === null) return EINVAL;
    pa.peer = pb;
    pb.peer = pa;
    for (const hook of [a, b]) {
      hook.peer = null;
      hook.flags |= HK_INVALID;
      this.rmhook(hook);
    }
    return 0;
  }

  rmnodeSelf(node: NgNode): void {
    if ((node.flags & (NG_CLOSING | NG_INVALID)) !== 0) return;
    node.flags |= NG_INVALID;
    this.enterWriter(node, () => this.rmnode(node), true);
  }

  rmnode(node: NgNode): void {
    if ((node.flags & NG_CLOSING) !== 0) return;
    node.flags |= NG_CLOSING;
    node.ops.close?.();
    node.flags |= NG_INVALID;
    while (node.hooks.length > 0) this.rmhook(node.hooks[0]!);
    this.flush(node);
    const force = this.ending || (node.flags & NG_REALLY_DIE) !== 0;
    if (node.ops.shutdown?.(force) === true && !force) {
      node.flags &= ~(NG_CLOSING | NG_INVALID);
      return;
    }
    this.table.remove(node);
    node.ops = {};
  }

  /** May an interface be made or destroyed now? */
  get inThread(): boolean {
    return this.kern.engine.context === CTX_THREAD;
  }
}

function refused(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

/** A hook's name as far as it counts. */
function cut(name: string): string {
  return name.length < NG_HOOKSIZ ? name : name.slice(0, NG_HOOKSIZ - 1);
}

function isFree(node: NgNode, writer: boolean): boolean {
  return node.waiting === 0 && !node.writer && !(writer && node.readers > 0);
}

function deliver(node: NgNode, hook: Hook, m: PacketBuffer): Errno {
  if (hook.rcvdata !== null) return hook.rcvdata(hook, m);
  const { rcvdata } = node;
  if (rcvdata !== null) return rcvdata.call(node.ops, hook, m);
  m.free();
  return 0;
}

function takeMsg(node: NgNode, msg: NgMessage, lasthook: Hook | null): Errno {
  if (!node.isValid) return EINVAL;
  if (msg.typecookie === NGM_GENERIC_COOKIE && !msg.isResponse) return ngGenericMsg(node, msg, lasthook);
  if (lasthook !== null && lasthook.rcvmsg !== null) return lasthook.rcvmsg(msg, lasthook);
  return node.ops.rcvmsg?.(msg, lasthook) ?? 0;
}

/** Data that waited enters, unless its hook, or the node, is gone meanwhile. */
function runData(node: NgNode, hook: Hook | null, m: PacketBuffer): void {
  if (hook === null || !hook.isValid || !node.isValid) m.free();
  else deliver(node, hook, m);
}

