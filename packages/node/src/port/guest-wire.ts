/**
 * guest-wire.ts — GuestWire: what carries frames between us and the program that has the guest, be it a stream, datagrams or a switch.
 * Read first: guest-link.ts, which joins one to the stack.
 *
 * A wire looks after itself: it waits for a guest that is not there, or asks for it again and again, and it outlives as many guests as come.
 * Only what no waiting mends is told to its user, by `failed`.
 */
import type { FrameSink, PacketBuffer } from '@netloom/core';
import type { VhostUserStatus } from '../vhost-user/vhost-user-wire.js';

/**
 * `listening`: we wait for the guest. `connecting`: we ask for it. `connected`: it is there. `broken`: it is, and said what cannot be, so that it is heard no
 * more until it begins anew. `open`: nobody can say, as with datagrams.
 */
export type WireState = 'listening' | 'connecting' | 'connected' | 'broken' | 'open' | 'closed';

/** Who is at our end. */
export interface WireUser {
  /** A frame from the guest, in `bytes[off, off + len)` until the call returns; within a batch of the host loop, whose stamp is `now`. */
  frame(bytes: Uint8Array, off: number, len: number, now: number): void;
  /** A packet for a frame of `len` bytes, for a wire that copies frames itself; null, and the loss is counted: there is no memory. */
  alloc(len: number): PacketBuffer | null;
  /** The packet of such a frame, offloads and all; `now` as for `frame`. Owns `m`. */
  packet(m: PacketBuffer, now: number): void;
  /** The wire was full and is not any more. */
  room(): void;
  /** Frames that were taken over and that the guest does not get. */
  lost(frames: number): void;
  /** It is over, and not by `close`. */
  failed(error: Error): void;
}

export interface GuestWire {
  /** The words that name it, as `netloom attach` takes them. */
  readonly device: string;
  readonly state: WireState;
  /** How many guests have plugged in. */
  readonly connects: number;
  /** Why there is no guest, or was none at the last try. */
  readonly lastError: string | null;
  /** What may be left to the guest, looked at for each frame; absent: nothing. */
  readonly offload?: FrameSink['offload'];
  /** More of a vhost-user port. */
  readonly vhostUser?: VhostUserStatus;
  /** No more frames for the moment; `room` says when. */
  readonly isFull: boolean;
  /** Takes what it needs of the system. @throws Error, with one line for people, when it cannot have it. */
  open(): Promise<void>;
  /** From now on frames come in. Called once, after `open`. */
  start(user: WireUser): void;
  /** Takes `m` over, or answers false: then it is still the caller's. */
  send(m: PacketBuffer): boolean;
  /** What was sent may go. */
  flush(): void;
  /** Lets everything go. Resolves when nothing is left; afterwards the user hears nothing. May be called again. */
  close(): Promise<void>;
}
