/**
 * message-reader.ts — MessageReader: whole vhost-user messages out of a socket, with the descriptors that came along.
 * Read first: fd-socket.ts, protocol.ts.
 *
 * Invariant: never more is read than the current message has, so that the descriptors in `socket.fds` belong to it.
 */
import type { FdSocket } from './fd-socket.js';
import { SOCKET_CLOSED, SOCKET_EMPTY } from './fd-socket.js';
import { MESSAGE_HEADER, MESSAGE_VERSION, MESSAGE_VERSION_MASK, PAYLOAD_MAX, ProtocolError } from './protocol.js';

/** What `next` answers when there is no message. */
export type NoMessage = 'none' | 'closed';

export class MessageReader {
  /** The current message. */
  request = 0;
  flags = 0;
  private readonly socket: FdSocket;
  private readonly bytes = new Uint8Array(MESSAGE_HEADER + PAYLOAD_MAX);
  private readonly view = new DataView(this.bytes.buffer);
  private have = 0;

  constructor(socket: FdSocket) {
    this.socket = socket;
  }

  /** The payload of the next message, or why there is none. @throws ProtocolError for what is no message. */
  next(): Uint8Array | NoMessage {
    const header = this.fill(MESSAGE_HEADER);
    if (header !== 'whole') return header;
    this.request = this.view.getUint32(0, true);
    this.flags = this.view.getUint32(4, true);
    const size = this.view.getUint32(8, true);
    if ((this.flags & MESSAGE_VERSION_MASK) !== MESSAGE_VERSION) throw new ProtocolError(`a message of version ${this.flags & MESSAGE_VERSION_MASK}; this is version ${MESSAGE_VERSION}`);
    if (size > PAYLOAD_MAX) throw new ProtocolError(`message ${this.request} has ${size} bytes of payload; ${PAYLOAD_MAX} are allowed`);
    const payload = this.fill(MESSAGE_HEADER + size);
    if (payload !== 'whole') return payload;
    this.have = 0;
    return this.bytes.subarray(MESSAGE_HEADER, MESSAGE_HEADER + size);
  }

  /** Reads until there are `count` bytes. */
  private fill(count: number): NoMessage | 'whole' {
    while (this.have < count) {
      const n = this.socket.receive(this.bytes, this.have, count - this.have);
      if (n === SOCKET_EMPTY) return 'none';
      if (n === SOCKET_CLOSED) return 'closed';
      this.have += n;
    }
    return 'whole';
  }
}
