/**
 * udp-transfer.ts — moves bytes over UDP from one vnet to another inside this process, and checks what arrives.
 *
 * Theory of operation. Both sockets are the stack's own. Datagrams are sent in batches, each one batch of the host loop: sent, carried through
 * bridge and router, received, counted, all in one turn; then the event loop gets its turn. Every datagram carries its number
 * in its first four bytes and a pattern behind it, of which the receiver checks the length, the order and samples.
 *
 * Invariant: a batch is less than any queue on the way holds, so nothing is dropped in a stack that works; what is missing or
 * wrong is counted.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import { PF_INET, SOCK_DGRAM, strerror } from '@netloom/core';
import type { Socket, Vnet } from '@netloom/core';
import type { HostLoop } from '@netloom/node';
import { CliError } from './cli-io.js';

/** Payload that fits an Ethernet frame. */
const PAYLOAD = 1472;
const BATCH = 256;
const SAMPLES = 16;

export interface TransferResult {
  readonly bytes: number;
  readonly datagrams: number;
  readonly received: number;
  /** Datagrams with wrong length, number or contents. */
  readonly wrong: number;
  readonly seconds: number;
}

/** Sends `bytes` from `from` to `to` at `address`:`port`. `progress` is told the bytes received, now and then. */
export async function transferUdp(loop: HostLoop, from: Vnet, to: Vnet, address: number, port: number, bytes: number, progress: (received: number) => void): Promise<TransferResult> {
  const receiver = open(to);
  const sender = open(from);
  const bound = receiver.bind(0, port) || sender.connect(address, port);
  if (bound !== 0) throw new CliError(`UDP port ${port}: ${strerror(bound)}`);
  const pattern = Uint8Array.from({ length: PAYLOAD }, (_, i) => (i * 31 + 7) & 255);
  const sink = new Sink(receiver, pattern);
  const total = Math.ceil(bytes / PAYLOAD);
  const start = performance.now();
  try {
    for (let sent = 0; sent < total; ) {
      const end = Math.min(total, sent + BATCH);
      loop.batch(() => {
        for (; sent < end; sent++) sendOne(sender, pattern, sent);
      });
      progress(sink.received * PAYLOAD);
      await turn();
    }
    // The last ones may be waiting for an address to be resolved.
    for (let i = 0; i < 100 && sink.received < total; i++) await turn();
  } finally {
    sender.close();
    receiver.close();
  }
  return { bytes: sink.received * PAYLOAD, datagrams: total, received: sink.received, wrong: sink.wrong, seconds: (performance.now() - start) / 1000 };
}

function open(vnet: Vnet): Socket {
  const made = vnet.sockets?.socket(PF_INET, SOCK_DGRAM, 0);
  if (made === undefined || made.so === null) throw new CliError(`no UDP socket in vnet "${vnet.name}": ${strerror(made?.error ?? 0)}`);
  return made.so;
}

function sendOne(sender: Socket, pattern: Uint8Array, number: number): void {
  pattern[0] = number >>> 24;
  pattern[1] = number >>> 16;
  pattern[2] = number >>> 8;
  pattern[3] = number;
  sender.send(pattern);
}

/** Receives, checks and counts. */
class Sink {
  received = 0;
  wrong = 0;
  private readonly socket: Socket;
  private readonly pattern: Uint8Array;

  constructor(socket: Socket, pattern: Uint8Array) {
    this.socket = socket;
    this.pattern = pattern;
    socket.onReadable = () => this.drain();
  }

  private drain(): void {
    for (let m = this.socket.recvPacket(); m !== null; m = this.socket.recvPacket()) {
      if (!this.isRight(m.buf, m.off, m.len)) this.wrong++;
      this.received++;
      m.free();
    }
  }

  private isRight(buf: Uint8Array, off: number, len: number): boolean {
    if (len !== PAYLOAD) return false;
    const number = ((buf[off]! << 24) | (buf[off + 1]! << 16) | (buf[off + 2]! << 8) | buf[off + 3]!) >>> 0;
    if (number !== this.received) return false;
    for (let i = 1; i <= SAMPLES; i++) {
      const at = 4 + ((number * 97 + i * 89) % (PAYLOAD - 4));
      if (buf[off + at] !== this.pattern[at]) return false;
    }
    return true;
  }
}
