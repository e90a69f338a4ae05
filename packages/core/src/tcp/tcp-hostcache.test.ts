/**
 * tcp-hostcache.test.ts — what is remembered of a peer, for how long, and of how many.
 */
import { describe, expect, it } from 'vitest';
import { US_PER_SEC } from '../base/time.js';
import { quietEnv } from '../env/env.js';
import { Engine } from '../kern/engine.js';
import { VnetKern } from '../kern/vnet-kern.js';
import { TcpEnds } from './tcp-ends.js';
import { HcMetrics, TcpHostcache } from './tcp-hostcache.js';

const peer = (n: number): TcpEnds => new TcpEnds().set4(0x0a000000 + n, 80, 0x0a0000fe, 40_000);
const metrics = (m: Partial<HcMetrics>): HcMetrics => Object.assign(new HcMetrics(), m);

class Bench {
  readonly engine = new Engine(quietEnv(1));
  readonly kern = new VnetKern(this.engine, 1, 'v');
  readonly stats = { hc_added: 0, hc_bucketoverflow: 0, cachedrtt: 0, cachedrttvar: 0, cachedssthresh: 0 };
  readonly hc = new TcpHostcache(this.kern, this);

  at(seconds: number): void {
    this.engine.runTurn(seconds * US_PER_SEC);
  }

  sysctl(leaf: string, value: number): void {
    expect(this.kern.sysctl.find(`net.inet.tcp.hostcache.${leaf}`)?.set(value)).toBe(0);
  }
}

describe('the hostcache', () => {
  it('averages what connections leave, and replaces the MTU', () => {
    const y = new Bench();
    expect(y.hc.lookup(peer(1))).toBe(null);
    y.hc.update(peer(1), metrics({ rttUs: 40_000, rttvarUs: 10_000, ssthresh: 20_000, cwnd: 30_000 }));
    y.hc.updateMtu(peer(1), 1_400);
    y.hc.update(peer(1), metrics({ rttUs: 20_000, ssthresh: 10_000, sendpipe: 7 }));
    y.hc.updateMtu(peer(1), 1_300);
    expect(y.hc.lookup(peer(1))).toMatchObject({ mtu: 1_300, rttUs: 30_000, rttvarUs: 10_000, ssthresh: 15_000, cwnd: 30_000, sendpipe: 7, recvpipe: 0 });
    expect([y.hc.mtu(peer(1)), y.hc.mtu(peer(2))]).toEqual([1_300, 0]);
    expect(y.stats).toEqual({ hc_added: 1, hc_bucketoverflow: 0, cachedrtt: 2, cachedrttvar: 1, cachedssthresh: 2 });
  });

  it('is listed as FreeBSD lists it', () => {
    const y = new Bench();
    y.hc.update(peer(1), metrics({ mtu: 1_400, rttUs: 40_400, rttvarUs: 10_600, ssthresh: 20_000, cwnd: 30_000 }));
    y.hc.updateMtu(new TcpEnds().setForeign6(0x20010db8, 0, 0, 1, 80), 1_280);
    y.at(100);
    expect(y.kern.sysctl.find('net.inet.tcp.hostcache.list')?.get()).toBe([
      '',
      'IP address        MTU  SSTRESH      RTT   RTTVAR     CWND SENDPIPE RECVPIPE EXP',
      '10.0.0.1         1400    20000     40ms     11ms    30000        0        0 3500',
      '2001:db8::1      1280        0      0ms      0ms        0        0        0 3500',
      '',
    ].join('\n'));
  });

  it('forgets what was not used, and has no timer when it is empty', () => {
    const y = new Bench();
    y.sysctl('expire', 600);
    y.hc.updateMtu(peer(1), 1_400);
    y.hc.updateMtu(peer(2), 1_400);
    y.at(500);
    y.hc.mtu(peer(2));
    y.at(899);
    expect([y.hc.mtu(peer(1)), y.kern.calloutsArmed]).toEqual([0, 1]);
    for (let s = 900; s <= 1_800; s += 100) y.at(s);
    expect([y.hc.count, y.kern.calloutsArmed]).toEqual([0, 0]);
    y.hc.updateMtu(peer(3), 1_400);
    y.sysctl('purge', 1);
    y.at(2_100);
    expect([y.hc.count, y.hc.purge, y.kern.calloutsArmed]).toEqual([0, 0, 0]);
  });

  it('makes room for new peers by forgetting the one updated longest ago', () => {
    const y = new Bench();
    y.sysctl('cachelimit', 3);
    for (const n of [1, 2, 3, 1, 4]) y.hc.updateMtu(peer(n), 1_400 + n);
    expect([1, 2, 3, 4].map((n) => y.hc.mtu(peer(n)))).toEqual([1_401, 0, 1_403, 1_404]);
    expect(y.stats).toMatchObject({ hc_added: 4, hc_bucketoverflow: 1 });
    y.sysctl('purgenow', 1);
    expect([y.hc.count, y.kern.calloutsArmed]).toEqual([0, 0]);
  });

  it('switched off knows nothing and learns nothing', () => {
    const y = new Bench();
    y.hc.updateMtu(peer(1), 1_400);
    y.sysctl('enable', 0);
    y.hc.updateMtu(peer(2), 1_400);
    expect([y.hc.mtu(peer(1)), y.hc.count]).toEqual([0, 1]);
  });

  it('leaves nothing behind', () => {
    const y = new Bench();
    y.hc.updateMtu(peer(1), 1_400);
    y.hc.destroy();
    expect([y.hc.count, y.kern.calloutsArmed, y.kern.sysctl.count]).toEqual([0, 0, 0]);
  });
});
