/**
 * socket-control.test.ts — what goes with one datagram, and what it brings; flags of recv.
 */
import { expect, it } from 'vitest';
import { EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EINVAL, EOPNOTSUPP } from '../base/errno.js';
import { in6Aifaddr } from '../inet6/in6-control.js';
import { IN6_IFF_NODAD } from '../inet6/in6-ifaddr.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { ip6Parse } from '../wire/addr6.js';
import { RecvInfo6 } from './socket-in6.js';
import type { RecvInfo } from './socket.js';
import { MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_WAITALL, PF_INET6, SOCK_DGRAM } from './socket-type.js';

const ip6 = (text: string): Uint8Array => ip6Parse(text) ?? new Uint8Array(16);
const BYTES = Uint8Array.of(1, 2, 3);
const info = (): RecvInfo => ({ addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 });

function bench() {
  const net = new SimNet(3);
  const [a, b] = [net.vnet('a'), net.vnet('b')];
  const ends = net.epair(a, b);
  net.addr(a, ends[0], '10.0.0.1/24');
  net.addr(a, ends[0], '10.0.0.3/24');
  net.addr(b, ends[1], '10.0.0.2/24');
  return { net, a, b, ends };
}

it('a datagram over IPv4 has the source, TTL and TOS it was sent with, and the next one the socket’s', () => {
  const { net, a, b, ends } = bench();
  const from = net.udp(a);
  const to = net.udp(b, 7);
  expect(from.sendmsg(BYTES, { source: ip4('10.0.0.3'), ttl: 9, tos: 0xb8 }, ip4('10.0.0.2'), 7)).toBe(0);
  expect(from.send(BYTES, ip4('10.0.0.2'), 7)).toBe(0);
  net.run(10_000);
  const port = from.name().port;
  const got = [info(), info()];
  for (const i of got) expect(to.recv(new Uint8Array(3), i)).toBe(3);
  expect(got).toEqual([
    { addr: ip4('10.0.0.3'), port, dstAddr: ip4('10.0.0.2'), ttl: 9, tos: 0xb8, ifIndex: ends[1].index, length: 3 },
    { addr: ip4('10.0.0.1'), port, dstAddr: ip4('10.0.0.2'), ttl: 64, tos: 0, ifIndex: ends[1].index, length: 3 },
  ]);
});

it('over IPv6: source, interface, hop limit and traffic class', () => {
  const { net, a, b, ends } = bench();
  for (const [v, ifp, addr] of [[a, ends[0], '2001:db8::1'], [a, ends[0], '2001:db8::3'], [b, ends[1], '2001:db8::2']] as const)
    net.kernel.call(net.now, () => in6Aifaddr(v.in6Net, ifp, { addr: ip6(addr), plen: 64, flags: IN6_IFF_NODAD }));
  net.run(3_000_000);
  const from = a.sockets.socket(PF_INET6, SOCK_DGRAM).so;
  const to = b.sockets.socket(PF_INET6, SOCK_DGRAM).so;
  expect(to?.bind({ addr: new Uint8Array(16), scopeId: 0 }, 7)).toBe(0);
  const dst = { addr: ip6('2001:db8::2'), scopeId: 0 };
  expect(from?.sendmsg(BYTES, { source: { addr: ip6('2001:db8::3'), scopeId: 0 }, ifp: ends[0], ttl: 9, tos: 4 }, dst, 7)).toBe(0);
  net.run(10_000);
  const got: RecvInfo = { ...info(), in6: new RecvInfo6() };
  expect(to?.recv(new Uint8Array(3), got)).toBe(3);
  expect([got.in6?.addr, got.in6?.hops, got.in6?.tclass, got.tos]).toEqual([ip6('2001:db8::3'), 9, 4, 4]);
});

it('what cannot be is refused, and changes nothing', () => {
  const { net, a, b } = bench();
  const from = net.udp(a);
  const send = (control: Parameters<typeof from.sendmsg>[1]): number => from.sendmsg(BYTES, control, ip4('10.0.0.2'), 7);
  expect([{ ttl: 256 }, { tos: -1 }, { source: ip4('10.0.0.2') }, { source: { addr: ip6('::1'), scopeId: 0 } }].map(send)).toEqual([EINVAL, EINVAL, EADDRNOTAVAIL, EAFNOSUPPORT]);
  expect(from.bind(ip4('10.0.0.1'), 5)).toBe(0);
  expect(send({ source: ip4('10.0.0.3') })).toBe(EINVAL);
  net.run(10_000);
  expect(b.udp.stats.ipackets).toBe(0);
});

it('flags of recv', () => {
  const { net, a, b } = bench();
  const to = net.udp(b, 7);
  net.udp(a).send(BYTES, ip4('10.0.0.2'), 7);
  net.run(10_000);
  const into = new Uint8Array(3);
  expect([MSG_OOB, MSG_PEEK, MSG_WAITALL | MSG_PEEK, MSG_DONTWAIT, MSG_DONTWAIT].map((flags) => to.recv(into, undefined, flags))).toEqual([-EOPNOTSUPP, 3, 3, 3, -EAGAIN]);
});
