/**
 * fault-rows.ts — the table of faults: what goes wrong, where, and what must come of it. docs/protect-faults.md has the same rows.
 * Read first: fault-rig.ts.
 */
import type { FaultRig, FenceKind } from './fault-rig.js';

export interface FaultRow {
  readonly fault: string;
  /** When, in the life of a protected machine. */
  readonly where: string;
  readonly fence: FenceKind;
  readonly command?: 'yes' | 'no';
  /** From a machine that is not protected yet. */
  readonly inject: (rig: FaultRig) => Promise<unknown>;
  /** What it comes to, and where the machine runs then. */
  readonly ends: string;
  /** Of what is told, in this order; other things may be told in between. */
  readonly told: readonly string[];
}

type Act = (rig: FaultRig) => unknown;
type Point = (rig: FaultRig, act: Act) => Promise<unknown>;

const SYNCING: Point = async (rig, act) => {
  const reached = rig.at('asked');
  void rig.primary.start();
  const go = await reached;
  await act(rig);
  await rig.passes(20);
  go();
};
const BETWEEN: Point = async (rig, act) => {
  await rig.begin();
  await rig.until('a checkpoint is safe', () => rig.primary.ackedEpoch > 2 && rig.primary.ackedEpoch === rig.primary.closedEpoch);
  await act(rig);
};
const MIDDLE: Point = async (rig, act) => {
  await rig.begin();
  const go = await rig.at('stopped');
  await act(rig);
  await rig.passes(20);
  go();
};
const COMMITTED: Point = async (rig, act) => {
  await rig.begin();
  const arrive = await rig.hold('ACK');
  await act(rig);
  await rig.passes(20);
  arrive();
};
/** The checkpoint is there when all has been decided. */
const LONG: Point = async (rig, act) => {
  await rig.begin();
  const go = await rig.at('stopped');
  await act(rig);
  await rig.until('it is decided', () => rig.told.some((what) => /^primary (ALONE|FROZEN|ENDED)$/.test(what)));
  await rig.passes(20);
  go();
};
const HANDING: Point = async (rig, act) => {
  await rig.begin();
  rig.primary.happens({ is: 'handOver' });
  const go = await rig.at('stopped', () => rig.primary.phase === 'handing');
  await act(rig);
  await rig.passes(20);
  go();
};
/** The last one is there, and the machine stays stopped for it. */
const LAST: Point = async (rig, act) => {
  await rig.begin();
  rig.primary.happens({ is: 'handOver' });
  const go = await rig.at('going', () => rig.primary.phase === 'handing' && rig.machine.state === 'stopped');
  await act(rig);
  await rig.until('it is decided', () => rig.told.includes('primary ALONE'));
  go();
};
/** The backup has been told to run, and has not yet. */
const HANDED: Point = async (rig, act) => {
  await rig.begin();
  let go: () => void = () => undefined;
  let came = false;
  rig.beforeTakeOver = () => {
    if (came) return undefined;
    came = true;
    return new Promise<void>((resolve) => (go = resolve));
  };
  rig.primary.happens({ is: 'handOver' });
  await rig.until('the backup takes over', () => came);
  await act(rig);
  await rig.passes(20);
  go();
};
const POINTS: Readonly<Record<string, Point>> = {
  'while syncing': SYNCING, 'between checkpoints': BETWEEN, 'in the middle of one': MIDDLE, 'in the middle of a long one': LONG, 'between COMMIT and ACK': COMMITTED,
  'the last one is there': LAST, 'handing over': HANDING, 'handed over': HANDED,
};

interface Outcome {
  readonly at: readonly string[];
  readonly fence: readonly FenceKind[];
  readonly ends: string;
  readonly told: readonly string[];
  readonly command?: 'yes' | 'no';
}

/** A row for each place and fence. */
function rows(fault: string, act: Act, outcomes: readonly Outcome[]): FaultRow[] {
  return outcomes.flatMap(({ at, fence: fences, ends, told, command }) => at.flatMap((where) => fences.map((fence): FaultRow => ({
    fault, where, fence, ends, told, ...(command === undefined ? {} : { command }), inject: (rig) => POINTS[where]!(rig, act),
  }))));
}

const EARLY = ['while syncing'];
const RUNNING = ['between checkpoints', 'in the middle of one', 'between COMMIT and ACK'];
const ALL_FENCES: readonly FenceKind[] = ['none', 'lock', 'command', 'lease'];
const FREE: readonly FenceKind[] = ['none', 'lock', 'command'];

const ALONE = 'primary alone, backup dead, runs: primary';
const HELD = 'primary holding, backup ready, runs: primary';
const TAKEN = 'primary ended, backup live, runs: backup';
const TAKEN_FROM_DEAD = 'primary dead, backup live, runs: backup';
const LOST = 'primary ended, backup empty, runs: nobody';

export const FAULT_ROWS: readonly FaultRow[] = [
  ...rows('the backup\'s daemon is killed', (rig) => rig.killBackup(), [
    { at: EARLY, fence: ALL_FENCES, command: 'yes', ends: ALONE, told: ['primary ALONE'] },
    { at: [...RUNNING, 'handing over', 'the last one is there'], fence: FREE, command: 'yes', ends: ALONE, told: ['primary DECIDING', 'primary ALONE', 'primary UNREACHABLE'] },
    { at: [...RUNNING, 'handing over'], fence: ['lease'], ends: 'primary frozen, backup dead, runs: nobody', told: ['primary DECIDING', 'primary FROZEN'] },
    { at: RUNNING, fence: ['command'], command: 'no', ends: 'primary frozen, backup dead, runs: nobody', told: ['primary DECIDING', 'primary FROZEN'] },
    { at: ['handed over'], fence: ['lock'], ends: ALONE, told: ['primary HANDING', 'primary DECIDING', 'primary ALONE'] },
    { at: ['handed over'], fence: ['none', 'command', 'lease'], command: 'yes', ends: 'primary frozen, backup dead, runs: nobody', told: ['primary HANDING', 'primary DECIDING', 'primary FROZEN'] },
  ]),
  ...rows('the backup\'s daemon begins again', (rig) => rig.restartBackup(), [
    { at: EARLY, fence: ALL_FENCES, ends: HELD, told: ['primary ALONE', 'primary SYNCING', 'primary HOLDING'] },
    { at: [...RUNNING, 'handing over'], fence: ['none', 'lock'], ends: HELD, told: ['primary DECIDING', 'primary ALONE', 'primary SYNCING', 'primary HOLDING'] },
    { at: RUNNING, fence: ['lease'], ends: 'primary frozen, backup empty, runs: nobody', told: ['primary FROZEN', 'primary UNREACHABLE'] },
    { at: ['handed over'], fence: ['none'], ends: 'primary frozen, backup empty, runs: nobody', told: ['primary FROZEN', 'primary UNREACHABLE'] },
    { at: ['handed over'], fence: ['lock'], ends: HELD, told: ['primary DECIDING', 'primary ALONE', 'primary HOLDING'] },
  ]),
  ...rows('the primary\'s daemon is killed', (rig) => rig.killPrimary(), [
    { at: EARLY, fence: ALL_FENCES, ends: 'primary dead, backup empty, runs: nobody', told: ['backup RECEIVING', 'backup EMPTY'] },
    { at: [...RUNNING, 'handing over'], fence: ['lock', 'lease'], ends: TAKEN_FROM_DEAD, told: ['backup SUSPECTING', 'backup TAKING', 'backup LIVE'] },
    { at: RUNNING, fence: ['command'], command: 'yes', ends: TAKEN_FROM_DEAD, told: ['backup SUSPECTING', 'backup TAKING', 'backup LIVE'] },
    { at: RUNNING, fence: ['none'], ends: 'primary dead, backup refused, runs: nobody', told: ['backup SUSPECTING', 'backup REFUSED'] },
    { at: ['handed over'], fence: ALL_FENCES, ends: TAKEN_FROM_DEAD, told: ['backup TAKING', 'backup LIVE'] },
  ]),
  ...rows('the machine dies', (rig) => rig.guestDies(), [
    { at: EARLY, fence: ALL_FENCES, ends: LOST, told: ['primary ENDED', 'backup EMPTY'] },
    { at: [...RUNNING, 'handing over'], fence: ALL_FENCES, ends: TAKEN, told: ['primary ENDED', 'backup TAKING', 'backup LIVE'] },
  ]),
  ...rows('the machine powers down', (rig) => rig.guestPowersDown(), [
    { at: EARLY, fence: ALL_FENCES, ends: LOST, told: ['primary ENDED', 'backup EMPTY'] },
    { at: RUNNING, fence: ALL_FENCES, ends: LOST, told: ['primary DECIDING', 'backup EMPTY', 'primary ENDED'] },
  ]),
  ...rows('the link is cut for a moment', (rig) => rig.wires.forEach(({ wire }) => wire.cut()), [
    { at: EARLY, fence: ALL_FENCES, ends: HELD, told: ['primary ALONE', 'primary HOLDING'] },
    { at: [...RUNNING, 'in the middle of a long one', 'handing over'], fence: ['none', 'lock'], ends: HELD, told: ['primary DECIDING', 'primary ALONE', 'primary HOLDING'] },
    { at: RUNNING, fence: ['lease'], ends: TAKEN, told: ['primary DECIDING', 'primary FROZEN', 'backup LIVE', 'primary ENDED'] },
    { at: RUNNING, fence: ['command'], command: 'yes', ends: ALONE, told: ['primary DECIDING', 'primary ALONE'] },
    { at: ['handed over'], fence: ['none', 'command', 'lease'], ends: TAKEN, told: ['primary FROZEN', 'backup LIVE', 'primary ENDED'] },
    { at: ['handed over'], fence: ['lock'], ends: HELD, told: ['primary DECIDING', 'primary ALONE', 'backup BROKEN', 'primary HOLDING'] },
  ]),
  ...rows('nothing arrives, either way', (rig) => rig.lose('toBackup', 'toPrimary'), [
    { at: EARLY, fence: ['none', 'lock'], ends: 'primary alone, backup empty, runs: primary', told: ['backup EMPTY', 'primary DECIDING', 'primary ALONE'] },
    { at: EARLY, fence: ['command', 'lease'], command: 'no', ends: 'primary frozen, backup empty, runs: nobody', told: ['backup EMPTY', 'primary DECIDING', 'primary FROZEN'] },
    { at: ['handing over'], fence: ['none'], ends: 'primary frozen, backup refused, runs: nobody', told: ['primary DECIDING', 'primary FROZEN'] },
    { at: ['handing over'], fence: ['lock'], ends: 'primary frozen, backup live, runs: backup', told: ['primary FROZEN', 'backup LIVE'] },
    { at: [...RUNNING, 'in the middle of a long one'], fence: ['none', 'lock'], ends: 'primary alone, backup refused, runs: primary', told: ['primary DECIDING', 'primary ALONE', 'backup REFUSED'] },
    { at: [...RUNNING, 'in the middle of a long one'], fence: ['lease'], ends: 'primary frozen, backup live, runs: backup', told: ['primary DECIDING', 'primary FROZEN', 'backup LIVE'] },
    { at: RUNNING, fence: ['command'], command: 'yes', ends: ALONE, told: ['primary DECIDING', 'primary ALONE'] },
    { at: ['handed over'], fence: ALL_FENCES, ends: 'primary frozen, backup live, runs: backup', told: ['backup LIVE', 'primary FROZEN'] },
  ]),
  ...rows('nothing arrives, and then it does again', async (rig) => {
    rig.lose('toBackup', 'toPrimary');
    await rig.until('both have noticed', () => ['alone', 'frozen', 'ended'].includes(rig.primary.phase) && ['empty', 'refused', 'live'].includes(rig.backup?.kept.phase ?? 'empty'));
    rig.heal();
  }, [
    { at: ['between checkpoints', 'between COMMIT and ACK'], fence: ['none', 'lock'], ends: HELD, told: ['primary ALONE', 'backup REFUSED', 'backup RECEIVING', 'primary HOLDING'] },
    { at: ['between checkpoints', 'between COMMIT and ACK'], fence: ['lease'], ends: TAKEN, told: ['primary FROZEN', 'backup LIVE', 'primary ENDED'] },
  ]),
  ...rows('nothing arrives at the backup', (rig) => rig.lose('toBackup'), [
    { at: RUNNING, fence: ['none', 'lock'], ends: 'primary alone, backup refused, runs: primary', told: ['primary DECIDING', 'primary ALONE'] },
    { at: RUNNING, fence: ['lease'], ends: 'primary frozen, backup live, runs: backup', told: ['primary FROZEN', 'backup LIVE'] },
  ]),
  ...rows('nothing arrives at the primary', (rig) => rig.lose('toPrimary'), [
    { at: RUNNING, fence: ['none', 'lock'], ends: 'primary alone, backup receiving, runs: primary', told: ['primary DECIDING', 'primary ALONE'] },
    { at: RUNNING, fence: ['lease'], ends: 'primary frozen, backup live, runs: backup', told: ['primary FROZEN', 'backup LIVE'] },
  ]),
  ...rows('the second path is cut', (rig) => rig.beat().cut(), [
    { at: RUNNING, fence: ALL_FENCES, ends: HELD, told: ['primary DEGRADED beat'] },
  ]),
  ...rows('nothing arrives on the second path', (rig) => Object.assign(rig.beat().lost, { toBackup: true, toPrimary: true }), [
    { at: RUNNING, fence: ALL_FENCES, ends: HELD, told: ['primary DEGRADED beat'] },
  ]),
  ...rows('the stream is cut', (rig) => rig.stream().cut(), [
    { at: EARLY, fence: ALL_FENCES, ends: HELD, told: ['primary DEGRADED stream', 'primary ALONE', 'primary HOLDING'] },
    { at: [...RUNNING, 'handing over'], fence: ALL_FENCES, ends: HELD, told: ['primary DEGRADED stream', 'primary DECIDING', 'backup EMPTY', 'primary ALONE', 'primary HOLDING'] },
    { at: ['handed over'], fence: ALL_FENCES, ends: TAKEN, told: ['primary DECIDING', 'backup LIVE', 'primary ENDED'] },
  ]),
  ...rows('the stream is cut, and nobody answers that it is forgotten', (rig) => {
    rig.beat().onRecord = (_direction, { name, bytes }) => (name === 'STOOD_DOWN' ? [] : [bytes]);
    rig.stream().cut();
  }, [
    { at: ['between checkpoints'], fence: ['none', 'lock'], ends: HELD, told: ['primary DECIDING', 'backup EMPTY', 'primary ALONE', 'primary HOLDING'] },
    { at: ['between checkpoints'], fence: ['lease'], ends: HELD, told: ['primary DECIDING', 'backup EMPTY', 'primary FROZEN', 'primary HOLDING'] },
  ]),
  ...['IMAGE', 'DEVICE', 'DISK', 'COMMIT'].flatMap((name) => rows(`a checkpoint is cut off in its ${name}`, (rig) => rig.next(name, ({ bytes }) => {
    setImmediate(() => rig.stream().cut());
    return [bytes.subarray(0, bytes.length >> 1)];
  }), [{ at: ['between checkpoints'], fence: ['lock', 'lease'], ends: HELD, told: ['primary DEGRADED stream', 'primary DECIDING', 'backup EMPTY', 'primary ALONE', 'primary HOLDING'] }])),
  ...['IMAGE', 'DEVICE', 'DISK', 'COMMIT', 'ACK'].flatMap((name) => rows(`a byte of ${name} is damaged`, (rig) => rig.next(name, ({ bytes }) => {
    const damaged = Buffer.from(bytes);
    damaged[damaged.length - 2]! ^= 1;
    return [damaged];
  }), [{ at: ['between checkpoints'], fence: ['lock', 'lease'], ends: HELD, told: ['primary DEGRADED stream', 'primary DECIDING', 'backup EMPTY', 'primary ALONE', 'primary HOLDING'] }])),
  ...['IMAGE', 'DEVICE', 'DISK'].flatMap((name) => rows(`${name} comes after what was sent behind it`, (rig) => rig.swap(name), [
    { at: ['between checkpoints'], fence: ['lock', 'lease'], ends: HELD, told: ['primary DEGRADED stream', 'primary DECIDING', 'backup EMPTY', 'primary ALONE', 'primary HOLDING'] },
  ])),
  ...rows('an acknowledgement is late', async (rig) => {
    const arrive = await rig.hold('ACK');
    await rig.passes(200);
    arrive();
  }, [{ at: ['between checkpoints'], fence: ALL_FENCES, ends: HELD, told: ['primary HOLDING'] }]),
  { fault: 'the machine that waits cannot be started', where: 'before it is protected', fence: 'lock', ends: 'primary ended, backup broken, runs: primary', told: ['backup RECEIVING', 'backup BROKEN'], inject: async (rig) => {
    rig.trouble.add('start');
    await rig.start().catch(() => undefined);
  } },
  ...rows('the link is cut, and another machine that waits cannot be started', (rig) => {
    rig.trouble.add('start');
    rig.wires.forEach(({ wire }) => wire.cut());
  }, [{ at: RUNNING, fence: ['none', 'lock'], ends: 'primary alone, backup broken, runs: primary', told: ['primary ALONE', 'backup BROKEN', 'primary UNREACHABLE'] }]),
  ...rows('the machine that waits dies', (rig) => rig.standbyDies(), [
    { at: EARLY, fence: ALL_FENCES, ends: HELD, told: ['backup BROKEN', 'primary ALONE', 'primary HOLDING'] },
    { at: [...RUNNING, 'in the middle of a long one', 'handing over', 'the last one is there'], fence: ALL_FENCES, ends: HELD, told: ['backup BROKEN', 'primary ALONE', 'primary HOLDING'] },
  ]),
  ...(['apply', 'disk'] as const).flatMap((trouble) => rows(trouble === 'apply' ? 'there is no space for the image at the backup' : 'there is no space for the disks at the backup', async (rig) => {
    rig.trouble.add(trouble);
    await rig.until('it is broken', () => rig.told.includes('backup BROKEN'));
    rig.trouble.clear();
  }, [{ at: ['between checkpoints'], fence: ALL_FENCES, ends: HELD, told: ['backup BROKEN', 'primary ALONE', 'primary HOLDING'] }])),
  ...rows('a checkpoint cannot be taken', async (rig) => {
    rig.checkpointer.failing = 'the monitor does not answer';
    await rig.until('it is given up', () => rig.told.includes('primary ALONE'));
    rig.checkpointer.failing = '';
  }, [{ at: ['between checkpoints'], fence: ALL_FENCES, ends: HELD, told: ['primary DECIDING', 'backup EMPTY', 'primary ALONE', 'primary HOLDING'] }]),
  ...rows('a checkpoint cannot be taken, because the machine is dying', async (rig) => {
    rig.checkpointer.failing = 'the monitor is gone';
    rig.endsSoon = true;
    await rig.passes(200);
    rig.guestDies();
  }, [{ at: ['between checkpoints'], fence: ALL_FENCES, ends: TAKEN, told: ['primary ENDED', 'backup LIVE'] }]),
  ...rows('the backup alone believes that the primary is gone', (rig) => rig.backup?.kept.lost('nothing was heard'), [
    { at: RUNNING, fence: ['none', 'lock'], ends: HELD, told: ['backup SUSPECTING', 'backup REFUSED', 'backup READY'] },
  ]),
  ...rows('the backup alone believes that the primary is gone, and the machine dies', async (rig) => {
    rig.backup?.kept.lost('nothing was heard');
    await rig.passes(20);
    rig.guestDies();
  }, [{ at: RUNNING, fence: ['lock'], ends: TAKEN, told: ['backup SUSPECTING', 'primary ENDED', 'backup TAKING', 'backup LIVE'] }]),
  ...rows('it is unprotected', (rig) => rig.primary.happens({ is: 'unprotect' }), [
    { at: EARLY, fence: ALL_FENCES, ends: 'primary ended, backup empty, runs: primary', told: ['primary ENDED', 'backup EMPTY'] },
    { at: RUNNING, fence: ALL_FENCES, ends: 'primary ended, backup empty, runs: primary', told: ['primary DECIDING', 'backup EMPTY', 'primary ENDED'] },
    { at: ['handing over', 'handed over'], fence: ALL_FENCES, ends: TAKEN, told: ['primary HANDING', 'backup LIVE', 'primary ENDED'] },
  ]),
  ...rows('it is handed over', (rig) => rig.primary.happens({ is: 'handOver' }), [
    { at: RUNNING, fence: ALL_FENCES, ends: TAKEN, told: ['primary HANDING', 'backup TAKING', 'backup LIVE', 'primary ENDED'] },
  ]),
  ...rows('it cannot be taken over', (rig) => rig.trouble.add('takeOver'), [
    { at: ['handing over', 'handed over'], fence: ALL_FENCES, ends: HELD, told: ['primary HANDING', 'backup TAKING', 'backup BROKEN', 'primary ALONE', 'primary HOLDING'] },
  ]),
  ...rows('the primary\'s daemon is killed, and it cannot be taken over', (rig) => {
    rig.trouble.add('takeOver');
    rig.killPrimary();
  }, [{ at: RUNNING, fence: ['lock', 'lease'], ends: 'primary dead, backup broken, runs: nobody', told: ['backup SUSPECTING', 'backup TAKING', 'backup BROKEN'] }]),
  ...rows('what came for it meanwhile cannot be given to it', (rig) => {
    rig.trouble.add('replay');
    rig.killPrimary();
  }, [{ at: RUNNING, fence: ['lock', 'lease'], ends: TAKEN_FROM_DEAD, told: ['backup LIVE', 'backup LEFT'] }]),
  ...rows('the primary\'s daemon is killed while a checkpoint is put in its place', async (rig) => {
    const go = await rig.placing();
    rig.killPrimary();
    await rig.until('it is taken over', () => rig.backup?.kept.phase === 'taking');
    await rig.passes(50);
    go();
  }, [{ at: ['between checkpoints'], fence: ['lock', 'lease'], ends: TAKEN_FROM_DEAD, told: ['backup SUSPECTING', 'backup TAKING', 'backup LIVE'] }]),
  ...rows('it is unprotected while a checkpoint is put in its place', async (rig) => {
    const go = await rig.placing();
    rig.primary.happens({ is: 'unprotect' });
    await rig.passes(50);
    go();
  }, [{ at: ['between checkpoints'], fence: ['lock', 'lease'], ends: 'primary ended, backup empty, runs: primary', told: ['primary DECIDING', 'backup EMPTY', 'primary ENDED'] }]),
  ...rows('the primary\'s daemon is killed, and somebody knows it', async (rig) => {
    rig.killPrimary();
    await rig.until('it is refused', () => rig.backup?.kept.phase === 'refused');
    rig.backup?.kept.force();
  }, [{ at: RUNNING, fence: ['none'], ends: TAKEN_FROM_DEAD, told: ['backup REFUSED', 'backup TAKING', 'backup LIVE'] }]),
  ...rows('the backup\'s daemon is killed, and somebody knows it', async (rig) => {
    rig.killBackup();
    await rig.until('it is frozen', () => rig.primary.phase === 'frozen');
    rig.primary.goOn();
  }, [
    { at: ['handed over'], fence: ['none', 'lease'], ends: ALONE, told: ['primary FROZEN', 'primary ALONE'] },
    { at: ['between checkpoints'], fence: ['lease'], ends: ALONE, told: ['primary FROZEN', 'primary ALONE'] },
  ]),
  ...rows('the fence answers when it is not asked any more', async (rig) => {
    let answer: () => void = () => undefined;
    rig.beforeAnswer = () => new Promise((resolve) => (answer = resolve));
    rig.lose('toBackup', 'toPrimary');
    await rig.until('the fence is asked', () => rig.asks > 0 && rig.primary.phase === 'deciding');
    await rig.passes(2_000);
    rig.heal();
    rig.primary.goOn();
    await rig.until('it is held again', () => rig.primary.phase === 'holding');
    answer();
  }, [{ at: ['between checkpoints'], fence: ['command'], command: 'no', ends: HELD, told: ['primary DECIDING', 'primary ALONE', 'primary HOLDING'] }]),
  ...rows('it is killed after it had gone on alone, and was protected again', async (rig) => {
    rig.wires.forEach(({ wire }) => wire.cut());
    await rig.until('it is alone', () => rig.primary.phase === 'alone');
    await rig.until('it is held again', () => rig.primary.phase === 'holding');
    rig.killPrimary();
  }, [{ at: ['between checkpoints'], fence: ['lock'], ends: TAKEN_FROM_DEAD, told: ['primary ALONE', 'primary HOLDING', 'backup SUSPECTING', 'backup LIVE'] }]),
];
