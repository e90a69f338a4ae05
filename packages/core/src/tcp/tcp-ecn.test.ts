/**
 * tcp-ecn.test.ts — who agrees on ECN, what is marked, what is echoed, what is reduced.
 */
import { describe, expect, it } from 'vitest';
import { TF_ECN } from './tcpcb.js';
import { Pair } from '../sim/tcp-pair.js';
import type { SegmentOnWire } from '../sim/tcp-pair.js';

const MSS = 1448;
const ECE = 0x40;
const CWR = 0x80;

function flagsOf(s: SegmentOnWire): string {
  return ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W'].filter((_, bit) => (s.flags & (1 << bit)) !== 0).join('');
}

describe('the handshake', () => {
  it.each([
    [1, 1, 'SEW', 'S.E', true],
    [1, 2, 'SEW', 'S.E', true],
    [1, 0, 'SEW', 'S.', false],
    [2, 1, 'S', 'S.', false],
    [0, 1, 'S', 'S.', false],
  ])('client %d, server %d: %s, %s', (client, server, syn, synAck, agreed) => {
    const p = new Pair();
    p.a.kern.sysctl.set('net.inet.tcp.ecn.enable', client);
    p.b.kern.sysctl.set('net.inet.tcp.ecn.enable', server);
    const seen: string[] = [];
    const note = (s: SegmentOnWire): 'pass' => {
      if ((s.flags & 2) !== 0) seen.push(flagsOf(s));
      return 'pass';
    };
    p.data = p.acks = note;
    p.connect();
    expect(seen).toEqual([syn, synAck]);
    expect([(p.client.tp.flags & TF_ECN) !== 0, (p.server.tp.flags & TF_ECN) !== 0]).toEqual([agreed, agreed]);
    expect(p.counters('ecn_shs')).toEqual({ ecn_shs: agreed ? 1 : 0 });
  });

  it('asks no more when SYNs that asked are lost', () => {
    const p = new Pair({ sysctl: { 'ecn.enable': 1 } });
    const seen: string[] = [];
    p.data = (s) => {
      if ((s.flags & 2) === 0) return 'pass';
      seen.push(flagsOf(s));
      return (s.flags & ECE) !== 0 ? 'drop' : 'pass';
    };
    p.connect();
    expect(seen).toEqual(['SEW', 'SEW', 'S']);
    expect(p.client.tp.flags & TF_ECN).toBe(0);
  });
});

describe('a mark', () => {
  it('is echoed until CWR is seen, and answered once in a window', () => {
    const p = new Pair({ sysctl: { tso: 0, 'ecn.enable': 1 } }).connect();
    const echoes: number[] = [];
    const cwr: number[] = [];
    p.data = (s) => {
      if ((s.flags & CWR) !== 0) cwr.push(s.seq / MSS);
      return s.nth === 5 || s.nth === 7 ? 'ce' : 'pass';
    };
    p.acks = (s) => {
      if ((s.flags & ECE) !== 0) echoes.push(s.ack / MSS);
      return 'pass';
    };
    expect(p.transfer(60 * MSS, 60_000_000)).toBeGreaterThan(0);
    p.run(100_000);
    expect(echoes[0]).toBe(6);
    // the first new data after the first echo has CWR, and its acknowledgement no echo any more
    expect(cwr).toHaveLength(1);
    expect(echoes.every((ack) => ack <= (cwr[0] ?? 0))).toBe(true);
    expect(p.counters('ecn_rcwnd', 'sndrexmitpack', 'rexmttimeo')).toEqual({ ecn_rcwnd: 1, sndrexmitpack: 0, rexmttimeo: 0 });
    expect(p.b.tcp.stats).toMatchObject({ ecn_rcvce: 2, ecn_rcvect0: 58 });
  });

  it('is only on new data: no retransmission, acknowledgement or SYN is ECN-capable', () => {
    const p = new Pair({ sysctl: { tso: 0, 'ecn.enable': 1 } }).connect();
    p.data = (s) => (s.nth === 12 ? 'drop' : 'pass');
    p.transfer(40 * MSS, 60_000_000);
    p.run(100_000);
    expect(p.counters('ecn_sndect0', 'sndrexmitpack')).toEqual({ ecn_sndect0: 40, sndrexmitpack: 1 });
    expect(p.b.tcp.stats.ecn_sndect0).toBe(0);
  });

  it('costs DCTCP what the fraction of marks is worth', () => {
    const windows: Record<string, number> = {};
    for (const algorithm of ['newreno', 'cubic', 'dctcp']) {
      const p = new Pair({ sysctl: { tso: 0, 'ecn.enable': 1, 'cc.algorithm': algorithm } }).connect();
      p.data = (s) => (s.nth % 100 === 50 ? 'ce' : 'pass');
      expect(p.transfer(600 * MSS, 60_000_000)).toBeGreaterThan(0);
      windows[algorithm] = Math.round(p.client.tp.cwnd / MSS);
    }
    expect(windows['dctcp']).toBeGreaterThan(2 * (windows['cubic'] as number));
    expect(windows['cubic']).toBeGreaterThanOrEqual(windows['newreno'] as number);
  });
});
