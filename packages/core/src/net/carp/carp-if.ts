/**
 * carp-if.ts — class CarpIf: the vhids of one interface, on its `carp` hook while it has any.
 * Read first: FreeBSD's netinet/ip_carp.c, struct carp_if, carp_forus.
 *
 * An interface with vhids is promiscuous: frames to 00:00:5e:00:01:VHID must come through a driver that filters.
 * Invariant: it hangs on `ifp.carp` exactly while `vhids` is not empty; it has asked for promiscuous mode once.
 */
import { CARP_MAC_HI, CARP_MAC_LO } from '../../wire/carp.js';
import { ifPromisc } from '../if.js';
import type { IfCarpHook, Ifnet } from '../ifnet.js';
import type { CarpVhid } from './carp-vhid.js';

export class CarpIf implements IfCarpHook {
  readonly ifp: Ifnet;
  /** In order of creation, which is the order they are shown in. */
  readonly vhids: CarpVhid[] = [];

  constructor(ifp: Ifnet) {
    this.ifp = ifp;
    ifp.carp = this;
    ifPromisc(ifp, true);
  }

  destroy(): void {
    this.ifp.carp = null;
    ifPromisc(this.ifp, false);
  }

  find(vhid: number): CarpVhid | null {
    for (const vh of this.vhids) if (vh.vhid === vhid) return vh;
    return null;
  }

  /** Is this the link address of a vhid this host is the master of? Packet path. */
  forUs(hi: number, lo: number): boolean {
    if (hi !== CARP_MAC_HI || lo >>> 8 !== CARP_MAC_LO >>> 8) return false;
    const { vhids } = this;
    for (let i = 0; i < vhids.length; i++) if (vhids[i]!.macLo === lo && vhids[i]!.isMaster) return true;
    return false;
  }

  /** Addresses of a family, of all vhids. */
  count(af: number): number {
    let n = 0;
    for (const vh of this.vhids) n += vh.count(af);
    return n;
  }
}

/** The vhids of an interface; null when it has none. */
export function carpIfOf(ifp: Ifnet): CarpIf | null {
  return ifp.carp instanceof CarpIf ? ifp.carp : null;
}
