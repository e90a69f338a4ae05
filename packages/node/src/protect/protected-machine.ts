/**
 * protected-machine.ts — class ProtectedMachine: the side that runs a protected machine: its checkpoints, its held output and writes, its backup.
 * Read first: docs/protect.md; core's ha/primary-state.ts, which decides what is done; backup-session.ts (the connection); checkpoint.ts.
 *
 * Theory of operation. What happens becomes events of the state machine, and its acts are carried out here, one event after the other. Two loops run beside it: `search` looks for the backup while there is
 * none, and `epochs` takes checkpoints while there is one:
 *
 *     due -> take: stop, device state and image, closing(): output.closeEpoch, disks.closeEpoch; cont
 *         -> closed: send image, device, writes, COMMIT            (the next may be taken meanwhile, up to IN_FLIGHT_MAX)
 *         -> ACK: output.release, disks.commit
 *
 * The machine itself is somebody else's (vm/vms.ts): it may end at any moment, and everything here that waits for it rejects then.
 *
 * A checkpoint takes its time, and the state may be another one when it is there. So whether the machine shall run by then is asked at its end (`stands`), and what the loop had begun when it was given up is undone
 * behind it (`undo`). The loop of the next backup begins after that.
 *
 * Invariants: one loop of checkpoints at a time; one question to the fence at a time; output is held from the first `closing` until the state says `abandon`; the plugs are out when this has ended, and nothing is left of it but the machine.
 */
import type { PrimaryAct, PrimaryEvent, PrimaryPhase, PrimaryState } from '@netloom/core';
import { PRIMARY_START, primaryStep } from '@netloom/core';
import { errorLine } from '../error-line.js';
import { BackupSearch } from './backup-search.js';
import type { Checkpoint } from './checkpoint.js';
import { EpochPace } from './epoch-pace.js';
import { EpochFigures } from './epoch-figures.js';
import { FenceQuestion } from './fence-question.js';
import { firstLook } from './first-look.js';
import type { ProtectedParts } from './protected-parts.js';
import type { BackupSession, SessionUser } from './backup-session.js';
import { Steps } from './steps.js';

/** Checkpoints that were sent and not acknowledged. */
const IN_FLIGHT_MAX = 2;
/** Nothing was acknowledged for so long, though the backup is heard. */
const ACK_MS = 10_000;
/** Until what is left of a machine that has failed is put away: who takes over from it needs the processors first. */
const AFTER_DEATH_MS = 200;

export class ProtectedMachine implements SessionUser {
  readonly figures = new EpochFigures();
  /** Why it is as it is, for people; '' when nothing is wrong. */
  why = '';
  readonly parts: ProtectedParts;
  /** Resolves when it is over, and nothing of it is left. */
  readonly over: Promise<void>;
  private readonly pace: EpochPace;
  private state: PrimaryState = PRIMARY_START;
  private readonly steps = new Steps<PrimaryEvent>((event) => this.step(event));
  private session: BackupSession | null = null;
  private checkpoint: Checkpoint | null = null;
  /** The checkpoints of the last backup. */
  private looping: Promise<void> = Promise.resolve();
  private taking = false;
  /** It was stopped, and not let run since. */
  private stopped = false;
  /** Nobody protects it, and what is held goes out. */
  private abandoned = true;
  private givingUp: Promise<void> = Promise.resolve();
  private sending: Promise<void> = Promise.resolve();
  private readonly search: BackupSearch;
  private wakeSender: (() => void) | null = null;
  private ackTimer: NodeJS.Timeout | null = null;
  private died = false;
  private isOver: () => void = () => undefined;
  /** The machine runs here after its protection is over. */
  private goesOn = true;
  /** Of the daemon that keeps the machine. */
  private life = '';
  private readonly question: FenceQuestion;
  private readonly givenUp = new AbortController();
  private readonly settled = new Set<() => void>();

  constructor(parts: ProtectedParts) {
    this.parts = parts;
    this.over = new Promise((resolve) => (this.isOver = resolve));
    this.pace = new EpochPace(parts.interval);
    this.search = new BackupSearch({ isWanted: () => this.isAlone(), isOver: () => this.phase === 'ended', look: () => this.tryJoin() });
    this.question = new FenceQuestion(parts.fence, (verdict) => this.happens({ is: 'fenced', ok: verdict.ok }, verdict.ok ? '' : verdict.reason), () => this.happens({ is: 'again' }));
  }

  get phase(): PrimaryPhase {
    return this.state.phase;
  }

  get closedEpoch(): number {
    return this.state.closed;
  }

  get ackedEpoch(): number {
    return this.state.acked;
  }

  get connection(): BackupSession | null {
    return this.session;
  }

  /** Finds the backup. Rejects with one line; then it is over. */
  async start(): Promise<void> {
    await this.join(() => this.parts.tell('BEGIN', {})).catch(async (error: unknown) => {
      if (this.phase !== 'ended') {
        this.state = { ...this.state, phase: 'ended' };
        void this.end();
      }
      await this.over;
      throw error;
    });
    void this.search.run();
  }

  /** The machine has got a frame. */
  inbound(nic: number, frame: Uint8Array): void {
    this.session?.inbound(nic, frame);
  }

  /** Output has begun to wait, or writes cannot wait any longer. */
  hurry(urgent: boolean): void {
    this.pace.hurry(urgent);
  }

  happens(event: PrimaryEvent, why = ''): void {
    if (why !== '') this.why = why;
    this.steps.take(event);
  }

  /** A person says that the backup is dead, and never ran it. @throws Error, one line: somebody has the lock */
  goOn(): void {
    if (this.state.handed) this.parts.fence.retake();
    this.happens({ is: 'goOn' }, 'somebody has said that the backup is dead');
  }

  /** Resolves when its phase is another one, or after `ms`. */
  async changed(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.settled.delete(settle);
        resolve();
      };
      const timer = setTimeout(settle, ms);
      this.settled.add(settle);
    });
  }

  // What the session tells.
  acked(epoch: number): void {
    this.figures.acked(epoch);
    this.happens({ is: 'acked', epoch });
    this.watchAcks();
    this.wakeSender?.();
  }

  lost(why: string): void {
    this.happens({ is: 'lost' }, why);
  }

  streamLost(why: string): void {
    this.happens({ is: 'streamLost' }, why);
  }

  dismissed(why: string): void {
    if (this.state.handed) void this.refused(why);
    else this.happens({ is: 'dismissed' }, why);
  }

  lives(): void {
    this.happens({ is: 'lives' });
  }

  leaseOver(): void {
    this.happens({ is: 'leaseOver' }, 'the backup has not answered for as long as this machine may run unheard');
  }

  degraded(which: 'stream' | 'beat', why: string): void {
    this.parts.tell('DEGRADED', { path: which, reason: why });
  }

  private step(event: PrimaryEvent): void {
    const before = this.state.phase;
    const { state, acts } = primaryStep(this.state, event);
    this.state = state;
    for (const act of acts) this.carryOut(act);
    if (state.phase !== before) this.entered(before);
  }

  private entered(before: PrimaryPhase): void {
    const { phase } = this.state;
    if (phase === 'holding') {
      this.why = '';
      this.search.kept();
    }
    this.parts.tell(phase.toUpperCase(), { from: before, ...(this.why === '' ? {} : { reason: this.why }) });
    if (phase !== 'deciding' && phase !== 'frozen') this.question.withdraw();
    if (phase === 'alone' || phase === 'frozen') this.leaveSession();
    if (phase === 'ended') void this.end();
    this.pace.hurry(true);
    this.search.wake();
    this.wakeSender?.();
    for (const settle of this.settled) settle();
  }

  private carryOut(act: PrimaryAct): void {
    const { parts, state, session } = this;
    switch (act) {
      case 'send':
      case 'sendLast':
        return this.send(state.closed, act === 'sendLast');
      case 'release':
        parts.output.release(state.acked);
        return this.disksDo('commit', parts.disks.commit(state.acked));
      case 'abandon':
        this.abandoned = true;
        parts.output.abandon();
        this.givingUp = parts.disks.abandon();
        return this.disksDo('abandon', this.givingUp);
      case 'dismiss':
        return session === null ? this.happens({ is: 'lost' }) : session.dismiss();
      case 'fence':
        return void this.question.ask(this.why, state.handed);
      case 'takeLast':
        return this.pace.hurry(true);
      case 'stop':
        this.stopped = true;
        return this.machineDo(parts.checkpointer.stop());
      case 'resume':
        this.stopped = false;
        // Behind a checkpoint that is being taken: that would be torn, or stop it again.
        return this.taking ? undefined : this.machineDo(parts.checkpointer.resume());
      case 'endGuest':
        this.goesOn = false;
        return parts.kill();
      case 'reportDeath':
        this.died = true;
        this.goesOn = false;
        parts.fence.handOver();
        return session?.reportDeath(this.why);
    }
  }

  /** The backup was told to run the machine, and cannot. It runs here again, with its lock, and not before that is ours. */
  private async refused(why: string): Promise<void> {
    const { session } = this;
    const isOurs = await this.parts.fence.takeBack();
    if (this.session !== session || !this.state.handed) return;
    this.happens({ is: isOurs ? 'dismissed' : 'lost' }, why);
  }

  /** A write that is safe at the backup cannot be put in its place here: the disk is not what the guest was told. */
  private disksDo(what: string, done: Promise<void>): void {
    done.catch((error: unknown) => {
      this.parts.tell('DISK', { failed: what, reason: errorLine(error) });
      this.parts.kill();
    });
  }

  /** Rejects when the machine has ended, which is told by whoever has it. */
  private machineDo(done: Promise<void>): void {
    done.catch((error: unknown) => {
      if (this.phase !== 'ended') this.why = errorLine(error);
    });
  }

  private async tryJoin(): Promise<void> {
    try {
      await this.join();
    } catch (error) {
      const why = errorLine(error);
      if (why !== this.why) this.parts.tell('UNREACHABLE', { reason: why });
      this.why = why;
    }
  }

  private async join(taken: () => void = () => undefined): Promise<void> {
    const session = await this.parts.join(this, (life) => this.welcomed(life), this.givenUp.signal);
    try {
      const { fence } = this.parts;
      if (this.state.handed && !(await fence.takeBack())) throw new Error('the backup has taken it, and the lock is not free');
      if (!this.isAlone()) throw new Error('it was taken while the machine was no more to be kept');
      fence.begins();
    } catch (error) {
      session.close();
      throw error;
    }
    this.session = session;
    taken();
    this.happens({ is: 'joined' });
    if (this.session === session) this.looping = this.looping.then(() => this.epochs(session));
  }

  /** A daemon that began anew does not know whether the one before it ran the machine, so it is nobody whom a machine may go on by that was stopped for fear of that. */
  private welcomed(life: string): void {
    if (!this.isAlone()) throw new Error('the machine is not to be kept any more');
    if (this.phase === 'frozen' && life !== this.life) throw new Error(`the backup has begun anew, and nobody can tell whether it ran the machine before; if you know that it did not: netloom protect failover ${this.parts.name} --force`);
    this.life = life;
  }

  private isAlone(): boolean {
    return this.phase === 'alone' || this.phase === 'frozen';
  }

  /** All checkpoints for one backup, from the first look at the image to the last. */
  private async epochs(session: BackupSession): Promise<void> {
    const takes = (): boolean => this.session === session && (this.phase === 'syncing' || this.phase === 'holding' || this.phase === 'handing');
    try {
      await this.givingUp.catch(() => undefined); // it has been told
      if (takes()) await firstLook(this.parts, session, takes);
      while (takes()) {
        const last = this.phase === 'handing';
        this.pace.begins();
        const epoch = await this.take(last, takes);
        this.pace.ends();
        if (epoch === null || !takes()) break;
        this.happens({ is: 'closed', epoch, last });
        session.exposed();
        if (last) break;
        await this.sending;
        while (takes() && this.state.closed - this.state.acked >= IN_FLIGHT_MAX) await this.woken();
        if (takes()) await this.pace.due();
      }
    } catch (error) {
      // The machine has ended, which is told by whoever has it; or the backup has; or a checkpoint cannot be had. Only the last is for here: the backup must not forget a machine that has failed.
      if (takes() && !(await this.parts.endsSoon()) && takes()) this.happens({ is: 'streamLost' }, errorLine(error));
    }
    this.undo();
  }

  /** What the loop did, or kept from being done, when it had been given up. */
  private undo(): void {
    const { checkpointer, disks } = this.parts;
    // A copy that was under way has closed an epoch, and nobody would ever let it go.
    if (this.abandoned) this.disksDo('abandon', (this.givingUp = disks.abandon()));
    if (this.died || (this.phase === 'ended' && !this.abandoned)) return;
    this.machineDo(this.stands() ? checkpointer.stop() : checkpointer.resume());
  }

  /** Is the machine not to run? */
  private stands(): boolean {
    return this.stopped || this.state.handed;
  }

  /** null: it was given up meanwhile, and nothing has been closed. */
  private async take(last: boolean, takes: () => boolean): Promise<number | null> {
    const { checkpointer, output, disks } = this.parts;
    let epoch: number | null = null;
    disks.closing();
    this.taking = true;
    const checkpoint = await checkpointer.take(() => {
      if (!takes()) return;
      this.abandoned = false;
      epoch = output.closeEpoch();
      disks.closeEpoch(epoch);
      this.session?.epochClosed(epoch);
    }, () => this.stopped || (last && takes())).finally(() => (this.taking = false));
    if (epoch === null) return null;
    this.checkpoint = checkpoint;
    this.figures.took(epoch, checkpoint);
    return epoch;
  }

  /** Sends the checkpoint that was taken last. */
  private send(epoch: number, hand: boolean): void {
    const { session, checkpoint } = this;
    if (session === null || checkpoint === null) return;
    this.checkpoint = null;
    this.watchAcks();
    this.sending = this.sendParts(session, epoch, checkpoint, hand).catch((error: unknown) => {
      if (this.session === session) this.happens({ is: 'streamLost' }, errorLine(error));
    });
  }

  private async sendParts(session: BackupSession, epoch: number, { delta, device }: Checkpoint, hand: boolean): Promise<void> {
    await session.sendImage(delta);
    await session.sendDevice(device);
    if (this.parts.copiesDisks) for (const piece of await this.parts.disks.writesOf(epoch)) await session.sendDisk(piece, false);
    if (this.session !== session) return;
    if (hand) this.parts.fence.handOver();
    this.figures.sent(epoch, session.commit(epoch, hand));
  }

  private async woken(): Promise<void> {
    await new Promise<void>((resolve) => (this.wakeSender = resolve));
    this.wakeSender = null;
  }

  /** Something is to be acknowledged in time. */
  private watchAcks(): void {
    if (this.ackTimer !== null) clearTimeout(this.ackTimer);
    this.ackTimer = null;
    if (this.session === null || this.state.closed <= this.state.acked) return;
    this.ackTimer = setTimeout(() => this.happens({ is: 'streamLost' }, `the backup has acknowledged nothing for ${ACK_MS / 1000} s`), ACK_MS);
  }

  private leaveSession(): void {
    this.session?.close();
    this.session = null;
    this.watchAcks();
  }

  private async end(): Promise<void> {
    const { checkpointer, output } = this.parts;
    this.question.withdraw();
    this.givenUp.abort();
    this.leaveSession();
    output.end(this.goesOn && this.abandoned);
    await this.looping;
    if (this.died) await new Promise((resolve) => setTimeout(resolve, AFTER_DEATH_MS));
    await checkpointer.end().catch((error: unknown) => this.parts.tell('LEFT', { reason: errorLine(error) }));
    this.parts.onEnd(this.died);
    this.isOver();
  }
}
