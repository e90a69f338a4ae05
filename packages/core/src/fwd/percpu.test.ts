/**
 * percpu.test.ts — values of each processor, and their sum.
 */
import { expect, it } from 'vitest';
import { Percpu, percpuEach, percpuSum, percpuValues } from './percpu.js';

it.each([1, 3, 16, 17])('each processor counts for itself, whatever the width: %i', (width) => {
  const values = percpuValues(3, width);
  const cpus = [0, 1, 2].map((cpu) => new Percpu(values, width, cpu));
  for (let i = 0; i < width; i++) for (const [cpu, p] of cpus.entries()) p.add(i, 2 ** (32 + cpu) + i);
  for (let i = 0; i < width; i++) {
    expect(percpuEach(values, width, i)).toEqual([2 ** 32 + i, 2 ** 33 + i, 2 ** 34 + i]);
    expect(percpuSum(values, width, i)).toBe(7 * 2 ** 32 + 3 * i);
    expect(cpus[1]!.get(i)).toBe(2 ** 33 + i);
  }
});

it('blocks are on lines of their own, in shared memory', () => {
  const values = percpuValues(2, 17);
  expect([new Percpu(values, 17, 1).at * 8 % 128, values.length, values.buffer instanceof SharedArrayBuffer]).toEqual([0, 64, true]);
});
