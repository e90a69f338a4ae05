/**
 * fwd-tables.ts — all that the short path reads, as a reader has it (FwdView) and as messages that keep readers up to date.
 * Read first: fwd-map.ts, fwd-if.ts, forward.ts; docs/datapath.md.
 *
 * Theory of operation. Two kinds of memory. What is fixed (interfaces, adjacencies) is in a FwdMemory, given to a processor when it starts. What grows is replaced by another
 * array; then the writer makes a message, and every reader applies it before it says the next time that it holds nothing (`Quiescent`). A message is a plain object of
 * numbers and arrays over shared memory, fit for postMessage; on one thread it is applied at once.
 *
 *     maps   NEIGH4  (interface, address, 0)              → adjacency
 *            NEIGH6  (interface, four words in zoned form) → adjacency
 *            FDB     (MAC octets 2-5, octets 0-1 << 12 | VLAN id, bridge) → interface; VLAN id 4095: an address of this host, → whose
 *            VLANS   (parent, VLAN id, 0)                  → interface
 *     sets   one for each vnet and FIB that routes: the compiled tables of both families
 *
 * Interfaces are meant by their index everywhere.
 * Invariants: a reader applies messages in order, all of them. Not here: who writes the tables (net/datapath), what is made of them (forward-frame.ts).
 */
import type { Fib4Shape, Fib4Words } from './fib4.js';
import { Fib4View } from './fib4.js';
import type { Fib6Shape } from './fib6.js';
import { Fib6View } from './fib6.js';
import { Fwd4 } from './forward.js';
import { Fwd6 } from './forward6.js';
import type { FwdAdjacencies, FwdIfs } from './fwd-if.js';
import type { FwdMap } from './fwd-map.js';
import { FwdMapView } from './fwd-map.js';
import { NhopTable } from './nhop-table.js';

/** Numbers of the maps. */
export const FWD_NEIGH4 = 0;
export const FWD_NEIGH6 = 1;
export const FWD_FDB = 2;
export const FWD_VLANS = 3;
export const FWD_MAPS = 4;

/** VLAN id under which a bridge's local addresses are filed: no frame has it. */
export const FWD_FDB_LOCAL = 0xfff;
/** Second key word of FWD_FDB. */
export const fdbKey = (macHi: number, vlan: number): number => (macHi << 12) | vlan;

/** What is fixed, and a processor's own counters. */
export interface FwdMemory {
  readonly ifAt: Int32Array;
  readonly ifWords: Int32Array;
  readonly ifOfPort: Int32Array;
  readonly adjacencies: Int32Array;
  readonly counters: Float64Array;
  /** The round of ageing that bridges are in (`FwdMapView.mark`), one word. */
  readonly round: Int32Array;
}

export interface FwdMapMessage {
  readonly kind: 'map';
  readonly map: number;
  readonly words: Int32Array;
  readonly marks: Int32Array;
  readonly key: number;
}

export interface FwdSetMessage {
  readonly kind: 'set';
  readonly set: number;
  /** Null: the set is gone. */
  readonly tables: FwdSetTables | null;
}

/** The arrays of one vnet's FIB. */
export interface FwdSetTables {
  readonly fib4: Fib4Words;
  readonly shape4: Fib4Shape;
  readonly fib6: Int32Array;
  readonly shape6: Fib6Shape;
  readonly hops: Int32Array;
  readonly groups: Int32Array;
  readonly members: Int32Array;
  readonly own4: Int32Array;
  readonly own6: Int32Array;
  /** Salt of the flow hash, and whether a multipath route may exist. */
  readonly flowSalt: number;
  readonly multipath: boolean;
  /** Its place among the counters. */
  readonly cell: number;
}

export type FwdMessage = FwdMapMessage | FwdSetMessage;

/** One vnet's FIB, as a reader has it. */
export class FwdSet {
  readonly fwd4: Fwd4;
  readonly fwd6: Fwd6;
  /** What is in `fwd4` and `fwd6`, one step nearer. */
  readonly fib4: Fib4View;
  readonly fib6: Fib6View;
  readonly own4: Int32Array;
  readonly own6: Int32Array;
  readonly hops: Int32Array;
  readonly flowSalt: number;
  /** 0: no route has several next hops. */
  readonly multipath: number;
  readonly cell: number;

  constructor(t: FwdSetTables) {
    const nhops = new NhopTable();
    nhops.hops = t.hops;
    nhops.groups = t.groups;
    nhops.members = t.members;
    this.fwd4 = new Fwd4(new Fib4View(t.fib4, t.shape4), nhops, { words: t.own4 });
    this.fwd6 = new Fwd6(new Fib6View(t.fib6, t.shape6), nhops, { words: t.own6 });
    this.fib4 = this.fwd4.fib;
    this.fib6 = this.fwd6.fib;
    this.own4 = t.own4;
    this.own6 = t.own6;
    this.hops = t.hops;
    this.flowSalt = t.flowSalt;
    this.multipath = t.multipath ? 1 : 0;
    this.cell = t.cell;
  }
}

/** A reader's view of everything, and the scratch of the frame it has in its hands. */
export class FwdView {
  readonly ifAt: Int32Array;
  readonly ifWords: Int32Array;
  readonly ifOfPort: Int32Array;
  readonly adjacencies: Int32Array;
  readonly counters: Float64Array;
  readonly neigh4: FwdMapView;
  readonly neigh6: FwdMapView;
  readonly fdb: FwdMapView;
  readonly vlans: FwdMapView;
  readonly sets: (FwdSet | null)[] = [];
  /** The bridges' round of ageing in this batch. */
  round = 0;
  /** Where the frame to send lies after forwardFrame, the port's virtio-net header included. */
  at = 0;
  len = 0;
  /** Of the frame in hand: its first byte behind a virtio-net header, its length; what that header leaves undone, 0: nothing. */
  frameAt = 0;
  frameLen = 0;
  undone = 0;
  /** What forward-ahead.ts has read. */
  ahead = 0;
  /** Bytes of the IP packet in it, without what is behind. */
  total = 0;
  /** Tags passed on the way in, and the counters of the bridge on that way; 0: none. */
  strip = 0;
  bridgeCell = 0;
  /** Record of the interface it is local to (bridgeFrame), of the one it leaves by, and of the port below that. */
  oursRec = 0;
  outRec = 0;
  portRec = 0;
  /** Record of the interface whose link address a routed packet leaves with. */
  srcRec = 0;
  /** Counters of the bridge it leaves through; 0: none. */
  outBridgeCell = 0;
  private readonly roundWord: Int32Array;

  constructor(memory: FwdMemory, maps: readonly FwdMapView[]) {
    this.ifAt = memory.ifAt;
    this.ifWords = memory.ifWords;
    this.ifOfPort = memory.ifOfPort;
    this.adjacencies = memory.adjacencies;
    this.counters = memory.counters;
    this.roundWord = memory.round;
    this.neigh4 = maps[FWD_NEIGH4]!;
    this.neigh6 = maps[FWD_NEIGH6]!;
    this.fdb = maps[FWD_FDB]!;
    this.vlans = maps[FWD_VLANS]!;
  }

  /** Before a batch of frames. */
  beginBatch(): void {
    this.round = this.roundWord[0]!;
  }

  apply(message: FwdMessage): void {
    if (message.kind === 'set') this.sets[message.set] = message.tables === null ? null : new FwdSet(message.tables);
    else this.mapOf(message.map).attach(message.words, message.marks);
  }

  private mapOf(map: number): FwdMapView {
    return map === FWD_NEIGH4 ? this.neigh4 : map === FWD_NEIGH6 ? this.neigh6 : map === FWD_FDB ? this.fdb : this.vlans;
  }
}

/** A view for a processor that starts: fixed memory and all that is in force, in messages. */
export function fwdViewOf(memory: FwdMemory, messages: readonly FwdMessage[]): FwdView {
  const maps: FwdMapView[] = [];
  for (const m of messages) if (m.kind === 'map') maps[m.map] = new FwdMapView(m.words, m.marks, m.key);
  const view = new FwdView(memory, maps);
  for (const m of messages) if (m.kind === 'set') view.apply(m);
  return view;
}

/** The memory of the writer's tables for a processor with these counters. */
export function fwdMemory(ifs: FwdIfs, adjacencies: FwdAdjacencies, round: Int32Array, counters: Float64Array): FwdMemory {
  return { ifAt: ifs.at, ifWords: ifs.words, ifOfPort: ifs.ofPort, adjacencies: adjacencies.words, counters, round };
}

/** The message that says where a map is now. */
export function fwdMapMessage(map: number, of: FwdMap): FwdMapMessage {
  return { kind: 'map', map, words: of.words, marks: of.marks, key: of.key };
}
