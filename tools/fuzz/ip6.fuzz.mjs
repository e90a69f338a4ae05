/**
 * ip6.fuzz.mjs — any bytes as an IPv6 packet for a router with addresses, tunnels and neighbours: extension headers, fragments, errors about errors, packets
 * inside packets. Nothing throws, and when what waits has had its time every packet is given back.
 */
import { ifUp, in6Aifaddr, tunnelSet6 } from '@netloom/core';
import { SimNet, Wire } from '@netloom/core/sim';
import { ip6Parse } from '@netloom/core/wire';

const OURS = '2001:db8::1';
const PEER = '2001:db8::2';
const MAC = [2, 0, 0, 0, 0, 1];

/** @param {string} text */
const addr = (text) => ip6Parse(text) ?? new Uint8Array(16);

/**
 * @param {number} nxt
 * @param {number[]} payload
 * @param {string} dst
 */
function frame(nxt, payload, dst = OURS) {
  return Uint8Array.from([...MAC, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0, payload.length >> 8, payload.length & 255, nxt, 64, ...addr(PEER), ...addr(dst), ...payload]);
}

const UDP = [0, 7, 0, 7, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
const inner = [...frame(17, UDP)].slice(14);

const corpus = [
  frame(17, UDP), frame(0, [17, 0, 5, 2, 0, 0, 1, 0, ...UDP]), frame(60, [17, 0, 1, 4, 0, 0, 0, 0, ...UDP]), frame(43, [17, 0, 0, 0, 0, 0, 0, 0, ...UDP]),
  frame(44, [17, 0, 0, 1, 0, 0, 0, 9, ...UDP]), frame(44, [17, 0, 0, 16, 0, 0, 0, 9, ...UDP]), frame(44, [17, 0, 0, 0, 0, 0, 0, 9, ...UDP]), frame(58, [128, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]),
  frame(58, [2, 0, 0, 0, 0, 0, 5, 0x14, ...inner]), frame(58, [1, 4, 0, 0, 0, 0, 0, 0, ...inner]), frame(41, inner), frame(47, [0, 0, 0x86, 0xdd, ...inner]),
  frame(17, UDP, '2001:db8:7::1'), frame(200, UDP), frame(59, []),
];

function build() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const wire = new Wire(net, vnet, { mac: '02:00:00:00:00:01' });
  for (const [name, value] of [['net.inet6.ip6.forwarding', 1], ['net.inet6.ip6.dad_count', 0], ['net.inet6.icmp6.errppslimit', -1]]) vnet.kern.sysctl.set(String(name), Number(value));
  const [a] = net.epair(vnet, vnet);
  net.kernel.call(0, () => {
    in6Aifaddr(vnet.in6Net, wire.ifp, { addr: addr(OURS), plen: 64 });
    in6Aifaddr(vnet.in6Net, a, { addr: addr('2001:db8:7::9'), plen: 64 });
  });
  for (const kind of ['gif', 'gre']) {
    const ifp = net.clone(vnet, kind);
    net.kernel.call(0, () => {
      tunnelSet6(ifp, addr(OURS), addr(PEER));
      ifUp(ifp);
    });
  }
  wire.transmit = (_ifp, m) => {
    m.free();
    return 0;
  };
  net.kernel.settle();
  return { net, wire };
}

/** @type {ReturnType<typeof build> | null} */
let built = null;
let n = 0;

export const targets = [{
  name: 'ip6-input',
  corpus,
  /** @param {Uint8Array} bytes */
  run(bytes) {
    built ??= build();
    const { net, wire } = built;
    const m = net.kernel.engine.pool.from(bytes);
    if (m === null) throw new Error('the pool is exhausted: packets are lost');
    net.kernel.input(wire.ifp, m, net.now);
    if (++n % 64 === 0) net.run(10_000);
    else net.kernel.settle();
  },
  balance() {
    built ??= build();
    built.net.run(120_000_000);
    return { packets: built.net.kernel.engine.pool.inUse };
  },
}];
