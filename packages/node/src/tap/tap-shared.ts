/**
 * tap-shared.ts — what a TapPort and its worker thread agree on: the control words, the counters, the limits.
 *
 *     control  Int32 [ receive ring's words | transmit ring's words | STOP ]      SharedArrayBuffer
 *     counters Float64, each written by the worker alone                          SharedArrayBuffer
 *
 * The rings' bytes are pages mapped outside V8's heap (libc.ts mapPages), which both threads see as plain ArrayBuffers: see ring.ts for why.
 * A counter is a number in one aligned 64-bit word: every machine that koffi runs on stores it whole, so a reader sees an old or a new value.
 */
import { RING_CTL_WORDS } from './ring.js';
import type { MessagePort } from 'node:worker_threads';

/** Changes with every change of what is below; the worker refuses another build's port. */
export const TAP_LAYOUT = 1;

export const RX_CTL = 0;
export const TX_CTL = RING_CTL_WORDS;
/** 1: the worker writes what is in the transmit ring and ends. */
export const STOP = 2 * RING_CTL_WORDS;
export const CONTROL_WORDS = STOP + 1;

/** Indexes of the worker's counters. */
export const C_TX_FRAMES = 0;
export const C_TX_OCTETS = 1;
/** Frames that the kernel refused: the interface is down, the header makes no sense, no memory. */
export const C_TX_ERRORS = 2;
/** Times the kernel's send buffer was full and the worker waited for it. */
export const C_TX_WAITS = 3;
export const C_RX_ERRORS = 4;
/** Times the receive ring was full and the worker stopped reading; the kernel drops at its own queue meanwhile, and counts. */
export const C_RX_WAITS = 5;
/** Times the worker woke. */
export const C_WAKEUPS = 6;
export const COUNTERS = 8;

/** The longest frame that is read or written: 64 KB of IP with Ethernet and two VLAN tags, rounded up. */
export const FRAME_MAX = 65_600;

/** Frames moved in one direction before the other gets its turn, and per publication of a ring. */
export const BURST = 64;

/** The worker's messages, one number each. */
export const MSG_FRAMES = 0;
/** The worker is about to end on its own; 1 + errno. */
export const MSG_GONE = 1;

export interface TapWorkerData {
  readonly layout: number;
  readonly fd: number;
  readonly eventFd: number;
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly rxAddress: number;
  readonly rxSize: number;
  readonly txAddress: number;
  readonly txSize: number;
  readonly port: MessagePort;
}
