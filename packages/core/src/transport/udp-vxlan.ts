/**
 * udp-vxlan.ts — UDP over IPv4 as the carrier of vxlan tunnels.
 * Read first: net/vxlan-end.ts; RFC 7348 §4; udp-tunnel.ts; freebsd `sys/net/if_vxlan.c` (vxlan_socket_*).
 *
 * Theory of operation. The transport of a vnet's vxlans. The ends with one local address and port share a listener, which has a port
 * of UDP (udp-tunnel.ts), so that it is a program's or the tunnels' and never both by accident; within a listener ends are told
 * apart by their network identifier. An end whose remote is a group listens on any address. The group is joined once for all ends of a
 * listener that name it: on `vxlandev`, without one on the interface of the local address, without that on the one the route names.
 *
 * Output writes UDP and IP headers before the VXLAN header; the checksum is left out (RFC 7348 §5), DF is not set, so that what is too long
 * for the path is fragmented. Packets to a group go out of `vxlandev` and do not come back to this host.
 *
 * Invariants: a listener exists while it has bindings; `groups` holds what the pcb has joined.
 * Not here: IGMP. The interface accepts a group's frames; no router is told.
 */
import { assert } from '../base/assert.js';
import type { Errno } from '../base/errno.js';
import { EADDRINUSE, EEXIST, ENOBUFS, ENOENT, ENOSPC, ENOTSUP } from '../base/errno.js';
import { IpOutputOpts } from '../inet/ip-output.js';
import type { Ip } from '../inet/ip.js';
import type { CounterGroup } from '../kern/counters.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import type { VxlanBinding, VxlanBound, VxlanEnd, VxlanTransport } from '../net/vxlan-end.js';
import { vxlanCarrier } from '../net/vxlan-end.js';
import type { IfnetEvent } from '../net/net.js';
import { IP4_HDR_LEN, ip4Emit, ip4Src } from '../wire/ip4.js';
import { IPPROTO_UDP } from '../wire/ipproto.js';
import { UDP_HDR_LEN, udpEmit } from '../wire/udp.js';
import { VXLAN_BAD_FLAGS, VXLAN_BAD_SHORT, VXLAN_HDR_LEN, vxlanCheck, vxlanVni } from '../wire/vxlan.js';
import { INADDR_ANY } from './inpcb.js';
import { pcbJoin, pcbLeave } from './pcb-multicast.js';
import { UdpTunnelPcb } from './udp-tunnel.js';
import type { Udp } from './udp.js';

/** Groups the ends of one listener may name. */
export const VXLAN_GROUPS_MAX = 32;

/** Datagrams for tunnels. */
export class VxlanUdpStats {
  ipackets = 0;
  badlen = 0;
  badflags = 0;
  badreserved = 0;
  novni = 0;
  opackets = 0;
}

const VXLAN_COUNTERS: CounterGroup<VxlanUdpStats> = {
  name: 'vxlan',
  rows: [
    { key: 'ipackets', text: '{} packet{s} received' },
    { key: 'badlen', text: '{} too short for a frame', depth: 2 },
    { key: 'badflags', text: '{} with flags that are not known', depth: 2 },
    { key: 'badreserved', text: '{} with reserved bits set', depth: 2 },
    { key: 'novni', text: '{} for a network identifier that is not ours', depth: 2 },
    { key: 'opackets', text: '{} packet{s} sent' },
  ],
};

/** A group the ends of a listener are in. */
interface ListenerGroup {
  readonly group: number;
  readonly ifp: Ifnet;
  users: number;
}

export class UdpVxlan implements VxlanTransport {
  readonly ip: Ip;
  readonly udp: Udp;
  readonly stats = new VxlanUdpStats();
  readonly listeners: VxlanListener[] = [];

  constructor(ip: Ip, udp: Udp) {
    this.ip = ip;
    this.udp = udp;
    const { net } = ip;
    const carrier = vxlanCarrier(net);
    if (carrier !== null) carrier.transport = this;
    net.kern.counters.attach(VXLAN_COUNTERS, this.stats);
    net.departureEvent.attach(this, UdpVxlan.onDeparture);
  }

  /** Undoes the constructor. The tunnels have ended before, with their cloner. */
  destroy(): void {
    assert(this.listeners.length === 0, 'vxlans are gone before the UDP that carries them');
    const carrier = vxlanCarrier(this.ip.net);
    if (carrier !== null && carrier.transport === this) carrier.transport = null;
    this.ip.net.kern.counters.detach(this.stats);
    this.ip.net.departureEvent.detach(this);
  }

  private static onDeparture(this: void, vxlan: UdpVxlan, { ifp, renaming }: IfnetEvent): void {
    if (!renaming) for (const l of [...vxlan.listeners]) l.departed(ifp);
  }

  get portFirst(): number {
    return Math.min(this.udp.range.first, this.udp.range.last);
  }

  get portLast(): number {
    return Math.max(this.udp.range.first, this.udp.range.last);
  }

  bind(end: VxlanEnd): VxlanBound {
    const laddr = end.toGroup ? INADDR_ANY : end.local;
    const found = this.listeners.find((l) => l.pcb.inp.laddr === laddr && l.pcb.inp.lport === end.localPort);
    const listener = found ?? new VxlanListener(this, end.user?.ifp.tunnelFib ?? 0);
    const binding = new UdpVxlanBinding(this, listener, end);
    const error = (found === undefined ? listener.open(end, laddr) : 0) || listener.mayTake(end) || (end.toGroup ? binding.join() : 0);
    if (error !== 0) {
      listener.closeIfIdle();
      return { error, binding: null };
    }
    listener.bindings.set(end.vni, binding);
    return { error: 0, binding };
  }
}

/** A local address and port, and who is behind it. */
class VxlanListener {
  readonly pcb: UdpTunnelPcb;
  readonly bindings = new Map<number, UdpVxlanBinding>();
  private groups: ListenerGroup[] = [];
  private readonly udpVxlan: UdpVxlan;

  constructor(udpVxlan: UdpVxlan, fib: number) {
    this.udpVxlan = udpVxlan;
    this.pcb = new UdpTunnelPcb(udpVxlan.udp, fib, (m) => this.input(m));
  }

  /** EADDRNOTAVAIL, EADDRINUSE as bind(2). */
  open(end: VxlanEnd, laddr: number): Errno {
    const { listeners, ip } = this.udpVxlan;
    this.pcb.inp.reusePort = (vxlanCarrier(ip.net)?.reusePort ?? 0) !== 0;
    const error = this.pcb.bind(laddr, end.localPort);
    if (error === 0) listeners.push(this);
    else {
      if (error !== EADDRINUSE) end.log(`cannot bind socket: ${error}`);
      end.log(`cannot create socket (error: ${error}), and no existing socket found`);
    }
    return error;
  }

  mayTake(end: VxlanEnd): Errno {
    if (!this.bindings.has(end.vni)) return 0;
    end.log(`network identifier ${end.vni} already exists in this socket`);
    return EEXIST;
  }

  closeIfIdle(): void {
    if (this.bindings.size > 0) return;
    const { listeners } = this.udpVxlan;
    const at = listeners.indexOf(this);
    if (at >= 0) listeners.splice(at, 1);
    this.pcb.close();
  }

  /** Joins `group`, once for all who ask. EADDRNOTAVAIL: on no such interface; ENOSPC: too many. */
  join(group: number, ifp: Ifnet | null): { readonly error: Errno; readonly membership: ListenerGroup | null } {
    const { inNet } = this.udpVxlan.ip;
    const on = ifp ?? inNet.routes.lookup4(this.pcb.inp.fib, group, 0)?.ifp ?? null;
    const have = this.groups.find((g) => g.group === group && g.ifp === on);
    if (have !== undefined) {
      have.users++;
      return { error: 0, membership: have };
    }
    if (this.groups.length >= VXLAN_GROUPS_MAX) return { error: ENOSPC, membership: null };
    const error = pcbJoin(inNet, this.pcb.inp, group, on);
    if (error !== 0 || on === null) return { error, membership: null };
    const membership = { group, ifp: on, users: 1 };
    this.groups.push(membership);
    return { error: 0, membership };
  }

  /** The last who asked leaves it, if the interface is still there. */
  leave(membership: ListenerGroup): void {
    if (--membership.users > 0) return;
    this.groups = this.groups.filter((g) => g !== membership);
    pcbLeave(this.udpVxlan.ip.inNet, this.pcb.inp, membership.group, membership.ifp);
  }

  /** An interface leaves the vnet: tunnels that were told to use it end; memberships on it are gone. */
  departed(ifp: Ifnet): void {
    this.groups = this.groups.filter((g) => g.ifp !== ifp);
    for (const b of [...this.bindings.values()]) if (b.device === ifp) b.end.user?.vxlanGone();
  }

  /** A datagram, from its pcb. False: the vxlan it is for has no room. */
  private input(m: PacketBuffer): boolean {
    const { stats } = this.udpVxlan;
    const v = m.view;
    stats.ipackets++;
    const bad = vxlanCheck(v, m.off, m.len);
    if (bad !== 0) {
      if (bad === VXLAN_BAD_SHORT) stats.badlen++;
      else if (bad === VXLAN_BAD_FLAGS) stats.badflags++;
      else stats.badreserved++;
      m.free();
      return true;
    }
    const user = this.bindings.get(vxlanVni(v, m.off))?.end.user ?? null;
    if (user === null) {
      stats.novni++;
      m.free();
      return true;
    }
    m.adj(VXLAN_HDR_LEN);
    return user.vxlanInput(m, ip4Src(v, m.nhoff));
  }
}

/** An end that is listened for. */
class UdpVxlanBinding implements VxlanBinding {
  readonly end: VxlanEnd;
  /** `vxlandev` */
  device: Ifnet | null = null;
  private readonly udpVxlan: UdpVxlan;
  private readonly listener: VxlanListener;
  private readonly opts: IpOutputOpts;
  private membership: ListenerGroup | null = null;

  constructor(udpVxlan: UdpVxlan, listener: VxlanListener, end: VxlanEnd) {
    this.udpVxlan = udpVxlan;
    this.listener = listener;
    this.end = end;
    this.opts = new IpOutputOpts();
    this.opts.mcastLoop = false;
  }

  /** ENOENT: no such `vxlandev`; ENOTSUP: it has no multicasts; else what joining answers. */
  join(): Errno {
    const { end, udpVxlan } = this;
    const { inNet, net } = udpVxlan.ip;
    if (end.mcastIfname !== '') {
      const device = net.ifunit(end.mcastIfname);
      if (device === null) end.log(`multicast interface ${end.mcastIfname} does not exist`);
      if (device === null) return ENOENT;
      if ((device.flags & IFF_MULTICAST) === 0) end.log(`interface ${end.mcastIfname} does not support multicast`);
      if ((device.flags & IFF_MULTICAST) === 0) return ENOTSUP;
      this.device = device;
      this.opts.mcastIfp = device;
    }
    const { error, membership } = this.listener.join(end.remote, this.device ?? inNet.addrOf(end.local)?.ifp ?? null);
    this.membership = membership;
    return error;
  }

  output(m: PacketBuffer, sport: number, dst: number, dport: number): Errno {
    const { end, opts, udpVxlan } = this;
    if (!m.prepend(UDP_HDR_LEN + IP4_HDR_LEN)) {
      m.free();
      return ENOBUFS;
    }
    const v = m.view;
    opts.mcastTtl = end.ttl;
    udpEmit(v, m.off + IP4_HDR_LEN, sport, dport, m.len - IP4_HDR_LEN, 0);
    ip4Emit(v, m.off, IP4_HDR_LEN, 0, m.len, 0, 0, end.ttl, IPPROTO_UDP, end.local, dst);
    udpVxlan.stats.opackets++;
    return udpVxlan.ip.output(m, 0, opts);
  }

  close(): void {
    const { listener, membership } = this;
    if (membership !== null) listener.leave(membership);
    this.membership = null;
    listener.bindings.delete(this.end.vni);
    listener.closeIfIdle();
  }
}
