/**
 * bridge-mirror.ts — BridgeMirror: what one bridge has learned, for short paths.
 * Read first: fwd/fwd-tables.ts (FDB); net/bridge-rtable.ts, which calls here, net/bridge-forward.ts.
 *
 * Theory of operation. Every entry of the bridge's table is an entry of the shared one, under the bridge's index and with the member's. The addresses of this host are there as well, under
 * a VLAN id that no frame has; an address that is this host's is nobody else's, whatever the table says, so that a frame that claims to come from it takes the complete path.
 * Short paths mark the entries whose owners they see with the round, which is the time in seconds and one. Whoever ages the table asks for that (`seenAt`).
 *
 * Invariant: `drop` of everything leaves nothing under this bridge's index.
 */
import type { FwdMap } from '../../fwd/fwd-map.js';
import { FWD_FDB_LOCAL, fdbKey } from '../../fwd/fwd-tables.js';
import type { Micros } from '../../base/time.js';
import { US_PER_SEC } from '../../base/time.js';
import type { BridgeForward } from '../bridge-forward.js';
import type { RtableMirror } from '../bridge-rtable.js';
import { IFT_GIF } from '../ifnet.js';

interface LocalAddress {
  readonly hi: number;
  readonly lo: number;
}

export class BridgeMirror implements RtableMirror {
  /** The one that is mirrored. */
  readonly of: BridgeForward;
  private readonly index: number;
  private readonly fdb: FwdMap;
  private local: LocalAddress[] = [];
  /** What `local` was made of. */
  private localGen = -1;
  private macHi = -1;
  private macLo = -1;

  constructor(of: BridgeForward, fdb: FwdMap) {
    this.of = of;
    this.index = of.ifp.index;
    this.fdb = fdb;
    of.rtable.mirror = this;
    this.sync();
  }

  /** The addresses of this host may have changed. */
  sync(): void {
    const { of } = this;
    if (this.localGen === of.localGen && this.macHi === of.ifp.macHi && this.macLo === of.ifp.macLo) return;
    this.localGen = of.localGen;
    this.macHi = of.ifp.macHi;
    this.macLo = of.ifp.macLo;
    this.forgetAll();
    this.fileLocal(of.ifp.macHi, of.ifp.macLo, this.index);
    for (const { ifp } of of.order) if (ifp.type !== IFT_GIF) this.fileLocal(ifp.macHi, ifp.macLo, ifp.index);
    for (const e of of.rtable.list()) this.put(e.hi, e.lo, e.vlan, e.port);
  }

  /** The bridge is mirrored no more. */
  destroy(): void {
    this.forgetAll();
    if (this.of.rtable.mirror === this) this.of.rtable.mirror = null;
  }

  put(hi: number, lo: number, vlan: number, port: number): void {
    const index = this.of.ports[port]?.ifp.index ?? 0;
    this.fdb.set(this.isLocal(hi, lo) ? 0 : index, lo | 0, fdbKey(hi, vlan), this.index);
  }

  drop(hi: number, lo: number, vlan: number): void {
    this.fdb.set(0, lo | 0, fdbKey(hi, vlan), this.index);
  }

  /** When a short path saw the address for the last time, to the second before; 0: not since it was put there. */
  seenAt(hi: number, lo: number, vlan: number): Micros {
    return Math.max(0, this.fdb.seen(lo | 0, fdbKey(hi, vlan), this.index) - 1) * US_PER_SEC;
  }

  private fileLocal(hi: number, lo: number, index: number): void {
    if (this.isLocal(hi, lo)) return;
    this.local.push({ hi, lo });
    this.fdb.set(index, lo | 0, fdbKey(hi, FWD_FDB_LOCAL), this.index);
  }

  private isLocal(hi: number, lo: number): boolean {
    return this.fdb.find(lo | 0, fdbKey(hi, FWD_FDB_LOCAL), this.index) !== 0;
  }

  /** The bridge's own table keeps what short paths have seen. */
  private forgetAll(): void {
    this.of.rtable.refreshSeen(this.of.timeoutUs);
    for (const e of this.of.rtable.list()) this.drop(e.hi, e.lo, e.vlan);
    for (const a of this.local) this.fdb.set(0, a.lo | 0, fdbKey(a.hi, FWD_FDB_LOCAL), this.index);
    this.local = [];
  }
}
