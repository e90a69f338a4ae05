/**
 * bridge-snoop.test.ts — a bridge that snoops: three wires as its members, a querier behind the first, hosts behind the others.
 */
import { describe, expect, it } from 'vitest';
import { SimNet, Wire, craftIp, craftUdp, ip4 } from '../sim/index.js';
import { craftEther } from '../sim/craft.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip6Parse } from '../wire/addr6.js';
import { inCksum, inCksum6 } from '../wire/checksum.js';
import { dissect } from '../wire/dissect.js';
import { bridgeAdd, bridgeDelete } from './bridge-control.js';
import { bridgeSetRouterPort, bridgeSetSnoopFlag, bridgeSetSnoopMax, bridgeSetSnooping, bridgeSnooping } from './bridge-snoop-control.js';
import { ifUp } from './if.js';
import type { Ifnet } from './ifnet.js';

const S = 1_000_000;
const ALERT = Uint8Array.of(148, 4, 0, 0);
const quad = (text: string): number[] => text.split('.').map(Number);
const addr = (text: string): Uint8Array => ip6Parse(text) as Uint8Array;
const macOf = (group: string): string => `01:00:5e:${[(ip4(group) >>> 16) & 127, (ip4(group) >>> 8) & 255, ip4(group) & 255].map((x) => x.toString(16).padStart(2, '0')).join(':')}`;

/** From host `n`. */
function igmp(n: number, dst: string, bytes: readonly number[], src = `10.0.0.${n}`): Uint8Array {
  const body = Uint8Array.from(bytes);
  const v = new DataView(body.buffer);
  v.setUint16(2, inCksum(v, 0, body.length));
  return craftIp({ src: `02:00:00:00:01:0${n}`, dst: macOf(dst) }, { src, dst, proto: 2, ttl: 1, options: ALERT }, body);
}

function mld(n: number, dst: string, bytes: readonly number[]): Uint8Array {
  const out = Uint8Array.from([0x60, 0, 0, 0, 0, 8 + bytes.length, 0, 1, ...addr(`fe80::${n}`), ...addr(dst), 58, 0, 5, 2, 0, 0, 1, 0, ...bytes]);
  const v = new DataView(out.buffer);
  v.setUint16(50, inCksum6(v, 48, bytes.length, 8, 24, 58));
  return craftEther({ src: `02:00:00:00:01:0${n}`, dst: `33:33:${[...addr(dst).subarray(12)].map((x) => x.toString(16).padStart(2, '0')).join(':')}` }, 0x86dd, out);
}

const query = (n = 1, group = '0.0.0.0', src = `10.0.0.${n}`): Uint8Array => igmp(n, group === '0.0.0.0' ? '224.0.0.1' : group, [0x11, 10, 0, 0, ...quad(group), 2, 125, 0, 0], src);
const joins = (n: number, group: string, type = 4, sources: readonly string[] = []): Uint8Array =>
  igmp(n, '224.0.0.22', [0x22, 0, 0, 0, 0, 0, 0, 1, type, 0, 0, sources.length, ...quad(group), ...sources.flatMap(quad)]);
const data = (n: number, group: string): Uint8Array => craftUdp({ src: `02:00:00:00:01:0${n}`, dst: macOf(group) }, { src: `10.0.0.${n}`, dst: group, ttl: 5 }, 5000, 5000, new Uint8Array(8));

interface Bench {
  readonly net: SimNet;
  readonly v: Vnet;
  readonly br: Ifnet;
  readonly wires: readonly [Wire, Wire, Wire];
  /** A frame comes in on wire `n` (from 1); the wires it goes out on. */
  through(n: number, frame: Uint8Array): number[];
}

function bench(snoop = true): Bench {
  const net = new SimNet(9);
  const v = net.vnet('b');
  const wires = [1, 2, 3].map((n) => new Wire(net, v, { mac: `02:00:00:00:00:0${n}`, name: `w${n}` })) as unknown as readonly [Wire, Wire, Wire];
  const br = net.clone(v, 'bridge');
  net.kernel.call(net.now, () => {
    for (const w of wires) expect(bridgeAdd(br, w.ifp.xname)).toBe(0);
    ifUp(br);
    if (snoop) expect(bridgeSetSnooping(br, true)).toBe(0);
  });
  const through = (n: number, frame: Uint8Array): number[] => {
    for (const w of wires) w.take();
    wires[n - 1]?.in(frame);
    return wires.flatMap((w, i) => w.take().filter((f) => dissect(f.bytes) === dissect(frame)).map(() => i + 1));
  };
  return { net, v, br, wires, through };
}

describe('a bridge that does not snoop', () => {
  it('floods every multicast', () => {
    const { through, br } = bench(false);
    through(1, query());
    through(2, joins(2, '239.0.0.1'));
    expect([through(1, data(1, '239.0.0.1')), through(3, joins(3, '239.0.0.2')), bridgeSnooping(br)]).toEqual([[2, 3], [1, 2], null]);
  });
});

describe('a bridge that snoops', () => {
  it('floods as long as there is no querier, one that asks from 0.0.0.0 included', () => {
    const { through } = bench();
    expect(through(2, joins(2, '239.0.0.1'))).toEqual([1, 3]);
    through(1, query(1, '0.0.0.0', '0.0.0.0'));
    expect(through(1, data(1, '239.0.0.1'))).toEqual([2, 3]);
  });

  it('sends a group to its members and to routers, reports to routers only, queries to all', () => {
    const { through, br } = bench();
    expect(through(1, query())).toEqual([2, 3]);
    expect(through(2, joins(2, '239.0.0.1'))).toEqual([1]);
    expect(through(1, data(1, '239.0.0.1'))).toEqual([2]);
    expect(through(3, data(3, '239.0.0.1'))).toEqual([1, 2]);
    expect(through(2, igmp(2, '239.0.0.9', [0x16, 0, 0, 0, ...quad('239.0.0.9')]))).toEqual([1]);
    expect(bridgeSnooping(br)).toMatchObject({
      routers: [{ name: 'w1', expire: 255 }], groups: [{ group: '239.0.0.1', vlan: 0, members: [{ name: 'w2', expire: 251 }] }, { group: '239.0.0.9' }],
      stats: { queries: 1, reports: 2, leaves: 0, bad: 0, full: 0, narrowed: 4, unknown: 0 },
    });
  });

  it('a group nobody has joined goes to routers, with mcflood to all; link-local groups, broadcasts and what is no IP always to all', () => {
    const { through, br } = bench();
    through(1, query());
    expect(through(2, data(2, '239.0.0.7'))).toEqual([1]);
    bridgeSetSnoopFlag(br, 'floodUnknown', true);
    expect(through(2, data(2, '239.0.0.7'))).toEqual([1, 3]);
    bridgeSetSnoopFlag(br, 'floodUnknown', false);
    expect(through(2, data(2, '224.0.0.251'))).toEqual([1, 3]);
    expect(through(2, craftEther({ src: '02:00:00:00:01:02', dst: 'ff:ff:ff:ff:ff:ff' }, 0x88b5, new Uint8Array(50)))).toEqual([1, 3]);
    expect(through(2, craftEther({ src: '02:00:00:00:01:02', dst: '01:00:5e:01:02:03' }, 0x88b5, new Uint8Array(50)))).toEqual([1, 3]);
  });

  it('the bridge itself sees everything', () => {
    const { net, v, br, wires, through } = bench();
    net.addr(v, br, '10.0.0.100/24');
    const so = net.udp(v, 5000);
    so.joinGroup(ip4('239.0.0.7'), br);
    through(1, query());
    for (const w of wires) w.take();
    expect(through(2, data(2, '239.0.0.7'))).toEqual([1]);
    expect(so.recv(new Uint8Array(64))).toBe(8);
  });

  it('members are forgotten in time, sooner when their querier asks in vain, at once with fast leave', () => {
    const { net, through, br } = bench();
    through(1, query());
    through(2, joins(2, '239.0.0.1'));
    through(3, joins(3, '239.0.0.1'));
    through(2, joins(2, '239.0.0.1', 3));
    expect(through(1, data(1, '239.0.0.1'))).toEqual([2, 3]);
    through(1, query(1, '239.0.0.1'));
    through(3, joins(3, '239.0.0.1', 2));
    net.run(3 * S);
    expect(through(1, data(1, '239.0.0.1'))).toEqual([3]);
    bridgeSetSnoopFlag(br, 'fastLeave', true);
    through(3, igmp(3, '224.0.0.2', [0x17, 0, 0, 0, ...quad('239.0.0.1')]));
    expect(through(1, data(1, '239.0.0.1'))).toEqual([]);
    through(2, joins(2, '239.0.0.1', 5, ['10.9.9.9']));
    expect(through(1, data(1, '239.0.0.1'))).toEqual([2]);
    net.run(200 * S);
    through(1, query());
    net.run(100 * S);
    expect(through(1, data(1, '239.0.0.1'))).toEqual([]);
    net.run(300 * S);
    expect(bridgeSnooping(br)).toMatchObject({ groups: [], routers: [] });
    expect(through(1, data(1, '239.0.0.1'))).toEqual([2, 3]);
  });

  it('routers are known by PIM, by DVMRP and by the administrator, too', () => {
    const { through, br } = bench();
    through(3, craftIp({ src: '02:00:00:00:01:03', dst: macOf('224.0.0.13') }, { src: '10.0.0.3', dst: '224.0.0.13', proto: 103, ttl: 1 }, Uint8Array.of(0x20, 0, 0, 0)));
    expect(through(2, data(2, '239.0.0.7'))).toEqual([3]);
    expect(bridgeSetRouterPort(br, 'w1', true)).toBe(0);
    expect(through(2, data(2, '239.0.0.7'))).toEqual([1, 3]);
    expect(bridgeSetRouterPort(br, 'w1', false)).toBe(0);
    expect(through(2, data(2, '239.0.0.7'))).toEqual([3]);
  });

  it('the table is bounded: when it is full, what is not in it is flooded', () => {
    const { through, br } = bench();
    bridgeSetSnoopMax(br, 1);
    through(1, query());
    through(2, joins(2, '239.0.0.1'));
    through(2, joins(2, '239.0.0.2'));
    expect([through(1, data(1, '239.0.0.1')), through(1, data(1, '239.0.0.2'))]).toEqual([[2], [2, 3]]);
    expect(bridgeSnooping(br)?.stats.full).toBe(1);
  });

  it('a member that goes takes what was behind it', () => {
    const { net, through, br } = bench();
    through(1, query());
    through(2, joins(2, '239.0.0.1'));
    net.kernel.call(net.now, () => {
      bridgeDelete(br, 'w2');
      bridgeAdd(br, 'w2');
    });
    expect(through(1, data(1, '239.0.0.1'))).toEqual([]);
    net.kernel.call(net.now, () => bridgeDelete(br, 'w1'));
    expect(bridgeSnooping(br)?.routers).toEqual([]);
  });

  it('IPv6: groups beyond the link by MLD of both versions, ff02::/16 always to all', () => {
    const { through, br } = bench();
    const udp6 = (n: number, group: string): Uint8Array => {
      const out = Uint8Array.from([0x60, 0, 0, 0, 0, 8, 17, 5, ...addr(`2001:db8::${n}`), ...addr(group), 0x13, 0x88, 0x13, 0x88, 0, 8, 0, 0]);
      return craftEther({ src: `02:00:00:00:01:0${n}`, dst: `33:33:${[...addr(group).subarray(12)].map((x) => x.toString(16).padStart(2, '0')).join(':')}` }, 0x86dd, out);
    };
    through(1, mld(1, 'ff02::1', [130, 0, 0, 0, 0x27, 0x10, 0, 0, ...addr('::'), 2, 125, 0, 0]));
    expect(through(2, mld(2, 'ff02::16', [143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, ...addr('ff05::1:3')]))).toEqual([1]);
    expect(through(3, mld(3, 'ff05::7', [131, 0, 0, 0, 0, 0, 0, 0, ...addr('ff05::7')]))).toEqual([1]);
    expect(through(1, udp6(1, 'ff05::1:3'))).toEqual([2]);
    expect(through(1, udp6(1, 'ff05::7'))).toEqual([3]);
    expect(through(1, udp6(1, 'ff05::8'))).toEqual([]);
    expect(through(1, udp6(1, 'ff02::1:ff00:1'))).toEqual([2, 3]);
    bridgeSetSnoopFlag(br, 'fastLeave', true);
    through(3, mld(3, 'ff02::2', [132, 0, 0, 0, 0, 0, 0, 0, ...addr('ff05::7')]));
    expect(through(1, udp6(1, 'ff05::7'))).toEqual([]);
    expect(bridgeSnooping(br)?.groups.map((g) => g.group)).toEqual(['ff05::1:3']);
  });

  it('malformed messages change nothing and are passed on', () => {
    const { through, br } = bench();
    through(1, query());
    const bad = joins(2, '239.0.0.1');
    bad[bad.length - 1] = 77;
    expect(through(2, bad)).toEqual([1, 3]);
    expect(through(2, igmp(2, '224.0.0.22', [0x22, 0, 0, 0, 0, 0, 0, 9]))).toEqual([1, 3]);
    expect(bridgeSnooping(br)).toMatchObject({ groups: [], stats: { bad: 2 } });
  });

  it('is turned off again, and leaves nothing', () => {
    const { net, through, br, v } = bench();
    through(1, query());
    through(2, joins(2, '239.0.0.1'));
    net.kernel.call(net.now, () => bridgeSetSnooping(br, false));
    expect([through(1, data(1, '239.0.0.1')), bridgeSnooping(br)]).toEqual([[2, 3], null]);
    expect(v.kern.calloutsArmed).toBeLessThan(5);
  });
});
