/**
 * priority-vector.ts — what bridges compare: who is root, how far, by whom, through which port; and the times that go with it.
 * Read first: IEEE 802.1D-2004 §17.5, §17.6 (priority vectors), §9.2.5 (bridge identifiers).
 *
 * A bridge identifier is 64 bits, a priority of 16 and a MAC address of 48. It is kept as two 32-bit numbers, so that comparing
 * makes no object: `hi` is the priority and the first two octets, `lo` the other four. Smaller is better, component by component.
 */

/** A bridge identifier's high word: priority and the first two octets. */
export function bridgeIdHi(priority: number, macHi: number): number {
  return ((priority << 16) | macHi) >>> 0;
}

export class PriorityVector {
  rootHi = 0;
  rootLo = 0;
  /** Root path cost. */
  cost = 0;
  bridgeHi = 0;
  bridgeLo = 0;
  /** The designated port's identifier: priority and number. */
  port = 0;

  copyFrom(v: PriorityVector): void {
    this.rootHi = v.rootHi;
    this.rootLo = v.rootLo;
    this.cost = v.cost;
    this.bridgeHi = v.bridgeHi;
    this.bridgeLo = v.bridgeLo;
    this.port = v.port;
  }

  /** Negative when this one is better than `v`, 0 when they are the same, positive when it is worse. `extra` is added to this cost. */
  compare(v: PriorityVector, extra = 0): number {
    return this.rootHi - v.rootHi || this.rootLo - v.rootLo || this.cost + extra - v.cost
      || this.bridgeHi - v.bridgeHi || this.bridgeLo - v.bridgeLo || this.port - v.port;
  }

  /** Do both name the same designated bridge? By address alone: a bridge that changes its priority stays who it is. */
  sameBridge(v: PriorityVector): boolean {
    return this.bridgeLo === v.bridgeLo && ((this.bridgeHi ^ v.bridgeHi) & 0xffff) === 0;
  }

  /** … and the same designated port there, whatever its priority? */
  samePort(v: PriorityVector): boolean {
    return this.sameBridge(v) && ((this.port ^ v.port) & 0xfff) === 0;
  }

  /** §17.6: better than `v`, or news from where `v` came from, which replace it even when they are worse. */
  supersedes(v: PriorityVector): boolean {
    return this.compare(v) < 0 || this.samePort(v);
  }
}

/** The timer values a bridge tells its neighbours (§17.18.11), in 1/256 s. */
export class BstpTimes {
  messageAge = 0;
  maxAge = 0;
  forwardDelay = 0;
  helloTime = 0;

  copyFrom(t: BstpTimes): void {
    this.messageAge = t.messageAge;
    this.maxAge = t.maxAge;
    this.forwardDelay = t.forwardDelay;
    this.helloTime = t.helloTime;
  }

  equals(t: BstpTimes): boolean {
    return this.messageAge === t.messageAge && this.maxAge === t.maxAge && this.forwardDelay === t.forwardDelay && this.helloTime === t.helloTime;
  }
}
