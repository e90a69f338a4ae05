/**
 * datapath-shared.ts — what the control thread and a datapath worker agree on: control words, counters, commands, messages.
 * Read first: datapath-pool.ts, worker-loop.ts.
 *
 *     control   Int32, for each worker      COMMANDS . . . ASLEEP . . . STOP      a cache line pair each            SharedArrayBuffer
 *     counters  Float64, for each worker    W_*, written by it alone                                                SharedArrayBuffer
 *     counters  Float64, for each port      a row of PC_* for each worker, written by it alone                      SharedArrayBuffer
 *
 * A counter is a number in one aligned 64-bit word: every machine that koffi runs on stores it whole, so a reader sees an old or a new value.
 *
 * Commands go to a worker by MessagePort, whose messages it takes out itself (it never returns to its event loop); COMMANDS counts them, so that an idle look
 * costs one atomic load. A worker that sleeps says so in ASLEEP, and whoever gives it something rings its eventfd: it says "asleep" and then looks for commands and
 * frames once more, the other side writes those and then looks at ASLEEP, so one of them sees the other (ring.ts, "Sleeping").
 */
import type { MessagePort } from 'node:worker_threads';
import type { FwdMessage } from '@netloom/core/fwd';
import type { WorkerTables } from './frame-verdict.js';
import type { FrameIoWish } from './io/choose-io.js';

/** Changes with every change of what is below; a worker refuses another build's pool. */
export const DATAPATH_LAYOUT = 3;

/** Workers of a pool at most, and ports. */
export const WORKERS_MAX = 32;
export const PORTS_MAX = 1_024;
/** Queues of a port at most. */
export const QUEUES_MAX = WORKERS_MAX;
/** Bytes of a ring; with virtio headers, whose frames may be long, the larger. */
export const RING_SIZE = 1024 * 1024;
export const RING_SIZE_LONG = 4 * 1024 * 1024;

/** Commands given so far. */
export const COMMANDS = 0;
export const ASLEEP = 32;
/** 1: write what is in the transmit rings, and end. */
export const STOP = 64;
export const CONTROL_WORDS = 96;

export const W_TURNS = 0;
export const W_BATCHES = 1;
/** Frames read. */
export const W_FRAMES = 2;
/** Frames given to the control thread, and times its bell was rung for them. */
export const W_PUNTS = 3;
export const W_BELLS = 4;
export const W_SLEEPS = 5;
/** Milliseconds it was awake, up to the last sleep; and since when it is awake, 0 while it sleeps: milliseconds since 1970 by a clock that never goes back. */
export const W_BUSY_MS = 6;
export const W_SINCE_MS = 7;
export const WORKER_COUNTERS = 8;

/** Read from the device. */
export const PC_RX_FRAMES = 0;
export const PC_RX_OCTETS = 1;
/** Written for the control thread. */
export const PC_TX_FRAMES = 2;
export const PC_TX_OCTETS = 3;
/** Written for another port: forwarded without the control thread. */
export const PC_FWD_FRAMES = 4;
export const PC_FWD_OCTETS = 5;
/** Forwarded frames that the kernel had no room for; frames that it refused (the interface is down, the header makes no sense). */
export const PC_TX_FULL = 6;
export const PC_TX_ERRORS = 7;
/** Times the kernel had no room for a frame of the control thread, which was kept. */
export const PC_TX_WAITS = 8;
/** Punted frames that were dropped because the receive ring was full. */
export const PC_RX_FULL = 9;
/** Frames for a port that is not there any more. */
export const PC_NO_PORT = 10;
/** A verdict of -n is counted at PC_PUNTS + n, a drop of FWD_DROP - n at PC_DROPS + n. */
export const PC_PUNTS = 16;
export const PC_DROPS = 48;
export const PORT_COUNTERS = 64;

/** The longest frame that is read or written, its virtio header included. */
export const FRAME_MAX = 65_600;

/** How many frames of one transmit ring are written in a turn. */
export const TX_BURST = 64;
/** Sleeps end after this time at the latest: a thread within poll cannot be terminated. */
export const IDLE_MS = 1_000;
/** How soon a frame that the kernel had no room for is tried again. */
export const RETRY_MS = 1;

/** One descriptor of a port, as a worker is given it. */
export interface QueueOpen {
  readonly op: 'open';
  /** Its number for FrameIo, unique in the pool. */
  readonly queue: number;
  readonly port: number;
  readonly fd: number;
  readonly vnetHdr: boolean;
  readonly counters: SharedArrayBuffer;
  /** What else the worker that reads this queue is given. */
  readonly input: QueueInput | null;
  /** The transmit ring, for the worker that writes what the control thread sends. */
  readonly output: RingPlace | null;
}

export interface RingPlace {
  readonly ctl: SharedArrayBuffer;
  readonly address: number;
  readonly size: number;
}

export type QueueInput = RingPlace;

export interface QueueClose {
  readonly op: 'close';
  readonly queue: number;
}

/** For tests of what happens to the others: the worker fails. */
export interface Fault {
  readonly op: 'fault';
  readonly how: 'throw' | 'exit' | 'hang';
}

/** A table is somewhere else now. Obeyed at once, in a quiescent point, and not answered. */
export interface TableChange {
  readonly op: 'table';
  readonly message: FwdMessage;
}

export type WorkerCommand = QueueOpen | QueueClose | TableChange | Fault;

/** To the worker. */
export interface CommandMessage {
  /** It answers `{ done: seq }` when it is done with it. */
  readonly seq: number;
  readonly command: WorkerCommand;
}

/** A worker runs: how it does input and output, why not otherwise, and a descriptor that is to be closed if its thread ends by itself (-1: none). */
export interface WorkerReady {
  readonly ready: string;
  readonly why: string;
  readonly ownFd: number;
}

/** A queue could not be opened; said before the command is answered. */
export interface WorkerUnopened {
  readonly unopened: number;
  readonly why: string;
}

/** To the control thread. A number from 0 on: that queue's receive ring has frames for one who slept. */
export type WorkerMessage = number | { readonly done: number } | { readonly gone: number; readonly errno: number } | WorkerUnopened | WorkerReady;
/** The worker was at a quiescent point that somebody waits for. */
export const MSG_PASSED = -1;

export interface DatapathWorkerData {
  readonly layout: number;
  /** Its place in the pool: its row among the ports' counters. */
  readonly index: number;
  readonly eventFd: number;
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** Its slot among the readers (fwd/quiescence.ts). */
  readonly quiescence: Int32Array;
  readonly reader: number;
  /** Null: it punts everything. */
  readonly tables: WorkerTables | null;
  readonly port: MessagePort;
  readonly io: FrameIoWish;
}
