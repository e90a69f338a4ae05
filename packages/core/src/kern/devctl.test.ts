/**
 * devctl.test.ts — the queue of events: its bound, what a slow reader is told, how a line looks.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DevctlData, DevctlEvent, DevctlReader } from './devctl.js';
import { DevctlQueue, devctlLine } from './devctl.js';

const event = (n: number, data: DevctlData = {}): DevctlEvent => ({ at: n, vnetId: 0, vnet: 'vnet0', system: 'IFNET', subsystem: `e${n}`, type: 'ATTACH', data });

/** Everything there is: numbers of events, `-n` for n lost. */
function drain(reader: DevctlReader): number[] {
  const got: number[] = [];
  for (let item = reader.read(); item !== null; item = reader.read()) got.push(item.event === null ? -item.lost : item.event.at);
  return got;
}

describe('a queue of events', () => {
  it('gives a reader what comes after it, or what came before, as asked', () => {
    const q = new DevctlQueue(10);
    q.push(event(1));
    const [later, all, since] = [q.open(), q.open(0), q.open(1)];
    q.push(event(2));
    q.push(event(3));
    expect([drain(later), drain(all), drain(since)]).toEqual([[2, 3], [1, 2, 3], [2, 3]]);
    expect([q.first, q.last, q.dropped]).toEqual([1, 3, 0]);
  });

  it('keeps the newest, and tells a reader once how many it has lost', () => {
    const q = new DevctlQueue(3);
    const reader = q.open();
    for (let n = 1; n <= 5; n++) q.push(event(n));
    expect(drain(reader)).toEqual([-2, 3, 4, 5]);
    q.push(event(6));
    expect(drain(reader)).toEqual([6]);
    expect([reader.lost, q.dropped]).toEqual([2, 3]);
  });

  it('calls a reader that has read everything, once until it has read again', () => {
    const q = new DevctlQueue(10);
    const reader = q.open();
    let calls = 0;
    reader.onReadable = () => calls++;
    q.push(event(1));
    q.push(event(2));
    expect(calls).toBe(1);
    drain(reader);
    q.push(event(3));
    expect(calls).toBe(2);
    reader.close();
    drain(reader);
    q.push(event(4));
    expect([calls, q.readerCount]).toEqual([2, 0]);
  });

  it('ends its readers, who can read what is left', () => {
    const q = new DevctlQueue(10);
    const reader = q.open();
    q.push(event(1));
    q.end();
    expect([reader.ended, q.readerCount, drain(reader)]).toEqual([true, 0, [1]]);
    expect([q.open().ended, q.readerCount]).toEqual([true, 0]);
  });

  it('is the last `limit` of all events, whatever the limit was before (property)', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.record({ push: fc.nat(12) }), fc.record({ limit: fc.nat(8) })), { maxLength: 30 }), (steps) => {
      const q = new DevctlQueue(4);
      let model: number[] = [];
      let n = 0;
      for (const step of steps) {
        if ('limit' in step) q.limit = step.limit;
        else for (let i = 0; i < step.push; i++) {
          q.push(event(++n));
          model = q.limit === 0 ? [] : [...model, n].slice(-q.limit);
        }
        const lost = n - model.length;
        expect(drain(q.open(0))).toEqual(lost === 0 ? model : [-lost, ...model]);
      }
    }));
  });
});

describe('a line', () => {
  it('is devd\'s', () => {
    expect(devctlLine(event(1))).toBe('!system=IFNET subsystem=e1 type=ATTACH');
    expect(devctlLine(event(1, { address: '10.0.0.1' }))).toBe('!system=IFNET subsystem=e1 type=ATTACH address=10.0.0.1');
  });

  it('quotes what has spaces, quotes or nothing in it', () => {
    expect(devctlLine(event(1, { a: 'x y', b: 'say "\\"', c: '' }))).toBe('!system=IFNET subsystem=e1 type=ATTACH a="x y" b="say \\"\\\\\\"" c=""');
  });
});
