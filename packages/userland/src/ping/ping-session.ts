/**
 * ping-session.ts — one run of ping: send, receive, count, print.
 * Read first: ping(8); RFC 792.
 *
 * Theory of operation. Requests go out on a schedule (`-i`, or as soon as the answer is here with `-f`); a raw socket brings
 * every ICMP message the stack does not answer itself, and those that are ours are matched by identifier and sequence number.
 * Times are the host loop's: the request carries its send time, and the reply carries it back. The run ends when all requests
 * are answered, when the last one has had its time, at the `-t` limit, or on INT.
 *
 * Invariant: a reply counts once; the same sequence number again is a duplicate.
 */
import type { RecvInfo, Socket } from '@netloom/core';
import { EHOSTDOWN, EHOSTUNREACH, strerror } from '@netloom/core';
import {
  ICMP_ECHO, ICMP_ECHOREPLY, ICMP_MASKREPLY, ICMP_MASKREQ, ICMP_TSTAMP, ICMP_TSTAMPREPLY, inCksum, ip4Format, ip4Hl,
} from '@netloom/core/wire';
import type { Proc } from '../proc.js';
import { icmpText, quotedHeaderText } from './icmp-text.js';
import type { PingOptions } from './ping-options.js';

const ICMP_HDR = 8;
/** Bytes of the request's payload that hold its send time. */
const TIMESTAMP_BYTES = 8;
const DUP_TABLE = 65_536;
/** A flood sends at least this often. */
const FLOOD_INTERVAL_US = 10_000;

const REQUEST = { echo: ICMP_ECHO, mask: ICMP_MASKREQ, time: ICMP_TSTAMP } as const;
const REPLY = { echo: ICMP_ECHOREPLY, mask: ICMP_MASKREPLY, time: ICMP_TSTAMPREPLY } as const;

export class PingSession {
  private readonly p: Proc;
  private readonly o: PingOptions;
  private readonly so: Socket;
  private readonly dst: number;
  private readonly ident: number;
  private readonly seen = new Uint8Array(DUP_TABLE);
  private readonly info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  private readonly header: number;
  private size: number;
  private transmitted = 0;
  private received = 0;
  private repeats = 0;
  private missed = 0;
  private timedOut = 0;
  private dot = 0;
  private interrupted = false;
  private sendErrors = 0;
  private min = Number.POSITIVE_INFINITY;
  private max = 0;
  private sum = 0;
  private sumSquares = 0;

  constructor(p: Proc, o: PingOptions, so: Socket, dst: number) {
    this.p = p;
    this.o = o;
    this.so = so;
    this.dst = dst;
    this.ident = p.pid & 0xffff;
    this.size = o.size;
    this.header = ICMP_HDR + (o.mode === 'mask' ? 4 : o.mode === 'time' ? 12 : 0);
  }

  /** The exit code: 0 when anything was received, 2 when nothing was. */
  async run(): Promise<number> {
    const { p, o, so } = this;
    so.onReadable = () => p.wake();
    p.onSignal((signal) => this.signal(signal));
    this.printIntro();
    const started = p.now();
    const stopAt = o.timeoutUs > 0 ? started + o.timeoutUs : Number.POSITIVE_INFINITY;
    for (let i = 0; i < o.preload && !this.allSent(); i++) this.send();
    if (!this.allSent()) this.send();
    let nextAt = p.now() + this.interval();
    let lastAt = p.now();
    while (!this.interrupted) {
      this.receiveAll();
      if (this.done()) break;
      const now = p.now();
      if (now >= stopAt) break;
      if (this.allSent()) {
        if (now >= lastAt + this.lastWait()) break;
        await this.pause(Math.min(lastAt + this.lastWait(), stopAt) - now);
        continue;
      }
      if (now >= nextAt || (o.flood && this.received >= this.transmitted)) {
        this.send();
        this.noteMissed();
        lastAt = now;
        nextAt = now + this.interval();
        if (o.flood) await p.flush();
        continue;
      }
      await this.pause(Math.min(nextAt, stopAt) - now);
    }
    this.receiveAll();
    this.printSummary();
    return this.received > 0 ? 0 : 2;
  }

  private async pause(us: number): Promise<void> {
    await this.p.flush();
    await this.p.sleepUs(Math.max(us, 0));
  }

  private signal(signal: string): boolean {
    if (signal === 'INT' || signal === 'TERM') {
      this.interrupted = true;
      this.p.wake();
      return true;
    }
    if (signal !== 'INFO') return false;
    this.p.err(`${this.received}/${this.transmitted} packets received (${percent(this.received, this.transmitted)}%)${this.timings(' min / avg / max', '/')}\n`);
    return true;
  }

  private interval(): number {
    return this.o.flood ? FLOOD_INTERVAL_US : this.o.intervalUs;
  }

  /** How long the last request may stay unanswered: -W, or twice the slowest answer, at least a second. */
  private lastWait(): number {
    if (this.o.waitGiven) return this.o.waitUs;
    return this.received > 0 ? Math.max(2 * this.max * 1_000, 1_000_000) : this.o.waitUs;
  }

  private allSent(): boolean {
    if (this.o.count > 0 && this.transmitted >= this.o.count) return true;
    return this.o.sweepMax > 0 && this.o.count === 0 && this.size > this.o.sweepMax;
  }

  private done(): boolean {
    if (this.o.once && this.received > 0) return true;
    return this.allSent() && this.received >= this.transmitted - this.sendErrors && this.sendErrors < this.transmitted && this.received > 0;
  }

  private noteMissed(): void {
    const missing = this.transmitted - 1 - this.received;
    if (missing <= this.missed) return;
    this.missed = missing;
    if (this.o.missed) this.p.out('\x07');
  }

  private send(): void {
    const { o } = this;
    const payload = this.size;
    const bytes = new Uint8Array(this.header + payload);
    const v = new DataView(bytes.buffer);
    this.fill(bytes.subarray(this.header));
    const seq = this.transmitted & 0xffff;
    this.seen[seq] = 0;
    v.setUint8(0, REQUEST[o.mode]);
    v.setUint16(4, this.ident);
    v.setUint16(6, seq);
    const now = this.p.now();
    if (o.mode === 'time') v.setUint32(8, Math.floor(this.p.wallUs() / 1_000) % 86_400_000);
    if (payload >= TIMESTAMP_BYTES) {
      v.setUint32(this.header, Math.floor(now / 1_000_000));
      v.setUint32(this.header + 4, (now % 1_000_000) * 1_000);
    }
    v.setUint16(2, inCksum(v, 0, bytes.length));
    const error = this.so.send(bytes, this.dst);
    this.transmitted++;
    if (error !== 0 && error !== EHOSTDOWN) this.p.err(`ping: sendto: ${strerror(error)}\n`);
    else if (error === EHOSTDOWN) this.p.err(`ping: sendto: ${strerror(error)}\n`);
    if (error !== 0 && error !== EHOSTUNREACH) this.sendErrors += error === EHOSTDOWN ? 0 : 1;
    if (!o.quiet && o.dots !== null) this.p.out(o.dots.charAt(this.dot++ % Math.max(o.dots.length, 1)));
    if (o.sweepMax > 0) this.size += o.sweepIncr;
  }

  private fill(payload: Uint8Array): void {
    const { pattern } = this.o;
    for (let i = 0; i < payload.length; i++) payload[i] = pattern === null ? i & 255 : (pattern[(i + pattern.length - (TIMESTAMP_BYTES % pattern.length)) % pattern.length] ?? 0);
  }

  private receiveAll(): void {
    for (let m = this.so.recvPacket(); m !== null; m = this.so.recvPacket()) {
      this.so.describe(m, this.info);
      this.reply(m.view, m.off, m.len);
      m.free();
    }
  }

  /** One packet from the raw socket: `at` is at its IP header. */
  private reply(v: DataView, at: number, len: number): void {
    const hlen = ip4Hl(v, at);
    const icmp = at + hlen;
    const cc = len - hlen;
    if (cc < ICMP_HDR) {
      if (this.o.verbose) this.p.err(`ping: packet too short (${len} bytes) from ${ip4Format(this.info.addr)}\n`);
      return;
    }
    if (v.getUint8(icmp) === REPLY[this.o.mode]) this.answer(v, at, icmp, cc);
    else this.error(v, icmp, cc);
  }

  private answer(v: DataView, at: number, icmp: number, cc: number): void {
    const { o, p } = this;
    if (v.getUint16(icmp + 4) !== this.ident) return;
    const seq = v.getUint16(icmp + 6);
    this.received++;
    const timed = cc - this.header >= TIMESTAMP_BYTES;
    const ms = timed ? this.time(v, icmp + this.header) : 0;
    const duplicate = this.seen[seq] === 1;
    if (duplicate) {
      this.repeats++;
      this.received--;
    }
    this.seen[seq] = 1;
    if (o.quiet) return;
    if (o.waitGiven && ms * 1_000 > o.waitUs) {
      this.timedOut++;
      return;
    }
    if (o.dots !== null) {
      p.out('\b');
      return;
    }
    const parts = [`${cc} bytes from ${ip4Format(this.info.addr)}: icmp_seq=${seq} ttl=${this.info.ttl}`];
    if (timed) parts.push(` time=${ms.toFixed(3)} ms`);
    if (duplicate) parts.push(' (DUP!)');
    if (o.audible) parts.push('\x07');
    if (o.mode === 'mask') parts.push(` mask=${ip4Format(v.getUint32(icmp + 8))}`);
    if (o.mode === 'time') parts.push(` tso=${clock(v.getUint32(icmp + 8))} tsr=${clock(v.getUint32(icmp + 12))} tst=${clock(v.getUint32(icmp + 16))}`);
    p.out(`${parts.join('')}${routeText(v, at + 20, icmp)}\n`);
  }

  private time(v: DataView, stamp: number): number {
    const sent = v.getUint32(stamp) * 1_000_000 + Math.floor(v.getUint32(stamp + 4) / 1_000);
    const ms = Math.max(0, (this.p.now() - sent) / 1_000);
    this.sum += ms;
    this.sumSquares += ms * ms;
    this.min = Math.min(this.min, ms);
    this.max = Math.max(this.max, ms);
    return ms;
  }

  private error(v: DataView, icmp: number, cc: number): void {
    const quoted = icmp + ICMP_HDR;
    if (cc < ICMP_HDR + 20 + ICMP_HDR) return;
    const inner = quoted + ip4Hl(v, quoted);
    if (inner + ICMP_HDR > icmp + cc) return;
    const ours = v.getUint32(quoted + 16) === this.dst && v.getUint8(quoted + 9) === 1 && v.getUint8(inner) === ICMP_ECHO && v.getUint16(inner + 4) === this.ident;
    if (!this.o.verbose && (this.o.quietErrors || !ours)) return;
    this.p.out(`${cc} bytes from ${ip4Format(this.info.addr)}: ${icmpText(v, icmp)}\n${quotedHeaderText(v, quoted)}\n`);
  }

  private printIntro(): void {
    const { o, p } = this;
    if (o.pattern !== null && !o.quiet) p.out(`PATTERN: 0x${o.pattern.map((b) => b.toString(16).padStart(2, '0')).join('')}\n`);
    const addr = ip4Format(this.dst);
    const from = o.source === null ? '' : ` from ${o.source}`;
    if (o.sweepMax > 0) p.out(`PING ${o.host} (${addr})${from}: (${o.sweepMin} ... ${o.sweepMax}) data bytes\n`);
    else p.out(`PING ${o.host} (${addr})${from}: ${o.size} data bytes\n`);
  }

  private printSummary(): void {
    const { p, o } = this;
    const lines = [`\n--- ${o.host} ping statistics ---\n${this.transmitted} packets transmitted, ${this.received} packets received, `];
    if (this.repeats > 0) lines.push(`+${this.repeats} duplicates, `);
    if (this.transmitted > 0) {
      if (this.received > this.transmitted) lines.push('-- somebody is printing forged packets!');
      else lines.push(`${percent(this.transmitted - this.received, this.transmitted)}% packet loss`);
    }
    if (this.timedOut > 0) lines.push(`, ${this.timedOut} packets out of wait time`);
    p.out(`${lines.join('')}\n${this.timings('round-trip min/avg/max/stddev =', '/')}`);
  }

  private timings(label: string, separator: string): string {
    const n = this.received + this.repeats;
    if (n === 0 || this.min === Number.POSITIVE_INFINITY) return '';
    const avg = this.sum / n;
    const stddev = Math.sqrt(Math.max(0, this.sumSquares / n - avg * avg));
    return `${label} ${[this.min, avg, this.max, stddev].map((x) => x.toFixed(3)).join(separator)} ms\n`;
  }
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '0.0' : ((part * 100) / whole).toFixed(1);
}

/** Milliseconds since midnight as hh:mm:ss. */
function clock(ms: number): string {
  const s = Math.floor(ms / 1_000);
  return [s / 3_600, (s % 3_600) / 60, s % 60].map((n) => String(Math.floor(n)).padStart(2, '0')).join(':');
}

/** The addresses a record-route option collected. */
function routeText(v: DataView, from: number, to: number): string {
  for (let at = from; at < to; ) {
    const type = v.getUint8(at);
    if (type === 0) break;
    if (type === 1) {
      at++;
      continue;
    }
    const len = at + 1 < to ? v.getUint8(at + 1) : 0;
    if (len < 2) break;
    if (type === 7 && len >= 3) {
      const end = Math.min(at + v.getUint8(at + 2) - 1, at + len, to);
      const hops: string[] = [];
      for (let k = at + 3; k + 4 <= end; k += 4) hops.push(ip4Format(v.getUint32(k)));
      return `\nRR: \t${hops.join('\n\t')}`;
    }
    at += len;
  }
  return '';
}
