/**
 * carp.fuzz.mjs — advertisements over IPv4 and IPv6, most of them wrong, for a host with two vhids that preempts.
 *
 * A mutated header would nearly always end at its checksum. So of four frames three get a right checksum, and two of those the HMAC of the vhid
 * they name: they reach the election, with any interval and any counter. Time passes, so that the host becomes the master in between.
 */
import { in6Aifaddr, inAifaddr } from '@netloom/core';
import { SimNet, Wire, craftArp, craftEther, craftIp, ip4 } from '@netloom/core/sim';
import { CARP_HDR_LEN, CARP_VHID, IPPROTO_CARP, carpEmit, carpPutCksum, ip6Emit, ip6Parse } from '@netloom/core/wire';

const MAC = '02:00:00:00:00:01';
const GROUP = '01:00:5e:00:00:12';
const VMAC = '00:00:5e:00:01:01';
const ETHERTYPE_IPV6 = 0x86dd;
const KEY = Uint8Array.from([1, 2, 3]);

/** @param {string} text */
const ip6 = (text) => ip6Parse(text) ?? new Uint8Array(16);

/** @param {number} vhid @param {number} advbase @param {number} advskew */
function header(vhid, advbase, advskew) {
  const body = new Uint8Array(CARP_HDR_LEN);
  const v = new DataView(body.buffer);
  carpEmit(v, 0, vhid, advbase, advskew);
  carpPutCksum(v, 0);
  return body;
}

/** @param {Uint8Array} body */
function over6(body) {
  const out = new Uint8Array(40 + body.length);
  ip6Emit(new DataView(out.buffer), 0, 0xe0, 0, body.length, IPPROTO_CARP, 255);
  out.set(ip6('fe80::3'), 8);
  out.set(ip6('ff02::12'), 24);
  out.set(body, 40);
  return craftEther({ src: VMAC, dst: '33:33:00:00:00:12' }, ETHERTYPE_IPV6, out);
}

/** @param {Uint8Array} body @param {string} dst */
const over4 = (body, dst = '224.0.0.18') => craftIp({ src: VMAC, dst: dst === '224.0.0.18' ? GROUP : MAC }, { src: '192.0.2.3', dst, ttl: 255, proto: IPPROTO_CARP }, body);

const corpus = [
  over4(header(1, 1, 0)), over4(header(1, 1, 240)), over4(header(200, 255, 0)), over4(header(200, 1, 100), '192.0.2.2'), over4(header(0, 1, 0)),
  over6(header(1, 1, 0)), over6(header(1, 3, 200)),
  craftArp({ src: VMAC, dst: 'ff:ff:ff:ff:ff:ff' }, 1, VMAC, '192.0.2.1', '00:00:00:00:00:00', '192.0.2.1'),
];

function build() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const wire = new Wire(net, vnet, { mac: MAC });
  net.addr(vnet, wire.ifp, '192.0.2.2/24');
  for (const [name, value] of [['preempt', 1], ['log', 0]]) vnet.kern.sysctl.set(`net.inet.carp.${name}`, /** @type {number} */ (value));
  net.kernel.call(0, () => {
    for (const vhid of [1, 200]) {
      vnet.carp.set(wire.ifp, { vhid, advskew: 100, key: KEY });
      inAifaddr(vnet.inNet, wire.ifp, { addr: ip4(`192.0.2.${vhid}`), plen: 24, vhid });
    }
    in6Aifaddr(vnet.in6Net, wire.ifp, { addr: ip6('2001:db8::1'), plen: 64, vhid: 1 });
  });
  wire.transmit = (_ifp, m) => {
    m.free();
    return 0;
  };
  net.kernel.settle();
  return { net, vnet, wire };
}

/**
 * Makes a frame righter than it is: its last bytes say how.
 * @param {ReturnType<typeof build>['vnet']} vnet @param {Uint8Array} frame
 */
function mend(vnet, frame) {
  const at = frame[12] === 0x86 ? 54 : 34;
  if (frame.length < at + CARP_HDR_LEN) return;
  const how = (frame[frame.length - 1] ?? 0) & 3;
  if (how === 0) return;
  const v = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const vh = how > 1 ? vnet.carp.all().find(({ vhid }) => vhid === v.getUint8(at + CARP_VHID)) : undefined;
  vh?.hmac.put(v, at);
  carpPutCksum(v, at);
}

/** @type {ReturnType<typeof build> | null} */
let built = null;
let n = 0;

export const targets = [{
  name: 'carp',
  corpus,
  /** @param {Uint8Array} bytes */
  run(bytes) {
    built ??= build();
    const { net, vnet, wire } = built;
    mend(vnet, bytes);
    const m = net.kernel.engine.pool.from(bytes);
    if (m === null) throw new Error('the pool is exhausted: packets are lost');
    net.kernel.input(wire.ifp, m, net.now);
    if (++n % 64 === 0) net.run(300_000);
    else net.kernel.settle();
  },
  balance() {
    built ??= build();
    const { net, vnet } = built;
    net.run(120_000_000);
    return { packets: net.kernel.engine.pool.inUse, vhids: vnet.carp.all().length, timers: vnet.carp.all().filter((vh) => vh.isMaster).length };
  },
}];
