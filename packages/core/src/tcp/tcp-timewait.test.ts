/**
 * tcp-timewait.test.ts — who may have the four-tuple of a connection that waits, and how many wait; what the next connection learns from the last.
 */
import { describe, expect, it } from 'vitest';
import { TestPeer, line } from '../sim/tcp-peer.js';
import type { Said } from '../sim/tcp-peer.js';
import { TCPS_TIME_WAIT } from './tcp-state.js';

/** A vnet with a connection from port `sport` in TIME_WAIT; the peer's next number is 1,002. */
function waiting(options: string, p = new TestPeer(), sport = 4_000): { p: TestPeer; send: (s: Partial<Said>) => string[]; ack: number } {
  const so = p.vnet.tcp.pcbs.list().some((inp) => inp.lport === 80 && !inp.connected) ? null : p.listen(80);
  const base: Said = { flags: 'S', seq: 1_000, sport, dport: 80, options: `mss=1460 ${options}` };
  const stamp = options === '' ? '' : 'ts=101';
  p.send(base);
  const s = p.one();
  p.send({ ...base, flags: '.', seq: 1_001, ack: s.seq + 1, options: stamp });
  const listener = so ?? p.vnet.sockets.list().find((x) => x.getsockopt('SO_ACCEPTCONN') === 1);
  const c = listener !== undefined && 'accept' in listener ? listener.accept() : null;
  p.call(() => c?.close());
  p.send({ ...base, flags: 'F.', seq: 1_001, ack: s.seq + 2, options: stamp });
  p.heard();
  expect(c?.tp.state).toBe(TCPS_TIME_WAIT);
  return { p, send: (more) => p.send({ ...base, ...more }).lines(), ack: s.seq + 2 };
}

const SYNACK = /^S\. <mss 1460/;

describe('a connection in TIME_WAIT', () => {
  it.each<[string, string, Partial<Said>, boolean]>([
    ['a SYN beyond what it has seen', '', { seq: 1_003 }, true],
    ['one that is not', '', { seq: 1_002 }, false],
    ['a newer timestamp, whatever the number', 'ts=100', { seq: 5, options: 'mss=1460 ts=102' }, true],
    ['the same timestamp and a number beyond', 'ts=100', { seq: 1_003, options: 'mss=1460 ts=101' }, true],
    ['the same timestamp and an old number', 'ts=100', { seq: 5, options: 'mss=1460 ts=101' }, false],
    ['an older timestamp', 'ts=100', { seq: 9_999, options: 'mss=1460 ts=100' }, false],
    ['no timestamp where there was one, a number beyond', 'ts=100', { seq: 1_003, options: 'mss=1460' }, true],
    ['a timestamp where there was none', '', { seq: 5, options: 'mss=1460 ts=1' }, true],
  ])('and %s', (_name, options, syn, reopens) => {
    const { p, send } = waiting(options);
    const [answer] = send(syn);
    if (reopens) expect(answer).toMatch(SYNACK);
    else expect(answer).not.toMatch(SYNACK);
    expect([p.vnet.tcp.timeWaits.count, p.stats.tw_recycles, p.vnet.tcp.syncache.count]).toEqual(reopens ? [0, 1, 1] : [1, 0, 0]);
  });

  it('answers a FIN that comes again, ends after 2 MSL, and is not ended by a reset in between that does not fit', () => {
    const { p, send, ack } = waiting('');
    expect(send({ flags: 'F.', seq: 1_001, ack, options: '' }).length).toBe(1);
    send({ flags: 'R', seq: 2_000, options: '' });
    expect(p.vnet.tcp.timeWaits.count).toBe(1);
    p.pass(61_000);
    expect(p.vnet.tcp.timeWaits.count).toBe(0);
  });

  it('gives way to others beyond net.inet.tcp.maxtcptw, the oldest first', () => {
    const { p } = waiting('');
    p.sysctl('net.inet.tcp.maxtcptw', 2);
    for (const sport of [4_001, 4_002, 4_003]) waiting('', p, sport);
    const ports = p.vnet.tcp.pcbs.list().filter((inp) => inp.connected).map((inp) => inp.fport);
    expect([p.vnet.tcp.timeWaits.count, ports]).toEqual([2, [4_002, 4_003]]);
  });
});

describe('the next connection to a peer', () => {
  it('begins with what the last one measured', () => {
    const p = new TestPeer();
    const so = p.listen(80);
    const open = (sport: number): NonNullable<ReturnType<typeof so.accept>> => {
      p.send({ flags: 'S', seq: 1_000, sport, dport: 80, options: 'mss=1460' });
      const s = p.one();
      p.pass(40).send({ flags: '.', seq: 1_001, ack: s.seq + 1, sport, dport: 80 });
      const c = so.accept();
      if (c === null) throw new Error(line(s));
      return c;
    };
    const first = open(4_000);
    for (let i = 0; i < 8; i++) {
      p.call(() => first.send(new Uint8Array(100)));
      const h = p.one();
      p.pass(40).send({ flags: '.', seq: 1_001, ack: h.seq + 100, sport: 4_000, dport: 80 });
    }
    first.tp.ssthresh = 7_300;
    p.call(() => first.reset());
    p.heard();
    expect([p.stats.cachedrtt, p.stats.cachedssthresh, p.vnet.tcp.hostcache.count]).toEqual([1, 1, 1]);
    const second = open(4_001);
    expect(Math.abs(second.tp.srttUs - 40_000)).toBeLessThan(1_000);
    expect([second.tp.ssthresh, p.stats.usedrtt, p.stats.usedrttvar, p.stats.usedssthresh]).toEqual([7_300, 1, 1, 1]);
  });
});
