/**
 * if-transmit.ts — the two doors of an interface: `ifInput` up, `ifTransmit` down. They count, tap and pass on.
 * Read first: ifnet(9) "if_input", "if_transmit".
 *
 * An interface with an output discipline hands it what is to be sent, and `ifTransmitNow` is where that comes out: a packet is counted and tapped when it goes. One with ingress filters
 * shows them what came in, counted and tapped already; what they took comes back by `ifReinput`, past them.
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
  if (ifp.ingress !== null && ifp.ingress.input(m)) return;
  ifp.input(ifp, m);
}

/** A packet that `ifp`'s ingress filters took comes back. Owns `m`. */
export function ifReinput(ifp: Ifnet, m: PacketBuffer): void {
  if ((ifp.flags & IFF_UP) === 0) {
    m.free();
    return;
  }
  m.rcvif = ifp.index;
  ifp.input(ifp, m);
}

/** Sends `m` on `ifp`'s link, through its output discipline. Owns `m`; returns the driver's verdict, ENETDOWN for an interface without a vnet, ENOBUFS when the discipline has no room. */
export function ifTransmit(ifp: Ifnet, m: PacketBuffer): Errno {
  return ifp.qdisc === null ? ifTransmitNow(ifp, m) : ifp.qdisc.output(m);
}

/** The same, past the discipline. */
export function ifTransmitNow(ifp: Ifnet, m: PacketBuffer): Errno {
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
