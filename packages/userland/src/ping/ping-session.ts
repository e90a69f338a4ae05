/**
 * ping-session.ts — one run of ping: send, receive, count, print.
 * Read first: ping(8); RFC 792.
 *
 * Theory of operation. A raw socket brings every ICMP message the stack does not answer itself; ours are known by identifier, and by sequence
 * number within a window. A request carries its time of sending and the answer carries it back. One timer drives the rest: when it runs
 * out the next request goes; a flood sends with every answer too. When all requests are out the timer runs once more, for the
 * last answer: twice the slowest round trip, at least a second, or `-W` (ten seconds) when nothing was answered. The run ends with the last
 * answer, that timer, the `-t` limit, or INT; INFO prints the summary so far.
 *
 * Invariants: an answer counts once, the same sequence number again is a duplicate. The loop sleeps whenever there is nothing to read and
 * nothing due, for a microsecond at least, so that the kernel gets its turn and time passes.
 */
import type { Socket } from '@netloom/core';
import { ENOBUFS } from '@netloom/core';
import {
  ICMP4_DATA, ICMP4_MASK, ICMP4_OTIME, ICMP4_RTIME, ICMP4_TTIME, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_MASKREPLY, ICMP_MASKREQ, ICMP_MINLEN, ICMP_TSTAMP,
  ICMP_TSTAMPREPLY, IP4_HDR_LEN, IPPROTO_ICMP, icmp4Id, icmp4Seq, icmp4Type, inCksum, ip4Dst, ip4Format, ip4Hl, ip4P, ip4Src, ip4Ttl,
} from '@netloom/core/wire';
import { warn, warnx } from '../err.js';
import type { Proc, ProcSignal } from '../proc.js';
import { icmpText } from './icmp-text.js';
import { IpOptionsText } from './ip-options-text.js';
import { TIMESTAMP_BYTES, icmpHeaderBytes, overheadBytes } from './ping-options.js';
import type { PingOptions } from './ping-options.js';
import { PingTimes } from './ping-times.js';

/** Sequence numbers a duplicate is known within. */
const DUP_WINDOW = 1_024;
const INTERVAL_US = 1_000_000;
/** A flood sends at least this often. */
const FLOOD_INTERVAL_US = 10_000;
/** After the stack had no buffer for a flood's request. */
const FLOOD_BACKOFF_US = 20_000;
const DAY_MS = 86_400_000;
const BELL = '\x07';

const REQUEST = { echo: ICMP_ECHO, mask: ICMP_MASKREQ, time: ICMP_TSTAMP } as const;
const REPLY = { echo: ICMP_ECHOREPLY, mask: ICMP_MASKREPLY, time: ICMP_TSTAMPREPLY } as const;

export class PingSession {
  private readonly p: Proc;
  private readonly o: PingOptions;
  private readonly so: Socket;
  private readonly ident: number;
  private readonly seen = new Uint8Array(DUP_WINDOW);
  /** Who sent the packet being looked at, in words, and its TTL. */
  private from = '';
  private ttl = 0;
  private readonly times = new PingTimes();
  private readonly optionsText = new IpOptionsText();
  /** ICMP header bytes in front of the payload. */
  private readonly header: number;
  /** The request as it goes out: header and the largest payload. */
  private readonly request: Uint8Array;
  private size: number;
  private sentOfSize = 0;
  private transmitted = 0;
  private received = 0;
  private repeats = 0;
  private missedMax = 0;
  private late = 0;
  private dot = 0;
  private intervalUs: number;
  private lastUs = 0;
  private waitsForLast = false;
  private interrupted = false;

  constructor(p: Proc, o: PingOptions, so: Socket) {
    this.p = p;
    this.o = o;
    this.so = so;
    this.ident = p.pid & 0xffff;
    this.size = o.size;
    this.header = icmpHeaderBytes(o);
    this.request = new Uint8Array(this.header + Math.max(o.size, o.sweepMax));
    this.intervalUs = Math.max(1, o.flood ? FLOOD_INTERVAL_US : (o.intervalUs ?? INTERVAL_US));
    this.fill();
  }

  /** The exit code: 0 when anything was received, 2 when nothing was. */
  async run(): Promise<number> {
    const { p, o, so } = this;
    const stopUs = o.timeoutUs > 0 ? p.now() + o.timeoutUs : Infinity;
    so.onReadable = () => p.wake();
    p.onSignal((signal) => this.signal(signal));
    this.printIntro();
    const first = o.preload === 0 ? 1 : o.count > 0 && o.sweepMax === 0 ? Math.min(o.preload, o.count) : o.preload;
    for (let i = 0; i < first; i++) this.send();
    this.lastUs = p.now();
    while (!this.interrupted && !so.closed && p.now() < stopUs) {
      const got = this.receiveOne();
      if (got && this.enough()) break;
      if (got && (!o.flood || this.allSent())) continue;
      const dueUs = this.lastUs + this.intervalUs;
      if (!got && p.now() < dueUs) await this.pause(Math.min(dueUs, stopUs) - p.now());
      else if (!this.step()) break;
    }
    p.out(this.summary());
    return this.received > 0 ? 0 : 2;
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

  private allSent(): boolean {
    return this.o.sweepMax === 0 && this.o.count > 0 && this.transmitted >= this.o.count;
  }

  /** Everything that can be answered has been. */
  private enough(): boolean {
    const { o } = this;
    return (o.once && this.received > 0) || (o.count > 0 && o.sweepMax === 0 && this.received >= o.count);
  }

  /** The timer ran out, or a flood goes on. False: the run is over. */
  private step(): boolean {
    const { o } = this;
    if (o.sweepMax > 0 && this.sentOfSize >= Math.max(o.count, 1)) {
      if (this.size + o.sweepIncr > o.sweepMax) return false;
      this.size += o.sweepIncr;
      this.sentOfSize = 0;
    }
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
    const { o, p } = this;
    const bytes = this.request.subarray(0, this.header + this.size);
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const now = p.now();
    this.seen[this.transmitted % DUP_WINDOW] = 0;
    bytes.fill(0, 0, this.header);
    v.setUint8(0, REQUEST[o.mode]);
    v.setUint16(4, this.ident);
    v.setUint16(6, this.transmitted & 0xffff);
    if (o.mode === 'time') v.setUint32(ICMP4_OTIME, Math.floor(p.wallUs() / 1_000) % DAY_MS);
    if (this.size >= TIMESTAMP_BYTES) {
      v.setUint32(this.header, Math.floor(now / 1_000_000));
      v.setUint32(this.header + 4, (now % 1_000_000) * 1_000);
    }
    v.setUint16(2, inCksum(v, 0, bytes.length));
    const error = this.so.send(bytes, o.dst);
    if (error === ENOBUFS && o.flood) {
      this.intervalUs = FLOOD_BACKOFF_US;
      return;
    }
    if (o.flood && !this.waitsForLast) this.intervalUs = FLOOD_INTERVAL_US;
    if (error !== 0) warn(p, 'sendto', error);
    this.transmitted++;
    this.sentOfSize++;
    if (!o.quiet && o.dots !== null) p.out(o.dots.charAt(this.dot++ % o.dots.length));
  }

  /** Payload behind the time stamp: the pattern, or each byte its own place. */
  private fill(): void {
    const { pattern } = this.o;
    for (let i = TIMESTAMP_BYTES; this.header + i < this.request.length; i++) {
      this.request[this.header + i] = pattern === null ? i & 255 : (pattern[(i - TIMESTAMP_BYTES) % pattern.length] ?? 0);
    }
  }

  /** Takes one packet from the socket; false when there is none. */
  private receiveOne(): boolean {
    const m = this.so.recvPacket();
    if (m === null) return false;
    this.packet(m.view, m.off, m.len);
    m.free();
    return true;
  }

  /** `at` is at an IP header, `len` bytes long in all. */
  private packet(v: DataView, at: number, len: number): void {
    const icmp = at + ip4Hl(v, at);
    const cc = at + len - icmp;
    this.from = ip4Format(ip4Src(v, at));
    this.ttl = ip4Ttl(v, at);
    const text = this.message(v, icmp, cc, len);
    if (text === '') return;
    const lines = this.o.dots === null;
    this.p.out(`${text}${this.optionsText.text(v, at + IP4_HDR_LEN, icmp, lines)}${lines ? '\n' : ''}`);
  }

  private message(v: DataView, icmp: number, cc: number, len: number): string {
    if (cc < ICMP_MINLEN) return this.tooShort('packet', len);
    return icmp4Type(v, icmp) === REPLY[this.o.mode] ? this.answer(v, icmp, cc, len) : this.error(v, icmp, cc);
  }

  private tooShort(what: string, bytes: number): '' {
    if (this.o.verbose) warnx(this.p, `${what} too short (${bytes} bytes) from ${this.from}`);
    return '';
  }

  /** Counts an answer; what to print of it. */
  private answer(v: DataView, icmp: number, cc: number, len: number): string {
    const { o } = this;
    if (icmp4Id(v, icmp) !== this.ident) return '';
    const seq = icmp4Seq(v, icmp);
    const timed = cc - this.header >= TIMESTAMP_BYTES && this.size >= TIMESTAMP_BYTES;
    const ms = timed ? this.times.add(this.roundTripMs(v, icmp + this.header)) : 0;
    const duplicate = this.seen[seq % DUP_WINDOW] === 1;
    this.seen[seq % DUP_WINDOW] = 1;
    if (duplicate) this.repeats++;
    else this.received++;
    if (o.quiet) return '';
    if (o.waitGiven && ms * 1_000 > o.waitUs) {
      this.late++;
      return '';
    }
    if (o.dots !== null) return '\b';
    const parts = [`${cc} bytes from ${this.from}: icmp_seq=${seq} ttl=${this.ttl}`];
    if (timed) parts.push(` time=${ms.toFixed(3)} ms`);
    if (duplicate) parts.push(' (DUP!)');
    if (o.audible) parts.push(BELL);
    if (o.mode === 'mask' && cc >= this.header) parts.push(` mask=${ip4Format(v.getUint32(icmp + ICMP4_MASK))}`);
    if (o.mode === 'time' && cc >= this.header) {
      const clock = (field: number): string => clockText(v.getUint32(icmp + field));
      parts.push(` tso=${clock(ICMP4_OTIME)} tsr=${clock(ICMP4_RTIME)} tst=${clock(ICMP4_TTIME)}`);
    }
    const wanted = overheadBytes(o) + this.size;
    if (len !== wanted) parts.push(`\nwrong total length ${len} instead of ${wanted}`);
    parts.push(this.difference(v, icmp, cc, timed ? TIMESTAMP_BYTES : 0));
    return parts.join('');
  }

  private roundTripMs(v: DataView, stamp: number): number {
    const sentUs = v.getUint32(stamp) * 1_000_000 + Math.floor(v.getUint32(stamp + 4) / 1_000);
    const ms = (this.p.now() - sentUs) / 1_000;
    if (ms < 0) warnx(this.p, `time of day goes back (${ms.toFixed(3)} ms), clamping time to 0`);
    return Math.max(0, ms);
  }

  /** The first payload byte from `from` on that did not come back as it was sent; '' when all did. */
  private difference(v: DataView, icmp: number, cc: number, from: number): string {
    const end = Math.min(this.size, cc - this.header);
    const sent = (i: number): number => this.request[this.header + i] ?? 0;
    const got = (i: number): number => v.getUint8(icmp + this.header + i);
    for (let i = from; i < end; i++) {
      if (got(i) === sent(i)) continue;
      return `\nwrong data byte #${i} should be 0x${sent(i).toString(16)} but was 0x${got(i).toString(16)}\ncp:${dump(end, got)}\ndp:${dump(this.size, sent)}`;
    }
    return '';
  }

  /** An ICMP error: shown when it is about one of our requests, or all of them with -v. */
  private error(v: DataView, icmp: number, cc: number): string {
    const { o } = this;
    const quoted = icmp + ICMP4_DATA;
    const left = cc - ICMP4_DATA;
    if (left < IP4_HDR_LEN + ICMP_MINLEN) return this.tooShort('quoted data', left);
    const inner = quoted + ip4Hl(v, quoted);
    if (inner < quoted + IP4_HDR_LEN) return this.tooShort('inner IHL', inner - quoted);
    if (inner + ICMP_MINLEN > icmp + cc) return this.tooShort('inner packet', left);
    const ours = ip4Dst(v, quoted) === o.dst && ip4P(v, quoted) === IPPROTO_ICMP && icmp4Type(v, inner) === ICMP_ECHO && icmp4Id(v, inner) === this.ident;
    if (!o.verbose && (o.quietErrors || !ours)) return '';
    return `${cc} bytes from ${this.from}: ${icmpText(v, icmp)}`;
  }

  private printIntro(): void {
    const { o, p } = this;
    if (!o.quiet && o.mode !== 'echo') p.out(o.mode === 'mask' ? 'ICMP_MASKREQ\n' : 'ICMP_TSTAMP\n');
    if (!o.quiet && o.pattern !== null) p.out(`PATTERN: 0x${o.pattern.map((b) => b.toString(16).padStart(2, '0')).join('')}\n`);
    const from = o.sourceText === null ? '' : ` from ${o.sourceText}`;
    const sizes = o.sweepMax > 0 ? `(${o.sweepMin} ... ${o.sweepMax})` : String(o.size);
    p.out(`PING ${o.host} (${ip4Format(o.dst)})${from}: ${sizes} data bytes\n`);
  }

  private summary(): string {
    const { transmitted, received } = this;
    const parts = [`\n--- ${this.o.host} ping statistics ---\n${transmitted} packets transmitted, ${received} packets received, `];
    if (this.repeats > 0) parts.push(`+${this.repeats} duplicates, `);
    if (received > transmitted) parts.push("-- somebody's duplicating packets!");
    else if (transmitted > 0) parts.push(`${(((transmitted - received) * 100) / transmitted).toFixed(1)}% packet loss`);
    if (this.late > 0) parts.push(`, ${this.late} packets out of wait time`);
    parts.push('\n');
    if (received > 0) parts.push(this.times.line());
    return parts.join('');
  }
}

/** Sixteen bytes a line, broken in the middle of each, as ping shows what differs. */
function dump(n: number, byteAt: (i: number) => number): string {
  let out = '';
  for (let i = 0; i < n; i++) out += `${i % 16 === 8 ? '\n\t' : ''} ${byteAt(i).toString(16).padStart(2)}`;
  return out;
}

/** Milliseconds since midnight as hh:mm:ss. */
function clockText(ms: number): string {
  const s = Math.floor(ms / 1_000);
  return [s / 3_600, (s % 3_600) / 60, s % 60].map((n) => String(Math.floor(n)).padStart(2, '0')).join(':');
}
