/**
 * vms.ts — the virtual machines of a daemon: started, found by name, stopped, ended with their jails and with the daemon.
 * Read first: vm-spec.ts, vm-process.ts, nic-backends.ts.
 *
 * Theory of operation. A name is taken from the moment somebody asks for it. A machine belongs to a vnet: its backends are opened there, and a
 * jail that is removed takes its machines with it and is held until they are gone. A start that fails half-way undoes what it did.
 * Machines that linger (bhyve's) keep their name when they have ended, with how they ended, until they are destroyed or run again.
 *
 * Invariants: no process of ours is without a machine in the list. Cables are closed when the process is gone. A prison is held from before its machine is
 * started until all of it is put away. `close` resolves when nothing is left.
 * Not here: HTTP (vm-routes.ts), bhyve's words (bhyve-tool.ts).
 */
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kernel, Prison } from '@netloom/core';
import { devctlAnnounce, EBUSY, EEXIST, ENOENT, EOPNOTSUPP } from '@netloom/core';
import type { Logger } from 'pino';
import { prisonCalled } from '../daemon/event-records.js';
import { vnetName } from '../daemon/kernel-topology.js';
import type { HostLoop } from '../loop.js';
import { kvmWorks } from './kvm-probe.js';
import type { NicBackends } from './nic-backends.js';
import { qemuArgs } from './qemu-command.js';
import { QEMU, qemuProgram } from './qemu-program.js';
import { v86Argv } from './v86-command.js';
import type { CableMaker, VmCable } from './vm-cable.js';
import { checkFiles } from './vm-files.js';
import { CONSOLE_FD, MONITOR_FD, VmProcess } from './vm-process.js';
import type { RunsBy, VmEnd } from './vm-process.js';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';
import { Vm } from './vm.js';

/** Machines at a time, lingering ones included. */
const VMS_MAX = 256;
/** The daemon ends: guests get this long to power down. */
const CLOSE_MS = 5_000;

export interface VmsWorld {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly log: Logger;
  readonly backends: NicBackends;
  readonly cables: CableMaker;
  /** A folder for logs and sockets, made when the first machine is. */
  readonly folder: string;
}

export class Vms {
  private readonly world: VmsWorld;
  private readonly byName = new Map<string, Vm>();
  private closing = false;

  constructor(world: VmsWorld) {
    this.world = world;
    world.kernel.jailStopEvent.register((prison) => this.jailStops(prison));
  }

  /** In the order in which their names were taken. */
  list(): Vm[] {
    return [...this.byName.values()];
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

  /** Where a machine's logs and sockets are. */
  folderOf(name: string): string {
    return join(this.world.folder, name);
  }

  /** Starts a machine; it runs when this resolves. @throws VmRefusal */
  async run(spec: VmSpec): Promise<Vm> {
    const before = this.byName.get(spec.name);
    const prison = this.admit(spec, before);
    const vm = new Vm(spec, prison, this.world.loop.enter());
    this.byName.delete(spec.name);
    this.byName.set(spec.name, vm);
    const letGo = prison.hold(`virtual machine ${spec.name}`, () => vm.process?.kill());
    const cables: Plugs = { cables: [], disposals: [] };
    const over = async (end: VmEnd): Promise<void> => {
      for (const cable of cables.cables) await cable.close();
      for (const dispose of cables.disposals) await dispose();
      this.world.loop.enter();
      letGo();
      vm.ended(end);
    };
    try {
      await this.start(vm, cables);
      void vm.process?.ended.then(async (end) => {
        await over(end);
        this.announceEnd(vm, end);
      });
      return vm;
    } catch (error) {
      const end = await vm.process?.ended;
      await over(end ?? { how: 'failed', message: error instanceof Error ? error.message : String(error) });
      // A folder without a log says nothing.
      await rmdir(this.folderOf(spec.name)).catch(() => undefined);
      if (before === undefined) this.byName.delete(spec.name);
      else this.byName.set(spec.name, before);
      throw error;
    }
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
    await Promise.all(this.list().map((vm) => vm.stop(CLOSE_MS)));
    this.byName.clear();
  }

  /** May it be started? The prison it is to belong to. */
  private admit(spec: VmSpec, before: Vm | undefined): Prison {
    if (this.closing) throw new VmRefusal(EBUSY, 'the daemon is ending');
    if (before !== undefined && before.state !== 'ended') throw new VmRefusal(EEXIST, `a virtual machine is called "${spec.name}" already ("netloom vm ls" lists them)`);
    if (before === undefined && this.byName.size >= VMS_MAX) throw new VmRefusal(EBUSY, `there are ${VMS_MAX} virtual machines already; stop some ("netloom vm ls" lists them)`);
    const prison = prisonCalled(this.world.kernel, spec.vnet);
    if (prison === null) throw new VmRefusal(ENOENT, `there is no vnet "${spec.vnet}" ("netloom ps" lists them)`);
    if (prison.dying) throw new VmRefusal(ENOENT, `jail "${spec.vnet}" is dying ("netloom ps --dying" says what holds it)`);
    return prison;
  }

  private async start(vm: Vm, opened: Plugs): Promise<void> {
    const { world } = this;
    const spec = await checkFiles(vm.spec);
    const runner = await runnerOf(spec);
    const folder = this.folderOf(vm.name);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const plugs = await this.plug(vm, spec, opened);
    const logFailed = (error: unknown): void => world.log.warn({ vm: vm.name, err: error }, 'a log of a virtual machine cannot be written');
    vm.process = await VmProcess.start({ spec, argv: runner.argv(plugs), accel: runner.accel, folder, logFailed });
    vm.process.onReset = () => this.announce(vm, 'RESET');
    if (vm.state === 'stopping' || vm.prison.dying || this.closing) {
      vm.process.kill();
      throw new VmRefusal(EBUSY, `"${vm.name}" was stopped before it had started`);
    }
    if (spec.gdb?.wait !== true) await vm.process.resume();
    vm.state = 'running';
    this.announce(vm, 'START', { pid: String(vm.process.pid), accel: runner.accel });
  }

  /** Opens the cables of all cards; what QEMU is told of each. */
  private async plug(vm: Vm, spec: VmSpec, opened: Plugs): Promise<(VmCable | null)[]> {
    const { backends, cables: make } = this.world;
    const plugs: (VmCable | null)[] = [];
    for (const [i, nic] of spec.nics.entries()) {
      const backend = await backends.open(nic, { vmName: spec.name, prison: vm.prison });
      if (backend?.dispose !== undefined) opened.disposals.push(backend.dispose);
      const end = backend?.end ?? null;
      const cable = end === null ? null : await make(end, join(this.folderOf(vm.name), `net${i}`), nic.transport);
      if (cable !== null) opened.cables.push(cable);
      plugs.push(cable);
      vm.nics = [...vm.nics, { nic, label: () => end?.label ?? null, status: () => cable?.status() ?? null }];
    }
    return plugs;
  }

  private jailStops(prison: Prison): void {
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

/** What is to be put away with a machine: its cables, then what was made for them. */
interface Plugs {
  readonly cables: VmCable[];
  readonly disposals: (() => Promise<void>)[];
}

/** What runs a machine, and its command line once its cables are known. */
interface Runner {
  readonly accel: RunsBy;
  argv(cables: readonly (VmCable | null)[]): string[];
}

const FDS = { monitorFd: MONITOR_FD, consoleFd: CONSOLE_FD } as const;

async function runnerOf(spec: VmSpec): Promise<Runner> {
  if (spec.v86 !== null) return { accel: 'v86', argv: ([cable]) => v86Argv(spec, cable?.path ?? null, FDS) };
  const qemu = qemuProgram();
  if (qemu === null) throw new VmRefusal(ENOENT, `${QEMU} is not installed (on Debian: qemu-system-x86; or let NETLOOM_QEMU name it to the daemon)`);
  const accel = await accelOf(spec, qemu);
  return { accel, argv: (cables) => [qemu, ...qemuArgs(spec, { accel, ...FDS, cables: cables.map((cable) => cable?.qemu ?? null) })] };
}

async function accelOf(spec: VmSpec, qemu: string): Promise<'kvm' | 'tcg'> {
  if (spec.accel === 'tcg') return 'tcg';
  if (await kvmWorks(qemu)) return 'kvm';
  if (spec.accel === 'kvm') throw new VmRefusal(EOPNOTSUPP, 'KVM does not run a machine here (is /dev/kvm there, and yours?); leave the accelerator out, or say tcg');
  return 'tcg';
}
