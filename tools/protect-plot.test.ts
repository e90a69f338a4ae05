/**
 * protect-plot.test.ts — the picture of a protected machine's epochs: moments, held output by the daemon's clock, bars that are as long as what they stand for.
 */
import { DaemonClient } from '@netloom/node/client';
import type { EpochFigure, ProtectionView } from '@netloom/node/client';
import { expect, test } from 'vitest';
import { barsOf, heldOverTime, plotEpochs, watchEpochs } from '../bench/protect-plot.mjs';

const figure = (epoch: number, takenUs: number, commitUs: number | null): EpochFigure => ({ epoch, takenUs, pauseUs: 10_000, deviceUs: 1, imageUs: 1, pages: 1, bytes: 1, commitUs });
/** Every 100 ms: it runs for 90, stands still for 10; safe 30 after it stood still. */
const EPOCHS = [figure(1, 100_000, 30_000), figure(2, 200_000, 30_000), figure(3, 300_000, null)];
/** Output grows in epoch 2, which is let go when it is safe. */
const SAMPLES = [
  { committed: 1, ageUs: 0, frames: 0, bytes: 0 }, { committed: 1, ageUs: 50_000, frames: 2, bytes: 2_000 }, { committed: 1, ageUs: 110_000, frames: 4, bytes: 4_000 },
  { committed: 2, ageUs: 30_000, frames: 0, bytes: 0 }, { committed: 9, ageUs: 1, frames: 9, bytes: 9 }, { committed: 2, ageUs: 100_000, frames: 0, bytes: 0 },
];

interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

function rects(svg: string, kind: string): Rect[] {
  return [...svg.matchAll(new RegExp(`<rect x="([\\d.]+)" y="(\\d+)" width="([\\d.]+)" height="14" class="${kind}"/>`, 'g'))].map(([, x, y, width]) => ({ x: Number(x), y: Number(y), width: Number(width) }));
}

test('the moments of an epoch: it runs from where the one before was taken', () => {
  expect(barsOf(EPOCHS)).toEqual([
    { epoch: 1, runUs: 90_000, pauseUs: 90_000, takenUs: 100_000, safeUs: 120_000 },
    { epoch: 2, runUs: 100_000, pauseUs: 190_000, takenUs: 200_000, safeUs: 220_000 },
    { epoch: 3, runUs: 200_000, pauseUs: 290_000, takenUs: 300_000, safeUs: null },
  ]);
});

test('a sample\'s moment is that of its safe checkpoint and its age; without that checkpoint it has none', () => {
  expect(heldOverTime({ machine: 'web', epochs: EPOCHS, samples: SAMPLES }).map(({ atUs, bytes }) => [atUs, bytes])).toEqual([[100_000, 0], [150_000, 2_000], [210_000, 4_000], [230_000, 0], [300_000, 0]]);
});

test('bars are as long as what they stand for, on the axis of what is held', () => {
  const svg = plotEpochs({ machine: 'a<b', epochs: EPOCHS, samples: SAMPLES });
  // 200 ms from the first sample to the last on 780 points.
  const points = (us: number): number => Math.round((us / 200_000) * 780);
  expect(rects(svg, 'run').map(({ x, width }) => [Math.round(x - 64), Math.round(width)])).toEqual([[0, points(90_000)], [points(100_000), points(90_000)]]);
  expect(rects(svg, 'pause').map(({ width }) => Math.round(width))).toEqual([points(10_000), points(10_000)]);
  // The first epoch was taken when the picture begins; the last is not safe.
  expect(rects(svg, 'commit').map(({ x, width }) => [Math.round(x - 64), Math.round(width)])).toEqual([[0, points(20_000)], [points(100_000), points(20_000)]]);
  expect(svg).toContain('M64.0 146H64.0V146.0H259.0V90.0H493.0V34.0H571.0V146.0H844.0V146.0V146Z');
  expect(svg).toContain('a&lt;b: 3 epochs; medians: it stands still 10 ms, safe 30 ms after');
  expect(svg).toContain('>4.0 kB<');
});

test('bars of epochs at the same time are in rows of their own', () => {
  const slow = [1, 2, 3, 4, 5].map((n) => figure(n, n * 100_000, 250_000));
  const svg = plotEpochs({ machine: 'web', epochs: slow, samples: [] });
  const bars = [...rects(svg, 'run'), ...rects(svg, 'pause'), ...rects(svg, 'commit')];
  for (const a of bars) for (const b of bars) if (a !== b && a.y === b.y) expect(a.x + a.width <= b.x + 0.15 || b.x + b.width <= a.x + 0.15).toBe(true);
  expect(new Set(bars.map(({ y }) => y)).size).toBe(4);
});

test('a machine is looked at until the time is over; one that is not protected is refused', async () => {
  const view = { machine: 'web', side: 'primary', committed: 1, ageUs: 5, held: { frames: 1, bytes: 60 }, recent: EPOCHS } as unknown as ProtectionView;
  const client = new DaemonClient('/nonexistent');
  client.get = <T>(path: string): Promise<T> => Promise.resolve((path === '/v1/protections' ? [{ ...view, side: 'backup', committed: 0 }, view] : view) as T);
  const { epochs, samples } = await watchEpochs(client, 'web', 1);
  expect(epochs).toBe(EPOCHS);
  expect(samples[0]).toEqual({ committed: 1, ageUs: 5, frames: 1, bytes: 60 });
  await expect(watchEpochs(client, 'db', 1)).rejects.toThrow('no machine called "db" is protected here');
});
