/**
 * ether.ts — Ethernet II frames and the 802.1Q/802.1ad tag: offsets, types, accessors.
 * Read first: RFC 894, IEEE 802.3 §3.2, IEEE 802.1Q §9 (the tag), FreeBSD's net/ethernet.h for the names.
 *
 *    0            6            12      14
 *    | dhost (6)  | shost (6)  | type  | payload
 *    tagged:                   | tpid  | tci | type | payload          tci = pcp(3) dei(1) vid(12)
 *
 * Addresses are read as the pair (hi: u16, lo: u32), see `addr.ts`. Every accessor takes the view and the offset of the
 * frame's first byte, allocates nothing and trusts the caller that the header is inside: `etherCheck` says so.
 * Not here: LLC behind a length field (`llc.ts`), the frame check sequence (no link of ours carries one).
 *
 * @rfc 894 yes
 */

export const ETHER_ADDR_LEN = 6;
export const ETHER_TYPE_LEN = 2;
export const ETHER_CRC_LEN = 4;
export const ETHER_HDR_LEN = 14;
/** Frame bytes with the CRC: smallest and largest of an untagged frame. */
export const ETHER_MIN_LEN = 64;
export const ETHER_MAX_LEN = 1518;
/** Bytes an 802.1Q tag adds. */
export const ETHER_VLAN_ENCAP_LEN = 4;
/** Payload bytes. */
export const ETHERMTU = 1500;
export const ETHERMTU_JUMBO = 9000;
export const ETHERMIN = ETHER_MIN_LEN - ETHER_HDR_LEN - ETHER_CRC_LEN;

export const ETHER_DHOST = 0;
export const ETHER_SHOST = 6;
export const ETHER_TYPE = 12;
/** In a tagged frame: the tag control information and the type behind it. */
export const ETHER_TCI = 14;
export const ETHER_VLAN_TYPE = 16;

/** A type field up to this value is an 802.3 length; LLC follows. */
export const ETHER_LENGTH_MAX = 1500;
/** The first value that is a type. Between the two the frame is invalid (IEEE 802.3 §3.2.6). */
export const ETHERTYPE_MIN = 0x0600;

export const ETHERTYPE_IP = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_TRAIL = 0x1000;
export const ETHERTYPE_TEB = 0x6558;
export const ETHERTYPE_REVARP = 0x8035;
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;
export const ETHERTYPE_SLOW = 0x8809;
export const ETHERTYPE_MPLS = 0x8847;
export const ETHERTYPE_MPLS_MCAST = 0x8848;
export const ETHERTYPE_PPPOEDISC = 0x8863;
export const ETHERTYPE_PPPOE = 0x8864;
export const ETHERTYPE_JUMBO = 0x8870;
export const ETHERTYPE_PAE = 0x888e;
export const ETHERTYPE_QINQ = 0x88a8;
export const ETHERTYPE_LLDP = 0x88cc;
export const ETHERTYPE_LOOPBACK = 0x9000;
export const ETHERTYPE_8021Q9100 = 0x9100;
export const ETHERTYPE_8021Q9200 = 0x9200;

/** VLAN identifiers: 0 tags priority only, 4095 is reserved (IEEE 802.1Q table 9-2). */
export const EVL_VLID_MASK = 0x0fff;
export const EVL_VLID_MAX = 4094;

/** `etherCheck`: fewer bytes than a header. */
export const ETHER_BAD_SHORT = 1;
/** `etherCheck`: a tag's type with fewer bytes than a tagged header. */
export const ETHER_BAD_TAG_SHORT = 2;
/** `etherCheck`: a type field between 1501 and 1535. */
export const ETHER_BAD_TYPE = 3;

/** 0 when `len` bytes at `off` hold a whole header, the first tag included; else the first reason that applies. */
export function etherCheck(view: DataView, off: number, len: number): number {
  if (len < ETHER_HDR_LEN) return ETHER_BAD_SHORT;
  const type = view.getUint16(off + ETHER_TYPE);
  if (etherIsTagType(type)) return len < ETHER_HDR_LEN + ETHER_VLAN_ENCAP_LEN ? ETHER_BAD_TAG_SHORT : 0;
  return type > ETHER_LENGTH_MAX && type < ETHERTYPE_MIN ? ETHER_BAD_TYPE : 0;
}

export const etherType = (view: DataView, off: number): number => view.getUint16(off + ETHER_TYPE);
export const etherDhostHi = (view: DataView, off: number): number => view.getUint16(off);
export const etherDhostLo = (view: DataView, off: number): number => view.getUint32(off + 2);
export const etherShostHi = (view: DataView, off: number): number => view.getUint16(off + ETHER_SHOST);
export const etherShostLo = (view: DataView, off: number): number => view.getUint32(off + ETHER_SHOST + 2);
/** Group bit of the destination: multicast or broadcast. */
export const etherIsMulticast = (view: DataView, off: number): boolean => (view.getUint8(off) & 1) !== 0;
export const etherIsBroadcast = (view: DataView, off: number): boolean =>
  view.getUint16(off) === 0xffff && view.getUint32(off + 2) === 0xffffffff;
/** The type field holds a length and LLC follows. */
export const etherIs8023 = (view: DataView, off: number): boolean => view.getUint16(off + ETHER_TYPE) <= ETHER_LENGTH_MAX;

/** Writes a MAC address. */
export function etherPutAddr(view: DataView, off: number, hi: number, lo: number): void {
  view.setUint16(off, hi);
  view.setUint32(off + 2, lo);
}

/** Writes an untagged header of ETHER_HDR_LEN bytes. */
export function etherEmit(view: DataView, off: number, dhi: number, dlo: number, shi: number, slo: number, type: number): void {
  view.setUint16(off, dhi);
  view.setUint32(off + 2, dlo);
  view.setUint16(off + ETHER_SHOST, shi);
  view.setUint32(off + ETHER_SHOST + 2, slo);
  view.setUint16(off + ETHER_TYPE, type);
}

/** True for the types that announce a tag: 802.1Q and 802.1ad. */
export const etherIsTagType = (type: number): boolean => type === ETHERTYPE_VLAN || type === ETHERTYPE_QINQ;
/** Tag control information of a tagged frame. */
export const etherTci = (view: DataView, off: number): number => view.getUint16(off + ETHER_TCI);
/** The type behind the first tag. */
export const etherVlanType = (view: DataView, off: number): number => view.getUint16(off + ETHER_VLAN_TYPE);

export const evlVlanOfTag = (tci: number): number => tci & EVL_VLID_MASK;
export const evlPriOfTag = (tci: number): number => (tci >>> 13) & 7;
export const evlCfiOfTag = (tci: number): number => (tci >>> 12) & 1;
/** Tag control information of VLAN `vlid` 0..4095, priority 0..7, drop-eligible bit 0..1. */
export const evlMakeTag = (vlid: number, pri: number, cfi: number): number => (((pri & 7) << 13) | ((cfi & 1) << 12) | (vlid & EVL_VLID_MASK)) >>> 0;

/** Inserts a tag: moves the addresses four bytes toward `off - 4`, where the frame then begins. Needs that much headroom. */
export function etherTagPush(view: DataView, off: number, tpid: number, tci: number): void {
  const to = off - ETHER_VLAN_ENCAP_LEN;
  view.setUint32(to, view.getUint32(off));
  view.setUint32(to + 4, view.getUint32(off + 4));
  view.setUint32(to + 8, view.getUint32(off + 8));
  view.setUint16(to + ETHER_TYPE, tpid);
  view.setUint16(to + ETHER_TCI, tci);
}

/** Removes the first tag: moves the addresses to `off + 4`, where the frame then begins. */
export function etherTagPop(view: DataView, off: number): void {
  view.setUint32(off + 12, view.getUint32(off + 8));
  view.setUint32(off + 8, view.getUint32(off + 4));
  view.setUint32(off + 4, view.getUint32(off));
}
