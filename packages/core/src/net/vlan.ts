/**
 * vlan.ts — vlan(4): an Ethernet interface for one VLAN of another interface.
 * Read first: IEEE 802.1Q-2014 §9, vlan(4); freebsd `sys/net/if_vlan.c`.
 *
 * Theory of operation. A vlan has a parent, a VLAN id and a tag protocol (802.1Q or 802.1ad). The vlans of one parent make its
 * trunk, which hangs on the parent's `ifp.trunk`: a tagged frame that comes in on the parent is looked up there by its id and
 * comes in on the vlan, untagged. Output tags the frame and sends it out of the parent. The outermost tag of a frame is never in its bytes
 * (ether.ts); a frame that has one already, because it comes from a vlan of this vlan, gets that one put into the bytes first.
 * A vlan has its parent's link address, link state and, at most, its MTU, and follows when they change. When the parent leaves its
 * vnet (destroyed or moved; not renamed) its vlans stay behind unconfigured. A vlan may itself be moved: its new instance is bound as the
 * old one was, over a parent in another vnet then, but in a vnet that is not its home nobody may see or change what it is bound to.
 * The parent's driver sees the id go before it comes again (`vlanUnconfigEvent`, `vlanConfigEvent` of the parent's vnet), so the
 * old instance lets go of it first; should the new one be refused, the old one gets it back, as if nothing had been.
 *
 * There are three ways to make one: `vlan create` and configure it later; `vlanN create vlan T vlandev P`; `P.T create`.
 * A creation that cannot be configured leaves nothing behind.
 *
 * Invariants: `trunk.vlans.get(sc.vid) === sc` exactly while `sc.trunk === trunk`; a trunk exists while it has vlans; the chain of
 * parents ends.
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, EEXIST, EINVAL, ENETDOWN, ENOBUFS, ENODEV, ENOENT, ENXIO, EPERM, EPROTONOSUPPORT } from '../base/errno.js';
import { sysctlInt } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import { M_BCAST, M_MCAST, M_PROMISC, M_VLANTAG } from '../mbuf/packet-buffer.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import {
  ETHERMIN, ETHERMTU, ETHERTYPE_QINQ, ETHERTYPE_VLAN, ETHER_VLAN_ENCAP_LEN, EVL_VLID_MASK, EVL_VLID_MAX, evlMakeTag, evlPriOfTag,
} from '../wire/ether.js';
import { etherIfattach, etherIfdetach, etherInsertTag } from './ether.js';
import { IFC_F_FORCE } from './if-clone.js';
import type { CloneParams, CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifMedia } from './if-media.js';
import type { IfMedia } from './if-media.js';
import { ifChangeMtu, ifIsAbove, ifLinkStateChange, ifPromisc, ifSetLladdr, ifUp } from './if.js';
import { ifMoved, ifNotMoved } from './if-move.js';
import type { IfMove, IfMoveResult } from './if-move.js';
import { ifInput, ifTransmit } from './if-transmit.js';
import type { IfVparams } from './if-vparams.js';
import {
  IFCAP_LINKSTATE, IFCAP_VLAN_MTU, IFF_BROADCAST, IFF_MULTICAST, IFF_PROMISC, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_ETHER, IFT_L2VLAN, Ifnet, LINK_STATE_UNKNOWN,
} from './ifnet.js';
import type { IfDriver, IfTrunkHook } from './ifnet.js';
import type { Net } from './net.js';

const VLAN_PCP_MAX = 7;
const UP_AND_RUNNING = IFF_UP | IFF_RUNNING;
/** What a parent must be able to do. */
const PARENT_FLAGS = IFF_BROADCAST | IFF_MULTICAST;
const NO_MAC = 6;

/** `net.link.vlan.*`. */
class VlanTunables {
  /** Frames keep their PCP as they come up: it is used again when they are sent on. */
  mtagPcp = 0;
}

const VLAN_SYSCTLS: SysctlGroup<VlanTunables> = {
  prefix: 'net.link.vlan',
  oids: [sysctlInt('mtag_pcp', 'mtagPcp', 'bool', 0, 1, 'Packets keep the PCP they came in with')],
};

/** What a vlan is bound to. */
interface VlanBinding {
  readonly parent: Ifnet;
  readonly vid: number;
  readonly proto: number;
  readonly pcp: number;
}

/** The vlans of one parent. */
export class VlanTrunk implements IfTrunkHook {
  readonly parent: Ifnet;
  readonly vlans = new Map<number, VlanSoftc>();
  private readonly unwatch: readonly (() => void)[];

  constructor(parent: Ifnet, net: Net) {
    this.parent = parent;
    const each = (ifp: Ifnet, fn: (sc: VlanSoftc) => void): void => {
      if (ifp === parent) for (const sc of [...this.vlans.values()]) fn(sc);
    };
    this.unwatch = [
      net.departureEvent.register(({ ifp, renaming }) => {
        if (!renaming) each(ifp, (sc) => sc.unconfigure());
      }),
      net.linkEvent.register((ifp) => each(ifp, (sc) => ifLinkStateChange(sc.ifp, ifp.linkState))),
      net.lladdrEvent.register((ifp) => each(ifp, (sc) => void ifSetLladdr(sc.ifp, ifp.lladdr))),
      net.mtuEvent.register((ifp) => each(ifp, (sc) => sc.shrinkMtu())),
    ];
    parent.trunk = this;
  }

  /** A tagged frame came in on the parent. False: none of the vlans' business. */
  input(_parent: Ifnet, m: PacketBuffer): boolean {
    const sc = this.vlans.get(m.vtag & EVL_VLID_MASK);
    if (sc === undefined || (sc.ifp.flags & UP_AND_RUNNING) !== UP_AND_RUNNING) return false;
    m.flags &= ~(M_VLANTAG | M_PROMISC | M_BCAST | M_MCAST);
    if (sc.tun.mtagPcp !== 0) m.pcp = evlPriOfTag(m.vtag);
    ifInput(sc.ifp, m);
    return true;
  }

  add(sc: VlanSoftc, vid: number): void {
    this.vlans.set(vid, sc);
  }

  /** The last one takes the trunk with it. */
  remove(sc: VlanSoftc): void {
    this.vlans.delete(sc.vid);
    if (this.vlans.size > 0) return;
    for (const off of this.unwatch) off();
    this.parent.trunk = null;
  }
}

/** A vlan. */
export class VlanSoftc implements IfDriver {
  readonly ifp: Ifnet;
  tun: VlanTunables;
  trunk: VlanTrunk | null = null;
  vid = 0;
  /** ETHERTYPE_VLAN or ETHERTYPE_QINQ; 0 until configured. */
  proto = 0;
  pcp = 0;
  /** What the parent cannot carry on top of its MTU. */
  private mtuFudge = 0;
  /** Do we keep the parent promiscuous? */
  private parentPromisc = false;

  constructor(net: Net, xname: string, unit: number) {
    this.tun = tunables(net);
    this.ifp = new Ifnet(this, 'vlan', unit, xname, IFT_L2VLAN, IFF_BROADCAST | IFF_MULTICAST, ETHERMTU);
  }

  get parent(): Ifnet | null {
    return this.trunk === null ? null : this.trunk.parent;
  }

  /** ENETDOWN: not configured, or the parent is not up; ENOBUFS: no room for an inner tag. */
  transmit(_ifp: Ifnet, m: PacketBuffer): Errno {
    const trunk = this.trunk;
    if (trunk === null || (trunk.parent.flags & UP_AND_RUNNING) !== UP_AND_RUNNING) return refuse(m, ENETDOWN);
    let pcp = m.pcp >= 0 ? m.pcp : this.pcp;
    if ((m.flags & M_VLANTAG) !== 0) {
      if ((m.vtag & EVL_VLID_MASK) === 0) pcp = evlPriOfTag(m.vtag);
      else if (!etherInsertTag(m)) return refuse(m, ENOBUFS);
    }
    m.vtag = evlMakeTag(this.vid, pcp, 0);
    m.vproto = this.proto;
    m.flags |= M_VLANTAG;
    return ifTransmit(trunk.parent, m);
  }

  flagsChanged(): void {
    this.passPromisc(true);
  }

  /** It was carried home as the same object. */
  vnetChanged(_ifp: Ifnet, to: Net): void {
    this.tun = tunables(to);
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  /** EINVAL: not configured, or more than the parent can carry. */
  setMtu(_ifp: Ifnet, mtu: number): Errno {
    const parent = this.parent;
    return parent === null || mtu > parent.mtu - this.mtuFudge || mtu < ETHERMIN - this.mtuFudge ? EINVAL : 0;
  }

  /** The parent's are used whatever is said here: work that is pending is left to the parent. */
  setCaps(): Errno {
    return 0;
  }

  /** The parent's, as it is now: what may be chosen is the parent's business. */
  media(): IfMedia | null {
    const media = this.parent === null ? null : ifMedia(this.parent);
    return media === null ? null : { ...media, supported: [media.current] };
  }

  below(): readonly Ifnet[] {
    return this.parent === null ? [] : [this.parent];
  }

  /**
   * Binds to a parent, or changes id and protocol on the same one. Errors as `vlanConfig`; on error nothing has changed. `like`: it moves, and
   * keeps what an administrator may have set otherwise than the parent has it.
   */
  configure(parent: Ifnet, vid: number, proto: number, like: IfVparams | null = null): Errno {
    if (parent.type !== IFT_ETHER && parent.type !== IFT_L2VLAN) return EPROTONOSUPPORT;
    if ((parent.flags & PARENT_FLAGS) !== PARENT_FLAGS) return EPROTONOSUPPORT;
    if (!Number.isInteger(vid) || vid < 1 || vid > EVL_VLID_MAX) return EINVAL;
    if (proto !== ETHERTYPE_VLAN && proto !== ETHERTYPE_QINQ) return EINVAL;
    if (this.trunk !== null) return this.reconfigure(this.trunk, parent, vid, proto);
    const net = parent.net;
    if (net === null) return ENXIO;
    if (ifIsAbove(parent, this.ifp)) return EINVAL;
    if (parent.trunk instanceof VlanTrunk && parent.trunk.vlans.has(vid)) return EEXIST;
    const trunk = parent.trunk instanceof VlanTrunk ? parent.trunk : new VlanTrunk(parent, net);
    this.vid = vid;
    this.proto = proto;
    this.pcp = 0;
    this.trunk = trunk;
    trunk.add(this, vid);
    this.inherit(parent, like);
    parent.net?.vlanConfigEvent.invoke({ parent, vid });
    return 0;
  }

  /** Lets go of the parent, and of nothing else: `rebind` undoes it. */
  unbind(): VlanBinding | null {
    const { trunk, vid, proto, pcp } = this;
    if (trunk === null) return null;
    const { parent } = trunk;
    this.passPromisc(false);
    trunk.remove(this);
    this.trunk = null;
    parent.net?.vlanUnconfigEvent.invoke({ parent, vid });
    return { parent, vid, proto, pcp };
  }

  /** When the parent has left its vnet meanwhile, or given the id to another vlan, it stays behind unconfigured. */
  rebind({ parent, vid }: VlanBinding): void {
    const { net } = parent;
    const others = parent.trunk instanceof VlanTrunk ? parent.trunk : null;
    if (net === null || others?.vlans.has(vid) === true) {
      this.unconfigure();
      return;
    }
    const trunk = others ?? new VlanTrunk(parent, net);
    this.trunk = trunk;
    trunk.add(this, vid);
    this.passPromisc(true);
    net.vlanConfigEvent.invoke({ parent, vid });
  }

  /** Lets go of the parent and is what it was when it was made. */
  unconfigure(): void {
    const { ifp } = this;
    this.unbind();
    this.vid = 0;
    this.proto = 0;
    ifp.mtu = ETHERMTU;
    ifp.flags &= ~IFF_RUNNING;
    ifLinkStateChange(ifp, LINK_STATE_UNKNOWN);
  }

  /** SIOCSVLANPCP. */
  setPcp(pcp: number): Errno {
    if (!Number.isInteger(pcp) || pcp < 0 || pcp > VLAN_PCP_MAX) return EINVAL;
    this.pcp = pcp;
    this.ifp.pcp = pcp;
    return 0;
  }

  /** The parent's MTU has become smaller than ours. */
  shrinkMtu(): void {
    const most = (this.parent?.mtu ?? this.ifp.mtu) - this.mtuFudge;
    if (this.ifp.mtu > most) ifChangeMtu(this.ifp, most);
  }

  private reconfigure(trunk: VlanTrunk, parent: Ifnet, vid: number, proto: number): Errno {
    if (trunk.parent !== parent) return EBUSY;
    const other = trunk.vlans.get(vid);
    if (other !== undefined && other !== this) return EEXIST;
    this.proto = proto;
    trunk.vlans.delete(this.vid);
    this.vid = vid;
    trunk.add(this, vid);
    return 0;
  }

  private inherit(parent: Ifnet, like: IfVparams | null): void {
    const ifp = this.ifp;
    this.mtuFudge = (parent.capenable & IFCAP_VLAN_MTU) !== 0 ? 0 : ETHER_VLAN_ENCAP_LEN;
    ifp.mtu = Math.min(like?.mtu ?? Infinity, parent.mtu - this.mtuFudge);
    ifp.baudrate = parent.baudrate;
    ifp.pcp = this.pcp;
    ifp.capabilities = parent.capabilities & IFCAP_LINKSTATE;
    ifp.capenable = parent.capenable & IFCAP_LINKSTATE;
    ifp.flags = (ifp.flags & ~IFF_SIMPLEX) | (parent.flags & IFF_SIMPLEX) | IFF_RUNNING;
    if (like === null && (parent.macHi !== ifp.macHi || parent.macLo !== ifp.macLo)) ifSetLladdr(ifp, parent.lladdr);
    ifLinkStateChange(ifp, parent.linkState);
    this.passPromisc(true);
  }

  /** A promiscuous vlan needs a promiscuous parent. */
  private passPromisc(on: boolean): void {
    const want = on && (this.ifp.flags & IFF_PROMISC) !== 0;
    const parent = this.parent;
    if (parent === null || want === this.parentPromisc) return;
    this.parentPromisc = want;
    ifPromisc(parent, want);
  }
}

function refuse(m: PacketBuffer, error: Errno): Errno {
  m.free();
  return error;
}

function tunables(net: Net): VlanTunables {
  const tun = net.drivers.get('vlan');
  return tun instanceof VlanTunables ? tun : new VlanTunables();
}

/** `em0.5`: parent and id; null when the name is not of that form. */
function splitName(name: string): { readonly parent: string; readonly vid: number } | null {
  const match = /^(.+)\.([0-9]+)$/.exec(name);
  return match === null ? null : { parent: match[1] ?? '', vid: Number(match[2]) };
}

/** `vlan`, `vlan5`: a name with a unit of its own. */
function isUnitName(name: string): boolean {
  return /^vlan[0-9]*$/.test(name);
}

/** The words ifconfig has for a tag protocol, or its ethertype; 0 for anything else. */
function protoOf(value: string | number | undefined): number {
  if (value === undefined || value === 0 || value === '802.1q') return ETHERTYPE_VLAN;
  if (value === '802.1ad') return ETHERTYPE_QINQ;
  return typeof value === 'number' ? value : 0;
}

/** What a creation is to be configured as; `parent` null: not at all. */
function wanted(net: Net, xname: string, params: CloneParams | null): { readonly error: Errno; readonly parent: Ifnet | null; readonly vid: number; readonly proto: number } {
  const proto = protoOf(params?.['vlanproto']);
  const refused = (error: Errno) => ({ error, parent: null, vid: 0, proto });
  const named = isUnitName(xname) ? null : splitName(xname);
  const device = params?.['vlandev'];
  const given = device === undefined ? null : net.ifunit(String(device));
  if (device !== undefined && given === null) return refused(ENXIO);
  if (named === null) return { error: 0, parent: given, vid: Number(params?.['vlan'] ?? 0), proto };
  const parent = net.ifunit(named.parent);
  if (parent === null || (given !== null && given !== parent)) return refused(EINVAL);
  return { error: 0, parent, vid: named.vid, proto };
}

function create(net: Net, _cloner: IfCloner, xname: string, unit: number, params: CloneParams | null): CloneResult {
  const want = wanted(net, xname, params);
  if (want.error !== 0) return { error: want.error, ifp: null };
  const sc = new VlanSoftc(net, xname, unit);
  etherIfattach(sc.ifp, net, new Uint8Array(NO_MAC));
  sc.ifp.baudrate = 0;
  const error = want.parent === null ? 0 : sc.configure(want.parent, want.vid, want.proto);
  if (error === 0) return { error: 0, ifp: sc.ifp };
  etherIfdetach(sc.ifp);
  return { error, ifp: null };
}

/** The binding moves first: the parent sees the id go and come, and what fails is undone. Errors as VlanSoftc.configure, ENODEV, EEXIST. */
function vmove(_cloner: IfCloner, move: IfMove): IfMoveResult {
  const { ifp, to, like } = move;
  const sc = ifp.driver;
  if (!(sc instanceof VlanSoftc)) return ifNotMoved(ENXIO);
  const binding = sc.unbind();
  if (to.ifunit(move.xname) !== null) { // taken by whoever was told
    if (binding !== null) sc.rebind(binding);
    return ifNotMoved(EEXIST);
  }
  const made = new VlanSoftc(to, move.xname, ifp.dunit);
  made.ifp.capabilities = ifp.capabilities;
  made.ifp.linkState = ifp.linkState;
  etherIfattach(made.ifp, to, like.lladdr, like);
  const error = binding === null ? 0 : made.configure(binding.parent, binding.vid, binding.proto, like);
  if (error !== 0 || ifp.net === null) {
    if (binding !== null && ifp.net !== null) sc.rebind(binding); // while the index is still the successor's, so that nobody else gets it
    etherIfdetach(made.ifp);
    made.unconfigure();
    return ifNotMoved(error === 0 ? ENODEV : error);
  }
  made.ifp.baudrate = ifp.baudrate;
  if (binding !== null) made.setPcp(binding.pcp);
  move.commit(made.ifp);
  etherIfdetach(ifp);
  sc.unconfigure();
  return ifMoved(made.ifp);
}

/** EBUSY: it is itself the parent of vlans; by force they are left behind. */
function destroy(ifp: Ifnet, _cloner: IfCloner, flags: number): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof VlanSoftc)) return EINVAL;
  if (ifp.trunk !== null && (flags & IFC_F_FORCE) === 0) return EBUSY;
  etherIfdetach(ifp);
  sc.unconfigure();
  return 0;
}

/** Parameters of creation: `vlan` (id), `vlandev` (parent), `vlanproto` ('802.1q', '802.1ad' or an ethertype). */
export const vlanCloner: IfClonerSpec = {
  name: 'vlan',
  match: (name) => isUnitName(name) || splitName(name) !== null,
  needsUnit: isUnitName,
  create,
  destroy,
  vmove,
  attach(net) {
    const tun = new VlanTunables();
    net.drivers.set('vlan', tun);
    net.kern.sysctl.attach(VLAN_SYSCTLS, tun);
  },
  detach(net) {
    const tun = net.drivers.get('vlan');
    if (tun !== undefined) net.kern.sysctl.detach(tun);
    net.drivers.delete('vlan');
  },
};

/** What a vlan is bound to, as `ifconfig vlanN` shows it. */
export interface VlanInfo {
  /** VLAN id and tag protocol's ethertype; both 0 while it is not configured. */
  readonly tag: number;
  readonly proto: number;
  readonly pcp: number;
  /** Name of the parent, null while it is not configured. */
  readonly parent: string | null;
}

/** SIOCGETVLAN. Null for what is no vlan, and for one that is not at home: who borrows it must not see. */
export function vlanInfo(ifp: Ifnet): VlanInfo | null {
  const sc = ifp.driver;
  if (!(sc instanceof VlanSoftc) || ifp.net !== ifp.homeNet) return null;
  return { tag: sc.vid, proto: sc.proto, pcp: sc.pcp, parent: sc.parent?.xname ?? null };
}

/**
 * SIOCSETVLAN: binds `ifp` to VLAN `tag` of the interface `parentName`, or changes tag and protocol on the same parent. `proto` is
 * an ethertype, 0 for 802.1Q; `pcp` 0..7, or null to leave it alone. EINVAL not a vlan, a tag that is none, a loop of parents; EPERM not at home;
 * ENOENT no such parent; EPROTONOSUPPORT the parent cannot; EBUSY bound to another parent; EEXIST the tag is taken there.
 */
export function vlanConfig(ifp: Ifnet, parentName: string, tag: number, proto = 0, pcp: number | null = null): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof VlanSoftc)) return EINVAL;
  if (ifp.net !== ifp.homeNet) return EPERM;
  const parent = ifp.net?.ifunit(parentName) ?? null;
  if (parent === null) return ENOENT;
  if (pcp !== null && (pcp < 0 || pcp > VLAN_PCP_MAX)) return EINVAL;
  const mtu = ifp.mtu;
  const error = sc.configure(parent, tag, proto === 0 ? ETHERTYPE_VLAN : proto);
  if (error !== 0) return error;
  if (ifp.mtu !== mtu) {
    ifp.net?.mtuEvent.invoke(ifp);
    ifp.net?.rtsock?.ifinfo(ifp);
  }
  return pcp === null ? 0 : sc.setPcp(pcp);
}

/** SIOCSETVLAN without a parent (`-vlandev`). EINVAL not a vlan; EPERM not at home. */
export function vlanUnconfig(ifp: Ifnet): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof VlanSoftc)) return EINVAL;
  if (ifp.net !== ifp.homeNet) return EPERM;
  sc.unconfigure();
  return 0;
}

/** SIOCSVLANPCP. EINVAL not a vlan, or not 0..7; EPERM not at home. */
export function vlanSetPcp(ifp: Ifnet, pcp: number): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof VlanSoftc)) return EINVAL;
  return ifp.net !== ifp.homeNet ? EPERM : sc.setPcp(pcp);
}
