/**
 * dns-sockets.ts — class DnsSockets: port 53 of a vnet, over UDP and TCP, in both families.
 * Read first: RFC 1035 §4.2, RFC 7766 §6; responder.ts, which answers.
 *
 * Theory of operation. `round` takes what has come and says until when there is nothing to do. An answer over UDP goes out from the address that was asked, and is as long as the asker takes. A
 * connection may have several questions under way, and gets the answers as they come; it ends when it is idle, when it says nonsense, or when it does not read.
 *
 * Invariants: at most CONNECTIONS_MAX connections, the oldest idle one makes room; ASKED_MAX questions under way on each; an answer that comes when its asker has gone is forgotten.
 *
 * @rfc 7766 6.2.1.1 yes
 * @rfc 7766 6.2.3 yes
 */
import { EAGAIN, PF_INET, PF_INET6, RecvInfo6, SOCK_DGRAM, SOCK_STREAM } from '@netloom/core';
import type { RecvInfo, SockAddr, Socket, StreamSocket, Vnet } from '@netloom/core';
import { DNS_MESSAGE_MAX, DNS_PORT, DNS_UDP_MAX, dnsEmit, dnsParse, ip4IsMulticast, ip6IsMulticast } from '@netloom/core/wire';
import type { DnsMessage } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { err } from '../err.js';
import type { Proc } from '../proc.js';

const CONNECTIONS_MAX = 64;
const ASKED_MAX = 16;
const BACKLOG = 32;
const IDLE_US = 10_000_000;
const LENGTH_LEN = 2;
/** Answers that wait for a client that does not read. */
const OUT_MAX = 4 * DNS_MESSAGE_MAX;
/** No answer over UDP is longer, whatever the client takes: a fragment may not arrive. */
const UDP_SIZE = 1_232;

/** Who answers: responder.ts. */
export interface DnsAnswerer {
  readonly stats: { malformed: number };
  answer(query: DnsMessage, from: SockAddr, send: (m: DnsMessage) => void): void;
}

interface Connection {
  readonly so: StreamSocket;
  readonly from: SockAddr;
  readonly in: Uint8Array;
  have: number;
  out: Uint8Array[];
  outBytes: number;
  asked: number;
  activeUs: number;
}

export class DnsSockets {
  private readonly p: Proc;
  private readonly responder: DnsAnswerer;
  private readonly udp: Socket[] = [];
  private readonly listeners: StreamSocket[] = [];
  private readonly connections = new Set<Connection>();
  private readonly buffer = new Uint8Array(DNS_MESSAGE_MAX);

  /** Leaves the tool when the port is taken. */
  constructor(p: Proc, vnet: Vnet, responder: DnsAnswerer) {
    this.p = p;
    this.responder = responder;
    p.atExit(() => this.close());
    for (const domain of [PF_INET, PF_INET6]) {
      const any: SockAddr = domain === PF_INET ? 0 : { addr: new Uint8Array(16), scopeId: 0 };
      const datagrams = vnet.sockets.socket(domain, SOCK_DGRAM, 0, p.fib);
      const streams = vnet.sockets.socket(domain, SOCK_STREAM, 0, p.fib);
      if (datagrams.so !== null) this.udp.push(openedBy(p, datagrams.so));
      if (streams.so !== null) this.listeners.push(openedBy(p, streams.so));
      if (datagrams.so === null || streams.so === null) err(p, 1, 'socket', datagrams.error || streams.error);
      for (const so of [datagrams.so, streams.so]) {
        if (domain === PF_INET6) so.setsockopt('IPV6_V6ONLY', 1);
        so.onReadable = () => p.wake();
        const error = so.bind(any, DNS_PORT);
        if (error !== 0) err(p, 1, `port ${DNS_PORT}`, error);
      }
      const error = streams.so.listen(BACKLOG);
      if (error !== 0) err(p, 1, 'listen', error);
    }
  }

  /** True while the sockets are open. */
  get open(): boolean {
    return !this.udp.some((so) => so.closed);
  }

  close(): void {
    for (const so of [...this.udp, ...this.listeners, ...[...this.connections].map((c) => c.so)]) so.close();
    this.connections.clear();
  }

  round(): number {
    for (const so of this.udp) this.datagrams(so);
    for (const listener of this.listeners) for (let so = listener.accept(); so !== null; so = listener.accept()) this.accept(so);
    for (const c of this.connections) this.serve(c);
    return Math.min(Infinity, ...[...this.connections].map((c) => c.activeUs + IDLE_US));
  }

  private datagrams(so: Socket): void {
    for (;;) {
      const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0, ...(so.domain === PF_INET6 ? { in6: new RecvInfo6() } : {}) };
      const n = so.recv(this.buffer, info);
      if (n === -EAGAIN || so.closed) return;
      const query = n < 0 ? null : dnsParse(this.buffer.subarray(0, n));
      if (query === null) {
        this.responder.stats.malformed++;
        continue;
      }
      const { in6 } = info;
      const from: SockAddr = in6 === undefined ? info.addr : { addr: in6.addr, scopeId: in6.scopeId };
      const asked: SockAddr = in6 === undefined ? info.dstAddr : { addr: in6.dstAddr, scopeId: in6.scopeId };
      const max = Math.min(UDP_SIZE, Math.max(DNS_UDP_MAX, query.edns?.udpSize ?? 0));
      this.responder.answer(query, from, (m) => {
        const bytes = dnsEmit(m, max);
        if (bytes === null || so.closed) return;
        const group = typeof asked === 'number' ? ip4IsMulticast(asked) : ip6IsMulticast(asked.addr);
        if (group || so.sendmsg(bytes, { source: asked }, from, info.port) !== 0) so.send(bytes, from, info.port);
      });
    }
  }

  private accept(so: StreamSocket): void {
    if (this.connections.size >= CONNECTIONS_MAX) {
      const idle = [...this.connections].filter((c) => c.asked === 0).sort((a, b) => a.activeUs - b.activeUs)[0];
      if (idle === undefined) {
        so.close();
        return;
      }
      this.end(idle);
    }
    const peer = so.peer6();
    const from: SockAddr = peer ?? so.peer()?.addr ?? 0;
    openedBy(this.p, so);
    so.onReadable = () => this.p.wake();
    so.onWritable = () => this.p.wake();
    this.connections.add({ so, from, in: new Uint8Array(LENGTH_LEN + DNS_MESSAGE_MAX), have: 0, out: [], outBytes: 0, asked: 0, activeUs: this.p.now() });
  }

  private serve(c: Connection): void {
    const now = this.p.now();
    this.write(c);
    while (c.asked < ASKED_MAX && this.connections.has(c)) {
      const n = c.so.recv(c.in.subarray(c.have));
      if (n === -EAGAIN) break;
      // The end of its questions is not the end of its interest in the answers.
      if (n <= 0) {
        if (n < 0 || c.asked === 0) this.end(c);
        break;
      }
      c.have += n;
      c.activeUs = now;
      while (c.asked < ASKED_MAX && this.take(c));
    }
    if (this.connections.has(c) && now - c.activeUs >= IDLE_US && c.asked === 0) this.end(c);
  }

  /** Takes a whole question out of what has come; false: there is none. */
  private take(c: Connection): boolean {
    const length = ((c.in[0] ?? 0) << 8) | (c.in[1] ?? 0);
    if (c.have < LENGTH_LEN || c.have < LENGTH_LEN + length || !this.connections.has(c)) return false;
    const query = dnsParse(c.in.subarray(LENGTH_LEN, LENGTH_LEN + length));
    c.in.copyWithin(0, LENGTH_LEN + length, c.have);
    c.have -= LENGTH_LEN + length;
    if (query === null) {
      this.responder.stats.malformed++;
      this.end(c);
      return false;
    }
    c.asked++;
    this.responder.answer(query, c.from, (m) => this.say(c, m));
    return true;
  }

  private say(c: Connection, m: DnsMessage): void {
    if (!this.connections.has(c)) return;
    const bytes = dnsEmit(m);
    c.asked--;
    c.activeUs = this.p.now();
    if (bytes === null || c.outBytes + bytes.length > OUT_MAX) return this.end(c);
    c.out.push(Uint8Array.from([bytes.length >>> 8, bytes.length & 0xff, ...bytes]));
    c.outBytes += bytes.length;
    this.write(c);
  }

  private write(c: Connection): void {
    for (let first = c.out[0]; first !== undefined; first = c.out[0]) {
      const n = c.so.send(first);
      if (n === -EAGAIN) return;
      if (n < 0) return this.end(c);
      c.outBytes -= n;
      if (n < first.length) c.out[0] = first.subarray(n);
      else c.out.shift();
    }
    c.outBytes = 0;
  }

  private end(c: Connection): void {
    c.so.close();
    this.connections.delete(c);
  }
}
