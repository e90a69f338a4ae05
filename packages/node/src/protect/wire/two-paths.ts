/**
 * two-paths.ts — TwoPaths: whether the other daemon is there, by beats on two connections: the stream of the records, and one beside it.
 * Read first: record-stream.ts; timers.ts.
 *
 * Theory of operation. Every `beatMs` a BEAT with a number goes out on each path that is open, and a BEAT that comes is echoed on the path it came by. Bytes of
 * any kind are a sign of life of the other side; an echo is a sign that it hears us. From these come, with `timeoutMs` of patience:
 *
 *     onDegraded     one path is closed or silent, the other one is not
 *     onRestored     it is there again
 *     onUnreachable  both are: the other side is dead, or both ways to it are cut
 *     onUnheard      it is heard and echoes nothing: our way to it is cut, or it does not look at what we say
 *     onReachable    after either, it hears us and we hear it
 *
 * A process that was held up finds silence in its clock before it finds what came meanwhile in its sockets; so when a look comes late by a beat or more,
 * silence counts from the next one on. A closed connection always counts. Answers are missing from `start` on, not before.
 *
 * `lastEchoSentAt` is the local time at which the newest beat that was echoed had been sent: the other side lived and heard us after that. `lastHeardAt` is the
 * local time of the last sign of life.
 *
 * Invariant: no handler is called after `stop`. Not here: what is to be done about it (fence).
 */
import { RECORD } from './record.js';
import { readBeat } from './record-payloads.js';
import type { RecordStream } from './record-stream.js';
import type { PathKind } from './backup-listener.js';
import type { Alarm, Timers } from './timers.js';

export interface Patience {
  readonly beatMs: number;
  readonly timeoutMs: number;
}

interface Path {
  readonly stream: RecordStream;
  heardAt: number;
  /** Why it is closed. */
  closed: string | null;
  degraded: boolean;
}

export type Reach = 'reachable' | 'unheard' | 'unreachable';

export class TwoPaths {
  /** `why`: one line. */
  onDegraded: (which: PathKind, why: string) => void = () => undefined;
  onRestored: (which: PathKind) => void = () => undefined;
  onUnreachable: (why: string) => void = () => undefined;
  onUnheard: (why: string) => void = () => undefined;
  onReachable: () => void = () => undefined;
  /** Of an echo that was heard. */
  onEcho: () => void = () => undefined;
  lastHeardAt: number;
  lastEchoSentAt: number | null = null;
  private readonly timers: Timers;
  private readonly patience: Patience;
  private readonly paths = new Map<PathKind, Path>();
  /** When each beat was sent whose echo is still of use, by its number, oldest first. */
  private readonly sentAt = new Map<number, number>();
  private number = 0;
  private state: Reach = 'reachable';
  private startedAt: number;
  /** Since when it is heard without a break; null: it is not. */
  private audibleSince: number | null;
  /** When the next beat is due; before `start`, never in time. */
  private dueAt = -Infinity;
  /** The last look came late, so what came meanwhile may still wait in the sockets. */
  private heldUp = false;
  private alarm: Alarm | null = null;

  constructor(stream: RecordStream, timers: Timers, patience: Patience) {
    this.timers = timers;
    this.patience = patience;
    this.startedAt = this.lastHeardAt = this.audibleSince = timers.now();
    this.take('stream', stream);
  }

  get reach(): Reach {
    return this.state;
  }

  /** Is the path open, and was something heard on it. */
  whole(which: PathKind): boolean {
    const path = this.paths.get(which);
    return path !== undefined && !path.degraded;
  }

  /** Begins to beat and to judge. */
  start(): void {
    this.startedAt = this.lastHeardAt = this.audibleSince = this.timers.now();
    for (const path of this.paths.values()) path.heardAt = this.startedAt;
    this.dueAt = this.startedAt;
    this.beat();
  }

  /** Has a second path, or another one in place of the one that is closed. */
  join(stream: RecordStream): void {
    const before = this.paths.get('beat');
    before?.stream.destroy();
    const path = this.take('beat', stream);
    path.degraded = before?.degraded === true;
    if (path.degraded) this.restore('beat', path);
  }

  /** Judges no more. The streams stay as they are. */
  stop(): void {
    this.alarm?.cancel();
    this.alarm = null;
    for (const { stream } of this.paths.values()) stream.watcher = null;
    this.onDegraded = this.onRestored = this.onUnreachable = this.onUnheard = this.onReachable = this.onEcho = () => undefined;
  }

  private take(which: PathKind, stream: RecordStream): Path {
    const path: Path = { stream, heardAt: this.timers.now(), closed: null, degraded: false };
    this.paths.set(which, path);
    stream.watcher = { heard: () => this.heard(which, path), beat: (payload) => this.beaten(path, payload), closed: (reason) => this.closed(which, path, reason) };
    return path;
  }

  private beat(): void {
    const now = this.timers.now();
    this.heldUp = this.late(now);
    this.send(now);
    this.dueAt = now + this.patience.beatMs;
    this.alarm = this.timers.after(this.patience.beatMs, () => this.beat());
    this.judge(now);
  }

  private late(now: number): boolean {
    return now - this.dueAt >= this.patience.beatMs;
  }

  private send(now: number): void {
    const n = this.number++;
    for (const { stream } of this.paths.values()) stream.say(RECORD.BEAT, { n, at: now });
    this.sentAt.set(n, now);
    for (const [old, at] of this.sentAt) {
      if (now - at <= 2 * this.patience.timeoutMs) break;
      this.sentAt.delete(old);
    }
  }

  private heard(which: PathKind, path: Path): void {
    path.heardAt = this.lastHeardAt = this.timers.now();
    if (path.degraded) this.restore(which, path);
  }

  private restore(which: PathKind, path: Path): void {
    path.degraded = false;
    this.onRestored(which);
  }

  private beaten(path: Path, payload: Buffer): void {
    const beat = readBeat(payload);
    if ('n' in beat) {
      path.stream.say(RECORD.BEAT, { echo: beat.n });
      return;
    }
    const at = this.sentAt.get(beat.echo);
    if (at === undefined || at < (this.lastEchoSentAt ?? at)) return;
    this.lastEchoSentAt = at;
    this.onEcho();
    this.judge(this.timers.now());
  }

  private closed(which: PathKind, path: Path, reason: string): void {
    if (this.paths.get(which) !== path) return;
    path.closed = reason;
    this.judge(this.timers.now());
  }

  /** What is to be said of the other side, now. */
  private judge(now: number): void {
    const fair = !this.heldUp && !this.late(now);
    const troubles = [...this.paths].map(([which, path]) => ({ which, path, trouble: path.closed ?? (fair ? this.silence(path, now) : null) }));
    const dead = troubles.every(({ trouble }) => trouble !== null);
    if (dead) {
      this.audibleSince = null;
      this.become('unreachable', troubles.map(({ which, trouble }) => `${which === 'stream' ? 'its stream' : 'its second path'}: ${trouble}`).join('; '));
      return;
    }
    for (const { which, path, trouble } of troubles) {
      if (trouble === null || path.degraded) continue;
      path.degraded = true;
      this.onDegraded(which, trouble);
    }
    this.audibleSince ??= now;
    const echoAt = this.lastEchoSentAt ?? this.startedAt;
    const quietMs = now - Math.max(echoAt, this.audibleSince);
    if (now - echoAt < this.patience.timeoutMs) this.become('reachable', '');
    else if (fair && quietMs >= this.patience.timeoutMs) this.become('unheard', `it is heard, and has answered no beat of the last ${Math.round(quietMs)} ms`);
  }

  private silence({ heardAt }: Path, now: number): string | null {
    const silentMs = now - heardAt;
    return silentMs < this.patience.timeoutMs ? null : `nothing was heard for ${Math.round(silentMs)} ms`;
  }

  private become(state: Reach, why: string): void {
    if (state === this.state) return;
    this.state = state;
    if (state === 'unreachable') this.onUnreachable(why);
    else if (state === 'unheard') this.onUnheard(why);
    else this.onReachable();
  }
}
