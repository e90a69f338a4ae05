/**
 * script-fd.ts — a descriptor of a script: a socket, how it is used, and how far its streams are.
 *
 * A script names descriptors by the number that it expects from socket() and accept(); which number the process would really get
 * does not matter.
 */
import type { Socket } from '../../socket/socket.js';
import type { StreamSocket } from '../../socket/stream-socket.js';

interface FdBase {
  nonblocking: boolean;
}

export interface StreamFd extends FdBase {
  readonly kind: 'stream';
  readonly so: StreamSocket;
  /** The place in its stream of the next byte that is read, and of the next one that is written. */
  readPlace: number;
  writePlace: number;
}

export interface DatagramFd extends FdBase {
  readonly kind: 'datagram';
  readonly so: Socket;
}

export type ScriptFd = StreamFd | DatagramFd;

export const streamFd = (so: StreamSocket, nonblocking: boolean): StreamFd => ({ kind: 'stream', so, nonblocking, readPlace: 0, writePlace: 0 });

export const datagramFd = (so: Socket, nonblocking: boolean): DatagramFd => ({ kind: 'datagram', so, nonblocking });
