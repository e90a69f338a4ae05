/**
 * netlink-socket.ts — class NetlinkSocket: requests to the kernel's rtnetlink, and their answers.
 * Read first: netlink(7); message.ts, netlink-transport.ts.
 *
 * Theory of operation. A request has a number of its own and asks for an acknowledgement; whatever has another number is an answer to a request that was given up, and is skipped. The
 * acknowledgement is an NLMSG_ERROR with errno 0, or with the reason, behind which attributes have the kernel's own words. A dump comes in parts up to NLMSG_DONE, which may hold an
 * errno itself. What was dumped while something changed is marked (NLM_F_DUMP_INTR), and what did not fit in the socket is lost (ENOBUFS, NLMSG_OVERRUN): such a dump is read to its end, because
 * a second one is refused as long as the first one runs, and asked for again.
 *
 * Invariant: after each call nothing of it is in the socket, or its number is no longer waited for.
 * Not here: what is asked (link.ts, qdisc.ts, redirect-filter.ts).
 */
import { EAGAIN, EMSGSIZE, ENOBUFS } from '../tap/libc.js';
import { Attributes } from './attributes.js';
import {
  align, decodeMessages, encodeMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_HDRLEN, NLMSG_OVERRUN, NLMSGERR_ATTR_MSG,
  viewOf,
} from './message.js';
import type { NetlinkMessage } from './message.js';
import { NetlinkError, netlinkError } from './netlink-error.js';
import type { Asked } from './netlink-error.js';
import { KernelTransport } from './netlink-transport.js';
import type { NetlinkTransport } from './netlink-transport.js';

/** So often a dump is asked for again while things change. */
const DUMP_TRIES = 10;
const SEQUENCE_MAX = 0xffff_fffe;

export class NetlinkSocket {
  private readonly transport: NetlinkTransport;
  private sequence = 0;

  /** @throws NetlinkError when there is no such socket to be had; Error when this is not Linux. */
  constructor(transport: NetlinkTransport = new KernelTransport()) {
    this.transport = transport;
  }

  /** Has the kernel do something; the bodies of what it answered before its acknowledgement. @throws NetlinkError */
  request(asked: Asked, type: number, flags: number, ...parts: readonly Uint8Array[]): Uint8Array[] {
    const sequence = this.send(asked, type, flags | NLM_F_ACK, parts);
    const answers: Uint8Array[] = [];
    for (;;) {
      for (const message of this.receive(asked, sequence)) {
        if (message.type !== NLMSG_ERROR) answers.push(message.body.slice());
        else if (errnoOf(message) === 0) return answers;
        else throw netlinkError(asked, errnoOf(message), textOf(message));
      }
    }
  }

  /** All there is of something: the bodies. @throws NetlinkError */
  dump(asked: Asked, type: number, ...parts: readonly Uint8Array[]): Uint8Array[] {
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const list = this.dumpOnce(asked, type, parts);
      if (list !== null) return list;
    }
    throw new NetlinkError(`cannot ${asked.doing} ${asked.device}: it changes all the time, or the answer does not fit in the socket (ENOBUFS)`, ENOBUFS, asked.device);
  }

  close(): void {
    this.transport.close();
  }

  /** null: something changed meanwhile, or was lost. */
  private dumpOnce(asked: Asked, type: number, parts: readonly Uint8Array[]): Uint8Array[] | null {
    const sequence = this.send(asked, type, NLM_F_DUMP, parts);
    const list: Uint8Array[] = [];
    let whole = true;
    for (;;) {
      const datagram = this.transport.receive();
      if (datagram === ENOBUFS || datagram === EMSGSIZE) {
        whole = false;
        continue;
      }
      if (typeof datagram === 'number') {
        if (!whole && datagram === EAGAIN) return null;
        throw netlinkError(asked, datagram, '');
      }
      for (const message of decodeMessages(datagram)) {
        if (message.sequence !== sequence) continue;
        if ((message.flags & NLM_F_DUMP_INTR) !== 0 || message.type === NLMSG_OVERRUN) whole = false;
        if (message.type === NLMSG_ERROR || (message.type === NLMSG_DONE && errnoOf(message) !== 0)) throw netlinkError(asked, errnoOf(message), textOf(message));
        if (message.type === NLMSG_DONE) return whole ? list : null;
        if (message.type > NLMSG_OVERRUN) list.push(message.body.slice());
      }
    }
  }

  private send(asked: Asked, type: number, flags: number, parts: readonly Uint8Array[]): number {
    this.sequence = this.sequence >= SEQUENCE_MAX ? 1 : this.sequence + 1;
    const errno = this.transport.send(encodeMessage(type, flags | NLM_F_REQUEST, this.sequence, ...parts));
    if (errno !== 0) throw netlinkError(asked, errno, '');
    return this.sequence;
  }

  /** The next datagram's messages that answer a request. */
  private receive(asked: Asked, sequence: number): NetlinkMessage[] {
    const datagram = this.transport.receive();
    if (typeof datagram === 'number') throw netlinkError(asked, datagram, datagram === EAGAIN ? 'the kernel does not answer' : datagram === ENOBUFS ? 'the answer did not fit in the socket' : '');
    return decodeMessages(datagram).filter((message) => message.sequence === sequence && (message.type === NLMSG_ERROR || message.type > NLMSG_OVERRUN));
  }
}

/** The errno of an NLMSG_ERROR or NLMSG_DONE; 0 for none. */
function errnoOf({ body }: NetlinkMessage): number {
  return body.length < 4 ? 0 : -viewOf(body).getInt32(0, true);
}

/** The kernel's own words; '' when there are none. */
function textOf({ type, flags, body }: NetlinkMessage): string {
  if ((flags & NLM_F_ACK_TLVS) === 0) return '';
  // Behind the errno an NLMSG_ERROR has the request's header, and all of the request unless it is capped.
  const request = type !== NLMSG_ERROR ? 0 : (flags & NLM_F_CAPPED) !== 0 ? NLMSG_HDRLEN : align(viewOf(body).getUint32(4, true));
  return new Attributes(body.subarray(Math.min(body.length, 4 + request))).text(NLMSGERR_ATTR_MSG) ?? '';
}
