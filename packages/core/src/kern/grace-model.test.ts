/**
 * grace-model.test.ts — every interleaving of the model of grace periods: nothing wrong in it, each planted bug found; and the code makes the model's accesses in the model's order.
 */
import { describe, expect, it } from 'vitest';
import { watchingAtomics } from '../fwd/test-atomics.js';
import type { AtomicAccess } from '../fwd/test-atomics.js';
import { QuiescentReader } from '../fwd/quiescence.js';
import { quietEnv } from '../env/env.js';
import { Engine } from './engine.js';
import { exploreGrace } from './test-grace-model.js';
import type { GraceBug, GraceProgram } from './test-grace-model.js';

const FREED = 'a reader has a record that was freed';
const TORN = 'a reader has a record half old and half new';
const LOST = 'a bell is lost';
const STUCK = 'the writer waits for ever';

describe('the protocol', () => {
  it.each<[GraceProgram, number, boolean]>([['replace', 2, true], ['change', 2, true]])('%s, %i batches, deaths %s: nothing is wrong in any order', (program, batches, deaths) => {
    const v = exploreGrace({ program, batches, deaths });
    expect([v.wrong, v.trace]).toEqual([null, []]);
    expect(v.states).toBeGreaterThan(50_000);
  }, 60_000);
});

describe('a planted bug is found', () => {
  it.each<[GraceBug, GraceProgram, string]>([
    ['no grace period', 'replace', FREED],
    ['no grace period', 'change', TORN],
    ['quiescent before the last use', 'replace', FREED],
    ['offline before the last use', 'replace', FREED],
    ['online in the wrong order', 'replace', FREED],
    ['online in the wrong order', 'change', TORN],
    ['reuse before all have acknowledged', 'replace', FREED],
    ['an older acknowledgement is enough', 'replace', FREED],
    ['mark ignored', 'change', TORN],
    ['mark cleared at once', 'change', TORN],
    ['the dead are not buried', 'replace', STUCK],
    ['buried alive', 'replace', FREED],
    ['looks whether to ring before it acknowledges', 'replace', LOST],
    ['offline without a bell', 'replace', LOST],
    ['waits without looking again', 'replace', LOST],
  ])('%s (%s)', (bug, program, wrong) => {
    const v = exploreGrace({ program, bug, batches: 2, deaths: bug === 'the dead are not buried' || bug === 'buried alive' });
    expect(v.wrong, v.trace.join('\n')).toBe(wrong);
  }, 60_000);
});

describe('the code makes the accesses of the model', () => {
  /** Names of the words on line 0, and on the line of slot 1. */
  const NAMES = new Map([[0, 'PERIOD'], [1, 'WAITING'], [32, 'ACK'], [33, 'STATE']]);

  /** Accesses to control words while `fn` runs; those of slots that nobody has are left out. */
  const accesses = (fn: () => void): string[] => {
    const seen: string[] = [];
    const look = (access: AtomicAccess, at: number): void => {
      const name = NAMES.get(at);
      if (name !== undefined) seen.push(`${access} ${name}`);
    };
    watchingAtomics(['load', 'store', 'add', 'compareExchange'], look, fn);
    return seen;
  };
  const make = (): { engine: Engine; reader: QuiescentReader } => {
    const engine = new Engine(quietEnv(1));
    return { engine, reader: new QuiescentReader(engine.readers.periods.words, engine.readers.add()) };
  };

  it('of a reader', () => {
    const { engine, reader } = make();
    expect(accesses(() => void reader.online()).slice(-5)).toEqual(['compareExchange STATE', 'load PERIOD', 'store ACK', 'load STATE', 'load WAITING']);
    expect(accesses(() => void reader.quiesce())).toEqual(['load PERIOD']);
    engine.readers.begin();
    expect(accesses(() => void reader.quiesce())).toEqual(['load PERIOD', 'store ACK', 'load STATE', 'load WAITING']);
    expect(accesses(() => void reader.offline())).toEqual(['compareExchange STATE', 'load WAITING']);
  });

  it('of a writer who waits, and of one that finds everybody asleep', () => {
    const { engine, reader } = make();
    expect(accesses(() => void engine.grace(() => undefined))).toEqual(['add PERIOD', 'load STATE']);
    reader.online();
    expect(accesses(() => void engine.grace(() => undefined))).toEqual(['add PERIOD', 'load STATE', 'load ACK', 'store WAITING', 'load STATE', 'load ACK']);
    reader.quiesce();
    expect(accesses(() => engine.readersPassed())).toEqual(['load STATE', 'load ACK', 'store WAITING']);
  });

  it('of an undertaker', () => {
    const { engine, reader } = make();
    reader.online();
    expect(accesses(() => engine.readers.bury(reader.slot))).toEqual(['store STATE', 'add PERIOD']);
  });
});
