/**
 * in-tunnel.ts — IPv4 as the carrier of tunnels: what in-gif.ts and in-gre.ts share.
 * Read first: net/tunnel-softc.ts, inet/ip-encap.ts.
 *
 * Theory of operation. Made after IP, it becomes the carrier of the vnet's tunnels of one kind and is asked for the packets of
 * their protocols. When an address comes or goes, tunnels whose source it is begin or cease to run.
 * Outer packets may be fragmented: DF is not set.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { TunnelCarrier, TunnelVnet } from '../net/tunnel-softc.js';
import type { IfaddrEvent } from '../net/net.js';
import { InIfaddr } from './in-ifaddr.js';
import { encapAttach, encapDetach } from './ip-encap.js';
import type { EncapHandler } from './ip-encap.js';
import type { Ip } from './ip.js';

/** Time to live of outer packets, and its limit. */
export const TUNNEL_TTL = 30;
export const TTL_MAX = 255;

export abstract class InTunnel<C extends TunnelCarrier> implements TunnelCarrier, EncapHandler {
  /** `net.inet.ip.gifttl`, `net.inet.ip.grettl` */
  ttl = TUNNEL_TTL;
  protected readonly ip: Ip;
  abstract readonly minLength: number;
  abstract readonly unclaimed: EncapHandler['unclaimed'];
  private readonly protos: readonly number[];

  constructor(ip: Ip, protos: readonly number[]) {
    this.ip = ip;
    this.protos = protos;
    for (const proto of protos) encapAttach(ip, proto, this);
    ip.net.ifaddrEvent.attach(this, InTunnel.onIfaddr);
  }

  /** The vnet's tunnels of its kind; null when there is no cloner any more. */
  protected abstract get vnet(): TunnelVnet<C> | null;

  abstract take(ifp: Ifnet, m: PacketBuffer, hlen: number): boolean;

  /** Undoes the constructor; tunnels are left without a carrier. */
  destroy(): void {
    const { net } = this.ip;
    const { vnet } = this;
    if (vnet !== null) vnet.carrier = null;
    for (const proto of this.protos) encapDetach(this.ip, proto, this);
    net.kern.sysctl.detach(this);
    net.ifaddrEvent.detach(this);
  }

  private static onIfaddr<C extends TunnelCarrier>(this: void, tunnel: InTunnel<C>, { ifa }: IfaddrEvent): void {
    if (ifa instanceof InIfaddr) tunnel.vnet?.recheck(ifa.addr);
  }

  isLocal(addr: number | Uint8Array): boolean {
    return typeof addr === 'number' && this.ip.inNet.isLocal(addr);
  }
}
