/**
 * dns-exchange.ts — one question to one DNS server: over UDP, and over TCP when the answer did not fit or that was asked for.
 * Read first: RFC 1035 §4.2, RFC 5452 §9 (forged answers), RFC 7766 §5 (TCP).
 *
 * Theory of operation. Each exchange has a socket of its own, connected to the server: so the port is another random one each time, and answers from elsewhere do not come through.
 * An answer counts when number, opcode and question are those of the query; anything else on the socket is ignored. `done` is called once, on the packet path, or with an Errno when
 * the time is over, the server is not there, or the vnet stops. Asking again, and asking others, is the caller's.
 *
 * Invariant: after `done`, and after `cancel`, no socket is open and no timer armed.
 *
 * @rfc 1035 4.2 yes
 * @rfc 5452 9.1 yes
 * @rfc 5452 9.2 yes
 * @rfc 7766 5 yes
 */
import type { Errno } from '../base/errno.js';
import { EAGAIN, ECONNRESET, EINPROGRESS, EINVAL, ETIMEDOUT } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import { dnsNameKey } from '../wire/dns-name.js';
import { DNS_MESSAGE_MAX, DNS_QR, DNS_TC, DNS_UDP_MAX, dnsEmit, dnsOpcode, dnsParse } from '../wire/dns.js';
import type { DnsMessage } from '../wire/dns.js';
import type { SocketHolder } from './socket-holder.js';
import type { SockAddr } from './socket-in6.js';
import type { SocketLayer } from './socket-layer.js';
import type { Socket } from './socket.js';
import { PF_INET, PF_INET6, SOCK_DGRAM, SOCK_STREAM } from './socket-type.js';
import type { StreamSocket } from './stream-socket.js';

export interface DnsExchangeOptions {
  readonly server: SockAddr;
  readonly port: number;
  readonly query: DnsMessage;
  readonly timeoutUs: Micros;
  /** Over TCP from the start. */
  readonly tcp?: boolean;
  /** A truncated answer is good enough. */
  readonly keepTruncated?: boolean;
  readonly fib?: number;
  /** Who has the sockets. */
  readonly holder?: SocketHolder | null;
}

/** `message`: null with an error. */
export type DnsExchangeDone = (error: Errno, message: DnsMessage | null) => void;

const LENGTH_LEN = 2;

export class DnsExchange {
  private readonly layer: SocketLayer;
  private readonly o: DnsExchangeOptions;
  private readonly bytes: Uint8Array;
  private readonly timer: Callout;
  private done: DnsExchangeDone | null;
  private so: Socket | StreamSocket | null = null;
  /** Of TCP: what is to be sent, and what has come. */
  private out: Uint8Array = new Uint8Array(0);
  private in: Uint8Array;
  private have = 0;

  /** Sends at once; `done` may be called before this returns. */
  constructor(layer: SocketLayer, options: DnsExchangeOptions, done: DnsExchangeDone) {
    this.layer = layer;
    this.o = options;
    this.done = done;
    this.in = new Uint8Array(Math.max(DNS_UDP_MAX, options.query.edns?.udpSize ?? 0));
    this.timer = new Callout(layer.kern, () => this.end(ETIMEDOUT, null));
    this.bytes = dnsEmit(options.query) ?? new Uint8Array(0);
    if (this.bytes.length === 0) {
      this.end(EINVAL, null);
      return;
    }
    layer.kern.engine.calloutReset(this.timer, options.timeoutUs);
    if (options.tcp === true) this.startTcp();
    else this.startUdp();
  }

  /** Ends it without a word. */
  cancel(): void {
    this.done = null;
    this.release();
  }

  private get domain(): number {
    return typeof this.o.server === 'number' ? PF_INET : PF_INET6;
  }

  private startUdp(): void {
    const { error, so } = this.layer.socket(this.domain, SOCK_DGRAM, 0, this.o.fib ?? 0);
    if (so === null) return this.end(error, null);
    this.so = so;
    so.holder = this.o.holder ?? null;
    so.onReadable = () => this.readUdp(so);
    const refused = so.connect(this.o.server, this.o.port) || so.send(this.bytes);
    if (refused !== 0) this.end(refused, null);
  }

  private readUdp(so: Socket): void {
    for (;;) {
      const n = so.recv(this.in);
      if (n === -EAGAIN) return;
      if (n < 0) return this.end(so.abortError || -n, null);
      const message = this.answer(this.in.subarray(0, n));
      if (message === null) continue;
      if ((message.flags & DNS_TC) === 0 || this.o.keepTruncated === true) return this.end(0, message);
      so.close();
      return this.startTcp();
    }
  }

  private startTcp(): void {
    const { error, so } = this.layer.socket(this.domain, SOCK_STREAM, 0, this.o.fib ?? 0);
    if (so === null) return this.end(error, null);
    this.so = so;
    so.holder = this.o.holder ?? null;
    this.in = new Uint8Array(LENGTH_LEN + DNS_MESSAGE_MAX);
    this.out = Uint8Array.from([this.bytes.length >>> 8, this.bytes.length & 0xff, ...this.bytes]);
    so.onWritable = () => this.writeTcp(so);
    so.onReadable = () => this.readTcp(so);
    const refused = so.connect(this.o.server, this.o.port);
    if (refused !== 0 && refused !== EINPROGRESS) this.end(refused, null);
  }

  private writeTcp(so: StreamSocket): void {
    while (this.out.length > 0) {
      const n = so.send(this.out);
      if (n === -EAGAIN) return;
      if (n < 0) return this.end(-n, null);
      this.out = this.out.subarray(n);
    }
  }

  private readTcp(so: StreamSocket): void {
    while (this.so === so) {
      const n = so.recv(this.in.subarray(this.have));
      if (n === -EAGAIN) return;
      if (n <= 0) return this.end(so.abortError || (n === 0 ? ECONNRESET : -n), null);
      this.have += n;
      if (!this.takeTcp()) return;
    }
  }

  /** A whole message has come, or more is to be read: true. */
  private takeTcp(): boolean {
    const length = ((this.in[0] ?? 0) << 8) | (this.in[1] ?? 0);
    if (this.have < LENGTH_LEN || this.have < LENGTH_LEN + length) return true;
    const message = this.answer(this.in.subarray(LENGTH_LEN, LENGTH_LEN + length));
    // Over TCP nobody else can have said it: the server talks nonsense.
    this.end(message === null ? EINVAL : 0, message);
    return false;
  }

  /** The answer to the query that these bytes are, or null. */
  private answer(bytes: Uint8Array): DnsMessage | null {
    const m = dnsParse(bytes);
    const { query } = this.o;
    if (m === null || m.id !== query.id || (m.flags & DNS_QR) === 0 || dnsOpcode(m) !== dnsOpcode(query)) return null;
    const [asked] = query.questions;
    const [said] = m.questions;
    // A server that could not read the query has no question to repeat.
    if (said === undefined && m.questions.length === 0 && m.answers.length === 0) return m;
    if (asked === undefined || said === undefined || m.questions.length !== 1) return null;
    return dnsNameKey(asked.name) === dnsNameKey(said.name) && asked.type === said.type && asked.cls === said.cls ? m : null;
  }

  private end(error: Errno, message: DnsMessage | null): void {
    const { done } = this;
    this.done = null;
    this.release();
    done?.(error, message);
  }

  private release(): void {
    this.layer.kern.engine.calloutStop(this.timer);
    this.so?.close();
    this.so = null;
  }
}
