/**
 * nd6-flags.ts — changing an interface's ND6_IFF_* flags (SIOCSIFINFO_FLAGS): IPv6 on and off, link-local addresses on demand.
 * Read first: RFC 4862 §5.4.5 (a duplicate link-local address disables IPv6); freebsd `sys/netinet6/nd6.c` nd6_ioctl; ifconfig(8) "inet6".
 *
 * Theory of operation. Switching IPv6 off makes every address tentative: who knows what happened on the link when it is switched on again, which
 * verifies them anew. It is not switched on while a link-local address is a duplicate: removing that address comes first.
 * Setting AUTO_LINKLOCAL, or switching on with it, gives the interface a link-local address when it is up and has none.
 *
 * @rfc 4862 5.4.5 yes
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT } from '../base/errno.js';
import type { Ifnet } from '../net/ifnet.js';
import { ip6IsLinkLocal } from '../wire/addr6.js';
import { IN6_IFF_DUPLICATED, IN6_IFF_TENTATIVE } from './in6-ifaddr.js';
import { in6Ifattach } from './in6-ifattach.js';
import { ND6_IFF_AUTO_LINKLOCAL, ND6_IFF_IFDISABLED, ND6_IFF_NO_DAD } from './in6-ifinfo.js';
import type { In6Net } from './in6-net.js';

/** The flags of `ifp` become `flags`. EAFNOSUPPORT: no IPv6 there. A refusal to enable is logged, and the flag stays set. Thread context. */
export function nd6SetFlags(in6Net: In6Net, ifp: Ifnet, flags: number): Errno {
  in6Net.net.kern.engine.assertThread();
  const ii = in6Net.ifinfo(ifp);
  if (ii === null) return EAFNOSUPPORT;
  const before = ii.ndFlags;
  let wanted = flags;
  if ((before & ~wanted & ND6_IFF_IFDISABLED) !== 0) {
    if (hasDuplicateLinkLocal(in6Net, ifp)) {
      wanted |= ND6_IFF_IFDISABLED;
      in6Net.net.kern.log('err', 'Cannot enable an interface with a link-local address marked duplicate.');
    } else {
      ii.ndFlags = wanted;
      if (ifp.isUp) in6IfUp(in6Net, ifp);
    }
  } else if ((~before & wanted & ND6_IFF_IFDISABLED) !== 0) {
    disable(in6Net, ifp, wanted);
  }
  ii.ndFlags = wanted;
  if ((wanted & ND6_IFF_AUTO_LINKLOCAL) !== 0 && ifp.isUp && !ii.isDisabled) in6Ifattach(in6Net, ifp);
  in6Net.nd?.flagsChanged?.(ifp, before);
  return 0;
}

/** The interface came up, or IPv6 was switched on there: tentative addresses are verified, and it gets what it should have (in6_if_up). */
export function in6IfUp(in6Net: In6Net, ifp: Ifnet): void {
  const ii = in6Net.ifinfo(ifp);
  if (ii === null) return;
  if (!ii.isDisabled) {
    for (const ia of in6Net.addrsOf(ifp)) {
      if (!ia.isTentative) continue;
      if (in6Net.doesDad(ifp)) in6Net.nd?.dadStart(ia, true);
      else ia.flags &= ~IN6_IFF_TENTATIVE;
    }
  }
  in6Ifattach(in6Net, ifp);
}

function hasDuplicateLinkLocal(in6Net: In6Net, ifp: Ifnet): boolean {
  return in6Net.addrsOf(ifp).some((ia) => (ia.flags & IN6_IFF_DUPLICATED) !== 0 && ip6IsLinkLocal(ia.addr));
}

function disable(in6Net: In6Net, ifp: Ifnet, flags: number): void {
  for (const ia of in6Net.addrsOf(ifp)) {
    in6Net.nd?.dadStop(ia);
    if (in6Net.tun.dadCount > 0 && (flags & ND6_IFF_NO_DAD) === 0) ia.flags |= IN6_IFF_TENTATIVE;
  }
}
