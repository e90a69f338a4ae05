/**
 * udp6.test.ts — UDP over IPv6 and raw IPv6 through sockets: ends, errors, both families, groups.
 * The tables of errors are those of FreeBSD's tests/sys/netinet/socket_afinet.c, for AF_INET6.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EHOSTUNREACH, EINVAL, EISCONN, ENOPROTOOPT, ENOTCONN, ENXIO, EPROTONOSUPPORT,
} from '../base/errno.js';
import { in6Aifaddr } from '../inet6/in6-control.js';
import { IN6_IFF_ANYCAST } from '../inet6/in6-ifaddr.js';
import { SimNet } from '../sim/sim-net.js';
import type { RecvInfo, Socket } from '../socket/socket.js';
import { PF_INET, PF_INET6, SOCK_DGRAM, SOCK_RAW } from '../socket/socket-type.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip6Format, ip6Parse } from '../wire/addr6.js';
import { inCksum6 } from '../wire/checksum.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, ip6Emit } from '../wire/ip6.js';
import { IPPROTO_ICMPV6, IPPROTO_UDP } from '../wire/ipproto.js';
import { udpEmit } from '../wire/udp.js';
import type { Ip6Name } from './in6-pcb.js';

let net: SimNet;
let v: Vnet;
beforeEach(() => {
  net = new SimNet(5);
  v = net.vnet('a');
});

const bytes = (text: string): Uint8Array => ip6Parse(text) ?? new Uint8Array(16);
const at = (text: string, scopeId = 0): Ip6Name => ({ addr: bytes(text), scopeId });
const ANY = at('::');
const LO = at('::1');
const data = Uint8Array.of(1, 2, 3);

function open(type = SOCK_DGRAM, domain = PF_INET6, proto = 0): Socket {
  const { so, error } = v.sockets.socket(domain, type, proto);
  if (so === null) throw new Error(`socket: ${error}`);
  return so;
}

/** Options set, then bound. */
function bound(sa: Ip6Name | number, port: number, ...options: string[]): Socket {
  const so = open(SOCK_DGRAM, typeof sa === 'number' ? PF_INET : PF_INET6);
  for (const o of options) expect(so.setsockopt(o.replace('!', ''), o.startsWith('!') ? 0 : 1)).toBe(0);
  expect(so.bind(sa, port)).toBe(0);
  return so;
}

/** What is there to read: sender, port and bytes; null for nothing. */
function read(so: Socket): string | null {
  net.run(1_000);
  const buf = new Uint8Array(100);
  const info: RecvInfo = { addr: 0, port: 0, dstAddr: 0, ttl: 0, ifIndex: 0, length: 0 };
  const n = so.recv(buf, info);
  if (n === -EAGAIN) return null;
  const { in6 } = info;
  if (n < 0 || in6 === undefined) return `error ${-n}`;
  return `${ip6Format(in6.addr)}${in6.scopeId === 0 ? '' : `%${v.net.ifByIndex(in6.scopeId)?.xname ?? '?'}`} > ${ip6Format(in6.dstAddr)} on ${v.net.ifByIndex(info.ifIndex)?.xname ?? '?'} hops ${in6.hops} class ${in6.tclass}: ${[...buf.subarray(0, n)].join(' ')}`;
}

function addAddress(text: string, flags = 0): void {
  const { loif } = v.net;
  if (loif === null) throw new Error('no lo0');
  net.kernel.call(net.now, () => expect(in6Aifaddr(v.in6Net, loif, { addr: bytes(text), plen: 128, flags })).toBe(0));
}

describe('socket', () => {
  it.each([[PF_INET6, 4, 0, 41], [PF_INET6, SOCK_DGRAM, 6, EPROTONOSUPPORT], [99, SOCK_DGRAM, 0, EAFNOSUPPORT], [PF_INET6, SOCK_RAW, 256, EPROTONOSUPPORT]])(
    'domain %d, type %d, protocol %d: error %d',
    (domain, type, proto, error) => {
      expect(v.sockets.socket(domain, type, proto)).toEqual({ error, so: null });
    },
  );

  it('says what it is', () => {
    expect(open().getsockopt('SO_DOMAIN')).toBe(28);
    expect(open().name6()).toEqual({ ...ANY, port: 0 });
    expect(open().peer6()).toBe(null);
    expect(open(SOCK_DGRAM, PF_INET).name6()).toBe(null);
  });
});

describe('bind', () => {
  it('takes own addresses and ::, with a port or without', () => {
    expect(bound(LO, 7).name6()).toEqual({ ...LO, port: 7 });
    const anonymous = bound(ANY, 0).name6();
    expect(anonymous?.port).toBeGreaterThanOrEqual(10_000);
  });

  it('refuses others', () => {
    addAddress('2001:db8::a', IN6_IFF_ANYCAST);
    for (const foreign of ['2001:db8::1', '2001:db8::a', 'fe80::1']) expect(open().bind(at(foreign), 7)).toBe(EADDRNOTAVAIL);
    expect(open().bind(at('fe80::1', 99), 7)).toBe(ENXIO);
    expect(open().bind(0x7f000001, 7)).toBe(EAFNOSUPPORT);
    expect(open(SOCK_DGRAM, PF_INET).bind(LO, 7)).toBe(EAFNOSUPPORT);
    const twice = bound(LO, 7);
    expect(twice.bind(LO, 8)).toBe(EINVAL);
  });

  it('takes a link-local address with its zone, and says the zone', () => {
    const lo = v.net.loif?.index ?? 0;
    expect(bound(at('fe80::1', lo), 7).name6()).toEqual({ ...at('fe80::1', lo), port: 7 });
  });

  it('takes any address with IPV6_BINDANY', () => {
    bound(at('2001:db8::1'), 7, 'IPV6_BINDANY');
  });

  it('does not share a port with an overlapping address', () => {
    bound(ANY, 7);
    expect(open().bind(LO, 7)).toBe(EADDRINUSE);
    bound(LO, 8);
    expect(open().bind(ANY, 8)).toBe(EADDRINUSE);
    const first = bound(LO, 9, 'SO_REUSEPORT');
    bound(LO, 9, 'SO_REUSEPORT');
    first.close();
    bound(ANY, 9, 'SO_REUSEADDR');
  });

  it('keeps the families apart unless the socket is one of both', () => {
    bound(ANY, 7);
    bound(0, 7);
    bound(ANY, 8, '!IPV6_V6ONLY');
    expect(open(SOCK_DGRAM, PF_INET).bind(0, 8)).toBe(EADDRINUSE);
    bound(0, 9);
    const both = open();
    both.setsockopt('IPV6_V6ONLY', 0);
    expect(both.bind(ANY, 9)).toBe(EADDRINUSE);
    expect(both.bind(ANY, 10)).toBe(0);
    both.close();
    bound(0, 10);
  });
});

describe('connect', () => {
  it('fixes both ends', () => {
    const so = open();
    expect(so.connect(LO, 7)).toBe(0);
    expect(so.peer6()).toEqual({ ...LO, port: 7 });
    expect(so.name6()).toMatchObject(LO);
    expect(so.disconnect()).toBe(0);
    expect(so.disconnect()).toBe(ENOTCONN);
    expect(so.name6()).toMatchObject(ANY);
  });

  it('refuses what cannot be reached', () => {
    expect(open().connect(LO, 0)).toBe(EADDRNOTAVAIL);
    expect(open().connect(at('2001:db8::9'), 7)).toBe(EHOSTUNREACH);
    expect(open().connect(at('fe80::9', 77), 7)).toBe(ENXIO);
    expect(open().connect(0x7f000001, 7)).toBe(EAFNOSUPPORT);
    expect(open().connect(at('::ffff:127.0.0.1'), 7)).toBe(EINVAL);
    const a = bound(LO, 5, 'SO_REUSEPORT');
    const b = bound(LO, 5, 'SO_REUSEPORT');
    expect(a.connect(LO, 9)).toBe(0);
    expect(b.connect(LO, 9)).toBe(EADDRINUSE);
  });

  it('takes datagrams of its peer only', () => {
    const so = bound(LO, 5);
    expect(so.connect(LO, 9)).toBe(0);
    const other = bound(LO, 8);
    const peer = bound(LO, 9);
    other.send(data, LO, 5);
    expect(read(so)).toBe(null);
    peer.send(data, LO, 5);
    expect(read(so)).toBe('::1 > ::1 on lo0 hops 64 class 0: 1 2 3');
  });
});

describe('send', () => {
  it('refuses what it cannot', () => {
    const so = open();
    expect(so.send(data)).toBe(EDESTADDRREQ);
    expect(so.send(data, LO, 0)).toBe(EADDRNOTAVAIL);
    expect(so.send(data, 0x7f000001, 7)).toBe(EAFNOSUPPORT);
    expect(so.send(data, at('::ffff:127.0.0.1'), 7)).toBe(EINVAL);
    expect(so.send(data, at('2001:db8::9'), 7)).toBe(EHOSTUNREACH);
    expect(so.connect(LO, 7)).toBe(0);
    expect(so.send(data, LO, 7)).toBe(EISCONN);
    expect(open(SOCK_DGRAM, PF_INET).send(data, LO, 7)).toBe(EAFNOSUPPORT);
  });

  it('carries hop limit and class; :: is this host', () => {
    const so = bound(ANY, 7);
    const from = open();
    expect(from.setsockopt('IPV6_UNICAST_HOPS', 9)).toBe(0);
    expect(from.setsockopt('IPV6_TCLASS', 0xb8)).toBe(0);
    expect(from.send(data, ANY, 7)).toBe(0);
    expect(read(so)).toBe('::1 > ::1 on lo0 hops 9 class 184: 1 2 3');
    expect(v.udp.stats).toMatchObject({ opackets: 1, ipackets: 1, delivered: 1, badsum: 0, nosum: 0 });
  });

  it('a packet of several datagrams is read one by one', () => {
    const so = bound(ANY, 7);
    const m = so.allocPacket(5);
    if (m === null) throw new Error('no packet');
    m.buf.set([1, 2, 3, 4, 5], m.off);
    m.gsoSize = 2;
    expect(open().sendPacket(m, LO, 7)).toBe(0);
    expect([read(so), read(so), read(so)].map((r) => r?.replace(/.*: /, ''))).toEqual(['1 2', '3 4', '5']);
    expect(v.udp.stats).toMatchObject({ opackets: 3, ipackets: 3, delivered: 3 });
  });
});

describe('demultiplexing', () => {
  it('the exact address before ::, the connection before both', () => {
    addAddress('2001:db8::1');
    const any = bound(ANY, 7, 'SO_REUSEPORT');
    const exact = bound(at('2001:db8::1'), 7, 'SO_REUSEPORT');
    const from = open();
    from.send(data, at('2001:db8::1'), 7);
    expect([read(any) === null, read(exact) === null]).toEqual([true, false]);
    from.send(data, LO, 7);
    expect([read(any) === null, read(exact) === null]).toEqual([false, true]);
  });

  /** A datagram to ::1 port 7 as a peer could send it. */
  function wire(ulen: number, sum: (v: DataView) => number, payload = 3): void {
    const { loif } = v.net;
    const m = net.kernel.engine.pool.alloc(IP6_HDR_LEN + 8 + payload, 64);
    if (m === null || loif === null) throw new Error('no packet');
    m.buf.fill(1, m.off, m.off + m.len);
    ip6Emit(m.view, m.off, 0, 0, 8 + payload, IPPROTO_UDP, 64);
    m.buf.set(LO.addr, m.off + IP6_SRC);
    m.buf.set(LO.addr, m.off + IP6_DST);
    udpEmit(m.view, m.off + IP6_HDR_LEN, 9, 7, ulen, 0);
    const u = m.off + IP6_HDR_LEN;
    m.view.setUint16(u + 6, inCksum6(m.view, u, 8 + payload, m.off + IP6_SRC, m.off + IP6_DST, IPPROTO_UDP));
    m.view.setUint16(u + 6, sum(new DataView(m.view.buffer, m.view.byteOffset + u)));
    net.kernel.call(net.now, () => v.ip6.input(loif, m));
    net.run(1_000);
  }

  it('length and checksum must be right; without a checksum only where it is allowed', () => {
    const so = bound(ANY, 7);
    const right = (u: DataView): number => u.getUint16(6);
    wire(11, right);
    expect(read(so)).not.toBe(null);
    wire(10, right);
    wire(7, right);
    wire(12, right);
    wire(11, (u) => u.getUint16(6) ^ 1);
    wire(11, () => 0);
    expect(read(so)).toBe(null);
    expect(v.udp.stats).toMatchObject({ ipackets: 6, badlen: 3, badsum: 1, nosum: 1, delivered: 1 });
    net.kernel.call(net.now, () => v.kern.sysctl.set('net.inet6.udp6.rfc6935_port', 7));
    wire(11, () => 0);
    expect(read(so)).not.toBe(null);
  });

  it('a port nobody has', () => {
    open().send(data, LO, 7);
    net.run(1_000);
    expect(v.udp.stats).toMatchObject({ noport: 1, delivered: 0 });
    expect(v.icmp6.stats.error).toBe(1);
  });
});

describe('v4-mapped', () => {
  const V4LO = at('::ffff:127.0.0.1');

  beforeEach(() => {
    const { loif } = v.net;
    if (loif !== null) net.addr(v, loif, '127.0.0.1/8');
  });

  it('a socket of both families hears both, and answers both', () => {
    const both = bound(ANY, 7, '!IPV6_V6ONLY');
    const four = open(SOCK_DGRAM, PF_INET);
    four.send(data, 0x7f000001, 7);
    expect(read(both)).toBe('::ffff:127.0.0.1 > ::ffff:127.0.0.1 on lo0 hops 64 class 0: 1 2 3');
    open().send(data, LO, 7);
    expect(read(both)).toContain('::1 > ::1');
    expect(both.send(data, V4LO, four.name().port)).toBe(0);
    net.run(1_000);
    expect(four.recv(new Uint8Array(9))).toBe(3);
    expect(both.send(data, LO, 9)).toBe(0);
  });

  it('one that is IPv6 only does not', () => {
    const six = bound(ANY, 7);
    open(SOCK_DGRAM, PF_INET).send(data, 0x7f000001, 7);
    expect(read(six)).toBe(null);
    expect(six.send(data, V4LO, 7)).toBe(EINVAL);
    expect(open().bind(V4LO, 9)).toBe(EADDRNOTAVAIL);
  });

  it('bound or connected to a mapped end it is one of IPv4', () => {
    const so = bound(V4LO, 7, '!IPV6_V6ONLY');
    expect(so.name6()).toEqual({ ...V4LO, port: 7 });
    expect(so.send(data, LO, 9)).toBe(EAFNOSUPPORT);
    expect(so.connect(LO, 9)).toBe(EAFNOSUPPORT);
    bound(LO, 7);
    const c = open();
    c.setsockopt('IPV6_V6ONLY', 0);
    expect(c.connect(V4LO, 7)).toBe(0);
    expect(c.peer6()).toEqual({ ...V4LO, port: 7 });
    expect(c.send(data)).toBe(0);
    expect(read(so)).toContain('::ffff:127.0.0.1 >');
    expect(c.disconnect()).toBe(0);
    c.close();
    so.close();
    expect(v.udp.pcbs.portChain(7)?.item.lport ?? 0).not.toBe(7);
  });

  it('net.inet6.ip6.v6only is the default; who is bound cannot change', () => {
    expect(open().getsockopt('IPV6_V6ONLY')).toBe(1);
    net.kernel.call(net.now, () => v.kern.sysctl.set('net.inet6.ip6.v6only', 0));
    const so = open();
    expect(so.getsockopt('IPV6_V6ONLY')).toBe(0);
    expect(so.bind(ANY, 7)).toBe(0);
    expect(so.setsockopt('IPV6_V6ONLY', 1)).toBe(EINVAL);
  });

  it('a failed connect leaves it as it was', () => {
    const so = bound(ANY, 7, '!IPV6_V6ONLY');
    expect(so.connect(at('::ffff:203.0.113.1'), 7)).not.toBe(0);
    open(SOCK_DGRAM, PF_INET).send(data, 0x7f000001, 7);
    open().send(data, LO, 7);
    expect([read(so), read(so)].every((r) => r !== null)).toBe(true);
  });
});

describe('groups', () => {
  const GROUP = bytes('ff02::99');

  it('only members hear', () => {
    const { loif } = v.net;
    const [a, b] = [bound(ANY, 7, 'SO_REUSEPORT'), bound(ANY, 7, 'SO_REUSEPORT')];
    const from = open();
    expect(a.joinGroup6(GROUP, loif)).toBe(0);
    expect(a.joinGroup6(GROUP, loif)).toBe(EADDRINUSE);
    expect(from.send(data, at('ff02::99', loif?.index ?? 0), 7)).toBe(0);
    expect(read(b)).toBe(null);
    expect(read(a)).toBe('fe80::1%lo0 > ff02::99 on lo0 hops 1 class 0: 1 2 3');
    expect(from.setsockopt('IPV6_MULTICAST_LOOP', 0)).toBe(0);
    from.send(data, at('ff02::99', loif?.index ?? 0), 7);
    expect(read(a)).toBe(null);
    expect(a.leaveGroup6(GROUP)).toBe(0);
    expect(a.leaveGroup6(GROUP)).toBe(EADDRNOTAVAIL);
    expect(a.joinGroup6(bytes('2001:db8::1'), loif)).toBe(EINVAL);
  });

  it('closing leaves', () => {
    const { loif } = v.net;
    const a = open();
    a.joinGroup6(GROUP, loif);
    const before = loif === null ? 0 : (v.in6Net.ifinfo(loif)?.groups.length ?? 0);
    a.close();
    expect(loif === null ? 0 : v.in6Net.ifinfo(loif)?.groups.length).toBe(before - 1);
  });
});

describe('raw', () => {
  const echo = (): Uint8Array => Uint8Array.of(128, 0, 0, 0, 0, 1, 0, 2, 9);

  it('checksums ICMPv6, shows what follows the headers, and filters by type', () => {
    const so = open(SOCK_RAW, PF_INET6, IPPROTO_ICMPV6);
    const deaf = open(SOCK_RAW, PF_INET6, IPPROTO_ICMPV6);
    expect(deaf.setIcmp6Filter([1, 3])).toBe(0);
    expect(so.setIcmp6Filter([129])).toBe(0);
    expect(so.send(echo(), LO)).toBe(0);
    expect(read(so)).toMatch(/^::1 > ::1 on lo0 hops 64 class 0: 129 0 \d+ \d+ 0 1 0 2 9$/);
    expect(read(deaf)).toBe(null);
    expect(open(SOCK_RAW, PF_INET6, 200).setIcmp6Filter([1])).toBe(ENOPROTOOPT);
    expect(open().setIcmp6Filter([1])).toBe(ENOPROTOOPT);
  });

  it('shows requests and solicitations that are answered here to whoever asks for them', () => {
    const so = open(SOCK_RAW, PF_INET6, IPPROTO_ICMPV6);
    const quiet = open(SOCK_RAW, PF_INET6, IPPROTO_ICMPV6);
    expect(quiet.setIcmp6Filter([129])).toBe(0);
    expect(so.send(echo(), LO)).toBe(0);
    expect([read(so), read(so), read(so)]).toEqual([expect.stringMatching(/: 128 0 .* 1 0 2 9$/), expect.stringMatching(/: 129 0 .* 1 0 2 9$/), null]);
    expect([read(quiet), read(quiet)]).toEqual([expect.stringMatching(/: 129 0 /), null]);
    const solicitation = Uint8Array.of(135, 0, 0, 0, 0, 0, 0, 0, ...at('fe80::1').addr);
    expect(so.setsockopt('IPV6_UNICAST_HOPS', 255)).toBe(0);
    expect(so.send(solicitation, LO)).toBe(0);
    expect(read(so)).toMatch(/hops 255 class 0: 135 0 /);
  });

  it('other protocols, with a checksum where IPV6_CHECKSUM says', () => {
    const so = open(SOCK_RAW, PF_INET6, 200);
    const same = open(SOCK_RAW, PF_INET6, 200);
    expect(so.send(data, LO)).toBe(0);
    expect([read(so), read(same)]).toEqual(Array(2).fill('::1 > ::1 on lo0 hops 64 class 0: 1 2 3'));
    expect(so.setsockopt('IPV6_CHECKSUM', 3)).toBe(EINVAL);
    expect(so.setsockopt('IPV6_CHECKSUM', 2)).toBe(0);
    expect(so.send(data, LO)).toBe(EINVAL);
    expect(so.send(Uint8Array.of(1, 2, 0, 0, 5), LO)).toBe(0);
    expect(read(so)).toMatch(/: 1 2 \d+ \d+ 5$/);
    expect(same.send(data, LO)).toBe(0);
    expect(read(so)).toBe(null);
    expect([read(same), read(same)]).toEqual([expect.stringMatching(/: 1 2 \d+ \d+ 5$/), expect.stringMatching(/: 1 2 3$/)]); // who wants no checksum has both
    expect(v.raw6.stats).toMatchObject({ badsum: 1, opackets: 3 });
  });

  it('ends and errors', () => {
    const so = open(SOCK_RAW, PF_INET6, 200);
    expect(so.send(data)).toBe(ENOTCONN);
    expect(so.setsockopt('IP_HDRINCL', 1)).toBe(ENOPROTOOPT);
    expect(so.bind(at('2001:db8::1'), 0)).toBe(EADDRNOTAVAIL);
    expect(so.connect(LO, 0)).toBe(0);
    expect(so.name6()).toEqual({ ...LO, port: 0 });
    expect(so.send(data, LO)).toBe(EISCONN);
    expect(so.disconnect()).toBe(0);
    const other = open(SOCK_RAW, PF_INET6, 200);
    expect(other.setPktinfo(v.net.loif)).toBe(0);
    expect(other.send(data, at('ff02::1'))).toBe(0);
    expect(read(other)).toBe('fe80::1%lo0 > ff02::1 on lo0 hops 1 class 0: 1 2 3');
  });

  it('nobody wants the protocol', () => {
    open(SOCK_RAW, PF_INET6, 201).send(data, LO);
    const other = open(SOCK_RAW, PF_INET6, 200);
    other.send(data, LO);
    other.close();
    net.run(1_000);
    expect(v.raw6.stats.nosock).toBeGreaterThan(0);
  });
});

describe('options', () => {
  it.each([
    ['IPV6_UNICAST_HOPS', 64, 9, 256], ['IPV6_TCLASS', 0, 8, 256], ['IPV6_MULTICAST_HOPS', 1, 9, 256], ['IPV6_MULTICAST_LOOP', 1, 0, 2], ['IPV6_USE_MIN_MTU', -1, 1, 2],
    ['IPV6_DONTFRAG', 0, 1, null], ['IPV6_BINDANY', 0, 1, null], ['IPV6_V6ONLY', 1, 0, null], ['IPV6_VLAN_PCP', -1, 5, 8],
  ])('%s', (name, initial, good, bad) => {
    const so = open();
    expect(so.getsockopt(name)).toBe(initial);
    expect(so.setsockopt(name, good)).toBe(0);
    expect(so.getsockopt(name)).toBe(good);
    if (bad !== null) expect(so.setsockopt(name, bad)).toBe(EINVAL);
    expect(open(SOCK_DGRAM, PF_INET).setsockopt(name, good)).toBe(ENOPROTOOPT);
  });

  it('IPv4’s are not for IPv6 sockets', () => {
    expect(open().setsockopt('IP_TTL', 1)).toBe(ENOPROTOOPT);
    expect(open().getsockopt('IP_TOS')).toBe(null);
    expect(open().setsockopt('SO_REUSEPORT', 1)).toBe(0);
  });
});
