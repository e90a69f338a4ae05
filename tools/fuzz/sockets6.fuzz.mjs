/**
 * sockets6.fuzz.mjs — IPv6 and its sockets: any bytes behind an IPv6 header for this host, with sockets of every kind listening; and any bytes as a
 * program of socket calls. Nothing throws, every packet and every socket is given back.
 */
import { PF_INET, PF_INET6, SOCK_DGRAM, SOCK_RAW } from '@netloom/core';
import { SimNet } from '@netloom/core/sim';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, cksumFinish, cksumAdd, cksumPseudo6, ip6Emit } from '@netloom/core/wire';

const LOOPBACK = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const LOOPBACK_MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1);
const LINK_LOCAL = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const ANY = new Uint8Array(16);
const ADDRESSES = [LOOPBACK, ALL_NODES, LINK_LOCAL, ANY, LOOPBACK_MAPPED];

/** A vnet with IPv6 sockets on lo0. */
function build() {
  const net = new SimNet(1);
  const vnet = net.vnet('target');
  const lo = vnet.net.loif;
  if (lo === null) throw new Error('no lo0');
  net.addr(vnet, lo, '127.0.0.1/8');
  for (const [type, proto] of [[SOCK_DGRAM, 0], [SOCK_RAW, 58], [SOCK_RAW, 0], [SOCK_RAW, 200]]) {
    const { so } = vnet.sockets.socket(PF_INET6, type ?? 0, proto ?? 0);
    if (so === null) throw new Error('no socket');
    if (type === SOCK_DGRAM) {
      so.setsockopt('IPV6_V6ONLY', 0);
      so.bind(0, 7);
    }
    so.joinGroup6(ALL_NODES, lo);
    if (proto === 200) so.setsockopt('IPV6_CHECKSUM', 2);
    const buf = new Uint8Array(64);
    so.onReadable = () => {
      const info = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
      while (so.recv(buf, info) >= 0);
    };
  }
  net.kernel.settle();
  return { net, vnet, lo };
}

/** @type {ReturnType<typeof build> | null} */
let world = null;
const theWorld = () => (world ??= build());

/** First byte: next header, second: where to, what is behind it: the packet. @param {Uint8Array} bytes */
function input(bytes) {
  const { net, vnet, lo } = theWorld();
  if (bytes.length < 2) return;
  const payload = bytes.subarray(2);
  const m = net.kernel.engine.pool.alloc(IP6_HDR_LEN + payload.length, 64);
  if (m === null) throw new Error('the pool is exhausted: packets are lost');
  ip6Emit(m.view, m.off, 0, 0, payload.length, bytes[0] ?? 0, 64);
  m.buf.set(LOOPBACK, m.off + IP6_SRC);
  m.buf.set(ADDRESSES[(bytes[1] ?? 0) % 3] ?? ANY, m.off + IP6_DST);
  m.buf.set(payload, m.off + IP6_HDR_LEN);
  repairChecksum(m, bytes[0] ?? 0, payload.length);
  net.kernel.call(net.now, () => vnet.ip6.input(lo, m));
  net.kernel.settle();
}

/** So that UDP and ICMPv6 get past it, every other time. @param {any} m @param {number} proto @param {number} len */
function repairChecksum(m, proto, len) {
  const at = proto === 17 ? 6 : proto === 58 ? 2 : proto === 200 ? 2 : -1;
  const off = m.off + IP6_HDR_LEN;
  if (at < 0 || len < at + 2 || (m.view.getUint8(off + len - 1) & 1) === 1) return;
  m.view.setUint16(off + at, 0);
  m.view.setUint16(off + at, cksumFinish(cksumAdd(m.view, off, len, cksumPseudo6(m.view, m.off + IP6_SRC, m.off + IP6_DST, proto, len))));
}

const OPTIONS = [
  'IPV6_V6ONLY', 'IPV6_UNICAST_HOPS', 'IPV6_TCLASS', 'IPV6_MULTICAST_HOPS', 'IPV6_MULTICAST_LOOP', 'IPV6_USE_MIN_MTU', 'IPV6_DONTFRAG', 'IPV6_BINDANY', 'IPV6_CHECKSUM',
  'SO_REUSEADDR', 'SO_REUSEPORT', 'SO_RCVBUF', 'SO_SETFIB', 'IP_TTL',
];

/** Three bytes a call: socket, verb, argument. @param {Uint8Array} bytes */
function calls(bytes) {
  const { net, vnet, lo } = theWorld();
  const kinds = [[PF_INET6, SOCK_DGRAM, 0], [PF_INET6, SOCK_DGRAM, 0], [PF_INET, SOCK_DGRAM, 0], [PF_INET6, SOCK_RAW, 58], [PF_INET6, SOCK_RAW, 200]];
  const sockets = kinds.map(([domain, type, proto]) => vnet.sockets.socket(domain ?? 0, type ?? 0, proto ?? 0).so);
  for (let i = 0; i + 2 < bytes.length; i += 3) {
    const so = sockets[(bytes[i] ?? 0) % sockets.length];
    const arg = bytes[i + 2] ?? 0;
    if (so === null || so === undefined) continue;
    const addr = so.domain === PF_INET ? [0x7f000001, 0, 0xe0000001][arg % 3] ?? 0 : { addr: ADDRESSES[arg % ADDRESSES.length] ?? ANY, scopeId: (arg & 32) !== 0 ? lo.index : arg & 1 };
    const port = 20_000 + ((arg >> 3) & 3);
    call(so, (bytes[i + 1] ?? 0) % 13, arg, addr, port, lo, bytes);
  }
  net.run(1_000);
  for (const so of sockets) so?.close();
  net.run(1_000);
}

/** @param {any} so @param {number} verb @param {number} arg @param {any} addr @param {number} port @param {any} lo @param {Uint8Array} bytes */
function call(so, verb, arg, addr, port, lo, bytes) {
  const group = ADDRESSES[arg % ADDRESSES.length] ?? ANY;
  const verbs = [
    () => so.bind(addr, (arg & 64) !== 0 ? port : 0),
    () => so.connect(addr, port),
    () => so.disconnect(),
    () => so.send(bytes.subarray(0, 48), (arg & 128) !== 0 ? 0 : addr, port),
    () => so.recv(new Uint8Array(9), { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 }),
    () => so.setsockopt(OPTIONS[arg % OPTIONS.length], (arg >> 4) - 1),
    () => so.getsockopt(OPTIONS[arg % OPTIONS.length]),
    () => so.joinGroup6(group, (arg & 64) !== 0 ? lo : null),
    () => so.leaveGroup6(group, (arg & 64) !== 0 ? lo : null),
    () => so.setPktinfo((arg & 64) !== 0 ? lo : null, (arg & 32) !== 0 ? group : null),
    () => so.setIcmp6Filter((arg & 64) !== 0 ? null : [arg]),
    () => [so.name6(), so.peer6(), so.name(), so.peer()],
    () => so.setMulticastIf((arg & 64) !== 0 ? lo : null),
  ];
  verbs[verb]?.();
}

/** @param {number[]} head @param {number[]} rest */
const bytesOf = (head, rest) => Uint8Array.from([...head, ...rest]);
const echo = [128, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8];
const quoted = [0x60, 0, 0, 0, 0, 8, 17, 64, ...LOOPBACK, ...LOOPBACK, 0, 9, 0, 7, 0, 8, 0, 0];
const inputs = [
  bytesOf([17, 0], [0, 9, 0, 7, 0, 12, 0, 0, 1, 2, 3, 4]),
  bytesOf([17, 1], [0, 9, 0, 7, 0, 12, 0, 0, 1, 2, 3, 4]),
  bytesOf([58, 0], echo),
  bytesOf([58, 1], echo),
  bytesOf([58, 0], [1, 4, 0, 0, 0, 0, 0, 0, ...quoted]),
  bytesOf([58, 0], [2, 0, 0, 0, 0, 0, 5, 0, ...quoted]),
  bytesOf([58, 0], [3, 0, 0, 0, 0, 0, 0, 0, ...quoted]),
  bytesOf([200, 0], [1, 2, 0, 0, 5, 6]),
  bytesOf([0, 0], [17, 0, 1, 4, 0, 0, 0, 0, 0, 9, 0, 7, 0, 8, 0, 0]),
];
const programs = [
  Uint8Array.of(0, 5, 0, 0, 0, 64, 1, 0, 67, 0, 3, 64, 1, 3, 72, 0, 4, 0),
  Uint8Array.of(0, 7, 65, 0, 0, 67, 1, 3, 33, 0, 4, 0, 0, 8, 65),
  Uint8Array.of(3, 10, 1, 3, 1, 0, 3, 3, 128, 4, 5, 0, 4, 3, 0, 2, 0, 64),
];

function balance() {
  const { net, vnet } = theWorld();
  net.run(120_000_000);
  return { packets: net.kernel.engine.pool.inUse, sockets: vnet.sockets.count, groups: vnet.in6Net.ifinfo(theWorld().lo)?.groups.length };
}

export const targets = [
  { name: 'sockets6/input', corpus: inputs, run: input, balance },
  { name: 'sockets6/calls', corpus: programs, run: calls, balance },
];
