/**
 * stream-socket.ts — StreamSocket `so`: the BSD verbs over a TCP connection, as plain calls with an Errno, and readiness as callbacks.
 * Read first: socket(2), connect(2), listen(2), accept(2), send(2), recv(2), shutdown(2), tcp(4); socket.ts for datagrams.
 *
 * Theory of operation. Nothing waits. `send` takes what there is room for and answers how much, `recv` gives what is there; EAGAIN says that a callback
 * will come: `onReadable` when there is something to read, the end of the stream, an error, or a connection to accept; `onWritable` when a connection has been
 * made, and when there is room again after `send` took less than it was given. Both are called on the packet path, after the segment that caused them has
 * been dealt with: a callback may use any socket, and must leave what needs thread context to somebody it wakes.
 *
 * A listener keeps the complete connections that nobody has accepted, at most `backlog` of them; closing it resets them.
 * `close` lets the connection finish on its own: what was written is still sent. SO_LINGER with 0 resets instead.
 *
 * What has arrived is read before an error that came after it.
 * Not here: waiting of any kind. SO_LINGER with a time does not make `close` wait; who wants to know that all has arrived shuts down and reads to the end.
 */
import type { Errno } from '../base/errno.js';
import { EAGAIN, ECONNREFUSED, EINPROGRESS, EINVAL, ENOTCONN, EPIPE } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { Chunk } from '../mbuf/chunk-pool.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { In6Pcb, Ip6Name } from '../transport/in6-pcb.js';
import { IN6ADDR_ANY, in6Embed } from '../transport/in6-pcb.js';
import type { InPcb } from '../transport/inpcb.js';
import type { RecvBuffer } from '../tcp/recv-buffer.js';
import { tcpInfo } from '../tcp/tcp-info.js';
import type { TcpInfo } from '../tcp/tcp-info.js';
import { TCPS_ESTABLISHED, TCPS_LISTEN, TCPS_SYN_RECEIVED } from '../tcp/tcp-state.js';
import {
  tcpUsrAttach, tcpUsrBind, tcpUsrClose, tcpUsrConnect, tcpUsrListen, tcpUsrMaySend, tcpUsrRcvd, tcpUsrSend, tcpUsrSendChunk, tcpUsrSendOwned, tcpUsrSetCongestion, tcpUsrShutdownRead, tcpUsrShutdownWrite,
} from '../tcp/tcp-usrreq.js';
import { tcpBytesToMark } from '../tcp/tcp-urgent.js';
import { TF_CANTRCVMORE, TF_RCVDFIN } from '../tcp/tcpcb.js';
import type { TcpCb, TcpUser } from '../tcp/tcpcb.js';
import type { Tcp } from '../tcp/tcp.js';
import type { SockAddr } from './socket-in6.js';
import { SocketBase } from './socket-base.js';
import type { SocketLayer } from './socket-layer.js';
import { MSG_OOB, MSG_PEEK, MSG_WAITALL, PF_INET6, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_STREAM } from './socket-type.js';
import { applyOption, readOption } from './sockopt.js';
import { applyTcpOption, isTcpOption, readTcpOption } from './sockopt-tcp.js';
import { ip4Format } from '../wire/addr.js';
import { ip6Format, ip6Plain, ip6Word } from '../wire/addr6.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';

/** Overflows of a listen queue are logged once in so long. */
const OVERLOG_INTERVAL_US: Micros = 60_000_000;

export class StreamSocket extends SocketBase implements TcpUser {
  /** The connection; dead once it has ended. */
  readonly tp: TcpCb;
  readonly inp: InPcb;
  readonly in6p: In6Pcb | null;
  readonly rcv: RecvBuffer;
  onWritable: (() => void) | null = null;
  /** SO_LINGER: -1 off, else seconds; 0 resets on close. */
  linger = -1;
  /** The connection is gone, and with what its program was told. */
  private gone = false;
  /** A listener's: complete connections nobody has accepted (null: it never listened), and how many there may be. */
  private queue: StreamSocket[] | null = null;
  private backlog = 0;
  /** Connections the queue had no room for since that was said last, and when it may be said again. */
  private overcount = 0;
  private overlogAt: Micros = 0;
  /** Who will accept it. */
  private head: StreamSocket | null = null;

  /** Made by SocketLayer.socket, and by a listener for a connection that came (`tp`). */
  constructor(layer: SocketLayer, tcp: Tcp, domain: number, fib: number, tp: TcpCb | null = null) {
    super(layer, domain, SOCK_STREAM, IPPROTO_TCP);
    this.tp = tp ?? tcpUsrAttach(tcp, this, fib, domain === PF_INET6);
    this.inp = this.tp.inp;
    this.in6p = this.tp.in6p;
    this.rcv = this.tp.rcv;
  }

  /** bind(2); port 0 asks for an anonymous one. */
  bind(addr: SockAddr, port: number): Errno {
    if (this.closed) return this.ended;
    return this.gone ? EINVAL : tcpUsrBind(this.tp, this.nameOf(addr), port);
  }

  /** listen(2); `backlog` is bounded by kern.ipc.soacceptqueue, and below 0 is that. EINVAL: it is connected. */
  listen(backlog: number): Errno {
    if (this.closed) return this.ended;
    const error = this.gone ? EINVAL : tcpUsrListen(this.tp);
    if (error !== 0) return error;
    const max = this.layer.tun.soacceptqueue;
    this.queue ??= [];
    this.backlog = backlog < 0 || backlog > max ? max : backlog;
    return 0;
  }

  /** accept(2): the oldest complete connection; null when there is none. */
  accept(): StreamSocket | null {
    const so = this.queue?.shift() ?? null;
    if (so !== null) so.head = null;
    return so;
  }

  /** Complete connections that wait to be accepted, and the limit. */
  get acceptQueue(): { readonly length: number; readonly limit: number } {
    return { length: this.queue?.length ?? 0, limit: this.backlog };
  }

  /** connect(2): EINPROGRESS while the handshake runs; then `onWritable`, or `onReadable` and SO_ERROR. */
  connect(addr: SockAddr, port: number): Errno {
    if (this.closed) return this.ended;
    if (this.gone) return this.takeError() || ECONNREFUSED;
    return tcpUsrConnect(this.tp, this.nameOf(addr), port);
  }

  /**
   * sendto(2) of a socket that is not connected: connects it, and `data` goes first; with TCP_FASTOPEN, and a cookie of that server's, in the SYN. Bytes
   * taken, or a negative Errno.
   */
  sendTo(data: Uint8Array, addr: SockAddr, port: number): number {
    if (this.closed) return -this.ended;
    if (this.gone) return -(this.takeError() || ECONNREFUSED);
    const before = this.tp.snd.bytes;
    const error = tcpUsrConnect(this.tp, this.nameOf(addr), port, data);
    return error === EINPROGRESS ? this.tp.snd.bytes - before : -error;
  }

  /** The key for TCP_MD5SIG shared with the peer at `addr`, of all sockets of the vnet; null: none any more. EINVAL for its length, ENOBUFS, ENOENT. */
  setMd5Key(addr: SockAddr, key: Uint8Array | null): Errno {
    if (this.closed) return this.ended;
    const { tcp } = this.tp;
    const name = this.nameOf(addr);
    if (typeof name === 'number') return tcp.md5.setKey(tcp.ends.set4(name, 0, 0, 0), key);
    const { error, addr: f } = in6Embed(tcp.ip6.net, name);
    return f === null ? error : tcp.md5.setKey(tcp.ends.setForeign6(ip6Word(f, 0), ip6Word(f, 1), ip6Word(f, 2), ip6Word(f, 3), 0), key);
  }

  /** 0 in the place of an IPv6 address is ::. */
  private nameOf(addr: SockAddr): number | Ip6Name {
    return addr === 0 && this.domain === PF_INET6 ? IN6ADDR_ANY : addr;
  }

  /** send(2): copies as much of `data` as there is room for; with MSG_OOB it is urgent up to its end. Bytes taken, or a negative Errno: EAGAIN, ENOTCONN, EPIPE, and once what has gone wrong. */
  send(data: Uint8Array, flags = 0): number {
    const error = this.maySend();
    return error !== 0 ? -error : data.length === 0 ? 0 : tcpUsrSend(this.tp, data, (flags & MSG_OOB) !== 0);
  }

  /** As `send`, but takes `data` itself, whole, when there is any room: its bytes must not be changed any more. */
  sendOwned(data: Uint8Array): number {
    const error = this.maySend();
    if (error !== 0) return -error;
    tcpUsrSendOwned(this.tp, data);
    return data.length;
  }

  /** As `sendOwned`, for a filled chunk of the Engine's pool, which goes back to it by itself. On an error it is the caller's still. */
  sendChunk(c: Chunk): number {
    const error = this.maySend();
    if (error !== 0) return -error;
    const n = c.end - c.off;
    if (n > 0) tcpUsrSendChunk(this.tp, c);
    return n;
  }

  private maySend(): Errno {
    if (this.closed) return this.ended;
    return this.takeError() || (this.gone ? EPIPE : tcpUsrMaySend(this.tp));
  }

  /**
   * recv(2): up to `into.length` bytes. 0: the peer has said that it is done; otherwise a negative Errno (EAGAIN: nothing there yet). MSG_PEEK leaves the
   * bytes; MSG_WAITALL gives all that was asked for or nothing yet, unless the stream ends first or the buffer is full. A read ends at the mark of urgent data. EINVAL: MSG_OOB, since
   * urgent data stays in line.
   */
  recv(into: Uint8Array, flags = 0): number {
    if (this.closed) return -this.ended;
    const { rcv, tp } = this;
    if (tp.state === TCPS_LISTEN) return -ENOTCONN;
    if ((flags & MSG_OOB) !== 0) return -EINVAL;
    const enough = (flags & MSG_WAITALL) !== 0 ? Math.min(into.length, rcv.hiwat) : 1;
    if (rcv.bytes < enough && !this.eof && !(rcv.bytes > 0 && this.isFull)) {
      if (rcv.bytes === 0 && this.pendingError !== 0) return -((flags & MSG_PEEK) !== 0 ? this.pendingError : this.takeError());
      return -(rcv.bytes === 0 && tp.state < TCPS_SYN_RECEIVED && !this.isConnecting ? ENOTCONN : EAGAIN);
    }
    if (rcv.bytes === 0) {
      if (this.pendingError !== 0) return -this.takeError();
      return 0;
    }
    const keep = (flags & MSG_PEEK) !== 0;
    const mark = tcpBytesToMark(tp);
    const n = rcv.read(mark > 0 && mark < into.length ? into.subarray(0, mark) : into, keep);
    if (!keep) tcpUsrRcvd(tp, n);
    return n;
  }

  /** sockatmark(3): is the next byte the urgent one? */
  get atMark(): boolean {
    return tcpBytesToMark(this.tp) === 0;
  }

  /** Takes the oldest packet of what has arrived, payload at `off`; the caller frees it. Null: nothing there. */
  recvPacket(): PacketBuffer | null {
    const m = this.rcv.shift();
    if (m !== null) tcpUsrRcvd(this.tp, m.len);
    return m;
  }

  /** Bytes that can be read. */
  get readable(): number {
    return this.rcv.bytes;
  }

  /** Bytes that `send` would take. */
  get writable(): number {
    return this.closed || tcpUsrMaySend(this.tp) !== 0 ? 0 : this.tp.snd.space;
  }

  /** Is the handshake done, and the connection not yet gone? */
  get isConnected(): boolean {
    return this.tp.state >= TCPS_ESTABLISHED;
  }

  private get isConnecting(): boolean {
    return this.tp.state > TCPS_LISTEN;
  }

  /** Nothing more will come behind what can be read. */
  get eof(): boolean {
    return this.gone || (this.tp.flags & (TF_RCVDFIN | TF_CANTRCVMORE)) !== 0;
  }

  /** shutdown(2). ENOTCONN; EINVAL for another `how`. */
  shutdown(how: number): Errno {
    if (this.closed) return this.ended;
    if (how < SHUT_RD || how > SHUT_RDWR) return EINVAL;
    if (this.gone || this.tp.state <= TCPS_LISTEN) return ENOTCONN;
    if (how !== SHUT_WR) tcpUsrShutdownRead(this.tp);
    if (how === SHUT_RD) return 0;
    const { softnet } = this.layer.kern.engine;
    softnet.acquire('soshutdown');
    const error = tcpUsrShutdownWrite(this.tp);
    softnet.release('soshutdown');
    return error;
  }

  /** Largest number of bytes that wait to be sent (SO_SNDBUF). */
  get sndHiwat(): number {
    return this.tp.snd.hiwat;
  }

  set sndHiwat(bytes: number) {
    this.tp.snd.hiwat = bytes;
  }

  /** setsockopt(2). ENOPROTOOPT for one we do not know, EINVAL for a value out of range. */
  setsockopt(option: string, value: number): Errno {
    if (this.closed) return this.ended;
    if (!Number.isInteger(value)) return EINVAL;
    if (option === 'SO_LINGER') {
      this.linger = value;
      return 0;
    }
    if (isTcpOption(option)) return applyTcpOption(this.tp, option, value);
    const error = applyOption(this, option, value);
    if (error === 0) this.sized(option);
    return error;
  }

  /** A buffer whose size the program chooses does not grow on its own, and has room for what makes it ready. */
  private sized(option: string): void {
    if (option !== 'SO_RCVBUF' && option !== 'SO_SNDBUF') return;
    const b = option === 'SO_RCVBUF' ? this.rcv : this.tp.snd;
    b.autosize = false;
    b.lowat = Math.min(b.lowat, b.hiwat);
  }

  /** getsockopt(2); null for an option we do not know. */
  getsockopt(option: string): number | null {
    if (option === 'SO_ERROR') return this.takeError();
    if (option === 'SO_LINGER') return this.linger;
    if (option === 'SO_ACCEPTCONN') return this.tp.state === TCPS_LISTEN ? 1 : 0;
    return isTcpOption(option) ? readTcpOption(this.tp, option) : readOption(this, option);
  }

  /** TCP_CONGESTION: chooses the algorithm, of this connection and of those a listener gets. ESRCH: no such one. */
  setCongestion(name: string): Errno {
    return this.closed ? this.ended : tcpUsrSetCongestion(this.tp, name);
  }

  /** TCP_INFO. */
  info(): TcpInfo {
    return tcpInfo(this.tp);
  }

  /** Gives the connection up now: the peer gets a reset. */
  reset(): void {
    this.linger = 0;
    this.close();
  }

  override abort(): void {
    const waiter = this.onWritable;
    super.abort();
    waiter?.();
  }

  protected giveBack(reset: boolean): void {
    this.onWritable = null;
    if (this.queue !== null) for (const so of this.queue.splice(0)) so.reset();
    if (this.gone) this.rcv.flush();
    else tcpUsrClose(this.tp, reset || this.linger === 0);
    this.layer.forget(this);
  }

  /** TcpUser */
  tcpConnected(): void {
    if (this.head !== null) this.head.incoming(this);
    else this.onWritable?.();
  }

  /** Is there no room for another segment? Then what is here is all there is to wait for. */
  private get isFull(): boolean {
    return this.rcv.space < this.tp.maxseg;
  }

  /** TcpUser: SO_RCVLOWAT says from how many bytes on the program wants to know. */
  tcpReadable(): void {
    if (this.rcv.bytes >= this.rcv.lowat || this.eof || this.isFull) this.onReadable?.();
  }

  /** TcpUser */
  tcpWritable(): void {
    this.onWritable?.();
  }

  /** TcpUser */
  tcpEnded(error: Errno): void {
    this.gone = true;
    this.pendingError = error;
    if (this.head !== null) {
      this.head.left(this);
      this.close();
      return;
    }
    this.onReadable?.();
    this.onWritable?.();
  }

  /** TcpUser */
  get tcpAcceptLimit(): number {
    return this.backlog;
  }

  /** TcpUser: a connection for this listener. */
  tcpAccept(tp: TcpCb): TcpUser | null {
    const waiting = this.queue?.length ?? 0;
    if (waiting > Math.floor((3 * this.backlog) / 2)) {
      this.overflow(waiting);
      return null;
    }
    const so = this.layer.accepted(this, tp);
    if (so !== null) so.head = this;
    return so;
  }

  /** A connection finds the queue full: says so, at most once a minute, and how often it happened. */
  private overflow(waiting: number): void {
    const { now } = this.layer.kern.engine;
    this.overcount++;
    if (now < this.overlogAt) return;
    this.overlogAt = now + OVERLOG_INTERVAL_US;
    const { inp, in6p } = this;
    const name = in6p !== null ? `[${ip6Format(ip6Plain(in6p.local))}]` : ip4Format(inp.laddr);
    const n = this.overcount;
    this.overcount = 0;
    this.layer.kern.log('debug', `sonewconn: pcb (${name}:${inp.lport} (proto ${IPPROTO_TCP})): Listen queue overflow: ${waiting} already in queue awaiting acceptance (${n} occurrences)`);
  }

  /** `so` is complete. */
  private incoming(so: StreamSocket): void {
    this.queue?.push(so);
    this.onReadable?.();
  }

  /** `so` ended before anybody accepted it. */
  private left(so: StreamSocket): void {
    so.head = null;
    const at = this.queue?.indexOf(so) ?? -1;
    if (at >= 0) this.queue?.splice(at, 1);
  }
}

