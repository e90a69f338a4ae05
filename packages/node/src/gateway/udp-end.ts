/**
 * udp-end.ts — UdpEnd: a socket of the host for one flow of datagrams.
 * Read first: core/src/gateway/gateway-host.ts (HostUdp).
 *
 * The socket is connected to the other side, so that nobody else's datagrams come in and ICMP errors come back. Datagrams wait for that for a moment;
 * from then on each is sent from where it lies, and its packet freed when the host has it. What is on its way is bounded in bytes: a guest that sends faster
 * than the host takes loses datagrams, as it would on any wire.
 */
import dgram from 'node:dgram';
import type { HostEnd, HostUdp, PacketBuffer, UdpFlowDoor } from '@netloom/core';
import { hostErrno, isOfTheWay } from './host-errno.js';

/** Bytes of datagrams that the host has not taken yet. */
const IN_FLIGHT_MAX = 1_048_576;
/** Bytes the host's kernel may keep for us: a burst. */
const RECV_BYTES = 1_048_576;

/** Packets out of the stack that sockets are sending; one for each gateway. */
export interface PacketsOut {
  packetsOut: number;
}

/** Sends the datagrams that `m` is, the payload of one or a super-segment of many, and frees it when the host has all. */
export function sendPacket(out: PacketsOut, m: PacketBuffer, send: (piece: Buffer, done: () => void) => void): void {
  const { len } = m;
  const size = m.gsoSize > 0 && m.gsoSize < len ? m.gsoSize : Math.max(len, 1);
  let left = Math.max(1, Math.ceil(len / size));
  out.packetsOut++;
  const done = (): void => {
    if (--left > 0) return;
    out.packetsOut--;
    m.free();
  };
  const whole = Buffer.from(m.buf.buffer, m.buf.byteOffset + m.off, len);
  if (left === 1) send(whole, done);
  else for (let at = 0; at < len; at += size) send(whole.subarray(at, Math.min(at + size, len)), done);
}

export class UdpEnd implements HostUdp {
  private readonly sock: dgram.Socket;
  private readonly out: PacketsOut;
  private readonly flow: UdpFlowDoor;
  /** What waits for the socket to be connected; null once it is, or is closed. */
  private waiting: PacketBuffer[] | null = [];
  private inFlight = 0;
  private closed = false;

  constructor(out: PacketsOut, flow: UdpFlowDoor, to: HostEnd) {
    this.out = out;
    this.sock = dgram.createSocket({ type: to.family === 6 ? 'udp6' : 'udp4', lookup: (address, _options, told) => told(null, address, to.family) });
    this.sock.on('message', (data) => flow.input(data));
    this.sock.on('error', (error: NodeJS.ErrnoException) => this.failed(error));
    this.flow = flow;
    this.sock.once('connect', () => this.connected());
    this.sock.connect(to.port, to.address);
  }

  /** HostUdp */
  send(m: PacketBuffer): boolean {
    if (this.closed || this.inFlight + m.len > IN_FLIGHT_MAX) return false;
    if (this.waiting !== null) {
      this.inFlight += m.len;
      this.out.packetsOut++;
      this.waiting.push(m);
    } else this.transmit(m);
    return true;
  }

  /** HostUdp */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.dropWaiting();
    this.sock.close();
  }

  private connected(): void {
    const { waiting } = this;
    this.waiting = null;
    if (this.closed) return;
    try {
      this.sock.setRecvBufferSize(RECV_BYTES);
    } catch {
      // The host's limit is smaller; it is a wish.
    }
    for (const m of waiting ?? []) {
      this.inFlight -= m.len;
      this.out.packetsOut--;
      this.transmit(m);
    }
  }

  private transmit(m: PacketBuffer): void {
    sendPacket(this.out, m, (piece, done) => {
      this.inFlight += piece.length;
      this.sock.send(piece, (error) => {
        this.inFlight -= piece.length;
        if (error !== null && isOfTheWay(error)) this.failed(error);
        done();
      });
    });
  }

  private failed(error: NodeJS.ErrnoException): void {
    if (!this.closed) this.flow.failed(hostErrno(error));
  }

  private dropWaiting(): void {
    for (const m of this.waiting ?? []) {
      this.out.packetsOut--;
      m.free();
    }
    this.waiting = null;
  }
}
