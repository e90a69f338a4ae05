/**
 * if-transmit.ts — the two doors of an interface: `ifInput` up, `ifTransmit` down. They count, tap and pass on.
 * Read first: ifnet(9) "if_input", "if_transmit".
 */
import type { Errno } from '../base/errno.js';
import { ENETDOWN } from '../base/errno.js';
import { M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { BPF_D_IN, BPF_D_OUT } from './bpf.js';
import { IFF_MONITOR, IFF_UP, TRANSMIT_COUNTED } from './ifnet.js';
import type { Ifnet } from './ifnet.js';

/** A packet arrived on `ifp`; one that is not up does not see it. Owns `m`. */
export function ifInput(ifp: Ifnet, m: PacketBuffer): void {
  if ((ifp.flags & IFF_UP) === 0) {
    m.free();
    return;
  }
  m.rcvif = ifp.index;
  if (m.tags !== null) m.dropTags();
  ifp.data.ipackets++;
  ifp.data.ibytes += m.len;
  if (ifp.bpf !== null) ifp.bpf.tap(ifp, m, BPF_D_IN);
  if ((ifp.flags & IFF_MONITOR) !== 0) {
    m.free();
    return;
  }
  ifp.input(ifp, m);
}

/** Sends `m` on `ifp`'s link. Owns `m`; returns the driver's verdict, ENETDOWN for an interface without a vnet. */
export function ifTransmit(ifp: Ifnet, m: PacketBuffer): Errno {
  if (ifp.net === null) {
    m.free();
    return ENETDOWN;
  }
  const len = m.len;
  const multicast = (m.flags & (M_BCAST | M_MCAST)) !== 0;
  if (ifp.bpf !== null) ifp.bpf.tap(ifp, m, BPF_D_OUT);
  const error = ifp.driver.transmit(ifp, m);
  if (error !== 0) {
    if (error === TRANSMIT_COUNTED) return 0;
    ifp.data.oerrors++;
    return error;
  }
  ifp.data.opackets++;
  ifp.data.obytes += len;
  if (multicast) ifp.data.omcasts++;
  return 0;
}
