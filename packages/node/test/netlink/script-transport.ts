/**
 * script-transport.ts — a kernel that answers what a test has written down, datagram for datagram, whatever it is asked.
 */
import { EAGAIN } from '../../src/tap/libc.js';
import { encodeMessage } from '../../src/netlink/message.js';
import type { NetlinkTransport } from '../../src/netlink/netlink-transport.js';
import { words } from '../../src/netlink/attributes.js';

/** An answer: a datagram, made when it is known what sequence number it is for; or an errno. */
export type Answer = number | ((sequence: number) => Uint8Array);

export class ScriptTransport implements NetlinkTransport {
  readonly sent: Uint8Array[] = [];
  closed = 0;
  private readonly answers: Answer[];

  constructor(...answers: readonly Answer[]) {
    this.answers = [...answers];
  }

  send(message: Uint8Array): number {
    this.sent.push(message.slice());
    return 0;
  }

  receive(): Uint8Array | number {
    const answer = this.answers.shift() ?? EAGAIN;
    return typeof answer === 'number' ? answer : answer(this.sequence);
  }

  close(): void {
    this.closed++;
  }

  /** Answers nobody has read. */
  get left(): number {
    return this.answers.length;
  }

  private get sequence(): number {
    const last = this.sent.at(-1)!;
    return new DataView(last.buffer).getUint32(8, true);
  }
}

/** An acknowledgement, or an error, with the attributes behind the header of the request. */
export function ackOf(errno: number, flags = 0, attributes: Uint8Array = new Uint8Array(0)): (sequence: number) => Uint8Array {
  return (sequence) => encodeMessage(2, flags, sequence, words(-errno), words(16, 0, sequence, 0), attributes);
}
