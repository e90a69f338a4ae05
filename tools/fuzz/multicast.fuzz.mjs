/**
 * multicast.fuzz.mjs — any bytes as IGMP and MLD on a vnet that is everything at once: host, querier of two links, proxy, router of a group; or on a port of a bridge that
 * snoops. Checksums of every other frame are mended, so that what is behind them is reached. Nothing throws, every packet is given back, no table grows.
 */
import {
  QUERIER_DEFAULTS, bridgeAdd, bridgeSetSnooping, bridgeSnooping, ifUp, in6Aifaddr,
} from '@netloom/core';
import { SimNet, Wire, craftEther, craftIp } from '@netloom/core/sim';
import { inCksum, inCksum6, ip6Parse } from '@netloom/core/wire';

const ALERT = Uint8Array.of(148, 4, 0, 0);
const GROUP = [239, 0, 0, 1];
const GROUPS_MAX = 64;

/** @param {string} text */
const addr = (text) => ip6Parse(text) ?? new Uint8Array(16);

/** @param {string} dst @param {number[]} bytes */
function igmp(dst, bytes) {
  const g = dst.split('.').map(Number);
  const mac = `01:00:5e:${[(g[1] ?? 0) & 127, g[2] ?? 0, g[3] ?? 0].map((x) => x.toString(16).padStart(2, '0')).join(':')}`;
  return mended(craftIp({ src: '02:00:00:00:00:02', dst: mac }, { src: '192.0.2.2', dst, proto: 2, ttl: 1, options: ALERT }, Uint8Array.from(bytes)));
}

/** @param {string} dst @param {number[]} bytes */
function mld(dst, bytes) {
  const packet = Uint8Array.from([0x60, 0, 0, 0, 0, 8 + bytes.length, 0, 1, ...addr('fe80::2'), ...addr(dst), 58, 0, 5, 2, 0, 0, 1, 0, ...bytes]);
  return mended(craftEther({ src: '02:00:00:00:00:02', dst: '33:33:00:00:00:16' }, 0x86dd, packet));
}

/** The frame with the checksums of IGMP or MLD right, if it is one. @param {Uint8Array} frame */
function mended(frame) {
  const out = frame.slice();
  const v = new DataView(out.buffer);
  if (out.length >= 46 && v.getUint16(12) === 0x0800 && out[14] === 0x46 && out[23] === 2) {
    v.setUint16(16, out.length - 14);
    v.setUint16(24, 0);
    v.setUint16(24, inCksum(v, 14, 24));
    v.setUint16(40, 0);
    v.setUint16(40, inCksum(v, 38, out.length - 38));
  } else if (out.length >= 70 && v.getUint16(12) === 0x86dd && out[20] === 0) {
    v.setUint16(18, out.length - 54);
    v.setUint16(64, 0);
    v.setUint16(64, inCksum6(v, 62, out.length - 62, 22, 38, 58));
  }
  return out;
}

const group6 = [...addr('ff05::1:3')];
const source6 = [...addr('2001:db8::7')];
const corpus = [
  igmp('224.0.0.1', [0x11, 0, 0, 0, 0, 0, 0, 0]),
  igmp('224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0]),
  igmp('224.0.0.1', [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0]),
  igmp('239.0.0.1', [0x11, 10, 0, 0, ...GROUP, 2, 125, 0, 2, 10, 1, 1, 1, 10, 1, 1, 2]),
  igmp('239.0.0.1', [0x12, 0, 0, 0, ...GROUP]),
  igmp('239.0.0.1', [0x16, 0, 0, 0, ...GROUP]),
  igmp('224.0.0.2', [0x17, 0, 0, 0, ...GROUP]),
  ...[1, 2, 3, 4, 5, 6].map((type) => igmp('224.0.0.22', [0x22, 0, 0, 0, 0, 0, 0, 1, type, 0, 0, 2, ...GROUP, 10, 1, 1, 1, 10, 1, 1, 2])),
  igmp('224.0.0.22', [0x22, 0, 0, 0, 0, 0, 0, 2, 4, 0, 0, 0, ...GROUP, 5, 1, 0, 1, 239, 0, 0, 2, 10, 1, 1, 1, 1, 2, 3, 4]),
  mld('ff02::1', [130, 0, 0, 0, 0x27, 0x10, 0, 0, ...addr('::')]),
  mld('ff02::1', [130, 0, 0, 0, 0x27, 0x10, 0, 0, ...addr('::'), 2, 125, 0, 0]),
  mld('ff05::1:3', [130, 0, 0, 0, 3, 0xe8, 0, 0, ...group6, 2, 125, 0, 1, ...source6]),
  mld('ff05::1:3', [131, 0, 0, 0, 0, 0, 0, 0, ...group6]),
  mld('ff02::2', [132, 0, 0, 0, 0, 0, 0, 0, ...group6]),
  ...[1, 2, 3, 4, 5, 6].map((type) => mld('ff02::16', [143, 0, 0, 0, 0, 0, 0, 1, type, 0, 0, 1, ...group6, ...source6])),
  craftIp({ src: '02:00:00:00:00:02', dst: '01:00:5e:00:00:01' }, { src: '192.0.2.2', dst: '239.0.0.1', proto: 17, ttl: 9 }, new Uint8Array(16)),
];

/** Host, querier, proxy and router. */
function buildRouter() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const wires = [1, 2].map((n) => new Wire(net, vnet, { mac: `02:00:00:00:01:0${n}`, name: `w${n}` }));
  const [a, b] = wires.map((w) => w.ifp);
  if (a === undefined || b === undefined) throw new Error('no wires');
  net.addr(vnet, a, '192.0.2.1/24');
  net.addr(vnet, b, '198.51.100.1/24');
  net.kernel.call(0, () => {
    for (const [i, ifp] of [a, b].entries()) in6Aifaddr(vnet.in6Net, ifp, { addr: addr(`2001:db8:${i}::1`), plen: 64 });
    const options = { ...QUERIER_DEFAULTS, groupsMax: GROUPS_MAX, sourcesMax: 16 };
    for (const ifp of [a, b]) {
      vnet.mroute.setQuerier(ifp, { ...options });
      vnet.mroute6.setQuerier(ifp, { ...options });
    }
    vnet.mroute.router.setProxy(b, [a]);
    vnet.mroute6.router.setProxy(b, [a]);
    const so = net.udp(vnet, 7);
    so.joinGroup(0xef000001, a);
    so.joinGroup(0xe8000001, a, 0x0a010101);
  });
  const check = () => {
    const most = Math.max(...[a, b].flatMap((ifp) => [vnet.igmp.querierOf(ifp)?.groups.size ?? 0, vnet.mld.querierOf(ifp)?.groups.size ?? 0]));
    if (most > GROUPS_MAX) throw new Error(`a querier has ${most} groups, its limit is ${GROUPS_MAX}`);
  };
  return { net, wires, check };
}

/** A bridge that snoops. */
function buildSnooping() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const wires = [1, 2, 3].map((n) => new Wire(net, vnet, { mac: `02:00:00:00:01:0${n}`, name: `w${n}` }));
  const bridge = net.clone(vnet, 'bridge');
  net.kernel.call(0, () => {
    for (const w of wires) bridgeAdd(bridge, w.ifp.xname);
    bridgeSetSnooping(bridge, true);
    ifUp(bridge);
  });
  const check = () => {
    const groups = bridgeSnooping(bridge)?.groups.length ?? 0;
    if (groups > 1024) throw new Error(`the bridge has ${groups} groups`);
  };
  return { net, wires, check };
}

/** @param {string} name @param {() => ReturnType<typeof buildRouter>} build */
function target(name, build) {
  /** @type {ReturnType<typeof buildRouter> | null} */
  let built = null;
  let n = 0;
  const get = () => {
    if (built !== null) return built;
    built = build();
    for (const w of built.wires) {
      w.transmit = (_ifp, m) => {
        m.free();
        return 0;
      };
    }
    built.net.kernel.settle();
    return built;
  };
  return {
    name,
    corpus,
    /** @param {Uint8Array} bytes */
    run(bytes) {
      const { net, wires, check } = get();
      const m = net.kernel.engine.pool.from(n % 2 === 0 ? mended(bytes) : bytes);
      const wire = wires[n % wires.length];
      if (m === null || wire === undefined) throw new Error('the pool is exhausted: packets are lost');
      net.kernel.input(wire.ifp, m, net.now);
      if (++n % 64 !== 0) return net.kernel.settle();
      net.run(500_000);
      check();
    },
    balance() {
      const { net } = get();
      net.run(600_000_000);
      return { packets: net.kernel.engine.pool.inUse };
    },
  };
}

export const targets = [target('multicast/router', buildRouter), target('multicast/snooping', buildSnooping)];
