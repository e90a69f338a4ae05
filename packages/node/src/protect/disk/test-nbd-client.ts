/**
 * test-nbd-client.ts — a client of an NBD server for tests: says what it is told to, well formed or not, and waits for answers.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { SocketBytes } from './socket-bytes.js';

const OPTION_MAGIC = 0x49484156454f5054n;

export interface NbdAnswer {
  readonly error: number;
  readonly handle: bigint;
}

export class NbdTestClient {
  readonly socket: Socket;
  private readonly bytes: SocketBytes;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    this.bytes = new SocketBytes(socket);
  }

  /** Connected, greeted, and its flags are said. */
  static async connect(path: string, flags = 3): Promise<NbdTestClient> {
    const client = new NbdTestClient(connect(path));
    const greeting = await client.take(18);
    if (greeting?.toString('latin1', 0, 16) !== 'NBDMAGICIHAVEOPT' || greeting.readUInt16BE(16) !== 3) throw new Error('that is no NBD server');
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(flags);
    client.send(bytes);
    return client;
  }

  /** The same, and it has the disk. */
  static async go(path: string, name: string): Promise<NbdTestClient> {
    const client = await NbdTestClient.connect(path);
    client.option(7, goData(name));
    for (let reply = -1; reply !== 1;) {
      ({ reply } = await client.optionReply());
      if (reply > 3 || reply < 0) throw new Error(`GO: ${reply}`);
    }
    return client;
  }

  send(...bytes: Uint8Array[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  take(length: number): Promise<Buffer | null> {
    return this.bytes.take(length);
  }

  option(option: number, data: Uint8Array = Buffer.alloc(0)): void {
    const head = Buffer.alloc(16);
    head.writeBigUInt64BE(OPTION_MAGIC);
    head.writeUInt32BE(option, 8);
    head.writeUInt32BE(data.length, 12);
    this.send(head, data);
  }

  /** A reply's type and data; -1 when the server has gone. */
  async optionReply(): Promise<{ readonly reply: number; readonly data: Buffer }> {
    const head = await this.take(20);
    if (head === null) return { reply: -1, data: Buffer.alloc(0) };
    return { reply: head.readUInt32BE(12), data: (await this.take(head.readUInt32BE(16)))! };
  }

  request(type: number, handle: bigint, offset: bigint, length: number, data: Uint8Array = Buffer.alloc(0), flags = 0): void {
    this.send(requestBytes(type, handle, offset, length, flags), data);
  }

  /** The next answer, without data; null when the server has gone. */
  async answer(): Promise<NbdAnswer | null> {
    const head = await this.take(16);
    return head === null ? null : { error: head.readUInt32BE(4), handle: head.readBigUInt64BE(8) };
  }

  end(): void {
    this.socket.destroy();
  }
}

export function goData(name: string): Buffer {
  const data = Buffer.alloc(6 + Buffer.byteLength(name));
  data.writeUInt32BE(Buffer.byteLength(name));
  data.write(name, 4);
  return data;
}

function requestBytes(type: number, handle: bigint, offset: bigint, length: number, flags: number): Buffer {
  const head = Buffer.alloc(28);
  head.writeUInt32BE(0x25609513);
  head.writeUInt16BE(flags, 4);
  head.writeUInt16BE(type, 6);
  head.writeBigUInt64BE(handle, 8);
  head.writeBigUInt64BE(offset, 16);
  head.writeUInt32BE(length, 24);
  return head;
}
