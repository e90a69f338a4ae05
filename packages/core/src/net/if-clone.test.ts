/**
 * if-clone.test.ts — interfaces on request: names, units, every error, destruction wherever the interface is.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../base/assert.js';
import { EBUSY, EEXIST, EINVAL, ENODEV, ENOSPC, ENXIO } from '../base/errno.js';
import { CTX_SOFTINT } from '../kern/context.js';
import { epairCloner } from './epair.js';
import { IFC_F_FORCE, ifCloneCreate, ifCloneDestroy, ifcAttach, ifcDetach, ifcNameToUnit } from './if-clone.js';
import type { CloneParams, IfClonerSpec } from './if-clone.js';
import { ifAddGroup, ifAttach, ifDelGroup, ifRename } from './if.js';
import { ifDetach } from './if-detach.js';
import type { IfVparams } from './if-vparams.js';
import { IFT_PPP, Ifnet } from './ifnet.js';
import { loCloner } from './lo.js';
import type { Net } from './net.js';
import { NOTHING_LEFT, TestLab } from './test-net.js';

/** A cloner of interfaces that do nothing; `fail` makes creations and destructions fail. */
class Kind implements IfClonerSpec {
  readonly name: string;
  readonly maxUnit: number;
  createError = 0;
  destroyError = 0;
  readonly log: string[] = [];

  constructor(name: string, maxUnit = 0x7fff) {
    this.name = name;
    this.maxUnit = maxUnit;
  }

  create(net: Net, _cloner: unknown, xname: string, unit: number, params: CloneParams | null, like: IfVparams | null = null): ReturnType<IfClonerSpec['create']> {
    this.log.push(`create ${xname} ${unit} ${JSON.stringify(params)}`);
    if (this.createError !== 0) return { error: this.createError, ifp: null };
    const ifp = new Ifnet({ transmit: () => 0 }, this.name, unit, xname, IFT_PPP, 0, 1_500);
    ifAttach(ifp, net, like);
    return { error: 0, ifp };
  }

  destroy(ifp: Ifnet, _cloner: unknown, flags: number): number {
    this.log.push(`destroy ${ifp.xname}${(flags & IFC_F_FORCE) !== 0 ? ' by force' : ''}`);
    if (this.destroyError !== 0 && (flags & IFC_F_FORCE) === 0) return this.destroyError;
    ifDetach(ifp);
    return 0;
  }
}

describe('ifcNameToUnit', () => {
  it.each([
    ['', 0, -1], ['tap', 0, -1], ['tap0', 0, 0], ['tap7', 0, 7], ['tap100', 0, 100], ['tap32767', 0, 32_767], ['tap32768', ENOSPC, -1], ['tap2147483647', ENOSPC, -1],
    ['tap2147483648', EINVAL, -1], ['tap9999999999', EINVAL, -1], ['tap00', EINVAL, -1], ['tap07', EINVAL, -1], ['tap7a', EINVAL, -1], ['tap1.5', EINVAL, -1], ['5', 0, 5],
  ])('%s: error %i, unit %i', (name, error, unit) => {
    expect(ifcNameToUnit(name, 32_767)).toEqual({ error, unit });
  });
});

describe('create', () => {
  it.each([
    ['kind', 0, 'kind2'], ['kind0', EEXIST, ''], ['kind1', EEXIST, ''], ['kind5', 0, 'kind5'], ['kind05', EINVAL, ''], ['kind9', 0, 'kind9'], ['kind10', ENOSPC, ''],
    ['kind2147483648', EINVAL, ''], ['kindx', EINVAL, ''], ['kind5x', EINVAL, ''], ['kin', EINVAL, ''], ['', EINVAL, ''], ['nosuch', EINVAL, ''], ['foo', EINVAL, ''],
    ['kind12345678901', EINVAL, ''],
  ])('%s: %i %s', (name, error, made) => {
    const lab = new TestLab();
    const net = lab.net('v', [new Kind('kind', 9)]);
    lab.create(net, 'kind');
    ifRename(lab.create(net, 'kind'), 'foo');
    const before = net.ifnets.length;
    const r = ifCloneCreate(net, name);
    expect([r.error, r.ifp?.xname ?? '']).toEqual([error, made]);
    expect(net.ifnets.length).toBe(before + (error === 0 ? 1 : 0));
  });

  it('puts the interface into the group of its kind, hands on parameters, and gives the unit back on failure', () => {
    const lab = new TestLab();
    const kind = new Kind('kind');
    const net = lab.net('v', [kind]);
    const ifp = lab.create(net, 'kind3', { vlan: 5 });
    expect([ifp.groups, ifp.cloner, ifp.dunit]).toEqual([['all', 'kind'], 'kind', 3]);
    kind.createError = EBUSY;
    expect(ifCloneCreate(net, 'kind4')).toEqual({ error: EBUSY, ifp: null });
    kind.createError = 0;
    expect(lab.create(net, 'kind4').dunit).toBe(4);
    expect(kind.log).toEqual(['create kind3 3 {"vlan":5}', 'create kind4 4 null', 'create kind4 4 null']);
  });

  it('keeps a unit taken whose interface was renamed or moved, and skips names that are taken', () => {
    const lab = new TestLab();
    const specs = [new Kind('kind', 5), new Kind('other')];
    const [home, away] = [lab.net('home', specs), lab.net('away', specs)];
    ifRename(lab.create(home, 'kind'), 'renamed');
    lab.move(lab.create(home, 'kind'), away);
    ifRename(lab.create(home, 'other'), 'kind2');
    expect(ifCloneCreate(home, 'kind0').error).toBe(EEXIST);
    expect(ifCloneCreate(home, 'kind1').error).toBe(EEXIST);
    expect(ifCloneCreate(home, 'kind2').error).toBe(EEXIST);
    expect(lab.create(home, 'kind').xname).toBe('kind3');
    expect(ifCloneCreate(away, 'kind1').error).toBe(EEXIST);
    expect(lab.create(away, 'kind').xname).toBe('kind0');
    expect([lab.create(home, 'kind').xname, lab.create(home, 'kind').xname, ifCloneCreate(home, 'kind').error]).toEqual(['kind4', 'kind5', ENOSPC]);
    ifCloneDestroy(home, 'renamed');
    expect(lab.create(home, 'kind').xname).toBe('kind0');
  });

  it('asks the cloner attached last first; two of one name are one too many, and so is a long name', () => {
    const lab = new TestLab();
    const net = lab.net('v', []);
    const wide: IfClonerSpec = { ...new Kind('wide'), create: (n, c, x, u, p) => new Kind('wide').create(n, c, x, u, p), destroy: () => 0, match: (name) => name.startsWith('k') };
    expect(ifcAttach(net, new Kind('kind'))).not.toBeNull();
    expect(ifcAttach(net, wide)).not.toBeNull();
    expect(lab.create(net, 'kind').xname).toBe('wide0');
    expect([ifcAttach(net, new Kind('kind')), ifcAttach(net, new Kind('elevenchars'))]).toEqual([null, null]);
    expect(ifcAttach(net, new Kind('tencharact'))).not.toBeNull();
    expect(net.cloners.map((c) => c.name)).toEqual(['tencharact', 'wide', 'kind']);
  });

  it('takes any name its cloner matches when names carry no unit', () => {
    const lab = new TestLab();
    const kind = new Kind('kind');
    const dotted: IfClonerSpec = {
      name: 'dot', match: (name) => name.includes('.'), needsUnit: () => false,
      create: (n, c, x, u, p) => kind.create(n, c, x, u, p), destroy: (i, c, f) => kind.destroy(i, c, f),
    };
    const net = lab.net('v', [dotted]);
    expect(lab.create(net, 'em0.05').xname).toBe('em0.05');
    expect(ifCloneCreate(net, 'em0.05').error).toBe(EEXIST);
    expect(ifCloneCreate(net, 'em0.234567890123').error).toBe(EINVAL);
    expect(kind.log).toEqual(['create em0.05 -1 null']);
    expect(ifCloneDestroy(net, 'em0.05')).toBe(0);
  });

  it('needs thread context', () => {
    const lab = new TestLab();
    const net = lab.net('v', [new Kind('kind')]);
    lab.engine.enter(CTX_SOFTINT);
    expect(() => ifCloneCreate(net, 'kind')).toThrow(InvariantError);
    expect(() => ifCloneDestroy(net, 'kind0')).toThrow(InvariantError);
  });

  it('gives the lowest free unit, whatever was created and destroyed before', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.constant(-1), fc.nat(7), fc.nat(7).map((u) => 100 + u)), { maxLength: 60 }), (ops) => {
      const lab = new TestLab();
      const net = lab.net('v', [new Kind('kind', 6)]);
      const model = new Set<number>();
      for (const op of ops) {
        if (op >= 100) {
          const unit = op - 100;
          expect(ifCloneDestroy(net, `kind${unit}`)).toBe(model.delete(unit) ? 0 : ENXIO);
        } else {
          const r = ifCloneCreate(net, op < 0 ? 'kind' : `kind${op}`);
          const lowest = [0, 1, 2, 3, 4, 5, 6].find((u) => !model.has(u));
          const unit = op < 0 ? lowest : op;
          const error = unit === undefined || unit > 6 ? ENOSPC : model.has(unit) ? EEXIST : 0;
          expect([r.error, r.ifp?.dunit]).toEqual([error, error === 0 ? unit : undefined]);
          if (error === 0 && unit !== undefined) model.add(unit);
        }
      }
      lab.destroy();
      expect(lab.leftovers()).toEqual(NOTHING_LEFT);
    }), { seed: 20260120, numRuns: 60 });
  });
});

describe('destroy', () => {
  it('has an error for everything it cannot destroy', () => {
    const lab = new TestLab();
    const kind = new Kind('kind');
    const net = lab.net('v', [kind, loCloner]);
    lab.create(net, 'lo0');
    const plain = new Ifnet({ transmit: () => 0 }, 'em', 0, 'em0', IFT_PPP, 0, 1_500);
    ifAttach(plain, net);
    const gone = lab.create(net, 'kind');
    net.cloners.find((c) => c.name === 'kind')?.unlink(gone);
    expect(['nosuch', 'em0', 'lo0', 'kind0'].map((n) => ifCloneDestroy(net, n))).toEqual([ENXIO, EINVAL, EINVAL, ENXIO]);
    expect([plain.net, net.ifunit('lo0')?.groups]).toEqual([net, ['all', 'lo']]);
    lab.create(net, 'lo7');
    expect(ifCloneDestroy(net, 'lo7')).toBe(0);
  });

  it('leaves the interface as it was when its driver refuses', () => {
    const lab = new TestLab();
    const kind = new Kind('kind');
    const net = lab.net('v', [kind]);
    const [a, b] = [lab.create(net, 'kind'), lab.create(net, 'kind')];
    ifDelGroup(b, 'kind');
    kind.destroyError = EBUSY;
    expect([ifCloneDestroy(net, 'kind0'), ifCloneDestroy(net, 'kind1')]).toEqual([EBUSY, EBUSY]);
    expect([a.groups, b.groups, a.net, net.cloners[0]?.interfaces.length]).toEqual([['all', 'kind'], ['all'], net, 2]);
    expect(ifCloneCreate(net, 'kind0').error).toBe(EEXIST);
    kind.destroyError = 0;
    expect([ifCloneDestroy(net, 'kind0'), ifCloneDestroy(net, 'kind1'), net.groups.size]).toEqual([0, 0, 0]);
  });

  it('finds the cloner at home and destroys where the interface is', () => {
    const lab = new TestLab();
    const [mine, theirs] = [new Kind('kind'), new Kind('kind')];
    const [home, away] = [lab.net('home', [mine]), lab.net('away', [theirs])];
    const ifp = lab.move(lab.create(home, 'kind'), away);
    expect(ifp.groups).toEqual(['all', 'kind']);
    expect(ifCloneDestroy(home, 'kind0')).toBe(ENXIO);
    expect(ifCloneDestroy(away, 'kind0')).toBe(0);
    expect([mine.log.at(-1), theirs.log, ifp.net, lab.create(home, 'kind').dunit]).toEqual(['destroy kind0', [], null, 0]);
  });

  it('comes to all interfaces of a cloner that goes, youngest first and by force, wherever they are', () => {
    const lab = new TestLab();
    const kind = new Kind('kind');
    const [home, away] = [lab.net('home', [kind]), lab.net('away', [])];
    const made = ['kind', 'kind', 'kind'].map((n) => lab.create(home, n));
    made[1] = lab.move(made[1]!, away);
    expect(made[1].groups).toEqual(['all']);
    ifAddGroup(made[0]!, 'more');
    kind.destroyError = ENODEV;
    kind.log.length = 0;
    ifcDetach(home.cloners[0]!);
    expect(kind.log).toEqual(['destroy kind2 by force', 'destroy kind1 by force', 'destroy kind0 by force']);
    expect([home.cloners.length, home.ifnets.length, away.ifnets.length, home.groups.size]).toEqual([0, 0, 0, 0]);
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('takes along what is just being made when its cloner goes', () => {
    const lab = new TestLab();
    const net = lab.net('home', [new Kind('kind')]);
    const off = net.arrivalEvent.register(() => ifcDetach(net.cloners[0]!));
    expect(ifCloneCreate(net, 'kind')).toEqual({ error: ENXIO, ifp: null });
    off();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('may come to an epair from whoever hears of its link', () => {
    const lab = new TestLab();
    const net = lab.net('home', [epairCloner]);
    const off = net.linkEvent.register(() => void ifCloneDestroy(net, 'epair0b'));
    expect(ifCloneCreate(net, 'epair')).toEqual({ error: ENXIO, ifp: null });
    off();
    expect(net.cloners[0]!.interfaces).toEqual([]);
    expect(lab.create(net, 'epair').xname).toBe('epair0a');
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});
