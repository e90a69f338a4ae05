/**
 * datagrams-out.ts — packets of the stack that sockets of the host are sending: PacketsOut counts those of a gateway, DatagramsOut bounds those of one socket.
 * Read first: udp-end.ts and forward-listener.ts, which send.
 *
 * What is on its way is bounded: a guest that sends faster than the host takes loses datagrams, as it would on any wire.
 * Invariant: a packet that was taken is sent or dropped, and freed when the host has all of it.
 */
import type { PacketBuffer } from '@netloom/core';

/** Bytes of datagrams that the host has not taken yet. */
const IN_FLIGHT_MAX = 1_048_576;
/** What the smallest one counts as: it has a packet, too. */
const COST_MIN = 512;

const cost = (m: PacketBuffer): number => Math.max(m.len, COST_MIN);

/** Packets out of the stack that the host is sending for a gateway. */
export class PacketsOut {
  count = 0;
  private none: (() => void) | null = null;

  took(packets = 1): void {
    this.count += packets;
  }

  gave(packets = 1): void {
    this.count -= packets;
    if (this.count > 0) return;
    const { none } = this;
    this.none = null;
    none?.();
  }

  /** Calls `fn` when none is out any more: now, or when the host has given the last one back. */
  whenNone(fn: () => void): void {
    if (this.count === 0) fn();
    else this.none = fn;
  }
}

export class DatagramsOut {
  private readonly out: PacketsOut;
  private bytes = 0;

  constructor(out: PacketsOut) {
    this.out = out;
  }

  /** Takes `m` when there is room, to be sent or dropped. */
  take(m: PacketBuffer): boolean {
    if (this.bytes + cost(m) > IN_FLIGHT_MAX) return false;
    this.bytes += cost(m);
    this.out.took();
    return true;
  }

  /** Frees `m`, which was taken. */
  drop(m: PacketBuffer): void {
    this.bytes -= cost(m);
    m.free();
    this.out.gave();
  }

  /** Sends the datagrams that `m` is, which was taken: the payload of one, or a super-segment of many, from where they lie. */
  send(m: PacketBuffer, send: (piece: Buffer, done: () => void) => void): void {
    const { len } = m;
    const size = m.gsoSize > 0 && m.gsoSize < len ? m.gsoSize : Math.max(len, 1);
    let left = Math.max(1, Math.ceil(len / size));
    const done = (): void => {
      if (--left === 0) this.drop(m);
    };
    const whole = Buffer.from(m.buf.buffer, m.buf.byteOffset + m.off, len);
    if (left === 1) send(whole, done);
    else for (let at = 0; at < len; at += size) send(whole.subarray(at, Math.min(at + size, len)), done);
  }
}
