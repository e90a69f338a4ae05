/**
 * nbd-connection.ts — class NbdConnection: one client of a disk, from its greeting to its end.
 * Read first: nbd-wire.ts; the NBD project's doc/proto.md; epoch-disk.ts.
 *
 * Theory of operation. Fixed newstyle negotiation: EXPORT_NAME, INFO, GO, LIST and ABORT are answered, every other option is ERR_UNSUP, structured replies among them. Then requests are
 * begun in the order in which they come, and answered when they are done; the disk keeps what overlaps in order. A request begins in the same turn in which its last byte is read, so
 * that after `cut` none begins any more. No more than IN_FLIGHT_MAX requests and IN_FLIGHT_BYTES of data are under way; then nothing is read.
 *
 * The name of the export is NAME, or NAME/WHO: WHO is how the server tells clients of one disk apart.
 *
 * What is malformed, or a write longer than REQUEST_BYTES_MAX, ends the connection. What is merely not possible is answered: EINVAL for what is not on the disk (for writes too, where the
 * protocol prefers ENOSPC: to QEMU that is a host without space, and it would stop the machine), EPERM for writes to what is read-only. TRIM makes zeros, as WRITE_ZEROES does.
 */
import type { Socket } from 'node:net';
import type { EpochDisk } from './epoch-disk.js';
import { DiskError } from './image-file.js';
import * as nbd from './nbd-wire.js';
import type { NbdRequest } from './nbd-wire.js';
import { SocketBytes } from './socket-bytes.js';

export const REQUEST_BYTES_MAX = 32 * 1_048_576;
const BLOCK_BYTES = 4096;
const IN_FLIGHT_MAX = 128;
const IN_FLIGHT_BYTES = 2 * REQUEST_BYTES_MAX;
/** A name has at most 4096 bytes; more than this is no option. */
const OPTION_BYTES_MAX = 8192;
const CLIENT_FLAGS = nbd.HANDSHAKE_FIXED_NEWSTYLE | nbd.HANDSHAKE_NO_ZEROES;

export class NbdConnection {
  /** Who it says it is; null: it has not asked for the disk yet. */
  who: string | null = null;
  /** Resolves when it is gone and nothing of it is under way. */
  readonly ended: Promise<void>;
  private readonly socket: Socket;
  private readonly bytes: SocketBytes;
  private readonly name: string;
  private readonly disk: EpochDisk;
  private readonly inFlight = new Set<Promise<void>>();
  private inFlightBytes = 0;
  private isCut = false;

  constructor(socket: Socket, name: string, disk: EpochDisk) {
    this.socket = socket;
    this.bytes = new SocketBytes(socket);
    this.name = name;
    this.disk = disk;
    socket.on('error', () => undefined); // "close" follows
    this.ended = this.run();
  }

  /** It is gone at once: no request of it begins any more. What has begun is done, and not answered. */
  cut(): void {
    this.isCut = true;
    this.bytes.drop();
    this.socket.destroy();
  }

  private async run(): Promise<void> {
    this.socket.write(nbd.greeting());
    if (await this.negotiate()) await this.transmit();
    await Promise.all(this.inFlight);
    const { socket } = this;
    // What was answered goes out first.
    if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', resolve).end(() => socket.destroy()));
  }

  /** Options until the client has the disk: true, or is to go. */
  private async negotiate(): Promise<boolean> {
    const flags = (await this.bytes.take(4))?.readUInt32BE(0) ?? -1;
    if (flags < 0 || (flags & ~CLIENT_FLAGS) !== 0) return false;
    const padded = (flags & nbd.HANDSHAKE_NO_ZEROES) === 0;
    for (;;) {
      const head = await this.bytes.take(nbd.OPTION_HEAD_BYTES);
      const option = head === null ? null : nbd.parseOptionHead(head);
      if (option === null || option.length > OPTION_BYTES_MAX) return false;
      const data = await this.bytes.take(option.length);
      if (data === null) return false;
      if (option.option === nbd.OPT_EXPORT_NAME) {
        if (!this.asks(data.toString())) return false;
        return this.say(nbd.exportAnswer(this.disk.bytes, this.flags, padded));
      }
      if (option.option === nbd.OPT_ABORT) {
        this.say(nbd.optionReply(nbd.OPT_ABORT, nbd.REP_ACK));
        return false;
      }
      if (this.answerOption(option.option, data)) return true;
    }
  }

  /** Answers an option that has an answer; true when the client has the disk. */
  private answerOption(option: number, data: Buffer): boolean {
    if (option === nbd.OPT_LIST) {
      if (data.length === 0) this.say(nbd.optionReply(option, nbd.REP_SERVER, nbd.optionName(Buffer.from(this.name))));
      this.say(nbd.optionReply(option, data.length === 0 ? nbd.REP_ACK : nbd.REP_ERR_INVALID));
      return false;
    }
    if (option !== nbd.OPT_INFO && option !== nbd.OPT_GO) {
      this.say(nbd.optionReply(option, nbd.REP_ERR_UNSUP));
      return false;
    }
    const name = nameOf(data);
    if (name === null || !this.asks(name)) {
      this.say(nbd.optionReply(option, name === null ? nbd.REP_ERR_INVALID : nbd.REP_ERR_UNKNOWN));
      return false;
    }
    this.say(nbd.optionReply(option, nbd.REP_INFO, nbd.infoExport(this.disk.bytes, this.flags)));
    this.say(nbd.optionReply(option, nbd.REP_INFO, nbd.infoBlockSize(1, BLOCK_BYTES, REQUEST_BYTES_MAX)));
    this.say(nbd.optionReply(option, nbd.REP_ACK));
    return option === nbd.OPT_GO;
  }

  /** Is that the name of the disk? Then it says who is there. */
  private asks(name: string): boolean {
    const isOurs = name === this.name || name.startsWith(`${this.name}/`);
    if (isOurs) this.who = name.slice(this.name.length + 1);
    return isOurs;
  }

  private get flags(): number {
    const common = nbd.FLAG_HAS_FLAGS | nbd.FLAG_SEND_FLUSH | nbd.FLAG_SEND_FUA | nbd.FLAG_CAN_MULTI_CONN;
    return common | (this.disk.readOnly ? nbd.FLAG_READ_ONLY : nbd.FLAG_SEND_TRIM | nbd.FLAG_SEND_WRITE_ZEROES);
  }

  private say(bytes: Uint8Array): true {
    this.socket.write(bytes);
    return true;
  }

  /** Requests until the client goes, or says what it must not. */
  private async transmit(): Promise<void> {
    for (;;) {
      const head = await this.bytes.take(nbd.REQUEST_BYTES);
      const request = head === null ? null : nbd.parseRequest(head);
      if (request === null || request.type === nbd.CMD_DISC) return;
      let data: Buffer | null = null;
      if (request.type === nbd.CMD_WRITE) {
        if (request.length > REQUEST_BYTES_MAX) return;
        data = await this.bytes.take(request.length);
        if (data === null) return;
      }
      if (this.isCut) return;
      this.begin(request, data);
      while (this.inFlight.size >= IN_FLIGHT_MAX || this.inFlightBytes >= IN_FLIGHT_BYTES) await Promise.race(this.inFlight);
    }
  }

  private begin(request: NbdRequest, data: Buffer | null): void {
    const bytes = request.type === nbd.CMD_READ || request.type === nbd.CMD_WRITE ? request.length : 0;
    this.inFlightBytes += bytes;
    const done = this.serve(request, data).finally(() => {
      this.inFlight.delete(done);
      this.inFlightBytes -= bytes;
    });
    this.inFlight.add(done);
  }

  private async serve(request: NbdRequest, data: Buffer | null): Promise<void> {
    let answer: Buffer | null = null;
    let error = 0;
    try {
      answer = await this.work(request, data);
    } catch (failure) {
      error = nbd.NBD_ERRNO[failure instanceof DiskError ? failure.errno : 'EIO'];
    }
    if (this.socket.destroyed) return;
    const { socket } = this;
    socket.cork();
    const heard = new Promise<void>((resolve) => {
      const said = (): void => resolve();
      socket.write(nbd.simpleReply(request.handle, error), answer === null ? said : undefined);
      if (answer !== null) socket.write(answer, said);
    });
    socket.uncork();
    await heard;
  }

  /** Begins what is asked; what a read has read. */
  private async work({ type, flags, offset, length }: NbdRequest, data: Buffer | null): Promise<Buffer | null> {
    const durable = (flags & nbd.CMD_FLAG_FUA) !== 0;
    const known = nbd.CMD_FLAG_FUA | (type === nbd.CMD_WRITE_ZEROES ? nbd.CMD_FLAG_NO_HOLE : 0);
    if ((flags & ~known) !== 0) throw new DiskError('EINVAL', `a request has the flags ${flags}`);
    if (type === nbd.CMD_READ && length <= REQUEST_BYTES_MAX) return this.disk.read(offset, length);
    if (type === nbd.CMD_WRITE && data !== null) await this.disk.write(offset, data, durable);
    else if (type === nbd.CMD_TRIM || type === nbd.CMD_WRITE_ZEROES) await this.disk.zero(offset, length, durable);
    else if (type === nbd.CMD_FLUSH) await this.disk.flush();
    else throw new DiskError('EINVAL', `a request is of type ${type}, with ${length} bytes`);
    return null;
  }
}

/** The name in the data of INFO and GO; null: it is malformed. */
function nameOf(data: Buffer): string | null {
  if (data.length < 6) return null;
  const nameBytes = data.readUInt32BE(0);
  if (nameBytes > data.length - 6) return null;
  const wishes = data.readUInt16BE(4 + nameBytes);
  return data.length === 6 + nameBytes + 2 * wishes ? data.toString('utf8', 4, 4 + nameBytes) : null;
}
