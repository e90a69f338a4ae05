/**
 * net.ts — the interface layer of one vnet: its interfaces, groups, cloners, hooks and the tables upper layers fill.
 * Read first: freebsd `sys/net/if.c` (V_ifnet, groups), domain(9).
 *
 * Theory of operation. `Net` is to a vnet what the V_ variables of sys/net are. It knows no protocol: families register a
 * `Domain`, ethertypes an input function, and both are called through the tables here. `NetShared` is what the Nets of one
 * Kernel have in common: the interface index table and the counter that makes generated MAC addresses unique.
 *
 * Invariants: an Ifnet is in `ifnets` of exactly one Net while attached; `shared.byIndex(ifp.index) === ifp` as long, but for one
 * that is being replaced in another vnet at this moment: then its successor has the index.
 */
import { LazyMap, LazySet } from '../base/lazy-map.js';
import { fnv1a } from '../base/prng.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { Witness } from '../kern/witness.js';
import type { Engine } from '../kern/engine.js';
import { EventHandlerList } from '../kern/eventhandler.js';
import { Limbo } from '../kern/limbo.js';
import type { VnetKern } from '../kern/vnet-kern.js';
import { ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6 } from '../wire/ether.js';
import type { Datapath } from './datapath/datapath.js';
import type { HostPort } from './host-port.js';
import type { IfCloner } from './if-clone.js';
import type { IfAddr } from './ifaddr.js';
import type { IfAfData, Ifnet } from './ifnet.js';
import { MoveJournal } from './move-journal.js';
import { NET_AUDIT } from './net-audit.js';
import { NetWitness } from './net-witness.js';
import { PfilHead } from './pfil.js';
import type { PktQueue } from './pktqueue.js';
import { ProtoPlaces } from './proto-places.js';
import type { QdiscKind } from './tc/if-qdisc.js';
import type { TcState } from './tc/tc-state.js';
import type { RouteTables } from './route/route-tables.js';
import type { Rtsock } from './rtsock.js';

/** An address family's stake in interfaces (domain(9): dom_ifattach, dom_ifdetach, ifaddr events). */
export interface Domain {
  readonly af: number;
  /** Makes the family's per-interface data. */
  ifattach(ifp: Ifnet): IfAfData;
  /** Frees it: neighbour tables, timers, multicast state. */
  ifdetach(ifp: Ifnet, data: IfAfData): void;
  /** The interface went up: routes of its addresses come back. */
  ifup(ifp: Ifnet): void;
  /** … or down: they go. */
  ifdown(ifp: Ifnet): void;
  /** Removes every address of the family, as if each were deleted by hand. */
  purgeAddrs(ifp: Ifnet): void;
  /** Leaves multicast groups and drops references of sockets to the interface (in_ifdetach). */
  purgeUpper(ifp: Ifnet): void;
}

/** An address came to an interface, or goes. */
export interface IfaddrEvent {
  readonly ifa: IfAddr;
  readonly added: boolean;
}

/** IFF_UP changed. */
export interface UpDownEvent {
  readonly ifp: Ifnet;
  readonly up: boolean;
}

/** An ethertype's input function. Owns `m`; `m.off` is at the payload, the Ethernet header 14 bytes before it. */
export type EtherProtoInput = (ifp: Ifnet, m: PacketBuffer) => void;

export interface IfnetEvent {
  readonly ifp: Ifnet;
  /** Set for the departure and arrival a rename announces: members stay members. */
  readonly renaming: boolean;
}

/** A VLAN id of `parent`. */
export interface VlanEvent {
  readonly parent: Ifnet;
  readonly vid: number;
}

/** A family that routes, as short paths know it. */
export interface ForwardingFamily {
  /** May packets that come in on `ifp` be routed on the compiled tables alone? */
  forwards(ifp: Ifnet): boolean;
  /** So many were, and so many more ended at a blackhole: the family's counters. */
  forwarded(packets: number, blackholed: number): void;
}

/** Interfaces a vnet may have unless its administrator says otherwise. */
export const IFNETS_MAX = 65_535;

/** Common to all Nets of a Kernel. */
export class NetShared {
  readonly hostId: string;
  readonly witness: NetWitness;
  /** Device nodes (tap, tun) by name, which is the name their interface was created under; units of such are unique in the Kernel. */
  readonly devices = new Map<string, HostPort>();
  /** State of drivers that all vnets share, by cloner name; a driver finds its own with `instanceof`. */
  readonly drivers = new Map<string, object>();
  readonly moves = new MoveJournal();
  /** Where each vnet's switches keep the protocols of IPv4 and of IPv6, and the types of ICMPv6. */
  readonly ipPlaces = new ProtoPlaces();
  readonly ip6Places = new ProtoPlaces();
  readonly icmp6Places = new ProtoPlaces();
  /** Kinds of output disciplines, by name; layers to the right put theirs in. */
  readonly qdiscKinds = new Map<string, QdiscKind>();
  /** Kinds of interfaces that have moved as the same object: each is logged once. */
  readonly movedClassic = new Set<string>();
  /** What short paths on other processors read; null where there are none. */
  readonly datapath: Datapath | null;
  /** `net.ifdescr_maxlen`: bytes of a description, its terminating zero included. */
  ifdescrBytesMax = 1_024;
  private readonly table: (Ifnet | null)[] = [null];
  /** No index below this one is free. */
  private lowestFree = 1;
  /** Indexes whose interface is gone, and that workers may still find in their tables. */
  private readonly leaving = new LazySet<number>();
  private limbo: Limbo<number> | null = null;
  private attachedCount = 0;
  private macCounter = 0;
  private instances = 0;
  private underWay = 0;

  constructor(hostId: string, witness = new Witness(), datapath: Datapath | null = null) {
    this.hostId = hostId;
    this.datapath = datapath;
    this.witness = new NetWitness(witness);
  }

  /** The interface with that index in whatever vnet: for the host. Code of a vnet asks its Net. */
  byIndex(index: number): Ifnet | null {
    return this.table[index] ?? null;
  }

  /** Gives `ifp` the lowest free index >= 1. */
  allocIndex(ifp: Ifnet): void {
    let i = this.lowestFree;
    while ((this.table[i] !== undefined && this.table[i] !== null) || this.leaving.has(i)) i++;
    this.table[i] = ifp;
    ifp.index = i;
    this.lowestFree = i + 1;
    this.attachedCount++;
  }

  /** Gives `ifp` the index of the interface it replaces. */
  takeIndex(index: number, ifp: Ifnet): void {
    if (this.byIndex(index) === null) this.attachedCount++;
    this.table[index] = ifp;
    ifp.index = index;
  }

  /** Frees the index of `ifp`, unless a successor has it by now; another interface gets it when no worker can meet it any more. */
  freeIndex(ifp: Ifnet): void {
    const { index } = ifp;
    if (index === 0 || this.byIndex(index) !== ifp) return;
    this.table[index] = null;
    this.attachedCount--;
    this.leaving.add(index);
    if (this.limbo === null) this.indexUnused(index);
    else this.limbo.put(index);
  }

  /** Workers read on the processors of `engine`: said by every Net of a Kernel. */
  bind(engine: Engine): void {
    this.witness.bind(engine);
    this.limbo ??= new Limbo(engine.readers, (index) => this.indexUnused(index));
  }

  private indexUnused(index: number): void {
    this.leaving.delete(index);
    this.lowestFree = Math.min(this.lowestFree, index);
  }

  /**
   * Runs `op`, which makes, moves or destroys an interface, or takes a vnet down. Event handlers run in the middle of it; as long as one such
   * operation is under way no other vnet may be taken down (FreeBSD's ifnet_detach_sxlock), so the Kernel waits for `lifecycleBusy` to be
   * false. `where`: its name for the Witness.
   */
  lifecycle<T>(op: () => T, where = 'the life of an interface'): T {
    this.underWay++;
    this.witness.detach.acquire(where);
    try {
      return op();
    } finally {
      this.witness.detach.release(where);
      this.underWay--;
    }
  }

  get lifecycleBusy(): boolean {
    return this.underWay > 0;
  }

  /** A number no other object of this Kernel has had. */
  nextInstance(): number {
    return ++this.instances;
  }

  /** Interfaces attached anywhere in the Kernel. */
  get attached(): number {
    return this.attachedCount;
  }

  /**
   * A locally administered MAC address that no other call on this Kernel gives and that is unlikely elsewhere: `first`, 32 bits that
   * depend on the host and a running number, `last`. epair(4) and bridge(4) make theirs alike.
   */
  generateMac(first: number, last: number): Uint8Array {
    const h = mix32(fnv1a(this.hostId) + this.macCounter++);
    return Uint8Array.of(first, h >>> 24, (h >>> 16) & 255, (h >>> 8) & 255, h & 255, last);
  }
}

/** A permutation of the 32-bit numbers (MurmurHash3's finalizer): different numbers stay different. */
function mix32(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export class Net {
  readonly kern: VnetKern;
  readonly shared: NetShared;
  /** Interfaces in order of attachment (V_ifnet). */
  readonly ifnets: Ifnet[] = [];
  /** Group name to members; a group exists while it has members. */
  readonly groups = new Map<string, Ifnet[]>();
  /** Cloners, most recently attached first (`ifconfig -C`). */
  readonly cloners: IfCloner[] = [];
  /** Interfaces that may be made here or move in; those that come home always may. */
  ifMax = IFNETS_MAX;
  /** Protocol queues; a copy is made when it changes. */
  pktqs: readonly PktQueue[] = [];
  /** Per-vnet state of drivers (their tunables), by cloner name; a driver finds its own with `instanceof`. */
  readonly drivers = new Map<string, object>();
  domains: readonly Domain[] = [];
  /** The loopback interface everything local goes through; null before it exists and after it is gone. */
  loif: Ifnet | null = null;
  readonly arrivalEvent = new EventHandlerList<IfnetEvent>();
  readonly departureEvent = new EventHandlerList<IfnetEvent>();
  readonly linkEvent = new EventHandlerList<Ifnet>();
  /** Link address changed: vlans follow their parent, ARP announces. */
  readonly lladdrEvent = new EventHandlerList<Ifnet>();
  /** MTU changed: vlans do not exceed their parent's. */
  readonly mtuEvent = new EventHandlerList<Ifnet>();
  /** A VLAN id was bound to an interface of this vnet, or let go: its driver may have to know. */
  readonly vlanConfigEvent = new EventHandlerList<VlanEvent>();
  readonly vlanUnconfigEvent = new EventHandlerList<VlanEvent>();
  readonly ifaddrEvent = new EventHandlerList<IfaddrEvent>();
  readonly upDownEvent = new EventHandlerList<UpDownEvent>();
  /** What routing on short paths asks the families of: set while they stand. */
  forward4: ForwardingFamily | null = null;
  forward6: ForwardingFamily | null = null;
  /** Link-layer packet filter hooks. */
  readonly linkPfil = new PfilHead('ethernet');
  /** Routing tables; set by the vnet's constructor for them, null outside their life. */
  routes: RouteTables | null = null;
  /** Routing messages; null outside its life. */
  rtsock: Rtsock | null = null;
  /** Traffic control; null until somebody asks for some. */
  tc: TcState | null = null;
  /** Captures open on the interfaces here. */
  captures = 0;
  /** The two ethertypes every frame is compared with first. */
  ipInput: EtherProtoInput | null = null;
  arpInput: EtherProtoInput | null = null;
  /** … that of IPv6, and the others. */
  private ip6Input: EtherProtoInput | null = null;
  private readonly etherProtos = new LazyMap<number, EtherProtoInput>();

  constructor(kern: VnetKern, shared: NetShared) {
    this.kern = kern;
    this.shared = shared;
    shared.bind(kern.engine);
    kern.audit.attach(NET_AUDIT, this);
  }

  get etherProtoCount(): number {
    return [this.ipInput, this.arpInput, this.ip6Input].filter((input) => input !== null).length + this.etherProtos.size;
  }

  /** The interface called `xname`, or null. */
  ifunit(xname: string): Ifnet | null {
    for (const ifp of this.ifnets) if (ifp.xname === xname) return ifp;
    return null;
  }

  /** The interface of this vnet with that index, or null: an index may name an interface that is elsewhere by now. */
  ifByIndex(index: number): Ifnet | null {
    const ifp = this.shared.byIndex(index);
    return ifp !== null && ifp.net === this ? ifp : null;
  }

  etherProto(ethertype: number): EtherProtoInput | null {
    if (ethertype === ETHERTYPE_IP) return this.ipInput;
    if (ethertype === ETHERTYPE_ARP) return this.arpInput;
    if (ethertype === ETHERTYPE_IPV6) return this.ip6Input;
    return this.etherProtos.get(ethertype) ?? null;
  }

  /** Registers, or with null removes, the input function of an ethertype. */
  registerEtherProto(ethertype: number, input: EtherProtoInput | null): void {
    if (ethertype === ETHERTYPE_IP) this.ipInput = input;
    else if (ethertype === ETHERTYPE_ARP) this.arpInput = input;
    else if (ethertype === ETHERTYPE_IPV6) this.ip6Input = input;
    else if (input === null) this.etherProtos.delete(ethertype);
    else this.etherProtos.set(ethertype, input);
  }
}
