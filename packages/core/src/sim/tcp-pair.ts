/**
 * tcp-pair.ts — two vnets, a link whose segments a test may drop, delay or mark, and one connection over it; for tests of loss recovery.
 */
import type { Errno } from '../base/errno.js';
import { EINPROGRESS } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip4 } from './craft.js';
import { SimNet } from './sim-net.js';
import type { SimLinkEnd, SimLinkOptions } from './sim-link.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import type { Vnet } from '../vnet/vnet.js';
import { IP4_HDR_LEN } from '../wire/ip4.js';
import { IPPROTO_TCP } from '../wire/ipproto.js';
import { tcpAck, tcpFlags, tcpOff, tcpSeq } from '../wire/tcp.js';
import { checkTcpCb } from '../tcp/tcpcb.js';

const ETHER_HDR_LEN = 14;

/** A segment on its way, numbers relative to the beginning. */
export interface SegmentOnWire {
  /** How many segments with data this direction has carried before this one, retransmissions among them. */
  readonly nth: number;
  readonly seq: number;
  readonly ack: number;
  readonly len: number;
  readonly flags: number;
  /** Has this sequence number been on the wire before? */
  readonly again: boolean;
}

/** What becomes of a segment: it passes, is dropped, or comes so many µs late; with 'ce', marked. */
export type Fate = (s: SegmentOnWire) => 'pass' | 'drop' | 'ce' | number;

export interface PairOptions extends SimLinkOptions {
  readonly seed?: number;
  /** Sysctls of both ends, below net.inet.tcp. */
  readonly sysctl?: Record<string, number | string>;
}

export class Pair {
  readonly net: SimNet;
  readonly a: Vnet;
  readonly b: Vnet;
  readonly ends: readonly [SimLinkEnd, SimLinkEnd];
  readonly client: StreamSocket;
  server!: StreamSocket;
  /** Fates of what a sends to b, and b to a. */
  data: Fate = () => 'pass';
  acks: Fate = () => 'pass';
  /** What a sent: `seq:end`, with `*` for what had been sent before, and when, in ms since the first. */
  readonly trace: string[] = [];

  constructor(options: PairOptions = {}) {
    this.net = new SimNet(options.seed ?? 1);
    const { net } = this;
    this.a = net.vnet('a');
    this.b = net.vnet('b');
    this.ends = net.link(this.a, this.b, { delayUs: 10_000, ...options });
    net.addr(this.a, this.ends[0].ifp, '192.0.2.1/24');
    net.addr(this.b, this.ends[1].ifp, '192.0.2.2/24');
    for (const [name, value] of Object.entries(options.sysctl ?? {})) {
      for (const v of [this.a, this.b]) {
        const error = v.kern.sysctl.set(`net.inet.tcp.${name}`, value);
        if (error !== 0) throw new Error(`net.inet.tcp.${name}=${value}: errno ${error}`);
      }
    }
    net.run(2_000_000);
    this.intercept(0, (s) => this.data(s));
    this.intercept(1, (s) => this.acks(s));
    this.client = this.net.stream(this.a);
  }

  /** Makes the connection. */
  connect(): this {
    const { net } = this;
    net.kernel.call(net.now, () => {
      const listener = this.net.stream(this.b);
      listener.bind(0, 5001);
      listener.listen(5);
      listener.onReadable = () => {
        this.server = listener.accept() ?? this.server;
      };
      const error: Errno = this.client.connect(ip4('192.0.2.2'), 5001);
      if (error !== EINPROGRESS) throw new Error(`connect: errno ${error}`);
    });
    for (let tries = 0; this.server === undefined && tries < 60; tries++) net.run(500_000);
    this.trace.length = 0;
    return this;
  }

  private intercept(side: 0 | 1, fate: Fate): void {
    const end = this.ends[side];
    const pass = end.transmit.bind(end);
    const seen = new Set<number>();
    let nth = 0;
    let isn = 0;
    let irs = 0;
    const first = { us: -1 };
    end.transmit = (ifp: Ifnet, m: PacketBuffer): Errno => {
      const ip = m.off + ETHER_HDR_LEN;
      const v = m.view;
      if (m.len < ETHER_HDR_LEN + IP4_HDR_LEN + 20 || v.getUint16(m.off + 12) !== 0x0800 || v.getUint8(ip + 9) !== IPPROTO_TCP) return pass(ifp, m);
      const th = ip + IP4_HDR_LEN;
      const flags = tcpFlags(v, th);
      if ((flags & 2) !== 0) {
        isn = tcpSeq(v, th);
        seen.clear();
      }
      if (irs === 0 && (flags & 0x10) !== 0) irs = (tcpAck(v, th) - 1) >>> 0;
      const len = v.getUint16(ip + 2) - IP4_HDR_LEN - tcpOff(v, th);
      const seq = (tcpSeq(v, th) - isn - 1) | 0;
      const again = seen.has(seq);
      if (len > 0) {
        seen.add(seq);
        if (side === 0) {
          if (first.us < 0 || this.trace.length === 0) first.us = this.net.now;
          this.trace.push(`${((this.net.now - first.us) / 1000).toFixed(1)} ${seq}:${seq + len}${again ? '*' : ''}`);
        }
      }
      const what = fate({ nth: len > 0 ? nth++ : nth, seq, ack: (tcpAck(v, th) - irs - 1) | 0, len, flags, again });
      if (what === 'drop') {
        m.free();
        return 0;
      }
      if (what === 'ce') this.mark(m, ip);
      if (typeof what === 'number') {
        this.net.kernel.engine.calloutReset(this.later(ifp, m, pass), what);
        return 0;
      }
      return pass(ifp, m);
    };
  }

  private later(ifp: Ifnet, m: PacketBuffer, pass: (ifp: Ifnet, m: PacketBuffer) => Errno): Callout {
    return new Callout(this.a.kern, () => {
      pass(ifp, m);
    });
  }

  private mark(m: PacketBuffer, ip: number): void {
    const v = m.view;
    const before = v.getUint16(ip);
    if ((before & 3) === 0) return;
    v.setUint8(ip + 1, v.getUint8(ip + 1) | 3);
    const after = v.getUint16(ip);
    const sum = (~v.getUint16(ip + 10) & 0xffff) + (~before & 0xffff) + after;
    v.setUint16(ip + 10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  }

  /** The client writes `n` bytes of a pattern, the server reads; runs until all has arrived or `us` have passed. Answers the time it took, µs; -1: not all. */
  transfer(n: number, us: Micros = 600_000_000): Micros {
    const { net, client, server } = this;
    const begun = net.now;
    let written = 0;
    let read = 0;
    let done = -1;
    const into = new Uint8Array(65_536);
    const write = (): void => {
      while (written < n) {
        const took = client.send(pattern(written, Math.min(65_536, n - written)));
        if (took <= 0) return;
        written += took;
      }
    };
    server.onReadable = () => {
      for (let got = server.recv(into); got > 0; got = server.recv(into)) {
        for (let i = 0; i < got; i++) if (into[i] !== byteAt(read + i)) throw new Error(`byte ${read + i} is wrong (seed ${net.seed})`);
        read += got;
      }
      if (read === n && done < 0) done = net.now - begun;
    };
    client.onWritable = write;
    net.kernel.call(net.now, write);
    const until = net.now + us;
    while (done < 0 && net.kernel.nextDeadline() <= until && net.step()) this.check();
    return done;
  }

  /** Time passes, and the invariants hold. */
  run(us: Micros): this {
    const until = this.net.now + us;
    while (this.net.kernel.nextDeadline() <= until && this.net.step()) this.check();
    this.net.run(until - this.net.now);
    return this;
  }

  check(): void {
    checkTcpCb(this.client.tp);
    checkTcpCb(this.server.tp);
  }

  /** Counters of the sender that are not zero, of those named. */
  counters(...names: string[]): Record<string, number> {
    const stats: Record<string, number> = { ...this.a.tcp.stats };
    return Object.fromEntries(names.map((name) => [name, stats[name] ?? -1]));
  }
}

const byteAt = (at: number): number => (at * 7 + (at >> 8)) & 0xff;

function pattern(from: number, n: number): Uint8Array {
  const bytes = new Uint8Array(n);
  for (let i = 0; i < n; i++) bytes[i] = byteAt(from + i);
  return bytes;
}
