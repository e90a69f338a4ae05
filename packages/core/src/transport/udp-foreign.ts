/**
 * udp-foreign.ts — datagrams to addresses that are not ours, for a gateway that carries them on.
 * Read first: net/gw.ts; tcp/tcp-foreign.ts, which is the same for TCP.
 *
 * A datagram that comes by a gateway's interface, or is for nobody among our own addresses, is shown to the door when no connected socket has it. The
 * door answers with the pcb that is to have it: one that it has just made and connected to both ends, so that UDP finds it by itself the next time.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';
import type { InPcb } from './inpcb.js';

/** Who answers for addresses that are not ours. */
export interface UdpForeignDoor {
  /** Who is to have `m`, which stays the caller's: `off` at its IP header, ports `sport` and `dport`. Null: nobody, and its sender is told so. */
  pcbFor(ifp: Ifnet, m: PacketBuffer, isV6: boolean, sport: number, dport: number): InPcb | null;
}

/** Is a datagram that came by `ifp`, and that `inp` (null: nobody) would get, the door's? */
export const isUdpForeign = (ifp: Ifnet, inp: InPcb | null): boolean => inp === null || (ifp.takesAny && !inp.connected);
