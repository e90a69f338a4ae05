/**
 * bpf-write.ts — a frame that a program made, header and all, sent out of an interface: write(2) on a bpf device.
 * Read first: bpf(4), BIOCSHDRCMPLT.
 *
 * The way for who has no address yet, or answers somebody who has none. The frame goes out as it is; nothing below Ethernet looks at it.
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EMSGSIZE, ENETDOWN, ENOBUFS, ENXIO } from '../base/errno.js';
import { M_BCAST, M_MCAST } from '../mbuf/packet-buffer.js';
import { macIsBroadcast, macIsMulticast } from '../wire/addr.js';
import { ETHER_HDR_LEN } from '../wire/ether.js';
import { DLT_EN10MB, bpfDlt } from './bpf.js';
import { etherOutputFrame } from './ether.js';
import { IFF_MONITOR, IFF_RUNNING, IFF_UP } from './ifnet.js';
import type { Ifnet } from './ifnet.js';

/** Sends `frame` (copied). ENXIO: the interface has left; EAFNOSUPPORT: it is not Ethernet; ENETDOWN: down, only listening, or a lagg's port; EMSGSIZE; ENOBUFS. */
export function bpfWrite(ifp: Ifnet, frame: Uint8Array): Errno {
  const { net } = ifp;
  if (net === null) return ENXIO;
  if (bpfDlt(ifp) !== DLT_EN10MB) return EAFNOSUPPORT;
  if (frame.length < ETHER_HDR_LEN || frame.length > ifp.mtu + ETHER_HDR_LEN) return EMSGSIZE;
  if ((ifp.flags & (IFF_UP | IFF_RUNNING | IFF_MONITOR)) !== (IFF_UP | IFF_RUNNING) || ifp.lagg !== null) return ENETDOWN;
  const m = net.kern.engine.pool.from(frame);
  if (m === null) return ENOBUFS;
  if (macIsMulticast(frame)) m.flags |= macIsBroadcast(frame) ? M_BCAST : M_MCAST;
  return etherOutputFrame(ifp, m);
}
