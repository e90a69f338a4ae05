/**
 * datapath-metrics.ts — the datapath's counts in the words of Prometheus.
 * Read first: metric-family.ts; datapath/datapath-view.ts.
 */
import type { DatapathView, PortView, WorkerView } from '../datapath/datapath-view.js';
import { metricFamily } from './metric-family.js';
import type { MetricLabels, MetricSample } from './metric-family.js';

const WORKERS: readonly (readonly [name: string, help: string, of: (w: WorkerView) => number])[] = [
  ['busy_seconds_total', 'How long the worker was awake.', (w) => w.busyMs / 1000],
  ['turns_total', 'Turns of its loop.', (w) => w.turns],
  ['batches_total', 'Batches of frames.', (w) => w.batches],
  ['frames_total', 'Frames read.', (w) => w.frames],
  ['punts_total', 'Frames given to the control thread.', (w) => w.punts],
  ['sleeps_total', 'Times it had nothing to do.', (w) => w.sleeps],
];

const PORTS: readonly (readonly [name: string, help: string, of: (p: PortView) => number])[] = [
  ['receive_frames_total', 'Frames read from the device.', (p) => p.rxFrames],
  ['receive_bytes_total', 'Their bytes.', (p) => p.rxOctets],
  ['forwarded_frames_total', 'Frames written to the device by workers alone.', (p) => p.forwardedFrames],
  ['forwarded_bytes_total', 'Their bytes.', (p) => p.forwardedOctets],
  ['sent_frames_total', 'Frames written to the device for the control thread.', (p) => p.sentFrames],
  ['sent_bytes_total', 'Their bytes.', (p) => p.sentOctets],
  ['transmit_full_total', 'Frames the kernel had no room for.', (p) => p.txFull],
  ['transmit_errors_total', 'Frames the kernel refused.', (p) => p.txErrors],
  ['punts_lost_total', 'Punted frames that found the ring to the control thread full.', (p) => p.puntsLost],
  ['no_port_total', 'Frames for devices that were gone.', (p) => p.noPort],
];

export function datapathMetrics(view: DatapathView): string {
  const labelsOf = (p: PortView): MetricLabels => ({ device: p.device, vnet: p.vnet ?? '', interface: p.interface ?? '' });
  const reasons = (pick: (p: PortView) => Readonly<Record<string, number>>): MetricSample[] =>
    view.ports.flatMap((p) => Object.entries(pick(p)).map(([reason, n]): MetricSample => [{ ...labelsOf(p), reason }, n]));
  return [
    metricFamily('netloom_datapath_workers', 'Workers that run.', 'gauge', [[{}, view.workers.filter((w) => w.state === 'up').length]]),
    metricFamily('netloom_datapath_worker_deaths_total', 'Threads of workers that ended by themselves.', 'counter', [[{}, view.deaths]]),
    metricFamily('netloom_datapath_no_room_interfaces', 'Interfaces without room in the tables of short paths.', 'gauge', [[{}, view.noRoom.interfaces]]),
    metricFamily('netloom_datapath_no_room_neighbours_total', 'Times that a neighbour found no room in them.', 'counter', [[{}, view.noRoom.neighbours]]),
    ...WORKERS.map(([name, help, of]) => metricFamily(`netloom_datapath_worker_${name}`, help, 'counter', view.workers.map((w) => [{ worker: w.worker }, of(w)]))),
    ...PORTS.map(([name, help, of]) => metricFamily(`netloom_datapath_port_${name}`, help, 'counter', view.ports.map((p) => [labelsOf(p), of(p)]))),
    metricFamily('netloom_datapath_port_punts_total', 'Frames given to the control thread, by reason.', 'counter', reasons((p) => p.punts)),
    metricFamily('netloom_datapath_port_drops_total', 'Frames dropped, by reason.', 'counter', reasons((p) => p.drops)),
  ].join('');
}
