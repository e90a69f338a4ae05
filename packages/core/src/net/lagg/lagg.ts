/**
 * lagg.ts — lagg(4): several Ethernet interfaces as one.
 * Read first: lagg(4); lagg-var.ts for its parts; freebsd `sys/net/if_lagg.c`.
 *
 * Theory of operation. A Lagg is ports, a protocol that says which port sends what and whose frames count (failover.ts, roundrobin.ts,
 * loadbalance.ts, broadcast.ts, lacp.ts, or none), and options. An interface stands for it, with the link address and the MTU of the first port; a new
 * link address of the lagg is given to all ports. The interface's driver is a LaggSoftc. When the interface moves to another vnet, another one takes its
 * place, and the ports stay where they are and go on working: what they know is the Lagg. Who borrows the interface there uses it and changes nothing
 * of the lender's: not the ports, and not what all of them have because the lagg has it (MTU, link address, capabilities).
 * Frames that come in on a port go on as frames of the lagg, before anything else looks at them; the stack sends nothing on a port by itself.
 * A port that leaves its vnet, destroyed or moved, leaves the lagg. When the first port leaves, the next one's address becomes the lagg's.
 * The lagg's counters are those of its ports since they joined, and of those that have left.
 *
 * Invariants: `port.ifp.lagg === port` exactly while the port is in `ports`; `primary` is null only without ports; ports are in the order of their
 * interfaces' indexes, and all in one vnet; no lagg is a port of another, and none sends through itself.
 * Not here: the requests ifconfig makes (lagg-control.ts).
 */
import type { Errno } from '../../base/errno.js';
import { EBUSY, EEXIST, EINVAL, ENODEV, ENOSPC, ENXIO, EPERM, EPROTONOSUPPORT } from '../../base/errno.js';
import type { Engine } from '../../kern/engine.js';
import type { VnetKern } from '../../kern/vnet-kern.js';
import type { PacketBuffer } from '../../mbuf/packet-buffer.js';
import { ETHERMTU } from '../../wire/ether.js';
import { BPF_D_IN } from '../bpf.js';
import { etherIfattach, etherIfdetach } from '../ether.js';
import type { CloneResult, IfCloner, IfClonerSpec } from '../if-clone.js';
import { IFM_AUTO, IFM_ETHER, ifmediaMatch } from '../if-media.js';
import type { IfMedia } from '../if-media.js';
import { ifMoved, ifNotMoved } from '../if-move.js';
import type { IfMove, IfMoveResult } from '../if-move.js';
import { ifChangeCaps, ifChangeMtu, ifCounters, ifIsAbove, ifLinkStateChange, ifSetLladdr, ifUp } from '../if.js';
import {
  IFCAP_HWSTATS, IFF_BROADCAST, IFF_MONITOR, IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_ETHER, IFT_L2VLAN, IfData, Ifnet, LINK_STATE_DOWN, LINK_STATE_UP,
} from '../ifnet.js';
import type { IfDriver } from '../ifnet.js';
import type { Net } from '../net.js';
import { Broadcast } from './broadcast.js';
import { Failover } from './failover.js';
import { LAGG_F_HASHMASK, laggHashKey } from './flow-hash.js';
import { Lacp } from './lacp.js';
import { laggPortAttach, laggPortDetach, laggPortFlags, laggPortMulti } from './lagg-port.js';
import type { LaggPortEvents } from './lagg-port.js';
import { laggVnet, laggVnetAttach, laggVnetDetach } from './lagg-tunables.js';
import type { LacpStat, LaggTunables } from './lagg-tunables.js';
import {
  LAGG_MAX_PORTS, LAGG_OPT_USE_FLOWID, LAGG_OPT_USE_NUMA, LAGG_PROTO_BROADCAST, LAGG_PROTO_DEFAULT, LAGG_PROTO_FAILOVER, LAGG_PROTO_LACP, LAGG_PROTO_LOADBALANCE, LAGG_PROTO_NONE,
  LAGG_PROTO_ROUNDROBIN,
} from './lagg-var.js';
import type { LaggPort, LaggProtoNumber, LaggProtocol, LaggShared } from './lagg-var.js';
import { LoadBalance } from './loadbalance.js';
import { RoundRobin } from './roundrobin.js';

const MEDIUM = IFM_ETHER | IFM_AUTO;
/** A lagg without ports has no link address. */
const NO_MAC = new Uint8Array(6);

function newProtocol(number: LaggProtoNumber, lagg: LaggShared): LaggProtocol | null {
  switch (number) {
    case LAGG_PROTO_NONE:
      return null;
    case LAGG_PROTO_ROUNDROBIN:
      return new RoundRobin(lagg);
    case LAGG_PROTO_FAILOVER:
      return new Failover(lagg);
    case LAGG_PROTO_LOADBALANCE:
      return new LoadBalance(lagg);
    case LAGG_PROTO_LACP:
      return new Lacp(lagg);
    case LAGG_PROTO_BROADCAST:
      return new Broadcast(lagg);
  }
}

/** Ports, protocol and options. */
export class Lagg implements LaggShared, LaggPortEvents {
  readonly engine: Engine;
  readonly hashKey: number;
  ifp: Ifnet;
  kern: VnetKern;
  tun: LaggTunables;
  stat: LacpStat;
  ports: readonly LaggPort[] = [];
  primary: LaggPort | null = null;
  protocol: LaggProtocol | null;
  hashFlags = LAGG_F_HASHMASK;
  opts: number;
  flowidShift: number;
  active = 0;
  flapping = 0;
  portErrors = 0;
  /** What ports that have left carried while they were ports. */
  private readonly detached = new IfData();
  private destroying = false;

  /** @param ifp the interface that stands for it, made for `net`. */
  constructor(net: Net, ifp: Ifnet) {
    const v = laggVnet(net);
    this.engine = net.kern.engine;
    this.kern = net.kern;
    this.tun = v.tun;
    this.stat = v.stats;
    this.ifp = ifp;
    this.hashKey = laggHashKey(this.engine.rng.split(`lagg/${net.kern.id}/${ifp.xname}`).u32());
    this.opts = (v.tun.defaultUseFlowid !== 0 ? LAGG_OPT_USE_FLOWID : 0) | (v.tun.defaultUseNuma !== 0 ? LAGG_OPT_USE_NUMA : 0);
    this.flowidShift = v.tun.defaultFlowidShift;
    this.protocol = newProtocol(LAGG_PROTO_DEFAULT, this);
  }

  /** `ifp`, in `net`, stands for it from now on. Ports, protocol and options stay; counters begin anew, as those of any interface that moves. */
  standIn(net: Net, ifp: Ifnet): void {
    const v = laggVnet(net);
    this.kern = net.kern;
    this.tun = v.tun;
    this.stat = v.stats;
    this.ifp = ifp;
    this.protocol?.moved?.();
    this.portErrors = 0;
    Object.assign(this.detached, new IfData());
    for (const port of this.ports) {
      port.countFrom(ifCounters(port.ifp));
      laggPortFlags(port, true);
      laggPortMulti(port, ifp.multiaddrs.map((a) => a.mac));
    }
  }

  /** Are its ports in another vnet than its interface? They are the lender's then, and so is what it does with them. */
  get isElsewhere(): boolean {
    const { primary } = this;
    return primary !== null && primary.ifp.net !== this.ifp.net;
  }

  input(port: LaggPort, m: PacketBuffer): Ifnet | null {
    const { ifp } = this;
    if ((ifp.flags & IFF_RUNNING) === 0 || port.detaching || this.protocol === null) {
      m.free();
      return null;
    }
    if (!this.protocol.input(port, m)) return null;
    m.rcvif = ifp.index;
    if (ifp.bpf !== null) ifp.bpf.tap(ifp, m, BPF_D_IN);
    if ((ifp.flags & IFF_MONITOR) === 0) return ifp;
    m.free();
    return null;
  }

  /** SIOCSLAGG. */
  setProtocol(number: LaggProtoNumber): void {
    this.protocol?.detach?.();
    this.protocol = null;
    this.protocol = newProtocol(number, this);
    this.linkState();
  }

  /**
   * SIOCSLAGGPORT. EPERM its ports are elsewhere; EINVAL the lagg itself, another lagg, one that sends through this one, or an MTU that does not fit; ENOSPC too many ports; EEXIST a port
   * already, EBUSY another lagg's; EPROTONOSUPPORT not Ethernet.
   */
  addPort(ifp: Ifnet): Errno {
    const refused = this.mayJoin(ifp);
    if (refused !== 0) return refused;
    const isFirst = this.ports.length === 0;
    const mtuBefore = ifp.mtu;
    if (!isFirst && ifp.mtu !== this.ifp.mtu) {
      const error = ifChangeMtu(ifp, this.ifp.mtu);
      if (error !== 0) {
        this.kern.log('notice', `${this.ifp.xname}: invalid MTU for ${ifp.xname}`);
        return error;
      }
    }
    const port = laggPortAttach(this, ifp, this);
    if (isFirst) {
      this.primary = port;
      this.bearLladdr(port.lladdr);
    } else {
      ifSetLladdr(ifp, this.ifp.lladdr);
    }
    laggPortFlags(port, true);
    this.ports = [...this.ports, port].sort((a, b) => a.ifp.index - b.ifp.index);
    laggPortMulti(port, this.ifp.multiaddrs.map((a) => a.mac));
    const error = this.protocol?.addPort?.(port) ?? 0;
    if (error !== 0) {
      this.dropPort(port);
      if (ifp.mtu !== mtuBefore) ifChangeMtu(ifp, mtuBefore);
      return error;
    }
    this.capabilities();
    this.linkState();
    if (isFirst) this.bearMtu(ifp.mtu);
    return 0;
  }

  /** SIOCSLAGGDELPORT, and what happens to a port that leaves its vnet. */
  removePort(port: LaggPort): void {
    this.protocol?.removePort?.(port);
    this.dropPort(port);
  }

  departed(port: LaggPort): void {
    port.detaching = true;
    this.removePort(port);
  }

  portLinkState(port: LaggPort): void {
    this.linkState();
    this.protocol?.portLinkState?.(port);
  }

  /** Capabilities: what all ports can, and what all have in force; that is then what each has, if its driver lets itself be told. */
  capabilities(): void {
    const { ifp, ports } = this;
    let capabilities = ports.length === 0 ? 0 : 0xffff_ffff;
    let capenable = capabilities;
    for (const port of ports) {
      capabilities = (capabilities & port.ifp.capabilities) >>> 0;
      capenable = (capenable & port.ifp.capenable) >>> 0;
    }
    for (const port of ports) if (port.ifp.capenable !== capenable) ifChangeCaps(port.ifp, capenable);
    ifp.capabilities = capabilities;
    ifp.capenable = capenable;
  }

  /** The lagg came up: ports get the address it has now. */
  init(): void {
    const { ifp } = this;
    if ((ifp.flags & IFF_RUNNING) !== 0) return;
    ifp.flags |= IFF_RUNNING;
    this.giveLladdr(ifp.lladdr);
    this.protocol?.init?.();
  }

  stop(): void {
    const { ifp } = this;
    if ((ifp.flags & IFF_RUNNING) === 0) return;
    ifp.flags &= ~IFF_RUNNING;
    this.protocol?.stop?.();
  }

  /** Every port bears `mac`. */
  giveLladdr(mac: Uint8Array): void {
    for (const { ifp } of this.ports) if (!sameMac(ifp.lladdr, mac)) ifSetLladdr(ifp, mac);
  }

  destroy(): void {
    this.destroying = true;
    this.stop();
    for (const port of this.ports) this.removePort(port);
    this.protocol?.detach?.();
    this.protocol = null;
  }

  /** Its own (what ports never saw), its ports' since they joined, those of ports that have left. */
  counters(): IfData {
    const sum = Object.assign(new IfData(), this.ifp.data);
    addSince(sum, this.detached, null);
    for (const port of this.ports) addSince(sum, ifCounters(port.ifp), port.countersAtJoin);
    sum.oerrors -= this.portErrors;
    return sum;
  }

  private mayJoin(ifp: Ifnet): Errno {
    if (this.isElsewhere) return EPERM;
    if (ifp === this.ifp) {
      this.kern.log('notice', `${this.ifp.xname}: cannot add a lagg to itself as a port`);
      return EINVAL;
    }
    if (this.destroying) return ENXIO;
    if (this.ports.length >= LAGG_MAX_PORTS) return ENOSPC;
    if (ifp.lagg !== null) return this.ports.some((p) => p.ifp === ifp) ? EEXIST : EBUSY;
    if (ifp.type !== IFT_ETHER && ifp.type !== IFT_L2VLAN) return EPROTONOSUPPORT;
    return ifp.driver instanceof LaggSoftc || ifIsAbove(ifp, this.ifp) ? EINVAL : 0;
  }

  /** The port is not in the protocol's hands any more. */
  private dropPort(port: LaggPort): void {
    const { ifp } = port;
    addSince(this.detached, ifCounters(ifp), port.countersAtJoin);
    this.ports = this.ports.filter((p) => p !== port);
    if (port === this.primary) {
      this.primary = this.ports[0] ?? null;
      if (!this.destroying) {
        this.bearLladdr(this.primary?.lladdr ?? NO_MAC);
        if (this.primary !== null) this.giveLladdr(this.primary.lladdr);
      }
    }
    laggPortDetach(port);
    this.capabilities();
    this.linkState();
  }

  private bearLladdr(mac: Uint8Array): void {
    this.ifp.storeLladdr(mac);
    this.protocol?.lladdr?.();
    this.ifp.net?.lladdrEvent.invoke(this.ifp);
  }

  private bearMtu(mtu: number): void {
    const { ifp } = this;
    if (ifp.mtu === mtu) return;
    ifp.mtu = mtu;
    ifp.net?.mtuEvent.invoke(ifp);
    ifp.net?.rtsock?.ifinfo(ifp);
  }

  /** The link is up when a port's is; with LACP, while a port distributes, as LACP says. */
  private linkState(): void {
    const { ifp, ports, protocol } = this;
    if (protocol instanceof Lacp) {
      if (this.active === 0) ifLinkStateChange(ifp, LINK_STATE_DOWN);
      return;
    }
    ifLinkStateChange(ifp, ports.some((p) => p.ifp.linkState === LINK_STATE_UP) ? LINK_STATE_UP : LINK_STATE_DOWN);
    if (protocol instanceof Failover) ifp.baudrate = this.primary?.ifp.baudrate ?? 0;
    else if (protocol !== null) ifp.baudrate = ports.reduce((sum, p) => sum + p.ifp.baudrate, 0);
  }
}

/** Adds to `sum` what `now` has more than `then`. */
function addSince(sum: IfData, now: IfData, then: IfData | null): void {
  for (const key of Object.keys(sum) as (keyof IfData)[]) sum[key] += now[key] - (then?.[key] ?? 0);
}

function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}

/** The interface that stands for a Lagg. */
export class LaggSoftc implements IfDriver {
  readonly ifp: Ifnet;
  /** What it stands for; null before, and when another interface has taken its place. */
  lagg: Lagg | null = null;

  constructor(xname: string, unit: number) {
    this.ifp = new Ifnet(this, 'lagg', unit, xname, IFT_ETHER, IFF_SIMPLEX | IFF_BROADCAST | IFF_MULTICAST, ETHERMTU);
    this.ifp.capabilities = IFCAP_HWSTATS;
    this.ifp.capenable = IFCAP_HWSTATS;
  }

  /** ENXIO: no protocol, or no ports; else as the protocol says. */
  transmit(_ifp: Ifnet, m: PacketBuffer): Errno {
    const { lagg } = this;
    if (lagg !== null && lagg.protocol !== null && lagg.ports.length > 0) return lagg.protocol.start(m);
    m.free();
    return ENXIO;
  }

  flagsChanged(ifp: Ifnet): void {
    const { lagg } = this;
    if (lagg === null) return;
    for (const port of lagg.ports) laggPortFlags(port, true);
    if ((ifp.flags & IFF_UP) !== 0) lagg.init();
    else lagg.stop();
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  /** Every port's MTU or none's. EPERM: they are elsewhere; what it has already may be said, as a bridge says it to a new member. */
  setMtu(ifp: Ifnet, mtu: number): Errno {
    if (this.isElsewhere) return mtu === ifp.mtu ? 0 : EPERM;
    for (const port of this.ports) {
      const error = ifChangeMtu(port.ifp, mtu);
      if (error === 0) continue;
      ifp.net?.kern.log('notice', `${ifp.xname}: failed to change MTU to ${mtu} on port ${port.ifp.xname}, reverting all ports to original MTU (${ifp.mtu})`);
      for (const back of this.ports) ifChangeMtu(back.ifp, ifp.mtu);
      return error;
    }
    return 0;
  }

  /** Ports follow while the lagg is up, and when it comes up. EPERM: they are elsewhere. */
  setLladdr(ifp: Ifnet, mac: Uint8Array): Errno {
    if (this.isElsewhere) return EPERM;
    if (ifp.isUp) this.lagg?.giveLladdr(mac);
    return 0;
  }

  /** What comes of it is in what the ports say. EPERM: they are elsewhere. */
  setCaps(_ifp: Ifnet, caps: number): Errno {
    if (this.isElsewhere) return EPERM;
    for (const port of this.ports) ifChangeCaps(port.ifp, caps);
    return 0;
  }

  capsChanged(): void {
    this.lagg?.capabilities();
  }

  multiChanged(ifp: Ifnet): void {
    for (const port of this.ports) laggPortMulti(port, ifp.multiaddrs.map((a) => a.mac));
  }

  counters(ifp: Ifnet): IfData {
    return this.lagg?.counters() ?? ifp.data;
  }

  below(): readonly Ifnet[] {
    return this.ports.map((p) => p.ifp);
  }

  media(): IfMedia {
    return { current: MEDIUM, effective: MEDIUM, active: this.ports.some((p) => p.isActive), supported: [MEDIUM] };
  }

  setMedia(_ifp: Ifnet, word: number): Errno {
    return ifmediaMatch([MEDIUM], word);
  }

  private get isElsewhere(): boolean {
    return this.lagg !== null && this.lagg.isElsewhere;
  }

  private get ports(): readonly LaggPort[] {
    return this.lagg?.ports ?? [];
  }
}

/** The lagg behind `ifp`, or null for another kind of interface. */
export function laggOf(ifp: Ifnet): Lagg | null {
  return ifp.driver instanceof LaggSoftc ? ifp.driver.lagg : null;
}

function create(net: Net, _cloner: IfCloner, xname: string, unit: number): CloneResult {
  const sc = new LaggSoftc(xname, unit);
  sc.lagg = new Lagg(net, sc.ifp);
  etherIfattach(sc.ifp, net, NO_MAC);
  return { error: 0, ifp: sc.ifp };
}

function destroy(ifp: Ifnet): Errno {
  const lagg = laggOf(ifp);
  if (lagg === null) return EINVAL;
  lagg.stop();
  ifp.flags &= ~IFF_UP;
  lagg.destroy();
  etherIfdetach(ifp);
  return 0;
}

/** A new interface stands for the same Lagg. ENODEV: it was destroyed meanwhile. */
function vmove(_cloner: IfCloner, move: IfMove): IfMoveResult {
  const { ifp, to, like } = move;
  const sc = ifp.driver;
  const lagg = laggOf(ifp);
  if (!(sc instanceof LaggSoftc) || lagg === null) return ifNotMoved(ENXIO);
  const made = new LaggSoftc(move.xname, ifp.dunit);
  made.ifp.capabilities = ifp.capabilities;
  made.ifp.linkState = ifp.linkState;
  made.ifp.baudrate = ifp.baudrate;
  etherIfattach(made.ifp, to, like.lladdr, like);
  if (ifp.net === null || made.ifp.net !== to) {
    etherIfdetach(made.ifp);
    return ifNotMoved(ENODEV);
  }
  lagg.standIn(to, made.ifp);
  sc.lagg = null;
  made.lagg = lagg;
  if (made.ifp.isUp) lagg.init();
  move.commit(made.ifp);
  etherIfdetach(ifp);
  return ifMoved(made.ifp);
}

export const laggCloner: IfClonerSpec = { name: 'lagg', create, destroy, vmove, attach: laggVnetAttach, detach: laggVnetDetach };
