/**
 * tcp-syncache.test.ts — handshakes from the side that is called: what is answered, kept, sent again and given up; floods.
 */
import { describe, expect, it } from 'vitest';
import { snapshot } from '../kern/counters.js';
import type { TcpStats } from './tcp-var.js';
import { SC_BYTES } from './syncache-table.js';
import { HOST, PEER, TestPeer, line } from '../sim/tcp-peer.js';
import type { Heard, Said } from '../sim/tcp-peer.js';

const SYN: Said = { flags: 'S', seq: 1_000, sport: 4_000, dport: 80, options: 'mss=1400 ws=3 sack ts=77' };

/** The counters of the syncache that are not 0. */
function syncache(p: TestPeer): Partial<TcpStats> {
  return Object.fromEntries(Object.entries(snapshot(p.stats)).filter(([key, n]) => key.startsWith('sc_') && n !== 0));
}

const seconds = (times: number[]): number[] => times.map((t) => Math.round(t / 1_000_000));

/** Completes the handshake that `s` answers. */
const ack = (p: TestPeer, s: Heard, more: Partial<Said> = {}): TestPeer =>
  p.send({ flags: '.', seq: 1_001, ack: s.seq + 1, sport: s.dport, dport: s.sport, src: s.dst, options: 'ts=78', ...more });

describe('a SYN', () => {
  it('is answered with what both ends can, and the ACK makes a connection', () => {
    const p = new TestPeer();
    const so = p.listen(80);
    p.send(SYN);
    const s = p.one();
    expect(line(s)).toBe('S. <mss 1460,wscale 6,sackOK,TS> length 0');
    expect([s.ack, s.tsecr, s.win, s.src, s.dst]).toEqual([1_001, 77, 65_535, HOST, PEER]);
    expect([p.vnet.tcp.syncache.count, so.accept()]).toEqual([1, null]);
    ack(p, s);
    const c = so.accept();
    expect([p.vnet.tcp.syncache.count, c?.isConnected, c?.peer()?.port, c?.tp.maxseg, c?.tp.sndScale, c?.tp.rcvScale]).toEqual([0, true, 4_000, 1_388, 3, 6]);
    expect(c?.tp.tsOffset).toBe(p.vnet.tcp.newTsOffset(c!.tp));
    expect(syncache(p)).toEqual({ sc_added: 1, sc_completed: 1, sc_sendcookie: 1 });
    expect([p.stats.accepts, p.stats.connects]).toEqual([1, 1]);
  });

  it('that offers nothing gets nothing', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send({ ...SYN, options: '' });
    expect(line(p.one())).toBe('S. <mss 1460> length 0');
  });

  it('of a socket without options is answered without', () => {
    const p = new TestPeer();
    p.listen(80, 10, 'TCP_NOOPT');
    p.send(SYN);
    expect(line(p.one())).toBe('S. length 0');
  });

  it('is answered again after 1, 2 and 4 seconds, and forgotten after 8', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send(SYN);
    const first = p.one();
    const begun = p.net.now;
    p.pass(20_000);
    const again = p.wire.take().map((f) => f.time - begun);
    expect(seconds(again)).toEqual([1, 3, 7]);
    expect(p.vnet.tcp.syncache.count).toBe(0);
    expect(syncache(p)).toEqual({ sc_added: 1, sc_retransmitted: 3, sc_stale: 1, sc_sendcookie: 1 });
    // What comes too late is nobody's.
    ack(p, first);
    expect(p.lines()).toEqual(['R length 0']);
  });

  it('as often as net.inet.tcp.syncache.rexmtlimit says', () => {
    const p = new TestPeer();
    p.sysctl('net.inet.tcp.syncache.rexmtlimit', 0);
    p.listen(80);
    p.send(SYN).pass(20_000);
    expect(p.heard().length).toBe(1);
  });

  it('that comes again is answered again with the same number, and the time begins anew', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send(SYN);
    const first = p.one();
    p.pass(900).send({ ...SYN, options: 'mss=1400 ws=3 sack ts=99' });
    const second = p.one();
    expect([second.seq, second.tsecr]).toEqual([first.seq, 99]);
    p.pass(900);
    expect(p.heard()).toEqual([]);
    p.pass(200);
    expect(p.heard().length).toBe(1);
    expect(syncache(p)).toEqual({ sc_added: 1, sc_dupsyn: 1, sc_retransmitted: 1, sc_sendcookie: 1 });
  });

  it('from the very end it goes to is ignored', () => {
    const p = new TestPeer();
    p.listen(80);
    p.sysctl('net.inet.tcp.log_debug', 1);
    p.send({ ...SYN, src: HOST, sport: 80 });
    expect([p.heard(), p.vnet.tcp.syncache.count]).toEqual([[], 0]);
  });
});

describe('the ACK', () => {
  it('must acknowledge our number and be in the window; the entry stays', () => {
    const p = new TestPeer();
    const so = p.listen(80);
    p.send(SYN);
    const s = p.one();
    ack(p, s, { ack: s.seq + 2 });
    ack(p, s, { seq: 1_000 });
    ack(p, s, { seq: 1_001 + 65_535 });
    expect(p.lines()).toEqual(['R length 0', 'R length 0', 'R length 0']);
    ack(p, s);
    expect(so.accept()?.isConnected).toBe(true);
  });

  it('must have the timestamps that were agreed upon, and none older', () => {
    const p = new TestPeer();
    const so = p.listen(80);
    p.send(SYN);
    const s = p.one();
    ack(p, s, { options: '' });
    ack(p, s, { options: 'ts=76' });
    expect([p.heard(), p.vnet.tcp.syncache.count]).toEqual([[], 1]);
    ack(p, s, { options: 'ts=77' });
    expect(so.accept()?.isConnected).toBe(true);
  });

  it('brings its data to the connection', () => {
    const p = new TestPeer();
    const so = p.listen(80);
    p.send(SYN);
    ack(p, p.one(), { flags: 'P.', data: 'hello' });
    expect(so.accept()?.readable).toBe(5);
  });

  it('that finds the accept queue full is refused, and said so once a minute', () => {
    const p = new TestPeer();
    p.listen(80, 2);
    const knock = (sport: number): void => {
      p.send({ ...SYN, sport });
      ack(p, p.one());
    };
    for (let i = 0; i < 4; i++) knock(4_000 + i);
    expect(p.heard()).toEqual([]);
    for (let i = 4; i < 7; i++) {
      knock(4_000 + i);
      expect(p.lines()).toEqual(['R length 0']);
    }
    expect([p.stats.listendrop, p.stats.sc_aborted, p.vnet.tcp.pcbs.count]).toEqual([3, 3, 5]);
    const text = (n: number): string => `sonewconn: pcb (0.0.0.0:80 (proto 6)): Listen queue overflow: 4 already in queue awaiting acceptance (${n} occurrences)`;
    expect(p.net.log.map((l) => l.message)).toEqual([text(1)]);
    p.pass(61_000);
    knock(5_000);
    expect(p.net.log.map((l) => l.message)).toEqual([text(1), text(3)]);
    p.heard();
    p.sysctl('net.inet.tcp.syncache.rst_on_sock_fail', 0);
    knock(5_001);
    expect(p.heard()).toEqual([]);
  });
});

describe('a reset', () => {
  it('of the next number ends it; one in the window is asked about; others are ignored', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send(SYN);
    const s = p.one();
    const rst = (seq: number): TestPeer => p.send({ flags: 'R', seq, sport: 4_000, dport: 80 });
    rst(1_000).send({ flags: 'R', seq: 1_001, sport: 4_001, dport: 80 });
    expect([p.heard(), p.stats.badrst]).toEqual([[], 2]);
    rst(1_002);
    const challenge = p.one();
    expect([challenge.flags, challenge.seq, challenge.ack, p.stats.badrst]).toEqual(['.', s.seq + 1, 1_001, 3]);
    rst(1_001);
    expect([p.heard(), p.vnet.tcp.syncache.count, p.stats.sc_reset]).toEqual([[], 0, 1]);
  });

  it('answers a SYN|ACK, which ends the entry', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send(SYN);
    const s = p.one();
    p.send({ flags: 'S.', seq: 5, ack: s.seq + 1, sport: 4_000, dport: 80 });
    expect([p.lines(), p.vnet.tcp.syncache.count, p.stats.sc_badack]).toEqual([['R length 0'], 0, 1]);
  });
});

describe('an ICMP error about the SYN|ACK', () => {
  it('is believed the second time, when three were not answered', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send(SYN);
    const { packet } = p.one();
    p.unreach(packet, 1).unreach(packet, 1);
    expect(p.vnet.tcp.syncache.count).toBe(1);
    p.pass(7_500).unreach(packet, 1);
    expect([p.vnet.tcp.syncache.count, p.stats.sc_unreach]).toEqual([0, 1]);
  });

  it('is not, when it quotes another number', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send(SYN);
    const { packet } = p.one();
    packet[24]! ^= 1;
    p.pass(7_500).unreach(packet, 1).unreach(packet, 1);
    expect([p.vnet.tcp.syncache.count, p.stats.sc_unreach]).toEqual([1, 0]);
  });
});

describe('a flood of SYNs', () => {
  /** `n` SYNs from everywhere, 100 a millisecond. */
  const flood = (p: TestPeer, n: number): void => {
    for (let i = 0; i < n; i++) {
      p.send({ ...SYN, src: `198.18.${(i >>> 8) & 255}.${i & 255}`, sport: 1_024 + (i % 60_000), seq: (i * 7_919) >>> 0 });
      if (i % 100 === 0) p.pass(1).wire.take();
    }
    p.wire.take();
  };

  it('takes bounded memory, and a client gets through with a cookie', () => {
    const p = new TestPeer();
    const so = p.listen(80, 10);
    flood(p, 12_000);
    const { syncache: cache } = p.vnet.tcp;
    expect(p.stats.sc_bucketoverflow).toBe(1);
    expect(cache.count).toBe(0);
    expect(cache.bytes).toBeLessThan(2 * cache.cachelimit * SC_BYTES);
    expect(p.net.log.map((l) => l.message)).toEqual([expect.stringMatching(/^TCP syncache overflow detected; using syncookies for the next 15 seconds \(last SYN: TCP: \[198\.18\.\d+\.\d+\]:\d+ to \[192\.0\.2\.1\]:80\)$/)]);
    p.send({ ...SYN, src: '203.0.113.7', sport: 5_000 });
    const s = p.one();
    flood(p, 2_000);
    expect([cache.count, so.accept()]).toEqual([0, null]);
    ack(p, s, { flags: 'P.', data: 'hello' });
    const c = so.accept();
    // 1400 fits the table of segment sizes, 3 does not that of scales.
    expect([c?.isConnected, c?.readable, c?.tp.maxseg, c?.tp.sndScale, c?.tp.rcvScale]).toEqual([true, 5, 1_388, 2, 6]);
    expect([p.stats.sc_recvcookie, p.stats.sc_completed]).toEqual([1, 1]);
    expect(p.net.kernel.engine.pool.inUse - p.vnet.tcp.packetsHeld()).toBe(0);
  });

  it('never holds more than the limits say', () => {
    const p = new TestPeer();
    p.sysctl('net.inet.tcp.syncookies', 0);
    p.sysctl('net.inet.tcp.syncache.cachelimit', 500);
    p.listen(80);
    flood(p, 3_000);
    expect([p.vnet.tcp.syncache.count <= 500, p.stats.sc_zonefail > 0, p.stats.sc_sendcookie]).toEqual([true, true, 0]);
    p.pass(20_000);
    p.sysctl('net.inet.tcp.syncache.cachelimit', 100_000);
    p.sysctl('net.inet.tcp.syncache.bucketlimit', 1);
    flood(p, 3_000);
    expect(p.vnet.tcp.syncache.count).toBeLessThanOrEqual(512);
    expect(p.net.log).toEqual([]);
    p.pass(20_000);
    expect([p.vnet.tcp.syncache.count, p.vnet.tcp.states[3]]).toEqual([0, 0]);
  });

  it('that goes on is waited out longer each time', () => {
    const p = new TestPeer();
    p.sysctl('net.inet.tcp.syncache.bucketlimit', 1);
    p.listen(80);
    const times: string[] = [];
    for (let i = 0; i < 4; i++) {
      flood(p, 600);
      times.push(/next (\d+)/.exec(p.net.log.at(-1)!.message)![1]!);
      p.pass(Number(times.at(-1)) * 1_000 + 1_000);
    }
    expect(times).toEqual(['15', '30', '60', '120']);
    p.pass(600_000);
    flood(p, 600);
    expect(p.net.log.at(-1)?.message).toMatch(/next 15/);
  });

  it('is the only time cookies are believed, and a while after', () => {
    const p = new TestPeer();
    const so = p.listen(80);
    p.send(SYN);
    const before = p.one();
    p.send({ flags: 'R', seq: 1_001, sport: 4_000, dport: 80 });
    ack(p, before);
    expect([p.lines(), so.accept()]).toEqual([['R length 0'], null]);
    p.sysctl('net.inet.tcp.syncookies_only', 1);
    p.send({ ...SYN, sport: 4_001 });
    const s = p.one();
    expect(p.vnet.tcp.syncache.count).toBe(0);
    ack(p, s, { ack: s.seq + 257 });
    expect([p.lines(), so.accept()]).toEqual([['R length 0'], null]);
    ack(p, s);
    expect(so.accept()?.isConnected).toBe(true);
    p.send({ ...SYN, sport: 4_002 });
    const late = p.one();
    p.pass(31_000);
    ack(p, late);
    expect([p.lines(), so.accept()]).toEqual([['R length 0'], null]);
  });
});

describe('listeners with SO_REUSEPORT_LB', () => {
  it('share the connections that come; others wait until all of them are gone', () => {
    const p = new TestPeer();
    const all = [0, 1, 2].map(() => {
      const so = p.socket();
      expect([so.setsockopt('SO_REUSEPORT_LB', 1), p.call(() => so.bind(0, 80) || so.listen(100))]).toEqual([0, 0]);
      return so;
    });
    for (let sport = 4_000; sport < 4_060; sport++) {
      p.send({ ...SYN, sport });
      ack(p, p.one());
    }
    const got = all.map((so) => so.acceptQueue.length);
    expect([got.reduce((a, b) => a + b), got.every((n) => n > 5), p.stats.sc_completed]).toEqual([60, true, 60]);
    const alone = p.socket();
    expect(p.call(() => alone.bind(0, 80))).toBe(48);
  });
});

describe('a vnet that ends', () => {
  it('leaves nothing of its half-open connections', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send(SYN);
    p.wire.take();
    expect([p.vnet.tcp.syncache.count, p.vnet.tcp.states[3]]).toEqual([1, 1]);
    p.call(() => p.vnet.tcp.destroy());
    expect([p.vnet.tcp.syncache.count, p.vnet.tcp.states[3]]).toEqual([0, 0]);
  });
});
