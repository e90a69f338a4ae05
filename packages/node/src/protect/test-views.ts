/**
 * test-views.ts — views of protected machines, for tests of what shows them.
 */
import type { EpochFigure } from './epoch-figures.js';
import { NOTHING_HELD } from './protect-view.js';
import type { ProtectionView } from './protect-view.js';

/** Five epochs of 50 ms; the last is not safe yet. */
export const FIGURES: readonly EpochFigure[] = [0, 1, 2, 3, 4].map((i) => ({
  epoch: 10 + i, takenUs: 1_000_000 + i * 50_000, pauseUs: 10_000 + i * 1_000, deviceUs: 4_000, imageUs: 9_000, pages: 20 * (i + 1), bytes: i === 4 ? null : 100_000 * (i + 1), commitUs: i === 4 ? null : 30_000,
}));

export const PRIMARY_VIEW: ProtectionView = {
  machine: 'web', vnet: 'r1', side: 'primary', phase: 'holding', peer: 'local', fence: 'lock', interval: 50, epoch: 14, committed: 13, ageUs: 62_000, epochsPerSecond: 20, pauseUs: 14_000, commitUs: 30_000, pages: 100, bytes: 400_000, copiedBytes: 90_000_000,
  totals: { checkpoints: 15, commits: 14, pauseUs: 180_000, commitUs: 450_000, bytes: 84_000_000 },
  held: { frames: 3, bytes: 4_500, ageUs: 62_000, drops: 2, diskBytes: 8_192, byEpoch: [{ epoch: 14, packets: 1, bytes: 1_500 }, { epoch: 15, packets: 2, bytes: 3_000 }] },
  paths: { stream: true, beat: true }, why: '', takeOverUs: null, recent: FIGURES,
};

export const BACKUP_VIEW: ProtectionView = {
  ...PRIMARY_VIEW, vnet: '', side: 'backup', phase: 'ready', interval: null, epoch: 13, epochsPerSecond: 0, pauseUs: null, commitUs: null, pages: null, bytes: null, copiedBytes: null,
  totals: { checkpoints: 14, commits: 14, pauseUs: 0, commitUs: 0, bytes: 84_000_000 }, held: NOTHING_HELD, recent: [],
};
