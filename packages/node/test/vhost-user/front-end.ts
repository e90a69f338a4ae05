/**
 * front-end.ts — FrontEnd: the other side of a vhost-user port, as QEMU and the driver of its guest are together; for tests and benchmarks.
 * Read first: QEMU docs/interop/vhost-user.rst; session.ts, driver-ring.ts.
 *
 *     const guest = await FrontEnd.connect('/run/vm0', {});
 *     await guest.start();          // what QEMU does when the guest's driver is ready
 *     guest.send(frame);            // and guest.receive()
 *     guest.close();
 *
 * Theory of operation. The guest's memory is a sealed memfd that is mapped here, too: two rings, then a slot for each descriptor of either. The transmit slots
 * are used in turn; the receive buffers are posted when `start` is done and again when their frame was read. Every message that sets something
 * asks for an acknowledgement, so that the back end has done it when the promise resolves.
 *
 * Not here: a guest.
 */
import { EventEmitter, once } from 'node:events';
import { ftruncateSync } from 'node:fs';
import { putVnetHdr } from '../../src/tap/vnet-hdr.js';
import type { VnetHdr } from '../../src/tap/vnet-hdr.js';
import { DriverRing } from './driver-ring.js';
import { EventFd } from '../../src/vhost-user/event-fd.js';
import { FdSocket, connectUnix } from '../../src/vhost-user/fd-socket.js';
import { MemoryWindow } from '../../src/vhost-user/guest-memory.js';
import { MessageReader } from '../../src/vhost-user/message-reader.js';
import {
  GET_FEATURES, GET_PROTOCOL_FEATURES, GET_VRING_BASE, MESSAGE_NEED_REPLY, Payload, SET_FEATURES, SET_MEM_TABLE, SET_OWNER, SET_PROTOCOL_FEATURES, SET_VRING_ADDR, SET_VRING_BASE,
  SET_VRING_CALL, SET_VRING_ENABLE, SET_VRING_KICK, SET_VRING_NUM, VHOST_USER_F_PROTOCOL_FEATURES, message, statePayload, u64Payload,
} from '../../src/vhost-user/protocol.js';
import { F_ADD_SEALS, F_SEAL_GROW, F_SEAL_SHRINK, MFD_ALLOW_SEALING, MFD_CLOEXEC, loadUnixLibc } from '../../src/vhost-user/unix-libc.js';
import type { UnixLibc } from '../../src/vhost-user/unix-libc.js';
import { RECEIVEQ, TRANSMITQ, VIRTIO_F_EVENT_IDX, VIRTIO_NET_F_MRG_RXBUF, VIRTIO_NET_HDR_MRG_SIZE } from '../../src/vhost-user/virtio-net.js';

export interface FrontEndOptions {
  /** Descriptors of each ring. Default 256. */
  readonly num?: number;
  /** Bytes of a transmit slot and of a receive buffer. Default 2048. */
  readonly slotSize?: number;
  /** Features to agree to, of those that are offered. Default all. */
  readonly features?: bigint;
  /** Is the memory sealed? Default true. */
  readonly sealed?: boolean;
}

/** Guest-physical address of the memory. */
export const MEMORY_START = 0x4000_0000;
const PAGE = 4_096;
const ALL = (1n << 64n) - 1n;

export class FrontEnd {
  readonly memory: MemoryWindow;
  readonly rings: readonly [DriverRing, DriverRing];
  /** What was offered, and what of it was agreed to. */
  offered = 0n;
  features = 0n;
  readonly kicks: readonly [EventFd, EventFd];
  readonly calls: readonly [EventFd, EventFd];
  private readonly libc: UnixLibc;
  private readonly socket: FdSocket;
  private readonly reader: MessageReader;
  private readonly heard = new EventEmitter();
  private readonly unwatch: () => void;
  private readonly wanted: bigint;
  private readonly slotSize: number;
  private readonly slots: number;
  private readonly memfd: number;
  private readonly address: number;
  private readonly size: number;
  private readonly posted = new Map<number, number>();
  private nextSlot = 0;
  private closed = false;

  private constructor(libc: UnixLibc, fd: number, { num = 256, slotSize = 2_048, features = ALL, sealed = true }: FrontEndOptions) {
    this.libc = libc;
    this.socket = new FdSocket(libc, fd);
    this.reader = new MessageReader(this.socket);
    this.wanted = features | VHOST_USER_F_PROTOCOL_FEATURES;
    this.slotSize = slotSize;
    this.slots = num;
    this.size = Math.ceil((num * 64 + 2 * num * slotSize) / PAGE + 2) * PAGE;
    this.memfd = libc.memfd('guest', MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ftruncateSync(this.memfd, this.size);
    if (sealed) libc.fcntl(this.memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    this.address = libc.mapShared(this.memfd, 0, this.size);
    if (this.address === 0) throw new Error(`mmap: ${libc.strerror(libc.errno())}`);
    this.memory = new MemoryWindow(MEMORY_START, new Uint8Array(libc.viewMemory(this.address, this.size)));
    const eventIdx = (this.wanted & VIRTIO_F_EVENT_IDX) !== 0n;
    const receiveq = new DriverRing(this.memory, MEMORY_START, num, eventIdx);
    this.rings = [receiveq, new DriverRing(this.memory, receiveq.end, num, eventIdx)];
    this.kicks = [EventFd.make(libc), EventFd.make(libc)];
    this.calls = [EventFd.make(libc), EventFd.make(libc)];
    this.unwatch = libc.watch(fd, () => this.receiveMessages());
  }

  /** Connects to a port that listens at `path`. @throws Error when there is none. */
  static connect(path: string, options: FrontEndOptions): FrontEnd {
    const libc = loadUnixLibc();
    const fd = connectUnix(libc, path);
    if (fd < 0) throw new Error(`nobody listens at "${path}": ${libc.strerror(-fd)}`);
    return new FrontEnd(libc, fd, options);
  }

  /** The front end's side of a connection that was accepted: `fd`. */
  static adopt(fd: number, options: FrontEndOptions): FrontEnd {
    return new FrontEnd(loadUnixLibc(), fd, options);
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** Agrees on features, shares the memory, starts both rings, and posts all receive buffers. */
  async start(): Promise<void> {
    await this.negotiate();
    await this.shareMemory();
    for (const index of [RECEIVEQ, TRANSMITQ]) {
      await this.set(SET_VRING_ENABLE, statePayload(index, 1));
      await this.startRing(index, 0);
    }
    for (let i = 0; i < this.slots; i++) this.post(this.slotAddress(RECEIVEQ, i));
    this.publish(RECEIVEQ);
  }

  async negotiate(): Promise<void> {
    this.offered = new Payload(await this.ask(GET_FEATURES), 'the offer').u64();
    const protocol = new Payload(await this.ask(GET_PROTOCOL_FEATURES), 'the offer').u64();
    this.tell(SET_PROTOCOL_FEATURES, u64Payload(protocol));
    await this.set(SET_OWNER, new Uint8Array(0));
    this.features = this.offered & this.wanted;
    await this.set(SET_FEATURES, u64Payload(this.features));
  }

  shareMemory(): Promise<void> {
    return this.set(SET_MEM_TABLE, this.memoryTable(), [this.memfd]);
  }

  /** SET_MEM_TABLE's payload for the one region, with some numbers changed. */
  memoryTable({ size = this.size, fileOffset = 0 }: { readonly size?: number; readonly fileOffset?: number } = {}): Uint8Array {
    const payload = new Uint8Array(8 + 32);
    const view = new DataView(payload.buffer);
    view.setUint32(0, 1, true);
    [MEMORY_START, size, this.address, fileOffset].forEach((word, i) => view.setBigUint64(8 + 8 * i, BigInt(word), true));
    return payload;
  }

  /** The descriptor of the memory's file, for messages of one's own. */
  get memoryFd(): number {
    return this.memfd;
  }

  async startRing(index: number, base: number): Promise<void> {
    const ring = this.rings[index]!;
    await this.set(SET_VRING_NUM, statePayload(index, ring.num));
    await this.set(SET_VRING_BASE, statePayload(index, base));
    await this.set(SET_VRING_ADDR, this.ringAddresses(index));
    await this.set(SET_VRING_CALL, u64Payload(BigInt(index)), [this.calls[index]!.fd]);
    await this.set(SET_VRING_KICK, u64Payload(BigInt(index)), [this.kicks[index]!.fd]);
  }

  /** SET_VRING_ADDR's payload. */
  ringAddresses(index: number): Uint8Array {
    const ring = this.rings[index]!;
    const payload = new Uint8Array(40);
    const view = new DataView(payload.buffer);
    view.setUint32(0, index, true);
    [ring.descAddress, ring.usedAddress, ring.availAddress].forEach((at, i) => view.setBigUint64(8 + 8 * i, BigInt(at - MEMORY_START + this.address), true));
    return payload;
  }

  /** Stops a ring; where it was. */
  async stopRing(index: number): Promise<number> {
    return new Payload(await this.ask(GET_VRING_BASE, statePayload(index, 0)), 'the base').state().num;
  }

  /** The driver sends a frame. False: its ring is full. Nothing is shown to the device before `publish`. */
  queue(frame: Uint8Array, hdr: VnetHdr | null = null): boolean {
    const ring = this.rings[TRANSMITQ];
    while (ring.poll() !== null);
    if (ring.room === 0) return false;
    const address = this.slotAddress(TRANSMITQ, this.nextSlot++ % this.slots);
    const at = address - MEMORY_START;
    putVnetHdr(this.memory.bytes, at, hdr);
    this.memory.bytes.set(frame, at + VIRTIO_NET_HDR_MRG_SIZE);
    ring.add([{ address, length: VIRTIO_NET_HDR_MRG_SIZE + frame.length }], false);
    return true;
  }

  /** Shows the device what was added to a ring, and kicks it if it wants. */
  publish(index: number): void {
    if (this.rings[index]!.publish()) this.kicks[index]!.signal();
  }

  send(frame: Uint8Array, hdr: VnetHdr | null = null): boolean {
    const queued = this.queue(frame, hdr);
    this.publish(TRANSMITQ);
    return queued;
  }

  /** The driver takes the next frame, header and all, and posts its buffers again; null: there is none. */
  receive(repost = true): Uint8Array | null {
    const parts: Uint8Array[] = [];
    let more = 1;
    while (more-- > 0) {
      const used = this.rings[RECEIVEQ].poll();
      if (used === null) return null;
      const address = this.posted.get(used.head) ?? MEMORY_START;
      this.posted.delete(used.head);
      const at = address - MEMORY_START;
      if (parts.length === 0 && (this.features & VIRTIO_NET_F_MRG_RXBUF) !== 0n) more = this.memory.view.getUint16(at + 10, true) - 1;
      parts.push(this.memory.bytes.slice(at, at + used.length));
      if (repost) this.post(address);
    }
    if (repost) this.publish(RECEIVEQ);
    return Buffer.concat(parts);
  }

  /** A message as it is. */
  tell(request: number, payload: Uint8Array, fds: readonly number[] = [], flags = 0): void {
    if (!this.socket.send(message(request, flags, payload), fds)) this.close();
  }

  /** A message that has an answer. Rejects when the connection ends first. */
  async ask(request: number, payload: Uint8Array = new Uint8Array(0)): Promise<Uint8Array> {
    const answer = once(this.heard, 'answer');
    this.tell(request, payload);
    return (await answer)[0] as Uint8Array;
  }

  /** A message that is acknowledged. Rejects when it is refused. */
  async set(request: number, payload: Uint8Array, fds: readonly number[] = []): Promise<void> {
    const answer = once(this.heard, 'answer');
    this.tell(request, payload, fds, MESSAGE_NEED_REPLY);
    const code = new Payload((await answer)[0] as Uint8Array, 'the acknowledgement').u64();
    if (code !== 0n) throw new Error(`message ${request} was refused`);
  }

  /** QEMU is killed. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.unwatch();
    this.socket.close();
    for (const fd of [...this.kicks, ...this.calls]) fd.close();
    this.libc.close(this.memfd);
    // Somebody may be waiting for an answer.
    if (this.heard.listenerCount('error') > 0) this.heard.emit('error', new Error('the connection has ended'));
    const { libc, address, size } = this;
    setImmediate(() => libc.unmapPages(address, size));
  }

  private slotAddress(index: number, slot: number): number {
    return this.rings[TRANSMITQ].end + 64 - (this.rings[TRANSMITQ].end % 64) + (index * this.slots + slot) * this.slotSize;
  }

  private post(address: number): void {
    const head = this.rings[RECEIVEQ].add([{ address, length: this.slotSize }], true);
    this.posted.set(head, address);
  }

  private receiveMessages(): void {
    for (let payload = this.reader.next(); payload !== 'none'; payload = this.reader.next()) {
      if (payload === 'closed') return this.close();
      this.heard.emit('answer', payload.slice());
    }
  }
}
