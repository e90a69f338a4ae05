/**
 * vnet-kern.ts — what every layer may know of the vnet it lives in (FreeBSD's `struct vnet`).
 * Read first: vnet(9), freebsd `sys/net/vnet.h`.
 *
 * A layer's own per-vnet state is an object of that layer, built by its constructor in vnet/vnet.ts and handed what it
 * needs; there is no "current vnet". This object carries what is common: name, state, the sysctl and counter trees, the
 * account of what everybody holds (audit.ts), which must be zero when the vnet is gone.
 */
import type { LogLevel } from '../env/env.js';
import { AuditRegister } from './audit.js';
import type { AuditRow } from './audit.js';
import type { CalloutOwner } from './callout.js';
import { CONTROL_AUDIT, ControlEnds } from './control-ends.js';
import { CounterTree } from './counters.js';
import { DEVCTL_DEFAULT_QUEUE_LEN, DevctlQueue } from './devctl.js';
import type { Engine } from './engine.js';
import { SockMem } from './sock-mem.js';
import { SysctlTree } from './sysctl.js';
import { SI_SUB_VNET_DONE } from './vnet-sysinit.js';

const KERN_AUDIT: readonly AuditRow<VnetKern>[] = [
  { name: 'interfaces', count: (k) => k.ifcnt },
  { name: 'sockets', count: (k) => k.sockcnt },
  { name: 'bytes charged to sockets', count: (k) => k.sockmem.bytes },
  { name: 'timers', count: (k) => k.calloutsArmed },
  { name: 'deferred work', count: (k) => k.engine.deferredOf(k) },
  { name: 'sysctl groups', count: (k) => k.sysctl.count },
  { name: 'event readers', count: (k) => k.devctl.readerCount },
  { name: 'counter groups', count: (k) => k.counters.count },
];

export class VnetKern implements CalloutOwner {
  readonly engine: Engine;
  readonly id: number;
  /** Its jail's, from outside all jails; follows it when it is renamed. */
  name: string;
  readonly sysctl = new SysctlTree();
  readonly counters = new CounterTree();
  /** What the parts of the vnet hold; all zero when it is gone. */
  readonly audit = new AuditRegister();
  /** Events of this vnet, for readers inside it. */
  readonly devctl = new DevctlQueue(DEVCTL_DEFAULT_QUEUE_LEN);
  /** Programs that serve in the vnet. */
  readonly control = new ControlEnds();
  /** Packet memory its sockets hold. */
  readonly sockmem: SockMem;
  /** The last SI_SUB_* whose constructors or destructors ran. */
  state = 0;
  shutdown = false;
  ifcnt = 0;
  sockcnt = 0;
  calloutsArmed = 0;

  constructor(engine: Engine, id: number, name: string) {
    this.engine = engine;
    this.id = id;
    this.name = name;
    this.sockmem = new SockMem(engine.sockmem);
    this.audit.attach(KERN_AUDIT, this);
    this.audit.attach(CONTROL_AUDIT, this.control);
  }

  /** VNET_IS_SHUTTING_DOWN: false while the first destructor (interfaces going home) runs, true for all later ones. */
  get isShuttingDown(): boolean {
    return this.shutdown && this.state < SI_SUB_VNET_DONE;
  }

  /** Runs `work` in thread context at the end of the turn, if the vnet is still there; false when too much is waiting. */
  defer(work: () => void): boolean {
    return this.engine.defer(work, this);
  }

  log(level: LogLevel, message: string): void {
    this.engine.env.log(level, this.name, message);
  }
}
