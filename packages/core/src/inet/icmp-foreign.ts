/**
 * icmp-foreign.ts — echo requests to addresses that are not ours, for a gateway that carries them on.
 * Read first: net/gw.ts.
 *
 * Of both families. Nothing else that comes by a gateway's interface and is no error is answered: whoever was asked is not here.
 */
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { Ifnet } from '../net/ifnet.js';

/** Who answers for addresses that are not ours. */
export interface IcmpForeignDoor {
  /** An echo request; `m.off` at its IP header, the message `off` bytes behind that, its checksum right. Owns `m`. */
  echo(ifp: Ifnet, m: PacketBuffer, isV6: boolean, off: number): void;
}
