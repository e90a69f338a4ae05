/**
 * loop.test.ts — the host loop against a clock of the test's own: one stamp per batch, deadlines met and never early, errors contained.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HostLoop } from './loop.js';

class FakeKernel {
  deadline = Infinity;
  readonly ticks: number[] = [];
  onTick: (now: number) => void = () => {};

  tick(now: number): void {
    this.ticks.push(now);
    this.onTick(now);
  }

  nextDeadline(): number {
    return this.deadline;
  }
}

let ms = 0;
let reads = 0;
let errors: unknown[] = [];
let kernel: FakeKernel;
let loop: HostLoop;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
  ms = 1000;
  reads = 0;
  errors = [];
  kernel = new FakeKernel();
  loop = new HostLoop((e) => errors.push(e), () => {
    reads++;
    return ms;
  });
  loop.attach(kernel);
});

afterEach(() => {
  loop.close();
  vi.useRealTimers();
});

/** Lets `step` milliseconds pass on both clocks. */
function pass(step: number): void {
  ms += step;
  vi.advanceTimersByTime(step);
}

test('time starts at 0 and a batch has one stamp', () => {
  expect(loop.now).toBe(0);
  ms += 2.5;
  reads = 0;
  loop.batch((now) => {
    expect(now).toBe(2500);
    ms += 1;
    expect(loop.enter()).toBe(3500);
  });
  expect(reads).toBe(2);
  expect(kernel.ticks.at(-1)).toBe(3500);
});

test('an idle loop arms nothing', () => {
  expect(vi.getTimerCount()).toBe(0);
  loop.enter();
  expect(vi.getTimerCount()).toBe(0);
});

test('a deadline is met within a millisecond and never early', () => {
  for (const us of [100, 999, 1_000, 1_500, 19_999, 20_000, 33_333, 1_000_000]) {
    const start = loop.enter();
    kernel.deadline = start + us;
    kernel.onTick = (now) => {
      if (now >= kernel.deadline) kernel.deadline = Infinity;
    };
    loop.wake();
    for (let i = 0; kernel.deadline !== Infinity && i < 20_000; i++) pass(0.1);
    expect(kernel.ticks.at(-1)! - start, `${us}`).toBeGreaterThanOrEqual(us);
    expect(kernel.ticks.at(-1)! - start, `${us}`).toBeLessThanOrEqual(us + 1_100);
    expect(vi.getTimerCount()).toBe(0);
  }
});

test('wake schedules one turn, however often it is called', () => {
  loop.wake();
  loop.wake();
  expect(vi.getTimerCount()).toBe(1);
  pass(1);
  expect(kernel.ticks).toEqual([1000]);
});

test('alarms fire in the order they are due, cancelled ones not', () => {
  const fired: string[] = [];
  loop.after(3000, () => fired.push('c'));
  loop.after(1000, () => fired.push('a'));
  const b = loop.after(2000, () => fired.push('b'));
  b.cancel();
  b.cancel();
  for (let i = 0; i < 50; i++) pass(0.1);
  expect(fired).toEqual(['a', 'c']);
  expect(vi.getTimerCount()).toBe(0);
});

test('an earlier deadline replaces the armed timer', () => {
  kernel.deadline = 1_000_000;
  loop.enter();
  kernel.deadline = 5_000;
  loop.wake();
  for (let i = 0; i < 62; i++) pass(0.1);
  expect(kernel.ticks.some((t) => t >= 5_000 && t <= 6_100)).toBe(true);
});

test('what a turn throws is reported and does not end the loop', () => {
  kernel.onTick = () => {
    throw new Error('defect');
  };
  const fired: number[] = [];
  loop.after(0, () => fired.push(1));
  expect(() => loop.enter()).not.toThrow();
  expect(errors).toHaveLength(1);
  expect(fired).toEqual([1]);
});

test('a clock that steps back does not move time back', () => {
  ms += 10;
  expect(loop.enter()).toBe(10_000);
  ms -= 5;
  expect(loop.enter()).toBe(10_000);
});

test('a closed loop does nothing', () => {
  loop.after(0, () => errors.push('fired'));
  loop.close();
  pass(10);
  loop.wake();
  pass(10);
  expect(errors).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
