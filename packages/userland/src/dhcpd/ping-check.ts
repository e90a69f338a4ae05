/**
 * ping-check.ts — addresses that are tried before they are offered: who answers has one already.
 * Read first: dhcpd.conf(5), ping-check; RFC 2131 §3.1, item 2.
 *
 * Each address gets one echo request and a second to answer it; the offer waits for that. Of more than PENDING_MAX at a time the rest is offered untried.
 */
import { EAGAIN, PF_INET, SOCK_RAW } from '@netloom/core';
import type { RecvInfo, Socket } from '@netloom/core';
import { ICMP_ECHO, ICMP_ECHOREPLY, IPPROTO_ICMP, inCksum } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import type { Proc } from '../proc.js';
import type { Lease } from './lease-table.js';

const PENDING_MAX = 256;
const US_PER_SEC = 1_000_000;
const ECHO_LEN = 8;
const PACKET_MAX = 2_048;

interface Pending {
  readonly lease: Lease;
  readonly untilUs: number;
  readonly send: () => void;
}

/** Told of each address that was tried: may it be offered? */
export type PingVerdict = (ok: boolean, lease: Lease, send: () => void) => void;

export class PingCheck {
  private readonly p: Proc;
  private readonly pending = new Map<number, Pending>();
  private readonly buffer = new Uint8Array(PACKET_MAX);
  private so: Socket | null = null;

  constructor(p: Proc) {
    this.p = p;
    p.atExit(() => this.so?.close());
  }

  /** Tries the address of `lease`; false: it cannot be tried. A client that asks again meanwhile waits on. */
  start(lease: Lease, seconds: number, send: () => void): boolean {
    if (this.pending.has(lease.addr)) return true;
    const so = this.socket();
    if (so === null || this.pending.size >= PENDING_MAX) return false;
    const echo = new Uint8Array(ECHO_LEN);
    const view = new DataView(echo.buffer);
    view.setUint8(0, ICMP_ECHO);
    view.setUint16(4, this.p.pid & 0xffff);
    view.setUint16(2, inCksum(view, 0, ECHO_LEN));
    if (so.send(echo, lease.addr, 0) !== 0) return false;
    this.pending.set(lease.addr, { lease, untilUs: this.p.now() + seconds * US_PER_SEC, send });
    return true;
  }

  /** Takes answers and looks at the clock; says when to look again. */
  round(verdict: PingVerdict): number {
    const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
    for (;;) {
      const n = this.so?.recv(this.buffer, info) ?? -EAGAIN;
      if (n === -EAGAIN || this.so?.closed === true) break;
      const waiting = n < 0 ? undefined : this.pending.get(info.addr);
      if (waiting === undefined || !this.isReply(n)) continue;
      this.pending.delete(info.addr);
      verdict(false, waiting.lease, waiting.send);
    }
    const now = this.p.now();
    for (const [addr, waiting] of this.pending) {
      if (waiting.untilUs > now) continue;
      this.pending.delete(addr);
      verdict(true, waiting.lease, waiting.send);
    }
    return Math.min(Infinity, ...[...this.pending.values()].map((w) => w.untilUs));
  }

  /** A raw socket is given the IP header, too. */
  private isReply(n: number): boolean {
    const at = ((this.buffer[0] ?? 0) & 15) << 2;
    return n >= at + ECHO_LEN && this.buffer[at] === ICMP_ECHOREPLY;
  }

  private socket(): Socket | null {
    if (this.so === null) {
      this.so = this.p.vnet.sockets.socket(PF_INET, SOCK_RAW, IPPROTO_ICMP, this.p.fib).so;
      if (this.so !== null) openedBy(this.p, this.so).onReadable = () => this.p.wake();
    }
    return this.so;
  }
}
