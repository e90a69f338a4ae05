/**
 * llc.ts — IEEE 802.2 LLC and SNAP behind an 802.3 length field: offsets and recognition.
 * Read first: IEEE 802.2 §3 and §5, RFC 1042 (SNAP).
 *
 *    0      1      2         3            6
 *    | dsap | ssap | control | oui (3)    | ethertype     the last two with SNAP only (aa aa 03)
 *
 * The stack needs LLC for two things: to find spanning tree BPDUs (42 42 03), and to leave everything else alone.
 * Not here: connections, XID and TEST exchanges.
 */

export const LLC_DSAP = 0;
export const LLC_SSAP = 1;
export const LLC_CTRL = 2;
/** Header length of an unnumbered frame. */
export const LLC_UFRAMELEN = 3;
export const LLC_SNAP_OUI = 3;
export const LLC_SNAP_TYPE = 6;
export const LLC_SNAPFRAMELEN = 8;

/** Unnumbered information, the control byte of every datagram. */
export const LLC_UI = 0x03;
export const LLC_XID = 0xaf;
export const LLC_TEST = 0xe3;

export const LLC_NULL_LSAP = 0x00;
export const LLC_8021D_LSAP = 0x42;
export const LLC_IP_LSAP = 0x06;
export const LLC_SNAP_LSAP = 0xaa;
export const LLC_IPX_LSAP = 0xe0;
export const LLC_NETBEUI_LSAP = 0xf0;
export const LLC_ISO_LSAP = 0xfe;
export const LLC_GLOBAL_LSAP = 0xff;

/** True when the `len` bytes at `off` begin an 802.1D BPDU. */
export function llcIsBpdu(view: DataView, off: number, len: number): boolean {
  return len >= LLC_UFRAMELEN && view.getUint16(off) === 0x4242 && view.getUint8(off + LLC_CTRL) === LLC_UI;
}

/** True when the `len` bytes at `off` begin a SNAP header. */
export function llcIsSnap(view: DataView, off: number, len: number): boolean {
  return len >= LLC_SNAPFRAMELEN && view.getUint16(off) === 0xaaaa && view.getUint8(off + LLC_CTRL) === LLC_UI;
}

/** The organisation of a SNAP header; 0 means that `llcSnapType` is an Ethernet type. */
export const llcSnapOui = (view: DataView, off: number): number => view.getUint32(off + LLC_CTRL) & 0x00ffffff;
export const llcSnapType = (view: DataView, off: number): number => view.getUint16(off + LLC_SNAP_TYPE);

/** Writes an unnumbered information header with both access points `sap`. */
export function llcEmitUi(view: DataView, off: number, sap: number): void {
  view.setUint8(off + LLC_DSAP, sap);
  view.setUint8(off + LLC_SSAP, sap);
  view.setUint8(off + LLC_CTRL, LLC_UI);
}

/** Writes a SNAP header for an Ethernet type (RFC 1042). */
export function llcEmitSnap(view: DataView, off: number, type: number): void {
  view.setUint32(off, 0xaaaa0300);
  view.setUint16(off + 4, 0);
  view.setUint16(off + LLC_SNAP_TYPE, type);
}
