/**
 * udp-flow.ts — UdpFlow: datagrams between one port of a guest and one of the host's network.
 * Read first: gateway-host.ts; gateway-udp.ts, which has all of them.
 *
 * To the stack it is a connected pcb like a socket's, whose local end is the address the guest sends to: UDP finds it by itself, and what the host
 * brings leaves from that address. A super-segment of datagrams goes to the host as it is.
 */
import type { Errno } from '../base/errno.js';
import { ECONNREFUSED } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { TcpEnds } from '../tcp/tcp-ends.js';
import type { InPcb, PcbUser } from '../transport/inpcb.js';
import type { HostEnd, HostUdp, UdpFlowDoor } from './gateway-host.js';
import type { GatewayUdp } from './gateway-udp.js';

export class UdpFlow implements PcbUser, UdpFlowDoor {
  chainNext: UdpFlow | null = null;
  chainPrev: UdpFlow | null = null;
  /** The guest is the foreign end. */
  readonly ends: TcpEnds;
  readonly to: HostEnd;
  /** Did it come from the host? */
  readonly isForward: boolean;
  inp: InPcb | null = null;
  host: HostUdp | null = null;
  /** When something moved last. */
  since: Micros;
  private readonly all: GatewayUdp;

  constructor(all: GatewayUdp, ends: TcpEnds, to: HostEnd, isForward: boolean) {
    this.all = all;
    this.ends = ends;
    this.to = to;
    this.isForward = isForward;
    this.since = all.now;
  }

  /** PcbUser: a datagram from the guest. */
  pcbInput(m: PacketBuffer): boolean {
    this.since = this.all.now;
    if (this.host !== null && this.host.send(m)) return true;
    this.all.dropped();
    m.free();
    return false;
  }

  /** PcbUser: the guest does not want what it gets. */
  pcbError(error: Errno): void {
    if (error === ECONNREFUSED) this.all.end(this);
  }

  /** UdpFlowDoor */
  input(data: Uint8Array): void {
    this.all.outside(() => {
      if (this.inp === null) return;
      this.since = this.all.now;
      this.all.toGuest(this.inp, data);
    });
  }

  /** UdpFlowDoor */
  failed(error: Errno): void {
    this.all.outside(() => {
      if (this.inp === null) return;
      this.all.end(this);
      this.all.refused(this, error);
    });
  }
}
