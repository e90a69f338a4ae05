/**
 * ip6-var.ts — what IPv6 counts, what an administrator may set, and what it asks of the protocols above it.
 * Read first: FreeBSD's netinet6/ip6_var.h; inet6(4), ip6(4); sysctl net.inet6.ip6.
 *
 * Counters are plain fields of one object, in the order and the words of `netstat -s -p ip6`. What FreeBSD counts of mbufs has no meaning
 * here: a packet is one buffer.
 * Not here: the code that counts and reads them (ip6-input.ts, ip6-output.ts, frag6.ts …).
 */
import type { Errno } from '../base/errno.js';
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { IPV6_DEFHLIM } from '../wire/ip6.js';

/** A protocol above IPv6, or an extension header, in the protocol switch. */
export interface Ip6Proto {
  /**
   * A packet for this host. Owns `m`: `m.off` is at the IPv6 header, `off` bytes from there to the protocol's header (extension headers are
   * between), `m.len` the packet's length; it is whole (reassembled). `ifp` is where it came in.
   */
  input(ifp: Ifnet, m: PacketBuffer, off: number): void;
  /**
   * An ICMPv6 error quotes a packet of this protocol. `at` is the offset in the slot of the quoted IPv6 header, `off` bytes from there to the
   * protocol's header, of which at least 8 bytes are there. `error` is what a socket should report, 0 when nothing fits; `mtu`: of a
   * packet-too-big message, 0 for others. `ifp` is where the message came in. `m` stays the caller's.
   */
  ctlinput?(ifp: Ifnet, error: Errno, m: PacketBuffer, at: number, off: number, mtu: number): void;
}

/** Raw sockets: offered what no protocol of the switch takes, and ICMPv6 messages. */
export interface Ip6RawHook {
  /** True: somebody took it, and `m` with it. False: nobody wants it; `m` is still the caller's. `off`: of the protocol's header behind `m.off`. */
  deliver(m: PacketBuffer, off: number, proto: number): boolean;
}

/** Multicast routing: queriers, and the forwarding of what comes for groups. */
export interface Ip6Mrouter {
  /** Copies of `m`, which came in on `ifp` for a group, go where they are wanted; `m` stays the caller's and is as it was. Packet path. */
  forward(ifp: Ifnet, m: PacketBuffer): void;
  /** Are MLD messages from `ifp` wanted, whatever group they are sent to? Packet path. */
  hears(ifp: Ifnet): boolean;
}

/** `struct ip6stat`, without its prefix. */
export class Ip6Stats {
  total = 0;
  toosmall = 0;
  tooshort = 0;
  badoptions = 0;
  badvers = 0;
  fragments = 0;
  fragdropped = 0;
  fragtimeout = 0;
  fragoverflow = 0;
  atomicfrags = 0;
  reassembled = 0;
  delivered = 0;
  forward = 0;
  cantforward = 0;
  redirectsent = 0;
  localout = 0;
  rawout = 0;
  odropped = 0;
  noroute = 0;
  fragmented = 0;
  ofragments = 0;
  cantfrag = 0;
  badscope = 0;
  notmember = 0;
  exthdrtoolong = 0;
  nogif = 0;
  toomanyhdr = 0;
  sourcesNone = 0;
}

export const IP6_COUNTERS: CounterGroup<Ip6Stats> = {
  name: 'ip6',
  rows: [
    { key: 'total', text: '{} total packet{s} received' },
    { key: 'toosmall', text: '{} with size smaller than minimum' },
    { key: 'tooshort', text: '{} with data size < data length' },
    { key: 'badoptions', text: '{} with bad options' },
    { key: 'badvers', text: '{} with incorrect version number' },
    { key: 'fragments', text: '{} fragment{s} received' },
    { key: 'fragdropped', text: '{} fragment{s} dropped (dup or out of space)' },
    { key: 'fragtimeout', text: '{} fragment{s} dropped after timeout' },
    { key: 'fragoverflow', text: '{} fragment{s} that exceeded limit' },
    { key: 'atomicfrags', text: '{} atomic fragment{s}' },
    { key: 'reassembled', text: '{} packet{s} reassembled ok' },
    { key: 'delivered', text: '{} packet{s} for this host' },
    { key: 'forward', text: '{} packet{s} forwarded' },
    { key: 'cantforward', text: '{} packet{s} not forwardable' },
    { key: 'redirectsent', text: '{} redirect{s} sent' },
    { key: 'localout', text: '{} packet{s} sent from this host' },
    { key: 'rawout', text: '{} packet{s} sent with fabricated ip header' },
    { key: 'odropped', text: '{} output packet{s} dropped due to no bufs, etc.' },
    { key: 'noroute', text: '{} output packet{s} discarded due to no route' },
    { key: 'fragmented', text: '{} output datagram{s} fragmented' },
    { key: 'ofragments', text: '{} fragment{s} created' },
    { key: 'cantfrag', text: "{} datagram{s} that can't be fragmented" },
    { key: 'badscope', text: '{} packet{s} that violated scope rules' },
    { key: 'notmember', text: "{} multicast packet{s} which we don't join" },
    { key: 'exthdrtoolong', text: '{} packet{s} whose headers are not contiguous' },
    { key: 'nogif', text: "{} tunneling packet{s} that can't find gif" },
    { key: 'toomanyhdr', text: '{} packet{s} discarded because of too many headers' },
    { key: 'sourcesNone', text: '{} failure{s} of source address selection' },
  ],
};

/** What `sysctl net.inet6.ip6` sets; addresses, reassembly and ND have their own objects. */
export class Ip6Tunables {
  forwarding = 0;
  /** Send redirects. */
  redirect = 1;
  hlim = IPV6_DEFHLIM;
  sourceAddressValidation = 1;
  /** Extension headers of a packet for this host. */
  hdrnestlimit = 15;
  /** Loop multicast back to this host unless the socket says otherwise. */
  mcastLoop = 1;
}

export const IP6_SYSCTLS: SysctlGroup<Ip6Tunables> = {
  prefix: 'net.inet6.ip6',
  oids: [
    sysctlInt('forwarding', 'forwarding', 'bool', 0, 1, 'Enable forwarding of IPv6 packets between interfaces'),
    sysctlInt('redirect', 'redirect', 'bool', 0, 1, 'Send ICMPv6 redirects for unforwardable IPv6 packets'),
    sysctlInt('hlim', 'hlim', 'hops', 1, 255, 'Default hop limit to use for outgoing IPv6 packets'),
    sysctlInt('source_address_validation', 'sourceAddressValidation', 'bool', 0, 1, 'Drop incoming packets with source address that is a local address'),
    sysctlInt('hdrnestlimit', 'hdrnestlimit', 'headers', 1, 50, 'Default maximum number of IPv6 extension headers permitted on incoming IPv6 packets'),
  ],
};

export const IP6_MCAST_SYSCTLS: SysctlGroup<Ip6Tunables> = {
  prefix: 'net.inet6.ip6.mcast',
  oids: [sysctlInt('loop', 'mcastLoop', 'bool', 0, 1, 'Loopback multicast datagrams by default')],
};
