/**
 * in6-ifattach.ts — the addresses an interface gets by itself: its link-local one, and ::1 on a loopback interface.
 * Read first: RFC 4862 §5.3; RFC 4291 §2.5.1 and appendix A; freebsd `sys/netinet6/in6_ifattach.c`.
 *
 * The interface identifier of a link-local address is the modified EUI-64 of the interface's MAC address; an interface without one borrows
 * that of another, and is given a random one when there is none.
 * With `stableaddr` it is the one of in6-ifid.ts, where identifiers of autoconfigured addresses are, too.
 *
 * @rfc 4862 5.3 yes
 * @rfc 2464 4 yes
 */
import { IFF_LOOPBACK, IFF_MULTICAST } from '../net/ifnet.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6LinkLocalOfMac, ip6Parse, ip6Word } from '../wire/addr6.js';
import { in6Aifaddr } from './in6-control.js';
import { in6StableIfid } from './in6-ifid.js';
import { ND6_IFF_AUTO_LINKLOCAL, ND6_IFF_STABLEADDR } from './in6-ifinfo.js';
import type { In6Net } from './in6-net.js';

const LOOPBACK = ip6Parse('::1') as Uint8Array;
const LINKLOCAL_LOOPBACK = ip6Parse('fe80::1') as Uint8Array;

/** The interface came up: it gets what it should have and has not. */
export function in6Ifattach(in6Net: In6Net, ifp: Ifnet): void {
  const ii = in6Net.ifinfo(ifp);
  if (ii === null) return;
  if ((ifp.flags & IFF_MULTICAST) === 0) return;
  if ((ifp.flags & IFF_LOOPBACK) !== 0 && in6Net.addrOf(0, 0, 0, 1) === null) in6Aifaddr(in6Net, ifp, { addr: LOOPBACK, plen: 128 });
  if (!ii.isDisabled && (ii.ndFlags & ND6_IFF_AUTO_LINKLOCAL) !== 0 && in6Net.linkLocalOf(ifp, 0) === null) in6IfattachLinklocal(in6Net, ifp);
}

/** Adds the link-local address, which `ifp` has not. */
export function in6IfattachLinklocal(in6Net: In6Net, ifp: Ifnet): void {
  const addr = (ifp.flags & IFF_LOOPBACK) !== 0 ? LINKLOCAL_LOOPBACK : linkLocalFor(in6Net, ifp);
  in6Aifaddr(in6Net, ifp, { addr, plen: 64, dadDelay: true });
}

function linkLocalFor(in6Net: In6Net, ifp: Ifnet): Uint8Array {
  if (((in6Net.ifinfo(ifp)?.ndFlags ?? 0) & ND6_IFF_STABLEADDR) !== 0) {
    const out = LINKLOCAL_LOOPBACK.slice();
    out.set(in6StableIfid(in6Net, ifp, LINKLOCAL_LOOPBACK, 0), 8);
    return out;
  }
  const from = hasIfid(ifp) ? ifp : in6Net.net.ifnets.find((other) => hasIfid(other) && (other.lladdr[0]! & 2) === 0);
  if (from !== undefined) return ip6LinkLocalOfMac(from.lladdr);
  const addr = ip6LinkLocalOfMac(new Uint8Array(6));
  const rng = in6Net.net.kern.engine.rng.split(`ifid/${in6Net.net.kern.name}/${ifp.xname}`);
  const v = new DataView(addr.buffer);
  v.setUint32(8, rng.u32() & ~0x0200_0000);
  v.setUint32(12, rng.u32());
  return ip6Word(addr, 2) === 0 && ip6Word(addr, 3) === 0 ? LINKLOCAL_LOOPBACK : addr;
}

/** Has it a MAC address that names it alone? */
function hasIfid(ifp: Ifnet): boolean {
  return ifp.lladdr.length === 6 && !ifp.lladdr.every((b) => b === 0) && !ifp.lladdr.every((b) => b === 0xff);
}
