/**
 * lacp.test.ts — LACP between two of our laggs, against partners made by hand, and against nobody. Virtual time; the machines' own counters.
 */
import { describe, expect, it } from 'vitest';
import { ENETDOWN, ENOBUFS } from '../../base/errno.js';
import { snapshot } from '../../kern/counters.js';
import {
  LACP_STATE_ACTIVITY, LACP_STATE_AGGREGATION, LACP_STATE_COLLECTING, LACP_STATE_DEFAULTED, LACP_STATE_DISTRIBUTING, LACP_STATE_EXPIRED, LACP_STATE_SYNC, LACP_STATE_TIMEOUT,
  LacpInfo, MARKER_TLV_INFO, MARKER_TLV_RESPONSE, SLOW_PDU_LEN, lacpEmit, lacpReadInfo, LACP_ACTOR, LACP_PARTNER, markerEmit,
} from '../../wire/lacp.js';
import { IFM_1000_T, IFM_10G_T, IFM_ETHER, IFM_FDX, IFM_HDX } from '../if-media.js';
import { ifDown, ifLinkStateChange, ifSetLladdr, ifUp } from '../if.js';
import { ifTransmit } from '../if-transmit.js';
import { ifVmove } from '../if-vmove.js';
import { LINK_STATE_DOWN, LINK_STATE_UP } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { BROADCAST, NOTHING_LEFT, hexOf, mac, testFrame } from '../test-net.js';
import { laggAddPort, laggDeletePort, laggSetOption, laggSetProtocol } from './lagg-control.js';
import { LacpStat, laggVnet } from './lagg-tunables.js';
import {
  LAGG_OPT_LACP_FAST_TIMO, LAGG_OPT_LACP_RXTEST, LAGG_OPT_LACP_STRICT, LAGG_OPT_LACP_TXTEST, LAGG_PORT_ACTIVE, LAGG_PORT_COLLECTING, LAGG_PORT_DISTRIBUTING, LAGG_PROTO_LACP,
} from './lagg-var.js';
import { laggOf } from './lagg.js';
import { LaggBench } from './test-lagg.js';

const BUNDLED = LAGG_PORT_ACTIVE | LAGG_PORT_COLLECTING | LAGG_PORT_DISTRIBUTING;
const SLOW = 0x8809;
const SLOW_GROUP = mac('01:80:c2:00:00:02');
const HEALTHY = LACP_STATE_ACTIVITY | LACP_STATE_AGGREGATION | LACP_STATE_SYNC | LACP_STATE_COLLECTING | LACP_STATE_DISTRIBUTING;

/** A lagg over the near ends; `pair` puts one over the far ends, too. */
class LacpBench extends LaggBench {
  constructor(cables: number) {
    super(LAGG_PROTO_LACP, cables);
  }

  /** Far ends `from` to `to` become a lagg of their own. */
  pair(from = 0, to = this.b.length): Ifnet {
    const far = this.lab.create(this.net, 'lagg');
    laggSetProtocol(far, LAGG_PROTO_LACP);
    for (const ifp of this.b.slice(from, to)) laggAddPort(far, ifp.xname);
    ifUp(far);
    return far;
  }

  flags(lagg = this.lagg): number[] {
    return this.info(lagg).ports.map((p) => p.flags);
  }

  states(lagg = this.lagg): number[] {
    return this.info(lagg).ports.map((p) => p.lacp?.actor.state ?? -1);
  }

  /** The interfaces that took in a broadcast from `from`. */
  reached(from: Ifnet, text = 'x', src = from.lladdr): string[] {
    this.lab.send(from, testFrame(BROADCAST, src, text));
    return this.lab.arrived(this.net).map((line) => line.replace(`:${hexOf(text)}`, ''));
  }

  get stat(): LacpStat {
    return laggVnet(this.net).stats;
  }

  /** Link of near end `i`, on both ends of the cable. */
  link(i: number, up: boolean): void {
    for (const ifp of [this.a[i], this.b[i]]) if (ifp !== undefined) ifLinkStateChange(ifp, up ? LINK_STATE_UP : LINK_STATE_DOWN);
  }

  /** PDUs that arrive at far ends that are no ports, as `[actor, partner]`, and markers, as type bytes. */
  watch(): { pdus: { readonly on: string; readonly actor: LacpInfo; readonly partner: LacpInfo }[]; markers: number[] } {
    const seen: ReturnType<LacpBench['watch']> = { pdus: [], markers: [] };
    this.net.registerEtherProto(SLOW, (ifp, m) => {
      const [actor, partner] = [new LacpInfo(), new LacpInfo()];
      if (m.view.getUint8(m.off) === 2) seen.markers.push(m.view.getUint8(m.off + 2));
      else {
        lacpReadInfo(m.view, m.off + LACP_ACTOR, actor);
        lacpReadInfo(m.view, m.off + LACP_PARTNER, partner);
        seen.pdus.push({ on: ifp.xname, actor, partner });
      }
      m.free();
    });
    return seen;
  }

  /** Sends a slow-protocol frame from far end `i`. */
  slow(i: number, pdu: Uint8Array, dst = SLOW_GROUP): void {
    const b = this.b[i];
    if (b !== undefined) this.lab.send(b, testFrame(dst, b.lladdr, pdu, 0, SLOW));
  }
}

/** A partner's information by hand. */
function partner(fields: Partial<LacpInfo> = {}): LacpInfo {
  return Object.assign(new LacpInfo(), { sysPrio: 0x7000, sysHi: 0x0200, sysLo: 0x99, key: 9, portPrio: 1, port: 1, state: HEALTHY }, fields);
}

function pduOf(actor: LacpInfo, about: LacpInfo): Uint8Array {
  const pdu = new Uint8Array(SLOW_PDU_LEN);
  lacpEmit(new DataView(pdu.buffer), 0, actor, about, 0);
  return pdu;
}

function markerOf(type: number, xid = 7): Uint8Array {
  const pdu = new Uint8Array(SLOW_PDU_LEN);
  markerEmit(new DataView(pdu.buffer), 0, type, 5, 0x0200, 0x99, xid);
  return pdu;
}

describe('two laggs', () => {
  it('find each other, wait for all ports, and then carry frames, each flow on one port', () => {
    const t = new LacpBench(3);
    const far = t.pair();
    expect([t.lagg.linkState, ifTransmit(t.lagg, t.lab.packet(testFrame(BROADCAST, t.lagg.lladdr, 'early')))]).toEqual([LINK_STATE_DOWN, ENETDOWN]);
    const ready: number[] = [];
    for (let s = 1; s <= 8; s++) {
      t.seconds(1);
      ready.push(t.flags().filter((f) => f === BUNDLED).length);
    }
    // Heard at 2, selected anew at 4, waited until 6; the last port to stop waiting is attached first, the others a tick later.
    expect(ready).toEqual([0, 0, 0, 0, 0, 0, 1, 3]);
    expect([t.flags(far), t.lagg.linkState, far.linkState, t.lagg.baudrate]).toEqual([[BUNDLED, BUNDLED, BUNDLED], LINK_STATE_UP, LINK_STATE_UP, 3e10]);
    const [mine, theirs] = [t.info().lacp, t.info(far).lacp];
    expect([mine?.actor, mine?.partner]).toMatchObject([{ ...theirs?.partner, state: 4 }, { ...theirs?.actor, state: 0 }]);
    expect([t.reached(t.lagg), t.reached(far)]).toEqual([[far.xname], [t.lagg.xname]]);
    const used = new Set<string>();
    for (let n = 0; n < 60; n++) {
      const before = t.a.map((ifp) => ifp.data.opackets);
      t.reached(t.lagg, 'x', mac(`02:00:00:00:02:${n.toString(16).padStart(2, '0')}`));
      used.add(t.a.map((ifp, i) => ifp.data.opackets - (before[i] ?? 0)).join());
    }
    expect([...used].sort()).toEqual(['0,0,1', '0,1,0', '1,0,0']);
    t.destroy();
    expect(t.lab.leftovers()).toEqual(NOTHING_LEFT);
  });

  it('go on with the other ports when one fails, ask with markers first, and take it back', () => {
    const t = new LacpBench(2);
    const far = t.pair();
    t.seconds(10);
    const before = t.stat.responsesIn;
    t.link(0, false);
    expect(t.flags()).toEqual([0, BUNDLED]);
    expect(ifTransmit(t.lagg, t.lab.packet(testFrame(BROADCAST, t.lagg.lladdr, 'waits')))).toBe(ENOBUFS);
    expect(t.stat.suppressed).toBe(1);
    t.lab.turn();
    t.seconds(1);
    expect(t.stat.responsesIn).toBeGreaterThan(before);
    t.seconds(3);
    expect([t.reached(t.lagg), t.info().active, t.info(far).active]).toEqual([[far.xname], 1, 1]);
    t.link(0, true);
    t.seconds(8);
    expect([t.flags(), t.flags(far)]).toEqual([[BUNDLED, BUNDLED], [BUNDLED, BUNDLED]]);
    for (const i of [0, 1]) t.link(i, false);
    expect([t.lagg.linkState, far.linkState, t.info().active]).toEqual([LINK_STATE_DOWN, LINK_STATE_DOWN, 0]);
  });

  it('notice silence: after 90 seconds and 3, or with the fast timeout after 3 and 3', () => {
    const outlives = (fast: boolean): readonly [number, number] => {
      const t = new LacpBench(1);
      t.pair();
      if (fast) laggSetOption(t.lagg, LAGG_OPT_LACP_FAST_TIMO, true);
      t.seconds(120);
      expect(t.flags()).toEqual([BUNDLED]);
      for (const ifp of t.b) ifDown(ifp);
      const first = (bit: number): number => {
        for (let s = 1; s < 200; s++) {
          t.seconds(1);
          if (((t.states()[0] ?? 0) & bit) !== 0) return s;
        }
        return -1;
      };
      const expired = first(LACP_STATE_EXPIRED);
      expect(t.flags()[0]! & (LAGG_PORT_COLLECTING | LAGG_PORT_DISTRIBUTING), 'an expired partner gets nothing').toBe(0);
      return [expired, first(LACP_STATE_DEFAULTED)];
    };
    const [slowExpired, slowDefaulted] = outlives(false);
    expect(slowExpired).toBeGreaterThan(60);
    expect(slowExpired).toBeLessThanOrEqual(91);
    expect(slowDefaulted).toBe(3);
    expect(outlives(true)).toEqual([3, 3]);
  });

  it('say something every 30 seconds, every second when asked to, and never more than three times in one', () => {
    const t = new LacpBench(1);
    const far = t.pair();
    t.seconds(30);
    const during = (seconds: number): number => {
      const before = t.stat.pdusOut;
      t.seconds(seconds);
      return t.stat.pdusOut - before;
    };
    expect(during(300)).toBe(2 * 10);
    laggSetOption(far, LAGG_OPT_LACP_FAST_TIMO, true);
    t.seconds(60);
    const fast = during(60);
    expect(fast).toBeGreaterThanOrEqual(60);
    expect(fast).toBeLessThanOrEqual(64);
  });

  it('do not wait for a port that has left while it waited', () => {
    const t = new LacpBench(2);
    t.pair();
    t.seconds(4);
    laggDeletePort(t.lagg, t.a[1]?.xname ?? '');
    t.seconds(6);
    expect(t.flags()).toEqual([BUNDLED]);
  });

  it('begin anew when one of them has another address', () => {
    const t = new LacpBench(2);
    const far = t.pair();
    t.seconds(10);
    ifSetLladdr(far, mac('02:00:00:00:0f:00'));
    for (const ifp of t.b.slice(0, 1)) ifDown(ifp);
    t.seconds(3);
    expect(t.reached(t.lagg, 'x').filter((name) => name === far.xname).length).toBeLessThanOrEqual(1);
    for (const ifp of t.b) ifUp(ifp);
    t.seconds(10);
    expect([t.flags(), t.flags(far)]).toEqual([[BUNDLED, BUNDLED], [BUNDLED, BUNDLED]]);
  });

  it('go on when one of them has moved to another vnet, and leave no timer there', () => {
    const t = new LacpBench(2);
    const far = t.pair();
    t.seconds(15);
    const w = t.otherNet();
    ifVmove(t.lagg, w);
    expect(t.net.kern.calloutsArmed).toBe(1);
    const moved = w.ifunit('lagg0');
    if (moved === null) throw new Error('lagg0 is lost');
    ifUp(moved);
    t.seconds(200);
    const lagg = laggOf(moved);
    expect([lagg?.ports.map((p) => lagg.protocol?.portFlags(p)), t.flags(far)]).toEqual([[BUNDLED, BUNDLED], [BUNDLED, BUNDLED]]);
    t.lab.send(far, testFrame(BROADCAST, far.lladdr, 'x'));
    expect(t.lab.arrived(w)).toEqual([`lagg0:${hexOf('x')}`]);
    t.destroy();
    expect(t.lab.leftovers()).toEqual(NOTHING_LEFT);
  });
});

it('what names a port is logged in the vnet the port is in, as the sysctl there says', () => {
  const t = new LacpBench(2);
  const far = t.pair();
  t.seconds(15);
  const w = t.otherNet();
  ifVmove(t.lagg, w);
  ifUp(w.ifunit('lagg0') ?? t.lagg);
  laggVnet(w).tun.lacpDebug = 7;
  t.seconds(15);
  laggSetOption(far, LAGG_OPT_LACP_TXTEST, true); // of its ports only the first is unit 0
  t.seconds(200);
  const named = (): string[] => t.lab.log.filter((line) => line.includes('epair0a'));
  expect(named()).toEqual(['v: epair0a: Interface stopped DISTRIBUTING, possible flapping']);
  laggVnet(t.net).tun.lacpDebug = 1;
  laggSetOption(far, LAGG_OPT_LACP_TXTEST, false);
  t.seconds(60);
  expect(named().filter((line) => !line.startsWith('v: '))).toEqual([]);
  expect(named().some((line) => line.startsWith('v: epair0a: lacpdu receive'))).toBe(true);
});

describe('who is kept out', () => {
  it('one of two partners: their links are two aggregators, and one carries frames', () => {
    const t = new LacpBench(3);
    const many = t.pair(0, 2);
    const few = t.pair(2, 3);
    t.seconds(10);
    expect(t.flags()).toEqual([BUNDLED, BUNDLED, LAGG_PORT_COLLECTING | LAGG_PORT_DISTRIBUTING]);
    expect(t.reached(t.lagg)).toEqual([many.xname]);
    expect([t.reached(few), t.reached(many)]).toEqual([[], [t.lagg.xname]]);
  });

  it('a link of another speed, or one that is half duplex', () => {
    const t = new LacpBench(4);
    // It is enough that one side thinks so.
    const medium = (ifp: Ifnet | undefined, effective: number): void => void Object.assign(ifp?.driver ?? {}, { media: () => ({ current: effective, effective, active: true, supported: [] }) });
    medium(t.a[0], IFM_ETHER | IFM_1000_T | IFM_FDX);
    medium(t.a[1], IFM_ETHER | IFM_10G_T | IFM_HDX);
    for (const i of [0, 1]) {
      t.link(i, false);
      t.link(i, true);
    }
    const far = t.pair();
    t.seconds(12);
    expect(t.flags()).toEqual([LAGG_PORT_COLLECTING | LAGG_PORT_DISTRIBUTING, 0, BUNDLED, BUNDLED]);
    expect([t.flags(far), t.lagg.baudrate]).toEqual([t.flags(), 2e10]);
  });

  it('a cable that comes back to the same lagg', () => {
    const t = new LacpBench(1);
    for (const ifp of t.b) laggAddPort(t.lagg, ifp.xname);
    t.seconds(20);
    expect(t.flags()).toEqual([0, 0]);
    expect(t.stat.pdusLooped).toBeGreaterThan(0);
  });

  it.each([['strict', true], ['not strict', false]])('whoever does not speak LACP (%s)', (_what, strict) => {
    const t = new LacpBench(2);
    expect(laggSetOption(t.lagg, LAGG_OPT_LACP_STRICT, strict)).toBe(0);
    t.seconds(20);
    expect([t.flags(), t.says('x'), t.lagg.linkState]).toEqual([[0, 0], [], LINK_STATE_DOWN]);
    expect(t.states().map((s) => s & LACP_STATE_DEFAULTED)).toEqual([LACP_STATE_DEFAULTED, LACP_STATE_DEFAULTED]);
    expect(t.hears(0, 'y')).toEqual([]);
  });

  it('a partner that is not in sync: believed unless in strict mode; one that has us wrong: never', () => {
    const t = new LacpBench(1);
    const seen = t.watch();
    const say = (strict: boolean, state: number, wrong: number): number | undefined => {
      laggSetOption(t.lagg, LAGG_OPT_LACP_STRICT, strict);
      for (let s = 0; s < 8; s++) {
        t.seconds(1);
        const about = Object.assign(new LacpInfo(), seen.pdus.at(-1)?.actor ?? {});
        about.key ^= wrong;
        t.slow(0, pduOf(partner({ state }), about));
      }
      return t.flags()[0];
    };
    const OUT_OF_SYNC = HEALTHY & ~LACP_STATE_SYNC;
    expect(say(false, OUT_OF_SYNC, 0)).toBe(0);
    expect(say(false, HEALTHY, 0)).toBe(BUNDLED);
    expect(say(false, OUT_OF_SYNC, 0)).toBe(0);
    expect(t.info().flapping).toBe(1);
    expect(t.lab.log.join()).toContain('epair0a: Interface stopped DISTRIBUTING, possible flapping');
    expect(say(true, OUT_OF_SYNC, 0)).toBe(BUNDLED);
    expect(say(true, HEALTHY, 1)).toBe(0);
    expect(say(true, HEALTHY & ~LACP_STATE_COLLECTING, 0)).toBe(LAGG_PORT_COLLECTING);
  });

  it('what is suppressed for a test: unit 0 hears nothing, or says nothing', () => {
    const t = new LacpBench(2);
    t.pair();
    laggSetOption(t.lagg, LAGG_OPT_LACP_RXTEST, true);
    t.seconds(10);
    expect(t.flags()).toEqual([0, BUNDLED]);
    laggSetOption(t.lagg, LAGG_OPT_LACP_RXTEST, false);
    laggSetOption(t.lagg, LAGG_OPT_LACP_TXTEST, true);
    t.seconds(200);
    expect(t.flags()).toEqual([LAGG_PORT_ACTIVE | LAGG_PORT_COLLECTING, BUNDLED]);
  });
});

describe('frames of slow protocols', () => {
  it('malformed ones are dropped and counted', () => {
    const t = new LacpBench(1);
    const good = pduOf(partner(), partner());
    const bad = (at: number, value: number): Uint8Array => good.map((b, i) => (i === at ? value : b));
    t.slow(0, good.subarray(0, 109));
    t.slow(0, bad(3, 19));
    t.slow(0, good, mac('01:00:5e:00:00:01'));
    t.slow(0, good, t.a[0]?.lladdr ?? SLOW_GROUP);
    t.slow(0, new Uint8Array(0));
    t.slow(0, markerOf(9));
    t.slow(0, markerOf(MARKER_TLV_RESPONSE));
    t.slow(0, good);
    expect(snapshot(t.stat)).toEqual({ ...new LacpStat(), pdusIn: 1, pdusOut: 1, pdusBad: 4, markersBad: 2 });
    expect([t.a[0]?.data.ierrors, t.lab.engine.pool.inUse]).toEqual([5, 0]);
    expect(t.states()[0]).toBe(LACP_STATE_ACTIVITY | LACP_STATE_AGGREGATION);
  });

  it('are answered at most three times in a second, whatever the partner says', () => {
    const t = new LacpBench(1);
    t.seconds(10);
    const before = t.stat.pdusOut;
    for (let i = 0; i < 20; i++) t.slow(0, pduOf(partner({ key: i + 1 }), partner()));
    expect(t.stat.pdusOut - before).toBe(3);
  });

  it('a marker comes back as its response, with the port\'s own address', () => {
    const t = new LacpBench(2);
    const seen = t.watch();
    t.slow(1, markerOf(MARKER_TLV_INFO));
    expect(seen.markers).toEqual([MARKER_TLV_RESPONSE]);
    expect(t.stat.markersIn).toBe(1);
  });

  it('what is not ours and comes before anything is agreed on goes nowhere', () => {
    const t = new LacpBench(1);
    t.slow(0, Uint8Array.of(3, 0, 0, 0));
    expect([t.lab.engine.pool.inUse, t.a[0]?.data.ierrors]).toEqual([0, 0]);
  });

  it('say what a port is: system, key by speed and lagg, and short timeout while nothing is known', () => {
    const t = new LacpBench(1);
    const seen = t.watch();
    t.seconds(5);
    const [pdu] = seen.pdus;
    const { lladdr } = t.lagg;
    const word = new DataView(lladdr.buffer);
    expect(pdu?.actor).toMatchObject({
      sysPrio: 0x8000, sysHi: word.getUint16(0), sysLo: word.getUint32(2), key: 18 | (t.lagg.index << 5), portPrio: 0x8000, port: t.a[0]?.index,
    });
    expect((pdu?.partner.state ?? 0) & LACP_STATE_TIMEOUT).toBe(LACP_STATE_TIMEOUT);
  });
});
