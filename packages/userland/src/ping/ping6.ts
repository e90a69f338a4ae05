/**
 * ping6.ts — ping for IPv6: its sockets, then ping6-session.ts.
 * Read first: ping(8). Exit codes: 0 an answer came, 2 none came, 1 the words or the socket, 68 no such host, 71 nothing could be sent.
 */
import type { Ip6Name, Socket } from '@netloom/core';
import { EPERM, PF_INET6, SOCK_DGRAM, SOCK_RAW } from '@netloom/core';
import { ICMP6_ECHO_REPLY, IPPROTO_ICMPV6, IPV6_DEFHLIM, ip6IsMulticast, ip6NeedsZone } from '@netloom/core/wire';
import { openedBy } from '../descriptors.js';
import { err, errx, warnx } from '../err.js';
import { address6Text } from '../host-address6.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';
import { parsePing6 } from './ping6-options.js';
import type { Ping6Options } from './ping6-options.js';
import { Ping6Session } from './ping6-session.js';

/** A port nobody listens on: connecting to it only asks which source address is used. */
const DUMMY_PORT = 10_101;
const RCVBUF_BYTES = 48 * 1_024;
/** Payload above which -b is asked for. */
const BIG = 8 * 1_024;

export async function ping6(p: Proc, known: KnownNames): Promise<number> {
  const o = parsePing6(p, known);
  if (!p.prison.ownsVnet && p.prison.params.get('allow.raw_sockets') !== 'true') return err(p, 1, 'socket ssend', EPERM);
  const ssend = open(p, SOCK_RAW, 'socket ssend');
  const srecv = open(p, SOCK_RAW, 'socket srecv');
  const [source, dst] = o.source === null ? [null, o.dst] : sameZone(o.source, o.dst);
  o.dst = dst;
  if (source !== null) must(p, ssend.bind(source, 0), 'bind');
  configure(p, o, ssend, srecv);
  const from = source ?? sourceOf(p, o);
  must(p, ssend.connect(o.dst, 0), 'connect() ssend');
  return new Ping6Session(p, o, ssend, srecv).run(address6Text(p.vnet, from));
}

function open(p: Proc, type: number, what: string): Socket {
  const { sockets } = p.vnet;
  if (sockets === null) return errx(p, 1, `${what}: the vnet is going down`);
  const { error, so } = sockets.socket(PF_INET6, type, type === SOCK_RAW ? IPPROTO_ICMPV6 : 0, p.fib);
  if (so === null) return err(p, 1, what, error);
  p.atExit(() => so.close());
  openedBy(p, so);
  return so;
}

function must(p: Proc, error: number, what: string): void {
  if (error !== 0) err(p, 1, what, error);
}

/** Source and destination, when both need a zone, lend each other the one they have. */
function sameZone(source: Ip6Name, dst: Ip6Name): readonly [Ip6Name, Ip6Name] {
  if (!ip6NeedsZone(source.addr) || !ip6NeedsZone(dst.addr)) return [source, dst];
  return [{ addr: source.addr, scopeId: source.scopeId || dst.scopeId }, { addr: dst.addr, scopeId: dst.scopeId || source.scopeId }];
}

function configure(p: Proc, o: Ping6Options, ssend: Socket, srecv: Socket): void {
  const set = (so: Socket, option: string, value: number, what = `setsockopt(${option})`): void => must(p, so.setsockopt(option, value), what);
  if (o.dontFragment) set(ssend, 'IPV6_DONTFRAG', 1, 'IPV6_DONTFRAG');
  if (ip6IsMulticast(o.dst.addr)) set(ssend, 'IPV6_MULTICAST_HOPS', IPV6_DEFHLIM, 'IPV6_MULTICAST_HOPS');
  if (o.pathMtu !== 1) set(ssend, 'IPV6_USE_MIN_MTU', o.pathMtu > 1 ? 0 : 1);
  must(p, srecv.setIcmp6Filter(o.verbose ? null : [ICMP6_ECHO_REPLY]), 'setsockopt(ICMP6_FILTER)');
  applyPacketOptions(p, o, ssend);
  if (o.tclass >= 0) set(ssend, 'IPV6_TCLASS', o.tclass);
  if (o.pcp !== null) set(ssend, 'IPV6_VLAN_PCP', o.pcp);
  if (o.size > (o.bufferBytes === 0 ? BIG : o.bufferBytes)) warnx(p, 'you need -b to increase socket buffer size');
  if (o.bufferBytes === 0) srecv.setsockopt('SO_RCVBUF', RCVBUF_BYTES);
  else {
    set(ssend, 'SO_SNDBUF', o.bufferBytes);
    set(srecv, 'SO_RCVBUF', o.bufferBytes);
  }
}

/** -I and -m, which are about each packet. */
function applyPacketOptions(p: Proc, o: Ping6Options, so: Socket): void {
  if (o.interfaceName !== null) {
    const ifp = p.vnet.net.ifunit(o.interfaceName);
    if (ifp === null) errx(p, 1, `${o.interfaceName}: invalid interface name`);
    else must(p, so.setPktinfo(ifp), 'setsockopt(IPV6_PKTINFO)');
  }
  if (o.hops < 0) return;
  must(p, so.setsockopt('IPV6_UNICAST_HOPS', o.hops), 'setsockopt(IPV6_UNICAST_HOPS)');
  must(p, so.setsockopt('IPV6_MULTICAST_HOPS', o.hops), 'setsockopt(IPV6_MULTICAST_HOPS)');
}

/** The address requests will have; nothing is sent for that. */
function sourceOf(p: Proc, o: Ping6Options): Ip6Name {
  const so = open(p, SOCK_DGRAM, 'UDP socket');
  applyPacketOptions(p, o, so);
  must(p, so.connect(o.dst, DUMMY_PORT), 'UDP connect');
  const name = so.name6();
  so.close();
  return name ?? o.dst;
}
