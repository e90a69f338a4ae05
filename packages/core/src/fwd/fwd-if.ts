/**
 * fwd-if.ts — interfaces and link addresses as short paths know them: records that never change while somebody may read them.
 * Read first: docs/datapath.md; quiescence.ts.
 *
 * Theory of operation. A record is FWD_IF_WORDS words in `FwdIfs.words`. An interface's index leads to its record by one word, `at[index]`. A change is another
 * record and one store; the old record is free after a grace period, which is the owner's to wait for (`free`). An adjacency is the same in small: a link address,
 * to which a neighbour's entry in a map leads. Both have fixed room, so that their arrays never move; what has no room is not published, and its packets take the complete path.
 *
 * Invariants: record 0 and adjacency 0 are all zeros for ever: "unknown".
 */
import { sharedWords } from './shared-words.js';

/** Words of a record, as a shift. */
export const FWD_IF_SHIFT = 4;
/** Ports: their numbers are 0 to this less one. */
export const FWD_PORTS = 4_096;
/** Interface indexes that may have a record. */
export const FWD_IFINDEX_MAX = 65_535;
/** Records there is room for, old ones that wait for readers included. */
export const FWD_IF_RECORDS = 8_192;
/** Adjacencies there is room for. */
export const FWD_ADJ_MAX = 65_536;

/** Words of a record. FWD_IF_*; with the reason of a punt in the top byte while IN is off. */
export const FIF_FLAGS = 0;
export const FIF_INDEX = 1;
/** Number of the port that sends; -1 for an interface that is none. */
export const FIF_PORT = 2;
export const FIF_MAC_HI = 3;
/** Signed. */
export const FIF_MAC_LO = 4;
/** Which FwdSet (vnet and FIB) routes what comes in. */
export const FIF_SET = 5;
/** A vlan's parent, by index. */
export const FIF_PARENT = 6;
/** A vlan's tag, as four bytes of a frame: type, priority and id. Signed. */
export const FIF_TAG = 7;
/** A member's bridge, by index; 0 without. */
export const FIF_BRIDGE = 8;
/** Its place among the counters (fwd-counters.ts). */
export const FIF_CELL = 9;

/** What comes in may be looked at. */
export const FWD_IF_IN = 0x1;
/** What is routed may go out here. */
export const FWD_IF_OUT = 0x2;
/** What comes in may be routed, by family. */
export const FWD_IF_FWD4 = 0x4;
export const FWD_IF_FWD6 = 0x8;
/** Member of a bridge, which it learns for, gives frames to and gets frames from, and shows to no other member of the kind. */
export const FWD_IF_MEMBER = 0x10;
export const FWD_IF_LEARN = 0x20;
export const FWD_IF_BRFWD = 0x40;
export const FWD_IF_PRIVATE = 0x80;
/** It is a bridge. */
export const FWD_IF_BRIDGE = 0x100;
/** It is a vlan; it has vlans. */
export const FWD_IF_VLAN = 0x200;
export const FWD_IF_TRUNK = 0x400;
/** Frames of the port begin with a virtio-net header; its undone work is taken as it is. */
export const FWD_IF_VNET_HDR = 0x800;
export const FWD_IF_OFFLOAD = 0x1000;
/** Somebody captures on it, a port: whoever moves its frames shows them to the control thread, too. */
export const FWD_IF_TAPPED = 0x2000;
/** Where the reason of a punt is. */
export const FWD_IF_REASON_SHIFT = 24;

/** Fixed numbers of records, the oldest free one first, so that a number comes back as late as possible. */
class Numbers {
  private readonly free: number[] = [];
  private at = 0;
  private next = 1;
  private readonly max: number;

  constructor(max: number) {
    this.max = max;
  }

  /** 0: there is none. */
  take(): number {
    if (this.next < this.max) return this.next++;
    if (this.at === this.free.length) return 0;
    const n = this.free[this.at++]!;
    if (this.at === 1_024) {
      this.free.splice(0, this.at);
      this.at = 0;
    }
    return n;
  }

  give(n: number): void {
    this.free.push(n);
  }
}

/** All interfaces; the writing side. Readers use the arrays. */
export class FwdIfs {
  /** Record of each interface, by index. */
  readonly at = sharedWords(FWD_IFINDEX_MAX + 1);
  readonly words = sharedWords(FWD_IF_RECORDS << FWD_IF_SHIFT);
  /** Interface of each port, by number of the port; 0 without. */
  readonly ofPort = sharedWords(FWD_PORTS);
  private readonly numbers = new Numbers(FWD_IF_RECORDS);

  /**
   * Writes a record of these words and leads `index` to it; without room the interface is unknown instead (0 words in `record` mean that, too). The number of the
   * old record, for `free` after a grace period; 0: none.
   */
  publish(index: number, record: readonly number[]): number {
    const n = record.length === 0 ? 0 : this.numbers.take();
    if (n !== 0) this.words.set(record, n << FWD_IF_SHIFT);
    return Atomics.exchange(this.at, index, n);
  }

  /** No reader can have the record any more. */
  free(n: number): void {
    if (n === 0) return;
    this.words.fill(0, n << FWD_IF_SHIFT, (n + 1) << FWD_IF_SHIFT);
    this.numbers.give(n);
  }
}

/** Link addresses of neighbours: two words each. */
export class FwdAdjacencies {
  readonly words = sharedWords(FWD_ADJ_MAX << 1);
  private readonly numbers = new Numbers(FWD_ADJ_MAX);

  /** The number of a new one; 0: no room. */
  add(macHi: number, macLo: number): number {
    const n = this.numbers.take();
    if (n === 0) return 0;
    this.words[n << 1] = macHi;
    this.words[(n << 1) + 1] = macLo;
    return n;
  }

  /** No reader can have it any more. */
  free(n: number): void {
    this.numbers.give(n);
  }
}
