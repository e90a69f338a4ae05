/**
 * flow-hash.ts — one number per flow, so that all packets of a flow take the same path of a multipath route.
 * Read first: RFC 2992; freebsd `sys/net/route/mpath_ctl.c`.
 *
 * A mix of addresses, protocol and ports with a salt of the vnet's, so that routers in a row do not all choose alike. Never
 * 0, because a packet with flow id 0 has not been hashed yet. Fragments have no ports: a caller passes 0, 0 for every
 * fragment of a datagram, the first included.
 */

/** A 32-bit flow id, 1..2^32-1. `salt` is any 32-bit number. */
export function flowHash4(src: number, dst: number, proto: number, sport: number, dport: number, salt: number): number {
  let h = Math.imul((src ^ salt) | 0, 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 15) ^ dst) | 0, 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 13) ^ ((sport << 16) | dport)) | 0, 0x27d4eb2f);
  h = Math.imul((h ^ (h >>> 16) ^ proto) | 0, 0x165667b1);
  h = (h ^ (h >>> 15)) >>> 0;
  return h === 0 ? 1 : h;
}

/** The same for IPv6: `src` and `dst` are the exclusive or of an address's four words. */
export function flowHash6(src: number, dst: number, flow: number, proto: number, sport: number, dport: number, salt: number): number {
  return flowHash4((src ^ Math.imul(flow, 0x9e3779b1)) | 0, dst, proto, sport, dport, salt);
}
