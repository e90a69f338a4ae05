/**
 * witness.test.ts — what the Witness reports, and what it does not: each fault planted, with the paths it must name.
 */
import { describe, expect, it } from 'vitest';
import { quietEnv } from '../env/env.js';
import { CTX_SOFTINT, CTX_THREAD } from './context.js';
import type { Context } from './context.js';
import { Engine } from './engine.js';
import { WITNESS_SYSCTLS, Witness } from './witness.js';
import { WitnessCallout, WitnessDrain, WitnessGrace, WitnessLock, WitnessQueue } from './witness-lock.js';

class Bench {
  readonly w = new Witness();

  constructor() {
    this.w.watch = 1;
  }

  lock(name: string, options = {}): WitnessLock {
    return new WitnessLock(this.w, name, options);
  }

  /** `fn` as an agent of its own. */
  as(context: Context, fn: () => void): void {
    this.w.enter(context);
    fn();
    this.w.leave();
  }

  thread(fn: () => void): void {
    this.as(CTX_THREAD, fn);
  }

  softint(fn: () => void): void {
    this.as(CTX_SOFTINT, fn);
  }

  get texts(): string[] {
    return this.w.findings.map((f) => `${f.fault}: ${f.text}`);
  }
}

/** Takes each of `locks` in order, at places called after `who`, and gives them back. */
function nest(who: string, ...locks: WitnessLock[]): void {
  for (const l of locks) l.acquire(`${who}, ${l.cls.name}`);
  for (const l of locks.reverse()) l.release(who);
}

describe('the order of locks', () => {
  it('an inverted pair is reported with both paths, and once', () => {
    const b = new Bench();
    const [a, c] = [b.lock('a'), b.lock('c')];
    b.thread(() => nest('first', a, c));
    expect(b.texts).toEqual([]);
    for (let i = 0; i < 3; i++) b.thread(() => nest('second', c, a));
    expect(b.texts).toEqual([
      'order: "a" is waited for while "c" is held, and the other way round\n  now:\n    "c" (second, c) -> "a" (second, a)\n  before:\n    "a" (first, a) -> "c" (first, c)',
    ]);
    expect(b.w.count).toBe(1);
  });

  it('a circle of three is reported although nobody ever has two of its edges at once', () => {
    const b = new Bench();
    const [a, c, d] = [b.lock('a'), b.lock('c'), b.lock('d')];
    b.thread(() => nest('one', a, c));
    b.thread(() => nest('two', c, d));
    b.thread(() => nest('three', d, a));
    expect(b.texts).toEqual([
      'order: "a" is waited for while "d" is held, and the other way round\n  now:\n    "d" (three, d) -> "a" (three, a)\n  before:\n    "a" (one, a) -> "c" (one, c)\n    "c" (two, c) -> "d" (two, d)',
    ]);
  });

  it('the order that was first is kept: what agrees with it goes on unreported', () => {
    const b = new Bench();
    const [a, c, d] = [b.lock('a'), b.lock('c'), b.lock('d')];
    b.thread(() => nest('first', a, c));
    b.thread(() => nest('wrong', c, a));
    b.thread(() => nest('right', a, d, c));
    expect(b.w.count).toBe(1);
  });

  it('a lock that was had without waiting orders nothing', () => {
    const b = new Bench();
    const [a, c] = [b.lock('a'), b.lock('c')];
    b.thread(() => nest('first', a, c));
    b.thread(() => {
      c.acquire('second');
      a.tryAcquired('second');
      a.release('second');
      c.release('second');
    });
    expect(b.texts).toEqual([]);
  });

  it('two locks of one class have none, unless they may', () => {
    const b = new Bench();
    b.thread(() => nest('fine', b.lock('x', { dupok: true }), b.lock('x', { dupok: true })));
    expect(b.texts).toEqual([]);
    b.thread(() => nest('bad', b.lock('y'), b.lock('y')));
    expect(b.texts).toEqual(['duplicate: two locks of class "y" are held: one taken at "bad, y", another at "bad, y"']);
  });
});

describe('one agent alone', () => {
  it('that waits for itself is reported, unless the lock recurses or both are readers', () => {
    const b = new Bench();
    const plain = b.lock('plain');
    const again = b.lock('again', { recurses: true });
    b.thread(() => nest('fine', again, again));
    b.thread(() => {
      plain.acquireShared('one reader');
      plain.acquireShared('two readers');
      plain.release('two readers');
      plain.release('one reader');
    });
    expect(b.texts).toEqual([]);
    b.thread(() => {
      plain.acquire('here');
      plain.acquire('there');
      plain.release('there');
      plain.release('here');
    });
    expect(b.texts).toEqual(['self: "there" waits for "plain", which it holds itself since "here"']);
  });

  it('that gives back what it has not is reported, also when somebody else has it', () => {
    const b = new Bench();
    const a = b.lock('a');
    b.thread(() => {
      a.acquire('outside');
      b.softint(() => a.release('inside'));
      a.release('outside');
    });
    expect(b.texts).toEqual(['unheld: "a" is released at "inside" but not held']);
  });

  it('is the same when it calls in again', () => {
    const b = new Bench();
    const [a, c] = [b.lock('a'), b.lock('c')];
    b.thread(() => {
      a.acquire('outside');
      b.thread(() => nest('inside', c));
      b.thread(() => a.release('inside'));
    });
    expect(b.texts).toEqual([]);
    b.thread(() => nest('second', c, a));
    expect(b.texts).toEqual([expect.stringContaining('"a" (outside) -> "c" (inside, c)')]);
  });

  it('that ends its turn with something held is reported, and begins the next with nothing', () => {
    const b = new Bench();
    const a = b.lock('a');
    const g = new WitnessGrace(b.w, 'g');
    b.thread(() => a.acquire('forgetful'));
    b.softint(() => g.enter('a read'));
    b.thread(() => nest('later', a));
    expect(b.texts).toEqual(['left: "a" is still held at the end of the turn: taken at "forgetful"', 'left: "g" is still held at the end of the turn: entered at "a read"']);
  });
});

describe('contexts', () => {
  it('a lock whose holders wait must not be wanted in softint', () => {
    const b = new Bench();
    const ifnetLock = b.lock('IFNET_LOCK', { noSoftint: true });
    b.thread(() => nest('ioctl', ifnetLock));
    b.softint(() => nest('input', ifnetLock));
    expect(b.texts).toEqual(['context: "IFNET_LOCK" is taken at "input, IFNET_LOCK" in a softint handler, which must not']);
  });

  it('nothing may be waited for in softint, or inside a read section', () => {
    const b = new Bench();
    const psz = new WitnessGrace(b.w, 'psz');
    const other = new WitnessGrace(b.w, 'other');
    const target = new WitnessDrain(b.w, 'target');
    b.softint(() => psz.wait('the packet path'));
    b.thread(() => {
      other.enter('a reader');
      target.wait('the reader');
      psz.wait('the reader');
      other.exit('a reader');
    });
    b.thread(() => {
      psz.enter('its own reader');
      psz.wait('itself');
      psz.exit('its own reader');
    });
    expect(b.texts).toEqual([
      'context: "the packet path" waits for "psz" in a softint handler',
      'context: "the reader" waits for "target" inside a read section of "other" entered at "a reader"',
      'context: "the reader" waits for "psz" inside a read section of "other" entered at "a reader"',
      'self: "itself" waits for "psz", which it holds itself since "its own reader"',
    ]);
  });

  it('a softint handler is not a thread, but wakes one', () => {
    const b = new Bench();
    b.softint(() => {
      b.w.enter(CTX_THREAD, true);
      b.w.leave();
    });
    expect(b.texts).toEqual([]);
    b.softint(() => b.thread(() => undefined));
    expect(b.texts).toEqual(['context: a softint handler acts as a thread: what it calls may wait']);
  });
});

describe('waiting for others', () => {
  it('for readers with a lock that softint handlers want: the deadlock of a destroyed interface and a new socket', () => {
    const b = new Bench();
    const softnet = b.lock('softnet');
    const psz = new WitnessGrace(b.w, 'ifnet_psz');
    b.thread(() => nest('socreate', softnet));
    b.softint(() => nest('udp_input', softnet));
    b.thread(() => {
      softnet.acquire('pr_purgeif');
      psz.wait('ifa_remove');
      softnet.release('pr_purgeif');
    });
    expect(b.texts).toEqual([
      'order: "ifnet_psz" is waited for while "softnet" is held, and the other way round\n  now:\n    "softnet" (pr_purgeif) -> "ifnet_psz" (ifa_remove)\n  before:\n'
      + '    "ifnet_psz" (the end of every read section) -> "softint" (the end of every softint handler)\n    "softint" (a softint handler) -> "softnet" (udp_input, softnet)',
    ]);
  });

  it('… and the order in which it was mended is clean', () => {
    const b = new Bench();
    const softnet = b.lock('softnet');
    const psz = new WitnessGrace(b.w, 'ifnet_psz');
    b.softint(() => nest('udp_input', softnet));
    b.thread(() => {
      softnet.acquire('udp_purgeif');
      softnet.release('udp_purgeif');
      psz.wait('in_purgeif');
      nest('udp_purgeif', softnet);
    });
    expect(b.texts).toEqual([]);
  });

  it('for readers with a lock that a read section takes in a thread', () => {
    const b = new Bench();
    const l = b.lock('l');
    const psz = new WitnessGrace(b.w, 'psz');
    b.thread(() => {
      l.acquire('writer');
      psz.wait('writer');
      l.release('writer');
    });
    b.thread(() => {
      psz.enter('reader');
      nest('reader', l);
      psz.exit('reader');
    });
    expect(b.texts).toEqual([
      'order: "l" is waited for while "psz" is held, and the other way round\n  now:\n    "psz" (reader) -> "l" (reader, l)\n  before:\n    "l" (writer) -> "psz" (writer)',
    ]);
  });

  it.each([
    ['a reference', (w: Witness) => new WitnessDrain(w, 'target')],
    ['work', (w: Witness) => new WitnessQueue(w, 'target')],
    ['a callout', (w: Witness) => new WitnessCallout(w, 'target')],
  ])('%s whose holder wants the lock', (_, make) => {
    const b = new Bench();
    const l = b.lock('l');
    const target = make(b.w);
    b.thread(() => {
      target.enter('holder');
      nest('holder', l);
      target.exit('holder');
    });
    b.thread(() => target.wait('free to wait'));
    expect(b.texts).toEqual([]);
    b.thread(() => {
      l.acquire('waiter');
      target.wait('waiter');
      l.release('waiter');
    });
    expect(b.texts).toEqual([
      'order: "target" is waited for while "l" is held, and the other way round\n  now:\n    "l" (waiter) -> "target" (waiter)\n  before:\n    "target" (holder) -> "l" (holder, l)',
    ]);
  });

  it('a worker that waits for its queue is not waited for', () => {
    const b = new Bench();
    const queue = new WitnessQueue(b.w, 'queue');
    b.thread(() => {
      queue.enter('the worker');
      queue.wait('the worker');
      queue.exit('the worker');
    });
    expect(b.texts).toEqual([]);
  });

  it('entering a section waits for nobody', () => {
    const b = new Bench();
    const l = b.lock('l');
    const psz = new WitnessGrace(b.w, 'psz');
    b.thread(() => {
      l.acquire('holder');
      psz.enter('holder');
      psz.exit('holder');
      l.release('holder');
    });
    b.softint(() => {
      psz.enter('reader');
      nest('reader', l);
      psz.exit('reader');
    });
    expect(b.texts).toEqual([]);
  });
});

describe('the switch', () => {
  it('off: nothing is recorded, and nothing is missed that began while it was', () => {
    const b = new Bench();
    const [a, c] = [b.lock('a'), b.lock('c')];
    b.w.watch = 0;
    b.thread(() => nest('first', a, c));
    b.thread(() => nest('second', c, a));
    expect([b.w.count, b.w.graph().filter((e) => e.from === a.cls)]).toEqual([0, []]);
    b.thread(() => {
      b.w.watch = 1;
      nest('third', a);
    });
    expect(b.texts).toEqual([]);
  });

  it('findings beyond the bound are counted', () => {
    const b = new Bench();
    for (let i = 0; i < 100; i++) b.lock('a').release(`place ${i}`);
    expect([b.w.count, b.w.findings.length]).toEqual([100, 64]);
  });

  it('is a sysctl, with what was found', () => {
    const { w } = new Bench();
    const read = (leaf: string): unknown => WITNESS_SYSCTLS.oids.find((o) => o.leaf === leaf)?.get(w);
    new WitnessLock(w, 'a').release('nowhere');
    new WitnessGrace(w, 'g');
    expect([read('watch'), read('count'), read('badstacks'), read('fullgraph')]).toEqual([1, 1, '"a" is released at "nowhere" but not held', '"g","softint"']);
    WITNESS_SYSCTLS.oids.find((o) => o.leaf === 'watch')?.set?.(w, 0);
    expect(w.on).toBe(false);
  });
});

describe('the Engine', () => {
  function engine(): Engine {
    const e = new Engine(quietEnv(1));
    e.witness.watch = 1;
    return e;
  }
  const texts = (e: Engine): string[] => e.witness.findings.map((f) => f.text);

  it('does deferred work in a thread of its own, which must not wait for its queue', () => {
    const e = engine();
    const owner = { calloutsArmed: 0 };
    const lock = new WitnessLock(e.witness, 'ifnet_detach_sx', { noSoftint: true });
    e.defer(() => nest('the work', lock));
    e.runTurn(1);
    expect(texts(e)).toEqual([]);
    e.enter(CTX_THREAD);
    lock.acquire('a teardown');
    e.forget(owner);
    lock.release('a teardown');
    expect(texts(e)).toEqual([
      '"deferred work" is waited for while "ifnet_detach_sx" is held, and the other way round\n  now:\n    "ifnet_detach_sx" (a teardown) -> "deferred work" (forgetting deferred work)\n'
      + '  before:\n    "deferred work" (deferred work) -> "ifnet_detach_sx" (the work, ifnet_detach_sx)',
    ]);
  });

  it('runs callouts with softnet held, so that nobody may wait for them with it', () => {
    const e = engine();
    e.runTurn(1);
    e.enter(CTX_THREAD);
    e.forget({ calloutsArmed: 0 });
    expect(texts(e)).toEqual([]);
    e.softnet.acquire('a purge');
    e.forget({ calloutsArmed: 0 });
    e.softnet.release('a purge');
    expect(texts(e)).toEqual([
      '"callout" is waited for while "softnet" is held, and the other way round\n  now:\n    "softnet" (a purge) -> "callout" (forgetting callouts)\n'
      + '  before:\n    "callout" (a callout) -> "softnet" (a callout)',
    ]);
  });
});
