/**
 * shared-list.test.ts — pslist in shared words: order, readers who stand on what is removed, and misuse.
 */
import { describe, expect, it } from 'vitest';
import { listFirst, listNext, SharedList } from './shared-list.js';

const all = ({ words }: SharedList): number[] => {
  const found: number[] = [];
  for (let e = listFirst(words); e !== 0; e = listNext(words, e)) found.push(e);
  return found;
};
const make = (...entries: number[]): SharedList => {
  const list = new SharedList(9);
  for (const e of entries.reverse()) list.insertHead(e);
  return list;
};

describe('a shared list', () => {
  it('inserts at the head, before and after, and removes', () => {
    const list = make(2, 4);
    list.insertBefore(1, 2);
    list.insertAfter(3, 2);
    list.insertAfter(5, 4);
    expect(all(list)).toEqual([1, 2, 3, 4, 5]);
    for (const e of [1, 5, 3]) list.remove(e);
    expect(all(list)).toEqual([2, 4]);
    list.remove(2);
    list.insertBefore(9, 4);
    expect([all(list), list.isListed(2), list.isListed(9)]).toEqual([[9, 4], false, true]);
  });

  it('a reader on an entry that is removed finds its way on', () => {
    const list = make(1, 2, 3);
    const at = listNext(list.words, listFirst(list.words));
    list.remove(2);
    expect([at, listNext(list.words, at), all(list)]).toEqual([2, 3, [1, 3]]);
    list.entryInit(2);
    list.insertHead(2);
    expect(all(list)).toEqual([2, 1, 3]);
  });

  it.each<[string, (list: SharedList) => void, RegExp]>([
    ['insertion of what is on the list', (l) => l.insertHead(1), /not initialised/],
    ['insertion of what was removed', (l) => [l.remove(1), l.insertHead(1)], /not initialised/],
    ['insertion of what was destroyed', (l) => [l.remove(2), l.entryDestroy(2), l.insertHead(2)], /not initialised/],
    ['insertion after what is not there', (l) => l.insertAfter(4, 5), /on no list/],
    ['insertion before what is not there', (l) => l.insertBefore(4, 5), /on no list/],
    ['removal of what is not there', (l) => l.remove(4), /on no list/],
    ['entryInit on the list', (l) => l.entryInit(1), /initialised while on a list/],
    ['entryDestroy on the list', (l) => l.entryDestroy(1), /destroyed while on a list/],
    ['a late reader', (l) => [l.remove(1), l.entryDestroy(1), listNext(l.words, 1)], /follows a destroyed entry/],
  ])('%s fails', (_name, run, text) => {
    expect(() => run(make(1, 2))).toThrow(text);
  });
});
