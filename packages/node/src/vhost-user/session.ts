/**
 * session.ts — Session: the back end's side of one vhost-user connection, from the first message to the last.
 * Read first: QEMU docs/interop/vhost-user.rst; protocol.ts, vhost-queue.ts, memory-map.ts.
 *
 * Theory of operation. The front end asks and tells, message by message: features, memory, and for each queue its size, place and descriptors. What it says is
 * done or refused at once, and acknowledged where it asked for that. What cannot be done ends the connection: the front end connects anew,
 * and everything begins with nothing known.
 * Rings that run are started anew, in the same place, when the front end changes the memory table.
 *
 * Invariants: a descriptor that came along belongs to one field or is closed before the next message is read. After `close` no memory of the guest is
 * touched: it is unmapped when the present call stack has ended, because `close` may be called from within a batch of frames.
 * Not here: the connection's beginning and end, frames (vhost-user-wire.ts).
 */
import { EventFd } from './event-fd.js';
import type { FdSocket } from './fd-socket.js';
import { MemoryMap } from './memory-map.js';
import { MessageReader } from './message-reader.js';
import {
  GET_FEATURES, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_VRING_BASE, MESSAGE_NEED_REPLY, MESSAGE_REPLY, NET_SET_MTU, PROTOCOL_F_NET_MTU, PROTOCOL_F_REPLY_ACK, Payload,
  ProtocolError, RESET_OWNER, SET_FEATURES, SET_MEM_TABLE, SET_OWNER, SET_PROTOCOL_FEATURES, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL, SET_VRING_ENABLE, SET_VRING_ERR,
  SET_VRING_KICK, SET_VRING_NUM, VHOST_USER_F_PROTOCOL_FEATURES, message, statePayload, u64Payload,
} from './protocol.js';
import type { UnixLibc } from './unix-libc.js';
import { VhostQueue } from './vhost-queue.js';
import {
  QUEUES, RECEIVEQ, TRANSMITQ, VIRTIO_F_ANY_LAYOUT, VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_VERSION_1, VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_F_MTU,
} from './virtio-net.js';
import { errorLine } from '../error-line.js';

export const OFFERED_FEATURES =
  VIRTIO_F_VERSION_1 | VIRTIO_F_ANY_LAYOUT | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC | VHOST_USER_F_PROTOCOL_FEATURES | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_MTU |
  VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_USO | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |
  VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;
export const OFFERED_PROTOCOL_FEATURES = PROTOCOL_F_REPLY_ACK | PROTOCOL_F_NET_MTU;

const MTU_MIN = 68;
const MTU_MAX = 65_535;
/** Messages that are dealt with in one go. */
const MESSAGES_MAX = 64;

/** Who is told. */
export interface SessionOwner {
  /** Features, or what rings there are, or whether they are enabled, changed. */
  changed(): void;
  /** The driver kicked that queue. */
  kicked(queue: VhostQueue): void;
  /** It is over: the front end is gone, or, with a reason, said what cannot be. `close` is still to be called. */
  ended(reason: string | null): void;
}

export class Session {
  /** Virtio features that the driver agreed to. */
  features = 0n;
  /** The MTU that the front end shows the guest; 0: it has not said. */
  mtu = 0;
  readonly receiveq = new VhostQueue('receive');
  readonly transmitq = new VhostQueue('transmit');
  private readonly libc: UnixLibc;
  private readonly socket: FdSocket;
  private readonly owner: SessionOwner;
  private readonly unsealed: boolean;
  private readonly reader: MessageReader;
  private readonly unwatch: () => void;
  private protocolFeatures = 0n;
  private map: MemoryMap | null = null;
  private closed = false;

  /** @param unsealed is memory taken that the front end could cut short? */
  constructor(libc: UnixLibc, socket: FdSocket, owner: SessionOwner, unsealed: boolean) {
    this.libc = libc;
    this.socket = socket;
    this.owner = owner;
    this.unsealed = unsealed;
    this.reader = new MessageReader(socket);
    this.unwatch = libc.watch(socket.fd, () => this.receive());
  }

  get queues(): readonly [VhostQueue, VhostQueue] {
    return [this.receiveq, this.transmitq];
  }

  /** Deals with the messages that have come. */
  receive(): void {
    for (let n = 0; n < MESSAGES_MAX && !this.closed; n++) {
      let payload: ReturnType<MessageReader['next']>;
      try {
        payload = this.reader.next();
      } catch (error) {
        this.fail(error);
        return;
      }
      if (payload === 'none') return;
      if (payload === 'closed') return this.owner.ended(null);
      this.handle(payload);
      this.socket.dropFds();
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.unwatch();
    this.socket.close();
    for (const queue of this.queues) queue.close();
    const { map } = this;
    if (map !== null) setImmediate(() => map.unmap());
  }

  private handle(bytes: Uint8Array): void {
    const { request, flags } = this.reader;
    const wanted = (flags & MESSAGE_NEED_REPLY) !== 0 && (this.protocolFeatures & PROTOCOL_F_REPLY_ACK) !== 0n;
    try {
      const answer = this.answer(request, new Payload(bytes, `message ${request}`));
      if (answer !== null) this.reply(request, answer);
      else if (wanted) this.reply(request, u64Payload(0n));
    } catch (error) {
      if (wanted) this.reply(request, u64Payload(1n));
      this.fail(error);
    }
  }

  /** Does what a message says; the payload of its own answer, if it has one. @throws ProtocolError. */
  private answer(request: number, payload: Payload): Uint8Array | null {
    switch (request) {
      case GET_FEATURES:
        return u64Payload(OFFERED_FEATURES);
      case GET_PROTOCOL_FEATURES:
        return u64Payload(OFFERED_PROTOCOL_FEATURES);
      case GET_QUEUE_NUM:
        return u64Payload(1n);
      case GET_VRING_BASE:
        return this.stopRing(payload.state().index);
      case SET_OWNER:
      case RESET_OWNER:
        return null;
      case SET_FEATURES:
        this.setFeatures(payload.u64());
        return null;
      case SET_PROTOCOL_FEATURES:
        this.protocolFeatures = agreed(payload.u64(), OFFERED_PROTOCOL_FEATURES, 'protocol features');
        return null;
      case SET_MEM_TABLE:
        this.setMemory(payload);
        return null;
      case NET_SET_MTU:
        this.setMtu(payload.u64());
        return null;
      default:
        this.answerVring(request, payload);
        return null;
    }
  }

  private answerVring(request: number, payload: Payload): void {
    switch (request) {
      case SET_VRING_NUM: {
        const { index, num } = payload.state();
        return this.queue(index).setNum(num);
      }
      case SET_VRING_BASE: {
        const { index, num } = payload.state();
        return this.queue(index).setBase(num);
      }
      case SET_VRING_ADDR: {
        const addresses = payload.vringAddresses();
        const queue = this.queue(addresses.index);
        queue.setAddresses(addresses);
        return this.restart(queue);
      }
      case SET_VRING_ENABLE: {
        const { index, num } = payload.state();
        this.queue(index).enabled = num !== 0;
        return this.owner.changed();
      }
      case SET_VRING_KICK:
        return this.startRing(payload);
      case SET_VRING_CALL: {
        const [queue, fd] = this.vringFd(payload, 'call');
        queue.call?.close();
        queue.call = fd;
        return;
      }
      case SET_VRING_ERR: {
        const [queue, fd] = this.vringFd(payload, 'error');
        queue.err?.close();
        queue.err = fd;
        return;
      }
      default:
        throw new ProtocolError(`message ${request}, which was not agreed on`);
    }
  }

  private setFeatures(features: bigint): void {
    this.features = agreed(features, OFFERED_FEATURES, 'features');
    // Without protocol features there is no message that enables a ring.
    if ((features & VHOST_USER_F_PROTOCOL_FEATURES) === 0n) for (const queue of this.queues) queue.enabled = true;
    this.owner.changed();
  }

  private setMtu(mtu: bigint): void {
    if (mtu < MTU_MIN || mtu > MTU_MAX) throw new ProtocolError(`an MTU of ${mtu}; ${MTU_MIN} to ${MTU_MAX} are possible`);
    this.mtu = Number(mtu);
  }

  private setMemory(payload: Payload): void {
    const regions = payload.memoryRegions();
    const map = new MemoryMap(this.libc, regions, this.socket.fds.splice(0), this.unsealed);
    const before = this.map;
    this.map = map;
    try {
      for (const queue of this.queues) this.restart(queue);
    } finally {
      before?.unmap();
    }
  }

  /** Starts a ring that runs again where it is. */
  private restart(queue: VhostQueue): void {
    if (queue.ring === null) return;
    queue.stop();
    queue.start(this.features, this.map);
    this.owner.changed();
    this.owner.kicked(queue);
  }

  private startRing(payload: Payload): void {
    const [queue, fd] = this.vringFd(payload, 'kick');
    if (fd === null) throw new ProtocolError(`the ${queue.name} ring is to be polled; it needs a descriptor to kick`);
    queue.kick?.close();
    queue.kick = fd;
    queue.stop();
    queue.start(this.features, this.map);
    fd.listen(() => {
      if (fd.drain()) this.owner.kicked(queue);
    });
    this.owner.changed();
    this.owner.kicked(queue);
  }

  private stopRing(index: number): Uint8Array {
    const queue = this.queue(index);
    const next = queue.stop();
    queue.kick?.close();
    queue.kick = null;
    this.owner.changed();
    return statePayload(index, next);
  }

  private vringFd(payload: Payload, what: string): [VhostQueue, EventFd | null] {
    const { index, hasFd } = payload.vringFd();
    const queue = this.queue(index);
    if (!hasFd) return [queue, null];
    const fd = this.socket.takeFd();
    if (fd < 0) throw new ProtocolError(`the ${what} descriptor of the ${queue.name} ring is missing`);
    const event = EventFd.adopt(this.libc, fd);
    if (event === null) throw new ProtocolError(`the ${what} descriptor of the ${queue.name} ring is no eventfd`);
    return [queue, event];
  }

  private queue(index: number): VhostQueue {
    if (index === RECEIVEQ) return this.receiveq;
    if (index === TRANSMITQ) return this.transmitq;
    throw new ProtocolError(`queue ${index}; there are ${QUEUES} (QEMU's queues=1)`);
  }

  private reply(request: number, payload: Uint8Array): void {
    if (!this.closed && !this.socket.send(message(request, MESSAGE_REPLY, payload))) this.owner.ended('it does not read what it is answered');
  }

  private fail(error: unknown): void {
    this.owner.ended(errorLine(error));
  }
}

function agreed(features: bigint, offered: bigint, what: string): bigint {
  const more = features & ~offered;
  if (more !== 0n) throw new ProtocolError(`${what} 0x${more.toString(16)}, which were not offered`);
  return features;
}
