/**
 * vxlan-end.ts — the outer end of a vxlan: how it is configured, what it has learned, and the vnet its outer packets live in.
 * Read first: vxlan.ts; transport/udp-vxlan.ts, which carries the packets.
 *
 * Theory of operation. A VxlanCarrier is a vnet's side of its tunnels: the tunables, the transport that UDP fills in, and the ends that
 * are configured here. A VxlanEnd is the far side of one interface. It belongs to the vnet it was configured in and stays there when
 * the interface moves to another, whose new instance takes it over: the interface is then in one vnet and its tunnel
 * in another. When the carrier goes, its ends are told, stop, and forget it.
 *
 * While an interface runs, its end is bound: the transport listens for it. An end is configured only while it is not.
 *
 * Invariants: `end.carrier === c` exactly while `c.ends` has it; `binding` is null unless the user's interface is running.
 * Not here: the interface (vxlan.ts), requests by name (vxlan-control.ts).
 */
import type { Errno } from '../base/errno.js';
import { EADDRNOTAVAIL, EINVAL } from '../base/errno.js';
import { LazySet } from '../base/lazy-map.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ip4IsMulticast } from '../wire/addr.js';
import { VXLAN_LEGACY_PORT, VXLAN_PORT, VXLAN_VNI_MAX } from '../wire/vxlan.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';
import { VxlanFtable } from './vxlan-ftable.js';

const TTL_DEFAULT = 64;
const FTABLE_TIMEOUT_S = 1_200;
/** Source ports while the vnet has no UDP that could say. */
const PORT_FIRST = 10_000;
const PORT_LAST = 65_535;

/** What an end is once the transport listens for it. */
export interface VxlanBinding {
  /** Sends `m`, which begins with the VXLAN header, to a UDP port of `dst`. Owns `m`. */
  output(m: PacketBuffer, sport: number, dst: number, dport: number): Errno;
  /** Stops listening. */
  close(): void;
}

export type VxlanBound = { readonly error: 0; readonly binding: VxlanBinding } | { readonly error: Errno; readonly binding: null };

/** The protocol that carries a vnet's vxlans. Filled in by transport/udp-vxlan.ts. */
export interface VxlanTransport {
  /** Ports packets leave from unless the administrator says otherwise. */
  readonly portFirst: number;
  readonly portLast: number;
  /**
   * Listens for `end`: for its network identifier, on its local address and port. EEXIST: another end has that already; EADDRINUSE: somebody
   * else has the port; EADDRNOTAVAIL: no address of ours; with a group ENOENT, EOPNOTSUPP, ENOSPC and what joining answers. Says in the log what
   * FreeBSD says.
   */
  bind(end: VxlanEnd): VxlanBound;
}

/** Whose end it is: the interface. */
export interface VxlanUser {
  readonly ifp: Ifnet;
  /** A frame came out of the tunnel whose other end is `src`; `m.off` is at the frame. Owns `m`. False: there was no room. */
  vxlanInput(m: PacketBuffer, src: number): boolean;
  /** The vnet, or the interface, that carried the tunnel is gone. */
  vxlanGone(): void;
}

/** A vnet's side of its tunnels. */
export class VxlanCarrier {
  readonly net: Net;
  /** `net.link.vxlan.legacy_port`: new vxlans use the port of early implementations. */
  legacyPort = 0;
  /** `net.link.vxlan.reuse_port`: programs with SO_REUSEPORT may have the port too. */
  reusePort = 0;
  transport: VxlanTransport | null = null;
  readonly ends = new LazySet<VxlanEnd>();

  constructor(net: Net) {
    this.net = net;
  }

  /** The vnet ends: so do the tunnels configured in it, wherever their interfaces are. */
  destroy(): void {
    for (const end of [...this.ends]) {
      end.user?.vxlanGone();
      end.release();
    }
    this.transport = null;
  }
}

export const VXLAN_SYSCTLS: SysctlGroup<VxlanCarrier> = {
  prefix: 'net.link.vxlan',
  oids: [
    sysctlInt<VxlanCarrier, 'legacyPort'>('legacy_port', 'legacyPort', 'bool', 0, 1, 'New interfaces use UDP port 8472 instead of 4789'),
    sysctlInt<VxlanCarrier, 'reusePort'>('reuse_port', 'reusePort', 'bool', 0, 1, 'Sockets with SO_REUSEPORT may be bound to the same port'),
  ],
};

/** The carrier of `net`, null where there is no vxlan cloner. */
export function vxlanCarrier(net: Net): VxlanCarrier | null {
  const c = net.drivers.get('vxlan');
  return c instanceof VxlanCarrier ? c : null;
}

/** See the file header. */
export class VxlanEnd {
  carrier: VxlanCarrier | null = null;
  user: VxlanUser | null = null;
  binding: VxlanBinding | null = null;
  /** VXLAN_VNI_MAX: not set. */
  vni = VXLAN_VNI_MAX;
  /** Outer addresses, host order; 0 is any, and for `remote` not set. `remote` may be a group. */
  local = 0;
  remote = 0;
  localPort = VXLAN_PORT;
  remotePort = VXLAN_PORT;
  minPort = PORT_FIRST;
  maxPort = PORT_LAST;
  ttl = TTL_DEFAULT;
  learn = true;
  /** Interface that packets to the group leave by and come in on; '' as the routes say. */
  mcastIfname = '';
  timeoutS = FTABLE_TIMEOUT_S;
  readonly ftable: VxlanFtable;

  /** @param key any 32-bit number, unknown to the network. */
  constructor(carrier: VxlanCarrier | null, key: number) {
    this.ftable = new VxlanFtable(key);
    if (carrier === null) return;
    this.claim(carrier);
    if (carrier.legacyPort !== 0) this.localPort = this.remotePort = VXLAN_LEGACY_PORT;
    this.minPort = carrier.transport?.portFirst ?? PORT_FIRST;
    this.maxPort = carrier.transport?.portLast ?? PORT_LAST;
  }

  /** Is its interface in another vnet, whose business its configuration is not? */
  get isElsewhere(): boolean {
    return this.carrier === null || this.user === null || this.carrier.net !== this.user.ifp.net;
  }

  get toGroup(): boolean {
    return ip4IsMulticast(this.remote);
  }

  /** It is configured in `carrier` from now on; what it was told elsewhere does not count here, nor is it shown. */
  claim(carrier: VxlanCarrier): void {
    if (this.carrier === carrier) return;
    this.release();
    this.carrier = carrier;
    carrier.ends.add(this);
    this.local = 0;
    this.remote = 0;
    this.mcastIfname = '';
    this.ftable.flush(true);
  }

  /** Forgets the vnet it was configured in. */
  release(): void {
    this.unbind();
    this.carrier?.ends.delete(this);
    this.carrier = null;
  }

  /** Listens. Errors as VxlanTransport.bind; EINVAL: it is not configured, and the log says what is missing; EADDRNOTAVAIL: its carrier is gone. */
  bind(): Errno {
    const reason = this.unfit();
    if (reason !== null) {
      this.log(`cannot initialize interface: ${reason}`);
      return EINVAL;
    }
    const transport = this.carrier?.transport ?? null;
    if (transport === null) {
      this.log('cannot initialize interface: the network that carried it is gone');
      return EADDRNOTAVAIL;
    }
    const bound = transport.bind(this);
    this.binding = bound.binding;
    return bound.error;
  }

  unbind(): void {
    this.binding?.close();
    this.binding = null;
  }

  /** Says in the log of the vnet that the interface is in why it does not run as asked: the tools are told nothing. */
  log(text: string): void {
    const ifp = this.user?.ifp;
    ifp?.net?.kern.log('warning', `${ifp.xname}: ${text}`);
  }

  /** What keeps it from running; null: nothing. */
  private unfit(): string | null {
    if (this.vni >= VXLAN_VNI_MAX) return 'invalid virtual network identifier specified';
    if (this.remote === 0) return 'no valid destination address specified';
    if (!this.toGroup && this.mcastIfname !== '') return 'can only specify interface with a group address';
    if (this.localPort === 0) return 'local port not specified';
    return this.remotePort === 0 ? 'remote port not specified' : null;
  }
}
