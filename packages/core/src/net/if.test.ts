/**
 * if.test.ts — the life of an interface: attach, up, down, properties, and every column of the detach table.
 *
 * The interfaces here have a driver, an address family and listeners that write down what they are told.
 */
import { describe, expect, it } from 'vitest';
import { EEXIST, EINVAL, ENAMETOOLONG, ENODEV, ENOENT, EOPNOTSUPP } from '../base/errno.js';
import { InvariantError } from '../base/assert.js';
import { CTX_SOFTINT } from '../kern/context.js';
import { SI_SUB_INIT_IF } from '../kern/vnet-sysinit.js';
import { bpfOpen } from './bpf.js';
import { etherIfattach } from './ether.js';
import { ifAddGroup, ifAddMulti, ifAttach, ifDelGroup, ifDelMulti, ifDown, ifGroupMembers, ifLinkStateChange, ifPromisc, ifRename, ifSetDescription, ifSetFlags, ifSetLladdr, ifSetMtu, ifUp } from './if.js';
import { ifDetach, ifDetachInternal } from './if-detach.js';
import type { DetachMode } from './if-detach.js';
import { ifInput, ifTransmit } from './if-transmit.js';
import {
  AF_INET, IFF_BROADCAST, IFF_DYING, IFF_LINK0, IFF_MONITOR, IFF_MULTICAST, IFF_PPROMISC, IFF_PROMISC, IFF_RENAMING, IFF_RUNNING, IFF_UP, IFT_ETHER, IFT_PPP, Ifnet, LINK_STATE_DOWN,
  LINK_STATE_UP, TRANSMIT_COUNTED,
} from './ifnet.js';
import type { IfAfData, IfDriver, IfFrameHook } from './ifnet.js';
import { loCloner } from './lo.js';
import type { Domain, Net } from './net.js';
import { RTM_DELMADDR, RTM_IFANNOUNCE, RTM_IFINFO, RTM_NEWMADDR, Rtsock } from './rtsock.js';
import type { RtListener } from './rtsock.js';
import { TestLab, mac } from './test-net.js';

const MAC = mac('02:00:00:00:00:01');

class Bench {
  readonly lab = new TestLab();
  readonly net: Net;
  readonly log: string[] = [];
  readonly listener: RtListener;
  transmitResult = 0;
  mtuResult = 0;
  lladdrResult = 0;

  constructor() {
    this.net = this.lab.net('v', [loCloner]);
    this.lab.create(this.net, 'lo0');
    const rtsock = new Rtsock(this.net);
    this.net.rtsock = rtsock;
    this.net.domains = this.net.domains.concat(this.domain());
    const { net } = this;
    net.arrivalEvent.register((e) => this.note(`arrival ${e.ifp.xname}${e.renaming ? ' (renaming)' : ''}`));
    net.departureEvent.register((e) => this.note(`departure ${e.ifp.xname}${e.renaming ? ' (renaming)' : ''}`));
    net.upDownEvent.register((e) => this.note(e.up ? 'event up' : 'event down'));
    net.linkEvent.register((ifp) => this.note(`event link ${ifp.linkState}`));
    net.mtuEvent.register((ifp) => this.note(`event mtu ${ifp.mtu}`));
    net.lladdrEvent.register(() => this.note('event lladdr'));
    this.listener = rtsock.open();
  }

  note(text: string): void {
    this.messages();
    this.log.push(text);
  }

  /** An attached interface with link address MAC (or none), which begins down. */
  attach(name: string, ether = true): Ifnet {
    const driver: IfDriver = {
      transmit: (_ifp, m) => {
        m.free();
        return this.transmitResult;
      },
      flagsChanged: (ifp) => this.note(`driver flags ${ifp.flags.toString(16)}`),
      setMtu: () => this.mtuResult,
      setLladdr: () => this.lladdrResult,
      qflush: () => this.note('driver qflush'),
    };
    const ifp = new Ifnet(driver, 'fake', 0, name, ether ? IFT_ETHER : IFT_PPP, IFF_RUNNING | IFF_MULTICAST, 1_500);
    if (ether) etherIfattach(ifp, this.net, MAC);
    else ifAttach(ifp, this.net);
    this.took();
    return ifp;
  }

  /** Everything noted since the last call, routing messages in their places. */
  took(): string[] {
    this.messages();
    return this.log.splice(0);
  }

  private messages(): void {
    for (let m = this.listener.read(); m !== null; m = this.listener.read()) {
      if (m.type === RTM_IFANNOUNCE) this.log.push(`RTM_IFANNOUNCE ${m.ifName} ${m.flags === 0 ? 'arrival' : 'departure'}`);
      else if (m.type === RTM_IFINFO) this.log.push(`RTM_IFINFO ${m.ifName} ${(m.flags & IFF_UP) !== 0 ? 'up' : 'down'}`);
      else if (m.type === RTM_NEWMADDR || m.type === RTM_DELMADDR) this.log.push(m.type === RTM_NEWMADDR ? 'RTM_NEWMADDR' : 'RTM_DELMADDR');
      else this.log.push(`message ${m.type}`);
    }
  }

  private domain(): Domain {
    return {
      af: AF_INET,
      ifattach: (ifp): IfAfData => {
        this.note(`family attach ${ifp.xname}`);
        return { af: AF_INET };
      },
      ifdetach: () => this.note('family detach'),
      ifup: () => this.note('family up'),
      ifdown: () => this.note('family down'),
      purgeAddrs: () => this.note('family purges addresses'),
      purgeUpper: () => this.note('family purges upper'),
    };
  }
}

describe('attach', () => {
  it('links, numbers and announces an interface', () => {
    const b = new Bench();
    const ifp = new Ifnet({ transmit: () => 0 }, 'x', 3, 'x3', IFT_PPP, 0, 1_500);
    ifAttach(ifp, b.net);
    expect(b.took()).toEqual(['family attach x3', 'arrival x3', 'RTM_IFANNOUNCE x3 arrival']);
    expect([ifp.net, ifp.homeNet, ifp.index, ifp.groups, b.net.kern.ifcnt, ifp.inet]).toEqual([b.net, b.net, 2, ['all'], 2, { af: AF_INET }]);
    expect([b.net.ifunit('x3'), b.net.ifunit('x'), b.net.shared.byIndex(2), b.net.shared.attached]).toEqual([ifp, null, ifp, 2]);
  });

  it('gives the lowest free index', () => {
    const b = new Bench();
    const [p, q, r] = [b.attach('p'), b.attach('q'), b.attach('r')];
    expect([p.index, q.index, r.index]).toEqual([2, 3, 4]);
    ifDetach(q);
    ifDetach(p);
    expect([b.net.shared.byIndex(2), b.net.shared.attached]).toEqual([null, 2]);
    expect([b.attach('s').index, b.attach('t').index, b.attach('u').index]).toEqual([2, 3, 5]);
    b.net.shared.freeIndex(q);
    expect(b.net.shared.attached).toBe(5);
  });

  it('needs thread context', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    b.lab.engine.enter(CTX_SOFTINT);
    expect(() => ifAttach(new Ifnet({ transmit: () => 0 }, 'y', 0, 'y', IFT_PPP, 0, 1_500), b.net)).toThrow(InvariantError);
    expect(() => ifDetach(ifp)).toThrow(InvariantError);
  });
});

describe('detach', () => {
  const DOWN_UP = ['event down', 'family down', 'driver qflush', 'RTM_IFINFO x down', 'driver flags 8042'];
  const DOWN_DOWN = ['event down', 'family down', 'driver qflush', 'RTM_IFINFO x down'];
  const CLEAN = ['family purges addresses', 'family purges upper', 'RTM_DELMADDR', 'departure x', 'RTM_IFANNOUNCE x departure', 'family detach'];

  it.each<[string, DetachMode, boolean, boolean, string[]]>([
    ['destroyed, up', 'destroy', false, true, [...DOWN_UP.slice(0, 4), 'driver flags 208042', ...CLEAN]],
    ['destroyed, down', 'destroy', false, false, [...DOWN_DOWN, ...CLEAN]],
    ['moved, up', 'vmove', false, true, [...DOWN_UP, ...CLEAN]],
    ['moved, down', 'vmove', false, false, [...DOWN_DOWN, ...CLEAN]],
    ['destroyed with its vnet', 'destroy', true, true, [...DOWN_UP.slice(0, 4), 'driver flags 208042', 'departure x', 'family detach']],
  ])('%s', (_what, mode, shutdown, up, expected) => {
    const b = new Bench();
    const ifp = b.attach('x');
    const { index } = ifp;
    if (up) ifUp(ifp);
    ifAddGroup(ifp, 'mine');
    ifAddMulti(ifp, mac('01:00:5e:00:00:01'));
    ifp.addrs = [{ af: AF_INET, ifp, carp: null }];
    const capture = bpfOpen(b.net, 'x', {}).listener!;
    b.took();
    if (shutdown) Object.assign(b.net.kern, { shutdown: true, state: SI_SUB_INIT_IF });
    ifDetachInternal(ifp, mode);
    expect(b.took()).toEqual(expected);
    expect([ifp.net, ifp.groups, ifp.addrs, ifp.multiaddrs, ifp.isUp, ifp.bpf, capture.detached]).toEqual([null, [], [], [], false, null, true]);
    expect([b.net.ifunit('x'), b.net.kern.ifcnt, ifGroupMembers(b.net, 'mine'), ifp.inet]).toEqual([null, 1, null, null]);
    const kept = mode === 'vmove' && !shutdown;
    expect([ifp.index, b.net.shared.byIndex(index)]).toEqual(kept ? [index, ifp] : [0, null]);
    expect((ifp.flags & IFF_DYING) !== 0).toBe(mode === 'destroy');
    ifDetachInternal(ifp, mode);
    expect(b.took()).toEqual([]);
  });

  it('ends promiscuous mode with the capture that asked for it, before the departure', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    ifUp(ifp);
    bpfOpen(b.net, 'x', { promisc: true });
    b.took();
    ifDetach(ifp);
    const log = b.took();
    expect([ifp.promiscCount, ifp.flags & IFF_PROMISC]).toEqual([0, 0]);
    expect(log.slice(log.indexOf('RTM_IFANNOUNCE x departure') + 1)).toEqual(['family detach']);
    expect(log.filter((l) => l === 'RTM_IFINFO x down')).toHaveLength(2);
  });
});

describe('up and down', () => {
  it('tells the driver, the listeners and the families, once', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    ifUp(ifp);
    expect(b.took()).toEqual(['driver flags 8043', 'RTM_IFINFO x up', 'event up', 'family up']);
    ifUp(ifp);
    expect(b.took()).toEqual([]);
    ifDown(ifp);
    expect(b.took()).toEqual(['event down', 'family down', 'driver qflush', 'RTM_IFINFO x down', 'driver flags 8042']);
    ifDown(ifp);
    expect(b.took()).toEqual([]);
  });

  it('takes the flags an administrator may change, and no others', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    const own = ifp.flags;
    expect(ifSetFlags(ifp, IFF_UP | IFF_LINK0)).toBe(0);
    expect(ifp.flags).toBe(own | IFF_UP | IFF_LINK0);
    expect(b.took()).toEqual(['driver flags 9043', 'RTM_IFINFO x up', 'event up', 'family up']);
    ifSetFlags(ifp, IFF_UP);
    expect([ifp.flags, b.took()]).toEqual([own | IFF_UP, ['driver flags 8043']]);
    ifSetFlags(ifp, IFF_UP);
    expect(b.took()).toEqual([]);
    ifSetFlags(ifp, IFF_BROADCAST | IFF_RUNNING | IFF_DYING | IFF_PROMISC);
    expect(ifp.flags).toBe(own);
    expect(b.took()).toEqual(['event down', 'family down', 'driver qflush', 'RTM_IFINFO x down', 'driver flags 8042']);
  });

  it('counts requests for promiscuous mode, besides the administrator\'s', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    const is = (): boolean => (ifp.flags & IFF_PROMISC) !== 0;
    ifPromisc(ifp, true);
    expect([is(), b.took()]).toEqual([true, ['driver flags 8142', 'RTM_IFINFO x down']]);
    ifPromisc(ifp, true);
    ifPromisc(ifp, false);
    expect([is(), ifp.promiscCount, b.took()]).toEqual([true, 1, []]);
    ifSetFlags(ifp, IFF_PPROMISC);
    ifPromisc(ifp, false);
    expect([is(), ifp.promiscCount, b.took()]).toEqual([true, 0, ['driver flags 28142']]);
    ifSetFlags(ifp, 0);
    expect([is(), b.took()]).toEqual([false, ['driver flags 8042']]);
    ifSetFlags(ifp, IFF_PPROMISC);
    expect(is()).toBe(true);
    ifPromisc(ifp, true);
    ifSetFlags(ifp, 0);
    expect(is()).toBe(true);
    ifPromisc(ifp, false);
    expect(is()).toBe(false);
    expect(() => ifPromisc(ifp, false)).toThrow(InvariantError);
  });

  it('tells of a link that changed before what follows from it', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    ifLinkStateChange(ifp, LINK_STATE_UP);
    expect(b.took()).toEqual(['RTM_IFINFO x down', `event link ${LINK_STATE_UP}`]);
    ifLinkStateChange(ifp, LINK_STATE_UP);
    expect(b.took()).toEqual([]);
    ifDetach(ifp);
    b.took();
    ifLinkStateChange(ifp, LINK_STATE_DOWN);
    expect([ifp.linkState, b.took()]).toEqual([LINK_STATE_DOWN, []]);
  });
});

describe('properties', () => {
  it.each([[71, EINVAL], [72, 0], [1_500, 0], [65_535, 0], [65_536, EINVAL], [1_500.5, EINVAL], [NaN, EINVAL]])('mtu %d: %i', (mtu, error) => {
    const b = new Bench();
    const ifp = b.attach('x');
    expect(ifSetMtu(ifp, mtu)).toBe(error);
    expect(ifp.mtu).toBe(error === 0 ? mtu : 1_500);
    expect(b.took()).toEqual(error !== 0 ? [] : mtu === 1_500 ? ['RTM_IFINFO x down'] : ['RTM_IFINFO x down', `event mtu ${mtu}`]);
  });

  it('leaves the mtu of a bridge member, and one its driver refuses', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    b.mtuResult = ENODEV;
    expect([ifSetMtu(ifp, 1_000), ifp.mtu]).toEqual([ENODEV, 1_500]);
    b.mtuResult = 0;
    ifp.bridge = { input: (_i, m) => m, output: () => false } satisfies IfFrameHook;
    expect([ifSetMtu(ifp, 1_000), ifSetMtu(ifp, 1), ifp.mtu]).toEqual([EOPNOTSUPP, EINVAL, 1_500]);
  });

  it.each([
    ['02:00:00:00:00:09', true, 0], ['02:00:00:00:09', true, EINVAL], ['', true, EINVAL], ['03:00:00:00:00:09', true, EINVAL], ['ff:ff:ff:ff:ff:ff', true, EINVAL],
    ['02:00:00:00:00:09', false, EINVAL], ['', false, ENODEV],
  ])('link address %s (Ethernet: %s): %i', (text, ether, error) => {
    const b = new Bench();
    const ifp = b.attach('x', ether);
    const before = ifp.lladdr;
    const wanted = text === '' ? new Uint8Array(0) : mac(text);
    expect(ifSetLladdr(ifp, wanted)).toBe(error);
    expect([...ifp.lladdr]).toEqual([...(error === 0 ? wanted : before)]);
    expect(b.took()).toEqual(error === 0 ? ['event lladdr'] : []);
    if (error === 0) expect([ifp.macHi, ifp.macLo, [...ifp.hwaddr]]).toEqual([0x0200, 9, [...MAC]]);
    b.lladdrResult = ENODEV;
    if (error === 0) expect([ifSetLladdr(ifp, MAC), ifp.macLo]).toEqual([ENODEV, 9]);
  });

  it.each([['a text', 0, 'a text'], ['x'.repeat(1_023), 0, 'x'.repeat(1_023)], ['x'.repeat(1_024), ENAMETOOLONG, 'old'], ['ä'.repeat(512), ENAMETOOLONG, 'old'], ['', 0, null], [null, 0, null]])(
    'description %s', (text, error, now) => {
      const ifp = new Bench().attach('x');
      ifSetDescription(ifp, 'old');
      expect([ifSetDescription(ifp, text), ifp.description]).toEqual([error, now]);
    },
  );

  it.each([
    ['', EINVAL], ['has space', EINVAL], ['a/b', EINVAL], ['x'.repeat(15), 0], ['x'.repeat(16), ENAMETOOLONG], ['ä'.repeat(8), ENAMETOOLONG], ['y', EEXIST], ['lo0', EEXIST],
  ])('rename to "%s": %i', (name, error) => {
    const b = new Bench();
    const ifp = b.attach('x');
    b.attach('y');
    expect([ifRename(ifp, name), ifp.xname]).toEqual([error, error === 0 ? name : 'x']);
    expect(b.took()).toHaveLength(error === 0 ? 4 : 0);
  });

  it('announces a rename as a departure and an arrival that are marked', () => {
    const b = new Bench();
    const ifp = b.attach('x');
    const { index } = ifp;
    const marked: boolean[] = [];
    for (const list of [b.net.departureEvent, b.net.arrivalEvent]) list.register((e) => void marked.push((e.ifp.flags & IFF_RENAMING) !== 0));
    expect(ifRename(ifp, 'x')).toBe(0);
    expect(b.took()).toEqual([]);
    expect(ifRename(ifp, 'z')).toBe(0);
    expect(b.took()).toEqual(['departure x (renaming)', 'RTM_IFANNOUNCE x departure', 'arrival z (renaming)', 'RTM_IFANNOUNCE z arrival']);
    expect([marked, ifp.flags & IFF_RENAMING]).toEqual([[true, true], 0]);
    expect([ifp.index, ifp.birthName, b.net.ifunit('z'), b.net.ifunit('x')]).toEqual([index, 'x', ifp, null]);
    ifDetach(ifp);
    expect(ifRename(ifp, 'w')).toBe(ENODEV);
  });

  it('keeps groups as long as they have members, in order of joining', () => {
    const b = new Bench();
    const [x, y] = [b.attach('x'), b.attach('y')];
    expect(['', 'end9', 'n'.repeat(16)].map((g) => ifAddGroup(x, g))).toEqual([EINVAL, EINVAL, EINVAL]);
    expect([ifAddGroup(y, 'g'), ifAddGroup(x, 'g'), ifAddGroup(x, 'g')]).toEqual([0, 0, EEXIST]);
    expect([ifGroupMembers(b.net, 'g'), x.groups, ifGroupMembers(b.net, 'nosuch')]).toEqual([[y, x], ['all', 'g'], null]);
    expect([ifDelGroup(y, 'g'), ifDelGroup(y, 'g'), ifGroupMembers(b.net, 'g')]).toEqual([0, ENOENT, [x]]);
    expect([ifDelGroup(x, 'g'), ifGroupMembers(b.net, 'g')]).toEqual([0, null]);
    ifDetach(x);
    expect(ifAddGroup(x, 'g')).toBe(ENODEV);
    expect(x.groups).toEqual([]);
  });

  it('counts link-layer groups and tells of the first join only', () => {
    const b = new Bench();
    const x = b.attach('x');
    const group = mac('01:00:5e:00:00:01');
    expect([ifAddMulti(x, group), ifAddMulti(x, group.slice()), x.multiaddrs.length, b.took()]).toEqual([0, 0, 1, ['RTM_NEWMADDR']]);
    expect([ifDelMulti(x, group), x.multiaddrs.length, ifDelMulti(x, group), x.multiaddrs.length, ifDelMulti(x, group)]).toEqual([0, 1, 0, 0, ENOENT]);
    expect(b.took()).toEqual([]);
  });
});

describe('the doors of an interface', () => {
  const frame = new Uint8Array(60);

  it('count what comes in, show it to captures, and refuse it when down', () => {
    const b = new Bench();
    const x = b.attach('x');
    const seen: number[] = [];
    x.input = (_ifp, m) => {
      seen.push(m.rcvif);
      m.free();
    };
    ifInput(x, b.lab.packet(frame));
    expect([x.data.ipackets, seen]).toEqual([0, []]);
    ifUp(x);
    const capture = bpfOpen(b.net, 'x', {}).listener!;
    ifInput(x, b.lab.packet(frame));
    expect([x.data.ipackets, x.data.ibytes, seen, capture.waiting]).toEqual([1, 60, [x.index], 1]);
    ifSetFlags(x, IFF_UP | IFF_MONITOR);
    ifInput(x, b.lab.packet(frame));
    expect([x.data.ipackets, seen.length, capture.waiting, b.lab.engine.pool.inUse]).toEqual([2, 1, 2, 0]);
  });

  it.each([[0, 0, 1, 0], [ENODEV, ENODEV, 0, 1], [TRANSMIT_COUNTED, 0, 0, 0]])('count what goes out: the driver answers %i', (driver, answer, opackets, oerrors) => {
    const b = new Bench();
    const x = b.attach('x');
    b.transmitResult = driver;
    const m = b.lab.packet(frame);
    m.flags = 0x1;
    expect(ifTransmit(x, m)).toBe(answer);
    expect([x.data.opackets, x.data.obytes, x.data.omcasts, x.data.oerrors]).toEqual([opackets, opackets * 60, opackets, oerrors]);
    ifTransmit(x, b.lab.packet(frame));
    expect(x.data.omcasts).toBe(opackets);
    ifDetach(x);
    expect(ifTransmit(x, b.lab.packet(frame))).not.toBe(0);
    expect(b.lab.engine.pool.inUse).toBe(0);
  });

  it('drop what comes in before there is an input function', () => {
    const b = new Bench();
    const x = b.attach('x', false);
    ifUp(x);
    ifInput(x, b.lab.packet(frame));
    expect([x.data.noproto, b.lab.engine.pool.inUse]).toEqual([1, 0]);
  });
});
