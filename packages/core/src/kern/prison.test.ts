/**
 * prison.test.ts — the tree of jails: names, numbers, limits, who goes when.
 */
import { describe, expect, it } from 'vitest';
import { EAGAIN, EEXIST, EINVAL, ENAMETOOLONG, ENOENT, EPERM } from '../base/errno.js';
import { PrisonTree } from './prison.js';
import type { Prison, PrisonCreate } from './prison.js';

type Tree = PrisonTree<string>;

function make(t: Tree, name: string | undefined, more: Partial<PrisonCreate<string>> = {}, viewer = t.prison0): Prison<string> {
  const r = t.create(viewer, { ...(name === undefined ? {} : { name }), persist: true, attach: false, ...more });
  if (r.prison === null) throw new Error(`${r.error}: ${r.message}`);
  return r.prison;
}

/** A tree with a (children.max 3) > b > c, and d that is dying. */
function family(): { t: Tree; a: Prison<string>; b: Prison<string>; c: Prison<string>; d: Prison<string> } {
  const t = new PrisonTree<string>('vnet0');
  const a = make(t, 'a');
  a.childrenMax = 3;
  const b = make(t, 'a.b');
  const c = make(t, 'a.b.c');
  const d = make(t, 'd');
  d.dying = true;
  return { t, a, b, c, d };
}

describe('create', () => {
  it.each<[string, Partial<PrisonCreate<string>>, number, string]>([
    ['neither persist nor attach', { name: 'x', persist: false }, EINVAL, 'new jail must persist or attach'],
    ['taken name', { name: 'a' }, EEXIST, 'jail "a" already exists'],
    ['taken dotted name', { name: 'a.b' }, EEXIST, 'jail "a.b" already exists'],
    ['no such parent', { name: 'x.y' }, ENOENT, 'jail "x" not found'],
    ['no such grandparent', { name: 'a.x.y' }, ENOENT, 'jail "a.x" not found'],
    ['a parent that is dying', { name: 'd.x' }, ENOENT, 'jail "d" is dying'],
    ['taken jid', { name: 'x', jid: 1 }, EEXIST, 'jail 1 already exists'],
    ['taken jid as a name', { name: '2' }, EEXIST, 'jail 2 already exists'],
    ['negative jid', { name: 'x', jid: -1 }, EINVAL, 'negative jid'],
    ['jid that is no integer', { name: 'x', jid: 1.5 }, EINVAL, ''],
    ['jid beyond an int', { name: 'x', jid: 2 ** 31 }, EINVAL, ''],
    ['numeric name that is not the jid', { name: '77', jid: 78 }, EINVAL, 'name cannot be numeric (unless it is the jid)'],
    ['numeric name with a leading zero', { name: '077' }, EINVAL, 'name cannot be numeric (unless it is the jid)'],
    ['name of 256 bytes', { name: 'n'.repeat(256) }, ENAMETOOLONG, ''],
    ['full name of 256 bytes', { name: `a.b.${'n'.repeat(252)}` }, ENAMETOOLONG, ''],
    ['name of 255 characters that are 510 bytes', { name: 'ä'.repeat(255) }, ENAMETOOLONG, ''],
  ])('refuses %s', (_what, want, error, message) => {
    const { t } = family();
    const before = t.prison0.descendants().length;
    let built = 0;
    const newVnet = (): string => {
      built++;
      return 'v';
    };
    expect(t.create(t.prison0, { persist: true, attach: false, newVnet, ...want })).toEqual({ error, message, prison: null });
    expect([t.prison0.descendants().length, built]).toEqual([before, 0]);
  });

  it.each<[Partial<PrisonCreate<string>>, string, number]>([
    [{}, '5', 5], [{ name: '' }, '5', 5], [{ name: 'a.' }, 'a.5', 5], [{ jid: 100 }, '100', 100], [{ name: '100' }, '100', 100], [{ name: '100', jid: 100 }, '100', 100],
    [{ name: 'x y' }, 'x y', 5], [{ name: 'a.b.100' }, 'a.b.100', 100], [{ name: 'n'.repeat(255) }, 'n'.repeat(255), 5], [{ attach: true, persist: false, name: 'x' }, 'x', 5],
    [{ name: 'B', jid: 2_000_000 }, 'B', 2_000_000],
  ])('makes %j as %s with jid %i', (want, name, jid) => {
    const { t } = family();
    const p = t.create(t.prison0, { persist: true, attach: false, ...want }).prison;
    expect([p?.nameFrom(t.prison0), p?.jid]).toEqual([name, jid]);
    expect(t.find(t.prison0, name)).toBe(p);
    expect(t.find(t.prison0, String(jid))).toBe(p);
  });

  it('gives a vnet of its own, or the parent\'s', () => {
    const { t, b } = family();
    const own = make(t, 'a.v', { newVnet: (name) => `vnet of ${name}` });
    const below = make(t, 'a.v.w');
    expect([b.vnet, b.ownsVnet, own.vnet, own.ownsVnet, below.vnet, below.ownsVnet]).toEqual(['vnet0', false, 'vnet of a.v', true, 'vnet of a.v', false]);
  });

  it('goes on counting jids, skips those in use, starts again after 999,999, and ends', () => {
    const t = new PrisonTree<string>('');
    expect([make(t, undefined).jid, make(t, undefined).jid, make(t, undefined, { jid: 3 }).jid, make(t, undefined, { jid: 100 }).jid, make(t, undefined).jid]).toEqual([1, 2, 3, 100, 4]);
    t.unlink(t.find(t.prison0, '2')!);
    expect(make(t, undefined).jid).toBe(5);
    expect(make(t, undefined, { jid: 2 }).jid).toBe(2);
    const last = new PrisonTree<string>('');
    const bottom = make(last, undefined, { jid: 999_999 });
    expect(make(last, undefined).jid).toBe(1);
    Object.assign(last, { lastJid: 999_998 });
    expect(make(last, undefined).jid).toBe(2);
    last.unlink(bottom);
    Object.assign(last, { lastJid: 999_998 });
    expect(make(last, undefined).jid).toBe(999_999);
    Object.assign(last, { byJid: { has: (jid: number) => jid > 0 } });
    expect(last.create(last.prison0, { persist: true, attach: false })).toEqual({ error: EAGAIN, message: 'no available jail IDs', prison: null });
  });
});

describe('children.max', () => {
  it('limits what is created from inside, nested ones counted, up to the host', () => {
    const { t, a, b } = family();
    expect([a.childrenCur, b.childrenCur, t.prison0.childrenCur]).toEqual([2, 1, 4]);
    expect(make(t, 'x', {}, a).nameFrom(t.prison0)).toBe('a.x');
    const full = t.create(a, { name: 'y', persist: true, attach: false });
    expect([full.error, full.message]).toEqual([EPERM, 'prison limit exceeded']);
    expect(t.create(b, { name: 'y', persist: true, attach: false }).error).toBe(EPERM);
    expect(make(t, 'a.y').nameFrom(t.prison0)).toBe('a.y');
  });

  it('counts against every ancestor of the creator', () => {
    const { t, a, b } = family();
    b.childrenMax = 100;
    expect(t.create(b, { name: 'x', persist: true, attach: false }).error).toBe(0);
    expect(a.childrenCur).toBe(3);
    expect(t.create(b, { name: 'y', persist: true, attach: false }).error).toBe(EPERM);
  });

  it('is one less with each level below one that is lowered', () => {
    const { a, b, c } = family();
    b.childrenMax = 2;
    c.childrenMax = 1;
    a.childrenMax = 2;
    expect([a.childrenMax, b.childrenMax, c.childrenMax]).toEqual([2, 1, 0]);
    a.childrenMax = 50;
    expect([a.childrenMax, b.childrenMax, c.childrenMax]).toEqual([50, 1, 0]);
    a.childrenMax = 0;
    expect([a.childrenMax, b.childrenMax, c.childrenMax]).toEqual([0, 0, 0]);
  });

  it('may not be used by a jail that is dying', () => {
    const { t, d } = family();
    expect(t.create(d, { name: 'x', persist: true, attach: false })).toEqual({ error: EAGAIN, message: '', prison: null });
  });
});

describe('find', () => {
  it.each([['a', 'a'], ['a.b', 'b'], ['a.b.c', 'c'], ['3', 'c'], ['b', null], ['c', null], ['', null], ['a.', null], ['.a', null], ['99', null], ['0', null], ['nosuch', null]])(
    '%s from the host', (text, name) => {
      const { t } = family();
      expect(t.find(t.prison0, text)?.name ?? null).toBe(name);
    },
  );

  it('sees only what is below the viewer', () => {
    const { t, a, b, c } = family();
    expect([t.find(a, 'b'), t.find(a, 'b.c'), t.find(a, '3'), t.find(a, '1'), t.find(a, '4'), t.find(b, 'c'), t.find(b, '2'), t.find(c, '3')]).toEqual([b, c, c, null, null, c, null, null]);
    expect([c.nameFrom(a), c.nameFrom(b), c.nameFrom(c), c.nameFrom(t.prison0)]).toEqual(['b.c', 'c', '0', 'a.b.c']);
  });
});

describe('rename', () => {
  it.each([
    ['x', 0, '', 'x'], ['b', 0, '', 'b'], ['', 0, '', '2'], ['2', 0, '', '2'], ['9', EINVAL, 'name cannot be numeric (unless it is the jid)', 'b'],
    ['sibling', EEXIST, 'jail "sibling" already exists', 'b'], ['p.q', EINVAL, "cannot change jail's parent", 'b'], ['n'.repeat(252), ENAMETOOLONG, '', 'b'], ['n'.repeat(251), 0, '', 'n'.repeat(251)],
  ])('to "%s": %i', (to, error, message, name) => {
    const { t, b, c } = family();
    make(t, 'a.sibling');
    const r = t.rename(b, to);
    expect([r.error, r.message, b.name]).toEqual([error, message, name]);
    expect(t.find(t.prison0, `a.${name}.c`)).toBe(error === 0 && `a.${name}.c`.length < 256 ? c : t.find(t.prison0, 'a.b.c'));
  });

  it('counts the names below, and leaves the host alone', () => {
    const { t, b } = family();
    make(t, `a.b.${'z'.repeat(100)}`);
    expect(t.rename(b, 'n'.repeat(153)).error).toBe(ENAMETOOLONG);
    expect(t.rename(b, 'n'.repeat(152)).error).toBe(0);
    expect(t.rename(t.prison0, 'x').error).toBe(EINVAL);
  });
});

describe('a dying prison', () => {
  it('keeps its jid and its place, not its name', () => {
    const { t, b } = family();
    expect(t.beginStop(b, 5).map((p) => [p.name, p.dying, p.persist, p.stoppedUs])).toEqual([['c', true, false, 5], ['b', true, false, 5]]);
    expect(t.beginStop(b, 6)).toEqual([]);
    expect([t.find(t.prison0, 'a.b'), t.find(t.prison0, '2'), t.prison0.childrenCur]).toEqual([b, b, 4]);
    expect(t.create(t.prison0, { name: 'x', jid: 2, persist: true, attach: false }).message).toBe('jail 2 already exists');
    const other = make(t, 'a.b');
    expect([t.find(t.prison0, 'a.b'), t.find(t.prison0, '2'), other.jid]).toEqual([other, b, 5]);
    expect(t.rename(make(t, 'a.x'), 'b').message).toBe('jail "b" already exists');
    expect([t.unlink(t.find(t.prison0, '3')!), t.unlink(b), t.unlink(b)]).toEqual([true, true, false]);
    expect([t.find(t.prison0, '2'), make(t, 'y', { jid: 2 }).jid]).toEqual([null, 2]);
  });
});

it('is releasable when nothing uses it', () => {
  const { t, a, b, c } = family();
  a.persist = false;
  b.persist = false;
  c.persist = false;
  expect([a, b, c, t.prison0].map((p) => p.isReleasable)).toEqual([false, false, true, false]);
  const process = { kill: () => {} };
  c.attached.add(process);
  expect(c.isReleasable).toBe(false);
  c.attached.delete(process);
  c.dying = true;
  expect(c.isReleasable).toBe(false);
});
