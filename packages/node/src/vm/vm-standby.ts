/**
 * vm-standby.ts — class VmStandby: a machine that waits to be another one, and the take-over.
 * Read first: protect/checkpoint.ts (StandbyMachine), standby-state.ts, vm-launch.ts.
 *
 * Theory of operation. It is a machine of the same spec whose process is there and does not run; what is kept of the other's state is a StandbyState, QEMU's or v86's. Its cables
 * are there and lead nowhere, and its lock is open and not taken: both are the other's. To take over, the process is given the device state; then, once the other of its name has been put away, if that was here,
 * the lock is taken, the cables are plugged in where the other's were, and the machine goes on. From then on it is the machine of that name (Vms) and nothing of it is here any more.
 *
 *     starting ── waiting ── taking ── over          ended: from any of the first three
 *
 * Its logs and sockets are in a folder of its own, NAME@1, which it keeps; it is removed when it ends without having taken over.
 *
 * Invariant: what was made is put away once: here, or with the machine that it has become.
 */
import { rm } from 'node:fs/promises';
import type { Prison } from '@netloom/core';
import { EIO, EOPNOTSUPP } from '@netloom/core';
import type { ImageDelta, StandbyMachine } from '../protect/checkpoint.js';
import type { LiveLock } from '../protect/live-lock.js';
import { QemuStandby } from '../protect/qemu/qemu-standby.js';
import { RamFile } from '../protect/qemu/ram-file.js';
import { V86Standby } from '../protect/v86/v86-standby.js';
import type { StandbyState } from './standby-state.js';
import type { VmLaunch } from './vm-launch.js';
import { VmParts } from './vm-parts.js';
import type { VmProcess } from './vm-process.js';
import { VmRefusal } from './vm-spec.js';
import type { VmSpec } from './vm-spec.js';
import type { Vm } from './vm.js';

/** After it was told to go on. */
const RESUME_MS = 10_000;

/** All the machines, as one that waits sees them. */
export interface StandbyPlace {
  readonly launch: VmLaunch;
  /** Gives it its name while `go` makes it run. */
  readonly takeOver: (go: (vm: Vm) => Promise<void>) => Promise<void>;
  /** It does not wait any more. */
  readonly ended: () => void;
}

export class VmStandby implements StandbyMachine {
  onFailed: (reason: string) => void = () => undefined;
  readonly spec: VmSpec;
  readonly prison: Prison;
  readonly folder: string;
  readonly parts = new VmParts();
  /** Lets its prison go. */
  readonly letGo: () => void;
  private readonly place: StandbyPlace;
  private machine: VmProcess | null = null;
  /** null: it has none yet, or none any more. */
  private kept: StandbyState | null = null;
  private became: Vm | null = null;
  private state: 'starting' | 'waiting' | 'taking' | 'over' | 'ended' = 'starting';
  private ending: Promise<void> | null = null;

  constructor(spec: VmSpec, prison: Prison, folder: string, place: StandbyPlace) {
    this.spec = spec;
    this.prison = prison;
    this.folder = folder;
    this.place = place;
    this.letGo = prison.hold(`virtual machine ${spec.name}, which waits to take over`, () => this.machine?.kill());
  }

  get name(): string {
    return this.spec.name;
  }

  get process(): VmProcess {
    if (this.machine === null) throw new Error(`${this.name} has not been started`);
    return this.machine;
  }

  /** Open from the start, and taken when it takes over, unless whoever has it takes over has taken it before. */
  get lock(): LiveLock {
    if (this.parts.lock === null) throw new Error(`${this.name} has not been started`);
    return this.parts.lock;
  }

  /** What it has become; null: it has not taken over. */
  get vm(): Vm | null {
    return this.became;
  }

  /** Starts it, once. @throws VmRefusal; it is ended then */
  async start(): Promise<void> {
    const { spec, place } = this;
    try {
      if (!spec.protectable) throw new VmRefusal(EOPNOTSUPP, `"${spec.name}" cannot wait to take over: it is not protectable`);
      const kept = await this.makeState();
      this.kept = kept;
      this.machine = await place.launch.toWait(this);
      await kept.start(this.machine.qmp);
      if (this.state !== 'starting') throw new VmRefusal(EOPNOTSUPP, `"${spec.name}" was ended before it had started`);
      this.state = 'waiting';
      kept.onFailed = (reason) => this.lost(reason);
      void this.machine.ended.then(() => this.lost(''));
    } catch (error) {
      await this.end();
      throw error instanceof VmRefusal ? error : new VmRefusal(EIO, (error as Error).message);
    }
  }

  apply(delta: ImageDelta): void {
    if (this.kept === null) throw new Error(`${this.name} does not wait to take over any more`);
    try {
      this.kept.apply(delta);
    } catch (error) {
      void this.end();
      throw error;
    }
  }

  async takeOver(device: Uint8Array, connect: () => void): Promise<void> {
    const { place, process, kept } = this;
    if (this.state !== 'waiting' || kept === null) throw new Error(`${this.name} does not wait to take over any more`);
    this.state = 'taking';
    this.kept = null;
    try {
      const loaded = kept.load(device);
      loaded.catch(() => undefined); // it is looked at when the name is free
      await place.takeOver(async (vm) => {
        await loaded;
        place.launch.takeLock(this);
        connect();
        await place.launch.plug(this);
        const resumed = process.qmp.waitFor('RESUME', () => true, RESUME_MS);
        await process.resume();
        // It has been told to run, so whatever it says of that, nobody else may.
        await resumed.catch(() => undefined);
        this.became = vm;
        this.state = 'over';
      });
    } catch (error) {
      await this.end();
      const { message } = await process.ended;
      throw new Error(`${this.name} cannot take over: ${message === '' ? (error as Error).message : message}`, { cause: error });
    } finally {
      kept.end();
    }
  }

  /** Gives its card `nic` frames that the other one was given and may not have seen. */
  replay(frames: readonly Uint8Array[], nic = 0): void {
    const link = this.became?.links[nic] ?? null;
    for (const frame of frames) link?.give(frame);
  }

  end(): Promise<void> {
    if (this.state === 'over') return Promise.resolve();
    this.ending ??= this.putAway();
    return this.ending;
  }

  private async putAway(): Promise<void> {
    this.state = 'ended';
    this.machine?.kill();
    await this.machine?.ended;
    this.kept?.end();
    this.kept = null;
    await this.parts.close();
    await rm(this.folder, { recursive: true, force: true });
    this.place.ended();
    this.letGo();
  }

  /** Makes what is there before its process. */
  private async makeState(): Promise<StandbyState> {
    const { spec, parts, folder } = this;
    if (spec.v86 !== null) return new V86Standby(folder);
    parts.ram = RamFile.reserve(spec.name, spec.memoryBytes);
    return QemuStandby.make(parts.ram, folder);
  }

  /** Its process has ended by itself, or takes nothing any more. */
  private lost(reason: string): void {
    if (this.state !== 'waiting') return;
    void Promise.all([this.process.ended, this.end()]).then(([{ message }]) => {
      const why = message === '' ? reason : message;
      this.onFailed(`the standby of ${this.name} has ended${why === '' ? '' : `: ${why}`}`);
    });
  }
}
