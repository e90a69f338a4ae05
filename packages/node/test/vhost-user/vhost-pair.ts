/**
 * vhost-pair.ts — two front ends on the bridge of a PortLab, and what tests ask of them.
 */
import { expect } from 'vitest';
import { FrontEnd } from './front-end.js';
import type { FrontEndOptions } from './front-end.js';
import type { VhostUserStatus } from '../../src/vhost-user/vhost-user-wire.js';
import type { PortLab } from '../port-lab.js';
import { numberOf } from '../stream-peer.js';

export const HDR = 12;
export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Binds `ifname` to a vhost-user port and plugs a front end in, whose driver runs. */
export async function plug(lab: PortLab, ifname: string, options: FrontEndOptions = {}): Promise<FrontEnd> {
  await lab.attach(ifname, `vhost-user:${lab.path(ifname)}`);
  return replug(lab, ifname, options);
}

/** Plugs a front end into the port that `ifname` is bound to. */
export async function replug(lab: PortLab, ifname: string, options: FrontEndOptions = {}): Promise<FrontEnd> {
  const guest = FrontEnd.connect(lab.path(ifname), options);
  await guest.start();
  return guest;
}

/** Runs `body` with two guests. */
export async function withPair(lab: PortLab, body: (a: FrontEnd, b: FrontEnd) => Promise<void>, a: FrontEndOptions = {}, b: FrontEndOptions = {}): Promise<void> {
  const guests = [await plug(lab, 'tap0', a), await plug(lab, 'tap1', b)] as const;
  try {
    await body(...guests);
  } finally {
    for (const guest of guests) guest.close();
  }
}

/** The frames that a guest gets until it has `count`, without their headers. */
export async function frames(guest: FrontEnd, count: number): Promise<Buffer[]> {
  return (await whole(guest, count)).map((bytes) => bytes.subarray(HDR));
}

/** The same with the headers. */
export async function whole(guest: FrontEnd, count: number): Promise<Buffer[]> {
  const got: Buffer[] = [];
  const look = (): number => {
    for (let bytes = guest.receive(); bytes !== null; bytes = guest.receive()) got.push(Buffer.from(bytes));
    return got.length;
  };
  await expect.poll(look, { timeout: 10_000, interval: 5 }).toBeGreaterThanOrEqual(count);
  return got;
}

/** Waits until a guest has the frames with these numbers, and no others. */
export async function gets(guest: FrontEnd, numbers: readonly number[]): Promise<void> {
  expect((await frames(guest, numbers.length)).map((frame) => numberOf(frame))).toEqual(numbers);
}

export async function vhostUser(lab: PortLab, ifname: string): Promise<VhostUserStatus> {
  return (await lab.port(ifname)).vhostUser!;
}
