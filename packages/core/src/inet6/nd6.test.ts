/**
 * nd6.test.ts — neighbour discovery through packets: resolution, what waits, the NS and NA tables, unreachability.
 */
import { describe, expect, it } from 'vitest';
import { EHOSTDOWN } from '../base/errno.js';
import { US_PER_SEC } from '../base/time.js';
import { Ip6Bench, NOTHING_LEFT6, llN, macN } from './test-ip6.js';

const A = '2001:db8::1';
const B = '2001:db8::2';

describe('resolution', () => {
  it('asks, holds, sends what waited when the answer comes, and leaves nothing', () => {
    const b = new Ip6Bench();
    const w = b.wire(`${A}/64`);
    expect([b.send({ src: A, dst: B }), b.send({ src: A, dst: B })]).toEqual([0, 0]);
    expect(w.lines()).toEqual([`ns ${A} > ff02::1:ff00:2 who has ${B} sll ${macN(1)}`]);
    expect(w.ask(`na ${B} > ${A} ${B} is at ${macN(2)} SO`)).toEqual(Array(2).fill(`ip6 ${A} > ${B} proto 17 len 48 hlim 64 > ${macN(2)}`));
    expect(w.neighbours()).toEqual([`${B} ${macN(2)} reachable`]);
    expect(w.ask(`echo ${B} > ${A} seq 7`)).toEqual([`reply ${A} > ${B} seq 7 > ${macN(2)}`]);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT6);
  });

  it('answers who asks, and knows where the asker is', () => {
    const b = new Ip6Bench();
    const w = b.wire(`${A}/64`);
    expect(w.ask(`ns ${B} > ff02::1:ff00:1 who has ${A} sll ${macN(2)}`)).toEqual([`na ${A} > ${B} ${A} is at ${macN(1)} SO > ${macN(2)}`]);
    expect(w.neighbours()).toEqual([`${B} ${macN(2)} delay`]);
    expect(w.ask(`ns ${llN(2)} > ${llN(1)} who has ${llN(1)} sll ${macN(2)}`)).toEqual([`na ${llN(1)} > ${llN(2)} ${llN(1)} S > ${macN(2)}`]);
    b.destroy();
  });

  it('gives up after three questions, tells the sender, and asks once a second from then on', () => {
    const b = new Ip6Bench();
    const w = b.wire(`${A}/64`);
    b.send({ src: A, dst: B });
    b.turn(5 * US_PER_SEC);
    expect(w.lines()).toEqual(Array(3).fill(`ns ${A} > ff02::1:ff00:2 who has ${B} sll ${macN(1)}`));
    expect(b.send({ src: A, dst: B })).toBe(EHOSTDOWN);
    expect(b.send({ src: A, dst: B })).toBe(EHOSTDOWN);
    expect(w.lines().length).toBe(1);
    expect(w.ask(`na ${B} > ${A} ${B} is at ${macN(2)} SO`)).toEqual([]);
    expect(b.send({ src: A, dst: B })).toBe(0);
    b.destroy();
    expect(b.leftovers()).toEqual(NOTHING_LEFT6);
  });
});
