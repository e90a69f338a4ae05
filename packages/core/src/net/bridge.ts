/**
 * bridge.ts — bridge(4): the interface, its members, and everything an administrator does to it.
 * Read first: bridge(4), ifconfig(8) "Bridge Interface Parameters"; bridge-forward.ts for what happens to frames.
 *
 * Theory of operation. A bridge is an Ethernet interface with an address of its own and a set of members in the same vnet.
 * A member is put into promiscuous mode, gets the bridge on its frame hook, and has the bridge's MTU: the first one gives it,
 * later ones are made to fit or refused. A change of the bridge's MTU changes every member's or none's. A span port is no member:
 * it only gets a copy of everything.
 * The spanning tree (bridgestp/) is told of members' links, and runs while the bridge is up; ports take part one by one (`setStp`).
 * Members that leave the vnet, destroyed or moved, leave the bridge; a bridge that moves or is destroyed lets all go. While it
 * has members or span ports it listens to the vnet's events. Ageing has one timer, armed while a dynamic address is known.
 *
 * Invariants: `member.bridge` is the BridgePort in `fwd.ports`; a bridge without members and spans has no handler registered; a
 * bridge that is not running has no dynamic address and no timer.
 * Not here: the requests by name that ifconfig makes (bridge-control.ts).
 */
import type { Errno } from '../base/errno.js';
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../base/errno.js';
import { Callout } from '../kern/callout.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { ETHERMTU } from '../wire/ether.js';
import { BridgeForward, BridgePort, IFBIF_STP } from './bridge-forward.js';
import { BridgeSnoop } from './bridge-snoop.js';
import { BRIDGE_SYSCTLS, BridgeTunables } from './bridge-params.js';
import { Bstp } from './bridgestp/bstp.js';
import { BSTP_IFSTATE_FORWARDING, BSTP_STATE_NAMES } from './bridgestp/bstp-port.js';
import { etherIfattach, etherIfdetach } from './ether.js';
import type { CloneParams, CloneResult, IfCloner, IfClonerSpec } from './if-clone.js';
import { ifChangeMtu, ifLinkStateChange, ifPromisc, ifUp } from './if.js';
import {
  IFCAP_LINKSTATE, IFF_BROADCAST, IFF_MULTICAST, IFF_RUNNING, IFF_SIMPLEX, IFF_UP, IFT_BRIDGE, IFT_ETHER, IFT_GIF, IFT_L2VLAN, Ifnet, LINK_STATE_DOWN,
  LINK_STATE_UP, TRANSMIT_COUNTED,
} from './ifnet.js';
import type { IfDriver } from './ifnet.js';
import type { IfVparams } from './if-vparams.js';
import type { Net } from './net.js';

const US_PER_S = 1_000_000;
/** Longest time between two looks at the table. */
const PRUNE_PERIOD_US = 300 * US_PER_S;
const MTU_MIN = 576;
/** At most this many moved addresses are logged in a second. */
const FLAP_LOGS_PER_S = 5;

/** Per-vnet state: the tunables, and the rate limit of the flap log. */
class BridgeVnet {
  readonly tun = new BridgeTunables();
  private second = -1;
  private logged = 0;

  /** May another line be logged at `now`? */
  mayLog(now: number): boolean {
    const second = Math.floor(now / US_PER_S);
    if (second !== this.second) {
      this.second = second;
      this.logged = 0;
    }
    return this.logged++ < FLAP_LOGS_PER_S;
  }
}

function bridgeVnet(net: Net): BridgeVnet | null {
  const v = net.drivers.get('bridge');
  return v instanceof BridgeVnet ? v : null;
}

/** A bridge. */
export class BridgeSoftc implements IfDriver {
  readonly ifp: Ifnet;
  readonly fwd: BridgeForward;
  readonly stp: Bstp;
  /** The address it was created with. */
  readonly defaultMac: Uint8Array;
  /** The member whose address it bears (`inherit_mac`), or null. */
  private macFrom: Ifnet | null = null;
  private readonly ageing: Callout;
  private unwatch: (() => void)[] = [];

  constructor(net: Net, xname: string, unit: number, like: IfVparams | null) {
    const engine = net.kern.engine;
    this.ifp = new Ifnet(this, 'bridge', unit, xname, IFT_BRIDGE, IFF_BROADCAST | IFF_SIMPLEX | IFF_MULTICAST, ETHERMTU);
    this.stp = new Bstp(net, () => this.fwd.order.map((p) => p.ifp));
    this.fwd = new BridgeForward(this.ifp, engine, this.stp, engine.rng.split(`bridge-rtable/${net.kern.id}/${xname}`).u32());
    this.defaultMac = like?.hwaddr ?? net.shared.generateMac(0x02, 0x00);
    this.ageing = this.newCallout(net);
    this.fwd.onLearn = () => this.startAgeing();
    this.fwd.onStpState = (port) => {
      this.fwd.snoop?.topologyChanged();
      this.logStp(port);
    };
    this.fwd.onFastAge = (port, us) => this.ageSoon(port, us);
    this.fwd.onMove = (hi, lo, vlan, from, to) => this.logFlap(hi, lo, vlan, from, to);
  }

  transmit(_ifp: Ifnet, m: PacketBuffer): Errno {
    this.fwd.transmit(m);
    return TRANSMIT_COUNTED;
  }

  flagsChanged(ifp: Ifnet): void {
    const up = (ifp.flags & IFF_UP) !== 0;
    const running = (ifp.flags & IFF_RUNNING) !== 0;
    if (up && !running) {
      ifp.flags |= IFF_RUNNING;
      this.stp.start();
    } else if (!up && running) {
      this.stop();
    }
  }

  addrAdded(ifp: Ifnet): void {
    ifUp(ifp);
  }

  /** Every member's MTU or none's. EINVAL below 576 and when a member refuses. */
  setMtu(ifp: Ifnet, mtu: number): Errno {
    if (mtu < MTU_MIN) return EINVAL;
    const done: Ifnet[] = [];
    for (const { ifp: member } of this.fwd.order) {
      if (ifChangeMtu(member, mtu) === 0) {
        done.push(member);
        continue;
      }
      ifp.net?.kern.log('notice', `${ifp.xname}: invalid MTU: ${mtu} for member ${member.xname}`);
      for (const back of done) ifChangeMtu(back, ifp.mtu);
      return EINVAL;
    }
    return 0;
  }

  /** BRDGADD. */
  add(member: Ifnet): Errno {
    const error = this.mayJoin(member);
    if (error !== 0) return error;
    if (member.bridge instanceof BridgePort && member.bridge.bridge === this.fwd) return EEXIST;
    if (member.bridge !== null) return EBUSY;
    if (!isBridgeable(member)) return EINVAL;
    if (!this.adaptMtu(member)) return EINVAL;
    const first = this.fwd.order.length === 0;
    if (first && this.tun()?.inheritMac === 1 && sameMac(this.ifp.lladdr, this.defaultMac)) this.bearMac(member);
    this.watch();
    const index = freeIndex(this.fwd.ports);
    const port = new BridgePort(member, this.fwd, index);
    this.fwd.ports[index] = port;
    this.fwd.order = [port, ...this.fwd.order];
    member.bridge = port;
    this.fwd.fileLocal();
    if (member.type !== IFT_GIF) ifPromisc(member, true);
    this.linkCheck();
    return 0;
  }

  /** BRDGDEL, and what happens to a member that leaves the vnet. Nothing happens to one that was removed meanwhile. */
  remove(port: BridgePort): void {
    const member = port.ifp;
    if (this.fwd.ports[port.index] !== port) return;
    this.stp.destroyPort(port.stp);
    this.fwd.snoop?.portGone(port);
    member.bridge = null;
    this.fwd.order = this.fwd.order.filter((p) => p !== port);
    this.fwd.rtable.flush(true, port.index);
    this.fwd.ports[port.index] = null;
    this.stp.identityCheck();
    this.fwd.fileLocal();
    if (this.macFrom === member) this.bearMac(this.fwd.order[0]?.ifp ?? null);
    if (member.type !== IFT_GIF) ifPromisc(member, false);
    this.linkCheck();
    this.unwatchIfIdle();
  }

  /** `stp IF`: EINVAL when it is no Ethernet. `-stp IF`: the port forwards, whatever the others do. */
  setStp(port: BridgePort, on: boolean): Errno {
    if (port.stp.active === on) return 0;
    if (!on) {
      this.stp.disable(port.stp);
      port.flags &= ~IFBIF_STP;
      port.dataState = BSTP_IFSTATE_FORWARDING;
      return 0;
    }
    const error = this.stp.enable(port.stp);
    if (error !== 0) return error;
    port.flags |= IFBIF_STP;
    port.dataState = port.stp.state;
    return 0;
  }

  /** BRDGADDS. */
  addSpan(port: Ifnet): Errno {
    if (this.fwd.spans.includes(port) || port.bridge !== null) return EBUSY;
    if (!isBridgeable(port)) return EINVAL;
    this.fwd.spans = [port, ...this.fwd.spans];
    this.watch();
    return 0;
  }

  /** BRDGDELS. */
  removeSpan(port: Ifnet): Errno {
    if (!this.fwd.spans.includes(port)) return ENOENT;
    this.fwd.spans = this.fwd.spans.filter((p) => p !== port);
    this.unwatchIfIdle();
    return 0;
  }

  /** Takes over the parameters of `other`, whose place in another vnet it takes; members, what they have learned and an address that is a member's stay behind. */
  setLike(other: BridgeSoftc): void {
    if (other.macFrom !== null) this.bearMac(null);
    this.setTimeout(other.timeoutS);
    this.fwd.rtable.max = other.fwd.rtable.max;
    this.stp.setLike(other.stp);
    if (other.fwd.snoop === null) return;
    this.setSnooping(true);
    this.fwd.snoop?.setLike(other.fwd.snoop);
  }

  /** Begins, or ends, to send multicasts only where they are wanted. */
  setSnooping(on: boolean): void {
    const { fwd } = this;
    if (on) fwd.snoop ??= new BridgeSnoop(fwd.engine, this.ageing.owner);
    else {
      fwd.snoop?.destroy();
      fwd.snoop = null;
    }
  }

  /** The bridge is destroyed. */
  destroy(): void {
    this.ifp.flags &= ~IFF_UP;
    if ((this.ifp.flags & IFF_RUNNING) !== 0) this.stop();
    this.releaseAll();
    this.setSnooping(false);
    etherIfdetach(this.ifp);
  }

  /** Another time after which silent addresses are forgotten, in seconds; 0 never. */
  setTimeout(seconds: number): void {
    this.fwd.timeoutUs = seconds === 0 ? Infinity : seconds * US_PER_S;
    if (this.ageing.pending) this.startAgeing(true);
  }

  get timeoutS(): number {
    return this.fwd.timeoutUs === Infinity ? 0 : this.fwd.timeoutUs / US_PER_S;
  }

  private stop(): void {
    this.fwd.engine.calloutStop(this.ageing);
    this.stp.stop();
    this.fwd.rtable.flush(false);
    this.fwd.snoop?.flush();
    this.ifp.flags &= ~IFF_RUNNING;
  }

  private releaseAll(): void {
    for (const port of this.fwd.order) this.remove(port);
    for (const span of this.fwd.spans) this.removeSpan(span);
  }

  private tun(): BridgeTunables | null {
    const net = this.ifp.net;
    return net === null ? null : bridgeVnet(net)?.tun ?? null;
  }

  private mayJoin(ifp: Ifnet): Errno {
    return this.fwd.spans.includes(ifp) ? EBUSY : 0;
  }

  /** The first member gives the bridge its MTU, a later one takes the bridge's; false when it cannot. */
  private adaptMtu(member: Ifnet): boolean {
    const ifp = this.ifp;
    if (this.fwd.order.length > 0) {
      if (ifChangeMtu(member, ifp.mtu) === 0) return true;
      ifp.net?.kern.log('notice', `${ifp.xname}: invalid MTU: ${ifp.mtu} for new member ${member.xname}`);
      return false;
    }
    if (ifp.mtu !== member.mtu) {
      ifp.mtu = member.mtu;
      ifp.net?.mtuEvent.invoke(ifp);
      ifp.net?.rtsock?.ifinfo(ifp);
    }
    return true;
  }

  /** Takes the address of `member`, or its own again. */
  private bearMac(member: Ifnet | null): void {
    this.macFrom = member;
    this.ifp.storeLladdr(member === null || member.lladdr.length === 0 ? this.defaultMac : member.lladdr);
    this.ifp.net?.lladdrEvent.invoke(this.ifp);
  }

  /** The link is up when a member's is, or when no member can say. */
  private linkCheck(): void {
    const members = this.fwd.order;
    const up = members.some((p) => p.ifp.linkState === LINK_STATE_UP)
      || (members.length > 0 && members.every((p) => (p.ifp.capabilities & IFCAP_LINKSTATE) === 0));
    ifLinkStateChange(this.ifp, up ? LINK_STATE_UP : LINK_STATE_DOWN);
  }

  private watch(): void {
    const net = this.ifp.net;
    if (net === null || this.unwatch.length > 0) return;
    const portOf = (ifp: Ifnet): BridgePort | null => (ifp.bridge instanceof BridgePort && ifp.bridge.bridge === this.fwd ? ifp.bridge : null);
    const linkChanged = (ifp: Ifnet): void => {
      const port = portOf(ifp);
      if (port !== null && port.stp.active) this.stp.linkChanged(port.stp);
    };
    this.unwatch = [
      net.departureEvent.register(({ ifp, renaming }) => {
        if (renaming) return;
        const port = portOf(ifp);
        if (port === null) this.removeSpan(ifp);
        else this.remove(port);
      }),
      net.linkEvent.register((ifp) => {
        if (portOf(ifp) !== null) this.linkCheck();
        linkChanged(ifp);
      }),
      net.upDownEvent.register(({ ifp }) => linkChanged(ifp)),
      net.lladdrEvent.register((ifp) => {
        if (portOf(ifp) === null) return;
        this.fwd.fileLocal();
        this.stp.identityCheck();
      }),
    ];
  }

  private unwatchIfIdle(): void {
    if (this.fwd.order.length > 0 || this.fwd.spans.length > 0) return;
    for (const off of this.unwatch) off();
    this.unwatch = [];
  }

  private newCallout(net: Net): Callout {
    return new Callout(net.kern, () => {
      this.fwd.rtable.refreshSeen(this.fwd.timeoutUs);
      this.fwd.rtable.age(this.fwd.engine.now);
      if (this.fwd.rtable.count > 0) this.startAgeing();
    });
  }

  private startAgeing(again = false): void {
    if ((this.ageing.pending && !again) || (this.ifp.flags & IFF_RUNNING) === 0) return;
    this.fwd.engine.calloutReset(this.ageing, Math.min(PRUNE_PERIOD_US, this.fwd.timeoutUs));
  }

  /** Addresses behind `port` are due in `us`: the timer may have to look sooner than it meant to. */
  private ageSoon(port: BridgePort, us: number): void {
    this.fwd.rtable.capExpiry(port.index, this.fwd.engine.now + us);
    const due = this.fwd.engine.now + us;
    if (this.ageing.pending && this.ageing.deadline > due) this.fwd.engine.calloutReset(this.ageing, us);
  }

  private logStp(port: BridgePort): void {
    if (this.tun()?.logStp !== 1) return;
    const state = BSTP_STATE_NAMES[port.stp.state] ?? '';
    this.ifp.net?.kern.log('notice', `${this.ifp.xname}: state changed to ${state} on ${port.ifp.xname}`);
  }

  private logFlap(hi: number, lo: number, vlan: number, from: BridgePort, to: BridgePort): void {
    const net = this.ifp.net;
    const state = net === null ? null : bridgeVnet(net);
    if (net === null || state === null || state.tun.logMacFlap === 0 || !state.mayLog(this.fwd.engine.now)) return;
    net.kern.log('notice', `${this.ifp.xname}: mac address ${macText(hi, lo)} vlan ${vlan} moved from ${from.ifp.xname} to ${to.ifp.xname}`);
  }
}

function isBridgeable(ifp: Ifnet): boolean {
  return ifp.type === IFT_ETHER || ifp.type === IFT_L2VLAN || ifp.type === IFT_GIF;
}

function freeIndex(ports: readonly (BridgePort | null)[]): number {
  const at = ports.indexOf(null);
  return at < 0 ? ports.length : at;
}

function sameMac(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}

function macText(hi: number, lo: number): string {
  return [hi >> 8, hi & 255, lo >>> 24, (lo >>> 16) & 255, (lo >>> 8) & 255, lo & 255].map((x) => x.toString(16).padStart(2, '0')).join(':');
}

function create(net: Net, _cloner: IfCloner, xname: string, unit: number, _params: CloneParams | null, like: IfVparams | null): CloneResult {
  const sc = new BridgeSoftc(net, xname, unit, like);
  etherIfattach(sc.ifp, net, sc.defaultMac, like);
  return { error: 0, ifp: sc.ifp };
}

function destroy(ifp: Ifnet): Errno {
  const sc = bridgeOf(ifp);
  if (sc === null) return EINVAL;
  sc.destroy();
  return 0;
}

export const bridgeCloner: IfClonerSpec = {
  name: 'bridge',
  create,
  destroy,
  saveParams: (ifp) => ifp.driver,
  applyParams(ifp, saved) {
    const sc = bridgeOf(ifp);
    if (sc === null || !(saved instanceof BridgeSoftc)) return EINVAL;
    sc.setLike(saved);
    return 0;
  },
  attach(net) {
    const state = new BridgeVnet();
    net.drivers.set('bridge', state);
    net.kern.sysctl.attach(BRIDGE_SYSCTLS, state.tun);
  },
  detach(net) {
    const state = bridgeVnet(net);
    if (state !== null) net.kern.sysctl.detach(state.tun);
    net.drivers.delete('bridge');
  },
};

/** The bridge behind `ifp`, or null for another kind of interface. */
export function bridgeOf(ifp: Ifnet): BridgeSoftc | null {
  return ifp.driver instanceof BridgeSoftc ? ifp.driver : null;
}
