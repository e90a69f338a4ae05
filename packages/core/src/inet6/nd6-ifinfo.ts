/**
 * nd6-ifinfo.ts — setting an interface's ND6_IFF_* flags (SIOCSIFINFO_FLAGS): ndp -i, ifconfig inet6.
 * Read first: ndp(8), ifconfig(8) inet6; RFC 4862 §5.4.5; FreeBSD's netinet6/nd6.c, nd6_ioctl.
 *
 * IPv6 that was off on an interface (ND6_IFF_IFDISABLED) and comes on gets its addresses verified anew; while it is off they are tentative. It
 * does not come on while the link-local address is a duplicate. An interface that is to have a link-local address gets it at once.
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT } from '../base/errno.js';
import type { Ifnet } from '../net/ifnet.js';
import { IN6_IFF_ANYCAST, IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE } from './in6-ifaddr.js';
import { ND6_IFF_AUTO_LINKLOCAL, ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD } from './in6-ifinfo.js';
import { in6Ifattach } from './in6-ifattach.js';
import type { Nd6 } from './nd6.js';

/** Sets the flags of `ifp` (all of them). EAFNOSUPPORT: no IPv6 there. Thread context. */
export function nd6SetFlags(nd: Nd6, ifp: Ifnet, flags: number): Errno {
  const { in6Net } = nd.ip6;
  in6Net.net.kern.engine.assertThread();
  const ii = in6Net.ifinfo(ifp);
  if (ii === null) return EAFNOSUPPORT;
  const was = ii.ndFlags;
  let to = flags;
  if ((was & ND6_IFF_IFDISABLED) !== 0 && (to & ND6_IFF_IFDISABLED) === 0 && in6Net.addrsOf(ifp).some((ia) => ia.k0 >>> 22 === 0x3fa && (ia.flags & IN6_IFF_DUPLICATED) !== 0)) {
    to |= ND6_IFF_IFDISABLED;
    in6Net.net.kern.log('err', 'Cannot enable an interface with a link-local address marked duplicate.');
  }
  ii.ndFlags = to;
  const switchedOff = (was & ND6_IFF_IFDISABLED) === 0 && (to & ND6_IFF_IFDISABLED) !== 0;
  if (switchedOff && in6Net.tun.dadCount > 0 && (to & ND6_IFF_NO_DAD) === 0) {
    for (const ia of in6Net.addrsOf(ifp)) {
      nd.dadStop(ia);
      if ((ia.flags & IN6_IFF_ANYCAST) === 0) ia.flags |= IN6_IFF_TENTATIVE;
    }
  }
  if ((to & ND6_IFF_IFDISABLED) !== 0 || !ifp.isUp) return 0;
  if ((to & ND6_IFF_AUTO_LINKLOCAL) !== 0) in6Ifattach(in6Net, ifp);
  if ((was & ND6_IFF_IFDISABLED) !== 0) nd.resumeDad(ifp);
  return 0;
}
