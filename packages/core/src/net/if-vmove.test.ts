/**
 * if-vmove.test.ts — moves between vnets: who may, in which order it is checked, what a failure leaves, what goes home and how.
 * What survives of each kind is tested from the registry, in test/moves.test.ts.
 */
import { describe, expect, it } from 'vitest';
import { EBUSY, EEXIST, ENODEV, ENOSPC, ENXIO, EPROTONOSUPPORT } from '../base/errno.js';
import { SI_SUB_VNET_DONE } from '../kern/vnet-sysinit.js';
import { epairCloner, epairPeer } from './epair.js';
import { IFC_F_NOMOVE, ifCloneCreate, ifCloneDestroy, ifCloneDestroyIfp } from './if-clone.js';
import type { IfClonerSpec } from './if-clone.js';
import { ifAttach, ifRename, ifSetDescription, ifSetLladdr, ifSetMtu, ifUp } from './if.js';
import { ifDetach } from './if-detach.js';
import { ifTransmit } from './if-transmit.js';
import { ifVmove, ifVmoveLoan, ifVmoveReclaim, vnetIfReturn } from './if-vmove.js';
import { IFF_MULTICAST, IFT_PPP, Ifnet, LINK_STATE_UNKNOWN, LINK_STATE_UP } from './ifnet.js';
import type { Net } from './net.js';
import { NOTHING_LEFT, TestLab, testFrame } from './test-net.js';
import { vlanCloner, vlanConfig, vlanInfo } from './vlan.js';

/** A kind whose creation and destruction fail on request, and which keeps a word of its own. */
class Moody implements IfClonerSpec {
  readonly name = 'moody';
  readonly flags?: number;
  createError = 0;
  applyError = 0;
  destroyError = 0;
  readonly words = new Map<Ifnet, string>();

  constructor(flags = 0) {
    this.flags = flags;
  }

  create: IfClonerSpec['create'] = (net, _cloner, xname, unit, _params, like) => {
    if (this.createError !== 0) return { error: this.createError, ifp: null };
    const ifp = new Ifnet({ transmit: (_ifp, m) => (m.free(), 0) }, 'moody', unit, xname, IFT_PPP, 0, 1_500);
    ifAttach(ifp, net, like);
    return { error: 0, ifp };
  };

  destroy(ifp: Ifnet): number {
    if (this.destroyError !== 0) {
      const { destroyError } = this;
      this.destroyError = 0; // the second attempt takes the new one back
      return destroyError;
    }
    this.words.delete(ifp);
    ifDetach(ifp);
    return 0;
  }

  saveParams(ifp: Ifnet): { word: string } {
    return { word: this.words.get(ifp) ?? '' };
  }

  applyParams(ifp: Ifnet, saved: object): number {
    if (this.applyError !== 0) return this.applyError;
    if ('word' in saved) this.words.set(ifp, String(saved.word));
    return 0;
  }
}

/** Everything of a vnet that a refused move must leave alone. */
function picture(net: Net): unknown {
  return {
    ifs: net.ifnets.map((i) => [i.xname, i.index, i.instance, i.flags, i.mtu, i.description, i.groups, i.linkState, net.ifByIndex(i.index) === i]),
    groups: [...net.groups.keys()], made: net.cloners.map((c) => c.interfaces.map((i) => i.xname)), ifcnt: net.kern.ifcnt,
    handlers: net.departureEvent.count,
  };
}

function setUp(moody = new Moody()): { lab: TestLab; home: Net; away: Net; moody: Moody; ifp: Ifnet } {
  const lab = new TestLab();
  const home = lab.net('home', [epairCloner, vlanCloner, moody]);
  const away = lab.net('away', [epairCloner, vlanCloner]);
  const ifp = lab.create(home, 'moody');
  ifSetDescription(ifp, 'mine');
  ifUp(ifp);
  moody.words.set(ifp, 'hello');
  return { lab, home, away, moody, ifp };
}

describe('the checks', () => {
  it('come in FreeBSD\'s order, each before anything happens', () => {
    const { lab, home, away } = setUp();
    lab.create(away, 'epair');
    away.ifMax = 2;
    const dying = lab.net('dying', []);
    Object.assign(dying.kern, { shutdown: true, state: SI_SUB_VNET_DONE });
    lab.create(home, 'epair');
    const before = [home, away, dying].map(picture);
    expect(ifVmoveLoan(home, 'nosuch', home)).toBe(ENXIO);
    expect(ifVmoveLoan(home, 'moody0', home)).toBe(EEXIST);
    expect(ifVmoveLoan(home, 'epair0a', away)).toBe(EEXIST); // name taken; that there is no room comes later
    expect(ifVmoveLoan(home, 'moody0', away)).toBe(ENOSPC);
    expect(ifVmoveLoan(home, 'moody0', dying)).toBe(EBUSY);
    expect(ifVmoveReclaim(home, 'nosuch', away)).toBe(ENXIO);
    expect(ifVmoveReclaim(home, 'moody0', home)).toBe(EEXIST);
    expect(ifVmoveReclaim(home, 'epair0a', away)).toBe(EEXIST);
    expect(ifVmoveReclaim(dying, 'epair0b', home)).toBe(EBUSY);
    expect([home, away, dying].map(picture)).toEqual(before);
    Object.assign(home.kern, { shutdown: true });
    away.ifMax = 100;
    expect(ifVmoveLoan(home, 'moody0', away)).toBe(EBUSY);
  });

  it('are in the journal, the successes with both instances', () => {
    const { lab, home, away, ifp } = setUp();
    const { index, instance } = ifp;
    lab.engine.runTurn(5_000);
    ifVmoveLoan(home, 'moody0', home);
    const there = lab.move(ifp, away);
    expect(lab.shared.moves.list()).toEqual([
      { seq: 1, at: 5_000, how: 'loan', by: 'instance', error: EEXIST, name: 'moody0', newName: 'moody0', from: 'home', to: 'home', home: 'home', index, fromInstance: instance, toInstance: 0 },
      { seq: 2, at: 5_000, how: 'loan', by: 'instance', error: 0, name: 'moody0', newName: 'moody0', from: 'home', to: 'away', home: 'home', index, fromInstance: instance, toInstance: there.instance },
    ]);
    expect(there.instance).toBeGreaterThan(instance);
  });
});

describe('a move by the default handler', () => {
  it('makes a new instance with what survives, and the old one is gone', () => {
    const { lab, home, away, moody, ifp } = setUp();
    const { index } = ifp;
    const there = lab.move(ifp, away);
    expect(there).not.toBe(ifp);
    expect([there.net, there.homeNet, there.index, there.xname, there.dunit, there.description, there.isUp, there.groups]).toEqual([away, home, index, 'moody0', 0, 'mine', false, ['all']]);
    expect([moody.words.get(there), moody.words.size]).toEqual(['hello', 1]);
    expect([ifp.net, ifp.index, home.ifunit('moody0'), home.cloners.find((c) => c.name === 'moody')?.interfaces]).toEqual([null, 0, null, [there]]);
    expect([lab.shared.byIndex(index), home.ifByIndex(index), away.ifByIndex(index)]).toEqual([there, null, there]);
    expect(ifCloneDestroy(away, 'moody0')).toBe(0);
    expect(lab.create(home, 'moody').xname).toBe('moody0');
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it.each([['createError', ENOSPC], ['applyError', EBUSY], ['destroyError', EBUSY]] as const)('%s leaves both vnets as they were', (where, error) => {
    const { lab, home, away, moody, ifp } = setUp();
    const before = [home, away].map(picture);
    moody[where] = error;
    expect(ifVmoveLoan(home, 'moody0', away)).toBe(error);
    expect([home, away].map(picture)).toEqual(before);
    expect([ifp.net, ifp.isUp, moody.words.get(ifp), lab.shared.moves.list().at(-1)?.error]).toEqual([home, true, 'hello', error]);
    moody[where] = 0;
    expect(ifVmoveLoan(home, 'moody0', away)).toBe(0);
  });

  it('answers ENODEV when somebody destroys the interface while its successor arrives', () => {
    const { lab, home, away, ifp } = setUp();
    const off = away.arrivalEvent.register(() => void ifCloneDestroyIfp(ifp, 0));
    expect(ifVmove(ifp, away)).toEqual({ error: ENODEV, ifp: null });
    off();
    expect([home.ifnets, away.ifnets]).toEqual([[], []]);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('arrives before the old one departs', () => {
    const { lab, home, away, ifp } = setUp();
    const order: string[] = [];
    home.departureEvent.register((e) => void order.push(`departure ${e.ifp === ifp}`));
    away.arrivalEvent.register((e) => void order.push(`arrival ${e.ifp === ifp}`));
    lab.move(ifp, away);
    expect(order).toEqual(['arrival false', 'departure true']);
  });
});

describe('a kind that does not move by instance', () => {
  it('goes as the same object, and says once that this is deprecated', () => {
    const { lab, home, away, ifp } = setUp(new Moody(IFC_F_NOMOVE));
    const second = lab.create(home, 'moody');
    expect([lab.move(ifp, away), lab.move(second, away)]).toEqual([ifp, second]);
    expect([ifp.net, ifp.homeNet, ifp.isUp, ifp.description]).toEqual([away, home, false, 'mine']);
    expect(lab.log).toEqual(['home: moody0: moved as the same object, which is deprecated for interfaces of kind moody; see docs/moves.md']);
    expect(lab.shared.moves.list().map((m) => m.by)).toEqual(['classic', 'classic']);
  });
});

describe('a kind that does not move by instance, and is destroyed on its way', () => {
  it('does not arrive', () => {
    const { lab, home, away, ifp } = setUp(new Moody(IFC_F_NOMOVE));
    const off = home.departureEvent.register(() => void ifCloneDestroyIfp(ifp, 0));
    expect(ifVmove(ifp, away)).toEqual({ error: ENODEV, ifp: null });
    off();
    expect([home.ifnets, away.ifnets]).toEqual([[], []]);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('gets another name when its own is taken meanwhile', () => {
    const { lab, home, away, ifp } = setUp(new Moody(IFC_F_NOMOVE));
    const [a] = lab.epair(away);
    ifRename(ifp, 'mine');
    const off = home.departureEvent.register(() => void ifRename(a, 'mine'));
    expect([lab.move(ifp, away), ifp.xname]).toEqual([ifp, 'moody0']);
    off();
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('what throws in the middle of a move', () => {
  it('does not keep the interface from being moved later', () => {
    const { lab, home, away, ifp } = setUp();
    const off = home.arrivalEvent.register(() => {
      throw new Error('broken');
    });
    const there = lab.move(ifp, away);
    expect(() => ifVmoveReclaim(home, there.xname, away)).toThrow('broken');
    off();
    expect(there.busy).toBe(false);
  });
});

describe('a vlan that moves', () => {
  function vlan(): { lab: TestLab; home: Net; away: Net; parent: Ifnet; ifp: Ifnet } {
    const { lab, home, away } = setUp();
    const [parent] = lab.epair(home);
    return { lab, home, away, parent, ifp: lab.create(home, 'vlan', { vlan: 5, vlandev: parent.xname }) };
  }

  it('shows its parent the id going before it comes again', () => {
    const { lab, home, away, ifp } = vlan();
    const seen: string[] = [];
    home.vlanUnconfigEvent.register((e) => void seen.push(`unconfig ${e.parent.xname} ${e.vid}`));
    home.vlanConfigEvent.register((e) => void seen.push(`config ${e.parent.xname} ${e.vid}`));
    const back = lab.move(lab.move(ifp, away), home);
    expect(seen).toEqual(['unconfig epair0a 5', 'config epair0a 5', 'unconfig epair0a 5', 'config epair0a 5']);
    expect(vlanInfo(back)).toEqual({ tag: 5, proto: 0x8100, pcp: 0, parent: 'epair0a' });
  });

  it('keeps a link address and an MTU of its own, and its link does not come up anew', () => {
    const { lab, home, away, ifp } = vlan();
    const own = Uint8Array.of(2, 1, 2, 3, 4, 5);
    expect([ifSetLladdr(ifp, own), ifSetMtu(ifp, 1_400)]).toEqual([0, 0]);
    const seen: string[] = [];
    for (const net of [home, away]) {
      net.linkEvent.register((i) => void seen.push(`link of ${i.xname}`));
      net.lladdrEvent.register((i) => void seen.push(`address of ${i.xname}`));
    }
    const there = lab.move(ifp, away);
    expect([there.lladdr, there.mtu, there.linkState, seen]).toEqual([own, 1_400, LINK_STATE_UP, []]);
  });

  it('stays behind unconfigured when its parent is destroyed while it moves', () => {
    const { lab, home, away, parent, ifp } = vlan();
    const off = away.arrivalEvent.register(() => void ifCloneDestroyIfp(parent, 0));
    expect(ifVmoveLoan(home, ifp.xname, away)).toBe(ENXIO);
    off();
    expect([vlanInfo(ifp), ifp.isRunning, ifp.linkState]).toEqual([{ tag: 0, proto: 0, pcp: 0, parent: null }, false, LINK_STATE_UNKNOWN]);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('does not take back an id that another vlan got while it moved, nor does anybody get its index', () => {
    const { lab, home, away, parent, ifp } = vlan();
    const other = lab.create(home, 'vlan');
    let made: Ifnet | null = null;
    const off = [
      away.arrivalEvent.register(() => void vlanConfig(other, parent.xname, 5)),
      home.linkEvent.register(() => void (made ??= ifCloneCreate(home, 'moody').ifp)),
    ];
    expect(ifVmoveLoan(home, ifp.xname, away)).toBe(EEXIST);
    for (const end of off) end();
    expect([vlanInfo(ifp)?.parent, vlanInfo(other)?.parent]).toEqual([null, parent.xname]);
    expect(new Set(home.ifnets.map((i) => i.index)).size).toBe(home.ifnets.length);
    expect(made).not.toBeNull();
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('is bound as before when somebody who hears of its id takes its name in the target', () => {
    const { lab, home, away, parent, ifp } = vlan();
    const [a] = lab.epair(away);
    const off = home.vlanUnconfigEvent.register(() => void ifRename(a, ifp.xname));
    expect(ifVmoveLoan(home, ifp.xname, away)).toBe(EEXIST);
    off();
    expect([vlanInfo(ifp)?.parent, away.ifnets.filter((i) => i.xname === ifp.xname)]).toEqual([parent.xname, [a]]);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('is bound as before when the second half fails', () => {
    const { lab, home, away, parent, ifp } = vlan();
    ifUp(ifp);
    const before = [home, away].map(picture);
    const off = home.vlanUnconfigEvent.register(() => void (parent.flags &= ~IFF_MULTICAST));
    expect(ifVmoveLoan(home, ifp.xname, away)).toBe(EPROTONOSUPPORT);
    off();
    parent.flags |= IFF_MULTICAST;
    expect([home, away].map(picture)).toEqual(before);
    expect(vlanInfo(ifp)).toEqual({ tag: 5, proto: 0x8100, pcp: 0, parent: 'epair0a' });
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('an epair whose ends move', () => {
  it('keeps its cable through any sequence of moves, and loses what was in flight only', () => {
    const { lab, home, away } = setUp();
    const third = lab.net('third', []);
    const [a, b] = lab.epair(home);
    for (let i = 0; i < 3; i++) ifTransmit(a, lab.packet(testFrame(b.lladdr, a.lladdr, 'x')));
    expect(b.driver.queued?.()).toBe(3);
    const b2 = lab.move(b, away);
    expect([lab.engine.pool.inUse, epairPeer(a), epairPeer(b2), epairPeer(b)]).toEqual([0, b2, a, null]);
    ifUp(b2);
    const a2 = lab.move(a, third);
    ifUp(a2);
    const b3 = lab.move(b2, third);
    ifUp(b3);
    lab.send(a2, testFrame(b3.lladdr, a2.lladdr, 'still there'));
    expect(lab.arrived(third)).toHaveLength(1);
    expect([a2, b3].map((i) => i.lladdr)).toEqual([a, b].map((i) => i.lladdr));
    expect(ifCloneDestroy(third, 'epair0a')).toBe(0);
    lab.turn();
    expect({ ...lab.leftovers(), interfaces: 0, indexes: 0, drivers: 0 }).toEqual(NOTHING_LEFT);
    expect(third.ifnets).toEqual([]);
  });

  it('ends whole when the pair is destroyed while one end arrives elsewhere', () => {
    const { lab, home, away } = setUp();
    const [a, b] = lab.epair(home);
    const off = away.arrivalEvent.register(() => void ifCloneDestroy(home, a.xname));
    expect(ifVmove(b, away)).toEqual({ error: ENODEV, ifp: null });
    off();
    expect([home.ifunit('epair0a'), home.ifunit('epair0b'), away.ifunit('epair0b')]).toEqual([null, null, null]);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

describe('the way home', () => {
  it('finds another name when the own one is taken: the birth name first, then the next of its kind', () => {
    const { lab, home, away } = setUp();
    const [a, b] = lab.epair(home);
    const [, d] = lab.epair(home);
    const lent = [lab.move(b, away), lab.move(d, away)];
    ifRename(lent[0]!, 'foo');
    ifRename(lent[1]!, 'bar');
    ifRename(a, 'foo');
    ifRename(home.ifunit('epair1a')!, 'bar');
    lab.create(home, 'moody');
    ifRename(home.ifunit('moody1')!, 'epair1b');
    Object.assign(away.kern, { shutdown: true, state: SI_SUB_VNET_DONE });
    vnetIfReturn(away);
    expect(home.ifnets.map((i) => i.xname)).toEqual(['moody0', 'foo', 'bar', 'epair1b', 'epair0b', 'epair2b']);
    expect(lab.log).toEqual([
      'home: foo: returned as epair0b, because foo exists already',
      'home: bar: returned as epair2b, because bar exists already',
    ]);
    expect(lab.shared.moves.list().slice(-2).map((m) => [m.how, m.name, m.newName, m.error])).toEqual([['return', 'foo', 'epair0b', 0], ['return', 'bar', 'epair2b', 0]]);
    expect(away.ifnets).toEqual([]);
    expect([epairPeer(home.ifunit('epair0b')!), epairPeer(home.ifunit('epair2b')!)]).toEqual([home.ifunit('foo'), home.ifunit('bar')]);
    lab.destroy();
    expect(lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('is taken even when there is no room, and when no new instance can be made', () => {
    const { lab, home, away, moody, ifp } = setUp();
    const there = lab.move(ifp, away);
    home.ifMax = 0;
    expect(ifCloneCreate(home, 'epair').error).toBe(ENOSPC);
    moody.createError = ENOSPC;
    Object.assign(away.kern, { shutdown: true, state: SI_SUB_VNET_DONE });
    vnetIfReturn(away);
    expect([there.net, home.ifunit('moody0'), away.ifnets]).toEqual([home, there, []]);
    expect(lab.log.at(0)).toBe('home: moody0: carried home as the same object, because no new instance could be made');
  });
});
