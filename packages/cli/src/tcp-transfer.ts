/**
 * tcp-transfer.ts — moves bytes over a TCP connection from one vnet to another inside this process, and compares every one that arrives.
 *
 * Theory of operation. Both sockets are the stack's own. The sender gives its socket one block again and again, by reference, until the buffer is full, and
 * goes on when there is room; the receiver takes the packets themselves. Both happen in callbacks, on the packet path; between turns of the host loop this
 * function only looks how far it is. The block's length is a prime number, so bytes that are lost, doubled or out of order do not compare equal to the
 * pattern at their place in the stream.
 *
 * Invariant: the stream has as many bytes as asked for, then the end; a transfer that gets nowhere ends with an error.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { EINPROGRESS, PF_INET, SHUT_WR, SOCK_STREAM, strerror } from '@netloom/core';
import type { StreamSocket, Vnet } from '@netloom/core';
import type { HostLoop } from '@netloom/node';
import { CliError } from './cli-io.js';

const BLOCK = 65_521;
/** As much as a packet may hold and more. */
const PACKET_MAX = 65_536;
/** Nothing arrived for so long: it is given up. */
const STALL_MS = 10_000;

export interface TcpTransferResult {
  readonly bytes: number;
  /** Bytes that are not the ones expected at their place. */
  readonly wrong: number;
  readonly retransmitted: number;
  readonly seconds: number;
}

/** Sends `bytes` from `from` to `to` at `address`:`port`. `progress` is told the bytes received, now and then. */
export async function transferTcp(loop: HostLoop, from: Vnet, to: Vnet, address: number, port: number, bytes: number, progress: (received: number) => void): Promise<TcpTransferResult> {
  const listener = open(to);
  const sender = open(from);
  const pattern = Buffer.from(Uint8Array.from({ length: BLOCK + PACKET_MAX }, (_, i) => (Math.imul(i % BLOCK, 0x9e3779b1) >>> 13) & 255));
  const source = new Source(sender, pattern.subarray(0, BLOCK), bytes);
  const sink = new Sink(listener, pattern);
  const start = performance.now();
  try {
    loop.batch(() => {
      const error = listener.bind(0, port) || listener.listen(1) || sender.connect(address, port);
      if (error !== 0 && error !== EINPROGRESS) throw new CliError(`TCP port ${port}: ${strerror(error)}`);
    });
    for (let seen = 0, moved = start; !sink.ended; await turn()) {
      if (source.error !== 0) throw new CliError(strerror(source.error));
      if (sink.received !== seen) moved = performance.now();
      else if (performance.now() - moved > STALL_MS) throw new CliError(`${sink.received} of ${bytes} bytes, then nothing for ${STALL_MS / 1000} s`);
      seen = sink.received;
      progress(seen);
    }
    progress(sink.received);
    return { bytes: sink.received, wrong: sink.wrong, retransmitted: sender.info().rexmits, seconds: (performance.now() - start) / 1000 };
  } finally {
    loop.batch(() => [sender, sink.accepted, listener].forEach((so) => so?.close()));
  }
}

function open(vnet: Vnet): StreamSocket {
  const made = vnet.sockets?.socket(PF_INET, SOCK_STREAM, 0);
  if (made === undefined || made.so === null) throw new CliError(`no TCP socket in vnet "${vnet.name}": ${strerror(made?.error ?? 0)}`);
  return made.so;
}

/** Sends the block over and over, `left` bytes in all, and the end. */
class Source {
  error = 0;
  private readonly socket: StreamSocket;
  private readonly block: Uint8Array;
  private left: number;

  constructor(socket: StreamSocket, block: Uint8Array, left: number) {
    this.socket = socket;
    this.block = block;
    this.left = left;
    socket.onWritable = () => this.fill();
    socket.onReadable = () => {
      this.error ||= socket.getsockopt('SO_ERROR') ?? 0;
    };
  }

  private fill(): void {
    while (this.left > 0) {
      const n = this.socket.sendOwned(this.left < BLOCK ? this.block.subarray(0, this.left) : this.block);
      if (n < 0) return;
      this.left -= n;
      if (this.left === 0) this.socket.shutdown(SHUT_WR);
    }
  }
}

/** Accepts, receives, compares. */
class Sink {
  accepted: StreamSocket | null = null;
  received = 0;
  wrong = 0;
  ended = false;
  private readonly pattern: Buffer;

  constructor(listener: StreamSocket, pattern: Buffer) {
    this.pattern = pattern;
    listener.onReadable = () => {
      const so = (this.accepted ??= listener.accept());
      if (so === null) return;
      so.onReadable = () => this.drain(so);
      this.drain(so);
    };
  }

  private drain(so: StreamSocket): void {
    for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
      const at = this.received % BLOCK;
      if (this.pattern.compare(m.buf, m.off, m.off + m.len, at, at + m.len) !== 0) this.wrong += m.len;
      this.received += m.len;
      m.free();
    }
    this.ended = so.eof;
  }
}
