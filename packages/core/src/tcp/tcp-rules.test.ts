/**
 * tcp-rules.test.ts — rules at the edges of TCP: who may talk to whom, conversations of a socket with itself, sequence numbers that wrap, windows of small
 * segments, and the sizes and thresholds that a program chooses.
 */
import { describe, expect, it } from 'vitest';
import { EACCES, EADDRINUSE, EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EINPROGRESS, EINVAL } from '../base/errno.js';
import { ip4 } from '../sim/craft.js';
import { SimNet } from '../sim/sim-net.js';
import { Pair } from '../sim/tcp-pair.js';
import { HOST, PEER, TestPeer } from '../sim/tcp-peer.js';
import { MSG_OOB, MSG_WAITALL, PF_INET6, SHUT_WR, SOCK_STREAM } from '../socket/socket-type.js';
import type { Ip6Name } from '../transport/in6-pcb.js';
import type { Vnet } from '../vnet/vnet.js';
import { ip6Parse } from '../wire/addr6.js';
import { checkTcpCb } from './tcpcb.js';

/** A vnet with 127.0.0.1. */
function lone(net: SimNet): Vnet {
  const v = net.vnet('v');
  net.addr(v, v.net.ifunit('lo0')!, '127.0.0.1/8');
  return v;
}

const at = (text: string): Ip6Name => ({ addr: ip6Parse(text)!, scopeId: 0 });

describe('a conversation has two ends, and each is one', () => {
  it.each(['192.0.2.255', '255.255.255.255', '0.0.0.0', '224.0.0.5'])('hears nothing from %s', (src) => {
    const p = new TestPeer();
    p.listen(80);
    p.send({ flags: 'S', seq: 100, sport: 4_000, dport: 80, src });
    p.send({ flags: '.', seq: 100, ack: 7, sport: 4_000, dport: 81, src });
    expect(p.lines()).toEqual([]);
    expect(p.vnet.tcp.syncache.count).toBe(0);
  });

  it('refuses a SYN of its own address and port (land)', () => {
    const p = new TestPeer();
    p.listen(80);
    p.send({ flags: 'S', seq: 100, sport: 80, dport: 80, src: HOST });
    expect(p.lines()).toEqual([]);
    expect(p.vnet.tcp.syncache.count).toBe(0);
  });

  it('neither connects nor binds to groups, and not to everybody', () => {
    const p = new TestPeer();
    expect(p.call(() => p.socket().connect(ip4('224.0.0.5'), 80))).toBe(EAFNOSUPPORT);
    expect(p.call(() => p.socket().connect(ip4('255.255.255.255'), 80))).toBe(EACCES);
    expect(p.call(() => p.socket().bind(ip4('224.0.0.5'), 80))).toBe(EAFNOSUPPORT);
    const six = p.vnet.sockets.socket(PF_INET6, SOCK_STREAM).so!;
    expect(six.setsockopt('IPV6_V6ONLY', 0)).toBe(0);
    for (const [name, error] of [['ff02::1', EAFNOSUPPORT], ['::ffff:224.0.0.5', EAFNOSUPPORT], ['::ffff:255.255.255.255', EACCES]] as const) {
      expect(p.call(() => six.connect(at(name), 80))).toBe(error);
    }
    expect(p.call(() => six.bind(at('ff02::1'), 80))).toBe(EAFNOSUPPORT);
    expect(p.call(() => six.bind(at('::ffff:224.0.0.5'), 80))).toBe(EAFNOSUPPORT);
    expect(p.lines()).toEqual([]);
  });
});

describe('a socket that connects to itself', () => {
  it('is a simultaneous open with itself, and reads what it writes', () => {
    const net = new SimNet(3);
    const v = lone(net);
    const so = net.stream(v);
    expect(so.bind(ip4('127.0.0.1'), 4_000)).toBe(0);
    expect(net.kernel.call(net.now, () => so.connect(ip4('127.0.0.1'), 4_000))).toBe(EINPROGRESS);
    net.run(1_000_000);
    expect(so.isConnected).toBe(true);
    expect(so.peer()).toEqual(so.name());
    const big = new Uint8Array(30_000).fill(7);
    expect(net.kernel.call(net.now, () => so.send(big))).toBe(30_000);
    net.run(1_000_000);
    const into = new Uint8Array(40_000);
    expect(so.recv(into)).toBe(30_000);
    checkTcpCb(so.tp);
    expect(net.kernel.call(net.now, () => so.shutdown(SHUT_WR))).toBe(0);
    net.run(1_000_000);
    expect(so.recv(into)).toBe(0);
    so.close();
    net.run(200_000_000);
    expect(v.tcp.pcbs.count).toBe(0);
  });
});

describe('TIME_WAIT', () => {
  it.each([[0, 1], [1, 0]])('between two sockets of one vnet, net.inet.tcp.nolocaltimewait=%i: %i', (value, left) => {
    const net = new SimNet(3);
    const v = lone(net);
    expect(v.kern.sysctl.set('net.inet.tcp.nolocaltimewait', value)).toBe(0);
    const l = net.listen(v, 80);
    const client = net.connect(v, '127.0.0.1', 80);
    net.run(1_000);
    const server = l.accept()!;
    net.kernel.call(net.now, () => client.close());
    net.run(1_000);
    net.kernel.call(net.now, () => server.close());
    net.run(1_000);
    expect(v.tcp.timeWaits.count).toBe(left);
    expect(v.tcp.pcbs.count).toBe(1 + left);
  });
});

describe('a socket whose connection is gone', () => {
  it('is neither bound nor connected again, and does not say that it is connected', () => {
    const p = new TestPeer();
    const so = p.socket();
    expect(p.call(() => so.connect(ip4(PEER), 80))).toBe(EINPROGRESS);
    const syn = p.one();
    p.send({ flags: 'R.', seq: 0, ack: syn.seq + 1, sport: 80, dport: syn.sport });
    expect(so.getsockopt('SO_ERROR')).toBe(ECONNREFUSED);
    expect(p.call(() => so.connect(ip4(PEER), 80))).toBe(ECONNREFUSED);
    expect(so.bind(0, 4_000)).toBe(EINVAL);
    expect(p.vnet.tcp.pcbs.count).toBe(0);
  });
});

describe('sequence numbers that wrap', () => {
  it.each([0x7fff_ff00, 0xffff_ff00, 0x7ffe_0000])('carries data across, from %i on', (start) => {
    const pair = new Pair({ seed: 7 });
    for (const v of [pair.a, pair.b]) v.tcp.newIss = () => start | 0;
    pair.connect();
    // One in twenty is lost, so that holes are SACKED across the wrap.
    pair.data = (s) => (s.nth % 20 === 7 && !s.again ? 'drop' : 'pass');
    expect(pair.transfer(1_000_000)).toBeGreaterThan(0);
  });
});

describe('the receive window', () => {
  it('does not give more than the buffer holds to a peer that sends byte by byte', () => {
    const p = new TestPeer();
    const l = p.listen(80);
    expect(l.setsockopt('SO_RCVBUF', 1_460)).toBe(0);
    p.send({ flags: 'S', seq: 100, sport: 4_000, dport: 80, options: 'mss ws=7' });
    const { seq } = p.one();
    p.send({ flags: '.', seq: 101, ack: seq + 1, sport: 4_000, dport: 80 });
    const so = p.call(() => l.accept())!;
    for (let i = 0; i < 1_800; i++) p.send({ flags: 'P.', seq: 101 + i, ack: seq + 1, sport: 4_000, dport: 80, data: 'x' }).pass(50);
    // The scale cannot say the last few bytes.
    expect(so.readable).toBeLessThan(so.getsockopt('SO_RCVBUF')! + (1 << so.tp.rcvScale));
    expect(p.heard().at(-1)!.win).toBe(0);
    checkTcpCb(so.tp);
  });
});

describe('sizes that a program chooses', () => {
  const fast = (receiver: number, sender: number): [number, number] => {
    const pair = new Pair({ seed: 2 }).connect();
    if (receiver > 0) expect(pair.server.setsockopt('SO_RCVBUF', receiver)).toBe(0);
    if (sender > 0) expect(pair.client.setsockopt('SO_SNDBUF', sender)).toBe(0);
    expect(pair.transfer(4_000_000)).toBeGreaterThan(0);
    return [pair.server.getsockopt('SO_RCVBUF')!, pair.client.getsockopt('SO_SNDBUF')!];
  };

  it('stay, and others grow', () => {
    const [rcv, snd] = fast(0, 0);
    expect(rcv).toBeGreaterThan(70_000);
    expect(snd).toBeGreaterThan(40_000);
    expect(fast(50_000, 0)[0]).toBe(50_000);
    expect(fast(0, 40_000)[1]).toBe(40_000);
  });

  it('are those of the connections that a listener gets', () => {
    const net = new SimNet(4);
    const v = lone(net);
    const l = net.stream(v);
    for (const [name, value] of [['SO_RCVBUF', 50_000], ['SO_SNDBUF', 60_000], ['SO_RCVLOWAT', 100], ['SO_LINGER', 5], ['SO_REUSEADDR', 1]] as const) expect(l.setsockopt(name, value)).toBe(0);
    expect(l.bind(0, 80)).toBe(0);
    expect(net.stream(v).bind(0, 80)).toBe(EADDRINUSE);
    expect(l.listen(5)).toBe(0);
    net.connect(v, '127.0.0.1', 80);
    net.run(1_000);
    const so = l.accept()!;
    expect(['SO_RCVBUF', 'SO_SNDBUF', 'SO_RCVLOWAT', 'SO_LINGER', 'SO_REUSEADDR'].map((o) => so.getsockopt(o))).toEqual([65_376, 65_376, 100, 5, 1]); // whole segments
    expect([so.rcv.autosize, so.tp.snd.autosize]).toEqual([false, false]);
  });

  it('SO_RCVLOWAT: the program is told from there on, and at the end', () => {
    const pair = new Pair({ seed: 2 }).connect();
    const { client, server } = pair;
    expect(server.setsockopt('SO_RCVLOWAT', 100)).toBe(0);
    let told = 0;
    server.onReadable = () => {
      told++;
    };
    for (const [bytes, times] of [[50, 0], [49, 0], [1, 1], [1, 2]] as const) {
      pair.net.kernel.call(pair.net.now, () => client.send(new Uint8Array(bytes)));
      pair.run(1_000_000);
      expect(told).toBe(times);
    }
    expect(server.recv(new Uint8Array(1_000))).toBe(101);
    pair.net.kernel.call(pair.net.now, () => client.shutdown(SHUT_WR));
    pair.run(1_000_000);
    expect(told).toBe(3);
  });

  it('MSG_WAITALL for more than fits gives what fits', () => {
    const pair = new Pair({ seed: 2 }).connect();
    const { client, server } = pair;
    const into = new Uint8Array(200_000);
    expect(server.recv(into, MSG_WAITALL)).toBe(-EAGAIN);
    pair.net.kernel.call(pair.net.now, () => client.sendOwned(new Uint8Array(200_000)));
    pair.run(5_000_000);
    expect(server.recv(into, MSG_WAITALL)).toBeGreaterThan(60_000);
  });
});

describe('urgent data', () => {
  it('has its mark where it is, however much goes before it at once', () => {
    const pair = new Pair({ seed: 2 }).connect();
    const { client, server } = pair;
    pair.net.kernel.call(pair.net.now, () => {
      client.send(new Uint8Array(9_999).fill(1));
      client.send(Uint8Array.of(2), MSG_OOB);
      client.send(new Uint8Array(20_000).fill(3));
    });
    pair.run(5_000_000);
    const into = new Uint8Array(40_000);
    expect(server.recv(into)).toBe(9_999);
    expect(server.atMark).toBe(true);
    expect(server.recv(into)).toBe(20_001);
    expect([into[0], into[1]]).toEqual([2, 3]);
  });
});
