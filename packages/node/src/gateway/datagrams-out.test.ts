/**
 * datagrams-out.test.ts — what is on its way to the host is bounded, and given back.
 */
import { Kernel, quietEnv } from '@netloom/core';
import { expect, it } from 'vitest';
import { DatagramsOut, PacketsOut } from './datagrams-out.js';

const { pool } = new Kernel(quietEnv(1)).engine;

it('takes a megabyte, and as many small ones as there are packets for', () => {
  for (const [len, most] of [[65_536, 16], [1, 2_048], [0, 2_048]] as const) {
    const all = new PacketsOut();
    const out = new DatagramsOut(all);
    const taken = Array.from({ length: most }, () => pool.alloc(len)!);
    for (const m of taken) expect(out.take(m)).toBe(true);
    const more = pool.alloc(len)!;
    expect(out.take(more)).toBe(false);
    out.drop(taken.pop()!);
    expect(out.take(more)).toBe(true);
    expect(all.count).toBe(most);
    for (const m of [...taken, more]) out.drop(m);
    expect([all.count, pool.inUse]).toEqual([0, 0]);
  }
});

it('sends the datagrams of a super-segment one by one, and frees it with the last', () => {
  const all = new PacketsOut();
  const out = new DatagramsOut(all);
  const m = pool.alloc(2_500)!;
  m.gsoSize = 1_000;
  const sent: { length: number; done: () => void }[] = [];
  expect(out.take(m)).toBe(true);
  out.send(m, ({ length }, done) => void sent.push({ length, done }));
  expect(sent.map((s) => s.length)).toEqual([1_000, 1_000, 500]);
  const heard: string[] = [];
  all.whenNone(() => heard.push('none'));
  for (const [i, { done }] of sent.entries()) {
    expect([pool.inUse, heard.length]).toEqual([1, 0]);
    done();
    if (i < 2) continue;
    expect([pool.inUse, heard]).toEqual([0, ['none']]);
  }
  all.whenNone(() => heard.push('at once'));
  expect(heard).toEqual(['none', 'at once']);
});
