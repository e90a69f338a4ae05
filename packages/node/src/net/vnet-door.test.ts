/**
 * vnet-door.test.ts — who is served, when, and what becomes of the others when a listener throws.
 */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Kernel, quietEnv } from '@netloom/core';
import { VnetDoor } from './vnet-door.js';

let door: VnetDoor;
let served: string[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setImmediate', 'setInterval', 'clearInterval'] });
  door = new VnetDoor(new Kernel(quietEnv(1)).vnet0);
  served = [];
});

afterEach(() => {
  vi.useRealTimers();
});

it('serves everybody once, in one round, and who comes meanwhile in the next', () => {
  const late = { attend: () => served.push('late') };
  const one = {
    attend: () => {
      served.push('one');
      door.later(late);
    },
  };
  const two = { attend: () => served.push('two') };
  for (const who of [one, two, one, one]) door.later(who);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(0);
  vi.runAllTimers();
  expect(served).toEqual(['one', 'two', 'late']);
});

it('serves the others when somebody throws', () => {
  door.later({
    attend: () => {
      throw new Error('a listener');
    },
  });
  door.later({ attend: () => served.push('the other') });
  expect(() => vi.runAllTimers()).toThrow('a listener');
  vi.runAllTimers();
  expect(served).toEqual(['the other']);
});

it('keeps the process as long as somebody holds it', () => {
  const [a, b] = [{}, {}];
  for (const who of [a, b, b]) door.keep(who, true);
  for (const who of [a, a]) door.keep(who, false);
  expect(vi.getTimerCount()).toBe(1);
  door.keep(b, false);
  expect(vi.getTimerCount()).toBe(0);
});
