/**
 * kernel.ts — Kernel: any number of vnets behind three doors.
 * Read first: ARCHITECTURE.md "The engine"; vnet/vnet.ts.
 *
 * Theory of operation. A host stamps every input with `now` and hands it in through one of the doors: `input` (a frame on an
 * interface), `tick` (time passed, or work is due), `call` (somebody in thread context changes something). What comes out are
 * frames to drivers, the next deadline, log lines, and a wake-up when work became due outside a turn. The Kernel reads no
 * clock, starts nothing and waits for nothing: the same inputs give the same outputs.
 *
 * A broken invariant (InvariantError) leaving a turn stops the vnet whose packet or timer was being processed, with a dump in
 * the log; the others go on. Anything else thrown is a defect of the Kernel itself and passes through.
 *
 * Invariants: a vnet is in `vnets` only while all of its parts stand and it has not been stopped. vnet0 lives as long as the Kernel.
 */
import { InvariantError } from '../base/assert.js';
import type { Errno } from '../base/errno.js';
import { EAGAIN } from '../base/errno.js';
import type { Micros } from '../base/time.js';
import type { Env } from '../env/env.js';
import { CTX_IDLE, CTX_SOFTINT, CTX_THREAD } from '../kern/context.js';
import { Engine } from '../kern/engine.js';
import { EventHandlerList } from '../kern/eventhandler.js';
import { PrisonTree } from '../kern/prison.js';
import type { Prison as KernPrison, PrisonCreate, PrisonResult } from '../kern/prison.js';
import type { DyingPrison as KernDyingPrison } from '../kern/prison-stop.js';
import { PrisonStop } from '../kern/prison-stop.js';
import type { VnetSysinitObserver, VnetSysinitTable } from '../kern/vnet-sysinit.js';
import { WITNESS_SYSCTLS } from '../kern/witness.js';
import type { PacketBuffer } from '../mbuf/packet-buffer.js';
import { BPF_D_IN, BPF_D_OUT } from '../net/bpf.js';
import { Datapath } from '../net/datapath/datapath.js';
import { ifCounters, ifDown } from '../net/if.js';
import { ifPercpuqEnqueue } from '../net/if-percpuq.js';
import { ifInput } from '../net/if-transmit.js';
import type { Ifnet } from '../net/ifnet.js';
import { NetShared } from '../net/net.js';
import { KernelAudit } from './kernel-audit.js';
import type { AuditReport } from './kernel-audit.js';
import { TeardownTeller, tellOfMoves, tellOfPrisons, tellVnetCreated, tellVnetGone, tellVnetPanic } from './kernel-events.js';
import { Vnet, vnetSysinitTable } from './vnet.js';

export type Prison = KernPrison<Vnet>;

export type DyingPrison = KernDyingPrison<Vnet>;

/** What `jail -c` asks for. `vnet`: a stack of its own. */
export type JailCreate = Omit<PrisonCreate<Vnet>, 'newVnet'> & { readonly vnet: boolean };

/** Of the vnet outside all jails: in logs, events and the journal of moves. */
export const VNET0_NAME = 'vnet0';

export class Kernel {
  readonly engine: Engine;
  readonly shared: NetShared;
  /** Short paths' tables; null when the host did not ask for them (`Env.datapath`). */
  readonly datapath: Datapath | null;
  readonly sysinit: VnetSysinitTable<Vnet>;
  readonly prisons: PrisonTree<Vnet>;
  readonly vnet0: Vnet;
  /** Complete vnets, newest first. */
  readonly vnets: Vnet[] = [];
  /** Told of each step while a vnet is built, and while one is taken down. Neither is in `vnets` meanwhile. */
  onBuild: VnetSysinitObserver<Vnet> | null = null;
  onTeardown: VnetSysinitObserver<Vnet> | null = null;
  private readonly auditor: KernelAudit;
  /** Stopped vnets of dying jails: they stand, without sockets and borrowed interfaces, and are found nowhere. */
  private readonly stopped: Vnet[] = [];
  /** A jail is being removed: whoever has something of it open outside lets go, and holds the jail for as long as that takes. */
  readonly jailStopEvent = new EventHandlerList<Prison>();
  private readonly stops: PrisonStop<Vnet>;
  private nextVnetId = 0;

  constructor(env: Env) {
    this.engine = new Engine(env);
    this.datapath = env.datapath === undefined ? null : new Datapath(this.engine, () => this.shared, env.datapath === 'shared');
    this.shared = new NetShared(env.hostId, this.engine.witness, this.datapath);
    this.sysinit = vnetSysinitTable();
    this.auditor = new KernelAudit(this.engine, this.shared, [this.vnets, this.stopped], (v) => this.processesIn(v));
    this.vnet0 = this.call(0, () => this.vnetAlloc(VNET0_NAME));
    this.vnet0.kern.sysctl.attach(WITNESS_SYSCTLS, this.engine.witness);
    this.engine.witness.onFinding = ({ text }) => env.log('warning', '', `witness: ${text}`);
    this.prisons = new PrisonTree<Vnet>(this.vnet0);
    tellOfPrisons(this.prisons);
    tellOfMoves(this.shared.moves, this.vnets, this.vnet0);
    this.stops = new PrisonStop<Vnet>(this.prisons, this.vnet0.kern, {
      stop: (p) => {
        try {
          if (p.ownsVnet) this.vnetStop(p.vnet);
        } finally {
          this.jailStopEvent.invoke(p);
        }
      },
      wait: (p) => {
        if (p.ownsVnet) this.call(this.now, () => [...p.vnet.net.ifnets].forEach((ifp) => ifDown(ifp)));
      },
      finish: (p) => {
        if (p.ownsVnet) this.vnetDestroy(p.vnet);
      },
      busy: () => this.shared.lifecycleBusy,
    });
  }

  get now(): Micros {
    return this.engine.now;
  }

  /**
   * A frame arrived for `ifp` from outside. Owns `m`. It goes up at once, or, while the Kernel is at work (whoever brings it was called from
   * there), in softint within the same turn.
   */
  input(ifp: Ifnet, m: PacketBuffer, now: Micros): void {
    this.engine.advance(now);
    if (this.engine.context !== CTX_IDLE) {
      ifPercpuqEnqueue(ifp, m);
      return;
    }
    const previous = this.engine.enter(CTX_SOFTINT);
    try {
      ifInput(ifp, m);
    } catch (error) {
      this.engine.leave(previous);
      this.stopCulprit(error, this.vnetWhere((v) => v.net === ifp.net));
      return;
    }
    this.engine.leave(previous);
  }

  /** A frame that others moved through `ifp`, a datapath's port, for its captures; `out`: it left there. Owns `m`. */
  captured(ifp: Ifnet, m: PacketBuffer, out: boolean, now: Micros): void {
    this.engine.advance(now);
    const previous = this.engine.enter(CTX_SOFTINT);
    try {
      ifp.bpf?.tap(ifp, m, out ? BPF_D_OUT : BPF_D_IN);
    } finally {
      m.free();
      this.engine.leave(previous);
    }
  }

  /** Time is `now`: run what is due. */
  tick(now: Micros): void {
    try {
      this.engine.runTurn(now);
    } catch (error) {
      const owner = this.engine.takeCulprit();
      this.stopCulprit(error, this.vnetWhere((v) => v.kern === owner));
    }
    this.datapath?.sync();
    this.auditor.turnEnded();
  }

  /** When the host should call `tick` next; NEVER when idle. */
  nextDeadline(): Micros {
    return this.engine.nextDeadline();
  }

  /** Runs `fn` in thread context: a tool's or a socket's call. */
  call<T>(now: Micros, fn: () => T): T {
    this.engine.advance(now);
    const previous = this.engine.enter(CTX_THREAD);
    if (previous === CTX_IDLE) this.datapath?.begins();
    try {
      return fn();
    } finally {
      this.engine.leave(previous);
      if (previous === CTX_IDLE) this.datapath?.ended();
    }
  }

  /** Turns until nothing is due any more at the present time. For tests and simulations: no time passes. */
  settle(): void {
    while (this.engine.nextDeadline() <= this.engine.now) this.tick(this.engine.now);
  }

  /** The interface with that index anywhere in the Kernel. */
  ifByIndex(index: number): Ifnet | null {
    return this.shared.byIndex(index);
  }

  /** Builds a vnet outside any jail. */
  vnetAlloc(name: string): Vnet {
    const vnet = new Vnet(this.engine, this.shared, this.nextVnetId++, name);
    const previous = this.engine.enter(CTX_THREAD);
    tellVnetCreated(vnet);
    try {
      this.sysinit.runConstructors(vnet, this.onBuild ?? undefined);
    } finally {
      this.engine.leave(previous);
    }
    this.vnets.unshift(vnet);
    return vnet;
  }

  /** The first part of taking a vnet down: it is found no more, its sockets end, its foreign interfaces go home. */
  private vnetStop(vnet: Vnet): void {
    const at = this.vnets.indexOf(vnet);
    if (at < 0) return;
    this.vnets.splice(at, 1);
    this.stopped.push(vnet);
    vnet.kern.shutdown = true;
    this.tellSteps(vnet, (seen) => this.sysinit.runStop(vnet, seen), false);
  }

  /** Takes a vnet down, top-down: stops it, and destroys everything it made. */
  vnetDestroy(vnet: Vnet): void {
    try {
      this.vnetStop(vnet);
    } finally {
      const at = this.stopped.indexOf(vnet);
      if (at >= 0) {
        this.stopped.splice(at, 1);
        try {
          this.tellSteps(vnet, (seen) => this.sysinit.runDestructors(vnet, seen), true);
        } finally {
          tellVnetGone(vnet);
        }
      }
    }
  }

  /** Runs steps of a teardown in thread context; the host and the events hear of each. After the last ones the vnet is gone. */
  private tellSteps(vnet: Vnet, run: (seen: VnetSysinitObserver<Vnet>) => void, last: boolean): void {
    const held = this.auditor.begin(vnet);
    const previous = this.engine.enter(CTX_THREAD);
    const teller = new TeardownTeller(vnet, this.sysinit);
    const seen: VnetSysinitObserver<Vnet> = (_vnet, step, when) => {
      teller.step(when === 'before' ? step : null);
      this.onTeardown?.(vnet, step, when);
    };
    // What the vnet wanted to do while it lived, or as its interfaces went home, nobody waits for. Destructors defer nothing.
    if (last) this.engine.forgetDeferred(vnet.kern);
    try {
      this.shared.lifecycle(() => run(seen), 'vnet_destroy');
    } finally {
      if (last && vnet === this.vnet0) vnet.kern.sysctl.detach(this.engine.witness);
      this.auditor.end(held, last, previous);
      if (last) this.engine.forget(vnet.kern);
      this.engine.leave(previous);
    }
  }

  /** jail(8) -c: a prison below `viewer`, with a vnet of its own when asked. */
  jailCreate(viewer: Prison, want: JailCreate): PrisonResult<Vnet> {
    const { vnet, ...rest } = want;
    return this.prisons.create(viewer, vnet ? { ...rest, newVnet: (name) => this.vnetAlloc(name) } : rest);
  }

  /**
   * jail(8) -r: ends its processes, its children, and its vnet if it owns one. All of it in this call, unless something outside holds it
   * (`Prison.hold`): then it is dying, for at most security.jail.stop_limit_s. While an interface is being made, moved or destroyed, or a
   * vnet taken down (an event of that led here), the jail is removed when that is over; EAGAIN: too much waits for that already.
   */
  jailRemove(prison: Prison): Errno {
    if (this.shared.lifecycleBusy) {
      return this.engine.defer(() => void (prison.dying ? 0 : this.jailRemove(prison))) ? 0 : EAGAIN;
    }
    return this.stops.remove(prison);
  }

  /** Jails that were removed and are held. */
  dyingJails(): DyingPrison[] {
    return this.stops.dying();
  }

  /** A process of a prison ended; one that is not persistent goes with its last process. */
  prisonRelease(prison: Prison): void {
    if (!prison.isReleasable) return;
    if (this.shared.lifecycleBusy) this.engine.defer(() => this.prisonRelease(prison)); // it may be used again by then
    else this.jailRemove(prison);
  }

  /** Removes every jail, whoever holds it. vnet0's cloned interfaces go too. */
  shutdown(): void {
    for (const p of [...this.prisons.prison0.children].reverse()) this.jailRemove(p);
    this.stops.destroy();
    for (const v of [...this.vnets]) this.vnetDestroy(v);
  }

  vnetOf(ifp: Ifnet): Vnet | null {
    return this.vnets.find((v) => v.net === ifp.net) ?? null;
  }

  /** What every vnet holds, what the accounts of the Kernel do not explain, and what destroyed vnets left behind. */
  audit(): AuditReport {
    return this.auditor.report();
  }

  private processesIn(vnet: Vnet): number {
    const { prison0 } = this.prisons;
    return [prison0, ...prison0.descendants()].reduce((n, p) => n + (p.vnet === vnet ? p.attached.size : 0), 0);
  }

  /** Also among those of dying jails. */
  private vnetWhere(is: (v: Vnet) => boolean): Vnet | null {
    return this.vnets.find(is) ?? this.stopped.find(is) ?? null;
  }

  private stopCulprit(error: unknown, vnet: Vnet | null): void {
    if (!(error instanceof InvariantError) || vnet === null || vnet === this.vnet0) throw error;
    vnet.panic = error.message;
    tellVnetPanic(vnet, error.message);
    vnet.kern.log('err', `panic: ${error.message}\n${error.stack ?? ''}\n${dump(vnet)}`);
    const prison = this.prisons.prison0.descendants().find((p) => p.ownsVnet && p.vnet === vnet);
    try {
      try {
        if (prison !== undefined) this.jailRemove(prison);
      } finally {
        // A broken stack does not stay until its jail's holders have let go.
        this.vnetDestroy(vnet);
      }
    } catch (second) {
      vnet.kern.log('err', `panic while stopping: ${second instanceof Error ? second.message : String(second)}`);
    }
  }
}

/** What a post-mortem needs first: interfaces and non-zero counters. */
function dump(vnet: Vnet): string {
  const ifs = vnet.net.ifnets.map((i) => `  ${i.xname}: flags=${i.flags.toString(16)} mtu ${i.mtu} ${JSON.stringify(ifCounters(i))}`);
  const counters = vnet.kern.counters.list().flatMap((g) => g.lines().filter((l) => l.value !== 0).map((l) => `  ${g.name}: ${l.text}`));
  return [`vnet ${vnet.name} state 0x${vnet.kern.state.toString(16)} callouts ${vnet.kern.calloutsArmed} sockets ${vnet.kern.sockcnt}`, ...ifs, ...counters].join('\n');
}
