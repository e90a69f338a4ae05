/**
 * carp-input.ts — an advertisement has arrived, over whichever family: is it sound, of which vhid, and authentic?
 * Read first: FreeBSD's netinet/ip_carp.c, carp_input, carp6_input, carp_input_c.
 *
 * The checks, in this order; the first that fails drops the packet and counts:
 *
 *    1 net.inet.carp.allow is 0                    (silently)     5 vhid 0, from one of our addresses     badif
 *    2 the interface has no vhids (IPv6 only)      badif          6 no address of that vhid here          badvhid
 *    3 shorter than 36 bytes                       badlen         7 version is not 2                      badver
 *    4 checksum                                    badsum         8 to a group, and hop limit is not 255  badttl
 *                                                                 9 HMAC                                  badauth
 *
 * Over IPv4 a packet on an interface without vhids fails check 6. Whoever talks to one peer instead of a group may be routers away.
 * The type is not looked at: there is one. Runs in thread context, because a state that changes takes addresses and routes along.
 */
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ip4IsMulticast } from '../../wire/addr.js';
import { CARP_ADVBASE, CARP_ADVSKEW, CARP_COUNTER, CARP_DFLTTL, CARP_HDR_LEN, CARP_VERSION, CARP_VHID, carpCksum, carpVersion } from '../../wire/carp.js';
import type { IfAddr } from '../ifaddr.js';
import { AF_INET, AF_INET6 } from '../ifnet.js';
import type { Ifnet } from '../ifnet.js';
import { carpIfOf } from './carp-if.js';
import type { CarpIf } from './carp-if.js';
import { carpInterval } from './carp-vhid.js';
import type { CarpVhid } from './carp-vhid.js';
import type { Carp } from './carp.js';

/**
 * `off` is where the header is in the slot; `m.off` is at the IP header. `isSource`: is the packet from this address? Frees `m`.
 */
export function carpInput(carp: Carp, ifp: Ifnet, m: PacketBuffer, off: number, af: number, ttl: number, isSource: (ifa: IfAddr) => boolean): void {
  const vh = check(carp, ifp, m, off, af, ttl, isSource);
  if (vh !== null) {
    const v = m.view;
    const theirs = carpInterval(v.getUint8(off + CARP_ADVBASE), v.getUint8(off + CARP_ADVSKEW));
    vh.heard(af, theirs, v.getUint32(off + CARP_COUNTER), v.getUint32(off + CARP_COUNTER + 4));
  }
  m.free();
}

function check(carp: Carp, ifp: Ifnet, m: PacketBuffer, off: number, af: number, ttl: number, isSource: (ifa: IfAddr) => boolean): CarpVhid | null {
  const { stats } = carp;
  const v = m.view;
  if (carp.allow === 0) return null;
  const cif = carpIfOf(ifp);
  if (af === AF_INET6 && cif === null) {
    stats.badif++;
    carp.debug(() => `carp6_input: packet received on non-carp interface: ${ifp.xname}`);
    return null;
  }
  const len = m.off + m.len - off;
  if (len < CARP_HDR_LEN) {
    stats.badlen++;
    carp.debug(() => (af === AF_INET ? `carp_input: received len ${len} < sizeof(struct carp_header) on ${ifp.xname}` : `carp6_input: packet size ${m.len} too small`));
    return null;
  }
  if (carpCksum(v, off) !== 0) {
    stats.badsum++;
    carp.debug(() => `${af === AF_INET ? 'carp_input: checksum failed' : 'carp6_input: checksum failed,'} on ${ifp.xname}`);
    return null;
  }
  const vh = vhidOf(carp, cif, v.getUint8(off + CARP_VHID), af, isSource);
  return vh === null ? null : authentic(carp, ifp, vh, v, off, af, ttl);
}

/** Checks 5 and 6. */
function vhidOf(carp: Carp, cif: CarpIf | null, vhid: number, af: number, isSource: (ifa: IfAddr) => boolean): CarpVhid | null {
  const { stats } = carp;
  if (vhid === 0 && cif !== null && cif.vhids.some((vh) => vh.ifas.some((ifa) => ifa.af === af && isSource(ifa)))) {
    stats.badif++;
    carp.debug(() => `dropping looped packet on interface ${cif.ifp.xname}`);
    return null;
  }
  const vh = cif?.find(vhid) ?? null;
  if (vh !== null && vh.count(af) > 0) return vh;
  stats.badvhid++;
  return null;
}

/** Checks 7 to 9. */
function authentic(carp: Carp, ifp: Ifnet, vh: CarpVhid, v: DataView, off: number, af: number, ttl: number): CarpVhid | null {
  const { stats } = carp;
  const version = carpVersion(v, off);
  if (version !== CARP_VERSION) {
    stats.badver++;
    carp.debug(() => `${ifp.xname}: invalid version ${version}`);
    return null;
  }
  const multicast = af === AF_INET ? ip4IsMulticast(vh.peer) : vh.peer6[0] === 0xff;
  if (multicast && ttl !== CARP_DFLTTL) {
    stats.badttl++;
    carp.debug(() => `carp_input_c: received ttl ${ttl} != 255 on ${ifp.xname}`);
    return null;
  }
  if (vh.hmac.verify(v, off)) return vh;
  stats.badauth++;
  carp.debug(() => `carp_input_c: incorrect hash for VHID ${vh.vhid}@${ifp.xname}`);
  return null;
}
