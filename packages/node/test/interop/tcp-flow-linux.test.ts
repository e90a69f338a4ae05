/**
 * tcp-flow-linux.test.ts — windows that close and open between a vnet and Linux, urgent data, data in the SYN, and ports that are used again at once.
 * Read first: tcp-linux.test.ts; RFC 9293 §3.8.6.1 (probes), RFC 6093, RFC 7413, RFC 6191.
 */
import { MSG_OOB } from '@netloom/core';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns } from './netns.js';
import { LIMIT, LINUX, TCP_PEERS, VNET, accepted, connectWith, exactly, fromLinux, listenWith, toLinux, withNeighbour, write } from './tcp-neighbour.js';

/** More than all buffers on the way. */
const HELD = 8_000_000;

describe('a closed window', () => {
  peer(...TCP_PEERS)('of Linux’s is probed by the vnet, and nothing is lost', LIMIT, () => withNeighbour(async (n) => {
    const { py, vnet } = n;
    const stream = await toLinux(n, 4);
    const data = Buffer.alloc(HELD, 'woof ');
    const writing = write(stream, data);
    await Netns.until('the vnet has probed', () => vnet.tcp.stats.sndprobe > 0, 25);
    expect(stream.socket.info().sndWnd).toBeLessThan(1448);
    expect(await py.run(`hashlib.sha256(exactly(s, ${HELD})).hexdigest() == hashlib.sha256(b'woof ' * ${HELD / 5}).hexdigest()`)).toBe(true);
    await writing;
    stream.abort();
  }));

  peer(...TCP_PEERS)('of the vnet’s is probed by Linux, and nothing is lost', LIMIT, () => withNeighbour(async (n) => {
    const { py, vnet } = n;
    const stream = await fromLinux(n, 4);
    const sending = py.run(`send_noise(s, ${HELD})[0]`);
    await Netns.until('Linux has probed', () => vnet.tcp.stats.rcvwinprobe > 0 || vnet.tcp.stats.rcvduppack > 0, 25);
    expect(stream.socket.info().rcvSpace).toBeLessThan(1448);
    const text = await exactly(stream, HELD);
    expect([await sending, text.length]).toEqual([HELD, HELD]);
    stream.abort();
  }));
});

describe('urgent data', () => {
  peer(...TCP_PEERS)('is marked on both sides', LIMIT, () => withNeighbour(async (n) => {
    const { py, vnet } = n;
    const stream = await fromLinux(n, 4);
    const so = stream.socket;
    await py.run('s.send(b"abc", MSG_OOB)');
    await Netns.until('it has come', () => so.readable === 3);
    const into = new Uint8Array(8);
    const reads = Array.from({ length: 2 }, () => [so.atMark, Buffer.from(into.subarray(0, vnet.kern.engine.outside(() => so.recv(into)))).toString()]);
    expect(reads).toEqual([[false, 'ab'], [true, 'c']]);
    expect(vnet.kern.engine.outside(() => so.send(Buffer.from('xyz'), MSG_OOB))).toBe(3);
    // Python would wait until the socket is readable, which urgent data does not make it.
    await py.run('s.setblocking(True)');
    expect([await py.run('exactly(s, 2)'), await py.run('s.recv(1, MSG_OOB)')]).toEqual(['xy', 'z']);
    stream.abort();
  }));
});

describe('data in the SYN', () => {
  peer(...TCP_PEERS)('of Linux’s, once it has a cookie of the vnet’s', LIMIT, () => withNeighbour(async ({ d, py, vnet }) => {
    await d.ok('v1', 'sysctl', 'net.inet.tcp.fastopen.server_enable=1');
    await py.run("sysctl('net.ipv4.tcp_fastopen', 3)");
    const listener = listenWith(vnet, { TCP_FASTOPEN: 1 }, { port: 80 });
    const seen: boolean[] = [];
    for (let i = 0; i < 2; i++) {
      await py.run(`s = socket(); s.setblocking(True); s.sendto(b'early', MSG_FASTOPEN, ('${VNET[4]}', 80)); s.settimeout(20)`);
      const stream = await accepted(listener);
      expect(await exactly(stream, 5)).toBe('early');
      await write(stream, 'answer');
      expect(await py.run('exactly(s, 6)')).toBe('answer');
      seen.push((await py.run<{ options: string[] }>('info(s)')).options.includes('syn_data'));
      stream.abort();
    }
    expect(seen).toEqual([false, true]);
    listener.close();
  }));

  peer(...TCP_PEERS)('of the vnet’s, once it has a cookie of Linux’s', LIMIT, () => withNeighbour(async ({ d, py, vnet }) => {
    await d.ok('v1', 'sysctl', 'net.inet.tcp.fastopen.client_enable=1');
    await py.run("sysctl('net.ipv4.tcp_fastopen', 3)");
    await py.run('l = server(80); l.setsockopt(IPPROTO_TCP, TCP_FASTOPEN, 5)');
    const { kern, sockets } = vnet;
    for (let i = 0; i < 2; i++) {
      const so = sockets.socket(2, 1).so!;
      so.setsockopt('TCP_FASTOPEN', 1);
      expect(kern.engine.outside(() => so.sendTo(Buffer.from('early'), 0x0a4d0001, 80))).toBe(5);
      await py.run('s, _ = l.accept()');
      expect(await py.run('exactly(s, 5)')).toBe('early');
      so.reset();
    }
    const counted = await py.run<Record<string, number>>('netstat()');
    expect({ asked: counted['TCPFastOpenCookieReqd'], passive: counted['TCPFastOpenPassive'], failed: counted['TCPFastOpenPassiveFail'] }).toEqual({ asked: 1, passive: 1, failed: 0 });
  }));
});

/** Linux refuses while its own end of the last connection waits for the acknowledgement of its FIN, which is under way. */
async function connectFrom40000(py: { run(statement: string): Promise<unknown> }): Promise<void> {
  for (let left = 200; ; left--) {
    try {
      await py.run(`s = socket(); s.settimeout(20); s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1); s.bind(('', 40000)); s.connect(('${VNET[4]}', 80))`);
      return;
    } catch (e) {
      if (left === 0 || !String(e).includes('EADDRNOTAVAIL')) throw e;
      await py.run('s.close()');
    }
  }
}

describe('a port in TIME_WAIT', () => {
  peer(...TCP_PEERS)('of the vnet’s takes a new connection of Linux’s at once', LIMIT, () => withNeighbour(async ({ py, vnet }) => {
    const listener = listenWith(vnet, {}, { port: 80 });
    for (let i = 0; i < 3; i++) {
      await connectFrom40000(py);
      const stream = await accepted(listener);
      await write(stream, 'bye');
      void stream.close();
      expect((await py.run<[number, string]>('to_end(s)'))[0]).toBe(3);
      await py.run('s.close()');
    }
    expect(vnet.tcp.stats).toMatchObject({ accepts: 3, tw_recycles: 2 });
    listener.close();
  }));

  peer(...TCP_PEERS)('of Linux’s takes a new connection of the vnet’s at once', LIMIT, () => withNeighbour(async ({ py, vnet }) => {
    await py.run('l = server(80)');
    for (let i = 0; i < 3; i++) {
      const stream = await connectWith(vnet, {}, LINUX[4], 80, 20, 40_000);
      await py.run('s, _ = l.accept(); s.sendall(b"bye"); s.shutdown(SHUT_WR)');
      expect(await exactly(stream, 3)).toBe('bye');
      for await (const chunk of stream.readable) throw new Error(`${chunk.length} bytes too many`);
      void stream.close();
      expect(await py.run('to_end(s)[0]')).toBe(0);
      await py.run('s.close()');
    }
    expect(vnet.tcp.stats).toMatchObject({ connects: 3, closed: 3 });
  }));
});
