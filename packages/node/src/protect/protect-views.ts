/**
 * protect-views.ts — what there is to see of both sides of a protected machine.
 * Read first: protect-view.ts.
 */
import type { KeptMachine } from './kept-machine.js';
import type { Protection } from './protect-machine.js';
import { NOTHING_HELD } from './protect-view.js';
import type { ProtectionView } from './protect-view.js';

export function protectedView({ wish, protectedMachine: machine, output, disks }: Protection, vnet: string): ProtectionView {
  const { figures, connection } = machine;
  const { last } = figures;
  const now = performance.now() * 1000;
  return {
    machine: wish.machine, vnet, side: 'primary', phase: machine.phase, peer: wish.backupText, fence: wish.fenceText, interval: wish.interval,
    epoch: machine.closedEpoch, committed: machine.ackedEpoch, ageUs: figures.safeUs === null ? null : now - figures.safeUs,
    epochsPerSecond: figures.perSecond, pauseUs: last?.pauseUs ?? null, commitUs: figures.recent.findLast(({ commitUs }) => commitUs !== null)?.commitUs ?? null,
    pages: last?.pages ?? null, bytes: figures.recent.findLast(({ bytes }) => bytes !== null)?.bytes ?? null, copiedBytes: connection?.copiedBytes ?? 0,
    totals: { checkpoints: figures.checkpoints, commits: figures.commits, pauseUs: figures.pauseUsTotal, commitUs: figures.commitUsTotal, bytes: figures.bytesTotal },
    held: { frames: output.frames, bytes: output.bytes, ageUs: output.ageUs, drops: output.drops, diskBytes: disks.heldBytes, byEpoch: output.byEpoch },
    paths: { stream: connection?.paths.whole('stream') ?? false, beat: connection?.paths.whole('beat') ?? false },
    why: machine.why, takeOverUs: null, recent: figures.recent,
  };
}

export function keptView(kept: KeptMachine): ProtectionView {
  const { connection, origin } = kept;
  const now = performance.now() * 1000;
  return {
    machine: kept.name, vnet: kept.origin?.told.spec.vnet ?? '', side: 'backup', phase: kept.phase, peer: connection?.peer ?? '', fence: origin?.hello.fence ?? '', interval: null,
    epoch: kept.committed, committed: kept.committed, ageUs: kept.committedUs === null ? null : now - kept.committedUs,
    epochsPerSecond: 0, pauseUs: null, commitUs: null, pages: null, bytes: null, copiedBytes: null,
    totals: { checkpoints: kept.checkpoints, commits: kept.checkpoints, pauseUs: 0, commitUs: 0, bytes: connection?.bytesIn ?? 0 },
    held: NOTHING_HELD, paths: { stream: connection?.twoPaths?.whole('stream') ?? false, beat: connection?.twoPaths?.whole('beat') ?? false },
    why: kept.why, takeOverUs: kept.takeOverUs, recent: [],
  };
}
