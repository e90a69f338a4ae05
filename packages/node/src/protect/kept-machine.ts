/**
 * kept-machine.ts — class KeptMachine: the side that keeps a protected machine's checkpoints, and becomes the machine when it must.
 * Read first: docs/protect.md; core's ha/backup-state.ts, which decides what is done; primary-link.ts (the connection).
 *
 * Theory of operation. A primary says hello: a machine that waits (vm/vm-standby.ts) is made of what it tells, and pieces of checkpoints come. A checkpoint is put in its place when all of it is here and its checksums are
 * right, and only then is it acknowledged. When the primary is silent on every path, the fence is asked, and asked again as long as it says no; when it says yes, the machine that waits runs on from the last checkpoint,
 * gets the frames that came for it since, and joins its network under its own name.
 *
 * A checkpoint's writes to disks take their time. If the machine is to be taken over meanwhile it goes on from that checkpoint, which is whole, though nobody will hear that it is safe: in its place are all of it or none.
 *
 * Invariants: what comes from a primary before the newest hello is not heard. A machine that waits is ended, with all that was made for it, when what is kept is discarded, and the next one is made after that. A connection
 * is let go when nobody is at its other end and nothing is to be heard from there.
 */
import type { BackupAct, BackupEvent, BackupPhase, BackupState } from '@netloom/core';
import { BACKUP_START, backupStep } from '@netloom/core';
import { errorLine } from '../error-line.js';
import type { ImageDelta, StandbyMachine } from './checkpoint.js';
import { InboundLog } from './inbound-log.js';
import type { InboundFrame } from './inbound-log.js';
import type { ProtectFence } from './protect-fences.js';
import type { LinkUser, PrimaryLink, WholeCheckpoint } from './primary-link.js';
import type { ToldMachine } from './told-machine.js';
import { Steps } from './steps.js';

/** Until the fence that said no is asked again. */
const AGAIN_MS = 1_000;

/** The machine that waits, and its disks. */
export interface KeptStandby extends StandbyMachine {
  /** What says whether it may run. */
  readonly fence: ProtectFence;
  /** Puts in what is told of the disks: what they had before the first epoch, and what an epoch wrote. @throws Error, one line */
  applyDisks(records: readonly Uint8Array[]): Promise<void>;
  /** Writes of after `epoch` never were. Before it takes over. */
  settleDisks(epoch: number): Promise<void>;
  /** Gives it frames that it has missed. */
  replay(frames: readonly InboundFrame[]): void;
}

export interface KeptParts {
  readonly name: string;
  readonly standbyOf: (link: PrimaryLink) => Promise<KeptStandby>;
  readonly tell: (type: string, data: Readonly<Record<string, string>>) => void;
  /** The machine runs here. */
  readonly onLive: (told: ToldMachine) => void;
}

export class KeptMachine implements LinkUser {
  readonly inbound = new InboundLog();
  /** Whom it is kept for; null: nobody. */
  origin: Pick<PrimaryLink, 'hello' | 'told'> | null = null;
  /** Why it is as it is, for people. */
  why = '';
  checkpoints = 0;
  committedUs: number | null = null;
  /** From the decision to run until it ran; null: it has not. */
  takeOverUs: number | null = null;
  private readonly parts: KeptParts;
  private state: BackupState = BACKUP_START;
  private readonly steps = new Steps<BackupEvent>((event) => this.step(event));
  private link: PrimaryLink | null = null;
  private standby: KeptStandby | null = null;
  private fence: ProtectFence | null = null;
  private whole: WholeCheckpoint | null = null;
  /** The checkpoint that was put in its place last, or is being put there; false: it could not. */
  private placing: Promise<boolean> = Promise.resolve(true);
  private placed = -1;
  private device: Uint8Array = new Uint8Array(0);
  /** A hello that is being answered. */
  private greeting: { readonly link: PrimaryLink; readonly session: string } | null = null;
  private making: Promise<void> = Promise.resolve();
  private ending: Promise<void> = Promise.resolve();
  private over = false;
  private again: NodeJS.Timeout | null = null;

  constructor(parts: KeptParts) {
    this.parts = parts;
  }

  get name(): string {
    return this.parts.name;
  }

  get phase(): BackupPhase {
    return this.state.phase;
  }

  get committed(): number {
    return this.state.committed;
  }

  get connection(): PrimaryLink | null {
    return this.link;
  }

  /** A primary asks to be kept. It is told that it is, or why not; while the fence is asked about the one before it, or the machine is being taken over, later. @param session what its second path will say */
  greet(link: PrimaryLink, session: string): void {
    this.greeting?.link.refuse('another connection has come for the same machine');
    this.greeting = { link, session };
    this.happens({ is: 'hello' });
  }

  /** A person says that the machine runs nowhere else. false: there is nothing to take over, or its primary is there. */
  force(): boolean {
    const { phase } = this.state;
    if (phase !== 'suspecting' && phase !== 'refused') return false;
    this.happens({ is: 'force' }, 'somebody has said that it runs nowhere else');
    return true;
  }

  happens(event: BackupEvent, why = ''): void {
    if (this.over) return;
    if (why !== '') this.why = why;
    this.steps.take(event);
  }

  /** Forgets everything; a machine that runs goes on. */
  async end(): Promise<void> {
    this.over = true;
    if (this.again !== null) clearTimeout(this.again);
    this.answerGreeting((link) => link.refuse('the machine is not kept here any more'));
    this.leaveLink();
    this.discard();
    await this.making;
    await this.ending;
  }

  // What the link tells.
  scanned(delta: ImageDelta): void {
    this.standby?.apply(delta);
  }

  inboundFrame(frame: InboundFrame): void {
    this.inbound.add(frame);
  }

  async disksCopied(records: readonly Uint8Array[]): Promise<void> {
    await this.standby?.applyDisks(records);
  }

  async checkpointed(whole: WholeCheckpoint): Promise<void> {
    this.whole = whole;
    this.happens({ is: 'checkpoint' });
    await this.placing;
  }

  failed(reason: string): void {
    this.happens({ is: 'applyFailed' }, reason);
  }

  lost(why: string): void {
    this.happens({ is: 'lost' }, why);
  }

  reachable(): void {
    this.happens({ is: 'reachable' });
  }

  primaryDead(): void {
    this.happens({ is: 'primaryDead' }, 'the primary says that the machine has failed');
  }

  standDown(): void {
    this.happens({ is: 'standDown' });
  }

  private step(event: BackupEvent): void {
    const before = this.state.phase;
    const { state, acts } = backupStep(this.state, event);
    this.state = state;
    for (const act of acts) this.carryOut(act);
    this.leaveDeadLink();
    if (this.state.phase === before) return;
    this.parts.tell(this.state.phase.toUpperCase(), { from: before, ...(this.why === '' ? {} : { reason: this.why }) });
    if (this.state.phase === 'ready') this.why = '';
    if (this.state.phase === 'empty') this.origin = null;
    this.arm();
    // It may have come back while the fence was asked.
    if (this.state.phase === 'refused' && this.link?.isReachable === true) this.happens({ is: 'reachable' });
  }

  private carryOut(act: BackupAct): void {
    switch (act) {
      case 'welcome':
        return void this.welcome();
      case 'apply':
        return this.apply();
      case 'ack':
        return this.link?.ack(this.state.committed);
      case 'nak':
        this.answerGreeting((link) => link.refuse(this.why));
        return this.link?.nak(this.why);
      case 'fence':
        return void this.askFence();
      case 'takeOver':
        return void this.takeOver();
      case 'discard':
        return this.discard();
      case 'stoodDown':
        return this.link?.stoodDown();
      case 'lives':
        if (this.greeting === null) return this.link?.lives();
        this.leaveLink();
        return this.answerGreeting((link) => {
          link.lives();
          link.close();
        });
    }
  }

  private leaveLink(): void {
    this.link?.close();
    this.link = null;
  }

  /** Nothing is expected of a primary that is not there when nothing is kept of it; if it comes back it says hello. */
  private leaveDeadLink(): void {
    const { phase } = this.state;
    if ((phase === 'empty' || phase === 'live' || phase === 'broken') && this.link?.isReachable === false) this.leaveLink();
  }

  private answerGreeting(answer: (link: PrimaryLink) => void): void {
    const { greeting } = this;
    this.greeting = null;
    if (greeting !== null) answer(greeting.link);
  }

  /** What was kept is discarded; a machine is made that waits, after the one before it has gone. */
  private welcome(): void {
    const { greeting } = this;
    this.greeting = null;
    if (greeting === null) return;
    const { link, session } = greeting;
    this.leaveLink();
    this.link = link;
    this.origin = link;
    this.making = this.making.then(() => this.make(link, session));
  }

  private async make(link: PrimaryLink, session: string): Promise<void> {
    try {
      await this.ending;
      if (this.link !== link) return;
      const standby = await this.parts.standbyOf(link);
      if (this.link !== link) return await standby.end();
      this.adopt(standby);
      link.welcome(this, session);
    } catch (error) {
      link.refuse(errorLine(error));
      if (this.link !== link) return;
      this.link = null;
      this.happens({ is: 'standbyFailed' }, errorLine(error));
    }
  }

  private adopt(standby: KeptStandby): void {
    this.standby = standby;
    this.fence = standby.fence;
    this.placing = Promise.resolve(true);
    this.placed = -1;
    standby.onFailed = (reason) => this.happens({ is: 'standbyFailed' }, reason);
  }

  private apply(): void {
    const { whole, standby } = this;
    this.whole = null;
    if (whole !== null && standby !== null) this.placing = this.place(whole, standby);
  }

  private async place(whole: WholeCheckpoint, standby: KeptStandby): Promise<boolean> {
    try {
      await standby.applyDisks(whole.disks);
      if (this.standby !== standby) return false;
      for (const delta of whole.images) standby.apply(delta);
    } catch (error) {
      if (this.standby === standby) this.happens({ is: 'applyFailed' }, errorLine(error));
      return false;
    }
    this.device = whole.device;
    this.placed = whole.epoch;
    this.checkpoints++;
    this.committedUs = performance.now() * 1000;
    this.inbound.committed(whole.epoch);
    this.happens({ is: 'applied', epoch: whole.epoch, hand: whole.hand });
    return true;
  }

  private async askFence(): Promise<void> {
    const { fence } = this;
    const verdict = await (fence?.goOnAlone('backup', this.why, false) ?? { ok: false as const, reason: 'there is no fence' });
    if (this.fence === fence && this.state.phase === 'suspecting') this.happens({ is: 'fenced', ok: verdict.ok }, verdict.ok ? '' : verdict.reason);
  }

  private async takeOver(): Promise<void> {
    const { standby, origin, fence } = this;
    const began = performance.now();
    fence?.withdraw();
    try {
      if (standby === null || origin === null) throw new Error('there is no machine that waits');
      if (!(await this.placing)) throw new Error('the last checkpoint could not be put in its place');
      await standby.settleDisks(this.placed);
      await standby.takeOver(this.device, () => undefined);
    } catch (error) {
      return this.happens({ is: 'takeFailed' }, errorLine(error));
    }
    this.takeOverUs = (performance.now() - began) * 1000;
    this.runs(standby);
    this.parts.onLive(origin.told);
  }

  /** It is the machine: what it has is not ours any more. */
  private runs(standby: KeptStandby): void {
    this.standby = null;
    this.fence = null;
    const missed = this.inbound.takeAll();
    this.happens({ is: 'took' });
    try {
      standby.replay(missed);
    } catch (error) {
      this.parts.tell('LEFT', { reason: `what came for it meanwhile is lost: ${errorLine(error)}` });
    }
  }

  private discard(): void {
    const { standby, fence } = this;
    this.standby = null;
    this.fence = null;
    this.device = new Uint8Array(0);
    this.whole = null;
    this.inbound.takeAll();
    fence?.letGo();
    if (standby === null) return;
    standby.onFailed = () => undefined;
    this.ending = this.ending.then(() => standby.end()).catch((error: unknown) => this.parts.tell('LEFT', { reason: errorLine(error) }));
  }

  private arm(): void {
    if (this.again !== null) clearTimeout(this.again);
    this.again = this.state.phase === 'refused' ? setTimeout(() => this.happens({ is: 'again' }), AGAIN_MS) : null;
  }
}
