/**
 * sim-link.ts — a link between two Ethernet interfaces that delays, loses, duplicates, reorders and corrupts.
 *
 * Theory of operation. Each direction is a queue ordered by delivery time, one Callout for its head. A frame sent is delivered
 * `delayUs` (plus up to `jitterUs`) later, after the frames before it have been serialised at `bitsPerSec`. Loss, duplication
 * and corruption are drawn from the link's own random stream, so one seed gives one history. Without `reorder` a jittered frame
 * never overtakes an earlier one.
 * It is a wire: checksums are finished and super-segments cut before chance is asked, so that losing a frame loses one segment. With `tso`
 * a super-segment crosses as one frame longer than the MTU.
 *
 * Invariant: at most `queueMax` frames are under way in a direction; more are dropped and counted.
 */
import type { Errno } from '../base/errno.js';
import { ENODEV } from '../base/errno.js';
import type { Prng } from '../base/prng.js';
import type { Micros } from '../base/time.js';
import { US_PER_SEC } from '../base/time.js';
import { Callout } from '../kern/callout.js';
import type { Engine } from '../kern/engine.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { etherIfattach, etherIfdetach, etherInsertTag } from '../net/ether.js';
import { ifLinkStateChange } from '../net/if.js';
import { ifInput } from '../net/if-transmit.js';
import { IFCAP_LRO, IFF_RUNNING, IFF_SIMPLEX, IFT_ETHER, Ifnet, LINK_STATE_UP } from '../net/ifnet.js';
import { ifMoved, ifNotMoved } from '../net/if-move.js';
import type { IfMove, IfMoveResult } from '../net/if-move.js';
import type { IfDriver } from '../net/ifnet.js';
import type { Net } from '../net/net.js';
import { finishChecksums, segment } from '../net/offload.js';

export interface SimLinkOptions {
  readonly delayUs?: Micros;
  /** Up to this much more delay, uniformly. */
  readonly jitterUs?: Micros;
  /** Probability that a frame is lost, delivered twice, or has one byte changed. */
  readonly loss?: number;
  readonly duplicate?: number;
  readonly corrupt?: number;
  /** Probability that a frame is held back by a further delay, so that later ones overtake it. */
  readonly reorder?: number;
  /** Serialisation rate; Infinity by default. */
  readonly bitsPerSec?: number;
  readonly queueMax?: number;
  readonly mtu?: number;
  /** Super-segments cross whole, as over a cable inside the process; else they are cut, as on a wire. */
  readonly tso?: boolean;
  /** The interfaces have `lro` on: TCP segments that arrive at one moment go to TCP together. */
  readonly lro?: boolean;
}

/** What happened to the frames of a direction. */
export class SimLinkStats {
  sent = 0;
  delivered = 0;
  lost = 0;
  duplicated = 0;
  corrupted = 0;
  reordered = 0;
  queueDrops = 0;
}

interface InFlight {
  readonly at: Micros;
  readonly m: PacketBuffer;
}

/** One end: the driver of its interface and the queue of frames toward the other end. */
export class SimLinkEnd implements IfDriver {
  readonly stats = new SimLinkStats();
  /** The interface it is now: another one after a move. */
  ifp: Ifnet;
  peer: SimLinkEnd | null = null;
  private readonly engine: Engine;
  private readonly options: Required<SimLinkOptions>;
  private readonly rng: Prng;
  private callout: Callout;
  private readonly flight: InFlight[] = [];
  private busyUntil: Micros = 0;
  private lastAt: Micros = 0;
  private readonly emit = (piece: PacketBuffer): void => this.send(piece);

  constructor(net: Net, xname: string, unit: number, options: Required<SimLinkOptions>, rng: Prng) {
    this.engine = net.kern.engine;
    this.options = options;
    this.rng = rng;
    this.ifp = new Ifnet(this, 'sim', unit, xname, IFT_ETHER, IFF_SIMPLEX | IFF_RUNNING, options.mtu);
    this.offerLro(this.ifp);
    this.callout = new Callout(net.kern, () => this.deliverDue());
    etherIfattach(this.ifp, net, net.shared.generateMac(0x02, unit & 0xff));
    ifLinkStateChange(this.ifp, LINK_STATE_UP);
  }

  /** The new instance has this driver, as a physical one; what was under way to the old vnet is lost. */
  reassign(move: IfMove): IfMoveResult {
    const { ifp: old, to, like } = move;
    const made = new Ifnet(this, old.dname, old.dunit, move.xname, old.type, IFF_SIMPLEX | IFF_RUNNING, old.mtu);
    made.linkState = old.linkState;
    made.baudrate = old.baudrate;
    this.offerLro(made);
    etherIfattach(made, to, like.lladdr, like);
    if (old.net === null) {
      etherIfdetach(made);
      return ifNotMoved(ENODEV);
    }
    move.commit(made);
    this.drop();
    this.ifp = made;
    this.callout = new Callout(to.kern, () => this.deliverDue());
    etherIfdetach(old);
    return ifMoved(made);
  }

  private offerLro(ifp: Ifnet): void {
    if (!this.options.lro) return;
    ifp.capabilities = IFCAP_LRO;
    ifp.capenable = IFCAP_LRO;
  }

  queued(): number {
    return this.flight.length;
  }

  transmit(_ifp: Ifnet, m: PacketBuffer): Errno {
    if (m.gsoSize > 0 && !this.options.tso) {
      if (!etherInsertTag(m)) m.free();
      else if (segment(m.pool, m, this.emit) > 0) return 0;
      this.stats.sent++;
      this.stats.lost++;
      return 0;
    }
    this.send(m);
    return 0;
  }

  private send(m: PacketBuffer): void {
    this.stats.sent++;
    if (!etherInsertTag(m) || this.rng.chance(this.options.loss)) {
      this.stats.lost++;
      m.free();
      return;
    }
    finishChecksums(m);
    if (this.rng.chance(this.options.corrupt)) this.corrupt(m);
    if (this.rng.chance(this.options.duplicate)) {
      const twin = m.pool.copy(m);
      if (twin !== null) {
        this.stats.duplicated++;
        this.enqueue(twin);
      }
    }
    this.enqueue(m);
  }

  /** Drops everything under way and takes the interface out of its vnet. */
  destroy(): void {
    this.drop();
    etherIfdetach(this.ifp);
  }

  /** The vnet goes: what was under way is lost. */
  vnetGone(): void {
    this.drop();
  }

  private drop(): void {
    this.engine.calloutStop(this.callout);
    for (const f of this.flight.splice(0)) f.m.free();
  }

  private corrupt(m: PacketBuffer): void {
    this.stats.corrupted++;
    const at = m.off + this.rng.below(m.len);
    m.view.setUint8(at, m.view.getUint8(at) ^ (1 + this.rng.below(255)));
  }

  private enqueue(m: PacketBuffer): void {
    if (this.flight.length >= this.options.queueMax) {
      this.stats.queueDrops++;
      m.free();
      return;
    }
    const now = this.engine.now;
    this.busyUntil = Math.max(this.busyUntil, now) + (m.len * 8 * US_PER_SEC) / this.options.bitsPerSec;
    let at = Math.ceil(this.busyUntil) + this.options.delayUs + (this.options.jitterUs > 0 ? this.rng.below(this.options.jitterUs + 1) : 0);
    if (this.rng.chance(this.options.reorder)) {
      this.stats.reordered++;
      at += Math.max(1, this.options.delayUs);
    } else {
      at = Math.max(at, this.lastAt);
      this.lastAt = at;
    }
    let i = this.flight.length;
    while (i > 0 && (this.flight[i - 1]?.at ?? 0) > at) i--;
    this.flight.splice(i, 0, { at, m });
    if (i === 0) this.engine.calloutReset(this.callout, at - now);
  }

  private deliverDue(): void {
    for (let f = this.flight[0]; f !== undefined && f.at <= this.engine.now; f = this.flight[0]) {
      this.flight.shift();
      const to = this.peer?.ifp;
      if (to === undefined || !to.isRunning) {
        f.m.free();
        continue;
      }
      this.stats.delivered++;
      const { m } = f;
      m.reset(m.off, m.len);
      ifInput(to, m);
    }
    const next = this.flight[0];
    if (next !== undefined) this.engine.calloutReset(this.callout, next.at - this.engine.now);
  }
}

/** Fills in what a caller left out. */
export function simLinkDefaults(o: SimLinkOptions): Required<SimLinkOptions> {
  return {
    delayUs: o.delayUs ?? 0, jitterUs: o.jitterUs ?? 0, loss: o.loss ?? 0, duplicate: o.duplicate ?? 0, corrupt: o.corrupt ?? 0,
    reorder: o.reorder ?? 0, bitsPerSec: o.bitsPerSec ?? Number.POSITIVE_INFINITY, queueMax: o.queueMax ?? 4_096, mtu: o.mtu ?? 1_500, tso: o.tso ?? false, lro: o.lro ?? false,
  };
}
