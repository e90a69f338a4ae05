/**
 * kernel-audit.ts — class KernelAudit: what every vnet holds, whether the Kernel's accounts agree, and what dead vnets left behind.
 * Read first: kern/audit.ts; docs/audit.md.
 *
 * Theory of operation. `report` reads the register of each vnet and balances the accounts that the Kernel keeps for all: packets
 * the pool has given out, timers armed, interfaces attached, deferred work. What no vnet owns up to is *unaccounted*. Between
 * turns that is 0; within one the packet being processed is on the stack and in nobody's queue.
 * `begin` is called before a vnet is stopped, and before it is taken down, and gives what `end` needs afterwards. When it is gone every row
 * of its register must be zero, and so must be the queues of the drivers whose interfaces were there. Packets that got lost are not in anybody's
 * queue; they show in the balance. That costs a walk over all vnets, so it is struck only when the pool has not got back as much
 * as the vnet held, and when the vnet was destroyed in the middle of a turn, after that turn (`turnEnded`).
 * A finding is logged, kept and reported once: packets known to be lost are not found again.
 *
 * Invariants: reading changes nothing but `lost`. Between `begin` and `end` no other vnet is destroyed.
 */
import { AuditLeaks } from '../kern/audit.js';
import type { AuditCount, AuditLeak } from '../kern/audit.js';
import { CTX_SOFTINT } from '../kern/context.js';
import type { Engine } from '../kern/engine.js';
import type { Ifnet } from '../net/ifnet.js';
import type { NetShared } from '../net/net.js';
import type { Vnet } from './vnet.js';

export interface VnetAuditReport {
  readonly vnet: string;
  readonly id: number;
  readonly rows: readonly AuditCount[];
}

/** What the Kernel's own accounts say, less what all vnets say. All 0 when nothing is under way. */
export interface AuditBalance {
  readonly packets: number;
  readonly timers: number;
  readonly interfaces: number;
  readonly deferred: number;
}

export interface AuditReport {
  readonly vnets: readonly VnetAuditReport[];
  /** The Kernel's own accounts, all vnets together. */
  readonly kernel: readonly AuditCount[];
  readonly unaccounted: AuditBalance;
  /** What destroyed vnets left, oldest first; only the first ones are kept. */
  readonly leaks: readonly AuditLeak[];
  readonly leaksFound: number;
}

/** What `begin` saw. */
interface Inventory {
  readonly vnet: Vnet;
  readonly interfaces: readonly Ifnet[];
  readonly held: number;
  readonly out: number;
}

export class KernelAudit {
  readonly leaks = new AuditLeaks();
  private readonly engine: Engine;
  private readonly shared: NetShared;
  private readonly lists: readonly (readonly Vnet[])[];
  private readonly processes: (vnet: Vnet) => number;
  /** Packets nobody holds that have been reported. */
  private lost = 0;
  /** A vnet that was destroyed within a turn and may have lost packets. */
  private suspect: string | null = null;

  /**
   * @param lists where the vnets are: those that are complete, and those of dying jails, newest first.
   * @param processes how many processes run in a vnet.
   */
  constructor(engine: Engine, shared: NetShared, lists: readonly (readonly Vnet[])[], processes: (vnet: Vnet) => number) {
    this.engine = engine;
    this.shared = shared;
    this.lists = lists;
    this.processes = processes;
  }

  report(): AuditReport {
    const { engine, shared } = this;
    const vnets = this.lists.flat();
    const of = (name: string, count: number, packets = false): AuditCount => ({ name, count, packets });
    return {
      vnets: vnets.map((v) => ({ vnet: v.name, id: v.kern.id, rows: this.rowsOf(v) })).reverse(),
      kernel: [
        of('vnets', vnets.length), of('interfaces', shared.attached), of('timers', engine.callouts.armed), of('deferred work', engine.deferredCount),
        of('packets', engine.pool.inUse, true), ...engine.audit.counts(),
      ],
      unaccounted: this.balance(),
      leaks: [...this.leaks.kept],
      leaksFound: this.leaks.found,
    };
  }

  /** Rows of one vnet. */
  rowsOf(v: Vnet): AuditCount[] {
    return [...v.kern.audit.counts(), { name: 'processes', count: this.processes(v), packets: false }];
  }

  balance(): AuditBalance {
    const { engine, shared } = this;
    const vnets = this.lists.flat();
    const sum = (count: (v: Vnet) => number): number => vnets.reduce((n, v) => n + count(v), 0);
    return {
      packets: this.unaccountedPackets(),
      timers: engine.callouts.armed - sum((v) => v.kern.calloutsArmed),
      interfaces: shared.attached - sum((v) => v.kern.ifcnt),
      deferred: engine.deferredCount - sum((v) => engine.deferredOf(v.kern)) - engine.deferredOf(null),
    };
  }

  /** A vnet is about to be taken down. */
  begin(vnet: Vnet): Inventory {
    const interfaces = new Set(vnet.net.ifnets);
    for (const cloner of vnet.net.cloners) for (const ifp of cloner.interfaces) interfaces.add(ifp);
    return { vnet, interfaces: [...interfaces], held: vnet.kern.audit.packets(), out: this.engine.pool.inUse };
  }

  /** It has been stopped, or with `gone` taken down. `outer` is the context the caller was in. */
  end(was: Inventory, gone: boolean, outer: number): void {
    const left = gone ? this.autopsy(was) : was.vnet.kern.audit.packets();
    if (this.engine.pool.inUse - left <= was.out - was.held) return;
    this.suspect ??= was.vnet.name;
    if (outer !== CTX_SOFTINT) this.strike();
  }

  /** Names what the dead vnet left; how many packets that were. */
  private autopsy(was: Inventory): number {
    const { vnet } = was;
    let left = 0;
    vnet.kern.audit.each((name, count, packets) => {
      if (count === 0) return;
      this.found(vnet.name, name, count);
      if (packets) left += count;
    });
    const asked = new Set<object>();
    for (const { driver, net, xname } of was.interfaces) {
      if (net !== null || asked.has(driver)) continue;
      asked.add(driver);
      const queued = driver.queued?.() ?? 0;
      if (queued === 0) continue;
      this.found(vnet.name, `packets in the queue of ${xname}`, queued);
      this.lost += queued;
    }
    this.lost += left;
    vnet.kern.audit.clear();
    return left;
  }

  /** Nothing is on the stack: packets that nobody holds are lost. */
  turnEnded(): void {
    if (this.suspect !== null && this.engine.context !== CTX_SOFTINT) this.strike();
  }

  private strike(): void {
    const vnet = this.suspect;
    const more = this.unaccountedPackets() - this.lost;
    if (vnet !== null && more > 0) {
      this.found(vnet, 'packets', more);
      this.lost += more;
    }
    this.suspect = null;
  }

  private unaccountedPackets(): number {
    let n = this.engine.pool.inUse - this.engine.audit.packets();
    for (const list of this.lists) for (const v of list) n -= v.kern.audit.packets();
    return n;
  }

  private found(vnet: string, name: string, count: number): void {
    this.leaks.add({ vnet, name, count });
    this.engine.env.log('err', vnet, `audit: ${name}: ${count} left when the vnet was gone`);
  }
}
