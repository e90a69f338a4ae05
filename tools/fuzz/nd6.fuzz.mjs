/**
 * nd6.fuzz.mjs — neighbour discovery, most of it wrong, for a host that asks, verifies addresses, obeys redirects and answers for others.
 *
 * A mutated message would nearly always end at its checksum: of four frames three get a right length and checksum. In between packets are sent to
 * neighbours that may answer, addresses come and go, and time passes.
 */
import { RTF_GATEWAY, RTF_STATIC, in6Aifaddr, in6Difaddr, nd6Set } from '@netloom/core';
import { SimNet, Wire, craftEther } from '@netloom/core/sim';
import {
  IP6_HDR_LEN, IPPROTO_ICMPV6, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_SOLICIT, ND_OPT_NONCE, ND_OPT_SOURCE_LINKADDR, ND_OPT_TARGET_LINKADDR, ND_REDIRECT, inCksum6, ip6Emit, ip6Parse,
  ip6Zoned, macParse,
} from '@netloom/core/wire';

const MAC = '02:00:00:00:00:01';
const PEER = '02:00:00:00:00:02';
const OWN = '2001:db8::1';
const ETHERTYPE_IPV6 = 0x86dd;
const ETHER_LEN = 14;

/** @param {string} text */
const ip6 = (text) => ip6Parse(text) ?? new Uint8Array(16);
/** @param {number} type @param {string} mac */
const lladdr = (type, mac) => Uint8Array.of(type, 1, ...(macParse(mac) ?? []));

/** @param {DataView} v @param {number} at of the IPv6 header @param {number} len of the message */
function sum(v, at, len) {
  v.setUint16(at + IP6_HDR_LEN + 2, 0);
  v.setUint16(at + IP6_HDR_LEN + 2, inCksum6(v, at + IP6_HDR_LEN, len, at + 8, at + 24, IPPROTO_ICMPV6));
}

/** @param {string} src @param {string} dst @param {number} type @param {number} flags @param {...Uint8Array} rest */
function frame(src, dst, type, flags, ...rest) {
  const body = Uint8Array.from([type, 0, 0, 0, flags, 0, 0, 0, ...rest.flatMap((r) => [...r])]);
  const out = new Uint8Array(IP6_HDR_LEN + body.length);
  const v = new DataView(out.buffer);
  ip6Emit(v, 0, 0, 0, body.length, IPPROTO_ICMPV6, 255);
  out.set(ip6(src), 8);
  out.set(ip6(dst), 24);
  out.set(body, IP6_HDR_LEN);
  sum(v, 0, body.length);
  const group = [...ip6(dst).subarray(12)].map((b) => b.toString(16).padStart(2, '0')).join(':');
  return craftEther({ src: PEER, dst: dst.startsWith('ff') ? `33:33:${group}` : MAC }, ETHERTYPE_IPV6, out);
}

const corpus = [
  frame('2001:db8::2', 'ff02::1:ff00:1', ND_NEIGHBOR_SOLICIT, 0, ip6(OWN), lladdr(ND_OPT_SOURCE_LINKADDR, PEER)),
  frame('::', 'ff02::1:ff00:1', ND_NEIGHBOR_SOLICIT, 0, ip6(OWN)),
  frame('::', 'ff02::1:ff00:5', ND_NEIGHBOR_SOLICIT, 0, ip6('2001:db8::5'), Uint8Array.of(ND_OPT_NONCE, 1, 1, 2, 3, 4, 5, 6)),
  frame('fe80::2', 'ff02::1:ff00:9', ND_NEIGHBOR_SOLICIT, 0, ip6('2001:db8::9'), lladdr(ND_OPT_SOURCE_LINKADDR, PEER)),
  frame('2001:db8::2', OWN, ND_NEIGHBOR_ADVERT, 0x60, ip6('2001:db8::2'), lladdr(ND_OPT_TARGET_LINKADDR, PEER)),
  frame('2001:db8::2', 'ff02::1', ND_NEIGHBOR_ADVERT, 0x20, ip6('2001:db8::2'), lladdr(ND_OPT_TARGET_LINKADDR, PEER)),
  frame('2001:db8::5', 'ff02::1', ND_NEIGHBOR_ADVERT, 0x20, ip6('2001:db8::5')),
  frame('fe80::99', OWN, ND_NEIGHBOR_ADVERT, 0xe0, ip6('fe80::99'), lladdr(ND_OPT_TARGET_LINKADDR, PEER)),
  frame('fe80::99', OWN, ND_REDIRECT, 0, ip6('fe80::77'), ip6('2001:db8:9::1'), lladdr(ND_OPT_TARGET_LINKADDR, PEER)),
  frame('fe80::99', OWN, ND_REDIRECT, 0, ip6('2001:db8:9::1'), ip6('2001:db8:9::1')),
];

function build() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const wire = new Wire(net, vnet, { mac: MAC });
  for (const [name, value] of [['nd6_gctimer', 30], ['nd6_wait', 5], ['nd6_maxentries', 64], ['redirtimeout', 20], ['nd6_rfc9131', 1]]) {
    vnet.kern.sysctl.set(`net.inet6.icmp6.${name}`, /** @type {number} */ (value));
  }
  net.kernel.call(0, () => {
    in6Aifaddr(vnet.in6Net, wire.ifp, { addr: ip6(OWN), plen: 64 });
    nd6Set(vnet.nd6, ip6('2001:db8::9'), macParse('02:00:00:00:00:09') ?? new Uint8Array(6), { ifp: wire.ifp, proxy: true });
    vnet.routes.add({ fib: 0, family: 'inet6', dst: ip6('::'), plen: 0, gateway: ip6Zoned(ip6('fe80::99'), wire.ifp.index), ifp: wire.ifp, flags: RTF_GATEWAY | RTF_STATIC });
  });
  wire.transmit = (_ifp, m) => {
    m.free();
    return 0;
  };
  net.run(3_000_000);
  return { net, vnet, wire };
}

/** Makes a frame righter than it is: its last byte says whether. @param {Uint8Array} f */
function mend(f) {
  const len = f.length - ETHER_LEN - IP6_HDR_LEN;
  if (len < 8 || ((f[f.length - 1] ?? 0) & 3) === 0) return;
  const v = new DataView(f.buffer, f.byteOffset, f.byteLength);
  v.setUint16(ETHER_LEN + 4, len);
  v.setUint8(ETHER_LEN + 6, IPPROTO_ICMPV6);
  sum(v, ETHER_LEN, len);
}

/** @type {ReturnType<typeof build> | null} */
let built = null;
let n = 0;

/** What the host does meanwhile. @param {ReturnType<typeof build>} b */
function act({ net, vnet, wire }) {
  const last = ip6(['2001:db8::2', '2001:db8:9::2', '2001:db8:9::1', '2001:db8::7'][n & 3] ?? '');
  net.kernel.call(net.now, () => {
    const m = vnet.kern.engine.pool.alloc(IP6_HDR_LEN);
    if (m === null) throw new Error('the pool is exhausted: packets are lost');
    ip6Emit(m.view, m.off, 0, 0, 0, 59, 64);
    m.buf.set(ip6('::'), m.off + 8);
    m.buf.set(last, m.off + 24);
    vnet.ip6.output(m);
    if ((n & 0xff) === 0) in6Aifaddr(vnet.in6Net, wire.ifp, { addr: ip6('2001:db8::5'), plen: 64 });
    else if ((n & 0xff) === 0x80) in6Difaddr(vnet.in6Net, wire.ifp, ip6('2001:db8::5'));
  });
}

export const targets = [{
  name: 'nd6',
  corpus,
  /** @param {Uint8Array} bytes */
  run(bytes) {
    built ??= build();
    const { net, wire } = built;
    mend(bytes);
    const m = net.kernel.engine.pool.from(bytes);
    if (m === null) throw new Error('the pool is exhausted: packets are lost');
    net.kernel.input(wire.ifp, m, net.now);
    if (++n % 16 === 0) act(built);
    if (n % 64 === 0) net.run(300_000);
    else net.kernel.settle();
  },
  balance() {
    built ??= build();
    const { net, vnet, wire } = built;
    net.kernel.call(net.now, () => void in6Difaddr(vnet.in6Net, wire.ifp, ip6('2001:db8::5')));
    net.run(120_000_000);
    return {
      packets: net.kernel.engine.pool.inUse, neighbours: vnet.nd6.params.entries, held: vnet.nd6.params.held, verified: vnet.nd6.dad.running, routes: vnet.routes.dynamicCount,
      addresses: vnet.in6Net.addrs.map((ia) => ia.flags),
    };
  },
}];
