/**
 * gateway-host.ts — what a gateway asks of the host: sockets, in the host's own network.
 * Read first: docs/gateway.md; gateway.ts.
 *
 * Theory of operation. The gateway decides which flows there are, where they lead and when they end; the host has the sockets and moves the bytes. The host
 * is called in the middle of the stack's work: it answers at once, starts what takes time, and says later, through the flow, how it went. Its calls of
 * a flow come from outside the stack, or from a callback of a socket; either may call any flow, also one that has ended meanwhile.
 *
 * Not here: any implementation. packages/node/src/gateway/ has the one of Node.
 */
import type { Errno } from '../base/errno.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { StreamSocket } from '../socket/stream-socket.js';

/** A place in the host's network. */
export interface HostEnd {
  readonly family: 4 | 6;
  /** As text, without a zone. */
  readonly address: string;
  /** 0 for echo requests. */
  readonly port: number;
}

/** A connection, as the host sees it. */
export interface TcpFlowDoor {
  /** The other side has answered. */
  connected(): void;
  /** It has not, or has refused. */
  failed(error: Errno): void;
  /** After `join`: both ends have ended, or one has been broken and the other been told. The host has let go of the stack's socket. */
  ended(): void;
}

/** The host's end of a connection. */
export interface HostTcp {
  /** The stack's end is there as well: bytes pass both ways from now on. Its holder closes `so`. */
  join(so: StreamSocket): void;
  /** Ends it at once, with a reset, joined or not; `so` too, when it has one. Nobody is told. Any number of times. */
  abort(): void;
}

/** Datagrams between two ends, as the host sees them. */
export interface UdpFlowDoor {
  /** A datagram from the other side. */
  input(data: Uint8Array): void;
  /** The other side does not want them, or there is no way to it. */
  failed(error: Errno): void;
}

/** The host's end of a flow of datagrams. */
export interface HostUdp {
  /** Sends the payload `m`: taken when true, the caller's still when false. */
  send(m: PacketBuffer): boolean;
  close(): void;
}

/** Echo requests from one sender to one address, as the host sees them. */
export interface EchoFlowDoor {
  /** An answer: its sequence number, and the data behind it. */
  reply(seq: number, data: Uint8Array): void;
  failed(error: Errno): void;
}

export interface HostEcho {
  /** An echo request with the payload `m`: taken when true. */
  send(seq: number, m: PacketBuffer): boolean;
  close(): void;
}

export interface GatewayHost {
  /** Connects to `to`. */
  connect(flow: TcpFlowDoor, to: HostEnd): HostTcp;
  /** A socket for datagrams to and from `to`. */
  open(flow: UdpFlowDoor, to: HostEnd): HostUdp;
  /** Somewhere to send echo requests from; null: the host does not let this process. */
  ping(flow: EchoFlowDoor, to: HostEnd): HostEcho | null;
  /** The gateway is closed: every flow has been. What listens for it is to be closed, too. */
  closed(): void;
}
