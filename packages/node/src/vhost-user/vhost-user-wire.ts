/**
 * vhost-user-wire.ts — a guest behind QEMU's `-netdev vhost-user`: its frames are read from and written to its own memory, QEMU only introduces us.
 * Read first: guest-wire.ts; session.ts (the introduction), transmitq.ts and receiveq.ts (the frames); docs/vhost-user.md.
 *
 *     guest's driver ── rings in its memory ── Session, Transmitq, Receiveq (here) ── GuestLink ── tap, bridge, ...
 *            └─────────── kick and call: eventfds ──────────┘
 *
 * Theory of operation. A kick of the transmit ring begins turns: each takes at most BATCH frames into one batch of the host loop, shows the guest that they
 * are taken, and lets the event loop serve others (setImmediate). The ring does not kick while turns follow each other; when it is empty it is listened to again.
 * Frames to the guest are copied into its receive buffers at once and shown by `flush`. When there are too few buffers the frame waits here, the wire is full,
 * and the stack keeps the rest in its own bounded queue until the guest has added buffers and kicked. While no driver runs in the guest frames to
 * it are refused, and whoever has them counts them.
 * What this side leaves to the guest follows what its driver agreed to; it is looked at for each frame (`offload`).
 *
 * A front end that goes leaves nothing but a port that waits for the next. When we listen, one that comes while another is there is refused. When we connect
 * (`client`), we try again and again (backoff.ts).
 *
 * Invariants: at most one session and one timer. Frames wait only while a receive ring is there. A ring that its driver broke is stopped, said once, and
 * harms nobody else.
 */
import { rmSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import type { PacketBuffer } from '@netloom/core';
import { CSUM_L4, GSO_UDP_L4, PacketQueue } from '@netloom/core';
import type { Logger } from 'pino';
import type { HostLoop, LoopTimer } from '../loop.js';
import { Backoff } from '../port/backoff.js';
import { formatGuestDevice } from '../port/guest-device.js';
import type { VhostUserDevice } from '../port/guest-device.js';
import type { GuestWire, WireState, WireUser } from '../port/guest-wire.js';
import { pathProblem } from '../port/listen-path.js';
import { O_CLOEXEC, O_NONBLOCK } from '../tap/libc.js';
import { FdSocket, connectUnix, listenUnix } from './fd-socket.js';
import { Receiveq } from './receiveq.js';
import type { PutResult } from './receiveq.js';
import { Session } from './session.js';
import { Transmitq } from './transmitq.js';
import type { TransmitqTarget } from './transmitq.js';
import { loadUnixLibc } from './unix-libc.js';
import type { UnixLibc } from './unix-libc.js';
import type { VhostQueue } from './vhost-queue.js';
import {
  VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6,
} from './virtio-net.js';

/** Frames taken from a guest before others get their turn. */
const BATCH = 64;
/** Frames that wait for receive buffers: what one super-segment becomes when it is cut, and more. */
const WAITING_MAX = 1_024;
/** A session that lasted so long was a good one: the next failure begins with a short wait. */
const GOOD_US = 1_000_000;

const GUEST_TSO = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6;
const GUEST_USO = VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6;

/** How the rings are, for `netloom ps --json`. */
export interface VhostUserStatus {
  /** Does a driver run in the guest? */
  readonly driver: boolean;
  /** Virtio features that it agreed to, in hexadecimal. */
  readonly features: string;
  /** The MTU that QEMU shows the guest (`host_mtu=`), where it does. */
  readonly mtu?: number;
  /** Times the driver kicked and was called. */
  readonly kicks: number;
  readonly calls: number;
  /** Times frames had to wait for receive buffers. */
  readonly waits: number;
  /** Frames of the guest that made no sense, and that it sent while its port was disabled. */
  readonly refused: number;
  readonly discarded: number;
  /** Frames that fit into none of the guest's buffers. */
  readonly tooLong: number;
  /** Rings that were broken, since the port was made, and why the last is. */
  readonly broken: number;
  readonly reason?: string;
}

export class VhostUserWire implements GuestWire, TransmitqTarget {
  readonly device: string;
  connects = 0;
  lastError: string | null = null;
  /** While nobody is there it says what a guest is offered: what the tap shows as its capabilities. */
  readonly offload = { csum: true, gso: true, uso: true };
  private readonly spec: VhostUserDevice;
  private readonly loop: HostLoop;
  private readonly log: Logger;
  private readonly libc: UnixLibc;
  private readonly backoff = new Backoff();
  private readonly transmitq = new Transmitq();
  private readonly receiveq = new Receiveq();
  private readonly waiting = new PacketQueue(WAITING_MAX);
  private user: WireUser | null = null;
  private session: Session | null = null;
  private listener = -1;
  private unwatch: (() => void) | null = null;
  private timer: LoopTimer | null = null;
  private turning: NodeJS.Immediate | null = null;
  private since = 0;
  private now = 0;
  private closed = false;
  private kicks = 0;
  private calls = 0;
  private waits = 0;
  private tooLong = 0;
  private broken = 0;
  private reason = '';
  private refusals = 0;

  /** @throws Error when this system has no vhost-user ports. */
  constructor(spec: VhostUserDevice, loop: HostLoop, log: Logger) {
    this.spec = spec;
    this.device = formatGuestDevice(spec);
    this.loop = loop;
    this.log = log;
    this.libc = loadUnixLibc();
  }

  get state(): WireState {
    if (this.closed) return 'closed';
    if (this.session === null) return this.spec.client ? 'connecting' : 'listening';
    return this.session.queues.some((queue) => queue.ring !== null && queue.ring.broken !== '') ? 'broken' : 'connected';
  }

  get vhostUser(): VhostUserStatus {
    const { session, transmitq, reason } = this;
    return {
      driver: session !== null && session.transmitq.ring !== null && session.receiveq.ring !== null, features: `0x${(session?.features ?? 0n).toString(16)}`,
      ...(session === null || session.mtu === 0 ? {} : { mtu: session.mtu }), kicks: this.kicks, calls: this.calls, waits: this.waits, refused: transmitq.refused,
      discarded: transmitq.discarded, tooLong: this.tooLong, broken: this.broken, ...(reason === '' ? {} : { reason }),
    };
  }

  get isFull(): boolean {
    return this.waiting.length > 0;
  }

  async open(): Promise<void> {
    const problem = pathProblem(this.spec.path);
    if (problem !== null) throw new Error(problem);
    if (!this.spec.client) this.listener = await listenUnix(this.libc, this.spec.path, 'write ",client" behind it to connect to it');
  }

  start(user: WireUser): void {
    this.user = user;
    if (this.spec.client) this.tryConnect();
    else this.unwatch = this.libc.watch(this.listener, () => this.accept());
  }

  send(m: PacketBuffer): boolean {
    const queue = this.session?.receiveq ?? null;
    if (queue === null || queue.ring === null || queue.ring.broken !== '' || !queue.enabled || this.waiting.length >= WAITING_MAX) return false;
    // What was made for a driver that agreed to more is nothing for this one.
    if ((m.gsoSize > 0 && !(m.gsoType === GSO_UDP_L4 ? this.offload.uso : this.offload.gso)) || ((m.csumFlags & CSUM_L4) !== 0 && !this.offload.csum)) return false;
    const result = this.waiting.length > 0 ? 'wait' : this.put(queue, m);
    if (result === 'wait') return this.waiting.enqueue(m);
    if (result === 'done') m.free();
    else this.lost(queue, result);
    return result === 'done';
  }

  flush(): void {
    if (this.session?.receiveq.publish() === true) this.calls++;
  }

  close(): Promise<void> {
    if (!this.closed) this.shut();
    return Promise.resolve();
  }

  private shut(): void {
    this.closed = true;
    this.user = null;
    this.timer?.cancel();
    this.unwatch?.();
    this.end();
    if (this.listener >= 0) {
      this.libc.close(this.listener);
      rmSync(this.spec.path, { force: true });
    }
  }

  /** A front end has connected. */
  private accept(): void {
    const fd = this.libc.accept(this.listener, O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    // The end of the one before may not have been seen yet.
    this.session?.receive();
    if (this.session === null) {
      this.begin(fd);
      return;
    }
    this.libc.close(fd);
    if (this.refusals++ === 0) this.log.warn({ device: this.device }, 'a second guest was refused: one is plugged in');
  }

  private tryConnect(): void {
    if (this.closed) return;
    const fd = connectUnix(this.libc, this.spec.path);
    if (fd >= 0) this.begin(fd);
    else {
      this.lastError = getSystemErrorName(fd);
      this.retry();
    }
  }

  private retry(): void {
    this.loop.enter();
    this.timer = this.loop.after(this.backoff.next(), () => this.tryConnect());
  }

  private begin(fd: number): void {
    this.connects++;
    this.lastError = null;
    this.refusals = 0;
    this.since = this.loop.enter();
    this.log.info({ device: this.device }, 'a guest has plugged in');
    const owner = { changed: () => this.changed(), kicked: (queue: VhostQueue) => this.kicked(queue), ended: (reason: string | null) => this.ended(reason) };
    this.session = new Session(this.libc, new FdSocket(this.libc, fd), owner, this.spec.unsealed);
  }

  private ended(reason: string | null): void {
    if (this.session === null) return;
    if (reason === null) this.log.info({ device: this.device }, 'a guest has gone');
    else {
      // A front end that connects anew says the same again: that is said once.
      if (reason !== this.reason) this.log.warn({ device: this.device, reason }, 'a guest said what cannot be; its connection is closed');
      this.lastError = this.reason = reason;
    }
    if (this.loop.enter() - this.since >= GOOD_US) this.backoff.reset();
    this.end();
    if (this.spec.client && !this.closed) this.retry();
  }

  /** The session is over, if there is one: nothing of the guest is touched any more. */
  private end(): void {
    const { session } = this;
    if (session === null) return;
    this.session = null;
    session.close();
    if (this.turning !== null) clearImmediate(this.turning);
    this.turning = null;
    this.offload.csum = this.offload.gso = this.offload.uso = true;
    this.release();
  }

  /** Frames that wait will not be taken any more. */
  private release(): void {
    const { length } = this.waiting;
    if (length === 0) return;
    this.waiting.purge();
    this.user?.lost(length);
    this.user?.room();
  }

  private changed(): void {
    const { session } = this;
    if (session === null) return;
    const { features } = session;
    this.offload.csum = (features & VIRTIO_NET_F_GUEST_CSUM) !== 0n;
    this.offload.gso = (features & GUEST_TSO) === GUEST_TSO;
    this.offload.uso = (features & GUEST_USO) === GUEST_USO;
    const { ring, enabled } = session.receiveq;
    if (ring === null || !enabled || ring.broken !== '') this.release();
  }

  private kicked(queue: VhostQueue): void {
    this.kicks++;
    if (queue.ring === null || queue.ring.broken !== '') return;
    if (queue === this.session?.transmitq) {
      if (this.turning === null) this.turn();
    } else if (this.waiting.length > 0) this.drain(queue);
    else queue.ring.silence();
  }

  /** Takes a batch from the guest, and sees whether there is more. */
  private readonly turn = (): void => {
    this.turning = null;
    const queue = this.session?.transmitq;
    if (queue === undefined || queue.ring === null) return;
    queue.ring.silence();
    this.loop.batch(this.takeBatch);
    // The batch may have ended the session.
    const { ring } = queue;
    if (ring === null) return;
    if (ring.broken !== '') this.breaks(queue);
    else if (ring.waiting() > 0 || ring.listen()) this.turning = setImmediate(this.turn);
  };

  private readonly takeBatch = (now: number): void => {
    const { session, user } = this;
    if (session === null || user === null) return;
    const { ring, chain, hdrSize, enabled } = session.transmitq;
    if (ring === null || chain === null) return;
    this.now = now;
    if (enabled) this.transmitq.take(ring, chain, hdrSize, this, BATCH);
    else this.transmitq.discard(ring, BATCH);
    if (session.transmitq.publish()) this.calls++;
  };

  /** TransmitqTarget. */
  alloc(len: number): PacketBuffer | null {
    return this.user?.alloc(len) ?? null;
  }

  /** TransmitqTarget. */
  input(m: PacketBuffer): void {
    if (this.user === null) m.free();
    else this.user.packet(m, this.now);
  }

  /** Puts `m` into the guest's buffers. When it has to wait the guest kicks as soon as it has added some. */
  private put({ ring, chain, hdrSize, mergeable }: VhostQueue, m: PacketBuffer): PutResult {
    if (ring === null || chain === null) return 'broken';
    let result = this.receiveq.put(ring, chain, hdrSize, mergeable, m);
    if (result !== 'wait') return result;
    this.waits++;
    // What was put before must be seen, or the guest would wait, too.
    this.flush();
    while (result === 'wait' && ring.listen()) result = this.receiveq.put(ring, chain, hdrSize, mergeable, m);
    return result;
  }

  /** The guest has added buffers: what waits goes into them. */
  private drain(queue: VhostQueue): void {
    for (let m = this.waiting.peek(); m !== null; m = this.waiting.peek()) {
      const result = this.put(queue, m);
      if (result === 'wait') break;
      this.waiting.dequeue();
      m.free();
      if (result === 'done') continue;
      this.user?.lost(1);
      this.lost(queue, result);
    }
    this.flush();
    if (this.waiting.length > 0) return;
    queue.ring?.silence();
    this.user?.room();
  }

  /** A frame was not put into the guest's buffers, and never will be. */
  private lost(queue: VhostQueue, result: 'never' | 'broken'): void {
    if (result === 'never') this.tooLong++;
    else this.breaks(queue);
  }

  private breaks(queue: VhostQueue): void {
    const reason = queue.ring?.broken ?? '';
    this.broken++;
    this.reason = reason;
    this.log.warn({ device: this.device, queue: queue.name, reason }, 'a guest broke the rules of its ring, which is stopped');
    queue.err?.signal();
    if (queue === this.session?.receiveq) this.release();
  }
}
