/**
 * fault-rig.ts — FaultRig: both sides of a protected machine as they are, over wires that can be broken, around a machine made for tests; in virtual time. And what watches that nothing is lost.
 * Read first: counted-machine.ts, kept-counter.ts, fault-wire.ts; docs/protect-faults.md.
 *
 * Theory of operation. Timers and performance.now() are the test's; what is in memory, and setImmediate, runs as ever. `until` lets time pass in small steps until something is so. A person outside asks the
 * machine for its number whenever time passes, and every answer is looked at:
 *
 *   1  numbers never go back, and none comes twice;
 *   2  at most one machine runs;
 *   3  who takes over has every number that was seen, and the same one on its disk;
 *   4  what waits when protection ends goes out;
 *   5  at the end no timer, wire, waiting machine, lock or plug is left.
 *
 * A daemon that is killed says nothing more: its wires are dead first.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { performance } from 'node:perf_hooks';
import { vi } from 'vitest';
import { Kernel, quietEnv } from '@netloom/core';
import { HostLoop } from '../../src/loop.js';
import { BackupSession } from '../../src/protect/backup-session.js';
import { EpochDisk } from '../../src/protect/disk/epoch-disk.js';
import { MemoryFile } from '../../src/protect/disk/test-disk-file.js';
import type { Side, Verdict } from '../../src/protect/fence/fence.js';
import { HeldDisks } from '../../src/protect/held-disks.js';
import { HeldOutput } from '../../src/protect/held-output.js';
import { LiveLock } from '../../src/protect/live-lock.js';
import { ProtectFence } from '../../src/protect/protect-fences.js';
import { ProtectedMachine } from '../../src/protect/protected-machine.js';
import { PROTOCOL } from '../../src/protect/wire/record-payloads.js';
import { CountedCheckpointer, CountedMachine, IMAGE_BYTES } from './counted-machine.js';
import type { MachineWitness, TakeStage } from './counted-machine.js';
import { FaultWire } from './fault-wire.js';
import type { Direction, PassingRecord } from './fault-wire.js';
import { BackupDaemon } from './kept-counter.js';
import type { BackupTrouble, CountedStandby } from './kept-counter.js';
import { tellMachine } from '../../src/protect/told-machine.js';
import { VM_DEFAULTS } from '../../src/vm/vm-spec.js';
import type { VmSpec } from '../../src/vm/vm-spec.js';

export type FenceKind = 'none' | 'lock' | 'command' | 'lease';

const FENCES: Readonly<Record<FenceKind, (folder: string) => string>> = {
  none: () => 'none', lock: (folder) => `lock:${join(folder, 'lock')}`, command: () => 'command:/bin/true', lease: () => 'lease:1000',
};
const GENERATION = 7;
/** What the machine is said to be made of; it is another (counted-machine.ts). */
const SPEC: VmSpec = { ...VM_DEFAULTS, name: 'web', vnet: 'host', memoryBytes: IMAGE_BYTES, topology: { sockets: 1, cores: 1, threads: 1 } };
const LEASE_MS = 1_000;
const BEAT_MS = 50;
const TIMEOUT_MS = 300;
/** Virtual time that anything may take. */
const PATIENCE_MS = 200_000;
/** It passes in such steps. */
const STEP_MS = 10;
/** When all has been seen, and things only end. */
const LATE_STEP_MS = 50;

export interface RigOptions {
  readonly fence: FenceKind;
  /** What the fence's command answers. */
  readonly command?: 'yes' | 'no';
}

export class FaultRig implements MachineWitness {
  readonly kind: FenceKind;
  readonly folder = mkdtempSync(join(tmpdir(), 'netloom-faults-'));
  readonly told: string[] = [];
  readonly wrong: string[] = [];
  readonly trouble = new Set<BackupTrouble>();
  readonly wires: { readonly kind: 'stream' | 'beat'; readonly wire: FaultWire }[] = [];
  readonly machine: CountedMachine;
  readonly checkpointer: CountedCheckpointer;
  readonly primary: ProtectedMachine;
  backup: BackupDaemon | null;
  /** What the backup's machine became. */
  successor: CountedMachine | null = null;
  /** Done to wires that are made. */
  onWire: (kind: 'stream' | 'beat', wire: FaultWire) => void = () => undefined;
  beforeTakeOver: () => Promise<void> | void = () => undefined;
  beforeDisks: () => Promise<void> | void = () => undefined;
  /** Before the fence of the primary answers. */
  beforeAnswer: () => Promise<void> = async () => Promise.resolve();
  command: 'yes' | 'no';
  /** The machine's monitor is gone, and its process will be. */
  endsSoon = false;
  primaryEnds: string[] = [];
  asks = 0;
  private readonly loop: HostLoop;
  private readonly kernel: Kernel;
  private readonly lock: LiveLock | null;
  private readonly output: HeldOutput;
  private readonly seen: number[] = [];
  private readonly machines: CountedMachine[] = [];
  private readonly lives: BackupDaemon[] = [];
  private primaryUp = true;
  private readonly nowMs: () => number;

  constructor({ fence, command = 'no' }: RigOptions) {
    this.kind = fence;
    this.command = command;
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
    const from = Date.now();
    this.nowMs = () => 1_000 + Date.now() - from;
    vi.spyOn(performance, 'now').mockImplementation(this.nowMs);
    this.loop = new HostLoop((error) => this.wrong.push(`in the kernel: ${String(error)}`), this.nowMs);
    this.kernel = new Kernel({ ...quietEnv(1), wake: () => this.loop.wake() });
    this.loop.attach(this.kernel);
    this.lock = fence === 'lock' ? LiveLock.take(this.path) : null;
    const disk = new EpochDisk(new MemoryFile(4096));
    this.machine = new CountedMachine('the primary', Buffer.alloc(IMAGE_BYTES), disk, this, this.kernel, this.loop);
    this.machines.push(this.machine);
    this.checkpointer = new CountedCheckpointer(this.machine);
    this.output = new HeldOutput(this.kernel, this.loop, this.kernel.vnet0.kern, [this.machine.link], () => this.primary.hurry(false));
    const disks = new HeldDisks([disk], false, () => this.primary.hurry(true));
    this.primary = new ProtectedMachine({
      name: 'web', checkpointer: this.checkpointer, output: this.output, disks, copiesDisks: true, fence: this.fence('primary', () => this.primary.connection?.paths.lastHeardAt ?? 0, () => undefined, this.lock), interval: 50,
      join: (user, welcomed, givenUp) => BackupSession.join({
        dial: (kind) => this.dial(kind),
        hello: { protocol: PROTOCOL, version: '1', machine: 'web', generation: GENERATION, engine: 'qemu', imageBytes: IMAGE_BYTES, firstEpoch: this.output.open, fence: FENCES[fence](this.folder), beatMs: BEAT_MS, timeoutMs: TIMEOUT_MS, spec: tellMachine(SPEC, null, [], null) },
        leaseMs: fence === 'lease' ? LEASE_MS : null, pack: false, user, welcomed, givenUp,
      }),
      endsSoon: async () => Promise.resolve(this.endsSoon || this.machine.state === 'gone'),
      kill: () => this.machine.die(),
      tell: (type, data) => this.tell('primary', type, data),
      onEnd: (died) => {
        this.primaryEnds.push(died ? 'died' : 'ended');
        if (this.machine.state === 'gone') this.machine.putAway();
      },
    });
    this.machine.run();
    this.backup = this.daemon();
  }

  private get path(): string {
    return join(this.folder, 'lock');
  }

  /** Protects the machine, and waits until it is held. */
  async begin(): Promise<void> {
    await this.start();
    await this.until('it is held', () => this.primary.phase === 'holding');
  }

  async start(): Promise<void> {
    let done = false;
    let failed: unknown = null;
    this.primary.start().then(() => (done = true), (error: unknown) => (failed = error));
    await this.until('it has begun', () => done || failed !== null);
    if (failed !== null) throw failed as Error;
  }

  stream(): FaultWire {
    return this.wires.findLast(({ kind }) => kind === 'stream')!.wire;
  }

  beat(): FaultWire {
    return this.wires.findLast(({ kind }) => kind === 'beat')!.wire;
  }

  /** All wires, those that will be made as well. */
  everyWire(change: (wire: FaultWire) => void): void {
    for (const { wire } of this.wires) change(wire);
    this.onWire = (_kind, wire) => change(wire);
  }

  lose(...directions: Direction[]): void {
    this.everyWire((wire) => directions.forEach((direction) => (wire.lost[direction] = true)));
  }

  heal(): void {
    this.onWire = () => undefined;
    for (const { wire } of this.wires) {
      wire.lost.toBackup = wire.lost.toPrimary = false;
      wire.onRecord = (_direction, { bytes }) => [bytes];
    }
  }

  /** Resolves when a checkpoint is at that stage; it goes on when the answer is called. */
  async at(stage: TakeStage, isOne = (): boolean => true): Promise<() => void> {
    let go: () => void = () => undefined;
    let came = false;
    const gate = new Promise<void>((resolve) => (go = resolve));
    this.checkpointer.onStage = (now) => {
      if (came || now !== stage || !isOne()) return;
      came = true;
      return gate;
    };
    await this.until(`a checkpoint is ${stage}`, () => came);
    return go;
  }

  /** Resolves when a checkpoint's writes are being put in their place; it goes on when the answer is called. */
  async placing(): Promise<() => void> {
    let go: () => void = () => undefined;
    let came = false;
    const gate = new Promise<void>((resolve) => (go = resolve));
    let calls = 0;
    // Before the writes, and behind them: then the disk is ahead of the memory.
    this.beforeDisks = () => {
      if (came || ++calls % 2 !== 0) return undefined;
      came = true;
      return gate;
    };
    await this.until('a checkpoint is put in its place', () => came);
    return go;
  }

  /** The next record of that name comes behind the one after it. */
  async swap(name: string): Promise<void> {
    let held: Buffer | null = null;
    let done = false;
    this.stream().onRecord = (_direction, record) => {
      if (held === null && !done && record.name === name) {
        held = record.bytes;
        return [];
      }
      const late = held;
      held = null;
      done ||= late !== null;
      return late === null ? [record.bytes] : [record.bytes, late];
    };
    await this.until('they have come', () => done);
  }

  /** Resolves when the next record of that name comes by; it arrives, and all behind it, when the answer is called. */
  async hold(name: string): Promise<() => void> {
    const wire = this.stream();
    let late: Buffer[] | null = null;
    let direction: Direction = 'toPrimary';
    wire.onRecord = (way, record) => {
      if (late === null && record.name === name) {
        late = [];
        direction = way;
      }
      if (late === null || way !== direction) return [record.bytes];
      late.push(record.bytes);
      return [];
    };
    await this.until('it is held', () => late !== null);
    return () => {
      wire.onRecord = (_way, { bytes }) => [bytes];
      const to = direction === 'toPrimary' ? wire.primary : wire.backup;
      for (const bytes of late ?? []) if (!wire.lost[direction] && !to.destroyed && !to.readableEnded) to.push(bytes);
    };
  }

  /** How many answers were seen. */
  get answers(): number {
    return this.seen.length;
  }

  /** Resolves when the next record of that name comes by; it is changed, once, by `change`. */
  async next(name: string, change: (record: PassingRecord) => readonly Buffer[] = ({ bytes }) => [bytes], count = 1): Promise<void> {
    let came = false;
    let left = count;
    const wire = this.stream();
    wire.onRecord = (_direction, record) => {
      if (record.name !== name || came || --left > 0) return [record.bytes];
      came = true;
      return change(record);
    };
    await this.until(`${name} comes by`, () => came);
  }

  /** Lets time pass until it is so. */
  async until(what: string, isSo: () => boolean, stepMs = STEP_MS): Promise<void> {
    const from = this.nowMs();
    await this.settle();
    while (!isSo()) {
      if (this.nowMs() - from > PATIENCE_MS) throw new Error(`not after ${PATIENCE_MS} ms: ${what}; ${this.state()}; ${this.told.join(', ')}`);
      await this.pass(stepMs);
    }
  }

  async passes(ms: number, stepMs = STEP_MS): Promise<void> {
    const until = this.nowMs() + ms;
    while (this.nowMs() < until) await this.pass(stepMs);
  }

  state(): string {
    return `primary ${this.primaryUp ? this.primary.phase : 'dead'}, backup ${this.backup?.kept.phase ?? 'dead'}, runs: ${this.running()}`;
  }

  running(): 'primary' | 'backup' | 'nobody' {
    if (this.machine.state === 'running') return 'primary';
    return this.successor?.state === 'running' ? 'backup' : 'nobody';
  }

  // Faults.
  killBackup(): void {
    const { backup } = this;
    if (backup === null) return;
    this.backup = null;
    for (const { wire } of this.wires) {
      wire.lost.toPrimary = true;
      wire.cut();
      wire.lost.toPrimary = false;
      if (!wire.primary.destroyed) wire.primary.destroy();
    }
    void backup.kept.end();
    this.successor?.die();
  }

  restartBackup(): void {
    this.killBackup();
    this.backup = this.daemon();
  }

  /** The daemon and the machine with it. */
  killPrimary(): void {
    for (const { wire } of this.wires) wire.lost.toBackup = true;
    this.primaryUp = false;
    this.machine.onGone = () => undefined;
    this.machine.die();
    this.lock?.release();
    this.primary.happens({ is: this.primary.phase === 'alone' ? 'guestOver' : 'lives' });
    for (const { wire } of this.wires) {
      wire.primary.destroy();
      wire.lost.toBackup = false;
      wire.backup.push(null);
    }
  }

  standbyDies(): void {
    const standby = this.backup!.standbys.at(-1)!;
    void standby.end().then(() => standby.onFailed('the standby of web has ended'));
  }

  guestDies(): void {
    this.machine.die();
    this.primary.happens({ is: 'guestDied' }, 'the machine has ended');
  }

  guestPowersDown(): void {
    this.machine.powerDown();
    this.primary.happens({ is: 'guestOver' }, 'the machine has powered down');
  }

  /** Ends all that is there, and looks at what is left. */
  async end(): Promise<string[]> {
    this.heal();
    await this.passes(500, LATE_STEP_MS);
    const runs = this.running();
    const isUnprotected = this.primaryUp && this.primary.phase === 'ended' && this.primaryEnds[0] === 'ended' && runs !== 'backup' && this.backup?.kept.phase !== 'live';
    if (isUnprotected && this.seen.at(-1) !== this.machine.value) this.wrong.push(`it was at ${this.machine.value} when protection ended, and ${this.seen.at(-1) ?? 0} was seen last`);
    if (this.primaryUp && this.primary.phase !== 'ended') this.primary.happens({ is: 'unprotect' });
    if (this.primary.phase === 'frozen') this.primary.happens({ is: 'lives' });
    await this.until('the primary has ended', () => this.primary.phase === 'ended' && this.primaryEnds.length > 0, LATE_STEP_MS);
    const keeps = this.backup !== null && !['refused', 'suspecting'].includes(this.backup.kept.phase);
    if (keeps) await this.until('all wires are closed', () => this.wires.every(({ wire }) => !wire.isOpen), LATE_STEP_MS);
    if (runs !== 'nobody' && this.running() !== runs) this.wrong.push(`${runs} ran, and now ${this.running()} does`);
    let ended = false;
    void Promise.all(this.lives.map(({ kept }) => kept.end())).then(() => (ended = true));
    await this.until('the backup has ended', () => ended);
    await this.passes(3_000, LATE_STEP_MS);
    const waiting = this.lives.flatMap(({ standbys }) => standbys).filter(({ state }) => state === 'waiting').length;
    if (waiting > 0) this.wrong.push(`${waiting} machines wait to take over`);
    if (this.primaryEnds.length !== 1) this.wrong.push(`its end was told ${this.primaryEnds.length} times`);
    if (this.checkpointer.ended !== 1) this.wrong.push(`its checkpointer was ended ${this.checkpointer.ended} times`);
    if (this.machine.link.plug !== null) this.wrong.push('a plug is left');
    if (this.machine.state !== 'gone' && this.machine.disk?.passes === false && this.running() === 'primary') this.wrong.push('writes are held');
    this.checkLock();
    for (const machine of this.machines) machine.die();
    const timers = vi.getTimerCount();
    if (timers > 0) this.wrong.push(`${timers} timers are left`);
    return this.wrong;
  }

  close(): void {
    this.kernel.shutdown();
    this.loop.close();
    this.lock?.release();
    for (const { lock } of this.lives.flatMap(({ standbys }) => standbys)) lock?.release();
    vi.restoreAllMocks();
    vi.useRealTimers();
    rmSync(this.folder, { recursive: true, force: true });
  }

  // What the machines do.
  answered(machine: CountedMachine, value: number): void {
    const before = this.seen.at(-1) ?? 0;
    if (value <= before) this.wrong.push(`${machine.name} answers ${value}, and ${before} was seen`);
    this.seen.push(value);
  }

  runs(machine: CountedMachine): void {
    const others = this.machines.filter((other) => other !== machine && other.state === 'running');
    for (const other of others) this.wrong.push(`${machine.name} runs, and ${other.name} does`);
    if (machine === this.machine && this.lock?.isHeld === false) this.wrong.push('the primary runs without its lock');
    if (machine === this.machine && this.primary.phase === 'frozen') this.wrong.push('the primary runs, and is frozen');
    const seen = this.seen.at(-1) ?? 0;
    if (machine.value < seen) this.wrong.push(`${machine.name} runs from ${machine.value}, and ${seen} was seen`);
  }

  /** Whoever runs holds the lock, and nobody else. */
  private checkLock(): void {
    if (this.kind !== 'lock') return;
    const other = LiveLock.take(this.path);
    const runs = this.running();
    if (other !== null && runs !== 'nobody') this.wrong.push(`${runs} runs without its lock`);
    if (other === null && runs === 'nobody' && this.machine.state === 'gone' && !this.primaryUp) this.wrong.push('the lock is held, and nobody runs');
    other?.release();
  }

  private async dial(kind: 'stream' | 'beat'): Promise<Duplex> {
    await new Promise(setImmediate);
    const { backup } = this;
    if (backup === null) throw new Error('no daemon listens there');
    if (!this.primaryUp) throw new Error('this daemon is dead');
    const wire = new FaultWire();
    this.wires.push({ kind, wire });
    this.onWire(kind, wire);
    backup.connected(kind, wire.backup);
    return wire.primary;
  }

  private daemon(): BackupDaemon {
    const daemon: BackupDaemon = new BackupDaemon(`life${this.lives.length}`, {
      trouble: this.trouble,
      lock: () => (this.kind === 'lock' ? LiveLock.open(this.path) : null),
      fenceOf: (link, lock) => this.fence('backup', () => link.twoPaths?.lastHeardAt ?? 0, () => link.hush(), lock),
      become: (standby) => this.become(standby),
      beforeTakeOver: () => this.beforeTakeOver(),
      beforeDisks: () => this.beforeDisks(),
      tell: (type, data) => {
        if (this.backup === daemon) this.tell('backup', type, data);
      },
    });
    this.lives.push(daemon);
    return daemon;
  }

  private become(standby: CountedStandby): CountedMachine {
    const machine = new CountedMachine('the backup', Buffer.from(standby.image), null, this, this.kernel, this.loop);
    const onDisk = standby.file.data.readUInt32BE(0);
    if (onDisk !== machine.value) this.wrong.push(`the machine is at ${machine.value} and its disk at ${onDisk}`);
    if (this.kind === 'lock' && !LiveLock.peek(this.path).includes(`"generation":${GENERATION + 1}`)) this.wrong.push('it is taken over, and nothing was noted');
    this.machines.push(machine);
    this.successor = machine;
    machine.run();
    return machine;
  }

  private fence(side: Side, lastHeardAt: () => number, hush: () => void, lock: LiveLock | null): ProtectFence {
    const answer = async (handed: boolean): Promise<Verdict | null> => {
      this.asks++;
      if (this.kind !== 'command' || handed) return null;
      await (side === 'primary' ? this.beforeAnswer() : new Promise(setImmediate));
      const isAlive = side === 'primary' ? this.primaryUp : this.backup !== null;
      if (this.command === 'no' || !isAlive) return { ok: false, reason: 'the fence says no' };
      if (side === 'primary') this.killBackup();
      else this.killPrimary();
      return { ok: true };
    };
    return new RigFence(FENCES[this.kind](this.folder), { machine: 'web', generation: () => GENERATION, peer: 'the other', lastHeardAt, hush }, lock, answer);
  }

  private tell(side: Side, type: string, data: Readonly<Record<string, string>>): void {
    this.told.push(`${side} ${type}${data['path'] === undefined ? '' : ` ${data['path']}`}`);
  }

  private async pass(stepMs: number): Promise<void> {
    vi.advanceTimersByTime(stepMs);
    await this.settle();
  }

  private async settle(): Promise<void> {
    for (const machine of this.machines) machine.ask();
    for (let i = 0; i < 8; i++) await new Promise(setImmediate);
  }
}

/** A fence whose command is the test's. */
class RigFence extends ProtectFence {
  private readonly answer: (handed: boolean) => Promise<Verdict | null>;

  constructor(text: string, fenced: ConstructorParameters<typeof ProtectFence>[1], lock: LiveLock | null, answer: (handed: boolean) => Promise<Verdict | null>) {
    super(text, fenced, lock);
    this.answer = answer;
  }

  override async goOnAlone(side: Side, why: string, handed: boolean): Promise<Verdict> {
    return (await this.answer(handed)) ?? super.goOnAlone(side, why, handed);
  }
}
