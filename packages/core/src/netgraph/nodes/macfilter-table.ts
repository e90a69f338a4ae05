/**
 * macfilter-table.ts — the link addresses a macfilter node knows, in ascending order, found by bisection.
 *
 * The table is the administrator's: nothing that a frame carries adds to it.
 */

export class MacfilterMac {
  /** The first two octets, and the other four. */
  readonly hi: number;
  readonly lo: number;
  hookid: number;
  packetsIn = 0;
  bytesIn = 0;
  packetsOut = 0;
  bytesOut = 0;

  constructor(hi: number, lo: number, hookid: number) {
    this.hi = hi;
    this.lo = lo;
    this.hookid = hookid;
  }

  clear(): void {
    this.packetsIn = 0;
    this.bytesIn = 0;
    this.packetsOut = 0;
    this.bytesOut = 0;
  }
}

export class MacfilterTable {
  /** Ascending. */
  macs: MacfilterMac[] = [];

  find(hi: number, lo: number): MacfilterMac | null {
    const mac = this.macs[this.place(hi, lo)];
    return mac !== undefined && mac.hi === hi && mac.lo === lo ? mac : null;
  }

  /** Frames of the address go to hook `hookid`; 0 for those of addresses that are not here. */
  direct(hi: number, lo: number, hookid: number): void {
    const at = this.place(hi, lo);
    const mac = this.macs[at];
    const there = mac !== undefined && mac.hi === hi && mac.lo === lo;
    if (hookid === 0) {
      if (there) this.macs.splice(at, 1);
    } else if (there) {
      mac.hookid = hookid;
    } else {
      this.macs.splice(at, 0, new MacfilterMac(hi, lo, hookid));
    }
  }

  /** Forgets what goes to a hook. */
  forget(hookid: number): void {
    this.macs = this.macs.filter((mac) => mac.hookid !== hookid);
  }

  countOf(hookid: number): number {
    let n = 0;
    for (const mac of this.macs) if (mac.hookid === hookid) n++;
    return n;
  }

  /** Index of the first address that is not smaller. */
  private place(hi: number, lo: number): number {
    const { macs } = this;
    let from = 0;
    let to = macs.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const mac = macs[middle]!;
      if (mac.hi < hi || (mac.hi === hi && mac.lo < lo)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
