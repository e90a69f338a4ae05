/**
 * guest-clock.test.ts — what v86 takes for its clock goes on from where it is set, back or ahead, and not before.
 */
import { expect, test } from 'vitest';
import { GuestClock } from './guest-clock.js';

test('the clock goes on from what it is set to, by as much as time passes', () => {
  let real = 100;
  const { now } = performance;
  performance.now = () => real;
  try {
    const clock = new GuestClock();
    const taken = performance.now.bind(performance); // as v86 takes it, before it is set
    expect([clock.now(), taken()]).toEqual([100, 100]);
    clock.set(5_000_000);
    real += 3;
    expect([clock.now(), taken()]).toEqual([5_000_003, 5_000_003]);
    clock.set(7);
    real += 0.5;
    expect(taken()).toBe(7.5);
  } finally {
    performance.now = now;
  }
});
