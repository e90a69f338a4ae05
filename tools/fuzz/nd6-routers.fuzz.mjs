/**
 * nd6-routers.fuzz.mjs — router advertisements and solicitations, most of them wrong, for a vnet that takes others for its routers on one link and is the router of another:
 * prefixes and addresses that come of them, temporary ones, routes, DNS, their lifetimes. No list grows beyond its bound, and what was learned is forgotten in the end.
 *
 * Of four frames three get a right length and checksum. The router's side takes no advertisements, and hears them all the same.
 */
import { ND6_IFF_ACCEPT_RTADV, ND6_IFF_AUTO_LINKLOCAL, RTADV_DEFAULTS, Rtadvd, in6Aifaddr, nd6SetFlags } from '@netloom/core';
import { SimNet, Wire, craftEther } from '@netloom/core/sim';
import { IP6_HDR_LEN, IPPROTO_ICMPV6, ND_ROUTER_ADVERT, ND_ROUTER_SOLICIT, inCksum6, ip6Emit, ip6Parse } from '@netloom/core/wire';

const PEER = '02:00:00:00:00:02';
const MACS = ['02:00:00:00:01:01', '02:00:00:00:01:02'];
const ETHERTYPE_IPV6 = 0x86dd;
const ETHER_LEN = 14;
const SECOND = 1_000_000;
/** Longer than most lifetimes in a mutated message. What lasts beyond is taken back by hand. */
const DAY = 86_400 * SECOND;
const LIST_MAX = 1_000;

/** @param {string} text */
const ip6 = (text) => ip6Parse(text) ?? new Uint8Array(16);
const SLLA = [1, 1, 2, 0, 0, 0, 0, 2];
/** @param {number} n */
const u32 = (n) => [n >>> 24, (n >> 16) & 255, (n >> 8) & 255, n & 255];
/** @param {string} addr @param {number} flags @param {number} valid @param {number} preferred @param {number} plen */
const prefix = (addr, flags, valid, preferred, plen = 64) => [3, 4, plen, flags, ...u32(valid), ...u32(preferred), 0, 0, 0, 0, ...ip6(addr)];

/** @param {DataView} v @param {number} at of the IPv6 header @param {number} len of the message */
function sum(v, at, len) {
  v.setUint16(at + IP6_HDR_LEN + 2, 0);
  v.setUint16(at + IP6_HDR_LEN + 2, inCksum6(v, at + IP6_HDR_LEN, len, at + 8, at + 24, IPPROTO_ICMPV6));
}

/** @param {string} src @param {string} dst @param {...number} body */
function frame(src, dst, ...body) {
  const out = new Uint8Array(IP6_HDR_LEN + body.length);
  const v = new DataView(out.buffer);
  ip6Emit(v, 0, 0, 0, body.length, IPPROTO_ICMPV6, 255);
  out.set(ip6(src), 8);
  out.set(ip6(dst), 24);
  out.set(body, IP6_HDR_LEN);
  sum(v, 0, body.length);
  return craftEther({ src: PEER, dst: dst === 'ff02::1' ? '33:33:00:00:00:01' : '33:33:00:00:00:02' }, ETHERTYPE_IPV6, out);
}

/** @param {number} life @param {...number} options */
const ra = (life, ...options) => frame('fe80::99', 'ff02::1', ND_ROUTER_ADVERT, 0, 0, 0, 64, 0x08, life >> 8, life & 255, ...u32(30_000), ...u32(1_000), ...options);

const corpus = [
  ra(30, ...SLLA, ...prefix('2001:db8:1::', 0xc0, 60, 30)),
  ra(30, ...SLLA, ...prefix('2001:db8:2::', 0xc0, 0xffff_ffff, 0xffff_ffff), ...prefix('2001:db8:3::', 0x40, 20, 10)),
  ra(0, ...SLLA, ...prefix('2001:db8:1::', 0xc0, 0, 0)),
  ra(30, 5, 1, 0, 0, ...u32(1_400)),
  ra(30, 24, 2, 48, 0x08, ...u32(30), ...ip6('2001:db8:9::').subarray(0, 8), 24, 1, 0, 0x18, ...u32(30)),
  ra(30, 25, 5, 0, 0, ...u32(30), ...ip6('2001:db8::53'), ...ip6('2001:db8::54')),
  ra(30, 31, 3, 0, 0, ...u32(30), 7, 101, 120, 97, 109, 112, 108, 101, 3, 111, 114, 103, 0, 0, 0, 0),
  frame('fe80::7', 'ff02::2', ND_ROUTER_SOLICIT, 0, 0, 0, 0, 0, 0, 0, ...SLLA),
  frame('::', 'ff02::2', ND_ROUTER_SOLICIT, 0, 0, 0, 0, 0, 0, 0),
];

function build() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  for (const [name, value] of [['forwarding', 1], ['rfc6204w3', 1], ['use_tempaddr', 1], ['temppltime', 20], ['tempvltime', 40]]) vnet.kern.sysctl.set(`net.inet6.ip6.${name}`, Number(value));
  const wires = MACS.map((mac, i) => new Wire(net, vnet, { mac, name: `w${i}` }));
  const [host, router] = wires.map((w) => w.ifp);
  if (host === undefined || router === undefined) throw new Error('no wires');
  net.kernel.call(0, () => {
    nd6SetFlags(vnet.in6Net, host, ND6_IFF_ACCEPT_RTADV | ND6_IFF_AUTO_LINKLOCAL);
    in6Aifaddr(vnet.in6Net, router, { addr: ip6('2001:db8:77::1'), plen: 64 });
    new Rtadvd(vnet.rtr).start(router, { ...RTADV_DEFAULTS, mininterval: 3, maxinterval: 4 });
  });
  for (const w of wires) {
    w.transmit = (_ifp, m) => {
      m.free();
      return 0;
    };
  }
  net.run(20 * SECOND);
  return { net, vnet, wires };
}

/** Makes a frame righter than it is: its last byte says whether. @param {Uint8Array} f */
function mend(f) {
  const len = f.length - ETHER_LEN - IP6_HDR_LEN;
  if (len < 8 || ((f[f.length - 1] ?? 0) & 3) === 1) return;
  const v = new DataView(f.buffer, f.byteOffset, f.byteLength);
  v.setUint16(ETHER_LEN + 4, len);
  v.setUint8(ETHER_LEN + 6, IPPROTO_ICMPV6);
  v.setUint8(ETHER_LEN + 7, 255);
  sum(v, ETHER_LEN, len);
}

/** @type {ReturnType<typeof build> | null} */
let built = null;
let n = 0;

export const targets = [{
  name: 'nd6-routers',
  corpus,
  /** @param {Uint8Array} bytes */
  run(bytes) {
    built ??= build();
    const { net, vnet, wires } = built;
    mend(bytes);
    const m = net.kernel.engine.pool.from(bytes);
    const wire = wires[n % 3 === 0 ? 1 : 0];
    if (m === null || wire === undefined) throw new Error('the pool is exhausted: packets are lost');
    net.kernel.input(wire.ifp, m, net.now);
    if (++n % 64 !== 0) return net.kernel.settle();
    net.run(2 * SECOND);
    const { in6Net, rtr, routes } = vnet;
    const most = Math.max(in6Net.addrs.length, in6Net.prefixes.length, rtr.routers.length, rtr.rtinfo.length, rtr.dns.length, routes.list(0, 28).length);
    if (most > LIST_MAX) throw new Error(`${in6Net.addrs.length} addresses, ${in6Net.prefixes.length} prefixes, ${rtr.routers.length} routers, ${rtr.rtinfo.length} routes, ${rtr.dns.length} DNS entries`);
  },
  balance() {
    built ??= build();
    const { net, vnet, wires } = built;
    net.run(DAY);
    net.kernel.call(net.now, () => {
      for (const w of wires.slice(0, 1)) vnet.rtr.purge(w.ifp);
      vnet.rtr.flushPrefixes();
    });
    net.run(60 * SECOND);
    const { in6Net, rtr, routes } = vnet;
    return { packets: net.kernel.engine.pool.inUse, addresses: in6Net.addrs.length, prefixes: in6Net.prefixes.length, routers: rtr.routers.length, known: routes.list(0, 28).length };
  },
}];
