/**
 * packet-tag.test.ts — tags go where their packet goes, and nowhere else.
 */
import { describe, expect, it } from 'vitest';
import { PacketPool } from './packet-buffer.js';
import type { PacketBuffer } from './packet-buffer.js';
import { TAGS_MAX } from './packet-tag.js';

function packet(pool: PacketPool): PacketBuffer {
  const m = pool.alloc(10);
  if (m === null) throw new Error('packet pool is empty');
  return m;
}

const ids = (m: PacketBuffer): number[] => {
  const list: number[] = [];
  for (let tag = m.tags; tag !== null; tag = tag.next) list.push(tag.id);
  return list;
};

describe('tags', () => {
  it('are found by cookie and id, the latest first, and taken off one by one', () => {
    const pool = new PacketPool();
    const m = packet(pool);
    for (const id of [1, 2, 3]) m.addTag(7, id, 4);
    expect(ids(m)).toEqual([3, 2, 1]);
    expect([m.tag(7, 2)?.id, m.tag(8, 2), m.tag(7, 4)]).toEqual([2, null, null]);
    const [two, three, one] = [m.tag(7, 2), m.tag(7, 3), m.tag(7, 1)];
    if (two === null || three === null || one === null) throw new Error('no tag');
    m.deleteTag(two);
    m.deleteTag(two);
    expect(ids(m)).toEqual([3, 1]);
    m.deleteTag(three);
    m.deleteTag(one);
    expect([m.tags, pool.tags.inUse]).toEqual([null, 0]);
    m.free();
  });

  it('are copied with the packet, bytes and all, and freed with it', () => {
    const pool = new PacketPool();
    const m = packet(pool);
    m.addTag(7, 1, 4)?.view.setUint32(0, 99);
    m.addTag(7, 2, 100)?.view.setUint32(96, 98);
    const n = pool.copy(m);
    expect([n?.tag(7, 1)?.view.getUint32(0), n?.tag(7, 2)?.view.getUint32(96), n?.tag(7, 2)?.len, pool.tags.inUse]).toEqual([99, 98, 100, 4]);
    m.free();
    expect(pool.tags.inUse).toBe(2);
    n?.free();
    expect(pool.tags.inUse).toBe(0);
    const again = packet(pool);
    expect(again.tags).toBeNull();
    expect(again.addTag(7, 3, 4)?.view.getUint32(0)).toBe(0);
    again.free();
  });

  it('are refused and counted when there are too many', () => {
    const pool = new PacketPool();
    const m = packet(pool);
    for (let i = 0; i < TAGS_MAX; i++) m.addTag(7, i, 0);
    expect([m.addTag(7, 0, 0), pool.tags.denied, pool.tags.inUse]).toEqual([null, 1, TAGS_MAX]);
    m.dropTags();
    expect(pool.tags.inUse).toBe(0);
    m.free();
  });
});
