/**
 * ksocket.ts — ng_ksocket(4): a socket of this vnet as a node.
 * Read first: ng_ksocket(4); ksocket-addr.ts, ksocket-opt.ts; socket/socket.ts, socket/stream-socket.ts.
 *
 * Theory of operation. The one hook opens the socket that its name describes, `inet/dgram/udp`. Data that comes in by it is sent by the socket: to the
 * end it is connected to, or to the address in the packet's tag. What the socket receives goes out of the hook; when it is not connected, with a tag that
 * says who sent it, and for whom: an answer that keeps the tag finds its way back.
 * Messages are the calls of a socket. What cannot be answered at once is answered later, with the same token: a connection that is being made, one that
 * is waited for. An accepted connection is a node of its own, which waits for its hook, and goes with its listener as long as it has none.
 * Both directions wait in queues, of the hook and of the netisr, so that a packet that comes back here by the network finds no call to nest in.
 *
 * What goes into the socket is bytes as on a wire: a tag in them, checksums finished, a super-segment one packet after another.
 * Invariant: `so` is null before the hook is there, and closed when the node is gone.
 * Not here: families other than inet and inet6 (EAFNOSUPPORT).
 */
import type { Errno } from '../../base/errno.js';
import { EAFNOSUPPORT, EAGAIN, EALREADY, ECONNABORTED, EINPROGRESS, EINVAL, EISCONN, ENOPROTOOPT, ENOTCONN, ENXIO } from '../../base/errno.js';
import type { CalloutOwner } from '../../kern/callout.js';
import type { NetisrSource } from '../../kern/netisr.js';
import { CSUM_L4, copyBytes } from '../../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { finishChecksums } from '../../net/offload.js';
import type { AnySocket } from '../../socket/socket-layer.js';
import { RecvInfo6 } from '../../socket/socket-in6.js';
import { Socket } from '../../socket/socket.js';
import type { RecvInfo } from '../../socket/socket.js';
import { PF_INET, SOCK_STREAM } from '../../socket/socket-type.js';
import { NGF_RESP, NgMessage } from '../ng-message.js';
import type { Hook, NgNode, NgNodeOps, NgType } from '../ng-node.js';
import { HK_QUEUE, ngCmd } from '../ng-node.js';
import { ngSegment, ngWireForm } from '../ng-offload.js';
import { ngDecode, ngEncode, ngHint32, ngInt32, ngStruct } from '../ng-parse.js';
import { genericSockaddrType, ksocketKind, sockaddrDecode, sockaddrEnd, sockaddrOf, sockaddrType } from './ksocket-addr.js';
import type { SockEnd, Sockaddr } from './ksocket-addr.js';
import { ksocketGetopt, ksocketSetopt, sockoptType } from './ksocket-opt.js';

export const NGM_KSOCKET_COOKIE = 942_710_669;
const NGM_KSOCKET_BIND = 1;
const NGM_KSOCKET_LISTEN = 2;
const NGM_KSOCKET_ACCEPT = 3;
const NGM_KSOCKET_CONNECT = 4;
const NGM_KSOCKET_GETNAME = 5;
const NGM_KSOCKET_GETPEERNAME = 6;
const NGM_KSOCKET_SETOPT = 7;
const NGM_KSOCKET_GETOPT = 8;

/** Tag of a packet: the number of the node it belongs to (0: anybody's), and an address as `struct sockaddr` has it. */
export const NG_KSOCKET_TAG_SOCKADDR = 1;
const TAG_ID_LEN = 4;

const acceptType = ngStruct({ nodeid: ngHint32, addr: genericSockaddrType });

/** Whom to tell when what takes time has happened. */
interface Asker {
  readonly raddr: number;
  readonly token: number;
}

class KsocketNode implements NgNodeOps, NetisrSource {
  netisrQueued = false;
  readonly netisrOwner: CalloutOwner;
  private readonly node: NgNode;
  private so: AnySocket | null;
  private hook: Hook | null = null;
  /** The listener it came from, while it has no hook. */
  private parent: KsocketNode | null;
  private readonly isClone: boolean;
  private readonly embryos = new Set<KsocketNode>();
  private connecting: Asker | null = null;
  private accepting: Asker | null = null;
  private eofSeen = false;
  private readonly info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0, in6: new RecvInfo6() };
  private budget = 0;
  private readonly upcall = (): void => {
    if (!this.netisrQueued) this.node.graph.kern.engine.schedule(this);
  };
  private readonly incoming = (): void => this.serve();
  private readonly sendPiece = (m: PacketBuffer): void => void this.sendWire(m);

  constructor(node: NgNode, so: AnySocket | null = null, parent: KsocketNode | null = null) {
    this.node = node;
    this.netisrOwner = node.graph.kern;
    this.so = so;
    this.parent = parent;
    this.isClone = so !== null;
    if (so !== null) this.listenTo(so);
  }

  newhook(hook: Hook, name: string): Errno {
    if (this.hook !== null) return EISCONN;
    if (!this.isClone) {
      const error = this.open(name);
      if (error !== 0) return error;
    }
    this.parent?.embryos.delete(this);
    this.parent = null;
    this.hook = hook;
    hook.flags |= HK_QUEUE;
    return 0;
  }

  private open(name: string): Errno {
    const kind = ksocketKind(name);
    const { sockets } = this.node.graph.stack;
    if (kind === null) return EINVAL;
    if (sockets === null) return EAFNOSUPPORT;
    const { error, so } = sockets.socket(kind.family, kind.type, kind.proto);
    if (so === null) return error;
    this.so = so;
    this.listenTo(so);
    return 0;
  }

  private listenTo(so: AnySocket): void {
    so.onReadable = this.upcall;
    if (!(so instanceof Socket)) so.onWritable = this.upcall;
  }

  connect(): Errno {
    // What a clone has received before it had a hook.
    if (this.isClone) this.upcall();
    return 0;
  }

  // From the hook.

  rcvdata(_hook: Hook, m: PacketBuffer): Errno {
    if (m.gsoSize === 0) return this.sendWire(m);
    ngSegment(m, this.sendPiece);
    return 0;
  }

  private sendWire(m: PacketBuffer): Errno {
    const { so } = this;
    if (so === null || so.closed || !ngWireForm(m)) {
      m.free();
      return ENXIO;
    }
    const to = this.addressOn(m);
    const { off, len, hops } = m;
    m.reset(off, len);
    m.hops = hops;
    if (so instanceof Socket) return to === null ? so.sendPacket(m) : so.sendPacket(m, to.addr, to.port);
    const bytes = m.bytes();
    // A stream takes what there is any room for, as a whole, or nothing.
    const sent = so.writable >= len ? so.send(bytes) : so.writable > 0 ? so.sendOwned(bytes.slice()) : so.isConnected ? -EAGAIN : -ENOTCONN;
    m.free();
    return sent < 0 ? -sent : 0;
  }

  /** The address in the packet's tag, if that is for this node or for any. */
  private addressOn(m: PacketBuffer): SockEnd | null {
    const tag = m.tags === null ? null : m.tag(NGM_KSOCKET_COOKIE, NG_KSOCKET_TAG_SOCKADDR);
    if (tag === null) return null;
    const id = tag.view.getUint32(0, true);
    if (id !== 0 && id !== this.node.id) return null;
    const sa = sockaddrDecode(tag.data.subarray(TAG_ID_LEN, tag.len));
    return sa === null ? null : sockaddrEnd(sa);
  }

  // From the socket.

  netisrRun(max: number): number {
    this.budget = max;
    this.node.graph.enter(this.node, this.incoming);
    return max - this.budget;
  }

  /** Something has happened to the socket. Runs as the node's writer. */
  private serve(): void {
    const { so } = this;
    if (so === null) return;
    if (this.connecting !== null && !(so instanceof Socket)) {
      const error = so.closed ? ECONNABORTED : so.getsockopt('SO_ERROR') ?? 0;
      if (error !== 0 || so.isConnected) this.connectDone(error);
    }
    if (this.accepting !== null) this.accept(this.accepting);
    if (this.hook !== null) this.receive(so, this.hook);
  }

  private receive(so: AnySocket, hook: Hook): void {
    for (; this.budget > 0; this.budget--) {
      const m = so.recvPacket();
      if (m === null) break;
      this.deliver(so, hook, m);
    }
    if (this.budget === 0) this.upcall();
    // An error that came by itself ends a read, and nobody hears of it.
    else so.getsockopt('SO_ERROR');
    if (this.eofSeen || so instanceof Socket || !so.eof || so.readable > 0) return;
    this.eofSeen = true;
    const end = so.closed ? null : this.node.graph.kern.engine.pool.alloc(0);
    if (end !== null) this.node.graph.send(hook, end);
  }

  private deliver(so: AnySocket, hook: Hook, m: PacketBuffer): void {
    const { graph, id } = this.node;
    const isStream = !(so instanceof Socket);
    if (!isStream) so.describe(m, this.info);
    if ((m.csumFlags & CSUM_L4) !== 0 && m.csumStart >= m.off) finishChecksums(m, 0);
    const { off, len, hops, gsoSize } = m;
    const tagged = !isStream && !so.inp.connected;
    for (let at = 0; !isStream && gsoSize > 0 && len - at > gsoSize; at += gsoSize) {
      const piece = m.pool.alloc(gsoSize);
      if (piece === null) break;
      copyBytes(piece, piece.off, m, m.off, gsoSize);
      piece.hops = hops;
      m.adj(gsoSize);
      if (tagged) this.putSender(piece, id);
      graph.send(hook, piece);
    }
    m.reset(m.off, len - (m.off - off));
    m.hops = hops;
    if (tagged) this.putSender(m, id);
    graph.send(hook, m);
  }

  private putSender(m: PacketBuffer, id: number): void {
    const { info, so } = this;
    const sa = so?.domain === PF_INET || info.in6 === undefined ? sockaddrOf(info.addr, info.port) : sockaddrOf(info.in6, info.port);
    const tag = m.addTag(NGM_KSOCKET_COOKIE, NG_KSOCKET_TAG_SOCKADDR, TAG_ID_LEN + 2 + sa.data.length);
    if (tag === null) return;
    tag.view.setUint32(0, id, true);
    tag.data[TAG_ID_LEN] = 2 + sa.data.length;
    tag.data[TAG_ID_LEN + 1] = sa.family;
    tag.data.set(sa.data, TAG_ID_LEN + 2);
  }

  // Messages.

  rcvmsg(msg: NgMessage): Errno {
    if (msg.typecookie !== NGM_KSOCKET_COOKIE) return EINVAL;
    const { so } = this;
    const { cmd, args } = msg;
    switch (cmd) {
      case NGM_KSOCKET_BIND:
      case NGM_KSOCKET_CONNECT: {
        const sa = sockaddrDecode(args);
        if (sa === null) return EINVAL;
        return so === null ? ENXIO : this.withEnd(so, sa, msg);
      }
      case NGM_KSOCKET_LISTEN: {
        const backlog = ngDecode(ngInt32, args);
        if (backlog === null) return EINVAL;
        return so === null ? ENXIO : so instanceof Socket ? EINVAL : so.listen(backlog);
      }
      case NGM_KSOCKET_ACCEPT:
        if (args.length !== 0) return EINVAL;
        return so === null ? ENXIO : this.acceptMsg(so, msg);
      case NGM_KSOCKET_GETNAME:
      case NGM_KSOCKET_GETPEERNAME: {
        if (args.length !== 0) return EINVAL;
        const name = so === null ? null : nameOf(so, cmd === NGM_KSOCKET_GETPEERNAME);
        if (name === null) return so === null ? ENXIO : ENOTCONN;
        return this.node.graph.respond(this.node, msg, ngEncode(sockaddrType, name));
      }
      case NGM_KSOCKET_GETOPT:
      case NGM_KSOCKET_SETOPT:
        return this.optionMsg(so, msg);
      default:
        return EINVAL;
    }
  }

  private withEnd(so: AnySocket, sa: Sockaddr, msg: NgMessage): Errno {
    if (sa.family !== so.domain) return EAFNOSUPPORT;
    const end = sockaddrEnd(sa);
    if (end === null) return EINVAL;
    if (msg.cmd === NGM_KSOCKET_BIND) return so.bind(end.addr, end.port);
    if (this.connecting !== null) return EALREADY;
    const error = so.connect(end.addr, end.port);
    if (error === EINPROGRESS) this.connecting = { raddr: msg.raddr, token: msg.token };
    return error;
  }

  private acceptMsg(so: AnySocket, msg: NgMessage): Errno {
    if (so instanceof Socket || so.getsockopt('SO_ACCEPTCONN') !== 1) return EINVAL;
    if (this.accepting !== null) return EALREADY;
    this.accept({ raddr: msg.raddr, token: msg.token });
    return 0;
  }

  /** Takes a connection that has come, or waits for one. */
  private accept(asker: Asker): void {
    const { graph } = this.node;
    const so = this.so === null || this.so instanceof Socket ? null : this.so.accept();
    this.accepting = so === null ? asker : null;
    if (so === null) return;
    const clone = graph.makeNode(ksocketType, (n) => {
      const ops = new KsocketNode(n, so, this);
      this.embryos.add(ops);
      return ops;
    });
    const peer = nameOf(so, true);
    if (typeof clone === 'number' || peer === null) {
      so.close();
      return;
    }
    this.tell(asker, NGM_KSOCKET_ACCEPT, ngEncode(acceptType, { nodeid: clone.id, addr: { len: 2 + peer.data.length, family: peer.family, data: peer.data } }));
  }

  private connectDone(error: Errno): void {
    const { connecting } = this;
    this.connecting = null;
    if (connecting !== null) this.tell(connecting, NGM_KSOCKET_CONNECT, ngEncode(ngInt32, error));
  }

  /** Answers a message long after it came. */
  private tell({ raddr, token }: Asker, cmd: number, args: Uint8Array): void {
    const { graph, id } = this.node;
    const to = graph.byId(raddr);
    if (to === null) return;
    const msg = new NgMessage({ typecookie: NGM_KSOCKET_COOKIE, cmd, flags: NGF_RESP, token }, args);
    msg.raddr = id;
    graph.sendMsg(to, msg, null, true);
  }

  private optionMsg(so: AnySocket | null, msg: NgMessage): Errno {
    const { graph } = this.node;
    const opt = ngDecode(sockoptType, msg.args);
    if (opt === null || (msg.cmd === NGM_KSOCKET_GETOPT && opt.value.length > 0)) return EINVAL;
    if (so === null) return ENXIO;
    if (msg.cmd === NGM_KSOCKET_SETOPT) return ksocketSetopt(so, graph.net, opt);
    const value = ksocketGetopt(so, opt.level, opt.name);
    return value === null ? ENOPROTOOPT : graph.respond(this.node, msg, ngEncode(sockoptType, { ...opt, value }));
  }

  // Ends.

  disconnect(): void {
    this.node.graph.rmnodeSelf(this.node);
  }

  shutdown(): boolean {
    const { so } = this;
    this.so = null;
    this.hook = null;
    if (so !== null) {
      so.onReadable = null;
      if (!(so instanceof Socket)) so.onWritable = null;
      so.close();
    }
    this.parent?.embryos.delete(this);
    for (const embryo of [...this.embryos]) this.node.graph.rmnodeSelf(embryo.node);
    return false;
  }
}

/** The local end of a socket, or the one it is connected to; null: it is not. */
function nameOf(so: AnySocket, peer: boolean): Sockaddr | null {
  if (peer && so.type === SOCK_STREAM && !(so instanceof Socket) && !so.isConnected) return null;
  if (so.domain === PF_INET) {
    const name = peer ? so.peer() : so.name();
    return name === null ? null : sockaddrOf(name.addr, name.port);
  }
  const name = peer ? so.peer6() : so.name6();
  return name === null ? null : sockaddrOf(name, name.port);
}

export const ksocketType: NgType = {
  name: 'ksocket',
  cookie: NGM_KSOCKET_COOKIE,
  cmds: [
    ngCmd(NGM_KSOCKET_BIND, 'bind', sockaddrType),
    ngCmd(NGM_KSOCKET_LISTEN, 'listen', ngInt32),
    ngCmd(NGM_KSOCKET_ACCEPT, 'accept', null, acceptType),
    ngCmd(NGM_KSOCKET_CONNECT, 'connect', sockaddrType, ngInt32),
    ngCmd(NGM_KSOCKET_GETNAME, 'getname', null, sockaddrType),
    ngCmd(NGM_KSOCKET_GETPEERNAME, 'getpeername', null, sockaddrType),
    ngCmd(NGM_KSOCKET_SETOPT, 'setopt', sockoptType),
    ngCmd(NGM_KSOCKET_GETOPT, 'getopt', sockoptType, sockoptType),
  ],
  construct: (node) => new KsocketNode(node),
};
