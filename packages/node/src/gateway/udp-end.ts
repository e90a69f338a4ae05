/**
 * udp-end.ts — UdpEnd: a socket of the host for one flow of datagrams.
 * Read first: core/src/gateway/gateway-host.ts (HostUdp); datagrams-out.ts.
 *
 * The socket is connected to the other side, so that nobody else's datagrams come in and ICMP errors come back. Datagrams wait for that for a moment;
 * from then on each is sent from where it lies, and its packet freed when the host has it.
 */
import dgram from 'node:dgram';
import type { HostEnd, HostUdp, PacketBuffer, UdpFlowDoor } from '@netloom/core';
import { DatagramsOut } from './datagrams-out.js';
import type { PacketsOut } from './datagrams-out.js';
import { hostErrno, isOfTheWay } from './host-errno.js';

/** Bytes the host's kernel may keep for us: a burst. */
const RECV_BYTES = 1_048_576;

export class UdpEnd implements HostUdp {
  private readonly sock: dgram.Socket;
  private readonly out: DatagramsOut;
  private readonly flow: UdpFlowDoor;
  /** What waits for the socket to be connected; null once it is, or is closed. */
  private waiting: PacketBuffer[] | null = [];
  private closed = false;

  /** @param fd the socket, when it is there already. */
  constructor(out: PacketsOut, flow: UdpFlowDoor, to: HostEnd, fd?: number) {
    this.out = new DatagramsOut(out);
    this.flow = flow;
    this.sock = dgram.createSocket({ type: to.family === 6 ? 'udp6' : 'udp4', lookup: (address, _options, told) => told(null, address, to.family) });
    this.sock.on('message', (data) => flow.input(data));
    this.sock.on('error', (error: NodeJS.ErrnoException) => this.failed(error));
    this.sock.once('connect', () => this.connected());
    if (fd === undefined) this.sock.connect(to.port, to.address);
    else this.sock.bind({ fd }, () => !this.closed && this.sock.connect(to.port, to.address));
  }

  /** HostUdp */
  send(m: PacketBuffer): boolean {
    if (this.closed || !this.out.take(m)) return false;
    if (this.waiting !== null) this.waiting.push(m);
    else this.transmit(m);
    return true;
  }

  /** HostUdp */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const m of this.waiting ?? []) this.out.drop(m);
    this.waiting = null;
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
    for (const m of waiting ?? []) this.transmit(m);
  }

  private transmit(m: PacketBuffer): void {
    this.out.send(m, (piece, done) =>
      this.sock.send(piece, (error) => {
        if (error !== null && isOfTheWay(error)) this.failed(error);
        done();
      }));
  }

  private failed(error: NodeJS.ErrnoException): void {
    if (!this.closed) this.flow.failed(hostErrno(error));
  }
}
