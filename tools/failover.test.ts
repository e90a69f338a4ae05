/**
 * failover.test.ts — who judges `npm run failover`: planted regressions, journals and silences are found, and what a network may do is none.
 *
 * The run itself: packages/node/test/interop/failover.test.ts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { gapsOf, longestGap } from './failover/gaps.mjs';
import { checkJournal, checkJournalFile } from './failover/journal.mjs';
import { Judge, parseAnswer } from './failover/judge.mjs';

/** A judge after `steps`: a request's id, or an answer's line. */
function judged(...steps: readonly string[]): string[] {
  const judge = new Judge();
  for (const step of steps) {
    if (step.includes(' ')) judge.answered(step);
    else judge.sent(step);
  }
  return judge.regressions.map(({ id, value, what }) => `${id} ${value}: ${what}`);
}

describe('an answer', () => {
  test.each([
    ['7 t1', { value: 7, id: 't1', ahead: false }], ['7 t1 ahead', { value: 7, id: 't1', ahead: true }], ['7', null], ['t1 7', null], ['', null], ['7 t1 t2', null], ['-7 t1', null],
  ])('"%s"', (line, answer) => {
    expect(parseAnswer(line)).toEqual(answer);
  });
});

describe('the judge', () => {
  test('a counter goes on, and answers come late, in any order, twice or never', () => {
    expect(judged('u1', 'u2', 't1', '3 t1', '1 u1', 'u3', '2 u2', 't2', '6 t2', '6 t2')).toEqual([]);
  });

  test.each([
    ['a value below what was seen before the request was sent', ['u1', '5 u1', 'u2', '4 u2'], ['u2 4: 5 had been seen before the request was sent']],
    ['the value that was seen before', ['u1', '5 u1', 'u2', '5 u2'], ['u2 5: 5 had been seen before the request was sent']],
    ['seen by the other way', ['t1', 'u1', '9 u1', 't2', '8 t1', '7 t2'], ['t2 7: 9 had been seen before the request was sent']],
    ['a value below the highest, after a late answer', ['u1', 'u2', '5 u1', '3 u2', 'u3', '4 u3'], ['u3 4: 5 had been seen before the request was sent']],
    ['one value for two', ['u1', 'u2', '5 u1', '5 u2'], ['u2 5: u1 was given the same']],
    ['a disk that is ahead', ['u1', '5 u1 ahead'], ['u1 5: the disk had this value before the counter']],
    ['an answer that nobody asked for', ['u1', '5 u9'], ['? 5: "5 u9" answers no request']],
    ['no answer', ['t1', '1 t', '2 ?x 3'], ['? 1: "1 t" answers no request', '? NaN: "2 ?x 3" answers no request']],
  ])('%s', (_, steps, regressions) => {
    expect(judged(...steps)).toEqual(regressions);
  });

  test('a counter that loses no answered request is never accused; one that goes back behind an answer is, whatever the order', () => {
    fc.assert(fc.property(fc.array(fc.record({ late: fc.nat(3), lost: fc.boolean() }), { minLength: 2, maxLength: 60 }), fc.boolean(), (asked, goesBack) => {
      const judge = new Judge();
      const waiting: { line: string; at: number }[] = [];
      let value = 0;
      asked.forEach(({ late, lost }, i) => {
        for (const { line } of waiting.filter(({ at }) => at === i)) judge.answered(line);
        judge.sent(`u${i}`);
        value++;
        if (!lost) waiting.push({ line: `${value} u${i}`, at: i + 1 + late });
      });
      for (const { line, at } of waiting) if (at >= asked.length) judge.answered(line);
      expect(judge.regressions).toEqual([]);
      if (!goesBack || judge.highest === 0) return;
      // The successor does not know of the last value that somebody was given.
      judge.sent('after');
      judge.answered(`${judge.highest} after`);
      expect(judge.regressions).toHaveLength(1);
    }));
  });
});

describe('the journal', () => {
  const given = new Map([[1, 't1'], [3, 'u1']]);
  const check = (...blocks: readonly string[]): string[] => checkJournal((value) => blocks[value - 1] ?? '', given).problems;

  test('holds what was answered, and may hold more', () => {
    expect(checkJournal((value) => ['1 t1', '2 u9', '3 u1', '4 u2'][value - 1] ?? '', given)).toEqual({ records: 4, acknowledged: 2, problems: [] });
  });

  test.each([
    [['1 t1', '2 u9'], ['1 values were given that are not on the disk, 3 the first; its last is 2']],
    [['1 t1', '', '3 u1'], ['1 values were given that are not on the disk, 3 the first; its last is 1', 'block 3 has "3 u1", and the journal ends with 1']],
    [['1 t1', '2 u9', '3 t7'], ['value 3 was given to u1, and the disk says t7']],
    [['1 t1', '3 u9', '3 u1'], ['block 2 has "3 u9"']],
    [['1 t1', '2', '3 u1'], ['block 2 has "2"']],
    [['1 t1', '2 u9', '3 u1', '', '5 u4'], ['block 5 has "5 u4", and the journal ends with 3']],
  ])('%j', (blocks, problems) => {
    expect(check(...blocks)).toEqual(problems);
  });

  test('is read from the blocks of a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'netloom-journal-'));
    const path = join(folder, 'disk');
    const file = Buffer.alloc(5 * 512 + 100);
    ['1 t1\n', '2 u9\n', '3 u1\n'].forEach((text, i) => file.write(text, (i + 1) * 512));
    writeFileSync(path, file);
    const report = checkJournalFile(path, given);
    rmSync(folder, { recursive: true });
    expect(report).toEqual({ records: 3, acknowledged: 2, problems: [] });
  });
});

describe('the silence around a kill', () => {
  const times = [0, 20, 40, 340, 360, 460, 480, 900];

  test.each([
    ['begins with the last answer before it', 50, 470, 300],
    ['is the longest of several', 350, 480, 100],
    ['ends with the answer after it, though the time is over before', 50, 100, 300],
    ['is not what is over before', 345, 360, 20],
    ['lasts until now when nobody has been answered since', 950, 2_000, 1_100],
  ])('%s', (_, from, to, gap) => {
    expect(longestGap(times, from, to)).toBe(gap);
  });

  test('without any answer', () => {
    expect(longestGap([], 100, 350)).toBe(250);
  });

  test('least, median, most', () => {
    expect(gapsOf([300.4, 100, 200])).toEqual({ min: 100, median: 200, max: 300, all: [300, 100, 200] });
    expect(gapsOf([1, 2, 3, 10])).toMatchObject({ min: 1, median: 3, max: 10 });
    expect(gapsOf([])).toBeNull();
  });
});
