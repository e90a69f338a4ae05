/**
 * ip-var.ts — what IPv4 counts, what an administrator may set, and what it asks of the protocols above it.
 * Read first: FreeBSD's netinet/ip_var.h; inet(4), ip(4); sysctl net.inet.ip.
 *
 * Counters are plain fields of one object, in the order and the words of `netstat -s -p ip`. A row whose text begins with " ("
 * continues the line before it, as netstat(1) prints "forwarded (… fast forwarded)".
 * Not here: the code that counts and reads them (ip-input.ts, ip-output.ts, ip-reass.ts …).
 */
import type { Errno } from '../base/errno.js';
import type { CounterGroup } from '../kern/counters.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import { IPDEFTTL, MAXTTL } from '../wire/ip4.js';

/** A protocol above IPv4, in the protocol switch. */
export interface IpProto {
  /**
   * A datagram for this host. Owns `m`: `m.off` is at the IP header, `hlen` its length, `m.len` the datagram's length;
   * it is whole (reassembled) and its header valid. `ifp` is where it came in.
   */
  input(ifp: Ifnet, m: PacketBuffer, hlen: number): void;
  /**
   * An ICMP error quotes a datagram of this protocol. `off` is at the quoted IP header (inside `m`), `hlen` its length; at
   * least 8 bytes follow it. The ICMP header is at `off - 8`. `error` is what a socket should report, 0 when nothing
   * fits. `m` stays the caller's.
   */
  ctlinput?(error: Errno, m: PacketBuffer, off: number, hlen: number): void;
}

/** Raw sockets: offered what no protocol of the switch takes, and every ICMP message the kernel does not answer. */
export interface IpRawHook {
  /** True: somebody took it, and `m` with it. False: nobody wants it; `m` is still the caller's. `m.off` is at the IP header. */
  deliver(m: PacketBuffer): boolean;
}

/** Multicast routing: queriers, and the forwarding of what comes for groups. */
export interface IpMrouter {
  /** Copies of `m`, which came in on `ifp` for a group, go where they are wanted; `m` stays the caller's and is as it was. Packet path. */
  forward(ifp: Ifnet, m: PacketBuffer): void;
  /** Are IGMP messages from `ifp` wanted, whatever group they are sent to? Packet path. */
  hears(ifp: Ifnet): boolean;
}

/** `struct ipstat`, without its prefix. */
export class IpStats {
  total = 0;
  badsum = 0;
  toosmall = 0;
  tooshort = 0;
  toolong = 0;
  badhlen = 0;
  badlen = 0;
  badoptions = 0;
  badvers = 0;
  fragments = 0;
  fragdropped = 0;
  fragtimeout = 0;
  /** Datagrams given up because their fragments overlapped. */
  fragoverlap = 0;
  reassembled = 0;
  delivered = 0;
  noproto = 0;
  forward = 0;
  fastforward = 0;
  cantforward = 0;
  notmember = 0;
  redirectsent = 0;
  localout = 0;
  rawout = 0;
  odropped = 0;
  noroute = 0;
  fragmented = 0;
  ofragments = 0;
  cantfrag = 0;
  nogif = 0;
  badaddr = 0;
}

export const IP_COUNTERS: CounterGroup<IpStats> = {
  name: 'ip',
  rows: [
    { key: 'total', text: '{} total packet{s} received' },
    { key: 'badsum', text: '{} bad header checksum{s}' },
    { key: 'toosmall', text: '{} with size smaller than minimum' },
    { key: 'tooshort', text: '{} with data size < data length' },
    { key: 'toolong', text: '{} with ip length > max ip packet size' },
    { key: 'badhlen', text: '{} with header length < data size' },
    { key: 'badlen', text: '{} with data length < header length' },
    { key: 'badoptions', text: '{} with bad options' },
    { key: 'badvers', text: '{} with incorrect version number' },
    { key: 'fragments', text: '{} fragment{s} received' },
    { key: 'fragdropped', text: '{} fragment{s} dropped (dup or out of space)' },
    { key: 'fragtimeout', text: '{} fragment{s} dropped after timeout' },
    { key: 'fragoverlap', text: '{} packet{s} dropped for overlapping fragments' },
    { key: 'reassembled', text: '{} packet{s} reassembled ok' },
    { key: 'delivered', text: '{} packet{s} for this host' },
    { key: 'noproto', text: '{} packet{s} for unknown/unsupported protocol' },
    { key: 'forward', text: '{} packet{s} forwarded' },
    { key: 'fastforward', text: ' ({} packet{s} fast forwarded)' },
    { key: 'cantforward', text: '{} packet{s} not forwardable' },
    { key: 'notmember', text: '{} packet{s} received for unknown multicast group' },
    { key: 'redirectsent', text: '{} redirect{s} sent' },
    { key: 'localout', text: '{} packet{s} sent from this host' },
    { key: 'rawout', text: '{} packet{s} sent with fabricated ip header' },
    { key: 'odropped', text: '{} output packet{s} dropped due to no bufs, etc.' },
    { key: 'noroute', text: '{} output packet{s} discarded due to no route' },
    { key: 'fragmented', text: '{} output datagram{s} fragmented' },
    { key: 'ofragments', text: '{} fragment{s} created' },
    { key: 'cantfrag', text: "{} datagram{s} that can't be fragmented" },
    { key: 'nogif', text: "{} tunneling packet{s} that can't find gif" },
    { key: 'badaddr', text: '{} datagram{s} with bad address in header' },
  ],
};

/** Values of `net.inet.ip.process_options`. */
export const IP_DOOPTS_IGNORE = 0;
export const IP_DOOPTS_PROCESS = 1;
export const IP_DOOPTS_REJECT = 2;

/** What `sysctl net.inet.ip` sets; reassembly and identifiers have their own objects. */
export class IpTunables {
  forwarding = 0;
  /** Send redirects. */
  redirect = 1;
  ttl = IPDEFTTL;
  sourceroute = 0;
  acceptSourceroute = 0;
  processOptions = IP_DOOPTS_PROCESS;
  strongEs = 0;
  sourceAddressValidation = 1;
  /** Loop multicast back to this host unless the socket says otherwise. */
  mcastLoop = 1;
}

export const IP_SYSCTLS: SysctlGroup<IpTunables> = {
  prefix: 'net.inet.ip',
  oids: [
    sysctlInt('forwarding', 'forwarding', 'bool', 0, 1, 'Enable IP forwarding between interfaces'),
    sysctlInt('redirect', 'redirect', 'bool', 0, 1, 'Enable sending IP redirects'),
    sysctlInt('ttl', 'ttl', 'hops', 1, MAXTTL, 'Maximum TTL on IP packets'),
    sysctlInt('sourceroute', 'sourceroute', 'bool', 0, 1, 'Enable forwarding source routed IP packets'),
    sysctlInt('accept_sourceroute', 'acceptSourceroute', 'bool', 0, 1, 'Enable accepting source routed IP packets'),
    sysctlInt('process_options', 'processOptions', '', 0, 2, 'IP options processing ([LS]SRR, RR, TS): 0 ignore, 1 process, 2 reject'),
    sysctlInt('rfc1122_strong_es', 'strongEs', 'bool', 0, 1, "Packet's IP destination address must match address on arrival interface"),
    sysctlInt('source_address_validation', 'sourceAddressValidation', 'bool', 0, 1, 'Drop incoming packets with source address that is a local address'),
  ],
};

export const IP_MCAST_SYSCTLS: SysctlGroup<IpTunables> = {
  prefix: 'net.inet.ip.mcast',
  oids: [sysctlInt('loop', 'mcastLoop', 'bool', 0, 1, 'Loopback multicast datagrams by default')],
};
