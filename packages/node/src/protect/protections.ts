/**
 * protections.ts — class Protections: the machines of a daemon that are protected, and those it keeps for others.
 * Read first: docs/protect.md; protected-machine.ts and kept-machine.ts, of which there is one for each.
 *
 * Theory of operation. `protect` puts a machine that runs together with its backup, and fails, leaving nothing, when that cannot be reached. What comes in at the door is another daemon's, or our own when the backup
 * is `local`: then this daemon has both sides, joined by two connections to its own socket, and what fails over is the machine's process.
 * A machine that has been taken over runs without a backup. One whose backup was local is protected again a moment later, because its new backup is known.
 *
 * Invariants: at most one protection of a machine of ours, and one kept machine of a name. `close` resolves when nothing is left but machines.
 */
import { randomUUID } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Kernel } from '@netloom/core';
import { devctlAnnounce } from '@netloom/core';
import type { Logger } from 'pino';
import { version } from '../daemon/version.js';
import type { HostLoop } from '../loop.js';
import type { Vm } from '../vm/vm.js';
import type { Vms } from '../vm/vms.js';
import { KeptMachine } from './kept-machine.js';
import { keptView, protectedView } from './protect-views.js';
import type { ProtectionView } from './protect-view.js';
import { PrimaryLink } from './primary-link.js';
import { protectMachine } from './protect-machine.js';
import type { Protection } from './protect-machine.js';
import { ProtectRefusal, protectWish } from './protect-request.js';
import type { ProtectRequest, ProtectWish } from './protect-request.js';
import { standbyOf } from './standby-of.js';
import type { ToldMachine } from './told-machine.js';
import { readHello, readJoin } from './wire/record-payloads.js';
import type { HelloPayload } from './wire/record-payloads.js';
import { RECORD, RecordError, recordName } from './wire/record.js';
import { RecordStream } from './wire/record-stream.js';
import type { WireRecord } from './wire/record.js';
import { errorLine } from '../error-line.js';

/** A connection that has said nothing. */
const FIRST_MS = 10_000;
/** Machines kept for others. */
const KEPT_MAX = 64;
/** Connections whose second path has not come. */
const SESSIONS_MAX = 256;
/** A machine that has taken over has the processors to itself for so long: an emulator translates anew all that it runs, and those who talk to it wait. To protect it again takes as much. */
const REST_MS = 300;

/** Where a daemon at that socket keeps copies of others' disks: NETLOOM_DISK_DIR, or a folder that outlives a boot. */
export function diskFolder(socketPath: string): string {
  const base = process.env['NETLOOM_DISK_DIR'] ?? (process.getuid?.() === 0 ? '/var/lib/netloom' : join(homedir(), '.local/state/netloom'));
  return join(base, 'backup', socketPath.replaceAll('/', '%'));
}

export interface ProtectionsWorld {
  readonly kernel: Kernel;
  readonly loop: HostLoop;
  readonly log: Logger;
  readonly vms: Vms;
  /** Our own socket. */
  readonly socketPath: string;
  /** Where copies of others' disks are. */
  readonly diskFolder: string;
}

export class Protections {
  private readonly world: ProtectionsWorld;
  private readonly ours = new Map<string, Protection>();
  /** Machines whose protection is being put together. */
  private readonly beginning = new Set<string>();
  private readonly kept = new Map<string, KeptMachine>();
  /** Second paths are joined to what they belong to by these. */
  private readonly sessions = new Map<string, PrimaryLink>();
  private readonly life = randomUUID();
  private nextSession = 1;
  private closing = false;

  constructor(world: ProtectionsWorld) {
    this.world = world;
  }

  list(): ProtectionView[] {
    const { vms } = this.world;
    const ours = [...this.ours.values()].map((protection) => protectedView(protection, vms.vnetOf(protection.vm)));
    const kept = [...this.kept.values()].flatMap((machine) => (machine.origin === null ? [] : keptView(machine)));
    return [...ours, ...kept];
  }

  /** Protects a machine; it is being copied when this resolves. @throws ProtectRefusal */
  async protect(request: ProtectRequest): Promise<ProtectionView> {
    const wish = protectWish(request);
    const protection = await this.begin(this.running(wish.machine), wish);
    return protectedView(protection, this.world.vms.vnetOf(protection.vm));
  }

  /** Ends protection. Resolves when it has ended, or says why it has not. @throws ProtectRefusal */
  async unprotect(machine: string): Promise<void> {
    const { protectedMachine } = this.our(machine);
    protectedMachine.happens({ is: 'unprotect' });
    await this.ends(machine, 'its protection cannot end');
  }

  /** Lets the backup run the machine, and ends it here. @throws ProtectRefusal */
  async handOver(machine: string): Promise<void> {
    const { protectedMachine } = this.our(machine);
    if (protectedMachine.phase !== 'holding') throw new ProtectRefusal(409, `"${machine}" cannot be handed over now: it is ${protectedMachine.phase}, not holding ("netloom protect ls" tells why)`);
    protectedMachine.happens({ is: 'handOver' });
    await this.ends(machine, 'it could not be handed over');
  }

  /** A person's word that the other copy is dead: what runs here goes on, what is kept here runs. @throws ProtectRefusal */
  force(machine: string): void {
    const protection = this.ours.get(machine);
    if (protection !== undefined) {
      const { phase } = protection.protectedMachine;
      if (phase !== 'frozen' && phase !== 'deciding') throw new ProtectRefusal(409, `"${machine}" is ${phase}: there is nothing to force`);
      return this.goOn(protection);
    }
    const kept = this.kept.get(machine);
    if (kept === undefined) throw new ProtectRefusal(404, `no machine called "${machine}" is protected or kept here ("netloom protect ls" lists them)`);
    if (!kept.force()) throw new ProtectRefusal(409, `"${machine}" is ${kept.phase}: ${kept.phase === 'ready' ? `its primary is there; "netloom protect switch ${machine}" at the primary hands it over` : 'there is no whole checkpoint of it to run from'}`);
  }

  /** Forgets a machine that is kept here. @throws ProtectRefusal */
  async forget(machine: string): Promise<void> {
    const kept = this.kept.get(machine);
    if (kept === undefined) throw new ProtectRefusal(404, `no machine called "${machine}" is kept here ("netloom protect ls" lists them)`);
    this.kept.delete(machine);
    await kept.end();
  }

  /** A connection has come for us. */
  connected(kind: 'stream' | 'beat', duplex: Duplex, from: string): void {
    const stream = new RecordStream(duplex);
    const timer = setTimeout(() => stream.refuse(`nothing was said in ${FIRST_MS / 1000} s`), FIRST_MS);
    stream.onClose = () => clearTimeout(timer);
    stream.onRecord = (record) => {
      clearTimeout(timer);
      stream.onClose = () => undefined;
      if (kind === 'stream') this.greeted(stream, from, record);
      else this.joined(stream, record);
    };
  }

  async close(): Promise<void> {
    this.closing = true;
    await Promise.all([...this.ours.values()].map((protection) => protection.leave()));
    await Promise.all([...this.kept.values()].map((kept) => kept.end()));
    this.kept.clear();
  }

  private running(machine: string): Vm {
    const vm = this.world.vms.find(machine);
    if (vm === null) throw new ProtectRefusal(404, `no virtual machine is called "${machine}" ("netloom vm ls" lists them)`);
    if (vm.state !== 'running') throw new ProtectRefusal(409, `"${machine}" does not run: it is ${vm.state}`);
    if (!vm.spec.protectable) throw new ProtectRefusal(400, `"${machine}" was not started so that it can be protected: stop it, and run it with --protectable`);
    return vm;
  }

  private goOn({ vm, protectedMachine }: Protection): void {
    try {
      protectedMachine.goOn();
    } catch (error) {
      throw new ProtectRefusal(409, `"${vm.name}" cannot go on here: ${errorLine(error)}`);
    }
  }

  private our(machine: string): Protection {
    const protection = this.ours.get(machine);
    if (protection === undefined) throw new ProtectRefusal(404, `"${machine}" is not protected here ("netloom protect ls" lists what is)`);
    return protection;
  }

  private async begin(vm: Vm, wish: ProtectWish): Promise<Protection> {
    if (this.ours.has(vm.name) || this.beginning.has(vm.name)) throw new ProtectRefusal(409, `"${vm.name}" is protected already ("netloom protect ls" tells; "netloom protect end ${vm.name}" ends it)`);
    this.beginning.add(vm.name);
    let protection: Protection | null = null;
    try {
      protection = await protectMachine({ ...this.world, tell: (type, data) => this.tell(vm, type, data), onEnd: (ended) => this.over(ended) }, vm, wish);
      this.ours.set(vm.name, protection);
      await protection.start();
      return protection;
    } catch (error) {
      throw new ProtectRefusal(400, protection === null ? `"${vm.name}" cannot be protected: ${errorLine(error)}` : `${wish.backupText} does not keep "${vm.name}": ${errorLine(error)}`);
    } finally {
      this.beginning.delete(vm.name);
    }
  }

  /** A machine that was taken over here may be protected again already. */
  private over(protection: Protection): void {
    if (this.ours.get(protection.vm.name) === protection) this.ours.delete(protection.vm.name);
  }

  private async ends(machine: string, failed: string): Promise<void> {
    const { protectedMachine } = this.our(machine);
    for (let phases = 0; protectedMachine.phase !== 'ended' && phases < 4; phases++) {
      if (protectedMachine.phase === 'frozen') break;
      await protectedMachine.changed(30_000);
    }
    if (protectedMachine.phase !== 'ended') throw new ProtectRefusal(409, `"${machine}": ${failed}: it is ${protectedMachine.phase}${protectedMachine.why === '' ? '' : `: ${protectedMachine.why}`}`);
    await protectedMachine.over;
  }

  private greeted(stream: RecordStream, from: string, record: WireRecord): void {
    if (record.type !== RECORD.HELLO) throw new RecordError(`record ${record.number} is ${recordName(record.type)}, and the first must be HELLO`);
    const hello = readHello(record.payload);
    if (this.closing) return stream.refuse('the daemon is ending');
    const link = new PrimaryLink(stream, this.isOurs(hello) ? 'local' : from, hello, { version, keeper: this.world.socketPath, life: this.life });
    const kept = this.keptFor(hello.machine, hello.generation);
    if (typeof kept === 'string') return stream.refuse(kept);
    const session = `${hello.machine}.${this.nextSession++}`;
    // One that is never joined makes room some day.
    const [oldest] = this.sessions.keys();
    if (this.sessions.size >= SESSIONS_MAX && oldest !== undefined) this.sessions.delete(oldest);
    this.sessions.set(session, link);
    kept.greet(link, session);
  }

  private joined(stream: RecordStream, record: WireRecord): void {
    if (record.type !== RECORD.JOIN) throw new RecordError(`record ${record.number} is ${recordName(record.type)}, and the first must be JOIN`);
    const { session } = readJoin(record.payload);
    const link = this.sessions.get(session);
    if (link === undefined) return stream.refuse(`there is no connection called "${session}"`);
    this.sessions.delete(session);
    link.join(stream);
  }

  /** Does the machine run in this daemon, too? */
  private isOurs({ machine, generation }: Pick<HelloPayload, 'machine' | 'generation'>): boolean {
    return this.ours.get(machine)?.generation === generation;
  }

  /** Who keeps that machine; or why it is not kept. */
  private keptFor(machine: string, generation: number): KeptMachine | string {
    const found = this.kept.get(machine);
    const fromUs = this.isOurs({ machine, generation });
    // What runs here is asked only about copies elsewhere; a protection of what we took over begins anew.
    if (found !== undefined && !(found.phase === 'live' && fromUs)) return found;
    if (found === undefined && !fromUs && this.world.vms.find(machine) !== null) return `a virtual machine called "${machine}" runs here`;
    if (found === undefined && [...this.kept.values()].filter(({ origin }) => origin !== null).length >= KEPT_MAX) return `${KEPT_MAX} machines are kept here already`;
    const kept = new KeptMachine({
      name: machine,
      standbyOf: (link) => standbyOf(this.world.vms, this.world.diskFolder, link, fromUs ? (this.ours.get(machine) ?? null) : null),
      tell: (type, data) => this.tellKept(kept, type, data),
      onLive: (told) => void this.live(told),
    });
    // Its machine runs here, and goes on; the connection that brought it is of no more use.
    void found?.end();
    this.kept.set(machine, kept);
    return kept;
  }

  /** It runs here now. If its backup was this daemon it is protected again. */
  private async live({ spec: { name: machine }, again }: ToldMachine): Promise<void> {
    const vm = this.world.vms.find(machine);
    if (again === null || vm === null) return;
    await Promise.all([delay(REST_MS, undefined, { ref: false }), this.ours.get(machine)?.protectedMachine.over]);
    if (this.closing || vm.state !== 'running' || this.ours.has(machine)) return;
    await this.begin(vm, protectWish(again)).catch((error: unknown) => {
      this.world.log.warn({ vm: machine, err: error }, 'a machine that was taken over is not protected again');
    });
  }

  private tell(vm: Vm, type: string, data: Readonly<Record<string, string>>): void {
    const bad = type === 'DECIDING' || type === 'FROZEN' || type === 'UNREACHABLE' || type === 'DISK';
    this.world.log[bad ? 'warn' : 'info']({ vm: vm.name, ...data }, `protection: ${type.toLowerCase()}`);
    this.world.loop.enter();
    if (vm.prison.vnet !== null) devctlAnnounce(vm.prison.vnet.kern, 'PROTECT', vm.name, type, { side: 'primary', ...data });
  }

  private tellKept(kept: KeptMachine, type: string, data: Readonly<Record<string, string>>): void {
    const bad = type === 'SUSPECTING' || type === 'REFUSED' || type === 'BROKEN' || type === 'LEFT';
    this.world.log[bad ? 'warn' : 'info']({ vm: kept.name, ...data }, `a kept machine: ${type.toLowerCase()}`);
    this.world.loop.enter();
    devctlAnnounce(this.world.kernel.vnet0.kern, 'PROTECT', kept.name, type, { side: 'backup', ...data });
  }
}

