/**
 * vms.ts — the virtual machines of a daemon: started, found by name, stopped, ended with their jails and with the daemon.
 * Read first: vm-spec.ts, vm-process.ts, nic-backends.ts.
 *
 * Theory of operation. A name is taken from the moment somebody asks for it. A machine belongs to a vnet: its backends are opened there, and a
 * jail that is removed takes its machines with it and is held until they are gone. A start that fails half-way undoes what it did.
 * A machine that waits to take over (vm-standby.ts) has no name until it does: it must find its name free then, or about to be.
 * Machines that linger (bhyve's) keep their name when they have ended, with how they ended, until they are destroyed or run again.
 *
 * Invariants: no process of ours is without a machine in the list. Cables are closed when the process is gone. A prison is held from before its machine is
 * started until all of it is put away. `close` resolves when nothing is left.
 * Not here: HTTP (vm-routes.ts), bhyve's words (bhyve-tool.ts).
 */
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Prison } from '@netloom/core';
import { devctlAnnounce, EBUSY, EEXIST, ENOENT } from '@netloom/core';
import { prisonCalled } from '../daemon/event-records.js';
import { vnetName } from '../daemon/kernel-topology.js';
import { VmLaunch } from './vm-launch.js';
import type { VmsWorld } from './vm-launch.js';
import type { VmEnd } from './vm-process.js';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';
import { VmStandby } from './vm-standby.js';
import { Vm } from './vm.js';
import { errorLine } from '../error-line.js';
import { inTime } from '../in-time.js';

/** Machines at a time, lingering ones and those that wait included. */
const VMS_MAX = 256;
/** The daemon ends: guests get this long to power down. */
const CLOSE_MS = 5_000;
/** How long a machine that takes over waits for the one before it to be put away. */
const BEFORE_MS = 10_000;

export class Vms {
  private readonly world: VmsWorld;
  private readonly launch: VmLaunch;
  private readonly byName = new Map<string, Vm>();
  private readonly waiting = new Set<VmStandby>();
  private closing = false;

  constructor(world: VmsWorld) {
    this.world = world;
    this.launch = new VmLaunch(world);
    world.kernel.jailStopEvent.register((prison) => this.jailStops(prison));
  }

  /** In the order in which their names were taken. */
  list(): Vm[] {
    return [...this.byName.values()];
  }

  /** Machines that wait to take over. */
  standbys(): VmStandby[] {
    return [...this.waiting];
  }

  find(name: string): Vm | null {
    return this.byName.get(name) ?? null;
  }

  get nowUs(): number {
    return this.world.loop.enter();
  }

  /** What its vnet is called now. */
  vnetOf(vm: Vm): string {
    return vnetName(vm.prison, this.world.kernel.prisons.prison0);
  }

  /** Where the logs and sockets of a machine that is started under that name are. */
  folderOf(name: string): string {
    return join(this.world.folder, name);
  }

  /** Starts a machine; it runs when this resolves. @throws VmRefusal */
  async run(spec: VmSpec): Promise<Vm> {
    const before = this.byName.get(spec.name);
    const prison = this.admit(spec, before);
    const vm = new Vm(spec, prison, this.world.loop.enter(), this.folderOf(spec.name));
    this.byName.delete(spec.name);
    this.byName.set(spec.name, vm);
    const letGo = prison.hold(`virtual machine ${spec.name}`, () => vm.process?.kill());
    try {
      await this.start(vm);
      this.follow(vm, letGo);
      return vm;
    } catch (error) {
      const end = await vm.process?.ended;
      await this.putAway(vm, letGo, end ?? { how: 'failed', message: errorLine(error) });
      // A folder without a log says nothing.
      await rmdir(vm.folder).catch(() => undefined);
      if (before === undefined) this.byName.delete(spec.name);
      else this.byName.set(spec.name, before);
      throw error;
    }
  }

  /** Starts a machine that waits to take over from one of that name. @throws VmRefusal */
  async standby(spec: VmSpec): Promise<VmStandby> {
    const prison = this.admit(spec);
    const standby: VmStandby = new VmStandby(spec, prison, this.standbyFolder(spec.name), {
      launch: this.launch,
      takeOver: (go) => this.takeOver(standby, go),
      ended: () => {
        this.world.loop.enter();
        this.waiting.delete(standby);
      },
    });
    this.waiting.add(standby);
    await standby.start();
    return standby;
  }

  /** Forgets a machine that lingers; a running one is ended first. false: there is none of that name. */
  async destroy(name: string): Promise<boolean> {
    const vm = this.byName.get(name);
    if (vm === undefined) return false;
    await vm.stop(0);
    this.forget(vm);
    return true;
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.closing = true;
    await Promise.all([...this.standbys().map((standby) => standby.end()), ...this.list().map((vm) => vm.stop(CLOSE_MS))]);
    this.byName.clear();
  }

  /** May it be started? The prison it is to belong to. */
  private admit(spec: VmSpec, before?: Vm): Prison {
    if (this.closing) throw new VmRefusal(EBUSY, 'the daemon is ending');
    if (before !== undefined && before.state !== 'ended') throw new VmRefusal(EEXIST, `a virtual machine is called "${spec.name}" already ("netloom vm ls" lists them)`);
    if (before === undefined && this.byName.size + this.waiting.size >= VMS_MAX) throw new VmRefusal(EBUSY, `there are ${VMS_MAX} virtual machines already; stop some ("netloom vm ls" lists them)`);
    const prison = prisonCalled(this.world.kernel, spec.vnet);
    if (prison === null) throw new VmRefusal(ENOENT, `there is no vnet "${spec.vnet}" ("netloom ps" lists them)`);
    if (prison.dying) throw new VmRefusal(ENOENT, `jail "${spec.vnet}" is dying ("netloom ps --dying" says what holds it)`);
    return prison;
  }

  /** A folder that no machine has, and that no machine's name is. */
  private standbyFolder(name: string): string {
    const taken = new Set([...this.list(), ...this.waiting].map(({ folder }) => folder));
    for (let number = 1; ; number++) {
      const folder = this.folderOf(`${name}@${number}`);
      if (!taken.has(folder)) return folder;
    }
  }

  private async start(vm: Vm): Promise<void> {
    const { spec } = vm;
    vm.process = await this.launch.toRun(vm);
    vm.process.onReset = () => this.announce(vm, 'RESET');
    if (vm.state === 'stopping' || vm.prison.dying || this.closing) {
      vm.process.kill();
      throw new VmRefusal(EBUSY, `"${vm.name}" was stopped before it had started`);
    }
    if (spec.gdb?.wait !== true) await vm.process.resume();
    vm.state = 'running';
    this.announce(vm, 'START', { pid: String(vm.process.pid), accel: vm.process.accel });
  }

  /** Gives a machine that waited its name while `go` makes it run. */
  private async takeOver(standby: VmStandby, go: (vm: Vm) => Promise<void>): Promise<void> {
    const { spec, prison, folder, parts, process } = standby;
    await this.nameIsFree(spec.name);
    const vm = new Vm(spec, prison, this.world.loop.enter(), folder, parts);
    vm.process = process;
    this.byName.set(vm.name, vm);
    try {
      await go(vm);
    } catch (error) {
      this.forget(vm);
      vm.ended({ how: 'failed', message: (error as Error).message });
      throw error;
    }
    this.waiting.delete(standby);
    process.onReset = () => this.announce(vm, 'RESET');
    if (vm.state === 'starting') vm.state = 'running';
    this.announce(vm, 'START', { pid: String(process.pid), accel: process.accel, takeover: 'yes' });
    this.follow(vm, standby.letGo);
  }

  /** Waits for the machine of that name, which has ended or is about to. @throws VmRefusal */
  private async nameIsFree(name: string): Promise<void> {
    const before = this.byName.get(name);
    if (before === undefined) return;
    if ((await inTime(before.gone, BEFORE_MS, null)) === null) throw new VmRefusal(EEXIST, `"${name}" still runs here ("netloom vm ls" lists it)`);
    this.forget(before);
  }

  /** Puts a machine away when it ends. */
  private follow(vm: Vm, letGo: () => void): void {
    void vm.process?.ended.then(async (end) => {
      await this.putAway(vm, letGo, end);
      this.announceEnd(vm, end);
    });
  }

  private async putAway(vm: Vm, letGo: () => void, end: VmEnd): Promise<void> {
    await vm.parts.close();
    this.world.loop.enter();
    letGo();
    vm.ended(end);
  }

  private jailStops(prison: Prison): void {
    for (const standby of this.standbys()) if (standby.prison === prison) void standby.end();
    for (const vm of this.list()) {
      if (vm.prison !== prison) continue;
      if (vm.state === 'ended') this.forget(vm);
      else void vm.stop(0).then(() => this.forget(vm));
    }
  }

  private announceEnd(vm: Vm, end: VmEnd): void {
    const failed = end.how === 'failed' || end.how === 'killed';
    this.world.log[failed ? 'warn' : 'info']({ vm: vm.name, ...end }, 'a virtual machine has ended');
    this.announce(vm, 'END', { how: end.how, ...(end.message === '' ? {} : { message: end.message }) });
    if (!vm.spec.lingers) this.forget(vm);
  }

  private announce(vm: Vm, type: string, data: Readonly<Record<string, string>> = {}): void {
    this.world.loop.enter();
    devctlAnnounce(vm.prison.vnet.kern, 'VM', vm.name, type, data);
  }

  private forget(vm: Vm): void {
    if (this.byName.get(vm.name) === vm) this.byName.delete(vm.name);
  }
}
