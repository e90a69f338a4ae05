/**
 * vhost-user-wire.test.ts — guests on vhost-user ports, without guests: two front ends with real shared memory, joined by a bridge.
 */
import { GSO_TCPV4, inCksum } from '@netloom/core';
import { expect, test } from 'vitest';
import { withPortLab } from '../../test/port-lab.js';
import { numberOf, numberedFrame } from '../../test/stream-peer.js';
import { frames, gets, plug, range, replug, vhostUser, whole, withPair } from '../../test/vhost-user/vhost-pair.js';

const [A, B] = [1, 2];

test('frames cross, one or many at a time, of any length', () => withPortLab((lab) => withPair(lab, async (a, b) => {
  a.send(numberedFrame(B, A, 0));
  await gets(b, [0]);
  for (const n of range(0, 300)) {
    expect(b.queue(numberedFrame(A, B, n, 60 + n))).toBe(n < 256);
    if (n === 255) break;
  }
  b.publish(1);
  const got = await frames(a, 256);
  expect(got.map((frame) => numberOf(frame))).toEqual(range(0, 256));
  expect(got.map((frame) => frame.length)).toEqual(range(60, 316));
  const { fromGuest, toGuest, vhostUser: more, ...rest } = await lab.port('tap0');
  expect(rest).toEqual({ state: 'connected', connects: 1 });
  expect(fromGuest).toEqual({ frames: 1, bytes: 64, drops: 0 });
  expect(toGuest).toEqual({ frames: 256, bytes: got.reduce((sum, frame) => sum + frame.length, 0), drops: 0 });
  expect(more).toMatchObject({ driver: true, broken: 0, refused: 0, tooLong: 0 });
})));
