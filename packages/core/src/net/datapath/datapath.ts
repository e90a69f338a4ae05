/**
 * datapath.ts — class Datapath: the control side of short paths. It publishes what they read, and takes over what they have counted.
 * Read first: docs/datapath.md; fwd/fwd-tables.ts; kern/readers.ts.
 *
 * Theory of operation. The host attaches ports to interfaces, and starts processors (workers, or the control thread itself), each with a view of the same tables.
 *
 *   at once       neighbours (neighbour-mirror.ts), bridges' addresses (bridge-mirror.ts), routes and next hops (the compiled tables themselves)
 *   per turn      interfaces: `sync` computes the record of every port, of the vlans on it and of the bridges above, and publishes what differs from what is published
 *   before a grace period, and per turn     arrays that were replaced, as messages
 *
 * Interfaces are compared, not watched: whatever a turn has changed (an address, a filter, a capture, a spanning tree's state, a move to another vnet), in whatever way, is in force
 * for short paths when the turn is over, and nobody who changes something has to know of them. That costs some hundred nanoseconds a port and turn.
 * What leaves the tables is used again after a grace period; a port is the host's again after one (`detachPort`).
 *
 * Invariants: an interface is published only while it is reachable from a port. Counters are folded before a cell is given away, when nobody counts in it any more, and before a tool is served.
 * Not here: moving frames (the host), deciding about them (fwd/forward-frame.ts).
 */
import { assert } from '../../base/assert.js';
import { US_PER_SEC } from '../../base/time.js';
import { FC_IBYTES, FC_IPACKETS, FC_OBYTES, FC_OPACKETS, fwdCounters } from '../../fwd/fwd-counters.js';
import { FWD_IFINDEX_MAX, FWD_PORTS, FwdAdjacencies, FwdIfs } from '../../fwd/fwd-if.js';
import { FwdMap } from '../../fwd/fwd-map.js';
import type { FwdMemory, FwdMessage } from '../../fwd/fwd-tables.js';
import { FWD_MAPS, FWD_NEIGH6, FWD_FDB, FWD_NEIGH4, FWD_VLANS, fwdMapMessage, fwdMemory } from '../../fwd/fwd-tables.js';
import { sharedWords } from '../../fwd/shared-words.js';
import type { Engine } from '../../kern/engine.js';
import { Limbo } from '../../kern/limbo.js';
import { BridgePort } from '../bridge-forward.js';
import type { BridgeForward } from '../bridge-forward.js';
import { bridgeOf } from '../bridge.js';
import type { HostPort } from '../host-port.js';
import type { Ifnet } from '../ifnet.js';
import type { NetShared } from '../net.js';
import { tapOf } from '../tap.js';
import { VlanSoftc, VlanTrunk } from '../vlan.js';
import { BridgeMirror } from './bridge-mirror.js';
import { Cells } from './cells.js';
import { datapathFlags, datapathTag } from './datapath-if.js';
import type { DatapathPortInfo } from './datapath-if.js';
import { DatapathSets } from './datapath-sets.js';
import { NeighbourMirror } from './neighbour-mirror.js';

/** Whoever runs short paths: what it reads and counts in, and what is in force when it starts. Later messages go to its `post`. */
export interface DatapathProcessor {
  readonly memory: FwdMemory;
  readonly messages: readonly FwdMessage[];
}

/** A port's interface, by its index, and the device that comes along when the interface moves: an interface without it has only got the index of one that is gone. */
interface AttachedPort {
  readonly index: number;
  readonly info: DatapathPortInfo;
  readonly device: HostPort | null;
}

/** An interface that is published. */
class PublishedIf {
  readonly ifp: Ifnet;
  /** That the interface had. */
  readonly index: number;
  readonly cell: number;
  /** Its record; [] while there is no room for one. */
  words: number[] = [];
  usedIn = 0;
  mirror: BridgeMirror | null = null;
  /** Parent and id under which its vlan is found; 0: it is none. */
  vlanParent = 0;
  vlanId = 0;

  constructor(ifp: Ifnet, cell: number) {
    this.ifp = ifp;
    this.index = ifp.index;
    this.cell = cell;
  }
}

export class Datapath {
  /** Other threads read the tables. */
  readonly isShared: boolean;
  readonly neighbours: NeighbourMirror;
  /** Interfaces that short paths would reach and for which, or for whose tables, there is no room at present: their frames take the complete path. */
  noRoom = 0;
  private readonly engine: Engine;
  private readonly shared: () => NetShared;
  private readonly ifs = new FwdIfs();
  private readonly adjacencies = new FwdAdjacencies();
  private readonly maps: readonly FwdMap[];
  private readonly round = sharedWords(1);
  private readonly cells = new Cells();
  private readonly freeCounters: Float64Array[] = [];
  private readonly sets: DatapathSets;
  private readonly records: Limbo<number>;
  private readonly leaving: Limbo<PublishedIf>;
  private readonly posts = new Map<DatapathProcessor, (message: FwdMessage) => void>();
  /** By number of the port. */
  private readonly ports = new Map<number, AttachedPort>();
  private readonly portOf = new Map<number, DatapathPortInfo>();
  private readonly published = new Map<number, PublishedIf>();
  private turn = 0;

  /** @param shared the Kernel's, which does not exist yet when this is made. */
  constructor(engine: Engine, shared: () => NetShared, isShared: boolean) {
    this.isShared = isShared;
    this.engine = engine;
    this.shared = shared;
    const rng = engine.rng.split('datapath');
    this.maps = Array.from({ length: FWD_MAPS }, (_, map) => new FwdMap(map === FWD_NEIGH6 ? 5 : 3, rng.u32()));
    this.maps.forEach((map, number) => (map.onReplace = () => this.tell(fwdMapMessage(number, map))));
    const { readers } = engine;
    readers.beforePeriod = () => this.sets.sync();
    this.sets = new DatapathSets(readers, this.cells, (message) => this.tell(message));
    this.neighbours = new NeighbourMirror(this.maps[FWD_NEIGH4]!, this.maps[FWD_NEIGH6]!, this.adjacencies, readers);
    this.records = new Limbo(readers, (n) => this.ifs.free(n));
    this.leaving = new Limbo(readers, (p) => {
      this.foldIf(p);
      this.cells.free(p.cell);
    });
  }

  /** A processor starts: `post` gets the messages that come after those in the answer. */
  start(post: (message: FwdMessage) => void): DatapathProcessor {
    const counters = this.freeCounters.pop() ?? fwdCounters();
    if (!this.cells.arrays.includes(counters)) this.cells.arrays.push(counters);
    this.sync();
    const memory = fwdMemory(this.ifs, this.adjacencies, this.round, counters);
    const processor = { memory, messages: [...this.maps.map((m, i) => fwdMapMessage(i, m)), ...this.sets.messages()] };
    this.posts.set(processor, post);
    return processor;
  }

  /** It has ended: nobody counts in its counters any more. */
  stop(processor: DatapathProcessor): void {
    if (this.posts.delete(processor)) this.freeCounters.push(processor.memory.counters);
  }

  /** Frames of `port` are `ifp`'s from the end of this turn on, wherever that moves; `vnetHdr`: they begin with a virtio-net header. */
  attachPort(port: number, ifp: Ifnet, vnetHdr: boolean): void {
    assert(port >= 0 && port < FWD_PORTS && !this.ports.has(port) && ifp.index > 0, 'a datapath port is attached twice, or to nothing');
    const info = { port, vnetHdr };
    this.ports.set(port, { index: ifp.index, info, device: tapOf(ifp)?.port ?? null });
    this.portOf.set(ifp.index, info);
    this.sync();
    this.ifs.ofPort[port] = ifp.index > FWD_IFINDEX_MAX ? 0 : ifp.index;
  }

  /** No short path looks at frames of `port`, or sends any, once `then` is called: at once (true), or when the processors have passed a quiescent point. */
  detachPort(port: number, then: () => void): boolean {
    const was = this.ports.get(port);
    if (was !== undefined) {
      Atomics.store(this.ifs.ofPort, port, 0);
      this.ports.delete(port);
      if (this.portOf.get(was.index)?.port === port) this.portOf.delete(was.index);
      this.sync();
    }
    return this.engine.grace(then);
  }

  /** A turn, a tool or a `Kernel.call` is over: what it changed is in force for short paths. */
  sync(): void {
    this.round[0] = Math.floor(this.engine.now / US_PER_SEC) + 1;
    if (this.ports.size === 0 && this.published.size === 0) return;
    this.turn++;
    this.noRoom = 0;
    for (const at of this.ports.values()) this.visitPort(at);
    for (const p of this.published.values()) if (p.usedIn !== this.turn) this.withdraw(p);
    this.sets.sweep(this.turn);
    this.sets.sync();
  }

  /** A tool, or a call of the host's, begins: what it sees is what all processors have counted. When it has ended, what it changed is in force. */
  begins(): void {
    this.fold();
  }

  ended(): void {
    this.sync();
  }

  /** What processors have counted goes into the interfaces' and the families' counters. */
  fold(): void {
    for (const p of this.published.values()) this.foldIf(p);
    this.sets.fold();
  }

  /** Where the counters of the interface with this index are; 0 while it is not published. */
  cellOf(index: number): number {
    return this.published.get(index)?.cell ?? 0;
  }

  /** Number `n` of a cell, over all processors. */
  count(cell: number, n: number): number {
    return this.cells.sum(cell, n);
  }

  /** The interface of a port; when that was destroyed the port is nobody's, whoever gets the index. */
  private visitPort({ index, info, device }: AttachedPort): void {
    const ifp = this.shared().byIndex(index);
    if (ifp !== null && (tapOf(ifp)?.port ?? null) === device) {
      this.visit(ifp);
    } else if (this.portOf.get(index) === info) {
      this.portOf.delete(index);
      Atomics.store(this.ifs.ofPort, info.port, 0);
    }
  }

  /** An interface that short paths reach: itself, its vlans, its bridge and the bridge's members that are ports or vlans of ports. */
  private visit(ifp: Ifnet): void {
    if (this.published.get(ifp.index)?.usedIn === this.turn) return;
    const { net } = ifp;
    if (net === null) return;
    const p = this.entry(ifp);
    if (p === null) return;
    p.usedIn = this.turn;
    const bridge = bridgeOf(ifp)?.fwd ?? null;
    this.mirror(p, bridge);
    const port = this.portOf.get(ifp.index) ?? null;
    const parent = ifp.driver instanceof VlanSoftc ? ifp.driver.parent : null;
    const above = ifp.bridge instanceof BridgePort ? ifp.bridge.bridge.ifp : null;
    const set = this.sets.use(net, ifp.fib, this.turn);
    if (set === 0 && net.routes !== null) this.noRoom++;
    this.publish(p, [
      datapathFlags(ifp, net, bridge, port, this.isShared), ifp.index, port?.port ?? -1, ifp.macHi, ifp.macLo | 0, set, parent?.index ?? 0, datapathTag(ifp), above?.index ?? 0,
      p.cell,
    ]);
    this.placeVlan(p, parent?.index ?? 0, ifp.driver instanceof VlanSoftc ? ifp.driver.vid : 0);
    if (ifp.trunk instanceof VlanTrunk) for (const vlan of ifp.trunk.vlans.values()) this.visit(vlan.ifp);
    if (above !== null) this.visit(above);
  }

  /** The entry of `ifp`, made when there is none; null: no room. */
  private entry(ifp: Ifnet): PublishedIf | null {
    const have = this.published.get(ifp.index);
    if (have !== undefined && have.ifp === ifp) return have;
    // The index has gone to a successor.
    if (have !== undefined) this.withdraw(have);
    const cell = ifp.index > FWD_IFINDEX_MAX ? 0 : this.cells.take();
    if (cell === 0) {
      this.noRoom++;
      return null;
    }
    const p = new PublishedIf(ifp, cell);
    this.published.set(ifp.index, p);
    return p;
  }

  private publish(p: PublishedIf, words: number[]): void {
    if (words.length === p.words.length && words.every((w, i) => w === p.words[i])) return;
    const was = this.ifs.publish(p.index, words);
    if (was !== 0) this.records.put(was);
    const hasRoom = this.ifs.at[p.index] !== 0;
    p.words = hasRoom ? words : [];
    if (!hasRoom) this.noRoom++;
  }

  private mirror(p: PublishedIf, bridge: BridgeForward | null): void {
    if (bridge === null) return;
    if (p.mirror === null) p.mirror = new BridgeMirror(bridge, this.maps[FWD_FDB]!);
    else p.mirror.sync();
  }

  private placeVlan(p: PublishedIf, parent: number, vid: number): void {
    if (p.vlanParent === parent && p.vlanId === vid) return;
    const vlans = this.maps[FWD_VLANS]!;
    if (p.vlanParent !== 0 && vlans.find(p.vlanParent, p.vlanId, 0) === p.index) vlans.set(0, p.vlanParent, p.vlanId, 0);
    p.vlanParent = parent;
    p.vlanId = vid;
    if (parent !== 0 && vid !== 0) vlans.set(p.index, parent, vid, 0);
  }

  private withdraw(p: PublishedIf): void {
    this.published.delete(p.index);
    const was = this.ifs.publish(p.index, []);
    if (was !== 0) this.records.put(was);
    this.placeVlan(p, 0, 0);
    p.mirror?.destroy();
    this.leaving.put(p);
  }

  private foldIf({ ifp, cell }: PublishedIf): void {
    const { data } = ifp;
    data.ipackets += this.cells.since(cell, FC_IPACKETS);
    data.ibytes += this.cells.since(cell, FC_IBYTES);
    data.opackets += this.cells.since(cell, FC_OPACKETS);
    data.obytes += this.cells.since(cell, FC_OBYTES);
  }

  private tell(message: FwdMessage): void {
    for (const post of this.posts.values()) post(message);
  }
}
