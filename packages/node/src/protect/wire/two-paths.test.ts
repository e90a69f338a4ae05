/**
 * two-paths.test.ts — cuts of one path, of both, of one direction; a process that was held up; with virtual time, over streams in memory.
 */
import { Duplex } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualTimers, settle } from '../../../test/virtual-timers.js';
import { RECORD } from './record.js';
import { RecordStream } from './record-stream.js';
import { TwoPaths } from './two-paths.js';

const PATIENCE = { beatMs: 10, timeoutMs: 50 };

/** A wire in memory that can be cut: what is sent is lost, and neither end notices. `held`: it arrives when the wire lets go. */
class Wire {
  readonly a: Duplex;
  readonly b: Duplex;
  cutAB = false;
  cutBA = false;
  held = false;
  private waiting: (() => void)[] = [];

  constructor() {
    this.a = this.end(() => this.b, () => this.cutAB);
    this.b = this.end(() => this.a, () => this.cutBA);
  }

  cut(): void {
    this.cutAB = this.cutBA = true;
  }

  letGo(): void {
    this.held = false;
    this.waiting.splice(0).forEach((arrive) => arrive());
  }

  private end(other: () => Duplex, cut: () => boolean): Duplex {
    return new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        const arrive = (): void => void other().push(chunk);
        if (this.held) this.waiting.push(arrive);
        else if (!cut()) arrive();
        done();
      },
    });
  }
}

interface Side {
  readonly paths: TwoPaths;
  readonly second: RecordStream | null;
  readonly said: string[];
}

function sideOf(timers: VirtualTimers, stream: Duplex, beat: Duplex | null): Side {
  const paths = new TwoPaths(new RecordStream(stream), timers, PATIENCE);
  const second = beat === null ? null : new RecordStream(beat);
  if (second !== null) paths.join(second);
  const said: string[] = [];
  paths.onDegraded = (which, why) => said.push(`degraded ${which}: ${why}`);
  paths.onRestored = (which) => said.push(`restored ${which}`);
  paths.onUnreachable = (why) => said.push(`unreachable ${why}`);
  paths.onUnheard = (why) => said.push(`unheard ${why}`);
  paths.onReachable = () => said.push('reachable');
  onTestFinished(() => paths.stop());
  return { paths, second, said };
}

async function twoSides({ second = true }: { second?: boolean } = {}): Promise<{ timers: VirtualTimers; stream: Wire; beat: Wire; a: Side; b: Side }> {
  const timers = new VirtualTimers();
  const [stream, beat] = [new Wire(), new Wire()];
  const a = sideOf(timers, stream.a, second ? beat.a : null);
  const b = sideOf(timers, stream.b, second ? beat.b : null);
  await settle();
  a.paths.start();
  b.paths.start();
  await timers.pass(200);
  expect([a.said, b.said, a.paths.reach, b.paths.reach]).toEqual([[], [], 'reachable', 'reachable']);
  return { timers, stream, beat, a, b };
}

test('while both are well nothing is said, and the newest echo is of a beat of this interval', async () => {
  const { timers, a, b } = await twoSides();
  for (const { paths } of [a, b]) {
    expect(timers.now() - (paths.lastEchoSentAt ?? 0)).toBeLessThanOrEqual(PATIENCE.beatMs);
    expect(timers.now() - paths.lastHeardAt).toBeLessThanOrEqual(PATIENCE.beatMs);
  }
});

test('one path that is silent is told on both sides, and that it is back', async () => {
  const { timers, beat, a, b } = await twoSides();
  beat.cut();
  await timers.pass(100);
  expect([a.said, b.said]).toEqual([['degraded beat: nothing was heard for 50 ms'], ['degraded beat: nothing was heard for 50 ms']]);
  expect([a.paths.whole('beat'), a.paths.whole('stream'), a.paths.reach]).toEqual([false, true, 'reachable']);
});

test('one path that is closed is told at once; another one in its place is whole', async () => {
  const { timers, beat, a, b } = await twoSides();
  beat.a.destroy(Object.assign(new Error('x'), { code: 'EIO' }));
  await settle();
  expect(a.said).toEqual(['degraded beat: Input/output error']);
  const again = new Wire();
  a.paths.join(new RecordStream(again.a));
  b.paths.join(new RecordStream(again.b));
  await timers.pass(100);
  expect([a.said.slice(1), b.said, a.paths.whole('beat')]).toEqual([['restored beat'], [], true]);
});

test('both paths silent: unreachable after the time, and reachable when the wires hold what was sent and let go', async () => {
  const { timers, stream, beat, a } = await twoSides();
  stream.held = beat.held = true;
  await timers.pass(40);
  expect(a.said).toEqual([]);
  await timers.pass(30);
  expect([a.said, a.paths.reach]).toEqual([['unreachable its stream: nothing was heard for 50 ms; its second path: nothing was heard for 50 ms'], 'unreachable']);
  stream.letGo();
  beat.letGo();
  await timers.pass(30);
  expect([a.said.slice(1), a.paths.reach]).toEqual([['reachable'], 'reachable']);
});

test('both paths closed: unreachable at once', async () => {
  const { stream, beat, b } = await twoSides();
  beat.b.destroy();
  stream.b.destroy();
  await settle();
  expect(b.said).toEqual(['degraded beat: the connection was closed', 'unreachable its stream: the connection was closed; its second path: the connection was closed']);
});

test('without a second path the stream alone decides', async () => {
  const { timers, stream, a } = await twoSides({ second: false });
  stream.cut();
  await timers.pass(100);
  expect(a.said).toEqual(['unreachable its stream: nothing was heard for 50 ms']);
});

test('a cut of one direction: the side that is heard by nobody is told so, the other side hears nothing', async () => {
  const { timers, stream, beat, a, b } = await twoSides();
  stream.cutAB = beat.cutAB = true;
  const sentAt = a.paths.lastEchoSentAt;
  await timers.pass(100);
  expect(a.said).toEqual(['unheard it is heard, and has answered no beat of the last 50 ms']);
  expect(a.paths.lastEchoSentAt).toBe(sentAt);
  expect(b.said[0]).toMatch(/^unreachable/);
  stream.cutAB = beat.cutAB = false;
});

test('a process that was held up for long judges silence only after it has read what came', async () => {
  const { timers, a, b } = await twoSides();
  timers.stall(500);
  await timers.pass(200);
  expect([a.said, b.said]).toEqual([[], []]);
});

test('a process that was held up does not take one closed path for two', async () => {
  const { timers, stream, a } = await twoSides();
  timers.stall(500);
  stream.a.destroy();
  await timers.pass(100);
  expect(a.said).toEqual(['degraded stream: the connection was closed']);
});

test('after stop nothing is said and nothing is echoed', async () => {
  const { timers, stream, beat, a, b } = await twoSides();
  b.paths.stop();
  await timers.pass(100);
  expect(a.said[0]).toMatch(/^unreachable/);
  const said = a.said.length;
  a.paths.stop();
  stream.a.destroy();
  beat.a.destroy();
  await timers.pass(100);
  expect([a.said.length, timers.armed]).toEqual([said, 0]);
});

test('a beat that is none ends the path', async () => {
  const { timers, a, b } = await twoSides();
  b.second?.send(RECORD.BEAT, Buffer.from('{"n":-1,"at":0}'));
  await timers.pass(20);
  expect(a.said).toEqual(['degraded beat: BEAT has n -1, and it must be a whole number']);
  expect(b.said).toEqual(['degraded beat: the other side refuses: BEAT has n -1, and it must be a whole number']);
});
