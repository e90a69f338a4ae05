/**
 * ether.ts — Ethernet: a frame comes in, a frame goes out.
 * Read first: freebsd `sys/net/if_ethersubr.c`; IEEE 802.3 §3, 802.1Q §9.
 *
 * Theory of operation. Input: recognise broadcast and multicast, on a port let the lagg take over, take the outermost 802.1Q tag
 * out of the bytes, offer the frame to the bridge, then to the vlans, then to the protocol of its ethertype. Output: put a header on, offer the frame
 * to the bridge, then to the interface. Ethernet never resolves addresses: whoever calls `etherOutput` has the
 * destination's already.
 *
 * Invariants: the outermost tag of a frame travels in `m.vtag`, inner ones in the bytes, so that tagging and untagging never
 * move the packet. A frame not for this host's address reaches vlans (which have addresses of their own) and the
 * bridge, and a protocol only when the administrator made the interface promiscuous for good (IFF_PPROMISC).
 * Not here: resolving (inet/arp.ts), 802.1Q sub-interfaces (vlan.ts), learning (bridge.ts).
 */
import type { Errno } from '../base/errno.js';
import { ENETDOWN, ENOBUFS } from '../base/errno.js';
import { devctlNotify } from '../kern/devctl.js';
import { M_BCAST, M_MCAST, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { CARP_MAC_HI, CARP_MAC_LO } from '../wire/carp.js';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_QINQ, ETHERTYPE_VLAN, ETHER_HDR_LEN, ETHER_TYPE, ETHER_VLAN_ENCAP_LEN, EVL_VLID_MASK, etherIsTagType } from '../wire/ether.js';
import { ifAttach } from './if.js';
import { ifDetach } from './if-detach.js';
import { ifTransmit } from './if-transmit.js';
import { IFF_BROADCAST, IFF_MONITOR, IFF_MULTICAST, IFF_PPROMISC, IFF_RUNNING, IFF_UP, IFT_L2VLAN } from './ifnet.js';
import type { Ifnet } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';
import { PFIL_DROPPED, PFIL_IN, PFIL_OUT, PFIL_PASS } from './pfil.js';

/** Virtual links a packet may cross before it is taken for one that goes round in a loop. */
export const HOPS_MAX = 64;
/** Where the PCP sits in a TCI. */
export const VLAN_PCP_SHIFT = 13;

const OUI_BYTES = 6;

/** Attaches `ifp` to `net` as an Ethernet interface with link address `mac`, or with that of the instance it replaces. */
export function etherIfattach(ifp: Ifnet, net: Net, mac: Uint8Array, like: IfVparams | null = null): void {
  ifp.input = etherInput;
  ifp.flags |= IFF_BROADCAST | IFF_MULTICAST;
  ifp.storeLladdr(mac);
  ifp.hwaddr = mac.slice();
  if (ifp.baudrate === 0) ifp.baudrate = 10_000_000;
  ifAttach(ifp, net, like);
  if (ifp.net === net) devctlNotify(net.kern, 'ETHERNET', ifp.xname, 'IFATTACH');
}

/** Takes an Ethernet interface out of its vnet for good. */
export function etherIfdetach(ifp: Ifnet): void {
  ifDetach(ifp);
}

/** A frame arrived on `ifp`. Owns `m`; `m.off` is at the Ethernet header. */
export function etherInput(ifp: Ifnet, m: PacketBuffer): void {
  if (ifp.net === null || m.len < ETHER_HDR_LEN) {
    ifp.data.ierrors++;
    m.free();
    return;
  }
  if ((m.view.getUint8(m.off) & 1) !== 0) markMulticast(ifp, m);
  if (ifp.lagg === null) {
    etherInputAs(ifp, ifp.net, m);
    return;
  }
  const lagg = ifp.lagg.input(m);
  if (lagg === null) return;
  if (lagg.net !== null) etherInputAs(lagg, lagg.net, m);
  else m.free();
}

/** A frame goes on as one of `ifp`: the interface it arrived on, or the lagg above that. */
function etherInputAs(ifp: Ifnet, net: Net, m: PacketBuffer): void {
  let etype = m.view.getUint16(m.off + ETHER_TYPE);
  if ((etype === ETHERTYPE_VLAN || etype === ETHERTYPE_QINQ) && (m.flags & M_VLANTAG) === 0) {
    if (m.len < ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN) {
      ifp.data.ierrors++;
      m.free();
      return;
    }
    etherStripTag(m, etype);
    etype = m.view.getUint16(m.off + ETHER_TYPE);
  }
  if (ifp.netgraph !== null && ifp.netgraph.input(m)) return;
  etherAbove(ifp, net, m, etype);
}

/** A frame has passed everybody who taps the link: the bridge, then this host. */
function etherAbove(ifp: Ifnet, net: Net, m: PacketBuffer, etype: number): void {
  if (ifp.bridge !== null) {
    const back = ifp.bridge.input(ifp, m);
    if (back === null) return;
  }
  etherDemux(ifp, net, m, etype);
}

/** A frame that a netgraph gives to `ifp`'s stack as if it had arrived. Owns `m`. */
export function etherUpperInput(ifp: Ifnet, m: PacketBuffer): void {
  if (ifp.net === null || !ifp.isUp) {
    m.free();
    return;
  }
  m.rcvif = ifp.index;
  if ((m.flags & (M_BCAST | M_MCAST)) === 0 && (m.view.getUint8(m.off) & 1) !== 0) markMulticast(ifp, m);
  let etype = m.view.getUint16(m.off + ETHER_TYPE);
  if (etherIsTagType(etype) && (m.flags & M_VLANTAG) === 0 && m.len >= ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN) {
    etherStripTag(m, etype);
    etype = m.view.getUint16(m.off + ETHER_TYPE);
  }
  etherAbove(ifp, ifp.net, m, etype);
}

/** Hands a frame that is for this host (or for one of its vlans) to whoever wants it. Owns `m`. */
function etherDemux(ifp: Ifnet, net: Net, m: PacketBuffer, etype: number): void {
  // Judged anew on each interface: what is not for the parent may be for its vlan, which has an address of its own.
  if ((m.flags & (M_BCAST | M_MCAST)) !== 0 || isOurs(ifp, m)) m.flags &= ~M_PROMISC;
  else m.flags |= M_PROMISC;
  if (net.linkPfil.hooked && (m.flags & M_PROMISC) === 0) {
    const verdict = net.linkPfil.run(m, ifp, PFIL_IN);
    if (verdict !== PFIL_PASS) {
      if (verdict === PFIL_DROPPED) m.free();
      return;
    }
  }
  if ((m.flags & M_VLANTAG) !== 0) {
    if (ifp.trunk !== null && ifp.trunk.input(ifp, m)) return;
    if ((m.vtag & EVL_VLID_MASK) !== 0) {
      if (ifp.netgraph !== null && ifp.netgraph.orphan(m)) return;
      ifp.data.noproto++;
      m.free();
      return;
    }
    m.flags &= ~M_VLANTAG;
  }
  if ((m.flags & M_PROMISC) !== 0 && (ifp.flags & IFF_PPROMISC) === 0) {
    m.free();
    return;
  }
  m.adj(ETHER_HDR_LEN);
  const input = etype === ETHERTYPE_IP ? net.ipInput : etype === ETHERTYPE_ARP ? net.arpInput : net.etherProto(etype);
  if (input === null) {
    if (ifp.netgraph !== null && m.prepend(ETHER_HDR_LEN) && ifp.netgraph.orphan(m)) return;
    ifp.data.noproto++;
    m.free();
    return;
  }
  input(ifp, m);
}

/** Hands a frame to the local protocols as if it had arrived on `ifp` (bridge local delivery). Owns `m`. */
export function etherLocalInput(ifp: Ifnet, m: PacketBuffer): void {
  const net = ifp.net;
  if (net === null) {
    m.free();
    return;
  }
  etherDemux(ifp, net, m, m.view.getUint16(m.off + ETHER_TYPE));
}

function markMulticast(ifp: Ifnet, m: PacketBuffer): void {
  const broadcast = m.view.getUint16(m.off) === 0xffff && m.view.getUint32(m.off + 2) === 0xffffffff;
  m.flags |= broadcast ? M_BCAST : M_MCAST;
  ifp.data.imcasts++;
}

function isOurs(ifp: Ifnet, m: PacketBuffer): boolean {
  const lo = m.view.getUint32(m.off + 2);
  const hi = m.view.getUint16(m.off);
  return (lo === ifp.macLo && hi === ifp.macHi) || (ifp.carp !== null && ifp.carp.forUs(hi, lo));
}

/** Takes the outermost tag, of type `etype`, out of the bytes: the addresses move up by four, the tag into `m.vtag`. */
export function etherStripTag(m: PacketBuffer, etype: number): void {
  const v = m.view;
  const off = m.off;
  m.vtag = v.getUint16(off + ETHER_HDR_LEN);
  m.vproto = etype;
  m.flags |= M_VLANTAG;
  v.setUint32(off + 12, v.getUint32(off + 8));
  v.setUint32(off + 8, v.getUint32(off + 4));
  v.setUint32(off + 4, v.getUint32(off));
  m.adj(ETHER_VLAN_ENCAP_LEN);
}

/** Puts `m.vtag` back into the bytes, for a link that leaves the process or below another tag. False: no headroom. */
export function etherInsertTag(m: PacketBuffer): boolean {
  if ((m.flags & M_VLANTAG) === 0) return true;
  if (!m.prepend(ETHER_VLAN_ENCAP_LEN)) return false;
  const v = m.view;
  const off = m.off;
  v.setUint32(off, v.getUint32(off + 4));
  v.setUint32(off + 4, v.getUint32(off + 8));
  v.setUint32(off + 8, v.getUint32(off + 12));
  v.setUint16(off + 12, m.vproto);
  v.setUint16(off + 14, m.vtag);
  m.flags &= ~M_VLANTAG;
  return true;
}

/** Sends the payload `m` to a resolved link address. Owns `m`. ENETDOWN when down, only listening, or a lagg's port; ENOBUFS without headroom. */
export function etherOutput(ifp: Ifnet, m: PacketBuffer, dstHi: number, dstLo: number, ethertype: number): Errno {
  if ((ifp.flags & (IFF_UP | IFF_RUNNING | IFF_MONITOR)) !== (IFF_UP | IFF_RUNNING) || ifp.lagg !== null) {
    m.free();
    return ENETDOWN;
  }
  if (!m.prepend(ETHER_HDR_LEN)) {
    m.free();
    return ENOBUFS;
  }
  const v = m.view;
  const off = m.off;
  v.setUint16(off, dstHi);
  v.setUint32(off + 2, dstLo);
  v.setUint16(off + OUI_BYTES, ifp.macHi);
  v.setUint32(off + OUI_BYTES + 2, ifp.macLo);
  v.setUint16(off + ETHER_TYPE, ethertype);
  if (m.vhid !== 0) putVhidSource(m);
  m.flags &= ~(M_BCAST | M_MCAST);
  if ((dstHi & 0x100) !== 0) m.flags |= dstHi === 0xffff && dstLo === 0xffffffff ? M_BCAST : M_MCAST;
  return etherOutputFrame(ifp, m);
}

/** The frame is a virtual host's: switches shall learn where that is. */
function putVhidSource(m: PacketBuffer): void {
  m.view.setUint16(m.off + OUI_BYTES, CARP_MAC_HI);
  m.view.setUint32(m.off + OUI_BYTES + 2, CARP_MAC_LO | m.vhid);
  m.vhid = 0;
}

/** Sends a frame of this host that has its header. Owns `m`. */
export function etherOutputFrame(ifp: Ifnet, m: PacketBuffer): Errno {
  if (ifp.bridge !== null && ifp.bridge.output(ifp, m)) return 0;
  if (ifp.netgraph !== null) {
    const error = ifp.netgraph.output(m);
    if (error !== null) return error;
  }
  return etherLinkOutput(ifp, m);
}

/** Puts a frame on the link, past the bridge and the netgraph. Owns `m`. */
export function etherLinkOutput(ifp: Ifnet, m: PacketBuffer): Errno {
  setPcp(ifp, m);
  const net = ifp.net;
  if (net !== null && net.linkPfil.hooked) {
    const verdict = net.linkPfil.run(m, ifp, PFIL_OUT);
    if (verdict !== PFIL_PASS) {
      if (verdict === PFIL_DROPPED) m.free();
      return 0;
    }
  }
  return ifTransmit(ifp, m);
}

/** A priority tag (VLAN id 0) for an interface or a packet with a PCP; vlans put it into their own tag instead. */
function setPcp(ifp: Ifnet, m: PacketBuffer): void {
  const pcp = m.pcp >= 0 ? m.pcp : ifp.pcp;
  if (pcp < 0 || ifp.type === IFT_L2VLAN || (m.flags & M_VLANTAG) !== 0) return;
  m.vtag = pcp << VLAN_PCP_SHIFT;
  m.vproto = ETHERTYPE_VLAN;
  m.flags |= M_VLANTAG;
}
