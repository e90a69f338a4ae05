/**
 * tcp-pipe.ts — TcpPipe: a connection of the host and one of the stack, and the bytes between them.
 * Read first: core/src/gateway/gateway-host.ts (HostTcp); ../net/vnet-door.ts.
 *
 *     guest ═ stack's socket ── packets as they are, or gathered ──▶ host's socket        no copy for what is large, one for what is small
 *     guest ═ stack's socket ◀── chunks that the host has read into ── host's socket       no copy
 *
 * Theory of operation. Nothing is kept here but what the host is writing at this moment, IN_FLIGHT_MAX bytes at most; so whoever is slow closes the other's
 * window. Toward the host, what the guest's packets carry is written from where it lies, the packets go back to the pool when the host has it; packets with
 * little in them are read together into a buffer, because each write costs as much as copying a few KB. Toward the guest, the host reads into chunks of the stack's
 * send buffers, and a chunk that was filled goes into the buffer as it is; little is copied behind what is there.
 *
 * Ends: the guest's FIN ends the host's writing, the host's end becomes a FIN, each when what was before it has been passed on. A reset of either is a reset
 * of the other.
 *
 * Invariants: packets in `held` are the stack's no more and are freed by the callback of their write, whatever became of it. `finish` runs once.
 * Not here: whether there is to be a connection, and for how long (core/src/gateway/).
 */
import net from 'node:net';
import { EHOSTUNREACH, SHUT_WR } from '@netloom/core';
import type { Chunk, Errno, HostEnd, HostTcp, PacketBuffer, StreamSocket, TcpFlowDoor } from '@netloom/core';
import type { Attendant, VnetDoor } from '../net/vnet-door.js';
import { PacketsOut } from './datagrams-out.js';
import { hostErrno } from './host-errno.js';

/** Bytes given to the host's socket that it has not taken yet. */
const IN_FLIGHT_MAX = 524_288;
/** Bytes written at once. */
const BATCH_BYTES = 262_144;
/** A packet with this much in it is written from where it lies. */
const LARGE_PACKET = 8_192;
/** Of a buffer that small packets are read into. */
const GATHER_BYTES = 65_536;
/** Chunks that the host reads into: the first, and once one has been filled. */
const CHUNK_SMALL = 16_384;
const CHUNK_LARGE = 65_536;

/** Gather buffers kept for the next who needs one. */
const BUFFERS_KEPT = 16;

/** What the pipes of one gateway share. */
export class PipeShop {
  readonly door: VnetDoor;
  readonly out = new PacketsOut();
  private readonly buffers: Buffer[] = [];

  constructor(door: VnetDoor) {
    this.door = door;
  }

  /** A buffer for `bytes` bytes, GATHER_BYTES at most. */
  take(bytes: number): Buffer {
    return bytes * 2 < GATHER_BYTES ? Buffer.allocUnsafe(bytes) : (this.buffers.pop() ?? Buffer.allocUnsafeSlow(GATHER_BYTES));
  }

  /** Nobody needs it any more. */
  give(buffer: Buffer): void {
    if (buffer.length === GATHER_BYTES && this.buffers.length < BUFFERS_KEPT) this.buffers.push(buffer);
  }
}

/** What is written at once. */
interface Batch {
  readonly pieces: Buffer[];
  readonly held: PacketBuffer[];
  readonly gathered: Buffer[];
  bytes: number;
}

export class TcpPipe implements HostTcp, Attendant {
  private readonly shop: PipeShop;
  private readonly door: VnetDoor;
  private flow: TcpFlowDoor | null;
  private readonly sock: net.Socket;
  private so: StreamSocket | null = null;
  private chunk: Chunk | null = null;
  private chunkBytes = CHUNK_SMALL;
  private inFlight = 0;
  /** The guest has ended, and the host has been told. */
  private ended = false;
  private error: Errno = 0;
  private finished = false;

  private constructor(shop: PipeShop, flow: TcpFlowDoor | null, make: (pipe: TcpPipe) => net.Socket) {
    this.shop = shop;
    this.door = shop.door;
    this.flow = flow;
    this.sock = make(this);
    this.sock.on('error', (error: NodeJS.ErrnoException) => (this.error = hostErrno(error)));
    this.sock.on('end', () => this.hostEnded());
    this.sock.on('close', (failed) => this.finish(failed));
  }

  /** Connects to `to`; `flow` is told. */
  static connect(shop: PipeShop, flow: TcpFlowDoor, to: HostEnd): TcpPipe {
    const pipe = new TcpPipe(shop, flow, (self) =>
      net.connect({
        host: to.address, port: to.port, family: to.family, allowHalfOpen: true, noDelay: true, autoSelectFamily: false,
        onread: { buffer: () => self.room(), callback: (bytesWritten) => self.received(bytesWritten) },
      }));
    pipe.sock.pause(); // nothing is read before the guest is there
    pipe.sock.once('connect', () => flow.connected());
    return pipe;
  }

  /** For a connection that the host has accepted; `follow` says whose it is. */
  static accepted(shop: PipeShop, sock: net.Socket): TcpPipe {
    const pipe = new TcpPipe(shop, null, () => sock);
    sock.on('data', (data: Buffer) => {
      if (!pipe.receivedOwn(data)) sock.pause();
    });
    sock.pause();
    return pipe;
  }

  follow(flow: TcpFlowDoor): void {
    this.flow = flow;
  }

  /** HostTcp */
  join(so: StreamSocket): void {
    this.so = so;
    so.onReadable = so.onWritable = () => this.door.later(this);
    this.door.later(this);
  }

  /** HostTcp */
  abort(): void {
    this.flow = null;
    this.letGo(true);
    if (this.sock.connecting) this.sock.destroy();
    else this.sock.resetAndDestroy();
  }

  /** Attendant: the stack has something, or takes something. */
  attend(): void {
    const { so } = this;
    if (so === null) return;
    if (so.closed) {
      this.sock.resetAndDestroy(); // its vnet has ended
      return;
    }
    if (so.writable > 0) this.sock.resume();
    this.pump(so);
  }

  // ---- Toward the host

  private pump(so: StreamSocket): void {
    while (this.inFlight < IN_FLIGHT_MAX && so.readable > 0 && !this.sock.destroyed) {
      const batch: Batch = { pieces: [], held: [], gathered: [], bytes: 0 };
      this.door.call(() => collect(so, batch, this.shop));
      if (batch.bytes === 0) break;
      this.write(batch);
    }
    if (!so.eof || so.readable > 0 || this.ended || this.so !== so) return;
    this.ended = true;
    if ((so.getsockopt('SO_ERROR') ?? 0) !== 0) this.sock.resetAndDestroy();
    else this.sock.end();
  }

  private write({ pieces, held, gathered, bytes }: Batch): void {
    const { shop } = this;
    this.inFlight += bytes;
    shop.out.took(held.length);
    const done = (): void => {
      this.inFlight -= bytes;
      for (const m of held) m.free();
      shop.out.gave(held.length);
      for (const buffer of gathered) shop.give(buffer);
      if (this.so !== null) this.pump(this.so);
    };
    const last = pieces.length - 1;
    if (last > 0) this.sock.cork();
    pieces.forEach((piece, i) => (i < last ? this.sock.write(piece) : this.sock.write(piece, done)));
    if (last > 0) this.sock.uncork();
  }

  // ---- Toward the guest

  /** Where the host is to read into. */
  private room(): Uint8Array {
    this.chunk ??= this.door.vnet.kern.engine.chunks.take(this.chunkBytes, false);
    return this.chunk.data;
  }

  /** `n` bytes are in the chunk. False: no more for now. */
  private received(n: number): boolean {
    const { chunk, so } = this;
    if (so === null || chunk === null) return false;
    return this.door.call(() => {
      if (n * 2 < chunk.data.length && n <= so.writable) so.send(chunk.data.subarray(0, n));
      else {
        chunk.end = n;
        this.chunk = null;
        this.chunkBytes = n === chunk.data.length ? CHUNK_LARGE : CHUNK_SMALL;
        if (so.sendChunk(chunk) < 0) this.chunk = chunk;
      }
      return so.writable > 0;
    });
  }

  /** The same for bytes that nobody else has. */
  private receivedOwn(data: Buffer): boolean {
    const { so } = this;
    if (so === null) return false;
    return this.door.call(() => {
      if (data.length * 2 < CHUNK_SMALL && data.length <= so.writable) so.send(data);
      else so.sendOwned(data);
      return so.writable > 0;
    });
  }

  // ---- Ends

  private hostEnded(): void {
    const { so } = this;
    if (so !== null) this.door.call(() => so.shutdown(SHUT_WR));
  }

  /** The host's socket is gone. */
  private finish(failed: boolean): void {
    if (this.finished) return;
    this.finished = true;
    const { flow } = this;
    this.flow = null;
    if (this.so === null) {
      // It never came to be, or the guest is not there yet.
      flow?.failed(this.error || EHOSTUNREACH);
    } else {
      this.letGo(failed || this.error !== 0);
      flow?.ended();
    }
    if (this.chunk !== null) this.door.vnet.kern.engine.chunks.give(this.chunk);
    this.chunk = null;
  }

  private letGo(reset: boolean): void {
    const { so } = this;
    this.so = null;
    if (so === null) return;
    so.onReadable = so.onWritable = null;
    this.door.call(() => {
      if (reset) so.reset();
      else so.close();
    });
  }
}

/** Takes what is to be written at once out of the stack. */
function collect(so: StreamSocket, batch: Batch, shop: PipeShop): void {
  while (batch.bytes < BATCH_BYTES && so.readable > 0) {
    if (so.rcv.headLen >= LARGE_PACKET) {
      const m = so.recvPacket();
      if (m === null) return;
      batch.held.push(m);
      batch.pieces.push(Buffer.from(m.buf.buffer, m.buf.byteOffset + m.off, m.len));
      batch.bytes += m.len;
      continue;
    }
    const into = shop.take(Math.min(so.readable, GATHER_BYTES));
    batch.gathered.push(into);
    const n = so.recv(into);
    if (n <= 0) return;
    batch.pieces.push(n === into.length ? into : into.subarray(0, n));
    batch.bytes += n;
  }
}
