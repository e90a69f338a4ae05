/**
 * stf.ts — stf(4): IPv6 packets in IPv4 ones, to wherever the IPv6 address says: 6to4 and 6rd.
 * Read first: RFC 3056 (6to4), RFC 5969 (6rd), RFC 3964 (the dangers); wire/ip6-over-ip4.ts; stf(4); freebsd `sys/net/if_stf.c`.
 *
 * Theory of operation. There is no pair of outer addresses: the own one and the far one are computed from IPv6 addresses. *Own*: the first
 * IPv6 address of the interface whose IPv4 address is one of this vnet's; with `stfv4net` (6rd) the IPv4 address is given. *Far*: that of the
 * packet's destination when it is in the own prefix, else the border relay (`stfv4br`), else that of the gateway of its route.
 * Input takes what is sent to the own address, in 6to4 from within the own prefix, and believes nothing: outer and inner addresses that
 * cannot be, or that did not come from where they are reached, private ones in 6to4, and packets that would leave where they came in are
 * dropped and counted as `ierrors`. LINK0 switches input off, LINK1 full ECN on, LINK2 the check of where a packet came from off.
 *
 * A vnet makes one stf, stf0. The cloner answers to `6to4` too, and refuses it: FreeBSD reads a bad unit number in that name.
 * Others may have moved in.
 *
 * IPv6 is above, and has three doors here: `checkAddr` says which addresses may be set, `stfOutput` sends with a gateway, and `StfVnet.lookup6` is
 * where it says how a packet goes on.
 * Not here: the outer header (inet/in-stf.ts).
 *
 * @rfc 3056 yes
 * @rfc 5969 yes
 */
import type { Errno } from '../base/errno.js';
import { EAFNOSUPPORT, EINVAL, EIO, ENETDOWN, ENETUNREACH, ENOBUFS } from '../base/errno.js';
import { sysctlInt, sysctlRead } from '../kern/sysctl.js';
import type { SysctlGroup } from '../kern/sysctl.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import type { PacketQueue } from '../mbuf/packet-queue.js';
import { ip4IsPrivate, ip4MaskOf } from '../wire/addr.js';
import { ip6Equals, ip6IsV4Mapped } from '../wire/addr6.js';
import { IP4_HDR_LEN, ip4Dst, ip4Src, ip4Tos } from '../wire/ip4.js';
import { IP6_DST, IP6_HDR_LEN, IP6_SRC, IPV6_MMTU, IPV6_VERSION } from '../wire/ip6.js';
import { ip4IsNoTunnelEnd, ip4Of6rd, ip4Of6to4, ip6Is6to4, ip6IsV4Compat } from '../wire/ip6-over-ip4.js';
import { HOPS_MAX } from './ether.js';
import type { CloneParams, CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifDemux } from './if-demux.js';
import { ifDetach } from './if-detach.js';
import { ifAttach, ifUp } from './if.js';
import { isIfAddr6 } from './ifaddr.js';
import type { IfAddr, IfAddr6 } from './ifaddr.js';
import { ifTransmit } from './if-transmit.js';
import { IFF_LINK0, IFF_LINK1, IFF_LINK2, IFF_RUNNING, IF_MAXMTU, IFT_STF, Ifnet } from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';
import { finishChecksums } from './offload.js';
import { ecnEgress, ecnIngress, ipTos } from './tunnel-ecn.js';
import { TunnelInput } from './tunnel-input.js';
import { TunnelOutput, tunnelEnter } from './tunnel-output.js';
import { refuse } from './tunnel-softc.js';

const STF = 'stf';
/** The one unit, and the names that ask for it. */
const STF_UNIT = 0;
const STF_NAMES = ['stf0', 'stf', '6to4'];
const PLEN4_MAX = 32;
/** Bits of a 6to4 prefix before its IPv4 address. */
const PLEN_6TO4 = 16;

/** The network protocol that carries a vnet's stfs. */
export interface StfCarrier {
  /** Puts an outer header before `m` and sends it. Owns `m`. */
  output(m: PacketBuffer, src: number, dst: number, tos: number): Errno;
  /** Is it an address of this vnet? */
  isLocal(addr: number): boolean;
  /** … the broadcast address of one of its networks? */
  isBroadcast(addr: number): boolean;
  /** Is `addr` reached through `ifp`? */
  cameFrom(ifp: Ifnet, addr: number, fib: number): boolean;
}

/** Where IPv6 would send a packet. */
export interface StfRoute6 {
  readonly ifp: Ifnet;
  readonly gateway: Uint8Array | null;
}

/** What all vnets share. */
class StfTunables {
  /** `net.link.stf.permit_rfc1918` */
  permitPrivate = 0;
}

/** The stfs of a vnet. */
export class StfVnet {
  readonly tun: StfTunables;
  carrier: StfCarrier | null = null;
  /** IPv6's routing table, for the destination at `off`; null while there is no IPv6. */
  lookup6: ((fib: number, bytes: Uint8Array, off: number) => StfRoute6 | null) | null = null;
  /** Those in the vnet now. */
  softcs: readonly StfSoftc[] = [];

  constructor(tun: StfTunables) {
    this.tun = tun;
  }
}

const PERMIT_HELP = 'Permit the use of private IPv4 addresses';
const STF_SYSCTLS: SysctlGroup<StfTunables> = {
  prefix: 'net.link.stf',
  oids: [sysctlInt<StfTunables, 'permitPrivate'>('permit_rfc1918', 'permitPrivate', 'bool', 0, 1, PERMIT_HELP)],
};
/** What a jail sees of it. */
const STF_READINGS: SysctlGroup<StfTunables> = {
  prefix: 'net.link.stf',
  oids: [sysctlRead('permit_rfc1918', 'int', 'bool', PERMIT_HELP, (tun) => tun.permitPrivate)],
};

/** The stfs of `net`, null where there is no stf cloner. */
export function stfVnet(net: Net): StfVnet | null {
  const v = net.drivers.get(STF);
  return v instanceof StfVnet ? v : null;
}

/** What `stfv4net` and `stfv4br` set. */
export interface StfParams {
  /** Our IPv4 address in a 6rd domain; 0: none given. */
  readonly srcv4: number;
  /** Bits that all IPv4 addresses of the domain have in common; 0 while nothing was set. */
  readonly plen4: number;
  /** The border relay; 0: none. */
  readonly relay: number;
}

export class StfSoftc implements IfDriver, StfParams {
  readonly ifp: Ifnet;
  srcv4 = 0;
  plen4 = 0;
  relay = 0;
  /** The gateway of the packet being sent. */
  gateway: Uint8Array | null = null;
  private readonly vnet: StfVnet | null;
  private readonly up: TunnelInput;
  private readonly down = new TunnelOutput((m) => this.encapsulate(m));

  constructor(net: Net, xname: string, unit: number) {
    this.vnet = stfVnet(net);
    this.ifp = new Ifnet(this, STF, unit, xname, IFT_STF, 0, IPV6_MMTU);
    this.ifp.input = ifDemux;
    this.up = new TunnelInput(this.ifp, net);
    if (this.vnet !== null) this.vnet.softcs = [...this.vnet.softcs, this];
  }

  /** ENETDOWN: not up, or no own address; ENETUNREACH: no far address; EAFNOSUPPORT: not IPv6; EIO: in a circle; ENOBUFS; else what IP says. */
  transmit(ifp: Ifnet, m: PacketBuffer): Errno {
    if (!ifp.isUp || this.vnet?.carrier === null) return refuse(m, ENETDOWN);
    if (m.hops >= HOPS_MAX) return refuse(m, EIO);
    return this.down.send(m, 0);
  }

  setMtu(_ifp: Ifnet, mtu: number): Errno {
    return mtu < IPV6_MMTU || mtu > IF_MAXMTU - IP4_HDR_LEN ? EINVAL : 0;
  }

  /** EAFNOSUPPORT: not IPv6; EINVAL: no IPv4 address can be made of it. */
  checkAddr(_ifp: Ifnet, ifa: IfAddr): Errno {
    if (!isIfAddr6(ifa)) return EAFNOSUPPORT;
    return this.embedded(ifa.addr, 0, ifa.plen) < 0 ? EINVAL : 0;
  }

  addrAdded(ifp: Ifnet): void {
    ifp.flags |= IFF_RUNNING;
    ifUp(ifp);
  }

  rcvq(): PacketQueue {
    return this.up.rcvq;
  }

  queued(): number {
    return this.up.length;
  }

  detach(): void {
    if (this.vnet !== null) this.vnet.softcs = this.vnet.softcs.filter((sc) => sc !== this);
    ifDetach(this.ifp);
    this.up.purge();
  }

  /** Is a packet with these outer addresses for this interface? */
  matches(src: number, dst: number): boolean {
    const { ifp } = this;
    if (!ifp.isUp || (ifp.flags & IFF_LINK0) !== 0) return false;
    const own = this.ownAddr();
    if (own === null || this.ownAddr4(own) !== dst) return false;
    if (!ip6Is6to4(own.addr)) return true;
    const mask = ip4MaskOf(Math.min(PLEN4_MAX, Math.max(0, own.plen - PLEN_6TO4)));
    return ((src ^ dst) & mask) === 0;
  }

  /** A packet for it came in on `from`; `m.off` at the outer header of `hlen` bytes. Owns `m`. */
  input(from: Ifnet, m: PacketBuffer, hlen: number): void {
    const v = m.view;
    const src = ip4Src(v, m.off);
    const dst = ip4Dst(v, m.off);
    const tos = ip4Tos(v, m.off);
    m.adj(hlen);
    const ok = m.len >= IP6_HDR_LEN && m.buf[m.off]! >> 4 === IPV6_VERSION && this.isPlausible4(dst, null) && this.isPlausible4(src, from)
      && this.isPlausible6(m, IP6_DST, null) && this.isPlausible6(m, IP6_SRC, from) && !this.isPrivate6to4(m, src, dst) && !this.wouldReturn(m)
      && ecnEgress(m, tos, this.isEcnFull);
    if (ok) this.up.enqueue(m);
    else this.up.error(m);
  }

  private encapsulate(m: PacketBuffer): Errno {
    const carrier = this.vnet?.carrier ?? null;
    const own = this.ownAddr();
    if (carrier === null || own === null) return refuse(m, ENETDOWN);
    if (m.len < IP6_HDR_LEN || m.buf[m.off]! >> 4 !== IPV6_VERSION) return refuse(m, EAFNOSUPPORT);
    const src = this.ownAddr4(own);
    const dst = this.farAddr4(m, own);
    if (src < 0 || dst < 0) return refuse(m, ENETUNREACH);
    if (!finishChecksums(m, 0)) return refuse(m, ENOBUFS);
    tunnelEnter(m, this.ifp.tunnelFib);
    return carrier.output(m, src, dst, ecnIngress(ipTos(m), this.isEcnFull));
  }

  private get isEcnFull(): boolean {
    return (this.ifp.flags & IFF_LINK1) !== 0;
  }

  /** The first IPv6 address of the interface whose IPv4 address is ours. */
  private ownAddr(): IfAddr6 | null {
    const carrier = this.vnet?.carrier ?? null;
    if (carrier === null) return null;
    const { addrs } = this.ifp;
    for (let i = 0; i < addrs.length; i++) {
      const ifa = addrs[i]!;
      if (!isIfAddr6(ifa)) continue;
      const addr4 = this.ownAddr4(ifa);
      if (addr4 >= 0 && carrier.isLocal(addr4)) return ifa;
    }
    return null;
  }

  /** The outer address that goes with it; -1: none. */
  private ownAddr4(own: IfAddr6): number {
    return this.srcv4 !== 0 ? this.srcv4 : this.embedded(own.addr, 0, own.plen);
  }

  /** Where to send `m`; -1: nowhere. */
  private farAddr4(m: PacketBuffer, own: IfAddr6): number {
    const direct = this.embeddedInPrefix(m.buf, m.off + IP6_DST, own);
    if (direct >= 0) return direct;
    if (this.relay !== 0) return this.relay;
    return this.gateway === null ? -1 : this.embeddedInPrefix(this.gateway, 0, own);
  }

  private embeddedInPrefix(bytes: Uint8Array, off: number, own: IfAddr6): number {
    return isInPrefix(bytes, off, own) ? this.embedded(bytes, off, own.plen) : -1;
  }

  /** The IPv4 address inside the address at `off`, which has our prefix of `plen` bits; -1: none, or a private one that may not be used. */
  private embedded(bytes: Uint8Array, off: number, plen: number): number {
    if (!ip6Is6to4(bytes, off)) return ip4Of6rd(bytes, off, plen, this.srcv4, this.plen4);
    const addr = ip4Of6to4(bytes, off);
    return this.isRefusedPrivate(addr) ? -1 : addr;
  }

  private isRefusedPrivate(addr: number): boolean {
    return ip4IsPrivate(addr) && this.vnet?.tun.permitPrivate !== 1;
  }

  /** Can somebody have this address; with `from`: somebody there? */
  private isPlausible4(addr: number, from: Ifnet | null): boolean {
    const carrier = this.vnet?.carrier ?? null;
    if (carrier === null || ip4IsNoTunnelEnd(addr) || carrier.isBroadcast(addr)) return false;
    return from === null || (this.ifp.flags & IFF_LINK2) !== 0 || carrier.cameFrom(from, addr, this.ifp.tunnelFib);
  }

  private isPlausible6(m: PacketBuffer, at: number, from: Ifnet | null): boolean {
    const off = m.off + at;
    if (ip6Is6to4(m.buf, off)) return this.isPlausible4(ip4Of6to4(m.buf, off), from);
    return !ip6IsV4Compat(m.buf, off) && !ip6IsV4Mapped(m.buf, off);
  }

  /** RFC 3056 §2: a 6to4 address is never made of a private one. */
  private isPrivate6to4(m: PacketBuffer, src: number, dst: number): boolean {
    return (ip6Is6to4(m.buf, m.off + IP6_SRC) && this.isRefusedPrivate(src)) || (ip6Is6to4(m.buf, m.off + IP6_DST) && this.isRefusedPrivate(dst));
  }

  /** Would IPv6 drop it, or send it back out of this interface, to another than its sender? */
  private wouldReturn(m: PacketBuffer): boolean {
    const lookup6 = this.vnet?.lookup6 ?? null;
    if (lookup6 === null) return false;
    const nh = lookup6(this.ifp.fib, m.buf, m.off + IP6_DST);
    if (nh === null) return true;
    return nh.ifp === this.ifp && (nh.gateway === null || !ip6Equals(m.buf, nh.gateway, m.off + IP6_SRC));
  }
}

function isInPrefix(bytes: Uint8Array, off: number, own: IfAddr6): boolean {
  const whole = own.plen >>> 3;
  for (let i = 0; i < whole; i++) if (bytes[off + i] !== own.addr[i]) return false;
  const rest = own.plen & 7;
  return rest === 0 || ((bytes[off + whole]! ^ own.addr[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}

/** Sends an IPv6 packet whose route has a gateway. Owns `m`. */
export function stfOutput(ifp: Ifnet, m: PacketBuffer, gateway: Uint8Array | null): Errno {
  const sc = ifp.driver;
  if (sc instanceof StfSoftc) sc.gateway = gateway;
  const error = ifTransmit(ifp, m);
  if (sc instanceof StfSoftc) sc.gateway = null;
  return error;
}

/** The parameters of an stf that moves. */
class StfKept implements StfParams {
  readonly srcv4: number;
  readonly plen4: number;
  readonly relay: number;

  constructor(params: StfParams | null) {
    this.srcv4 = params?.srcv4 ?? 0;
    this.plen4 = params?.plen4 ?? 0;
    this.relay = params?.relay ?? 0;
  }
}

/** The one unit is reserved here, because whatever name asks for it the answer is that it is taken; a move has it already. */
function create(net: Net, cloner: IfCloner, name: string, _unit: number, _params: CloneParams | null, like: IfVparams | null): CloneResult {
  if (like === null && name === '6to4') return { error: EINVAL, ifp: null };
  const { error } = like === null ? cloner.allocUnit(STF_UNIT) : { error: 0 };
  if (error !== 0) return { error, ifp: null };
  const { ifp } = new StfSoftc(net, like === null ? `${STF}${STF_UNIT}` : name, STF_UNIT);
  ifAttach(ifp, net, like);
  return { error: 0, ifp };
}

function destroy(ifp: Ifnet): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof StfSoftc)) return EINVAL;
  sc.detach();
  return 0;
}

/** EEXIST for a second one, whatever it is asked for as. */
export const stfCloner: IfClonerSpec = {
  name: STF,
  maxUnit: STF_UNIT,
  match: (name) => STF_NAMES.includes(name),
  needsUnit: () => false,
  create,
  destroy,
  saveParams: (ifp) => new StfKept(stfParams(ifp)),
  applyParams(ifp, saved) {
    const sc = ifp.driver;
    if (!(sc instanceof StfSoftc) || !(saved instanceof StfKept)) return EINVAL;
    sc.srcv4 = saved.srcv4;
    sc.plen4 = saved.plen4;
    sc.relay = saved.relay;
    return 0;
  },
  attach(net) {
    const known = net.shared.drivers.get(STF);
    const tun = known instanceof StfTunables ? known : new StfTunables();
    net.shared.drivers.set(STF, tun);
    const vnet = new StfVnet(tun);
    net.drivers.set(STF, vnet);
    if (net.kern.id === 0) net.kern.sysctl.attach(STF_SYSCTLS, tun);
    else net.kern.sysctl.attach(STF_READINGS, tun);
  },
  detach(net) {
    const vnet = stfVnet(net);
    if (vnet !== null) net.kern.sysctl.detach(vnet.tun);
    net.drivers.delete(STF);
  },
};

/** null: not an stf. */
export function stfParams(ifp: Ifnet): StfParams | null {
  return ifp.driver instanceof StfSoftc ? ifp.driver : null;
}

/** `stfv4net ADDR/LEN`. EINVAL: not an stf, or LEN not 1..32. */
export function stfSetNet(ifp: Ifnet, addr: number, plen: number): Errno {
  const sc = ifp.driver;
  if (!(sc instanceof StfSoftc) || !Number.isInteger(plen) || plen < 1 || plen > PLEN4_MAX) return EINVAL;
  sc.srcv4 = addr;
  sc.plen4 = plen;
  return 0;
}

/** `stfv4br ADDR`. EINVAL: not an stf. */
export function stfSetRelay(ifp: Ifnet, addr: number): Errno {
  if (!(ifp.driver instanceof StfSoftc)) return EINVAL;
  ifp.driver.relay = addr;
  return 0;
}
