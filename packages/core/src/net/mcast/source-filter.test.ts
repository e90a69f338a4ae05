/**
 * source-filter.test.ts — the sum of filters, against a model that works it out from all members anew.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packRecords } from './group-record.js';
import type { GroupRecord } from './group-record.js';
import { ANY_SOURCE, GroupFilter, MCAST_EXCLUDE, MCAST_INCLUDE, NO_SOURCE, filterEquals, filterPasses } from './source-filter.js';
import type { SourceFilter } from './source-filter.js';

const SOURCES = [1, 2, 3, 4, 5];
const filters = fc.record({ mode: fc.constantFrom(MCAST_INCLUDE, MCAST_EXCLUDE), sources: fc.uniqueArray(fc.constantFrom(...SOURCES)) })
  .map(({ mode, sources }): SourceFilter<number> => ({ mode, sources: new Set(sources) }));

/** RFC 9776 §3.2: a source is wanted when any member wants it; a source nobody names, when any member excludes by list. */
function model(members: readonly SourceFilter<number>[], source: number): boolean {
  return members.some((f) => filterPasses(f, source));
}

describe('the sum of source filters', () => {
  it('passes what any member wants, whoever comes, changes and leaves', () => {
    const op = fc.record({ who: fc.nat(3), filter: fc.option(filters) });
    fc.assert(fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
      const group = new GroupFilter<number>();
      const members: (SourceFilter<number> | null)[] = [null, null, null, null];
      for (const { who, filter } of ops) {
        const before = group.filter;
        expect(filterEquals(group.change(members[who] ?? null, filter), before)).toBe(true);
        members[who] = filter;
        const present = members.filter((f) => f !== null);
        for (const s of [...SOURCES, 99]) expect(filterPasses(group.filter, s)).toBe(model(present, s));
        expect(group.members).toBe(present.length);
        expect(group.filter.mode).toBe(present.some((f) => f.mode === MCAST_EXCLUDE) ? MCAST_EXCLUDE : MCAST_INCLUDE);
        expect(group.sources).toBe(new Set(present.flatMap((f) => [...f.sources])).size);
      }
    }));
  });

  it('the cases of the RFC', () => {
    const sum = (...members: SourceFilter<number>[]): SourceFilter<number> => {
      const g = new GroupFilter<number>();
      for (const f of members) g.change(null, f);
      return g.filter;
    };
    const of = (mode: typeof MCAST_INCLUDE | typeof MCAST_EXCLUDE, ...sources: number[]): SourceFilter<number> => ({ mode, sources: new Set(sources) });
    expect(sum(of(MCAST_EXCLUDE, 1, 2, 3, 4), of(MCAST_EXCLUDE, 2, 3, 4, 5), of(MCAST_INCLUDE, 4, 5, 6))).toEqual(of(MCAST_EXCLUDE, 2, 3));
    expect(sum(of(MCAST_INCLUDE, 1, 2), of(MCAST_INCLUDE, 2, 3))).toEqual(of(MCAST_INCLUDE, 1, 2, 3));
    expect(sum()).toBe(NO_SOURCE);
    expect(sum(ANY_SOURCE, of(MCAST_INCLUDE, 1))).toEqual(of(MCAST_EXCLUDE));
  });
});

describe('records in packets', () => {
  const record = (type: number, n: number): GroupRecord<number> => ({ type, group: 7, sources: Array.from({ length: n }, (_, i) => i) });

  it('every source is in one packet, but for the end of an excluded list; no packet is too long', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 6 }), fc.nat(40)), { maxLength: 12 }), fc.integer({ min: 12, max: 120 }), (list, room) => {
      const records = list.map(([type, n]) => record(type, n));
      const packets = packRecords(records, room, 8, 4);
      for (const p of packets) expect(p.reduce((sum, r) => sum + 8 + 4 * r.sources.length, 0)).toBeLessThanOrEqual(room);
      const most = Math.floor((room - 8) / 4);
      const sent = packets.flat();
      const expected = records.flatMap((r) => (r.type === 2 || r.type === 4 ? r.sources.slice(0, most) : r.sources));
      expect(sent.flatMap((r) => r.sources)).toEqual(expected);
      expect(new Set(sent.map((r) => r.type))).toEqual(new Set(records.map((r) => r.type)));
    }));
  });
});
