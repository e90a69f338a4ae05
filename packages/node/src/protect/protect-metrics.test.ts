/**
 * protect-metrics.test.ts — protected machines in Prometheus's text format: families, both sides, what has no value yet.
 */
import { expect, test } from 'vitest';
import { parseMetrics } from '../daemon/test-metrics.js';
import { protectMetrics } from './protect-metrics.js';
import { BACKUP_VIEW, PRIMARY_VIEW } from './test-views.js';

/** Values of one machine's side, by family; labels behind `side` stay. */
function of(values: Map<string, number>, where: string): Record<string, number> {
  const ours = [...values].filter(([name]) => name.includes(where));
  return Object.fromEntries(ours.map(([name, value]) => [name.slice('netloom_protect_'.length).replace(where, '').replace('{}', ''), value]));
}

test('every count is a sample of a family, of each side', () => {
  const values = parseMetrics(protectMetrics([PRIMARY_VIEW, BACKUP_VIEW]));
  expect(of(values, 'machine="web",vnet="r1",side="primary"')).toEqual({
    checkpoints_total: 15, commits_total: 14, pause_seconds_total: 0.18, commit_seconds_total: 0.45, bytes_total: 84_000_000, age_seconds: 0.062, lag_epochs: 1,
    held_frames: 3, held_bytes: 4_500, held_age_seconds: 0.062, held_drops_total: 2, held_disk_bytes: 8_192,
    'phase{,phase="alone"}': 0, 'phase{,phase="syncing"}': 0, 'phase{,phase="holding"}': 1, 'phase{,phase="handing"}': 0, 'phase{,phase="deciding"}': 0, 'phase{,phase="frozen"}': 0, 'phase{,phase="ended"}': 0,
    'path_up{,path="stream"}': 1, 'path_up{,path="beat"}': 1,
  });
  const backup = of(values, 'machine="web",vnet="",side="backup"');
  expect(Object.entries(backup).filter(([name]) => name.startsWith('phase'))).toEqual([
    ['phase{,phase="empty"}', 0], ['phase{,phase="receiving"}', 0], ['phase{,phase="ready"}', 1], ['phase{,phase="suspecting"}', 0], ['phase{,phase="refused"}', 0], ['phase{,phase="taking"}', 0], ['phase{,phase="live"}', 0], ['phase{,phase="broken"}', 0],
  ]);
  expect(backup).not.toHaveProperty('lag_epochs');
});

test('what there is not yet has no sample; a path that is silent is 0', () => {
  const values = of(parseMetrics(protectMetrics([{ ...PRIMARY_VIEW, epoch: -1, committed: -1, ageUs: null, paths: { stream: true, beat: false } }])), 'machine="web",vnet="r1",side="primary"');
  expect(values).not.toHaveProperty('age_seconds');
  expect(values).toMatchObject({ lag_epochs: 0, 'path_up{,path="stream"}': 1, 'path_up{,path="beat"}': 0 });
  const taken = of(parseMetrics(protectMetrics([{ ...BACKUP_VIEW, phase: 'live', takeOverUs: 812_345.6 }])), 'machine="web",vnet="",side="backup"');
  expect(taken).toMatchObject({ take_over_seconds: 0.812346, 'phase{,phase="live"}': 1, 'phase{,phase="ready"}': 0 });
});

test('without machines there are families, and nothing in them', () => {
  expect(parseMetrics(protectMetrics([])).size).toBe(0);
});
