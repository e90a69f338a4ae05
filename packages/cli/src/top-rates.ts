/**
 * top-rates.ts — what workers and ports did between two looks at a daemon's datapath, per second.
 * Read first: datapath-view.ts in @netloom/node.
 */
import type { DatapathView, PortView, WorkerView } from '@netloom/node/client';

export interface WorkerRates {
  readonly worker: number;
  readonly state: WorkerView['state'];
  readonly io: string;
  readonly ioWhy: string;
  readonly ports: readonly string[];
  /** Share of the time that it was awake, 0 to 1. */
  readonly load: number;
  readonly turns: number;
  readonly batches: number;
  readonly frames: number;
  readonly framesPerBatch: number;
  readonly punts: number;
  readonly sleeps: number;
}

export interface PortRates {
  readonly device: string;
  readonly vnet: string | null;
  readonly interface: string | null;
  readonly workers: readonly (number | null)[];
  readonly rxFrames: number;
  readonly rxBits: number;
  readonly forwardedFrames: number;
  readonly forwardedBits: number;
  readonly sentFrames: number;
  readonly sentBits: number;
  /** Frames that were to leave, or to be punted, and were lost. */
  readonly lost: number;
  /** By reason, the most frequent first. */
  readonly punts: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
}

export interface TopSample {
  readonly seconds: number;
  readonly configured: number;
  readonly deaths: number;
  readonly noRoom: DatapathView['noRoom'];
  readonly workers: readonly WorkerRates[];
  readonly ports: readonly PortRates[];
}

export function topRates(before: DatapathView, after: DatapathView): TopSample {
  const seconds = Math.max((after.atMs - before.atMs) / 1000, 1e-3);
  const workers = after.workers.map((w) => workerRates(before.workers.find((old) => old.worker === w.worker), w, seconds));
  // A port's number may have gone to another device meanwhile.
  const ports = after.ports.map((p) => portRates(before.ports.find((old) => old.port === p.port && old.device === p.device), p, seconds));
  return { seconds, configured: after.configured, deaths: after.deaths, noRoom: after.noRoom, workers, ports };
}

function workerRates(was: WorkerView | undefined, is: WorkerView, seconds: number): WorkerRates {
  const rate = (of: (w: WorkerView) => number): number => Math.max(0, of(is) - (was === undefined ? 0 : of(was))) / seconds;
  const [batches, frames] = [rate((w) => w.batches), rate((w) => w.frames)];
  return {
    worker: is.worker, state: is.state, io: is.io, ioWhy: is.ioWhy, ports: is.ports,
    load: Math.min(1, rate((w) => w.busyMs) / 1000), turns: rate((w) => w.turns), batches, frames, framesPerBatch: batches === 0 ? 0 : frames / batches,
    punts: rate((w) => w.punts), sleeps: rate((w) => w.sleeps),
  };
}

function portRates(was: PortView | undefined, is: PortView, seconds: number): PortRates {
  const rate = (of: (p: PortView) => number): number => Math.max(0, of(is) - (was === undefined ? 0 : of(was))) / seconds;
  const reasons = (of: (p: PortView) => Readonly<Record<string, number>>): Record<string, number> => {
    const rates = Object.entries(of(is)).map(([reason, n]) => [reason, (n - (was === undefined ? 0 : (of(was)[reason] ?? 0))) / seconds] as const);
    return Object.fromEntries(rates.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]));
  };
  return {
    device: is.device, vnet: is.vnet, interface: is.interface, workers: is.workers,
    rxFrames: rate((p) => p.rxFrames), rxBits: 8 * rate((p) => p.rxOctets), forwardedFrames: rate((p) => p.forwardedFrames), forwardedBits: 8 * rate((p) => p.forwardedOctets),
    sentFrames: rate((p) => p.sentFrames), sentBits: 8 * rate((p) => p.sentOctets), lost: rate((p) => p.txFull + p.txErrors + p.puntsLost + p.noPort),
    punts: reasons((p) => p.punts), drops: reasons((p) => p.drops),
  };
}
