/**
 * datapath-metrics.test.ts — the datapath's counts in Prometheus's text format: families, labels, what has to be escaped.
 */
import { expect, test } from 'vitest';
import type { DatapathView, PortView, WorkerView } from '../datapath/datapath-view.js';
import { datapathMetrics } from './datapath-metrics.js';
import { parseMetrics } from './test-metrics.js';

const WORKER: WorkerView = { worker: 0, state: 'up', io: 'poll', ioWhy: '', ports: ['tap0'], busyMs: 1_500, turns: 10, batches: 9, frames: 100, punts: 5, bells: 1, sleeps: 3 };
const PORT: PortView = {
  port: 0, device: 'tap0', vnet: 'r1', interface: 'tap0', workers: [0], rxFrames: 100, rxOctets: 10_000, forwardedFrames: 50, forwardedOctets: 5_000, sentFrames: 10, sentOctets: 1_000,
  txFull: 1, txErrors: 2, puntsLost: 3, noPort: 4, punts: { local: 5, ttl: 6 }, drops: { blackhole: 7 },
};
const VIEW: DatapathView = { atMs: 1, configured: 2, deaths: 8, noRoom: { interfaces: 9, neighbours: 10 }, workers: [WORKER, { ...WORKER, worker: 1, state: 'starting' }], ports: [PORT] };

test('every count is a sample of a family', () => {
  const values = parseMetrics(datapathMetrics(VIEW));
  const where = 'device="tap0",vnet="r1",interface="tap0"';
  expect(values.get('netloom_datapath_workers')).toBe(1);
  expect(values.get('netloom_datapath_worker_deaths_total')).toBe(8);
  expect([values.get('netloom_datapath_no_room_interfaces'), values.get('netloom_datapath_no_room_neighbours_total')]).toEqual([9, 10]);
  expect(values.get('netloom_datapath_worker_busy_seconds_total{worker="1"}')).toBe(1.5);
  const ofPort = [...values].filter(([name]) => name.startsWith('netloom_datapath_port_')).map(([name, value]) => [name.slice('netloom_datapath_port_'.length).replace(where, ''), value]);
  expect(Object.fromEntries(ofPort)).toEqual({
    'receive_frames_total{}': 100, 'receive_bytes_total{}': 10_000, 'forwarded_frames_total{}': 50, 'forwarded_bytes_total{}': 5_000, 'sent_frames_total{}': 10, 'sent_bytes_total{}': 1_000,
    'transmit_full_total{}': 1, 'transmit_errors_total{}': 2, 'punts_lost_total{}': 3, 'no_port_total{}': 4,
    'punts_total{,reason="local"}': 5, 'punts_total{,reason="ttl"}': 6, 'drops_total{,reason="blackhole"}': 7,
  });
});

test('names are escaped; a port that is nobody\'s has empty ones', () => {
  const values = parseMetrics(datapathMetrics({ ...VIEW, ports: [{ ...PORT, device: 'a"b\\c\nd', vnet: null, interface: null }] }));
  expect(values.get('netloom_datapath_port_receive_frames_total{device="a\\"b\\\\c\\nd",vnet="",interface=""}')).toBe(100);
});

test('without workers there are families, and nothing in most of them', () => {
  expect([...parseMetrics(datapathMetrics({ atMs: 1, configured: 0, deaths: 0, noRoom: { interfaces: 0, neighbours: 0 }, workers: [], ports: [] }))]).toEqual([
    ['netloom_datapath_workers', 0], ['netloom_datapath_worker_deaths_total', 0], ['netloom_datapath_no_room_interfaces', 0], ['netloom_datapath_no_room_neighbours_total', 0],
  ]);
});
