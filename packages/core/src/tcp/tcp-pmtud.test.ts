/**
 * tcp-pmtud.test.ts — what ICMP may do to a connection, and paths that take less than their first link.
 */
import { describe, expect, it } from 'vitest';
import { ECONNREFUSED, EHOSTUNREACH } from '../base/errno.js';
import { ip4 } from '../sim/craft.js';
import type { StreamSocket } from '../socket/stream-socket.js';
import { tcpNextPmtu } from './tcp-pmtud.js';
import { PEER, TestPeer } from '../sim/tcp-peer.js';
import type { Heard } from '../sim/tcp-peer.js';

const HOST_UNREACH = 1;
const PORT_UNREACH = 3;
const NEEDFRAG = 4;

/** A connection the peer made, its MSS 1460, and what was sent of `n` bytes. */
function connected(n: number, mss = 1_460): { p: TestPeer; c: StreamSocket; seq: number; sent: Heard[] } {
  const p = new TestPeer();
  p.sysctl('net.inet.tcp.tso', 0);
  const so = p.listen(80, 10, 'TCP_NODELAY');
  p.send({ flags: 'S', seq: 1_000, sport: 4_000, dport: 80, options: `mss=${mss}` });
  const s = p.one();
  p.send({ flags: '.', seq: 1_001, ack: s.seq + 1, sport: 4_000, dport: 80 });
  const c = so.accept();
  if (c === null) throw new Error('no connection');
  p.call(() => c.send(new Uint8Array(n).fill(0x78)));
  return { p, c, seq: s.seq + 1, sent: p.heard() };
}

const lengths = (all: Heard[]): number[] => all.map((h) => h.data.length);
const df = (h: Heard): boolean => (h.packet[6]! & 0x40) !== 0;

describe('the MTU a router means', () => {
  it.each([[1_400, 1_500, 1_400], [0, 1_500, 1_492], [0, 1_492, 1_280], [0, 65_535, 32_000], [0, 68, 256], [100, 1_500, 256]])('told %i of a packet of %i bytes: %i', (told, len, mtu) => {
    expect(tcpNextPmtu(told, len, 216)).toBe(mtu);
  });
});

describe('"fragmentation needed"', () => {
  it('makes segments shorter at once, without slowing down', () => {
    const { p, c, seq, sent } = connected(4_000);
    expect(lengths(sent)).toEqual([1_460, 1_460, 1_080]);
    const { cwnd } = c.tp;
    p.unreach(sent[0]!.packet, NEEDFRAG, 1_300);
    const again = p.heard();
    expect([lengths(again), again[0]?.seq]).toEqual([[1_260, 200, 1_260, 200, 1_080], seq]);
    expect([c.tp.maxseg, c.tp.cwnd, p.stats.mturesent, p.stats.rexmttimeo]).toEqual([1_260, cwnd, 1, 0]);
  });

  it('is for all connections to the peer, also new ones', () => {
    const { p, sent } = connected(4_000);
    p.unreach(sent[0]!.packet, NEEDFRAG, 1_300);
    p.heard();
    expect(p.vnet.kern.sysctl.find('net.inet.tcp.hostcache.list')?.get()).toContain('192.0.2.2        1300');
    p.send({ flags: 'S', seq: 1_000, sport: 4_001, dport: 80, options: 'mss=1460' });
    expect(p.one().mss).toBe(1_260);
  });

  it('works without a hostcache', () => {
    const { p, c, sent } = connected(4_000);
    p.sysctl('net.inet.tcp.hostcache.enable', 0);
    p.unreach(sent[0]!.packet, NEEDFRAG, 1_300);
    expect(c.tp.maxseg).toBe(1_260);
  });

  it('must quote what is in flight, and a smaller MTU', () => {
    const { p, c, sent, seq } = connected(4_000);
    const quote = sent[0]!.packet.slice();
    const seqAt = (n: number): Uint8Array => {
      new DataView(quote.buffer).setUint32(24, n);
      return quote;
    };
    p.unreach(seqAt(seq - 1), NEEDFRAG, 1_300).unreach(seqAt(seq + 4_000), NEEDFRAG, 1_300).unreach(seqAt(seq), NEEDFRAG, 1_500);
    expect([p.heard(), c.tp.maxseg, p.stats.mturesent, p.vnet.tcp.hostcache.count]).toEqual([[], 1_460, 0, 0]);
    p.unreach(seqAt(seq + 3_999), NEEDFRAG, 100);
    expect(c.tp.maxseg).toBe(216);
  });
});

describe('other errors', () => {
  const connecting = (): { p: TestPeer; so: StreamSocket; syn: Heard } => {
    const p = new TestPeer();
    const so = p.socket();
    p.call(() => so.connect(ip4(PEER), 80));
    return { p, so, syn: p.one() };
  };

  it('refuse a connection that is being made, when nobody listens', () => {
    const { p, so, syn } = connecting();
    p.unreach(syn.packet, PORT_UNREACH);
    expect(so.getsockopt('SO_ERROR')).toBe(ECONNREFUSED);
  });

  it('do not, with net.inet.tcp.icmp_may_rst=0, or when they quote another number', () => {
    const { p, so, syn } = connecting();
    p.sysctl('net.inet.tcp.icmp_may_rst', 0);
    p.unreach(syn.packet, PORT_UNREACH);
    syn.packet[24]! ^= 1;
    p.sysctl('net.inet.tcp.icmp_may_rst', 1);
    p.unreach(syn.packet, PORT_UNREACH);
    expect([so.getsockopt('SO_ERROR'), so.tp.state]).toEqual([0, 2]);
  });

  it('that may pass are what a timeout reports, and end the attempt when they persist', () => {
    const { p, so, syn } = connecting();
    p.unreach(syn.packet, HOST_UNREACH);
    expect(so.getsockopt('SO_ERROR')).toBe(0);
    p.pass(16_000).unreach(syn.packet, HOST_UNREACH);
    expect(so.getsockopt('SO_ERROR')).toBe(EHOSTUNREACH);
  });

  it('do nothing to a connection that is there', () => {
    const { p, c, sent } = connected(100);
    p.unreach(sent[0]!.packet, HOST_UNREACH).unreach(sent[0]!.packet, PORT_UNREACH);
    expect([c.isConnected, c.getsockopt('SO_ERROR')]).toEqual([true, 0]);
  });
});

describe('a black hole', () => {
  /** The first segment of each retransmission, until `ms` have passed: its length and whether it must not be fragmented. */
  const rexmits = (p: TestPeer, ms: number): [number, boolean][] => {
    const all: [number, boolean][] = [];
    let last = -1;
    for (const f of p.pass(ms).wire.take()) {
      const bytes = f.bytes.subarray(14);
      if (bytes[9] !== 6 || f.time === last) continue;
      last = f.time;
      all.push([new DataView(bytes.buffer, bytes.byteOffset).getUint16(2) - 40, (bytes[6]! & 0x40) !== 0]);
    }
    return all;
  };

  it('is not looked for by default', () => {
    const { p, sent } = connected(4_000);
    expect(sent.every(df)).toBe(true);
    expect(rexmits(p, 100_000).every(([n]) => n === 1_460)).toBe(true);
  });

  it('is: smaller segments after two timeouts, 536 bytes and fragments after four, as before after six, and the same again', () => {
    const { p, c } = connected(4_000);
    p.sysctl('net.inet.tcp.pmtud_blackhole_detection', 1);
    const sizes = rexmits(p, 130_000).map(([n, d]) => `${n}${d ? '' : ' may be fragmented'}`);
    // The reset at the end has no data.
    expect([...new Set(sizes)]).toEqual(['1460', '1200', '536 may be fragmented', '0']);
    expect([p.stats.pmtud_blackhole_activated, p.stats.pmtud_blackhole_activated_min_mss, p.stats.pmtud_blackhole_failed, c.tp.maxseg]).toEqual([2, 2, 2, 1_460]);
  });

  it('is got through when the smaller size passes', () => {
    const { p, c, seq } = connected(4_000);
    p.sysctl('net.inet.tcp.pmtud_blackhole_detection', 2);
    let got = 0;
    for (let i = 0; i < 100 && got < 4_000; i++) {
      p.pass(500);
      // Nothing above 1,300 bytes arrives.
      for (const h of p.heard().filter((x) => x.packet.length <= 1_300)) if (h.seq <= seq + got) got = Math.max(got, h.seq + h.data.length - seq);
      p.send({ flags: '.', seq: 1_001, ack: seq + got, sport: 4_000, dport: 80 });
    }
    expect([got, c.tp.maxseg, p.stats.pmtud_blackhole_activated]).toEqual([4_000, 1_200, 1]);
  });

  it('has nothing to do with segments that are short anyway', () => {
    const { p, c } = connected(100);
    p.sysctl('net.inet.tcp.pmtud_blackhole_detection', 1);
    p.pass(60_000);
    expect([c.tp.maxseg, p.stats.pmtud_blackhole_activated, p.stats.pmtud_blackhole_activated_min_mss]).toEqual([1_460, 0, 0]);
  });
});
