/**
 * protect-metrics.ts — protected machines in the words of Prometheus.
 * Read first: protect-view.ts; daemon/metric-family.ts.
 *
 * A machine whose both sides are here has two samples of each family, told apart by `side`. A value that there is not, the age of a checkpoint before the first one say, has no sample.
 */
import type { BackupPhase, PrimaryPhase } from '@netloom/core';
import { metricFamily } from '../daemon/metric-family.js';
import type { MetricLabels, MetricSample } from '../daemon/metric-family.js';
import type { ProtectionView } from './protect-view.js';

type Measure = readonly [name: string, help: string, type: 'counter' | 'gauge', of: (view: ProtectionView) => number | null];

const MEASURES: readonly Measure[] = [
  ['checkpoints_total', 'Checkpoints that were taken, or came.', 'counter', (v) => v.totals.checkpoints],
  ['commits_total', 'Checkpoints that are safe.', 'counter', (v) => v.totals.commits],
  ['pause_seconds_total', 'How long the machine stood still for them.', 'counter', (v) => seconds(v.totals.pauseUs)],
  ['commit_seconds_total', 'How long it took from when each was due until it was safe.', 'counter', (v) => seconds(v.totals.commitUs)],
  ['bytes_total', 'What went to the backup, or came to it.', 'counter', (v) => v.totals.bytes],
  ['age_seconds', 'How old the newest safe checkpoint is.', 'gauge', (v) => seconds(v.ageUs)],
  ['lag_epochs', 'Checkpoints that were taken and are not safe yet.', 'gauge', (v) => (v.side === 'primary' ? Math.max(0, v.epoch - v.committed) : null)],
  ['held_frames', 'Frames that wait until their epoch is safe.', 'gauge', (v) => v.held.frames],
  ['held_bytes', 'Their bytes.', 'gauge', (v) => v.held.bytes],
  ['held_age_seconds', 'How long the oldest of them has waited.', 'gauge', (v) => seconds(v.held.ageUs)],
  ['held_drops_total', 'Frames for which there was no room to wait.', 'counter', (v) => v.held.drops],
  ['held_disk_bytes', 'Writes to disks that wait.', 'gauge', (v) => v.held.diskBytes],
  ['take_over_seconds', 'How long its take-over took.', 'gauge', (v) => seconds(v.takeOverUs)],
];

const PRIMARY_PHASES = namesOf<PrimaryPhase>({ alone: 0, syncing: 0, holding: 0, handing: 0, deciding: 0, frozen: 0, ended: 0 });
const BACKUP_PHASES = namesOf<BackupPhase>({ empty: 0, receiving: 0, ready: 0, suspecting: 0, refused: 0, taking: 0, live: 0, broken: 0 });

export function protectMetrics(views: readonly ProtectionView[]): string {
  return [
    ...MEASURES.map(([name, help, type, of]) => metricFamily(`netloom_protect_${name}`, help, type, samplesOf(views, of))),
    metricFamily('netloom_protect_phase', '1 for the phase that it is in.', 'gauge', views.flatMap((view) => phases(view).map((phase): MetricSample => [{ ...labelsOf(view), phase }, phase === view.phase ? 1 : 0]))),
    metricFamily('netloom_protect_path_up', 'Is the other side heard on this path?', 'gauge', views.flatMap((view) => (['stream', 'beat'] as const).map((path): MetricSample => [{ ...labelsOf(view), path }, view.paths[path] ? 1 : 0]))),
  ].join('');
}

function samplesOf(views: readonly ProtectionView[], of: Measure[3]): MetricSample[] {
  return views.flatMap((view) => {
    const value = of(view);
    return value === null ? [] : [[labelsOf(view), value] as const];
  });
}

function labelsOf({ machine, vnet, side }: ProtectionView): MetricLabels {
  return { machine, vnet, side };
}

function phases({ side }: ProtectionView): readonly string[] {
  return side === 'primary' ? PRIMARY_PHASES : BACKUP_PHASES;
}

/** To the microsecond. */
function seconds(us: number): number;
function seconds(us: number | null): number | null;
function seconds(us: number | null): number | null {
  return us === null ? null : Math.round(us) / 1e6;
}

/** All of them: a phase that core gets is missed here by the compiler. */
function namesOf<Phase extends string>(all: Readonly<Record<Phase, 0>>): readonly string[] {
  return Object.keys(all);
}
