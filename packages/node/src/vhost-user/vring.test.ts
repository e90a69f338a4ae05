/**
 * vring.test.ts — the indexes and notifications of a ring, against the driver's side.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BUFFERS, RingGuest } from '../../test/vhost-user/ring-guest.js';
import { Vring } from './vring.js';

const BUFFER = [{ address: BUFFERS, length: 64 }];

/** The device uses `n` chains; does the driver want to be called? */
function use(g: RingGuest, n: number): boolean {
  for (let i = 0; i < n; i++) {
    const head = g.ring.headAt(0);
    g.ring.take(1);
    g.ring.give(head, 0);
  }
  return g.ring.publish();
}

function offer(g: RingGuest, n: number): boolean {
  for (let i = 0; i < n; i++) g.driver.add(BUFFER, false);
  return g.driver.publish();
}

function drain(g: RingGuest): number {
  let n = 0;
  while (g.driver.poll() !== null) n++;
  return n;
}

describe.each([true, false])('with event indexes: %s', (eventIdx) => {
  test('chains go round in order, past the end of the indexes', () => {
    const g = new RingGuest({ num: 4, eventIdx });
    for (let i = 0; i < 70_000; i += 3) {
      offer(g, 3);
      expect(g.ring.waiting()).toBe(3);
      use(g, 3);
      expect(drain(g)).toBe(3);
    }
    expect(g.ring.waiting()).toBe(0);
    expect(g.ring.broken).toBe('');
  });

  test('a device that listens is kicked, one that is busy is not', () => {
    const g = new RingGuest({ eventIdx });
    expect(g.ring.listen()).toBe(false);
    expect(offer(g, 1)).toBe(true);
    g.ring.silence();
    g.ring.waiting();
    use(g, 1);
    expect(offer(g, 1)).toBe(false);
    g.ring.look();
    use(g, 1);
    expect(g.ring.listen()).toBe(false);
    expect(offer(g, 2)).toBe(true);
  });

  test('a chain that came just before the device listens is not overlooked', () => {
    const g = new RingGuest({ eventIdx });
    g.ring.silence();
    offer(g, 1);
    expect(g.ring.listen()).toBe(true);
    expect(g.ring.waiting()).toBe(1);
  });

  test('a driver is called when it wants to be', () => {
    const g = new RingGuest({ eventIdx });
    g.driver.wantCall(true);
    offer(g, 3);
    g.ring.waiting();
    expect(use(g, 1)).toBe(true);
    drain(g);
    g.driver.wantCall(false);
    expect(use(g, 1)).toBe(false);
    drain(g);
    expect(g.driver.wantCall(true)).toBe(false);
    expect(use(g, 1)).toBe(true);
    expect(g.ring.publish()).toBe(false);
  });
});

test('a ring goes on where the used index says that the last device stopped', () => {
  const g = new RingGuest({ num: 4 });
  offer(g, 3);
  g.ring.waiting();
  use(g, 2);
  const again = g.deviceRing();
  expect([again.nextAvail, again.waiting()]).toEqual([2, 1]);
  again.give(again.headAt(0), 0);
  again.take(1);
  again.publish();
  expect(drain(g)).toBe(3);
});

test('an available index beyond the ring breaks it', () => {
  const g = new RingGuest({ num: 4 });
  Atomics.store(g.driver.avail, 1, 5);
  expect(g.ring.waiting()).toBe(0);
  expect(g.ring.broken).toBe('the available index 5 is 5 ahead in a ring of 4');
  Atomics.store(g.driver.avail, 1, 1);
  expect(g.ring.waiting()).toBe(0);
  expect(g.ring.listen()).toBe(false);
});

test('a head that is no descriptor breaks the ring', () => {
  const g = new RingGuest({ num: 4 });
  g.driver.avail[2] = 4;
  Atomics.store(g.driver.avail, 1, 1);
  expect(g.ring.waiting()).toBe(1);
  expect(g.ring.headAt(0)).toBe(-1);
  expect(g.ring.broken).toBe('the available ring names descriptor 4 of 4');
});

test('memory that is not as long as the ring is refused', () => {
  const part = (length: number): Uint8Array => new Uint8Array(length);
  const features = { eventIdx: true, indirect: true };
  expect(() => new Vring(4, { desc: part(64), avail: part(14), used: part(38) }, features)).not.toThrow();
  for (const [desc, avail, used] of [[63, 14, 38], [64, 15, 38], [64, 14, 37]] as const) {
    expect(() => new Vring(4, { desc: part(desc), avail: part(avail), used: part(used) }, features)).toThrow(RangeError);
  }
});

test('no notification is lost, whatever the order of things', () => {
  const op = fc.oneof(
    fc.record({ kind: fc.constant('offer' as const), n: fc.integer({ min: 1, max: 4 }) }), fc.record({ kind: fc.constant('device' as const), n: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant('driver' as const), n: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(op, { maxLength: 300 }), (eventIdx, ops) => {
      const g = new RingGuest({ num: 8, eventIdx });
      let kicked = false;
      let deviceAsleep = !g.ring.listen();
      let called = false;
      let driverAsleep = !g.driver.wantCall(true);
      for (const { kind, n } of ops) {
        if (kind === 'offer') kicked = offer(g, Math.min(n, g.driver.room)) || kicked;
        else if (kind === 'device' && (!deviceAsleep || kicked)) {
          kicked = false;
          g.ring.silence();
          called = use(g, Math.min(n, g.ring.waiting())) || called;
          deviceAsleep = g.ring.waiting() === 0 && !g.ring.listen();
        } else if (kind === 'driver' && (!driverAsleep || called)) {
          called = false;
          g.driver.wantCall(false);
          drain(g);
          driverAsleep = !g.driver.wantCall(true);
        }
        // Whoever sleeps and has not been woken has nothing to do.
        if (deviceAsleep && !kicked) expect(g.ring.look()).toBe(0);
        if (driverAsleep && !called) expect(g.driver.poll()).toBe(null);
      }
      expect(g.ring.broken).toBe('');
    }),
  );
});
