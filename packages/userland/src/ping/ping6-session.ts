/**
 * ping6-session.ts — one run of ping for IPv6: send, receive, count, print.
 * Read first: ping(8); RFC 4443 §4; ping-session.ts, whose loop this is.
 *
 * Two sockets, as FreeBSD's has: one is connected and sends; the other hears, and says by ICMP6_FILTER what: echo replies, or with -v everything.
 * What is ours is known by identifier, and by sequence number within a window. A request carries its time of sending and the answer carries it back.
 */
import type { RecvInfo, Socket } from '@netloom/core';
import { RecvInfo6, strerror } from '@netloom/core';
import { ICMP6_ECHO_REPLY, ICMP6_ECHO_REQUEST, ICMP6_HDR_LEN, icmp6Id, icmp6Seq, icmp6Type } from '@netloom/core/wire';
import { warnx } from '../err.js';
import { address6Text, hostName6 } from '../host-address6.js';
import type { Proc, ProcSignal } from '../proc.js';
import { icmp6Text } from './icmp6-text.js';
import { TIMESTAMP6_BYTES } from './ping6-options.js';
import type { Ping6Options } from './ping6-options.js';
import { PingTimes } from './ping-times.js';

/** Sequence numbers a duplicate is known within. */
const DUP_WINDOW = 8_192;
const INTERVAL_US = 1_000_000;
const FLOOD_INTERVAL_US = 10_000;
const PACKET_MAX = 65_535;
const EX_OSERR = 71;
const BELL = '\x07';

export class Ping6Session {
  private readonly p: Proc;
  private readonly o: Ping6Options;
  private readonly ssend: Socket;
  private readonly srecv: Socket;
  private readonly ident: number;
  private readonly seen = new Uint8Array(DUP_WINDOW);
  private readonly times = new PingTimes();
  private readonly timing: boolean;
  private readonly request: Uint8Array;
  private readonly packet = new Uint8Array(PACKET_MAX);
  private readonly in6 = new RecvInfo6();
  private readonly info: RecvInfo;
  private transmitted = 0;
  private failures = 0;
  private received = 0;
  private repeats = 0;
  private missedMax = 0;
  private late = 0;
  private dot = 0;
  private intervalUs: number;
  private lastUs = 0;
  private waitsForLast = false;
  private interrupted = false;

  constructor(p: Proc, o: Ping6Options, ssend: Socket, srecv: Socket) {
    this.p = p;
    this.o = o;
    this.ssend = ssend;
    this.srecv = srecv;
    this.ident = p.pid & 0xffff;
    this.timing = o.size >= TIMESTAMP6_BYTES;
    this.request = new Uint8Array(ICMP6_HDR_LEN + o.size);
    this.info = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0, in6: this.in6 };
    this.intervalUs = o.flood ? FLOOD_INTERVAL_US : (o.intervalUs ?? INTERVAL_US);
    this.fill();
  }

  /** The exit code: 0 when anything was received, 2 when nothing was, 71 when nothing could be sent. */
  async run(source: string): Promise<number> {
    const { p, o, srecv } = this;
    const stopUs = o.timeoutUs > 0 ? p.now() + o.timeoutUs : Infinity;
    srecv.onReadable = () => p.wake();
    p.onSignal((signal) => this.signal(signal));
    if (!o.quiet && o.pattern !== null) p.out(`PATTERN: 0x${o.pattern.map((b) => b.toString(16).padStart(2, '0')).join('')}\n`);
    const length = this.request.length;
    p.out(`PING(${40 + length}=40+8+${length - ICMP6_HDR_LEN} bytes) ${source} --> ${this.name(o.dst)}\n`);
    const first = o.preload === 0 ? 1 : o.count > 0 ? Math.min(o.preload, o.count) : o.preload;
    for (let i = 0; i < first; i++) this.send();
    this.lastUs = p.now();
    while (!this.interrupted && !srecv.closed && p.now() < stopUs) {
      const got = this.receiveOne();
      if (got && this.enough()) break;
      if (got && (!o.flood || this.allSent())) continue;
      const dueUs = this.lastUs + this.intervalUs;
      if (!got && p.now() < dueUs) await this.pause(Math.min(dueUs, stopUs) - p.now());
      else if (!this.step()) break;
    }
    p.out(this.summary());
    return this.received > 0 ? 0 : this.transmitted > this.failures ? 2 : EX_OSERR;
  }

  private async pause(us: number): Promise<void> {
    await this.p.flush();
    await this.p.sleepUs(Math.max(us, 1));
  }

  private signal(signal: ProcSignal): boolean {
    if (signal === 'INFO') this.p.err(this.summary());
    else if (signal === 'INT' || (signal === 'ALRM' && this.o.timeoutUs > 0)) this.interrupted = true;
    else return false;
    return true;
  }

  private name(end: { readonly addr: Uint8Array; readonly scopeId: number }): string {
    return (this.o.names ? hostName6(end) : null) ?? address6Text(this.p.vnet, end);
  }

  private allSent(): boolean {
    return this.o.count > 0 && this.transmitted >= this.o.count;
  }

  private enough(): boolean {
    return (this.o.once && this.received > 0) || (this.o.count > 0 && this.received >= this.o.count);
  }

  /** The timer ran out, or a flood goes on. False: the run is over. */
  private step(): boolean {
    const { o } = this;
    if (!this.allSent()) {
      this.send();
    } else {
      if (this.waitsForLast) return false;
      this.waitsForLast = true;
      this.intervalUs = this.received > 0 ? Math.max(1, Math.floor((2 * this.times.maxMs) / 1_000)) * 1_000_000 : Math.max(1, o.waitUs);
    }
    this.lastUs = this.p.now();
    const missed = this.transmitted - this.received - 1;
    if (missed > this.missedMax) {
      this.missedMax = missed;
      if (o.missed) this.p.out(BELL);
    }
    return true;
  }

  private send(): void {
    const { o, p, request } = this;
    const v = new DataView(request.buffer);
    const seq = this.transmitted++ & 0xffff;
    this.seen[seq % DUP_WINDOW] = 0;
    request.fill(0, 0, ICMP6_HDR_LEN);
    v.setUint8(0, ICMP6_ECHO_REQUEST);
    v.setUint16(4, this.ident);
    v.setUint16(6, seq);
    if (this.timing) {
      const now = p.now();
      v.setUint32(ICMP6_HDR_LEN, Math.floor(now / 1_000_000));
      v.setUint32(ICMP6_HDR_LEN + 4, (now % 1_000_000) * 1_000);
    }
    const error = this.ssend.send(request);
    if (error !== 0) {
      this.failures++;
      warnx(p, `sendmsg: ${strerror(error)}`);
      p.out(`ping: wrote ${o.host} ${request.length} chars, ret=-1\n`);
    }
    if (!o.quiet && o.dots !== null) p.out(o.dots.charAt(this.dot++ % o.dots.length));
  }

  /** Payload behind the time stamp: the pattern, or each byte its own place. */
  private fill(): void {
    const { pattern } = this.o;
    for (let i = ICMP6_HDR_LEN + TIMESTAMP6_BYTES; i < this.request.length; i++) {
      const at = i - ICMP6_HDR_LEN - TIMESTAMP6_BYTES;
      this.request[i] = pattern === null ? (at + ICMP6_HDR_LEN) & 255 : (pattern[at % pattern.length] ?? 0);
    }
  }

  /** Takes one message from the socket; false when there is none. */
  private receiveOne(): boolean {
    const n = this.srecv.recv(this.packet, this.info);
    if (n < 0) return false;
    const text = this.message(n);
    if (text !== null) this.p.out(this.o.dots === null ? `${text}\n` : text);
    return true;
  }

  /** What to print of a message; null: nothing. */
  private message(cc: number): string | null {
    const { o, p, packet } = this;
    if (cc < ICMP6_HDR_LEN) {
      if (o.verbose) warnx(p, `packet too short (${cc} bytes) from ${this.name(this.in6)}`);
      return null;
    }
    const v = new DataView(packet.buffer);
    if (icmp6Type(v, 0) === ICMP6_ECHO_REPLY && icmp6Id(v, 0) === this.ident) return this.answer(v, cc);
    return o.verbose ? `${cc} bytes from ${this.name(this.in6)}: ${icmp6Text(packet, 0, cc)}` : null;
  }

  private answer(v: DataView, cc: number): string | null {
    const { o } = this;
    const seq = icmp6Seq(v, 0);
    const ms = this.timing && cc >= ICMP6_HDR_LEN + TIMESTAMP6_BYTES ? this.times.add(this.roundTripMs(v)) : 0;
    const duplicate = this.seen[seq % DUP_WINDOW] === 1;
    this.seen[seq % DUP_WINDOW] = 1;
    if (duplicate) this.repeats++;
    else this.received++;
    if (o.quiet) return null;
    if (o.waitGiven && ms * 1_000 > o.waitUs) {
      this.late++;
      return null;
    }
    if (o.dots !== null) return '\b';
    const parts = [o.audible ? BELL : '', `${cc} bytes from ${this.name(this.in6)}, icmp_seq=${seq} hlim=${this.in6.hops}`];
    if (o.verbose) parts.push(` dst=${this.name({ addr: this.in6.dstAddr, scopeId: this.info.ifIndex })}`);
    if (this.timing) parts.push(` time=${ms.toFixed(3)} ms`);
    if (duplicate) parts.push('(DUP!)');
    parts.push(this.difference(cc));
    return parts.join('');
  }

  private roundTripMs(v: DataView): number {
    const sentUs = v.getUint32(ICMP6_HDR_LEN) * 1_000_000 + Math.floor(v.getUint32(ICMP6_HDR_LEN + 4) / 1_000);
    return (this.p.now() - sentUs) / 1_000;
  }

  /** The first payload byte that did not come back as it was sent; '' when all did. */
  private difference(cc: number): string {
    for (let i = ICMP6_HDR_LEN + TIMESTAMP6_BYTES; i < Math.min(cc, this.request.length); i++) {
      const [sent, got] = [this.request[i] ?? 0, this.packet[i] ?? 0];
      if (sent !== got) return `\nwrong data byte #${i - ICMP6_HDR_LEN} should be 0x${sent.toString(16)} but was 0x${got.toString(16)}`;
    }
    return '';
  }

  private summary(): string {
    const { transmitted, received } = this;
    const parts = [`\n--- ${this.o.host} ping statistics ---\n${transmitted} packets transmitted, ${received} packets received, `];
    if (this.repeats > 0) parts.push(`+${this.repeats} duplicates, `);
    if (received > transmitted) parts.push("-- somebody's duplicating packets!");
    else if (transmitted > 0) parts.push(`${(((transmitted - received) * 100) / transmitted).toFixed(1)}% packet loss`);
    if (this.late > 0) parts.push(`, ${this.late} packets out of wait time`);
    parts.push('\n');
    if (received > 0 && this.timing) parts.push(this.times.line());
    return parts.join('');
  }
}
