/**
 * if-vmove.ts — an interface moves to another vnet: loan, reclaim, and the way home.
 * Read first: freebsd `sys/net/if.c` (if_vmove, if_vmove_loan, if_vmove_reclaim, vnet_if_return).
 *
 * Theory of operation. Every check is made before anything happens, so a refused move has no effect. The move itself is the
 * detach of the vmove column of `ifDetachInternal`, the driver's `reassign`, and an attach on the other side: name, index,
 * MAC, MTU, description and home stay, UP, addresses, routes, neighbours and groups do not.
 * An interface that goes home when its vnet dies may find its name taken there; it then gets the name it was made with or, when
 * that is taken too, the next free one of its kind, and the log says so. There are never two interfaces of one name.
 * An interface whose home is gone as well has nowhere to go: it ends with the vnet it is in (vnet/vnet.ts).
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, EEXIST, ENXIO } from '../base/errno.js';
import { ifAttach, ifDetachInternal } from './if.js';
import type { Ifnet } from './ifnet.js';
import type { Net } from './net.js';

/** `ifconfig IF vnet JAIL`: from `src` into `dst`. ENXIO no such interface, EEXIST same vnet or name taken, EBUSY vnet dying. */
export function ifVmoveLoan(src: Net, xname: string, dst: Net): Errno {
  const ifp = src.ifunit(xname);
  return ifp === null ? ENXIO : ifVmoveChecked(ifp, src, dst);
}

/** `ifconfig IF -vnet JAIL`: out of `src` (the jail's) into `dst` (the caller's). Errors as for a loan. */
export function ifVmoveReclaim(dst: Net, xname: string, src: Net): Errno {
  const ifp = src.ifunit(xname);
  return ifp === null ? ENXIO : ifVmoveChecked(ifp, src, dst);
}

function ifVmoveChecked(ifp: Ifnet, src: Net, dst: Net): Errno {
  if (src === dst) return EEXIST;
  if (dst.ifunit(ifp.xname) !== null) return EEXIST;
  if (src.kern.shutdown || dst.kern.shutdown) return EBUSY;
  ifVmove(ifp, dst);
  return 0;
}

/** Moves `ifp`; the caller has made every check. */
export function ifVmove(ifp: Ifnet, to: Net): void {
  const { detach } = to.shared.witness;
  detach.acquire('if_vmove');
  try {
    ifDetachInternal(ifp, 'vmove');
    ifp.driver.reassign?.(ifp, to);
    ifAttach(ifp, to);
  } finally {
    detach.release('if_vmove');
  }
}

/** The first destructor of a vnet: every interface whose home is elsewhere goes there, in list order. */
export function vnetIfReturn(net: Net): void {
  for (const ifp of [...net.ifnets]) {
    const home = ifp.homeNet;
    if (home === null || home === net || home.kern.shutdown) continue;
    if (home.ifunit(ifp.xname) !== null) renameForHome(ifp, home);
    ifVmove(ifp, home);
  }
}

/** Gives it a name no interface of `home` has. */
function renameForHome(ifp: Ifnet, home: Net): void {
  const was = ifp.xname;
  let name = ifp.birthName;
  for (let unit = 0; home.ifunit(name) !== null; unit++) name = `${ifp.dname}${unit}`;
  ifp.xname = name;
  home.kern.log('notice', `${was}: returned as ${name}, because ${was} exists already`);
}
