/**
 * tcp-timeout.test.ts — timers that come late, connections that are given up and what that counts as; what is limited and counted; errors of the path.
 */
import { describe, expect, it } from 'vitest';
import { EHOSTUNREACH, ETIMEDOUT } from '../base/errno.js';
import { RTF_GATEWAY, RTF_REJECT, RTF_STATIC } from '../net/route/nexthop.js';
import { ip4 } from '../sim/craft.js';
import { TestPeer, line } from '../sim/tcp-peer.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import { MSG_OOB } from '../socket/socket-type.js';

interface Talk {
  readonly p: TestPeer;
  readonly so: StreamSocket;
  /** Number of the vnet's next byte. */
  readonly seq: number;
  readonly ends: { readonly sport: number; readonly dport: 80 };
}

/** A connection of the peer's, from `sport`, to port 80; the peer's next byte is 1001. */
function open(p: TestPeer, listener: StreamSocket, sport: number): Talk {
  const ends = { sport, dport: 80 } as const;
  p.send({ ...ends, flags: 'S', seq: 1_000, options: 'mss=1460' });
  const seq = p.one().seq + 1;
  p.send({ ...ends, flags: '.', seq: 1_001, ack: seq });
  const so = listener.accept();
  if (so === null) throw new Error('no connection');
  p.heard();
  return { p, so, seq, ends };
}

function one(): Talk {
  const p = new TestPeer();
  return open(p, p.listen(80), 4_000);
}

describe('a host that was busy', () => {
  it('looks at the acknowledgement that came meanwhile before it sends anything again', () => {
    const { p, so, seq, ends } = one();
    p.call(() => so.send(new Uint8Array(100)));
    expect(p.lines()).toEqual(['P. length 100']);
    p.net.kernel.tick(p.net.now + 900_000); // the timer was due long ago, and the host comes only now
    expect(p.lines()).toEqual([]);
    p.send({ ...ends, flags: '.', seq: 1_001, ack: seq + 100 }).pass(60_000);
    expect(p.lines()).toEqual([]);
    expect(p.stats).toMatchObject({ rexmttimeo: 0, sndrexmitpack: 0 });
  });

  it('sends again when nothing has come', () => {
    const { p, so } = one();
    p.call(() => so.send(new Uint8Array(100)));
    p.heard();
    p.net.kernel.tick(p.net.now + 900_000);
    expect(p.pass(2).lines()).toEqual(['P. length 100']);
    expect(p.stats).toMatchObject({ rexmttimeo: 1, sndrexmitpack: 1 });
  });
});

it.each([
  ['rexmit_retries is used up', 0, { timeoutdrop: 1, progdrops: 0 }],
  ['the user timeout is over', 3_000, { timeoutdrop: 0, progdrops: 1 }],
])('a peer that says nothing is given up when %s', (_why, userTimeoutMs, counters) => {
  const { p, so } = one();
  so.setsockopt('TCP_USER_TIMEOUT', userTimeoutMs);
  p.call(() => so.send(new Uint8Array(100)));
  p.pass(1_000_000);
  expect(so.getsockopt('SO_ERROR')).toBe(ETIMEDOUT);
  expect(p.stats).toMatchObject(counters);
});

it('a connection has its own number of challenges, which says nothing of another’s', () => {
  const p = new TestPeer();
  const listener = p.listen(80);
  p.sysctl('net.inet.tcp.ack_war_cnt', 3);
  const [a, b] = [open(p, listener, 4_000), open(p, listener, 4_001)];
  const guess = (t: Talk): number => {
    p.send({ ...t.ends, flags: 'S', seq: 2_000 });
    return p.heard().length;
  };
  expect([1, 2, 3, 4, 5].map(() => guess(a))).toEqual([1, 1, 1, 0, 0]);
  expect([1, 2, 3, 4].map(() => guess(b))).toEqual([1, 1, 1, 0]);
  p.sysctl('net.inet.tcp.ack_war_timewindow', 500);
  p.pass(1_000);
  expect([1, 2, 3, 4].map(() => guess(a))).toEqual([1, 1, 1, 0]);
  p.pass(500);
  expect(guess(a)).toBe(1);
});

it('a FIN that comes again in TIME_WAIT is answered, and that is counted', () => {
  const { p, so, seq, ends } = one();
  p.call(() => so.close());
  expect(p.lines()).toEqual(['F. length 0']);
  const fin = { ...ends, flags: 'F.', seq: 1_001, ack: seq + 1 };
  p.send(fin);
  expect([p.heard().map(line), p.stats.tw_responds]).toEqual([['. length 0'], 0]);
  p.send(fin);
  expect([p.heard().map(line), p.stats.tw_responds]).toEqual([['. length 0'], 1]);
  p.send({ ...ends, flags: '.', seq: 1_002, ack: seq + 1 });
  expect([p.heard(), p.stats.tw_responds]).toEqual([[], 1]);
});

it('a window update while urgent data is in flight counts as what tells of that', () => {
  const { p, so, ends, seq } = one();
  p.call(() => so.send(new Uint8Array(10), MSG_OOB));
  p.heard();
  for (let at = 1_001; at < 1_001 + 64_240; at += 1_460) p.send({ ...ends, flags: '.', seq: at, ack: seq, data: 'x'.repeat(1_460) });
  p.heard();
  p.call(() => so.recv(new Uint8Array(65_536)));
  expect(p.lines()).toEqual(['. length 0']);
  expect(p.stats).toMatchObject({ sndurg: 1, sndwinup: 0 });
});

describe('resets', () => {
  it('for closed ports are as many a second as net.inet.icmp.icmplim says, and the log tells', () => {
    const p = new TestPeer();
    p.sysctl('net.inet.icmp.icmplim', 3);
    p.sysctl('net.inet.icmp.icmplim_jitter', 0);
    const scan = (n: number): number => Array.from({ length: n }, (_, i) => p.send({ flags: 'S', seq: 1, sport: 9, dport: 1_000 + i }).heard().length).reduce((a, b) => a + b, 0);
    expect(scan(10)).toBe(3);
    p.pass(1_000);
    expect(scan(1)).toBe(1);
    expect(p.net.log.map((l) => l.message)).toContain('Limiting closed port RST response from 10 to 3 packets/sec');
  });

  it('that a connection owes are sent, whatever net.inet.tcp.blackhole says of closed ports', () => {
    const { p, so, seq, ends } = one();
    p.sysctl('net.inet.tcp.blackhole', 2);
    p.call(() => so.close());
    p.heard();
    p.send({ ...ends, flags: '.', seq: 1_001, ack: seq + 1, data: 'late' });
    expect(p.lines()).toEqual(['R length 0']);
    expect(p.send({ flags: 'S', seq: 1, sport: 9, dport: 1_000 }).lines()).toEqual([]);
  });
});

describe('a path that is refused here', () => {
  const refuse = (p: TestPeer): void => {
    const error = p.call(() => p.vnet.routes.add({ fib: 0, family: 'inet', dst: ip4('203.0.113.0'), plen: 24, gateway: ip4('127.0.0.1'), flags: RTF_GATEWAY | RTF_STATIC | RTF_REJECT }));
    expect(error).toBe(0);
  };

  const peer = (): TestPeer => {
    const p = new TestPeer();
    if (p.vnet.net.loif !== null) p.net.addr(p.vnet, p.vnet.net.loif, '127.0.0.1/8');
    return p;
  };

  it('is what connect answers', () => {
    const p = peer();
    refuse(p);
    const so = p.socket();
    expect(p.call(() => so.connect(ip4('203.0.113.1'), 80))).toBe(EHOSTUNREACH);
  });

  it('is what a connection is given up for, and forgotten when the path is there again', () => {
    const p = peer();
    const so = p.socket();
    p.call(() => so.connect(ip4('203.0.113.1'), 80));
    const syn = p.one();
    p.send({ src: '203.0.113.1', flags: 'S.', seq: 1_000, ack: syn.seq + 1, sport: 80, dport: syn.sport }).heard();
    refuse(p);
    p.call(() => so.send(new Uint8Array(100)));
    expect([so.isConnected, so.tp.softError, p.lines()]).toEqual([true, EHOSTUNREACH, []]);
    p.call(() => p.vnet.routes.delete({ fib: 0, family: 'inet', dst: ip4('203.0.113.0'), plen: 24, flags: 0 }));
    p.pass(1_000);
    p.send({ src: '203.0.113.1', flags: '.', seq: 1_001, ack: syn.seq + 101, sport: 80, dport: syn.sport });
    p.call(() => so.send(new Uint8Array(100)));
    p.send({ src: '203.0.113.1', flags: '.', seq: 1_001, ack: syn.seq + 201, sport: 80, dport: syn.sport });
    expect(so.tp.softError).toBe(0);
    refuse(p);
    p.call(() => so.send(new Uint8Array(100)));
    p.pass(1_000_000);
    expect(so.getsockopt('SO_ERROR')).toBe(EHOSTUNREACH);
  });
});
