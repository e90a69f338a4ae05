/**
 * datapath-view.ts — what there is to say of a pool of workers and its ports: the counts that `netloom top` takes differences of.
 * Read first: datapath-shared.ts; docs/datapath.md.
 *
 * Counts are since the pool, or the port, was made; a worker's go on when its thread is replaced.
 */
import { performance } from 'node:perf_hooks';
import type { Datapath } from '@netloom/core';
import { FWD_DROP, FWD_REASONS, fwdReason } from '@netloom/core/fwd';
import { VNET_HDR_SIZE } from '../tap/vnet-hdr.js';
import type { DatapathPool } from './datapath-pool.js';
import type { DatapathPort } from './datapath-port.js';
import {
  PC_DROPS, PC_FWD_FRAMES, PC_FWD_OCTETS, PC_NO_PORT, PC_PUNTS, PC_RX_FRAMES, PC_RX_FULL, PC_RX_OCTETS, PC_TX_ERRORS, PC_TX_FULL, PORT_COUNTERS, W_BATCHES, W_BELLS, W_BUSY_MS,
  W_FRAMES, W_PUNTS, W_SINCE_MS, W_SLEEPS, W_TURNS,
} from './datapath-shared.js';
import type { WorkerSeat } from './worker-seat.js';

export interface WorkerView {
  readonly worker: number;
  readonly state: 'starting' | 'up' | 'empty' | 'ending';
  /** How it reads and writes, and why not in a better way; '' when there is nothing to say. */
  readonly io: string;
  readonly ioWhy: string;
  /** Ports of which it reads a queue. */
  readonly ports: readonly string[];
  /** Milliseconds it was awake. */
  readonly busyMs: number;
  readonly turns: number;
  readonly batches: number;
  /** Frames read; of those, given to the control thread. */
  readonly frames: number;
  readonly punts: number;
  readonly bells: number;
  readonly sleeps: number;
}

export interface PortView {
  readonly port: number;
  readonly device: string;
  /** Whose frames these are; null while it is nobody's. */
  readonly vnet: string | null;
  readonly interface: string | null;
  /** The worker that reads each of its queues; null while one moves. */
  readonly workers: readonly (number | null)[];
  /** Read from the device, without virtio headers. */
  readonly rxFrames: number;
  readonly rxOctets: number;
  /** Written to it: for other ports, by the workers alone; for the control thread. */
  readonly forwardedFrames: number;
  readonly forwardedOctets: number;
  readonly sentFrames: number;
  readonly sentOctets: number;
  /** Frames that the kernel had no room for; that it refused. */
  readonly txFull: number;
  readonly txErrors: number;
  /** Punted frames that found the ring to the control thread full; frames for ports that were gone. */
  readonly puntsLost: number;
  readonly noPort: number;
  /** By reason; reasons that have occurred. */
  readonly punts: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
}

export interface DatapathView {
  /** When these counts were taken: milliseconds since 1970, by a clock that never goes back. */
  readonly atMs: number;
  /** How many workers the daemon was asked for; they start with the first port. */
  readonly configured: number;
  /** Threads that ended by themselves. */
  readonly deaths: number;
  /** What found no room in the tables and takes the complete path: interfaces at present, and how often neighbours did. */
  readonly noRoom: { readonly interfaces: number; readonly neighbours: number };
  readonly workers: readonly WorkerView[];
  readonly ports: readonly PortView[];
}

/** Where a port's frames belong. */
export type PlaceOf = (port: DatapathPort) => { readonly vnet: string; readonly interface: string } | null;

export function datapathView(pool: DatapathPool | null, tables: Datapath | null, configured: number, placeOf: PlaceOf): DatapathView {
  const atMs = performance.timeOrigin + performance.now();
  const noRoom = { interfaces: tables?.noRoom ?? 0, neighbours: tables?.neighbours.noRoom ?? 0 };
  if (pool === null) return { atMs, configured, deaths: 0, noRoom, workers: [], ports: [] };
  const ports = [...pool.ports].sort((a, b) => a.number - b.number);
  return { atMs, configured, deaths: pool.deaths, noRoom, workers: pool.seats.map((seat) => workerView(pool, seat, atMs)), ports: ports.map((port) => portView(port, placeOf)) };
}

function workerView(pool: DatapathPool, seat: WorkerSeat, atMs: number): WorkerView {
  const c = seat.counters;
  const since = seat.state === 'empty' ? 0 : c[W_SINCE_MS]!;
  return {
    worker: seat.index, state: seat.state, io: seat.io, ioWhy: seat.ioWhy, ports: [...new Set(pool.queuesOf(seat).map(({ port }) => port.name))],
    busyMs: c[W_BUSY_MS]! + (since > 0 ? Math.max(0, atMs - since) : 0),
    turns: c[W_TURNS]!, batches: c[W_BATCHES]!, frames: c[W_FRAMES]!, punts: c[W_PUNTS]!, bells: c[W_BELLS]!, sleeps: c[W_SLEEPS]!,
  };
}

function portView(port: DatapathPort, placeOf: PlaceOf): PortView {
  const place = placeOf(port);
  const front = port.vnetHdr ? VNET_HDR_SIZE : 0;
  const { txFrames, txOctets } = port.stats;
  const rxFrames = port.count(PC_RX_FRAMES);
  const forwardedFrames = port.count(PC_FWD_FRAMES);
  const counted = (base: number, n: number, nameOf: (i: number) => string): Record<string, number> =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [nameOf(i), port.count(base + i)] as const).filter(([, count]) => count > 0));
  return {
    port: port.number, device: port.name, vnet: place?.vnet ?? null, interface: place?.interface ?? null, workers: port.queues.map(({ seat }) => seat?.index ?? null),
    rxFrames, rxOctets: port.count(PC_RX_OCTETS) - rxFrames * front,
    forwardedFrames, forwardedOctets: port.count(PC_FWD_OCTETS) - forwardedFrames * front,
    sentFrames: txFrames, sentOctets: txOctets - txFrames * front,
    txFull: port.count(PC_TX_FULL), txErrors: port.count(PC_TX_ERRORS), puntsLost: port.count(PC_RX_FULL), noPort: port.count(PC_NO_PORT),
    punts: counted(PC_PUNTS, FWD_REASONS, (i) => fwdReason(-i) || `reason ${i}`),
    drops: counted(PC_DROPS, PORT_COUNTERS - PC_DROPS, (i) => fwdReason(FWD_DROP - i) || `reason ${i}`),
  };
}
