/**
 * readers.test.ts — pserialize, psref and pslist: the contracts, with artificial readers on processors of their own.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { QuiescentReader } from '../fwd/quiescence.js';
import { quietEnv } from '../env/env.js';
import { CTX_SOFTINT, CTX_THREAD } from './context.js';
import { Engine } from './engine.js';
import type { Lwp } from './lwp.js';
import { Pserialize } from './pserialize.js';
import { PSREFS_MAX, Psref, PsrefClass, PsrefTarget } from './psref.js';
import { PslistEntry, PslistHead } from './pslist.js';

let engine: Engine;
let found: string[];
let told: string[];
let one: Lwp;
let two: Lwp;

beforeEach(() => {
  engine = new Engine(quietEnv(1));
  engine.witness.watch = 1;
  found = [];
  told = [];
  engine.witness.onFinding = (f) => void found.push(f.text);
  one = engine.lwps.reader(engine.lwps.addCpu(), 'reader 1');
  two = engine.lwps.reader(engine.lwps.addCpu(), 'reader 2');
});

const thread = <T>(fn: () => T): T => {
  const previous = engine.enter(CTX_THREAD);
  try {
    return fn();
  } finally {
    engine.leave(previous);
  }
};
const softint = <T>(lwp: Lwp, fn: () => T): T => engine.runAs(lwp, CTX_SOFTINT, fn);
const worker = (): QuiescentReader => {
  const r = new QuiescentReader(engine.readers.periods.words, engine.readers.add());
  r.online();
  return r;
};
const tell = (what: string) => (): void => void told.push(`${what} in ${engine.context === CTX_THREAD ? 'thread' : 'softint'}`);

describe('pserialize', () => {
  const make = (): Pserialize => new Pserialize(engine, 'test');

  it('performs at once while nobody is inside', () => {
    const psz = make();
    expect(thread(() => psz.perform('w', tell('done')))).toBe(true);
    expect([told, psz.performed, psz.waiting]).toEqual([['done in thread'], 1, 0]);
  });

  it('waits for the sections that are open, however deep, and for no later ones; goes on in thread context', () => {
    const psz = make();
    const a = softint(one, () => psz.readEnter('r'));
    const b = softint(one, () => psz.readEnter('r'));
    const c = softint(two, () => psz.readEnter('r'));
    expect(thread(() => psz.perform('w', tell('first')))).toBe(false);
    softint(two, () => psz.readExit(c, 'r'));
    const late = softint(two, () => psz.readEnter('r'));
    softint(one, () => psz.readExit(b, 'r'));
    engine.runTurn(1);
    expect([told, psz.waiting]).toEqual([[], 1]);
    softint(one, () => psz.readExit(a, 'r'));
    expect(told).toEqual([]);
    engine.runTurn(2);
    expect([told, psz.performed, psz.waiting]).toEqual([['first in thread'], 1, 0]);
    softint(two, () => psz.readExit(late, 'r'));
    psz.destroy();
    expect(found).toEqual([]);
  });

  it('two writers end in the order in which their readers do', () => {
    const psz = make();
    const a = softint(one, () => psz.readEnter('r'));
    thread(() => psz.perform('w', tell('first')));
    const c = softint(two, () => psz.readEnter('r'));
    thread(() => psz.perform('w', tell('second')));
    softint(one, () => psz.readExit(a, 'r'));
    engine.runTurn(1);
    expect(told).toEqual(['first in thread']);
    softint(two, () => psz.readExit(c, 'r'));
    engine.runTurn(2);
    expect(told).toEqual(['first in thread', 'second in thread']);
  });

  it.each<[string, (psz: Pserialize) => void, RegExp]>([
    ['an exit without an entry', (psz) => softint(one, () => psz.readExit(0, 'r')), /mismatching pserialize_read_exit\(\) of test/],
    ['exits in the wrong order', (psz) => softint(one, () => {
      const outer = psz.readEnter('r');
      psz.readEnter('r');
      psz.readExit(outer, 'r');
    }), /mismatching/],
    ['waiting in softint', (psz) => softint(one, () => psz.perform('w', tell('x'))), /must not wait/],
    ['waiting inside a section', (psz) => thread(() => {
      psz.readEnter('r');
      psz.perform('w', tell('x'));
    }), /inside a read section/],
    ['waiting without anything that can go on', (psz) => {
      softint(one, () => psz.readEnter('r'));
      thread(() => psz.performNow('w'));
    }, /w waits for readers of test/],
    ['destroying with a reader inside', (psz) => {
      softint(one, () => psz.readEnter('r'));
      psz.destroy();
    }, /destroyed while in use/],
    ['writers without a lock', (psz) => {
      softint(one, () => psz.readEnter('r'));
      thread(() => {
        for (let i = 0; i <= 64; i++) psz.perform('w', tell('x'));
      });
    }, /64 writers wait/],
  ])('%s fails', (_name, run, text) => {
    expect(() => run(make())).toThrow(text);
    expect(told).toEqual([]);
  });

  it('a batch of a datapath worker is a section', () => {
    const psz = make();
    const [a, b] = [worker(), worker()];
    const inside = softint(one, () => psz.readEnter('r'));
    expect(thread(() => psz.perform('w', tell('done')))).toBe(false);
    a.quiesce();
    b.offline();
    engine.runTurn(1);
    expect([told, psz.waiting]).toEqual([[], 1]);
    softint(one, () => psz.readExit(inside, 'r'));
    engine.runTurn(2);
    expect(told).toEqual(['done in thread']);
    expect(thread(() => psz.perform('w', tell('later')))).toBe(false);
    engine.runTurn(3);
    expect(told).toEqual(['done in thread']);
    a.quiesce();
    engine.runTurn(4);
    expect([told, psz.performed, psz.waiting]).toEqual([['done in thread', 'later in thread'], 2, 0]);
  });

  it('who cannot go on later does not wait for workers', () => {
    const psz = make();
    worker();
    thread(() => psz.performNow('w'));
    expect([psz.performed, engine.readers.waiting]).toEqual([1, 0]);
  });

  it('a section that a thread forgets to leave is reported at the end of what it was called for', () => {
    const psz = make();
    thread(() => psz.readEnter('forgetful'));
    expect(found).toEqual(['"test" is still held at the end of the turn: entered at "forgetful"']);
  });
});

describe('psref', () => {
  const make = (): { cls: PsrefClass; target: PsrefTarget; ref: Psref } => {
    const cls = new PsrefClass(engine, 'test');
    const target = new PsrefTarget();
    cls.targetInit(target);
    return { cls, target, ref: new Psref() };
  };

  it('destroys a target at once while nobody holds it; then it must be initialised again', () => {
    const { cls, target, ref } = make();
    expect(thread(() => cls.targetDestroy(target, 'w', tell('gone')))).toBe(true);
    expect(told).toEqual(['gone in thread']);
    expect(() => softint(one, () => cls.acquire(ref, target, 'r'))).toThrow('psref target already destroyed (r)');
    cls.targetInit(target);
    softint(one, () => {
      cls.acquire(ref, target, 'r');
      cls.release(ref, target, 'r');
    });
    cls.destroy();
  });

  it('waits for every holder on every processor, and lets nobody in meanwhile', () => {
    const { cls, target, ref } = make();
    const [copy, other, refused] = [new Psref(), new Psref(), new Psref()];
    softint(one, () => cls.acquire(ref, target, 'r'));
    softint(two, () => cls.acquire(other, target, 'r'));
    expect(thread(() => cls.targetDestroy(target, 'w', tell('gone')))).toBe(false);
    expect(() => softint(two, () => cls.acquire(refused, target, 'r'))).toThrow('already destroyed');
    softint(one, () => cls.copy(copy, ref, 'r')); // who holds it may hold it twice
    softint(one, () => cls.release(ref, target, 'r'));
    softint(two, () => cls.release(other, target, 'r'));
    engine.runTurn(1);
    expect([told, cls.draining, cls.count]).toEqual([[], 1, 1]);
    softint(one, () => cls.release(copy, target, 'r'));
    engine.runTurn(2);
    expect([told, cls.draining, cls.count]).toEqual([['gone in thread'], 0, 0]);
    expect(() => softint(one, () => cls.acquire(ref, target, 'r'))).toThrow('already destroyed');
  });

  it('a batch of a datapath worker is a reference to everything', () => {
    const { cls, target, ref } = make();
    const w = worker();
    softint(one, () => cls.acquire(ref, target, 'r'));
    expect(thread(() => cls.targetDestroy(target, 'w', tell('gone')))).toBe(false);
    softint(one, () => cls.release(ref, target, 'r'));
    engine.runTurn(1);
    expect([told, cls.draining]).toEqual([[], 1]);
    w.quiesce();
    engine.runTurn(2);
    expect([told, cls.draining]).toEqual([['gone in thread'], 0]);
    cls.targetInit(target);
    softint(one, () => cls.acquire(ref, target, 'r'));
    expect(thread(() => cls.targetDestroy(target, 'w', tell('again')))).toBe(false);
    w.offline();
    engine.runTurn(3);
    expect(told).toEqual(['gone in thread']);
    softint(one, () => cls.release(ref, target, 'r'));
    engine.runTurn(4);
    expect([told, target.cls]).toEqual([['gone in thread', 'again in thread'], null]);
  });

  it('holders of other targets are not waited for; held() speaks for its own processor', () => {
    const { cls, target, ref } = make();
    const another = new PsrefTarget();
    cls.targetInit(another);
    softint(one, () => cls.acquire(ref, another, 'r'));
    expect([softint(one, () => cls.held(another)), softint(two, () => cls.held(another)), softint(one, () => cls.held(target))]).toEqual([true, false, false]);
    expect(thread(() => cls.targetDestroy(target, 'w', tell('gone')))).toBe(true);
  });

  it.each<[string, (b: ReturnType<typeof make>) => void, RegExp]>([
    ['acquiring twice', ({ cls, target, ref }) => softint(one, () => [0, 1].forEach(() => cls.acquire(ref, target, 'r'))), /acquiring twice\?/],
    ['releasing what is not held', ({ cls, target, ref }) => softint(one, () => cls.release(ref, target, 'r')), /releasing unused psref\?/],
    ['releasing by another agent of the processor', ({ cls, target, ref }) => {
      softint(one, () => cls.acquire(ref, target, 'r'));
      softint(engine.lwps.reader(one.cpu, 'other'), () => cls.release(ref, target, 'r'));
    }, /transferred from lwp reader 1 to lwp other/],
    ['releasing on another processor', ({ cls, target, ref }) => {
      softint(one, () => cls.acquire(ref, target, 'r'));
      softint(two, () => cls.release(ref, target, 'r'));
    }, /transferred from CPU 1 to CPU 2/],
    ['releasing another target', ({ cls, target, ref }) => softint(one, () => {
      cls.acquire(ref, target, 'r');
      cls.release(ref, new PsrefTarget(), 'r');
    }), /of another target/],
    ['a target of another class', ({ target, ref }) => softint(one, () => new PsrefClass(engine, 'wrong').acquire(ref, target, 'r')), /class mismatch/],
    ['copying to itself', ({ cls, target, ref }) => softint(one, () => {
      cls.acquire(ref, target, 'r');
      cls.copy(ref, ref, 'r');
    }), /to itself/],
    ['destroying in softint', ({ cls, target }) => softint(one, () => cls.targetDestroy(target, 'w', tell('x'))), /must not wait/],
    ['two destroyers', ({ cls, target, ref }) => {
      softint(one, () => cls.acquire(ref, target, 'r'));
      thread(() => [0, 1].forEach(() => cls.targetDestroy(target, 'w', tell('x'))));
    }, /destroyed twice at a time/],
    ['destroying what one holds', ({ cls, target, ref }) => thread(() => {
      cls.acquire(ref, target, 'r');
      cls.targetDestroy(target, 'w', tell('x'));
    }), /holds itself|ends with/],
    ['more than sixteen', ({ cls, target }) => softint(one, () => {
      for (let i = 0; i <= PSREFS_MAX; i++) cls.acquire(new Psref(), target, 'r');
    }), /reader 1 holds 16 passive references/],
    ['a class destroyed while held', ({ cls, target, ref }) => {
      softint(one, () => cls.acquire(ref, target, 'r'));
      cls.destroy();
    }, /destroyed while in use/],
    ['a name longer than eight', () => void new PsrefClass(engine, 'ninechars'), /longer than 8/],
  ])('%s fails', (_name, run, text) => {
    expect(() => run(make())).toThrow(text);
  });

  it.each(['thread', 'softint', 'worker'])('a reference that a %s task forgets is found when the task ends', (who) => {
    const { cls, target, ref } = make();
    const forget = (): void => cls.acquire(ref, target, 'r');
    if (who === 'worker') engine.defer(forget);
    const run = (): void => {
      if (who === 'worker') return engine.runTurn(1);
      const previous = engine.enter(who === 'thread' ? CTX_THREAD : CTX_SOFTINT);
      try {
        forget();
      } finally {
        engine.leave(previous);
      }
    };
    expect(run).toThrow(`${who} ends with 1 passive reference`);
    expect(found).toEqual(['"test" is still held at the end of the turn: entered at "r"']);
  });

  it('one that a thread holds over a call into the Kernel is its own business', () => {
    const { cls, target, ref } = make();
    thread(() => {
      cls.acquire(ref, target, 'r');
      engine.defer(() => undefined);
      thread(() => undefined);
      engine.leave(engine.enter(CTX_SOFTINT));
      engine.runTurn(1);
      cls.release(ref, target, 'r');
    });
    expect([cls.count, found]).toEqual([0, []]);
  });
});

describe('pslist', () => {
  const make = (...names: string[]): { head: PslistHead<string>; entries: PslistEntry<string>[] } => {
    const head = new PslistHead<string>();
    const entries = names.map((n) => new PslistEntry(n));
    for (const e of [...entries].reverse()) {
      e.entryInit();
      head.insertHead(e);
    }
    return { head, entries };
  };

  it('inserts at the head, before and after, and removes', () => {
    const { head, entries } = make('b', 'd');
    const [a, c, e] = ['a', 'c', 'e'].map((n) => new PslistEntry(n)) as [PslistEntry<string>, PslistEntry<string>, PslistEntry<string>];
    entries[0]!.insertBefore(a);
    entries[0]!.insertAfter(c);
    entries[1]!.insertAfter(e);
    expect([...head.readers()]).toEqual(['a', 'b', 'c', 'd', 'e']);
    for (const x of [a, e, c]) x.remove();
    expect([...head.readers()]).toEqual(['b', 'd']);
    for (const x of entries) x.remove();
    head.destroy();
  });

  it('a reader on an entry that is removed finds its way on', () => {
    const { head, entries } = make('a', 'b', 'c');
    const at = head.readerFirst()!.readerNext()!;
    entries[1]!.remove();
    expect([at.owner, at.readerNext()?.owner]).toEqual(['b', 'c']);
    expect([...head.readers()]).toEqual(['a', 'c']);
  });

  it('what was removed goes in again only after a grace period and entryInit', () => {
    const { head, entries } = make('a', 'b');
    const psz = new Pserialize(engine, 'test');
    const token = softint(one, () => psz.readEnter('r'));
    const reader = head.readerFirst()!;
    entries[0]!.remove();
    expect(() => head.insertHead(entries[0]!)).toThrow('not initialised after its removal');
    thread(() => psz.perform('w', () => {
      entries[0]!.entryInit();
      entries[1]!.insertAfter(entries[0]!);
    }));
    expect(reader.readerNext()?.owner).toBe('b');
    softint(one, () => psz.readExit(token, 'r'));
    engine.runTurn(1);
    expect([...head.readers()]).toEqual(['b', 'a']);
  });

  it.each<[string, (b: ReturnType<typeof make>) => void, RegExp]>([
    ['insertion of what is on a list', ({ head, entries }) => head.insertHead(entries[0]!), /not initialised/],
    ['removal of what is on none', () => new PslistEntry('x').remove(), /on no list/],
    ['entryInit while on a list', ({ entries }) => entries[0]!.entryInit(), /initialised while on a list/],
    ['entryDestroy while on a list', ({ entries }) => entries[0]!.entryDestroy(), /destroyed while on a list/],
    ['a late reader', ({ entries }) => {
      entries[0]!.remove();
      entries[0]!.entryDestroy();
      entries[0]!.readerNext();
    }, /follows a destroyed entry/],
    ['insertion of what was destroyed', ({ head, entries }) => {
      entries[0]!.remove();
      entries[0]!.entryDestroy();
      head.insertHead(entries[0]!);
    }, /not initialised/],
    ['destroying a list with entries', ({ head }) => head.destroy(), /with entries/],
  ])('%s fails', (_name, run, text) => {
    expect(() => run(make('a', 'b'))).toThrow(text);
  });
});
